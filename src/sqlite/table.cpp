#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
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
bool no_key(const ColumnInfo& column) { return !column.is_key; }
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

/// The value of a column as errors show it, with its type.
std::string show_value(const Statement& row, int column) {
  switch (row.type(column)) {
    case ValueType::Integer: return shown(row.integer(column)) + " (INTEGER)";
    case ValueType::Real: return shown(row.real(column)) + " (REAL)";
    case ValueType::Text: return shown(row.text(column)) + " (TEXT)";
    case ValueType::Blob: return shown(row.blob(column)) + " (BLOB)";
    case ValueType::Null: break;
  }
  return "NULL";
}

Error error_of(int code, ErrorClass error_class, std::string context) {
  return {.code = {code, error_category()}, .error_class = error_class, .context = std::move(context)};
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

/// Whether columns of the type ANY keep all values. SQLite before 3.37 has no such tables.
bool is_strict(Database& database, std::string_view table) {
  Result<Statement> search = database.prepare("SELECT 1 FROM pragma_table_list WHERE name=? COLLATE NOCASE AND strict");
  if (!search) return false;
  search->bind(0, table);
  return search->step().value_or(false);
}
/// A column as the database has it.
struct Existing {
  std::string name;
  Type type = Type::Any;
  bool is_primary = false;  ///< belongs to the primary key
  bool is_stored = true;    ///< not generated
};
Result<std::vector<Existing>> existing_columns(Database& database, std::string_view table) {
  Result<Statement> all = database.prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)");
  if (!all) return failure(std::move(all.error()));
  all->bind(0, table);
  std::vector<Existing> columns;
  for (;;) {
    const Result<bool> more = all->step();
    if (!more) return failure(more.error());
    if (!*more) return columns;
    const bool is_any = same_name(all->text(1), "ANY") && is_strict(database, table);
    columns.push_back({.name = std::string(all->text(0)),
                       .type = is_any ? Type::Any : type_of(all->text(1)),
                       .is_primary = all->integer(2) > 0,
                       .is_stored = all->integer(3) == 0});
  }
}

std::string insert_sql(std::string_view table, std::span<const ColumnInfo> columns, OnConflict on_conflict,
                       std::span<const Existing> existing) {
  std::string sql = fmt::format("INSERT INTO {}({}) VALUES({})", quoted(table), list(columns, any, name_of),
                                list(columns, any, [](const ColumnInfo&) { return "?"; }));
  if (on_conflict == OnConflict::Fail) return sql;
  // OR IGNORE is not suitable: it would also drop rows that lack a value or fail a check. Nor is OR REPLACE: it would
  // also delete rows with another key, because of another unique index.
  sql += " ON CONFLICT";
  const std::string keys = list(columns, &ColumnInfo::is_key, name_of);
  if (!keys.empty()) sql += fmt::format("({})", keys);
  const auto set = [](std::string_view name) { return fmt::format("{0}=excluded.{0}", quoted(name)); };
  std::string assignments = list(columns, no_key, [&](const ColumnInfo& c) { return set(c.name); });
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

// --- types known at run time -----------------------------------------------------------------------------------------

std::string_view to_text(Type type) noexcept {
  switch (type) {
    case Type::Integer: return "INTEGER";
    case Type::Real: return "REAL";
    case Type::Text: return "TEXT";
    case Type::Blob: return "BLOB";
    case Type::Numeric: return "NUMERIC";
    case Type::Other:
    case Type::Any: break;
  }
  return "";
}

const char* refusal(Type type, Sort sort) noexcept {
  switch (type) {
    case Type::Integer: return sort == Sort::Integer ? nullptr : "an INTEGER column takes integers and bool";
    case Type::Real: return sort == Sort::Real || sort == Sort::Integer ? nullptr : "a REAL column takes numbers";
    case Type::Text:
      return sort == Sort::Text || sort == Sort::Moment ? nullptr : "a TEXT column takes texts, dates and times";
    case Type::Blob: return sort == Sort::Blob ? nullptr : "a BLOB column takes blobs";
    case Type::Numeric:
      return sort != Sort::Blob ? nullptr : "a NUMERIC column takes numbers, texts of numbers, dates and times";
    case Type::Other:
    case Type::Any: break;
  }
  return nullptr;
}

const char* refusal(std::int64_t real) noexcept {
  constexpr std::int64_t exact = std::int64_t{1} << std::numeric_limits<double>::digits;
  return -exact <= real && real <= exact ? nullptr : "a REAL column cannot hold this integer exactly";
}

const char* refusal(double text) noexcept {
  std::array<char, 40> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), text, std::chars_format::general,
                                     std::numeric_limits<double>::digits10);
  double again = 0;
  std::from_chars(digits.data(), written.ptr, again);
  return again == text ? nullptr : "a TEXT column keeps 15 digits of a number: declare the column REAL";
}

