#pragma once
/// One context for the rows of several tables.

#include <string>
#include <string_view>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

/// For the transactions of a store: calls `write`, which writes a table with the context of a call of `load`. Returns
/// an error of class Fatal if this call writes several tables with its context, and one of them refuses a row: the
/// other tables keep what they have of that row, and a replay of its letter would write it once more (G15).
template <class Write>
[[nodiscard]] Result<void> write_with(BatchContext& context, std::string_view table, Write write) {
  const auto refused = [&] {
    return failure(fatal(
        "load writes the table '" + std::string(table) +
        "' and another one with its context, and one of them refuses a row that the other one takes: write several "
        "tables without the context, and find the bad rows by Isolation::Bisect"));
  };
  const bool another = context.begin_write();
  if (another && !context.rejects().empty()) return refused();
  Result<void> written = write();
  if (written && another && !context.rejects().empty()) return refused();
  return written;
}

}  // namespace etl::inline v0
