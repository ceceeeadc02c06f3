#include "gzip_points.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <new>
#include <system_error>

#include <fmt/format.h>

namespace etl::inline v0::jobs::detail {
namespace {

constexpr std::size_t window_size = 32768;
constexpr std::size_t input_size = std::size_t{256} << 10;
constexpr std::uint64_t span_of_points = std::uint64_t{256} << 10;  // inflated bytes from one to the next
constexpr std::size_t trailer_size = 8;                             // RFC 1952 2.3.1: CRC-32 and length
constexpr int gzip_bits = 31, raw_bits = -15;
constexpr int block_end = 128, last_block = 64, unused_bits = 7;  // of z_stream::data_type, see zlib.h

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

Error damaged_file(const File& file, std::uint64_t at, const char* what) {
  return {.code = std::make_error_code(std::errc::bad_message),
          .context = fmt::format("{}: gzip data is damaged near compressed byte {}: {}", file.path(), at,
                                 what != nullptr ? what : "invalid data")};
}

}  // namespace

std::string RestartPoint::text() const {
  std::string packed(::compressBound(window_size), '\0');
  uLongf size = packed.size();
  if (::compress2(bytes_of(packed.data()), &size, bytes_of(window.data()), window.size(), 6) != Z_OK)
    throw std::bad_alloc();
  packed.resize(size);
  return fmt::format("gzip1 {} {} {} {}", in, bits, out, hex(packed));
}

std::optional<RestartPoint> RestartPoint::from(const std::string& text) {
  constexpr std::string_view mark = "gzip1 ";
  if (!text.starts_with(mark)) return std::nullopt;
  RestartPoint point;
  const char* at = text.data() + mark.size();
  const char* const end = text.data() + text.size();
  const auto number = [&](auto& value) {
    const auto [stopped, error] = std::from_chars(at, end, value);
    at = stopped;
    return error == std::errc{} && at != end && *at++ == ' ';
  };
  if (!number(point.in) || !number(point.bits) || !number(point.out)) return std::nullopt;
  const auto packed = bytes_from({at, end});
  if (!packed) return std::nullopt;
  point.window.resize(window_size);
  uLongf size = window_size;
  if (::uncompress(bytes_of(point.window.data()), &size, bytes_of(packed->data()), packed->size()) != Z_OK)
    return std::nullopt;
  point.window.resize(size);
  return point;
}

Inflater::~Inflater() {
  if (begun_) ::inflateEnd(&stream);
}
void Inflater::begin(int bits) {
  const int done = begun_ ? ::inflateReset2(&stream, bits) : ::inflateInit2(&stream, bits);
  if (done != Z_OK) throw std::bad_alloc();
  begun_ = true;
}

// --- the pass that finds them ----------------------------------------------------------------------------------------

PointReader::PointReader(File file) : file_(std::move(file)), buffer_(input_size) { inflater_.begin(gzip_bits); }

Error PointReader::damaged(const char* what) const {
  return damaged_file(file_, taken_ - inflater_.stream.avail_in, what);
}

Result<bool> PointReader::fill() {
  if (inflater_.stream.avail_in > 0) return true;
  const auto got = file_.read(taken_, buffer_);
  if (!got) return failure(got.error());
  taken_ += *got;
  inflater_.stream.next_in = bytes_of(buffer_.data());
  inflater_.stream.avail_in = static_cast<uInt>(*got);
  return *got > 0;
}

Result<std::size_t> PointReader::read(std::span<char> to) {
  z_stream& stream = inflater_.stream;
  stream.next_out = bytes_of(to.data());
  stream.avail_out = static_cast<uInt>(to.size());
  while (stream.avail_out == to.size()) {
    const auto more = fill();
    if (!more) return failure(more.error());
    if (!*more) {
      if (within_) return failure(damaged("it is truncated"));
      return std::size_t{0};
    }
    if (!within_) {  // zero padding may follow the last member
      if (taken_ > stream.avail_in && *stream.next_in == 0) {
        ++stream.next_in, --stream.avail_in;
        continue;
      }
      within_ = true;
    }
    const uInt room = stream.avail_out;
    const int status = ::inflate(&stream, Z_BLOCK);
    out_ += room - stream.avail_out;
    if (status == Z_STREAM_END) {
      within_ = false;
      inflater_.begin(gzip_bits);
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return failure(damaged(stream.msg));
    } else if ((stream.data_type & block_end) != 0 && (stream.data_type & last_block) == 0) {
      remember();
    }
  }
  return to.size() - stream.avail_out;
}

void PointReader::remember() {
  if (!points_.empty() && out_ - points_.back().out < span_of_points) return;
  RestartPoint& point = points_.emplace_back();
  point.in = taken_ - inflater_.stream.avail_in;
  point.bits = inflater_.stream.data_type & unused_bits;
  point.out = out_;
  point.window.resize(window_size);
  uInt size = 0;
  ::inflateGetDictionary(&inflater_.stream, bytes_of(point.window.data()), &size);
  point.window.resize(size);
}

RestartPoint PointReader::point_before(std::uint64_t out) {
  const auto after = std::ranges::find_if(points_, [out](const RestartPoint& point) { return point.out > out; });
  if (after == points_.begin()) return {};
  points_.erase(points_.begin(), after - 1);
  return points_.front();
}

// --- one unit --------------------------------------------------------------------------------------------------------

namespace {

class GzipUnit final : public io::ByteSource {
 public:
  GzipUnit(File file, const UnitPlace& place, const RestartPoint& point)
      : file_(std::move(file)),
        buffer_(input_size),
        at_(point.in),
        begin_(point.in),
        skip_(place.begin - point.out),
        left_(place.end - place.begin) {
    raw_ = point.out > 0 || point.in > 0;
    inflater_.begin(raw_ ? raw_bits : gzip_bits);
    first_bits_ = point.bits;
    if (first_bits_ == 0 && !point.window.empty()) set_window(point.window);
    window_ = first_bits_ == 0 ? std::string() : point.window;
  }
  Result<std::size_t> read(std::span<char> to) override {
    if (failed_) return failure(*failed_);
    if (left_ == 0) return std::size_t{0};
    if (auto primed = prime(); !primed) return keep(std::move(primed.error()));
    while (skip_ > 0) {
      std::vector<char> dropped(std::min<std::uint64_t>(skip_, input_size));
      const auto got = inflate(dropped);
      if (!got) return keep(got.error());
      skip_ -= *got;
    }
    const auto got = inflate(to.first(static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), left_))));
    if (!got) return keep(got.error());
    left_ -= *got;
    return *got;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return file_.path(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return at_ - begin_; }

