#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/reader.hpp>
#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_url.hpp>

#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "unit/io/support.hpp"

namespace split_test {

namespace csv = etl::csv;

namespace {

// Every good row as "NUMBER LINE OFFSET TEXT", and then every bad row, of the whole file or of its parts. (Of each
// chunk the reader gives the good rows before the bad ones, and chunks end elsewhere in parts.)
std::vector<std::string> rows(const std::filesystem::path& path, const csv::Dialect& dialect,
                              const std::vector<csv::Part>& parts) {
  std::vector<std::string> found, bad_rows;
  for (const csv::Part& part : parts) {
    auto reader =
        csv::Reader::open(path, dialect, {.bad_rows = csv::BadRows::SetAside, .begin = part.begin, .end = part.end});
    REQUIRE(reader);
    for (;;) {
      const auto chunk = reader->next();
      REQUIRE(chunk);
      if (!*chunk) break;
      for (const csv::Row row : **chunk) found.push_back(row.place().position().text() + " " + std::string(row.text()));
      for (const csv::BadRow& bad : (*chunk)->bad_rows()) bad_rows.push_back("bad " + bad.place.position().text());
    }
  }
  std::ranges::move(bad_rows, std::back_inserter(found));
  return found;
}

// `bytes` of rows, of which some have line breaks and quotes in their cells.
std::string text(std::size_t bytes, const std::string& end) {
  std::string made = "id,text" + end;
  for (int i = 0; made.size() < bytes; ++i) {
    made += std::to_string(i);
    made += i % 7 == 0 ? ",\"say \"\"x\"\"" + end + "," + end + "\"" : i % 5 == 0 ? ",\"\"" : ",plain text of a cell";
    made += end;
    if (i % 11 == 0) made += end;
  }
  return made;
}

}  // namespace

TEST_CASE("The parts of a file have the rows of the file, with the same places") {
  const test::TemporaryFolder folder;
  const auto path = folder / "big.csv";
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    test::write_file(path, text(1'500'000, end));
    const std::vector<std::string> whole = rows(path, {}, {{{}, UINT64_MAX}});
    for (const std::size_t count : {1U, 2U, 3U, 5U}) {
      const auto parts = csv::split(path, {}, count);
      REQUIRE(parts);
      CHECK(parts->size() == count);
      CHECK((rows(path, {}, *parts) == whole));
    }
  }
}

TEST_CASE("Any mixture of quotes, line ends and blank lines has its rows at the same places in parts") {
  const test::TemporaryFolder folder;
  const auto path = folder / "big.csv";
  const std::vector<std::string> pieces{
      "1,2,3", "\"a\"", "\"\"", "\"b \"\"c\"\"\"", "\"d\n\r\ne,\"", "x,\"\r\"", "", "some more text", "  "};
  const std::vector<std::string> ends{"\n", "\n", "\r\n", "\r\n", "\n\n", "\r\n\r\n", ",", "\r", "\r\r\n"};
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed + 1);
    std::string made = "head\n";
    while (made.size() < 600'000) {
      made += pieces[random() % pieces.size()];
      made += ends[random() % ends.size()];
    }
    if (seed % 4 == 3) made.insert(400'000 + seed, 300'000, '\n');  // blank lines, or a long cell
    test::write_file(path, made);
    csv::Dialect dialect{.keep_blank_lines = seed % 2 == 0, .ragged = csv::Ragged::Keep};
    if (seed % 3 == 2) dialect.quote.reset(), dialect.trim = seed % 2 == 1;
    const std::vector<std::string> whole = rows(path, dialect, {{{}, UINT64_MAX}});
    for (const std::size_t count : {2U, 3U}) {
      const auto parts = csv::split(path, dialect, count);
      REQUIRE(parts);
      CHECK((rows(path, dialect, *parts) == whole));
    }
  }
}

