#include <etl/csv/mapping.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/source_tree.hpp"

namespace mapping_test {

namespace csv = etl::csv;
using csv::Kind;
using std::chrono::sys_days;
using std::chrono::year;

namespace {

/// What `etl::csv::Row` gives, from texts; `'` in front: in quotes.
class Cells {
 public:
  Cells(std::initializer_list<std::string_view> cells) : cells_(cells) {}
  std::string_view operator[](std::size_t i) const {
    if (i >= cells_.size()) return {};
    return quoted(i) ? cells_[i].substr(1) : cells_[i];
  }
  bool quoted(std::size_t i) const { return i < cells_.size() && cells_[i].starts_with('\''); }
  std::uint64_t number() const { return 11; }
  std::uint64_t line() const { return 12; }

 private:
  std::vector<std::string_view> cells_;
};

/// The only file of a mapping.
csv::FileMapping file_of(std::string_view json) {
  const auto mapping = csv::Mapping::parse(json);
  if (!mapping) FAIL(mapping.error().message());
  REQUIRE(mapping->files.size() == 1);
  return mapping->files[0];
}

/// What is wrong with a mapping, but for "mapping: ".
std::string wrong(std::string_view json) {
  const auto mapping = csv::Mapping::parse(json);
  return mapping ? std::string() : mapping.error().message().substr(9);
}

/// What is wrong with a column, whose source and target are given.
std::string wrong_column(const std::string& members) {
  return wrong(R"({"files": [{"pattern": "*", "columns": [{"source": "a", )" + members + "}]}]}");
}
std::string wrong_timestamp(const std::string& members) {
  return wrong(R"({"files": [{"pattern": "*", "timestamp": {"target": "at", )" + members + "}}]}");
}

std::string decode_error(const csv::RecordDecoder& decoder, const Cells& cells) {
  csv::Record record;
  const auto done = decoder.decode(cells, record);
  if (done) return {};
  CHECK(done.error().error_class == etl::ErrorClass::Rejected);
  return done.error().message();
}

csv::MappedColumn column(csv::Source source, std::string target, Kind kind) {
  csv::MappedColumn made{.target = std::move(target), .kind = kind};
  made.source = std::move(source);
  return made;
}

/// The first block of a page that begins so.
std::string block(std::string_view page, std::string_view language) {
  const auto begin = page.find("```" + std::string(language) + "\n");
  REQUIRE(begin != page.npos);
  const auto text = page.substr(page.find('\n', begin) + 1);
  return std::string(text.substr(0, text.find("```")));
}

}  // namespace

TEST_CASE("the example of the guide is read as it says") {
  const auto page_path = test::source_tree() / "docs/guide/csv_mapping.md";
  std::ifstream in(page_path);
  REQUIRE(in);
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  const auto mapping = csv::Mapping::parse(block(page, "json"));
  if (!mapping) FAIL(mapping.error().message());
  REQUIRE(mapping->files.size() == 3);

  const auto* const orders = mapping->find("data/orders/2026/11.csv");
  REQUIRE(orders == &mapping->files[0]);
  CHECK(orders->dialect.delimiter == ';');
  CHECK(orders->dialect.header_rows == 1);
  CHECK(orders->dialect.comment == '#');
  CHECK(orders->dialect.ragged == csv::Ragged::Pad);
  CHECK(orders->dialect.encoding == csv::Encoding::Latin1);
  CHECK(orders->decimal_comma);
  CHECK(orders->nulls == csv::Nulls({"", "NA", "\\N"}));
  const std::vector<std::string> header{"Nr", "Artikel", "Preis", "Tag", "Uhrzeit"};
  const auto decoder = orders->bind(header, "11.csv");
  REQUIRE(decoder);
  csv::Record record;
  REQUIRE(decoder->decode(Cells{"7", "A-1", "12,50", "21.11.2026", "10:30"}, record));
  CHECK(record == csv::Record{csv::UtcTime(sys_days{year{2026} / 11 / 21} + std::chrono::minutes{630}), std::int64_t{7},
                              std::string("A-1"), std::string("12.50")});

  const auto* const readings = mapping->find("anywhere/sensor_1.tsv");
  REQUIRE(readings == &mapping->files[1]);
  CHECK_FALSE(readings->dialect.quote);
  CHECK(readings->dialect.header_rows == 0);
  const auto numbers = readings->bind({}, "sensor_1.tsv", 3);
  REQUIRE(numbers);
  REQUIRE(numbers->decode(Cells{"1700000000123", "2.5", "yes"}, record));
  CHECK(record == csv::Record{csv::UtcTime(std::chrono::milliseconds{1700000000123}), 2.5, true});

  const auto* const rest = mapping->find("x/y.csv");
  REQUIRE(rest == &mapping->files[2]);
  CHECK(rest->columns.empty());
  CHECK(mapping->find("x/y.txt") == nullptr);
}

TEST_CASE("a mapping may say nothing but a pattern") {
  const auto file = file_of(R"({"files": [{"pattern": "*.csv"}]})");
  CHECK(file == csv::FileMapping{.pattern = "*.csv"});
  const auto decoder = file.bind(std::vector<std::string>{"a", "a"}, "f");
  REQUIRE(decoder);
  csv::Record record;
  REQUIRE(decoder->decode(Cells{"", "'"}, record));
  CHECK(record == csv::Record{std::monostate{}, std::string()});
  CHECK(file.columns_of({}, 2)[1].target == "column_2");
}

TEST_CASE("all errors of a mapping are named at once, each with its place") {
  CHECK(
      wrong(R"({"files": [
    {"pattern": "*", "delimiter": ",,", "header_rows": -1, "ragged": "drop", "nullmarkers": [], "null_markers": [1]},
    {"delimiter": ";", "columns": [{"source": 0, "type": "int"}, {"target": "b", "sorce": "b", "zzzzzzz": 1}, 7]}],
    "file": 1})") ==
      "file: is unknown; did you mean 'files'?; "
      "files[0].nullmarkers: is unknown; did you mean 'null_markers'?; "
      "files[0].delimiter: must be a text of one character; "
      "files[0].header_rows: must be a whole number, 0 or more; "
      "files[0].ragged: must be one of reject, pad, truncate; "
      "files[0].null_markers[0]: must be a text; files[1].pattern: is missing: name the files, such as "
      "\"orders/*.csv\"; "
      "files[1].columns[0].source: must be the name of a column, or its number from 1; "
      "files[1].columns[0].type: must be one of boolean, integer, double, numeric, text, date, timestamp, timestamptz; "
      "files[1].columns[1].sorce: is unknown; did you mean 'source'?; "
      "files[1].columns[1].zzzzzzz: is unknown; there are source, target, type, nullable, key, format; "
      "files[1].columns[1].source: is missing: give the name of a column, or its number from 1; "
      "files[1].columns[2]: must be an object");
}

