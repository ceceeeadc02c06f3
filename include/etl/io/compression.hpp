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
  Bzip2,  ///< the block or the end that each of its streams begins with is looked for, too
  Xz,     ///< .xz file format 1.2.0, section 2.1.1
  Zstd,   ///< RFC 8878
};
/// The name of a format: "gzip".
[[nodiscard]] std::string_view to_string(Compression compression) noexcept;

/// So many bytes of a file tell how it is compressed.
inline constexpr std::size_t compression_bytes = 10;

/// How content is compressed that begins so. Thread-safe, as all functions here are.
[[nodiscard]] Compression compression_of(std::string_view begin) noexcept;

/// Whether `decode` can read it. Bzip2, xz and zstd need a library that was built with libarchive.
[[nodiscard]] bool can_decompress(Compression compression) noexcept;

/// Gives the content of `compressed`, which is bzip2, xz or zstd, any number of streams one after the other. Damage,
/// truncation and what follows the last stream are errors, when they are read. A `compression` that `can_decompress`
/// denies, or that `inflate` is for, is a programmer's mistake: throws `etl::Exception`.
[[nodiscard]] Source decompress(Source compressed, Compression compression);

}  // namespace etl::inline v0::io
