#pragma once
/// Reads bytes from files, standard input and memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// A stream of bytes that is read once, from front to back. Belongs to one thread at a time.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  /// Reads at least one byte into `to`, which must not be empty. Returns the number of bytes; 0 at the end. Errors name
  /// the source and the byte offset. After an error or the end, every call returns the same.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> to) = 0;
  /// The name in messages: a path, or "standard input".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// Bytes read so far from the innermost source (compressed bytes for gzip). Compare with `size_hint` to show
  /// progress.
  [[nodiscard]] virtual std::uint64_t consumed() const noexcept = 0;
  /// Number of bytes of the innermost source (a regular file's size); 0 if not known.
  [[nodiscard]] virtual std::uint64_t size_hint() const noexcept { return 0; }
  /// Makes a waiting read, and every later read that would wait, fail with `std::errc::operation_canceled`. The only
  /// member that another thread may call. Returns false if the source cannot do this; a read then ends when data
  /// arrives.
  virtual bool interrupt() noexcept { return false; }
};
using Source = std::unique_ptr<ByteSource>;  ///< an owned byte source

/// The base of sources that make their bytes from those of another source, which they own. All members except `read`
/// are those of the other source.
class FilterSource : public ByteSource {
 public:
  [[nodiscard]] const std::string& name() const noexcept override { return source_->name(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return source_->consumed(); }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 protected:
  explicit FilterSource(Source source) noexcept : source_(std::move(source)) {}
  [[nodiscard]] ByteSource& source() noexcept { return *source_; }

 private:
  Source source_;
};

/// Opens a file for streaming, or an object (object_store_url.hpp). If the file is missing, unreadable or a folder, the
/// error gives the system's reason.
[[nodiscard]] Result<Source> open_file(const std::filesystem::path& path);
/// Standard input, unbuffered; it is left open.
[[nodiscard]] Source standard_input();
/// Bytes in memory, which must outlive the source.
[[nodiscard]] Source from_memory(std::string_view bytes, std::string name = "memory");
/// Opens `path`, and inflates it if its content is gzip. "-" is standard input. Most programs use this function.
[[nodiscard]] Result<Source> open_input(const std::filesystem::path& path);
/// The rest of a source, in memory. For small inputs.
[[nodiscard]] Result<std::string> read_all(ByteSource& source);

}  // namespace etl::inline v0::io
