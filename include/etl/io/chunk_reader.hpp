#pragma once
/// Whole records in large pieces, read ahead on a thread of its own.

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

/// A piece of a source that holds whole records. A value; the text lives as long as one copy of `keep` does.
struct Chunk {
  std::shared_ptr<const void> keep{};  ///< for `Emitter::hold`
  std::string_view text{};
  std::uint64_t offset = 0;      ///< of `text` in the (inflated) source, in bytes
  std::uint64_t first_line = 1;  ///< number of the first line of `text`, from 1; CR LF and lone CR count once
  bool unterminated = false;     ///< the source ended within a record; `text` is that rest alone, perhaps blank lines
};

struct ChunkOptions {
  std::size_t chunk_size = 1 << 20;    ///< bytes of a chunk at most, unless one record is longer
  std::size_t max_record = 256 << 20;  ///< bytes of a record at most: a longer one is an error with its place
  std::size_t ahead = 4;               ///< chunks read and not yet taken, at most
  /// Where to begin: `Chunk::offset` and `Chunk::first_line` of an earlier reading. What lies before is read (and
  /// inflated) and dropped.
  std::uint64_t offset = 0;
  std::uint64_t first_line = 1;
};

/// Reads and inflates on its own thread, so that the two overlap with parsing. Buffers are recycled when the last
/// holder of a chunk lets it go; how many are held is up to the user, the reader itself holds `ahead` + 2 at most. A
/// chunk is given as soon as it is full, or when it is waited for and holds a record: records of a slow pipe do not
/// lie. A leading UTF-8 byte order mark is skipped. Belongs to one thread at a time; chunks may go to any thread.
class ChunkReader {
 public:
  /// Starts the thread. Options that are 0, and a null source, are a programmer's mistake: throws `etl::Exception`.
  ChunkReader(Source source, RecordSplitter splitter, ChunkOptions options = {});
  ChunkReader(ChunkReader&&) noexcept;
  ChunkReader& operator=(ChunkReader&&) noexcept;
  /// Ends the thread. A read that waits (a terminal, a pipe) is interrupted; that of a source which cannot be
  /// interrupted is left to end by itself: its source lives on until then.
  ~ChunkReader();

  /// The next chunk; nothing at the end of the source, or when `stop` is requested. All whole records before an error
  /// are given first, then the error, again and again. What the source throws, this throws.
  [[nodiscard]] Result<std::optional<Chunk>> next(const std::stop_token& stop = {});
  /// Whether `next` would not wait. A source that is about to wait flushes its open batch (`Emitter::flush`).
  [[nodiscard]] bool ready() const;
  /// Bytes taken from the innermost source so far, compressed as they are: with `size_hint` for progress.
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
