#pragma once
// Reads sheets of workbooks in the same way as files of delimited text.

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

/// The options of the command line for workbooks.
struct SheetChoice {
  enum class Errors : std::uint8_t { Text, Null, Refuse };
  std::string sheet{};  ///< empty: the only sheet
  std::string range{};  ///< empty: all cells
  Errors errors = Errors::Text;
  bool fill_merged = false;
  bool empty_formulas = false;  ///< formulas that were saved without a value are empty

  /// Text for the fingerprint: the options that determine the rows.
  [[nodiscard]] std::string text() const;
};

/// The error of the component excel, with the options of the command line, which the component does not know.
[[nodiscard]] etl::Error with_sheet_remedy(etl::Error error);

/// Adds the options to a command.
void add_sheet(CLI::App& command, SheetChoice& choice);

/// Whether the content of the file is a workbook. False for standard input.
[[nodiscard]] bool is_workbook(const std::filesystem::path& file);

/// The rows of a file: delimited text, or a sheet of a workbook. For a sheet, `dialect` becomes that of the sheet:
/// header, ragged rows and blanks are taken from the given dialect, and lines to skip are rows of the sheet.
[[nodiscard]] etl::Result<etl::csv::Reader> open_rows(const std::filesystem::path& file, etl::csv::Dialect& dialect,
                                                      const etl::csv::ReaderOptions& options, const SheetChoice& choice,
                                                      const std::stop_token& stop);

/// The name of the chosen sheet, or an error.
[[nodiscard]] etl::Result<std::string> chosen_sheet(const std::filesystem::path& file, const SheetChoice& choice);
/// The chosen sheet, or all sheets if none is named.
[[nodiscard]] etl::Result<std::vector<std::string>> chosen_sheets(const std::filesystem::path& file,
                                                                  const SheetChoice& choice);
/// Inspects the first `bytes` bytes of the sheet as text. Of the dialect, the same counts as for `open_rows`.
[[nodiscard]] etl::Result<etl::csv::Sniffed> sniff_sheet(const std::filesystem::path& file, const SheetChoice& choice,
                                                         const etl::csv::SniffHints& hints, std::size_t bytes);

}  // namespace program
