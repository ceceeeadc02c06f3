#include <etl/jobs/split.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <etl/io/compression.hpp>

#include "file.hpp"
#include "gzip_points.hpp"

namespace etl::inline v0::jobs {
namespace detail {
namespace {

Error system_error(const std::string& path, const char* doing) {
  const int code = errno;
  return {.code = std::error_code(code, std::generic_category()),
          .context = fmt::format("{}: cannot {}: {}", path, doing, std::generic_category().message(code))};
}

}  // namespace

Result<File> File::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failure(system_error(path, "open"));
  return File(path, descriptor);
}
File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}
Result<std::size_t> File::read(std::uint64_t offset, std::span<char> to) const {
  for (;;) {
    const ssize_t got = ::pread(descriptor_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return failure(system_error(path_, "read"));
  }
}

namespace {

// The restart point of a file that is neither plain nor gzip. Such a file is read from its beginning.
constexpr std::string_view whole_file = "whole";

/// How often `c` occurs. One counter of a byte for each of so many columns, which the compiler keeps in vectors.
std::uint64_t count_of(char c, std::string_view text) {
  constexpr std::size_t columns = 64, most_rows = 255;
  std::uint64_t all = 0;
  while (text.size() >= columns) {
    std::array<std::uint8_t, columns> counts{};
    const std::size_t rows = std::min(text.size() / columns, most_rows);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t i = 0; i < columns; ++i)
        counts[i] = static_cast<std::uint8_t>(counts[i] + (text[row * columns + i] == c));
    for (const std::uint8_t count : counts) all += count;
    text.remove_prefix(rows * columns);
  }
  return all + static_cast<std::uint64_t>(std::ranges::count(text, c));
}

/// Counts lines that end with LF, or else with CR.
class Lines {
 public:
  void add(std::string_view records) {
    const std::uint64_t feeds = count_of('\n', records);
    feeds_ += feeds;
    if (feeds == 0) returns_ += count_of('\r', records);
  }
  [[nodiscard]] std::uint64_t count() const { return feeds_ > 0 ? feeds_ : returns_; }

 private:
  std::uint64_t feeds_ = 0;
  std::uint64_t returns_ = 0;
};

/// Cuts a stream of bytes. It looks at a block at a time, and keeps what is after the last end of a record. Where units
/// end depends on the bytes alone, and not on how many of them a read gives: another process may have to repeat it.
class Cutter {
 public:
  Cutter(const std::string& path, std::uint32_t input, const SplitOptions& options,
         const std::function<Result<void>(UnitPlace)>& each)
      : path_(path),
        options_(options),
        each_(each),
        place_{.input = input},
        block_(std::clamp<std::size_t>(options.unit_bytes / 4, std::size_t{4} << 10, std::size_t{256} << 10)) {}

  /// `read(span)` gives bytes, `restart(offset)` the restart point of a unit that begins there.
  template <class Read, class Restart>
  Result<void> run(Read read, Restart restart, const std::stop_token& stop) {
    for (bool more = true; more;) {
      if (stop.stop_requested()) return failure(fatal(fmt::format("{}: stopped while it was cut into units", path_)));
      const auto filled = fill(read);
      if (!filled) return failure(filled.error());
      more = *filled;
      const std::size_t end = more ? options_.records.last_end({buffer_.data(), filled_}, false, searched_)
                                   : filled_;  // a rest is a record
      if (end != io::RecordSplitter::npos) take(end);
      searched_ = filled_;
      if (filled_ > options_.max_record)
        return failure(
            fatal(fmt::format("{}: the record at line {} (byte {}) is longer than {} bytes: the file has "
                              "another format, or is damaged",
                              path_, place_.first_line + lines_.count(), place_.end, options_.max_record)));
      if (size() >= options_.unit_bytes || (!more && size() > 0))
        if (auto cut = emit(restart); !cut) return cut;
    }
    return {};
  }

 private:
  [[nodiscard]] std::uint64_t size() const { return place_.end - place_.begin; }

  /// Reads a whole block, or up to the end. Returns whether there was anything.
  template <class Read>
  Result<bool> fill(Read& read) {
    if (buffer_.size() < filled_ + block_) buffer_.resize(filled_ + block_);
    const std::size_t begin = filled_, end = filled_ + block_;
    while (filled_ < end) {
      const Result<std::size_t> got = read(std::span(buffer_).subspan(filled_, end - filled_));
      if (!got) return failure(got.error());
      if (*got == 0) break;
      filled_ += *got;
    }
    return filled_ > begin;
  }
  /// Adds whole records to the unit.
  void take(std::size_t size) {
    lines_.add({buffer_.data(), size});
    place_.end += size;
    std::memmove(buffer_.data(), buffer_.data() + size, filled_ - size);
    filled_ -= size;
  }
  template <class Restart>
  Result<void> emit(Restart& restart) {
    place_.restart = restart(place_.begin);
    if (auto taken = each_(place_); !taken) return taken;
    place_.begin = place_.end;
    place_.first_line += lines_.count();
    lines_ = {};
    return {};
  }

  const std::string& path_;
  const SplitOptions& options_;
  const std::function<Result<void>(UnitPlace)>& each_;
  UnitPlace place_;  // of the unit so far
  Lines lines_;      // of the unit so far
  std::size_t block_;
  std::vector<char> buffer_;
  std::size_t filled_ = 0;    // bytes after the unit so far
  std::size_t searched_ = 0;  // up to here there is no end of a record
};

Result<io::Compression> compression_of_file(const File& file) {
  std::string begin(io::compression_bytes, '\0');
  const auto got = file.read(0, begin);
  if (!got) return failure(got.error());
  return io::compression_of(std::string_view(begin).substr(0, *got));
}

/// A part of a plain file.
class PlainUnit final : public io::ByteSource {
 public:
  PlainUnit(File file, const UnitPlace& place)
      : file_(std::move(file)), begin_(place.begin), at_(place.begin), end_(place.end) {}
  Result<std::size_t> read(std::span<char> to) override {
    if (at_ == end_) return std::size_t{0};
    auto got = file_.read(at_, to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), end_ - at_))));
    if (!got) return got;
    if (*got == 0)
      return failure(
          fatal(fmt::format("{}: ends at byte {}, but its unit ends at byte {}: the file has changed since the "
                            "job was made",
                            file_.path(), at_, end_)));
    at_ += *got;
    return got;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return file_.path(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return at_ - begin_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return end_ - begin_; }
  bool interrupt() noexcept override { return true; }  // reads of a file do not wait

 private:
  File file_;
  std::uint64_t begin_;
  std::uint64_t at_;
  std::uint64_t end_;
};

}  // namespace
}  // namespace detail

