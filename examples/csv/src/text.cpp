#include "text.hpp"

#include <array>
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

/// Characters of the bytes 80 to 9F; those that have none are what ISO 8859-1 has there.
constexpr std::array<char16_t, 32> windows_1252{0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

/// A character from U+0080 to U+FFFF.
void append_utf8(std::string& to, char16_t c) {
  if (c < 0x800) {
    to += static_cast<char>(0xC0 | (c >> 6));
  } else {
    to += static_cast<char>(0xE0 | (c >> 12));
    to += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
  }
  to += static_cast<char>(0x80 | (c & 0x3F));
}

}  // namespace

bool has_high(std::string_view text) noexcept {
  for (std::size_t at = skip_ascii(text, 0); at < text.size(); ++at)
    if (byte(text, at) >= 0x80) return true;
  return false;
}

std::optional<SeparatorLine> separator_line(std::string_view text) noexcept {
  constexpr std::string_view word = "sep=";
  if (!text.starts_with(word) || text.size() < word.size() + 2) return std::nullopt;
  const char delimiter = text[word.size()];
  const std::string_view end = text.substr(word.size() + 1, 2);
  if (byte(text, word.size()) >= 0x80 || delimiter == '"' || delimiter == '\n' || delimiter == '\r')
    return std::nullopt;
  if (end.starts_with("\r\n")) return SeparatorLine{delimiter, word.size() + 3};
  if (end[0] != '\n' && end[0] != '\r') return std::nullopt;
  return SeparatorLine{delimiter, word.size() + 2};
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
      append_utf8(to, c < 0xA0 ? windows_1252[c - 0x80] : c);
    }
  }
}

}  // namespace etl::inline v0::csv
