#include "range_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <etl/io/compression.hpp>
#include <etl/io/object_store_stream.hpp>
#include <etl/io/object_store_url.hpp>

namespace etl::inline v0::csv {
namespace {

class RangeSource final : public io::ByteSource {
 public:
  RangeSource(int file, std::string name) noexcept : file_(file), name_(std::move(name)) {}
  ~RangeSource() override { ::close(file_); }

  /// Moves to an offset. Returns false if the file cannot be read from any offset.
  Result<bool> seek(std::uint64_t offset) {
    struct stat info{};
    if (::fstat(file_, &info) != 0) return failure(problem());
    if (!S_ISREG(info.st_mode)) return false;
    char magic[io::compression_bytes] = {};
    const ssize_t got = ::pread(file_, magic, sizeof magic, 0);
    if (got < 0) return failure(problem());
    if (io::compression_of({magic, static_cast<std::size_t>(got)}) != io::Compression::None) return false;
    size_ = static_cast<std::uint64_t>(info.st_size);
    offset_ = offset;
    return true;
  }
  Result<std::size_t> read(std::span<char> to) override {
    for (;;) {
      const ssize_t got = ::pread(file_, to.data(), to.size(), static_cast<off_t>(offset_));
      if (got >= 0) {
        offset_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno != EINTR) return failure(problem());
    }
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return offset_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return size_; }
  bool interrupt() noexcept override { return true; }

 private:
  [[nodiscard]] Error problem() const {
    Error error =
        fatal(fmt::format("cannot read '{}' at byte {}: {}", name_, offset_, std::generic_category().message(errno)));
    error.code = std::error_code(errno, std::generic_category());
    return error;
  }

  int file_;
  std::string name_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
};

/// The rest of a source. Its places count from the beginning of the whole.
class Rest final : public io::ByteSource {
 public:
  Rest(io::Source source, std::uint64_t offset) noexcept : source_(std::move(source)), offset_(offset) {}
  Result<std::size_t> read(std::span<char> to) override { return source_->read(to); }
  [[nodiscard]] const std::string& name() const noexcept override { return source_->name(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return offset_ + source_->consumed(); }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return offset_ + source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 private:
  io::Source source_;
  std::uint64_t offset_;
};

/// The same for an object: gets its first bytes, and then the bytes from the offset on.
Result<io::Source> open_object_at(const std::string& url, std::uint64_t offset) {
  auto place = io::open_store(url);
  if (!place) return failure(std::move(place.error()));
  auto begin = io::open_object(place->store, place->key, {.size = io::compression_bytes});
  if (!begin) return failure(std::move(begin.error()));
  const auto magic = io::read_all(*begin->bytes);
  if (!magic) return failure(magic.error());
  if (io::compression_of(*magic) != io::Compression::None) return io::Source{};
  auto opened = io::open_object(place->store, place->key, {.offset = offset, .if_match = begin->info.etag});
  if (!opened) return failure(std::move(opened.error()));
  return std::make_unique<Rest>(std::move(opened->bytes), offset);
}

}  // namespace

Result<io::Source> open_at(const std::filesystem::path& path_or_url, std::uint64_t offset) {
  if (path_or_url == "-") return io::Source{};
  if (io::is_store_url(path_or_url.native())) return open_object_at(path_or_url.native(), offset);
  const auto local = io::local_path(path_or_url);
  if (!local) return failure(local.error());
  const std::filesystem::path& path = *local;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    const int code = errno;
    Error error = fatal(fmt::format("cannot open '{}': {}", path.string(), std::generic_category().message(code)));
    error.code = std::error_code(code, std::generic_category());
    return failure(std::move(error));
  }
  auto source = std::make_unique<RangeSource>(file, path.string());
  const Result<bool> plain = source->seek(offset);
  if (!plain) return failure(plain.error());
  return *plain ? io::Source(std::move(source)) : io::Source{};
}

}  // namespace etl::inline v0::csv
