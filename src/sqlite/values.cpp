#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/table.hpp>
#include <etl/sqlite/values.hpp>

#include "connection.hpp"
#include "text.hpp"

namespace etl::inline v0::sqlite::detail {

// --- types known at run time -----------------------------------------------------------------------------------------

std::string_view to_text(Type type) noexcept {
  switch (type) {
    case Type::Integer: return "INTEGER";
    case Type::Real: return "REAL";
    case Type::Text: return "TEXT";
    case Type::Blob: return "BLOB";
    case Type::Numeric: return "NUMERIC";
    case Type::Other:
    case Type::Any: break;
  }
  return "";
}

const char* refusal(Type type, Sort sort) noexcept {
  switch (type) {
    case Type::Integer: return sort == Sort::Integer ? nullptr : "an INTEGER column takes integers and bool";
    case Type::Real: return sort == Sort::Real || sort == Sort::Integer ? nullptr : "a REAL column takes numbers";
    case Type::Text:
      return sort == Sort::Text || sort == Sort::Moment ? nullptr : "a TEXT column takes texts, dates and times";
    case Type::Blob: return sort == Sort::Blob ? nullptr : "a BLOB column takes blobs";
    case Type::Numeric:
      return sort != Sort::Blob ? nullptr : "a NUMERIC column takes numbers, texts of numbers, dates and times";
    case Type::Other:
    case Type::Any: break;
  }
  return nullptr;
}

const char* refusal(std::int64_t real) noexcept {
  constexpr std::int64_t exact = std::int64_t{1} << std::numeric_limits<double>::digits;
  return -exact <= real && real <= exact ? nullptr : "a REAL column cannot hold this integer exactly";
}

const char* refusal(double text) noexcept {
  std::array<char, 40> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), text, std::chars_format::general,
                                     std::numeric_limits<double>::digits10);
  double again = 0;
  std::from_chars(digits.data(), written.ptr, again);
  return again == text ? nullptr : "a TEXT column keeps 15 digits of a number: declare the column REAL";
}

namespace {

/// How SQLite treats a text in a column with NUMERIC affinity.
struct Number {
  bool is_one = false;
  bool is_bare = false;     ///< there are no blanks around the number
  bool fits = false;        ///< a whole number of 64 bits, or a number with at most 15 digits
  bool reads_back = false;  ///< converting the number to text gives the original text
};

Number number_of(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  const std::size_t first = std::min(text.find_first_not_of(blanks), text.size());
  const std::string_view bare = text.substr(first, text.find_last_not_of(blanks) + 1 - first);
  const std::size_t sign = bare.starts_with('-') || bare.starts_with('+') ? 1 : 0;
  if (bare.find_first_of("0123456789.", sign) != sign) return {};  // neither infinity nor NaN
  double value = 0;
  const char* const end = bare.data() + bare.size();
  const auto parsed = std::from_chars(bare.data() + sign, end, value);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) return {};
  Number number{.is_one = true, .is_bare = bare.size() == text.size()};
  std::int64_t whole = 0;
  const auto integer = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (integer.ec == std::errc{} && integer.ptr == text.data() + text.size()) {
    number.fits = true;
    std::array<char, 24> again{};
    const auto* const last = std::to_chars(again.data(), again.data() + again.size(), whole).ptr;
    number.reads_back = text == std::string_view(again.data(), static_cast<std::size_t>(last - again.data()));
    return number;
  }
  std::size_t digits = 0, zeros = 0;
  for (const char c : bare.substr(0, bare.find_first_of("eE"))) {
    if (c < '0' || c > '9' || (c == '0' && digits == 0)) continue;
    ++digits;
    zeros = c == '0' ? zeros + 1 : 0;
  }
  number.fits = parsed.ec == std::errc{} && digits - zeros <= std::numeric_limits<double>::digits10;
  std::array<char, 40> again{};
  const auto* const last = std::to_chars(again.data(), again.data() + again.size(),
                                         sign != 0 && bare[0] == '-' ? -value : value, std::chars_format::general, 15)
                               .ptr;
  number.reads_back = number.fits && bare.find('.') != bare.npos && bare.find_first_of("eE") == bare.npos &&
                      text == std::string_view(again.data(), static_cast<std::size_t>(last - again.data()));
  return number;
}

}  // namespace

