#include <etl/postgres/error_table.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/source_tree.hpp"

namespace error_table_test {

namespace {

/// Of an error class, as the guide tells it.
std::string_view so_it_is(etl::ErrorClass error_class) {
  switch (error_class) {
    case etl::ErrorClass::Transient: return "tried again";
    case etl::ErrorClass::Rejected: return "rejected";
    case etl::ErrorClass::Fatal: break;
  }
  return "fatal";
}

std::string page() {
  std::ifstream in(test::source_tree() / "docs/guide/database_errors.md");
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

namespace postgres = etl::postgres;
using postgres::Concern;

TEST_CASE("The guide has the meaning of each SQLSTATE") {
  const std::string text = page();
  for (const postgres::StateMeaning& one : postgres::state_meanings()) {
    std::string line("| ");
    line.append(one.state).append(" | ").append(one.name).append(" | ").append(postgres::to_string(one.concern));
    line.append(" | ").append(so_it_is(one.error_class)).append(" |\n");
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("All classes of SQLSTATE have a meaning, and a line is not hidden by one before it") {
  // Appendix A of PostgreSQL's manual.
  for (const std::string_view state :
       {"00",    "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21",
        "22",    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D000",
        "3F000", "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX"}) {
    CAPTURE(state);
    CHECK(postgres::meaning_of(state).state == state);
  }
  for (const postgres::StateMeaning& one : postgres::state_meanings())
    CHECK(postgres::meaning_of(one.state).name == one.name);
}

TEST_CASE("What an error concerns decides whether a row, a file or an attempt is lost") {
  const auto concern = [](std::string_view state) { return postgres::meaning_of(state).concern; };
  CHECK(concern("23505") == Concern::Row);
  CHECK(concern("22001") == Concern::Row);
  CHECK(concern("54000") == Concern::Row);
  CHECK(concern("54001") == Concern::Row);
  CHECK(concern("P0001") == Concern::Row);
  CHECK(concern("21000") == Concern::Row);
  CHECK(concern("2F005") == Concern::Row);
  CHECK(concern("ZZ123") == Concern::Row);
  CHECK(concern("42703") == Concern::File);
  CHECK(concern("G0000") == Concern::File);
  CHECK(concern("40P01") == Concern::Connection);
  CHECK(concern("57P01") == Concern::Connection);
  CHECK(concern("53100") == Concern::Server);
  CHECK(concern("XX001") == Concern::Server);
}

}  // namespace error_table_test
