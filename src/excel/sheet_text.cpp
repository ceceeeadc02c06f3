#include "sheet_text.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::excel::detail {

std::string refused_error(std::string_view name) {
  return fmt::format("it holds the error {}; correct it, or choose how such cells are read (SheetOptions::errors)",
                     name.substr(0, 60));
}

SheetText::SheetText(std::string name, const CellRange& range, const Limits& limits, std::vector<Merged> merged)
    : name_(std::move(name)), range_(range), limits_(limits), merged_(std::move(merged)) {
  std::ranges::sort(merged_, {}, [](const Merged& one) { return one.first.row; });
  if (range_.has_last_column) width_ = range_.last_column - range_.first_column + 1;
}

Error SheetText::problem(std::size_t column, std::string_view what) const {
  return fatal(fmt::format("{}, cell {}: {}", name_, cell_name(column + 1, row_), what));
}

Error SheetText::row_problem(std::string_view what) const {
  return fatal(fmt::format("{}, row {}: {}", name_, row_, what));
}

Result<bool> SheetText::begin_row(std::uint64_t row) {
  if (row <= row_) {
    const std::uint64_t before = std::exchange(row_, row);
    return failure(row_problem(fmt::format("it comes after row {}; the file is damaged", before)));
  }
  row_ = row;
  if (row > most_rows) return failure(row_problem(fmt::format("a sheet has {} rows at most", most_rows)));
  if (row > range_.last_row) return false;
  in_range_ = row >= range_.first_row;
  texts_.clear();
  cells_.clear();
  cell_begin_ = 0;
  return true;
}

Error SheetText::row_too_long(std::size_t column) const {
  return problem(column, fmt::format("the row is more than {} bytes of text (Limits::max_row)", limits_.max_row));
}

Result<void> SheetText::end_cell(std::size_t column) {
  if (texts_.size() > limits_.max_row) return failure(row_too_long(column));
  if (!cells_.empty() && column <= cells_.back().column)
    return failure(problem(
        column, fmt::format("it comes after cell {}; the file is damaged", cell_name(cells_.back().column + 1, row_))));
  cells_.push_back({column, cell_begin_, texts_.size() - cell_begin_});
  cell_begin_ = texts_.size();
  return {};
}

Result<void> SheetText::fill_merged() {
  std::erase_if(filling_, [this](const Filling& one) {
    const bool over = one.range.last.row < row_;
    if (over) filling_size_ -= one.text.size();
    return over;
  });
  for (; next_merged_ < merged_.size() && merged_[next_merged_].first.row <= row_; ++next_merged_) {
    const Merged& range = merged_[next_merged_];
    const auto at = std::ranges::lower_bound(cells_, range.first.column, {}, &Cell::column);
    // The first cell has no value.
    if (range.first.row < row_ || at == cells_.end() || at->column != range.first.column) continue;
    filling_.push_back({range, texts_.substr(at->begin, at->size)});
    filling_size_ += at->size;
    if (filling_size_ > limits_.max_row) return failure(row_too_long(range.first.column));
  }
  if (filling_.empty() || cells_.empty()) return {};
  const std::size_t own = cells_.size();
  std::size_t size = texts_.size();
  for (const Filling& one : filling_) {
    const std::size_t begin = texts_.size();
    texts_ += one.text;
    for (std::size_t column = one.range.first.column; column <= one.range.last.column; ++column) {
      const auto end = cells_.begin() + static_cast<std::ptrdiff_t>(own);
      const auto place = std::ranges::lower_bound(cells_.begin(), end, column, {}, &Cell::column);
      if (place != end && place->column == column) continue;
      size += one.text.size() + 1;
      if (size > limits_.max_row) return failure(row_too_long(column));
      cells_.push_back({column, begin, one.text.size()});
    }
  }
  std::ranges::sort(cells_, {}, [](const Cell& cell) { return std::pair(cell.column, cell.begin); });
  const auto twice = std::ranges::unique(cells_, {}, &Cell::column);  // cells that overlapping ranges fill twice
  cells_.erase(twice.begin(), twice.end());
  return {};
}

std::size_t SheetText::take(std::span<char> to) noexcept {
  const std::size_t size = std::min(to.size(), out_.size() - taken_);
  out_.copy(to.data(), size, taken_);
  taken_ += size;
  if (taken_ == out_.size()) {
    out_.clear();
    taken_ = 0;
  }
  return size;
}

void SheetText::write_cell(std::string_view text) {
  // Quotes a text that a reader of CSV would misread. At the very beginning of the output, this includes a byte order
  // mark and "sep=".
  const bool first = written_ == 0 && out_.empty();
  const bool quoted = text.empty() || text.find_first_of(",\"\r\n") != text.npos ||
                      (first && (text.starts_with("sep=") || text.starts_with("\xEF\xBB\xBF")));
  if (!quoted) {
    out_ += text;
    return;
  }
  out_ += '"';
  for (std::size_t at = text.find('"'); at != text.npos; at = text.find('"')) {
    out_.append(text.substr(0, at + 1)) += '"';
    text.remove_prefix(at + 1);
  }
  out_.append(text) += '"';
}

Result<void> SheetText::end_row() {
  if (auto filled = fill_merged(); !filled) return filled;
  if (!merged_.empty()) std::erase_if(cells_, [this](const Cell& cell) { return !range_.has_column(cell.column); });
  if (!in_range_ || cells_.empty()) return {};
  const std::size_t before = out_.size();
  out_.append(row_ - 1 - lines_, '\n');
  width_ = std::max(width_, cells_.back().column - range_.first_column + 1);
  std::size_t at = range_.first_column;
  for (const Cell& cell : cells_) {
    out_.append(cell.column - at, ',');
    at = cell.column;
    write_cell(std::string_view(texts_).substr(cell.begin, cell.size));
  }
  out_.append(range_.first_column + width_ - 1 - at, ',');
  out_ += '\n';
  lines_ = row_;
  written_ += out_.size() - before;
  if (written_ > limits_.max_unpacked)
    return failure(row_problem(
        fmt::format("the text of the sheet is more than {} bytes (Limits::max_unpacked)", limits_.max_unpacked)));
  return {};
}

}  // namespace etl::inline v0::excel::detail
