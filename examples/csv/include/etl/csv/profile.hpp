#pragma once
/// What the cells of a column are, counted over any number of rows in constant memory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <etl/config.hpp>

namespace etl::inline v0::csv {

/// Counts of one column. A value; belongs to one thread at a time.
struct ColumnProfile {
  std::uint64_t rows = 0;           ///< number of rows
  std::uint64_t nulls = 0;          ///< cells without a value
  std::uint64_t numbers = 0;        ///< values that read as a number
  std::uint64_t times = 0;          ///< values that read as a date or timestamp of ISO 8601
  std::uint64_t first_null = 0;     ///< the number of the first row without a value, from 1; 0: there is none
  std::uint64_t first_other = 0;    ///< the same of a value that is no number
  std::string first_other_value{};  ///< its first 100 bytes

  /// Number of cells with a value.
  [[nodiscard]] std::uint64_t values() const noexcept { return rows - nulls; }
  /// Of the rows, from 0 to 1; 0 without rows.
  [[nodiscard]] double null_share() const noexcept;
  /// Of the values; 0 without values.
  [[nodiscard]] double number_share() const noexcept;
  /// Share of the values that are times; 0 without values.
  [[nodiscard]] double time_share() const noexcept;
  /// How many values differ, to about 2 %; exact for few. By HyperLogLog (Flajolet et al., 2007).
  [[nodiscard]] std::uint64_t distinct() const noexcept;

  /// Looks at a cell: `row` is its number. `comma`: decimal numbers have one for their point.
  void look(std::string_view text, bool null, std::uint64_t row, bool comma = false);

 private:
  static constexpr std::size_t registers = 2048;
  std::array<std::uint8_t, registers> ranks_{};
};

}  // namespace etl::inline v0::csv
