#pragma once
/// The compiled part of `Executor`: a pool of threads.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include <etl/asio.hpp>
#include <etl/config.hpp>
#include <etl/detail/meta/cpus.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0 {
namespace detail {

/// Threads that run one Asio context. (asio::thread_pool is not usable: if a thread cannot be started, it waits for
/// ever for the threads that have started.)
class ThreadPool {
 public:
  /// Throws std::system_error if a thread cannot be started; the threads that were started have then ended.
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
  std::vector<std::jthread> threads_;  // joined before the context is destroyed
  // Destroyed first. The threads then run the work that was posted, and end.
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
};

/// A pool of threads, joined on destruction. In a child of fork(), which has no such threads, the pool is left as it
/// is.
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

ETLPIPE_COMPILED TimePoint ExecutorBackend::now() const noexcept { return Clock::now(); }
ETLPIPE_COMPILED void ExecutorBackend::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal,
                                            TimePoint until) {
  if (until == TimePoint::max()) return signal.wait(lock);
  signal.wait_until(lock, until);
}
ETLPIPE_COMPILED void ExecutorBackend::notify(std::condition_variable& signal) noexcept { signal.notify_all(); }
ETLPIPE_COMPILED std::uint64_t ExecutorBackend::seed() const { return std::random_device{}(); }

ETLPIPE_COMPILED Executor Executor::pool(std::size_t threads) {
  return Executor(std::make_shared<detail::PoolBackend>(threads));
}

}  // namespace etl::inline v0
