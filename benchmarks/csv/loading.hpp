#pragma once
// What `etl-csv load` does, in this process.

#include <cstdint>
#include <string>

namespace bench {

/// All rows of a file into a new SQLite database.
void load(const std::string& file, const std::string& database);
/// How many rows the database holds, which is removed.
[[nodiscard]] std::uint64_t take_loaded(const std::string& database);

}  // namespace bench
