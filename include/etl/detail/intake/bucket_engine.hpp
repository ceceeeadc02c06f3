#pragma once
/// The part of a bucket that does not depend on the type of its items.

#include <chrono>
#include <cstdint>
#include <memory>

#include <etl/config.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/detail/intake/shared_intake.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/executor.hpp>
#include <etl/lost_item.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// Implements `Bucket`. Thread-safe in the same way as the members of `Bucket` that call it.
class BucketEngine {
 public:
  /// Throws as `Bucket` does. `calls`, `queue` and `lost` must outlive the engine; `lost` may be null.
  BucketEngine(StageCalls& calls, ItemQueue& queue, LostItems* lost, Options options, StopToken stop);
  BucketEngine(const BucketEngine&) = delete;
  BucketEngine& operator=(const BucketEngine&) = delete;
  /// Closes, and waits until everything is processed.
  ~BucketEngine();

  /// Whether items are weighed or kept in order. Such items are pushed with `push_weighed`, others through `intake()`.
  [[nodiscard]] bool weighed() const noexcept { return weighed_; }
  [[nodiscard]] SharedIntake& intake() noexcept { return *intake_; }
  /// `item` points to an item of the bucket's type. The item is moved from only if the result is Yes.
  [[nodiscard]] Pushed try_push_weighed(void* item, std::uint64_t weight);
  /// Blocks while the bucket is full. Returns false after close, stop or failure; the item is then counted.
  [[nodiscard]] bool push_weighed(void* item, std::uint64_t weight);
  void count_refused() noexcept;
  /// The time on the executor's clock at which `timeout`, counted from now, is over.
  [[nodiscard]] TimePoint due(std::chrono::nanoseconds timeout) const;
  /// Waits until another push may succeed, at most until `due`. Returns false if no push can succeed.
  [[nodiscard]] bool wait_for_room_until(TimePoint due);

  [[nodiscard]] Lane& open_lane();
  /// Does nothing in a child of fork(): a thread that exists only in the parent may hold the lock.
  void finish_lane(Lane& lane) noexcept;

  void close();
  /// The first call closes the bucket and waits for its end.
  [[nodiscard]] const RunReport& finish();
  [[nodiscard]] RunStatus status() const;

 private:
  struct Parts;
  const long maker_ = process_id();
  std::unique_ptr<Parts> parts_;
  SharedIntake* intake_ = nullptr;
  bool weighed_ = false;
};

}  // namespace etl::inline v0::detail
