#pragma once
/// Decompression by libarchive.

#include <etl/io/compression.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io::detail {

/// Decompresses bzip2, xz or zstd.
[[nodiscard]] Source archive_filter(Source compressed, Compression compression);

}  // namespace etl::inline v0::io::detail
