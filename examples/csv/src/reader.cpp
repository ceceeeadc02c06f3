#include <etl/csv/reader.hpp>

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "chunk_data.hpp"
#include "range_source.hpp"
#include "text.hpp"

namespace etl::inline v0::csv {
namespace {

using detail::ChunkData;

constexpr std::size_t max_row = std::size_t{1} << 30;

std::string describe(const Mark& mark, const Dialect& dialect) {
  switch (mark.kind) {
    case Mark::Kind::Comment: break;
    case Mark::Kind::BareQuote:
      return "a quote within a cell that does not begin with one; quote the whole cell and escape the quotes in it, or "
             "read the file without quotes";
    case Mark::Kind::AfterQuote:
      return "text behind the closing quote of a cell; escape quotes within the cell, or read the file without quotes";
    case Mark::Kind::Unclosed: return "a quote that is not closed; close it, or read the file without quotes";
    case Mark::Kind::TooLong:
      return fmt::format("a cell of more than {} bytes; close its quote, or raise the limit (max_field)",
                         dialect.max_field);
  }
  return {};
}

// Lines that end in `text`.
std::uint64_t count_lines(std::string_view text) noexcept {
  std::uint64_t lines = 0;
  for (std::size_t at = text.find_first_of("\r\n"); at != text.npos; at = text.find_first_of("\r\n", at + 1))
    if (text[at] == '\n' || at + 1 == text.size() || text[at + 1] != '\n') ++lines;
  return lines;
}

}  // namespace

Chunk::Chunk(std::shared_ptr<const ChunkData> data) noexcept
    : data_(std::move(data)), table_(&data_->table), rows_(data_->rows) {}
const Place& Chunk::next_place() const noexcept { return data_->next; }
std::span<const BadRow> Chunk::bad_rows() const noexcept { return data_->bad; }

class Reader::Impl {
 public:
  Impl(io::Source source, std::filesystem::path path, const Dialect& dialect, const ReaderOptions& options)
      : source_(std::move(source)), path_(std::move(path)), dialect_(dialect), options_(options) {
    if (dialect_.escape == dialect_.quote) dialect_.escape.reset();
    options_.chunk_size = std::max<std::size_t>(options_.chunk_size, 4);  // a byte order mark and more
    indexed_ = can_index(dialect_);
    current_ = pool_->take(options_.chunk_size);
  }

  // Reads up to the end of the header, and from there goes to where reading begins.
  Result<void> prime(const std::stop_token& stop) {
    const std::stop_callback interrupt(stop, [this] { source_->interrupt(); });
    if (auto done = skip_mark(); !done) return done;
    if (auto done = skip_lines(); !done) return done;
    if (auto done = read_header(); !done) return done;
    if (auto done = go_to_begin(); !done) return done;
    if (options_.end && *options_.end < read_) {
      filled_ -= std::min(filled_ - begin_, static_cast<std::size_t>(read_ - *options_.end));
      ended_ = true;
    }
    limit_ = options_.end;
    return {};
  }

  Result<std::optional<Chunk>> next(const std::stop_token& stop) {
    if (failed_) return failure(*failed_);
    const std::stop_callback interrupt(stop, [this] { source_->interrupt(); });
    for (;;) {
      if (stop.stop_requested()) return std::nullopt;
      if (auto filled = fill(); !filled) {
        if (stop.stop_requested()) return std::nullopt;
        failed_ = filled.error();
        return failure(*failed_);
      }
      if (begin_ == filled_ && ended_) return std::nullopt;
      if (auto parsed = parse(); !parsed) {
        failed_ = parsed.error();
        return failure(*failed_);
      }
      if (current_->structure.row_ends.size() == 0) {
        if (auto grown = make_room(); !grown) {
          failed_ = grown.error();
          return failure(*failed_);
        }
        continue;
      }
      const std::shared_ptr<const ChunkData> chunk = build();
      if (!chunk->rows.empty() || !chunk->bad.empty()) return Chunk(chunk);
      if (failed_) return failure(*failed_);
    }
  }

  [[nodiscard]] const std::vector<std::string>& header() const noexcept { return header_; }
  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] const Place& place() const noexcept { return place_; }
  [[nodiscard]] const io::ByteSource& source() const noexcept { return *source_; }

