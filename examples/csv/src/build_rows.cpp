#include "build_rows.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "text.hpp"

namespace etl::inline v0::csv::detail {
namespace {

// Rewrites cells whose text is not simply a part of the file's text.
void rewrite(ChunkData& chunk, const Dialect& dialect, std::string_view text) {
  Structure& s = chunk.structure;
  Table& table = chunk.table;
  const auto decode = [&](std::uint32_t cell) {
    const std::string_view raw = table.raw(cell);
    const bool quoted = table.quoted(cell);
    const std::size_t begin = table.scratch.size();
    append_decoded(table.scratch, quoted ? raw.substr(1, raw.size() - 2) : raw, quoted, dialect);
    table.rewritten.push_back({cell, static_cast<std::uint32_t>(table.scratch.size() - begin), begin});
    s.ends[cell] |= special_cell;
  };
  std::size_t escaped = 0;
  if (dialect.encoding == Encoding::Latin1 && has_high(text)) {
    for (std::uint32_t cell = 0; cell < s.ends.size(); ++cell) {
      const bool listed = escaped < s.escaped.size() && s.escaped[escaped] == cell;
      while (escaped < s.escaped.size() && s.escaped[escaped] == cell) ++escaped;
      if (listed || has_high(table.raw(cell))) decode(cell);
    }
  } else {
    for (; escaped < s.escaped.size(); ++escaped)
      if (escaped == 0 || s.escaped[escaped] != s.escaped[escaped - 1]) decode(s.escaped[escaped]);
  }
  if (!table.rewritten.empty()) {
    table.stretches.resize(s.ends.size() / Table::stretch + 2);
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < table.stretches.size(); ++i) {
      while (next < table.rewritten.size() && table.rewritten[next].cell < i * Table::stretch) ++next;
      table.stretches[i] = next;
    }
  }
  if (dialect.trim)
    for (std::size_t cell = 0; cell < s.ends.size(); ++cell) s.ends[cell] |= special_cell;
}

}  // namespace

void set_table(ChunkData& chunk, std::string_view text, const Dialect& dialect, std::size_t width, const Place& place) {
  Table& table = chunk.table;
  Offsets& ends = chunk.structure.ends;
  ends.data()[-1] = ~special_cell;  // the entry before index 0
  table.text = text.data();
  table.ends = ends.data();
  table.quote = dialect.quote ? static_cast<unsigned char>(*dialect.quote) : -1;
  table.trim = dialect.trim;
  table.delimiter = dialect.delimiter;
  table.width = dialect.ragged == Ragged::Keep ? 0 : static_cast<std::uint32_t>(width);
  table.base = place;
  table.rewritten.clear();
  table.scratch.clear();
}

namespace {

/// Whether only blanks separate the place from the begin of its cell, as in `1, "a"`.
bool after_blanks(std::string_view text, std::size_t at, const Dialect& dialect) noexcept {
  const std::size_t last = text.substr(0, at).find_last_not_of(' ');
  const bool any = at > 0 && text[at - 1] == ' ';
  return any && (last == text.npos || text[last] == dialect.delimiter || text[last] == '\n' || text[last] == '\r');
}

/// Whether only blanks separate the place from the end of its cell, as in `"a" ,1`.
bool before_blanks(std::string_view text, std::size_t at, const Dialect& dialect) noexcept {
  const std::size_t end = text.find_first_not_of(' ', at);
  if (at >= text.size() || text[at] != ' ') return false;
  return end == text.npos || text[end] == dialect.delimiter || text[end] == '\n' || text[end] == '\r';
}

}  // namespace

