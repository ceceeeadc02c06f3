#include <etl/csv/parse.hpp>

#include <algorithm>
#include <array>
#include <cfloat>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "parse_parts.hpp"

namespace etl::inline v0::csv {

using std::chrono::microseconds;
using std::chrono::minutes;

namespace {

/// Up to 15 digits with a point: a whole number below 2^53, and a power of ten, which are exact, so that their quotient
/// is rounded once and right (Clinger, 1990). Most numbers in files are such, and take a third of the time.
std::optional<double> short_decimal(std::string_view text, char point) noexcept {
  static constexpr std::array<double, 16> powers{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative ? 1 : 0);
  std::uint64_t number = 0;
  std::size_t digits = 0, before = 0;
  bool fraction = false;
  for (const char c : text) {
    if (digit(c)) {
      number = 10 * number + static_cast<std::uint64_t>(c - '0');
      ++digits;
    } else if (c == point && !fraction) {
      fraction = true;
      before = digits;
    } else {
      return std::nullopt;
    }
    if (digits > 15) return std::nullopt;
  }
  if (digits == 0) return std::nullopt;
  const double value = static_cast<double>(number) / powers[fraction ? digits - before : 0];
  return negative ? -value : value;
}

}  // namespace

template <std::floating_point T>
std::optional<T> parse_floating(std::string_view text, bool decimal_comma) noexcept {
  text = trimmed(text);
  if constexpr (std::same_as<T, double> && FLT_EVAL_METHOD == 0)
    if (const auto value = short_decimal(text, decimal_comma ? ',' : '.')) return value;
  std::array<char, 128> buffer;
  if (decimal_comma && text.find_first_of(".,") != text.npos) {
    if (text.size() > buffer.size() || text.find('.') != text.npos) return std::nullopt;
    std::ranges::replace_copy(text, buffer.begin(), ',', '.');
    text = {buffer.data(), text.size()};
  }
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  T value{};
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [last, error] = std::from_chars(begin, end, value);
  if (error != std::errc{} || last != end || text.back() == ')') return std::nullopt;  // "nan(...)"
  return value;
}
template std::optional<float> parse_floating<float>(std::string_view, bool) noexcept;
template std::optional<double> parse_floating<double>(std::string_view, bool) noexcept;

bool parse_numeric(std::string_view text, std::string& out, bool decimal_comma) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1), text = text.starts_with('-') ? "" : text;
  std::string_view rest = text;
  take(rest, '-');
  const auto skip_digits = [&rest] {
    std::size_t n = 0;
    while (n < rest.size() && digit(rest[n])) ++n;
    rest.remove_prefix(n);
    return n;
  };
  const char point = decimal_comma ? ',' : '.';
  std::size_t digits = skip_digits();
  const std::size_t at = text.size() - rest.size();
  if (take(rest, point)) digits += skip_digits();
  if (digits == 0) return false;
  if (take(rest, 'e') || take(rest, 'E')) {
    if (!take(rest, '-')) take(rest, '+');
    if (skip_digits() == 0) return false;
  }
  if (!rest.empty()) return false;
  out.assign(text);
  if (decimal_comma && at < out.size() && out[at] == ',') out[at] = '.';
  return true;
}

std::optional<bool> parse_bool(std::string_view text) noexcept {
  using namespace std::string_view_literals;
  static constexpr std::array yes{"true"sv, "1"sv, "t"sv, "yes"sv, "y"sv, "on"sv};
  static constexpr std::array no{"false"sv, "0"sv, "f"sv, "no"sv, "n"sv, "off"sv};
  text = trimmed(text);
  const auto is = [text](std::string_view word) { return word.size() == text.size() && same_word(text, word); };
  if (std::ranges::any_of(yes, is)) return true;
  if (std::ranges::any_of(no, is)) return false;
  return std::nullopt;
}

namespace {

std::optional<microseconds> take_clock(std::string_view& text) noexcept {
  const int hour = take_digits(text, 2, 2);
  if (!take(text, ':')) return std::nullopt;
  const int minute = take_digits(text, 2, 2);
  int second = 0;
  int micros = 0;
  if (take(text, ':')) {
    second = take_digits(text, 2, 2);
    if (take(text, '.') || take(text, ',')) micros = take_fraction(text);
  }
  return clock_time(hour, minute, second, micros);
}

}  // namespace

std::optional<Moment> parse_iso(std::string_view text) noexcept {
  text = trimmed(text);
  const int year = take_digits(text, 4, 4);
  if (!take(text, '-')) return std::nullopt;
  const int month = take_digits(text, 2, 2);
  if (!take(text, '-')) return std::nullopt;
  const auto date = midnight(year, month, take_digits(text, 2, 2));
  if (!date) return std::nullopt;
  Moment moment{.time = *date};
  if (text.empty()) return moment;
  if (!take(text, 'T') && !take(text, ' ') && !take(text, 't')) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  moment.time += *clock;
  moment.has_clock = true;
  if (text.empty()) return moment;
  take(text, ' ');
  moment.offset = take_offset(text);
  if (!moment.offset || !text.empty()) return std::nullopt;
  return moment;
}

std::optional<microseconds> parse_clock(std::string_view text) noexcept {
  text = trimmed(text);
  const auto clock = take_clock(text);
  return text.empty() ? clock : std::nullopt;
}

std::optional<Day> parse_date(std::string_view text, const TimeFormat& format) noexcept {
  const auto moment = format.parse(text);
  if (!moment || (moment->has_clock && format.is_iso())) return std::nullopt;
  return Day(std::chrono::floor<std::chrono::days>(moment->time).time_since_epoch());
}

std::optional<LocalTime> parse_timestamp(std::string_view text, const TimeFormat& format) noexcept {
  const auto moment = format.parse(text);
  if (!moment || (moment->offset && !format.is_unix())) return std::nullopt;
  return moment->time;
}

std::optional<UtcTime> parse_timestamp_tz(std::string_view text, const TimeFormat& format) noexcept {
  const auto moment = format.parse(text);
  if (!moment) return std::nullopt;
  return UtcTime(moment->time.time_since_epoch() - moment->offset.value_or(minutes{0}));
}

}  // namespace etl::inline v0::csv
