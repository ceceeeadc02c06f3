#include <etl/csv/profile.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <etl/csv/digits.hpp>
#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv {
namespace {

/// Hashes eight bytes at a time, and ends with the finish of MurmurHash3, so that all bits of the text affect all bits
/// of the hash. The text must not be empty.
std::uint64_t hash_of(std::string_view text) noexcept {
  constexpr std::uint64_t factor = 0x9E37'79B9'7F4A'7C15U;
  std::uint64_t hash = text.size();
  const auto take = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * factor;
    hash ^= hash >> 32;
  };
  if (text.size() <= 8) {
    take(detail::load_short(text));
  } else {
    for (std::size_t at = 0; at + 8 < text.size(); at += 8) take(detail::load_eight(text.substr(at)));
    take(detail::load_eight(text.substr(text.size() - 8)));
  }
  hash = (hash ^ hash >> 33) * 0xFF51AFD7ED558CCDU;
  hash = (hash ^ hash >> 33) * 0xC4CEB9FE1A85EC53U;
  return hash ^ hash >> 33;
}

/// Whether parsing is worth a try. The first characters decide this for most texts.
bool may_be_time(std::string_view text) noexcept {
  return text.size() >= 8 && text[0] >= '0' && text[0] <= '9' && text.find('-') == 4;
}
bool may_be_number(std::string_view text) noexcept {
  const char c = text[0];
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == ',';
}

double share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double ColumnProfile::null_share() const noexcept { return share(nulls, rows); }
double ColumnProfile::number_share() const noexcept { return share(numbers, values()); }
double ColumnProfile::time_share() const noexcept { return share(times, values()); }

void ColumnProfile::look(std::string_view text, bool null, std::uint64_t row, bool comma) {
  ++rows;
  text = trimmed(text);
  if (null || text.empty()) {
    if (nulls++ == 0) first_null = row;
    return;
  }
  if (double value = 0; may_be_number(text) && detail::parse(text, comma, value)) {
    ++numbers;
  } else {
    if (may_be_time(text) && parse_iso(text)) ++times;
    if (first_other == 0) {
      constexpr std::size_t kept = 100;
      first_other = row;
      first_other_value = text.substr(0, kept);
    }
  }
  const std::uint64_t hash = hash_of(text);
  constexpr int index_bits = std::countr_zero(registers);
  const auto rank = static_cast<std::uint8_t>(std::countl_zero(hash << index_bits | 1) + 1);
  std::uint8_t& highest = ranks_[hash >> (64 - index_bits)];
  highest = highest < rank ? rank : highest;
}

std::uint64_t ColumnProfile::distinct() const noexcept {
  constexpr double count = registers, alpha = 0.7213 / (1 + 1.079 / count);
  double sum = 0;
  double empty = 0;
  for (const std::uint8_t rank : ranks_) {
    sum += std::ldexp(1.0, -rank);
    if (rank == 0) ++empty;
  }
  double estimate = alpha * count * count / sum;
  if (estimate <= 2.5 * count && empty > 0) estimate = count * std::log(count / empty);
  const auto whole = static_cast<std::uint64_t>(std::llround(estimate));
  return whole < values() ? whole : values();
}

}  // namespace etl::inline v0::csv
