#include <etl/csv/reader.hpp>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/csv/encoding.hpp>
#include <etl/csv/foreign.hpp>

#include "build_rows.hpp"
#include "range_source.hpp"
#include "reader_input.hpp"
#include "text.hpp"

namespace etl::inline v0::csv {

using detail::ChunkData;

Chunk::Chunk(std::shared_ptr<const ChunkData> data) noexcept
    : data_(std::move(data)), table_(&data_->table), rows_(data_->rows) {}
const Place& Chunk::next_place() const noexcept { return data_->next; }
std::span<const BadRow> Chunk::bad_rows() const noexcept { return data_->bad; }

class Reader::Impl {
 public:
  Impl(io::Source source, std::filesystem::path path, const Dialect& dialect, const ReaderOptions& options)
      : dialect_(dialect),
        options_(options),
        indexed_(can_index(dialect)),
        in_(std::move(source), std::move(path),
            std::max<std::size_t>(options.chunk_size, 4)) {  // room for at least a byte order mark
    if (dialect_.escape == dialect_.quote) dialect_.escape.reset();
  }

  // Reads the header, and then moves to the place where reading begins.
  Result<void> prime(const std::stop_token& stop) {
    {
      const std::stop_callback interrupt(stop, [this] { in_.source().interrupt(); });
      if (auto done = refuse_foreign(); !done) return done;
      if (auto done = skip_mark(); !done) return done;
      if (auto done = skip_separator(); !done) return done;
      if (auto done = skip_lines(); !done) return done;
      if (auto done = read_header(); !done) return done;
    }
    if (options_.begin.offset > place_.offset) {
      place_ = options_.begin;
      if (auto gone = in_.go_to(place_.offset, stop); !gone) return gone;
    }
    if (options_.end) in_.end_at(*options_.end);
    return {};
  }

  Result<std::optional<Chunk>> next(const std::stop_token& stop) {
    const auto fail = [this](Error error) {
      failed_ = std::move(error);
      return failure(*failed_);
    };
    if (failed_) return failure(*failed_);
    const std::stop_callback interrupt(stop, [this] { in_.source().interrupt(); });
    for (;;) {
      if (stop.stop_requested()) return std::nullopt;
      if (auto filled = in_.fill(); !filled) {
        if (stop.stop_requested()) return std::nullopt;
        return fail(std::move(filled.error()));
      }
      if (unread().empty() && in_.ended()) return std::nullopt;
      if (auto parsed = parse(); !parsed) return fail(std::move(parsed.error()));
      ChunkData& chunk = in_.chunk();
      if (chunk.structure.row_ends.size() == 0) {
        if (auto grown = make_room(); !grown) return fail(std::move(grown.error()));
        continue;
      }
      set_table();
      if (auto built = detail::build_rows(chunk, unread(), dialect_, options_.bad_rows, name()); !built)
        failed_ = std::move(built.error());
      const std::shared_ptr<const ChunkData> rows =
          in_.hand_over(static_cast<std::size_t>(chunk.next.offset - place_.offset));
      place_ = rows->next;
      if (!rows->rows.empty() || !rows->bad.empty()) return Chunk(rows);
      if (failed_) return failure(*failed_);
    }
  }

  [[nodiscard]] const std::vector<std::string>& header() const noexcept { return header_; }
  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] const Place& place() const noexcept { return place_; }
  [[nodiscard]] const io::ByteSource& source() const noexcept { return in_.source(); }
  void set_offsets(std::shared_ptr<const FileOffsets> offsets) noexcept { offsets_ = std::move(offsets); }
  [[nodiscard]] const std::shared_ptr<const FileOffsets>& offsets() const noexcept { return offsets_; }

 private:
  [[nodiscard]] std::string_view unread() const noexcept { return in_.unread(); }
  void advance(std::size_t bytes, std::uint64_t lines) noexcept {
    in_.drop(bytes);
    place_.offset += bytes;
    place_.line += lines;
  }
  Result<void> make_room() {
    if (in_.make_room()) return {};
    return failure(fatal(fmt::format("{}:{}: a row of more than {} bytes; is this a file of rows?", name(), place_.line,
                                     detail::Input::max_buffer)));
  }