TEST_CASE("what a mapping cannot mean") {
  CHECK(wrong("[]") == "the file: must be an object");
  CHECK(wrong("{}") == "files: must have an element for some files");
  CHECK(wrong(R"({"files": 1})") == "files: must be an array");
  CHECK(wrong("{\n \"files\": tru }") == "line 2, column 11: not JSON: syntax error");
  CHECK(wrong(R"({"files": [)").find("not JSON") != std::string::npos);
  CHECK(wrong(R"({"files": [{"pattern": "*"}]} x)") == "line 1, column 31: there is more text after the value");
  CHECK(wrong(R"({"files": [{"pattern": "*"}]}  )").empty());
  CHECK(wrong(R"({"files": [{"pattern": "*", "quote": ","}]})") ==
        "files[0]: CSV dialect: delimiter and quote are both ','");
  CHECK(wrong(R"({"files": [{"pattern": "*", "header_rows": 0, "columns": [{"source": "a"}]}]})") ==
        "files[0].columns: 'a' is a name, but header_rows is 0: give its number");
  CHECK(wrong(R"({"files": [{"pattern": "*", "columns": [{"source": "a"}, {"source": "b", "target": "a"}]}]})") ==
        "files[0].columns: two have the target 'a'");
  CHECK(wrong(R"({"files": [{"pattern": "*", "columns": [{"source": 3}]}]})") ==
        "files[0].columns[0].target: is missing: give the name of the column in the result");
  CHECK(wrong_column(R"("type": "text", "format": "%F")") ==
        "files[0].columns[0].format: is for date, timestamp and timestamptz");
  CHECK(wrong_column(R"("type": "date", "format": "%Q")")
            .starts_with("files[0].columns[0].format: time format '%Q': %Q is unknown"));
  CHECK(wrong_column(R"("type": "date", "format": "%H:%M")") == "files[0].columns[0].format: has no date");
  CHECK(wrong_column(R"("key": true, "nullable": true)") == "files[0].columns[0].nullable: a key is never NULL");
  CHECK_FALSE(
      file_of(R"({"files": [{"pattern": "*", "columns": [{"source": "a", "key": true}]}]})").columns[0].nullable);
  CHECK(wrong_timestamp(R"("column": "a")").empty());
  CHECK(wrong_timestamp(R"("date": "a")") == "files[0].timestamp: must have \"column\", or \"date\" and \"time\"");
  CHECK(wrong_timestamp(R"("column": "a", "time_format": "%H")") ==
        "files[0].timestamp.time_format: needs a column \"time\"");
  CHECK(wrong_timestamp(R"("date": "a", "time": "b", "format": "%F %T")") ==
        "files[0].timestamp.format: has a time of day, and \"time\" is a column of its own");
  CHECK(wrong_timestamp(R"("date": "a", "time": "b", "time_format": "unix_s")") ==
        "files[0].timestamp.time_format: has no time of day");
  CHECK(wrong_timestamp(R"("column": "a", "type": "date")") ==
        "files[0].timestamp.type: must be one of timestamp, timestamptz");
  const auto missing = csv::Mapping::read("/nonexistent/mapping.json");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message().find("/nonexistent/mapping.json") != std::string::npos);
}

