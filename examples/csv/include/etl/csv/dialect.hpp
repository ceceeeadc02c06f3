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
  char delimiter = ',';              ///< between cells
  std::optional<char> quote = '"';   ///< nothing: quotes are text like any other
  std::optional<char> escape{};      ///< within quotes, this takes the next character as it is; nothing: "" is a quote
  std::optional<char> comment{};     ///< a line that begins with it is no row
  std::size_t skip_lines = 0;        ///< before the header: whole lines, whatever is in them
  std::size_t header_rows = 1;       ///< 0: columns have no names; several: their names are joined by a blank
  bool trim = false;                 ///< blanks and tabs around cells, and around their quotes, do not count
  bool keep_blank_lines = false;     ///< as rows of one empty cell; else they are no rows
  Ragged ragged = Ragged::Reject;    ///< see there
  std::size_t max_field = 16 << 20;  ///< bytes of a cell at most: an unclosed quote does not swallow the file
  std::size_t max_lines = 1000;      ///< of a cell in quotes at most: more are rows behind a quote that is one too many
  Encoding encoding = Encoding::Utf8;  ///< see there
  std::string charset{};    ///< any other encoding, as iconv names it; offsets are then those of the text as UTF-8
  bool check_utf8 = false;  ///< rows with invalid UTF-8 are set aside
  /// The text is a sheet of a workbook, a row a line (`excel::open`), and its first cell stands in this column, from 1:
  /// A. A line break within a cell then counts as no line, so that lines are the rows of the sheet, and errors of
  /// decoders name cells as "C12". 0: it is no sheet.
  std::size_t sheet_column = 0;

  friend bool operator==(const Dialect&, const Dialect&) = default;
};

/// One error names every invalid setting.
[[nodiscard]] Result<void> check(const Dialect& dialect);

}  // namespace etl::inline v0::csv