 private:
  Result<std::size_t> keep(Error error) {
    failed_ = error;
    return failure(std::move(error));
  }
  void set_window(const std::string& window) {
    ::inflateSetDictionary(&inflater_.stream, bytes_of(window.data()), static_cast<uInt>(window.size()));
  }
  /// A block that begins within a byte: the bits of that byte come first.
  Result<void> prime() {
    if (first_bits_ == 0) return {};
    std::array<char, 1> byte{};
    const auto got = file_.read(at_ - 1, byte);
    if (!got) return failure(got.error());
    ::inflatePrime(&inflater_.stream, first_bits_, static_cast<unsigned char>(byte[0]) >> (8 - first_bits_));
    first_bits_ = 0;
    set_window(window_);
    return {};
  }
  Result<void> fill() {
    z_stream& stream = inflater_.stream;
    if (stream.avail_in > 0) return {};
    const auto got = file_.read(at_, buffer_);
    if (!got) return failure(got.error());
    if (*got == 0) return failure(damaged_file(file_, at_, "it is truncated"));
    at_ += *got;
    stream.next_in = bytes_of(buffer_.data());
    stream.avail_in = static_cast<uInt>(*got);
    return {};
  }
  /// At least one byte.
  Result<std::size_t> inflate(std::span<char> to) {
    z_stream& stream = inflater_.stream;
    stream.next_out = bytes_of(to.data());
    stream.avail_out = static_cast<uInt>(to.size());
    while (stream.avail_out == to.size()) {
      if (auto filled = fill(); !filled) return failure(std::move(filled.error()));
      const int status = ::inflate(&stream, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        if (auto next = next_member(); !next) return failure(std::move(next.error()));
      } else if (status == Z_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        return failure(damaged_file(file_, at_ - stream.avail_in, stream.msg));
      }
    }
    return to.size() - stream.avail_out;
  }
  Result<void> next_member() {
    z_stream& stream = inflater_.stream;
    for (std::size_t left = raw_ ? trailer_size : 0; left > 0;) {  // a raw stream leaves the trailer to us
      if (auto filled = fill(); !filled) return filled;
      const auto here = static_cast<uInt>(std::min<std::size_t>(left, stream.avail_in));
      stream.next_in += here;
      stream.avail_in -= here;
      left -= here;
    }
    raw_ = false;
    inflater_.begin(gzip_bits);
    return {};
  }

  File file_;
  std::vector<char> buffer_;
  Inflater inflater_;
  std::uint64_t at_;     // of the file, up to here it was read
  std::uint64_t begin_;  // where that began
  std::uint64_t skip_;   // inflated bytes between the point and the unit
  std::uint64_t left_;   // of the unit
  bool raw_ = false;
  int first_bits_ = 0;
  std::string window_;
  std::optional<Error> failed_;
};

}  // namespace

Result<io::Source> gzip_unit(File file, const UnitPlace& place) {
  auto point = place.restart.empty() ? RestartPoint() : RestartPoint::from(place.restart);
  if (!point || point->out > place.begin)
    return failure(
        fatal(fmt::format("{}: the restart point of the unit at byte {} cannot be read: it was made by another "
                          "version of the library, or the database is damaged; make the job again",
                          file.path(), place.begin)));
  return std::make_unique<GzipUnit>(std::move(file), place, *point);
}

}  // namespace etl::inline v0::jobs::detail