namespace {

/// How SQLite treats a text in a column with NUMERIC affinity.
struct Number {
  bool is_one = false;
  bool is_bare = false;     ///< there are no blanks around the number
  bool fits = false;        ///< a whole number of 64 bits, or a number with at most 15 digits
  bool reads_back = false;  ///< converting the number to text gives the original text
};

Number number_of(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  const std::size_t first = std::min(text.find_first_not_of(blanks), text.size());
  const std::string_view bare = text.substr(first, text.find_last_not_of(blanks) + 1 - first);
  const std::size_t sign = bare.starts_with('-') || bare.starts_with('+') ? 1 : 0;
  if (bare.find_first_of("0123456789.", sign) != sign) return {};  // neither infinity nor NaN
  double value = 0;
  const char* const end = bare.data() + bare.size();
  const auto parsed = std::from_chars(bare.data() + sign, end, value);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) return {};
  Number number{.is_one = true, .is_bare = bare.size() == text.size()};
  std::int64_t whole = 0;
  const auto integer = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (integer.ec == std::errc{} && integer.ptr == text.data() + text.size()) {
    number.fits = true;
    std::array<char, 24> again{};
    const auto* const last = std::to_chars(again.data(), again.data() + again.size(), whole).ptr;
    number.reads_back = text == std::string_view(again.data(), static_cast<std::size_t>(last - again.data()));
    return number;
  }
  std::size_t digits = 0, zeros = 0;
  for (const char c : bare.substr(0, bare.find_first_of("eE"))) {
    if (c < '0' || c > '9' || (c == '0' && digits == 0)) continue;
    ++digits;
    zeros = c == '0' ? zeros + 1 : 0;
  }
  number.fits = parsed.ec == std::errc{} && digits - zeros <= std::numeric_limits<double>::digits10;
  std::array<char, 40> again{};
  const auto* const last = std::to_chars(again.data(), again.data() + again.size(),
                                         sign != 0 && bare[0] == '-' ? -value : value, std::chars_format::general, 15)
                               .ptr;
  number.reads_back = number.fits && bare.find('.') != bare.npos && bare.find_first_of("eE") == bare.npos &&
                      text == std::string_view(again.data(), static_cast<std::size_t>(last - again.data()));
  return number;
}

}  // namespace

