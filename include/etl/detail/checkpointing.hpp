#pragma once
/// The progress of one run, from the checkpoint it began with to the one it leaves (contract G13 to G17).

#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/progress_tracker.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::detail {

/// Who saves what: with a plain store, whoever settles a batch saves the whole checkpoint from time to time; with a
/// transactional one, each batch's transaction records what it settles. Without a store it only knows the fingerprint.
/// Thread-safe, except `start` and `finish`.
class Checkpointing {
 public:
  Checkpointing(const Options& options, const std::string& pipeline, std::string run, CheckpointStore* store,
                bool transactional)
      : options_(options), pipeline_(pipeline), run_(std::move(run)), store_(store), transactional_(transactional) {}

  /// Finds out where to begin. An error of class Fatal when that cannot be told.
  [[nodiscard]] std::optional<Error> start(std::string fingerprint, std::uint64_t partition_count, TimePoint now) {
    next_save_ = now + std::chrono::duration_cast<Clock::duration>(options_.delivery.save_every);
    begin_.fingerprint = std::move(fingerprint);
    begin_.batch_size = options_.batch_size;
    begin_.partition_count = partition_count;
    begin_.run = run_;
    if (store_ == nullptr) return std::nullopt;
    const auto claim = [&] { return trying([&] { return store_->claim(pipeline_, run_); }); };
    if (options_.delivery.restart) {
      // What cannot be read is no obstacle, but somebody else's it must not stay.
      if (auto claimed = claim(); !claimed && claimed.error().error_class == ErrorClass::Transient)
        return std::move(claimed.error());
    } else {
      auto found = trying([&] { return store_->find(pipeline_); });
      if (!found) return std::move(found.error());
      if (*found) {
        if (auto fits = resumable(found); !fits) return std::move(fits.error());  // and stays another's
        found = claim();
      }
      found = resumable(std::move(found));
      if (!found) return std::move(found.error());
      if (*found) return resume(std::move(**found)), std::nullopt;
    }
    auto saved = save_trying(begin_);  // in place of a finished or unwanted one
    if (!saved) return std::move(saved.error());
    return std::nullopt;
  }
  /// For attempts to save.
  void wait_by(Waiter waiter) { waiter_ = std::move(waiter); }
  [[nodiscard]] const PartitionProgress* earlier(std::uint32_t partition) const noexcept {
    return begin_.find(partition);
  }
  [[nodiscard]] bool resumed() const noexcept { return resumed_; }
  [[nodiscard]] const std::string& fingerprint() const noexcept { return begin_.fingerprint; }
  [[nodiscard]] std::uint64_t batch_size() const noexcept { return begin_.batch_size; }
  [[nodiscard]] const std::string& pipeline() const noexcept { return pipeline_; }
  [[nodiscard]] const std::string& run() const noexcept { return run_; }
  /// Whether chunks have to wait for a checkpoint.
  [[nodiscard]] bool keeps_chunks() const noexcept { return store_ != nullptr && !transactional_; }

  /// The source has come to its end, and marked it. No batch may have that mark: it comes behind the last item.
  void ended(std::uint32_t partition, const Position& position, std::uint64_t position_seq) {
    const std::lock_guard lock(mutex_);
    tracker_.mark(partition, position, position_seq);
  }

  // --- with a plain store, or none ------------------------------------------------------------------------
  /// Everything of the batch is durable. `chunks` are released, which acknowledges them, when a checkpoint says so too
  /// (G16).
  [[nodiscard]] std::optional<Error> settled(const SettledItems& items, std::vector<ChunkRef> chunks, TimePoint now) {
    {
      const std::lock_guard lock(mutex_);
      tracker_.settle(items);
      std::move(chunks.begin(), chunks.end(), std::back_inserter(chunks_));
      if (store_ == nullptr || transactional_ || now < next_save_ || saving_) return std::nullopt;
      saving_ = true;  // one at a time
    }
    return save(false, now);
  }

