#pragma once
// What the store keeps about a table beside the progress of its files.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/delivery/checkpoint.hpp>
#include <etl/error.hpp>

#include "into.hpp"
#include "load.hpp"

namespace program {

/// What a store remembers about the table that files are loaded into. A value type.
struct TableRecord {
  std::uint64_t generation = 1;         ///< incremented when the table was dropped and made again
  TableIdentity identity{};             ///< empty while the table is being made
  std::vector<std::string> inferred{};  ///< columns whose types were inferred when the table was made

  [[nodiscard]] std::string text() const;
  /// Nothing if the text is not a record.
  [[nodiscard]] static std::optional<TableRecord> from(std::string_view text);
  friend bool operator==(const TableRecord&, const TableRecord&) = default;
};

/// The new record of an existing table. `kept` is the old record, or nothing. A table that was dropped and made again
/// is another table, into which nothing has been loaded. A table that was restored from a copy together with the store
/// is the same table, unless it is empty.
[[nodiscard]] TableRecord record_of(const std::optional<TableRecord>& kept, const TableIdentity& found, bool empty);

/// The name that the table had when files were first loaded into it, if it was renamed since and no other table has
/// got that name. Otherwise empty.
template <class Into>
[[nodiscard]] etl::Result<std::string> former_name(Into& into, const Load& options);
extern template etl::Result<std::string> former_name(IntoSqlite&, const Load&);
extern template etl::Result<std::string> former_name(IntoPostgres&, const Load&);

/// Makes the table if `create` gives its columns, and keeps its identity. May be repeated.
template <class Into>
[[nodiscard]] etl::Result<TableRecord> settle_table(Into& into, const Load& options, const TargetColumns* create);
extern template etl::Result<TableRecord> settle_table(IntoSqlite&, const Load&, const TargetColumns*);
extern template etl::Result<TableRecord> settle_table(IntoPostgres&, const Load&, const TargetColumns*);

}  // namespace program
