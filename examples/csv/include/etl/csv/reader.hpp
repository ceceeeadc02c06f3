#pragma once
/// Reads files of delimited text as rows.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/dialect.hpp>
#include <etl/csv/row.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// A row that was set aside.
struct BadRow {
  Error error{};            ///< "FILE:LINE:COLUMN: row N: what is wrong, and what to do about it"
  std::string_view text{};  ///< the text in the file; valid as long as the chunk is kept
  Place place{};            ///< where the row begins
};

class FileOffsets;
namespace detail {
struct ChunkData;
}

/// Whole rows of a file. A value; rows and texts live as long as any copy of the chunk or of `keep()`.
class Chunk {
 public:
  /// Made by the reader.
  explicit Chunk(std::shared_ptr<const detail::ChunkData> data) noexcept;
  [[nodiscard]] RowIterator begin() const noexcept { return {*table_, rows_.data()}; }
  [[nodiscard]] RowIterator end() const noexcept { return {*table_, rows_.data() + rows_.size()}; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  [[nodiscard]] Row operator[](std::size_t i) const noexcept { return {*table_, rows_[i]}; }
  /// For `Emitter::retain`.
  [[nodiscard]] std::shared_ptr<const void> keep() const noexcept { return data_; }
  /// Where this chunk begins.
  [[nodiscard]] const Place& place() const noexcept { return table_->base; }
  /// Where the next chunk begins.
  [[nodiscard]] const Place& next_place() const noexcept;
  /// `place` as text for `Emitter::mark`.
  [[nodiscard]] Position position() const { return place().position(); }
  /// The bad rows, in the order of the file. They are not among the rows.
  [[nodiscard]] std::span<const BadRow> bad_rows() const noexcept;

 private:
  std::shared_ptr<const detail::ChunkData> data_;
  const detail::Table* table_;
  std::span<const detail::RowSpan> rows_;
};

/// A part of a file that begins and ends with whole rows.
struct Part {
  Place begin{};          ///< where it begins
  std::uint64_t end = 0;  ///< offset just after its last row
};

/// What to do with a bad row: broken quotes, a cell that is too long, another number of cells.
enum class BadRows : std::uint8_t {
  Stop,      ///< `next` returns the rows before the first bad row, and then its error
  SetAside,  ///< put bad rows into `Chunk::bad_rows`, and go on at the next line
};

/// Settings of a `Reader`. An aggregate.
struct ReaderOptions {
  std::size_t chunk_size = 256 << 10;  ///< most bytes of a chunk, unless one row is longer
  BadRows bad_rows = BadRows::Stop;    ///< what to do with bad rows
  Place begin{};                       ///< where to begin; the header is read in any case
  /// Offset where to end, the `end` of a `Part`. A row must end there.
  std::optional<std::uint64_t> end{};
};

/// Reads a file in chunks of whole rows, in constant memory: a buffer is reused when the last copy of its chunk is
/// destroyed. Belongs to one thread at a time; chunks and rows may go to any thread.
class Reader {
 public:
  /// Opens a plain or gzip file ("-" is standard input) and reads its header. Between the header and `options.begin` a
  /// plain file is not read.
  [[nodiscard]] static Result<Reader> open(const std::filesystem::path& path, const Dialect& dialect = {},
                                           const ReaderOptions& options = {}, const std::stop_token& stop = {});
  /// The same for a source. Bytes before `options.begin` are read and dropped.
  [[nodiscard]] static Result<Reader> from(io::Source source, const Dialect& dialect = {},
                                           const ReaderOptions& options = {}, const std::stop_token& stop = {});
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// The next rows; nothing at the end, or if `stop` is requested. After an error every call returns the same error.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// The names of the columns; empty if the dialect has no header.
  [[nodiscard]] const std::vector<std::string>& header() const noexcept;
  /// Number of cells of the header, or of the first row; 0 if the file has neither.
  [[nodiscard]] std::size_t width() const noexcept;
  /// Where the next chunk begins.
  [[nodiscard]] const Place& place() const noexcept;
  /// Bytes read so far from the innermost source (compressed bytes for gzip).
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  /// Number of bytes of the innermost source; 0 if not known.
  [[nodiscard]] std::uint64_t size_hint() const noexcept;
  /// Finds the bytes of the file for offsets of rows, which count bytes of its UTF-8 text. Null if the reader was made
  /// for a source, or if the dialect says that the file is Latin-1, whose offsets are those of the file.
  [[nodiscard]] const std::shared_ptr<const FileOffsets>& offsets() const noexcept;
  /// Name of the source, for messages.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  class Impl;
  explicit Reader(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// Cuts a plain file into at most `parts` parts of about the same size, with as many threads, so that several readers
/// can read it (`ReaderOptions::begin` and `end`). Together they return the same rows as one reader. The numbers of
/// rows are the same too, unless a stray quote gives a row the wrong width.
[[nodiscard]] Result<std::vector<Part>> split(const std::filesystem::path& path, const Dialect& dialect,
                                              std::size_t parts);

}  // namespace etl::inline v0::csv
