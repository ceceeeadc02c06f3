#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/source.hpp>
#include <etl/sqlite/table.hpp>
#include <etl/sqlite/values.hpp>

#include "connection.hpp"
#include "text.hpp"

namespace etl::inline v0::sqlite::detail {
namespace {

/// The texts of the columns that `wanted` accepts, separated by commas.
template <class Wanted, class Text>
std::string list(std::span<const ColumnInfo> columns, Wanted wanted, Text text) {
  std::string all;
  for (const ColumnInfo& column : columns)
    if (std::invoke(wanted, column)) all.append(all.empty() ? "" : ", ").append(text(column));
  return all;
}
bool any(const ColumnInfo&) { return true; }
std::string name_of(const ColumnInfo& column) { return quoted(column.name); }

std::string definition(const ColumnInfo& column, bool is_primary_key) {
  return fmt::format("{}{}{}{}", quoted(column.name), column.type.empty() ? "" : " ", column.type,
                     is_primary_key    ? " PRIMARY KEY"
                     : column.nullable ? ""
                                       : " NOT NULL");
}

bool same_name(std::string_view a, std::string_view b) {
  const char* const left = a.data();
  const char* const right = b.data();
  return a.size() == b.size() && sqlite3_strnicmp(left, right, static_cast<int>(a.size())) == 0;
}

}  // namespace

std::string quoted(std::string_view identifier) {
  std::string text = "\"";
  for (const char c : identifier) text.append(c == '"' ? 2 : 1, c);
  return text += '"';
}

// --- SQL -------------------------------------------------------------------------------------------------------------

std::string create_table_sql(std::string_view table, std::span<const ColumnInfo> columns) {
  const auto keys = std::ranges::count_if(columns, &ColumnInfo::is_key);
  const auto is_rowid = [&](const ColumnInfo& c) { return c.is_key && keys == 1 && c.type == "INTEGER"; };
  std::string sql = fmt::format("CREATE TABLE IF NOT EXISTS {}({}", quoted(table),
                                list(columns, any, [&](const ColumnInfo& c) { return definition(c, is_rowid(c)); }));
  if (keys > 0 && std::ranges::none_of(columns, is_rowid))
    sql += fmt::format(", PRIMARY KEY({})", list(columns, &ColumnInfo::is_key, name_of));
  return sql += ')';
}

namespace {

/// Whether the table is of a kind: a condition on a row of `pragma_table_list`, which SQLite has from 3.37 on.
bool is_kind(Database& database, std::string_view table, std::string_view kind) {
  Result<Statement> search =
      database.prepare(fmt::format("SELECT 1 FROM pragma_table_list WHERE name=? COLLATE NOCASE AND {}", kind));
  if (!search) return false;
  search->bind(0, table);
  return search->step().value_or(false);
}
/// A column as the database has it.
struct Existing {
  std::string name;
  Type type = Type::Any;
  bool is_primary = false;  ///< belongs to the primary key
  bool is_exact = true;     ///< values that are equal in the table are the same
  bool is_stored = true;    ///< not generated
};
/// Columns of the table that a unique index compares by another collation than BINARY.
Result<std::vector<std::string>> inexact_in_indexes(Database& database, std::string_view table) {
  std::vector<std::string> names;
  Result<Statement> all = database.prepare(
      "SELECT x.name FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x WHERE l.\"unique\" AND x.key AND "
      "x.name IS NOT NULL AND x.coll<>'BINARY' COLLATE NOCASE");
  if (!all) return failure(std::move(all.error()));
  all->bind(0, table);
  for (;;) {
    const Result<bool> more = all->step();
    if (!more) return failure(more.error());
    if (!*more) return names;
    names.emplace_back(all->text(0));
  }
}
Result<std::vector<Existing>> existing_columns(Database& database, std::string_view table) {
  Result<Statement> all = database.prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)");
  if (!all) return failure(std::move(all.error()));
  all->bind(0, table);
  const auto inexact = inexact_in_indexes(database, table);
  if (!inexact) return failure(inexact.error());
  std::vector<Existing> columns;
  for (;;) {
    const Result<bool> more = all->step();
    if (!more) return failure(more.error());
    if (!*more) return columns;
    // Columns of the type ANY keep all values only in strict tables, which SQLite before 3.37 does not have.
    const bool is_any = same_name(all->text(1), "ANY") && is_kind(database, table, "strict");
    const std::string name(all->text(0));
    const Type type = is_any ? Type::Any : type_of(all->text(1));
    const char* collation = nullptr;
    const bool known =
        sqlite3_table_column_metadata(database.handle(), nullptr, std::string(table).c_str(), name.c_str(), nullptr,
                                      &collation, nullptr, nullptr, nullptr) == SQLITE_OK &&
        collation != nullptr;
    columns.push_back({.name = name,
                       .type = type,
                       .is_primary = all->integer(2) > 0,
                       .is_exact = type != Type::Any && (!known || same_name(collation, "BINARY")) &&
                                   std::ranges::find(*inexact, name) == inexact->end(),
                       .is_stored = all->integer(3) == 0});
  }
}

std::string insert_sql(std::string_view table, std::span<const ColumnInfo> columns, OnConflict on_conflict,
                       std::span<const Existing> existing) {
  std::string sql = fmt::format("INSERT INTO {}({}) VALUES({})", quoted(table), list(columns, any, name_of),
                                list(columns, any, [](const ColumnInfo&) { return "?"; }));
  if (on_conflict == OnConflict::Fail) return sql;
  // OR IGNORE is not suitable: it would also drop rows that lack a value or fail a check. OR REPLACE is not suitable
  // either: it would also delete rows with another key, because of another unique index.
  sql += " ON CONFLICT";
  const std::string keys = list(columns, &ColumnInfo::is_key, name_of);
  if (!keys.empty()) sql += fmt::format("({})", keys);
  const auto set = [](std::string_view name) { return fmt::format("{0}=excluded.{0}", quoted(name)); };
  // Keys that are equal in the table may differ, as texts do that a collation takes as equal. Other keys are not set,
  // because SQLite would then look for rows of other tables that refer to them.
  const auto is_set = [&](const ColumnInfo& c) {
    if (!c.is_key || on_conflict != OnConflict::Replace) return !c.is_key;
    const auto e = std::ranges::find_if(existing, [&](const Existing& one) { return same_name(one.name, c.name); });
    return e != existing.end() && !e->is_exact && (c.type == "TEXT" || c.type.empty());
  };
  std::string assignments = list(columns, is_set, [&](const ColumnInfo& c) { return set(c.name); });
  if (on_conflict == OnConflict::Replace) {
    // `excluded` has the default of a column that is not mapped.
    for (const Existing& e : existing)
      if (e.is_stored && !e.is_primary &&
          std::ranges::none_of(columns, [&](const ColumnInfo& c) { return same_name(c.name, e.name); }))
        assignments.append(assignments.empty() ? "" : ", ").append(set(e.name));
    if (assignments.empty()) assignments = list(columns, any, [&](const ColumnInfo& c) { return set(c.name); });
  }
  return sql +=
         on_conflict == OnConflict::Ignore || assignments.empty() ? " DO NOTHING" : " DO UPDATE SET " + assignments;
}

}  // namespace

