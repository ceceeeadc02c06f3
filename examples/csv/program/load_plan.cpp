#include "load_plan.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <etl/csv/sniff.hpp>
#include <etl/io/source.hpp>

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;

std::string names(const TargetColumns& columns) {
  std::string all;
  for (const TargetColumn& column : columns) all += (all.empty() ? "" : ", ") + column.name;
  return all;
}

/// The delimiter and the kinds of columns, as far as they can be found out. Whether the first row is a header, or there
/// are quotes, is not guessed: a header loaded as a row, or a quote as text, would go unnoticed.
std::optional<csv::Sniffed> look_into(const fs::path& file, std::size_t bytes) {
  if (!can_be_read_again(file)) return std::nullopt;
  auto sniffed = csv::sniff(file, bytes);
  if (!sniffed) return std::nullopt;  // what is wrong with the file comes out when it is read
  return std::move(*sniffed);
}

/// The mapping when there is no file that says it: columns by their names, or their places.
csv::FileMapping mapping_by_name(const Load& options, const std::optional<csv::Sniffed>& sniffed) {
  csv::FileMapping mapping;
  mapping.decimal_comma = options.decimal_comma;
  if (!options.nulls.empty()) mapping.nulls = csv::Nulls(options.nulls, true);
  mapping.dialect = options.dialect;
  if (options.find_delimiter && sniffed) mapping.dialect.delimiter = sniffed->dialect.delimiter;
  return mapping;
}

/// Columns of a table that is to be made.
etl::Result<TargetColumns> new_columns(std::vector<csv::MappedColumn>& mapped, const Load& options,
                                       const std::string& file) {
  TargetColumns columns;
  for (const csv::MappedColumn& column : mapped)
    columns.push_back(
        {.name = column.target, .kind = column.kind, .nullable = column.nullable && !column.key, .key = column.key});
  for (const std::string& key : options.keys) {
    const auto at = std::ranges::find(columns, key, &TargetColumn::name);
    if (at == columns.end())
      return etl::failure(
          etl::fatal(fmt::format("{}: there is no column '{}' to be a key; there are {}", file, key, names(columns))));
    at->key = true;
    at->nullable = false;
  }
  for (std::size_t i = 0; i < columns.size(); ++i) mapped[i].nullable = columns[i].nullable;
  return columns;
}

/// Whether every value of a kind is also one of the other.
bool widens(csv::Kind from, csv::Kind to) {
  return (from == csv::Kind::Integer && to == csv::Kind::Numeric) ||
         (from == csv::Kind::Date && to == csv::Kind::Timestamp);
}

/// Columns of the table that get the mapped ones, which become what the table has. `widened`: of these, those of
/// which each value has yet to become it.
etl::Result<TargetColumns> found_columns(std::vector<csv::MappedColumn>& mapped, const TargetColumns& table,
                                         bool by_place, const Load& options, const std::string& file,
                                         std::vector<std::size_t>& widened) {
  if (by_place && mapped.size() > table.size())
    return etl::failure(etl::fatal(fmt::format("{}: the first row has {} cells, and the table {} has {} columns: {}",
                                               file, mapped.size(), options.table, table.size(), names(table))));
  TargetColumns columns;
  std::string unknown, other, unfillable;
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    csv::MappedColumn& column = mapped[i];
    if (by_place) column.target = table[i].name;
    const auto at = std::ranges::find(table, column.target, &TargetColumn::name);
    if (at == table.end()) {
      unknown += fmt::format("{}'{}'", unknown.empty() ? "" : ", ", column.target);
      continue;
    }
    if (column.kind == csv::Kind::Text) column.kind = at->kind;
    if (!at->fillable)
      unfillable += fmt::format("{}'{}' ({})", unfillable.empty() ? "" : ", ", column.target, at->type);
    else if (widens(column.kind, at->kind))
      widened.push_back(i);
    else if (column.kind != at->kind && std::ranges::find(at->also, column.kind) == at->also.end())
      other += fmt::format("{}'{}' is {} in the mapping and {} in the table", other.empty() ? "" : "; ", column.target,
                           csv::to_string(column.kind), at->type.empty() ? csv::to_string(at->kind) : at->type);
    column.nullable &= at->nullable;
    columns.push_back(*at);
  }
  if (unknown.empty() && other.empty() && unfillable.empty()) return columns;
  std::string what;
  if (!unknown.empty())
    what = fmt::format("the table {} has no column {}; it has {}. A mapping says which columns of a file go where",
                       options.table, unknown, names(table));
  if (!other.empty()) what += (what.empty() ? "" : "; ") + other;
  if (!unfillable.empty())
    what += fmt::format(
        "{}of the table {}, etl-csv cannot fill {}: load into a table that has type text instead, and cast in a script "
        "of --merge",
        what.empty() ? "" : "; ", options.table, unfillable);
  return etl::failure(etl::fatal(fmt::format("{}: {}", file, what)));
}

