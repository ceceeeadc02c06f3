#pragma once
/// Decompression by libarchive.

#include <string_view>

#include <etl/io/compression.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io::detail {

/// Whether a skippable frame of zstd begins here (RFC 8878, 3.1.2). The program pzstd writes one before each frame.
[[nodiscard]] inline bool is_skippable_frame(std::string_view begin) noexcept {
  return begin.size() >= 4 && (begin[0] & 0xF0) == 0x50 && begin.substr(1).starts_with("\x2A\x4D\x18");
}

/// Decompresses bzip2, xz or zstd.
[[nodiscard]] Source archive_filter(Source compressed, Compression compression);

}  // namespace etl::inline v0::io::detail
