#include <etl/csv/readings.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"

namespace readings_test {

namespace csv = etl::csv;
namespace readings = etl::csv::readings;

namespace {

const csv::Mapping mapping = *csv::Mapping::parse(R"({"files": [{"pattern": "*",
  "timestamp": {"target": "at", "format": "unix_ms"},
  "stream_map": {"id_target": "stream", "streams": {
    "a": {"target": "celsius"}, "b": {"target": "humidity", "type": "text"}, "c": {"target": "celsius"}}}}]})");
const csv::FileMapping& file = mapping.files[0];
const csv::StreamMap& map = *file.stream_map;

/// What is found, a reading a line: its place, its cells or why it is none; and the error.
std::string found(std::string_view text, const readings::ReaderOptions& options = {}, const csv::StreamMap& by = map) {
  readings::Reader reader(etl::io::from_memory(text, "f"), by, options);
  std::string all;
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) {
      CHECK(reader.next().error().message() == chunk.error().message());
      return all + chunk.error().message();
    }
    if (!*chunk) return all;
    for (std::size_t i = 0; i < (*chunk)->size(); ++i) {
      const readings::Reading reading = (**chunk)[i];
      if (const auto fault = reading.fault("")) {
        CHECK(fault->error_class == etl::ErrorClass::Rejected);
        all += fault->message() + "\n";
        continue;
      }
      all += fmt::format("{}.{}", reading.line(), reading.number());
      for (std::size_t cell = 0; cell < reading.size(); ++cell)
        all += fmt::format(" {}{}", reading.null(cell) ? "-" : reading.quoted(cell) ? "'" : "", reading[cell]);
      all += '\n';
    }
  }
}

const std::string two = R"({"uuid": "a", "Readings": [[1, 21.5], [2, "x"]]})";

}  // namespace

TEST_CASE("a reading becomes a row: its time, its stream, and its value in the stream's column") {
  const std::string rows = "1.1 1 'a 21.5 -\n1.2 2 'a 'x -\n";
  CHECK(found(two) == rows);
  CHECK(found(two + "\n" +
              R"({"x": {"Readings": [[9, 9]]}, "uuid": "b", "Readings": [[3, null], [4, [1, {"k": "v\n"}]]]})") ==
        rows + "2.1 3 'b - -\n2.2 4 'b - [1,{\"k\":\"v\\n\"}]\n");
  CHECK(found("[" + two + ", " + two + "]\n") == rows + "2.1 1 'a 21.5 -\n2.2 2 'a 'x -\n");
  CHECK(found("\xEF\xBB\xBF{\n\"uuid\": \"a\",\n\"Readings\": []\n}\n\n" + two) == "2.1 1 'a 21.5 -\n2.2 2 'a 'x -\n");
  CHECK(found(R"({"uuid": "a", "Readings": null}{"uuid": "a", "Readings": [["q\"\u00e4", -1.5e3]]})") ==
        "2.1 'q\"\xC3\xA4 'a -1.5e3 -\n");
  CHECK(found("").empty());
  CHECK(found(" \n[] \n").empty());

  auto reader = readings::Reader(etl::io::from_memory(two, "f"), map);
  auto decoder = file.bind(map.header(), "f.json");
  REQUIRE(decoder);
  const auto chunk = reader.next();
  REQUIRE((chunk && *chunk));
  csv::Record record;
  REQUIRE(decoder->decode((**chunk)[0], record));
  CHECK(record == csv::Record{csv::UtcTime(std::chrono::milliseconds{1}), std::string("a"), 21.5, std::monostate{}});
  const auto wrong = decoder->decode((**chunk)[1], record);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message() == "f.json element 1, reading 2: column 'celsius': 'x' is not a number");
  CHECK((**chunk)[1].text() == R"({"uuid":"a","Readings":[[2,"x"]]})");
  auto null = readings::Reader(etl::io::from_memory(R"({"uuid": "a", "Readings": [[1, null], [null, 1]]})", "f"), map);
  const auto nulls = null.next();
  REQUIRE((nulls && *nulls));
  REQUIRE(decoder->decode((**nulls)[0], record));
  CHECK(record[2] == csv::Value());
  const auto no_time = decoder->decode((**nulls)[1], record);
  REQUIRE_FALSE(no_time);
  CHECK(no_time.error().message().find("reading 2: column 'time' is null or missing, and this") != std::string::npos);
}

