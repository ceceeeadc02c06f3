#pragma once
/// One batch between transform and load: its results, and what becomes of each.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::detail {

/// The end of a result, from best to worst.
enum class Fate : std::uint8_t { Committed, Rejected, InDoubt, Abandoned };

/// A rejected item of a batch, counted from its begin.
struct Rejected {
  std::uint32_t item;
  Error error;
};

/// A batch whose items went to several lanes (`Order::ByKey`): it is settled with the last of its parts. Thread-safe.
class Split {
 public:
  explicit Split(std::uint32_t parts) : left_(parts) {}
  /// What became of a part. The whole, if it was the last one.
  [[nodiscard]] std::optional<BatchLedger> add(const BatchLedger& part) {
    const std::lock_guard lock(mutex_);
    whole_.add(part);
    return --left_ == 0 ? std::optional(whole_) : std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::uint32_t left_;
  BatchLedger whole_;
};

/// Nothing is written down while every item has one result and every result is committed. Recycled with
/// its memory. Belongs to one worker, or to the gate.
struct Work {
  explicit Work(std::unique_ptr<Results> of_its_own) : results(std::move(of_its_own)) {}
  const std::unique_ptr<Results> results;  ///< of transform, where there is one, or of the part of a batch
  Batch* batch = nullptr;
  std::uint32_t mark = 0;      ///< results before the current item
  std::uint32_t produced = 0;  ///< results given to load
  bool ready = false;          ///< transformed without failure
  TimePoint began{};
  std::vector<Rejected> rejections{};       ///< by transform
  std::uint32_t told = 0;                   ///< how many of them have been reported and drawn on the budget
  std::vector<Rejected> load_rejections{};  ///< by load, each item once
  std::size_t reported = 0;                 ///< how many of those have been reported
  std::vector<std::uint32_t> drawn{};       ///< which items of those, of any attempt, drew on the budget; ascending
  std::uint32_t attempts = 0;               ///< at loading
  std::uint64_t bytes = 0;                  ///< of its items, for the rate limit
  std::shared_ptr<Split> split{};           ///< this is the part of the batch that has the items `which`
  std::vector<std::uint32_t> which{};
  std::uint32_t slot = 0;  ///< that loads it
  Work* next = nullptr;    ///< at the gate

  // For the gate, which looks at them when the batch has been settled and may be in use again.
  [[nodiscard]] std::uint32_t partition() const noexcept { return partition_; }
  [[nodiscard]] std::uint64_t ordinal() const noexcept { return ordinal_; }

  void start(Batch* of, TimePoint now) noexcept {
    batch = of;
    partition_ = of->partition;
    ordinal_ = of->ordinal;
    began = now;
    ready = false;
    produced = mark = told = attempts = 0;
    bytes = 0;
  }
  /// One of the parts of a batch; the lanes of all partitions are distinct.
  void start_part(Batch* of, TimePoint now, std::shared_ptr<Split> whole, std::uint32_t lane, std::uint32_t lanes) {
    start(of, now);
    split = std::move(whole);
    partition_ = of->partition * lanes + lane;
  }
  /// Items, and where the `i`th is in its batch.
  [[nodiscard]] std::uint32_t size() const noexcept {
    return split ? static_cast<std::uint32_t>(which.size()) : batch->size();
  }
  [[nodiscard]] std::uint32_t at(std::uint32_t i) const noexcept { return split ? which[i] : i; }

  void clear() noexcept {
    split.reset();
    which.clear();
    results->truncate(0);
    rejections.clear();
    load_rejections.clear();
    drawn.clear();
    reported = 0;
    counts_.clear();
    fates_.clear();
    lost_ = unkept_ = false;
  }
  /// Before another attempt at all of it.
  void forget_load() noexcept {
    load_rejections.clear();
    reported = 0;
    fates_.clear();
  }

  /// Item `i` has `count` results, not one.
  void note_count(std::uint32_t i, std::uint32_t count) { counts_.push_back({i, count}); }
  void reject_item(std::uint32_t i, Error error) {
    results->truncate(mark);
    counts_.push_back({i, 0});
    rejections.push_back({i, std::move(error)});
  }

  void set(std::uint32_t from, std::uint32_t to, Fate fate) {
    if (fates_.empty()) fates_.assign(produced, Fate::Committed);
    std::fill(fates_.begin() + from, fates_.begin() + to, fate);
  }
  /// Nothing of this batch is loaded.
  void lose() noexcept {
    lost_ = true;
    produced = results->count();
  }
  /// Results from `from` on are not loaded.
  void abandon_from(std::uint32_t from) { set(from, produced, Fate::Abandoned); }
  /// What was rejected could not be set aside: it is lost with the batch.
  void lose_rejections() noexcept { unkept_ = true; }

