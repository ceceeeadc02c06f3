#pragma once
/// Files of delimited text, as rows.

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
  Error error{};            ///< "FILE:LINE:COLUMN: row N: what, and what to do about it"
  std::string_view text{};  ///< as it is in the file; valid as long as the chunk is held
  Place place{};
};

namespace detail {
struct ChunkData;
}

/// A piece of a file: whole rows. A value; rows and texts live as long as one copy of it, or of `keep()`, does.
class Chunk {
 public:
  explicit Chunk(std::shared_ptr<const detail::ChunkData> data) noexcept;
  [[nodiscard]] RowIterator begin() const noexcept { return {*table_, rows_.data()}; }
  [[nodiscard]] RowIterator end() const noexcept { return {*table_, rows_.data() + rows_.size()}; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  [[nodiscard]] Row operator[](std::size_t i) const noexcept { return {*table_, rows_[i]}; }
  /// For `Emitter::hold`.
  [[nodiscard]] std::shared_ptr<const void> keep() const noexcept { return data_; }
  /// Where to read on from to have this chunk again; and where to read on from to have what follows.
  [[nodiscard]] const Place& place() const noexcept { return table_->base; }
  [[nodiscard]] const Place& next_place() const noexcept;
  /// `place` as text for `Emitter::mark`.
  [[nodiscard]] Position position() const { return place().position(); }
  /// Rows that are not among the others, in the order of the file.
  [[nodiscard]] std::span<const BadRow> bad_rows() const noexcept;

 private:
  std::shared_ptr<const detail::ChunkData> data_;
  const detail::Table* table_;
  std::span<const detail::RowSpan> rows_;
};

/// A stretch of a file that begins and ends with whole rows.
struct Part {
  Place begin{};
  std::uint64_t end = 0;  ///< offset behind its last row
};

enum class BadRows : std::uint8_t {
  Stop,      ///< the first is the error of `next`, behind the rows before it
  SetAside,  ///< they are in `Chunk::bad_rows`; reading goes on at the next line
};

struct ReaderOptions {
  std::size_t chunk_size = 256 << 10;  ///< bytes of a chunk at most, unless one row is longer
  BadRows bad_rows = BadRows::Stop;    ///< what broken quoting, a cell that is too long, a ragged row mean
  Place begin{};                       ///< where to go on; the header is read all the same
  /// Bytes of the file to read, from its beginning; the end of a `Part`. A whole row ends there.
  std::optional<std::uint64_t> end{};
};

/// Reads a file in chunks of whole rows, in constant memory: buffers are recycled when the last holder of a chunk lets
/// it go. Belongs to one thread at a time; chunks and rows may go to any thread.
class Reader {
 public:
  /// Opens a file, plain or gzip by content ("-": standard input), and reads up to the end of its header. A plain file
  /// is not read before `options.begin`, but for that.
  [[nodiscard]] static Result<Reader> open(const std::filesystem::path& path, const Dialect& dialect = {},
                                           const ReaderOptions& options = {}, const std::stop_token& stop = {});
  /// The same of a source. What lies before `options.begin` is read and dropped.
  [[nodiscard]] static Result<Reader> from(io::Source source, const Dialect& dialect = {},
                                           const ReaderOptions& options = {}, const std::stop_token& stop = {});
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// The next rows; nothing at the end, or when `stop` is requested. After an error the same error again.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// The names of the columns; empty when the dialect has no header.
  [[nodiscard]] const std::vector<std::string>& header() const noexcept;
  /// Cells of the header, or of the first row; 0: the file has neither.
  [[nodiscard]] std::size_t width() const noexcept;
  /// Where the next chunk begins.
  [[nodiscard]] const Place& place() const noexcept;
  /// Bytes taken from the innermost source so far, and how many it has (0: not known): for progress.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  [[nodiscard]] std::uint64_t size_hint() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  class Impl;
  explicit Reader(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// Cuts a plain file into at most `parts` stretches of about the same size, on as many threads, to be read by as many
/// readers (`ReaderOptions::begin` and `end`). Together they give the rows that one reader gives, with the same
/// numbers as long as no row has a wrong width because of a quote that is one too many.
[[nodiscard]] Result<std::vector<Part>> split(const std::filesystem::path& path, const Dialect& dialect,
                                              std::size_t parts);

}  // namespace etl::inline v0::csv
