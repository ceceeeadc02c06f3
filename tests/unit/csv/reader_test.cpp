#include <etl/csv/reader.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <etl/io/gzip.hpp>
#include <etl/io/sink.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace reader_test {

namespace csv = etl::csv;
using Rows = std::vector<std::vector<std::string>>;

namespace {

struct Read {
  std::vector<std::string> header{};
  Rows rows{};
  std::vector<csv::Place> places{};
  std::vector<std::string> bad{};
  std::vector<std::string> bad_texts{};
  std::string error{};
};

void take(csv::Reader& reader, Read& read) {
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) {
      read.error = chunk.error().message();
      return;
    }
    if (!*chunk) return;
    for (const csv::Row row : **chunk) {
      std::vector<std::string>& cells = read.rows.emplace_back();
      for (std::size_t i = 0; i < row.size(); ++i) cells.emplace_back(row[i]);
      CHECK(std::ranges::equal(row, cells));
      read.places.push_back(row.place());
    }
    for (const csv::BadRow& bad : (*chunk)->bad_rows()) {
      read.bad.push_back(bad.error.message());
      read.bad_texts.emplace_back(bad.text);
    }
  }
}

Read read(std::string_view text, const csv::Dialect& dialect = {}, const csv::ReaderOptions& options = {}) {
  Read result;
  auto reader = csv::Reader::from(etl::io::from_memory(text, "f.csv"), dialect, options);
  if (!reader) {
    result.error = reader.error().message();
    return result;
  }
  result.header = reader->header();
  take(*reader, result);
  return result;
}

std::string write_input(const test::TemporaryFolder& folder, std::string_view text, bool gzip = false) {
  const std::string path = (folder.path() / (gzip ? "f.csv.gz" : "f.csv")).string();
  auto sink = etl::io::create_output(path);
  REQUIRE(sink);
  REQUIRE((*sink)->write(text));
  REQUIRE((*sink)->finish());
  return path;
}

}  // namespace

TEST_CASE("A reader gives header, rows and their places, whatever the line ends") {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const std::string text =
        "\xEF\xBB\xBFid,name" + end + "1,\"a, b\"" + end + "2,\"x" + end + "\"\"y\"\"\"" + end + end + "3,";
    const Read got = read(text);
    CAPTURE(end);
    CHECK(got.error == "");
    CHECK(got.header == std::vector<std::string>{"id", "name"});
    CHECK(got.rows == Rows{{"1", "a, b"}, {"2", "x" + end + "\"y\""}, {"3", ""}});
    const std::size_t n = end.size();
    CHECK(got.places == std::vector<csv::Place>{{10 + n, 2, 1}, {18 + 2 * n, 3, 2}, {28 + 5 * n, 6, 3}});
  }
}

TEST_CASE("Chunks of any size give the same rows") {
  std::string text = "n,t\n";
  for (int i = 0; i < 60; ++i)
    text += std::to_string(i) +
            (i % 3 == 0 ? ",\"q\"\"\r\n" + std::string(static_cast<std::size_t>(i), 'z') + "\"\r\n" : ",plain\r\n");
  const Read whole = read(text);
  CHECK(whole.rows.size() == 60);
  for (std::size_t size = 1; size < 80; ++size) {
    CAPTURE(size);
    const Read got = read(text, {}, {.chunk_size = size});
    CHECK(got.error == "");
    CHECK(got.header == whole.header);
    CHECK(got.rows == whole.rows);
    CHECK(got.places == whole.places);
  }
}

TEST_CASE("Quoted cells know that they are, and NUL bytes are bytes") {
  const std::string text("a,b,c\n\"\",,\"x\0y\"\n", 16);
  auto reader = csv::Reader::from(etl::io::from_memory(text));
  REQUIRE(reader);
  const auto chunk = reader->next();
  REQUIRE((chunk && *chunk));
  const csv::Row row = (**chunk)[0];
  CHECK(row.quoted(0));
  CHECK_FALSE(row.quoted(1));
  CHECK(row[2] == std::string_view("x\0y", 3));
  CHECK(row.text() == std::string_view(text).substr(6, 9));
  CHECK(row[3].empty());
}

TEST_CASE("Dialects: escape, comment, skipped lines, several header rows, blanks, no quotes") {
  CHECK(read("a;b\n'it\\'s;';2\n", {.delimiter = ';', .quote = '\'', .escape = '\\'}).rows == Rows{{"it's;", "2"}});
  CHECK(read("# c \"\na,b\n#x\n1,2\n", {.comment = '#'}).rows == Rows{{"1", "2"}});
  const Read names = read("junk \"\r\njunk\r\na,b,\r\nx,,z\r\n1,2,3\r\n", {.skip_lines = 2, .header_rows = 2});
  CHECK(names.header == std::vector<std::string>{"a x", "b", "z"});
  CHECK(names.rows == Rows{{"1", "2", "3"}});
  CHECK(names.places == std::vector<csv::Place>{{26, 5, 1}});
  CHECK(read("a , b\n 1 , \"x \" \r\n", {.trim = true}).rows == Rows{{"1", "x "}});
  CHECK(read("a\t b\n 1 \t\n", {.delimiter = '\t', .quote = std::nullopt, .trim = true}).rows == Rows{{"1", ""}});
  CHECK(read("a\n\"x\n", {.quote = std::nullopt}).rows == Rows{{"\"x"}});
  CHECK(read("1,2\n", {.header_rows = 0}).rows == Rows{{"1", "2"}});
  CHECK(read("a\n\n1\n\n", {.keep_blank_lines = true}).rows == Rows{{""}, {"1"}, {""}});
}

