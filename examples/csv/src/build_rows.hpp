#pragma once
// Builds rows from a text whose structure is known.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <etl/csv/dialect.hpp>
#include <etl/csv/index.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/row.hpp>
#include <etl/error.hpp>

#include "chunk_data.hpp"

namespace etl::inline v0::csv::detail {

/// Points the table of a chunk at the text. The text begins at `place`, and its structure is in the chunk. `width` is
/// the number of cells in a row; 0 if not known.
void set_table(ChunkData& chunk, std::string_view text, const Dialect& dialect, std::size_t width, const Place& place);

/// Builds the rows of the text, after `set_table`. The text has at least one row. `chunk.next` becomes the place after
/// the rows. If reading stops at bad rows, the error is the error of the first bad row.
[[nodiscard]] Result<void> build_rows(ChunkData& chunk, std::string_view text, const Dialect& dialect, BadRows bad_rows,
                                      const std::string& name);

/// Describes what is wrong in the text, and what to do about it. `last_line` is the line of `Mark::last`; 0 if there
/// is none.
[[nodiscard]] std::string describe(const Mark& mark, std::string_view text, const Dialect& dialect,
                                   std::uint64_t last_line = 0);
/// "FILE:LINE:COLUMN: row N: what", for a fault at an offset of the text.
[[nodiscard]] std::string fault(const std::string& name, std::string_view text, std::size_t at, std::uint64_t line,
                                std::string_view row, std::string_view what);
/// Number of line ends in `text`.
[[nodiscard]] std::uint64_t count_lines(std::string_view text) noexcept;

}  // namespace etl::inline v0::csv::detail
