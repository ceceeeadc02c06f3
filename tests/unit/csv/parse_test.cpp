#include <etl/csv/parse.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <etl/csv/value.hpp>

#include "support/catch.hpp"

using namespace etl::csv;
using namespace std::chrono;

namespace {

/// "2024-02-29 12:34:56.789012+01:00", or "none".
std::string shown(const std::optional<DateTime>& time) {
  if (!time) return "none";
  const auto day = floor<days>(time->local);
  const year_month_day date{sys_days(day.time_since_epoch())};
  const hh_mm_ss clock{time->local - day};
  std::string text =
      fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", int(date.year()), unsigned(date.month()), unsigned(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) text += fmt::format(".{:06}", clock.subseconds().count());
  if (time->offset) text += fmt::format("{:+}", time->offset->count());
  return text;
}

}  // namespace

TEST_CASE("csv: a cell is an integer as a whole, or none") {
  CHECK(parse_integer("0") == 0);
  CHECK(parse_integer("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_integer("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_integer("+7") == 7);
  CHECK(parse_integer("007") == 7);
  for (const std::string_view bad :
       {"", "+", "-", "+-1", "9223372036854775808", "1.0", "1e3", "1,000", "0x10", "1 ", " 1", "one"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_integer(bad));
  }
}

TEST_CASE("csv: floating point, with a point or a comma") {
  CHECK(parse_double("1.5") == 1.5);
  CHECK(parse_double("-2e-3") == -0.002);
  CHECK(parse_double("+.5") == 0.5);
  CHECK(parse_double("inf") == std::numeric_limits<double>::infinity());
  CHECK(parse_double("1,5", true) == 1.5);
  for (const std::string_view bad : {"", ".", "1,5", "1.5.2", "1.5x", "+-1", "0x1p3", "1 000"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_double(bad));
  }
  CHECK_FALSE(parse_double("1.5", true));
  CHECK_FALSE(parse_double("1.000,5", true));
  CHECK_FALSE(parse_double(std::string(100, '1'), true));
}

TEST_CASE("csv: decimal numbers keep their digits") {
  std::string scratch;
  CHECK(parse_numeric("123456789012345678901234567890.10", false, scratch) == "123456789012345678901234567890.10");
  CHECK(parse_numeric("-1,50", true, scratch) == "-1.50");
  CHECK(parse_numeric("1e-7", false, scratch) == "1e-7");
  for (const std::string_view bad : {"", "-", ".", "e5", "1e", "1.2.3", "NaN", "1,5", "12a"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_numeric(bad, false, scratch));
  }
}

TEST_CASE("csv: booleans as people write them") {
  for (const std::string_view yes : {"true", "TRUE", "t", "Yes", "y", "on", "1"}) CHECK(parse_boolean(yes) == true);
  for (const std::string_view no : {"false", "F", "no", "N", "off", "0"}) CHECK(parse_boolean(no) == false);
  for (const std::string_view bad : {"", "2", "tru", "yess", "null"}) CHECK_FALSE(parse_boolean(bad));
}

TEST_CASE("csv: dates of ISO 8601 that the calendar has") {
  CHECK(parse_date("2024-02-29") == sys_days(2024y / February / 29));
  CHECK(parse_date("20240229") == sys_days(2024y / February / 29));
  CHECK(parse_date("0001-01-01") == sys_days(1y / January / 1));
  for (const std::string_view bad : {"", "2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "24-01-01",
                                     "2024-01-01 ", "2024/01/01", "2024-0101"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_date(bad));
  }
}

TEST_CASE("csv: timestamps of ISO 8601") {
  CHECK(shown(parse_timestamp("2024-02-29")) == "2024-02-29 00:00:00");
  CHECK(shown(parse_timestamp("2024-02-29 12:34")) == "2024-02-29 12:34:00");
  CHECK(shown(parse_timestamp("2024-02-29T12:34:56Z")) == "2024-02-29 12:34:56+0");
  CHECK(shown(parse_timestamp("2024-02-29T12:34:56.789012345+05:30")) == "2024-02-29 12:34:56.789012+19800");
  CHECK(shown(parse_timestamp("2024-02-29 12:34:56,5 -0800")) == "2024-02-29 12:34:56.500000-28800");
  CHECK(shown(parse_timestamp("2024-02-29 12:34:56+02")) == "2024-02-29 12:34:56+7200");
  CHECK(shown(parse_timestamp("20240229T123456Z")) == "2024-02-29 12:34:56+0");
  CHECK(shown(parse_timestamp("2016-12-31T23:59:60Z")) == "2017-01-01 00:00:00+0");
  CHECK(shown(parse_timestamp("2024-02-29T24:00:00")) == "2024-03-01 00:00:00");
  for (const std::string_view bad :
       {"", "2024-02-30 12:00", "2024-02-29 25:00", "2024-02-29 12:60", "2024-02-29 12:34:61", "2024-02-29 1:2",
        "2024-02-29T12:34:56.", "2024-02-29T12:34:56+", "2024-02-29T12:34:56+2", "2024-02-29T12:34:56 x",
        "2024-02-29T24:00:01", "12:34:56"}) {
    CAPTURE(bad);
    CHECK(shown(parse_timestamp(bad)) == "none");
  }
  CHECK(parse_timestamp("2024-02-29T01:00:00+02:00")->instant() == sys_days(2024y / February / 28) + 23h);
}

TEST_CASE("csv: timestamps by a format") {
  const auto by = [](std::string_view cell, std::string_view format) { return shown(parse_formatted(cell, format)); };
  CHECK(by("31.12.2024 23:59", "%d.%m.%Y %H:%M") == "2024-12-31 23:59:00");
  CHECK(by("1/2/24", "%m/%d/%y") == "2024-01-02 00:00:00");
  CHECK(by("1/2/69", "%D") == "1969-01-02 00:00:00");
  CHECK(by("29-Feb-2024 12:05:06 am", "%d-%b-%Y %I:%M:%S %p") == "2024-02-29 00:05:06");
  CHECK(by("September 5, 2024", "%B %e, %Y") == "2024-09-05 00:00:00");
  CHECK(by("2024-02-29T12:34:56.25+0100", "%FT%T.%f%z") == "2024-02-29 12:34:56.250000+3600");
  CHECK(by("2024 060", "%Y %j") == "2024-02-29 00:00:00");
  CHECK(by("100%2024", "100%%%Y") == "2024-01-01 00:00:00");
  CHECK(by("1709210096789", "unix_ms") == "2024-02-29 12:34:56.789000+0");
  CHECK(by("-1.5", "unix") == "1969-12-31 23:59:58.500000+0");
  CHECK(by("1709210096", "unix") == "2024-02-29 12:34:56+0");
  CHECK(by("31.02.2024", "%d.%m.%Y") == "none");
  CHECK(by("31.12.2024x", "%d.%m.%Y") == "none");
  CHECK(by("13:00 pm", "%I:%M %p") == "none");
  CHECK(by("2023 366", "%Y %j") == "none");
  CHECK(by("9223372036854775807", "unix_ms") == "none");
  CHECK(by("1.5", "unix_ms") == "none");
  CHECK(format_problem("%Y-%m") == nullptr);
  CHECK(format_problem("unix_ms") == nullptr);
  for (const std::string_view bad : {"", "yyyy-mm-dd", "%Q", "%Y%"}) CHECK(format_problem(bad) != nullptr);
}

TEST_CASE("csv: kinds have names") {
  for (const char* name : {"boolean", "integer", "double", "numeric", "text", "date", "timestamp", "timestamptz"})
    CHECK(to_string(kind_from(name).value()) == name);
  CHECK_FALSE(kind_from("varchar"));
}
