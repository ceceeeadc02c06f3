#include <etl/csv/value.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv {
namespace {

template <class T>
void append_number(std::string& out, T value) {
  std::array<char, 40> buffer;  // the shortest text of a double has at most 24 characters
  out.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr);
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::Boolean: return "boolean";
    case Kind::Integer: return "integer";
    case Kind::Double: return "double";
    case Kind::Numeric: return "numeric";
    case Kind::Text: return "text";
    case Kind::Date: return "date";
    case Kind::Timestamp: return "timestamp";
    case Kind::TimestampTz: break;
  }
  return "timestamptz";
}

std::optional<Kind> kind_of(std::string_view name) noexcept {
  for (const Kind kind : all_kinds)
    if (to_string(kind) == name) return kind;
  return std::nullopt;
}

void append_text(std::string& out, bool value) { out += value ? "true" : "false"; }
void append_text(std::string& out, std::int64_t value) { append_number(out, value); }
void append_text(std::string& out, std::uint64_t value) { append_number(out, value); }
void append_text(std::string& out, float value) { append_number(out, value); }
void append_text(std::string& out, double value) { append_number(out, value); }

void append_text(std::string& out, Day value) {
  const std::chrono::year_month_day day = value;
  const auto two = [&out](unsigned n) {
    out += static_cast<char>('0' + n / 10);
    out += static_cast<char>('0' + n % 10);
  };
  if (const int year = static_cast<int>(day.year()); year >= 0 && year <= 9999) {
    two(static_cast<unsigned>(year) / 100);
    two(static_cast<unsigned>(year) % 100);
  } else {
    fmt::format_to(std::back_inserter(out), "{:05}", year);
  }
  out += '-';
  two(static_cast<unsigned>(day.month()));
  out += '-';
  two(static_cast<unsigned>(day.day()));
}

void append_text(std::string& out, LocalTime value) { TimeFormat{}.print(out, {.time = value, .has_clock = true}); }

void append_text(std::string& out, UtcTime value) {
  append_text(out, LocalTime(value.time_since_epoch()));
  out += 'Z';
}

void append_text(std::string& out, const Value& value) {
  std::visit(
      [&out]<class T>(const T& held) {
        if constexpr (std::is_same_v<T, std::string>)
          out += held;
        else if constexpr (!std::is_same_v<T, std::monostate>)
          append_text(out, held);
      },
      value);
}

}  // namespace etl::inline v0::csv
