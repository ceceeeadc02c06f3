#pragma once
// etl-csv load: the options of the command line.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <etl/csv/mapping.hpp>
#include <etl/csv/value.hpp>
#include <etl/memory_budget.hpp>
#include <etl/stop.hpp>

#include "log.hpp"
#include "parsing.hpp"

namespace program {

/// What happens to a row whose key already exists in the table.
enum class Duplicate : std::uint8_t { Reject, Ignore, Replace, Update };

/// Types of columns of the table, by their names.
using ColumnTypes = std::map<std::string, etl::csv::Kind, std::less<>>;

struct Load : Parsing {
  std::vector<std::string> patterns{};
  std::string into{};               ///< sqlite:PATH or a PostgreSQL URL
  std::string table{};              ///< may be SCHEMA.TABLE
  std::string former_table{};       ///< under which progress is kept, if the table was renamed since
  std::filesystem::path mapping{};  ///< empty: columns by their names, with the types of the table
  bool name_columns = false;        ///< gives names to columns without a name in the header
  bool find_delimiter = true;       ///< finds the delimiter of each file, instead of using the dialect's
  ColumnTypes types{};
  bool create = false;
  bool widen = false;               ///< with `create`: all of each file determines the kinds, not only its beginning
  std::vector<std::string> keys{};  ///< key columns of a table that is created
  Duplicate duplicate = Duplicate::Reject;
  std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::size_t connections = 4;  ///< number of loads at the same time
  std::size_t batch_size = 5000;
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);
  std::shared_ptr<etl::MemoryBudget> memory{};  ///< limits what is read and not yet loaded; null: no limit
  std::uint64_t max_rejects = UINT64_MAX;       ///< per file
  double max_reject_ratio = 1.0;
  bool restart = false;
  bool dry_run = false;
  std::filesystem::path rejects{};              ///< empty: no file of rejected rows
  std::vector<std::string> checks{};            ///< SQL queries
  std::vector<std::filesystem::path> merges{};  ///< SQL scripts
  Log log{LogLevel::Info};
  bool json = false;

  /// The name of the table under which its progress is kept.
  [[nodiscard]] const std::string& kept_as() const noexcept { return former_table.empty() ? table : former_table; }
};

/// Runs the load. Returns the exit code.
int load(const Load& options, const etl::StopToken& stop);

}  // namespace program
