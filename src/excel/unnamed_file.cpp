#include "unnamed_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::excel::detail {

Result<UnnamedFile> UnnamedFile::make(std::string_view purpose, std::string_view remedy) {
  UnnamedFile made;
  made.purpose_ = purpose;
  made.remedy_ = remedy;
  std::error_code unknown;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(unknown);
  if (unknown) {
    errno = unknown.value();
    return failure(made.problem("made"));
  }
  std::string name = (folder / "etl-excel-XXXXXX").string();
  made.handle_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (made.handle_ < 0) return failure(made.problem("made"));
  ::unlink(name.c_str());
  return made;
}

UnnamedFile::UnnamedFile(UnnamedFile&& other) noexcept
    : handle_(std::exchange(other.handle_, -1)), purpose_(other.purpose_), remedy_(other.remedy_) {}
UnnamedFile& UnnamedFile::operator=(UnnamedFile&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(purpose_, other.purpose_);
  std::swap(remedy_, other.remedy_);
  return *this;
}
UnnamedFile::~UnnamedFile() {
  if (handle_ >= 0) ::close(handle_);
}

Result<void> UnnamedFile::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t done = ::write(handle_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return failure(problem("written"));
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

Error UnnamedFile::problem(std::string_view what) const {
  const int code = errno;
  Error error =
      fatal(fmt::format("a file for {} cannot be {} in the folder for temporary files: {}; set TMPDIR to a "
                        "folder with room{}",
                        purpose_, what, std::generic_category().message(code), remedy_));
  error.code = std::error_code(code, std::generic_category());
  return error;
}

}  // namespace etl::inline v0::excel::detail
