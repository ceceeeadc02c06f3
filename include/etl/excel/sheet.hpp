#pragma once
/// Sheets of Excel workbooks, as text that `csv::Reader` reads: `.xlsx` (and `.xlsm`), and `.xls` of Excel 97 to 2003.
///
///     auto sheet = etl::excel::open("book.xlsx", {.sheet = "Sales"});
///     if (!sheet) return etl::failure(sheet.error());
///     etl::csv::Dialect dialect;
///     dialect.sheet_column = sheet->first_column;
///     auto rows = etl::csv::Reader::from(std::move(sheet->text), dialect);

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::excel {

/// The format of a workbook.
enum class Format : std::uint8_t {
  Xlsx,  ///< a zip archive of XML (ECMA-376), also .xlsm, .xltx, .xltm
  Xls,   ///< a compound file, BIFF8 or BIFF5
};

/// The format by the first bytes of a file, whatever its name is. Nothing if the file is neither a zip archive nor a
/// compound file. Only `open` finds out whether a zip archive is a workbook.
[[nodiscard]] std::optional<Format> format_of(std::string_view first_bytes) noexcept;
/// The same of a file, or of an object (`s3://...`) whose name has an extension of workbooks: for other objects nothing
/// is requested. Also nothing if the file cannot be opened or is not a regular file.
[[nodiscard]] std::optional<Format> format_of(const std::filesystem::path& path);

/// How a cell is read that holds an error such as #DIV/0!.
enum class ErrorCells : std::uint8_t {
  Text,    ///< its name as Excel shows it, "#DIV/0!": a column of numbers then rejects the row and names the cell
  Empty,   ///< an empty cell, which is NULL
  Refuse,  ///< the read ends with an error that names the cell
};

/// What cells of a merged range hold, besides the first one.
enum class MergedCells : std::uint8_t {
  First,  ///< nothing, as in the file: only the upper left cell has the value
  Fill,   ///< the value of the upper left cell, in each row that has a value of its own
};

/// Limits for a workbook. A file that exceeds a limit is an error that names the limit; memory stays
/// within `max_row` and `strings_in_memory` and a few megabytes (`.xls`: within `max_xls_cells`).
struct Limits {
  std::uint64_t max_unpacked = std::uint64_t{8}
                               << 30;  ///< bytes of one part of the archive, and of the text made of it
  std::uint64_t max_ratio = 500;       ///< unpacked bytes for each packed one, from the first 16 MiB on (zip bomb)
  std::size_t max_row = 64 << 20;      ///< bytes of the text of one row
  /// Bytes of shared strings in memory. Further strings are kept in an unnamed file in the folder for temporary files.
  std::size_t strings_in_memory = 64 << 20;
  /// Largest size of an object (`s3://...`) in bytes. It is copied to an unnamed file in the folder for temporary
  /// files, because a workbook is not read from front to back. The last copy is kept for the next sheet, until another
  /// one is made.
  std::uint64_t max_copied = std::uint64_t{1} << 30;
  std::size_t max_xls_cells = 20'000'000;  ///< cells of all sheets of an `.xls`, which libfreexl holds in memory
  friend bool operator==(const Limits&, const Limits&) = default;
};

/// What to read of a workbook. An aggregate.
struct SheetOptions {
  /// The name of the sheet, in any case of ASCII letters. Empty: the only visible sheet. If there are several, the
  /// error names them.
  std::string sheet{};
  /// "B3:F100", "B:F", "B3:F" or "3:100": only these cells. Empty: all, from column A on.
  std::string range{};
  ErrorCells errors = ErrorCells::Text;     ///< how cells with errors are read
  MergedCells merged = MergedCells::First;  ///< how merged cells are read
  /// Whether a formula that was saved without its value is an empty cell. If false, it is an error, because its value
  /// is not known.
  bool formulas_without_value_are_empty = false;
  Limits limits{};  ///< limits on memory and size
  friend bool operator==(const SheetOptions&, const SheetOptions&) = default;
};

/// A sheet of a workbook. A value.
struct SheetInfo {
  std::string name{};   ///< its name
  bool hidden = false;  ///< Excel does not show it; it can be read by its name
  friend bool operator==(const SheetInfo&, const SheetInfo&) = default;
};

/// The sheets with cells, in the order of the workbook. Sheets that are only a chart are left out.
[[nodiscard]] Result<std::vector<SheetInfo>> sheets(const std::filesystem::path& path, const Limits& limits = {});

/// The sheet that `open` takes for this name (`SheetOptions::sheet`, which may be empty), or its error.
[[nodiscard]] Result<SheetInfo> find_sheet(const std::filesystem::path& path, std::string_view name,
                                           const Limits& limits = {});

/// A sheet that is open.
struct Sheet {
  /// RFC 4180, UTF-8, LF. Line n of the text is row n of the sheet, except for line breaks within cells
  /// (`csv::Dialect::sheet_column` does not count these). A row without any value is an empty line, and so no row. A
  /// row has at least as many cells as every row before it.
  ///   number     as the double is written shortest, "1.1", or as an integer
  ///   date       by the number format of the cell: "2024-01-31", "2024-01-31T13:45:10", "13:45:10", and hours beyond a
  ///              day as "36:00:00"; in both epochs, 1900 and 1904, to the millisecond
  ///   truth      "true" or "false"
  ///   text       as it is, rich text without its fonts; an empty text is "" in quotes, an empty cell is without
  ///   formula    the value that was saved with it
  /// Hidden and filtered rows and columns are included like all others.
  /// Errors name the file, the sheet and the cell: "book.xlsx: sheet 'Sales', cell C12: ...".
  /// Belongs to one thread at a time.
  io::Source text;
  std::string name{};            ///< of the sheet
  std::size_t first_column = 1;  ///< of the text in the sheet, from 1: A
};

/// Opens a sheet of a file, or of an object by its URL. Standard input cannot be read: a workbook is not read from
/// front to back. An error names what the file is instead of a workbook, such as one with a password, an OpenDocument
/// sheet, or a file that is cut off.
[[nodiscard]] Result<Sheet> open(const std::filesystem::path& path, const SheetOptions& options = {});

/// "C12": `column` and `row` from 1.
[[nodiscard]] std::string cell_name(std::size_t column, std::uint64_t row);

}  // namespace etl::inline v0::excel
