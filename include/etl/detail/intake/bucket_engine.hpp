#pragma once
/// A bucket, but for the type of its items.

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

/// Thread-safe, as the members of `Bucket` are that call it.
class BucketEngine {
 public:
  /// Throws as `Bucket` does. `calls`, `queue` and `lost`, which may be null, outlive it.
  BucketEngine(StageCalls& calls, ItemQueue& queue, LostItems* lost, Options options, StopToken stop);
  BucketEngine(const BucketEngine&) = delete;
  BucketEngine& operator=(const BucketEngine&) = delete;
  /// Closes, and waits until everything is processed.
  ~BucketEngine();

  /// Whether items are weighed, or kept in order, and pushed with `push_weighed`; otherwise by way of `intake()`.
  [[nodiscard]] bool weighed() const noexcept { return weighed_; }
  [[nodiscard]] SharedIntake& intake() noexcept { return *intake_; }
  /// `item` points to one of the bucket's type, which is moved from when the answer is Yes.
  [[nodiscard]] Pushed try_push_weighed(void* item, std::uint64_t weight);
  /// Blocks while full. False: closed, stopped or failed, and the item is counted.
  [[nodiscard]] bool push_weighed(void* item, std::uint64_t weight);
  void count_refused() noexcept;
  /// When `timeout` from now is over, on the executor's clock.
  [[nodiscard]] TimePoint due(std::chrono::nanoseconds timeout) const;
  /// Waits until another push is worth while, or `due`. False: it is not.
  [[nodiscard]] bool wait_for_room_until(TimePoint due);

  [[nodiscard]] Lane& open_lane();
  /// Does nothing in a child of fork(): a thread that is not there may hold the lock.
  void finish_lane(Lane& lane) noexcept;

  void close();
  /// Closes and waits, the first time.
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
