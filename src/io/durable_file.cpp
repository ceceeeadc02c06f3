#include "durable_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <vector>

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
    if (done > 0)
      bytes.remove_prefix(static_cast<std::size_t>(done));
    else if (done == 0)
      return EIO;  // otherwise the loop would never end
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
  if (code == 0 || code == EINVAL) return {};  // EINVAL: this file system cannot sync a folder
  return failure(system_failure(fmt::format("cannot make the folder '{}' durable", folder.string()), code));
}

Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code code;
  std::vector<std::filesystem::path> all;  // the folder itself, and the folders above it as far as they are named
  for (all.push_back(folder); all.back().has_parent_path() && all.back().parent_path() != all.back();)
    all.push_back(all.back().parent_path());
  const auto made = std::ranges::count_if(all, [&](const auto& one) { return !std::filesystem::exists(one, code); });
  code.clear();
  std::filesystem::create_directories(folder, code);
  if (code) return failure(system_failure(fmt::format("cannot make the folder '{}'", folder.string()), code.value()));
  // Another process may have made a folder and died before the folder's name was durable, so all names are synced. If
  // a folder above may not be read, the creator of the folder has synced its name.
  for (std::ptrdiff_t i = 0; i < std::ssize(all); ++i)
    if (auto done = sync_folder(folder_of(all[static_cast<std::size_t>(i)]));
        !done && (i < made || done.error().code != std::errc::permission_denied))
      return done;
  return {};
}

Result<Fd> open_locked(const std::filesystem::path& path, int flags) {
  const auto problem = [&](std::string_view what) {
    return failure(system_failure(fmt::format("cannot {} '{}'", what, path.string()), errno));
  };
  for (;;) {
    Fd file(::open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0666));
    if (!file.is_open() && errno == EINTR) continue;
    if (!file.is_open()) return problem("open");
    while (::flock(file.get(), LOCK_EX) != 0)
      if (errno != EINTR) return problem("lock");
    struct stat mine{}, there{};
    if (::fstat(file.get(), &mine) != 0) return problem("read");
    if (::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev) return file;
  }
}

namespace {

/// The path to which symbolic links lead, even if no file exists there yet.
std::filesystem::path followed(std::filesystem::path path) {
  constexpr int most = 40;  // the limit of the system
  std::error_code code;
  for (int i = 0; i < most && std::filesystem::is_symlink(path, code); ++i)
    path = path.parent_path() / std::filesystem::read_symlink(path, code);
  return path;
}

}  // namespace

Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path target = followed(path);
  std::filesystem::path made = target;
  made += ".new";
  auto file = open_locked(made, O_CREAT);  // without the lock two writers would mix their bytes
  if (!file && file.error().code == std::errc::no_lock_available) file = open_to_write(made);
  if (!file) return failure(std::move(file.error()));
  struct stat old{};
  int code = ::ftruncate(file->get(), 0) == 0 ? 0 : errno;  // removes the bytes of a writer that died
  if (code == 0 && ::stat(target.c_str(), &old) == 0 && ::fchmod(file->get(), old.st_mode) != 0) code = errno;
  if (code == 0) code = write_all(*file, bytes);
  if (code == 0) code = sync(*file);
  if (code == 0 && std::rename(made.c_str(), target.c_str()) != 0) code = errno;
  if (code == 0) return sync_folder(folder_of(target));
  static_cast<void>(::unlink(made.c_str()));
  return failure(system_failure(fmt::format("cannot write '{}'", path.string()), code));
}

}  // namespace etl::inline v0::io::detail
