#pragma once
/// Reads texts of cells as numbers, booleans, dates and times. The whole text must be valid; blanks and tabs around it
/// are ignored. Nothing depends on a locale, and everything is thread-safe.

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <etl/config.hpp>
#include <etl/csv/digits.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

class TimeFormat;

namespace detail {

[[nodiscard]] constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
[[nodiscard]] ETLPIPE_NOINLINE constexpr std::string_view without_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace detail

/// The text without blanks and tabs around it.
[[nodiscard]] ETLPIPE_ALWAYS_INLINE constexpr std::string_view trimmed(std::string_view text) noexcept {
  const bool blank = !text.empty() && (detail::is_blank(text.front()) || detail::is_blank(text.back()));
  return blank ? detail::without_blanks(text) : text;
}

namespace detail {

// What the functions below do, with what is found in `out`, or false: through a std::optional it goes by memory, in
// pieces that the processor has to wait for, which takes as long as the rest. The text is trimmed.
template <std::integral T>
[[nodiscard]] bool parse(std::string_view text, T& out) noexcept {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const bool negative = std::signed_integral<T> && text.starts_with('-');
  if (const std::string_view digits = text.substr(negative ? 1 : 0); digits.size() - 1 < 8) {
    std::uint32_t number = 0;
    if (!short_number(digits, number)) return false;
    const std::int64_t whole = negative ? -std::int64_t{number} : std::int64_t{number};
    out = static_cast<T>(whole);
    return std::in_range<T>(whole);
  }
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [last, error] = std::from_chars(begin, end, out);
  return error == std::errc{} && last == end;
}
[[nodiscard]] bool parse(std::string_view text, bool& out) noexcept;
template <std::floating_point T>
[[nodiscard]] bool parse(std::string_view text, bool decimal_comma, T& out) noexcept;
extern template bool parse<float>(std::string_view, bool, float&) noexcept;
extern template bool parse<double>(std::string_view, bool, double&) noexcept;
[[nodiscard]] bool parse(std::string_view text, const TimeFormat& format, Day& out) noexcept;

}  // namespace detail

/// A decimal integer; a leading + is allowed. Nothing if it does not fit.
template <std::integral T>
  requires(!std::same_as<T, bool>)
[[nodiscard]] std::optional<T> parse_integer(std::string_view text) noexcept {
  T value{};
  return detail::parse(trimmed(text), value) ? std::optional(value) : std::nullopt;
}

/// A decimal number, also with exponent, "inf" or "nan". With `decimal_comma`, 1,5 is valid and 1.5 is not. Nothing if
/// it is out of the type's range.
template <std::floating_point T>
[[nodiscard]] std::optional<T> parse_floating(std::string_view text, bool decimal_comma = false) noexcept {
  T value{};
  return detail::parse(trimmed(text), decimal_comma, value) ? std::optional(value) : std::nullopt;
}

/// Writes a decimal number of any length into `out`, without a leading + and with a decimal point. Returns false if the
/// text is not a number ("nan" and "inf" are not); `out` is then unchanged.
[[nodiscard]] bool parse_numeric(std::string_view text, std::string& out, bool decimal_comma = false);

/// A boolean: true, t, yes, y, on, 1 or false, f, no, n, off, 0, in upper or lower case.
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text) noexcept;

/// A date or time as a text gives it.
struct Moment {
  LocalTime time{};                              ///< the wall-clock time
  std::optional<std::chrono::minutes> offset{};  ///< minutes east of UTC, if the text has a zone
  bool has_clock = false;                        ///< whether the text has a time of day
  friend bool operator==(const Moment&, const Moment&) = default;
};

/// ISO 8601: "2026-11-21", then "T" or a blank and "10:30", ":15", ".250", then "Z", "+01", "+0100" or "+01:00". A time
/// that is finer than microseconds is invalid, so that no digit is lost.
[[nodiscard]] std::optional<Moment> parse_iso(std::string_view text) noexcept;
/// "10:30", "10:30:15", "10:30:15.25", as time since midnight.
[[nodiscard]] std::optional<std::chrono::microseconds> parse_clock(std::string_view text) noexcept;

/// How dates and times are written: "iso" (the default for an empty text), "unix_s", "unix_ms", "unix_us", or a pattern
/// as for strptime: %Y %y %m %d %e %j %b %B (English names) %a %A %H %I %M %S %f (1 to 9 digits, of which six are kept)
/// %p %z %F %T %R %D %%. Leading zeros may be missing, except in %Y. A blank matches any number of blanks, including
/// none. Years of %y are 1969 to 2068. A value; `parse` and `print` are thread-safe.
class TimeFormat {
 public:
  TimeFormat() = default;
  /// Parses a format. The error names what is wrong, and what is allowed.
  [[nodiscard]] static Result<TimeFormat> from(std::string_view text);

  /// Parses a text; nothing if it does not match the format. A Unix time has the zone UTC.
  [[nodiscard]] std::optional<Moment> parse(std::string_view text) const noexcept;
  /// Parses a time of day, for a separate column.
  [[nodiscard]] std::optional<std::chrono::microseconds> parse_time(std::string_view text) const noexcept;
  /// Appends the text of `moment`. Without an offset, %z is "Z".
  void print(std::string& out, const Moment& moment) const;

  /// "iso", "unix_ms" or the pattern.
  [[nodiscard]] std::string_view text() const noexcept;
  /// Whether the format has a date.
  [[nodiscard]] bool has_date() const noexcept { return has_date_; }
  /// Whether the format has a time of day.
  [[nodiscard]] bool has_clock() const noexcept { return has_clock_; }
  /// Whether it is a Unix time.
  [[nodiscard]] bool is_unix() const noexcept { return per_second_ != 0; }
  /// Whether it is ISO 8601.
  [[nodiscard]] bool is_iso() const noexcept { return pattern_.empty() && per_second_ == 0; }

 private:
  std::string pattern_{};        // with %F and the like replaced
  std::int64_t per_second_ = 0;  // units of a Unix time; 0: it is none
  bool has_date_ = true;
  bool has_clock_ = true;
};

/// A date. Without a format, a text with a time of day is invalid; with a format, its date counts.
[[nodiscard]] std::optional<Day> parse_date(std::string_view text, const TimeFormat& format = {}) noexcept;
/// A wall-clock time. A text with a zone is invalid, except for Unix times, which are in UTC. A date is midnight.
[[nodiscard]] std::optional<LocalTime> parse_timestamp(std::string_view text, const TimeFormat& format = {}) noexcept;
/// A point in time. A text without a zone is in UTC.
[[nodiscard]] std::optional<UtcTime> parse_timestamp_tz(std::string_view text, const TimeFormat& format = {}) noexcept;

}  // namespace etl::inline v0::csv
