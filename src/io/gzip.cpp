#include <etl/io/gzip.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <etl/io/compression.hpp>

#include "raw_inflate.hpp"

namespace etl::inline v0::io {
namespace {

// RFC 1952 2.3.1.
constexpr std::string_view magic = "\x1F\x8B";
constexpr unsigned char deflate_method = 8;
enum Flag : unsigned char { HeaderCrc = 2, Extra = 4, Name = 8, Comment = 16, Reserved = 0xE0 };

std::unique_ptr<detail::RawInflate> make_raw_inflate(Inflater by) {
#ifdef ETLPIPE_HAS_ISAL
  if (by != Inflater::Zlib) return detail::raw_inflate_isal();
#else
  if (by == Inflater::IsaL) throw Exception(fatal("Inflater::IsaL: this etlpipe was built without ISA-L"));
#endif
  return detail::raw_inflate_zlib();
}

class InflateSource final : public FilterSource {
 public:
  InflateSource(Source source, Inflater by)
      : FilterSource(std::move(source)),
        raw_(make_raw_inflate(by)),
        buffer_(detail::RawInflate::step_back + buffer_size) {}

  /// Calls `each` with points that are `apart` inflated bytes from each other.
  void find_points(std::uint64_t apart, OnGzipPoint each) {
    apart_ = apart;
    each_ = std::move(each);
  }
  void begin_at(GzipPoint point) {
    taken_ = point.first();
    member_ = point.in;
    start_ = std::move(point);
    place_ = Place::Within;
  }

  Result<std::size_t> read(std::span<char> to) override {
    to = to.first(std::min(to.size(), std::size_t{1} << 30));  // both libraries count in 32 bits
    std::size_t given = 0;
    while (given < to.size() && place_ != Place::End && !failed_) {
      if (begin_ == end_ && (place_ != Place::Body || body_is_dry_)) {
        if (given > 0) break;  // return what is available instead of waiting for more
        if (!fill()) continue;
      }
      switch (place_) {
        case Place::Within: within(); break;
        case Place::Header: header(); break;
        case Place::Body: given += body(to.subspan(given)); break;
        case Place::Trailer: trailer(); break;
        case Place::Behind: behind(); break;
        case Place::End: break;
      }
    }
    if (given == 0 && failed_) return failure(*failed_);
    return given;
  }

 private:
  static constexpr std::size_t buffer_size = std::size_t{256} << 10;
  static constexpr std::size_t window_size = std::size_t{32} << 10;  // of deflate
  enum class Place : std::uint8_t { Within, Header, Body, Trailer, Behind, End };

  /// More input. False: there is none; whether that is well depends on the place.
  bool fill() {
    char* const begin = buffer_.data() + detail::RawInflate::step_back;
    if (end_ != nullptr)
      std::memmove(buffer_.data(), end_ - detail::RawInflate::step_back, detail::RawInflate::step_back);
    begin_ = end_ = begin;
    const auto got = source().read({begin, buffer_size});
    if (!got) {
      failed_ = got.error();
    } else if (*got > 0) {
      end_ += *got;
      taken_ += *got;
      body_is_dry_ = false;
      return true;
    } else if (place_ == Place::Behind) {
      place_ = Place::End;
    } else {
      fail(fmt::format("gzip data is truncated after {} compressed bytes", taken_));
    }
    return false;
  }
  /// The next byte, or 0 at the end of the input.
  unsigned char get() { return begin_ != end_ || fill() ? static_cast<unsigned char>(*begin_++) : 0; }
  std::uint32_t get_little_endian(int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint32_t{get()} << (8 * i);
    return value;
  }
  /// Offset of the next byte in the compressed data.
  [[nodiscard]] std::uint64_t offset() const noexcept { return taken_ - static_cast<std::uint64_t>(end_ - begin_); }

  /// The first place, within a member.
  void within() {
    const unsigned char byte = start_->bits > 0 ? get() : 0;
    if (failed_) return;
    raw_->begin_at(start_->bits, byte, start_->window);
    place_ = Place::Body;
  }

