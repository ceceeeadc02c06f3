#include <etl/io/base64.hpp>

#include <cstddef>

namespace etl::inline v0::io {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr unsigned byte_of(char c) { return static_cast<unsigned char>(c); }

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view three = bytes.substr(i, 3);
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8U | (k < three.size() ? byte_of(three[k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) out += k <= three.size() ? base64_digits[bits >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t digits = !last || text[i + 3] != '=' ? 4 : text[i + 2] != '=' ? 3 : 2;
    unsigned bits = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t value = k < digits ? base64_digits.find(text[i + k]) : 0;
      if (value == std::string_view::npos) return std::nullopt;
      bits = bits << 6U | static_cast<unsigned>(value);
    }
    for (std::size_t k = 0; k + 1 < digits; ++k) out += static_cast<char>(bits >> (16 - 8 * k) & 255U);
    // Unused bits must be 0, so that the same bytes have only one text.
    if ((bits & ((1U << 8 * (4 - digits)) - 1)) != 0) return std::nullopt;
  }
  return out;
}

}  // namespace etl::inline v0::io
