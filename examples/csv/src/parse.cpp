#include <etl/csv/parse.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::csv {
namespace {

using std::chrono::microseconds;
using std::chrono::minutes;

constexpr bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view text, std::string_view word) noexcept {
  return std::ranges::equal(text, word, [](char a, char b) { return lower(a) == lower(b); });
}

/// Takes `least` to `most` digits; -1: there are fewer.
int take_digits(std::string_view& text, std::size_t least, std::size_t most) noexcept {
  std::size_t n = 0;
  int value = 0;
  for (; n < most && n < text.size() && digit(text[n]); ++n) value = value * 10 + (text[n] - '0');
  if (n < least) return -1;
  text.remove_prefix(n);
  return value;
}

bool take(std::string_view& text, char c) noexcept {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// 1 to 9 digits behind the point, as microseconds; -1: there are none.
int take_fraction(std::string_view& text) noexcept {
  std::string_view rest = text;
  const int value = take_digits(rest, 1, 9);
  if (value < 0) return -1;
  static constexpr int powers[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000};
  const std::size_t count = text.size() - rest.size();
  text = rest;
  return count <= 6 ? value * powers[6 - count] : value / powers[count - 6];
}

std::optional<minutes> take_offset(std::string_view& text) noexcept {
  if (take(text, 'Z') || take(text, 'z')) return minutes{0};
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const int hours = take_digits(text, 2, 2);
  int rest = 0;
  if (take(text, ':') || (!text.empty() && digit(text.front()))) rest = take_digits(text, 2, 2);
  if (hours < 0 || hours > 23 || rest < 0 || rest > 59) return std::nullopt;
  return minutes{sign * (hours * 60 + rest)};
}

std::optional<LocalTime> midnight(int year, int month, int day) noexcept {
  if (year < 0 || month < 1 || day < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return LocalTime(std::chrono::local_days(date));
}

std::optional<microseconds> clock_time(int hour, int minute, int second, int micros) noexcept {
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || micros < 0)
    return std::nullopt;
  return microseconds{((hour * 60 + minute) * 60LL + second) * 1'000'000 + micros};
}

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

constexpr std::string_view month_names[] = {"January", "February", "March",     "April",   "May",      "June",
                                            "July",    "August",   "September", "October", "November", "December"};
constexpr std::string_view day_names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/// Takes one of the names, whole or its first three letters; -1: none.
int take_name(std::string_view& text, std::span<const std::string_view> names) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i)
    for (const std::string_view name : {names[i], names[i].substr(0, 3)})
      if (same_word(text.substr(0, name.size()), name)) {
        text.remove_prefix(name.size());
        return static_cast<int>(i);
      }
  return -1;
}

constexpr std::string_view directives = "YymdejbBaAHIMSfpz%";

struct Fields {
  int year = -1, month = -1, day = -1, day_of_year = -1;
  int hour = -1, hour12 = -1, minute = 0, second = 0, micros = 0;
  int half = -1;  // of the day: 0 AM, 1 PM
  std::optional<minutes> offset{};
};

bool take_directive(char directive, std::string_view& text, Fields& fields) noexcept {
  const auto into = [&text](int& field, std::size_t least, std::size_t most) {
    return (field = take_digits(text, least, most)) >= 0;
  };
  switch (directive) {
    case 'Y': return into(fields.year, 4, 4);
    case 'y':
      if (!into(fields.year, 2, 2)) return false;
      fields.year += fields.year < 69 ? 2000 : 1900;
      return true;
    case 'm': return into(fields.month, 1, 2);
    case 'e': take(text, ' '); [[fallthrough]];
    case 'd': return into(fields.day, 1, 2);
    case 'j': return into(fields.day_of_year, 1, 3);
    case 'b':
    case 'B': return (fields.month = take_name(text, month_names) + 1) > 0;
    case 'a':
    case 'A': return take_name(text, day_names) >= 0;
    case 'H': return into(fields.hour, 1, 2);
    case 'I': return into(fields.hour12, 1, 2) && fields.hour12 >= 1 && fields.hour12 <= 12;
    case 'M': return into(fields.minute, 1, 2);
    case 'S': return into(fields.second, 1, 2);
    case 'f': return (fields.micros = take_fraction(text)) >= 0;
    case 'p':
      fields.half = same_word(text.substr(0, 2), "am") ? 0 : same_word(text.substr(0, 2), "pm") ? 1 : -1;
      if (fields.half < 0) return false;
      text.remove_prefix(2);
      return true;
    case 'z': return (fields.offset = take_offset(text)).has_value();
    default: return take(text, directive);
  }
}

