#pragma once
/// Runs on an executor of Asio: `etl::Executor(context.get_executor())`.

#include <chrono>
#include <concepts>
#include <memory>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <etl/config.hpp>
#include <etl/detail/meta/handler_memory.hpp>
#include <etl/executor_backend.hpp>

namespace etl::inline v0 {
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

/// Asio allocates on each post to a type-erased executor, not to a concrete one.
template <class AsioExecutor>
  requires std::convertible_to<AsioExecutor, asio::any_io_executor>
struct Adapt<AsioExecutor> {
  [[nodiscard]] static std::shared_ptr<ExecutorBackend> backend(AsioExecutor executor) {
    return std::make_shared<AsioBackend<AsioExecutor>>(std::move(executor));
  }
};

}  // namespace detail
}  // namespace etl::inline v0

// Last: without the compiled core, the library's own pool needs what is above.
#include <etl/executor.hpp>