std::string select_sql(std::string_view table, std::span<const ColumnInfo> columns, bool after) {
  // Positions are compared as C++ compares texts. Another collation of the column could take different texts as equal.
  const bool one_key = std::ranges::count_if(columns, &ColumnInfo::is_key) == 1;
  const auto exactly = [](const ColumnInfo& column) {
    return name_of(column) + (column.type == "TEXT" ? " COLLATE BINARY" : "");
  };
  const std::string keys = list(columns, &ColumnInfo::is_key,
                                [&](const ColumnInfo& column) { return one_key ? exactly(column) : name_of(column); });
  std::string sql = fmt::format("SELECT {} FROM {}", list(columns, &ColumnInfo::is_member, name_of), quoted(table));
  if (after) sql += fmt::format(" WHERE {} > ?", keys);
  if (keys.empty()) return sql;
  // Rows with equal keys have to come in the same order each time, because a resumed run counts them. SQLite leaves out
  // what follows a unique key.
  const auto differs = [&](const ColumnInfo& column) {
    return column.is_member && (!column.is_key || (!one_key && column.type == "TEXT"));
  };
  const std::string ties = list(columns, differs, exactly);
  return sql += fmt::format(" ORDER BY {}{}{}", keys, ties.empty() ? "" : ", ", ties);
}