/// Names of columns would be made of it.
etl::Result<void> check_header(const csv::Reader& reader, const csv::Dialect& dialect) {
  if (!dialect.check_utf8 || reader.header().empty()) return {};
  const std::string names = fmt::format("{}", fmt::join(reader.header(), "\n"));
  const csv::Dialect lines{.quote = {}, .header_rows = 0, .ragged = csv::Ragged::Keep, .check_utf8 = true};
  auto check = csv::Reader::from(etl::io::from_memory(names, reader.name()), lines);
  while (check) {
    const auto chunk = check->next();
    if (chunk && !*chunk) return {};
    if (!chunk) break;
  }
  return etl::failure(etl::fatal(
      fmt::format("{}: the header is not UTF-8; convert the file, or read it as Latin-1{}", reader.name(), as_latin1)));
}

bool has_rows(csv::Reader& reader, const etl::Stop& stop) {
  for (;;) {
    const auto chunk = reader.next(stop.drain());
    if (!chunk || !*chunk) return false;
    if (!(*chunk)->empty()) return true;
  }
}

/// Two cells of a row cannot go to one column.
etl::Result<void> check_names(const TargetColumns& columns, const std::string& file) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (columns[i].name == columns[j].name)
        return etl::failure(etl::fatal(
            fmt::format("{}: column '{}' is there twice, as number {} and {}", file, columns[i].name, j + 1, i + 1)));
  return {};
}

}  // namespace

bool can_be_read_again(const fs::path& file) {
  std::error_code unknown;
  return file != "-" && fs::is_regular_file(file, unknown);
}

std::string to_string(const TargetColumns& columns) {
  std::string all;
  for (const TargetColumn& column : columns)
    all += fmt::format("{}{} {}{}{}", all.empty() ? "" : ", ", column.name, csv::to_string(column.kind),
                       column.key ? " key" : "", column.nullable || column.key ? "" : " not null");
  return all;
}

etl::Result<FilePlan> plan_file(const fs::path& file, const Load& options, const std::optional<csv::Mapping>& mapping,
                                const std::optional<TargetColumns>& table, const etl::Stop& stop) {
  std::optional<csv::Sniffed> sniffed;
  constexpr std::size_t for_kinds = 1 << 20, for_delimiter = 64 << 10;
  if (!mapping && (!table || options.find_delimiter)) sniffed = look_into(file, table ? for_delimiter : for_kinds);
  const csv::FileMapping* const told = mapping ? mapping->find(file) : nullptr;
  if (mapping && told == nullptr)
    return etl::failure(
        etl::fatal(fmt::format("{}: no pattern of {} matches it", file.string(), options.mapping.string())));
  csv::FileMapping how = told != nullptr ? *told : mapping_by_name(options, sniffed);
  how.dialect.check_utf8 = how.dialect.encoding == csv::Encoding::Utf8;  // a database of UTF-8 has nothing else

  auto reader = csv::Reader::open(file, how.dialect, {.bad_rows = csv::BadRows::SetAside}, stop.drain());
  if (!reader) return etl::failure(std::move(reader.error()));
  if (!mapping && how.dialect.delimiter != options.dialect.delimiter && reader->width() <= 1) {
    // It is in the cells only, as in times of day.
    how.dialect.delimiter = options.dialect.delimiter;
    reader = csv::Reader::open(file, how.dialect, {.bad_rows = csv::BadRows::SetAside}, stop.drain());
    if (!reader) return etl::failure(std::move(reader.error()));
  }
  if (auto readable = check_header(*reader, how.dialect); !readable) return etl::failure(std::move(readable.error()));
  const bool by_place = how.columns.empty() && reader->header().empty();
  const bool named = !how.columns.empty();
  how.columns = how.columns_of(reader->header(), reader->width());
  if (!named && !table && sniffed && sniffed->dialect.delimiter == how.dialect.delimiter &&
      sniffed->columns.size() == how.columns.size())
    for (std::size_t i = 0; i < how.columns.size(); ++i) how.columns[i].kind = sniffed->columns[i].kind;
  std::vector<std::size_t> widened;
  auto columns = table ? found_columns(how.columns, *table, by_place, options, reader->name(), widened)
                       : new_columns(how.columns, options, reader->name());
  if (!columns) return etl::failure(std::move(columns.error()));
  if (auto once = check_names(*columns, reader->name()); !once) return etl::failure(std::move(once.error()));
  auto decoder = how.bind(reader->header(), reader->name(), reader->width());
  if (!decoder) return etl::failure(std::move(decoder.error()));
  FilePlan plan{
      .dialect = how.dialect, .decoder = {std::move(*decoder), std::move(widened)}, .columns = std::move(*columns)};
  if (!can_be_read_again(file))
    plan.reader = std::make_shared<csv::Reader>(std::move(*reader));
  else if (!mapping && !table)
    plan.kinds_known = has_rows(*reader, stop);
  return plan;
}

}  // namespace program