TEST_CASE("an id may stand behind its readings, and is a text or a number") {
  CHECK(found(R"({"Readings": [[1, 2], [3]], "uuid": "b"})") ==
        "1.1 1 'b - 2\nelement 1, reading 2: not a pair of a time and a value: [3]\n");
  csv::StreamMap numbers = map;
  numbers.streams = {{"17", 0}};
  CHECK(found(R"({"uuid": 17, "Readings": [[1, 2]]})", {}, numbers) == "1.1 1 '17 2 -\n");
  const std::string late = R"([{"uuid": "a", "Readings": [[1, 2]]}, {"Readings": [)" + std::string(400, ' ') +
                           R"([1, 2], [3, 4], [5, 6], [7, 8]], "uuid": "a"}])";
  CHECK(found(late, {.chunk_size = 16}) == "1.1 1 'a 2 -\n2.1 1 'a 2 -\n2.2 3 'a 4 -\n2.3 5 'a 6 -\n2.4 7 'a 8 -\n");
  const auto most = sizeof(readings::detail::Entry) * 3;
  CHECK(found(late, {.chunk_size = 16, .max_waiting = most}) ==
        fmt::format("1.1 1 'a 2 -\nf: element 2: its 'uuid' comes after more than {} bytes of 'Readings': write it "
                    "before them",
                    most));
  // Texts with escapes are there twice, and are let go with the readings of a stream that nobody wants.
  std::string quotes;
  for (int i = 0; i < 40; ++i) quotes += "\\\"";
  const std::string wanted = R"({"Readings": [[1, ")" + quotes + R"("], [2, 3]], "uuid": "a"})";
  CHECK(
      found(wanted, {.chunk_size = 7, .max_waiting = sizeof(readings::detail::Entry) + 150}).find("write it before") !=
      std::string::npos);
  CHECK(found(wanted, {.chunk_size = 7, .max_waiting = 2 * sizeof(readings::detail::Entry) + 150}) ==
        "1.1 1 'a '" + std::string(40, '"') + " -\n1.2 2 'a 3 -\n");
  CHECK(found(R"({"uuid": "a", "Readings": [[1, "0123456789"]]})", {.chunk_size = 7, .max_waiting = 9}) ==
        "f: element 1: a value of more than 9 bytes");
}

TEST_CASE("what is no reading is rejected, and the next one is read") {
  const std::string rest = R"({"uuid": "a", "Readings": [[1, 2]]})", row = "1.1 1 'a 2 -\n";
  for (const auto& [bad, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"7", "element 1: not a JSON object"},
           {"\"x\"", "element 1: not a JSON object"},
           {"null", "element 1: not a JSON object"},
           {"[[1, [2]]]", "element 1: not a JSON object"},
           {R"({"uuid": "a"})", "element 1: it has no 'Readings'"},
           {R"({"uuid": "a", "Readings": 5})", "element 1: its 'Readings' is not an array"},
           {R"({"uuid": "a", "Readings": {"Readings": [[1, 2]]}})", "element 1: its 'Readings' is not an array"},
           {R"({"Readings": [[1, 2]]})", "element 1, reading 1: the element has no 'uuid', the id of its stream"},
           {R"({"uuid": null, "Readings": [[1, 2]]})",
            "element 1, reading 1: the element has no 'uuid', the id of its stream"},
           {R"({"uuid": {"uuid": "a"}, "Readings": [[1, 2]]})",
            "element 1, reading 1: the element has no 'uuid', the id of its stream"},
           {R"({"uuid": "a", "Readings": [[]]})", "element 1, reading 1: not a pair of a time and a value: []"},
           {R"({"uuid": "a", "Readings": [[1, 2, {"a": [3]}]]})",
            "element 1, reading 1: not a pair of a time and a value: [1,2,{\"a\":[3]}]"},
           {R"({"uuid": "a", "Readings": [{"t": 1, "v": "\t"}]})",
            "element 1, reading 1: not a pair of a time and a value: {\"t\":1,\"v\":\"\\t\"}"},
           {R"({"uuid": "a", "Readings": ["x"]})", "element 1, reading 1: not a pair of a time and a value: \"x\""}}) {
    CAPTURE(bad);
    const std::string good = "2" + row.substr(1);
    CHECK(found("[" + std::string(bad) + "," + rest + "]") == why + ("\n" + good));
    // A line that is an array is one of elements.
    if (*bad != '[') CHECK(found(bad + ("\n" + rest), {.chunk_size = 5}) == why + ("\n" + good));
  }
}

