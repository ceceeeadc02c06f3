#pragma once
/// JSON: one object per line (NDJSON), or an array of objects; typed by the same mappings as delimited text.
///
///     auto reader = etl::csv::ndjson::Reader::open("orders.ndjson");
///     auto decoder = etl::csv::ndjson::bind(mapping, reader->name());  // a FileMapping, or columns<Order>(...)
///     while (auto chunk = etl::value(reader->next()))
///       for (const auto& line : *chunk) decoder->decode(line, record);
///
/// A member of an object is a cell. A string counts as a cell in quotes. Numbers, true and false are the texts in the
/// file. null and a missing member are NULL. Objects and arrays are their JSON.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/csv/columns.hpp>
#include <etl/csv/mapping.hpp>
#include <etl/csv/record.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv::ndjson {

/// One object of a file.
struct Line {
  std::string_view text{};   ///< the text without its line end
  std::uint64_t number = 1;  ///< number of the line or element in the file, from 1
  std::uint64_t offset = 0;  ///< bytes of the inflated file before it
  bool element = false;      ///< an element of an array instead of a line; its line ends are blanks
};

/// Whole lines of a file, or elements of an array, without blank lines. A value; texts live as long as any copy of
/// `keep()`.
class Chunk {
 public:
  /// Made by the reader.
  explicit Chunk(io::Chunk chunk, bool elements = false);
  [[nodiscard]] auto begin() const noexcept { return lines_.begin(); }
  [[nodiscard]] auto end() const noexcept { return lines_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return lines_.size(); }
  /// For `Emitter::retain`.
  [[nodiscard]] const std::shared_ptr<const void>& keep() const noexcept { return chunk_.keep; }
  /// Where this chunk begins, for `io::ChunkOptions`.
  [[nodiscard]] std::uint64_t offset() const noexcept { return chunk_.offset; }
  /// Number of the first line of this chunk.
  [[nodiscard]] std::uint64_t first_line() const noexcept { return chunk_.first_line; }
  /// Where the next chunk begins, for `io::ChunkOptions`.
  [[nodiscard]] std::uint64_t end_offset() const noexcept { return chunk_.offset + chunk_.text.size(); }
  /// Number of the first line of the next chunk.
  [[nodiscard]] std::uint64_t next_line() const noexcept { return next_line_; }

 private:
  io::Chunk chunk_;
  std::vector<Line> lines_{};
  std::uint64_t next_line_;
};

/// Reads a file in chunks of whole lines, in constant memory. If the first byte that is not blank is `[`, the file is
/// an array, and its elements are the lines. Belongs to one thread at a time; chunks may go to any thread.
class Reader {
 public:
  /// Opens a plain or gzip file; "-" is standard input.
  [[nodiscard]] static Result<Reader> open(const std::filesystem::path& path, io::ChunkOptions options = {});
  /// Reads a source.
  explicit Reader(io::Source source, io::ChunkOptions options = {});
  /// The next chunk, as `io::ChunkReader::next`.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// As `io::ChunkReader::bytes_read`.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return chunks_.bytes_read(); }
  /// As `io::ChunkReader::size_hint`.
  [[nodiscard]] std::uint64_t size_hint() const noexcept { return chunks_.size_hint(); }
  /// Name of the source, for messages.
  [[nodiscard]] const std::string& name() const noexcept { return chunks_.name(); }

 private:
  std::shared_ptr<std::atomic<bool>> is_array_ = std::make_shared<std::atomic<bool>>(false);
  io::ChunkReader chunks_;
};

/// Settings of a `Parser`. An aggregate.
struct ParserOptions {
  std::size_t max_depth = 64;           ///< most nested objects and arrays
  bool reject_duplicate_keys = false;   ///< a requested member that occurs twice is an error; otherwise the last counts
  bool reject_unknown_members = false;  ///< a member that was not requested is an error; otherwise it is skipped
  std::vector<std::string> as_json{};   ///< members whose cells are their JSON, so that a text keeps quotes and escapes
};

