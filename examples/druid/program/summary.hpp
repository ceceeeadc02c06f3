#pragma once
// The summary at the end of a load.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/druid/watch.hpp>

namespace program {

/// Spans of time by stage, in the order of the stages.
using StageTimes = std::vector<std::pair<std::string, std::chrono::nanoseconds>>;

/// Measures consecutive stages.
class StageClock {
 public:
  /// Ends the stage that began at the last call.
  void end(std::string_view stage) { add(stage, step()); }
  /// Adds a stage that was measured elsewhere.
  void add(std::string_view stage, std::chrono::nanoseconds span) { times_.emplace_back(stage, span); }
  /// Drops the time since the last call, because it belongs to stages that were added.
  void skip() { step(); }
  /// The times of all stages, and "total".
  [[nodiscard]] StageTimes times() const {
    StageTimes all = times_;
    all.emplace_back("total", Clock::now() - begin_);
    return all;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::chrono::nanoseconds step() {
    const auto now = Clock::now();
    return now - std::exchange(last_, now);
  }
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_ = begin_;
  StageTimes times_{};
};

struct Summary {
  std::string data_source{};
  std::uint64_t rows = 0;   ///< staged rows
  std::size_t letters = 0;  ///< dead letters written
  const etl::druid::TaskResult& result;
  StageTimes times{};
};
/// To standard output: a line, or one JSON object. Bad rows and times go to standard error. `quiet`: bad rows, failures
/// and JSON only.
void tell(const Summary& summary, bool json, bool quiet);
[[nodiscard]] int exit_code(etl::druid::TaskOutcome outcome) noexcept;

}  // namespace program
