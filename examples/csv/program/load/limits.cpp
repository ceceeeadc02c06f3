#include "limits.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <etl/csv/kind_guess.hpp>
#include <etl/csv/record.hpp>

#include "misread.hpp"
#include "parts.hpp"

namespace program {
namespace {

namespace csv = etl::csv;

/// Number of digits of a decimal number after its point, up to the last digit that is not 0. If negative, the number
/// of zeros before the point.
int decimals_of(std::string_view number) {
  const std::size_t e = number.find_first_of("eE");
  const std::string_view digits = number.substr(0, e);
  const std::size_t last = digits.find_last_of("123456789");
  if (last == digits.npos) return std::numeric_limits<int>::min();
  const auto point = static_cast<int>(std::min(digits.find('.'), digits.size()));
  const auto at = static_cast<int>(last);
  const int exponent = e == number.npos ? 0 : std::atoi(std::string(number.substr(e + 1)).c_str());
  return (at < point ? at + 1 - point : at - point) - exponent;
}

/// The numbers in a text.
std::vector<std::string_view> numbers_of(std::string_view text) {
  constexpr std::string_view of_numbers = "0123456789.eE+-";
  std::vector<std::string_view> found;
  for (std::size_t at = text.find_first_of(of_numbers); at != text.npos; at = text.find_first_of(of_numbers)) {
    text.remove_prefix(at);
    found.push_back(text.substr(0, text.find_first_not_of(of_numbers)));
    text.remove_prefix(found.back().size());
  }
  return found;
}

/// The most decimals of all seconds in a text, such as "1 day 10:30:00.75" or "1.5 hours 2.25 s": the numbers that
/// follow a colon, or that a unit follows.
int decimals_of_seconds(std::string_view text) {
  constexpr std::string_view digits = "0123456789";
  int most = 0;
  for (std::size_t dot = text.find('.'); dot != text.npos; dot = text.find('.', dot + 1)) {
    const std::size_t end = std::min(text.find_first_not_of(digits, dot + 1), text.size());
    const std::size_t before = dot == 0 ? text.npos : text.find_last_not_of(digits, dot - 1);
    const std::size_t unit = text.find_first_not_of(' ', end);
    const bool seconds =
        (before != text.npos && text[before] == ':') || (unit != text.npos && (text[unit] == 's' || text[unit] == 'S'));
    const std::size_t last = text.substr(0, end).find_last_of("123456789");
    if (seconds && last != text.npos && last > dot) most = std::max(most, static_cast<int>(last - dot));
  }
  return most;
}

/// What a unit of an interval means: months, days or seconds.
struct Unit {
  enum class Of : std::uint8_t { Months, Days, Seconds };
  std::string_view begin;  // of the word
  std::int64_t count;
  Of of;
  int exponent = 0;  // of ten, by which `count` is divided
};

/// The first whose word the text begins with. "m" alone is a minute, or a month in ISO 8601 before its T.
Unit unit_of(std::string_view text, bool iso_date) {
  using enum Unit::Of;
  static constexpr Unit units[] = {
      {"millis", 1, Seconds, 3},
      {"ms", 1, Seconds, 3},
      {"micro", 1, Seconds, 6},
      {"us", 1, Seconds, 6},
      {"mil", 12'000, Months},
      {"mon", 1, Months},
      {"m", 60, Seconds},
      {"y", 12, Months},
      {"dec", 120, Months},
      {"c", 1200, Months},
      {"q", 3, Months},
      {"w", 7, Days},
      {"d", 1, Days},
      {"h", 3600, Seconds},
  };
  if (iso_date && text.starts_with('m')) return {"m", 1, Months};
  const auto* const found = std::ranges::find_if(units, [&](const Unit& unit) { return text.starts_with(unit.begin); });
  return found == std::end(units) ? Unit{"", 1, Seconds} : *found;  // without a unit it is a number of seconds
}

/// Whether a number with `places` digits after its point, times `count`, has at most `decimals` of them.
bool fits(std::string_view digits, int places, std::int64_t count, int decimals) {
  for (; places > decimals && digits.ends_with('0'); --places) digits.remove_suffix(1);
  if (places <= decimals || digits.find_first_not_of('0') == digits.npos) return true;
  constexpr std::size_t most = 12;
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.size() > most || places - decimals > static_cast<int>(most)) return false;
  std::int64_t product = std::atoll(std::string(digits).c_str()) * count, power = 1;
  for (int i = decimals; i < places; ++i) power *= 10;
  return product % power == 0;
}

/// Whether a column of type interval would change a text such as "1 year 2 mons 1.5 hours" or "P1Y2MT10:30". Some texts
/// count as changed although they are not, such as "24 months" for a column of years.
bool changes_interval(std::string_view written, int decimals, Field field) {
  constexpr std::string_view numerals = "0123456789";
  std::string text(written);
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string_view all = text;
  const bool iso = all.starts_with('p');
  const std::size_t time = std::min(all.find('t'), all.size());
  for (std::size_t at = all.find_first_of(numerals); at != all.npos; at = all.find_first_of(numerals, at)) {
    const std::size_t end = std::min(all.find_first_not_of("0123456789.", at), all.size());
    std::string digits(all.substr(at, end - at));
    const std::size_t point = std::min(digits.find('.'), digits.size());
    int places = point == digits.size() ? 0 : static_cast<int>(digits.size() - point) - 1;
    std::erase(digits, '.');
    const std::size_t word = std::min(all.find_first_not_of(' ', end), all.size());
    const bool clock = all.substr(end).starts_with(':') || (at > 0 && all[at - 1] == ':');
    const bool pair = all.substr(end).starts_with('-') ||
                      (at > 1 && all[at - 1] == '-' && numerals.find(all[at - 2]) != numerals.npos);
    const Unit unit = clock  ? Unit{"", 1, Unit::Of::Seconds}
                      : pair ? Unit{"", 1, Unit::Of::Months}  // "1-2" is a year and two months
                             : unit_of(all.substr(word), iso && at < time);
    at = end;
    if (digits.find_first_not_of('0') == digits.npos) continue;
    places += unit.exponent;
    using enum Unit::Of;
    if (field == Field::Second) {
      constexpr std::int64_t day = 86'400;
      const bool kept = unit.of == Seconds ? fits(digits, places, unit.count, decimals)
                        : unit.of == Days  ? fits(digits, places, unit.count * day, decimals)
                        : unit.count == 1  ? fits(digits, places, 30 * day, decimals)
                                           : fits(digits, places, unit.count, 0);
      if (!kept) return true;
      continue;
    }
    // A column without seconds keeps whole numbers of its units.
    const bool minutes = clock && field == Field::Minute && std::ranges::count(all, ':') == 1;
    const std::int64_t least = field == Field::Hour ? 3600 : 60;
    const bool kept = unit.of == Months ? field != Field::Year || unit.count >= 12
                      : unit.of == Days ? field > Field::Month
                                        : minutes || (field > Field::Day && unit.count % least == 0);
    if (!kept || !fits(digits, places, 1, 0)) return true;
  }
  return false;
}

/// Whether the type would round the value, or its number is another one afterwards.
bool rounds(const csv::Value& value, const Limits& limits) {
  const auto* const text = std::get_if<std::string>(&value);
  if (limits.digits == Digits::Double)
    return text != nullptr && !std::ranges::all_of(numbers_of(*text), [](std::string_view number) {
             return csv::keeps_digits<double>(number);
           });
  if (limits.digits == Digits::Real) {
    std::string number;
    csv::append_text(number, value);
    return !std::ranges::all_of(numbers_of(number), [](std::string_view n) { return csv::keeps_digits<float>(n); });
  }
  if (!limits.decimals) return false;
  const int decimals = *limits.decimals;
  if (text != nullptr) switch (limits.digits) {
      case Digits::Amount: return misreads_amount(*text, limits.point, decimals);
      case Digits::Seconds: return decimals_of_seconds(*text) > decimals;
      case Digits::Interval: return changes_interval(*text, decimals, limits.field);
      default: return decimals_of(*text) > decimals;
    }
  std::int64_t unit = 1;  // in microseconds
  for (int i = decimals; i < 6; ++i) unit *= 10;
  if (const auto* const time = std::get_if<csv::LocalTime>(&value)) return time->time_since_epoch().count() % unit != 0;
  if (const auto* const time = std::get_if<csv::UtcTime>(&value)) return time->time_since_epoch().count() % unit != 0;
  return false;
}

/// Whether varchar(n) or char(n) would cut blanks off. The server refuses a longer text, unless it only has to cut off
/// blanks.
bool cuts_blanks(std::string_view text, std::size_t characters) {
  if (!text.ends_with(' ')) return false;
  const auto size = static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  const std::size_t blanks = text.size() - (text.find_last_not_of(' ') + 1);
  return size > characters && size - blanks <= characters;
}

/// The name of a member that occurs twice in an object of the text, which need not be JSON, or nothing.
std::optional<std::string> member_twice(std::string_view json) {
  std::vector<std::set<std::string, std::less<>>> objects;
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '{') objects.emplace_back();
    if (json[at] == '}' && !objects.empty()) objects.pop_back();
    if (json[at] != '"') continue;
    const std::size_t begin = at;
    bool escaped = false;
    for (++at; at < json.size() && json[at] != '"'; ++at)
      if (json[at] == '\\') escaped = true, ++at;
    const std::size_t next = json.find_first_not_of(" \t\r\n", at + 1);
    if (next == json.npos || json[next] != ':' || objects.empty()) continue;
    std::string name(json.substr(begin + 1, at - begin - 1));
    if (escaped) {
      boost::system::error_code bad;
      const boost::json::value value = boost::json::parse('"' + name + '"', bad);
      if (bad) return std::nullopt;  // the server will say what is wrong
      name = value.get_string().c_str();
    }
    if (!objects.back().insert(name).second) return name;
  }
  return std::nullopt;
}

