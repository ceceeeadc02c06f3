#include <charconv>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>

#include <fmt/format.h>

#include <etl/csv/parse.hpp>

#include "parse_parts.hpp"

namespace etl::inline v0::csv {
namespace {

using std::chrono::microseconds;
using std::chrono::minutes;

constexpr std::string_view month_names[] = {"January", "February", "March",     "April",   "May",      "June",
                                            "July",    "August",   "September", "October", "November", "December"};
constexpr std::string_view day_names[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/// Takes one of the names, in full or as its first three letters. Returns its index, or -1.
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

struct TimeFields {
  int year = -1, month = -1, day = -1, day_of_year = -1;
  int hour = -1, hour12 = -1, minute = 0, second = 0, micros = 0;
  int half = -1;  // half of the day: 0 AM, 1 PM
  std::optional<minutes> offset{};
};

bool take_directive(char directive, std::string_view& text, TimeFields& fields) noexcept {
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
    case 'f': return (fields.micros = take_fraction(text, true)) >= 0;
    case 'p':
      fields.half = same_word(text.substr(0, 2), "am") ? 0 : same_word(text.substr(0, 2), "pm") ? 1 : -1;
      if (fields.half < 0) return false;
      text.remove_prefix(2);
      return true;
    case 'z': return (fields.offset = take_offset(text)).has_value();
    default: return take(text, directive);
  }
}

std::optional<TimeFields> take_pattern(std::string_view pattern, std::string_view text) noexcept {
  TimeFields fields;
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

std::optional<LocalTime> date_of(const TimeFields& fields) noexcept {
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

}  // namespace etl::inline v0::csv
