#pragma once
/// A file that can be read from any offset.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <etl/error.hpp>

namespace etl::inline v0::jobs::detail {

class File {
 public:
  [[nodiscard]] static Result<File> open(const std::string& path);
  File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&&) = delete;
  ~File();
  /// Reads at least one byte from `offset` on; returns 0 at the end.
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<char> to) const;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
};

}  // namespace etl::inline v0::jobs::detail