 private:
  [[nodiscard]] std::string_view unread() const noexcept { return {current_->bytes.get() + begin_, filled_ - begin_}; }
  void advance(std::size_t bytes, std::uint64_t lines) noexcept {
    begin_ += bytes;
    place_.offset += bytes;
    place_.line += lines;
  }

  // Reads until the buffer is full, or the source gave less than it was asked for: it may wait for more.
  Result<void> fill() {
    while (!ended_ && filled_ < current_->capacity) {
      std::size_t room = current_->capacity - filled_;
      if (limit_) room = static_cast<std::size_t>(std::min<std::uint64_t>(room, *limit_ - read_));
      const Result<std::size_t> got =
          room == 0 ? Result<std::size_t>(0) : source_->read({current_->bytes.get() + filled_, room});
      if (!got) return failure(got.error());
      filled_ += *got;
      read_ += *got;
      ended_ = *got == 0;
      if (*got < room) break;
    }
    current_->bytes[filled_] = '\0';
    return {};
  }

  // So that `fill` can read more behind what is unread.
  Result<void> make_room() {
    if (filled_ < current_->capacity) return {};
    const std::size_t size = filled_ - begin_;
    if (size >= max_row)
      return failure(fatal(
          fmt::format("{}:{}: a row of more than {} bytes; is this a file of rows?", name(), place_.line, max_row)));
    std::unique_ptr<ChunkData> bigger = pool_->take(std::max(2 * size, options_.chunk_size));
    std::memcpy(bigger->bytes.get(), current_->bytes.get() + begin_, size);
    current_ = std::move(bigger);
    begin_ = 0;
    filled_ = size;
    return {};
  }

  Result<void> skip_mark() {
    while (!ended_ && filled_ < 3)
      if (auto filled = fill(); !filled) return filled;
    if (dialect_.encoding != Encoding::Utf8) return {};
    const std::string_view text = unread();
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
      return failure(
          fatal(fmt::format("{}: the file is UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)", name())));
    if (text.starts_with("\xEF\xBB\xBF")) advance(3, 0);
    return {};
  }

  Result<void> skip_lines() {
    for (std::size_t left = dialect_.skip_lines; left > 0;) {
      const std::string_view text = unread();
      const std::size_t at = text.find_first_of("\r\n");
      if (at != text.npos && (text[at] == '\n' || at + 1 < text.size() || ended_)) {
        advance(at + (text.substr(at).starts_with("\r\n") ? 2 : 1), 1);
        --left;
        continue;
      }
      advance(at == text.npos ? text.size() : at, 0);
      if (ended_) return {};
      std::memmove(current_->bytes.get(), current_->bytes.get() + begin_, filled_ - begin_);
      filled_ -= begin_;
      begin_ = 0;
      if (auto filled = fill(); !filled) return filled;
    }
    return {};
  }

  Result<void> read_header() {
    const std::size_t wanted = std::max<std::size_t>(1, dialect_.header_rows);
    for (;;) {
      if (auto filled = fill(); !filled) return filled;
      if (auto parsed = parse(); !parsed) return parsed;
      set_table();
      const Structure& s = current_->structure;
      std::size_t found = 0, mark = 0, end = 0;
      header_.clear();
      for (std::size_t row = 0; row < s.row_ends.size() && found < wanted; ++row) {
        const std::size_t first = row == 0 ? 0 : s.row_ends[row - 1] + std::size_t{1};
        const std::size_t cells = s.row_ends[row] - first + 1;
        if (mark < s.marks.size() && s.marks[mark].row == row) {
          const Mark& at = s.marks[mark++];
          if (at.kind == Mark::Kind::Comment) continue;
          if (dialect_.header_rows == 0) return {};  // `next` says it
          return failure(fault(at.at, place_.line + count_lines(unread().substr(0, current_->table.begin_of(first))), 0,
                               describe(at, dialect_), true));
        }
        if (cells == 1 && current_->table.raw(first).empty() &&
            (dialect_.header_rows > 0 || !dialect_.keep_blank_lines))
          continue;
        ++found;
        width_ = std::max(width_, cells);
        end = current_->table.ends[s.row_ends[row]] + std::size_t{1};
        if (dialect_.header_rows == 0) return {};
        header_.resize(width_);
        for (std::size_t i = 0; i < cells; ++i) {
          const std::string_view raw = current_->table.raw(first + i);
          const bool quoted = current_->table.quoted(first + i);
          if (!raw.empty() && !header_[i].empty()) header_[i] += ' ';
          append_decoded(header_[i], quoted ? raw.substr(1, raw.size() - 2) : raw, quoted, dialect_);
        }
      }
      if (found == wanted || ended_) {
        // The header is no row; of a file that ends within it nothing is left.
        end = std::min(found == wanted ? end : filled_ - begin_, filled_ - begin_);
        if (dialect_.header_rows > 0) advance(end, count_lines(unread().substr(0, end)));
        return {};
      }
      if (auto grown = make_room(); !grown) return grown;
    }
  }

