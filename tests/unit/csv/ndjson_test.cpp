#include <etl/csv/ndjson.hpp>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/io/gzip.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"

namespace ndjson_test {

namespace csv = etl::csv;
namespace ndjson = etl::csv::ndjson;
using csv::Kind;
using std::chrono::sys_days;
using std::chrono::year;

namespace {

csv::MappedColumn column(const char* name, Kind kind) {
  csv::MappedColumn made{.target = name, .kind = kind};
  made.source = name;
  return made;
}

const csv::FileMapping mapping{.columns = {column("id", Kind::Integer), column("sku", Kind::Text),
                                           column("price", Kind::Numeric), column("paid", Kind::Boolean),
                                           column("at", Kind::TimestampTz)}};

/// The record of a line, or the error.
etl::Result<csv::Record> record_of(std::string_view text, const csv::FileMapping& by = mapping,
                                   const ndjson::ParserOptions& options = {}) {
  auto decoder = ndjson::bind(by, "f.ndjson", options);
  if (!decoder) FAIL(decoder.error().message());
  csv::Record record;
  const auto done = decoder->decode(ndjson::Line{.text = text, .number = 7}, record);
  if (!done) return etl::failure(done.error());
  return record;
}

std::string error_of(std::string_view text, const ndjson::ParserOptions& options = {}) {
  const auto record = record_of(text, mapping, options);
  if (record) return {};
  CHECK(record.error().error_class == etl::ErrorClass::Rejected);
  return record.error().message();
}

/// The text of the member "v" of a line.
std::string text_of(std::string_view line) {
  const auto record = record_of(line, {.columns = {column("v", Kind::Text)}});
  if (!record) return record.error().message();
  const auto* const text = std::get_if<std::string>(&record->at(0));
  return text == nullptr ? "NULL" : *text;
}

struct Order {
  std::string sku;
  std::optional<double> price;
  std::chrono::sys_days day;
  std::chrono::sys_seconds at;
  std::uint8_t count = 0;
  bool paid = false;
  bool operator==(const Order&) const = default;
};
const auto orders = csv::columns<Order>(csv::column("sku", &Order::sku), csv::column("price", &Order::price),
                                        csv::column("day", &Order::day, csv::format("%d.%m.%Y")),
                                        csv::column(csv::DateTime{"date", "time"}, &Order::at),
                                        csv::column("count", &Order::count), csv::column("paid", &Order::paid));

}  // namespace

TEST_CASE("JSON's numbers have decimal points, also where those of CSV have commas") {
  struct Price {
    double price = 0;
  };
  const auto prices = csv::columns<Price>(csv::column("price", &Price::price, csv::decimal_comma));
  std::string text;
  ndjson::Writer writer(text);
  REQUIRE(writer.row(prices, Price{1.5}));
  REQUIRE(writer.finish());
  CHECK(text == "{\"price\":1.5}\n");
  auto reader = ndjson::Reader(etl::io::from_memory(text, "f"), {});
  const auto chunk = etl::value(reader.next());
  auto decoder = etl::value(ndjson::bind(prices, "f"));
  Price read;
  for (const ndjson::Line& line : *chunk) CHECK(decoder.decode(line, read));
  CHECK(read.price == 1.5);
}

TEST_CASE("an object becomes a record, in whatever order its members come") {
  const csv::Record expected{std::int64_t{7}, std::string("A\n\"1\""), std::string("12.500000000000000000001"), true,
                             csv::UtcTime(sys_days{year{2026} / 11 / 21})};
  const auto record =
      record_of(R"({"id": 7, "sku": "A\n\"1\"", "price": 12.500000000000000000001, "paid": true, "at": "2026-11-21"})");
  REQUIRE(record);
  CHECK(*record == expected);
  const auto shuffled = record_of(
      R"( {"x":{"id":9},"at":"2026-11-21T01:00+01:00","paid":true,"price":"12.500000000000000000001","sku":"A\n\"1\"","id":"7","y":[1]} )");
  REQUIRE(shuffled);
  CHECK(*shuffled == expected);
}

