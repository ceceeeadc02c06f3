#include <etl/csv/sniff.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <etl/csv/encoding.hpp>
#include <etl/csv/foreign.hpp>
#include <etl/csv/index.hpp>
#include <etl/csv/parse.hpp>
#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

#include "text.hpp"

namespace etl::inline v0::csv {
namespace {

/// How well a dialect fits a text. A larger value is better.
struct Fit {
  bool sound = false;    // no quote is at a place where none is allowed
  bool several = false;  // more than one column
  double share = 0;      // share of the rows that have the most common number of cells
  bool quotes = false;   // some cells have these quotes
  std::size_t width = 0;
  auto operator<=>(const Fit&) const = default;
};

Fit fit(std::string_view text, bool whole, const Dialect& dialect, Structure& s) {
  std::ignore = scan(text, dialect, whole, s);
  std::vector<std::size_t> widths;
  std::size_t first = 0, begin = 0, mark = 0, faults = 0, quoted = 0;
  for (std::size_t row = 0; row < s.row_ends.size(); ++row) {
    const std::size_t cells = s.row_ends[row] - first + 1;
    const std::size_t end = s.ends[s.row_ends[row]];
    if (mark < s.marks.size() && s.marks[mark].row == row) {
      if (s.marks[mark++].kind != Mark::Kind::Comment) ++faults;
    } else if (cells > 1 || text.substr(begin, end - begin).find_first_not_of("\r\n") != text.npos) {
      widths.push_back(cells);
      for (std::size_t cell = first; dialect.quote && cell <= s.row_ends[row]; ++cell) {
        const std::size_t at = cell == 0 ? 0 : s.ends[cell - 1] + std::size_t{1};
        if (at < text.size() && text[at] == *dialect.quote) ++quoted;
      }
    }
    begin = end + 1;
    first = s.row_ends[row] + std::size_t{1};
  }
  if (widths.empty()) return {.sound = faults == 0};
  std::sort(widths.begin(), widths.end());
  std::size_t best = 0, width = 0;
  for (auto at = widths.begin(); at != widths.end();) {
    const auto behind = std::upper_bound(at, widths.end(), *at);
    if (const auto count = static_cast<std::size_t>(behind - at); count >= best) best = count, width = *at;
    at = behind;
  }
  return {.sound = faults * 50 <= widths.size(),
          .several = width > 1,
          .share = static_cast<double>(best) / static_cast<double>(widths.size() + faults),
          .quotes = quoted > 0,
          .width = width};
}

/// The place after the first line.
std::size_t end_of_line(std::string_view text) {
  const std::size_t at = std::min(text.find_first_of("\r\n"), text.size());
  return std::min(at + (text.substr(at).starts_with("\r\n") ? 2 : 1), text.size());
}

bool is_value(std::string_view text) {
  KindGuess guess;
  guess.look(text);
  return guess.kind() != Kind::Text;
}

/// Inspects a cell. Returns true if it is NULL.
bool look_at(KindGuess& guess, const Row& row, std::size_t i, const SniffHints& said) {
  const std::string_view cell = row[i];
  const bool null = detail::is_null(row, i, cell, said.nulls) || detail::is_null(row, i, trimmed(cell), said.nulls);
  if (null) return true;
  if (!cell.empty())
    guess.look(cell, said.decimal_comma);
  else if (said.nulls.empty_is_text && row.quoted(i))
    guess.look_at_text();
  return cell.empty();
}

struct ColumnGuess {
  KindGuess guess{};
  bool nullable = false;
  bool repeats_first = false;  // a later cell equals the cell of the first row
};

}  // namespace

Result<Looked> look_at_columns(Reader& reader, std::size_t bytes, const SniffHints& said, const std::stop_token& stop) {
  Looked found{.columns = std::vector<KindGuess>(reader.width()), .nullable = std::vector<bool>(reader.width())};
  const std::uint64_t begin = reader.place().offset;
  while (reader.place().offset - begin < bytes) {
    const Result<std::optional<Chunk>> chunk = reader.next(stop);
    if (!chunk) return failure(chunk.error());
    if (!*chunk) break;
    found.rows += (*chunk)->size();
    for (const Row row : **chunk)
      for (std::size_t i = 0; i < found.columns.size(); ++i)
        if (look_at(found.columns[i], row, i, said)) found.nullable[i] = true;
  }
  return found;
}

Result<Sniffed> sniff_text(std::string_view text, bool whole, const SniffHints& hints) {
  const std::optional<Dialect>& said = hints.dialect;
  Sniffed found{.dialect = said.value_or(Dialect()), .whole = whole};
  Dialect& dialect = found.dialect;
  std::string_view sample = text;
  if (sample.starts_with("\xEF\xBB\xBF"))
    sample.remove_prefix(3);
  else if (dialect.charset.empty() &&
           find_invalid_utf8(sample.substr(0, sample.size() < 4 ? sample.size() : sample.size() - 3)) != text.npos)
    dialect.encoding = Encoding::Latin1;
  const auto separator =
      !said || (said->header_rows > 0 && said->skip_lines == 0) ? separator_line(sample) : std::nullopt;
  if (separator) {
    text.remove_prefix(text.size() - sample.size() + separator->size);
    sample = text;
  }
  for (std::size_t left = dialect.skip_lines; left > 0; --left) sample.remove_prefix(end_of_line(sample));
  const bool fixed = hints.delimiter_is_known || dialect.fixed_delimiter;
  Fit best;
  Structure structure;
  const std::vector<char> delimiters = fixed       ? std::vector{dialect.delimiter}
                                       : separator ? std::vector{separator->delimiter}
                                                   : std::vector{',', ';', '\t', '|', ':'};
  const std::vector<std::optional<char>> quotes =
      said && hints.quote_is_known ? std::vector{said->quote}
                                   : std::vector{std::optional('"'), std::optional<char>(), std::optional('\'')};
  for (const std::optional<char> quote : quotes)
    for (const char delimiter : delimiters) {
      Dialect candidate = dialect;
      candidate.delimiter = delimiter;
      candidate.quote = quote;
      const Fit now = fit(sample, whole, candidate, structure);
      // Unusual quotes are chosen only if they fit better.
      const bool better = now > best && (quotes.size() == 1 || quote == '"' || (!quote && !best.sound) ||
                                         (now.quotes && now.share > best.share));
      if (!better && best.width > 0) continue;
      best = now;
      dialect.delimiter = delimiter;
      dialect.quote = quote;
    }

  Dialect plain = dialect;
  const bool named = hints.header_is_known && dialect.header_rows > 0;
  if (!named) plain.header_rows = 0;
  plain.ragged = Ragged::Keep;
  plain.fixed_delimiter = true;
  // If the sample ends within the file, the text after its last line end is not a whole row.
  if (!whole) text = text.substr(0, text.find_last_of("\r\n") == text.npos ? 0 : text.find_last_of("\r\n") + 1);
  Result<Reader> reader = Reader::from(io::from_memory(text, "sample"), plain, {.bad_rows = BadRows::SetAside});
  if (!reader) return failure(reader.error());
  std::vector<std::string> first = reader->header();
  // Rows that are made as wide as the header count.
  const Ragged kept = said ? said->ragged : Ragged::Reject;
  const bool made = kept == Ragged::Pad || kept == Ragged::Truncate;
  if (made && reader->width() > 0) best.width = reader->width();
  std::vector<ColumnGuess> columns(best.width);
  for (;;) {
    Result<std::optional<Chunk>> chunk = reader->next();
    if (!chunk) return failure(chunk.error());
    if (!*chunk) break;
    found.bad_rows += (*chunk)->bad_rows().size();
    for (const Row row : **chunk) {
      if (first.empty()) {
        for (std::size_t i = 0; i < row.size(); ++i) first.emplace_back(row[i]);
        continue;
      }
      ++found.rows;
      const bool ragged = row.size() > best.width ? kept != Ragged::Truncate : row.size() < best.width && !made;
      if (ragged) ++found.bad_rows;
      for (std::size_t i = 0; i < std::min(row.size(), columns.size()); ++i) {
        ColumnGuess& column = columns[i];
        if (i < first.size() && row[i] == first[i]) column.repeats_first = true;
        if (!ragged && look_at(column.guess, row, i, hints)) column.nullable = true;
      }
    }
  }
  if (first.empty()) {
    dialect.header_rows = 0;
    return found;
  }

  // Names of columns are texts, not numbers or dates; they are not empty, and all differ. One of them may be empty,
  // such as the name of an index column.
  const std::set<std::string_view> names(first.begin(), first.end());
  bool header = names.size() == first.size() && (first.size() > 1 || !names.contains(""));
  bool repeated = false;
  for (std::size_t i = 0; i < first.size(); ++i) {
    header &= !is_value(first[i]);
    repeated |= i < columns.size() && columns[i].repeats_first;
  }
  header &= found.rows == 0 || !repeated;
  if (hints.header_is_known)
    header = named;
  else
    dialect.header_rows = header ? 1 : 0;
  if (!header) ++found.rows;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    ColumnGuess& column = columns[i];
    if (!header && i < first.size()) {
      if (first[i].empty() || hints.nulls.contains(first[i]))
        column.nullable = true;
      else
        column.guess.look(first[i], hints.decimal_comma);
    }
    found.columns.push_back(
        {name_of_column(header ? first : std::vector<std::string>(), i), column.guess.kind(), column.nullable});
  }
  return found;
}

