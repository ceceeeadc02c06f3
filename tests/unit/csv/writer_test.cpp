#include <etl/csv/writer.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace writer_test {

namespace csv = etl::csv;
using std::chrono::sys_days;
using std::chrono::year;

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string written(const Rows& rows, const csv::WriterOptions& options = {}) {
  std::string text;
  auto writer = csv::Writer::into(text, options);
  if (!writer) FAIL(writer.error().message());
  for (const auto& row : rows) REQUIRE(writer->row(row));
  REQUIRE(writer->finish());
  return text;
}

std::string wrong(const csv::WriterOptions& options) {
  std::string text;
  const auto writer = csv::Writer::into(text, options);
  return writer ? std::string() : writer.error().message();
}

struct Order {
  std::string sku;
  double price = 0;
  std::optional<std::int32_t> count;
  std::chrono::sys_days day;
  std::chrono::sys_time<std::chrono::milliseconds> at;
  std::chrono::local_seconds local;
  bool paid = false;
  std::optional<std::string> note;
  bool operator==(const Order&) const = default;
};

const auto orders = csv::columns<Order>(
    csv::column("sku", &Order::sku), csv::column("price", &Order::price, csv::decimal_comma),
    csv::column("count", &Order::count), csv::column("day", &Order::day, csv::format("%d.%m.%Y")),
    csv::column(csv::DateTime{"at_day", "at_time"}, &Order::at), csv::column("local", &Order::local),
    csv::column("paid", &Order::paid), csv::column("note", &Order::note));

}  // namespace

TEST_CASE("cells get quotes where they need them") {
  CHECK(written({{"a", "b c", "1"}}) == "a,b c,1\n");
  CHECK(written({{"a,b", "say \"x\"", "two\nlines", "cr\r"}}) == "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\"cr\r\"\n");
  CHECK(written({{"", "x"}}) == "\"\",x\n");
  CHECK(written({{""}}) == "\"\"\n");
  CHECK(written({{}}) == "\"\"\n");
  CHECK(written({{"\xEF\xBB\xBFx", "\xEF\xBB\xBFx"}}) == "\"\xEF\xBB\xBFx\",\xEF\xBB\xBFx\n");
  CHECK(written({{std::string("a\0b", 3)}}) == std::string("a\0b\n", 4));
  CHECK(written({{" a "}}) == " a \n");
  CHECK(written({{"a", "b"}}, {.quote_all = true, .line_end = "\r\n"}) == "\"a\",\"b\"\r\n");
}

TEST_CASE("the dialect decides what needs quotes, and how they look") {
  CHECK(written({{"a,b", "a;b"}}, {.dialect = {.delimiter = ';'}}) == "a,b;\"a;b\"\n");
  CHECK(written({{"#a", "#b"}}, {.dialect = {.comment = '#'}}) == "\"#a\",#b\n");
  CHECK(written({{" a"}}, {.dialect = {.trim = true}}) == "\" a\"\n");
  CHECK(written({{"it's", "a\\'b,"}}, {.dialect = {.quote = '\'', .escape = '\\'}}) == "'it\\'s','a\\\\\\'b,'\n");
  CHECK(written({{"a\"b", ""}}, {.dialect = {.quote = std::nullopt}}) == "a\"b,\n");
}

TEST_CASE("values, and NULL beside the empty text") {
  std::string text;
  auto writer = csv::Writer::into(text, {.null = "\\N", .decimal_comma = true});
  REQUIRE(writer);
  const csv::Record record{std::monostate{},
                           true,
                           std::int64_t{-7},
                           2.5,
                           std::string("\\N"),
                           std::string(),
                           csv::Day(sys_days{year{2026} / 11 / 21}),
                           csv::LocalTime(std::chrono::milliseconds{1500}),
                           csv::UtcTime(std::chrono::seconds{60})};
  REQUIRE(writer->row(record));
  CHECK(text == "\\N,true,-7,\"2,5\",\"\\N\",,2026-11-21,1970-01-01T00:00:01.5,1970-01-01T00:01:00Z\n");

  text.clear();
  auto plain = csv::Writer::into(text);
  REQUIRE(plain);
  REQUIRE(plain->row(csv::Record{std::monostate{}, std::string()}));
  REQUIRE(plain->row(csv::Record{std::monostate{}}));  // not a blank line, which would be no row
  CHECK(text == ",\"\"\n\"\"\n");
  auto blank = csv::Writer::into(text, {.dialect = {.keep_blank_lines = true}});
  REQUIRE(blank);
  text.clear();
  REQUIRE(blank->row(csv::Record{std::monostate{}}));
  CHECK(text == "\n");
}

TEST_CASE("a cell that cannot be written rejects its row, which is left out") {
  std::string text = "before\n";
  auto writer = csv::Writer::into(text, {.dialect = {.delimiter = '\t', .quote = std::nullopt}});
  REQUIRE(writer);
  const Rows rows{{"a", "b"}, {"c", "d\te"}, {"f", "g"}};
  REQUIRE(writer->row(rows[0]));
  const auto bad = writer->row(rows[1]);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().error_class == etl::ErrorClass::Rejected);
  CHECK(bad.error().message() == "row 2 of the output: column 2: 'd\\x09e' needs quotes, and the dialect has none");
  REQUIRE(writer->row(rows[2]));
  CHECK(text == "before\na\tb\nf\tg\n");
}

