#pragma once
// Parses the parts of numbers and times.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

#include <etl/csv/value.hpp>

namespace etl::inline v0::csv {

[[nodiscard]] constexpr bool digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] inline bool same_word(std::string_view text, std::string_view word) noexcept {
  return std::ranges::equal(text, word, [](char a, char b) { return lower(a) == lower(b); });
}

/// Takes `least` to `most` digits; returns -1 if there are fewer.
[[nodiscard]] inline int take_digits(std::string_view& text, std::size_t least, std::size_t most) noexcept {
  std::size_t n = 0;
  int value = 0;
  for (; n < most && n < text.size() && digit(text[n]); ++n) value = value * 10 + (text[n] - '0');
  if (n < least) return -1;
  text.remove_prefix(n);
  return value;
}

inline bool take(std::string_view& text, char c) noexcept {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// Takes 1 to 9 digits after the point and returns them as microseconds. Returns -1 if there are none, or if they are
/// finer than microseconds, unless `dropped` allows dropping the finer digits.
[[nodiscard]] inline int take_fraction(std::string_view& text, bool dropped = false) noexcept {
  std::string_view rest = text;
  const int value = take_digits(rest, 1, 9);
  if (value < 0) return -1;
  static constexpr int powers[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000};
  const std::size_t count = text.size() - rest.size();
  text = rest;
  if (count <= 6) return value * powers[6 - count];
  return dropped || value % powers[count - 6] == 0 ? value / powers[count - 6] : -1;
}

/// Takes Z, +01, +0100 or +01:00.
[[nodiscard]] inline std::optional<std::chrono::minutes> take_offset(std::string_view& text) noexcept {
  if (take(text, 'Z') || take(text, 'z')) return std::chrono::minutes{0};
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const int hours = take_digits(text, 2, 2);
  int rest = 0;
  if (take(text, ':') || (!text.empty() && digit(text.front()))) rest = take_digits(text, 2, 2);
  if (hours < 0 || hours > 23 || rest < 0 || rest > 59) return std::nullopt;
  return std::chrono::minutes{sign * (hours * 60 + rest)};
}

/// The begin of the day, if the date exists. A missing part is -1.
[[nodiscard]] inline std::optional<LocalTime> midnight(int year, int month, int day) noexcept {
  if (year < 0 || month < 1 || day < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return LocalTime(std::chrono::local_days(date));
}

/// The time since midnight, if such a time of day exists.
[[nodiscard]] inline std::optional<std::chrono::microseconds> clock_time(int hour, int minute, int second,
                                                                         int micros) noexcept {
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || micros < 0)
    return std::nullopt;
  return std::chrono::microseconds{((hour * 60 + minute) * 60LL + second) * 1'000'000 + micros};
}

}  // namespace etl::inline v0::csv