TEST_CASE("null and a missing member are NULL, an empty text is not") {
  const auto record = record_of(R"({"id": null, "sku": ""})");
  REQUIRE(record);
  CHECK(*record == csv::Record{std::monostate{}, std::string(), std::monostate{}, std::monostate{}, std::monostate{}});
  csv::FileMapping markers{.nulls = {"NA"}, .columns = {column("id", Kind::Integer), column("sku", Kind::Text)}};
  const auto by_marker = record_of(R"({"sku": "NA"})", markers);
  REQUIRE(by_marker);
  CHECK(*by_marker == csv::Record{std::monostate{}, std::string("NA")});
  markers.columns[0].nullable = false;
  CHECK_FALSE(record_of("{}", markers));
  csv::FileMapping needed{.columns = {column("sku", Kind::Text)}};
  needed.columns[0].nullable = false;
  for (const char* bad : {"{}", R"({"sku": null})"}) {
    const auto none = record_of(bad, needed);
    REQUIRE_FALSE(none);
    CHECK(none.error().message().find("member 'sku' is null or missing, and this column must have a value") !=
          std::string::npos);
  }
  CHECK(record_of(R"({"sku": ""})", needed));

  struct Item {
    std::string sku{};
  };
  auto decoder = ndjson::bind(csv::columns<Item>(csv::column("sku", &Item::sku)), "f");
  REQUIRE(decoder);
  Item item;
  CHECK_FALSE(decoder->decode(ndjson::Line{.text = R"({"sku": null})"}, item));
  CHECK(decoder->decode(ndjson::Line{.text = R"({"sku": ""})"}, item));
}

TEST_CASE("members can be kept as their JSON, texts with their quotes") {
  const ndjson::ParserOptions options{.as_json = {"sku"}};
  const auto json = [&](const std::string& value) {
    const auto record = record_of(R"({"price": "1", "sku": )" + value + "}", mapping, options);
    return record ? std::get<std::string>((*record)[1]) : record.error().message();
  };
  for (const char* const same : {R"("hello")", R"("5")", R"("")", R"("a\"b\n")", "5", "true", R"({"a":["x",1]})"})
    CHECK(json(same) == same);
  CHECK(json(R"("\u00e4)" + std::string(5000, 'x') + '"') == "\"\xC3\xA4" + std::string(5000, 'x') + '"');
  CHECK((*record_of(R"({"sku": null})", mapping, options))[1] == csv::Value());
}

TEST_CASE("members keep their text") {
  CHECK(text_of(R"({"v": 1e5})") == "1e5");
  CHECK(text_of(R"({"v": -0})") == "-0");
  CHECK(text_of(R"({"v": 123456789012345678901234567890.10})") == "123456789012345678901234567890.10");
  CHECK(text_of(R"({"v": true})") == "true");
  CHECK(text_of(R"({"v": null})") == "NULL");
  CHECK(text_of(R"({"w": 1})") == "NULL");
  CHECK(text_of(R"({"v": "\u00e4\ud834\udd1e\u0000"})") == std::string("\xC3\xA4\xF0\x9D\x84\x9E\0", 7));
  CHECK(text_of(R"({"v": [1, "a\"b\n\u0001", {"x": [], "y": {}}, null, [[true], 2.50]], "w": [3]})") ==
        R"([1,"a\"b\n\u0001",{"x":[],"y":{}},null,[[true],2.50]])");
  CHECK(text_of(R"({"v": {"v": "inner", "w": {"v": 1}}})") == R"({"v":"inner","w":{"v":1}})");
  CHECK(text_of(R"({"w": {"v": "inner"}})") == "NULL");
  CHECK(text_of(R"({"v": 1, "v": "last"})") == "last");
  CHECK(text_of(R"({"v": "x", "v": null})") == "NULL");
  const std::string long_text(10'000, 'x');
  CHECK(text_of(R"({"v": ")" + long_text + "\\n\"}") == long_text + "\n");
}

