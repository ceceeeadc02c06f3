#include <etl/io/mapped_file.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "posix.hpp"

namespace etl::inline v0::io {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  struct stat info{};
  const auto file = detail::open_to_read(path, info);
  if (!file) return failure(file.error());
  const auto size = static_cast<std::size_t>(info.st_size);
  // Files of /proc have size 0 and still have contents.
  char first = 0;
  if (!S_ISREG(info.st_mode) || (size == 0 && ::pread(file->get(), &first, 1, 0) == 1)) {
    Error error = detail::system_failure(fmt::format("cannot map '{}'", path.string()), ENODEV);
    error.context += "; it is not a file on disk: stream it with open_file";
    return failure(std::move(error));
  }
  if (size == 0) return MappedFile(nullptr, 0);
  const void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->get(), 0);
  if (data == MAP_FAILED) return failure(detail::system_failure(fmt::format("cannot map '{}'", path.string()), errno));
  return MappedFile(static_cast<const char*>(data), size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

}  // namespace etl::inline v0::io
