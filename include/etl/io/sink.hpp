#pragma once
/// Bytes into files.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// A stream of bytes, written once from front to back. Belongs to one thread at a time.
class ByteSink {
 public:
  ByteSink() = default;
  ByteSink(const ByteSink&) = delete;
  ByteSink& operator=(const ByteSink&) = delete;
  virtual ~ByteSink() = default;
  /// Writes all bytes (they may be buffered). Errors name the target: a full disk, a closed pipe (`EPIPE`; the library
  /// keeps the signal SIGPIPE of its own writes from the process). After an error, the same is returned again.
  [[nodiscard]] virtual Result<void> write(std::string_view bytes) = 0;
  /// Writes what is buffered and closes; tells every error that `write` did not tell. Without it the output is
  /// incomplete; call it last, once.
  [[nodiscard]] virtual Result<void> finish() = 0;
};
using Sink = std::unique_ptr<ByteSink>;

/// Creates or replaces a file.
[[nodiscard]] Result<Sink> create_file(const std::filesystem::path& path);
/// Standard output, buffered; `finish` flushes it and leaves it open.
[[nodiscard]] Sink standard_output();
/// As the name says: "-" is standard output, a name ending in .gz is compressed.
[[nodiscard]] Result<Sink> create_output(const std::filesystem::path& path);

}  // namespace etl::inline v0::io