  // --- with a transactional store -------------------------------------------------------------------------
  /// What one transaction records beside rows and dead letters.
  struct Part {
    std::vector<SettledItems> items{};  ///< the batch's own first
    std::vector<SettledRange> ranges{};
    std::vector<PartitionProgress> moved{};
  };
  [[nodiscard]] Part part_of(SettledItems own) {
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
  /// A batch with nothing to write: its items are recorded by the next transaction. False: there has been none for so
  /// long that it should have one of its own.
  [[nodiscard]] bool rides(const SettledItems& items, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (now - last_commit_.value_or(now) > options_.delivery.save_every) return false;
    if (!last_commit_) last_commit_ = now;
    riding_.push_back(items);
    return true;
  }

  // --- the end ----------------------------------------------------------------------------------------------
  /// Saves what was settled, or that all was. (What a transactional store has of an unfinished run stays as it is: it
  /// may know of a commit whose outcome this run does not know.)
  [[nodiscard]] std::optional<Error> finish(bool all) {
    if (store_ == nullptr || (transactional_ && !all)) return std::nullopt;
    {
      const std::lock_guard lock(mutex_);
      for (const SettledItems& items : riding_) tracker_.settle(items);  // no transaction has come for them
      riding_.clear();
    }
    return save(all, {});
  }
  /// The end of the run: what is not saved is not acknowledged.
  void lose_chunks() {
    std::vector<ChunkRef> chunks;
    const std::lock_guard lock(mutex_);
    chunks.swap(chunks_);
    for (const ChunkRef& chunk : chunks) chunk->lost.store(true, std::memory_order_release);
  }

 private:
  /// The checkpoint to go on from, if there is one; an error when it does not fit.
  [[nodiscard]] Result<std::optional<Checkpoint>> resumable(Result<std::optional<Checkpoint>> found) const {
    const auto mismatch = [&](std::string what) {
      return failure(
          Error{.code = Errc::CheckpointMismatch,
                .context = fmt::format("the checkpoint of '{}' does not fit: {}; go back to what "
                                       "it was made for, or restart, which forgets it and begins at the start",
                                       pipeline_, what)});
    };
    if (!found || !*found) return found;
    const Checkpoint& earlier = **found;
    if (earlier.finished && !options_.delivery.incremental) return std::nullopt;
    if (earlier.fingerprint != begin_.fingerprint)
      return mismatch(fmt::format("the source or the pipeline has changed. It was\n  {}\nand is now\n  {}\n",
                                  earlier.fingerprint, begin_.fingerprint));
    if (earlier.partition_count != begin_.partition_count)
      return mismatch(fmt::format("it has {} partitions, and the pipeline now {}", earlier.partition_count,
                                  begin_.partition_count));
    return found;
  }
  void resume(Checkpoint found) {
    if (found.batch_size == 0) found.batch_size = begin_.batch_size;
    found.run = run_;
    begin_ = std::move(found);
    tracker_ = ProgressTracker(begin_);
    resumed_ = true;
  }
  template <class F>
  [[nodiscard]] std::invoke_result_t<F> trying(F&& call) {
    return retry(options_.retry, std::forward<F>(call), waiter_, 0);
  }
  [[nodiscard]] Result<void> save_trying(const Checkpoint& checkpoint) {
    return trying([&] { return store_->save(pipeline_, checkpoint); });
  }
  [[nodiscard]] std::optional<Error> save(bool finished, TimePoint now) {
    Checkpoint checkpoint;
    std::vector<ChunkRef> chunks;
    {
      const std::lock_guard lock(mutex_);
      checkpoint = {begin_.fingerprint, begin_.batch_size, begin_.partition_count, finished, run_, tracker_.progress()};
      chunks.swap(chunks_);
    }
    auto saved = save_trying(checkpoint);
    const std::lock_guard lock(mutex_);
    saving_ = false;
    if (!saved) {
      for (const ChunkRef& chunk : chunks) chunk->lost.store(true, std::memory_order_release);
      return std::move(saved.error());
    }
    next_save_ = now + std::chrono::duration_cast<Clock::duration>(options_.delivery.save_every);
    return std::nullopt;
  }

  const Options& options_;
  const std::string pipeline_;
  const std::string run_;
  CheckpointStore* const store_;
  const bool transactional_;
  Checkpoint begin_{};  // constant after `start`
  bool resumed_ = false;
  Waiter waiter_{};

  std::mutex mutex_;
  ProgressTracker tracker_;
  std::vector<ChunkRef> chunks_;
  TimePoint next_save_{};
  bool saving_ = false;
  std::vector<SettledItems> riding_;
  std::optional<TimePoint> last_commit_;
};

}  // namespace etl::inline v0::detail
