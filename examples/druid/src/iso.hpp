#pragma once
// Times and intervals of ISO 8601 as Joda-Time reads them.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace etl::inline v0::druid {

using Millis = std::chrono::sys_time<std::chrono::milliseconds>;

/// "2024", "2024-02", "2024-02-29", with "T12", "T12:30", "T12:30:15", "T12:30:15.250", and "Z" or "+02:00" after a
/// time.
[[nodiscard]] std::optional<Millis> parse_iso(std::string_view text);
/// "P1D", "PT1H30M" and so on.
[[nodiscard]] bool is_iso_period(std::string_view text);
/// What is wrong with an interval, as the end of a sentence; empty: nothing.
[[nodiscard]] std::string interval_problem(std::string_view text);

}  // namespace etl::inline v0::druid
