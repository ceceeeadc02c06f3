#include <string>
#include <vector>

#include <etl/csv/reader.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace guide_test {

namespace csv = etl::csv;

// The example of docs/guide/csv.md.
TEST_CASE("The guide's loop over a file") {
  const test::TemporaryFolder folder;
  const auto path = folder / "f.csv";
  test::write_file(path, "id;name\n1;a\n2\n3;\"c;\"\n");
  std::vector<std::string> names, problems;
  auto reader = csv::Reader::open(path, {.delimiter = ';'}, {.bad_rows = csv::BadRows::SetAside});
  REQUIRE(reader);
  for (;;) {
    const auto chunk = reader->next();
    REQUIRE(chunk);
    if (!*chunk) break;
    for (const csv::Row row : **chunk) names.emplace_back(row[1]);
    for (const csv::BadRow& bad : (*chunk)->bad_rows()) problems.push_back(bad.error.message());
  }
  CHECK(names == std::vector<std::string>{"a", "c;"});
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].find(path.string() + ":3:1: row 2: 1 cells instead of 2") == 0);
}

}  // namespace guide_test
