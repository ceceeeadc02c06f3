#pragma once
// Writes a sheet as delimited text, row by row.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/excel/sheet.hpp>

#include "cell_text.hpp"

namespace etl::inline v0::excel::detail {

/// A range of merged cells.
struct Merged {
  CellPlace first{};
  CellPlace last{};
};

/// Error text for a formula without a value.
inline constexpr std::string_view no_formula_value =
    "its formula was saved without a value; open and save the workbook in a program that calculates, or let such cells "
    "be empty (SheetOptions::formulas_without_value_are_empty)";
/// Error text for an error cell, if error cells are refused.
[[nodiscard]] std::string refused_error(std::string_view name);

/// Takes the cells of a sheet row by row, and writes the cells in the range as lines of CSV. Errors name the cell.
class SheetText {
 public:
  /// `name` is "FILE: sheet 'NAME'". `merged` are the ranges to fill, in any order.
  SheetText(std::string name, const CellRange& range, const Limits& limits, std::vector<Merged> merged = {});

  /// Begins a row. Rows must come in ascending order. Returns false if no later row is in the range.
  [[nodiscard]] Result<bool> begin_row(std::uint64_t row);
  /// Whether the cell is needed; if not, the caller skips it.
  [[nodiscard]] bool wants(std::size_t column) const noexcept {
    return !merged_.empty() || (in_range_ && range_.has_column(column));
  }
  /// The text to which the caller appends the value of a cell, before `end_cell`.
  [[nodiscard]] std::string& text() noexcept { return texts_; }
  /// Ends a cell. Its value is what was appended since the last cell. An empty value is an empty text, not a missing
  /// value.
  [[nodiscard]] Result<void> end_cell(std::size_t column);
  [[nodiscard]] Result<void> end_row();

  /// Moves written bytes to `to` as far as there is room. Returns their number.
  [[nodiscard]] std::size_t take(std::span<char> to) noexcept;
  /// Number of bytes that are written and not taken.
  [[nodiscard]] std::size_t size() const noexcept { return out_.size() - taken_; }
  [[nodiscard]] std::uint64_t row() const noexcept { return row_; }
  /// An error with the text "FILE: sheet 'NAME', cell C12: what". `column` is counted from 0.
  [[nodiscard]] Error problem(std::size_t column, std::string_view what) const;
  /// An error with the text "FILE: sheet 'NAME', row 12: what".
  [[nodiscard]] Error row_problem(std::string_view what) const;

 private:
  struct Cell {
    std::size_t column = 0;
    std::size_t begin = 0, size = 0;  // place in `texts_`
  };
  struct Filling {
    Merged range{};
    std::string text{};
  };
  [[nodiscard]] Result<void> fill_merged();
  [[nodiscard]] Error row_too_long(std::size_t column) const;
  void write_cell(std::string_view text);

  std::string name_;
  CellRange range_;
  Limits limits_;
  std::vector<Merged> merged_;  // sorted by first row
  std::size_t next_merged_ = 0;
  std::vector<Filling> filling_{};
  std::size_t filling_size_ = 0;  // total size of the texts of the ranges being filled
  std::string texts_{};
  std::size_t cell_begin_ = 0;
  std::vector<Cell> cells_{};
  std::string out_{};
  std::size_t taken_ = 0;  // bytes of `out_` already taken
  std::uint64_t row_ = 0, lines_ = 0, written_ = 0;
  std::size_t width_ = 0;
  bool in_range_ = false;
};

}  // namespace etl::inline v0::excel::detail
