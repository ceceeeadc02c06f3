#pragma once
/// Texts of cells as numbers, truth values, dates and times. The whole text must be used up; blanks and tabs around it
/// do not count. Nothing here depends on a locale, all of it is thread-safe.

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

/// A decimal integer; a leading + is allowed. Nothing when it does not fit.
template <std::integral T>
  requires(!std::same_as<T, bool>)
[[nodiscard]] std::optional<T> parse_integer(std::string_view text) noexcept {
  T value{};
  return detail::parse(trimmed(text), value) ? std::optional(value) : std::nullopt;
}

/// A decimal number, also with exponent, "inf" or "nan". With `decimal_comma`, 1,5 is one and 1.5 is none. Nothing when
/// it is beyond the type's range.
template <std::floating_point T>
[[nodiscard]] std::optional<T> parse_floating(std::string_view text, bool decimal_comma = false) noexcept {
  T value{};
  return detail::parse(trimmed(text), decimal_comma, value) ? std::optional(value) : std::nullopt;
}

/// A decimal number of any length into `out`, without a leading + and with a point; "nan" and the like are none. False:
/// it is none, and `out` is untouched.
[[nodiscard]] bool parse_numeric(std::string_view text, std::string& out, bool decimal_comma = false);

/// true, t, yes, y, on, 1 or false, f, no, n, off, 0, in any case.
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text) noexcept;

/// What a text said about time.
struct Moment {
  LocalTime time{};
  std::optional<std::chrono::minutes> offset{};  ///< east of UTC, if the text told a zone
  bool has_clock = false;                        ///< it told a time of day
  friend bool operator==(const Moment&, const Moment&) = default;
};

/// ISO 8601: "2026-11-21", then "T" or a blank and "10:30", ":15", ".250" (what is finer than microseconds
/// is no such time, so that nothing is cut off), then "Z", "+01", "+0100" or "+01:00".
[[nodiscard]] std::optional<Moment> parse_iso(std::string_view text) noexcept;
/// "10:30", "10:30:15", "10:30:15.25", as time since midnight.
[[nodiscard]] std::optional<std::chrono::microseconds> parse_clock(std::string_view text) noexcept;

/// How dates and times are written: "iso" (also what an empty text means), "unix_s", "unix_ms", "unix_us", or a pattern
/// as of strptime: %Y %y %m %d %e %j %b %B (English names) %a %A %H %I %M %S %f (1 to 9 digits, of which six are kept)
/// %p %z %F %T %R %D %%; numbers may lack leading zeros, but for %Y; a blank stands for any number of blanks, also
/// none. Years of %y are 1969 to 2068. A value; `parse` and `print` are thread-safe.
class TimeFormat {
 public:
  TimeFormat() = default;
  /// An error names what is wrong in the pattern, and what there is.
  [[nodiscard]] static Result<TimeFormat> from(std::string_view text);

  /// Nothing: the text is not written so. A Unix time says UTC.
  [[nodiscard]] std::optional<Moment> parse(std::string_view text) const noexcept;
  /// The time of day alone: for a column of its own.
  [[nodiscard]] std::optional<std::chrono::microseconds> parse_time(std::string_view text) const noexcept;
  /// The contrary. Without an offset, %z is "Z".
  void print(std::string& out, const Moment& moment) const;

  /// "iso", "unix_ms" or the pattern.
  [[nodiscard]] std::string_view text() const noexcept;
  [[nodiscard]] bool has_date() const noexcept { return has_date_; }
  [[nodiscard]] bool has_clock() const noexcept { return has_clock_; }
  [[nodiscard]] bool is_unix() const noexcept { return per_second_ != 0; }
  [[nodiscard]] bool is_iso() const noexcept { return pattern_.empty() && per_second_ == 0; }

 private:
  std::string pattern_{};        // with %F and the like replaced
  std::int64_t per_second_ = 0;  // units of a Unix time; 0: it is none
  bool has_date_ = true;
  bool has_clock_ = true;
};

/// A date: without a format one that has no time of day; with one, the date in it.
[[nodiscard]] std::optional<Day> parse_date(std::string_view text, const TimeFormat& format = {}) noexcept;
/// A wall-clock time; a text that tells a zone is none, but for Unix times, which are told in UTC. A date is midnight.
[[nodiscard]] std::optional<LocalTime> parse_timestamp(std::string_view text, const TimeFormat& format = {}) noexcept;
/// A point in time; a text that tells no zone is UTC.
[[nodiscard]] std::optional<UtcTime> parse_timestamp_tz(std::string_view text, const TimeFormat& format = {}) noexcept;

}  // namespace etl::inline v0::csv
