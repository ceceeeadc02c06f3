#pragma once
// Finds out, in one pass and without knowing the text before, what is needed to split a large file within a stretch of
// text.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <etl/csv/dialect.hpp>
#include <etl/csv/index.hpp>

namespace etl::inline v0::csv::detail {

/// A stretch of text that begins after a line feed. Its first byte is either outside or inside of quotes. The two
/// guesses see opposite things, so that both together cost little more than one.
struct Survey {
  struct Guess {
    std::uint64_t rows = 0;        ///< rows that end in it, as the reader counts them
    std::uint64_t head = 0;        ///< bytes before the first end of a cell; all bytes if there is none
    std::uint64_t longest = 0;     ///< longest run of bytes without an end of a cell, in whole blocks
    std::uint64_t tail = 0;        ///< bytes after the last end of a cell
    std::uint64_t most_lines = 0;  ///< largest number of line breaks within a cell; may be up to 64 too large
    std::uint64_t lines = 0;       ///< line breaks after the last end of a cell
    bool broken = false;           ///< a quote is at a place where none is allowed, so the other values mean nothing
    bool ended = false;            ///< there was an end of a cell
    std::uint64_t starts = 0;      // bit 0: the byte before ended a cell
    std::uint64_t closing = 0;     // bit 0: the byte before was a closing quote
    std::uint64_t row_ends = 0;    // row ends of the block before
  };
  Survey() {
    outside().starts = 1;
    outside().row_ends = std::uint64_t{1} << 63;
  }
  [[nodiscard]] Guess& outside() noexcept { return guesses[0]; }
  std::array<Guess, 2> guesses{};  ///< the guess that it begins outside of quotes, and the guess that it begins inside
  std::uint64_t lines = 0;         ///< line breaks
  bool odd = false;                ///< the number of quotes is odd
  std::uint64_t carriage = 0;      // CRs of the block before
};

/// Continues with more text, in a dialect that `index` supports. Unless the text is the last, some bytes at its end
/// may be left over. Returns the number of bytes seen.
[[nodiscard]] std::size_t survey(std::string_view text, const Dialect& dialect, bool last, Survey& to,
                                 Isa isa = best_isa());

}  // namespace etl::inline v0::csv::detail
