#pragma once
/// The compiled part of `start`.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/execute.hpp>
#include <etl/detail/run/live.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/start.hpp>

namespace etl::inline v0 {
namespace detail {

/// The contents of a `RunHandle`. Destruction drains the run and waits for it.
class StartedRun {
 public:
  using Run = std::function<RunReport(const Options&, const Environment&, StopToken)>;

  StartedRun(Options options, StopToken stop, Run run)
      : options_(std::move(options)), stop_(std::move(stop)), run_(std::move(run)) {
    on_drain_.emplace(stop_.drain(), Drain{this});
    on_abandon_.emplace(stop_.abandon(), Abandon{this});
    auto failed = guarded([this]() -> std::optional<Error> {
      thread_ = std::thread([this] { execute(); });
      return std::nullopt;
    });
    if (!failed) return;
    RunReport report;
    report.pipeline = options_.name;
    report.outcome = Outcome::Failed;
    failed->context.insert(0, "cannot start the run's thread: ");
    report.add_error({.error = std::move(*failed), .pipeline = options_.name, .stage = Stage::Configure});
    report_.set_value(std::move(report));
  }
  StartedRun(const StartedRun&) = delete;
  StartedRun& operator=(const StartedRun&) = delete;
  ~StartedRun() {
    source_.request_drain();
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] RunStatus status() const {
    RunStatus status;
    if (future.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
      return view_.status().value_or(status);  // nothing before the run has begun
    status.items = future.get().items;
    status.elapsed = future.get().elapsed;
    return status;
  }
  [[nodiscard]] StopSource& source() noexcept { return source_; }
  [[nodiscard]] bool here() const noexcept { return process_id() == maker_; }

 private:
  struct Drain {
    StartedRun* run;
    void operator()() const { run->source_.request_drain(); }
  };
  struct Abandon {
    StartedRun* run;
    void operator()() const { run->source_.request_abandon(); }
  };
  void execute() noexcept {
    report_.set_value(reported([this] {
      Environment environment(options_);
      environment.view = &view_;
      return run_(options_, environment, source_.stop_token());
    }));
  }

  const long maker_ = process_id();
  const Options options_;
  const StopToken stop_;
  const Run run_;
  StopSource source_;
  LiveView view_;
  std::promise<RunReport> report_;

 public:
  const std::shared_future<RunReport> future{report_.get_future()};

 private:
  std::thread thread_;
  std::optional<std::stop_callback<Drain>> on_drain_;
  std::optional<std::stop_callback<Abandon>> on_abandon_;
};

}  // namespace detail

ETLPIPE_COMPILED RunHandle::RunHandle(Options options, StopToken stop, Run run)
    : run_(std::make_unique<detail::StartedRun>(std::move(options), std::move(stop), std::move(run))) {}
ETLPIPE_COMPILED RunHandle::RunHandle(RunHandle&& other) noexcept = default;
ETLPIPE_COMPILED RunHandle::~RunHandle() {
  // In a child of fork(): the thread to wait for does not exist.
  if (run_ != nullptr && !run_->here()) [[maybe_unused]]
    auto* const left = run_.release();
}

ETLPIPE_COMPILED RunStatus RunHandle::status() const { return run_->status(); }
ETLPIPE_COMPILED bool RunHandle::request_drain() { return run_->source().request_drain(); }
ETLPIPE_COMPILED bool RunHandle::request_abandon() { return run_->source().request_abandon(); }
ETLPIPE_COMPILED const RunReport& RunHandle::wait() const { return run_->future.get(); }
ETLPIPE_COMPILED const RunReport* RunHandle::wait_for(std::chrono::nanoseconds most) const {
  // A time-out that the clock cannot represent counts as none.
  const TimePoint due = detail::after(Clock::now(), most);
  if (due == TimePoint::max()) return &wait();
  return run_->future.wait_until(due) == std::future_status::ready ? &run_->future.get() : nullptr;
}
ETLPIPE_COMPILED std::shared_future<RunReport> RunHandle::future() const { return run_->future; }

}  // namespace etl::inline v0