  Result<void> go_to_begin() {
    if (options_.begin.offset <= place_.offset) return {};
    if (!path_.empty()) {
      Result<io::Source> source = open_at(path_, options_.begin.offset);
      if (!source) return failure(source.error());
      if (*source) {
        source_ = std::move(*source);
        begin_ = filled_ = 0;
        read_ = std::min(options_.begin.offset, source_->size_hint());
        ended_ = false;
      }
    }
    while (read_ < options_.begin.offset && !ended_) {
      begin_ = filled_ = 0;
      if (auto filled = fill(); !filled) return filled;
    }
    if (read_ < options_.begin.offset)
      return failure(
          fatal(fmt::format("{}: reading was to go on at byte {}, but the file ends at byte {}; it is not the "
                            "file of before",
                            name(), options_.begin.offset, read_)));
    begin_ = filled_ - static_cast<std::size_t>(read_ - options_.begin.offset);
    place_ = options_.begin;
    return {};
  }

  Result<void> parse() {
    std::string_view text = unread();
    // Whether it ends a row by itself is not known before the next byte.
    if (!ended_ && text.ends_with('\r')) text.remove_suffix(1);
    Structure& s = current_->structure;
    const bool limited = text.size() > dialect_.max_field;
    if (indexed_ && index(text, dialect_, ended_, s) &&
        !(limited && (s.row_ends.size() == 0 || longest(s) > dialect_.max_field)))
      return {};
    if (!scan(text, dialect_, ended_, s))
      return failure(
          fatal(fmt::format("{}:{}: a cell of more than {} bytes, and no line end behind it; is this a file "
                            "of rows?",
                            name(), place_.line, dialect_.max_field)));
    return {};
  }

  static std::size_t longest(const Structure& s) noexcept {
    std::size_t longest = 0, begin = 0;
    for (const std::uint32_t end : s.ends.all()) {
      longest = std::max(longest, end - begin);
      begin = end + std::size_t{1};
    }
    return longest;
  }

  void set_table() {
    detail::Table& table = current_->table;
    Structure& s = current_->structure;
    s.ends.data()[-1] = ~detail::special_cell;  // one before 0
    table.text = current_->bytes.get() + begin_;
    table.ends = s.ends.data();
    table.quote = dialect_.quote ? static_cast<unsigned char>(*dialect_.quote) : -1;
    table.trim = dialect_.trim;
    table.delimiter = dialect_.delimiter;
    table.width = dialect_.ragged == Ragged::Keep ? 0 : static_cast<std::uint32_t>(width_);
    table.base = place_;
    table.rewritten.clear();
    table.scratch.clear();
  }

  // "FILE:LINE:COLUMN: row N: ..." for a fault at an offset of the text, in a row that begins on `line`.
  [[nodiscard]] Error fault(std::size_t at, std::uint64_t line, std::uint64_t row, std::string_view what,
                            bool stop) const {
    const std::string_view before = unread().substr(0, at);
    const std::size_t line_break = before.find_last_of("\r\n");
    const std::size_t column = at - (line_break == before.npos ? 0 : line_break + 1) + 1;
    std::string text =
        fmt::format("{}:{}:{}: {}: {}", name(), line, column, row == 0 ? "header" : fmt::format("row {}", row), what);
    return stop ? fatal(std::move(text)) : rejected(std::move(text));
  }

