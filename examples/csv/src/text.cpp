#include "text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>
#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv {
namespace {

constexpr std::uint64_t high_bits = 0x8080'8080'8080'8080;

// Offset of the first byte that is not ASCII, or the size. The result may be up to 7 too small.
std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
  for (; text.size() - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & high_bits) != 0) break;
  }
  return at;
}
unsigned char byte(std::string_view text, std::size_t at) noexcept { return static_cast<unsigned char>(text[at]); }

/// Characters of the bytes 80 to 9F. Bytes without a character are as in ISO 8859-1.
constexpr std::array<char16_t, 32> windows_1252{0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

/// Appends a character from U+0080 to U+FFFF.
void append_utf8(std::string& to, char16_t c) {
  if (c < 0x800) {
    to += static_cast<char>(0xC0 | (c >> 6));
  } else {
    to += static_cast<char>(0xE0 | (c >> 12));
    to += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
  }
  to += static_cast<char>(0x80 | (c & 0x3F));
}

constexpr std::string_view sep = "sep=";

/// Compares as much of "sep=" as the text has, without regard to upper and lower case.
bool begins_with_sep(std::string_view text) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const std::size_t size = std::min(text.size(), sep.size());
  return std::ranges::equal(text.substr(0, size), sep.substr(0, size), {}, lower);
}

}  // namespace

bool may_begin_separator_line(std::string_view text) noexcept {
  if (text.starts_with('"')) text.remove_prefix(1);
  return begins_with_sep(text.substr(0, sep.size()));
}

bool has_high(std::string_view text) noexcept {
  for (std::size_t at = skip_ascii(text, 0); at < text.size(); ++at)
    if (byte(text, at) >= 0x80) return true;
  return false;
}

std::optional<SeparatorLine> separator_line(std::string_view text) noexcept {
  const std::string_view whole = text;
  const bool quoted = text.starts_with('"');
  if (quoted) text.remove_prefix(1);
  if (text.size() < sep.size() || !begins_with_sep(text)) return std::nullopt;
  text.remove_prefix(sep.size());
  if (text.empty()) return std::nullopt;
  const char delimiter = text[0];
  if (byte(text, 0) >= 0x80 || delimiter == '"' || delimiter == '\n' || delimiter == '\r') return std::nullopt;
  text.remove_prefix(1);
  if (quoted && !text.starts_with('"')) return std::nullopt;
  text.remove_prefix(quoted ? 1 : 0);
  if (!text.starts_with('\n') && !text.starts_with('\r')) return std::nullopt;
  text.remove_prefix(text.starts_with("\r\n") ? 2 : 1);
  return SeparatorLine{delimiter, whole.size() - text.size()};
}

std::string name_of_column(std::span<const std::string> header, std::size_t i) {
  if (i < header.size() && !trimmed(header[i]).empty()) return header[i];
  std::string name = fmt::format("column_{}", i + 1);
  while (std::ranges::find(header, name) != header.end()) name += '_';
  return name;
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
      // An escape at the very end takes no character.
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