TEST_CASE("streams that the map does not name are left out, and counted") {
  const std::string text =
      R"([{"uuid": "x", "Readings": [[1, 2], 5]}, {"Readings": [[1, 2]], "uuid": "y"}, {"uuid": "x"},)" + two +
      R"(, {"uuid": "x", "Readings": [[1, 2]]}])";
  for (const std::uint64_t begin : {0U, 1U, 3U, 4U}) {
    CAPTURE(begin);
    readings::Reader reader(etl::io::from_memory(text, "f"), map, {.begin = begin});
    std::size_t rows = 0;
    while (const auto chunk = reader.next().value()) rows += chunk->size();
    CHECK(rows == std::min<std::size_t>(2, 5 - begin));
    CHECK(reader.position() == 6);
    CHECK(reader.left_out().readings == 4);
    CHECK(reader.left_out().streams == std::set<std::string>{"x", "y"});
    CHECK_FALSE(reader.left_out().all);
  }
  readings::Reader none(etl::io::from_memory(R"({"uuid": "x", "Readings": [[1, 2]]})", "f"), map);
  CHECK_FALSE(none.next().value());
  CHECK(none.left_out().all);
}

TEST_CASE("what is no JSON is an error with its place, behind the readings before it") {
  const std::string rows = "1.1 1 'a 21.5 -\n1.2 2 'a 'x -\n";
  CHECK(found(two + "\n\n{\"uuid\": x}") == rows + "f:3: byte 59: not JSON: syntax error");
  CHECK(found("[" + two + ",") == rows + "f:1: byte 50: not JSON: incomplete JSON");
  CHECK(found("[" + two + ",]").find("syntax error") != std::string::npos);
  CHECK(found(two + "]").find("syntax error") != std::string::npos);
  CHECK(found(two + "\n nu") == rows + "f:2: byte 52: not JSON: incomplete JSON");
  CHECK(found(R"({"uuid": "a", "Readings": [[1, 2], [3, )") == "1.1 1 'a 2 -\nf:1: byte 39: not JSON: incomplete JSON");
  // Those that wait for their id are not behind us.
  const std::string waiting = two + R"({"Readings": [[1, 2], [3, 4], })";
  readings::Reader reader(etl::io::from_memory(waiting, "f"), map);
  CHECK(reader.next().value()->size() == 2);
  CHECK_FALSE(reader.next());
  CHECK(reader.position() == 2);
  CHECK_FALSE(readings::Reader::open("/nonexistent.json", map));
}

TEST_CASE("a file is read alike in pieces of any size, and from any reading on") {
  const std::string text =
      "[" + two + R"(, {"Readings": [["\ud834\udd1e\\", -0.5e-1], ["", {"a\"": [true, null, "b"]}]], "uuid": "b"})" +
      R"(, {"uuid": "x", "Readings": [[1, 2]]}, {"Readings": [[5, 6], 7]}, 8, {"uuid": "c", "Readings": [[9, 10]]}])";
  const std::string all = found(text);
  CHECK(all.find("'b - {\"a\\\"\":[true,null,\"b\"]}") != std::string::npos);
  CHECK(all.find("'\xF0\x9D\x84\x9E\\ 'b - -0.5e-1") != std::string::npos);
  for (const std::size_t size : {3U, 4U, 7U, 64U}) CHECK(found(text, {.chunk_size = size}) == all);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < all.size(); at = all.find('\n', at) + 1) lines.push_back(all.substr(at));
  REQUIRE(lines.size() == 8);
  for (std::uint64_t passed = 0; passed < 9; ++passed) {
    CAPTURE(passed);
    const std::size_t skipped = passed <= 4 ? passed : passed - 1;  // one is of a stream that nobody wants
    CHECK(found(text, {.begin = passed, .chunk_size = 8}) == (skipped < lines.size() ? lines[skipped] : ""));
  }
}

TEST_CASE("every reading is told as an element that gives it again") {
  const std::string text = R"({"uuid": "b", "Readings": [["\u0001\"x", "é\n"], [1, 2.50], [1, {"a": [1, "\\"]}]]})";
  readings::Reader reader(etl::io::from_memory(text, "f"), map);
  const auto chunk = reader.next().value();
  REQUIRE(chunk);
  REQUIRE(chunk->size() == 3);
  std::string again;
  for (std::size_t i = 0; i < chunk->size(); ++i) {
    CHECK(test::Json::parse((*chunk)[i].text()));
    again += (*chunk)[i].text();
  }
  std::string rows = found(again);
  for (const char* const n : {"2", "3"})
    rows.replace(rows.find(fmt::format("\n{}.1", n)) + 1, 3, fmt::format("1.{}", n));
  CHECK(rows == found(text));
}

TEST_CASE("a stop ends the reading") {
  std::stop_source stop;
  stop.request_stop();
  readings::Reader reader(etl::io::from_memory(two, "f"), map);
  CHECK_FALSE(reader.next(stop.get_token()).value());
}

}  // namespace readings_test