  void header() {
    start_.reset();
    member_ = offset();
    std::uint32_t crc = 0;
    const auto next = [&] {
      const unsigned char byte = get();
      const char counted = static_cast<char>(byte);
      crc = raw_->crc32(crc, {&counted, 1});
      return byte;
    };
    const std::array<unsigned char, 4> start{next(), next(), next(), next()};
    if (failed_) return;
    if (start[0] != static_cast<unsigned char>(magic[0]) || start[1] != static_cast<unsigned char>(magic[1]))
      return member_ > 0 ? unexpected(member_) : fail("not gzip data, which begins with 1F 8B");
    if (start[2] != deflate_method) return damaged(fmt::format("unknown compression method {}", start[2]));
    const unsigned char flags = start[3];
    if ((flags & Reserved) != 0) return damaged(fmt::format("reserved header flags {:02X}", flags & Reserved));

    for (int i = 0; i < 6; ++i) next();  // time, level and system have no effect
    if ((flags & Extra) != 0) {
      unsigned length = next();
      length |= unsigned{next()} << 8;
      for (; length > 0 && !failed_; --length) next();
    }
    for (const Flag text : {Name, Comment})
      while ((flags & text) != 0 && next() != 0) {}
    if (const std::uint32_t right = crc & 0xFFFF; (flags & HeaderCrc) != 0 && get_little_endian(2) != right)
      damaged("wrong header checksum");
    if (failed_) return;
    raw_->begin();
    crc_ = 0;
    size_ = 0;
    place_ = Place::Body;
    window_.clear();
    if (each_ && total_ >= due_) give_point(0);
  }

  std::size_t body(std::span<char> to) {
    if (each_) to = to.first(std::min<std::uint64_t>(to.size(), total_ < due_ ? due_ - total_ : window_size));
    if (each_ && total_ >= due_) raw_->stop_after_block();
    char* out = to.data();
    char* const end = out + to.size();
    const auto status = raw_->run(begin_, end_, out, end);
    const auto given = static_cast<std::size_t>(out - to.data());
    crc_ = raw_->crc32(crc_, {to.data(), given});
    size_ += static_cast<std::uint32_t>(given);
    if (status == detail::RawInflate::Status::End)
      place_ = Place::Trailer;
    else if (status == detail::RawInflate::Status::Invalid)
      damaged("invalid deflate stream");
    body_is_dry_ = out != end && status != detail::RawInflate::Status::Block;
    if (each_) remember({to.data(), given});
    if (status == detail::RawInflate::Status::Block) {
      const int bits = raw_->unused_bits();
      give_point(bits);
      raw_->begin_at(bits, bits > 0 ? static_cast<unsigned char>(begin_[-1]) : 0, window());
    }
    return given;
  }

  void remember(std::string_view given) {
    total_ += given.size();
    if (given.size() > window_size) given.remove_prefix(given.size() - window_size);
    if (window_.size() + given.size() > 4 * window_size) window_.erase(0, window_.size() - window_size);
    window_ += given;
  }
  [[nodiscard]] std::string_view window() const {
    return std::string_view(window_).substr(window_.size() - std::min(window_.size(), window_size));
  }
  void give_point(int bits) {
    due_ = total_ + apart_;
    each_({.in = offset(), .bits = bits, .out = total_, .window = std::string(window())});
  }

  void trailer() {
    const std::uint32_t crc = get_little_endian(4);
    const std::uint32_t size = get_little_endian(4);
    if (failed_) return;
    place_ = Place::Behind;
    if (start_) return;  // they are those of the whole member
    if (crc != crc_) return damaged(fmt::format("wrong CRC-32 ({:08x}, stored {:08x})", crc_, crc));
    if (size != size_) return damaged(fmt::format("wrong length ({} bytes modulo 2^32, stored {})", size_, size));
  }

  /// Handles what follows a member: another member, or padding up to the end.
  void behind() {
    if (*begin_ == magic[0]) {
      place_ = Place::Header;
      return;
    }
    do begin_ = std::find_if(begin_, end_, [](char c) { return c != 0; });
    while (begin_ == end_ && fill());
    if (begin_ != end_) unexpected(offset());
  }

  void fail(const std::string& what) {
    if (failed_) return;
    failed_.emplace(Error{.code = std::make_error_code(std::errc::bad_message), .context = name() + ": " + what});
  }
  void damaged(std::string_view how) {
    fail(fmt::format("gzip data is damaged: {} {} compressed byte {}", how,
                     start_ ? "after" : "in the member that begins at", member_));
  }
  void unexpected(std::uint64_t at) {
    fail(fmt::format(
        "gzip data is followed, at compressed byte {}, by bytes that are neither a member nor zero padding", at));
  }