std::optional<Fields> take_pattern(std::string_view pattern, std::string_view text) noexcept {
  Fields fields;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%') {
      if (!take_directive(pattern[++i], text, fields)) return std::nullopt;
    } else if (pattern[i] == ' ') {
      while (take(text, ' ')) {}
    } else if (!take(text, pattern[i])) {
      return std::nullopt;
    }
  }
  if (!text.empty()) return std::nullopt;
  if (fields.hour12 >= 0) fields.hour = fields.hour12 % 12 + (fields.half == 1 ? 12 : 0);
  return fields;
}

std::optional<LocalTime> date_of(const Fields& fields) noexcept {
  if (fields.day_of_year < 0) return midnight(fields.year, fields.month, fields.day);
  const auto first = midnight(fields.year, 1, 1);
  const bool leap = fields.year >= 0 && std::chrono::year{fields.year}.is_leap();
  if (!first || fields.day_of_year < 1 || fields.day_of_year > (leap ? 366 : 365)) return std::nullopt;
  return *first + std::chrono::days{fields.day_of_year - 1};
}

std::optional<Moment> parse_unix(std::string_view text, std::int64_t per_second) noexcept {
  const bool negative = take(text, '-');
  std::int64_t units = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (text.empty() || !digit(text.front())) return std::nullopt;
  const auto [last, error] = std::from_chars(begin, end, units);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(last - text.data()));
  int micros = 0;
  if (per_second == 1 && take(text, '.')) micros = take_fraction(text);
  constexpr std::int64_t latest = 253'402'300'799;  // the end of the year 9999
  if (!text.empty() || micros < 0 || units / per_second > latest) return std::nullopt;
  const microseconds time{units * (1'000'000 / per_second) + micros};
  constexpr microseconds earliest = std::chrono::sys_days{std::chrono::year{0} / 1 / 1}.time_since_epoch();
  if (negative && -time < earliest) return std::nullopt;
  return Moment{.time = LocalTime(negative ? -time : time), .offset = minutes{0}, .has_clock = true};
}

void print_offset(std::string& out, const std::optional<minutes>& offset) {
  if (!offset || *offset == minutes{0}) {
    out += 'Z';
    return;
  }
  const auto size = std::chrono::abs(*offset).count();
  fmt::format_to(std::back_inserter(out), "{}{:02}:{:02}", *offset < minutes{0} ? '-' : '+', size / 60, size % 60);
}

}  // namespace

template <std::floating_point T>
std::optional<T> parse_floating(std::string_view text, bool decimal_comma) noexcept {
  text = trimmed(text);
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
  text = trimmed(text);
  for (const std::string_view word : {"1", "true", "t", "yes", "y", "on"})
    if (same_word(text, word)) return true;
  for (const std::string_view word : {"0", "false", "f", "no", "n", "off"})
    if (same_word(text, word)) return false;
  return std::nullopt;
}

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

Result<TimeFormat> TimeFormat::from(std::string_view text) {
  TimeFormat format;
  if (text.empty() || text == "iso") return format;
  for (const auto& [name, per_second] : {std::pair{"unix_s", 1}, {"unix_ms", 1000}, {"unix_us", 1'000'000}})
    if (text == name) {
      format.per_second_ = per_second;
      return format;
    }
  const auto wrong = [text](std::string_view what) {
    return failure({.code = Errc::InvalidOptions,
                    .context = fmt::format("time format '{}': {}; there are iso, unix_s, unix_ms, unix_us and patterns "
                                           "like %Y-%m-%d %H:%M:%S",
                                           text, what)});
  };
  std::string seen;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      format.pattern_ += text[i] == '\t' ? ' ' : text[i];
      continue;
    }
    if (++i == text.size()) return wrong("it ends in %");
    const char c = text[i];
    const std::string_view expanded = c == 'F'   ? "%Y-%m-%d"
                                      : c == 'T' ? "%H:%M:%S"
                                      : c == 'R' ? "%H:%M"
                                      : c == 'D' ? "%m/%d/%y"
                                                 : text.substr(i - 1, 2);
    if (expanded.size() == 2 && directives.find(c) == directives.npos) return wrong(fmt::format("%{} is unknown", c));
    for (std::size_t k = 1; k < expanded.size(); k += 3) seen += expanded[k];
    format.pattern_ += expanded;
  }
  const auto has = [&seen](std::string_view any) { return seen.find_first_of(any) != seen.npos; };
  const bool month_and_day = has("mbB") && has("de");
  format.has_date_ = has("Yy") && (month_and_day || has("j"));
  format.has_clock_ = has("HI");
  if (!format.has_date_ && has("YymbBdej")) return wrong("its date is not complete");
  if (has("MSfp") && !format.has_clock_) return wrong("it has minutes or seconds, but no hours");
  if (has("I") != has("p")) return wrong("%I and %p go together");
  if (!format.has_date_ && !format.has_clock_) return wrong("it has neither a date nor a time");
  return format;
}

