#include "text.hpp"

#include <cstdint>
#include <cstring>

namespace etl::inline v0::csv {
namespace {

constexpr std::uint64_t high_bits = 0x8080'8080'8080'8080;

// Offset of the first byte that is not ASCII, or the size; may be up to 7 too small.
std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
  for (; text.size() - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & high_bits) != 0) break;
  }
  return at;
}
unsigned char byte(std::string_view text, std::size_t at) noexcept { return static_cast<unsigned char>(text[at]); }

// Bytes of the sequence at `at`, or 0: invalid (Unicode 15, table 3-7).
std::size_t sequence(std::string_view text, std::size_t at) noexcept {
  const unsigned char first = byte(text, at);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xC2 && first <= 0xDF   ? 2
                           : (first & 0xF0) == 0xE0         ? 3
                           : first >= 0xF0 && first <= 0xF4 ? 4
                                                            : 0;
  if (size == 0 || text.size() - at < size) return 0;
  const unsigned char second = byte(text, at + 1);
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 0;
  for (std::size_t i = 2; i < size; ++i)
    if ((byte(text, at + i) & 0xC0) != 0x80) return 0;
  return size;
}

}  // namespace

bool has_high(std::string_view text) noexcept {
  for (std::size_t at = skip_ascii(text, 0); at < text.size(); ++at)
    if (byte(text, at) >= 0x80) return true;
  return false;
}

std::size_t find_invalid_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; (at = skip_ascii(text, at)) < text.size();) {
    const std::size_t size = sequence(text, at);
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

void append_decoded(std::string& to, std::string_view cell, bool quoted, const Dialect& dialect) {
  const char escape = dialect.escape.value_or(dialect.quote.value_or('\0'));
  if (dialect.encoding != Encoding::Latin1) {
    if (!quoted) {
      to += cell;
      return;
    }
    for (;;) {
      const std::size_t at = cell.find(escape);
      to += cell.substr(0, at);
      if (at == cell.npos) return;
      // At the very end it takes nothing.
      const std::size_t taken = at + 1 < cell.size() ? at + 1 : at;
      to += cell[taken];
      cell.remove_prefix(taken + 1);
    }
  }
  for (std::size_t at = 0; at < cell.size(); ++at) {
    if (quoted && cell[at] == escape && at + 1 < cell.size()) ++at;
    const unsigned char c = byte(cell, at);
    if (c < 0x80) {
      to += cell[at];
    } else {
      to += static_cast<char>(0xC0 | (c >> 6));
      to += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
}

}  // namespace etl::inline v0::csv