/// Whether a key of an hstore such as a=>1, "b c"=>NULL occurs twice.
bool key_twice(std::string_view pairs) {
  constexpr std::string_view blanks = " \t\r\n";
  std::set<std::string, std::less<>> keys;
  std::size_t at = 0;
  const auto token = [&](std::string_view end) {
    std::string found;
    at = std::min(pairs.find_first_not_of(blanks, at), pairs.size());
    bool quoted = false;
    for (;
         at < pairs.size() && (quoted || (blanks.find(pairs[at]) == blanks.npos && !pairs.substr(at).starts_with(end)));
         ++at) {
      if (pairs[at] == '"')
        quoted = !quoted;
      else
        found += pairs[at] == '\\' && at + 1 < pairs.size() ? pairs[++at] : pairs[at];
    }
    return found;
  };
  while (at < pairs.size()) {
    const std::string key = token("=>");
    at = pairs.find("=>", at);
    if (at == pairs.npos) return false;  // not of this form, or the last comma
    at += 2;
    token(",");
    at = std::min(pairs.find(',', at), pairs.size() - 1) + 1;
    if (!keys.insert(key).second) return true;
  }
  return false;
}

std::string change_by_plain(const Limits& limits, const csv::Value& value, std::string_view shown) {
  const auto* const text = std::get_if<std::string>(&value);
  if (rounds(value, limits)) {
    if (limits.digits == Digits::Interval)
      return fmt::format("not keep all of '{}'; give the column a type that does, or allow the change", shown);
    if (limits.digits == Digits::Double || limits.digits == Digits::Real)
      return fmt::format(
          "round a number of '{}', because its type keeps {} digits; give the column a type that keeps more, or allow "
          "rounding",
          shown, limits.digits == Digits::Double ? "15 to 17" : "6 to 9");
    if (limits.digits == Digits::Amount)
      return fmt::format(
          "take another amount for '{}', because its server has the decimal point '{}' and keeps {} decimals; write "
          "amounts as the server does, or allow the change",
          shown, limits.point, *limits.decimals);
    return fmt::format("round '{}' to {} decimals; give the column more decimals, or allow rounding", shown,
                       *limits.decimals);
  }
  const auto* const number = std::get_if<double>(&value);
  if (limits.drops_nan && number != nullptr && std::isnan(*number))
    return fmt::format("store '{}' as NULL; name it with --null, give the column the type text, or allow the change",
                       shown);
  if (text == nullptr) return {};
  if (const std::string_view what = misreading(limits.form, *text); !what.empty())
    return fmt::format("{} '{}'; give the column the type text, or allow the change", what, shown);
  if (limits.drops_members && member_twice(*text))
    return fmt::format(
        "drop a member that occurs twice in an object of '{}'; give the column the type json, or allow it", shown);
  if (limits.drops_pairs && key_twice(*text))
    return fmt::format("drop a pair whose key occurs twice in '{}'; give the column the type text, or allow it", shown);
  if (limits.characters && cuts_blanks(*text, *limits.characters))
    return fmt::format("cut the blanks at the end of '{}' off; give the column the type text, or allow cutting", shown);
  if (limits.bytes && text->size() > *limits.bytes)
    return fmt::format("cut '{}' off after {} byte{}; give the column the type text, or allow cutting", shown,
                       *limits.bytes, *limits.bytes == 1 ? "" : "s");
  return {};
}

/// `shown` is all of the column's value.
std::string change_by_part(const TypeLimits& type, const csv::Value& value, std::string_view shown) {
  const auto* const text = std::get_if<std::string>(&value);
  if (type.shape == Shape::Plain) return change_by_plain(type.limits, value, shown);
  if (text == nullptr) return {};
  std::string change;
  if (type.shape == Shape::Composite) {
    auto fields = fields_of(*text);
    for (std::size_t i = 0; i < std::min(fields.size(), type.parts.size()) && change.empty(); ++i)
      if (fields[i]) change = change_by_part(type.parts[i], *std::move(fields[i]), shown);
    return change;
  }
  for (std::string& part : type.shape == Shape::Range ? bounds_of(*text) : elements_of(*text, type.delimiter))
    if (change.empty()) change = change_by_part(type.parts.front(), std::move(part), shown);
  return change;
}

}  // namespace

std::string change_by(const TypeLimits& type, const csv::Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return {};
  std::string change = change_by_part(type, value, {});
  if (change.empty()) return change;
  std::string text;
  csv::append_text(text, value);
  return change_by_part(type, value, csv::detail::shown(text));
}

}  // namespace program
