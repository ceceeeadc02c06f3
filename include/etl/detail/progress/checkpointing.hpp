#pragma once
/// The progress of one run, from the checkpoint at its beginning to the checkpoint at its end (contract G13 to G17).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/detail/progress/progress_tracker.hpp>
#include <etl/detail/progress/retries.hpp>
#include <etl/detail/run/pipeline_calls.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::detail {

/// The data with which a run begins.
struct Beginning {
  std::string fingerprint{};
  std::vector<PartitionName> partitions{};
  /// Idempotency keys are made for batches of `Options::batch_size`. A resumed run with another batch size is refused
  /// (G16).
  bool keyed = false;
  /// Names each item by itself, for keys of batches of one item. If empty, an item is named by its partition and its
  /// number there.
  std::function<std::string(std::uint64_t seq)> item_id{};
  /// Whether the transaction of a later batch may record a batch with nothing to load. Otherwise each batch has its
  /// own transaction.
  bool rides = true;
};

/// Saves the progress of a run. With a plain store, the thread that settles a batch, or a timer, saves the whole
/// checkpoint from time to time. With a transactional store, the transaction of each batch records what the batch
/// settles. Without a store, this object only knows the fingerprint and the partitions.
///
/// A run counts its partitions by their place in the pipeline's list. A checkpoint gives each partition a number that
/// never changes, and recognises the partition by its id. Thread-safe, except `start`, `save_settled` and
/// `save_finished`.
class Checkpointing {
 public:
  Checkpointing(const Options& options, const std::string& pipeline, std::string run, CheckpointStore* store,
                bool transactional)
      : options_(options), pipeline_(pipeline), run_(std::move(run)), store_(store), transactional_(transactional) {}

  /// Finds out where the run begins, before anything is extracted. `waiter` ends the attempts. Returns an error of
  /// class Fatal if the beginning cannot be determined.
  [[nodiscard]] std::optional<Error> start(Beginning now, const Waiter& waiter, TimePoint time) {
    next_save_ = after(time, options_.delivery.save_every);
    begin_.fingerprint = std::move(now.fingerprint);
    begin_.batch_size = options_.batch_size;
    begin_.run = run_;
    keyed_ = now.keyed;
    rides_ = now.rides;
    item_id_ = std::move(now.item_id);
    if (auto error = number(now.partitions)) return error;
    if (store_ == nullptr) return std::nullopt;
    const auto claim = [&] { return trying([&] { return store_->claim(pipeline_, run_); }, waiter); };
    if (options_.delivery.restart) {
      // A restart may replace a checkpoint that cannot be read, but must take the checkpoint from its former run.
      if (auto claimed = claim(); !claimed && claimed.error().error_class == ErrorClass::Transient)
        return std::move(claimed.error());
    } else {
      auto found = trying([&] { return store_->find(pipeline_); }, waiter);
      if (!found) return std::move(found.error());
      if (*found) {
        // Not claimed: the checkpoint stays with its former run.
        if (auto misfit = misfit_of(**found)) return misfit;
        found = claim();
        if (!found) return std::move(found.error());
      }
      if (*found) {
        if (auto misfit = misfit_of(**found)) return misfit;
        if (goes_on(**found) && !resume(std::move(**found))) return std::nullopt;
      }
    }
    // Replaces a finished or unwanted checkpoint, or adds partitions to it.
    tracker_ = ProgressTracker(begin_);
    auto saved = save_trying(begin_, waiter);
    if (!saved) return std::move(saved.error());
    return std::nullopt;
  }
  /// Sets the object that is told about failed attempts. Called before `start`.
  void tell(Retries& retries) noexcept { retries_ = &retries; }
  /// Sets the waiter for attempts to save during the run and at its end.
  void wait_by(Waiter waiter) { waiter_ = std::move(waiter); }
  /// Progress of an earlier run in the `index`th partition of this run.
  [[nodiscard]] const PartitionProgress* earlier(std::uint32_t index) const noexcept {
    return begin_.find(numbers_[index]);
  }
  [[nodiscard]] bool resumed() const noexcept { return resumed_; }
  /// Ids of the partitions that the earlier run had and this run does not have.
  [[nodiscard]] const std::vector<std::string>& missing() const noexcept { return missing_; }
  [[nodiscard]] const std::string& fingerprint() const noexcept { return begin_.fingerprint; }
  [[nodiscard]] const std::string& partition_id(std::uint32_t index) const noexcept { return names_[index].id; }
  /// Tells the data of a partition from other data under the same id, for keys and letters: the fingerprint of the
  /// partition, if any. Empty for an incremental run, whose partitions may grow.
  [[nodiscard]] std::string_view partition_data(std::uint32_t index) const noexcept {
    return options_.delivery.incremental ? std::string_view() : names_[index].fingerprint;
  }
  [[nodiscard]] const std::string& pipeline() const noexcept { return pipeline_; }
  [[nodiscard]] bool names_items() const noexcept { return item_id_ != nullptr; }
  [[nodiscard]] std::string item_id(std::uint64_t seq) const { return item_id_(seq); }