TEST_CASE("errors name file, line and column, and the next line is read") {
  CHECK(error_of(R"({"id": 1,})").starts_with("f.ndjson:7:10: not JSON: syntax error"));
  CHECK(error_of(R"({"id": 1)").starts_with("f.ndjson:7:9: not JSON: incomplete JSON"));
  CHECK(error_of("{} x") == "f.ndjson:7:4: there is more text after the value: 'x'");
  CHECK(error_of("[1]") == "f.ndjson:7:1: not a JSON object: '[1]'");
  CHECK(error_of(R"({"id": "x"})") == "f.ndjson:7: row 7: member 'id': 'x' is not a signed 64-bit integer");
  CHECK(error_of(R"({"sku": {"a": [1]}})", {.max_depth = 3}).empty());
  CHECK_FALSE(error_of(R"({"sku": {"a": [1]}})", {.max_depth = 2}).empty());
  CHECK(error_of(R"({"id": 1, "id": 2})").empty());
  CHECK(error_of(R"({"id": 1, "id": 2})", {.reject_duplicate_keys = true}).find("'id' occurs twice") !=
        std::string::npos);
  CHECK(error_of(R"({"x": 1, "x": 2})", {.reject_duplicate_keys = true}).empty());

  auto decoder = ndjson::bind(mapping, "f");
  REQUIRE(decoder);
  csv::Record record;
  for (const char* bad :
       {R"({"sku": {"a": [1)", R"({"sku": "abc)", R"({"id": 12)", "", "nul", R"({"sku": "\ud800"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(decoder->decode(ndjson::Line{.text = bad}, record));
    REQUIRE(decoder->decode(ndjson::Line{.text = R"({"id": 5})"}, record));
    CHECK(record[0] == csv::Value(std::int64_t{5}));
    CHECK(record[1] == csv::Value());
  }
}

TEST_CASE("half of a pair of surrogates is named") {
  ndjson::Parser parser({"n"}, "f");
  for (const std::string_view text : {R"({"n":"\ud800"})", R"({"n":"\uDC00x"})", R"({"n":"\ud83dx"})"}) {
    CAPTURE(text);
    const auto parsed = parser.parse({.text = text, .number = 2});
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message().find("f:2:7: not JSON: half of a surrogate pair is not a character: '\\u") == 0);
  }
  CHECK(parser.parse({.text = R"({"n":"\ud83d\ude00"})"}));
  CHECK(parser.parse({.text = R"({"n":"\u0000"})"}));
  const auto other = parser.parse({.text = R"({"n":"\ud83d\ude00",})", .number = 2});
  REQUIRE_FALSE(other);
  CHECK(other.error().message().find("surrogate") == std::string::npos);
}

TEST_CASE("a key of one line and of the next is no duplicate") {
  auto decoder = ndjson::bind(mapping, "f", {.reject_duplicate_keys = true});
  REQUIRE(decoder);
  csv::Record record;
  for (int i = 0; i < 2; ++i) CHECK(decoder->decode(ndjson::Line{.text = R"({"id": 5})"}, record));
}

TEST_CASE("members that are not asked for are left out, or reject their object") {
  CHECK(error_of(R"({"id": 1, "x": {"y": 2}})").empty());
  const ndjson::ParserOptions strict{.reject_unknown_members = true};
  CHECK(error_of(R"({"id": 1, "sku": {"y": 2}})", strict).empty());
  CHECK(error_of(R"({"id": 1, "x\n": 2, "y": null})", strict) ==
        R"(f.ndjson:7:1: the member 'x\n' is not one of id, sku, price, paid, at: '{"id": 1, "x\n": 2, "y": null}')");
  CHECK(error_of(R"({"": 1})", strict).find("the member ''") != std::string::npos);
}

TEST_CASE("a value of an element of an array is told with its element") {
  auto decoder = ndjson::bind(mapping, "f.json");
  REQUIRE(decoder);
  csv::Record record;
  const auto wrong = decoder->decode(ndjson::Line{.text = R"({"id": "x"})", .number = 7, .element = true}, record);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message() == "f.json element 7: member 'id': 'x' is not a signed 64-bit integer");
}

TEST_CASE("a mapping without names does not fit JSON") {
  const auto none = ndjson::bind(csv::FileMapping{}, "f");
  REQUIRE_FALSE(none);
  CHECK(none.error().message() == "f: the mapping has no columns, and JSON has no header");
  const auto numbers = ndjson::bind(csv::columns<Order>(csv::column(2, &Order::sku)), "f");
  REQUIRE_FALSE(numbers);
  CHECK(numbers.error().message() == "f: column 2: JSON has no column numbers, give a name");
}

TEST_CASE("lines are read in chunks, with their places") {
  const std::string text = "{\"id\":1}\n\n  \r\n{\"id\":2}\r\n{\"id\":3}";
  for (const std::size_t chunk_size : {1u, 10u, 1000u}) {
    ndjson::Reader reader(etl::io::from_memory(text, "m"), {.chunk_size = chunk_size});
    std::vector<std::string> lines;
    std::uint64_t end = 0, next_line = 1;
    for (;;) {
      const auto chunk = reader.next();
      REQUIRE(chunk);
      if (!*chunk) break;
      CHECK((*chunk)->offset() == end);
      CHECK((*chunk)->first_line() == next_line);
      end = (*chunk)->end_offset();
      next_line = (*chunk)->next_line();
      for (const auto& line : **chunk) {
        CHECK(text.substr(line.offset, line.text.size()) == line.text);
        lines.push_back(std::to_string(line.number) + std::string(line.text));
      }
    }
    CHECK(lines == std::vector<std::string>{"1{\"id\":1}", "4{\"id\":2}", "5{\"id\":3}"});
  }
  CHECK_FALSE(ndjson::Reader::open("/nonexistent.ndjson"));
}

namespace {

// The elements of an array, or the error, by chunks of any size.
std::string elements(const std::string& text, std::size_t chunk_size = 1000, std::uint64_t offset = 0,
                     std::uint64_t first_line = 1) {
  ndjson::Reader reader(etl::io::from_memory(text, "m"),
                        {.chunk_size = chunk_size, .offset = offset, .first_line = first_line});
  std::string found;
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) return found + chunk.error().message();
    if (!*chunk) return found;
    for (const auto& line : **chunk) {
      CHECK(line.element);
      const auto begin = line.text.find_first_not_of(' ');
      found += std::to_string(line.number) +
               std::string(line.text.substr(begin, line.text.find_last_not_of(' ') - begin + 1)) + ";";
    }
  }
}

}  // namespace