std::string describe(const Mark& mark, std::string_view text, const Dialect& dialect, std::uint64_t last_line) {
  if (last_line != 0)
    return fmt::format(
        "a cell whose quote opens here and is closed in line {}, with text after it; is this a stray quote? "
        "Escape quotes within the cell, or read the file without quotes",
        last_line);
  switch (mark.kind) {
    case Mark::Kind::Comment: break;
    case Mark::Kind::BareQuote:
      if (after_blanks(text, mark.at, dialect))
        return "a quote after blanks at the beginning of a cell; drop the blanks around cells";
      return "a quote within a cell that does not begin with a quote; quote the whole cell and escape the quotes in "
             "it, or read the file without quotes";
    case Mark::Kind::AfterQuote:
      if (before_blanks(text, mark.at, dialect))
        return "blanks after the closing quote of a cell; drop the blanks around cells";
      return "text after the closing quote of a cell; escape quotes within the cell, or read the file without quotes";
    case Mark::Kind::Unclosed: return "a quote that is not closed; close it, or read the file without quotes";
    case Mark::Kind::TooLong:
      return fmt::format("a cell of more than {} bytes; close its quote, or raise max_field", dialect.max_field);
  }
  return {};
}

std::string fault(const std::string& name, std::string_view text, std::size_t at, std::uint64_t line,
                  std::string_view row, std::string_view what) {
  const std::size_t line_break = text.substr(0, at).find_last_of("\r\n");
  const std::size_t column = at - (line_break == text.npos ? 0 : line_break + 1) + 1;
  return fmt::format("{}:{}:{}: {}: {}", name, line, column, row, what);
}

std::uint64_t count_lines(std::string_view text) noexcept {
  std::uint64_t lines = 0;
  for (std::size_t at = text.find_first_of("\r\n"); at != text.npos; at = text.find_first_of("\r\n", at + 1))
    if (text[at] == '\n' || at + 1 == text.size() || text[at + 1] != '\n') ++lines;
  return lines;
}

namespace {

/// The largest number of lines in a cell of the row.
std::size_t lines_of_cell(const Table& table, std::size_t first, std::size_t cells) noexcept {
  std::size_t most = 0;
  for (std::size_t cell = first; cell < first + cells; ++cell)
    most = std::max(most, static_cast<std::size_t>(count_lines(table.raw(cell))) + 1);
  return most;
}

/// Whether the second line of the text, taken alone, is a row of `width` cells.
bool second_line_is_row(std::string_view text, std::size_t width, const Dialect& dialect) {
  const std::size_t at = text.find_first_of("\r\n");
  if (at == text.npos) return false;
  text.remove_prefix(at + (text.substr(at).starts_with("\r\n") ? 2 : 1));
  text = text.substr(0, text.find_first_of("\r\n"));
  Structure line;
  return scan(text, dialect, true, line) && line.marks.empty() && line.row_ends.size() == 1 &&
         line.ends.size() == width;
}

}  // namespace

