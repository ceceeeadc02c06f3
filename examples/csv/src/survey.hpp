#pragma once
// Where a large file can be split: what is needed to know of a stretch of it, in one pass, without knowing what is
// before it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <etl/csv/dialect.hpp>
#include <etl/csv/index.hpp>

namespace etl::inline v0::csv::detail {

/// A stretch of text that begins behind a line feed, whose first byte stands either outside or inside of quotes. What
/// the one is for one guess, it is not for the other, so that both cost little more than one.
struct Survey {
  struct Guess {
    std::uint64_t rows = 0;        ///< that end in it, as the reader counts them
    std::uint64_t head = 0;        ///< bytes before the first end of a cell; all when there is none
    std::uint64_t longest = 0;     ///< bytes without an end of a cell, in whole blocks
    std::uint64_t tail = 0;        ///< bytes behind the last end of a cell
    std::uint64_t most_lines = 0;  ///< line breaks within a cell at most, up to 64 too many
    std::uint64_t lines = 0;       ///< line breaks behind the last end of a cell
    bool broken = false;           ///< a quote stands where none may: the rest says nothing
    bool ended = false;            ///< there was an end of a cell
    std::uint64_t starts = 0;      // bit 0: a cell ended with the byte before
    std::uint64_t closing = 0;     // bit 0: the byte before was a closing quote
    std::uint64_t row_ends = 0;    // of the block before
  };
  Survey() {
    outside().starts = 1;
    outside().row_ends = std::uint64_t{1} << 63;
  }
  [[nodiscard]] Guess& outside() noexcept { return guesses[0]; }
  std::array<Guess, 2> guesses{};  ///< when it begins outside of quotes, and when inside
  std::uint64_t lines = 0;         ///< line breaks
  bool odd = false;                ///< it has an odd number of quotes
  std::uint64_t carriage = 0;      // of the block before
};

/// Goes on with more text, of a dialect that `index` can do. Unless it is the last, bytes at its end may be left: gives
/// how many were seen.
[[nodiscard]] std::size_t survey(std::string_view text, const Dialect& dialect, bool last, Survey& to,
                                 Isa isa = best_isa());

}  // namespace etl::inline v0::csv::detail
