#include <algorithm>
#include <array>
#include <iterator>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <etl/io/source.hpp>

#include "into.hpp"
#include "plan.hpp"

namespace program {

namespace sqlite = etl::sqlite;
using etl::csv::Kind;

namespace {

/// The declared type of a new column, from which `kind_of` later finds the same kind. The affinity of the name keeps
/// the written values: the text of a date is not converted to a number, and decimal numbers are texts, which lose no
/// digit.
std::string_view declared(Kind kind) {
  switch (kind) {
    case Kind::Boolean: return "BOOLEAN";
    case Kind::Integer: return "INTEGER";
    case Kind::Double: return "REAL";
    case Kind::Numeric: return "NUMERIC_TEXT";
    case Kind::Date: return "DATE";
    case Kind::Timestamp: return "TIMESTAMP";
    case Kind::TimestampTz: return "TIMESTAMPTZ";
    case Kind::Text: break;
  }
  return "TEXT";
}
/// The type in which a declared type is stored. SQLite gives unknown words the affinity NUMERIC; here they mean text.
sqlite::Type stored_as(std::string_view declared) {
  const sqlite::Type type = sqlite::type_of(declared);
  if (type == sqlite::Type::Blob) return sqlite::Type::Any;  // keeps texts unchanged
  if (type != sqlite::Type::Numeric) return type;
  std::string word(declared);
  for (char& c : word)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  for (const std::string_view known : {"NUM", "DEC", "BOOL", "DATE", "TIMESTAMP"})
    if (word.find(known) != std::string::npos) return type;
  return sqlite::Type::Other;
}
sqlite::Type sqlite_type(const TargetColumn& column) {
  if (column.verbatim) return sqlite::Type::Any;
  return stored_as(column.type.empty() ? declared(column.kind) : column.type);
}

/// Whether a column of the type keeps values of the kind unchanged.
bool keeps(sqlite::Type type, Kind kind) {
  switch (type) {
    case sqlite::Type::Integer: return kind == Kind::Boolean || kind == Kind::Integer;
    case sqlite::Type::Real: return kind == Kind::Double;
    case sqlite::Type::Text: return kind != Kind::Boolean && kind != Kind::Integer && kind != Kind::Double;
    case sqlite::Type::Numeric: return kind != Kind::Text;
    case sqlite::Type::Other:
    case sqlite::Type::Any: return true;
    case sqlite::Type::Blob: break;
  }
  return false;
}

/// The kind that cells must have for a declared type. SQLite's own types do not distinguish dates from texts, but the
/// words that users write in declarations do: DATE, DATETIME, TIMESTAMP, BOOLEAN.
Kind kind_of(std::string declared) {
  for (char& c : declared)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const sqlite::Type type = stored_as(declared);
  const auto says = [&](Kind kind, auto... words) {
    return keeps(type, kind) && ((declared.find(words) != std::string::npos) || ...);
  };
  if (says(Kind::Boolean, "BOOL")) return Kind::Boolean;
  if (says(Kind::TimestampTz, "TIMESTAMPTZ", "WITH TIME ZONE")) return Kind::TimestampTz;
  if (says(Kind::Timestamp, "DATETIME", "TIMESTAMP")) return Kind::Timestamp;
  if (says(Kind::Date, "DATE")) return Kind::Date;
  if (says(Kind::Numeric, "NUMERIC", "DECIMAL")) return Kind::Numeric;
  switch (type) {
    case sqlite::Type::Integer: return Kind::Integer;
    case sqlite::Type::Real: return Kind::Double;
    case sqlite::Type::Numeric: return Kind::Numeric;
    case sqlite::Type::Other:
    case sqlite::Type::Text:
    case sqlite::Type::Blob:
    case sqlite::Type::Any: break;
  }
  return Kind::Text;
}

etl::Error failed_check(const std::string& statement, sqlite::Statement& row) {
  std::string values;
  for (int i = 0; i < row.columns(); ++i)
    values += fmt::format("{}{}={}", i == 0 ? "" : ", ", row.column_name(i), row.is_null(i) ? "NULL" : row.text(i));
  return {.code = etl::Errc::CheckFailed,
          .context = fmt::format("check failed: {}: it returned {}", statement, values)};
}

}  // namespace

etl::Result<IntoSqlite> IntoSqlite::open(const std::string& path, std::size_t /*connections*/) {
  auto store = sqlite::Store::open(path);
  if (!store) return etl::failure(std::move(store.error()));
  return IntoSqlite(std::move(*store));
}

etl::Result<std::optional<TargetColumns>> IntoSqlite::columns(const std::string& path, const std::string& table) {
  std::error_code unknown;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, unknown) && !unknown)
    return etl::failure(etl::fatal(fmt::format(
        "--store sqlite:{}: the folder {} does not exist: create it, or check the path", path, folder.string())));
  if (!std::filesystem::exists(path, unknown)) return std::optional<TargetColumns>();
  auto database = sqlite::Database::open(path, {.read_only = true});
  // A process that was killed while it wrote has left a journal, which only a writer may roll back.
  if (!database && database.error().code == std::errc::read_only_file_system)
    database = sqlite::Database::open(path, {.create = false, .wal = false});
  if (!database) return etl::failure(std::move(database.error()));
  auto query = database->prepare(
      "SELECT c.name, c.type, c.\"notnull\", c.pk, c.dflt_value IS NULL, coalesce(t.strict, 0), c.hidden IN (2, 3) "
      "FROM pragma_table_xinfo(?) c LEFT JOIN pragma_table_list t ON t.schema='main' AND t.name=? COLLATE NOCASE "
      "WHERE c.hidden <> 1 ORDER BY c.hidden IN (2, 3), c.cid");
  if (!query) return etl::failure(std::move(query.error()));
  query->bind(0, std::string_view(table));
  query->bind(1, std::string_view(table));
  TargetColumns found;
  for (;;) {
    const auto more = query->step();
    if (!more) return etl::failure(more.error());
    if (!*more) break;
    const std::string type(query->text(1));
    const bool generated = query->integer(6) != 0;
    const bool verbatim = query->integer(5) != 0 && type == "ANY";
    const sqlite::Type stored = verbatim ? sqlite::Type::Any : stored_as(type);
    found.push_back({.name = std::string(query->text(0)),
                     .kind = verbatim ? Kind::Text : kind_of(type),
                     .nullable = query->integer(2) == 0 && query->integer(3) == 0,
                     .key = query->integer(3) > 0,
                     .required = !generated && query->integer(2) != 0 && query->integer(4) != 0 &&
                                 !(query->integer(3) > 0 && stored == sqlite::Type::Integer),
                     .type = type,
                     .also = {},
                     .verbatim = verbatim,
                     .generated = generated});
    found.back().holds.limits.drops_nan = stored == sqlite::Type::Real;
    std::ranges::copy_if(etl::csv::all_kinds, std::back_inserter(found.back().also),
                         [&](Kind kind) { return keeps(stored, kind); });
  }
  if (found.empty()) return std::optional<TargetColumns>();
  return std::optional(std::move(found));
}

