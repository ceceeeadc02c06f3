#pragma once
/// Whole records in large chunks, read ahead on a separate thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/io/record_splitter.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io {

/// A part of a source that contains whole records. A value; the text lives as long as any copy of `keep`.
struct Chunk {
  std::shared_ptr<const void> keep{};  ///< for `Emitter::retain`
  std::string_view text{};             ///< the records
  std::uint64_t offset = 0;            ///< offset of `text` in the inflated source, in bytes
  std::uint64_t first_line = 1;        ///< number of the first line of `text`, from 1; CR LF and lone CR count once
  bool unterminated = false;  ///< the source ended within a record; `text` is only this rest, perhaps blank lines
};

/// Settings of a `ChunkReader`. An aggregate.
struct ChunkOptions {
  std::size_t chunk_size = 1 << 20;    ///< most bytes of a chunk, unless one record is longer
  std::size_t max_record = 256 << 20;  ///< most bytes of a record; a longer record is an error that names its place
  std::size_t ahead = 4;               ///< most chunks that are read before they are taken
  /// Where to begin: `Chunk::offset` of an earlier chunk. The text before it is read (and inflated) and dropped.
  std::uint64_t offset = 0;
  std::uint64_t first_line = 1;  ///< `Chunk::first_line` of the same chunk
};

/// Reads and inflates on its own thread while the caller parses. A buffer is reused when the last copy of its `keep` is
/// destroyed. The reader itself holds at most `ahead` + 2 buffers, in addition to those that the user keeps. `next`
/// returns a chunk when it is full, or contains a record and the caller is waiting, so that records of a slow pipe are
/// not delayed. A leading UTF-8 byte order mark is skipped. Belongs to one thread at a time; chunks may go to any
/// thread.
class ChunkReader {
 public:
  /// Starts the thread. Throws `etl::Exception` for options that are 0 and for a null source.
  ChunkReader(Source source, RecordSplitter splitter, ChunkOptions options = {});
  ChunkReader(ChunkReader&&) noexcept;
  ChunkReader& operator=(ChunkReader&&) noexcept;
  /// Ends the thread. Interrupts a read that waits (a terminal, a pipe). If the source cannot be interrupted, its read
  /// ends by itself later, and the source lives until then.
  ~ChunkReader();

  /// The next chunk; nothing at the end of the source, or if `stop` is requested. Returns all whole records before an
  /// error first, and then the error at every call. Throws what the source throws.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// Whether `next` would return without waiting. If not, flush the open batch first (`Emitter::flush`).
  [[nodiscard]] bool ready() const;
  /// Bytes read from the innermost source so far (compressed bytes for gzip). Compare with `size_hint` to show
  /// progress.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  /// `ByteSource::size_hint` of the source.
  [[nodiscard]] std::uint64_t size_hint() const noexcept;
  /// The source's name, for messages.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace etl::inline v0::io