const char* refusal(Type type, std::string_view text) noexcept {
  const Number number = number_of(text);
  if (type == Type::Other)
    return !number.is_one || number.reads_back
               ? nullptr
               : "SQLite would change this text to another number: declare the column TEXT";
  if (!number.is_one || !number.is_bare) return "not a number, and the column is NUMERIC";
  return number.fits ? nullptr
                     : "a NUMERIC column keeps 15 digits of a number: declare the column TEXT or NUMERIC_TEXT";
}

// --- values as texts -------------------------------------------------------------------------------------------------

std::string shown(std::int64_t value) { return std::to_string(value); }
std::string shown(std::uint64_t value) { return std::to_string(value); }
std::string shown(double value) { return fmt::format("{}", value); }
std::string shown(std::string_view text) { return fmt::format("'{}'", shortened(text, 60)); }
std::string shown(std::span<const std::byte> blob) {
  std::string text = "x'";
  for (const std::byte b : blob.first(std::min<std::size_t>(blob.size(), 30))) text += fmt::format("{:02x}", b);
  return text += blob.size() > 30 ? fmt::format("...' of {} bytes", blob.size()) : "'";
}

namespace {

constexpr std::size_t moment_size = 27;
/// Writes a moment. Returns an empty text for years outside 0 to 9999, because only these have four digits.
std::string_view write(Moment moment, std::array<char, moment_size>& to) {
  using namespace std::chrono;
  constexpr sys_days first = year(0) / 1 / 1, last = year(9999) / 12 / 31;
  if (moment.day < first.time_since_epoch().count() || moment.day > last.time_since_epoch().count()) return {};
  const year_month_day date{sys_days(days(static_cast<int>(moment.day)))};
  char* at = to.data();
  const auto digits = [&at](std::int64_t number, std::ptrdiff_t count, char end) {
    for (std::ptrdiff_t i = count; i-- > 0; number /= 10) at[i] = static_cast<char>('0' + number % 10);
    at[count] = end;
    at += count + 1;
  };
  digits(int{date.year()}, 4, '-');
  digits(unsigned{date.month()}, 2, '-');
  digits(unsigned{date.day()}, 2, 'T');
  if (moment.kind == Moment::Kind::Date) return {to.data(), 10};
  const std::int64_t second = moment.microseconds / 1'000'000, fraction = moment.microseconds % 1'000'000;
  digits(second / 3600, 2, ':');
  digits(second / 60 % 60, 2, ':');
  digits(second % 60, 2, fraction == 0 ? 'Z' : '.');
  if (fraction != 0) digits(fraction, 6, 'Z');
  return {to.data(), (fraction == 0 ? 20U : 27U) - (moment.kind == Moment::Kind::Utc ? 0U : 1U)};
}

}  // namespace

const char* bind_moment(Statement& statement, int parameter, Moment moment) {
  std::array<char, moment_size> buffer;
  const std::string_view text = write(moment, buffer);
  if (text.empty()) return "the year is not from 0 to 9999";
  statement.bind_copy(parameter, text);
  return nullptr;
}
std::string shown(Moment moment) {
  std::array<char, moment_size> buffer;
  const std::string_view text = write(moment, buffer);
  if (!text.empty()) return fmt::format("'{}'", text);
  using namespace std::chrono;
  constexpr std::int64_t most = 10'000'000;  // std::chrono knows the years up to 32767
  if (moment.day < -most || moment.day > most) return fmt::format("day {} since 1970-01-01", moment.day);
  const year_month_day date{sys_days(days(static_cast<int>(moment.day)))};
  return fmt::format("'{:05}-{:02}-{:02}'{}", int{date.year()}, unsigned{date.month()}, unsigned{date.day()},
                     moment.kind == Moment::Kind::Utc ? " in UTC" : "");
}

}  // namespace etl::inline v0::sqlite::detail

namespace etl::inline v0::sqlite {

Type type_of(std::string_view declared) noexcept {
  const auto holds = [&](std::string_view part) {
    return !std::ranges::search(declared, part, [](char a, char b) {
              return sqlite3_strnicmp(&a, &b, 1) == 0;
            }).empty();
  };
  if (holds("INT")) return Type::Integer;
  if (holds("CHAR") || holds("CLOB") || holds("TEXT")) return Type::Text;
  if (holds("BLOB")) return Type::Blob;
  if (holds("REAL") || holds("FLOA") || holds("DOUB")) return Type::Real;
  return declared.empty() ? Type::Any : Type::Numeric;
}

}  // namespace etl::inline v0::sqlite
