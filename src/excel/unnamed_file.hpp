#pragma once
// Files for data that is too large for memory.

#include <string_view>

#include <etl/error.hpp>

namespace etl::inline v0::excel::detail {

/// A file in the folder for temporary files. It has no name, so it disappears when it is closed, even after a crash.
/// Errors name the folder and the `purpose` of the file, such as "the shared strings of a workbook".
class UnnamedFile {
 public:
  UnnamedFile() = default;
  [[nodiscard]] static Result<UnnamedFile> make(std::string_view purpose, std::string_view remedy);
  UnnamedFile(UnnamedFile&& other) noexcept;
  UnnamedFile& operator=(UnnamedFile&& other) noexcept;
  ~UnnamedFile();

  /// The descriptor, or -1 if there is no file.
  [[nodiscard]] int handle() const noexcept { return handle_; }
  /// Adds bytes at the end.
  [[nodiscard]] Result<void> write(std::string_view bytes) const;
  /// An error with the reason in `errno`, which says that the file cannot be `what`, such as "mapped".
  [[nodiscard]] Error problem(std::string_view what) const;

 private:
  int handle_ = -1;
  std::string_view purpose_{}, remedy_{};
};

}  // namespace etl::inline v0::excel::detail
