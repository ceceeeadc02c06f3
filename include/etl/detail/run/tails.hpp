#pragma once
/// The last batches of partitions, which wait until the ends of their partitions are saved (contract G16).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/intake/owned_lane.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/detail/progress/checkpointing.hpp>
#include <etl/error.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Holds these batches back (see `Checkpointing::end_at`). Thread-safe.
class Tails {
 public:
  Tails(Batcher& batcher, Checkpointing& progress) : batcher_(batcher), progress_(progress) {}

  /// Holds the lane's open batch, if it must not be loaded yet. Returns whether it does.
  [[nodiscard]] bool hold(OwnedLane& lane, std::uint32_t partition) {
    const std::uint64_t end = batcher_.extracted(lane);
    const std::lock_guard lock(mutex_);
    tails_.reserve(tails_.size() + 1);
    if (!progress_.end_at(partition, end, batcher_.control().now())) return false;
    tails_.push_back({&lane, partition, end});
    return true;
  }
  [[nodiscard]] bool empty() { return count() == 0; }
  /// Whether so many batches are held that their ends must be saved now, for the sake of memory.
  [[nodiscard]] bool full() { return count() >= most; }
  /// Looks again when the next save is due.
  void look_later() { batcher_.control().call_at(after(batcher_.control().now(), Checkpointing::group_delay)); }
  /// Called by a thread that extracts: saves the ends, and gives the batches to the workers.
  void flush() noexcept {
    auto failed = guarded([&]() -> std::optional<Error> {
      if (batcher_.control().dead()) return std::nullopt;
      auto unsaved = progress_.save_ends(batcher_.control().now());
      if (const auto due = progress_.reminder()) batcher_.control().call_at(*due);
      return unsaved;
    });
    if (failed) batcher_.control().fail_unless_ending({.error = std::move(*failed), .stage = Stage::Checkpoint});
    release();
  }
  /// Gives the batches whose ends are saved to the workers. After a failure all, to be abandoned.
  void release() noexcept {
    for (;;) {
      std::unique_lock lock(mutex_);
      const auto ready = std::ranges::find_if(tails_, [&](const Tail& tail) {
        return batcher_.control().dead() || progress_.end_saved(tail.partition, tail.end);
      });
      if (ready == tails_.end()) {
        const bool more = !tails_.empty();
        lock.unlock();
        if (more) look_later();
        return;
      }
      OwnedLane& lane = *ready->lane;
      *ready = tails_.back();
      tails_.pop_back();
      lock.unlock();
      batcher_.finish_lane(lane, FlushReason::Source);
    }
  }

 private:
  struct Tail {
    OwnedLane* lane;
    std::uint32_t partition;
    std::uint64_t end;
  };
  static constexpr std::size_t most = 64;

  [[nodiscard]] std::size_t count() {
    const std::lock_guard lock(mutex_);
    return tails_.size();
  }

  Batcher& batcher_;
  Checkpointing& progress_;
  std::mutex mutex_;
  std::vector<Tail> tails_;
};

}  // namespace etl::inline v0::detail