TEST_CASE("a stream map makes columns of time, id and values") {
  const auto file = file_of(R"({"files": [{"pattern": "readings/*.json",
    "timestamp": {"target": "at", "format": "unix_ms", "key": true},
    "stream_map": {"id": "sensor", "readings": "values", "id_target": "stream", "streams": {
      "77b0": {"target": "humidity", "type": "integer"}, "3f2a": {"target": "temperature"},
      "3f2b": {"target": "temperature", "type": "double"}}}}]})");
  REQUIRE(file.stream_map);
  CHECK(*file.stream_map == csv::StreamMap{.id = "sensor",
                                           .readings = "values",
                                           .targets = {"humidity", "temperature"},
                                           .streams = {{"77b0", 0}, {"3f2a", 1}, {"3f2b", 1}}});
  REQUIRE(file.columns.size() == 4);
  CHECK(file.columns[0].format == "unix_ms");
  CHECK(file.columns[0].key);
  CHECK_FALSE(file.columns[1].nullable);
  CHECK(file.columns[2] == column(3, "humidity", Kind::Integer));
  CHECK(file.columns[3] == column(4, "temperature", Kind::Double));
  const auto decoder = file.bind(file.stream_map->header(), "f");
  REQUIRE(decoder);
  csv::Record record;
  REQUIRE(decoder->decode(Cells{"5", "'77b0", "7", ""}, record));
  CHECK(record == csv::Record{csv::UtcTime(std::chrono::milliseconds{5}), std::string("77b0"), std::int64_t{7},
                              std::monostate{}});
  const auto least = file_of(R"({"files": [{"pattern": "*", "timestamp": {"target": "at"},
                                 "stream_map": {"streams": {"a": {"target": "x"}}}}]})");
  CHECK(*least.stream_map == csv::StreamMap{.targets = {"x"}, .streams = {{"a", 0}}});
  CHECK(least.columns.size() == 2);
}

TEST_CASE("all that is wrong with a stream map is named at once") {
  CHECK(wrong(R"({"files": [{"pattern": "*", "format": "csv", "delimiter": ";", "columns": [{"source": "a"}],
    "timestamp": {"column": "t", "format": "%H"},
    "stream_map": {"id": "v", "readings": "v", "id_targt": "s", "streams": {
      "a": {"target": "x"}, "b": {"type": "integer"}, "c": {"target": "x", "type": "text", "source": 1},
      "d": 5, "e": {"target": "x", "type": "real"}}}}]})") ==
        "files[0].delimiter: is for CSV, and these files are JSON; "
        "files[0].timestamp.column: is not for readings, whose times come before their values; "
        "files[0].timestamp.format: has no date; files[0].timestamp.target: is missing: give the name of the column in "
        "the result; "
        "files[0].stream_map.id_targt: is unknown; did you mean 'id_target'?; "
        "files[0].stream_map.readings: is the member 'v', but the id is this member, too; "
        "files[0].format: is csv, and stream_map is for JSON; "
        "files[0].columns: is not for readings: \"streams\" names their columns; "
        "files[0].stream_map.streams.b.target: is missing: give the column for its values; "
        "files[0].stream_map.streams.c.source: is unknown; there are target, type; "
        "files[0].stream_map.streams.c.type: is text, and 'x' is double for another stream; "
        "files[0].stream_map.streams.d: must be an object; "
        "files[0].stream_map.streams.e.type: must be one of boolean, integer, double, numeric, text, date, timestamp, "
        "timestamptz");
  const auto wrong_map = [](const std::string& members) {
    return wrong(R"({"files": [{"pattern": "*", "timestamp": {"target": "at"}, "stream_map": {)" + members + "}}]}");
  };
  CHECK(wrong_map(R"("streams": {})").starts_with("files[0].stream_map.streams: must name a stream"));
  CHECK(wrong_map("").starts_with("files[0].stream_map.streams: must name a stream"));
  CHECK(wrong_map(R"("streams": [])") == "files[0].stream_map.streams: must be an object");
  CHECK(wrong_map(R"("id_target": "at", "streams": {"a": {"target": "x"}})") ==
        "files[0].columns: two have the target 'at'");
  CHECK(wrong_map(R"("streams": {"a": {"target": "at"}})") == "files[0].columns: two have the target 'at'");
  CHECK(wrong(R"({"files": [{"pattern": "*", "stream_map": {"streams": {"a": {"target": "x"}}}}]})")
            .starts_with("files[0].timestamp: is missing: give the column for the times of readings"));
  CHECK(wrong(R"({"files": [{"pattern": "*", "stream_map": 7}]})").find("files[0].stream_map: must be an object") !=
        std::string::npos);
}

TEST_CASE("files may be said to be JSON, and have no delimiter then") {
  CHECK(file_of(R"({"files": [{"pattern": "*", "format": "json"}]})").format == csv::FileFormat::Json);
  CHECK(file_of(R"({"files": [{"pattern": "*", "format": "csv", "delimiter": ";"}]})").format == csv::FileFormat::Csv);
  CHECK_FALSE(file_of(R"({"files": [{"pattern": "*", "delimiter": ";"}]})").format);
  CHECK(wrong(R"({"files": [{"pattern": "*", "format": "json", "delimiter": ";", "header_rows": 0}]})") ==
        "files[0].delimiter: is for CSV, and these files are JSON; "
        "files[0].header_rows: is for CSV, and these files are JSON");
  CHECK(wrong(R"({"files": [{"pattern": "*", "format": "xml"}]})") == "files[0].format: must be one of csv, json");
}

TEST_CASE("the first pattern that matches counts, one without a slash is for the name alone") {
  const csv::Mapping mapping{.files = {{.pattern = "data/*/a.csv"}, {.pattern = "a.csv"}, {.pattern = "**/b.csv"}}};
  CHECK(mapping.find("data/x/a.csv") == &mapping.files[0]);
  CHECK(mapping.find("data/x/y/a.csv") == &mapping.files[1]);
  CHECK(mapping.find("a.csv") == &mapping.files[1]);
  CHECK(mapping.find("x/b.csv") == &mapping.files[2]);
  CHECK(mapping.find("x/c.csv") == nullptr);
}

TEST_CASE("a row becomes a record of each kind, texts in the same memory") {
  csv::FileMapping file;
  std::vector<std::string> header;
  for (const Kind kind : csv::all_kinds) {
    header.emplace_back(csv::to_string(kind));
    file.columns.push_back(column(header.back(), header.back(), kind));
  }
  const auto decoder = file.bind(header, "f.csv");
  REQUIRE(decoder);
  const std::string long_text(100, 'x');
  csv::Record record;
  const Cells cells{"t", "-7", "2.5", "0.10", long_text, "2026-11-21", "2026-11-21 10:00", "2026-11-21T10:00+02"};
  REQUIRE(decoder->decode(cells, record));
  const csv::Day day = sys_days{year{2026} / 11 / 21};
  using std::chrono::hours;
  CHECK(record == csv::Record{true, std::int64_t{-7}, 2.5, std::string("0.10"), long_text, day,
                              csv::LocalTime(day.time_since_epoch() + hours{10}), csv::UtcTime(day + hours{8})});
  const char* const memory = std::get<std::string>(record[4]).data();
  REQUIRE(decoder->decode(cells, record));
  CHECK(std::get<std::string>(record[4]).data() == memory);

  for (std::size_t i = 0; i < header.size(); ++i) {
    if (file.columns[i].kind == Kind::Text) continue;
    std::vector<std::string_view> texts{"t", "-7", "2.5", "0.10", "x", "2026-11-21", "2026-11-21 10:00", "2026-11-21"};
    csv::FileMapping one{.columns = {file.columns[i]}};
    const auto single = one.bind(std::vector<std::string>{header[i]}, "f.csv");
    REQUIRE(single);
    CHECK(decode_error(*single, Cells{"2.x"})
              .starts_with("f.csv:12: row 11: column 1 '" + header[i] + "': '2.x' is not"));
    CHECK(decode_error(*single, Cells{""}).empty());
    REQUIRE(single->decode(Cells{texts[i]}, record));
    CHECK(record.size() == 1);
    one.columns[0].nullable = i % 2 == 0;
    one.columns[0].key = i % 2 == 0;  // which is never NULL
    const auto strict = one.bind(std::vector<std::string>{header[i]}, "f.csv");
    REQUIRE(strict);
    CHECK(decode_error(*strict, Cells{" "}).find("' is NULL, and this column must have a value") != std::string::npos);
  }
}

TEST_CASE("columns that are missing, and formats that are none, are told when a mapping is bound") {
  csv::FileMapping file{.columns = {column("a", "x", Kind::Text), column("b", "y", Kind::Date)}};
  const std::vector<std::string> header{"c"};
  const auto missing = file.bind(header, "f.csv");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message() == "f.csv: no column 'a'; no column 'b'; its header has 'c'");
  file.columns[1].format = "%Q";
  const auto format = file.bind(std::vector<std::string>{"a", "b"}, "f.csv");
  REQUIRE_FALSE(format);
  CHECK(format.error().message().starts_with("column 'y': time format '%Q'"));
}

