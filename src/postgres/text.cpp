#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <etl/postgres/copy.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres {
namespace {

constexpr bool is_continuation(unsigned char c) { return (c & 0xc0U) == 0x80U; }

/// The length of the UTF-8 character at the begin of the text, or 0 if there is none (RFC 3629, like PostgreSQL).
std::size_t character(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = at(0), second = at(1);
  const auto tail = [&](std::size_t from, std::size_t length) {
    for (std::size_t i = from; i < length; ++i)
      if (!is_continuation(static_cast<unsigned char>(at(i)))) return std::size_t{0};
    return length;
  };
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return tail(1, 2);
  // Refuses overlong forms, surrogates, and code points above U+10FFFF.
  if (first < 0xf0)
    return second < (first == 0xe0 ? 0xa0U : 0x80U) || second > (first == 0xed ? 0x9fU : 0xbfU) ? 0 : tail(2, 3);
  if (first > 0xf4) return 0;
  return second < (first == 0xf0 ? 0x90U : 0x80U) || second > (first == 0xf4 ? 0x8fU : 0xbfU) ? 0 : tail(2, 4);
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string shown;
  while (!text.empty()) {
    if (shown.size() >= most) return shown += "...";
    const std::size_t length = character(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0 || first < 0x20 || first == 0x7f)
      shown += fmt::format("\\x{:02x}", first);
    else
      shown.append(text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

std::string escaped(std::string_view text, bool ascii) {
  std::string safe;
  while (!text.empty()) {
    const std::size_t length = ascii ? std::size_t{static_cast<unsigned char>(text.front()) < 0x80} : character(text);
    if (length == 0 || text.front() == '\0')
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    else if (text.front() == '\n')
      safe += "\\n";
    else if (text.front() == '\\')
      safe += "\\\\";
    else
      safe.append(text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return safe;
}

std::string unescaped(std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      all += text[i];
      continue;
    }
    const char kind = text[++i];
    unsigned char byte = 0;
    const char* const digits = text.data() + i + 1;
    if (kind == 'x' && i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      all += static_cast<char>(byte);
      i += 2;
    } else {
      all += kind == 'n' ? '\n' : kind;
    }
  }
  return all;
}

namespace detail {

const char* text_problem(std::string_view text) noexcept {
  while (!text.empty()) {
    if (text.front() == '\0') return "PostgreSQL's texts cannot hold the character NUL (\\u0000 in JSON)";
    const std::size_t length = character(text);
    if (length == 0) return "not valid UTF-8";
    text.remove_prefix(length);
  }
  return nullptr;
}

}  // namespace detail
}  // namespace etl::inline v0::postgres
