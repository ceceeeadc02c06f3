#pragma once
// Writes to standard error, and protects programs if standard streams are closed.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace program {

/// Must be called first. Gives each closed standard stream a descriptor with which every use still fails. Otherwise
/// the first opened files would get the numbers of the streams, and messages would be written into these files.
inline void reserve_standard_streams() noexcept {
  for (int descriptor = 0; descriptor <= 2; ++descriptor)
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      // open() returns the lowest free number.
      static_cast<void>(::open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY));
}

/// Writes to standard error. If standard error is closed or full, this is not an error, because nobody can be told.
template <class... T>
void say(fmt::format_string<T...> text, T&&... values) {
  const std::string line = fmt::format(text, std::forward<T>(values)...);
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
  std::fflush(stderr);
}

}  // namespace program
