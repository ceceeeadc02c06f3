#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <etl/postgres/table.hpp>

#include "sql.hpp"
#include "state.hpp"

namespace etl::inline v0::postgres {
namespace detail {
namespace {

std::string type_name(const ColumnInfo& column) {
  return std::string(type_info(column.type).name) + (column.is_array ? "[]" : "");
}
std::string definition(const ColumnInfo& column) {
  return fmt::format("{} {}{}", quoted(column.name), type_name(column), column.nullable ? "" : " NOT NULL");
}

/// A column of the table in the database.
struct Found {
  std::string_view name;
  std::string_view type;  // with its modifiers, for messages
  std::uint32_t oid;      // for a domain, the oid of its base type
  bool sent_as_text;      // the type is sent as text: varchar, enumerations, ...
  bool must_be_given;     // NOT NULL without a default
};

std::vector<Found> found_columns(const Rows& rows) {
  std::vector<Found> all;
  for (int i = 0; i < rows.size(); ++i)
    all.push_back({.name = rows.text(i, 0),
                   .type = rows.text(i, 1),
                   .oid = static_cast<std::uint32_t>(rows.integer(i, 2)),
                   .sent_as_text = rows.text(i, 3) == "t",
                   .must_be_given = rows.text(i, 4) == "t"});
  return all;
}

// A trigger that runs BEFORE INSERT, FOR EACH ROW (the bits 7), may fill a column.
constexpr std::string_view columns_sql =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.oid, b.typcategory = 'S' OR b.typtype = 'e', "
    "a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL AND NOT EXISTS (SELECT FROM "
    "pg_trigger WHERE tgrelid = a.attrelid AND tgtype & 7 = 7 AND NOT tgisinternal) FROM pg_attribute a JOIN pg_type t "
    "ON t.oid = a.atttypid "
    "JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END "
    "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

bool same_type(const ColumnInfo& column, const Found& found) {
  const TypeInfo info = type_info(column.type);
  return found.oid == (column.is_array ? info.array_oid : info.oid) ||
         (column.type == Type::Text && !column.is_array && found.sent_as_text);
}

/// PostgreSQL itself would accept a table without columns.
Error without_columns(const Connection& connection, std::string_view table) {
  return own_error("42P16", ErrorClass::Fatal,
                   fmt::format("{}: table {}: the mapping has no columns", connection.name(), quoted_table(table)));
}

}  // namespace

std::string quoted(std::string_view identifier) {
  std::string text = "\"";
  for (const char c : identifier) text.append(c == '"' ? 2 : 1, c);
  return text += '"';
}
std::string quoted_table(std::string_view table) {
  const std::size_t dot = table.find('.');
  if (dot == std::string_view::npos) return quoted(table);
  return quoted(table.substr(0, dot)) + "." + quoted(table.substr(dot + 1));
}

std::string create_table_sql(std::string_view table, std::span<const ColumnInfo> columns) {
  const std::string keys = list(columns, &ColumnInfo::is_key, name_of);
  return fmt::format("CREATE TABLE IF NOT EXISTS {}({}{})", quoted_table(table), list(columns, any, definition),
                     keys.empty() ? "" : fmt::format(", PRIMARY KEY({})", keys));
}

Result<void> create_table(Connection& connection, std::string_view table, std::span<const ColumnInfo> columns) {
  if (columns.empty()) return failure(without_columns(connection, table));
  if (Result<void> made = connection.execute(create_table_sql(table, columns)); !made) return made;
  return check_table(connection, table, columns, false);
}

Result<TableDifferences> differences(Connection& connection, std::string_view table,
                                     std::span<const ColumnInfo> columns) {
  const std::string name = quoted_table(table);
  const Result<Rows> there = connection.query("SELECT to_regclass($1) IS NOT NULL", name);
  if (!there) return failure(there.error());
  TableDifferences differences;
  differences.exists = there->text(0, 0) == "t";
  if (!differences.exists) return differences;
  const Result<Rows> rows = connection.query(columns_sql, name);
  if (!rows) return failure(rows.error());
  const std::vector<Found> found = found_columns(*rows);
  for (const ColumnInfo& column : columns) {
    const auto at = std::ranges::find(found, column.name, &Found::name);
    if (at == found.end())
      differences.missing.push_back(definition(column));
    else if (column.cast.empty() && !same_type(column, *at))
      differences.mismatched.push_back(
          fmt::format("{} is {} in the table and {} in the mapping", quoted(column.name), at->type, type_name(column)));
  }
  for (const Found& column : found) {
    if (std::ranges::find(columns, column.name, &ColumnInfo::name) != columns.end()) continue;
    auto& list = column.must_be_given ? differences.required : differences.extra;
    list.push_back(fmt::format("{} {}", quoted(column.name), column.type));
  }
  return differences;
}

Result<void> check_table(Connection& connection, std::string_view table, std::span<const ColumnInfo> columns,
                         bool refuse_extra) {
  if (columns.empty()) return failure(without_columns(connection, table));
  Result<TableDifferences> found = differences(connection, table, columns);
  if (!found) return failure(std::move(found.error()));
  if (!refuse_extra) found->extra.clear();
  if (found->writable() && found->extra.empty()) return {};
  return failure(own_error(found->exists ? "42P17" : "42P01", ErrorClass::Fatal,
                           fmt::format("{}: table {}: {}", connection.name(), quoted_table(table), found->text())));
}

}  // namespace detail

std::string TableDifferences::text() const {
  if (!exists) return "it does not exist: create it, or name its schema: \"schema.table\"";
  std::string all;
  const auto add = [&all](std::string_view what, const std::vector<std::string>& columns, std::string_view remedy) {
    if (columns.empty()) return;
    all.append(all.empty() ? "" : "; ").append(what);
    for (std::size_t i = 0; i < columns.size(); ++i) all.append(i == 0 ? " " : ", ").append(columns[i]);
    all.append(remedy);
  };
  add("it lacks", missing, " (ALTER TABLE ... ADD COLUMN)");
  add("other types:", mismatched,
      " (change the type of the member, or name the type of the column: column(..., etl::postgres::bigint))");
  add("the mapping lacks", required, ", without which no row can be written");
  add("the mapping lacks", extra, ", which may stay empty");
  return all.empty() ? "no difference" : all;
}

}  // namespace etl::inline v0::postgres
