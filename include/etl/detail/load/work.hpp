#pragma once
/// One batch between transform and load: its results, and what becomes of each.

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
  [[nodiscard]] std::optional<BatchLedger> add(const BatchLedger& part);

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

  void start(Batch* of, TimePoint now) noexcept;
  /// One of the parts of a batch; the lanes of all partitions are distinct.
  void start_part(Batch* of, TimePoint now, std::shared_ptr<Split> whole, std::uint32_t lane, std::uint32_t lanes);
  /// Items, and where the `i`th is in its batch.
  [[nodiscard]] std::uint32_t size() const noexcept {
    return split ? static_cast<std::uint32_t>(which.size()) : batch->size();
  }
  [[nodiscard]] std::uint32_t at(std::uint32_t i) const noexcept { return split ? which[i] : i; }

  void clear() noexcept;
  /// Before another attempt at all of it.
  void forget_load() noexcept;

  /// Item `i` has `count` results, not one.
  void note_count(std::uint32_t i, std::uint32_t count) { counts_.push_back({i, count}); }
  void reject_item(std::uint32_t i, Error error);
  /// Takes over what was noted of items behind its own; their results are joined already.
  void join(Work& of_later_items);

  void set(std::uint32_t from, std::uint32_t to, Fate fate);
  /// Nothing of this batch is loaded.
  void lose() noexcept;
  /// Results from `from` on are not loaded.
  void abandon_from(std::uint32_t from) { set(from, produced, Fate::Abandoned); }
  /// What was rejected could not be set aside: it is lost with the batch.
  void lose_rejections() noexcept { unkept_ = true; }

  /// The batch was not loaded to its end, and nobody has been told of some rejects: they are lost with it, and come
  /// again with the next run. So every reject that is counted has drawn on the budget.
  void lose_unreported();

  /// Load rejected results, counted from `from`. Keeps the items concerned, each once per batch, with the first reason.
  void reject_results(std::uint32_t from, std::vector<std::pair<std::size_t, Error>>& rejects);

  /// Which result of the part of a split batch its item became; nothing where its move has failed.
  [[nodiscard]] std::optional<std::uint32_t> moved_to(std::uint32_t item) const noexcept;
  /// Why `load` rejected an item, or null if it did not.
  [[nodiscard]] const Error* reason(std::uint32_t item) const noexcept;
  /// Whether some items are not loaded. Of a work without transform, as all of a bucket's are.
  [[nodiscard]] bool loses() const noexcept { return lost_ || !fates_.empty(); }
  /// Calls `call(item, fate, reason)` for each of them; the reason is that of a reject, or null.
  template <class F>
  void each_lost(F&& call) const {
    for (std::uint32_t item = 0; item < size(); ++item) {
      Fate fate = lost_ ? Fate::Abandoned : fates_[item];
      if (fate == Fate::Rejected && unkept_) fate = Fate::Abandoned;
      if (fate == Fate::Committed) continue;
      call(item, fate, fate == Fate::Rejected ? reason(item) : nullptr);
    }
  }

  /// What the run's ledgers gain (G2): each item once, by the worst that happened to its results.
  [[nodiscard]] BatchLedger ledger() const;

 private:
  struct Count {
    std::uint32_t item;
    std::uint32_t results;
  };

  /// Calls `call(item, first result, end of results)` for every item, in order.
  template <class F>
  void for_each_item(F&& call) const;
  void count_items(BatchLedger& ledger) const;

  std::uint32_t partition_ = 0;
  std::uint64_t ordinal_ = 0;
  std::vector<Count> counts_{};  // items that have not exactly one result, in order
  std::vector<Fate> fates_{};    // empty: all committed
  bool lost_ = false;            // nothing was loaded
  bool unkept_ = false;          // rejections are lost too
};

}  // namespace etl::inline v0::detail

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/work.ipp>
#endif