TEST_CASE("Latin-1 is given as UTF-8, and invalid UTF-8 is found when asked for") {
  CHECK(read("n\xE9,b\n\xFC,\"\"\"\xDF\"\n", {.encoding = csv::Encoding::Latin1}).rows ==
        Rows{{"\xC3\xBC", "\"\xC3\x9F"}});
  CHECK(read("n\xE9\n1\n", {.encoding = csv::Encoding::Latin1}).header == std::vector<std::string>{"n\xC3\xA9"});
  const Read got = read("a,b\n1,\xC3\xA9\n2,x\xE9\n3,4\n", {.check_utf8 = true}, {.bad_rows = csv::BadRows::SetAside});
  CHECK(got.rows == Rows{{"1", "\xC3\xA9"}, {"3", "4"}});
  REQUIRE(got.bad.size() == 1);
  CHECK(got.bad[0].find("f.csv:3:4: row 2: invalid UTF-8") == 0);
  CHECK(read("\xFF\xFE"
             "a")
            .error.find("UTF-16") != std::string::npos);
}

TEST_CASE("Ragged rows are rejected, padded, truncated or kept") {
  const std::string text = "a,b\n1\n1,2,3\n";
  const auto with = [&](csv::Ragged ragged) {
    return read(text, {.ragged = ragged}, {.bad_rows = csv::BadRows::SetAside});
  };
  CHECK(with(csv::Ragged::Reject).rows.empty());
  CHECK(with(csv::Ragged::Reject).bad_texts == std::vector<std::string>{"1", "1,2,3"});
  CHECK(with(csv::Ragged::Pad).rows == Rows{{"1", ""}});
  CHECK(with(csv::Ragged::Truncate).rows == Rows{{"1", ""}, {"1", "2"}});
  CHECK(with(csv::Ragged::Keep).rows == Rows{{"1"}, {"1", "2", "3"}});
  CHECK(read(text).error.find("f.csv:2:1: row 1: 1 cells instead of 2") == 0);
}

TEST_CASE("Broken quoting is an error with its place, or a row set aside") {
  const std::string text = "a,b\n1,2\n\"x\ny\"z,2\n3,4\n5,\"open\n6,7\n";
  const Read stopped = read(text);
  CHECK(stopped.rows == Rows{{"1", "2"}});
  CHECK(stopped.error.find(
            "f.csv:3:1: row 2: a cell whose quote opens here and is closed in line 4, with text after") == 0);
  CHECK(read("a,b\n\"x\"z,2\n").error.find("f.csv:2:4: row 1: text after the closing quote") == 0);
  for (const char* const row : {"\"x\" ,2\n", "1,\"x\"  \n", "1,\"x\" "})
    CHECK(read(std::string("a,b\n") + row)
              .error.ends_with("blanks after the closing quote of a cell; drop the blanks around cells"));
  for (const std::size_t size : {std::size_t{1}, std::size_t{9}, std::size_t{1} << 16}) {
    const Read got = read(text, {}, {.chunk_size = size, .bad_rows = csv::BadRows::SetAside});
    CHECK(got.rows == Rows{{"1", "2"}, {"3", "4"}, {"6", "7"}});
    REQUIRE(got.bad.size() == 3);
    CHECK(got.bad[2].find("f.csv:6:3: row 5: a quote that is not closed") == 0);
    CHECK(got.bad_texts == std::vector<std::string>{"\"x", "y\"z,2", "5,\"open"});
    CHECK(got.places.back() == csv::Place{29, 7, 6});
  }
  CHECK(read("a\"b,c\n").error.find("f.csv:1:2: header: a quote within a cell") == 0);
  const Read limited = read("a\n\"12345\n6789\n1\n", {.max_field = 8}, {.bad_rows = csv::BadRows::SetAside});
  CHECK(limited.rows == Rows{{"6789"}, {"1"}});
  CHECK(read("a\n" + std::string(100, 'x'), {.max_field = 8}).error.find("more than 8 bytes") != std::string::npos);
}

TEST_CASE("Reading goes on at a place, of a file as of a source") {
  const test::TemporaryFolder folder;
  const std::string text = "a,b\n1,\"x\ny\"\n2,z\n3,w\n";
  const Read whole = read(text);
  for (const bool gzip : {false, true}) {
    const std::string path = write_input(folder, text, gzip);
    for (std::size_t i = 0; i < whole.places.size(); ++i) {
      auto reader = csv::Reader::open(path, {}, {.begin = whole.places[i]});
      REQUIRE(reader);
      CHECK(reader->header() == whole.header);
      Read rest;
      take(*reader, rest);
      CHECK(rest.rows == Rows(whole.rows.begin() + static_cast<std::ptrdiff_t>(i), whole.rows.end()));
      CHECK(rest.places.front() == whole.places[i]);
      CHECK(csv::Place::from(whole.places[i].position()) == whole.places[i]);
    }
    auto beyond = csv::Reader::open(path, {}, {.begin = {1000, 1, 1}});
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error().message().find("the file ends at byte 20") != std::string::npos);
  }
  CHECK_FALSE(csv::Place::from(etl::Position("1 2")));
  CHECK_FALSE(csv::Place::from(etl::Position("1 2 3 ")));
}

