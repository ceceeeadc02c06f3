#include "durable_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

namespace etl::inline v0::io::detail {

int sync(const Fd& file) noexcept {
  while (::fsync(file.get()) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

int write_all(const Fd& file, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t done = ::write(file.get(), bytes.data(), bytes.size());
    if (done >= 0)
      bytes.remove_prefix(static_cast<std::size_t>(done));
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

Result<std::string> read_all(const Fd& file, const std::filesystem::path& path) {
  std::string bytes;
  constexpr std::size_t step = std::size_t{64} << 10;
  for (std::size_t size = 0;;) {
    bytes.resize(size + step);
    const ssize_t got = ::read(file.get(), bytes.data() + size, step);
    if (got < 0 && errno != EINTR)
      return failure(system_failure(fmt::format("cannot read '{}'", path.string()), errno));
    if (got > 0) size += static_cast<std::size_t>(got);
    bytes.resize(size);
    if (got == 0) return bytes;
  }
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const Fd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int code = opened.is_open() ? sync(opened) : errno;
  if (code == 0 || code == EINVAL) return {};  // EINVAL: this file system has no such thing
  return failure(system_failure(fmt::format("cannot make the folder '{}' durable", folder.string()), code));
}

Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path made = path;
  made += ".new";
  auto file = open_to_write(made);
  if (!file) return failure(std::move(file.error()));
  struct stat old{};
  int code = ::stat(path.c_str(), &old) == 0 && ::fchmod(file->get(), old.st_mode) != 0 ? errno : 0;
  if (code == 0) code = write_all(*file, bytes);
  if (code == 0) code = sync(*file);
  if (const int closed = file->close(); code == 0) code = closed;
  if (code == 0 && std::rename(made.c_str(), path.c_str()) != 0) code = errno;
  if (code == 0) return sync_folder(folder_of(path));
  static_cast<void>(::unlink(made.c_str()));
  return failure(system_failure(fmt::format("cannot write '{}'", path.string()), code));
}

}  // namespace etl::inline v0::io::detail
