#pragma once
/// Many pipelines, a bounded number at once.

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/guard.hpp>
#include <etl/detail/live.hpp>
#include <etl/detail/runner.hpp>
#include <etl/manager_report.hpp>
#include <etl/observe/progress.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {

/// Settings of a manager.
struct ManagerOptions {
  /// The most pipelines running at once, at least 1.
  std::size_t max_concurrent = 4;
  /// The first pipeline that does not end well drains the others; those not started become NotRun.
  bool fail_fast = false;
  /// Bytes of sealed batches over all pipelines (see `MemoryBudget`); no bound if not given.
  std::optional<std::size_t> memory_budget{};
  ProgressOptions progress{};
};

/// How one pipeline is added.
struct AddOptions {
  /// Used instead of the manager's defaults; its name, executor and memory are filled in when empty.
  std::optional<Options> options{};
  /// Names of pipelines that have to end well before this one starts.
  std::vector<std::string> after{};
  /// Of those that may start, the highest starts first; then the one added first.
  int priority = 0;
};

/// Runs many pipelines of different types, at most `max_concurrent` at once, each on a thread of its own
/// for extraction; their workers share one executor. One failing does not disturb the others unless
/// `fail_fast` is set. Thread-safe: `add` and `status` may be called while `run_all` is under way.
class PipelineManager {
 public:
  /// A custom way to run; gets the options it would have run with and the manager's stop.
  using Runner = std::function<RunReport(const Options&, Stop)>;

  /// The defaults are kept once and shared by all pipelines. Throws `etl::Exception` when they or the
  /// manager's options are invalid.
  explicit PipelineManager(Options defaults = {}, ManagerOptions options = {})
      : PipelineManager(std::make_shared<const Options>(std::move(defaults)), options) {}
  explicit PipelineManager(std::shared_ptr<const Options> defaults, ManagerOptions options = {})
      : defaults_(std::move(defaults)), options_(options) {
    if (auto problem = defaults_->problem()) throw Exception(std::move(*problem));
    if (options_.max_concurrent == 0)
      throw Exception({.code = Errc::InvalidOptions, .context = "invalid options: max_concurrent must be at least 1"});
    executor_ = defaults_->executor;
    if (!executor_ && defaults_->mode == Mode::Parallel) executor_ = Executor::pool(defaults_->workers);
    memory_ = options_.memory_budget ? std::make_shared<MemoryBudget>(*options_.memory_budget) : defaults_->memory;
  }
  PipelineManager(const PipelineManager&) = delete;
  PipelineManager& operator=(const PipelineManager&) = delete;
  ~PipelineManager() = default;

  /// Adds a pipeline: a value, a `std::ref` to one that outlives the run, or a `std::shared_ptr`.
  /// Throws `etl::Exception` when the name is taken or the options are invalid.
  template <class P>
  PipelineManager& add(std::string name, P pipeline, AddOptions how = {}) {
    using Plain = std::remove_pointer_t<decltype(address(pipeline))>;
    if constexpr (detail::Checked<Plain>::ok())
      enter(std::move(name), std::move(how),
            [held = std::make_shared<P>(std::move(pipeline))](const Options& options,
                                                              const detail::Environment& environment, Stop stop) {
              return detail::execute(*address(*held), options, environment, std::move(stop));
            });
    return *this;
  }
  /// Adds a custom runner. An exception from it becomes a failed report.
  PipelineManager& add_runner(std::string name, Runner runner, AddOptions how = {}) {
    enter(std::move(name), std::move(how),
          [run = std::move(runner)](const Options& options, const detail::Environment& environment, Stop stop) {
            Options own = options;
            own.name = environment.name;
            own.executor = environment.executor;
            own.memory = environment.memory;
            own.progress = environment.progress;
            return run(own, std::move(stop));
          });
    return *this;
  }

