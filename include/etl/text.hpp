#pragma once
/// UTF-8, and texts in JSON.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// The number of bytes, 1 to 4, of the UTF-8 character at the beginning of `text`; 0 if there is no valid one (Unicode,
/// table 3-7).
[[nodiscard]] constexpr std::size_t utf8_size(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (text.empty()) return 0;
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;   // or it could be written shorter
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;  // no surrogate, none above U+10FFFF
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return size;
}

/// The offset of the first byte that is not UTF-8, or npos. Skips ASCII 8 bytes at a time.
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text) noexcept;

/// How a byte that is not UTF-8 is written in JSON.
enum class InvalidByte : std::uint8_t {
  Replacement,  ///< the character U+FFFD
  Surrogate,    ///< an escaped lone surrogate, \udc80 to \udcff, from which the byte can be read back
};
/// Appends the inside of a JSON string (RFC 8259 section 7), without its quotes.
void append_json_escaped(std::string& to, std::string_view text, InvalidByte invalid = InvalidByte::Replacement);
/// A JSON string, with its quotes.
[[nodiscard]] std::string json_string(std::string_view text, InvalidByte invalid = InvalidByte::Replacement);

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/text.ipp>
#endif