TEST_CASE("what was sniffed is a mapping") {
  csv::Sniffed sniffed;
  sniffed.dialect.delimiter = ';';
  sniffed.columns = {{.name = "a", .kind = Kind::Integer}, {.name = "b", .kind = Kind::Text}};
  const auto mapping = csv::mapping_of(sniffed, "*.csv");
  CHECK(mapping.pattern == "*.csv");
  CHECK(mapping.dialect.delimiter == ';');
  REQUIRE(mapping.columns.size() == 2);
  CHECK(mapping.columns[0] == column(1, "a", Kind::Integer));
  CHECK(mapping.columns[1] == column(2, "b", Kind::Text));
}

TEST_CASE("a column whose kind was inferred takes what reads back, and its errors tell another kind") {
  const auto error = [](Kind kind, std::string_view text) {
    csv::FileMapping mapping;
    mapping.columns.push_back(column("v", "v", kind));
    mapping.columns[0].exact = true;
    mapping.columns[0].retype = "--type v=";
    const auto decoder = mapping.bind(std::vector<std::string>{"v"}, "f.csv");
    REQUIRE(decoder);
    return decode_error(*decoder, Cells{text});
  };
  CHECK(
      error(Kind::Integer, "01220") ==
      "f.csv:12: row 11: column 1 'v': '01220' is not a signed 64-bit integer that reads back as it is given; the type "
      "of the column was inferred: make the table with --type v=text");
  CHECK(
      error(Kind::Integer, "1.5") ==
      "f.csv:12: row 11: column 1 'v': '1.5' is not a signed 64-bit integer; the type of the column was inferred: make "
      "the table with --type v=double");
  CHECK(error(Kind::Integer, "+5").ends_with("--type v=text"));
  CHECK(error(Kind::Integer, "9223372036854775808").ends_with("--type v=numeric"));
  CHECK(error(Kind::Double, "12345678901234567.89").ends_with("--type v=numeric"));
  CHECK(error(Kind::Double, "nan").ends_with("--type v=text"));
  CHECK(error(Kind::Boolean, "1").ends_with("--type v=text"));
  CHECK(error(Kind::Timestamp, "2024-01-01").ends_with("--type v=text"));
  CHECK(error(Kind::Timestamp, "2024-01-01 10:00:00.123456789").ends_with("--type v=text"));
  CHECK(error(Kind::TimestampTz, "2024-01-01 10:00").ends_with("--type v=text"));
  CHECK(error(Kind::TimestampTz, "2024-01-01").ends_with("--type v=text"));
  CHECK(error(Kind::TimestampTz, "2024-01-01 10:00-05:00").empty());
  CHECK(error(Kind::Date, "0000-01-01").ends_with("--type v=text"));
  CHECK(error(Kind::Integer, " 7 ").empty());
  CHECK(error(Kind::Double, "1.5000000000000000").empty());
  CHECK(error(Kind::Numeric, "12345678901234567.89").empty());
  CHECK(error(Kind::Boolean, "False").empty());
  CHECK(error(Kind::Text, "007").empty());
}

