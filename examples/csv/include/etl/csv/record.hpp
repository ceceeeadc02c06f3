#pragma once
/// Common parts of compile-time and run-time mappings: which cell is a column, what is NULL, the error of a bad cell.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/csv/parse.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// A column of a file: its name in the header, or its number, from 1.
struct Source {
  std::string name{};      ///< the name, unless `number` is set
  std::size_t number = 0;  ///< the number, from 1; 0: by name

  Source() = default;
  /// From a name or a number.
  Source(std::string column_name) : name(std::move(column_name)) {}
  Source(const char* column_name) : name(column_name) {}
  template <std::integral N>
  Source(N column_number) : number(column_number < 1 ? 0 : static_cast<std::size_t>(column_number)) {}

  /// Whether there is a name or a number.
  [[nodiscard]] bool valid() const noexcept { return number != 0 || !name.empty(); }
  friend bool operator==(const Source&, const Source&) = default;
};

/// A date and a time of day in two columns.
struct DateTime {
  Source date;  ///< the column of the date
  Source time;  ///< the column of the time of day
};

/// Texts that mean NULL. By default: an empty cell without quotes.
struct Nulls {
  std::vector<std::string> texts{std::string()};  ///< the texts
  bool quoted = false;                            ///< also within quotes
  bool empty_is_text = false;  ///< a quoted empty cell is a text in every column: an error where no text can be. Else
                               ///< an empty cell of any other kind than text is NULL (in JSON null alone is)

  Nulls() = default;
  /// These texts, outside quotes unless `also_quoted`.
  Nulls(std::initializer_list<std::string> all) : texts(all) {}
  explicit Nulls(std::vector<std::string> all, bool also_quoted = false) : texts(std::move(all)), quoted(also_quoted) {}

  /// Whether a text means NULL.
  [[nodiscard]] bool contains(std::string_view text) const noexcept {
    for (const std::string& null : texts)
      if (null == text) return true;
    return false;
  }
  /// Length of the longest text.
  [[nodiscard]] std::size_t longest() const noexcept {
    std::size_t size = 0;
    for (const std::string& null : texts) size = std::max(size, null.size());
    return size;
  }
  friend bool operator==(const Nulls&, const Nulls&) = default;
};

/// How the cells of a column are written.
struct CellFormat {
  TimeFormat time{};           ///< of dates and timestamps
  TimeFormat clock{};          ///< of a time of day in a separate column
  Nulls nulls{};               ///< texts that mean NULL
  bool decimal_comma = false;  ///< numbers are written 1,5
};

namespace detail {

inline constexpr std::size_t no_cell = std::numeric_limits<std::size_t>::max();

/// A column of a mapping, found in a file: cells from 0.
struct BoundCell {
  std::size_t cell = 0;
  std::size_t clock = no_cell;         // of the time of day
  std::string name{};                  // in the header, or empty
  std::size_t longest_null = no_cell;  // a longer text is not NULL
  std::size_t sheet_column = 0;        // where it stands in a sheet, from 1; 0: it is of no sheet
};

struct WantedCell {
  Source source;
  Source clock{};  // not valid: there is none
};

/// Finds all of them, or names all that are missing or ambiguous, with the header that was found. `width` 0: not known.
[[nodiscard]] Result<std::vector<BoundCell>> find_cells(std::span<const WantedCell> wanted,
                                                        std::span<const std::string> header, std::size_t width,
                                                        std::string_view file);

struct BadCell {
  std::string_view file;
  std::uint64_t line;
  std::uint64_t row;
  const BoundCell& cell;
  std::string_view value;
  std::string_view clock;   // what stood in the column of the time of day
  bool null;                // there is no value where there must be one
  std::string expected;     // "an integer"
  std::string_view noun{};  // of cells that have names and no numbers: "member"
  bool missing = false;     // JSON has null there, or nothing
  std::string where{};      // instead of file, line and row
};
/// Of class Rejected: "FILE:LINE: row N: column 3 'price': '1x' is not a number"; of a sheet "FILE:C12: column 3 ...";
/// of JSON "FILE:LINE: row N: member 'price': ...".
[[nodiscard]] Error bad_cell(const BadCell& bad);

/// A value for a message: shortened, control characters escaped.
[[nodiscard]] std::string shown(std::string_view value);
/// "a date", or "a date written %d.%m.%Y".
[[nodiscard]] std::string written(std::string_view what, const TimeFormat& format);

/// The row itself, or what finds its cells faster.
template <class R>
[[nodiscard]] decltype(auto) cells_of(const R& row) noexcept {
  if constexpr (requires { row.cells(); })
    return row.cells();
  else
    return (row);
}

/// Whether a row knows by itself that a cell is NULL, as those of JSON do: it is then no empty text.
template <class R>
[[nodiscard]] bool says_null(const R& row, std::size_t cell) {
  if constexpr (requires { row.null(cell); })
    return row.null(cell);
  else
    return false;
}

/// The error for a cell of a row. `null`: there is no value where there must be one; else its text is not `expected`.
template <class R>
[[nodiscard]] Error bad_cell_of(const R& row, std::string_view file, const BoundCell& cell, bool null,
                                const std::string& expected) {
  BadCell bad{.file = file,
              .line = row.line(),
              .row = row.number(),
              .cell = cell,
              .value = row[cell.cell],
              .clock = cell.clock == no_cell ? std::string_view() : row[cell.clock],
              .null = null,
              .expected = expected,
              .missing = null && says_null(row, cell.cell)};
  if constexpr (requires { R::cell_noun; }) bad.noun = R::cell_noun;
  if constexpr (requires { row.where(file); }) bad.where = row.where(file);
  return bad_cell(bad);
}

/// Whether a cell is NULL; its text is trimmed if blanks do not count. A row that knows NULL by itself says so
/// (`null`).
template <class R>
[[nodiscard]] bool is_null(const R& row, std::size_t cell, std::string_view text, const Nulls& nulls) {
  if (says_null(row, cell)) return true;
  return nulls.contains(text) && (nulls.quoted || !row.quoted(cell));
}

/// A date with the time of day of another cell.
[[nodiscard]] std::optional<Moment> join(std::string_view date, std::string_view clock,
                                         const CellFormat& format) noexcept;

}  // namespace detail
}  // namespace etl::inline v0::csv
