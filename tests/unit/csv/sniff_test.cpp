#include <etl/csv/sniff.hpp>

#include "support/catch.hpp"

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
    const auto found = csv::sniff_text(text, true, said);
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
