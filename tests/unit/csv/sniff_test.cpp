#include <etl/csv/sniff.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"

namespace sniff_test {

namespace csv = etl::csv;
using Columns = std::vector<csv::SniffedColumn>;

TEST_CASE("Delimiter, header and types are found") {
  const auto found = csv::sniff_text(
      "id;when;name;on;price\n1;2024-01-31;\"a;b\";true;1.5\n2;2024-02-01;;false;2\n3;2024-02-02;c;true;1e3\n");
  REQUIRE(found);
  CHECK(found->dialect.delimiter == ';');
  CHECK(found->dialect.quote == '"');
  CHECK(found->dialect.header_rows == 1);
  CHECK(found->rows == 3);
  CHECK(found->bad_rows == 0);
  CHECK(found->columns == Columns{{"id", csv::Kind::Integer},
                                  {"when", csv::Kind::Date},
                                  {"name", csv::Kind::Text, true},
                                  {"on", csv::Kind::Boolean},
                                  {"price", csv::Kind::Double}});
}

TEST_CASE("A file without header, and codes with leading zeros") {
  const auto found = csv::sniff_text("1\t007\n2\t012\n");
  REQUIRE(found);
  CHECK(found->dialect.delimiter == '\t');
  CHECK(found->dialect.header_rows == 0);
  CHECK(found->rows == 2);
  CHECK(found->columns == Columns{{"column_1", csv::Kind::Integer}, {"column_2", csv::Kind::Text}});
}

TEST_CASE("Quotes that are only text are no quotes, and other quotes are found") {
  const auto inches = csv::sniff_text("size,name\n5\",a\n6\",b\n7\",c\n");
  REQUIRE(inches);
  CHECK_FALSE(inches->dialect.quote.has_value());
  CHECK(inches->dialect.delimiter == ',');
  const auto single = csv::sniff_text("a,b\n'x, y',1\n'z, w',2\n");
  REQUIRE(single);
  CHECK(single->dialect.quote == '\'');
  CHECK(single->columns.size() == 2);
}

TEST_CASE("What is said of a file is not found out, and goes for the kinds of its columns") {
  const auto kinds = [](std::string_view text, const csv::Dialect& said) {
    const auto found = csv::sniff_text(text, true, {.dialect = said});
    REQUIRE(found);
    std::string all(1, found->dialect.delimiter);
    for (const csv::SniffedColumn& column : found->columns) all.append(" ").append(csv::to_string(column.kind));
    return all;
  };
  CHECK(kinds("a,b\n\"1\",2\n\"3\",4\n", {.quote = std::nullopt}) == ", text integer");
  CHECK(kinds("a;b\n\"x\\\"y; z\";2\n\"q\";4\n", {.escape = '\\'}) == "; text integer");
  CHECK(kinds("a;b\n  1 ;\t \"x;y\" \n3;4\n", {.trim = true}) == "; integer text");
  CHECK(kinds("a,b\n#1,2\n3,4\n", {.comment = '#'}) == ", integer integer");
}

TEST_CASE("Latin-1, an empty text, and a text that goes on") {
  const auto latin = csv::sniff_text(
      "n,stra\xDF"
      "e\n1,x\n");
  REQUIRE(latin);
  CHECK(latin->dialect.encoding == csv::Encoding::Latin1);
  CHECK(latin->columns[1].name ==
        "stra\xC3\x9F"
        "e");
  REQUIRE(csv::sniff_text(""));
  CHECK(csv::sniff_text("")->columns.empty());
  const auto cut = csv::sniff_text("a,b\n1,2\n3,", false);
  REQUIRE(cut);
  CHECK(cut->rows == 1);
  CHECK(cut->bad_rows == 0);
  CHECK_FALSE(csv::sniff("-"));
}

namespace {

/// The kinds of a text's columns.
std::string kinds(std::string_view text, const csv::SniffHints& said = {}) {
  const auto found = csv::sniff_text(text, true, said);
  REQUIRE(found);
  std::string all;
  for (const csv::SniffedColumn& column : found->columns)
    all.append(all.empty() ? "" : " ").append(csv::to_string(column.kind));
  return all;
}

}  // namespace

TEST_CASE("A kind is one in which every cell reads back") {
  CHECK(kinds("n\n1\n01220\n") == "text");
  CHECK(kinds("n\n1\n+34910000001\n") == "text");
  CHECK(kinds("n\n-07\n1.5\n") == "text");
  CHECK(kinds("n\n9007199254740993\n1.0\n") == "numeric");
  CHECK(kinds("n\n1.0\n9007199254740993\n") == "numeric");
  CHECK(kinds("n\n12345678901234567.89\n") == "numeric");
  CHECK(kinds("n\n1.50000000000000000000\n0.1\n") == "double");
  CHECK(kinds("n\n1e400\n") == "numeric");
  CHECK(kinds("n\n1e-400\n") == "numeric");
  CHECK(kinds("n\n1e100000\n") == "text");
  CHECK(kinds("n\n9223372036854775807\n9223372036854775808\n") == "numeric");
  CHECK(kinds("i,t\n1,2024-01-01 10:00:00.123456\n") == "integer timestamp");
  CHECK(kinds("i,t\n1,2024-01-01 10:00:00.123456789\n") == "integer text");
  CHECK(kinds("i,t\n1,2024-01-01 10:00:00.123456000\n") == "integer timestamp");
  CHECK(kinds("t\n2024-01-01\n2024-01-01 10:00\n") == "text");
  CHECK(kinds("t\n0000-01-01\n") == "text");
  CHECK(kinds("b\ntrue\nFalse\n") == "boolean");
  CHECK(kinds("b\ntrue\n1\n") == "text");
}

TEST_CASE("What is said to be NULL, a comma, a footer and quoted empty cells do not make texts of numbers") {
  CHECK(kinds("id,n,d\n1,2,2024-01-02\n2,NA,NA\n3,6,2024-01-03\n", {.nulls = csv::Nulls({"NA"}, true)}) ==
        "integer integer date");
  CHECK(kinds("id;n\n1;1,5\n2;2,25\n", {.decimal_comma = true}) == "integer double");
  CHECK(kinds("id;n\n1;1,5\n2;2,25\n") == "integer text");
  CHECK(kinds("id,day\n1,2024-01-02\n2,2024-01-03\n(2 rows affected)\n") == "integer date");
  CHECK(kinds("\"id\",\"n\"\n\"1\",\"2.5\"\n\"2\",\"\"\n") == "integer double");
  csv::SniffHints texts;
  texts.nulls.empty_is_text = true;
  CHECK(kinds("\"id\",\"n\"\n\"1\",\"2.5\"\n\"2\",\"\"\n", texts) == "integer text");
}

TEST_CASE("Guesses of parts of a column become one") {
  csv::KindGuess first, second, none;
  first.look("1.5");
  second.look("9007199254740993");
  first.merge(none);
  CHECK(first.kind() == csv::Kind::Double);
  CHECK_FALSE(none.any());
  first.merge(second);
  CHECK(first.kind() == csv::Kind::Numeric);
  none.merge(second);
  CHECK(none == second);
  csv::KindGuess file;
  for (int i = 0; i < 60; ++i) file.look(std::to_string(i));
  file.look("x450");
  CHECK(file.kind() == csv::Kind::Text);
  CHECK(file.without_strays().kind() == csv::Kind::Integer);
  for (int i = 0; i < 3; ++i) file.look("x451");
  CHECK(file.without_strays().kind() == csv::Kind::Text);
  csv::KindGuess codes;
  for (int i = 1; i < 60; ++i) codes.look(std::to_string(i));
  codes.look("007");
  CHECK(codes.without_strays().kind() == csv::Kind::Text);
}

TEST_CASE("Columns are looked at as the reader gives rows") {
  const csv::Dialect dialect{.ragged = csv::Ragged::Truncate};
  auto reader = csv::Reader::from(etl::io::from_memory("a,b\n1,2,\n3,4,\nx\n", "f"), dialect);
  REQUIRE(reader);
  auto found = csv::look_at_columns(*reader, 1 << 20, {});
  REQUIRE(found);
  CHECK(found->rows == 3);
  REQUIRE(found->columns.size() == 2);
  CHECK(found->columns[0].kind() == csv::Kind::Text);
  CHECK(found->columns[1].kind() == csv::Kind::Integer);
  CHECK(found->nullable[1]);
}

}  // namespace sniff_test
