#pragma once
/// Where records end.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0::io {

/// Finds the ends of records that are single lines, or that a line of their own terminates ("//" in UniProt and GenBank
/// files). Lines end in LF, CR LF or CR, also mixed. Immutable, thread-safe.
class RecordSplitter {
 public:
  static constexpr std::size_t npos = std::string_view::npos;
  /// Each line is a record; the last one needs no line end.
  RecordSplitter() = default;
  /// A line that is `terminator`, to the letter, ends a record and belongs to it. Empty: each line is a record.
  explicit RecordSplitter(std::string terminator) : terminator_(std::move(terminator)) {}

  [[nodiscard]] const std::string& terminator() const noexcept { return terminator_; }

  /// The offset behind the first record's end (its line end included) in `text`, which begins at a record's begin;
  /// npos: `text` holds no whole record. A CR at the very end is not yet a line end unless `is_end`: an LF may follow.
  /// The terminator at the very end without line end, or the last line without one, counts only if `is_end`.
  [[nodiscard]] std::size_t first_end(std::string_view text, bool is_end = false) const noexcept;
  /// The same for the last whole record in `text`. Only ends at `from` or behind it are looked for: a reader that finds
  /// none, and comes back with more text, gives the old size.
  [[nodiscard]] std::size_t last_end(std::string_view text, bool is_end = false, std::size_t from = 0) const noexcept;

 private:
  /// Where the record ends if the terminator's line begins at `at`; else, or if that is not certain yet, npos.
  [[nodiscard]] std::size_t end_of_terminator(std::string_view text, std::size_t at, bool is_end) const noexcept;

  std::string terminator_;  // empty: every line
};

}  // namespace etl::inline v0::io
