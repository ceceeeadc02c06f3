#pragma once
/// Runs many pipelines of any types at the same time.

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/live.hpp>
#include <etl/detail/run/outcome.hpp>
#include <etl/detail/run/report_text.hpp>
#include <etl/manager.hpp>
#include <etl/manager_report.hpp>
#include <etl/observe/progress.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// Implements `PipelineManager`. Thread-safe like `PipelineManager`.
class ManagerEngine {
 public:
  using Run = PipelineManager::Run;

  ManagerEngine(std::shared_ptr<const Options> defaults, const ManagerOptions& options)
      : defaults_(std::move(defaults)), options_(options) {
    if (auto problem = named(*defaults_, "each pipeline's own").validate()) throw Exception(std::move(*problem));
    if (options_.max_concurrent == 0)
      throw Exception({.code = Errc::InvalidOptions, .context = "invalid options: max_concurrent must be at least 1"});
    executor_ = defaults_->executor;
    if (!executor_ && defaults_->mode == Mode::Parallel) executor_ = Executor::pool(defaults_->workers);
    memory_ = options_.memory_budget ? std::make_shared<MemoryBudget>(*options_.memory_budget) : defaults_->memory;
  }
  ManagerEngine(const ManagerEngine&) = delete;
  ManagerEngine& operator=(const ManagerEngine&) = delete;
  ~ManagerEngine() = default;

  void enter(std::string name, AddOptions how, Run run) {
    const std::string kept_as = how.options && !how.options->name.empty() ? how.options->name : name;
    auto options = how.options ? std::make_shared<const Options>(named(*how.options, kept_as)) : defaults_;
    if (how.options)
      if (auto problem = options->validate()) throw Exception(std::move(*problem));
    auto entry = std::make_unique<Entry>(std::move(name), std::move(how), std::move(options), std::move(run));
    Environment& environment = entry->environment;
    environment.name = kept_as;
    environment.progress.show = ProgressOptions::Show::Off;  // the manager shows all pipelines together
    environment.view = &entry->view;
    if (!environment.executor) environment.executor = executor_;
    if (!environment.memory) environment.memory = memory_;
    const std::lock_guard lock(mutex_);
    if (find(entry->name) != nullptr)
      throw Exception({.code = Errc::InvalidOptions,
                       .context = fmt::format("a pipeline named '{}' was already added", entry->name)});
    for (const auto& other : *entries_)
      if (other->environment.name == kept_as)
        throw Exception({.code = Errc::InvalidOptions,
                         .context = fmt::format("'{}' and '{}' would both keep their progress under '{}': give them "
                                                "different Options::name",
                                                other->name, entry->name, kept_as)});
    entries_->push_back(std::move(entry));
    changed_->notify_all();
  }
  /// Runs every added pipeline that has not run yet, and pipelines that are added meanwhile. Returns when all have
  /// ended, with a report for every pipeline by name. One call at a time. If memory runs out, it drains the running
  /// pipelines, waits for them, and throws `std::bad_alloc`. In a child of fork() it throws `etl::Exception`.
  [[nodiscard]] ManagerReport run_all(const StopToken& stop = {}) {
    if (!entries_.here())
      throw Exception({.code = Errc::NotRun, .context = "this manager was made by another process, before fork()"});
    const std::lock_guard one_at_a_time(run_mutex_);
    StopSource others;  // passes on `fail_fast` and the caller's stop
    const std::stop_callback on_drain(stop.drain(), [&] {
      others.request_drain();
      wake_up();
    });
    const std::stop_callback on_abandon(stop.abandon(), [&] {
      others.request_abandon();
      wake_up();
    });
    const UnderWay under_way(*this, others);
    std::optional<ProgressTicker> progress;
    if (auto error = guarded([&]() -> std::optional<Error> {
          progress.emplace(options_.progress, [this] { return running_statuses(); });
          return std::nullopt;
        }))
      return refuse_all(error->message());
    std::unique_lock lock(mutex_);
    while (true) {
      decide(others.stop_requested());
      if (Entry* next = startable()) {
        start(lock, *next, others);
        continue;
      }
      if (running_ == 0) break;
      changed_->wait(lock);
    }
    return collect();
  }

