#include <etl/csv/parse.hpp>

#include <algorithm>
#include <array>
#include <bit>
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

constexpr std::array<double, 16> powers_of_ten{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/// Removes the point at bit `at` from the digits in a word. The digits before the point move up by one place, and
/// `ahead` becomes the first digit.
std::uint64_t without_point(std::uint64_t word, int at, std::uint64_t ahead) noexcept {
  const std::uint64_t behind = ~std::uint64_t{0} << at << 8;
  return (word & behind) | (word & ~(~std::uint64_t{0} << at)) << 8 | ahead;
}

/// Parses a number of up to 15 digits with a point, or 16 without. With a point, the digits form a whole number below
/// 2^53, which is exact, as is the power of ten; so their quotient is rounded correctly (Clinger, 1990). Without a
/// point, the conversion rounds once. Most numbers in files have this form.
bool short_decimal(std::string_view text, char point, double& out) noexcept {
  const bool negative = text.starts_with('-');
  text.remove_prefix(negative ? 1 : 0);
  if (text.size() - 1 >= 16) return false;
  std::uint64_t number = 0;
  std::size_t behind = 0;
  const auto point_at = [point](std::uint64_t word, std::uint64_t found, int& at) {
    at = std::countr_zero(found) & ~7;
    return (found & (found - 1)) == 0 && static_cast<char>(word >> at) == point;
  };
  int at = 0;
  if (text.size() <= 8) {
    std::uint64_t word = detail::load_digits(text);
    if (const std::uint64_t found = detail::no_digits(word); found != 0) {
      if (!point_at(word, found, at) || text.size() == 1) return false;
      word = without_point(word, at, '0');
      behind = 7 - static_cast<std::size_t>(at) / 8;
    }
    number = detail::number_of(word);
  } else {
    std::uint64_t first = detail::load_digits(text.substr(0, text.size() - 8));
    std::uint64_t last = detail::load_eight(text.substr(text.size() - 8));
    const std::uint64_t early = detail::no_digits(first), late = detail::no_digits(last);
    if (early != 0) {
      if (late != 0 || !point_at(first, early, at)) return false;
      first = without_point(first, at, '0');
      behind = 15 - static_cast<std::size_t>(at) / 8;
    } else if (late != 0) {
      if (!point_at(last, late, at)) return false;
      last = without_point(last, at, first >> 56);
      first = first << 8 | '0';
      behind = 7 - static_cast<std::size_t>(at) / 8;
    }
    number = detail::number_of(last) + std::uint64_t{100'000'000} * detail::number_of(first);
  }
  const double value = static_cast<double>(number) / powers_of_ten[behind];
  out = negative ? -value : value;
  return true;
}

template <std::floating_point T>
[[gnu::noinline]] bool any_decimal(std::string_view text, bool with_comma, T& out) noexcept {
  std::array<char, 128> buffer;
  if (with_comma && text.find_first_of(".,") != text.npos) {
    if (text.size() > buffer.size() || text.find('.') != text.npos) return false;
    std::ranges::replace_copy(text, buffer.begin(), ',', '.');
    text = {buffer.data(), text.size()};
  }
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [last, error] = std::from_chars(begin, end, out);
  return error == std::errc{} && last == end && text.back() != ')';  // refuses "nan(...)"
}

}  // namespace

template <std::floating_point T>
bool detail::parse(std::string_view text, bool with_comma, T& out) noexcept {
  if constexpr (std::same_as<T, double> && FLT_EVAL_METHOD == 0)
    if (short_decimal(text, with_comma ? ',' : '.', out)) return true;
  return any_decimal(text, with_comma, out);
}
template bool detail::parse<float>(std::string_view, bool, float&) noexcept;
template bool detail::parse<double>(std::string_view, bool, double&) noexcept;

bool parse_numeric(std::string_view text, std::string& out, bool with_comma) {
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
  const char point = with_comma ? ',' : '.';
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
  if (with_comma && at < out.size() && out[at] == ',') out[at] = '.';
  return true;
}

namespace {

/// The word that `load_short` makes of the letters.
constexpr std::uint64_t word(std::string_view letters) noexcept {
  std::uint64_t made = 0;
  for (const char c : letters) made = made >> 8 | std::uint64_t{static_cast<unsigned char>(c)} << 56;
  return made;
}

}  // namespace

bool detail::parse(std::string_view text, bool& out) noexcept {
  static constexpr std::array yes{word("true"), word("t"), word("yes"), word("y"), word("on")};
  static constexpr std::array no{word("false"), word("f"), word("no"), word("n"), word("off")};
  if (text.size() - 1 >= 8) return false;
  const std::uint64_t lower = load_short(text) | (' ' * each_byte) << (64 - 8 * text.size());
  bool is_yes = text == "1", is_no = text == "0";
  // Compares with all words, because a branch for the right word could not be predicted.
  for (const std::uint64_t each : yes) is_yes |= lower == each;
  for (const std::uint64_t each : no) is_no |= lower == each;
  out = is_yes;
  return is_yes || is_no;
}
std::optional<bool> parse_bool(std::string_view text) noexcept {
  bool value = false;
  return detail::parse(trimmed(text), value) ? std::optional(value) : std::nullopt;
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

/// Parses "2026-11-21".
bool iso_day(std::string_view text, Day& out) noexcept {
  constexpr std::uint64_t in_dashes = std::uint64_t{0xFF} << 16 | std::uint64_t{0xFF} << 40;
  const std::uint64_t word = detail::load_eight(text.substr(2)) ^ (in_dashes & (('-' ^ '0') * detail::each_byte));
  const std::uint64_t digits = word ^ ('0' * detail::each_byte);  // now 26011021: the dashes have become zeros
  if (detail::no_digits(word) != 0 || (digits & in_dashes) != 0 || !digit(text[0]) || !digit(text[1])) return false;
  const std::uint64_t pairs = 10 * digits + (digits >> 8);  // combines each digit with the next
  const auto pair = [pairs](unsigned i) { return static_cast<unsigned>(pairs >> (8 * i) & 0xFF); };
  const std::chrono::year_month_day date{
      std::chrono::year{1000 * (text[0] - '0') + 100 * (text[1] - '0') + static_cast<int>(pair(0))},
      std::chrono::month{pair(3)}, std::chrono::day{pair(6)}};
  if (pair(3) - 1 >= 12 || (pair(6) - 1 >= 28 && !date.ok())) return false;
  out = Day(std::chrono::local_days(date).time_since_epoch());
  return true;
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

namespace {

[[gnu::noinline]] bool any_day(std::string_view text, const TimeFormat& format, Day& out) noexcept {
  const auto moment = format.parse(text);
  if (!moment || (moment->has_clock && format.is_iso())) return false;
  out = Day(std::chrono::floor<std::chrono::days>(moment->time).time_since_epoch());
  return true;
}

}  // namespace

bool detail::parse(std::string_view text, const TimeFormat& format, Day& out) noexcept {
  if (format.is_iso() && text.size() == 10) return iso_day(text, out);
  return any_day(text, format, out);
}
std::optional<Day> parse_date(std::string_view text, const TimeFormat& format) noexcept {
  Day day{};
  return detail::parse(trimmed(text), format, day) ? std::optional(day) : std::nullopt;
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
