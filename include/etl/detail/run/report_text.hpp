#pragma once
/// RunReport as text and JSON.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <etl/config.hpp>

namespace etl::inline v0 {
namespace detail {

/// 1234567 -> "1,234,567".
[[nodiscard]] inline std::string grouped(std::uint64_t n) {
  std::string digits = fmt::format("{}", n);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

/// A duration with three significant digits and a fitting unit.
[[nodiscard]] inline std::string human(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<double>(duration.count());
  if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.3g} us", ns / 1e3);
  if (ns < 1e9) return fmt::format("{:.3g} ms", ns / 1e6);
  if (ns < 100e9) return fmt::format("{:.3g} s", ns / 1e9);
  return fmt::format("{:.0f} s", ns / 1e9);
}

/// A number with three significant digits and a metric suffix: 1.23 M.
[[nodiscard]] inline std::string metric(double n) {
  if (n < 1e3) return fmt::format("{:.3g}", n);
  if (n < 1e6) return fmt::format("{:.3g} k", n / 1e3);
  if (n < 1e9) return fmt::format("{:.3g} M", n / 1e6);
  return fmt::format("{:.3g} G", n / 1e9);
}

/// Bytes of the UTF-8 character that `text` begins with; 0: it begins with none (Unicode, table 3-7).
[[nodiscard]] constexpr std::size_t utf8_size(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
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

/// A JSON string literal (RFC 8259 section 7). A byte that is not of UTF-8 becomes U+FFFD.
[[nodiscard]] inline std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t size = utf8_size(text);
    if (c == '"' || c == '\\')
      out.append(1, '\\').append(1, c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += size == 0 ? "\xEF\xBF\xBD" : text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out += '"';
}

[[nodiscard]] inline double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

}  // namespace detail
}  // namespace etl::inline v0