etl::Result<std::string> IntoSqlite::name_of(const std::string& table) {
  auto query = store_->database().prepare(
      "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name=? COLLATE NOCASE");
  if (!query) return etl::failure(std::move(query.error()));
  query->bind(0, std::string_view(table));
  const auto found = query->step();
  if (!found) return etl::failure(found.error());
  return *found ? std::string(query->text(0)) : table;
}

IntoSqlite::Table IntoSqlite::table(const std::string& name, const TargetColumns& columns) {
  std::vector<sqlite::DynamicColumn> list;
  for (const TargetColumn& column : columns)
    list.push_back({.name = column.name, .type = sqlite_type(column), .nullable = column.nullable, .key = column.key});
  return sqlite::dynamic_table<etl::csv::Record>(name, std::move(list), ValueOf{});
}

sqlite::OnConflict IntoSqlite::on_conflict(Duplicate duplicate) noexcept {
  switch (duplicate) {
    case Duplicate::Ignore: return sqlite::OnConflict::Ignore;
    case Duplicate::Replace: return sqlite::OnConflict::Replace;
    case Duplicate::Update: return sqlite::OnConflict::Update;
    case Duplicate::Reject: break;
  }
  return sqlite::OnConflict::Fail;
}

etl::Result<void> IntoSqlite::create(const std::string& name, const TargetColumns& columns) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (same_but_for_case(columns[i].name, columns[j].name))
        return etl::failure(etl::fatal(
            fmt::format("the columns '{}' and '{}' differ only in case, so they are the same for SQLite: give one of "
                        "them another name with a mapping",
                        etl::csv::detail::shown(columns[j].name), etl::csv::detail::shown(columns[i].name))));
  const Table made = table(name, columns);
  auto infos = sqlite::detail::column_infos(made);
  for (std::size_t i = 0; i < columns.size(); ++i) infos[i].type = declared(columns[i].kind);
  return sqlite::detail::create_table(store_->database(), name, infos);
}

