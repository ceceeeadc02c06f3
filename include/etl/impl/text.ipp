#pragma once
/// The compiled part of `text`.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/text.hpp>

namespace etl::inline v0 {
namespace detail {

/// The offset of the first byte from `at` on that is not ASCII. The result may be up to 7 less.
[[nodiscard]] inline std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
  constexpr std::uint64_t high_bits = 0x8080'8080'8080'8080;
  for (; text.size() - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & high_bits) != 0) break;
  }
  return at;
}

inline void append_code(std::string& to, unsigned code) {
  constexpr std::string_view digits = "0123456789abcdef";
  to += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) to += digits[code >> static_cast<unsigned>(shift) & 0xFU];
}

}  // namespace detail

ETLPIPE_COMPILED std::size_t find_invalid_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; (at = detail::skip_ascii(text, at)) < text.size();) {
    const std::size_t size = utf8_size(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

ETLPIPE_COMPILED void append_json_escaped(std::string& to, std::string_view text, InvalidByte invalid) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    const auto c = [&] { return static_cast<unsigned char>(text[end]); };
    for (std::size_t size = 1; end < text.size() && size != 0 && c() >= 0x20 && c() != '"' && c() != '\\'; end += size)
      size = c() < 0x80 ? 1 : utf8_size(text.substr(end));
    to.append(text, begin, end - begin);
    if (end == text.size()) return;
    switch (c()) {
      case '"':
      case '\\': (to += '\\') += text[end]; break;
      case '\n': to += "\\n"; break;
      case '\t': to += "\\t"; break;
      case '\r': to += "\\r"; break;
      default:
        if (c() < 0x20)
          detail::append_code(to, c());
        else if (invalid == InvalidByte::Surrogate)
          detail::append_code(to, 0xDC00U + c());
        else
          to += "\xEF\xBF\xBD";
    }
    begin = end + 1;
  }
}

ETLPIPE_COMPILED std::string json_string(std::string_view text, InvalidByte invalid) {
  std::string out = "\"";
  append_json_escaped(out, text, invalid);
  return out += '"';
}

}  // namespace etl::inline v0
