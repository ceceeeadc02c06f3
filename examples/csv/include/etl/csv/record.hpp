#pragma once
/// Rows as records of values, by columns that are known at run time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <etl/config.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv {

/// One value of a record: where it comes from, and what it is.
struct RecordColumn {
  std::string name;                    ///< of the value; what errors call it
  std::string source{};                ///< the header's name; empty: `name`, unless there is an `index`
  std::optional<std::size_t> index{};  ///< of the cell, from 1, instead of a name
  /// A second cell whose text, behind a blank, belongs to the first's: a date and a time in two columns.
  std::string second{};
  std::optional<std::size_t> second_index{};
  Kind kind = Kind::Text;
  bool nullable = true;
  std::string format{};  ///< of dates and times, see `parse_formatted`; empty: ISO 8601
  bool decimal_comma = false;
  friend bool operator==(const RecordColumn&, const RecordColumn&) = default;
};

/// Columns, and what they have in common. A value.
struct RecordFormat {
  std::vector<RecordColumn> columns{};
  /// Cells that mean NULL. Empty: a cell that is empty and not in quotes (a text column that is not nullable: "").
  std::vector<std::string> nulls{};
  friend bool operator==(const RecordFormat&, const RecordFormat&) = default;
};

/// Every setting that cannot be, in one error.
[[nodiscard]] Result<void> check(const RecordFormat& format);

/// A format bound to the columns of one file. Thread-safe but for `decode`, which has scratch memory: one for each
/// worker, by copying.
class RecordDecoder {
 public:
  /// `header`: the names of the file's columns; empty: it has none, then all columns go by index, and those without
  /// one stand in the order of the cells. One error names all columns that are missing, or that are there twice.
  [[nodiscard]] static Result<RecordDecoder> bind(const RecordFormat& format, std::span<const std::string> header,
                                                  std::string file);

  /// The values of a row, in the order of the columns; strings in `record` are reused. Any row type with `operator[]`,
  /// `quoted`, `line` and `number` as `csv::Row` has them. An error is of class Rejected: "FILE:LINE: row N, column
  /// NAME (3): 'abc' is no integer".
  template <class Row>
  [[nodiscard]] Result<void> decode(const Row& row, Record& record) {
    record.resize(cells_.size());
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = cells_[i];
      std::string_view text = row[cell.index];
      bool quoted = row.quoted(cell.index);
      if (cell.second) [[unlikely]] {
        joined_.assign(text).append(" ").append(row[*cell.second]);
        text = joined_ == " " ? std::string_view() : std::string_view(joined_);
        quoted = quoted || row.quoted(*cell.second);
      }
      if (const char* const why = set(record[i], format_.columns[i], text, quoted)) [[unlikely]]
        return failure(misfit(i, text, why, row.line(), row.number()));
    }
    return {};
  }
  [[nodiscard]] const RecordFormat& format() const noexcept { return format_; }

 private:
  struct Cell {
    std::size_t index = 0;
    std::optional<std::size_t> second{};
  };
  RecordDecoder(RecordFormat format, std::vector<Cell> cells, std::string file)
      : format_(std::move(format)), cells_(std::move(cells)), file_(std::move(file)) {}
  [[nodiscard]] const char* set(Value& value, const RecordColumn& column, std::string_view text, bool quoted);
  [[nodiscard]] bool is_null(std::string_view text, bool quoted) const noexcept;
  [[nodiscard]] Error misfit(std::size_t column, std::string_view text, const char* why, std::uint64_t line,
                             std::uint64_t row) const;

  RecordFormat format_;
  std::vector<Cell> cells_;
  std::string file_;
  std::string joined_;
  std::string scratch_;
};

}  // namespace etl::inline v0::csv
