#pragma once
// Times and intervals of ISO 8601, in the forms that Joda-Time accepts.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace etl::inline v0::druid {

using Millis = std::chrono::sys_time<std::chrono::milliseconds>;

/// Parses "2024", "2024-02" or "2024-02-29", optionally with "T12", "T12:30", "T12:30:15" or "T12:30:15.250", and then
/// "Z" or "+02:00".
[[nodiscard]] std::optional<Millis> parse_iso(std::string_view text);
/// Whether the text is a period such as "P1D" or "PT1H30M".
[[nodiscard]] bool is_iso_period(std::string_view text);
/// What is wrong with an interval, as the end of a sentence; empty if nothing is wrong.
[[nodiscard]] std::string interval_problem(std::string_view text);

}  // namespace etl::inline v0::druid
