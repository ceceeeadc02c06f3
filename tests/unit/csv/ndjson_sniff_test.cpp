#include <etl/csv/ndjson_sniff.hpp>

#include <string_view>
#include <vector>

#include "support/catch.hpp"

namespace ndjson_sniff_test {

namespace csv = etl::csv;
namespace ndjson = etl::csv::ndjson;
using csv::Kind;

namespace {

ndjson::Sniffer look(std::initializer_list<std::string_view> lines) {
  ndjson::Sniffer sniffer("f.ndjson");
  std::uint64_t number = 0;
  for (const std::string_view line : lines) sniffer.look({.text = line, .number = ++number});
  return sniffer;
}

/// The kind of a member that holds these values.
Kind kind_of(std::initializer_list<std::string_view> values) {
  ndjson::Sniffer sniffer;
  std::string text;
  for (const std::string_view value : values) sniffer.look({.text = text = "{\"v\":" + std::string(value) + "}"});
  const auto columns = sniffer.columns();
  REQUIRE(columns.size() == 1);
  return columns[0].kind;
}

}  // namespace

TEST_CASE("members are found in the order of first sight, with what they hold") {
  const auto sniffer =
      look({R"({"id": 1, "day": "2026-11-21", "note": null})", R"({"price": 2.5, "id": 2, "note": null})",
            R"({"id": 3, "price": 1, "day": "2026-11-22", "note": null})"});
  CHECK(sniffer.columns() == std::vector<csv::SniffedColumn>{{"id", Kind::Integer, false},
                                                             {"day", Kind::Date, true},
                                                             {"note", Kind::Text, true},
                                                             {"price", Kind::Double, true}});
  CHECK(sniffer.rows() == 3);
  CHECK(sniffer.bad_rows() == 0);
}

TEST_CASE("the narrowest kind that fits all values") {
  CHECK(kind_of({"true", "false", "null"}) == Kind::Boolean);
  CHECK(kind_of({"-1", "9223372036854775807"}) == Kind::Integer);
  CHECK(kind_of({"1", "9223372036854775808"}) == Kind::Numeric);
  CHECK(kind_of({"1", "2.0"}) == Kind::Double);
  CHECK(kind_of({"1e5"}) == Kind::Double);
  CHECK(kind_of({"0.30000000000000004"}) == Kind::Numeric);
  CHECK(kind_of({"12345678901234567.89"}) == Kind::Numeric);
  CHECK(kind_of({"\"1\""}) == Kind::Text);
  CHECK(kind_of({"\"true\""}) == Kind::Text);
  CHECK(kind_of({"\"2026-11-21\""}) == Kind::Date);
  CHECK(kind_of({"\"2026-11-21\"", "\"2026-11-21 10:00\""}) == Kind::Text);
  CHECK(kind_of({"\"2026-11-21T10:00Z\"", "\"2026-11-21T10:00+01:00\""}) == Kind::TimestampTz);
  CHECK(kind_of({"\"2026-11-21\"", "\"\""}) == Kind::Text);
  CHECK(kind_of({"true", "1"}) == Kind::Text);
  CHECK(kind_of({"1", "\"2026-11-21\""}) == Kind::Text);
  CHECK(kind_of({"[1]"}) == Kind::Text);
  CHECK(kind_of({"{\"a\": 1}"}) == Kind::Text);
  CHECK(kind_of({"null"}) == Kind::Text);
}

TEST_CASE("lines that are no objects are counted, and the first is told") {
  const auto sniffer = look({"{}", "[1]", "{\"a\":", R"({"a": 1})"});
  CHECK(sniffer.rows() == 2);
  CHECK(sniffer.bad_rows() == 2);
  REQUIRE(sniffer.first_error());
  CHECK(sniffer.first_error()->message() == "f.ndjson:2:1: not a JSON object: '[1]'");
  CHECK(sniffer.columns() == std::vector<csv::SniffedColumn>{{"a", Kind::Integer, true}});
}

}  // namespace ndjson_sniff_test