  /// Runs everything added and not yet run, and what is added meanwhile. Returns when all have ended,
  /// with a report for every pipeline by name. One call at a time.
  [[nodiscard]] ManagerReport run_all(const Stop& stop = {}) {
    const std::lock_guard one_at_a_time(run_mutex_);
    StopSource others;  // fail_fast, and the caller's stop
    const std::stop_callback on_drain(stop.drain(), [&] {
      others.request_drain();
      wake_up();
    });
    const std::stop_callback on_abandon(stop.abandon(), [&] {
      others.request_abandon();
      wake_up();
    });
    const ProgressTicker progress(options_.progress, [this] { return running_statuses(); });
    std::unique_lock lock(mutex_);
    while (true) {
      decide(others.stop_requested());
      if (Entry* next = startable()) {
        start(*next, others);
        continue;
      }
      if (running_ == 0) break;
      changed_.wait(lock);
    }
    return collect();
  }

  /// Every pipeline added, in that order.
  [[nodiscard]] std::vector<PipelineStatus> status() const {
    const std::lock_guard lock(mutex_);
    std::vector<PipelineStatus> all;
    for (const auto& entry : entries_) {
      PipelineStatus status{.name = entry->name, .state = entry->state};
      if (auto live = entry->view.status()) status.run = std::move(*live);
      if (entry->state == PipelineState::Ended) {
        status.run.items = entry->report.items;
        status.run.elapsed = entry->report.elapsed;
        status.outcome = entry->report.outcome;
      }
      all.push_back(std::move(status));
    }
    return all;
  }
  /// The shared defaults.
  [[nodiscard]] const std::shared_ptr<const Options>& options() const noexcept { return defaults_; }

 private:
  using Run = std::function<RunReport(const Options&, const detail::Environment&, Stop)>;
  struct Entry {
    Entry(std::string its_name, AddOptions its_how, std::shared_ptr<const Options> its_options, Run its_run)
        : name(std::move(its_name)),
          how(std::move(its_how)),
          options(std::move(its_options)),
          environment(*options),
          run(std::move(its_run)) {}
    const std::string name;
    const AddOptions how;
    const std::shared_ptr<const Options> options;  // the shared defaults, or its own
    detail::Environment environment;
    const Run run;
    PipelineState state = PipelineState::Waiting;
    bool collected = false;
    detail::LiveView view{};
    RunReport report{};
    std::jthread thread{};  // after what it uses
  };

  template <class P>
  static P* address(P& pipeline) {
    return &pipeline;
  }
  template <class P>
  static P* address(std::reference_wrapper<P>& pipeline) {
    return &pipeline.get();
  }
  template <class P>
  static P* address(std::shared_ptr<P>& pipeline) {
    return pipeline.get();
  }

