#pragma once
// Standard error, and what programs do when it, or another standard stream, is closed.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace program {

/// To be called first. Gives the standard streams that are closed a descriptor with which each use still fails.
/// Otherwise the first files that are opened would get their numbers, and messages would be written into them.
inline void reserve_standard_streams() noexcept {
  for (int descriptor = 0; descriptor <= 2; ++descriptor)
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      static_cast<void>(::open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY));  // it gets the lowest free number
}

/// Writes to standard error. Where that is closed or full, there is nobody to tell: that is no error.
template <class... T>
void say(fmt::format_string<T...> text, T&&... values) {
  const std::string line = fmt::format(text, std::forward<T>(values)...);
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
  std::fflush(stderr);
}

}  // namespace program