TEST_CASE("options that cannot be are errors") {
  CHECK(wrong({.dialect = {.delimiter = '"'}}).find("delimiter and quote are both") != std::string::npos);
  CHECK(wrong({.dialect = {.encoding = csv::Encoding::Latin1}}) == "CSV writer: writes UTF-8 only");
  CHECK(wrong({.line_end = "\n\n"}) == "CSV writer: line_end is neither LF nor CR LF nor CR");
  CHECK(wrong({.dialect = {.quote = std::nullopt}, .quote_all = true}).find("no quote") != std::string::npos);
  CHECK(wrong({.null = "a,b"}) == "CSV writer: null is 'a,b', which needs quotes, and a NULL has none");
}

TEST_CASE("structs are written by the mapping that reads them") {
  const Order first{.sku = "A,1",
                    .price = 12.5,
                    .count = 3,
                    .day = sys_days{year{2026} / 11 / 21},
                    .at = sys_days{year{2026} / 11 / 21} + std::chrono::milliseconds{1500},
                    .local = std::chrono::local_days{year{2026} / 1 / 2} + std::chrono::hours{3},
                    .paid = true,
                    .note = ""};
  const Order second{};
  std::string text;
  auto writer = csv::Writer::into(text);
  REQUIRE(writer);
  REQUIRE(writer->header(orders));
  REQUIRE(writer->row(orders, first));
  REQUIRE(writer->row(orders, second));
  CHECK(text ==
        "sku,price,count,day,at_day,at_time,local,paid,note\n"
        "\"A,1\",\"12,5\",3,21.11.2026,2026-11-21,00:00:01.5,2026-01-02T03:00:00,true,\"\"\n"
        "\"\",0,,01.01.1970,1970-01-01,00:00:00,1970-01-01T00:00:00,false,\n");

  auto reader = csv::Reader::from(etl::io::from_memory(text));
  REQUIRE(reader);
  const auto decoder = orders.bind(reader->header(), reader->name());
  REQUIRE(decoder);
  const auto chunk = reader->next();
  REQUIRE(chunk);
  REQUIRE((*chunk)->size() == 2);
  Order order;
  REQUIRE(decoder->decode((**chunk)[0], order));
  CHECK(order == first);
  REQUIRE(decoder->decode((**chunk)[1], order));
  CHECK(order == second);
}

TEST_CASE("what is written is read again: random cells in many dialects") {
  const std::string_view pieces[] = {"a",  ",",  ";",        "\"",           "'",
                                     "\n", "\r", "\r\n",     "\\",           " ",
                                     "\t", "#",  "\xC3\xA4", "\xEF\xBB\xBF", std::string_view("\0", 1)};
  test::Random random(20261121);
  const int rounds = test::soak() ? 20000 : 300;
  for (int round = 0; round < rounds; ++round) {
    csv::WriterOptions options{.dialect = {.header_rows = 0}};
    auto& dialect = options.dialect;
    if (random.chance(2)) dialect.delimiter = ';';
    if (random.chance(3)) dialect.quote = '\'';
    if (random.chance(3)) dialect.escape = '\\';
    if (random.chance(3)) dialect.comment = '#';
    dialect.trim = random.chance(3);
    dialect.keep_blank_lines = random.chance(3);
    options.quote_all = random.chance(4);
    const char* const ends[] = {"\n", "\r\n", "\r"};
    options.line_end = random.of(ends);
    if (random.chance(4)) options.null = "NA";
    const std::size_t width = 1 + random.below(4);
    Rows rows(1 + random.below(8));
    for (auto& row : rows)
      for (std::size_t i = 0; i < width; ++i) {
        std::string& cell = row.emplace_back();
        for (std::uint64_t n = random.below(6); n > 0; --n) cell += random.of(pieces);
      }
    const std::string text = written(rows, options);
    CAPTURE(round, text);
    auto reader = csv::Reader::from(etl::io::from_memory(text), dialect);
    REQUIRE(reader);
    Rows again;
    for (;;) {
      const auto chunk = reader->next();
      if (!chunk) FAIL(chunk.error().message());
      if (!*chunk) break;
      for (const auto row : **chunk) {
        auto& cells = again.emplace_back();
        for (std::size_t i = 0; i < row.size(); ++i) cells.emplace_back(row[i]);
      }
    }
    REQUIRE(again == rows);
  }
}

TEST_CASE("a sink gets all of it, in pieces") {
  const auto path = std::filesystem::temp_directory_path() / "etl_csv_writer_test.csv";
  auto sink = etl::io::create_file(path);
  REQUIRE(sink);
  auto writer = csv::Writer::to(*std::move(sink), {.buffer = 10});
  REQUIRE(writer);
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(writer->row(csv::Record{std::int64_t{i}, std::string("x")}));
    expected += std::to_string(i) + ",x\n";
  }
  REQUIRE(writer->finish());
  CHECK(writer->rows() == 100);
  std::ifstream in(path, std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == expected);
  std::filesystem::remove(path);
}

}  // namespace writer_test
