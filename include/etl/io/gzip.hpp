#pragma once
/// Reads and writes gzip (RFC 1952).

#include <cstdint>
#include <functional>
#include <string>

#include <etl/error.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io {

/// The library that inflates. Both give the same bytes and report the same damaged member. If a member has several
/// damages, they may report different ones. ISA-L also accepts incomplete Huffman codes, which zlib refuses and no
/// compressor writes; CRC-32 and length are checked there too.
enum class Inflater : std::uint8_t {
  Best,  ///< ISA-L if the library was built with it, otherwise zlib
  Zlib,  ///< zlib
  IsaL,  ///< ISA-L; without `has_isal()` throws `etl::Exception`
};
/// Whether the library was built with ISA-L.
[[nodiscard]] bool has_isal() noexcept;

/// Inflates gzip content: any number of members one after another (bgzip, pigz, `cat a.gz b.gz`), with zero padding
/// after the last. Reading reports every damage with the compressed offset: a truncated member, a wrong CRC-32 or
/// length (RFC 1952 2.3.1), an invalid deflate stream (RFC 1951), a wrong header checksum or reserved flag, and bytes
/// after the last member that are neither a member nor padding. A member is checked at its end, when its bytes have
/// already been returned: do not trust them before the source has ended.
[[nodiscard]] Source inflate(Source compressed, Inflater by = Inflater::Best);

/// A place between two blocks of a deflate stream (RFC 1951 3.2.3), from which gzip content can be inflated without the
/// bytes before it.
struct GzipPoint {
  std::uint64_t in = 0;   ///< offset of the next byte in the compressed content
  int bits = 0;           ///< number of high bits of the byte before it that belong to the next block, 0 to 7
  std::uint64_t out = 0;  ///< offset in the inflated bytes
  std::string window{};   ///< the inflated bytes before it that the stream may refer to, at most 32 KiB
  /// Offset of the first compressed byte that `inflate_from` needs.
  [[nodiscard]] std::uint64_t first() const noexcept { return bits > 0 ? in - 1 : in; }
};
/// Called with a point.
using OnGzipPoint = std::function<void(GzipPoint)>;
/// Like `inflate`. While the content is read, calls `each` with points in their order: the first at the beginning, and
/// then one at the end of a block or member after at least `apart` further inflated bytes. It inflates from each of
/// these points itself, so the CRC-32 of a member also confirms its points.
[[nodiscard]] Source inflate_with_points(Source compressed, std::uint64_t apart, OnGzipPoint each,
                                         Inflater by = Inflater::Best);
/// Inflates from a point on. `compressed` begins at byte `point.first()` of the content. CRC-32 and length of the first
/// member cannot be checked, because its beginning was not read; those of all other members are checked. Offsets in
/// errors are offsets of the whole content. Both zlib and ISA-L can read the points that the other library has found.
[[nodiscard]] Source inflate_from(Source compressed, GzipPoint point, Inflater by = Inflater::Best);

/// Decompresses if the content begins like gzip (1F 8B), bzip2, xz or zstd (`Compression`), whatever the name.
/// Otherwise returns the bytes unchanged. Reads the first two bytes, and up to ten if they may begin such a format.
/// Returns an error if `can_decompress` does not allow the format. If the source does not know its size, for example a
/// pipe, the first read of the result does this, because reading a pipe may wait, and `interrupt` can end only a read.
[[nodiscard]] Result<Source> decode(Source source);
/// Compresses into `target` as one gzip member. `level` is 1 (fast) to 9 (small); other values throw `etl::Exception`.
[[nodiscard]] Sink deflate(Sink target, int level = 6);

}  // namespace etl::inline v0::io
