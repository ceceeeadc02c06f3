#include <string>
#include <string_view>
#include <vector>

#include <etl/io/record_splitter.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace record_splitter_test {

using etl::io::RecordSplitter;

namespace {

constexpr std::size_t npos = RecordSplitter::npos;

/// All record ends in `text`, line by line.
std::vector<std::size_t> ends_of(std::string_view text, const std::string& terminator, bool is_end) {
  std::vector<std::size_t> ends;
  std::size_t line = 0;
  std::size_t at = 0;
  const auto line_ends = [&](std::size_t next) {
    if (terminator.empty() || text.substr(line, at - line) == terminator) ends.push_back(next);
    line = at = next;
  };
  while (at < text.size()) {
    if (text[at] == '\n')
      line_ends(at + 1);
    else if (text[at] != '\r')
      ++at;
    else if (at + 1 < text.size())
      line_ends(at + (text[at + 1] == '\n' ? 2 : 1));
    else if (is_end)
      line_ends(at + 1);
    else
      return ends;  // an LF may follow
  }
  if (is_end && line < text.size()) line_ends(text.size());
  return ends;
}

}  // namespace

TEST_CASE("record splitter: a line of its own ends a record") {
  const RecordSplitter splitter("//");
  CHECK(splitter.first_end("ID   A\n//\nID   B\n//\n") == 10);
  CHECK(splitter.last_end("ID   A\n//\nID   B\n//\nID") == 20);
  CHECK(splitter.first_end("DR   http://a.b//\nCC   //\n//x\n // \n") == npos);
  CHECK(splitter.first_end("//\n") == 3);
  CHECK(splitter.first_end("") == npos);
  CHECK(splitter.first_end("", true) == npos);
  CHECK(splitter.terminator() == "//");
}

TEST_CASE("record splitter: LF, CR LF and CR in one text") {
  const RecordSplitter splitter("//");
  const std::string_view text = "a\r\n//\r\nb\r//\rc\n//\nd";
  CHECK(splitter.first_end(text) == 7);
  CHECK(splitter.first_end(text.substr(7)) == 5);
  CHECK(splitter.first_end(text.substr(12)) == 5);
  CHECK(splitter.last_end(text) == 17);
  CHECK(RecordSplitter().first_end("a\r\nb") == 3);
  CHECK(RecordSplitter().first_end("a\rb") == 2);
  CHECK(RecordSplitter().first_end("\nb") == 1);
  CHECK(RecordSplitter().last_end("a\rb\r\nc") == 5);
}

TEST_CASE("record splitter: what the next byte decides is left open until the end") {
  const RecordSplitter splitter("//");
  CHECK(splitter.first_end("a\n//") == npos);
  CHECK(splitter.first_end("a\n//", true) == 4);
  CHECK(splitter.last_end("a\n//") == npos);
  CHECK(splitter.last_end("a\n//", true) == 4);
  CHECK(splitter.first_end("a\n//\r") == npos);
  CHECK(splitter.first_end("a\n//\r", true) == 5);
  CHECK(splitter.last_end("//\n//\r") == 3);
  CHECK(RecordSplitter().first_end("a\r") == npos);
  CHECK(RecordSplitter().last_end("a\nb\r") == 2);
  CHECK(RecordSplitter().last_end("a\r\r") == 2);
  CHECK(RecordSplitter().first_end("abc") == npos);
  CHECK(RecordSplitter().first_end("abc", true) == 3);
  CHECK(RecordSplitter().last_end("a\nbc", true) == 4);
}

TEST_CASE("record splitter: short random texts, against a reader of lines") {
  test::Random random(7);
  for (const std::string terminator : {"", "//", "/", "/a/", "END"}) {
    const RecordSplitter splitter(terminator);
    const std::string letters = "/\n\ra" + terminator;
    for (int round = 0; round < 20'000; ++round) {
      std::string text(random.below(14), ' ');
      for (char& c : text) c = letters[random.below(letters.size())];
      for (const bool is_end : {false, true}) {
        const auto ends = ends_of(text, terminator, is_end);
        const std::size_t from = random.below(text.size() + 2);
        CAPTURE(text, terminator, is_end, from);
        REQUIRE(splitter.first_end(text, is_end) == (ends.empty() ? npos : ends.front()));
        REQUIRE(splitter.last_end(text, is_end) == (ends.empty() ? npos : ends.back()));
        REQUIRE(splitter.last_end(text, is_end, from) == (ends.empty() || ends.back() < from ? npos : ends.back()));
      }
    }
  }
}

TEST_CASE("record splitter: long texts, with the end at every place of a block") {
  for (const std::string terminator : {"", "//"}) {
    const RecordSplitter splitter(terminator);
    for (std::size_t before = 0; before < 300; ++before)
      for (const std::size_t behind : {0u, 1u, 126u, 127u, 128u, 129u, 200u, 2000u}) {
        const std::string end = terminator.empty() ? "\n" : "\n//\n";
        const std::string text = std::string(before, 'x') + end + std::string(behind, '/');
        const std::size_t expected = before + end.size();
        CAPTURE(terminator, before, behind);
        REQUIRE(splitter.first_end(text) == expected);
        REQUIRE(splitter.last_end(text) == expected);
        REQUIRE(splitter.last_end(text, false, expected) == expected);
        REQUIRE(splitter.last_end(text, false, expected + 1) == npos);
      }
  }
}

}  // namespace record_splitter_test