  /// The source has marked its end. No batch can carry this mark, because it comes after the last item.
  void ended(std::uint32_t partition, const Position& position, std::uint64_t position_seq) {
    const std::lock_guard lock(mutex_);
    tracker_.mark(numbers_[partition], position, position_seq);
  }

  // --- ends of partitions, for keys ------------------------------------------------------------------------
  /// The source has come to its end for now. Returns whether its last batch must not be loaded before this end is
  /// saved: if the partition grows, and this run dies before the batch is saved as settled, the next run must end a
  /// batch at the same place, so that its key is the same (G16). The next save contains the end; one is due after
  /// `group_delay`.
  [[nodiscard]] bool end_at(std::uint32_t partition, std::uint64_t seq, TimePoint now) {
    if (store_ == nullptr || !keyed_ || !options_.delivery.incremental) return false;
    if (seq % options_.batch_size == 0) return false;  // batches end there anyway
    const End end{numbers_[partition], seq};
    const std::lock_guard lock(mutex_);
    if (!tracker_.end_at(end.first, end.second)) return false;
    unsaved_ends_.insert(end);
    unsaved_ = true;
    next_save_ = std::min(next_save_, after(now, group_delay));
    return true;
  }
  [[nodiscard]] bool end_saved(std::uint32_t partition, std::uint64_t seq) {
    const std::lock_guard lock(mutex_);
    return !unsaved_ends_.contains({numbers_[partition], seq});
  }
  /// Saves all ends now. Called by a thread that extracts, which runs no batch while it waits for another save.
  [[nodiscard]] std::optional<Error> save_ends(TimePoint now) {
    std::unique_lock lock(mutex_);
    while (saving_ && !unsaved_ends_.empty()) {
      lock.unlock();
      if (!waiter_.wait_for(std::chrono::milliseconds(1))) return transient("stopped before progress could be saved");
      lock.lock();
    }
    if (unsaved_ends_.empty()) return std::nullopt;
    saving_ = true;
    lock.unlock();
    return save(false, now);
  }
  /// What is called after each save, without a lock. To be set before `start`.
  void on_saved(std::function<void()> call) { on_saved_ = std::move(call); }
  /// Ends that are met within this time are saved together.
  static constexpr std::chrono::nanoseconds group_delay = std::chrono::milliseconds(10);

  // --- with a plain store, or none ------------------------------------------------------------------------
  /// Records that everything of the batch is durable, and saves if that is due.
  [[nodiscard]] std::optional<Error> settled(SettledItems items, TimePoint now) {
    items.partition = numbers_[items.partition];
    {
      const std::lock_guard lock(mutex_);
      tracker_.settle(items);
      unsaved_ = true;
    }
    return save_if_due(now);
  }
  /// Saves what has been settled since the last save, if a save is due.
  [[nodiscard]] std::optional<Error> save_if_due(TimePoint now) {
    if (store_ == nullptr || transactional_) return std::nullopt;
    {
      const std::lock_guard lock(mutex_);
      if (!unsaved_ || now < next_save_ || saving_) return std::nullopt;
      saving_ = true;  // one save at a time
    }
    return save(false, now);
  }
  /// The time at which `save_if_due` must be called even if no further batch is settled, because the source may wait
  /// (G16). Threads that settle batches get it once per save. The timer (`by_timer`) gets it again whenever it has
  /// come too early, because it keeps only one time.
  [[nodiscard]] std::optional<TimePoint> reminder(bool by_timer = false) {
    if (store_ == nullptr || transactional_) return std::nullopt;
    const std::lock_guard lock(mutex_);
    if (!unsaved_ || (by_timer ? saving_ : reminded_)) return std::nullopt;  // the thread that saves asks afterwards
    reminded_ = true;
    return next_save_;
  }

