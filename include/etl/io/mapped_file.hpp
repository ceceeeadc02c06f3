#pragma once
/// A whole file mapped into memory.

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// A file mapped read-only, for reading in any order. If another process shortens the file meanwhile, an access ends
/// this process (SIGBUS): read files that are still being written with `open_file`. Immutable, thread-safe.
class MappedFile {
 public:
  /// Maps a file. An empty file gives empty bytes. It is an error to map a pipe or a folder.
  [[nodiscard]] static Result<MappedFile> open(const std::filesystem::path& path);
  /// Takes over the mapping; `other` is empty afterwards.
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile();
  /// The content, valid while this object lives.
  [[nodiscard]] std::string_view bytes() const noexcept { return {data_, size_}; }

 private:
  MappedFile(const char* data, std::size_t size) noexcept : data_(data), size_(size) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace etl::inline v0::io
