#include <cstdint>
#include <limits>
#include <string>

#include <etl/position.hpp>

#include "support/catch.hpp"

namespace position_test {

TEST_CASE("position: holds the source's own text") {
  const etl::Position p("v1;file=a.csv;line=7");
  CHECK(p.text() == "v1;file=a.csv;line=7");
  CHECK_FALSE(p.number().has_value());
  CHECK(p == etl::Position(std::string("v1;file=a.csv;line=7")));
  CHECK_FALSE(p == etl::Position("v1;file=a.csv;line=8"));
  CHECK(etl::Position() == etl::Position(""));
}

TEST_CASE("position: a number goes through text and comes back") {
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{42}, std::numeric_limits<std::uint64_t>::max()}) {
    const etl::Position stored(etl::Position(n).text());
    REQUIRE(stored.number().has_value());
    CHECK(*stored.number() == n);
  }
}

TEST_CASE("position: what is not wholly a number is none") {
  for (const char* text : {"", " 1", "1 ", "12a", "-1", "+1", "0x10", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(etl::Position(std::string(text)).number().has_value());
  }
}

}  // namespace position_test
