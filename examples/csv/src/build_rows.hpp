#pragma once
// Rows out of a text whose structure is known.

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

/// Points the table of a chunk at the text, which begins at `place`, and whose structure the chunk has. `width`: cells
/// of a row, 0: not known.
void set_table(ChunkData& chunk, std::string_view text, const Dialect& dialect, std::size_t width, const Place& place);

/// Makes the rows of the text, which has one at least, behind `set_table`; `chunk.next` is the place behind them. The
/// error, of a reading that stops at bad rows, is that of the row there.
[[nodiscard]] Result<void> build_rows(ChunkData& chunk, std::string_view text, const Dialect& dialect, BadRows bad_rows,
                                      const std::string& name);

/// What is wrong in the text, and what to do about it. `last_line`: that of `Mark::last`; 0: there is none.
[[nodiscard]] std::string describe(const Mark& mark, std::string_view text, const Dialect& dialect,
                                   std::uint64_t last_line = 0);
/// "FILE:LINE:COLUMN: row N: what", for a fault at an offset of the text.
[[nodiscard]] std::string fault(const std::string& name, std::string_view text, std::size_t at, std::uint64_t line,
                                std::string_view row, std::string_view what);
/// Line ends in `text`.
[[nodiscard]] std::uint64_t count_lines(std::string_view text) noexcept;

}  // namespace etl::inline v0::csv::detail
