#pragma once
/// Finds where records end.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0::io {

/// Finds the ends of records. A record is a single line, or ends with a terminator line ("//" in UniProt and GenBank
/// files). Lines end with LF, CR LF or CR, also mixed. Immutable, thread-safe.
class RecordSplitter {
 public:
  static constexpr std::size_t npos = std::string_view::npos;  ///< no record ends here
  /// Each line is a record; the last one needs no line end.
  RecordSplitter() = default;
  /// A line that is exactly `terminator` ends a record and belongs to it. If `terminator` is empty, each line is a
  /// record.
  explicit RecordSplitter(std::string terminator) : terminator_(std::move(terminator)) {}

  /// The terminator; empty if each line is a record.
  [[nodiscard]] const std::string& terminator() const noexcept { return terminator_; }

  /// The offset in `text` just after the first record and its line end; npos if `text` contains no whole record. `text`
  /// must begin at the beginning of a record. Set `is_end` if nothing follows `text`: only then a CR at the very end is
  /// a line end (otherwise an LF may follow), and only then a last line without line end counts.
  [[nodiscard]] std::size_t first_end(std::string_view text, bool is_end = false) const noexcept;
  /// The same for the last whole record in `text`. Only ends at or after `from` count: if there was none, call it again
  /// with more text and the old size as `from`.
  [[nodiscard]] std::size_t last_end(std::string_view text, bool is_end = false, std::size_t from = 0) const noexcept;

 private:
  /// Where the record ends if the terminator's line begins at `at`; else, or if that is not certain yet, npos.
  [[nodiscard]] std::size_t end_of_terminator(std::string_view text, std::size_t at, bool is_end) const noexcept;

  std::string terminator_;  // empty: every line
};

}  // namespace etl::inline v0::io
