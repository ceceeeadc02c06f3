#pragma once
/// What a manager returns, and its text.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/report.hpp>

namespace etl::inline v0 {

/// Where a pipeline of a manager is.
enum class PipelineState : std::uint8_t { Waiting, Running, Ended };

/// One pipeline of a manager, while it is under way. `outcome` means something once it has ended.
struct PipelineStatus {
  std::string name{};
  PipelineState state = PipelineState::Waiting;
  RunStatus run{};
  Outcome outcome = Outcome::NotRun;
};

/// A report for every pipeline, by name. A value; not synchronised.
struct ManagerReport {
  std::map<std::string, RunReport, std::less<>> pipelines{};

  /// Whether all ended well.
  [[nodiscard]] bool ok() const noexcept {
    return std::ranges::all_of(pipelines, [](const auto& entry) { return entry.second.ok(); });
  }
  /// The report of one pipeline. Throws std::out_of_range for a name that was never added.
  [[nodiscard]] const RunReport& at(std::string_view name) const {
    const auto found = pipelines.find(name);
    if (found == pipelines.end()) throw std::out_of_range("no pipeline named '" + std::string(name) + "'");
    return found->second;
  }
  /// 0 when all completed, else that of the worst outcome (see `RunReport::exit_code`).
  [[nodiscard]] int exit_code() const noexcept {
    const RunReport* worst = nullptr;
    for (const auto& [name, report] : pipelines)
      if (worst == nullptr || rank(report.outcome) < rank(worst->outcome)) worst = &report;
    return worst == nullptr ? 0 : worst->exit_code();
  }
  /// How many ended how, and each report.
  [[nodiscard]] std::string text() const {
    std::map<Outcome, std::size_t> counts;
    for (const auto& [name, report] : pipelines) ++counts[report.outcome];
    std::string out = std::to_string(pipelines.size()) + " pipelines";
    for (const auto& [outcome, count] : counts)
      out.append(outcome == counts.begin()->first ? ": " : ", ")
          .append(std::to_string(count))
          .append(1, ' ')
          .append(to_string(outcome));
    for (const auto& [name, report] : pipelines) out.append(1, '\n').append(report.text());
    return out;
  }
  /// A JSON object of reports by name.
  [[nodiscard]] std::string json() const {
    std::string out = "{";
    for (const auto& [name, report] : pipelines)
      out.append(out.size() == 1 ? "" : ",").append(detail::json_string(name)).append(":").append(report.json());
    return out += '}';
  }

 private:
  // NotRun is worse than any completion and better than a failure.
  static int rank(Outcome o) noexcept {
    return o == Outcome::NotRun ? 2 * static_cast<int>(Outcome::Cancelled) + 1 : 2 * static_cast<int>(o);
  }
};

}  // namespace etl::inline v0