TEST_CASE("a document that is an array is read element by element, however it is laid out") {
  const std::string text = "\xEF\xBB\xBF [\n  {\"a\": \"x,]}[{\\\"\\\\\",\r\n \"b\": [1, [2]]} ,{\"a\":\n{}}\n, 3]\n ";
  for (const std::size_t chunk_size : {1U, 7U, 1000U})
    CHECK(elements(text, chunk_size) == R"(1{"a": "x,]}[{\"\\",   "b": [1, [2]]};2{"a": {}};33;)");
  CHECK(elements("\n\r\n[{}]") == "1{};");
  CHECK(elements("[]").empty());
  // As files are opened: what was looked at to know whether it is gzip is given by itself.
  ndjson::Reader opened(etl::io::decode(etl::io::from_memory("\xEF\xBB\xBF[{},{}]", "m")).value());
  CHECK((**opened.next()).size() == 2);
  CHECK(elements(" [ ] ").empty());
  // From the place of an element on, as a run that is resumed reads it.
  const auto second = text.find(",{") + 1;
  CHECK(elements(text, 1000, second, 2) == R"(2{"a": {}};33;)");
  for (const auto& [bad, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {"[1,,2]", "m: byte 3: a value is missing"},
           {"[1,]", "m: byte 3: a value is missing"},
           {"[,1]", "m: byte 1: a value is missing"},
           {"[1,{}}", "m: byte 5: a closing bracket without an opening one"},
           {"[1,{}] 5", "m: byte 7: there is more text after"},
           {"[1,{", "m: byte 4: the array is not closed"}}) {
    INFO(bad);
    CHECK(elements(bad).find(what) != std::string::npos);
  }
  ndjson::Parser parser({"a"}, "f.json");
  ndjson::Reader broken(etl::io::from_memory("[{\"a\":\"x\ny\"}]", "m"));
  CHECK_FALSE(parser.parse(*(**broken.next()).begin()));  // a line break within a text, which JSON does not have
  CHECK(elements("\xEF\xBB\xBF[,1]").find("a value is missing") != std::string::npos);
  const auto wrong = parser.parse({.text = "  {\"a\":}", .number = 7, .element = true});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message().starts_with("f.json element 7:"));
}

TEST_CASE("objects over several lines, or several in a line, are read one by one") {
  const auto objects = [](std::string_view text) {
    std::string all;
    for (const std::size_t size : {std::size_t{16}, std::size_t{1} << 16}) {
      ndjson::Reader reader(etl::io::from_memory(text, "f.json"), {.chunk_size = size});
      std::string found;
      for (;;) {
        auto chunk = reader.next();
        if (!chunk) {
          found += "error " + chunk.error().message();
          break;
        }
        if (!*chunk) break;
        for (const ndjson::Line& line : **chunk)
          found += std::string(line.element ? "#" : ":") + std::to_string(line.number) +
                   std::string(csv::trimmed(line.text));
      }
      if (!all.empty()) CHECK(found == all);
      all = found;
    }
    return all;
  };
  CHECK(objects("{\n\"a\": 1\n}\n{\n\"a\": \"}{\\\"\"\n}\n") == "#1{ \"a\": 1 }#2{ \"a\": \"}{\\\"\" }");
  CHECK(objects("{\"a\":1}{\"a\":2}\n{\"a\":3}") == "#1{\"a\":1}#2{\"a\":2}#3{\"a\":3}");
  CHECK(objects("{\"a\":1}\n{\"a\":2}\n") == ":1{\"a\":1}:2{\"a\":2}");
  CHECK(objects("{\"a\":1,\n{\"a\":2}\n") == ":1{\"a\":1,:2{\"a\":2}");
  CHECK(objects("{\n\"a\": [1,\n 2]\n} ") == "#1{ \"a\": [1,  2] }");
  CHECK(objects("{\n\"a\": 1\n}\n{\"a\": ").find("an object is not closed; is the file complete?") !=
        std::string::npos);
}