TEST_CASE("Chunks outlive their reader, and go to other threads") {
  std::vector<csv::Chunk> chunks;
  {
    auto reader = csv::Reader::from(etl::io::from_memory("a\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"), {}, {.chunk_size = 4});
    REQUIRE(reader);
    for (;;) {
      auto chunk = reader->next();
      REQUIRE(chunk);
      if (!*chunk) break;
      chunks.push_back(**chunk);
    }
  }
  REQUIRE(chunks.size() > 3);
  int sum = 0;
  std::thread([&] {
    for (const csv::Chunk& chunk : chunks)
      for (const csv::Row row : chunk) sum += std::stoi(std::string(row[0]));
    chunks.clear();
  }).join();
  CHECK(sum == 45);
}

TEST_CASE("Empty files, files of a header, missing files, and a stop") {
  CHECK(read("").rows.empty());
  CHECK(read("").error == "");
  CHECK(read("a,b").header == std::vector<std::string>{"a", "b"});
  CHECK(read("a,b\n").rows.empty());
  CHECK_FALSE(csv::Reader::open("/no/such/file.csv"));
  CHECK_FALSE(csv::Reader::from(etl::io::from_memory("a"), {.delimiter = '"'}));
  auto reader = csv::Reader::from(etl::io::from_memory("a\n1\n"));
  REQUIRE(reader);
  std::stop_source stop;
  stop.request_stop();
  const auto chunk = reader->next(stop.get_token());
  REQUIRE(chunk);
  CHECK_FALSE(*chunk);
}

TEST_CASE("A quote that is one too many costs its line, not all rows up to the next quote") {
  const auto lines = [](std::size_t from, std::size_t to) {
    std::string text;
    for (std::size_t i = from; i <= to; ++i) text += std::to_string(i) + ",x,y\n";
    return text;
  };
  const csv::ReaderOptions aside{.bad_rows = csv::BadRows::SetAside};
  const std::string head = "a,b,c\n";
  SECTION("text follows the quote that closes it") {
    const Read got =
        read(head + lines(1, 9) + "10,\"seat,y\n" + lines(11, 899) + "900,5\" wide,y\n" + lines(901, 1000), {}, aside);
    CHECK(got.rows.size() == 998);
    CHECK(got.bad_texts == std::vector<std::string>{"10,\"seat,y", "900,5\" wide,y"});
    CHECK(got.bad[0].find("f.csv:11:4: row 10: a cell whose quote opens here and is closed in line 901") == 0);
  }
  SECTION("the row has a width that it should not have") {
    const Read got =
        read(head + lines(1, 9) + "10,\"seat,y\n" + lines(11, 19) + "20,x\",y,z\n" + lines(21, 30), {}, aside);
    CHECK(got.rows.size() == 28);
    CHECK(got.bad_texts == std::vector<std::string>{"10,\"seat,y", "20,x\",y,z"});
    CHECK(got.bad[0].find("f.csv:11:1: row 10: 4 cells instead of 3, up to line 21; is there a stray quote?") == 0);
    CHECK(got.places.back() == csv::Place{head.size() + 9 * 6 + 11 + 9 * 7 + 10 + 9 * 7, 31, 30});
  }
  SECTION("a cell of many lines that is right is no such row") {
    const Read got = read(head + "1,\"x\ny\nz\",2\n1,\"x\ny\nz\",2,3\n2,x,y\n", {}, aside);
    CHECK(got.rows == Rows{{"1", "x\ny\nz", "2"}, {"2", "x", "y"}});
    CHECK(got.bad_texts == std::vector<std::string>{"1,\"x\ny\nz\",2,3"});
  }
  SECTION("a cell has more lines than may be") {
    const std::string text = head + "1,\"seat,y\n" + lines(2, 9) + "10,x\",y\n" + lines(11, 12);
    CHECK(read(text, {}, aside).rows.size() == 3);
    const Read got = read(text, {.max_lines = 5}, aside);
    CHECK(got.rows.size() == 10);
    CHECK(got.bad[0].find("f.csv:2:1: row 1: a cell of more than 5 lines, up to line 11; close its quote, or raise") ==
          0);
    CHECK(got.bad_texts[0] == "1,\"seat,y");
    CHECK(read("a,b\n\"1\n2\n3\",\"1\n2\n3\"\n", {.max_lines = 3}, aside).rows.size() == 1);
    CHECK(read(text, {.max_lines = 5}).error.find("f.csv:2:1: row 1: a cell of more than 5 lines") == 0);
  }
}

}  // namespace reader_test
