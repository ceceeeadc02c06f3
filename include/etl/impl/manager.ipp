#pragma once
/// The compiled part of `PipelineManager` and of its report.

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/run/manager_engine.hpp>
#include <etl/detail/run/report_text.hpp>
#include <etl/manager.hpp>
#include <etl/manager_report.hpp>
#include <etl/text.hpp>

namespace etl::inline v0 {
namespace detail {

// Orders outcomes from best to worst. NotRun is worse than any completion and better than a failure.
[[nodiscard]] inline int rank(Outcome o) noexcept {
  return o == Outcome::NotRun ? 2 * static_cast<int>(Outcome::Cancelled) + 1 : 2 * static_cast<int>(o);
}

}  // namespace detail

ETLPIPE_COMPILED bool ManagerReport::ok() const noexcept {
  return std::ranges::all_of(pipelines, [](const auto& entry) { return entry.second.ok(); });
}

ETLPIPE_COMPILED const RunReport& ManagerReport::at(std::string_view name) const {
  const auto found = pipelines.find(name);
  if (found == pipelines.end()) throw std::out_of_range("no pipeline named '" + std::string(name) + "'");
  return found->second;
}

ETLPIPE_COMPILED int ManagerReport::exit_code() const noexcept {
  const RunReport* worst = nullptr;
  for (const auto& [name, report] : pipelines)
    if (worst == nullptr || detail::rank(report.outcome) < detail::rank(worst->outcome)) worst = &report;
  return worst == nullptr ? 0 : worst->exit_code();
}

ETLPIPE_COMPILED std::string ManagerReport::text() const {
  std::map<Outcome, std::size_t> counts;
  for (const auto& [name, report] : pipelines) ++counts[report.outcome];
  std::string out = std::to_string(pipelines.size()) + " pipelines";
  for (const auto& [outcome, count] : counts)
    out.append(outcome == counts.begin()->first ? ": " : ", ")
        .append(std::to_string(count))
        .append(1, ' ')
        .append(to_string(outcome));
  if (memory)
    out.append("; at most ")
        .append(detail::metric(static_cast<double>(memory->peak)))
        .append("B of ")
        .append(detail::metric(static_cast<double>(memory->limit)))
        .append("B for queued batches");
  for (const auto& [name, report] : pipelines) out.append(1, '\n').append(report.text());
  return out;
}

ETLPIPE_COMPILED std::string ManagerReport::json() const {
  std::string out = "{";
  for (const auto& [name, report] : pipelines)
    out.append(out.size() == 1 ? "" : ",").append(json_string(name)).append(":").append(report.json());
  return out += '}';
}

ETLPIPE_COMPILED PipelineManager::PipelineManager(Sharing, std::shared_ptr<const Options> defaults,
                                                  ManagerOptions options)
    : engine_(std::make_unique<detail::ManagerEngine>(std::move(defaults), options)) {}
ETLPIPE_COMPILED PipelineManager::~PipelineManager() = default;

ETLPIPE_COMPILED Options PipelineManager::named(const Options& options, const std::string& name) {
  return detail::ManagerEngine::named(options, name);
}
ETLPIPE_COMPILED void PipelineManager::enter(std::string name, AddOptions how, Run run) {
  engine_->enter(std::move(name), std::move(how), std::move(run));
}
ETLPIPE_COMPILED PipelineManager& PipelineManager::add_runner(std::string name, Runner runner, AddOptions how) {
  enter(std::move(name), std::move(how),
        [run = std::move(runner)](const Options& options, const detail::Environment& environment, StopToken stop) {
          Options own = named(options, environment.name);
          own.executor = environment.executor;
          own.memory = environment.memory;
          own.progress = environment.progress;
          return run(own, std::move(stop));
        });
  return *this;
}
ETLPIPE_COMPILED ManagerReport PipelineManager::run_all(const StopToken& stop) { return engine_->run_all(stop); }
ETLPIPE_COMPILED std::vector<PipelineStatus> PipelineManager::status() const { return engine_->status(); }
ETLPIPE_COMPILED std::optional<MemoryUse> PipelineManager::memory() const { return engine_->memory(); }
ETLPIPE_COMPILED bool PipelineManager::stop(std::string_view name, bool abandon) {
  return engine_->stop(name, abandon);
}
ETLPIPE_COMPILED bool PipelineManager::restart(std::string_view name) { return engine_->restart(name); }
ETLPIPE_COMPILED const std::shared_ptr<const Options>& PipelineManager::options() const noexcept {
  return engine_->options();
}

}  // namespace etl::inline v0
