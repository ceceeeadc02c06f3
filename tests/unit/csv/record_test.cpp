#include <etl/csv/record.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "support/catch.hpp"

using namespace etl::csv;
using namespace std::chrono;

namespace {

/// As csv::Row.
struct Cells {
  std::vector<std::string> texts;
  std::vector<bool> quotes = {};
  std::string_view operator[](std::size_t i) const { return i < texts.size() ? std::string_view(texts[i]) : ""; }
  bool quoted(std::size_t i) const { return i < quotes.size() && quotes[i]; }
  std::uint64_t line() const { return 12; }
  std::uint64_t number() const { return 10; }
};

const std::vector<std::string> header = {"id", "price", "day", "time", "note"};

RecordFormat format() {
  return {.columns = {{.name = "id", .kind = Kind::Integer, .nullable = false},
                      {.name = "cost", .source = "price", .kind = Kind::Double},
                      {.name = "at", .source = "day", .second = "time", .kind = Kind::Timestamp},
                      {.name = "note", .index = 5}}};
}

std::string error_of(RecordDecoder& decoder, const Cells& cells) {
  Record record;
  const auto decoded = decoder.decode(cells, record);
  if (decoded) return "";
  CHECK(decoded.error().error_class == etl::ErrorClass::Rejected);
  return decoded.error().context;
}

}  // namespace

TEST_CASE("csv: a row becomes a record by names and numbers, a date and a time in two cells one value") {
  auto decoder = RecordDecoder::bind(format(), header, "a.csv").value();
  Record record;
  REQUIRE(decoder.decode(Cells{{"7", " 2.5 ", "2024-02-29", "12:30", " x "}}, record));
  CHECK(record == Record{std::int64_t{7}, 2.5,
                         local_time<microseconds>((sys_days(2024y / February / 29) + 12h + 30min).time_since_epoch()),
                         std::string(" x ")});
  REQUIRE(decoder.decode(Cells{{"8", "", "", "", ""}}, record));
  CHECK(record == Record{std::int64_t{8}, std::monostate(), std::monostate(), std::monostate()});
  REQUIRE(decoder.decode(Cells{{"8", "", "", "", ""}, {false, false, false, false, true}}, record));
  CHECK(record[3] == Value(std::string()));  // quoted, hence not NULL
}

TEST_CASE("csv: a bad cell is named with file, line, row, column, text and what it should be") {
  auto decoder = RecordDecoder::bind(format(), header, "a.csv").value();
  CHECK(error_of(decoder, {{"x\x01y", "1", "", "", ""}}) ==
        "a.csv:12: row 10, column id (1): 'x\\x01y' is no integer of 64 bits");
  CHECK(error_of(decoder, {{"1", "abc", "", "", ""}}) == "a.csv:12: row 10, column cost (2): 'abc' is no number");
  CHECK(error_of(decoder, {{"", "1", "", "", ""}}) ==
        "a.csv:12: row 10, column id (1): '' is NULL, which the column does not take");
  CHECK(error_of(decoder, {{"1", "1", "2024-02-30", "12:00", ""}}) ==
        "a.csv:12: row 10, column at (3): '2024-02-30 12:00' is no timestamp (YYYY-MM-DD hh:mm:ss)");
  CHECK(error_of(decoder, {{std::string(100, 'a'), "", "", "", ""}}).find(std::string(60, 'a') + "...'") !=
        std::string::npos);
}

TEST_CASE("csv: markers of NULL, a decimal comma, formats") {
  RecordFormat own{.columns = {{.name = "n", .kind = Kind::Numeric, .decimal_comma = true},
                               {.name = "d", .kind = Kind::Date, .format = "%d.%m.%Y"},
                               {.name = "t", .kind = Kind::TimestampTz, .format = "unix_ms"},
                               {.name = "b", .kind = Kind::Boolean},
                               {.name = "s", .nullable = false}},
                   .nulls = {"NA", "\\N"}};
  auto decoder = RecordDecoder::bind(own, {}, "b.csv").value();  // no header: in the order of the cells
  Record record;
  REQUIRE(decoder.decode(Cells{{"1,50", "29.02.2024", "1709164800000", "yes", ""}}, record));
  CHECK(record == Record{std::string("1.50"), sys_days(2024y / February / 29),
                         sys_time<microseconds>(sys_days(2024y / February / 29)), true, std::string()});
  REQUIRE(decoder.decode(Cells{{"NA", "\\N", "NA", "NA", "x"}}, record));
  for (std::size_t i = 0; i < 4; ++i) CHECK(record[i] == Value());
  CHECK(error_of(decoder, {{"1,5", "2024-02-29", "1", "1", ""}}) ==
        "b.csv:12: row 10, column d (2): '2024-02-29' does not have the column's format (%d.%m.%Y)");
  CHECK(error_of(decoder, {{"", "", "", "", "NA"}}).find("column n (1): '' is no decimal number") != std::string::npos);
}

TEST_CASE("csv: all columns that a header lacks, or has twice, are named at once") {
  RecordFormat own = format();
  own.columns[0].source = "ID";
  own.columns[2].second = "hour";
  const auto missing = RecordDecoder::bind(own, header, "a.csv");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().context == "a.csv: no column 'ID', 'hour'; the header has id, price, day, time, note");
  const std::vector<std::string> twice = {"id", "price", "day", "time", "price"};
  const auto ambiguous = RecordDecoder::bind(format(), twice, "a.csv");
  REQUIRE_FALSE(ambiguous);
  CHECK(ambiguous.error().context == "a.csv: column 'price' more than once: name it by its number");
}

TEST_CASE("csv: a format that cannot be is refused, with all that is wrong") {
  const auto problem = check({.columns = {{.name = "a", .source = "x", .index = 1},
                                          {.name = "a", .index = 0, .kind = Kind::Integer, .format = "%Y"},
                                          {.name = "c", .kind = Kind::Date, .format = "yyyy"}}});
  REQUIRE_FALSE(problem);
  CHECK(problem.error().code == etl::Errc::InvalidOptions);
  for (const char* part : {"column a: it has both a source name and an index", "columns count from 1",
                           "only dates and times have a format", "it is there twice", "column c: format 'yyyy'"}) {
    CAPTURE(part);
    CHECK(problem.error().context.find(part) != std::string::npos);
  }
  CHECK_FALSE(check({}));
}
