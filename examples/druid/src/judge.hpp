#pragma once
// Interprets the end of a task.

#include <cstdint>
#include <optional>
#include <string>

#include <etl/druid/watch.hpp>

namespace etl::inline v0::druid {

/// Sets outcome and reason of a task that has ended, from its status and report. `asked_to_end` is the reason for
/// which this watch shut the task down, or empty.
void judge(TaskResult& result, std::optional<std::uint64_t> rows_sent, const std::string& asked_to_end);

}  // namespace etl::inline v0::druid