TEST_CASE("an empty cell of a number, date or truth value is NULL, also within quotes") {
  const auto value = [](Kind kind, const csv::Nulls& nulls, std::string_view text) {
    csv::FileMapping mapping;
    mapping.nulls = nulls;
    mapping.columns.push_back(column("v", "v", kind));
    const auto decoder = mapping.bind(std::vector<std::string>{"v"}, "f.csv");
    REQUIRE(decoder);
    csv::Record record;
    const auto done = decoder->decode(Cells{text}, record);
    return done ? record[0] : csv::Value(std::string("error"));
  };
  const csv::Value null;
  CHECK(value(Kind::Integer, {}, "'") == null);
  CHECK(value(Kind::Date, {}, "'") == null);
  CHECK(value(Kind::Boolean, csv::Nulls({"NA"}, true), "") == null);
  CHECK(value(Kind::Text, {}, "'") == csv::Value(std::string()));
  csv::Nulls texts;
  texts.empty_is_text = true;
  CHECK(value(Kind::Integer, texts, "'") == csv::Value(std::string("error")));
  CHECK(value(Kind::Integer, texts, "") == null);
}

TEST_CASE("a time of day without its date is an error, although both may be missing") {
  const auto file = file_of(
      R"({"files": [{"pattern": "*", "timestamp": {"date": "d", "time": "t", "format": "%F", "time_format": "%H:%M", "target": "at", "nullable": true}}]})");
  const auto decoder = file.bind(std::vector<std::string>{"d", "t"}, "f");
  REQUIRE(decoder);
  csv::Record record;
  REQUIRE(decoder->decode(Cells{"", ""}, record));
  CHECK(record[0] == csv::Value(std::monostate{}));
  REQUIRE(decoder->decode(Cells{"2024-01-02", "10:30"}, record));
  CHECK_FALSE(decoder->decode(Cells{"", "10:30"}, record));
  CHECK_FALSE(decoder->decode(Cells{"2024-01-02", ""}, record));

  struct Members : Cells {  // of JSON: the first is null, the second an empty text
    using Cells::Cells;
    static bool null(std::size_t i) { return i == 0; }
  };
  REQUIRE(decoder->decode(Members{"", ""}, record));
  CHECK(record[0] == csv::Value(std::monostate{}));
  CHECK_FALSE(decoder->decode(Members{"", "10:30"}, record));
}

}  // namespace mapping_test
