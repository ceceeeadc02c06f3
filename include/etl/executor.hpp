#pragma once
/// Where worker tasks and timers run: the library's own pool, or the service's own Asio executor.

#include <cstddef>
#include <memory>
#include <utility>

#include <etl/config.hpp>
#include <etl/executor_backend.hpp>

namespace etl::inline v0 {

/// A handle to an executor; copies share the executor. With an empty handle a run creates its own pool. Thread-safe for
/// reading. The pool is joined when the last copy is destroyed, which must not happen on a thread of the pool. A pool
/// belongs to the process that made it: a child of fork() may only destroy its handle.
class Executor {
 public:
  Executor() = default;
  /// The service's own executor, such as `asio::any_io_executor` with `<etl/asio.hpp>`. If its threads are busy, the
  /// thread that called `run` does the work itself.
  template <class Foreign>
    requires detail::Adapted<Foreign>
  explicit Executor(Foreign executor) : backend_(detail::Adapt<Foreign>::backend(std::move(executor))) {}
  /// Any other executor, such as the virtual clock of `etl/testing`.
  explicit Executor(std::shared_ptr<ExecutorBackend> backend) : backend_(std::move(backend)) {}
  /// A pool of `threads` threads, which several runs may share. Throws std::system_error if a thread cannot be started;
  /// then no thread is left running.
  [[nodiscard]] static Executor pool(std::size_t threads);

  /// Whether there is an executor.
  [[nodiscard]] explicit operator bool() const noexcept { return backend_ != nullptr; }
  /// The executor, or null.
  [[nodiscard]] ExecutorBackend* backend() const noexcept { return backend_.get(); }

 private:
  std::shared_ptr<ExecutorBackend> backend_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/executor.ipp>
#endif