Result<void> build_rows(ChunkData& chunk, std::string_view text, const Dialect& dialect, BadRows bad_rows,
                        const std::string& name) {
  const Structure& s = chunk.structure;
  const Place& place = chunk.table.base;
  std::optional<Error> failed;
  std::uint32_t* const ends = chunk.structure.ends.data();
  rewrite(chunk, dialect, text.substr(0, s.ends.back()));

  chunk.bad.clear();
  chunk.rows.resize(s.row_ends.size());
  RowSpan* to = chunk.rows.data();
  const std::size_t valid =  // everything before this offset is valid
      dialect.check_utf8 ? find_invalid_utf8(text.substr(0, s.ends.back() & ~special_cell)) : text.npos;
  std::size_t first = 0, mark = 0, broken = 0;
  std::uint32_t number = 0, line = 0;
  std::size_t end = 0;  // end of the rows so far
  const auto width = static_cast<std::size_t>(chunk.table.width);
  for (std::size_t row = 0; row < s.row_ends.size(); ++row) {
    const std::size_t last = s.row_ends[row];
    const std::size_t cells = last - first + 1;
    const std::size_t begin = end;
    const std::size_t row_end = ends[last] & ~special_cell;
    const std::uint32_t row_line = line++;
    while (broken < s.breaks.size() && s.breaks[broken] < row_end) {
      if (dialect.sheet_column == 0) ++line;
      ++broken;
    }
    const std::size_t lines = line - row_line;
    if (s.carriage && row_end > begin && text[row_end - 1] == '\r' && row_end < text.size() && text[row_end] == '\n')
      ends[last] |= special_cell;
    const RowSpan span{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(cells), number, row_line};
    first = last + 1;
    end = std::min(row_end + 1, text.size());
    const bool marked = mark < s.marks.size() && s.marks[mark].row == row;
    if (cells == width && cells > 1 && !marked && row_end < valid && lines <= dialect.max_lines) [[likely]] {
      *to++ = span;
      ++number;
      continue;
    }
    const auto line_after = [&](std::size_t at) {
      const bool counted = dialect.sheet_column == 0;
      return place.line + row_line + (counted ? count_lines(text.substr(begin, at - begin)) : 0);
    };
    const auto bad = [&](std::size_t at, std::string_view what) {
      const std::uint64_t fault_line = line_after(at);
      std::string where = fault(name, text, at, fault_line, fmt::format("row {}", place.row + number), what);
      if (bad_rows == BadRows::Stop) {
        failed = fatal(std::move(where));
        return;
      }
      const Row view(chunk.table, span);
      chunk.bad.push_back(
          {rejected(std::move(where)), view.text(), {place.offset + begin, place.line + row_line, place.row + number}});
      ++number;
    };
    const bool surplus = width != 0 && cells != width &&
                         (cells > width ? dialect.ragged != Ragged::Truncate : dialect.ragged == Ragged::Reject);
    const bool too_long =
        !marked && lines > dialect.max_lines && lines_of_cell(chunk.table, span.first, cells) > dialect.max_lines;
    if (too_long ||
        (!marked && surplus && lines > 1 && second_line_is_row(text.substr(begin, row_end - begin), width, dialect))) {
      // Reading continues at the row's second line.
      const std::size_t first_end = text.find_first_of("\r\n", begin);
      const std::size_t behind = first_end + (text.substr(first_end).starts_with("\r\n") ? 2 : 1);
      std::string what =
          too_long ? fmt::format("a cell of more than {} lines, up to line {}; close its quote, or raise max_lines",
                                 dialect.max_lines, line_after(row_end))
                   : fmt::format("{} cells instead of {}, up to line {}; is there a stray quote?", cells, width,
                                 line_after(row_end));
      bad(begin, what);
      if (failed) {
        end = begin;
        line = row_line;
      } else {
        chunk.bad.back().text = text.substr(begin, first_end - begin);
        end = behind;
        line = row_line + 1;
      }
      break;
    }
    if (marked) {
      const Mark& fault = s.marks[mark++];
      if (fault.kind != Mark::Kind::Comment)
        bad(fault.at, describe(fault, text, dialect, fault.last == 0 ? 0 : line_after(fault.last)));
    } else if (cells == 1 && !dialect.keep_blank_lines && chunk.table.raw(span.first).empty()) {
      continue;
    } else if (surplus) {
      bad(begin,
          fmt::format("{} cells instead of {}; correct the row, or choose what to do with ragged rows", cells, width));
    } else if (const std::size_t at =
                   row_end < valid ? text.npos : find_invalid_utf8(text.substr(begin, row_end - begin));
               at != text.npos) {
      bad(begin + at, dialect.charset.empty() ? "invalid UTF-8; convert the file, or read it as Latin-1"
                                              : fmt::format("invalid {}; is it another encoding?", dialect.charset));
    } else {
      *to++ = span;
      ++number;
    }
    if (failed) {
      end = begin;
      line = row_line;
      break;
    }
  }
  chunk.rows.resize(static_cast<std::size_t>(to - chunk.rows.data()));
  chunk.next = {place.offset + end, place.line + line, place.row + number};
  if (failed) return failure(std::move(*failed));
  return {};
}

}  // namespace etl::inline v0::csv::detail
