#include "body_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <etl/http/error.hpp>

namespace etl::inline v0::http {
namespace {

Error unreadable(std::string what) { return {.code = Problem::Body, .context = std::move(what)}; }
Error unreadable(const std::filesystem::path& path, int code) {
  return unreadable(
      fmt::format("cannot read '{}' to send it: {}", path.string(), std::system_category().message(code)));
}
Error shorter(std::uint64_t size, std::uint64_t has) {
  return unreadable(
      fmt::format("the body to send ends after {} bytes of {}: it has changed since the request began", has, size));
}

}  // namespace

BodyReader::~BodyReader() {
  if (file_ >= 0) ::close(file_);
}

std::optional<std::string_view> BodyReader::in_memory() const noexcept {
  if (body_.what().index() == 0) return std::string_view();
  if (const auto* const bytes = std::get_if<std::string>(&body_.what())) return *bytes;
  if (const auto* const bytes = std::get_if<std::string_view>(&body_.what())) return *bytes;
  return std::nullopt;
}

Result<void> BodyReader::open_file(const Body::File& file) {
  if (file_ < 0) file_ = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info{};
  if (file_ < 0 || ::fstat(file_, &info) != 0) return failure(unreadable(file.path, errno));
  if (!S_ISREG(info.st_mode)) return failure(unreadable(file.path, S_ISDIR(info.st_mode) ? EISDIR : EINVAL));
  const auto all = static_cast<std::uint64_t>(info.st_size);
  if (file.offset > all)
    return failure(
        unreadable(fmt::format("cannot send '{}' from byte {} on: it has {}", file.path.string(), file.offset, all)));
  size_ = std::min(file.size, all - file.offset);
  return {};
}

Result<void> BodyReader::rewind() {
  done_ = 0;
  if (const auto bytes = in_memory()) {
    size_ = bytes->size();
    return {};
  }
  if (const auto* const file = std::get_if<Body::File>(&body_.what())) return open_file(*file);
  const auto& stream = std::get<Body::Stream>(body_.what());
  size_ = stream.size;
  Result<io::Source> opened = stream.open();
  if (!opened) return failure(std::move(opened.error()));
  source_ = std::move(*opened);
  return {};
}

Result<std::size_t> BodyReader::read(std::span<char> to) {
  if (size_) to = to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), *size_ - done_)));
  if (to.empty()) return 0U;
  std::size_t got = 0;
  if (const auto bytes = in_memory()) {
    got = to.size();
    std::memcpy(to.data(), bytes->data() + done_, got);
  } else if (const auto* const file = std::get_if<Body::File>(&body_.what())) {
    ssize_t done = -1;
    do {
      done = ::pread(file_, to.data(), to.size(), static_cast<off_t>(file->offset + done_));
    } while (done < 0 && errno == EINTR);
    if (done < 0) return failure(unreadable(file->path, errno));
    got = static_cast<std::size_t>(done);
  } else {
    Result<std::size_t> done = source_->read(to);
    if (!done) return done;
    got = *done;
  }
  if (got == 0 && size_) return failure(shorter(*size_, done_));
  done_ += got;
  return got;
}

}  // namespace etl::inline v0::http
