#pragma once
/// Where worker tasks and timers run: the library's own pool, or the service's own Asio executor.

#include <cstddef>
#include <memory>
#include <utility>

#include <etl/config.hpp>
#include <etl/executor_backend.hpp>

namespace etl::inline v0 {

/// A handle to a place to run; copies share it. An empty one makes a run create its own pool.
/// Thread-safe for reading; the pool is joined when the last copy goes, which must not happen on one
/// of its own threads. A pool belongs to the process that made it: a child of fork() may only let go of it.
class Executor {
 public:
  Executor() = default;
  /// The service's own executor, such as `asio::any_io_executor` with `<etl/asio.hpp>`. With a starved or
  /// single-threaded one the thread that called `run` does the work itself.
  template <class Foreign>
    requires detail::Adapted<Foreign>
  explicit Executor(Foreign executor) : backend_(detail::Adapt<Foreign>::backend(std::move(executor))) {}
  /// Any other place, such as the virtual clock of `etl/testing`.
  explicit Executor(std::shared_ptr<ExecutorBackend> backend) : backend_(std::move(backend)) {}
  /// A pool of `threads` threads, to be shared by several runs. Throws std::system_error when a
  /// thread cannot be started; none is left behind then.
  [[nodiscard]] static Executor pool(std::size_t threads);

  [[nodiscard]] explicit operator bool() const noexcept { return backend_ != nullptr; }
  [[nodiscard]] ExecutorBackend* backend() const noexcept { return backend_.get(); }

 private:
  std::shared_ptr<ExecutorBackend> backend_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/executor.ipp>
#endif