Result<Sniffed> sniff(const std::filesystem::path& path, std::size_t bytes, const SniffHints& said,
                      const std::stop_token& stop) {
  if (path == "-")
    return failure(
        fatal("standard input cannot be sniffed, because it cannot be read a second time: write it to a file first"));
  Result<io::Source> source = io::open_input(path);
  const bool latin1 = said.dialect && said.dialect->encoding == Encoding::Latin1;
  const auto offsets = std::make_shared<FileOffsets>(path);
  if (source && said.dialect && !latin1)
    source = as_utf8(std::move(*source), said.dialect->charset, BadBytes::Mark, offsets);
  else if (source && !latin1)
    source = as_utf8(std::move(*source), {}, BadBytes::Stop, offsets);
  if (!source) return failure(source.error());
  const std::stop_callback interrupt(stop, [&] { (*source)->interrupt(); });
  std::string text(bytes, '\0');
  std::size_t filled = 0;
  bool whole = false;
  while (filled < text.size() && !whole) {
    const Result<std::size_t> got = (*source)->read({text.data() + filled, text.size() - filled});
    if (!got) return failure(got.error());
    filled += *got;
    whole = *got == 0;
  }
  text.resize(filled);
  if (const auto foreign = foreign_format(text))
    return failure(fatal(fmt::format("{}: the file is {}: {}", path.string(), foreign->what, foreign->remedy)));
  Result<Sniffed> found = sniff_text(text, whole, said);
  if (found) found->dialect.charset = offsets->charset();
  if (found) return found;
  Error error = found.error();
  error.context = path.string() + ": " + error.context;
  return failure(std::move(error));
}

}  // namespace etl::inline v0::csv
