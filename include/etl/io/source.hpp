#pragma once
/// Bytes from files, standard input and memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// A stream of bytes, read once from front to back. Belongs to one thread at a time.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;
  /// Reads at least one byte into `to`, which is not empty; 0: the end was reached. Errors name the source and the
  /// byte offset. After an error or the end, the same is returned again.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> to) = 0;
  /// What to call it in messages: a path, or "standard input".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// Bytes taken so far from the innermost source: of gzip the compressed ones. With `size_hint`: progress.
  [[nodiscard]] virtual std::uint64_t consumed() const noexcept = 0;
  /// How many bytes the innermost source has in all (a regular file's size), or 0 when not known.
  [[nodiscard]] virtual std::uint64_t size_hint() const noexcept { return 0; }
  /// The one call for another thread: a read that waits, and every later one that would, fails with
  /// `std::errc::operation_canceled`. False: this source cannot do that; a read then ends when something arrives.
  virtual bool interrupt() noexcept { return false; }
};
using Source = std::unique_ptr<ByteSource>;

/// Opens a file for streaming; a missing or unreadable one, or a directory, is an error with the system's reason.
[[nodiscard]] Result<Source> open_file(const std::filesystem::path& path);
/// Standard input, as it comes; it is left open.
[[nodiscard]] Source standard_input();
/// Bytes in memory, which outlive the source.
[[nodiscard]] Source from_memory(std::string_view bytes, std::string name = "memory");
/// `path` opened and, when its content is gzip, inflated; "-" is standard input. What most programs want.
[[nodiscard]] Result<Source> open_input(const std::filesystem::path& path);
/// Everything a source still has, in memory: for small inputs.
[[nodiscard]] Result<std::string> read_all(ByteSource& source);

}  // namespace etl::inline v0::io
