#include "part_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <etl/http/error.hpp>

namespace etl::inline v0::http {
namespace {

using io::detail::Fd;

std::string hash(std::string_view url) { return io::digest(io::DigestKind::Sha256, url); }

/// Id of the current boot. Empty if the system does not tell; then no part counts as written in this boot.
std::string boot() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

constexpr std::string_view format = "etlpipe download 1";

}  // namespace

std::filesystem::path PartFile::path(std::string_view end) const {
  std::filesystem::path made = to_;
  made += end;
  return made;
}

Error PartFile::failed(std::string_view doing, int code) const {
  return io::detail::system_failure(fmt::format("cannot {} '{}'", doing, path(".part").string()), code);
}

Result<void> PartFile::lock() {
  for (;;) {
    file_ = Fd(::open(path(".part").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file_.is_open()) return failure(failed("open", errno));
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      Error error = failed("lock", errno == EWOULDBLOCK ? EBUSY : errno);
      if (errno == EWOULDBLOCK) error.context += ": another download has it";
      return failure(std::move(error));
    }
    // Another download may have finished meanwhile and renamed the open file.
    struct stat mine{}, there{};
    if (::fstat(file_.get(), &mine) != 0) return failure(failed("read", errno));
    if (::stat(path(".part").c_str(), &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
      return {};
  }
}

Result<PartFile> PartFile::open(std::filesystem::path to, io::DigestKind kind, const std::stop_token& stop) {
  PartFile part(std::move(to), kind);
  if (auto locked = part.lock(); !locked) return failure(std::move(locked.error()));
  if (auto read = part.read_what_is_there(stop); !read) return failure(std::move(read.error()));
  return part;
}

Result<void> PartFile::read_what_is_there(const std::stop_token& stop) {
  std::array<char, std::size_t{1} << 16> buffer{};
  for (;;) {
    if (stop.stop_requested())
      return failure(Error{.code = Problem::Stopped, .context = fmt::format("download '{}': stopped", to_.string())});
    const ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(failed("read", errno));
    if (got == 0) break;
    digest_.update({buffer.data(), static_cast<std::size_t>(got)});
    size_ += static_cast<std::uint64_t>(got);
  }
  std::ifstream in(path(".part.from"));
  std::string first, id;
  if (!std::getline(in, first) || first != format) return {};
  std::getline(in, id);
  std::getline(in, from_);
  std::getline(in, validator_);
  same_boot_ = !id.empty() && id == boot();
  return {};
}

std::string_view PartFile::validator(std::string_view url) const noexcept {
  return hash(url) == from_ ? std::string_view(validator_) : std::string_view();
}

Result<void> PartFile::restart(std::string_view url, std::string_view validator) {
  if (::ftruncate(file_.get(), 0) != 0 || ::lseek(file_.get(), 0, SEEK_SET) != 0)
    return failure(failed("empty", errno));
  static_cast<void>(digest_.finish());  // begins a new digest
  size_ = 0;
  from_ = hash(url);
  validator_ = validator;
  same_boot_ = true;
  return io::detail::replace_file(path(".part.from"),
                                  fmt::format("{}\n{}\n{}\n{}\n", format, boot(), from_, validator_));
}

Result<void> PartFile::append(std::string_view bytes) {
  if (const int code = io::detail::write_all(file_, bytes); code != 0) return failure(failed("write", code));
  digest_.update(bytes);
  size_ += bytes.size();
  return {};
}

Result<void> PartFile::finish() {
  if (const int code = io::detail::sync(file_); code != 0) return failure(failed("make durable", code));
  if (std::rename(path(".part").c_str(), to_.c_str()) != 0) return failure(failed("rename", errno));
  static_cast<void>(::unlink(path(".part.from").c_str()));
  return io::detail::sync_folder(io::detail::folder_of(to_));
}

}  // namespace etl::inline v0::http
