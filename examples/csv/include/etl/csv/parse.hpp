#pragma once
/// Cells as values. A cell is used up as a whole, or it is none: nothing is guessed and nothing is cut off.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <etl/config.hpp>

namespace etl::inline v0::csv {

/// Decimal digits with an optional sign.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view cell) noexcept;
/// As std::from_chars reads it, with an optional sign; with `decimal_comma` 1,5 is one and a half.
[[nodiscard]] std::optional<double> parse_double(std::string_view cell, bool decimal_comma = false) noexcept;
/// The text of a decimal number with a point, digits and exponent as they are: what PostgreSQL takes as numeric.
[[nodiscard]] std::optional<std::string_view> parse_numeric(std::string_view cell, bool decimal_comma,
                                                            std::string& scratch);
/// true, t, yes, y, on, 1 and false, f, no, n, off, 0, in any case.
[[nodiscard]] std::optional<bool> parse_boolean(std::string_view cell) noexcept;

/// A date with a time of day, as a cell gives it.
struct DateTime {
  std::chrono::local_time<std::chrono::microseconds> local{};
  std::optional<std::chrono::seconds> offset{};  ///< east of UTC; nothing: the cell does not say

  /// The instant; a cell without an offset is taken as UTC.
  [[nodiscard]] std::chrono::sys_time<std::chrono::microseconds> instant() const noexcept {
    return std::chrono::sys_time<std::chrono::microseconds>(local.time_since_epoch() - offset.value_or(std::chrono::seconds(0)));
  }
};
/// ISO 8601 calendar dates: 2024-02-29 or 20240229.
[[nodiscard]] std::optional<std::chrono::sys_days> parse_date(std::string_view cell) noexcept;
/// A date, or one with T or a blank and a time of day: hh:mm, hh:mm:ss or with a fraction (what is finer than
/// microseconds is dropped), then Z, +hh, +hh:mm or +hhmm, or nothing. A leap second is the second after it.
[[nodiscard]] std::optional<DateTime> parse_timestamp(std::string_view cell) noexcept;

/// By a format, as strptime has it: %Y %m %d %e %y (69 to 99 are of the last century) %b %B %H %I %p %M %S %f (a
/// fraction of a second) %z (as above) %j %T %D %F %R %%; "unix", "unix_ms" and "unix_us" are counts since 1970. A
/// blank stands for any number of blanks. Nothing else may follow.
[[nodiscard]] std::optional<DateTime> parse_formatted(std::string_view cell, std::string_view format) noexcept;
/// A text: why it is no such format; nullptr: it is one.
[[nodiscard]] const char* format_problem(std::string_view format) noexcept;

}  // namespace etl::inline v0::csv
