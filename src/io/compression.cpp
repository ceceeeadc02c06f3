#include <etl/io/compression.hpp>

#include <fmt/format.h>

#include <etl/error.hpp>

#include "archive_filter.hpp"

namespace etl::inline v0::io {

std::string_view to_string(Compression compression) noexcept {
  switch (compression) {
    case Compression::Gzip: return "gzip";
    case Compression::Bzip2: return "bzip2";
    case Compression::Xz: return "xz";
    case Compression::Zstd: return "zstd";
    case Compression::None: break;
  }
  return "none";
}

Compression compression_of(std::string_view begin) noexcept {
  using std::string_view_literals::operator""sv;
  if (begin.starts_with("\x1F\x8B"sv)) return Compression::Gzip;
  if (begin.starts_with("\x28\xB5\x2F\xFD"sv) || detail::is_skippable_frame(begin)) return Compression::Zstd;
  if (begin.starts_with("\xFD"
                        "7zXZ\0"sv))
    return Compression::Xz;
  // Text may also begin with "BZh" and a digit, so the next bytes are checked: a block of bzip2 begins with the digits
  // of pi, and the end of the data has those of its square root.
  const std::string_view block = begin.substr(begin.size() < 4 ? begin.size() : 4);
  const bool level = begin.size() > 4 && begin.starts_with("BZh") && begin[3] >= '1' && begin[3] <= '9';
  if (level && (block.starts_with("\x31\x41\x59\x26\x53\x59"sv) || block.starts_with("\x17\x72\x45\x38\x50\x90"sv)))
    return Compression::Bzip2;
  return Compression::None;
}

bool can_decompress(Compression compression) noexcept {
  switch (compression) {
    case Compression::None:
    case Compression::Gzip: return true;
    case Compression::Bzip2:
    case Compression::Xz:
    case Compression::Zstd: break;
  }
#ifdef ETLPIPE_HAS_LIBARCHIVE
  return true;
#else
  return false;
#endif
}

Source decompress([[maybe_unused]] Source compressed, Compression compression) {
#ifdef ETLPIPE_HAS_LIBARCHIVE
  if (compression != Compression::None && compression != Compression::Gzip)
    return detail::archive_filter(std::move(compressed), compression);
#endif
  throw Exception(
      fatal(fmt::format("decompress: {}: this etlpipe has no decompressor for it", to_string(compression))));
}

}  // namespace etl::inline v0::io
