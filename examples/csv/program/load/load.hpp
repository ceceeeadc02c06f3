#pragma once
// etl-csv load: what the command line asks for.

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

#include <etl/csv/dialect.hpp>
#include <etl/csv/mapping.hpp>
#include <etl/csv/value.hpp>
#include <etl/memory_budget.hpp>
#include <etl/stop.hpp>

#include "log.hpp"
#include "workbook.hpp"

namespace program {

/// What becomes of a row whose key is in the table already.
enum class Duplicate : std::uint8_t { Reject, Ignore, Replace, Update };

struct Load {
  std::vector<std::string> patterns{};
  std::string into{};                            ///< sqlite:PATH, or a PostgreSQL URL
  std::string table{};                           ///< may be SCHEMA.TABLE
  std::filesystem::path mapping{};               ///< empty: columns by their names, types from the table
  std::optional<etl::csv::FileFormat> format{};  ///< nothing: by the names of files
  etl::csv::Dialect dialect{};
  SheetChoice sheet{};               ///< of workbooks
  bool name_columns = false;         ///< those without a name in the header
  bool find_delimiter = true;        ///< in each file, instead of the dialect's
  std::vector<std::string> nulls{};  ///< empty: an empty cell without quotes
  bool empty_is_text = false;        ///< a quoted empty cell, also where other cells are no texts
  bool decimal_comma = false;
  std::map<std::string, etl::csv::Kind, std::less<>> types{};  ///< of columns of the table
  bool create = false;
  bool widen = false;               ///< with `create`: all of the files tells kinds, not their beginning
  std::vector<std::string> keys{};  ///< of a table that is created
  Duplicate duplicate = Duplicate::Reject;
  std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::size_t connections = 4;  ///< loads at once
  std::size_t batch_size = 5000;
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);
  std::shared_ptr<etl::MemoryBudget> memory{};  ///< of what is read and not yet loaded; null: no limit
  std::uint64_t max_rejects = UINT64_MAX;       ///< of a file
  double max_reject_ratio = 1.0;
  bool restart = false;
  bool dry_run = false;
  std::filesystem::path rejects{};              ///< empty: not wanted as a file
  std::vector<std::string> checks{};            ///< SQL
  std::vector<std::filesystem::path> merges{};  ///< SQL scripts
  Log log{LogLevel::Info};
  bool json = false;
};

/// Returns the exit code.
int load(const Load& options, const etl::StopToken& stop);

}  // namespace program
