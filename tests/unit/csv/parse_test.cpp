#include <charconv>
#include <etl/csv/parse.hpp>

#include <bit>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <etl/csv/kind_guess.hpp>
#include <etl/csv/value.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace parse_test {

namespace csv = etl::csv;
using namespace std::chrono_literals;
using std::chrono::sys_days;

namespace {

csv::TimeFormat format(std::string_view text) {
  const auto made = csv::TimeFormat::from(text);
  REQUIRE(made);
  return *made;
}

std::string problem(std::string_view text) {
  const auto made = csv::TimeFormat::from(text);
  return made ? std::string() : made.error().message();
}

/// The timestamp as ISO 8601 writes it, or "none".
std::string local(std::string_view text, std::string_view pattern = {}) {
  std::string out;
  const auto time = csv::parse_timestamp(text, format(pattern));
  if (!time) return "none";
  csv::append_text(out, *time);
  return out;
}
std::string utc(std::string_view text, std::string_view pattern = {}) {
  std::string out;
  const auto time = csv::parse_timestamp_tz(text, format(pattern));
  if (!time) return "none";
  csv::append_text(out, *time);
  return out;
}
std::string day(std::string_view text, std::string_view pattern = {}) {
  std::string out;
  const auto date = csv::parse_date(text, format(pattern));
  if (!date) return "none";
  csv::append_text(out, *date);
  return out;
}

}  // namespace

TEST_CASE("integers are read whole, with a sign, within their range") {
  CHECK(csv::parse_integer<int>("42") == 42);
  CHECK(csv::parse_integer<int>(" \t-42 ") == -42);
  CHECK(csv::parse_integer<int>("+7") == 7);
  CHECK(csv::parse_integer<std::int64_t>("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(csv::parse_integer<std::uint64_t>("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  CHECK(csv::parse_integer<std::int8_t>("127") == std::int8_t{127});
  for (const char* text : {"", " ", "+", "-", "+-7", "--7", "7 8", "7.0", "0x10", "1e3", "128"}) {
    CAPTURE(text);
    CHECK_FALSE(csv::parse_integer<std::int8_t>(text));
  }
  CHECK_FALSE(csv::parse_integer<unsigned>("-1"));
  CHECK_FALSE(csv::parse_integer<std::int64_t>("9223372036854775808"));
}

TEST_CASE("floating point numbers are read exactly, with a point or a comma") {
  CHECK(csv::parse_floating<double>("0.1") == 0.1);
  CHECK(csv::parse_floating<double>("+1.5e-3 ") == 1.5e-3);
  CHECK(csv::parse_floating<double>("1,5", true) == 1.5);
  CHECK(csv::parse_floating<double>("-12", true) == -12.0);
  CHECK(csv::parse_floating<float>("0.1") == 0.1f);
  CHECK(std::isinf(csv::parse_floating<double>("-inf").value_or(0)));
  CHECK(std::isnan(csv::parse_floating<double>("NaN").value_or(0)));
  for (const char* text : {"", "1,5", "1.5.", "e5", "1e", "0x1p3", "+-1", "nan(1)", "1e999", "1 2", "."}) {
    CAPTURE(text);
    CHECK_FALSE(csv::parse_floating<double>(text));
  }
  for (const char* text : {"1.5", "1.000,5", ",", "1,,5"}) {
    CAPTURE(text);
    CHECK_FALSE(csv::parse_floating<double>(text, true));
  }
}

TEST_CASE("short decimals are the doubles that the standard library reads") {
  test::Random random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = std::to_string(random.next() % (std::uint64_t{1} << random.next() % 57));
    const auto at = random.next() % (text.size() + 3);
    if (at <= text.size()) text.insert(at, ".");
    if (i % 3 == 0) text.insert(0, "-");
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    const auto found = csv::parse_floating<double>(text);
    CAPTURE(text);
    REQUIRE(found);
    CHECK(std::bit_cast<std::uint64_t>(*found) == std::bit_cast<std::uint64_t>(value));
  }
  CHECK(std::signbit(csv::parse_floating<double>("-0").value()));
}

TEST_CASE("what is a number but for one byte is what the standard library says") {
  const std::string digits = "1234567890.1234567";
  for (std::size_t size = 1; size <= digits.size(); ++size)
    for (std::size_t at = 0; at < size; ++at)
      for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        if (c == ' ' || c == '\t' || c == '+') continue;  // which may stand around, or before
        std::string text = digits.substr(size % 2 == 0 ? 0 : digits.size() - size, size);
        text[at] = c;
        const char* const end = text.data() + text.size();
        double value = 0;
        std::int32_t whole = 0;
        const auto [rest, error] = std::from_chars(text.data(), end, value);
        const auto [left, wrong] = std::from_chars(text.data(), end, whole);
        const auto found = csv::parse_floating<double>(text);
        const auto integer = csv::parse_integer<std::int32_t>(text);
        const bool same = found == (error == std::errc{} && rest == end ? std::optional(value) : std::nullopt) &&
                          integer == (wrong == std::errc{} && left == end ? std::optional(whole) : std::nullopt);
        if (same) continue;
        CAPTURE(text, byte);
        FAIL("read otherwise");
      }
}

