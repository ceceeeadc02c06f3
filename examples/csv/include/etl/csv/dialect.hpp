#pragma once
/// How a file of delimited text is written.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// What to do with a data row that has more or fewer cells than the header (without a header: than the first row).
enum class Ragged : std::uint8_t {
  Reject,    ///< set it aside
  Pad,       ///< missing cells are empty; a row with more cells is set aside
  Truncate,  ///< missing cells are empty; surplus cells are dropped
  Keep,      ///< keep the row with its number of cells
};

/// How the bytes of a file encode text.
enum class Encoding : std::uint8_t {
  Utf8,    ///< UTF-8, not converted; a leading byte order mark is skipped
  Latin1,  ///< Windows-1252, often called Latin-1 (ISO 8859-1); converted to UTF-8
};

/// The dialect of a file. Rows end with LF, CR LF or CR, also mixed; within quotes a line break belongs to the cell.
/// The default is RFC 4180 with a header row. A value.
struct Dialect {
  char delimiter = ',';                ///< between cells
  bool fixed_delimiter = false;        ///< the delimiter holds even if a first line "sep=;" names another
  std::optional<char> quote = '"';     ///< around cells; nothing: quotes are text
  std::optional<char> escape{};        ///< within quotes, escapes the next character; nothing: "" is a quote
  std::optional<char> comment{};       ///< lines that begin with it are skipped
  std::size_t skip_lines = 0;          ///< number of lines before the header
  std::size_t header_rows = 1;         ///< 0: columns have no names; several: their names are joined by a blank
  bool trim = false;                   ///< remove blanks and tabs around cells and around their quotes
  bool keep_blank_lines = false;       ///< a blank line is a row of one empty cell; otherwise it is skipped
  Ragged ragged = Ragged::Reject;      ///< rows with another number of cells
  std::size_t max_field = 16 << 20;    ///< most bytes of a cell, so that an unclosed quote does not take the whole file
  std::size_t max_lines = 1000;        ///< most lines of a cell in quotes; more are taken for a stray quote
  Encoding encoding = Encoding::Utf8;  ///< how bytes encode text
  std::string charset{};    ///< another encoding, as iconv names it; offsets are then those of the UTF-8 text
  bool check_utf8 = false;  ///< set aside rows with invalid UTF-8
  /// For a sheet of a workbook (`excel::open`): the column of its first cell, from 1 (A). Line breaks within cells then
  /// do not count, so that lines are the rows of the sheet, and errors of decoders name cells as "C12". 0: not a sheet.
  std::size_t sheet_column = 0;

  friend bool operator==(const Dialect&, const Dialect&) = default;
};

/// One error names every invalid setting.
[[nodiscard]] Result<void> check(const Dialect& dialect);

}  // namespace etl::inline v0::csv
