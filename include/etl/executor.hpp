#pragma once
/// Where worker tasks and timers run: the library's own pool, or the service's own Asio executor.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <etl/config.hpp>
#include <etl/detail/cpus.hpp>
#include <etl/detail/handler_memory.hpp>
#include <etl/detail/process.hpp>

namespace etl::inline v0 {

/// The clock of all waiting and timing.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// A unit of work given to an executor: posted again only after it has started running.
class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;
  virtual void run() noexcept = 0;

  /// Keeps a post on a concrete executor free of allocations.
  detail::HandlerMemory memory;
};

/// Runs a task once at a time. Not thread-safe: its owner serialises the calls.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() = default;  ///< cancels; a task that is already starting still runs
  virtual void arm(TimePoint due, std::shared_ptr<Task> task) = 0;  ///< replaces an earlier time
};

/// What the library asks of a place to run: implemented for Asio below and by the virtual clock of
/// `etl/testing`. Implementations are thread-safe.
class ExecutorBackend {
 public:
  ExecutorBackend() = default;
  ExecutorBackend(const ExecutorBackend&) = delete;
  ExecutorBackend& operator=(const ExecutorBackend&) = delete;
  virtual ~ExecutorBackend() = default;

  virtual void post(std::shared_ptr<Task> task) = 0;
  virtual std::unique_ptr<Timer> make_timer() = 0;
  [[nodiscard]] virtual TimePoint now() const noexcept { return Clock::now(); }
  /// Waits for a notification, at most until `until`; may wake spuriously.
  virtual void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, TimePoint until) {
    if (until == TimePoint::max()) return signal.wait(lock);
    signal.wait_until(lock, until);
  }
  virtual void notify(std::condition_variable& signal) noexcept { signal.notify_all(); }
  /// How long a task that has run out of work may keep its thread, looking for more, while work comes in quickly: a
  /// wake-up costs more than a small batch.
  [[nodiscard]] virtual std::chrono::nanoseconds linger() const noexcept { return {}; }
  /// How long a task may go on while there is work, before it goes to the end of the line.
  [[nodiscard]] virtual std::chrono::nanoseconds slice() const noexcept { return std::chrono::milliseconds(2); }
};

namespace detail {

/// The handler Asio runs: holds the task alive and lends it its preallocated memory.
class TaskHandler {
 public:
  using allocator_type = HandlerAllocator<void>;
  explicit TaskHandler(std::shared_ptr<Task> task) : memory_(&task->memory), task_(std::move(task)) {}
  /// Asio asks again after it has moved the handler away, when it could not start the operation.
  [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
  void operator()() const noexcept { task_->run(); }
  void operator()(const std::error_code& error) const noexcept {
    if (!error) task_->run();
  }

 private:
  HandlerMemory* memory_;
  std::shared_ptr<Task> task_;
};

template <class AsioExecutor>
class AsioTimer final : public Timer {
 public:
  explicit AsioTimer(const AsioExecutor& executor) : timer_(executor) {}
  void arm(TimePoint due, std::shared_ptr<Task> task) override {
    timer_.expires_at(due);
    timer_.async_wait(TaskHandler(task));  // `task` holds the handler's memory, should that throw
  }

 private:
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, AsioExecutor> timer_;
};

/// Any Asio executor. Owned by the caller; its context must outlive the runs that use it.
template <class AsioExecutor>
class AsioBackend final : public ExecutorBackend {
 public:
  explicit AsioBackend(AsioExecutor executor) : executor_(std::move(executor)) {}
  void post(std::shared_ptr<Task> task) override { asio::post(executor_, TaskHandler(std::move(task))); }
  std::unique_ptr<Timer> make_timer() override { return std::make_unique<AsioTimer<AsioExecutor>>(executor_); }

 private:
  AsioExecutor executor_;
};

/// Threads of our own that run one Asio context. (asio::thread_pool waits for ever for the threads that have started
/// when a later one cannot.)
class ThreadPool {
 public:
  /// Throws std::system_error when a thread cannot be started; then those that were started have ended.
  explicit ThreadPool(std::size_t threads) : context_(threads == 1 ? 1 : ASIO_CONCURRENCY_HINT_DEFAULT) {
    threads_.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) start(i + 1, threads);
  }
  [[nodiscard]] asio::io_context::executor_type executor() noexcept { return context_.get_executor(); }

 private:
  void start(std::size_t number, std::size_t of) {
    try {
      threads_.emplace_back([this]() noexcept { context_.run(); });
    } catch (const std::system_error& e) {
      throw std::system_error(
          e.code(), "cannot start thread " + std::to_string(number) + " of " + std::to_string(of) + " of a pool");
    }
  }

  asio::io_context context_;
  std::vector<std::jthread> threads_;  // joined before the context goes
  // Goes first: then the threads run what was posted, and end.
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
};

/// A pool of our own threads, joined when destroyed; in a child of fork(), which has no threads, left as it is.
class PoolBackend final : public ExecutorBackend {
 public:
  explicit PoolBackend(std::size_t threads) : pool_(threads), asio_(pool_->executor()) {}
  void post(std::shared_ptr<Task> task) override { asio_.post(std::move(task)); }
  std::unique_ptr<Timer> make_timer() override { return asio_.make_timer(); }
  [[nodiscard]] std::chrono::nanoseconds linger() const noexcept override {
    return std::chrono::microseconds(usable_cpus() > 1 ? 20 : 0);
  }

 private:
  OfThisProcess<ThreadPool> pool_;
  AsioBackend<asio::io_context::executor_type> asio_;
};

}  // namespace detail

/// A handle to a place to run; copies share it. An empty one makes a run create its own pool.
/// Thread-safe for reading; the pool is joined when the last copy goes, which must not happen on one
/// of its own threads. A pool belongs to the process that made it: a child of fork() may only let go of it.
class Executor {
 public:
  Executor() = default;
  /// The service's own executor. Asio allocates on each post to a type-erased executor; with a starved
  /// or single-threaded one the thread that called `run` does the work itself.
  explicit Executor(asio::any_io_executor executor)
      : backend_(std::make_shared<detail::AsioBackend<asio::any_io_executor>>(std::move(executor))) {}
  /// Any other place, such as the virtual clock of `etl/testing`.
  explicit Executor(std::shared_ptr<ExecutorBackend> backend) : backend_(std::move(backend)) {}
  /// A pool of `threads` threads, to be shared by several runs. Throws std::system_error when a
  /// thread cannot be started; none is left behind then.
  [[nodiscard]] static Executor pool(std::size_t threads) {
    return Executor(std::make_shared<detail::PoolBackend>(threads));
  }

  [[nodiscard]] explicit operator bool() const noexcept { return backend_ != nullptr; }
  [[nodiscard]] ExecutorBackend* backend() const noexcept { return backend_.get(); }

 private:
  std::shared_ptr<ExecutorBackend> backend_;
};

}  // namespace etl::inline v0
