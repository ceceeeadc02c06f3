#pragma once
// What is kept of a table beside the progress of its files.

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

/// What a store remembers of the table that files are loaded into. A value.
struct TableRecord {
  std::uint64_t generation = 1;         ///< one more when the table was dropped and made again
  TableIdentity identity{};             ///< empty: it is about to be made
  std::vector<std::string> inferred{};  ///< columns whose types were found out when the table was made

  [[nodiscard]] std::string text() const;
  /// Nothing: it is none of these.
  [[nodiscard]] static std::optional<TableRecord> from(std::string_view text);
  friend bool operator==(const TableRecord&, const TableRecord&) = default;
};

/// What is to become of the record of a table that is there, by what was kept (nothing: nothing was). A table that was
/// dropped and made again is another one, into which nothing has been loaded. One that was restored from a copy,
/// together with the store, is the same, unless it is empty.
[[nodiscard]] TableRecord record_of(const std::optional<TableRecord>& kept, const TableIdentity& found, bool empty);

/// Makes the table, if `create` is its columns, and keeps which one it is. Can be done again.
template <class Into>
[[nodiscard]] etl::Result<TableRecord> settle_table(Into& into, const Load& options, const TargetColumns* create);
extern template etl::Result<TableRecord> settle_table(IntoSqlite&, const Load&, const TargetColumns*);
extern template etl::Result<TableRecord> settle_table(IntoPostgres&, const Load&, const TargetColumns*);

}  // namespace program