TEST_CASE("an array is written, and read again") {
  std::string text, empty;
  ndjson::Writer writer(text, {{"n", csv::Kind::Integer}}, ndjson::Layout::Array);
  for (std::int64_t i = 1; i < 4; ++i) REQUIRE(writer.row(std::vector<csv::Value>{i}));
  CHECK_FALSE(writer.row(std::vector<csv::Value>{std::string("\xFF")}));
  REQUIRE(writer.finish());
  CHECK(text == "[\n{\"n\":1},\n{\"n\":2},\n{\"n\":3}\n]\n");
  CHECK(elements(text) == R"(1{"n":1};2{"n":2};3{"n":3};)");
  REQUIRE(ndjson::Writer(empty, {}, ndjson::Layout::Array).finish());
  CHECK(empty == "[]\n");
}

TEST_CASE("structs are written and read by one mapping") {
  const Order first{.sku = "A\"\\\n\x01\xC3\xA4",
                    .price = 12.5,
                    .day = sys_days{year{2026} / 11 / 21},
                    .at = sys_days{year{2026} / 11 / 21} + std::chrono::seconds{61},
                    .count = 200,
                    .paid = true};
  std::string text;
  ndjson::Writer writer(text);
  REQUIRE(writer.row(orders, first));
  CHECK(text ==
        "{\"sku\":\"A\\\"\\\\\\n\\u0001\xC3\xA4\",\"price\":12.5,\"day\":\"21.11.2026\",\"date\":\"2026-11-21\","
        "\"time\":\"00:01:01\",\"count\":200,\"paid\":true}\n");
  CHECK(test::Json::parse(text));
  const std::size_t begin = text.size();
  REQUIRE(writer.row(orders, Order{}));
  CHECK(text.substr(begin).starts_with(R"({"sku":"","price":null,)"));

  auto decoder = ndjson::bind(orders, "f");
  if (!decoder) FAIL(decoder.error().message());
  Order order;
  REQUIRE(decoder->decode(ndjson::Line{.text = std::string_view(text).substr(0, begin)}, order));
  CHECK(order == first);
  REQUIRE(decoder->decode(ndjson::Line{.text = std::string_view(text).substr(begin)}, order));
  CHECK(order == Order{});
}

TEST_CASE("records are written and read by one mapping, what JSON does not have is rejected") {
  std::string text;
  std::vector<ndjson::Field> fields;
  for (const auto& each : mapping.columns) fields.push_back({each.target, each.kind});
  ndjson::Writer writer(text, fields);
  const csv::Record record{std::int64_t{7}, std::string("x"), std::string("0.10"), false,
                           csv::UtcTime(std::chrono::milliseconds{1500})};
  REQUIRE(writer.row(record));
  CHECK(text == R"({"id":7,"sku":"x","price":0.10,"paid":false,"at":"1970-01-01T00:00:01.5Z"})"
                "\n");
  const auto again = record_of(text);
  REQUIRE(again);
  CHECK(*again == record);

  const std::string before = text;
  csv::Record odd = record;
  odd[1] = std::string("\xFF");
  const auto bytes = writer.row(odd);
  REQUIRE_FALSE(bytes);
  CHECK(bytes.error().message().starts_with("row 2 of the output: "));
  odd[1] = std::numeric_limits<double>::infinity();
  CHECK_FALSE(writer.row(odd));
  CHECK_FALSE(writer.row(csv::Record{}));
  CHECK(text == before);
  for (const char* numeric : {".5", "01", "1.", "1e", "-"}) {
    odd = record;
    odd[2] = std::string(numeric);
    REQUIRE(writer.row(odd));
    CHECK(text.find("\"price\":\"" + std::string(numeric) + "\"") != std::string::npos);
  }
}

}  // namespace ndjson_test
