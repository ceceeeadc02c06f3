#pragma once
// Sheets of workbooks beside files of delimited text.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/error.hpp>

namespace program {

/// What the command line says of workbooks.
struct SheetChoice {
  enum class Errors : std::uint8_t { Text, Null, Refuse };
  std::string sheet{};  ///< empty: the only one
  std::string range{};  ///< empty: all
  Errors errors = Errors::Text;
  bool fill_merged = false;
  bool empty_formulas = false;  ///< those that were saved without a value

  /// For fingerprints: what decides which rows there are.
  [[nodiscard]] std::string text() const;
};

/// The error of the component excel, which does not know the command line, with the options of it.
[[nodiscard]] etl::Error with_sheet_remedy(etl::Error error);

/// Options that say it.
void add_sheet(CLI::App& command, SheetChoice& choice);

/// By content. Standard input is none.
[[nodiscard]] bool is_workbook(const std::filesystem::path& file);

/// Rows of a file: delimited text, or a sheet of a workbook. `dialect` becomes that of the sheet: of what it says,
/// header, ragged rows and blanks count; lines to skip are rows of the sheet.
[[nodiscard]] etl::Result<etl::csv::Reader> open_rows(const std::filesystem::path& file, etl::csv::Dialect& dialect,
                                                      const etl::csv::ReaderOptions& options, const SheetChoice& choice,
                                                      const std::stop_token& stop);

/// The sheet that is chosen: its name, or the error.
[[nodiscard]] etl::Result<std::string> chosen_sheet(const std::filesystem::path& file, const SheetChoice& choice);
/// That one, or all of them when none is named.
[[nodiscard]] etl::Result<std::vector<std::string>> chosen_sheets(const std::filesystem::path& file,
                                                                  const SheetChoice& choice);
/// What its first `bytes` hold, as text.
[[nodiscard]] etl::Result<etl::csv::Sniffed> sniff_sheet(const std::filesystem::path& file, const SheetChoice& choice,
                                                         std::size_t bytes);

}  // namespace program
