#pragma once
/// The data of each worker slot.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/executor.hpp>
#include <etl/observe/histogram.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Which user callable is running.
enum class Busy : std::uint8_t { No, Transform, Load };

/// The user's state of a worker, its current results, and its times. Used by the thread that holds the slot's token;
/// `busy` may be read by all threads.
struct alignas(64) WorkerSlot {
  std::unique_ptr<WorkerState> worker;
  std::unique_ptr<Work> work;
  TimePoint at{};             ///< when the current step began
  bool quick = false;         ///< the transforms of its last batch took almost no time
  std::uint32_t waiting = 0;  ///< loads on this thread's stack that wait for their next attempt
  Histogram queue, transform, load;
  std::atomic<Busy> busy = Busy::No;
};

/// Merges the times of all slots into a report.
inline void report_times(const std::vector<WorkerSlot>& slots, RunReport& report) {
  Histogram queue;
  Histogram transform;
  Histogram load;
  for (const WorkerSlot& slot : slots) {
    queue.merge(slot.queue);
    transform.merge(slot.transform);
    load.merge(slot.load);
  }
  report.queue = StageTimes(queue);
  report.transform = StageTimes(transform);
  report.load = StageTimes(load);
}

/// Adds the running stages to `status.waiting_for`.
inline void report_busy(const std::vector<WorkerSlot>& slots, RunStatus& status) {
  const auto add = [&](Busy which, std::string_view name) {
    std::uint64_t count = 0;
    for (const WorkerSlot& slot : slots) count += slot.busy.load(std::memory_order_relaxed) == which ? 1U : 0U;
    if (count == 0) return;
    status.waiting_for.append(status.waiting_for.empty() ? "" : ", ").append(std::to_string(count)).append(name);
  };
  add(Busy::Transform, " transform");
  add(Busy::Load, " load");
}

}  // namespace etl::inline v0::detail
