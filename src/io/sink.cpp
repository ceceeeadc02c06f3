#include <etl/io/sink.hpp>

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>

#include <fmt/format.h>

#include <etl/io/gzip.hpp>
#include <etl/io/object_store_url.hpp>

#include "object_store_url.hpp"
#include "posix.hpp"

namespace etl::inline v0::io {
namespace {

/// Makes a write to a closed pipe fail with EPIPE instead of ending the process. Affects only this thread.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal() noexcept : was_pending_(pending()) {
    sigemptyset(&broken_pipe_);
    sigaddset(&broken_pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe_, &before_);
  }
  NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
  NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;
  ~NoBrokenPipeSignal() {
    int taken = 0;
    if (!was_pending_ && pending()) ::sigwait(&broken_pipe_, &taken);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  static bool pending() noexcept {
    sigset_t all;
    sigemptyset(&all);
    return ::sigpending(&all) == 0 && sigismember(&all, SIGPIPE) == 1;
  }
  sigset_t broken_pipe_{};
  sigset_t before_{};
  bool was_pending_;
};

class FileSink final : public ByteSink {
 public:
  FileSink(detail::Fd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {
    struct stat info{};
    regular_ = ::fstat(file_.get(), &info) == 0 && S_ISREG(info.st_mode);
    buffer_.reserve(buffer_size);
  }

  Result<void> write(std::string_view bytes) override {
    if (buffer_.size() + bytes.size() > buffer_size) {
      flush();
      if (bytes.size() >= buffer_size) {
        put(bytes);
        bytes = {};
      }
    }
    if (!error_) buffer_.append(bytes);
    return result();
  }

  Result<void> finish() override {
    flush();
    if (const int code = file_.close(); code != 0) fail(code);
    return result();
  }

 private:
  static constexpr std::size_t buffer_size = std::size_t{256} << 10;

  void flush() {
    put(buffer_);
    buffer_.clear();
  }
  void put(std::string_view bytes) {
    std::optional<NoBrokenPipeSignal> quiet;
    if (!regular_) quiet.emplace();
    while (!bytes.empty() && !error_) {
      const ssize_t done = ::write(file_.get(), bytes.data(), bytes.size());
      if (done >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(done));
        written_ += static_cast<std::uint64_t>(done);
      } else if (errno == EAGAIN) {
        static_cast<void>(detail::wait_for(file_.get(), POLLOUT));
      } else if (errno != EINTR) {
        fail(errno);
      }
    }
  }
  void fail(int code) {
    if (error_) return;
    error_ = detail::system_failure(fmt::format("cannot write '{}' at byte {}", name_, written_), code);
    if (code == EPIPE) error_->context += "; its reader has closed it";
  }
  [[nodiscard]] Result<void> result() const {
    if (error_) return failure(*error_);
    return {};
  }

  detail::Fd file_;
  std::string name_;
  bool regular_ = false;
  std::string buffer_;
  std::uint64_t written_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<Sink> create_file(const std::filesystem::path& path) {
  if (is_store_url(path.native())) return detail::create_object_url(path.native());
  const auto local = local_path(path);
  if (!local) return failure(local.error());
  auto file = detail::open_to_write(*local);
  if (!file) return failure(std::move(file).error());
  return std::make_unique<FileSink>(*std::move(file), local->string());
}

Sink standard_output() { return std::make_unique<FileSink>(detail::Fd(STDOUT_FILENO, true), "standard output"); }

Result<Sink> create_output(const std::filesystem::path& path) {
  if (path == "-") return standard_output();
  auto file = create_file(path);
  if (!file || path.extension() != ".gz") return file;
  return deflate(*std::move(file));
}

}  // namespace etl::inline v0::io
