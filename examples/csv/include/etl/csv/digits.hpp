#pragma once
/// Eight digits at a time: most numbers of a file are short, and one loop over their digits is a branch that is not
/// foreseen.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace etl::inline v0::csv::detail {

inline constexpr std::uint64_t each_byte = 0x0101'0101'0101'0101;

/// The first eight characters of a text that has them, the first in the lowest byte.
[[nodiscard]] inline std::uint64_t load_eight(std::string_view text) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, text.data(), 8);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

/// One to eight characters, the last in the highest byte, with zero bytes before them.
[[nodiscard]] inline std::uint64_t load_short(std::string_view text) noexcept {
  const std::size_t size = text.size();
  const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i); };
  std::uint64_t word = 0;
  if (size == 8) return load_eight(text);
  if (size >= 4) {
    std::uint32_t first = 0, last = 0;
    std::memcpy(&first, text.data(), 4);
    std::memcpy(&last, text.data() + size - 4, 4);
    if constexpr (std::endian::native == std::endian::big)
      first = __builtin_bswap32(first), last = __builtin_bswap32(last);
    word = first | std::uint64_t{last} << (8 * (size - 4));
  } else {
    word = byte(0) | byte(size / 2) | byte(size - 1);
  }
  return word << (64 - 8 * size);
}
/// The same with digits 0 before them.
[[nodiscard]] inline std::uint64_t load_digits(std::string_view text) noexcept {
  return load_short(text) | (text.size() == 8 ? 0 : ('0' * each_byte) >> (8 * text.size()));
}

/// The top bit of each byte that is no digit.
[[nodiscard]] constexpr std::uint64_t no_digits(std::uint64_t word) noexcept {
  const std::uint64_t rest = word ^ ('0' * each_byte);
  return (((rest & 0x7F * each_byte) + 0x76 * each_byte) | rest) & 0x80 * each_byte;
}

/// The number that eight digits are: pairs, fours, all.
[[nodiscard]] constexpr std::uint32_t number_of(std::uint64_t digits) noexcept {
  digits &= 0x0F * each_byte;
  digits = (digits * (10 << 8 | 1)) >> 8 & 0x00FF'00FF'00FF'00FF;
  digits = (digits * (100 << 16 | 1)) >> 16 & 0x0000'FFFF'0000'FFFF;
  return static_cast<std::uint32_t>((digits * (std::uint64_t{10'000} << 32 | 1)) >> 32);
}

/// One to eight digits, and nothing else: else false.
[[nodiscard]] inline bool short_number(std::string_view text, std::uint32_t& out) noexcept {
  const std::uint64_t word = load_digits(text);
  out = number_of(word);
  return no_digits(word) == 0;
}

}  // namespace etl::inline v0::csv::detail
