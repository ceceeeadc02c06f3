#pragma once
/// gzip (RFC 1952), read and written.

#include <cstdint>

#include <etl/error.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io {

/// Who inflates. Both give the same bytes and report damage by the same member; of several damages of a member they may
/// name different ones. ISA-L also takes incomplete Huffman codes, which zlib refuses and no compressor writes: their
/// bytes as well are those of the CRC-32 and the length.
enum class Inflater : std::uint8_t {
  Best,  ///< ISA-L where the library was built with it, else zlib
  Zlib,
  IsaL,  ///< asking for it without `has_isal()` throws `etl::Exception`
};
/// Whether the library was built with ISA-L.
[[nodiscard]] bool has_isal() noexcept;

/// Inflates gzip content: any number of members one after the other (bgzip, pigz, `cat a.gz b.gz`), zero padding
/// behind the last. Reading reports every damage with the compressed offset: a truncated member, a wrong CRC-32 or
/// length (RFC 1952 2.3.1), an invalid deflate stream (RFC 1951), a wrong header checksum or reserved flag, bytes
/// behind the last member that are neither a member nor padding. A member is checked at its end: its bytes have been
/// given by then, and are not to be trusted before the source has come to its end.
[[nodiscard]] Source inflate(Source compressed, Inflater by = Inflater::Best);
/// Decompresses when the content begins like gzip (1F 8B), bzip2, xz or zstd (`Compression`), whatever the name; else,
/// also when it is empty, gives the bytes as they are. Reads the first two bytes, and up to ten where these may be of
/// such a format. The error: it is one that `can_decompress` denies.
[[nodiscard]] Result<Source> decode(Source source);
/// Compresses into `target` as one gzip member. `level`: 1 (fast) to 9 (small); another throws `etl::Exception`.
[[nodiscard]] Sink deflate(Sink target, int level = 6);

}  // namespace etl::inline v0::io
