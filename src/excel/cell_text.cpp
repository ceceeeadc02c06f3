#include "cell_text.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include <etl/excel/sheet.hpp>

namespace etl::inline v0::excel {
namespace detail {
namespace {

constexpr std::int64_t day_ms = 86'400'000;

bool is_integer(std::string_view text) noexcept {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

void append_plain(std::string& out, double value) {
  constexpr double exact = 9'007'199'254'740'992;  // 2^53: every integer up to this is a double
  if (std::trunc(value) == value && std::abs(value) <= exact) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
    return;
  }
  std::array<char, 32> text{};
  const auto done = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), done.ptr);
}

void append_clock(std::string& out, std::int64_t ms) {
  fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60);
  if (ms % 1000 != 0) fmt::format_to(std::back_inserter(out), ".{:03}", ms % 1000);
}

/// Appends a date or time. Returns false if Excel has no date for the number and shows "####".
bool append_time(std::string& out, double value, NumberKind kind, bool epoch_1904) {
  namespace ch = std::chrono;
  constexpr double end = 2'958'466;  // 10000-01-01 in the epoch of 1900
  if (kind == NumberKind::Elapsed) {
    if (!(std::abs(value) < end)) return false;
    const std::int64_t ms = std::llround(value * static_cast<double>(day_ms));
    if (ms < 0) out += '-';
    append_clock(out, ms < 0 ? -ms : ms);
    return true;
  }
  if (!(value >= 0 && value < end)) return false;
  const std::int64_t ms = std::llround(value * static_cast<double>(day_ms));
  const std::int64_t day = ms / day_ms, clock = ms % day_ms;
  if (day == 0 && (kind == NumberKind::Time || !epoch_1904)) {
    append_clock(out, clock);
    return true;
  }
  // In the epoch of 1900, day 60 is a 29 February 1900, which never existed, so earlier days count from one day later.
  if (!epoch_1904 && day == 60) {
    out += "1900-02-29";
  } else {
    const ch::sys_days epoch = epoch_1904 ? ch::sys_days(ch::year(1904) / 1 / 1)
                               : day < 60 ? ch::sys_days(ch::year(1899) / 12 / 31)
                                          : ch::sys_days(ch::year(1899) / 12 / 30);
    const ch::year_month_day date(epoch + ch::days(day));
    if (static_cast<int>(date.year()) > 9999) return false;
    fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  }
  if (clock == 0 && kind == NumberKind::Date) return true;
  out += 'T';
  append_clock(out, clock);
  return true;
}

/// The code of an escape "_xHHHH_" at the beginning of the text.
std::optional<std::uint32_t> escape_at(std::string_view text) noexcept {
  if (text.size() < 7 || text[0] != '_' || text[1] != 'x' || text[6] != '_') return std::nullopt;
  std::uint32_t code = 0;
  const auto done = std::from_chars(text.data() + 2, text.data() + 6, code, 16);
  if (done.ptr != text.data() + 6) return std::nullopt;
  return code;
}

constexpr std::size_t letter(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return static_cast<std::size_t>(c - 'A') + 1;
  if (c >= 'a' && c <= 'z') return static_cast<std::size_t>(c - 'a') + 1;
  return 0;
}

/// Reads a column, a row, or both. A missing column has no value, and a missing row is 0. Returns false if the text is
/// neither.
bool read_place(std::string_view text, std::optional<std::size_t>& column, std::uint64_t& row) noexcept {
  std::size_t letters = 0;
  if (text.starts_with('$')) text.remove_prefix(1);
  for (; !text.empty() && letter(text[0]) != 0; text.remove_prefix(1)) {
    letters = letters * 26 + letter(text[0]);
    if (letters > most_columns) return false;
  }
  if (letters > 0) column = letters - 1;
  if (text.starts_with('$')) text.remove_prefix(1);
  if (text.empty()) return true;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), row);
  return done.ec == std::errc() && done.ptr == text.data() + text.size() && row >= 1 && row <= most_rows;
}

}  // namespace

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

void append_number(std::string& out, double value, NumberKind kind, bool epoch_1904) {
  if (kind == NumberKind::Number || !append_time(out, value, kind, epoch_1904)) append_plain(out, value);
}

bool append_number(std::string& out, std::string_view saved, NumberKind kind, bool epoch_1904) {
  const std::size_t first = saved.find_first_not_of(" \t\r\n");
  if (first == saved.npos) return false;
  saved = saved.substr(first, saved.find_last_not_of(" \t\r\n") - first + 1);
  if (kind == NumberKind::Number && is_integer(saved)) {
    out += saved;  // this also covers numbers with more digits than a double has
    return true;
  }
  if (saved.starts_with('+')) saved.remove_prefix(1);
  double value = 0;
  const auto done = std::from_chars(saved.data(), saved.data() + saved.size(), value);
  if (done.ptr != saved.data() + saved.size() || done.ec == std::errc::invalid_argument) return false;
  if (done.ec == std::errc::result_out_of_range || !std::isfinite(value)) return false;
  append_number(out, value, kind, epoch_1904);
  return true;
}

void append_text(std::string& out, std::string_view saved) {
  for (;;) {
    const std::size_t at = saved.find("_x");
    out.append(saved.substr(0, at));
    if (at == saved.npos) return;
    saved.remove_prefix(at);
    std::optional<std::uint32_t> code = escape_at(saved);
    std::size_t used = 7;
    if (code && *code >= 0xD800 && *code <= 0xDFFF) {
      const auto low = *code < 0xDC00 ? escape_at(saved.substr(7)) : std::nullopt;
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
        used = 14;
      } else {
        code.reset();  // half a surrogate pair: the text stays unchanged
      }
    }
    if (code) {
      append_utf8(out, *code);
    } else {
      used = 2;
      out.append(saved.substr(0, used));
    }
    saved.remove_prefix(used);
  }
}

std::optional<CellPlace> place_of(std::string_view name) noexcept {
  std::optional<std::size_t> column;
  CellPlace place;
  if (!read_place(name, column, place.row) || !column || place.row == 0) return std::nullopt;
  place.column = *column;
  return place;
}

std::optional<CellRange> range_of(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  const std::size_t colon = text.find(':');
  const std::string_view first = text.substr(0, colon);
  const std::string_view last = colon == text.npos ? first : text.substr(colon + 1);
  std::optional<std::size_t> begin, end;
  CellRange range;
  std::uint64_t last_row = 0;
  range.first_row = 0;
  if (first.empty() || !read_place(first, begin, range.first_row) || !read_place(last, end, last_row))
    return std::nullopt;
  range.first_column = begin.value_or(0);
  range.last_column = end.value_or(most_columns - 1);
  range.has_last_column = end.has_value();
  range.last_row = last_row == 0 ? most_rows : last_row;
  range.first_row = range.first_row == 0 ? 1 : range.first_row;
  if (range.first_column > range.last_column || range.first_row > range.last_row) return std::nullopt;
  return range;
}

}  // namespace detail

std::string cell_name(std::size_t column, std::uint64_t row) {
  std::string letters;
  for (; column > 0; column = (column - 1) / 26)
    letters.insert(letters.begin(), static_cast<char>('A' + (column - 1) % 26));
  return letters + std::to_string(row);
}

}  // namespace etl::inline v0::excel
