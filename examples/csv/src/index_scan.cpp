#include <cstddef>
#include <cstdint>
#include <string_view>

#include <etl/csv/index.hpp>

#include "index_end.hpp"

namespace etl::inline v0::csv {
namespace {

bool is_blank(char c, const Dialect& dialect) noexcept { return (c == ' ' || c == '\t') && c != dialect.delimiter; }
bool is_break(char c) noexcept { return c == '\n' || c == '\r'; }

// Scans one byte after the other. Offsets of the text fit in 32 bits.
class Scanner {
 public:
  Scanner(std::string_view text, const Dialect& dialect, bool whole, Structure& out) noexcept
      : text_(text), dialect_(dialect), whole_(whole), out_(out) {}

  bool run() {
    while (at_ < text_.size() && row()) {}
    return !lost_;
  }

 private:
  enum class End : std::uint8_t { Cell, Row, Text, Fault };

  // Scans a row. Returns false if the row does not end in the text.
  bool row() {
    if (dialect_.comment && text_[at_] == *dialect_.comment) {
      mark(Mark::Kind::Comment, at_);
      return skip_line(at_);
    }
    for (;;) {
      switch (cell()) {
        case End::Cell: break;
        case End::Row: return true;
        case End::Fault: return skip_line(resume_);
        case End::Text: return false;
      }
    }
  }

  End cell() {
    cell_begin_ = at_;
    std::size_t at = at_;
    if (dialect_.trim)
      while (at < text_.size() && is_blank(text_[at], dialect_)) ++at;
    return dialect_.quote && at < text_.size() && text_[at] == *dialect_.quote ? quoted(at) : plain(at);
  }

  End plain(std::size_t at) {
    for (; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == dialect_.delimiter || is_break(c)) break;
      if (dialect_.quote && c == *dialect_.quote) return fault(Mark::Kind::BareQuote, at, at);
    }
    return end_cell(at);
  }

  End quoted(const std::size_t opening) {
    const char quote = *dialect_.quote;
    const bool escapes = dialect_.escape && dialect_.escape != dialect_.quote;
    const char escape = dialect_.escape.value_or('\0');
    std::size_t at = opening + 1;
    for (;; ++at) {
      if (at - opening > dialect_.max_field + 2) return fault(Mark::Kind::TooLong, opening, opening);
      if (at >= text_.size()) return whole_ ? fault(Mark::Kind::Unclosed, opening, opening) : End::Text;
      const char c = text_[at];
      if (escapes && c == escape) {
        if (at + 1 < text_.size()) {
          escaped();
          ++at;
          line_break(at);
        }
      } else if (c == quote) {
        if (escapes || at + 1 >= text_.size() || text_[at + 1] != quote) break;
        escaped();
        ++at;
      } else {
        line_break(at);
      }
    }
    ++at;
    if (dialect_.trim)
      while (at < text_.size() && is_blank(text_[at], dialect_)) ++at;
    if (at < text_.size() && text_[at] != dialect_.delimiter && !is_break(text_[at])) return after_quote(opening, at);
    return end_cell(at);
  }

  // If a cell has several lines, its opening quote is probably wrong, and the lines in it are rows.
  End after_quote(std::size_t opening, std::size_t at) {
    if (text_.substr(opening, at - opening).find_first_of("\r\n") == text_.npos)
      return fault(Mark::Kind::AfterQuote, at, at);
    mark(Mark::Kind::AfterQuote, opening);
    out_.marks.back().last = static_cast<std::uint32_t>(at);
    resume_ = opening;
    return End::Fault;
  }

  End end_cell(std::size_t at) {
    if (at >= text_.size() && !whole_) {
      // A cell that is too long is a fault, whether its end is in the text or not.
      return at - cell_begin_ > dialect_.max_field + 2 ? fault(Mark::Kind::TooLong, cell_begin_, at) : End::Text;
    }
    if (at - cell_begin_ > dialect_.max_field + 2) return fault(Mark::Kind::TooLong, cell_begin_, at);
    if (at < text_.size() && text_[at] == dialect_.delimiter) {
      out_.ends.push(static_cast<std::uint32_t>(at));
      at_ = at + 1;
      return End::Cell;
    }
    end_row(at);
    return End::Row;
  }

  // `at` is the row's line break, or the end of the text.
  void end_row(std::size_t at) {
    if (at + 1 < text_.size() && text_[at] == '\r' && text_[at + 1] == '\n') ++at;
    out_.ends.push(static_cast<std::uint32_t>(at));
    out_.row_ends.push(static_cast<std::uint32_t>(out_.ends.size() - 1));
    at_ = at + 1;
  }

  // Makes the row one cell that ends at the first line break from `from` on.
  bool skip_line(std::size_t from) {
    std::size_t at = from;
    while (at < text_.size() && !is_break(text_[at])) ++at;
    if (at >= text_.size() && !whole_) {
      lost_ = out_.marks.back().kind == Mark::Kind::TooLong && at - cell_begin_ > 2 * dialect_.max_field + 2;
      out_.marks.pop_back();
      return false;
    }
    const std::size_t first = out_.row_ends.size() == 0 ? 0 : out_.row_ends.back() + std::size_t{1};
    out_.ends.resize(first);
    while (out_.escaped.size() != 0 && out_.escaped.back() >= first) out_.escaped.resize(out_.escaped.size() - 1);
    while (out_.breaks.size() != 0 && out_.breaks.back() >= at) out_.breaks.resize(out_.breaks.size() - 1);
    end_row(at);
    return true;
  }

  void escaped() { out_.escaped.push(static_cast<std::uint32_t>(out_.ends.size())); }
  void line_break(std::size_t at) {
    const bool last_byte =
        text_[at] == '\n' || (text_[at] == '\r' && (at + 1 == text_.size() || text_[at + 1] != '\n'));
    if (last_byte) out_.breaks.push(static_cast<std::uint32_t>(at));
  }
  void mark(Mark::Kind kind, std::size_t at) {
    out_.marks.push_back({static_cast<std::uint32_t>(out_.row_ends.size()), static_cast<std::uint32_t>(at), kind});
  }
  End fault(Mark::Kind kind, std::size_t at, std::size_t resume) {
    mark(kind, at);
    resume_ = resume;
    return End::Fault;
  }

  std::string_view text_;
  const Dialect& dialect_;
  bool whole_;
  Structure& out_;
  std::size_t at_ = 0;
  std::size_t cell_begin_ = 0;
  std::size_t resume_ = 0;
  bool lost_ = false;
};

}  // namespace

bool scan(std::string_view text, const Dialect& dialect, bool whole, Structure& out) {
  out.clear();
  out.carriage = true;
  const bool found = Scanner(text, dialect, whole, out).run();
  detail::end_text(text, false, out);
  return found;
}

}  // namespace etl::inline v0::csv
