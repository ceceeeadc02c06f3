#include <etl/csv/kind_guess.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Whether a number is probably a code, such as a telephone number or a postal code: it has a plus sign or leading
/// zeros.
bool is_code(std::string_view text) noexcept {
  if (text.starts_with('+')) return true;
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && is_digit(text[1]);
}

/// Number of digits without zeros at the begin and the end.
std::size_t significant_digits(std::string_view text) noexcept {
  std::size_t count = 0, zeros = 0;
  for (const char c : text) {
    if (c == 'e' || c == 'E') break;
    if (!is_digit(c) || (c == '0' && count == 0)) continue;
    ++count;
    zeros = c == '0' ? zeros + 1 : 0;
  }
  return count - zeros;
}

/// A double with up to this many decimal digits is always printed with the same digits.
constexpr std::size_t double_digits = std::numeric_limits<double>::digits10;

bool double_reads_back(std::string_view text, bool comma) noexcept {
  if (significant_digits(text) > double_digits) return false;
  double value = 0;
  if (!detail::parse(text, comma, value) || !std::isfinite(value)) return false;
  return value == 0 ? significant_digits(text) == 0 : std::abs(value) >= std::numeric_limits<double>::min();
}

/// Whether a numeric column of a database keeps the number. Databases limit the number of digits.
bool numeric_reads_back(std::string_view text) noexcept {
  constexpr int most = 16'000;
  const std::size_t at = text.find_first_of("eE");
  if (at == text.npos) return text.size() < std::size_t{most};
  const std::string exponent(text.substr(at + 1, 12));
  return std::abs(std::strtol(exponent.c_str(), nullptr, 10)) + static_cast<long>(at) < most;
}

bool is_bool(std::string_view text) noexcept {
  constexpr std::array<std::string_view, 6> words{"true", "false", "True", "False", "TRUE", "FALSE"};
  return std::ranges::find(words, text) != words.end();
}

/// Whether the time is in the years 1 to 9999 of UTC, in which databases keep it.
bool is_utc_kept(std::string_view text) noexcept {
  if (!text.starts_with("9999-12-31") && !text.starts_with("0001-01-01")) return !text.starts_with("0000");
  constexpr auto first = std::chrono::sys_days(std::chrono::year(1) / 1 / 1);
  constexpr auto end = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);
  const std::optional<UtcTime> time = parse_timestamp_tz(text);
  return time && *time >= first && *time < end;
}

std::optional<Kind> narrowest(std::string_view text, bool comma) {
  if (is_bool(text)) return Kind::Boolean;
  if (std::int64_t whole = 0; !is_code(text) && detail::parse(text, whole)) return Kind::Integer;
  if (std::string numeric; !is_code(text) && parse_numeric(text, numeric, comma)) {
    const bool fraction = text.find_first_of(".,eE") != text.npos;
    if (fraction && double_reads_back(text, comma)) return Kind::Double;
    return numeric_reads_back(text) ? Kind::Numeric : Kind::Text;
  }
  if (const std::optional<Moment> moment = parse_iso(text)) {
    const Kind kind = !moment->has_clock ? Kind::Date : moment->offset ? Kind::TimestampTz : Kind::Timestamp;
    if (reads_back(kind, text)) return kind;
  }
  return std::nullopt;
}

/// The narrowest kind for values of both kinds. A date does not become a timestamp, because its time of day would be
/// invented.
Kind both(Kind a, Kind b) noexcept {
  if (a == b) return a;
  if (!is_number(a) || !is_number(b)) return Kind::Text;
  return a == Kind::Numeric || b == Kind::Numeric ? Kind::Numeric : Kind::Double;
}

}  // namespace

bool reads_back(Kind kind, std::string_view text, bool comma) noexcept {
  switch (kind) {
    case Kind::Boolean: return is_bool(text);
    case Kind::Integer: return !is_code(text);
    case Kind::Double: return !is_code(text) && double_reads_back(text, comma);
    case Kind::Numeric: return !is_code(text) && numeric_reads_back(text);
    case Kind::Text: return true;
    case Kind::Date:
    case Kind::Timestamp: break;
    case Kind::TimestampTz:
      if (text.size() <= 10 || text.find_first_of("Zz+-", 10) == text.npos) return false;  // the text has no time zone
      return is_utc_kept(text);
  }
  return (kind == Kind::Date || text.size() > 10) && !text.starts_with("0000");
}

template <std::floating_point T>
bool keeps_digits(std::string_view number, bool comma) noexcept {
  constexpr std::size_t always = std::numeric_limits<T>::digits10, most = 800;
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  if (e == number.size() && number.size() <= always) return true;
  T value{};
  if (!detail::parse(number, comma, value)) {
    double wide = 0;  // a float does not have all powers of ten of a double
    return std::is_same_v<T, double> || !detail::parse(number, comma, wide) || !std::isfinite(wide);
  }
  if (!std::isfinite(value)) return true;
  const std::size_t count = significant_digits(number);
  if (count == 0) return true;
  if (value == 0 || count > most) return false;
  // 1.25e-03, with the digits of the number
  std::array<char, most + 32> written{};
  const auto end = std::to_chars(written.data(), written.data() + written.size(), value, std::chars_format::scientific,
                                 static_cast<int>(count) - 1);
  const std::string_view is(written.data(), static_cast<std::size_t>(end.ptr - written.data()));
  std::size_t at = is.find_first_of("123456789");
  for (std::size_t i = 0, seen = 0; i < e && seen < count; ++i) {
    if (!is_digit(number[i]) || (seen == 0 && number[i] == '0')) continue;
    if (at < is.size() && is[at] == '.') ++at;
    if (number[i] != is[at++]) return false;
    ++seen;
  }
  return true;  // so the exponents are the same: the value is the nearest one to the number
}
template bool keeps_digits<float>(std::string_view, bool) noexcept;
template bool keeps_digits<double>(std::string_view, bool) noexcept;

void KindGuess::look(std::string_view text, bool comma) {
  ++values_;
  if (kind_ == Kind::Text) return;
  text = trimmed(text);
  const std::optional<Kind> found = narrowest(text, comma);
  if (!found && !is_code(text)) {
    constexpr std::uint64_t clear = 100;
    ++strays_;
    // The remaining values cannot change the result.
    if (strays_ > clear && strays_ * 2 > values_) kind_ = Kind::Text;
    return;
  }
  const Kind kind = found.value_or(Kind::Text);
  fits_double_ = fits_double_ && (!is_number(kind) || significant_digits(text) <= double_digits);
  kind_ = kind_ ? both(*kind_, kind) : kind;
}

void KindGuess::look_at_text() noexcept {
  ++values_;
  kind_ = Kind::Text;
}

void KindGuess::merge(const KindGuess& other) noexcept {
  if (other.kind_) kind_ = kind_ ? both(*kind_, *other.kind_) : *other.kind_;
  values_ += other.values_;
  strays_ += other.strays_;
  fits_double_ = fits_double_ && other.fits_double_;
}

KindGuess KindGuess::without_strays() const noexcept {
  constexpr std::uint64_t few = 20;
  KindGuess left = *this;
  if (kind_ && strays_ * few <= values_) left.values_ -= std::exchange(left.strays_, 0);
  return left;
}

Kind KindGuess::kind() const noexcept {
  if (!kind_ || strays_ > 0) return Kind::Text;
  return kind_ == Kind::Double && !fits_double_ ? Kind::Numeric : *kind_;
}

}  // namespace etl::inline v0::csv
