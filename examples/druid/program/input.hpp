#pragma once
// Files of rows, whatever their format: delimited text, workbooks and JSON.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/validate.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace program {

/// How files are read. The same for all files of a load.
struct InputOptions {
  std::string sheet{};          ///< of a workbook; empty: its only sheet
  std::string range{};          ///< of a workbook; empty: all cells
  bool empty_formulas = false;  ///< formulas of a workbook that were saved without a value are empty
  std::size_t skip_lines = 0;   ///< before the header
  std::string delimiter{};      ///< one character; empty: guessed
  std::string encoding{};       ///< of text, as iconv names it; empty: UTF-8, or UTF-16 that begins with its mark
};
void add_input(CLI::App& command, InputOptions& options);

/// What a column of the files contains, according to all rows.
struct Column {
  std::string name{};
  etl::csv::Kind kind = etl::csv::Kind::Text;
  bool empty = false;   ///< there is no value, so the kind says nothing
  bool nested = false;  ///< JSON: a value is an object, or an array that holds objects or arrays
  double least = std::numeric_limits<double>::max(), most = std::numeric_limits<double>::lowest();  ///< of numbers
  double time_score = 0;       ///< from 0 to 1: how suitable the column is as the time
  std::uint64_t misfits = 0;   ///< values that are not of the kind
  std::string first_misfit{};  ///< "FILE: row N: 'VALUE'"
};

/// The files of names and patterns. Pipes and devices are an error, because each file is read several times.
[[nodiscard]] etl::Result<std::vector<std::filesystem::path>> files_of(const std::vector<std::string>& patterns);

/// The columns in the order of the first file; for JSON, in the order of their first occurrence. Reads all rows.
[[nodiscard]] etl::Result<std::vector<Column>> columns_of(const std::vector<std::filesystem::path>& files,
                                                          const InputOptions& options, const std::stop_token& stop);

/// "csv", "json" or "workbook" by the content of a file; "unknown" if it is none of them.
[[nodiscard]] std::string format_of(const std::filesystem::path& file, const InputOptions& options);

/// The names of the columns. Reads all of a JSON file, and of other files only the header.
[[nodiscard]] etl::Result<std::vector<std::string>> names_of(const std::filesystem::path& file,
                                                             const InputOptions& options, const std::stop_token& stop);

/// Reads a file to its end. In the column `auto_time`, unless empty, a whole number that Druid's time format "auto"
/// would misread is a violation. If `each` is not null, it gets each row as one JSON object without the line end.
/// Problems of rows are added to the validation. The columns must be those of `columns_of` or `names_of`. A stop is an
/// error with the code `std::errc::operation_canceled`.
[[nodiscard]] etl::Result<etl::csv::Validation> read_rows(
    const std::filesystem::path& file, const InputOptions& options, const std::vector<std::string>& names,
    const etl::csv::ValidationLimits& limits, std::string_view auto_time,
    const std::function<etl::Result<void>(std::string_view)>& each, const std::stop_token& stop);

/// The error of a stop.
[[nodiscard]] inline etl::Error stopped() {
  return {.code = std::make_error_code(std::errc::operation_canceled), .context = "stopped"};
}

}  // namespace program
