#pragma once
/// The interface of executors.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/meta/handler_memory.hpp>

namespace etl::inline v0 {

/// The clock of all waiting and timing.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;  ///< a point in time of `Clock`

/// A unit of work for an executor. It may be posted again only after it has started running.
class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;
  virtual void run() noexcept = 0;  ///< does the work

  /// Keeps a post on a concrete executor free of allocations.
  detail::HandlerMemory memory;
};

/// Runs a task at a given time. Not thread-safe: its owner serialises the calls.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() = default;  ///< cancels; a task that is already starting still runs
  virtual void arm(TimePoint due, std::shared_ptr<Task> task) = 0;  ///< replaces an earlier time
};

/// The interface of an executor: Asio's executors and the virtual clock of `etl/testing` implement it. Implementations
/// are thread-safe.
class ExecutorBackend {
 public:
  ExecutorBackend() = default;
  ExecutorBackend(const ExecutorBackend&) = delete;
  ExecutorBackend& operator=(const ExecutorBackend&) = delete;
  virtual ~ExecutorBackend() = default;

  virtual void post(std::shared_ptr<Task> task) = 0;     ///< runs the task soon, on a thread of the executor
  virtual std::unique_ptr<Timer> make_timer() = 0;       ///< a timer that runs its task on this executor
  [[nodiscard]] virtual TimePoint now() const noexcept;  ///< the time of this executor's clock
  /// Waits for a notification, at most until `until`; may wake spuriously.
  virtual void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, TimePoint until);
  virtual void notify(std::condition_variable& signal) noexcept;  ///< wakes all threads that wait for `signal`
  /// A number for the random choices of one run, such as the jitter of its retries: another one in each call. A
  /// simulated executor returns always the same, so that a run can be repeated.
  [[nodiscard]] virtual std::uint64_t seed() const;
  /// How long a task without work may keep its thread and look for more, while work comes in quickly: waking a thread
  /// costs more than a small batch.
  [[nodiscard]] virtual std::chrono::nanoseconds linger() const noexcept { return {}; }
  /// How long a task may run while there is work, before it lets other tasks run.
  [[nodiscard]] virtual std::chrono::nanoseconds slice() const noexcept { return std::chrono::milliseconds(2); }
};

namespace detail {

/// Makes a backend of an executor of another library. `<etl/asio.hpp>` has it for those of Asio.
template <class Foreign>
struct Adapt;

template <class Foreign>
concept Adapted = requires(Foreign foreign) { Adapt<Foreign>::backend(std::move(foreign)); };

}  // namespace detail

}  // namespace etl::inline v0
