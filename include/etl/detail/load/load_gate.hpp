#pragma once
/// Decides which batch may load now: limits concurrency, and keeps source order within a partition (contract G18).

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

#include <etl/config.hpp>
#include <etl/detail/load/work.hpp>

namespace etl::inline v0::detail {

/// A worker never waits for its turn. It parks its transformed batch here and takes the next batch. The thread that
/// ends a load continues with the batches that have become ready. Thread-safe. Allocates only once per partition.
class LoadGate {
 public:
  enum class Turn : std::uint8_t { Load, Parked, Abandon };

  LoadGate(std::size_t limit, bool ordered) : limit_(limit), ordered_(ordered) {}

  /// Result Load: the caller must call `leave` after the load. Parked: the work belongs to the gate now. Abandon: the
  /// gate is shut.
  [[nodiscard]] Turn enter(Work* work) {
    const std::lock_guard lock(mutex_);
    if (shut_) return Turn::Abandon;
    if (ordered_ && !is_next(*work)) {
      lanes_[work->partition()].park(work);
      return Turn::Parked;
    }
    if (active_ == limit_) {
      make_ready(work);
      return Turn::Parked;
    }
    ++active_;
    return Turn::Load;
  }

  /// Puts the work in its place without loading it. Returns false if the gate is shut.
  [[nodiscard]] bool add(Work* work) {
    const std::lock_guard lock(mutex_);
    if (shut_) return false;
    is_next(*work) ? make_ready(work) : lanes_[work->partition()].park(work);
    return true;
  }
  /// Returns a work whose turn it is, to be loaded on this thread, or null. The caller must call `leave` after the
  /// load.
  [[nodiscard]] Work* take() {
    const std::lock_guard lock(mutex_);
    return shut_ || active_ == limit_ ? nullptr : take_ready();
  }
  /// A load waits before its next attempt, so another load may take its place.
  void pause() {
    const std::lock_guard lock(mutex_);
    --active_;
  }
  /// Continues a paused load. Returns false if too many loads run now. `always`: the load only wants to end, so the
  /// limit does not count.
  [[nodiscard]] bool resume(bool always) {
    const std::lock_guard lock(mutex_);
    if (active_ >= limit_ && !always && !shut_) return false;
    ++active_;
    return true;
  }

  /// Ends a load. Returns the work to load next on this thread, or null.
  [[nodiscard]] Work* leave(const Work& done) {
    const std::lock_guard lock(mutex_);
    --active_;
    if (shut_) return nullptr;
    if (ordered_) release_next(lanes_[done.partition()]);
    return take_ready();
  }

  /// Shuts the gate. Returns all parked works as a list.
  [[nodiscard]] Work* shut() {
    const std::lock_guard lock(mutex_);
    shut_ = true;
    for (auto& [partition, lane] : lanes_)
      while (Work* work = lane.parked) {
        lane.parked = work->next;
        make_ready(work);
      }
    Work* parked = ready_head_;
    ready_head_ = nullptr;
    return parked;
  }

 private:
  struct Lane {
    std::uint64_t next = 0;  // ordinal whose turn it is; it grows when that work has left
    Work* parked = nullptr;  // transformed works of later ordinals, sorted by ordinal
    void park(Work* work) {
      Work** at = &parked;
      while (*at != nullptr && (*at)->ordinal() < work->ordinal()) at = &(*at)->next;
      work->next = *at;
      *at = work;
    }
  };

  [[nodiscard]] Work* take_ready() {
    Work* next = ready_head_;
    if (next == nullptr) return nullptr;
    ready_head_ = next->next;
    ++active_;
    return next;
  }
  [[nodiscard]] bool is_next(const Work& work) { return lanes_[work.partition()].next == work.ordinal(); }
  void make_ready(Work* work) {
    work->next = nullptr;
    (ready_head_ == nullptr ? ready_head_ : ready_tail_->next) = work;
    ready_tail_ = work;
  }
  void release_next(Lane& lane) {
    ++lane.next;
    Work* work = lane.parked;
    if (work == nullptr || work->ordinal() != lane.next) return;
    lane.parked = work->next;
    make_ready(work);
  }

  const std::size_t limit_;
  const bool ordered_;
  std::mutex mutex_;
  bool shut_ = false;
  std::size_t active_ = 0;
  Work* ready_head_ = nullptr;
  Work* ready_tail_ = nullptr;
  std::map<std::uint32_t, Lane> lanes_;
};

}  // namespace etl::inline v0::detail
