#pragma once
/// How the content of a file is compressed, by its first bytes.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <etl/config.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io {

/// A format of compression.
enum class Compression : std::uint8_t {
  None,   ///< not one of these
  Gzip,   ///< RFC 1952
  Bzip2,  ///< recognised by its first bytes and the first block, or the end, of its stream
  Xz,     ///< .xz file format 1.2.0, section 2.1.1
  Zstd,   ///< RFC 8878
};
/// The name of a format: "gzip".
[[nodiscard]] std::string_view to_string(Compression compression) noexcept;

/// Number of bytes at the beginning of a file that are enough to recognise its compression.
inline constexpr std::size_t compression_bytes = 10;

/// The compression of content that begins with these bytes. Thread-safe, as all functions here are.
[[nodiscard]] Compression compression_of(std::string_view begin) noexcept;

/// Whether `decode` can read this compression. Bzip2, xz and zstd need a library that was built with libarchive.
[[nodiscard]] bool can_decompress(Compression compression) noexcept;

/// Decompresses `compressed`: bzip2, xz or zstd, any number of streams one after the other. Damage, truncation and
/// bytes after the last stream are errors of the read that meets them. Throws `etl::Exception` for a `compression` that
/// `can_decompress` does not allow, or that is not one of these three.
[[nodiscard]] Source decompress(Source compressed, Compression compression);

}  // namespace etl::inline v0::io