  // The rows of the text, which has one at least. What is left of it goes to the next buffer.
  std::shared_ptr<const ChunkData> build() {
    set_table();
    ChunkData& chunk = *current_;
    const Structure& s = chunk.structure;
    const std::string_view text = unread();
    std::uint32_t* const ends = chunk.structure.ends.data();
    rewrite(chunk, text.substr(0, s.ends.back()));

    chunk.bad.clear();
    chunk.rows.resize(s.row_ends.size());
    detail::RowSpan* to = chunk.rows.data();
    const std::size_t invalid =
        dialect_.check_utf8 ? find_invalid_utf8(text.substr(0, s.ends.back() & ~detail::special_cell)) : text.npos;
    std::size_t first = 0, mark = 0, broken = 0;
    std::uint32_t number = 0, line = 0;
    std::size_t end = 0;  // of the rows so far
    const auto width = static_cast<std::size_t>(chunk.table.width);
    for (std::size_t row = 0; row < s.row_ends.size(); ++row) {
      const std::size_t last = s.row_ends[row];
      const std::size_t cells = last - first + 1;
      const std::size_t begin = end;
      const std::size_t row_end = ends[last] & ~detail::special_cell;
      const std::uint32_t row_line = line++;
      while (broken < s.breaks.size() && s.breaks[broken] < row_end) ++line, ++broken;
      if (row_end > begin && text[row_end - 1] == '\r' && row_end < text.size() && text[row_end] == '\n')
        ends[last] |= detail::special_cell;
      const detail::RowSpan span{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(cells), number,
                                 row_line};
      first = last + 1;
      end = std::min(row_end + 1, text.size());
      const bool marked = mark < s.marks.size() && s.marks[mark].row == row;
      const auto bad = [&](std::size_t at, std::string_view what) {
        const std::uint64_t fault_line = place_.line + row_line + count_lines(text.substr(begin, at - begin));
        Error error = fault(at, fault_line, place_.row + number, what, options_.bad_rows == BadRows::Stop);
        if (options_.bad_rows == BadRows::Stop) {
          failed_ = std::move(error);
          return;
        }
        const Row view(chunk.table, span);
        chunk.bad.push_back(
            {std::move(error), view.text(), {place_.offset + begin, place_.line + row_line, place_.row + number}});
        ++number;
      };
      if (marked) {
        const Mark& fault = s.marks[mark++];
        if (fault.kind != Mark::Kind::Comment) bad(fault.at, describe(fault, dialect_));
      } else if (cells == 1 && !dialect_.keep_blank_lines && chunk.table.raw(span.first).empty()) {
        continue;
      } else if (width != 0 && cells != width &&
                 (cells > width ? dialect_.ragged != Ragged::Truncate : dialect_.ragged == Ragged::Reject)) {
        bad(begin,
            fmt::format("{} cells instead of {}; mend the row, or choose what becomes of ragged rows", cells, width));
      } else if (const std::size_t at = invalid == text.npos || row_end < invalid
                                            ? text.npos
                                            : find_invalid_utf8(text.substr(begin, row_end - begin));
                 at != text.npos) {
        bad(begin + at, "invalid UTF-8; convert the file, or read it as Latin-1");
      } else {
        *to++ = span;
        ++number;
      }
      if (failed_) {
        end = begin;
        line = row_line;
        break;
      }
    }
    chunk.rows.resize(static_cast<std::size_t>(to - chunk.rows.data()));
    place_ = {place_.offset + end, place_.line + line, place_.row + number};
    chunk.next = place_;
    return hand_over(end);
  }

  // Cells whose text is not simply a part of the file's.
  void rewrite(ChunkData& chunk, std::string_view text) {
    Structure& s = chunk.structure;
    detail::Table& table = chunk.table;
    const auto decode = [&](std::uint32_t cell) {
      const std::string_view raw = table.raw(cell);
      const bool quoted = table.quoted(cell);
      const std::size_t begin = table.scratch.size();
      append_decoded(table.scratch, quoted ? raw.substr(1, raw.size() - 2) : raw, quoted, dialect_);
      table.rewritten.push_back({cell, static_cast<std::uint32_t>(table.scratch.size() - begin), begin});
      s.ends[cell] |= detail::special_cell;
    };
    std::size_t escaped = 0;
    if (dialect_.encoding == Encoding::Latin1 && has_high(text)) {
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
      table.stretches.resize(s.ends.size() / detail::Table::stretch + 2);
      std::uint32_t next = 0;
      for (std::size_t i = 0; i < table.stretches.size(); ++i) {
        while (next < table.rewritten.size() && table.rewritten[next].cell < i * detail::Table::stretch) ++next;
        table.stretches[i] = next;
      }
    }
    if (dialect_.trim)
      for (std::size_t cell = 0; cell < s.ends.size(); ++cell) s.ends[cell] |= detail::special_cell;
  }