  /// The batch was not loaded to its end, and nobody has been told of some rejects: they are lost with it, and come
  /// again with the next run. So every reject that is counted has drawn on the budget.
  void lose_unreported() {
    if (reported == load_rejections.size()) return;
    auto lost = load_rejections.begin() + static_cast<std::ptrdiff_t>(reported);
    std::vector<std::uint32_t> items;
    for (; lost != load_rejections.end(); ++lost) items.push_back(lost->item);
    std::ranges::sort(items);
    for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
      if (std::binary_search(items.begin(), items.end(), item))
        std::replace(fates_.begin() + first, fates_.begin() + end, Fate::Rejected, Fate::Abandoned);
    });
    load_rejections.resize(reported);
  }

  /// Load rejected results, counted from `from`. Keeps the items concerned, each once per batch, with the first reason.
  void reject_results(std::uint32_t from, std::vector<std::pair<std::size_t, Error>>& rejects) {
    std::ranges::sort(rejects, {}, &std::pair<std::size_t, Error>::first);
    if (fates_.empty()) fates_.assign(produced, Fate::Committed);
    auto next_reject = rejects.begin();
    for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
      bool told_before =
          std::any_of(fates_.begin() + first, fates_.begin() + end, [](Fate f) { return f == Fate::Rejected; });
      for (; next_reject != rejects.end() && next_reject->first + from < end; ++next_reject) {
        fates_[next_reject->first + from] = Fate::Rejected;
        if (!std::exchange(told_before, true)) load_rejections.push_back({item, std::move(next_reject->second)});
      }
    });
  }

  /// Whether some items are not loaded. Of a work without transform, as all of a bucket's are.
  [[nodiscard]] bool loses() const noexcept { return lost_ || !fates_.empty(); }
  /// Calls `call(item, fate, reason)` for each of them; the reason is that of a reject, or null.
  template <class F>
  void each_lost(F&& call) const {
    for (std::uint32_t item = 0; item < size(); ++item) {
      Fate fate = lost_ ? Fate::Abandoned : fates_[item];
      if (fate == Fate::Rejected && unkept_) fate = Fate::Abandoned;
      if (fate == Fate::Committed) continue;
      const auto why = std::ranges::find(load_rejections, item, &Rejected::item);
      call(item, fate, fate == Fate::Rejected && why != load_rejections.end() ? &why->error : nullptr);
    }
  }

  /// What the run's ledgers gain (G2): each item once, by the worst that happened to its results.
  [[nodiscard]] BatchLedger ledger() const {
    BatchLedger ledger;
    ledger.results.produced = produced;
    if (batch->replayed) {
      ledger.items.replayed = size();
    } else if (lost_) {
      ledger.results.abandoned = produced;
      ledger.items.rejected = told;
      ledger.items.abandoned = size() - told;
    } else if (fates_.empty()) {
      ledger.results.committed = produced;
      ledger.items.rejected = rejections.size();
      for (const Count& c : counts_) ledger.items.filtered += c.results == 0;
      ledger.items.filtered -= ledger.items.rejected;  // a rejected item has no result either
      ledger.items.loaded = size() - ledger.items.filtered - ledger.items.rejected;
    } else {
      for (const Fate fate : fates_) count(ledger, fate);
      count_items(ledger);
    }
    if (unkept_) {
      ledger.items.abandoned += std::exchange(ledger.items.rejected, 0);
      ledger.results.abandoned += std::exchange(ledger.results.rejected, 0);
    }
    return ledger;
  }

 private:
  struct Count {
    std::uint32_t item;
    std::uint32_t results;
  };

  /// Calls `call(item, first result, end of results)` for every item, in order.
  template <class F>
  void for_each_item(F&& call) const {
    auto next_count = counts_.begin();
    std::uint32_t result = 0;
    for (std::uint32_t item = 0; item < size(); ++item) {
      std::uint32_t count = 1;
      if (next_count != counts_.end() && next_count->item == item) count = (next_count++)->results;
      call(item, result, result + count);
      result += count;
    }
  }
  static void count(BatchLedger& ledger, Fate fate) noexcept {
    switch (fate) {
      case Fate::Committed: ++ledger.results.committed; break;
      case Fate::Rejected: ++ledger.results.rejected; break;
      case Fate::InDoubt: ++ledger.results.in_doubt; break;
      case Fate::Abandoned: ++ledger.results.abandoned; break;
    }
  }
  void count_items(BatchLedger& ledger) const {
    auto rejected = rejections.begin();
    for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
      if (rejected != rejections.end() && rejected->item == item) {
        ++rejected;
        ++ledger.items.rejected;
        return;
      }
      if (first == end) return void(++ledger.items.filtered);
      switch (*std::max_element(fates_.begin() + first, fates_.begin() + end)) {
        case Fate::Committed: ++ledger.items.loaded; break;
        case Fate::Rejected: ++ledger.items.rejected; break;
        case Fate::InDoubt:
        case Fate::Abandoned: ++ledger.items.abandoned; break;
      }
    });
  }

  std::uint32_t partition_ = 0;
  std::uint64_t ordinal_ = 0;
  std::vector<Count> counts_{};  // items that have not exactly one result, in order
  std::vector<Fate> fates_{};    // empty: all committed
  bool lost_ = false;            // nothing was loaded
  bool unkept_ = false;          // rejections are lost too
};

}  // namespace etl::inline v0::detail
