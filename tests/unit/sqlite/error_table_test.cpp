#include <etl/sqlite/error_table.hpp>

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

namespace sqlite = etl::sqlite;
using sqlite::Concern;

TEST_CASE("The guide has the meaning of each code of SQLite") {
  const std::string text = page();
  for (const sqlite::CodeMeaning& one : sqlite::code_meanings()) {
    std::string line("| ");
    line.append(one.name).append(" | ").append(sqlite::to_string(one.concern)).append(" | ");
    line.append(so_it_is(one.error_class)).append(" |\n");
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("All primary codes of SQLite have a meaning, and extended ones that of theirs") {
  for (int code = 1; code <= 28; ++code) {
    CAPTURE(code);
    CHECK(sqlite::meaning_of(code).code == code);
  }
  constexpr int constraint_foreign_key = 787, busy_snapshot = 517, io_error_lock = 3850, io_error_write = 778;
  CHECK(sqlite::meaning_of(constraint_foreign_key).concern == Concern::Row);
  CHECK(sqlite::meaning_of(busy_snapshot).error_class == etl::ErrorClass::Transient);
  CHECK(sqlite::meaning_of(io_error_lock).concern == Concern::Connection);
  CHECK(sqlite::meaning_of(io_error_write).concern == Concern::Database);
}

}  // namespace error_table_test