TEST_CASE("what is a day or a truth value but for one byte is none") {
  for (const std::string good : {"2024-02-29", "1999-12-31", "2023-01-01"}) {
    CHECK(day(good) == good);
    for (std::size_t at = 0; at < good.size(); ++at)
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[at] = static_cast<char>(byte);
        const std::string timestamp = local(text);  // read in another way
        const bool same = day(text) == (timestamp == "none" ? timestamp : timestamp.substr(0, 10));
        if (same) continue;
        CAPTURE(text, byte);
        FAIL("read otherwise");
      }
  }
  for (const char* text : {"2023-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-04-00"}) {
    CAPTURE(text);
    CHECK(day(text) == "none");
  }
  for (const std::string good : {"true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"})
    for (std::size_t at = 0; at < good.size(); ++at)
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[at] = static_cast<char>(byte);
        const bool other_case = (byte ^ good[at]) == 0x20 && std::isalpha(static_cast<unsigned char>(good[at])) != 0;
        if (csv::parse_bool(text).has_value() == (text == good || other_case)) continue;
        if (text.size() == 1 || text == "no" || text == "on") continue;  // another of the words
        if (byte == ' ' || byte == '\t') continue;
        CAPTURE(text, byte);
        FAIL("read otherwise");
      }
  for (const std::string text : {"\x11", "\x10", "0true", "01", "truefalse"}) {
    CAPTURE(text);
    CHECK_FALSE(csv::parse_bool(text));
    CHECK_FALSE(csv::parse_bool('\0' + text));
  }
  for (const std::string text : {"1", "0", "t", "true", "off"}) CHECK_FALSE(csv::parse_bool('\0' + text));
}

TEST_CASE("doubles are written as the shortest text that is the same double") {
  test::Random random(11);
  for (int i = 0; i < 2000; ++i) {
    const auto value = std::bit_cast<double>(random.next());
    if (!std::isfinite(value)) continue;
    std::string text;
    csv::append_text(text, value);
    CAPTURE(text);
    if (std::fpclassify(value) == FP_SUBNORMAL) continue;
    CHECK(csv::parse_floating<double>(text) == value);
  }
}

TEST_CASE("a number is kept as a double or float that prints its digits") {
  for (const std::string_view kept :
       {"0", "-0.0", "1.5", "0.1", "0.10000000000000001", "0.1000000000000000055511151231257827", "9007199254740992",
        "1e23", "5e-324", "1E+300", "NaN", "inf", "x", ""})
    CHECK(csv::keeps_digits<double>(kept));
  for (const std::string_view other : {"0.1234567890123456789", "9007199254740993", "-9.99999999999999999999",
                                       "1.2345e-322", "0.10000000000000000556"})
    CHECK_FALSE(csv::keeps_digits<double>(other));
  CHECK(csv::keeps_digits<float>("3.1415927"));
  CHECK(csv::keeps_digits<float>("0.100000001"));
  CHECK_FALSE(csv::keeps_digits<float>("3.14159265"));
  CHECK_FALSE(csv::keeps_digits<float>("16777217"));
  CHECK_FALSE(csv::keeps_digits<float>("1e-46"));
  CHECK_FALSE(csv::keeps_digits<float>("1e39"));
  CHECK(csv::keeps_digits<double>("0,10000000000000001", true));
  CHECK_FALSE(csv::keeps_digits<double>("0,1234567890123456789", true));
  // Whatever number of digits a double is written with, it keeps them; but not those of another number near it.
  test::Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(random.next());
    if (!std::isfinite(value)) continue;
    const int digits = 17 + static_cast<int>(random.below(30));
    std::string text = fmt::format("{:.{}e}", value, digits - 1);
    INFO(text);
    CHECK(csv::keeps_digits<double>(text));
    char& last = text[text.find('e') - 1];
    last = last == '9' ? '8' : static_cast<char>(last + 1);
    if (digits > 17) CHECK_FALSE(csv::keeps_digits<double>(text));
  }
}