/// The requested members of one object, as a row of cells. A view into its parser.
class Object {
 public:
  /// What errors call a cell, which has no number.
  static constexpr std::string_view cell_noun = "member";
  /// A member.
  struct Cell {
    std::string text{};   ///< its text
    bool quoted = false;  ///< whether it is a string
    bool null = true;     ///< whether it is null or missing
  };
  /// Made by the parser.
  Object(std::span<const Cell> cells, std::uint64_t line, bool element = false)
      : cells_(cells), line_(line), element_(element) {}
  [[nodiscard]] std::size_t size() const noexcept { return cells_.size(); }
  [[nodiscard]] std::string_view operator[](std::size_t i) const noexcept {
    return i < cells_.size() ? std::string_view(cells_[i].text) : std::string_view();
  }
  /// Whether the member is a string.
  [[nodiscard]] bool quoted(std::size_t i) const noexcept { return cells_[i].quoted; }
  /// Whether the member is null or missing.
  [[nodiscard]] bool null(std::size_t i) const noexcept { return cells_[i].null; }
  /// Number of the line or element, from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return line_; }
  /// The same number.
  [[nodiscard]] std::uint64_t line() const noexcept { return line_; }
  /// "FILE:7: row 7" or "FILE element 7", for errors.
  [[nodiscard]] std::string where(std::string_view file) const;

 private:
  std::span<const Cell> cells_;
  std::uint64_t line_;
  bool element_;
};

/// Finds named members of objects. Belongs to one thread at a time.
class Parser {
 public:
  /// A parser for members with these names; `file` is used in errors.
  explicit Parser(std::vector<std::string> names, std::string file = {}, const ParserOptions& options = {});
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;
  ~Parser();
  /// The members in the order of the names, valid until the next call. An error of class Rejected names file, line and
  /// column; you may then parse the next line.
  [[nodiscard]] Result<Object> parse(const Line& line);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads lines with `D`, a decoder of rows. Belongs to one thread at a time; make one for each thread.
template <class D>
class Decoder {
 public:
  /// Made by `bind`.
  Decoder(Parser parser, D decoder) : parser_(std::move(parser)), decoder_(std::move(decoder)) {}
  /// Reads a line. Errors are those of `Parser::parse` and of `D`.
  template <class T>
  [[nodiscard]] Result<void> decode(const Line& line, T& out) {
    const auto object = parser_.parse(line);
    if (!object) return failure(object.error());
    return decoder_.decode(*object, out);
  }

 private:
  Parser parser_;
  D decoder_;
};

namespace detail {
/// An error unless all have names.
[[nodiscard]] Result<void> check_names(std::span<const csv::detail::WantedCell> columns, std::string_view file);
}  // namespace detail

/// A decoder of members into records. Columns are found by name; `dialect` and `decimal_comma` are ignored.
[[nodiscard]] Result<Decoder<RecordDecoder>> bind(const FileMapping& mapping, std::string file = {},
                                                  const ParserOptions& options = {});
/// A decoder of members into structs. `decimal_comma` is ignored.
template <class T, class... C>
[[nodiscard]] Result<Decoder<csv::Decoder<T, C...>>> bind(const Columns<T, C...>& columns, std::string file = {},
                                                          const ParserOptions& options = {}) {
  std::vector<csv::detail::WantedCell> wanted;
  columns.for_each([&](const auto& each) { wanted.push_back({.source = each.source, .clock = each.clock}); });
  if (auto checked = detail::check_names(wanted, file); !checked) return failure(std::move(checked.error()));
  auto names = columns.names();
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  auto decoder = columns.with_decimal_points().bind(names, file);
  if (!decoder) return failure(std::move(decoder.error()));
  return Decoder<csv::Decoder<T, C...>>(Parser(std::move(names), std::move(file), options), *std::move(decoder));
}

/// A member of the objects of a `Writer`.
struct Field {
  std::string name;        ///< its name
  Kind kind = Kind::Text;  ///< its type
};

/// How the objects of a file are arranged.
enum class Layout : std::uint8_t {
  Lines,  ///< NDJSON
  Array,  ///< one array, with one object per line
};

/// Writes objects. Belongs to one thread at a time.
class Writer {
 public:
  /// Writes to a sink. `fields` describe the records of `row(record)`.
  explicit Writer(io::Sink sink, std::vector<Field> fields = {}, Layout layout = Layout::Lines);
  /// Appends to a text, which must outlive the writer.
  explicit Writer(std::string& text, std::vector<Field> fields = {}, Layout layout = Layout::Lines);