  // The current buffer as a chunk; what is unread behind its first `bytes` goes to a new one.
  std::shared_ptr<const ChunkData> hand_over(std::size_t bytes) {
    begin_ += bytes;
    const std::size_t left = filled_ - begin_;
    std::unique_ptr<ChunkData> next = pool_->take(std::max(options_.chunk_size, left));
    std::memcpy(next->bytes.get(), current_->bytes.get() + begin_, left);
    begin_ = 0;
    filled_ = left;
    std::unique_ptr<ChunkData> done = std::exchange(current_, std::move(next));
    return {done.release(), [pool = pool_, usual = options_.chunk_size](const ChunkData* data) {
              pool->give(std::unique_ptr<ChunkData>(const_cast<ChunkData*>(data)), usual);
            }};
  }

  [[nodiscard]] const std::string& name() const noexcept { return source_->name(); }

  io::Source source_;
  std::filesystem::path path_;  // empty: only the source is known
  Dialect dialect_;
  ReaderOptions options_;
  std::shared_ptr<detail::Pool> pool_ = std::make_shared<detail::Pool>();
  bool indexed_ = false;
  std::unique_ptr<ChunkData> current_;
  std::size_t begin_ = 0, filled_ = 0;  // what is unread in `current_`
  std::uint64_t read_ = 0;              // offset behind it
  std::optional<std::uint64_t> limit_;  // of `read_`
  bool ended_ = false;
  Place place_{};  // of what is unread
  std::vector<std::string> header_;
  std::size_t width_ = 0;
  std::optional<Error> failed_;
};

Reader::Reader(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

namespace {

Result<void> check(const Dialect& dialect, const ReaderOptions& options) {
  if (auto good = csv::check(dialect); !good) return good;
  if (options.chunk_size < 1 || options.chunk_size > max_row)
    return failure({.code = Errc::InvalidOptions,
                    .context = fmt::format("chunk_size is {}, not between 1 and 2^30 bytes", options.chunk_size)});
  return {};
}

}  // namespace

Result<Reader> Reader::open(const std::filesystem::path& path, const Dialect& dialect, const ReaderOptions& options,
                            const std::stop_token& stop) {
  if (auto good = check(dialect, options); !good) return failure(good.error());
  Result<io::Source> source = io::open_input(path);
  if (!source) return failure(source.error());
  auto impl = std::make_unique<Impl>(std::move(*source), path, dialect, options);
  if (auto primed = impl->prime(stop); !primed) return failure(primed.error());
  return Reader(std::move(impl));
}

Result<Reader> Reader::from(io::Source source, const Dialect& dialect, const ReaderOptions& options,
                            const std::stop_token& stop) {
  if (auto good = check(dialect, options); !good) return failure(good.error());
  if (!source) return failure({.code = Errc::InvalidOptions, .context = "CSV reader without a source"});
  auto impl = std::make_unique<Impl>(std::move(source), std::filesystem::path(), dialect, options);
  if (auto primed = impl->prime(stop); !primed) return failure(primed.error());
  return Reader(std::move(impl));
}

Result<std::optional<Chunk>> Reader::next(const std::stop_token& stop) { return impl_->next(stop); }
const std::vector<std::string>& Reader::header() const noexcept { return impl_->header(); }
std::size_t Reader::width() const noexcept { return impl_->width(); }
const Place& Reader::place() const noexcept { return impl_->place(); }
std::uint64_t Reader::bytes_read() const noexcept { return impl_->source().consumed(); }
std::uint64_t Reader::size_hint() const noexcept { return impl_->source().size_hint(); }
const std::string& Reader::name() const noexcept { return impl_->source().name(); }

}  // namespace etl::inline v0::csv
