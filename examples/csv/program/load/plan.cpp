#include "plan.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <etl/io/object_store_url.hpp>

#include "csv.hpp"
#include "format.hpp"
#include "json.hpp"
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
  bool has_blanks = false;  // blanks prevent a column of the file from matching a column of the table
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    csv::MappedColumn& column = mapped[i];
    if (by_place) column.target = table[i].name;
    const auto at = column_called(column.target, table);
    if (at == table.end()) {
      unknown += fmt::format("{}'{}'", unknown.empty() ? "" : ", ", csv::detail::shown(column.target));
      has_blanks |= csv::trimmed(column.target) != column.target &&
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
      column.lossless = at->kind == csv::Kind::Double && !at->inferred;
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
    if (by_option) columns.back().holds = {};  // a user who gives the type accepts that it rounds
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
        unknown, names(table), has_blanks ? "--trim drops the blanks around names and cells. " : "",
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
                                   "of a file other names, or name the column to load by its number",
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