  // --- with a transactional store -------------------------------------------------------------------------
  /// The progress that one transaction records besides rows and dead letters.
  struct Part {
    std::vector<SettledItems> items{};  ///< the batch's own items come first
    std::vector<SettledRange> ranges{};
    std::vector<PartitionProgress> moved{};
  };
  [[nodiscard]] Part part_of(SettledItems own) {
    own.partition = numbers_[own.partition];
    Part part;
    const std::lock_guard lock(mutex_);
    part.items.push_back(std::move(own));
    std::move(riding_.begin(), riding_.end(), std::back_inserter(part.items));
    riding_.clear();
    part.moved = tracker_.take_moved();
    for (const SettledItems& items : part.items) part.ranges.push_back({items.partition, items.items});
    return part;
  }
  void committed(const Part& part, TimePoint now) {
    const std::lock_guard lock(mutex_);
    for (const SettledItems& items : part.items) tracker_.settle(items);
    last_commit_ = now;
  }
  /// Leaves the items of a batch with nothing to write to the next transaction. Returns false if the batch needs its
  /// own transaction, because there has been none for a long time, or because `Beginning::rides` is false.
  [[nodiscard]] bool rides(SettledItems items, TimePoint now) {
    if (!rides_) return false;
    items.partition = numbers_[items.partition];
    const std::lock_guard lock(mutex_);
    if (now - last_commit_.value_or(now) > options_.delivery.save_every) return false;
    if (!last_commit_) last_commit_ = now;
    riding_.push_back(std::move(items));
    return true;
  }
  /// The transaction of a batch with nothing to write has failed. Leaves its progress to the next transaction. Returns
  /// false if `Beginning::rides` forbids that.
  [[nodiscard]] bool rides_on(Part part) {
    if (!rides_) return false;
    const std::lock_guard lock(mutex_);
    std::move(part.items.begin(), part.items.end(), std::back_inserter(riding_));
    return true;
  }

  // --- the end ----------------------------------------------------------------------------------------------
  /// Saves what was settled. `all`: the whole source is settled. (A transactional store keeps its progress of an
  /// unfinished run, because it may know of a commit whose outcome this run does not know.)
  [[nodiscard]] std::optional<Error> save_settled(bool all) {
    if (store_ == nullptr || (transactional_ && !all)) return std::nullopt;
    settle_riding();
    return save(false, {});
  }
  /// Saves that the whole source is settled.
  [[nodiscard]] std::optional<Error> save_finished() {
    if (store_ == nullptr) return std::nullopt;
    settle_riding();
    return save(true, {});
  }

 private:
  using End = std::pair<std::uint32_t, std::uint64_t>;  // number of a partition, and Seq

