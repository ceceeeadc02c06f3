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

/// Where a pipeline of a manager is.
enum class PipelineState : std::uint8_t { Waiting, Running, Ended };

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
  std::optional<MemoryUse> memory{};  ///< of the manager's budget, where it has one

  /// Whether all ended well.
  [[nodiscard]] bool ok() const noexcept;
  /// The report of one pipeline. Throws std::out_of_range for a name that was never added.
  [[nodiscard]] const RunReport& at(std::string_view name) const;
  /// 0 when all completed, else that of the worst outcome (see `RunReport::exit_code`).
  [[nodiscard]] int exit_code() const noexcept;
  /// How many ended how, and each report.
  [[nodiscard]] std::string text() const;
  /// A JSON object of reports by name.
  [[nodiscard]] std::string json() const;
};

}  // namespace etl::inline v0
