#pragma once
// Bytes of cells: encodings and escapes.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <etl/csv/dialect.hpp>
#include <etl/text.hpp>

namespace etl::inline v0::csv {

/// Whether the text begins with the word, which is in lower case. The case of ASCII letters in the text does not
/// matter.
[[nodiscard]] inline bool begins_with(std::string_view text, std::string_view word) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return text.size() >= word.size() && std::ranges::equal(text.substr(0, word.size()), word, {}, lower);
}
/// Whether a byte is not ASCII.
[[nodiscard]] bool has_high(std::string_view text) noexcept;
/// Whether more of the text could make it such a line.
[[nodiscard]] bool may_begin_separator_line(std::string_view text) noexcept;
/// The line "sep=;" with its delimiter, with or without quotes, in upper or lower case.
struct SeparatorLine {
  char delimiter = ',';
  std::size_t size = 0;  ///< with its line end
};
/// The line at the begin of the text, or nothing.
[[nodiscard]] std::optional<SeparatorLine> separator_line(std::string_view text) noexcept;
/// The name of column `i`, which counts from 0: that of the header, or "column_2" if it is blank there. A "_" is added
/// as long as another column has the same name.
[[nodiscard]] std::string name_of_column(std::span<const std::string> header, std::size_t i);
/// Appends the contents of a cell, given its bytes without the quotes.
void append_decoded(std::string& to, std::string_view cell, bool quoted, const Dialect& dialect);

}  // namespace etl::inline v0::csv
