#include "text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

#include <fmt/format.h>

namespace etl::inline v0::s3::detail {
namespace {

using std::chrono::system_clock;

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte that two hex digits stand for, or -1.
int byte_at(std::string_view text, std::size_t at) noexcept {
  if (at + 2 > text.size()) return -1;
  const int high = digit_of(text[at]), low = digit_of(text[at + 1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// A number of exactly `size` digits.
std::optional<int> part(std::string_view text, std::size_t at, std::size_t size) noexcept {
  if (at + size > text.size() || text[at] == '-') return std::nullopt;
  return number_of<int>(text.substr(at, size));
}

system_clock::time_point time_of(std::optional<int> y, std::optional<unsigned> m, std::optional<int> d,
                                 std::optional<int> hours, std::optional<int> minutes, std::optional<int> seconds) {
  if (!y || !m || !d || !hours || !minutes || !seconds) return {};
  constexpr int first = 1970, last = 2261;  // the system's clock counts nanoseconds in 64 bits
  if (*y < first || *y > last) return {};
  const std::chrono::year_month_day date{std::chrono::year(*y), std::chrono::month(*m),
                                         std::chrono::day(static_cast<unsigned>(*d))};
  if (!date.ok()) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(*hours) + std::chrono::minutes(*minutes) +
         std::chrono::seconds(*seconds);
}

}  // namespace

system_clock::time_point iso_time(std::string_view text) noexcept {
  const auto month = part(text, 5, 2);
  const auto seconds = time_of(part(text, 0, 4), month ? std::optional(static_cast<unsigned>(*month)) : std::nullopt,
                               part(text, 8, 2), part(text, 11, 2), part(text, 14, 2), part(text, 17, 2));
  const auto milliseconds = text.size() > 19 && text[19] == '.' ? part(text, 20, 3) : std::nullopt;
  return seconds + std::chrono::milliseconds(milliseconds.value_or(0));
}

system_clock::time_point http_time(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::optional<unsigned> month;
  for (unsigned i = 0; i < months.size(); ++i)
    if (text.size() > 11 && text.substr(8, 3) == months[i]) month = i + 1;
  return time_of(part(text, 12, 4), month, part(text, 5, 2), part(text, 17, 2), part(text, 20, 2), part(text, 23, 2));
}

std::optional<std::string> from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int byte = byte_at(text, i);
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string form_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = text[i] == '%' ? byte_at(text, i + 1) : -1;
    if (byte >= 0) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

}  // namespace etl::inline v0::s3::detail
