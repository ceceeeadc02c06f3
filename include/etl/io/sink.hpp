#pragma once
/// Writes bytes to files.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// A stream of bytes that is written once, from front to back. Belongs to one thread at a time.
class ByteSink {
 public:
  ByteSink() = default;
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;
  virtual ~ByteSink() = default;
  /// Writes all bytes, perhaps into a buffer. Errors name the target, for example a full disk or a closed pipe
  /// (`EPIPE`; the library suppresses the signal SIGPIPE of its own writes). After an error, every call returns the
  /// same error.
  [[nodiscard]] virtual Result<void> write(std::string_view bytes) = 0;
  /// Writes the buffer and closes; returns errors that `write` could not return yet. Without `finish` the output is
  /// incomplete. Call it once, last.
  [[nodiscard]] virtual Result<void> finish() = 0;
};
using Sink = std::unique_ptr<ByteSink>;  ///< an owned byte sink

/// Creates or replaces a file, or an object (object_store_url.hpp), which appears with `finish`.
[[nodiscard]] Result<Sink> create_file(const std::filesystem::path& path);
/// Standard output, buffered; `finish` flushes it and leaves it open.
[[nodiscard]] Sink standard_output();
/// Opens an output by its name: "-" is standard output; a name that ends in .gz is compressed.
[[nodiscard]] Result<Sink> create_output(const std::filesystem::path& path);

}  // namespace etl::inline v0::io
