#pragma once
/// Inflates a raw deflate stream (RFC 1951) in pieces, with one of several libraries.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <etl/config.hpp>

namespace etl::inline v0::io::detail {

class RawInflate {
 public:
  /// How far `next_in` may step back at the end of a stream. That many bytes of the last input must still be in place.
  static constexpr std::size_t step_back = 8;

  enum class Status : std::uint8_t {
    Going,    ///< the input is used up, or the output is full
    Block,    ///< all before the end of a block is given out; `next_in` is right behind the block's last byte
    End,      ///< all is given out; `next_in` is right behind the stream
    Invalid,  ///< not a deflate stream
  };

  RawInflate() = default;
  RawInflate(const RawInflate&) = delete;
  RawInflate& operator=(const RawInflate&) = delete;
  virtual ~RawInflate() = default;
  /// Begins a new stream.
  virtual void begin() = 0;
  /// A stream begins between two of its blocks: first come the `bits` high bits of `byte`, and `window` is what the
  /// stream may refer back to, at most 32 KiB.
  virtual void begin_at(int bits, unsigned char byte, std::string_view window) = 0;
  /// The next `run` shall end where a block ends that is not the last. It may take several: ask before each, until the
  /// answer is `Block`. Nothing but `begin` and `begin_at` may follow that answer.
  virtual void stop_after_block() = 0;
  /// After `Block`: so many high bits of the byte before `next_in` belong to the next block.
  [[nodiscard]] virtual int unused_bits() const noexcept = 0;
  /// Takes from `next_in` and gives to `next_out` as much as it can; both end within 4 GiB. Throws without memory.
  [[nodiscard]] virtual Status run(const char*& next_in, const char* end_in, char*& next_out, char* end_out) = 0;
  /// CRC-32 of RFC 1952, continued from `crc` (0 at first).
  [[nodiscard]] virtual std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) const noexcept = 0;
};

[[nodiscard]] std::unique_ptr<RawInflate> raw_inflate_zlib();
[[nodiscard]] std::unique_ptr<RawInflate> raw_inflate_isal();

}  // namespace etl::inline v0::io::detail