const char* refusal(Type type, std::string_view text) noexcept {
  const Number number = number_of(text);
  if (type == Type::Other)
    return !number.is_one || number.reads_back
               ? nullptr
               : "SQLite would change this text to another number: declare the column TEXT";
  if (!number.is_one || !number.is_bare) return "not a number, and the column is NUMERIC";
  return number.fits ? nullptr
                     : "a NUMERIC column keeps 15 digits of a number: declare the column TEXT or NUMERIC_TEXT";
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
  const bool is_virtual = !insert && insert.error().context.find("UPSERT not implemented") != std::string::npos;
  if (!is_virtual || on_conflict != OnConflict::Replace) return insert;
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

// --- errors ----------------------------------------------------------------------------------------------------------

std::string shown(std::int64_t value) { return std::to_string(value); }
std::string shown(std::uint64_t value) { return std::to_string(value); }
std::string shown(double value) { return fmt::format("{}", value); }
std::string shown(std::string_view text) { return fmt::format("'{}'", shortened(text, 60)); }
std::string shown(std::span<const std::byte> blob) {
  std::string text = "x'";
  for (const std::byte b : blob.first(std::min<std::size_t>(blob.size(), 30))) text += fmt::format("{:02x}", b);
  return text += blob.size() > 30 ? fmt::format("...' of {} bytes", blob.size()) : "'";
}

namespace {

constexpr std::size_t moment_size = 27;
/// Writes a moment. Returns an empty text for years outside 0 to 9999, because only these have four digits.
std::string_view write(Moment moment, std::array<char, moment_size>& to) {
  using namespace std::chrono;
  constexpr sys_days first = year(0) / 1 / 1, last = year(9999) / 12 / 31;
  if (moment.day < first.time_since_epoch().count() || moment.day > last.time_since_epoch().count()) return {};
  const year_month_day date{sys_days(days(static_cast<int>(moment.day)))};
  char* at = to.data();
  const auto digits = [&at](std::int64_t number, std::ptrdiff_t count, char end) {
    for (std::ptrdiff_t i = count; i-- > 0; number /= 10) at[i] = static_cast<char>('0' + number % 10);
    at[count] = end;
    at += count + 1;
  };
  digits(int{date.year()}, 4, '-');
  digits(unsigned{date.month()}, 2, '-');
  digits(unsigned{date.day()}, 2, 'T');
  if (moment.kind == Moment::Kind::Date) return {to.data(), 10};
  const std::int64_t second = moment.microseconds / 1'000'000, fraction = moment.microseconds % 1'000'000;
  digits(second / 3600, 2, ':');
  digits(second / 60 % 60, 2, ':');
  digits(second % 60, 2, fraction == 0 ? 'Z' : '.');
  if (fraction != 0) digits(fraction, 6, 'Z');
  return {to.data(), (fraction == 0 ? 20U : 27U) - (moment.kind == Moment::Kind::Utc ? 0U : 1U)};
}

}  // namespace

const char* bind_moment(Statement& statement, int parameter, Moment moment) {
  std::array<char, moment_size> buffer;
  const std::string_view text = write(moment, buffer);
  if (text.empty()) return "the year is not from 0 to 9999";
  statement.bind_copy(parameter, text);
  return nullptr;
}
std::string shown(Moment moment) {
  std::array<char, moment_size> buffer;
  const std::string_view text = write(moment, buffer);
  if (!text.empty()) return fmt::format("'{}'", text);
  using namespace std::chrono;
  constexpr std::int64_t most = 10'000'000;  // std::chrono knows the years up to 32767
  if (moment.day < -most || moment.day > most) return fmt::format("day {} since 1970-01-01", moment.day);
  const year_month_day date{sys_days(days(static_cast<int>(moment.day)))};
  return fmt::format("'{:05}-{:02}-{:02}'{}", int{date.year()}, unsigned{date.month()}, unsigned{date.day()},
                     moment.kind == Moment::Kind::Utc ? " in UTC" : "");
}

Error misfit(const Database& database, std::string_view place, std::string_view column, std::string_view value,
             std::string_view why) {
  return error_of(SQLITE_MISMATCH, ErrorClass::Rejected,
                  fmt::format("{}: {}, column {}: {}: {}", database.name(), place, quoted(column), value, why));
}

Error unmatched(const Database& database, std::string_view place) {
  return error_of(SQLITE_CONSTRAINT_FOREIGNKEY, ErrorClass::Rejected,
                  fmt::format("{}: {}: FOREIGN KEY constraint failed: the row that it refers to is neither in the "
                              "database nor in the same batch",
                              database.name(), place));
}

Error rolled_back(Error cause) {
  Error error{.code = cause.code,
              .context =
                  "the whole transaction was rolled back because of one row (ON CONFLICT ROLLBACK or RAISE(ROLLBACK) "
                  "in the schema), so it cannot be rejected alone: use RAISE(ABORT)"};
  error.cause = std::make_shared<const Error>(std::move(cause));
  return error;
}

Error left_behind(Error cause) {
  Error error{.code = cause.code,
              .error_class = ErrorClass::Transient,
              .context =
                  "one row was refused, and RAISE(FAIL) or ON CONFLICT FAIL may have left a part of the row in the "
                  "table, because the schema has changed: roll back the transaction, and write its rows again"};
  error.cause = std::make_shared<const Error>(std::move(cause));
  return error;
}

Error unreadable(const Statement& row, std::string_view table, std::span<const ColumnInfo> columns,
                 std::span<const int> places, std::size_t column, std::uint64_t number, const char* why) {
  std::string place = fmt::format("read {}", quoted(table));
  bool has_key = false;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].is_key || places[i] < 0) continue;
    has_key = true;
    place += fmt::format(", {}={}", columns[i].name, show_value(row, places[i]));
  }
  if (!has_key) place += fmt::format(", row {} of the result", number);
  return misfit(row.database(), place, columns[column].name, show_value(row, places[column]), why);
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
      fmt::format(
          "{}: read {}: column {}, which is the key, is NULL in some rows: they are after no position; give them "
          "a key, leave them out by your own SELECT, or map another key",
          database.name(), quoted(table), key)));
}

void interrupt(const Database& database) noexcept { sqlite3_interrupt(database.handle()); }

Error bad_position(const Database& database, std::string_view table, const Position& position) {
  return error_of(
      SQLITE_MISMATCH, ErrorClass::Fatal,
      fmt::format("{}: read {}: cannot resume at the position {}: it is not a value of the integer key, so it "
                  "belongs to another source",
                  database.name(), quoted(table), shown(std::string_view(position.text()))));
}

}  // namespace etl::inline v0::sqlite::detail

namespace etl::inline v0::sqlite {

Type type_of(std::string_view declared) noexcept {
  const auto holds = [&](std::string_view part) {
    return !std::ranges::search(declared, part, [](char a, char b) {
              return sqlite3_strnicmp(&a, &b, 1) == 0;
            }).empty();
  };
  if (holds("INT")) return Type::Integer;
  if (holds("CHAR") || holds("CLOB") || holds("TEXT")) return Type::Text;
  if (holds("BLOB")) return Type::Blob;
  if (holds("REAL") || holds("FLOA") || holds("DOUB")) return Type::Real;
  return declared.empty() ? Type::Any : Type::Numeric;
}

}  // namespace etl::inline v0::sqlite
