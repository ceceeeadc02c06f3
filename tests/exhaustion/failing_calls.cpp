#include "exhaustion/failing_calls.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test {
namespace {

struct Plan {
  bool active = false;
  bool failed = false;
  int number = 0;
  Failure how = Failure::Nothing;
  std::vector<std::string> calls;
};
Plan plan;

std::string name_of(std::string_view path) {
  const bool is_folder = path.ends_with('/');
  if (is_folder) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1)) + (is_folder ? "/" : "");
}
std::string name_of(int file) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  struct stat info{};
  const bool is_folder = ::fstat(file, &info) == 0 && S_ISDIR(info.st_mode);
  return name_of(std::string(path.data(), size < 0 ? 0 : static_cast<std::size_t>(size)) + (is_folder ? "/" : ""));
}

/// How this call fails, if it does.
std::optional<Failure> next(std::string_view call, const std::string& name) {
  plan.calls.push_back(std::string(call) + " " + name);
  const int number = static_cast<int>(plan.calls.size());
  const bool is_full = plan.how == Failure::Full && number > plan.number && call == "write";
  if (number != plan.number && !is_full) return std::nullopt;
  if (plan.how == Failure::Full && call != "write") {
    ++plan.number;  // at the next write
    return std::nullopt;
  }
  plan.failed = true;
  if (is_full) return Failure::Nothing;
  return plan.how;
}

/// `made` makes the call; for a write, `half` makes a part of it.
template <class Name, class Made, class Half>
auto call(std::string_view what, const Name& name, int code, Made made, Half half) -> decltype(made()) {
  if (!plan.active) return made();
  const std::optional<Failure> failure = next(what, name_of(name));
  if (!failure) return made();
  if (*failure == Failure::Half || *failure == Failure::Kill || *failure == Failure::Full)
    if (const auto done = half(); *failure != Failure::Kill && done >= 0) {
      if (*failure == Failure::Half) {
        ++plan.number;  // the rest does not fit
        plan.how = Failure::Nothing;
      }
      return done;
    }
  if (*failure == Failure::Kill) ::_exit(9);
  if (*failure == Failure::Done) static_cast<void>(made());
  errno = code;
  return -1;
}
template <class Name, class Made>
auto call(std::string_view what, const Name& name, int code, Made made) -> decltype(made()) {
  return call(what, name, code, made, [] { return -1; });
}

}  // namespace

void fail_call(int number, Failure how) {
  plan = {};
  plan.number = number;
  plan.how = how;
  plan.active = true;
}
bool stop_failing() {
  plan.active = false;
  return plan.failed;
}
const std::vector<std::string>& calls() { return plan.calls; }

}  // namespace test

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" {

ssize_t write(int file, const void* bytes, std::size_t size) {
  const auto make = [&](std::size_t some) { return static_cast<ssize_t>(::syscall(SYS_write, file, bytes, some)); };
  return test::call("write", file, ENOSPC, [&] { return make(size); }, [&] { return make(size / 2); });
}
ssize_t pwrite(int file, const void* bytes, std::size_t size, off_t offset) {
  const auto make = [&](std::size_t some) {
    return static_cast<ssize_t>(::syscall(SYS_pwrite64, file, bytes, some, offset));
  };
  return test::call("write", file, ENOSPC, [&] { return make(size); }, [&] { return make(size / 2); });
}
ssize_t pwrite64(int file, const void* bytes, std::size_t size, off64_t offset) {
  return pwrite(file, bytes, size, offset);
}
int fsync(int file) {
  return test::call("fsync", file, EIO, [&] { return 0; });
}
int fdatasync(int file) {
  return test::call("fsync", file, EIO, [&] { return 0; });
}
int ftruncate(int file, off_t size) noexcept {
  return test::call("ftruncate", file, EIO, [&] { return static_cast<int>(::syscall(SYS_ftruncate, file, size)); });
}
int ftruncate64(int file, off64_t size) noexcept { return ftruncate(file, size); }
int rename(const char* from, const char* to) noexcept {
  return test::call("rename", std::string_view(from), EIO,
                    [&] { return static_cast<int>(::syscall(SYS_renameat2, -100, from, -100, to, 0)); });
}
int unlink(const char* path) noexcept {
  return test::call("unlink", std::string_view(path), EIO,
                    [&] { return static_cast<int>(::syscall(SYS_unlinkat, -100, path, 0)); });
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