// --- tables ----------------------------------------------------------------------------------------------------------

namespace {

/// Checks columns that are known only at run time, because SQLite accepts the same column twice in an INSERT, and
/// keeps one value.
Result<void> check(const Database& database, std::string_view table, std::span<const ColumnInfo> columns) {
  std::string wrong;
  if (columns.empty()) wrong = "it has no columns";
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (std::ranges::any_of(columns.first(i), [&](const ColumnInfo& c) { return same_name(c.name, columns[i].name); }))
      wrong += fmt::format("{}the column {} occurs twice", wrong.empty() ? "" : ", ", quoted(columns[i].name));
  if (wrong.empty()) return {};
  return failure(error_of(SQLITE_MISUSE, ErrorClass::Fatal,
                          fmt::format("{}: the table {}: {}", database.name(), quoted(table), wrong)));
}

}  // namespace

Result<void> create_table(Database& database, std::string_view table, std::span<const ColumnInfo> columns) {
  if (Result<void> checked = check(database, table, columns); !checked) return checked;
  if (Result<void> made = database.execute(create_table_sql(table, columns)); !made) return made;
  const Result<std::vector<Existing>> there = existing_columns(database, table);
  if (!there) return failure(there.error());
  std::vector<ColumnInfo> missing(columns.begin(), columns.end());
  for (const Existing& e : *there)
    std::erase_if(missing, [&](const ColumnInfo& c) { return same_name(c.name, e.name); });
  if (missing.empty()) return {};
  return failure(error_of(SQLITE_SCHEMA, ErrorClass::Fatal,
                          fmt::format("{}: the table {} exists without the column{} {}: add the missing "
                                      "columns with ALTER TABLE, or use another table",
                                      database.name(), quoted(table), missing.size() > 1 ? "s" : "",
                                      list(missing, any, [](const ColumnInfo& c) { return definition(c, false); }))));
}

Result<Statement> prepare_insert(Database& database, std::string_view table, std::span<const ColumnInfo> columns,
                                 OnConflict on_conflict) {
  if (Result<void> checked = check(database, table, columns); !checked) return failure(std::move(checked.error()));
  if ((on_conflict == OnConflict::Update || on_conflict == OnConflict::Replace) &&
      std::ranges::none_of(columns, &ColumnInfo::is_key))
    return failure(error_of(SQLITE_MISUSE, ErrorClass::Fatal,
                            fmt::format("{}: insert into {}: OnConflict::Update and Replace need a key, and the "
                                        "mapping has no key column",
                                        database.name(), quoted(table))));
  const Result<std::vector<Existing>> existing = existing_columns(database, table);
  if (!existing) return failure(existing.error());
  Result<Statement> insert = database.prepare(insert_sql(table, columns, on_conflict, *existing));
  // Virtual tables take no ON CONFLICT clause. They have no other unique index than that of their key.
  if (insert || on_conflict != OnConflict::Replace || !is_kind(database, table, "type='virtual'")) return insert;
  const std::string plain = insert_sql(table, columns, OnConflict::Fail, *existing);
  return database.prepare("INSERT OR REPLACE" + plain.substr(std::string_view("INSERT").size()));
}