  /// Status of every added pipeline, in the order in which they were added.
  [[nodiscard]] std::vector<PipelineStatus> status() const {
    const std::lock_guard lock(mutex_);
    std::vector<PipelineStatus> all;
    for (const auto& entry : *entries_) {
      PipelineStatus status{.name = entry->name, .state = entry->state};
      if (entry->state != PipelineState::Waiting)  // it may have run before
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
  [[nodiscard]] std::optional<MemoryUse> memory() const {
    if (!memory_) return std::nullopt;
    return MemoryUse{.used = memory_->used(), .peak = memory_->peak(), .limit = memory_->limit()};
  }
  [[nodiscard]] bool stop(std::string_view name, bool abandon) {
    std::unique_lock lock(mutex_);
    Entry* const entry = find(name);
    if (entry == nullptr || entry->state == PipelineState::Ended) return false;
    if (entry->state == PipelineState::Waiting) {
      not_run(*entry, "stopped before it started");
      changed_->notify_all();
      return true;
    }
    entry->asked_to_end = true;
    const std::shared_ptr<StopSource> stop = entry->stop;
    lock.unlock();  // a thread that this wakes may ask for the status
    abandon ? stop->request_abandon() : stop->request_drain();
    return true;
  }
  [[nodiscard]] bool restart(std::string_view name) {
    const std::lock_guard lock(mutex_);
    Entry* const entry = find(name);
    if (entry == nullptr || entry->state != PipelineState::Ended) return false;
    if (entry->thread.joinable()) entry->thread.join();  // the thread has nothing left to do
    entry->report = {};
    entry->state = PipelineState::Waiting;
    entry->collected = false;
    changed_->notify_all();
    return true;
  }
  [[nodiscard]] const std::shared_ptr<const Options>& options() const noexcept { return defaults_; }
  /// Copies the options and sets their name.
  [[nodiscard]] static Options named(const Options& options, const std::string& name) {
    Options own = options;
    own.name = name;
    return own;
  }

 private:
  struct Entry {
    Entry(std::string its_name, AddOptions its_how, std::shared_ptr<const Options> its_options, Run its_run)
        : name(std::move(its_name)),
          how(std::move(its_how)),
          options(std::move(its_options)),
          environment(*options),
          run(std::move(its_run)) {}
    const std::string name;
    const AddOptions how;
    const std::shared_ptr<const Options> options;  // the shared defaults, or the pipeline's own options
    Environment environment;
    const Run run;
    PipelineState state = PipelineState::Waiting;
    bool collected = false;
    std::shared_ptr<StopSource> stop{};  // stops the current run
    bool asked_to_end = false;           // `stop` was called for this pipeline
    LiveView view{};
    RunReport report{};
    std::jthread thread{};  // last, so that it is joined before the members that it uses are destroyed
  };

  /// The pipelines that a call of `run_all` has started. When `run_all` ends, even with an exception, all of them have
  /// ended and their threads are joined.
  class UnderWay {
   public:
    UnderWay(ManagerEngine& manager, StopSource& others) : manager_(manager), others_(others) {}
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() {
      std::unique_lock lock(manager_.mutex_);
      if (manager_.running_ > 0) {
        lock.unlock();
        others_.request_drain();
        lock.lock();
        manager_.changed_->wait(lock, [this] { return manager_.running_ == 0; });
      }
      manager_.failed_first_ = nullptr;
      for (auto& entry : *manager_.entries_)
        if (entry->thread.joinable()) entry->thread.join();
    }

   private:
    ManagerEngine& manager_;
    StopSource& others_;
  };

  void wake_up() {
    const std::lock_guard lock(mutex_);
    changed_->notify_all();
  }

  // --- under the lock -------------------------------------------------------------------------------
  [[nodiscard]] Entry* find(std::string_view name) const {
    for (const auto& entry : *entries_)
      if (entry->name == name) return entry.get();
    return nullptr;
  }
  /// Ends waiting pipelines that can never start.
  void decide(bool stopping) {
    bool changed = true;
    while (std::exchange(changed, false))
      for (auto& entry : *entries_) {
        if (entry->state != PipelineState::Waiting) continue;
        const std::string reason = stopping
                                       ? (failed_first_ == nullptr ? "stopped before it started"
                                                                   : fmt::format("'{}' failed", failed_first_->name))
                                       : obstacle(*entry);
        if (reason.empty()) continue;
        not_run(*entry, reason);
        changed = true;
      }
    if (running_ > 0 || startable() != nullptr) return;
    for (auto& entry : *entries_)  // the remaining pipelines wait for one another
      if (entry->state == PipelineState::Waiting)
        not_run(*entry, fmt::format("its dependencies form a cycle or were never added: {}", joined(entry->how.after)));
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
    RunReport report;
    report.pipeline = entry.name;
    report.outcome = Outcome::NotRun;
    report.reason = reason;
    report.add_error(
        {.error = {.code = Errc::NotRun, .context = reason}, .pipeline = entry.name, .stage = Stage::Manage});
    entry.report = std::move(report);
    entry.state = PipelineState::Ended;
  }
  [[nodiscard]] Entry* startable() const {
    if (running_ >= options_.max_concurrent) return nullptr;
    Entry* best = nullptr;
    for (const auto& entry : *entries_) {
      const bool ready = entry->state == PipelineState::Waiting &&
                         std::ranges::all_of(entry->how.after, [this](const std::string& name) {
                           const Entry* other = find(name);
                           return other != nullptr && other->state == PipelineState::Ended && other->report.ok();
                         });
      if (ready && (best == nullptr || entry->how.priority > best->how.priority)) best = entry.get();
    }
    return best;
  }
  /// Starts the pipeline's thread. If that fails, releases the lock for a while.
  void start(std::unique_lock<std::mutex>& lock, Entry& entry, StopSource& others) {
    entry.state = PipelineState::Running;
    ++running_;
    auto error = guarded([&]() -> std::optional<Error> {
      entry.stop = std::make_shared<StopSource>();
      entry.asked_to_end = false;
      entry.thread = std::jthread([this, &entry, &others] { run(entry, others); });
      return std::nullopt;
    });
    if (!error) return;
    --running_;
    entry.state = PipelineState::Ended;
    entry.report.outcome = Outcome::Failed;  // in case there is no memory for more
    error->context = "cannot start the pipeline's thread: " + error->context;
    entry.report = failed_report(entry, std::move(*error));
    if (!options_.fail_fast) return;
    if (failed_first_ == nullptr) failed_first_ = &entry;
    lock.unlock();
    others.request_drain();
    lock.lock();
  }
  [[nodiscard]] static RunReport failed_report(const Entry& entry, Error error) {
    RunReport report;
    report.pipeline = entry.name;
    report.outcome = Outcome::Failed;
    report.add_error({.error = std::move(error), .pipeline = entry.name, .stage = Stage::Manage});
    return report;
  }

  // --- on the pipeline's thread -----------------------------------------------------------------------
  void run(Entry& entry, StopSource& others) noexcept {
    RunReport report = report_of(entry, others);
    bool stop_others = options_.fail_fast && !report.ok();
    {
      const std::lock_guard lock(mutex_);
      const bool stopped = report.outcome == Outcome::Cancelled || report.outcome == Outcome::DrainTimeout;
      if (entry.asked_to_end && stopped) stop_others = false;  // the user stopped this pipeline, so nothing has failed
      entry.report = std::move(report);
      if (stop_others && failed_first_ == nullptr && entry.report.outcome != Outcome::Cancelled) failed_first_ = &entry;
    }
    if (stop_others) others.request_drain();
    const std::lock_guard lock(mutex_);
    entry.state = PipelineState::Ended;
    --running_;
    changed_->notify_all();
  }
  [[nodiscard]] static RunReport report_of(const Entry& entry, StopSource& others) noexcept {
    RunReport report;
    const TimePoint started = Clock::now();
    auto error = guarded([&]() -> std::optional<Error> {
      StopSource& own = *entry.stop;
      const StopToken all = others.stop_token();
      const std::stop_callback on_drain(all.drain(), [&own] { own.request_drain(); });
      const std::stop_callback on_abandon(all.abandon(), [&own] { own.request_abandon(); });
      report = entry.run(*entry.options, entry.environment, own.stop_token());
      report.pipeline = entry.name;
      for (ErrorRecord& record : report.errors)
        if (record.pipeline == entry.environment.name) record.pipeline = entry.name;
      if (report.outcome != Outcome::Inconsistent) check_ledgers(report);
      return std::nullopt;
    });
    if (error) {
      error = guarded([&]() -> std::optional<Error> {
        report = failed_report(entry, std::move(*error));
        return std::nullopt;
      });
      if (error) report.outcome = Outcome::Failed;  // no memory for a report
    }
    if (report.elapsed.count() == 0 && report.run.empty())
      report.elapsed = Clock::now() - started;  // a custom runner reports no time
    return report;
  }

  /// Returns the reports that were not yet returned. Called under the lock.
  [[nodiscard]] ManagerReport collect() {
    ManagerReport all;
    all.memory = memory();
    for (auto& entry : *entries_)
      if (!entry->collected) all.pipelines.emplace(entry->name, entry->report);
    for (auto& entry : *entries_) entry->collected = true;
    return all;
  }
  /// Gives all waiting pipelines a report that says why they cannot run.
  [[nodiscard]] ManagerReport refuse_all(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    for (auto& entry : *entries_)
      if (entry->state == PipelineState::Waiting) not_run(*entry, reason);
    return collect();
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
  // In a child of fork(), its destructor would wait for threads that do not exist.
  OfThisProcess<std::condition_variable> changed_;
  OfThisProcess<std::vector<std::unique_ptr<Entry>>> entries_;
  std::size_t running_ = 0;
  const Entry* failed_first_ = nullptr;
};

}  // namespace etl::inline v0::detail