TEST_CASE("A fault anywhere in a file is the same fault in its parts") {
  const test::TemporaryFolder folder;
  const auto path = folder / "big.csv";
  const std::string good = text(1'300'000, "\n");
  const csv::Dialect dialect{.ragged = csv::Ragged::Keep, .max_field = 2000};
  const std::vector<std::string> faults{"9,x\"y\n", "9,\"a\"b\n", "9,\"never closed\n",
                                        "9,\"" + std::string(3000, '\n') + "\"\n",
                                        "9,\"" + std::string(1000, '\n') + "\"b\"\n"};
  std::uint64_t round = 0;
  for (const std::string& fault : faults)
    for (const std::size_t at : {100'000U, 430'000U, 600'000U, 649'500U, 650'000U, 700'000U, 866'000U, 1'290'000U}) {
      // Under a sanitizer one place for each fault, another one each time.
      if (round++ % 9 != 0 && test::fewer_if_sanitized(40) < 40) continue;
      // Also where the parts of it begin, within a cell of many lines.
      std::string made = good;
      made.insert(made.find('\n', at) + 1, "8,\"" + std::string(1500, '\n') + "\"\n" + fault);
      test::write_file(path, made);
      const std::vector<std::string> whole = rows(path, dialect, {{{}, UINT64_MAX}});
      for (const std::size_t count : {2U, 3U}) {
        const auto parts = csv::split(path, dialect, count);
        REQUIRE(parts);
        CAPTURE(fault, at, count);
        CHECK((rows(path, dialect, *parts) == whole));
      }
    }
}

TEST_CASE("Parts of an object are read from their places on") {
  const test::TemporaryFolder folder;
  const auto store = etl::value(etl::io::FolderStore::open(folder.path()));
  etl::io::add_store_scheme("in-test", [store](std::string_view url) -> etl::Result<etl::io::StorePlace> {
    return etl::io::StorePlace{.store = store, .key = std::string(url.substr(std::string_view("in-test://").size()))};
  });
  test::write_file(folder / "big.csv", text(1'300'000, "\n"));
  const auto whole = rows(folder / "big.csv", {}, {{{}, UINT64_MAX}});
  for (const std::size_t count : {2U, 5U}) {
    const auto parts = csv::split("in-test://big.csv", {}, count);
    REQUIRE((parts ? "" : parts.error().message()) == std::string());
    CHECK(parts->size() == count);
    CHECK((rows("in-test://big.csv", {}, *parts) == whole));
    CHECK((rows("in-test://big.csv", {}, {parts->back()}).size() < whole.size()));
  }
}

TEST_CASE("A cell that is longer than a part, and a file that is small") {
  const test::TemporaryFolder folder;
  const auto path = folder / "big.csv";
  test::write_file(path, "a,b\n1,\"" + std::string(1'500'000, '\n') + "\"\n2,x\n");
  const auto parts = csv::split(path, {}, 4);
  REQUIRE(parts);
  CHECK((rows(path, {}, *parts) == rows(path, {}, {{{}, UINT64_MAX}})));
  CHECK(parts->size() <= 2);
  test::write_file(path, "a,b\n1,2\n");
  CHECK(csv::split(path, {}, 4)->size() == 1);
  test::write_file(path, "a,b\n");
  CHECK(csv::split(path, {}, 4)->empty());
}

TEST_CASE("Broken quoting, comments and escapes are split as one reader reads them") {
  const test::TemporaryFolder folder;
  const auto path = folder / "big.csv";
  std::string broken = text(1'200'000, "\n");
  broken.insert(broken.find('\n', 300'000) + 1, "9,\"never closed\n9,x\"y\n");
  test::write_file(path, broken);
  const auto parts = csv::split(path, {}, 3);
  REQUIRE(parts);
  CHECK(parts->size() > 1);
  CHECK((rows(path, {}, *parts) == rows(path, {}, {{{}, UINT64_MAX}})));
  std::string commented = text(1'200'000, "\n");
  commented.insert(commented.find('\n') + 1, "#\"\n");
  test::write_file(path, commented);
  const auto others = csv::split(path, {.comment = '#'}, 3);
  REQUIRE(others);
  CHECK(others->size() == 3);
  CHECK((rows(path, {.comment = '#'}, *others) == rows(path, {.comment = '#'}, {{{}, UINT64_MAX}})));
  test::write_file(path, std::string("\x1F\x8B", 2));
  CHECK_FALSE(csv::split(path, {}, 2));
}

}  // namespace split_test
