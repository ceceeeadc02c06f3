#include <etl/csv/dialect.hpp>

#include "support/catch.hpp"

namespace dialect_test {

namespace csv = etl::csv;

TEST_CASE("A dialect as it stands, and those that people have, are good") {
  CHECK(csv::check({}));
  CHECK(csv::check({.delimiter = '\t', .quote = std::nullopt}));
  CHECK(csv::check({.delimiter = ';', .quote = '\'', .escape = '\\', .comment = '#'}));
  CHECK(csv::check({.escape = '"'}));  // the same as doubled
}

TEST_CASE("Every setting of a dialect that cannot be is named at once") {
  const auto checked = csv::check({.delimiter = '\n', .quote = ',', .comment = ',', .max_field = 0});
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code == etl::Errc::InvalidOptions);
  const std::string text = checked.error().message();
  CHECK(text.find("delimiter 0x0A is a line break") != text.npos);
  CHECK(text.find("quote and comment are both ','") != text.npos);
  CHECK(text.find("max_field is 0") != text.npos);
  CHECK_FALSE(csv::check({.quote = std::nullopt, .escape = '\\'}));
  CHECK_FALSE(csv::check({.delimiter = '\xE9'}));
  CHECK_FALSE(csv::check({.encoding = csv::Encoding::Latin1, .check_utf8 = true}));
}

}  // namespace dialect_test