Result<void> split(const std::string& path, std::uint32_t input, const SplitOptions& options,
                   const std::function<Result<void>(UnitPlace)>& each, const std::stop_token& stop) {
  if (options.unit_bytes == 0)
    return failure(Error{.code = etl::Errc::InvalidOptions, .context = "SplitOptions::unit_bytes is 0"});
  auto file = detail::File::open(path);
  if (!file) return failure(std::move(file.error()));
  const auto compression = detail::compression_of_file(*file);
  if (!compression) return failure(compression.error());
  detail::Cutter cutter(path, input, options, each);
  switch (*compression) {
    case io::Compression::None: {
      std::uint64_t at = 0;
      const auto read = [&](std::span<char> to) {
        auto got = file->read(at, to);
        if (got) at += *got;
        return got;
      };
      return cutter.run(read, [](std::uint64_t) { return std::string(); }, stop);
    }
    case io::Compression::Gzip: {
      detail::PointReader reader(std::move(*file));
      const auto restart = [&](std::uint64_t out) {
        const io::GzipPoint point = reader.point_before(out);
        return point.in == 0 ? std::string() : detail::restart_text(point);
      };
      return cutter.run([&](std::span<char> to) { return reader.read(to); }, restart, stop);
    }
    default: break;
  }
  std::error_code unknown;
  return each(
      {.input = input, .end = std::filesystem::file_size(path, unknown), .restart = std::string(detail::whole_file)});
}

Result<io::Source> open_unit(const std::string& path, const UnitPlace& place) {
  if (place.restart == detail::whole_file) return io::open_input(path);
  auto file = detail::File::open(path);
  if (!file) return failure(std::move(file.error()));
  const auto compression = detail::compression_of_file(*file);
  if (!compression) return failure(compression.error());
  if (*compression == io::Compression::Gzip) return detail::gzip_unit(std::move(*file), place);
  return std::make_unique<detail::PlainUnit>(std::move(*file), place);
}

}  // namespace etl::inline v0::jobs
