#pragma once
/// A terminal for tests, and what was written to it.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace test {

/// A pseudo-terminal. Belongs to one thread.
class Terminal {
 public:
  Terminal() : controller_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (controller_ < 0 || ::grantpt(controller_) != 0 || ::unlockpt(controller_) != 0)
      throw std::runtime_error("no pseudo-terminal");
    device_ = ::open(::ptsname(controller_), O_RDWR | O_NOCTTY);  // NOLINT(concurrency-mt-unsafe)
    if (device_ < 0) throw std::runtime_error("no terminal device");
    termios raw{};
    ::tcgetattr(device_, &raw);
    raw.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    ::tcsetattr(device_, TCSANOW, &raw);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::close(device_);
    ::close(controller_);
  }
  /// To write to.
  [[nodiscard]] int device() const { return device_; }
  /// Waits for some text, for at most ten seconds, and takes it away.
  [[nodiscard]] std::string read() const {
    pollfd waiting{.fd = controller_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 10'000) != 1) return "";
    std::string text(4096, '\0');
    const auto size = ::read(controller_, text.data(), text.size());
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }

 private:
  int controller_;
  int device_ = -1;
};

/// A variable of the environment, for a scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* former = ::getenv(name)) former_ = former;  // NOLINT(concurrency-mt-unsafe)
    ::setenv(name, value, 1);                                   // NOLINT(concurrency-mt-unsafe)
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    former_ ? ::setenv(name_, former_->c_str(), 1) : ::unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> former_;
};

/// The standard error goes to `fd` for a scope.
class StandardError {
 public:
  explicit StandardError(int fd) : former_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  StandardError(const StandardError&) = delete;
  StandardError& operator=(const StandardError&) = delete;
  ~StandardError() {
    ::dup2(former_, STDERR_FILENO);
    ::close(former_);
  }

 private:
  int former_;
};

}  // namespace test