Result<std::vector<Type>> conversions(Database& database, std::string_view table, std::span<const ColumnInfo> columns) {
  const Result<std::vector<Existing>> existing = existing_columns(database, table);
  if (!existing) return failure(existing.error());
  std::vector<Type> found(columns.size(), Type::Any);
  bool some = false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto e =
        std::ranges::find_if(*existing, [&](const Existing& one) { return same_name(one.name, columns[i].name); });
    if (e == existing->end()) continue;
    const std::string_view mapped = columns[i].type;
    const bool is_any = mapped.empty(), takes_numbers = is_any || mapped == "NUMERIC";
    const bool is_number = e->type == Type::Integer || e->type == Type::Real || e->type == Type::Numeric;
    if ((mapped == "TEXT" || is_any) && is_number) found[i] = Type::Other;
    if ((mapped == "INTEGER" || takes_numbers) && e->type == Type::Real) found[i] = Type::Real;
    if ((mapped == "REAL" || takes_numbers) && e->type == Type::Text) found[i] = Type::Text;
    some = some || found[i] != Type::Any;
  }
  if (!some) found.clear();
  return found;
}

namespace {

/// Whether the word FAIL occurs in the schema. It may be within a comment or a message; that only costs time.
Result<bool> has_fail(Database& database) {
  Result<Statement> schemas = database.prepare("PRAGMA database_list");  // temporary triggers are in a schema of theirs
  if (!schemas) return failure(std::move(schemas.error()));
  for (;;) {
    Result<bool> more = schemas->step();
    if (!more || !*more) return more;
    Result<Statement> search = database.prepare(
        fmt::format("SELECT 1 FROM {}.sqlite_master WHERE lower(sql) GLOB '*[^[a-z0-9_$\"''`]fail[^a-z0-9_$]*'",
                    quoted(schemas->text(1))));
    if (!search) return failure(std::move(search.error()));
    Result<bool> found = search->step();
    if (!found || *found) return found;
  }
}

}  // namespace

Result<RowSavepoint> RowSavepoint::make(Database& database) {
  RowSavepoint savepoint;
  const Result<bool> is_needed = has_fail(database);
  if (!is_needed) return failure(is_needed.error());
  if (!*is_needed) return savepoint;
  for (const char* const sql : {"SAVEPOINT etl_row", "RELEASE etl_row", "ROLLBACK TO etl_row"}) {
    Result<Statement> statement = database.prepare(sql);
    if (!statement) return failure(std::move(statement.error()));
    savepoint.statements_.push_back(std::move(*statement));
  }
  return savepoint;
}

int RowSavepoint::undo() noexcept {
  if (sqlite3_get_autocommit(statements_[0].database().handle()) != 0) return SQLITE_OK;
  const int code = statements_[2].run_for_code();
  return code == SQLITE_OK ? release() : code;
}

Result<void> find_columns(const Statement& query, std::string_view table, std::span<const ColumnInfo> columns,
                          std::span<int> places) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    places[i] = -1;
    if (!columns[i].is_member) continue;
    for (int at = 0; at < query.columns() && places[i] < 0; ++at)
      if (same_name(columns[i].name, query.column_name(at))) places[i] = at;
    if (places[i] >= 0) continue;
    std::string found;
    for (int at = 0; at < query.columns(); ++at)
      found.append(at == 0 ? "" : ", ").append(quoted(query.column_name(at)));
    return failure(error_of(SQLITE_SCHEMA, ErrorClass::Fatal,
                            fmt::format("{}: read {}: the query has no column {}; it has {}", query.database().name(),
                                        quoted(table), quoted(columns[i].name), found.empty() ? "none" : found)));
  }
  return {};
}

Result<void> check_keys(Database& database, std::string_view table, std::span<const ColumnInfo> columns) {
  const std::string key = list(columns, &ColumnInfo::is_key, name_of);
  Result<Statement> without =
      database.prepare(fmt::format("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1", quoted(table), key));
  if (!without) return failure(std::move(without.error()));
  const Result<bool> found = without->step();
  if (!found) return failure(found.error());
  if (!*found) return {};
  return failure(error_of(
      SQLITE_CONSTRAINT_NOTNULL, ErrorClass::Fatal,
      fmt::format("{}: read {}: column {}, which is the key, is NULL in some rows, and NULL is after no position: give "
                  "these rows a key, leave them out with your own SELECT, or map another key",
                  database.name(), quoted(table), key)));
}

void interrupt(const Database& database) noexcept { sqlite3_interrupt(database.handle()); }

}  // namespace etl::inline v0::sqlite::detail
