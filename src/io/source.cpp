#include <etl/io/source.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include <etl/io/gzip.hpp>
#include <etl/io/object_store_url.hpp>

#include "object_store_url.hpp"
#include "posix.hpp"

namespace etl::inline v0::io {
namespace {

/// A pipe to which another thread writes to end a read that waits.
struct WakePipe {
  detail::Fd read_end;
  detail::Fd write_end;

  static WakePipe create() noexcept {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return {};
    return {detail::Fd(ends[0]), detail::Fd(ends[1])};
  }
};

class FileSource final : public ByteSource {
 public:
  FileSource(detail::Fd file, const struct stat& info, std::string name)
      : file_(std::move(file)), name_(std::move(name)), regular_(S_ISREG(info.st_mode)) {
    if (regular_) {
      const auto begin = std::max<off_t>(0, ::lseek(file_.get(), 0, SEEK_CUR));
      size_ = static_cast<std::uint64_t>(std::max<off_t>(0, info.st_size - begin));
      ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    } else {
      wake_ = WakePipe::create();
    }
  }

  Result<std::size_t> read(std::span<char> to) override {
    while (!ended_ && !error_) {
      if (!regular_ && !detail::wait_for(file_.get(), POLLIN, wake_.read_end.get())) {
        fail(ECANCELED);
        break;
      }
      const ssize_t got = ::read(file_.get(), to.data(), to.size());
      if (got > 0) {
        consumed_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (got == 0)
        ended_ = true;
      else if (errno != EINTR && errno != EAGAIN)
        fail(errno);
    }
    if (error_) return failure(*error_);
    return std::size_t{0};
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return consumed_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return size_; }
  bool interrupt() noexcept override {
    return regular_ || ::write(wake_.write_end.get(), "", 1) == 1 || errno == EAGAIN;
  }

 private:
  void fail(int code) {
    error_ = detail::system_failure(fmt::format("cannot read '{}' at byte {}", name_, consumed_), code);
  }

  detail::Fd file_;
  std::string name_;
  bool regular_;  // reads of a regular file do not wait
  std::uint64_t size_ = 0;
  std::uint64_t consumed_ = 0;
  WakePipe wake_;
  bool ended_ = false;  // remembered, because a terminal could continue after its end
  std::optional<Error> error_;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string_view bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}
  Result<std::size_t> read(std::span<char> to) override {
    const std::size_t count = bytes_.copy(to.data(), to.size(), consumed_);
    consumed_ += count;
    return count;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return consumed_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return bytes_.size(); }
  bool interrupt() noexcept override { return true; }

 private:
  std::string_view bytes_;
  std::size_t consumed_ = 0;
  std::string name_;
};

}  // namespace

Result<Source> open_file(const std::filesystem::path& path) {
  if (is_store_url(path.native())) return detail::open_object_url(path.native());
  const auto local = local_path(path);
  if (!local) return failure(local.error());
  struct stat info{};
  auto file = detail::open_to_read(*local, info);
  if (!file) return failure(std::move(file).error());
  return std::make_unique<FileSource>(*std::move(file), info, local->string());
}

Source standard_input() {
  struct stat info{};
  // If standard input is closed, the first read notices and reports it.
  if (::fstat(STDIN_FILENO, &info) != 0) info.st_mode = S_IFIFO;
  return std::make_unique<FileSource>(detail::Fd(STDIN_FILENO, true), info, "standard input");
}

Source from_memory(std::string_view bytes, std::string name) {
  return std::make_unique<MemorySource>(bytes, std::move(name));
}

Result<Source> open_input(const std::filesystem::path& path) {
  if (path == "-") return decode(standard_input());
  return open_file(path).and_then([](Source file) { return decode(std::move(file)); });
}

Result<std::string> read_all(ByteSource& source) {
  std::string all;
  std::size_t size = 0;
  for (;;) {
    if (size == all.size()) {
      const std::uint64_t hint = source.size_hint();
      const auto rest = hint > source.consumed() ? std::min<std::uint64_t>(hint - source.consumed(), 1u << 30) : 0;
      all.resize(std::max<std::size_t>({2 * size, 4096, size + static_cast<std::size_t>(rest) + 1}));
    }
    const auto got = source.read(std::span(all).subspan(size));
    if (!got) return failure(got.error());
    if (*got == 0) break;
    size += *got;
  }
  all.resize(size);
  return all;
}

}  // namespace etl::inline v0::io