  /// Writes a record. NULL becomes null. A text of kind Numeric becomes a number with the same digits, if JSON allows
  /// it. Dates and times become texts. A number that JSON does not allow (inf, nan) and a text that is not UTF-8 are
  /// errors of class Rejected; the record is then not written.
  [[nodiscard]] Result<void> row(std::span<const Value> record);
  /// Writes a struct with the mapping that reads it; dates and times in their formats.
  template <class T, class... C>
  [[nodiscard]] Result<void> row(const Columns<T, C...>& columns, const T& value) {
    columns.for_each([&](const auto& column) { member(column, value.*column.member); });
    return end_row();
  }
  /// Ends an array, writes the buffer and finishes the sink. Without `finish` the output is incomplete. Call it once,
  /// last.
  [[nodiscard]] Result<void> finish();

 private:
  [[nodiscard]] std::string& out() noexcept { return text_ != nullptr ? *text_ : buffer_; }
  void begin_object();
  void key(std::string_view name);
  void key(const Source& source);
  void string(std::string_view text);
  void put(const Value& value, Kind kind);
  void number(double value);
  void number(float value);
  void moment(const Source& source, const Source& clock, const CellFormat& format, const Moment& moment);
  [[nodiscard]] Result<void> end_row();

  template <class C, class M>
  void member(const C& column, const M& value) {
    static_assert(std::is_void_v<typename C::Function>, "a column with etl::csv::convert is read only");
    if constexpr (is_optional<M>) {
      if (value) return member(column, *value);
      for (const Source* source : {&column.source, &column.clock})
        if (source->valid()) key(*source), out() += "null";
    } else if constexpr (csv::detail::is_day<M>) {
      moment(column.source, column.clock, column.format,
             {.time = LocalTime(std::chrono::local_days(std::chrono::year_month_day(value)))});
    } else if constexpr (csv::detail::is_utc<M> || csv::detail::is_local<M>) {
      Moment told{.time = LocalTime(std::chrono::floor<std::chrono::microseconds>(value.time_since_epoch())),
                  .has_clock = true};
      if (csv::detail::is_utc<M> && !column.clock.valid()) told.offset = std::chrono::minutes{0};
      moment(column.source, column.clock, column.format, told);
    } else if constexpr (std::is_enum_v<M>) {
      member(column, static_cast<std::underlying_type_t<M>>(value));
    } else {
      key(column.source);
      if constexpr (csv::detail::is_text<M>)
        string(value);
      else if constexpr (std::same_as<M, bool>)
        append_text(out(), value);
      else if constexpr (std::floating_point<M>)
        number(value);
      else if constexpr (std::signed_integral<M>)
        append_text(out(), static_cast<std::int64_t>(value));
      else
        append_text(out(), static_cast<std::uint64_t>(value));
    }
  }

  io::Sink sink_{};
  std::string* text_ = nullptr;
  std::vector<Field> fields_;
  Layout layout_;
  std::string buffer_{};
  std::string scratch_{};
  std::size_t row_begin_;
  std::uint64_t rows_ = 0;
  bool open_ = false;  // the row has begun
  bool any_ = false;   // there is a row in the output
  std::string rejected_{};
};

}  // namespace etl::inline v0::csv::ndjson
