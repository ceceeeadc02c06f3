#include <etl/io/fingerprint.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <etl/io/digest.hpp>
#include <etl/io/object_store_url.hpp>

#include "object_store_url.hpp"
#include "posix.hpp"

namespace etl::inline v0::io {
namespace {

constexpr std::size_t part_size = std::size_t{1} << 20;

Error unreadable(const std::filesystem::path& path, int code) {
  return detail::system_failure(fmt::format("cannot read '{}'", path.string()), code);
}

/// SHA-256 of `size` bytes from `offset` on.
Result<std::string> digest_of(const detail::Fd& file, const std::filesystem::path& path, off_t offset,
                              std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(file.get(), bytes.data() + done, size - done, offset + static_cast<off_t>(done));
    if (got < 0 && errno != EINTR) return failure(unreadable(path, errno));
    if (got == 0)
      return failure(
          fatal(fmt::format("'{}' became shorter while it was read; wait until it is written", path.string())));
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  return digest(DigestKind::Sha256, bytes);
}

}  // namespace

Result<std::string> fingerprint(const std::filesystem::path& path_or_url) {
  if (is_store_url(path_or_url.native())) return detail::object_fingerprint(path_or_url.native());
  const auto local = local_path(path_or_url);
  if (!local) return failure(local.error());
  const std::filesystem::path& path = *local;
  struct stat info{};
  const auto file = detail::open_to_read(path, info);
  if (!file) return failure(file.error());
  if (!S_ISREG(info.st_mode))
    return failure(
        fatal(fmt::format("'{}' is not a regular file, so a run cannot resume in it; copy it "
                          "to a file first",
                          path.string())));
  const auto size = static_cast<std::size_t>(info.st_size);
  const std::size_t piece = std::min(size, part_size);
  auto first = digest_of(*file, path, 0, piece);
  if (!first) return first;
  auto last = digest_of(*file, path, info.st_size - static_cast<off_t>(piece), piece);
  if (!last) return last;
  const std::chrono::sys_seconds modified{std::chrono::seconds(info.st_mtim.tv_sec)};
  return fmt::format("{} bytes, modified {:%Y-%m-%dT%H:%M:%S}.{:09}Z, sha256 of the first MiB {}, of the last {}", size,
                     fmt::gmtime(std::chrono::system_clock::to_time_t(modified)), info.st_mtim.tv_nsec, *first, *last);
}

}  // namespace etl::inline v0::io
