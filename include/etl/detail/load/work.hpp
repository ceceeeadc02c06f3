#pragma once
/// One batch between transform and load: its results, and the fate of each result.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::detail {

/// Fate of a result, from best to worst.
enum class Fate : std::uint8_t { Committed, Rejected, InDoubt, Abandoned };

/// A rejected item, counted from the first item of its batch.
struct Rejected {
  std::uint32_t item;
  Error error;
  std::uint32_t attempts = 1;  ///< number of attempts at the item's result
};

/// A batch whose items went to several lanes (`Order::ByKey`). The last of its parts settles the batch. Thread-safe.
class Split {
 public:
  explicit Split(std::uint32_t parts) : left_(parts) {}
  /// Adds the ledger of a part. After the last part, returns the ledger of the whole batch.
  [[nodiscard]] std::optional<BatchLedger> add(const BatchLedger& part);

 private:
  std::mutex mutex_;
  std::uint32_t left_;
  BatchLedger whole_;
};

/// While every item has one result and every result is committed, the lists of exceptions stay empty. Works are reused
/// together with their memory. A work belongs to one worker, or to the gate.
struct Work {
  explicit Work(std::unique_ptr<Results> of_its_own) : results(std::move(of_its_own)) {}
  const std::unique_ptr<Results> results;  ///< results of transform, if there is one, or of the part of a batch
  Batch* batch = nullptr;
  std::uint32_t mark = 0;      ///< number of results before the current item
  std::uint32_t produced = 0;  ///< number of results given to load
  bool ready = false;          ///< transformed without failure
  TimePoint began{};
  std::vector<Rejected> rejections{};       ///< items rejected by transform
  std::uint32_t told = 0;                   ///< how many of `rejections` are reported and drawn from the budget
  std::vector<Rejected> load_rejections{};  ///< items rejected by load, each item once
  std::size_t reported = 0;                 ///< how many of `load_rejections` are reported
  /// Items that load rejected in any attempt and that are drawn from the budget; ascending.
  std::vector<std::uint32_t> drawn{};
  std::uint32_t attempts = 0;      ///< number of load attempts
  std::uint64_t bytes = 0;         ///< weight of the items, for the rate limit
  std::shared_ptr<Split> split{};  ///< set if this work is the part of a batch with the items `which`
  std::vector<std::uint32_t> which{};
  std::uint32_t slot = 0;  ///< worker slot that loads the work
  Work* next = nullptr;    ///< next work in a list of the gate

  // Copies for the gate, which reads them after the batch has been settled and perhaps reused.
  [[nodiscard]] std::uint32_t partition() const noexcept { return partition_; }
  [[nodiscard]] std::uint64_t ordinal() const noexcept { return ordinal_; }

  void start(Batch* of, TimePoint now) noexcept;
  /// Starts one of the parts of a batch. Different partitions use different lanes.
  void start_part(Batch* of, TimePoint now, std::shared_ptr<Split> whole, std::uint32_t lane, std::uint32_t lanes);
  /// Number of items, and the index of item `i` in the batch.
  [[nodiscard]] std::uint32_t size() const noexcept {
    return split ? static_cast<std::uint32_t>(which.size()) : batch->size();
  }
  [[nodiscard]] std::uint32_t at(std::uint32_t i) const noexcept { return split ? which[i] : i; }

  void clear() noexcept;
  /// Forgets the outcome of an attempt before another attempt at the whole work.
  void forget_load() noexcept;

  /// Notes that item `i` has `count` results, not one.
  void note_count(std::uint32_t i, std::uint32_t count) { counts_.push_back({i, count}); }
  void reject_item(std::uint32_t i, Error error);
  /// Adds to a hash which items have no result, or several. The numbers of results then name the same items.
  template <class Hash>
  void add_counts(Hash& hash) const {
    hash.add(std::uint64_t{counts_.size()});
    for (const Count& count : counts_) hash.add(std::uint64_t{count.item}).add(std::uint64_t{count.results});
  }
  /// Takes over the notes about items that come after its own items. Their results are already joined.
  void join(Work& of_later_items);

  void set(std::uint32_t from, std::uint32_t to, Fate fate);
  /// Marks all results as not loaded.
  void lose() noexcept;
  /// Marks the results from `from` on as not loaded.
  void abandon_from(std::uint32_t from) { set(from, produced, Fate::Abandoned); }
  /// The rejected items could not be set aside as dead letters, so they are lost with the batch.
  void lose_rejections() noexcept { unkept_ = true; }

  /// The batch was not loaded completely, and some rejected items have not been reported. They are lost with the
  /// batch, and the next run extracts them again. So every item that counts as rejected has been drawn from the
  /// budget.
  void lose_unreported();

  /// Notes results that load rejected, counted from `from`. Keeps each rejected item once per batch, with the first
  /// reason.
  void reject_results(std::uint32_t from, std::vector<std::pair<std::size_t, Error>>& rejects, std::uint32_t tried);

  /// Notes in the letters of `load_rejections` which results of their items are loaded.
  void add_loaded(std::span<DeadLetter> letters) const;
  /// Leaves out of a replay's work what is loaded already; `letters` has one letter for each item of the replay.
  /// Returns the numbers of the other results, which alone may stay in `results`. Rejects an item that no longer has as
  /// many results as its letter says.
  [[nodiscard]] std::vector<std::uint32_t> drop_loaded(std::span<const DeadLetter> letters);

  /// Which result of the part of a split batch the item became; no value if the move of the item failed.
  [[nodiscard]] std::optional<std::uint32_t> moved_to(std::uint32_t item) const noexcept;
  /// The reason for which `load` rejected an item, or null if it did not.
  [[nodiscard]] const Error* reason(std::uint32_t item) const noexcept;
  /// Whether some items are not loaded. Only for a work without transform, such as those of a bucket.
  [[nodiscard]] bool loses() const noexcept { return lost_ || !fates_.empty(); }
  /// Calls `call(item, fate, reason)` for each lost item. `reason` is the reason of a reject, or null.
  template <class F>
  void each_lost(F&& call) const {
    for (std::uint32_t item = 0; item < size(); ++item) {
      Fate fate = lost_ ? Fate::Abandoned : fates_[item];
      if (fate == Fate::Rejected && unkept_) fate = Fate::Abandoned;
      if (fate == Fate::Committed) continue;
      call(item, fate, fate == Fate::Rejected ? reason(item) : nullptr);
    }
  }

  /// What the batch adds to the run's ledgers (G2): each item once, by the worst fate of its results.
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
  std::vector<Count> counts_{};  // items with no result or several, in order
  std::vector<Fate> fates_{};    // empty if all results are committed
  bool lost_ = false;            // nothing was loaded
  bool unkept_ = false;          // rejected items are lost too
};

}  // namespace etl::inline v0::detail

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/work.ipp>
#endif
