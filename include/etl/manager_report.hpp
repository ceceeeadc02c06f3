#pragma once
/// What a manager returns, and its text.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/report.hpp>

namespace etl::inline v0 {

/// Whether a pipeline of a manager has started and ended.
enum class PipelineState : std::uint8_t { Waiting, Running, Ended };

/// The name of a state.
[[nodiscard]] constexpr std::string_view to_string(PipelineState state) noexcept {
  switch (state) {
    case PipelineState::Waiting: return "waiting";
    case PipelineState::Running: return "running";
    case PipelineState::Ended: break;
  }
  return "ended";
}

/// Bytes of a memory budget.
struct MemoryUse {
  std::size_t used = 0;   ///< now
  std::size_t peak = 0;   ///< the most there ever were
  std::size_t limit = 0;  ///< `ManagerOptions::memory_budget`
};

/// The status of one pipeline of a manager.
struct PipelineStatus {
  std::string name{};                            ///< the name given to `add`
  PipelineState state = PipelineState::Waiting;  ///< whether it has started and ended
  RunStatus run{};                               ///< counts so far
  Outcome outcome = Outcome::NotRun;             ///< meaningful after the end
};

/// A report for every pipeline, by name. A value; not synchronised.
struct ManagerReport {
  std::map<std::string, RunReport, std::less<>> pipelines{};  ///< the reports by name
  std::optional<MemoryUse> memory{};                          ///< use of the manager's budget, if it has one

  /// Whether all pipelines ended ok.
  [[nodiscard]] bool ok() const noexcept;
  /// The report of one pipeline. Throws std::out_of_range for a name that was never added.
  [[nodiscard]] const RunReport& at(std::string_view name) const;
  /// 0 if all completed, otherwise the exit code of the worst outcome (see `RunReport::exit_code`).
  [[nodiscard]] int exit_code() const noexcept;
  /// The number of pipelines for each outcome, and each report.
  [[nodiscard]] std::string text() const;
  /// A JSON object of reports by name.
  [[nodiscard]] std::string json() const;
};

}  // namespace etl::inline v0