  /// Whether this run goes on from a checkpoint.
  [[nodiscard]] bool goes_on(const Checkpoint& earlier) const noexcept {
    return !earlier.finished || options_.delivery.incremental;
  }
  /// Why a checkpoint does not fit, or nothing.
  [[nodiscard]] std::optional<Error> misfit_of(const Checkpoint& earlier) const {
    const auto mismatch = [&](std::string what) {
      return Error{.code = Errc::CheckpointMismatch,
                   .context = fmt::format("the checkpoint of '{}' does not fit: {}; use the source and settings that "
                                          "it was made for, or restart, which deletes it and begins at the start",
                                          pipeline_, what)};
    };
    if (!goes_on(earlier)) return std::nullopt;
    if (earlier.fingerprint != begin_.fingerprint)
      return mismatch(fmt::format("the source or the pipeline has changed. It was\n  {}\nand is now\n  {}\n",
                                  earlier.fingerprint, begin_.fingerprint));
    if (keyed_ && earlier.batch_size != 0 && earlier.batch_size != begin_.batch_size)
      return mismatch(fmt::format(
          "its idempotency keys are for batches of {}, and batch_size is {} now: batches would be cut differently",
          earlier.batch_size, begin_.batch_size));
    if (options_.delivery.incremental) return std::nullopt;  // the partitions may have grown
    const auto settled = [](const PartitionProgress& p) { return p.watermark > 0 || !p.gaps.empty(); };
    if (names_.empty() && std::ranges::any_of(earlier.partitions, settled))
      return mismatch(
          "there are no partitions now, and the run that is not finished has settled some items of its own; "
          "is the folder there, and its disk mounted?");
    for (const PartitionProgress& p : earlier.partitions)
      if (const PartitionName* now = name_of(p.id); now != nullptr && now->fingerprint != p.fingerprint)
        return mismatch(fmt::format("the data of partition '{}' has changed. It was\n  {}\nand is now\n  {}\n", p.id,
                                    p.fingerprint, now->fingerprint));
    return std::nullopt;
  }
  /// Numbers the partitions of a run that begins at the start. Returns an error if two partitions have the same id.
  [[nodiscard]] std::optional<Error> number(std::vector<PartitionName>& names) {
    names_ = std::move(names);
    for (std::uint32_t i = 0; i < names_.size(); ++i) {
      if (!index_.emplace(names_[i].id, i).second)
        return Error{.code = Errc::InvalidOptions,
                     .context = fmt::format("two partitions have the id '{}': progress is kept under the id, so each "
                                            "partition needs its own (see `partition_id`)",
                                            names_[i].id)};
      numbers_.push_back(i);
      begin_.partitions.push_back({.partition = i, .id = names_[i].id, .fingerprint = names_[i].fingerprint});
    }
    return std::nullopt;
  }
  [[nodiscard]] const PartitionName* name_of(const std::string& id) const {
    const auto found = index_.find(id);
    return found == index_.end() ? nullptr : &names_[found->second];
  }
  /// Resumes from `found`. Returns whether `found` must be saved: it lacks partitions of this run, or it says that the
  /// run has finished although there may be more to load.
  [[nodiscard]] bool resume(Checkpoint found) {
    if (found.batch_size == 0) found.batch_size = begin_.batch_size;
    found.run = run_;
    const bool was_finished = std::exchange(found.finished, false);
    std::uint32_t next = found.partitions.empty() ? 0 : found.partitions.back().partition + 1;
    std::vector<bool> known(names_.size());
    for (PartitionProgress& p : found.partitions) {
      const auto mine = index_.find(p.id);
      if (mine == index_.end()) {
        missing_.push_back(p.id);
        continue;
      }
      known[mine->second] = true;
      numbers_[mine->second] = p.partition;
      p.fingerprint = names_[mine->second].fingerprint;
    }
    bool any_new = false;
    for (std::uint32_t i = 0; i < names_.size(); ++i) {
      if (known[i]) continue;
      any_new = true;
      numbers_[i] = next;
      found.partitions.push_back({.partition = next++, .id = names_[i].id, .fingerprint = names_[i].fingerprint});
    }
    begin_ = std::move(found);
    tracker_ = ProgressTracker(begin_);
    resumed_ = true;
    return any_new || was_finished;
  }
  template <class F>
  [[nodiscard]] std::invoke_result_t<F> trying(F&& call, const Waiter& waiter) {
    return retry_told(options_.retry, std::forward<F>(call), waiter, retries_, {.stage = Stage::Checkpoint});
  }
  [[nodiscard]] Result<void> save_trying(const Checkpoint& checkpoint, const Waiter& waiter) {
    return trying([&] { return store_->save(pipeline_, checkpoint); }, waiter);
  }
  [[nodiscard]] std::optional<Error> save(bool finished, TimePoint now) {
    auto error = save_once(finished, now);
    if (!error && on_saved_) on_saved_();
    return error;
  }
  [[nodiscard]] std::optional<Error> save_once(bool finished, TimePoint now) {
    const Saving saving{*this};
    Checkpoint checkpoint{
        .fingerprint = begin_.fingerprint, .batch_size = begin_.batch_size, .finished = finished, .run = run_};
    std::set<End> ends;
    {
      const std::lock_guard lock(mutex_);
      checkpoint.partitions = tracker_.progress();
      ends = unsaved_ends_;
      unsaved_ = false;
    }
    auto saved = save_trying(checkpoint, waiter_);
    const std::lock_guard lock(mutex_);
    if (!saved) return std::move(saved.error());
    for (const End& end : ends) unsaved_ends_.erase(end);
    reminded_ = false;
    next_save_ = after(now, unsaved_ends_.empty() ? options_.delivery.save_every : group_delay);
    return std::nullopt;
  }
  /// Ends a save, also when memory runs out in it.
  struct Saving {
    Checkpointing& all;
    ~Saving() {
      const std::lock_guard lock(all.mutex_);
      all.saving_ = false;
    }
  };
  void settle_riding() {
    const std::lock_guard lock(mutex_);
    for (const SettledItems& items : riding_) tracker_.settle(items);  // no later transaction has recorded them
    riding_.clear();
  }

  const Options& options_;
  const std::string pipeline_;
  const std::string run_;
  CheckpointStore* const store_;
  const bool transactional_;
  Retries* retries_ = nullptr;

  // Constant after `start`:
  Checkpoint begin_{};
  std::vector<PartitionName> names_;                        // the partitions of this run, in its order
  std::unordered_map<std::string, std::uint32_t> index_{};  // index of each id in `names_`
  std::vector<std::uint32_t> numbers_{};                    // number of each partition in the checkpoint
  std::vector<std::string> missing_{};
  std::function<std::string(std::uint64_t)> item_id_{};
  bool keyed_ = false;
  bool rides_ = true;
  bool resumed_ = false;
  Waiter waiter_{};
  std::function<void()> on_saved_{};

  std::mutex mutex_;
  ProgressTracker tracker_;
  TimePoint next_save_{};
  bool saving_ = false;
  bool unsaved_ = false;   // something was settled since the last save
  bool reminded_ = false;  // a timer is set for the next save
  std::set<End> unsaved_ends_;
  std::vector<SettledItems> riding_;
  std::optional<TimePoint> last_commit_;
};

}  // namespace etl::inline v0::detail
