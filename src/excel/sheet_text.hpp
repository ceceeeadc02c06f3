#pragma once
// A sheet as delimited text, row by row.

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

/// What is wrong with a formula without a value.
inline constexpr std::string_view no_formula_value =
    "its formula was saved without a value; open and save the workbook in a program that calculates, or let such cells "
    "be empty (SheetOptions::formulas_without_value_are_empty)";
/// What is wrong with an error cell, where these are refused.
[[nodiscard]] std::string refused_error(std::string_view name);

/// Takes the cells of a sheet, row by row, and writes what is in the range as lines of CSV. Errors name the cell.
class SheetText {
 public:
  /// `name`: "FILE: sheet 'NAME'". `merged`: to be filled, in any order.
  SheetText(std::string name, const CellRange& range, const Limits& limits, std::vector<Merged> merged = {});

  /// Rows come in their order. False: no later row is in the range.
  [[nodiscard]] Result<bool> begin_row(std::uint64_t row);
  /// Whether the cell counts; else nothing is to be done for it.
  [[nodiscard]] bool wants(std::size_t column) const noexcept {
    return !merged_.empty() || (in_range_ && range_.has_column(column));
  }
  /// Where the text of a cell of the row is to be appended, by `end_cell` it is one.
  [[nodiscard]] std::string& text() noexcept { return texts_; }
  /// What was appended since the last cell is the value of this one. An empty one is an empty text, not no value.
  [[nodiscard]] Result<void> end_cell(std::size_t column);
  [[nodiscard]] Result<void> end_row();

  /// Moves what is written to `to`, as far as there is room; gives its size.
  [[nodiscard]] std::size_t take(std::span<char> to) noexcept;
  /// Bytes that are written and not taken.
  [[nodiscard]] std::size_t size() const noexcept { return out_.size() - taken_; }
  [[nodiscard]] std::uint64_t row() const noexcept { return row_; }
  /// "FILE: sheet 'NAME', cell C12: what". `column` from 0.
  [[nodiscard]] Error problem(std::size_t column, std::string_view what) const;
  /// "FILE: sheet 'NAME', row 12: what".
  [[nodiscard]] Error row_problem(std::string_view what) const;

 private:
  struct Cell {
    std::size_t column = 0;
    std::size_t begin = 0, size = 0;  // in `texts_`
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
  std::vector<Merged> merged_;  // by their first row
  std::size_t next_merged_ = 0;
  std::vector<Filling> filling_{};
  std::size_t filling_size_ = 0;  // of their texts
  std::string texts_{};
  std::size_t cell_begin_ = 0;
  std::vector<Cell> cells_{};
  std::string out_{};
  std::size_t taken_ = 0;  // of `out_`
  std::uint64_t row_ = 0, lines_ = 0, written_ = 0;
  std::size_t width_ = 0;
  bool in_range_ = false;
};

}  // namespace etl::inline v0::excel::detail
