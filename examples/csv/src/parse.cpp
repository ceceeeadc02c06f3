#include <etl/csv/parse.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>

#include <etl/csv/value.hpp>

namespace etl::inline v0::csv {
namespace {

using std::chrono::microseconds;
using std::chrono::sys_days;

[[nodiscard]] bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
[[nodiscard]] bool same_word(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// What is left of a cell.
class Cursor {
 public:
  explicit Cursor(std::string_view text) noexcept : text_(text) {}
  [[nodiscard]] bool done() const noexcept { return text_.empty(); }
  [[nodiscard]] char peek() const noexcept { return text_.empty() ? '\0' : text_.front(); }
  bool take(char c) noexcept {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// `least` to `most` digits.
  [[nodiscard]] std::optional<int> number(std::size_t least, std::size_t most) noexcept {
    std::size_t n = 0;
    int value = 0;
    while (n < most && n < text_.size() && is_digit(text_[n])) value = value * 10 + (text_[n++] - '0');
    if (n < least) return std::nullopt;
    text_.remove_prefix(n);
    return value;
  }
  [[nodiscard]] std::optional<int> two() noexcept { return number(2, 2); }
  /// Digits of a fraction, of which six count.
  [[nodiscard]] std::optional<microseconds> fraction() noexcept {
    std::int64_t value = 0;
    std::size_t n = 0;
    for (; n < text_.size() && is_digit(text_[n]); ++n)
      if (n < 6) value = value * 10 + (text_[n] - '0');
    if (n == 0) return std::nullopt;
    for (std::size_t i = n; i < 6; ++i) value *= 10;
    text_.remove_prefix(n);
    return microseconds(value);
  }
  [[nodiscard]] std::optional<std::chrono::seconds> offset() noexcept {
    if (take('Z') || take('z')) return std::chrono::seconds(0);
    const bool west = peek() == '-';
    if (!take('+') && !take('-')) return std::nullopt;
    const auto hours = two();
    if (!hours || *hours > 18) return std::nullopt;
    const bool colon = take(':');
    const auto minutes = is_digit(peek()) ? two() : colon ? std::nullopt : std::optional(0);
    if (!minutes || *minutes > 59) return std::nullopt;
    const std::chrono::seconds east = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
    return west ? -east : east;
  }
  /// The number, from 1, of the name of which this begins; the longest.
  template <std::size_t n>
  [[nodiscard]] std::optional<int> word(const std::array<std::string_view, n>& names) noexcept {
    for (std::size_t i = 0; i < n; ++i)
      for (const std::string_view name : {names[i], names[i].substr(0, 3)})
        if (same_word(text_.substr(0, name.size()), name)) {
          text_.remove_prefix(name.size());
          return static_cast<int>(i) + 1;
        }
    return std::nullopt;
  }
  void skip_blanks() noexcept {
    while (take(' ') || take('\t')) {}
  }

 private:
  std::string_view text_;
};

[[nodiscard]] std::optional<sys_days> day(int year, int month, int day_of_month) noexcept {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day_of_month))};
  if (!date.ok()) return std::nullopt;
  return sys_days(date);
}

[[nodiscard]] std::optional<sys_days> take_date(Cursor& at) noexcept {
  const auto year = at.number(4, 4);
  if (!year) return std::nullopt;
  const bool hyphens = at.take('-');
  const auto month = at.two();
  if (!month || (hyphens && !at.take('-'))) return std::nullopt;
  const auto day_of_month = at.two();
  if (!day_of_month) return std::nullopt;
  return day(*year, *month, *day_of_month);
}

[[nodiscard]] DateTime at(sys_days date, microseconds time) noexcept {
  return {.local = std::chrono::local_time<microseconds>(date.time_since_epoch() + time)};
}

constexpr std::array<std::string_view, 12> months = {"january",   "february", "march",    "april",
                                                     "may",       "june",     "july",     "august",
                                                     "september", "october",  "november", "december"};

/// A count since 1970, with a fraction where the unit is a second.
[[nodiscard]] std::optional<DateTime> from_epoch(std::string_view cell, std::int64_t microseconds_each) noexcept {
  const bool negative = cell.starts_with('-');
  std::string_view whole = cell;
  microseconds rest{};
  if (const std::size_t point = cell.find('.'); point != cell.npos) {
    if (microseconds_each != 1'000'000) return std::nullopt;
    Cursor behind(cell.substr(point + 1));
    const auto fraction = behind.fraction();
    if (!fraction || !behind.done()) return std::nullopt;
    rest = negative ? -*fraction : *fraction;
    whole = cell.substr(0, point);
  }
  const auto count = parse_integer(whole);
  constexpr std::int64_t most = INT64_MAX - 1'000'000;
  if (!count || *count > most / microseconds_each || *count < -most / microseconds_each) return std::nullopt;
  return DateTime{.local = std::chrono::local_time<microseconds>(microseconds(*count * microseconds_each) + rest),
                  .offset = std::chrono::seconds(0)};
}
[[nodiscard]] std::int64_t epoch_unit(std::string_view format) noexcept {
  return format == "unix" ? 1'000'000 : format == "unix_ms" ? 1000 : format == "unix_us" ? 1 : 0;
}

/// Fields that a format collects.
struct Fields {
  int year = 1970, month = 1, day_of_month = 1, hour = 0, minute = 0, second = 0;
  std::optional<int> day_of_year{};
  std::optional<bool> afternoon{};
  microseconds fraction{};
  std::optional<std::chrono::seconds> offset{};

