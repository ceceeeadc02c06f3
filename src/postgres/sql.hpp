#pragma once
/// Parts of SQL: lists of columns, and the locks of merges.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <etl/postgres/table.hpp>

namespace etl::inline v0::postgres::detail {

/// The texts of the columns that `wanted` accepts.
template <class Wanted, class Text>
std::string list(std::span<const ColumnInfo> columns, Wanted wanted, Text text, std::string_view between = ", ") {
  std::string all;
  for (const ColumnInfo& column : columns)
    if (std::invoke(wanted, column)) all.append(all.empty() ? "" : between).append(text(column));
  return all;
}
inline bool any(const ColumnInfo&) { return true; }
inline std::string name_of(const ColumnInfo& column) { return quoted(column.name); }

/// A merge must see what other sessions have committed before it got its lock, whatever the server's default is.
inline constexpr const char* sees_others = "ISOLATION LEVEL READ COMMITTED";

/// Distinguishes the locks of tables from the advisory locks of other programs.
inline constexpr int lock_class = 1702128752;
/// Locks a table against other batches for the rest of the transaction.
[[nodiscard]] inline std::string lock_sql(std::int32_t table, std::string_view function) {
  return fmt::format("SELECT {}({}, {})", function, lock_class, table);
}
/// The same, unless the transaction already has the lock of a table: otherwise two transactions could wait for each
/// other.
[[nodiscard]] inline std::string lock_if_first(std::int32_t table) {
  return fmt::format(
      "{} WHERE NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = "
      "pg_backend_pid() AND classid = {} AND granted)",
      lock_sql(table, "pg_advisory_xact_lock"), lock_class);
}

}  // namespace etl::inline v0::postgres::detail
