#include <etl/csv/index.hpp>

#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace index_test {

namespace csv = etl::csv;

namespace {

std::vector<std::uint32_t> list(const csv::Offsets& offsets) { return {offsets.all().begin(), offsets.all().end()}; }
std::vector<std::uint32_t> distinct(const csv::Offsets& offsets) {
  std::vector<std::uint32_t> all = list(offsets);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

const std::vector<csv::Isa>& isas() {
  static const std::vector<csv::Isa> all = [] {
    std::vector<csv::Isa> found;
    for (const csv::Isa isa : {csv::Isa::Portable, csv::Isa::Sse2, csv::Isa::Avx2, csv::Isa::Avx512})
      if (csv::supported(isa)) found.push_back(isa);
    return found;
  }();
  return all;
}

// All instruction sets say what the scalar machine says.
void compare(const std::string& text, const csv::Dialect& dialect, bool whole) {
  csv::Structure wanted, found;
  CHECK(csv::scan(text, dialect, whole, wanted));
  for (const csv::Isa isa : isas()) {
    CAPTURE(text, whole, static_cast<int>(isa));
    const bool good = csv::index(text, dialect, whole, found, isa);
    // Of a text that goes on, a fault may lie in the row that does not end yet.
    if (whole) CHECK(good == wanted.marks.empty());
    if (!wanted.marks.empty()) CHECK_FALSE(good);
    if (!good) continue;
    CHECK(list(found.ends) == list(wanted.ends));
    CHECK(list(found.row_ends) == list(wanted.row_ends));
    CHECK(distinct(found.escaped) == distinct(wanted.escaped));
    CHECK(list(found.breaks) == list(wanted.breaks));
  }
}

}  // namespace

TEST_CASE("The index and the scalar machine find the same structure in random texts") {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c, cert-msc51-cpp)
  const std::string_view alphabets[] = {"a,\n", "a,\"\n", "a,\"\r\n", "ab\",\r\n\"\"",
                                        "aaaaaaaaaaaaaaaaaaaaaaa,\n\r\""};
  for (int round = 0; round < 4000; ++round) {
    const std::string_view alphabet = alphabets[random() % std::size(alphabets)];
    std::string text(random() % (round % 10 == 0 ? 400 : 80), ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    // A carriage return at the end of a text that goes on is left to the next piece.
    while (text.ends_with('\r')) text.pop_back();
    for (const bool whole : {true, false}) compare(text, {}, whole);
    compare(text, {.quote = std::nullopt}, true);
  }
}

TEST_CASE("The index and the scalar machine agree on good quoting across blocks") {
  std::mt19937 random(11);  // NOLINT(cert-msc32-c, cert-msc51-cpp)
  const std::vector<std::string> cells{"",
                                       "1.5",
                                       "\"\"",
                                       "\"a,b\"",
                                       "\"say \"\"no\"\"\"",
                                       "\"two\nlines\"",
                                       "\"\r\n\"",
                                       "a longer cell without quotes",
                                       "\"\"\"\"",
                                       std::string(70, 'x'),
                                       '"' + std::string(130, '\n') + '"'};
  for (int round = 0; round < 500; ++round) {
    const std::string end = round % 3 == 0 ? "\n" : round % 3 == 1 ? "\r\n" : "\r";
    std::string text;
    for (std::size_t i = random() % 60; i > 0; --i) text += cells[random() % cells.size()] + (random() % 4 ? "," : end);
    while (text.ends_with('\r')) text.pop_back();
    CAPTURE(text);
    csv::Structure structure;
    CHECK(csv::index(text, {}, true, structure));
    for (const bool whole : {true, false}) compare(text, {}, whole);
  }
}

TEST_CASE("Cells, rows, escaped cells and line breaks are where they are") {
  for (const csv::Isa isa : isas()) {
    csv::Structure s;
    REQUIRE(csv::index("a,\"b\n\"\"c\"\r\nd,e", {}, true, s, isa));
    CHECK(list(s.ends) == std::vector<std::uint32_t>{1, 10, 12, 14});
    CHECK(list(s.row_ends) == std::vector<std::uint32_t>{1, 3});
    CHECK(distinct(s.escaped) == std::vector<std::uint32_t>{1});
    CHECK(list(s.breaks) == std::vector<std::uint32_t>{4});
    REQUIRE(csv::index("a,\"b\n\"\"c\"\r\nd,e", {}, false, s, isa));
    CHECK(list(s.row_ends) == std::vector<std::uint32_t>{1});
    CHECK(list(s.ends) == std::vector<std::uint32_t>{1, 10});
  }
}

TEST_CASE("The scalar machine goes on at the next line behind a fault") {
  using Kind = csv::Mark::Kind;
  csv::Structure s;
  CHECK(csv::scan("a\"b,c\n1,2\n\"x\"y\n3\n", {}, true, s));
  CHECK(s.marks == std::vector<csv::Mark>{{0, 1, Kind::BareQuote}, {2, 13, Kind::AfterQuote}});
  CHECK(list(s.row_ends) == std::vector<std::uint32_t>{0, 2, 3, 4});
  CHECK(csv::scan("1,\"x\n2\n\"y,3\n", {}, true, s));
  CHECK(s.marks == std::vector<csv::Mark>{{0, 2, Kind::AfterQuote, 8}, {2, 7, Kind::Unclosed}});
  CHECK(list(s.row_ends) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(csv::scan("1\n2,\"open\n3\n", {}, true, s));
  CHECK(s.marks == std::vector<csv::Mark>{{1, 4, Kind::Unclosed}});
  CHECK(list(s.row_ends) == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(csv::scan("#\"\n1\n", {.comment = '#'}, true, s));
  CHECK(s.marks == std::vector<csv::Mark>{{0, 0, Kind::Comment}});
  CHECK(csv::scan("123456789\n1\n", {.max_field = 4}, true, s));
  CHECK(s.marks == std::vector<csv::Mark>{{0, 0, Kind::TooLong}});
  CHECK_FALSE(csv::scan("123456789012345", {.max_field = 4}, false, s));
}

}  // namespace index_test