  [[nodiscard]] std::optional<DateTime> result() const noexcept {
    auto date = day(year, day_of_year ? 1 : month, day_of_year ? 1 : day_of_month);
    if (!date) return std::nullopt;
    if (day_of_year) {
      *date += std::chrono::days(*day_of_year - 1);
      if (std::chrono::year_month_day(*date).year() != std::chrono::year(year)) return std::nullopt;
    }
    if (afternoon && (hour < 1 || hour > 12)) return std::nullopt;
    const int hours = afternoon ? hour % 12 + (*afternoon ? 12 : 0) : hour;
    if (hours > 23 || minute > 59 || second > 60) return std::nullopt;
    DateTime made =
        at(*date, std::chrono::hours(hours) + std::chrono::minutes(minute) + std::chrono::seconds(second) + fraction);
    made.offset = offset;
    return made;
  }
};

[[nodiscard]] std::string_view expanded(char field) noexcept {
  switch (field) {
    case 'T': return "%H:%M:%S";
    case 'D': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'R': return "%H:%M";
    default: return {};
  }
}

[[nodiscard]] bool match(Cursor& at, std::string_view format, Fields& fields) noexcept {
  const auto set = [](int& field, std::optional<int> value) { return value ? (field = *value, true) : false; };
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == ' ') {
      at.skip_blanks();
      continue;
    }
    if (format[i] != '%') {
      if (!at.take(format[i])) return false;
      continue;
    }
    const char field = ++i < format.size() ? format[i] : '%';
    bool ok = false;
    switch (field) {
      case 'Y': ok = set(fields.year, at.number(1, 4)); break;
      case 'm': ok = set(fields.month, at.number(1, 2)); break;
      case 'e': at.skip_blanks(); [[fallthrough]];
      case 'd': ok = set(fields.day_of_month, at.number(1, 2)); break;
      case 'y':
        ok = set(fields.year, at.two());
        fields.year += fields.year < 69 ? 2000 : 1900;
        break;
      case 'b':
      case 'B': ok = set(fields.month, at.word(months)); break;
      case 'H':
      case 'I': ok = set(fields.hour, at.number(1, 2)); break;
      case 'M': ok = set(fields.minute, at.number(1, 2)); break;
      case 'S': ok = set(fields.second, at.number(1, 2)); break;
      case 'p': {
        const auto half = at.word(std::array<std::string_view, 2>{"am", "pm"});
        ok = half.has_value();
        if (ok) fields.afternoon = *half == 2;
        break;
      }
      case 'f':
        if (const auto fraction = at.fraction()) fields.fraction = *fraction, ok = true;
        break;
      case 'z':
        fields.offset = at.offset();
        ok = fields.offset.has_value();
        break;
      case 'j': {
        const auto number = at.number(1, 3);
        ok = number && *number >= 1;
        fields.day_of_year = number;
        break;
      }
      case '%': ok = at.take('%'); break;
      default: ok = match(at, expanded(field), fields); break;
    }
    if (!ok) return false;
  }
  return true;
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  constexpr std::array<std::string_view, 8> names = {"boolean", "integer", "double",    "numeric",
                                                     "text",    "date",    "timestamp", "timestamptz"};
  return names[static_cast<std::size_t>(kind)];
}
std::optional<Kind> kind_from(std::string_view name) noexcept {
  for (const Kind kind : {Kind::Boolean, Kind::Integer, Kind::Double, Kind::Numeric, Kind::Text, Kind::Date,
                          Kind::Timestamp, Kind::TimestampTz})
    if (to_string(kind) == name) return kind;
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view cell) noexcept {
  if (cell.starts_with('+')) cell.remove_prefix(cell.size() > 1 && is_digit(cell[1]) ? 1 : 0);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_double(std::string_view cell, bool decimal_comma) noexcept {
  if (cell.starts_with('+') && cell.size() > 1 && cell[1] != '-') cell.remove_prefix(1);
  std::array<char, 64> copy{};
  if (decimal_comma) {
    if (cell.size() > copy.size() || cell.find('.') != cell.npos) return std::nullopt;
    std::ranges::replace_copy(cell, copy.begin(), ',', '.');
    cell = {copy.data(), cell.size()};
  }
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

std::optional<std::string_view> parse_numeric(std::string_view cell, bool decimal_comma, std::string& scratch) {
  Cursor at(cell);
  if (!at.take('-')) at.take('+');
  std::size_t digits = 0;
  const auto skip_digits = [&] {
    for (; is_digit(at.peek()); ++digits) at.take(at.peek());
  };
  skip_digits();
  if (at.take(decimal_comma ? ',' : '.')) skip_digits();
  if (digits == 0) return std::nullopt;
  if (at.take('e') || at.take('E')) {
    if (!at.take('-')) at.take('+');
    digits = 0;
    skip_digits();
    if (digits == 0) return std::nullopt;
  }
  if (!at.done()) return std::nullopt;
  if (!decimal_comma) return cell;
  scratch.assign(cell);
  std::ranges::replace(scratch, ',', '.');
  return scratch;
}

std::optional<bool> parse_boolean(std::string_view cell) noexcept {
  constexpr std::array<std::string_view, 6> yes = {"true", "t", "yes", "y", "on", "1"};
  constexpr std::array<std::string_view, 6> no = {"false", "f", "no", "n", "off", "0"};
  for (const std::string_view word : yes)
    if (same_word(cell, word)) return true;
  for (const std::string_view word : no)
    if (same_word(cell, word)) return false;
  return std::nullopt;
}

std::optional<sys_days> parse_date(std::string_view cell) noexcept {
  Cursor at(cell);
  const auto date = take_date(at);
  return at.done() ? date : std::nullopt;
}

std::optional<DateTime> parse_timestamp(std::string_view cell) noexcept {
  Cursor cursor(cell);
  const auto date = take_date(cursor);
  if (!date) return std::nullopt;
  if (cursor.done()) return at(*date, {});
  if (!cursor.take('T') && !cursor.take('t') && !cursor.take(' ')) return std::nullopt;
  const auto hour = cursor.two();
  const bool colons = cursor.take(':');
  const auto minute = cursor.two();
  if (!hour || !minute || *hour > 24 || *minute > 59) return std::nullopt;
  std::optional<int> second = 0;
  microseconds fraction{};
  if (colons ? cursor.take(':') : is_digit(cursor.peek())) {
    second = cursor.two();
    if (!second || *second > 60) return std::nullopt;
    if (cursor.take('.') || cursor.take(',')) {
      const auto part = cursor.fraction();
      if (!part) return std::nullopt;
      fraction = *part;
    }
  }
  if (*hour == 24 && (*minute != 0 || *second != 0 || fraction.count() != 0)) return std::nullopt;  // midnight
  DateTime made =
      at(*date, std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second) + fraction);
  if (cursor.done()) return made;
  cursor.skip_blanks();
  made.offset = cursor.offset();
  if (!made.offset || !cursor.done()) return std::nullopt;
  return made;
}

std::optional<DateTime> parse_formatted(std::string_view cell, std::string_view format) noexcept {
  if (const std::int64_t unit = epoch_unit(format); unit != 0) return from_epoch(cell, unit);
  Cursor at(cell);
  Fields fields;
  if (!match(at, format, fields) || !at.done()) return std::nullopt;
  return fields.result();
}

const char* format_problem(std::string_view format) noexcept {
  if (epoch_unit(format) != 0) return nullptr;
  if (format.find('%') == format.npos) return "it has no field such as %Y, and is not unix, unix_ms or unix_us";
  constexpr std::string_view known = "YmdeybBHIpMSfzjTDFR%";
  for (std::size_t i = format.find('%'); i != format.npos; i = format.find('%', i + 2)) {
    if (i + 1 == format.size()) return "it ends in %";
    if (known.find(format[i + 1]) == known.npos)
      return "it has a field that is not one of %Y%m%d%e%y%b%B%H%I%p%M%S%f%z%j%T%D%F%R";
  }
  return nullptr;
}

}  // namespace etl::inline v0::csv