std::string_view TimeFormat::text() const noexcept {
  switch (per_second_) {
    case 1: return "unix_s";
    case 1000: return "unix_ms";
    case 1'000'000: return "unix_us";
    default: return pattern_.empty() ? "iso" : std::string_view(pattern_);
  }
}

std::optional<Moment> TimeFormat::parse(std::string_view text) const noexcept {
  text = trimmed(text);
  if (per_second_ != 0) return parse_unix(text, per_second_);
  if (pattern_.empty()) return parse_iso(text);
  const auto fields = take_pattern(pattern_, text);
  if (!fields) return std::nullopt;
  const auto date = date_of(*fields);
  const auto clock = clock_time(has_clock_ ? fields->hour : 0, fields->minute, fields->second, fields->micros);
  if (!date || !clock) return std::nullopt;
  return Moment{.time = *date + *clock, .offset = fields->offset, .has_clock = has_clock_};
}

std::optional<microseconds> TimeFormat::parse_time(std::string_view text) const noexcept {
  if (pattern_.empty()) return per_second_ == 0 ? parse_clock(text) : std::nullopt;
  const auto fields = take_pattern(pattern_, trimmed(text));
  if (!fields || fields->offset) return std::nullopt;
  return clock_time(fields->hour, fields->minute, fields->second, fields->micros);
}

void TimeFormat::print(std::string& out, const Moment& moment) const {
  const auto day = std::chrono::floor<std::chrono::days>(moment.time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{moment.time - day};
  const auto to = std::back_inserter(out);
  const auto micros = clock.subseconds().count();
  const auto two = [&out](auto n) {
    out += static_cast<char>('0' + n / 10);
    out += static_cast<char>('0' + n % 10);
  };
  const int year = static_cast<int>(date.year());
  if (per_second_ != 0) {
    const auto utc = moment.time.time_since_epoch() - moment.offset.value_or(minutes{0});
    fmt::format_to(to, "{}", std::chrono::floor<microseconds>(utc).count() / (1'000'000 / per_second_));
    if (per_second_ == 1 && micros != 0 && utc >= microseconds{0}) fmt::format_to(to, ".{:06}", micros);
    return;
  }
  if (pattern_.empty()) {
    append_text(out, Day(day.time_since_epoch()));
    if (!moment.has_clock) return;
    out += 'T';
    two(clock.hours().count());
    out += ':';
    two(clock.minutes().count());
    out += ':';
    two(clock.seconds().count());
    if (micros != 0) {
      fmt::format_to(to, ".{:06}", micros);
      while (out.back() == '0') out.pop_back();
    }
    if (moment.offset) print_offset(out, moment.offset);
    return;
  }
  const auto hour = clock.hours().count();
  for (std::size_t i = 0; i < pattern_.size(); ++i) {
    if (pattern_[i] != '%') {
      out += pattern_[i];
      continue;
    }
    switch (pattern_[++i]) {
      case 'Y': fmt::format_to(to, "{:04}", year); break;
      case 'y': two(year % 100); break;
      case 'm': two(static_cast<unsigned>(date.month())); break;
      case 'd': two(static_cast<unsigned>(date.day())); break;
      case 'e': fmt::format_to(to, "{:2}", static_cast<unsigned>(date.day())); break;
      case 'j': fmt::format_to(to, "{:03}", (day - std::chrono::local_days{date.year() / 1 / 1}).count() + 1); break;
      case 'b': out += month_names[static_cast<unsigned>(date.month()) - 1].substr(0, 3); break;
      case 'B': out += month_names[static_cast<unsigned>(date.month()) - 1]; break;
      case 'a': out += day_names[std::chrono::weekday{day}.c_encoding()].substr(0, 3); break;
      case 'A': out += day_names[std::chrono::weekday{day}.c_encoding()]; break;
      case 'H': two(hour); break;
      case 'I': two(hour % 12 == 0 ? 12 : hour % 12); break;
      case 'M': two(clock.minutes().count()); break;
      case 'S': two(clock.seconds().count()); break;
      case 'f': fmt::format_to(to, "{:06}", micros); break;
      case 'p': out += hour < 12 ? "AM" : "PM"; break;
      case 'z': print_offset(out, moment.offset); break;
      default: out += pattern_[i];
    }
  }
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