  void enter(std::string name, AddOptions how, Run run) {
    auto options = how.options ? std::make_shared<const Options>(*how.options) : defaults_;
    if (auto problem = options->problem()) throw Exception(std::move(*problem));
    auto entry = std::make_unique<Entry>(std::move(name), std::move(how), std::move(options), std::move(run));
    detail::Environment& environment = entry->environment;
    environment.name = entry->name;
    environment.progress.show = ProgressOptions::Show::Off;  // the manager shows all of them together
    environment.view = &entry->view;
    if (!environment.executor) environment.executor = executor_;
    if (!environment.memory) environment.memory = memory_;
    const std::lock_guard lock(mutex_);
    if (find(entry->name) != nullptr)
      throw Exception({.code = Errc::InvalidOptions,
                       .context = fmt::format("a pipeline named '{}' was already added", entry->name)});
    entries_.push_back(std::move(entry));
    changed_.notify_all();
  }
  void wake_up() {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

  // --- under the lock -------------------------------------------------------------------------------
  [[nodiscard]] Entry* find(const std::string& name) const {
    for (const auto& entry : entries_)
      if (entry->name == name) return entry.get();
    return nullptr;
  }
  /// Ends the waiting pipelines that will never start.
  void decide(bool stopping) {
    bool changed = true;
    while (std::exchange(changed, false))
      for (auto& entry : entries_) {
        if (entry->state != PipelineState::Waiting) continue;
        const std::string reason =
            stopping ? (failed_first_.empty() ? "stopped before it started" : fmt::format("'{}' failed", failed_first_))
                     : obstacle(*entry);
        if (reason.empty()) continue;
        not_run(*entry, reason);
        changed = true;
      }
    if (running_ > 0 || startable() != nullptr) return;
    for (auto& entry : entries_)  // each waits for another that waits
      if (entry->state == PipelineState::Waiting)
        not_run(*entry, fmt::format("its dependencies form a cycle or were never added: {}",
                                    fmt::join(entry->how.after, ", ")));
  }
  [[nodiscard]] std::string obstacle(const Entry& entry) const {
    for (const std::string& name : entry.how.after) {
      const Entry* other = find(name);
      if (other != nullptr && other->state == PipelineState::Ended && !other->report.ok())
        return fmt::format("depends on '{}', which ended {}", name, to_string(other->report.outcome));
    }
    return {};
  }
  void not_run(Entry& entry, const std::string& reason) {
    entry.state = PipelineState::Ended;
    entry.report.pipeline = entry.name;
    entry.report.outcome = Outcome::NotRun;
    entry.report.reason = reason;
    entry.report.add_error(
        {.error = {.code = Errc::NotRun, .context = reason}, .pipeline = entry.name, .stage = Stage::Manage});
  }
  [[nodiscard]] Entry* startable() const {
    if (running_ >= options_.max_concurrent) return nullptr;
    Entry* best = nullptr;
    for (const auto& entry : entries_) {
      const bool ready = entry->state == PipelineState::Waiting &&
                         std::ranges::all_of(entry->how.after, [this](const std::string& name) {
                           const Entry* other = find(name);
                           return other != nullptr && other->state == PipelineState::Ended && other->report.ok();
                         });
      if (ready && (best == nullptr || entry->how.priority > best->how.priority)) best = entry.get();
    }
    return best;
  }
  void start(Entry& entry, StopSource& others) {
    entry.state = PipelineState::Running;
    ++running_;
    auto error = detail::guarded([&]() -> std::optional<Error> {
      entry.thread = std::jthread([this, &entry, &others] { run(entry, others); });
      return std::nullopt;
    });
    if (!error) return;
    --running_;
    entry.report = failed_report(entry, std::move(*error));
    entry.state = PipelineState::Ended;
  }
  [[nodiscard]] static RunReport failed_report(const Entry& entry, Error error) {
    RunReport report;
    report.outcome = Outcome::Failed;
    report.add_error({.error = std::move(error), .pipeline = entry.name, .stage = Stage::Manage});
    return report;
  }

  // --- on the pipeline's thread -----------------------------------------------------------------------
  void run(Entry& entry, StopSource& others) {
    RunReport report;
    const TimePoint started = Clock::now();
    if (auto error = detail::guarded([&]() -> std::optional<Error> {
          report = entry.run(*entry.options, entry.environment, others.stop());
          return std::nullopt;
        }))
      report = failed_report(entry, std::move(*error));
    report.pipeline = entry.name;
    if (report.elapsed.count() == 0) report.elapsed = Clock::now() - started;  // of a custom runner
    const bool stop_others = options_.fail_fast && !report.ok();
    {
      const std::lock_guard lock(mutex_);
      entry.report = std::move(report);
      if (stop_others && failed_first_.empty() && entry.report.outcome != Outcome::Cancelled)
        failed_first_ = entry.name;
    }
    if (stop_others) others.request_drain();
    const std::lock_guard lock(mutex_);
    entry.state = PipelineState::Ended;
    --running_;
    changed_.notify_all();
  }

  [[nodiscard]] ManagerReport collect() {
    ManagerReport all;
    failed_first_.clear();
    for (auto& entry : entries_) {
      if (entry->thread.joinable()) entry->thread.join();
      if (!std::exchange(entry->collected, true)) all.pipelines.emplace(entry->name, entry->report);
    }
    return all;
  }
  [[nodiscard]] std::vector<NamedStatus> running_statuses() const {
    std::vector<NamedStatus> all;
    for (PipelineStatus& status : status())
      if (status.state != PipelineState::Waiting) all.push_back({std::move(status.name), std::move(status.run)});
    return all;
  }

  const std::shared_ptr<const Options> defaults_;
  const ManagerOptions options_;
  Executor executor_;
  std::shared_ptr<MemoryBudget> memory_;
  std::mutex run_mutex_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::size_t running_ = 0;
  std::string failed_first_;
};

}  // namespace etl::inline v0
