#pragma once
/// The producer's side of a batcher: one open batch, filled without locks.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::detail {

struct Lane;

/// Error text for a source that acknowledges, in a run that counts items from the start of the source.
inline constexpr std::string_view acknowledges_with_progress =
    "a source that acknowledges (out.retain(keep, acknowledge)) cannot be run with checkpoints or a store, nor with "
    "idempotency keys: the next run would count the messages that are left from 0, skip them as loaded, and give them "
    "the keys of others; leave checkpoints and keys out, or replay the source by position (out.mark, out.resume_from)";

/// The rare part of a push, which takes the batcher's lock.
class LaneHost {
 public:
  LaneHost() = default;
  LaneHost(const LaneHost&) = delete;
  LaneHost& operator=(const LaneHost&) = delete;
  virtual ~LaneHost() = default;
  /// Makes room for one item at `lane.count`. Returns false after stop, failure or close; the push is then counted.
  virtual bool make_room(Lane& lane) = 0;
  /// Weighs the next item, at `place`, if `lane.weighs`. The item is not published yet, so no other thread uses it.
  virtual void weigh(Lane& /*lane*/, std::uint32_t /*place*/) noexcept {}
  /// An item was published and `count` has reached `limit`: the first item, a full batch, a cut, or a check that is
  /// due.
  virtual void reached_limit(Lane& lane) = 0;
  virtual void flush(Lane& lane) = 0;
  /// Returns whether intake continues.
  virtual bool wait_for(Lane& lane, std::chrono::nanoseconds duration) = 0;
  virtual void mark(Lane& lane, Position position) = 0;
  virtual void retain(Lane& lane, std::shared_ptr<const void> keep, std::function<void(bool)> acknowledge) = 0;
  /// Number of bytes of its partition that the source has read, and the size of the partition.
  virtual void progress(Lane& /*lane*/, std::uint64_t /*bytes_read*/, std::uint64_t /*size*/) {}
  /// The position that an earlier run reached. Items pushed from now on are counted from there.
  [[nodiscard]] virtual const std::optional<Position>& resume_from(Lane& lane) = 0;
  [[nodiscard]] virtual std::stop_token intake_stop() const noexcept = 0;
  /// Whether items are counted from the beginning of the source, for progress or keys.
  [[nodiscard]] virtual bool keeps_progress() const noexcept { return false; }
};

/// The open batch as its producer sees it. Only the producer writes the members, except `limit`, which other threads
/// write under the lock. `count` items are published; the producer calls the host when `count` reaches `limit`.
struct alignas(64) Lane {
  std::atomic<std::uint32_t> limit = 0;
  std::atomic<std::uint32_t> count = 0;
  void* data = nullptr;
  std::uint32_t live = 0;
  LaneHost* host = nullptr;
  bool weighs = false;  ///< `limit` makes every item call the host
};

/// A lane for items of type E.
template <class E>
class LaneOf {
 public:
  explicit LaneOf(Lane& lane) noexcept : lane_(&lane) {}

  /// Returns false, with the item untouched, if the lane takes no more items. Costs one comparison per record, so the
  /// cold half fills the last slot before the limit too. The next push notices a limit that is cut in between.
  template <class U>
  ETLPIPE_ALWAYS_INLINE bool push(U&& item) const {
    Lane& lane = *lane_;
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    if (n + 1 < lane.limit.load(std::memory_order_relaxed)) [[likely]] {
      Slots<E>::put(static_cast<E*>(lane.data), n, lane.live, std::forward<U>(item));
      lane.count.store(n + 1, std::memory_order_release);
      return true;
    }
    if constexpr (plain_data<E>) {
      // The cold call gets a copy. If the item's own address escaped, GCC would build every record in memory instead
      // of directly in its slot (3 times the cost for 64 bytes).
      return push_cold(lane, E(std::forward<U>(item)));
    } else {
      return push_cold(lane, std::forward<U>(item));
    }
  }

  template <class F>
  ETLPIPE_ALWAYS_INLINE bool fill(F&& fill_slot) const {
    Lane& lane = *lane_;
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    if (n + 1 < lane.limit.load(std::memory_order_relaxed) && n < lane.live) [[likely]] {
      std::forward<F>(fill_slot)(static_cast<E*>(lane.data)[n]);
      lane.count.store(n + 1, std::memory_order_release);
      return true;
    }
    return fill_cold(lane, std::forward<F>(fill_slot));
  }

  [[nodiscard]] Lane& operator*() const noexcept { return *lane_; }

 private:
  [[nodiscard]] static bool has_slot(Lane& lane) {
    return lane.count.load(std::memory_order_relaxed) < lane.limit.load(std::memory_order_relaxed) ||
           lane.host->make_room(lane);
  }
  static void publish(Lane& lane, std::uint32_t n) {
    if (lane.weighs) lane.host->weigh(lane, n - 1);
    lane.count.store(n, std::memory_order_release);
    if (n >= lane.limit.load(std::memory_order_relaxed)) lane.host->reached_limit(lane);
  }
  template <class U>
  ETLPIPE_NOINLINE static bool push_cold(Lane& lane, U&& item) {
    if (!has_slot(lane)) return false;
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    Slots<E>::put(static_cast<E*>(lane.data), n, lane.live, std::forward<U>(item));
    publish(lane, n + 1);
    return true;
  }
  template <class F>
  ETLPIPE_NOINLINE static bool fill_cold(Lane& lane, F&& fill_slot) {
    if (!has_slot(lane)) return false;
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    if (n >= lane.live) {
      std::construct_at(static_cast<E*>(lane.data) + n);
      lane.live = n + 1;
    }
    std::forward<F>(fill_slot)(static_cast<E*>(lane.data)[n]);
    publish(lane, n + 1);
    return true;
  }

  Lane* lane_;
};

}  // namespace etl::inline v0::detail
