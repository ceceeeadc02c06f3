#pragma once
// Converts the contents of cells to text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "styles.hpp"

namespace etl::inline v0::excel::detail {

/// Appends a number: the shortest text of the same double ("1.1" for "1.1000000000000001"), or a date or time if the
/// format says so. Returns false if `saved` is not a number.
[[nodiscard]] bool append_number(std::string& out, std::string_view saved, NumberKind kind, bool epoch_1904);
void append_number(std::string& out, double value, NumberKind kind, bool epoch_1904);

/// Appends a text and resolves escapes such as "_x000D_", which stands for a character that XML cannot contain
/// (ECMA-376, 22.9.2.19 ST_Xstring).
void append_text(std::string& out, std::string_view saved);

void append_utf8(std::string& out, std::uint32_t code);

struct CellPlace {
  std::size_t column = 0;  ///< counted from 0
  std::uint64_t row = 0;   ///< counted from 1; 0 if not given
};
constexpr std::size_t most_columns = 16'384;
constexpr std::uint64_t most_rows = 1'048'576;

/// Parses a name such as "C12"; "$" before either part is ignored. Returns nothing if the name is invalid, or beyond
/// XFD1048576.
[[nodiscard]] std::optional<CellPlace> place_of(std::string_view name) noexcept;

/// A range of cells. The first and the last row and column are included.
struct CellRange {
  std::size_t first_column = 0;
  std::size_t last_column = most_columns - 1;
  std::uint64_t first_row = 1;
  std::uint64_t last_row = most_rows;
  bool has_last_column = false;  ///< if false, a row ends after its last cell
  [[nodiscard]] bool has_column(std::size_t column) const noexcept {
    return column >= first_column && column <= last_column;
  }
};
/// Parses "B3:F100", "B:F", "3:100", "B3:F", "B3:" (to the end) or "B3" (one cell).
[[nodiscard]] std::optional<CellRange> range_of(std::string_view text) noexcept;

}  // namespace etl::inline v0::excel::detail
