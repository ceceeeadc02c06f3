#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <etl/csv/columns.hpp>
#include <etl/csv/ndjson.hpp>
#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "support/test_data.hpp"

namespace ndjson_data_test {

namespace csv = etl::csv;
namespace ndjson = etl::csv::ndjson;
namespace fs = std::filesystem;

namespace {

struct Case {
  std::string file;
  std::string verdict;
};
const auto cases = csv::columns<Case>(csv::column("file", &Case::file), csv::column("expected", &Case::verdict));

std::string content(const fs::path& path) {
  auto source = etl::io::open_input(path);
  REQUIRE(source);
  auto text = etl::io::read_all(**source);
  REQUIRE(text);
  return *std::move(text);
}

csv::FileMapping one_text() {
  csv::MappedColumn column{.target = "v"};
  column.source = "v";
  return {.columns = {column}};
}

/// Whether the text is taken as the value of a member; what it becomes.
std::pair<bool, csv::Value> taken(const std::string& text) {
  auto decoder = ndjson::bind(one_text(), "case");
  REQUIRE(decoder);
  csv::Record record;
  const std::string line = "{\"v\":" + text + "}";
  const bool good = decoder->decode(ndjson::Line{.text = line}, record).has_value();
  return {good, good ? record[0] : csv::Value()};
}

std::string trimmed_lines(std::string_view text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  return std::string(text.substr(0, end + 1));
}

}  // namespace

TEST_CASE("the conformance cases of others are taken or refused as they say") {
  const auto data = test::data_folder();
  if (!data || !fs::exists(*data / "json/expected_json.csv")) return;
  auto reader = csv::Reader::open(*data / "json/expected_json.csv");
  REQUIRE(reader);
  const auto decoder = cases.bind(reader->header(), reader->name());
  REQUIRE(decoder);
  std::map<std::string, std::size_t> graded;
  for (;;) {
    const auto chunk = reader->next();
    REQUIRE(chunk);
    if (!*chunk) break;
    for (const auto row : **chunk) {
      Case one;
      REQUIRE(decoder->decode(row, one));
      CAPTURE(one.file, one.verdict);
      const bool identity = one.file.starts_with("json/roundtrip/");
      const bool known = identity || one.verdict == "must be accepted" || one.verdict == "must be rejected" ||
                         one.verdict.starts_with("either") || one.file.starts_with("json/JSONTestSuite_transform/");
      if (!known) continue;
      const std::string text = content(*data / one.file);
      const auto [good, value] = taken(text);
      ++graded[identity ? "identity" : one.verdict.substr(0, 16)];
      if (one.verdict == "must be accepted") CHECK(good);
      if (one.verdict == "must be rejected") CHECK_FALSE(good);
      if (!identity) continue;
      CHECK(good);
      const std::string expected = trimmed_lines(text);
      if (expected == "null")
        CHECK(value == csv::Value());
      else if (!expected.starts_with('"'))
        CHECK(value == csv::Value(expected));
    }
  }
  CHECK(graded["must be accepted"] > 40);
  CHECK(graded["must be rejected"] > 80);
  CHECK(graded["identity"] > 10);
}

TEST_CASE("real NDJSON is read line by line") {
  const auto data = test::data_folder();
  if (!data || !fs::exists(*data / "json/real/github_events.ndjson")) return;
  auto reader = ndjson::Reader::open(*data / "json/real/github_events.ndjson", {.chunk_size = 4096});
  REQUIRE(reader);
  csv::FileMapping mapping;
  for (const auto& [name, kind] : {std::pair("id", csv::Kind::Integer), std::pair("created_at", csv::Kind::TimestampTz),
                                   std::pair("public", csv::Kind::Boolean), std::pair("payload", csv::Kind::Text)}) {
    csv::MappedColumn column{.target = name, .kind = kind, .nullable = false};
    column.source = name;
    mapping.columns.push_back(std::move(column));
  }
  auto decoder = ndjson::bind(mapping, reader->name());
  REQUIRE(decoder);
  std::size_t lines = 0;
  csv::Record record;
  for (;;) {
    const auto chunk = reader->next();
    REQUIRE(chunk);
    if (!*chunk) break;
    for (const auto& line : **chunk) {
      const auto done = decoder->decode(line, record);
      if (!done) FAIL(done.error().message());
      ++lines;
    }
  }
  CHECK(lines == 30);
}

}  // namespace ndjson_data_test