  // Refuses files that are not text. Otherwise their bytes would be read as rows, with misleading errors about quotes.
  Result<void> refuse_foreign() {
    do {
      if (auto filled = in_.fill(); !filled) return filled;
    } while (!in_.ended() && unread().size() < std::min(foreign_bytes, options_.chunk_size) &&
             unread().find('\n') == std::string_view::npos);
    if (const auto foreign = foreign_format(unread()))
      return failure(fatal(fmt::format("{}: the file is {}: {}", name(), foreign->what, foreign->remedy)));
    return {};
  }

  Result<void> skip_mark() {
    while (!in_.ended() && unread().size() < 3)
      if (auto filled = in_.fill(); !filled) return filled;
    const std::string_view text = unread();
    const bool wide = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
    if (wide && dialect_.encoding != Encoding::Utf8)
      return failure(fatal(fmt::format(
          "{}: the file begins with the byte order mark of UTF-16, so it is not Latin-1; do not name an encoding",
          name())));
    // `open` has converted texts that begin like this.
    if (wide) return failure(fatal(fmt::format("{}: the text is UTF-16; csv::as_utf8 converts its source", name())));
    if (!text.starts_with("\xEF\xBB\xBF")) return {};
    if (dialect_.encoding != Encoding::Utf8) dialect_.check_utf8 = true;
    dialect_.encoding = Encoding::Utf8;
    advance(3, 0);
    return {};
  }

  // Skips the line "sep=;", which Excel writes before the header.
  Result<void> skip_separator() {
    if (dialect_.header_rows == 0 || dialect_.skip_lines > 0) return {};
    constexpr std::size_t longest = std::string_view("\"sep=;\"\r\n").size();
    while (!in_.ended() && unread().size() < longest && may_begin_separator_line(unread())) {
      if (auto grown = make_room(); !grown) return grown;
      if (auto filled = in_.fill(); !filled) return filled;
    }
    if (const auto line = separator_line(unread())) {
      if (!dialect_.fixed_delimiter) dialect_.delimiter = line->delimiter;
      advance(line->size, 1);
    }
    return {};
  }

  Result<void> skip_lines() {
    for (std::size_t left = dialect_.skip_lines; left > 0;) {
      const std::string_view text = unread();
      const std::size_t at = text.find_first_of("\r\n");
      if (at != text.npos && (text[at] == '\n' || at + 1 < text.size() || in_.ended())) {
        advance(at + (text.substr(at).starts_with("\r\n") ? 2 : 1), 1);
        --left;
        continue;
      }
      advance(at == text.npos ? text.size() : at, 0);
      if (in_.ended()) return {};
      if (auto filled = in_.fill(); !filled) return filled;
    }
    return {};
  }

  Result<void> read_header() {
    const std::size_t wanted = std::max<std::size_t>(1, dialect_.header_rows);
    for (;;) {
      if (auto filled = in_.fill(); !filled) return filled;
      if (auto parsed = parse(); !parsed) return parsed;
      set_table();
      const detail::Table& table = in_.chunk().table;
      const Structure& s = in_.chunk().structure;
      std::size_t found = 0, mark = 0, end = 0;
      std::uint64_t rows = 0;  // number of rows before `end`
      header_.clear();
      for (std::size_t row = 0; row < s.row_ends.size() && found < wanted; ++row) {
        const std::size_t first = row == 0 ? 0 : s.row_ends[row - 1] + std::size_t{1};
        const std::size_t cells = s.row_ends[row] - first + 1;
        if (mark < s.marks.size() && s.marks[mark].row == row) {
          const Mark& at = s.marks[mark++];
          if (at.kind == Mark::Kind::Comment) continue;
          if (dialect_.header_rows == 0) return {};  // `next` reports the problem
          const std::uint64_t line = place_.line + detail::count_lines(unread().substr(0, table.begin_of(first)));
          return failure(
              fatal(detail::fault(name(), unread(), at.at, line, "header", detail::describe(at, unread(), dialect_))));
        }
        if (cells == 1 && table.raw(first).empty() && (dialect_.header_rows > 0 || !dialect_.keep_blank_lines))
          continue;
        ++found;
        width_ = std::max(width_, cells);
        end = table.ends[s.row_ends[row]] + std::size_t{1};
        rows = row + 1;
        if (dialect_.header_rows == 0) return {};
        header_.resize(width_);
        for (std::size_t i = 0; i < cells; ++i) {
          const std::string_view raw = table.raw(first + i);
          const bool quoted = table.quoted(first + i);
          if (!raw.empty() && !header_[i].empty()) header_[i] += ' ';
          append_decoded(header_[i], quoted ? raw.substr(1, raw.size() - 2) : raw, quoted, dialect_);
        }
      }
      if (found == wanted || in_.ended()) {
        // The header is not a row. If the file ends within the header, nothing is left.
        end = std::min(found == wanted ? end : unread().size(), unread().size());
        const bool sheet = dialect_.sheet_column != 0 && found == wanted;
        if (dialect_.header_rows > 0) advance(end, sheet ? rows : detail::count_lines(unread().substr(0, end)));
        return {};
      }
      if (auto grown = make_room(); !grown) return grown;
    }
  }

