#include "gzip_points.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <zlib.h>

namespace etl::inline v0::jobs::detail {
namespace {

constexpr std::size_t window_size = 32768;
constexpr std::uint64_t span_of_points = std::uint64_t{256} << 10;  // inflated bytes from one to the next

Bytef* bytes_of(char* at) { return reinterpret_cast<Bytef*>(at); }
const Bytef* bytes_of(const char* at) { return reinterpret_cast<const Bytef*>(at); }

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4U];
    text += digits[static_cast<unsigned char>(c) & 15U];
  }
  return text;
}
std::optional<std::string> bytes_from(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return text.size() % 2 == 0 ? std::optional(bytes) : std::nullopt;
}

/// A file from some byte on.
class FileFrom final : public io::ByteSource {
 public:
  FileFrom(File file, std::uint64_t begin) : file_(std::move(file)), begin_(begin), at_(begin) {}
  Result<std::size_t> read(std::span<char> to) override {
    const auto got = file_.read(at_, to);
    if (got) at_ += *got;
    return got;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return file_.path(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return at_ - begin_; }
  bool interrupt() noexcept override { return true; }  // reads of a file do not wait

 private:
  File file_;
  std::uint64_t begin_;
  std::uint64_t at_;
};

/// A part of the bytes of a source.
class Part final : public io::FilterSource {
 public:
  Part(io::Source source, std::uint64_t skip, std::uint64_t size)
      : FilterSource(std::move(source)), skip_(skip), left_(size) {}
  Result<std::size_t> read(std::span<char> to) override {
    if (left_ == 0) return std::size_t{0};
    while (skip_ > 0) {
      constexpr std::size_t at_once = std::size_t{64} << 10;
      std::vector<char> dropped(std::min<std::uint64_t>(skip_, at_once));
      const auto got = some(dropped);
      if (!got) return got;
      skip_ -= *got;
    }
    const auto got = some(to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), left_))));
    if (got) left_ -= *got;
    return got;
  }

 private:
  /// At least one byte.
  Result<std::size_t> some(std::span<char> to) {
    auto got = source().read(to);
    if (got && *got == 0)
      return failure(
          fatal(fmt::format("{}: ends {} inflated bytes before its unit: the file has changed since the job "
                            "was made",
                            name(), skip_ + left_)));
    return got;
  }
  std::uint64_t skip_;  // before it
  std::uint64_t left_;  // of it
};

}  // namespace

std::string restart_text(const io::GzipPoint& point) {
  std::string packed(::compressBound(window_size), '\0');
  uLongf size = packed.size();
  if (::compress2(bytes_of(packed.data()), &size, bytes_of(point.window.data()), point.window.size(), 6) != Z_OK)
    throw std::bad_alloc();
  packed.resize(size);
  return fmt::format("gzip1 {} {} {} {}", point.in, point.bits, point.out, hex(packed));
}

std::optional<io::GzipPoint> restart_point(const std::string& text) {
  constexpr std::string_view mark = "gzip1 ";
  if (!text.starts_with(mark)) return std::nullopt;
  io::GzipPoint point;
  const char* at = text.data() + mark.size();
  const char* const end = text.data() + text.size();
  const auto number = [&](auto& value) {
    const auto [stopped, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || stopped == end || *stopped != ' ') return false;
    at = stopped + 1;
    return true;
  };
  if (!number(point.in) || !number(point.bits) || !number(point.out)) return std::nullopt;
  if (point.bits < 0 || point.bits > 7 || (point.bits > 0 && point.in == 0)) return std::nullopt;
  const auto packed = bytes_from({at, end});
  if (!packed) return std::nullopt;
  point.window.resize(window_size);
  uLongf size = window_size;
  if (::uncompress(bytes_of(point.window.data()), &size, bytes_of(packed->data()), packed->size()) != Z_OK)
    return std::nullopt;
  point.window.resize(size);
  return point;
}

PointReader::PointReader(File file)
    : source_(io::inflate_with_points(std::make_unique<FileFrom>(std::move(file), 0), span_of_points,
                                      [this](io::GzipPoint point) { points_.push_back(std::move(point)); })) {}

io::GzipPoint PointReader::point_before(std::uint64_t out) {
  const auto after = std::ranges::find_if(points_, [out](const io::GzipPoint& point) { return point.out > out; });
  if (after == points_.begin()) return {};
  points_.erase(points_.begin(), after - 1);
  return points_.front();
}

Result<io::Source> gzip_unit(File file, const UnitPlace& place) {
  auto point = place.restart.empty() ? io::GzipPoint() : restart_point(place.restart);
  if (!point || point->out > place.begin)
    return failure(
        fatal(fmt::format("{}: the restart point of the unit at byte {} cannot be read: it was made by another "
                          "version of the library, or the database is damaged; make the job again",
                          file.path(), place.begin)));
  const std::uint64_t skip = place.begin - point->out, size = place.end - place.begin;
  auto compressed = std::make_unique<FileFrom>(std::move(file), point->first());
  return std::make_unique<Part>(
      point->in == 0 ? io::inflate(std::move(compressed)) : io::inflate_from(std::move(compressed), std::move(*point)),
      skip, size);
}

}  // namespace etl::inline v0::jobs::detail
