#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/source.hpp>
#include <etl/sqlite/table.hpp>
#include <etl/sqlite/values.hpp>

#include "connection.hpp"

namespace etl::inline v0::sqlite::detail {

namespace {

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

}  // namespace

Error misfit(const Database& database, std::string_view place, std::string_view column, std::string_view value,
             std::string_view why) {
  return error_of(SQLITE_MISMATCH, ErrorClass::Rejected,
                  fmt::format("{}: {}, column {}: {}: {}", database.name(), place, quoted(column), value, why));
}

Error unmatched(const Database& database, std::string_view place) {
  return error_of(
      SQLITE_CONSTRAINT_FOREIGNKEY, ErrorClass::Rejected,
      fmt::format("{}: {}: FOREIGN KEY constraint failed: the row that this row refers to is neither in the "
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

Error bad_position(const Database& database, std::string_view table, const Position& position) {
  return error_of(
      SQLITE_MISMATCH, ErrorClass::Fatal,
      fmt::format("{}: read {}: cannot resume at the position {}: it is not a value of the integer key, so it "
                  "belongs to another source",
                  database.name(), quoted(table), shown(std::string_view(position.text()))));
}

}  // namespace etl::inline v0::sqlite::detail
