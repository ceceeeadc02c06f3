#pragma once
/// Texts in answers of S3.

#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace etl::inline v0::s3::detail {

/// The whole number in the text, or nothing.
template <class T>
[[nodiscard]] std::optional<T> number_of(std::string_view text) noexcept {
  T number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Parses "2013-01-10T21:45:09.000Z" (ISO 8601). Returns the epoch for other texts, and for a year that the system's
/// clock cannot represent.
[[nodiscard]] std::chrono::system_clock::time_point iso_time(std::string_view text) noexcept;
/// Parses "Wed, 21 Oct 2015 07:28:00 GMT" (RFC 9110, 5.6.7). Returns the epoch for other texts.
[[nodiscard]] std::chrono::system_clock::time_point http_time(std::string_view text) noexcept;

/// The bytes that pairs of hex digits stand for; nothing for other texts.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);
/// Lower-case hex digits of bytes.
[[nodiscard]] std::string to_hex(std::string_view bytes);
/// Decodes %XX, and '+' as in a form.
[[nodiscard]] std::string form_decoded(std::string_view text);

}  // namespace etl::inline v0::s3::detail
