#include "posix.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace etl::inline v0::io::detail {
namespace {

Fd open_file(const std::filesystem::path& path, int flags) {
  for (;;) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (number >= 0 || errno != EINTR) return Fd(number);
  }
}

}  // namespace

int Fd::close() noexcept {
  const int number = std::exchange(number_, -1);
  if (number < 0 || borrowed_ || ::close(number) == 0) return 0;
  return errno == EINTR ? 0 : errno;  // EINTR: the file is closed even so
}

Error system_failure(std::string what, int code) {
  const std::error_code reason(code, std::generic_category());
  return {.code = reason, .context = std::move(what) + ": " + reason.message()};
}

bool wait_for(int file, short events, int other) noexcept {
  std::array<pollfd, 2> watched{pollfd{.fd = file, .events = events, .revents = 0},
                                pollfd{.fd = other, .events = POLLIN, .revents = 0}};
  while (::poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {}
  return watched[1].revents == 0;
}

Result<Fd> open_to_read(const std::filesystem::path& path, struct stat& info) {
  // Without O_NONBLOCK, opening a FIFO waits for a writer, and nothing could end that wait. Reads wait by `wait_for`.
  Fd file = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!file.is_open() || ::fstat(file.get(), &info) != 0)
    return failure(system_failure(fmt::format("cannot open '{}' for reading", path.string()), errno));
  if (S_ISDIR(info.st_mode)) {
    Error error = system_failure(fmt::format("cannot read '{}'", path.string()), EISDIR);
    error.context += "; name a file in it";
    return failure(std::move(error));
  }
  return file;
}

Result<Fd> open_to_write(const std::filesystem::path& path) {
  Fd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.is_open())
    return failure(system_failure(fmt::format("cannot open '{}' for writing", path.string()), errno));
  return file;
}

}  // namespace etl::inline v0::io::detail
