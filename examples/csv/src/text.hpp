#pragma once
// Bytes of cells: encodings and escapes.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <etl/csv/dialect.hpp>
#include <etl/text.hpp>

namespace etl::inline v0::csv {

/// Whether a byte is not ASCII.
[[nodiscard]] bool has_high(std::string_view text) noexcept;
/// Whether a text may begin so, when there is more of it.
[[nodiscard]] bool may_begin_separator_line(std::string_view text) noexcept;
/// The line "sep=;" with its delimiter, also in quotes, in any case of letters.
struct SeparatorLine {
  char delimiter = ',';
  std::size_t size = 0;  ///< with its line end
};
/// Nothing: the text does not begin with one.
[[nodiscard]] std::optional<SeparatorLine> separator_line(std::string_view text) noexcept;
/// What a cell says, of its bytes without the quotes.
void append_decoded(std::string& to, std::string_view cell, bool quoted, const Dialect& dialect);

}  // namespace etl::inline v0::csv