  std::unique_ptr<detail::RawInflate> raw_;
  std::vector<char> buffer_;  // headroom for RawInflate to step back, then input
  const char* begin_ = nullptr;
  const char* end_ = nullptr;
  std::uint64_t taken_ = 0;   // compressed bytes up to end_
  std::uint64_t member_ = 0;  // where the current member begins
  std::uint32_t crc_ = 0;
  std::uint32_t size_ = 0;  // inflated size of the member, modulo 2^32 as in its trailer
  bool body_is_dry_ = false;
  std::optional<GzipPoint> start_;  // of the member that is read, if its beginning is not
  OnGzipPoint each_;
  std::uint64_t apart_ = 0;
  std::uint64_t due_ = 0;    // from here on a point is wanted
  std::uint64_t total_ = 0;  // inflated bytes; counted for points only
  std::string window_;       // the last of them in this member, at least window_size if there are so many
  Place place_ = Place::Header;
  std::optional<Error> failed_;
};

/// A source with a look at its first bytes.
class PeekedSource final : public FilterSource {
 public:
  explicit PeekedSource(Source source) : FilterSource(std::move(source)) {}
  /// Returns the first bytes without consuming them; fewer at the end. Call it before any byte is read.
  Result<std::string_view> peek(std::size_t count) {
    std::string first = peeked_;
    std::size_t size = first.size();
    first.resize(count);
    while (size < count) {
      const auto got = source().read(std::span(first).subspan(size));
      if (!got) return failure(got.error());
      if (*got == 0) break;
      size += *got;
    }
    first.resize(size);
    peeked_ = std::move(first);
    return std::string_view(peeked_);
  }
  Result<std::size_t> read(std::span<char> to) override {
    if (given_ == peeked_.size()) return source().read(to);
    const std::size_t count = peeked_.copy(to.data(), to.size(), given_);
    given_ += count;
    return count;
  }

 private:
  std::string peeked_;
  std::size_t given_ = 0;
};

}  // namespace

bool has_isal() noexcept {
#ifdef ETLPIPE_HAS_ISAL
  return true;
#else
  return false;
#endif
}

Source inflate(Source compressed, Inflater by) { return std::make_unique<InflateSource>(std::move(compressed), by); }

Source inflate_with_points(Source compressed, std::uint64_t apart, OnGzipPoint each, Inflater by) {
  auto source = std::make_unique<InflateSource>(std::move(compressed), by);
  source->find_points(apart, std::move(each));
  return source;
}

Source inflate_from(Source compressed, GzipPoint point, Inflater by) {
  auto source = std::make_unique<InflateSource>(std::move(compressed), by);
  source->begin_at(std::move(point));
  return source;
}

namespace {

/// Whether the first two bytes may be those of a skippable frame of zstd.
bool may_be_skippable(std::string_view two) { return two.size() == 2 && (two[0] & 0xF0) == 0x50 && two[1] == 0x2A; }

Result<Source> decode_now(Source source) {
  auto peeked = std::make_unique<PeekedSource>(std::move(source));
  auto first = peeked->peek(magic.size());
  if (!first) return failure(first.error());
  if (*first == magic) return inflate(std::move(peeked));
  // Do not wait for more bytes if the first two rule out all formats.
  using std::string_view_literals::operator""sv;
  if (*first != "BZ"sv &&
      *first !=
          "\xFD"
          "7"sv &&
      *first != "\x28\xB5"sv && !may_be_skippable(*first))
    return peeked;
  first = peeked->peek(compression_bytes);
  if (!first) return failure(first.error());
  const Compression compression = compression_of(*first);
  if (compression == Compression::None) return peeked;
  if (can_decompress(compression)) return decompress(std::move(peeked), compression);
  return failure(Error{.code = std::make_error_code(std::errc::not_supported),
                       .context = fmt::format("{}: the file is compressed by {}, which this etlpipe was built without "
                                              "(libarchive): decompress it first",
                                              peeked->name(), to_string(compression))});
}

/// A source that belongs to another object.
class Borrowed final : public ByteSource {
 public:
  explicit Borrowed(ByteSource& source) : source_(&source) {}
  Result<std::size_t> read(std::span<char> to) override { return source_->read(to); }
  [[nodiscard]] const std::string& name() const noexcept override { return source_->name(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return source_->consumed(); }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 private:
  ByteSource* source_;
};

/// Looks at the first bytes only when it is read, because that may wait, and only the caller's read can be interrupted.
class DecodedLater final : public FilterSource {
 public:
  explicit DecodedLater(Source source) : FilterSource(std::move(source)) {}
  Result<std::size_t> read(std::span<char> to) override {
    if (!decoded_) decoded_.emplace(decode_now(std::make_unique<Borrowed>(source())));
    if (!*decoded_) return failure(decoded_->error());
    return (**decoded_)->read(to);
  }

 private:
  std::optional<Result<Source>> decoded_{};
};

}  // namespace

Result<Source> decode(Source source) {
  if (source->size_hint() == 0) return std::make_unique<DecodedLater>(std::move(source));
  return decode_now(std::move(source));
}

}  // namespace etl::inline v0::io