  Result<void> parse() {
    std::string_view text = unread();
    // Only the next byte shows whether this CR ends a row by itself.
    if (!in_.ended() && text.ends_with('\r')) text.remove_suffix(1);
    Structure& s = in_.chunk().structure;
    const bool limited = text.size() > dialect_.max_field;
    if (indexed_ && index(text, dialect_, in_.ended(), s) &&
        !(limited && (s.row_ends.size() == 0 || longest(s) > dialect_.max_field)))
      return {};
    if (!scan(text, dialect_, in_.ended(), s))
      return failure(
          fatal(fmt::format("{}:{}: a cell of more than {} bytes, and no line end after it; is this a file "
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

  void set_table() { detail::set_table(in_.chunk(), unread(), dialect_, width_, place_); }
  [[nodiscard]] const std::string& name() const noexcept { return in_.source().name(); }

  Dialect dialect_;
  ReaderOptions options_;
  bool indexed_ = false;
  detail::Input in_;
  Place place_{};  // place of the unread bytes
  std::vector<std::string> header_;
  std::size_t width_ = 0;
  std::shared_ptr<const FileOffsets> offsets_;
  std::optional<Error> failed_;
};

Reader::Reader(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

namespace {

Result<void> check(const Dialect& dialect, const ReaderOptions& options) {
  if (auto good = csv::check(dialect); !good) return good;
  if (options.chunk_size < 1 || options.chunk_size > detail::Input::max_buffer)
    return failure({.code = Errc::InvalidOptions,
                    .context = fmt::format("chunk_size is {}, not between 1 and 2^30 bytes", options.chunk_size)});
  return {};
}

Result<bool> is_plain_file(const std::filesystem::path& path, const Dialect& dialect) {
  Result<io::Source> source = open_at(path, 0);
  if (!source) return failure(source.error());
  if (!*source || dialect.encoding != Encoding::Utf8) return true;
  std::array<char, encoding_bytes> begin{};
  const Result<std::size_t> got = (*source)->read(begin);
  if (!got) return failure(got.error());
  return is_plain({begin.data(), *got}, dialect.charset);
}

}  // namespace

Result<Reader> Reader::open(const std::filesystem::path& path, const Dialect& dialect, const ReaderOptions& options,
                            const std::stop_token& stop) {
  if (auto good = check(dialect, options); !good) return failure(good.error());
  Result<io::Source> source = io::open_input(path);
  const BadBytes bad_bytes = dialect.check_utf8 ? BadBytes::Mark : BadBytes::Stop;
  std::shared_ptr<FileOffsets> offsets;
  if (dialect.encoding == Encoding::Utf8) offsets = std::make_shared<FileOffsets>(path);
  if (source && offsets) source = as_utf8(std::move(*source), dialect.charset, bad_bytes, offsets);
  if (!source) return failure(source.error());
  // If the text is converted, reading can only begin at the beginning.
  const Result<bool> plain = is_plain_file(path, dialect);
  if (!plain) return failure(plain.error());
  auto impl = std::make_unique<Impl>(std::move(*source), *plain ? path : std::filesystem::path(), dialect, options);
  impl->set_offsets(std::move(offsets));
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
const std::shared_ptr<const FileOffsets>& Reader::offsets() const noexcept { return impl_->offsets(); }
const std::string& Reader::name() const noexcept { return impl_->source().name(); }

}  // namespace etl::inline v0::csv
