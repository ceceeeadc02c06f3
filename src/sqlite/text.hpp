#pragma once
/// How errors show texts.

#include <cstddef>
#include <string>
#include <string_view>

namespace etl::inline v0::sqlite {

/// The beginning of a long text.
[[nodiscard]] inline std::string shortened(std::string_view text, std::size_t most = 160) {
  if (text.size() <= most) return std::string(text);
  // Do not cut within a character.
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) --most;
  return std::string(text.substr(0, most)) + "...";
}

}  // namespace etl::inline v0::sqlite
