#pragma once
/// Numbers in headers, positions and answers.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <etl/config.hpp>

namespace etl::inline v0::http {

/// The number, if the whole text consists of digits.
[[nodiscard]] inline std::optional<std::uint64_t> number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace etl::inline v0::http