TEST_CASE("numerics of any length keep every digit") {
  std::string out = "before";
  CHECK(csv::parse_numeric(" +0012345678901234567890.123456789012345678900 ", out));
  CHECK(out == "0012345678901234567890.123456789012345678900");
  CHECK(csv::parse_numeric("-1,50", out, true));
  CHECK(out == "-1.50");
  CHECK(csv::parse_numeric("1e-400", out));
  CHECK(out == "1e-400");
  CHECK(csv::parse_numeric(".5", out));
  for (const char* text : {"", "-", "+-1", "nan", "inf", "1,5", "1.2.3", "1e", "e1", ".", "1 000"}) {
    CAPTURE(text);
    out = "kept";
    CHECK_FALSE(csv::parse_numeric(text, out));
    CHECK(out == "kept");
  }
  CHECK_FALSE(csv::parse_numeric("1.5", out, true));
}

TEST_CASE("truth values") {
  for (const char* text : {"true", "TRUE", "t", "Yes", "y", "on", "1", " 1 "}) CHECK(csv::parse_bool(text) == true);
  for (const char* text : {"false", "F", "no", "N", "off", "0"}) CHECK(csv::parse_bool(text) == false);
  for (const char* text : {"", "2", "tru", "ja", "truee", "10"}) CHECK_FALSE(csv::parse_bool(text));
}

TEST_CASE("ISO 8601 dates and times") {
  CHECK(day("2026-11-21") == "2026-11-21");
  CHECK(day("2024-02-29") == "2024-02-29");
  CHECK(day("0001-01-01") == "0001-01-01");
  CHECK(local("2026-11-21") == "2026-11-21T00:00:00");
  CHECK(local("2026-11-21 10:30") == "2026-11-21T10:30:00");
  CHECK(local("2026-11-21T10:30:15.25") == "2026-11-21T10:30:15.25");
  CHECK(local("2026-11-21T10:30:15.123456000") == "2026-11-21T10:30:15.123456");
  CHECK_FALSE(csv::parse_timestamp("2026-11-21T10:30:15.123456789"));
  CHECK(utc("2026-11-21T10:30:15Z") == "2026-11-21T10:30:15Z");
  CHECK(utc("2026-11-21T10:30:15") == "2026-11-21T10:30:15Z");
  CHECK(utc("2026-01-01T00:30:00+01:00") == "2025-12-31T23:30:00Z");
  CHECK(utc("2026-01-01 00:30:00 -0530") == "2026-01-01T06:00:00Z");
  CHECK(utc("2026-01-01 00:30:00+01") == "2025-12-31T23:30:00Z");
  CHECK(utc("1969-12-31T23:59:59.5Z") == "1969-12-31T23:59:59.5Z");
  for (const char* text :
       {"", "2026-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "26-01-01", "2026-1-1", "2026/01/01", "2026-01-01T",
        "2026-01-01T10", "2026-01-01T24:00", "2026-01-01T10:60", "2026-01-01T10:00:60", "2026-01-01T10:00:00.",
        "2026-01-01T10:00:00 ZZ", "2026-01-01T10:00+1", "2026-01-01Z", "2026-01-01T10:00:00+25:00", "2026-01-011"}) {
    CAPTURE(text);
    CHECK(utc(text) == "none");
  }
  CHECK(day("2026-01-01 00:00:00") == "none");     // more than a date
  CHECK(local("2026-01-01T10:00:00Z") == "none");  // a zone would be dropped
}

