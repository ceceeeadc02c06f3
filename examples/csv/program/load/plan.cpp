#include "plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <etl/io/object_store_url.hpp>

#include "csv.hpp"
#include "format.hpp"
#include "json.hpp"
#include "misread.hpp"
#include "readings.hpp"

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;

std::string names(const TargetColumns& columns) {
  std::string all;
  for (const TargetColumn& column : columns)
    if (!column.generated) all += (all.empty() ? "" : ", ") + csv::detail::shown(column.name);
  return all;
}

/// The columns of a new table, except which are keys by --key.
TargetColumns new_columns(std::vector<csv::MappedColumn>& mapped, const Load& options) {
  TargetColumns columns;
  for (csv::MappedColumn& column : mapped) {
    if (const auto said = options.types.find(column.target); said != options.types.end()) {
      column.kind = said->second;
      column.exact = false;
    }
    columns.push_back({.name = column.target,
                       .kind = column.kind,
                       .nullable = column.nullable && !column.key,
                       .key = column.key,
                       .inferred = column.exact});
  }
  for (std::size_t i = 0; i < columns.size(); ++i) mapped[i].nullable = columns[i].nullable;
  return columns;
}

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

/// The most decimals of all numbers in a text.
int decimals_of_all(std::string_view text) {
  constexpr std::string_view of_numbers = "0123456789.eE+-";
  int most = std::numeric_limits<int>::min();
  for (std::size_t at = text.find_first_of(of_numbers); at != text.npos; at = text.find_first_of(of_numbers)) {
    text.remove_prefix(at);
    const std::size_t end = std::min(text.find_first_not_of(of_numbers), text.size());
    most = std::max(most, decimals_of(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return most;
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
  Of of;
  std::int64_t count;
  int exponent = 0;  // of ten, by which `count` is divided
};

/// The first whose word the text begins with. "m" alone is a minute, or a month in ISO 8601 before its T.
Unit unit_of(std::string_view text, bool iso_date) {
  using enum Unit::Of;
  static constexpr Unit units[] = {
      {"millis", Seconds, 1, 3},
      {"ms", Seconds, 1, 3},
      {"micro", Seconds, 1, 6},
      {"us", Seconds, 1, 6},
      {"mil", Months, 12'000},
      {"mon", Months, 1},
      {"m", Seconds, 60},
      {"y", Months, 12},
      {"dec", Months, 120},
      {"c", Months, 1200},
      {"q", Months, 3},
      {"w", Days, 7},
      {"d", Days, 1},
      {"h", Seconds, 60 * 60},
  };
  if (iso_date && text.starts_with('m')) return {"m", Months, 1};
  const auto* const found = std::ranges::find_if(units, [&](const Unit& unit) { return text.starts_with(unit.begin); });
  return found == std::end(units) ? Unit{"", Seconds, 1} : *found;  // without a unit it is a number of seconds
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
    const Unit unit = clock  ? Unit{"", Unit::Of::Seconds, 1}
                      : pair ? Unit{"", Unit::Of::Months, 1}  // "1-2" is a year and two months
                             : unit_of(all.substr(word), iso && at < time);
    at = end;
    if (digits.find_first_not_of('0') == digits.npos) continue;
    places += unit.exponent;
    using enum Unit::Of;
    if (field == Field::Second) {
      constexpr std::int64_t day = 24 * 60 * 60;
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

bool misreads_amounts(const std::string& text, const TargetColumn& column) {
  const auto misread = [&](std::string_view amount) { return misreads_amount(amount, column.point, *column.decimals); };
  return column.type.ends_with("[]") ? std::ranges::any_of(elements_of(text), misread) : misread(text);
}

/// Whether a column would round the value to its decimals.
bool rounds(const csv::Value& value, const TargetColumn& column) {
  const int decimals = *column.decimals;
  if (const auto* const text = std::get_if<std::string>(&value)) switch (column.digits) {
      case Digits::Number: return decimals_of(*text) > decimals;
      case Digits::Numbers: return decimals_of_all(*text) > decimals;
      case Digits::Amounts: return misreads_amounts(*text, column);
      case Digits::Seconds: return decimals_of_seconds(*text) > decimals;
      case Digits::Interval: return changes_interval(*text, decimals, column.field);
    }
  std::int64_t unit = 1;  // in microseconds
  for (int i = decimals; i < 6; ++i) unit *= 10;
  if (const auto* const time = std::get_if<csv::LocalTime>(&value)) return time->time_since_epoch().count() % unit != 0;
  if (const auto* const time = std::get_if<csv::UtcTime>(&value)) return time->time_since_epoch().count() % unit != 0;
  return false;
}

/// Whether varchar(n) would cut blanks off. The server refuses a longer text, unless it only has to cut off blanks.
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

/// Whether every value of kind `from` is also a value of kind `to`.
bool widens(csv::Kind from, csv::Kind to) {
  return (from == csv::Kind::Integer && to == csv::Kind::Numeric) ||
         (from == csv::Kind::Date && to == csv::Kind::Timestamp);
}

/// The columns of the table that get the mapped columns. The mapped columns get the kinds of the table. `widened` gets
/// the columns whose values must still be converted.
etl::Result<TargetColumns> found_columns(std::vector<csv::MappedColumn>& mapped, const TargetColumns& table,
                                         bool by_place, const Load& options, const std::string& file,
                                         std::vector<std::size_t>& widened) {
  const auto filled = static_cast<std::size_t>(std::ranges::count(table, false, &TargetColumn::generated));
  if (by_place && mapped.size() > filled)
    return etl::failure(etl::fatal(fmt::format("{}: the first row has {} cells, and the table {} has {} columns: {}",
                                               file, mapped.size(), options.table, filled, names(table))));
  TargetColumns columns;
  std::string unknown, other, generated;
  bool blanks = false;  // blanks prevent a column of the file from matching a column of the table
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    csv::MappedColumn& column = mapped[i];
    if (by_place) column.target = table[i].name;
    const auto at = column_called(column.target, table);
    if (at == table.end()) {
      unknown += fmt::format("{}'{}'", unknown.empty() ? "" : ", ", csv::detail::shown(column.target));
      blanks |= csv::trimmed(column.target) != column.target &&
                column_called(csv::trimmed(column.target), table) != table.end();
      continue;
    }
    column.target = at->name;
    if (at->generated) {
      generated += fmt::format("{}'{}'", generated.empty() ? "" : ", ", csv::detail::shown(at->name));
      continue;
    }
    const auto said = options.types.find(column.target);
    const bool by_option = said != options.types.end();
    if (by_option) {
      column.kind = said->second;
    } else if (column.kind == csv::Kind::Text) {
      column.kind = at->kind;
      column.exact = at->inferred;
      column.retype = fmt::format("--type {}=", column.target);
    }
    if (widens(column.kind, at->kind))
      widened.push_back(i);
    else if (column.kind != at->kind && std::ranges::find(at->also, column.kind) == at->also.end())
      other += fmt::format("{}'{}' is {} {} and {} in the table", other.empty() ? "" : "; ", column.target,
                           csv::to_string(column.kind), by_option ? "by --type" : "in the mapping",
                           at->type.empty() ? csv::to_string(at->kind) : at->type);
    column.nullable &= at->nullable;
    columns.push_back(*at);
    if (by_option) {  // a user who gives the type accepts that it rounds
      columns.back().decimals.reset();
      columns.back().drops_members = false;
      columns.back().form = Form::Any;
      columns.back().bytes.reset();
      columns.back().characters.reset();
    }
  }
  std::string missing;
  for (const TargetColumn& column : table)
    // SQLite would number the rows of a file without the integer key that the user names.
    if ((column.required || std::ranges::find(options.keys, column.name) != options.keys.end()) &&
        std::ranges::find(columns, column.name, &TargetColumn::name) == columns.end())
      missing += fmt::format("{}'{}'", missing.empty() ? "" : ", ", column.name);
  if (unknown.empty() && other.empty() && missing.empty() && generated.empty()) return columns;
  std::string what;
  if (!unknown.empty())
    what = fmt::format(
        "the table {} has no column {}; it has {}. {}{}A mapping says which columns of a file go where", options.table,
        unknown, names(table), blanks ? "--trim drops the blanks around names and cells. " : "",
        options.create && !options.widen ? "--create --widen makes the missing table with the columns of all files. "
                                         : "");
  if (!missing.empty())
    what += fmt::format("{}the file has no column {}, which the table requires (NOT NULL without a default)",
                        what.empty() ? "" : "; ", missing);
  if (!generated.empty())
    what += fmt::format(
        "{}the table {} computes the column {} itself (GENERATED ALWAYS AS): give a mapping whose "
        "\"columns\" do not list it",
        what.empty() ? "" : "; ", options.table, generated);
  if (!other.empty()) what += (what.empty() ? "" : "; ") + other;
  return etl::failure(etl::fatal(fmt::format("{}: {}", file, what)));
}

/// Checks that no two cells of a row go to the same column, and that databases can hold the names.
etl::Result<void> check_names(const TargetColumns& columns, const std::string& file) {
  for (const TargetColumn& column : columns)
    if (column.name.find('\0') != column.name.npos)
      return etl::failure(etl::fatal(
          fmt::format("{}: the name of column '{}' has the character NUL, which no database holds: a mapping can give "
                      "the column another name",
                      file, csv::detail::shown(column.name))));
  for (std::size_t i = 0; i < columns.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (columns[i].name == columns[j].name)
        return etl::failure(
            etl::fatal(fmt::format("{}: column '{}' occurs twice, as number {} and {}: a mapping can give the columns "
                                   "of a file other names, or say which of them counts",
                                   file, columns[i].name, j + 1, i + 1)));
  return {};
}

}  // namespace

bool same_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

TargetColumns::const_iterator column_called(std::string_view name, const TargetColumns& table) {
  constexpr std::size_t kept = 63;
  const auto at = std::ranges::find(table, name, &TargetColumn::name);
  if (at != table.end()) return at;
  const auto meant = [&](const TargetColumn& column) {
    return same_but_for_case(column.name, name) || (name.size() > kept && column.name == name.substr(0, kept));
  };
  const auto found = std::ranges::find_if(table, meant);
  return found != table.end() && std::find_if(found + 1, table.end(), meant) == table.end() ? found : table.end();
}

bool can_be_read_again(const fs::path& file) { return etl::io::can_be_read_again(file); }

std::string display_name(const fs::path& file) { return file == "-" ? "standard input" : file.string(); }

std::string to_string(const TargetColumns& columns) {
  std::string all;
  for (const TargetColumn& column : columns)
    all += fmt::format("{}{} {}{}{}", all.empty() ? "" : ", ", csv::detail::shown(column.name),
                       csv::to_string(column.kind), column.key ? " key" : "",
                       column.nullable || column.key ? "" : " not null");
  return all;
}

std::string shape_of(const csv::FileMapping& mapping) {
  const auto source = [](const csv::Source& s) { return s.number != 0 ? fmt::format("#{}", s.number) : s.name; };
  std::string shape = fmt::format("nulls {}{}{}, decimal comma {}", fmt::join(mapping.nulls.texts, "|"),
                                  mapping.nulls.quoted ? " quoted" : "",
                                  mapping.nulls.empty_is_text ? " empty is text" : "", mapping.decimal_comma);
  for (const csv::MappedColumn& column : mapping.columns)
    shape += fmt::format("; {} {} to {} {} {} {}{}{}", source(column.source), source(column.clock), column.target,
                         csv::to_string(column.kind), column.format, column.time_format,
                         column.nullable ? "" : " not null", column.exact ? " exact" : "");
  if (mapping.stream_map) {
    shape += fmt::format("; streams {} {}", mapping.stream_map->id, mapping.stream_map->readings);
    for (const auto& [id, target] : mapping.stream_map->streams) shape += fmt::format(" {}={}", id, target);
  }
  return shape;
}

void widen(csv::Value& value) {
  if (const auto* const number = std::get_if<std::int64_t>(&value))
    value = std::to_string(*number);
  else if (const auto* const day = std::get_if<csv::Day>(&value))
    value = csv::LocalTime(day->time_since_epoch());
}

bool changes(const TargetColumn& column, const csv::Value& value) {
  if (column.decimals && rounds(value, column)) return true;
  const auto* const text = std::get_if<std::string>(&value);
  if (text == nullptr) return false;
  if (column.drops_members) return member_twice(*text).has_value();
  if (!misreading(column.form, *text).empty()) return true;
  if (column.characters)
    return column.type.ends_with("[]")
               ? std::ranges::any_of(elements_of(*text),
                                     [&](const std::string& one) { return cuts_blanks(one, *column.characters); })
               : cuts_blanks(*text, *column.characters);
  return column.bytes && text->size() > *column.bytes;
}

etl::Error with_value_remedy(etl::Error error) {
  static constexpr std::string_view nulls[] = {"NA",   "N/A",  "#N/A", "n/a", "NULL", "Null", "null",
                                               "None", "none", "NaN",  "nan", "\\N",  "-",    "?"};
  std::string& text = error.context;
  if (text.find("make the table with --type ") != text.npos) text += ", or with --widen";
  if (text.find(": the member '") != text.npos && text.find("' is not one of ") != text.npos) {
    text += "; a mapping can name the members, and --widen with --create finds those of all of the file";
    return error;
  }
  const std::size_t end = text.find("' is not ");
  if (end == text.npos) return error;
  const std::size_t begin = text.rfind('\'', end - 1) + 1;
  const std::string value = text.substr(begin, end - begin);
  const std::string_view expected = std::string_view(text).substr(end);
  const bool number = value.find_first_not_of("0123456789,-") == value.npos && value.find(',') != value.npos;
  if (std::ranges::find(nulls, value) != std::end(nulls))
    text += fmt::format(R"(; if it stands for NULL: --null '{}', or "nulls" in a mapping)", value);
  else if (expected.find("ISO 8601") != expected.npos)
    text += "; a mapping can name another format of dates and times";
  else if (number && expected.find("number") != expected.npos && expected.find("comma") == expected.npos)
    text += R"(; if it has a decimal comma: --decimal-comma, or "decimal_comma": true in a mapping)";
  return error;
}

etl::Result<FilePlan> plan_columns(std::vector<csv::MappedColumn>& mapped, const std::optional<TargetColumns>& table,
                                   bool by_place, const Load& options, const std::string& file) {
  FilePlan plan;
  auto columns =
      table ? found_columns(mapped, *table, by_place, options, file, plan.widened) : new_columns(mapped, options);
  if (!columns) return etl::failure(std::move(columns.error()));
  if (auto once = check_names(*columns, file); !once) return etl::failure(std::move(once.error()));
  // A column of --widen may be in another file.
  if (auto known = check_types(table ? *table : *columns, options.types, file); !known && (table || !options.widen))
    return etl::failure(std::move(known.error()));
  plan.columns = std::move(*columns);
  return plan;
}

etl::Result<void> set_keys(TargetColumns& columns, const Load& options, const std::string& place) {
  for (const std::string& key : options.keys) {
    const auto at = std::ranges::find(columns, key, &TargetColumn::name);
    if (at == columns.end())
      return etl::failure(
          etl::fatal(fmt::format("{}: there is no column '{}' for --key; there are {}", place, key, names(columns))));
    at->key = true;
    at->nullable = false;
  }
  return {};
}

etl::Result<void> check_types(const TargetColumns& columns, const ColumnTypes& types, const std::string& place) {
  for (const auto& [name, kind] : types)
    if (std::ranges::find(columns, name, &TargetColumn::name) == columns.end())
      return etl::failure(
          etl::fatal(fmt::format("{}: there is no column '{}' for --type, or for \"types\" of a mapping; there are {}",
                                 place, name, names(columns))));
  return {};
}

etl::Result<FilePlan> plan_file(const fs::path& file, const Load& given, const std::optional<csv::Mapping>& mapping,
                                const std::optional<TargetColumns>& table, const etl::StopToken& stop,
                                std::size_t look) {
  const csv::FileMapping* const told = mapping ? mapping->find(file) : nullptr;
  Load options = given;  // the command line takes precedence over the mapping
  if (told != nullptr) options.types.insert(told->types.begin(), told->types.end());
  if (mapping && told == nullptr)
    return etl::failure(
        etl::fatal(fmt::format("{}: no pattern of {} matches this file", file.string(), options.mapping.string())));
  std::optional<csv::FileFormat> mapped;
  if (told != nullptr) mapped = told->stream_map ? csv::FileFormat::Json : told->format;
  if (mapped && options.format && mapped != options.format)
    return etl::failure(
        etl::fatal(fmt::format("{}: --format and the mapping {} name different formats: leave out --format",
                               file.string(), options.mapping.string())));
  const auto by_content = is_workbook(file) ? csv::FileFormat::Csv : format_of(file);
  const bool json = mapped.value_or(options.format.value_or(by_content)) == csv::FileFormat::Json;
  auto plan = told != nullptr && told->stream_map ? plan_readings(file, options, *told, table)
              : json                              ? plan_json(file, options, told, table, stop, look)
                                                  : plan_csv(file, options, told, table, stop, look);
  if (plan && told != nullptr) plan->mapping_index = static_cast<std::size_t>(told - mapping->files.data());
  return plan;
}

}  // namespace program
