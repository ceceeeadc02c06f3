#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/postgres/copy.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres {
namespace {

constexpr std::string_view hex = "0123456789abcdef";

}  // namespace

// --- UUIDs -----------------------------------------------------------------------------------------------------------

std::optional<Uuid> Uuid::parse(std::string_view text) noexcept {
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  Uuid made;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-' && digits > 0 && digits % 4 == 0 && digits < 32 && text[i - 1] != '-') continue;
    const char lower = text[i] >= 'A' && text[i] <= 'F' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    const std::size_t value = hex.find(lower);
    if (value == std::string_view::npos || digits == 32) return std::nullopt;
    std::byte& byte = made.bytes[digits / 2];
    byte = (byte << 4U) | static_cast<std::byte>(value);
    ++digits;
  }
  if (digits != 32) return std::nullopt;
  return made;
}

std::string Uuid::text() const {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += hex[std::to_integer<std::size_t>(bytes[i] >> 4U)];
    text += hex[std::to_integer<std::size_t>(bytes[i] & std::byte{0xf})];
  }
  return text;
}

namespace detail {

void Bytes::grow(std::size_t count) {
  const std::size_t capacity = std::max(size_ + count, std::max<std::size_t>(capacity_ * 2, 4096));
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
  data_ = std::move(larger);
  capacity_ = capacity;
}

// --- numeric ---------------------------------------------------------------------------------------------------------

namespace {

/// The format of PostgreSQL's numeric_send: number of digit groups, weight of the first group, sign, display scale,
/// digit groups.
void append_header(Bytes& to, std::size_t digits, std::int64_t weight, std::uint16_t sign, std::uint16_t scale) {
  to.reserve(4 + 8 + 2 * digits);
  to.append(static_cast<std::uint32_t>(8 + 2 * digits));
  to.append(static_cast<std::uint16_t>(digits));
  to.append(static_cast<std::uint16_t>(static_cast<std::int16_t>(weight)));
  to.append(sign);
  to.append(scale);
}

/// Appends the decimal digits. `point` is the number of digits before the decimal point; if negative, the number of
/// zeros after the point.
const char* append_digits(Bytes& to, bool negative, std::string_view integral, std::string_view fraction,
                          std::int64_t point, std::int64_t scale) {
  constexpr std::int64_t most_scale = 16'383, most_integral = 131'072, group = 4;
  const auto size = static_cast<std::int64_t>(integral.size() + fraction.size());
  const auto digit = [&](std::int64_t i) {
    if (i < 0 || i >= size) return 0;
    const auto at = static_cast<std::size_t>(i);
    return (at < integral.size() ? integral[at] : fraction[at - integral.size()]) - '0';
  };
  if (scale > most_scale) return "more digits after the point than a numeric can hold";
  std::int64_t first = 0, last = size;
  while (first < size && digit(first) == 0) ++first;
  while (last > first && digit(last - 1) == 0) --last;
  if (first == size) return append_header(to, 0, 0, 0, static_cast<std::uint16_t>(scale)), nullptr;
  const std::int64_t before = point - first;
  if (before > most_integral) return "more digits before the point than a numeric can hold";
  const std::int64_t weight = before > 0 ? (before - 1) / group : -((group - before) / group);
  // Where the first group begins. This may be before the first digit.
  std::int64_t at = point - (weight + 1) * group;
  const auto groups = static_cast<std::size_t>((last - at + group - 1) / group);
  append_header(to, groups, weight, negative ? 0x4000 : 0, static_cast<std::uint16_t>(scale));
  for (std::size_t i = 0; i < groups; ++i, at += group) {
    const int value = digit(at) * 1000 + digit(at + 1) * 100 + digit(at + 2) * 10 + digit(at + 3);
    to.append(static_cast<std::uint16_t>(value));
  }
  return nullptr;
}

/// Recognises NaN and the infinities, in upper or lower case.
std::optional<std::uint16_t> special(std::string_view text, bool negative, bool has_sign) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower == "nan" && !has_sign) return std::uint16_t{0xc000};
  if (lower == "infinity" || lower == "inf") return static_cast<std::uint16_t>(negative ? 0xf000 : 0xd000);
  return std::nullopt;
}

std::string_view take_digits(std::string_view& text) {
  const std::size_t size = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, size);
  text.remove_prefix(size);
  return digits;
}

}  // namespace

const char* append_numeric(Bytes& to, std::string_view text) {
  constexpr const char* no_number = "not a decimal number";
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  const bool negative = text.starts_with('-');
  const bool has_sign = negative || text.starts_with('+');
  if (has_sign) text.remove_prefix(1);
  if (const auto sign = special(text, negative, has_sign)) return append_header(to, 0, 0, *sign, 0), nullptr;
  const std::string_view integral = take_digits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (integral.empty() && fraction.empty()) return no_number;
  int exponent = 0;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+')) text.remove_prefix(text.size() > 1 && text[1] != '-' ? 1 : 0);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (error != std::errc{} || std::abs(std::int64_t{exponent}) > 1'000'000) return no_number;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  if (!text.empty()) return no_number;
  return append_digits(to, negative, integral, fraction, static_cast<std::int64_t>(integral.size()) + exponent,
                       std::max<std::int64_t>(0, static_cast<std::int64_t>(fraction.size()) - exponent));
}

const char* append_numeric(Bytes& to, Decimal value) {
  const bool negative = value.unscaled < 0;
  const auto magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value.unscaled) : static_cast<std::uint64_t>(value.unscaled);
  std::array<char, 20> digits{};
  const auto* const end = std::to_chars(digits.data(), digits.data() + digits.size(), magnitude).ptr;
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  return append_digits(to, negative, text, {}, static_cast<std::int64_t>(text.size()) - value.scale, value.scale);
}

// --- errors ----------------------------------------------------------------------------------------------------------

std::string shown(std::int64_t value) { return std::to_string(value); }
std::string shown(std::uint64_t value) { return std::to_string(value); }
std::string shown(double value) { return fmt::format("{}", value); }
std::string shown(std::string_view text) { return fmt::format("'{}'", printable(text, 60)); }
std::string shown(std::span<const std::byte> blob) {
  std::string text = "\\x";
  for (const std::byte b : blob.first(std::min<std::size_t>(blob.size(), 30))) text += fmt::format("{:02x}", b);
  return blob.size() > 30 ? text + fmt::format("... ({} bytes)", blob.size()) : text;
}
std::string shown(const Decimal& value) { return fmt::format("{}e-{}", value.unscaled, value.scale); }
std::string shown_day(std::int64_t days) { return fmt::format("day {} since 1970", days); }
std::string shown_time(double seconds) { return fmt::format("{} seconds since 1970", seconds); }

Error misfit_error(std::string_view place, std::string_view column, std::string_view value, std::string_view why) {
  return own_error("22000", ErrorClass::Rejected,
                   fmt::format("{}, column {}: {}: {}", place, quoted(column), value, why));
}

}  // namespace detail
}  // namespace etl::inline v0::postgres