TEST_CASE("patterns of dates and times") {
  CHECK(day("21.11.2026", "%d.%m.%Y") == "2026-11-21");
  CHECK(day("1.2.2026", "%d.%m.%Y") == "2026-02-01");
  CHECK(day("20261121", "%Y%m%d") == "2026-11-21");
  CHECK(day("11/21/68", "%D") == "2068-11-21");
  CHECK(day("11/21/69", "%m/%d/%y") == "1969-11-21");
  CHECK(day("Sat, 21 nov 2026", "%a, %d %b %Y") == "2026-11-21");
  CHECK(day("May 1 2026", "%b %e %Y") == "2026-05-01");
  CHECK(day("December  1 2026", "%B %e %Y") == "2026-12-01");
  CHECK(day("2024-366", "%Y-%j") == "2024-12-31");
  CHECK(day("2023-366", "%Y-%j") == "none");
  CHECK(day("21.11.2026 10:00", "%d.%m.%Y %H:%M") == "2026-11-21");
  CHECK(local("21.11.2026 9:05:07", "%d.%m.%Y %T") == "2026-11-21T09:05:07");
  CHECK(local("11/21/2026 12:15 AM", "%m/%d/%Y %I:%M %p") == "2026-11-21T00:15:00");
  CHECK(local("11/21/2026 12:15pm", "%m/%d/%Y %I:%M %p") == "2026-11-21T12:15:00");
  CHECK(local("2026-11-21 10:00:00.5", "%F %T.%f") == "2026-11-21T10:00:00.5");
  CHECK(utc("21/Nov/2026:10:00:00 +0200", "%d/%b/%Y:%T %z") == "2026-11-21T08:00:00Z");
  CHECK(day("100% 2026-11-21", "100%% %F") == "2026-11-21");
  for (const char* text : {"", "31.02.2026", "21.11.26", "21.11.2026x", "x21.11.2026", "21-11-2026"}) {
    CAPTURE(text);
    CHECK(day(text, "%d.%m.%Y") == "none");
  }
  CHECK(local("11/21/2026 13:15 PM", "%m/%d/%Y %I:%M %p") == "none");
}

TEST_CASE("Unix times") {
  CHECK(utc("0", "unix_s") == "1970-01-01T00:00:00Z");
  CHECK(utc("1700000000.25", "unix_s") == "2023-11-14T22:13:20.25Z");
  CHECK(utc("-1500", "unix_ms") == "1969-12-31T23:59:58.5Z");
  CHECK(utc("1700000000123", "unix_ms") == "2023-11-14T22:13:20.123Z");
  CHECK(utc("1700000000123456", "unix_us") == "2023-11-14T22:13:20.123456Z");
  CHECK(local("86400000", "unix_ms") == "1970-01-02T00:00:00");
  CHECK(day("86400", "unix_s") == "1970-01-02");
  for (const char* text : {"", "-", "+1", "1.5", "12a", "99999999999999999", "--1", "-9223372036854775808"}) {
    CAPTURE(text);
    CHECK(utc(text, "unix_ms") == "none");
  }
}

TEST_CASE("a wrong format says what is wrong with it") {
  CHECK(problem("%Q") ==
        "time format '%Q': %Q is unknown; there are iso, unix_s, unix_ms, unix_us and patterns like %Y-%m-%d %H:%M:%S");
  CHECK(problem("%d.%m").find("date is not complete") != std::string::npos);
  CHECK(problem("%F %M").find("but no hours") != std::string::npos);
  CHECK(problem("%F %I").find("%I and %p") != std::string::npos);
  CHECK(problem("%F %").find("ends in %") != std::string::npos);
  CHECK(problem("x").find("neither") != std::string::npos);
  CHECK(problem("%H:%M").empty());
}

TEST_CASE("times are printed as they are read") {
  test::Random random(5);
  const char* patterns[] = {"iso",     "%d.%m.%Y %H:%M:%S.%f", "%b %e %Y %I:%M:%S.%f %p", "%A, %B %d %Y %T.%f%z",
                            "unix_us", "%j/%Y %R:%S,%f"};
  for (int i = 0; i < 500; ++i) {
    const std::int64_t span = 8'000'000'000'000'000;  // of microseconds: 1716 to 2223
    const csv::LocalTime time{std::chrono::microseconds{static_cast<std::int64_t>(random.below(2 * span)) - span}};
    const auto made = format(random.of(patterns));
    std::string text;
    made.print(text, {.time = time, .has_clock = true});
    CAPTURE(text, made.text());
    const auto again = made.parse(text);
    REQUIRE(again);
    CHECK(again->time == time);
  }
}

TEST_CASE("kinds have names") {
  for (const csv::Kind kind : csv::all_kinds) CHECK(csv::kind_of(csv::to_string(kind)) == kind);
  CHECK_FALSE(csv::kind_of("int"));
  std::string text;
  csv::append_text(text, csv::Value{});
  CHECK(text.empty());
  csv::append_text(text, csv::Value(csv::Day(sys_days{std::chrono::year{2026} / 11 / 21})));
  CHECK(text == "2026-11-21");
}

}  // namespace parse_test
