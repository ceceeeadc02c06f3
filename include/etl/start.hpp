#pragma once
/// Runs one pipeline in the background.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/execute.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {
class StartedRun;
}
class RunHandle;

/// Starts a run of `pipeline`, as `run` does, and returns at once. Extraction runs on a thread of the handle. An lvalue
/// pipeline is used by reference and must outlive the handle; an rvalue is moved into the handle. If the thread cannot
/// start, the report says so. Throws `std::bad_alloc` without memory for a handle.
///
///     etl::RunHandle run = etl::start(orders, {.name = "orders"});
///     while (run.wait_for(1s) == nullptr) show(run.status());
///     return run.wait().exit_code();
template <class P>
[[nodiscard]] RunHandle start(P&& pipeline, Options options = {}, StopToken stop = {});

/// A run on a separate thread; made by `start`. All members except the destructor and the move are thread-safe. A
/// handle that was moved from may only be destroyed. A handle belongs to the process that made it: a child of fork()
/// may only destroy its copy; the destructor then does not wait.
class RunHandle {
 public:
  /// Takes over the run.
  RunHandle(RunHandle&& other) noexcept;
  RunHandle& operator=(RunHandle&&) = delete;
  RunHandle(const RunHandle&) = delete;
  RunHandle& operator=(const RunHandle&) = delete;
  /// Requests a drain and waits for the end of the run: nothing is left running (G3).
  ~RunHandle();

  /// How far the run is. After the end, the counts of the report.
  [[nodiscard]] RunStatus status() const;
  /// Requests level 1 of `StopToken` (G10). Returns false if it was requested before.
  bool request_drain();
  /// Requests levels 1 and 2 (G10). Returns false if level 2 was requested before.
  bool request_abandon();
  /// Waits for the end of the run. The report lives as long as the handle.
  const RunReport& wait() const;
  /// Waits at most for `most`. Returns the report, or null if the run has not ended.
  [[nodiscard]] const RunReport* wait_for(std::chrono::nanoseconds most) const;
  /// The report, or null if the run has not ended. Never waits.
  [[nodiscard]] const RunReport* report() const { return wait_for(std::chrono::nanoseconds(0)); }
  /// A future with the same report. It never holds an exception, and may outlive the handle.
  [[nodiscard]] std::shared_future<RunReport> future() const;

 private:
  using Run = std::function<RunReport(const Options&, const detail::Environment&, StopToken)>;
  RunHandle(Options options, StopToken stop, Run run);
  template <class P>
  friend RunHandle start(P&& pipeline, Options options, StopToken stop);

  std::unique_ptr<detail::StartedRun> run_;
};

template <class P>
RunHandle start(P&& pipeline, Options options, StopToken stop) {
  using Plain = std::remove_reference_t<P>;
  RunHandle::Run run;
  if constexpr (detail::Checked<Plain>::ok()) {
    if constexpr (std::is_lvalue_reference_v<P>)
      run = [&pipeline](const Options& own, const detail::Environment& environment, StopToken its_stop) {
        return detail::execute(pipeline, own, environment, std::move(its_stop));
      };
    else
      run = [held = std::make_shared<Plain>(std::forward<P>(pipeline))](
                const Options& own, const detail::Environment& environment, StopToken its_stop) {
        return detail::execute(*held, own, environment, std::move(its_stop));
      };
  }
  return RunHandle(std::move(options), std::move(stop), std::move(run));
}

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/start.ipp>
#endif