etl::Result<std::optional<TableIdentity>> IntoSqlite::identity(const std::string& table) {
  // SQLite uses the numbers of dropped tables again, so an index without entries marks the table, because it is
  // dropped together with the table.
  sqlite::Database& database = store_->database();
  auto transaction = database.begin();
  if (!transaction) return etl::failure(std::move(transaction.error()));
  auto query = database.prepare(
      "SELECT t.type, i.name FROM sqlite_master t LEFT JOIN sqlite_master i ON i.type='index' AND i.tbl_name=t.name "
      "COLLATE NOCASE AND i.name GLOB 'etl_mark_*' WHERE t.type IN ('table', 'view') AND t.name=? COLLATE NOCASE");
  if (!query) return etl::failure(std::move(query.error()));
  query->bind(0, std::string_view(table));
  const auto found = query->step();
  if (!found) return etl::failure(found.error());
  if (!*found) return std::optional<TableIdentity>();
  if (!query->is_null(1)) return std::optional(TableIdentity{.table = std::string(query->text(1)), .unique = true});
  if (query->text(0) == "view") return std::optional(TableIdentity{.table = "view"});
  std::random_device random;
  const std::string mark = fmt::format("etl_mark_{:08x}{:08x}", random(), random());
  query->reset();
  if (auto made =
          database.execute(fmt::format("CREATE INDEX {} ON {}(1) WHERE 0", mark, sqlite::detail::quoted(table)));
      !made) {
    if (made.error().error_class == etl::ErrorClass::Transient) return etl::failure(std::move(made.error()));
    return std::optional(TableIdentity{.table = "without a mark"});  // for example, a virtual table
  }
  if (auto done = transaction->commit(); !done) return etl::failure(std::move(done.error()));
  return std::optional(TableIdentity{.table = mark, .unique = true});
}

bool IntoSqlite::is_empty(const std::string& table) {
  auto query =
      store_->database().prepare(fmt::format("SELECT NOT EXISTS (SELECT 1 FROM {})", sqlite::detail::quoted(table)));
  if (!query) return false;
  const auto found = query->step();
  return found && *found && query->integer(0) != 0;
}

etl::Result<void> IntoSqlite::check_deferred(Tx& tx) {
  if (!tx.database().violates_deferred_keys()) return {};
  return etl::failure(
      etl::rejected(fmt::format("{}: FOREIGN KEY constraint failed: the row that this row refers to is neither in the "
                                "table nor in the same batch",
                                tx.database().name())));
}

etl::Result<void> IntoSqlite::check(const std::vector<std::string>& statements) {
  sqlite::Database& database = store_->database();
  const auto ask = [&](const std::string& statement) -> etl::Result<void> {
    auto query = database.prepare(statement);
    if (!query) return etl::failure(std::move(query.error()));
    if (query->columns() == 0)
      return etl::failure(etl::fatal("a check must be a SELECT, but this statement is not: " + statement));
    auto row = query->step();
    if (!row) return etl::failure(row.error());
    if (!*row) return {};
    if (query->columns() != 1 || query->type(0) != sqlite::ValueType::Integer || query->integer(0) != 1)
      return etl::failure(failed_check(statement, *query));
    row = query->step();
    if (!row) return etl::failure(row.error());
    return *row ? etl::failure(failed_check(statement, *query)) : etl::Result<void>();
  };
  if (auto only_read = database.execute("PRAGMA query_only=1"); !only_read) return only_read;
  etl::Result<void> held;
  for (const std::string& statement : statements)
    if (held) held = ask(statement);
  if (auto again = database.execute("PRAGMA query_only=0"); !again && held) return again;
  return held;
}

etl::Result<void> IntoSqlite::run_script(const std::filesystem::path& script) {
  auto source = etl::io::open_input(script);
  if (!source) return etl::failure(std::move(source.error()));
  auto text = etl::io::read_all(**source);
  if (!text) return etl::failure(std::move(text.error()));
  const auto failed = [&script](etl::Error error) {
    const etl::ErrorClass error_class = error.error_class;
    return etl::failure({.code = etl::Errc::ScriptFailed,
                         .error_class = error_class,
                         .context = fmt::format("{} has failed and was rolled back", script.string()),
                         .cause = std::make_shared<const etl::Error>(std::move(error))});
  };
  auto transaction = store_->database().begin();
  if (!transaction) return failed(std::move(transaction.error()));
  if (auto done = store_->database().execute_within(*text); !done) return failed(std::move(done.error()));
  if (auto done = transaction->commit(); !done) return failed(std::move(done.error()));
  return {};
}

}  // namespace program
