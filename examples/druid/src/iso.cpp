#include "iso.hpp"

#include <charconv>
#include <cstddef>

#include <fmt/format.h>

namespace etl::inline v0::druid {
namespace {

/// Takes parts off the front of a text.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  bool eat(char c) noexcept {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Takes a number of `least` to `most` digits.
  std::optional<int> number(std::size_t least, std::size_t most) noexcept {
    std::size_t size = 0;
    while (size < rest_.size() && size < most && rest_[size] >= '0' && rest_[size] <= '9') ++size;
    if (size < least) return std::nullopt;
    int value = 0;
    const std::string_view digits = rest_.substr(0, size);
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    rest_.remove_prefix(size);
    return value;
  }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

std::optional<std::chrono::milliseconds> parse_fraction(Cutter& text) {
  const std::size_t before = text.rest().size();
  const auto value = text.number(1, 9);
  if (!value) return std::nullopt;
  auto nanos = std::chrono::nanoseconds(*value);
  for (std::size_t digits = before - text.rest().size(); digits < 9; ++digits) nanos *= 10;
  return std::chrono::floor<std::chrono::milliseconds>(nanos);
}

/// Parses the time of day and the zone. Returns the time to add to the day.
std::optional<std::chrono::milliseconds> parse_clock(Cutter& text) {
  using namespace std::chrono;
  const auto hour = text.number(2, 2);
  if (!hour || *hour > 24) return std::nullopt;
  milliseconds sum = hours(*hour);
  if (text.eat(':')) {
    const auto minute = text.number(2, 2);
    if (!minute || *minute > 59) return std::nullopt;
    sum += minutes(*minute);
    if (text.eat(':')) {
      const auto second = text.number(2, 2);
      if (!second || *second > 59) return std::nullopt;
      sum += seconds(*second);
      if (text.eat('.') || text.eat(',')) {
        const auto fraction = parse_fraction(text);
        if (!fraction) return std::nullopt;
        sum += *fraction;
      }
    }
  }
  if (sum > hours(24)) return std::nullopt;
  if (text.eat('Z') || text.done()) return sum;
  const bool east = text.eat('+');
  if (!east && !text.eat('-')) return std::nullopt;
  const auto zone_hours = text.number(2, 2);
  text.eat(':');
  const auto zone_minutes = text.done() ? std::optional(0) : text.number(2, 2);
  if (!zone_hours || *zone_hours > 23 || !zone_minutes || *zone_minutes > 59) return std::nullopt;
  const minutes zone = hours(*zone_hours) + minutes(*zone_minutes);
  return east ? sum - zone : sum + zone;
}

}  // namespace

std::optional<Millis> parse_iso(std::string_view text) {
  Cutter cutter(text);
  const auto year = cutter.number(4, 4);
  if (!year) return std::nullopt;
  int month = 1;
  int day = 1;
  if (cutter.eat('-')) {
    const auto given = cutter.number(2, 2);
    if (!given) return std::nullopt;
    month = *given;
    if (cutter.eat('-')) {
      const auto given_day = cutter.number(2, 2);
      if (!given_day) return std::nullopt;
      day = *given_day;
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  Millis time = std::chrono::sys_days(date);
  if (cutter.eat('T')) {
    const auto clock = parse_clock(cutter);
    if (!clock) return std::nullopt;
    time += *clock;
  }
  return cutter.done() ? std::optional(time) : std::nullopt;
}

bool is_iso_period(std::string_view text) {
  Cutter cutter(text);
  if (!cutter.eat('P') || cutter.done()) return false;
  std::string_view units = "YMWD";
  std::size_t count = 0;
  while (!cutter.done()) {
    if (units != "HMS" && cutter.eat('T')) {
      units = "HMS";
      count = 0;
    }
    const auto number = cutter.number(1, 9);
    if (!number || cutter.done()) return false;
    const std::size_t unit = units.find(cutter.rest().front());
    if (unit == std::string_view::npos) return false;
    cutter.eat(cutter.rest().front());
    ++count;
  }
  return count > 0;
}

std::string interval_problem(std::string_view text) {
  constexpr std::string_view remedy = "write start/end, such as 2024-01-01/2024-02-01 or 2024-01-01/P1M";
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.find('/', slash + 1) != std::string_view::npos)
    return fmt::format("is no interval of ISO 8601; {}", remedy);
  const std::string_view start = text.substr(0, slash);
  const std::string_view end = text.substr(slash + 1);
  const auto from = parse_iso(start);
  const auto to = parse_iso(end);
  if (!from && !is_iso_period(start)) return fmt::format("has a start that is no time of ISO 8601; {}", remedy);
  if (!to && !is_iso_period(end)) return fmt::format("has an end that is no time of ISO 8601; {}", remedy);
  if (!from && !to) return fmt::format("has two periods and no time; {}", remedy);
  if (from && to && *to <= *from) return "ends before it begins, or is empty; the end must be later than the start";
  return {};
}

}  // namespace etl::inline v0::druid
