#pragma once
/// Rows of a file, as views into a chunk of it.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::csv {

/// Where a row begins. Trivially copyable.
struct Place {
  std::uint64_t offset = 0;  ///< bytes of the inflated file before it
  std::uint64_t line = 1;    ///< number of the line, from 1
  std::uint64_t row = 1;     ///< number of the data row, from 1
  /// "OFFSET LINE ROW".
  [[nodiscard]] Position position() const;
  /// The place of a position; nothing if the position was not made by `position()`.
  [[nodiscard]] static std::optional<Place> from(const Position& position);
  friend bool operator==(const Place&, const Place&) = default;
};

namespace detail {

/// A row's cells are `ends[first]` to `ends[first + cells - 1]` of its table; number and line count from the table's.
struct RowSpan {
  std::uint32_t first = 0;
  std::uint32_t cells = 0;
  std::uint32_t number = 0;
  std::uint32_t line = 0;
};

/// Set in the end of a cell whose text is not simply what stands between its neighbours, without quotes.
inline constexpr std::uint32_t special_cell = 0x8000'0000;

/// What rows point into. A cell begins behind the end of the one before it; `ends[-1]` lies before the text.
struct Table {
  struct Rewritten {
    std::uint32_t cell = 0;
    std::uint32_t size = 0;
    std::size_t offset = 0;  // in `scratch`
  };
  const char* text = nullptr;  // the byte behind it can be read
  const std::uint32_t* ends = nullptr;
  int quote = -1;  // -1: none
  bool trim = false;
  char delimiter = ',';
  std::uint32_t width = 0;             // cells that each row has; 0: its own
  Place base{};                        // of `text`
  std::vector<Rewritten> rewritten{};  // by cell
  static constexpr std::size_t stretch = 64;
  std::vector<std::uint32_t> stretches{};  // for each `stretch` of cells its first in `rewritten`, and the end
  std::string scratch{};

  [[nodiscard]] std::uint32_t begin_of(std::size_t cell) const noexcept {
    return (*(ends + cell - 1) + 1) & ~special_cell;
  }
  /// As it is in the file, without the CR of a CR LF and blanks that do not count.
  [[nodiscard]] ETLPIPE_PURE std::string_view raw(std::size_t cell) const noexcept;
  [[nodiscard]] ETLPIPE_PURE std::string_view special(std::size_t cell) const noexcept;
  [[nodiscard]] ETLPIPE_PURE bool quoted(std::size_t cell) const noexcept;
};

/// The cells of a row, with what they need of the table at hand: for a loop over them.
class Cells {
 public:
  Cells() = default;
  ETLPIPE_ALWAYS_INLINE Cells(const Table& table, const RowSpan& span) noexcept
      : table_(&table), ends_(table.ends + span.first), text_(table.text), quote_(table.quote), size_(span.cells) {}
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE std::string_view operator[](std::size_t i) const noexcept {
    if (i >= size_) return {};
    const std::uint32_t end = ends_[i];
    if ((end & special_cell) != 0) [[unlikely]]
      return table_->special(static_cast<std::size_t>(ends_ + i - table_->ends));
    const std::uint32_t begin = (*(ends_ + i - 1) + 1) & ~special_cell;
    const char* const text = text_ + begin;
    const bool in_quotes = static_cast<unsigned char>(*text) == quote_;  // as good as random: no branch
    return {text + in_quotes, end - begin - 2 * std::uint32_t{in_quotes}};
  }

 private:
  const Table* table_ = nullptr;
  const std::uint32_t* ends_ = nullptr;
  const char* text_ = nullptr;
  int quote_ = -1;
  std::uint32_t size_ = 0;
};

}  // namespace detail

/// Iterates over the cells of a row.
class CellIterator {
 public:
  using iterator_concept = std::forward_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using value_type = std::string_view;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = std::string_view;

  CellIterator() = default;
  /// Made by `Row`.
  CellIterator(const detail::Cells& cells, std::size_t i) noexcept : cells_(cells), i_(i) {}
  [[nodiscard]] std::string_view operator*() const noexcept { return cells_[i_]; }
  CellIterator& operator++() noexcept {
    ++i_;
    return *this;
  }
  CellIterator operator++(int) noexcept {
    CellIterator before = *this;
    ++i_;
    return before;
  }
  [[nodiscard]] bool operator==(const CellIterator& other) const noexcept { return i_ == other.i_; }

 private:
  detail::Cells cells_;
  std::size_t i_ = 0;
};

/// One row: a view that is valid as long as its chunk is kept (`Chunk::keep`). Cheap to copy. Thread-safe.
class Row {
 public:
  Row() = default;
  /// Made by the reader.
  Row(const detail::Table& table, const detail::RowSpan& span) noexcept : table_(&table), span_(&span) {}

  [[nodiscard]] std::size_t size() const noexcept { return table_->width != 0 ? table_->width : span_->cells; }
  /// Iterates over all cells, faster than one by one: `for (std::string_view cell : row)`.
  [[nodiscard]] CellIterator begin() const noexcept { return {cells(), 0}; }
  [[nodiscard]] CellIterator end() const noexcept { return {{}, size()}; }
  /// The text of a cell, without its quotes; empty for a cell that the row does not have.
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE std::string_view operator[](std::size_t i) const noexcept {
    return detail::Cells(*table_, *span_)[i];
  }
  /// Whether the cell is in quotes: a quoted empty cell is not a missing value.
  [[nodiscard]] bool quoted(std::size_t i) const noexcept {
    return i < span_->cells && table_->quoted(span_->first + i);
  }
  /// The text of the row in the file, without its line end.
  [[nodiscard]] std::string_view text() const noexcept;
  /// Number of the data row in its file, from 1. Bad rows count.
  [[nodiscard]] std::uint64_t number() const noexcept { return table_->base.row + span_->number; }
  /// Number of the first line of the row in its file, from 1.
  [[nodiscard]] std::uint64_t line() const noexcept { return table_->base.line + span_->line; }
  /// Bytes of the inflated file before the row.
  [[nodiscard]] std::uint64_t offset() const noexcept { return table_->base.offset + table_->begin_of(span_->first); }
  /// Where the row begins.
  [[nodiscard]] Place place() const noexcept { return {offset(), line(), number()}; }
  /// Used by the library.
  [[nodiscard]] detail::Cells cells() const noexcept { return {*table_, *span_}; }

 private:
  const detail::Table* table_ = nullptr;
  const detail::RowSpan* span_ = nullptr;
};

/// Iterates over the rows of a chunk.
class RowIterator {
 public:
  using iterator_concept = std::forward_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using value_type = Row;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Row;

  RowIterator() = default;
  /// Made by `Chunk`.
  RowIterator(const detail::Table& table, const detail::RowSpan* span) noexcept : table_(&table), span_(span) {}
  [[nodiscard]] Row operator*() const noexcept { return {*table_, *span_}; }
  RowIterator& operator++() noexcept {
    ++span_;
    return *this;
  }
  RowIterator operator++(int) noexcept {
    RowIterator before = *this;
    ++span_;
    return before;
  }
  [[nodiscard]] bool operator==(const RowIterator& other) const noexcept { return span_ == other.span_; }

 private:
  const detail::Table* table_ = nullptr;
  const detail::RowSpan* span_ = nullptr;
};

}  // namespace etl::inline v0::csv
