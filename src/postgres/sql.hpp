#pragma once
/// Lists of columns in SQL.

#include <functional>
#include <span>
#include <string>
#include <string_view>

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

}  // namespace etl::inline v0::postgres::detail
