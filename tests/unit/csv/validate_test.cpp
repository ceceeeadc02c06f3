#include <etl/csv/validate.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace validate_test {

namespace csv = etl::csv;
using csv::Check;

namespace {

csv::Validation validated(const std::string& text, const csv::ValidationLimits& limits = {}) {
  auto reader = csv::Reader::from(etl::io::from_memory(text, "t.csv"), {}, {.bad_rows = csv::BadRows::SetAside});
  REQUIRE(reader.has_value());
  return csv::validate(*reader, limits);
}

std::vector<Check> checks(const csv::Validation& found) {
  std::vector<Check> all;
  for (const csv::Violation& violation : found.violations) all.push_back(violation.check);
  return all;
}

const std::string good =
    "order_date,sku,units,price,note\n2024-01-31,a,1,1.5,x\n2024-02-01,b,2,2.5,\n2024-02-02,c,3,x,\n";

}  // namespace

TEST_CASE("a file with all that is wanted is valid, and its statistics are told") {
  const csv::Validation found = validated(good);
  INFO(found.text());
  CHECK(found.ok());
  CHECK(found.rows == 3);
  CHECK(found.bad_rows == 0);
  CHECK(found.numeric_columns() == std::vector<std::string>{"units", "price"});
  CHECK(found.time_columns() == std::vector<std::string>{"order_date"});
  const csv::ColumnProfile& price = found.columns[3].profile;
  CHECK(price.numbers == 2);
  CHECK(price.first_other == 3);
  CHECK(price.first_other_value == "x");
  CHECK(found.columns[4].profile.nulls == 2);
  CHECK(found.columns[4].profile.first_null == 2);
  CHECK(found.columns[1].profile.distinct() == 3);
  CHECK(found.text() == "t.csv: csv, 3 rows, 5 columns; numbers: 'units', 'price'; times: 'order_date'; valid");
}

TEST_CASE("all violations of a file are reported at once") {
  const csv::Validation found = validated("a,b,c\n1,,x\n2,,y,w\n3,,z\n");
  CHECK_FALSE(found.ok());
  CHECK(checks(found) ==
        std::vector<Check>{Check::Columns, Check::TimeColumn, Check::NumericColumns, Check::Nulls, Check::Row});
  CHECK(found.violations[0].value == "3");
  CHECK(found.violations[0].what == "too few columns: at least 5 are required, and the file has 3");
  CHECK(found.violations[2].what ==
        "too few columns of numbers: at least 2 must have more than 50.0 % of numbers, and the file has: 'a'");
  CHECK(found.violations[3].column == "b");
  CHECK(found.violations[3].value == "100.0 %");
  CHECK(found.violations[3].row == 1);
  CHECK(found.violations[4].row == 2);
  CHECK(found.bad_rows == 1);
}

TEST_CASE("each limit is an option, and holds at its edge") {
  const auto only = [](auto set) {
    csv::ValidationLimits limits{
        .min_columns = 0, .min_time_columns = 0, .min_numeric_columns = 0, .max_null_share = 1};
    set(limits);
    return limits;
  };
  const std::string text = "a,b\n1,\n2,\n3,\n4,\nx,1\n";  // b has 4 of 5 without a value, a has 4 of 5 numbers
  CHECK(validated(text, only([](auto&) {})).ok());
  CHECK(validated(text, only([](auto& l) { l.min_columns = 2; })).ok());
  CHECK(checks(validated(text, only([](auto& l) { l.min_columns = 3; }))) == std::vector<Check>{Check::Columns});
  CHECK(validated(text, only([](auto& l) { l.max_null_share = 0.8; })).ok());
  CHECK(checks(validated(text, only([](auto& l) { l.max_null_share = 0.79; }))) == std::vector<Check>{Check::Nulls});
  CHECK(validated(text, only([](auto& l) { l.min_numeric_columns = 2; })).ok());
  CHECK(validated(text, only([](auto& l) { l.min_numeric_columns = 2, l.numeric_share = 0.79; })).ok());
  CHECK(checks(validated(text, only([](auto& l) { l.min_numeric_columns = 2, l.numeric_share = 0.8; }))) ==
        std::vector<Check>{Check::NumericColumns});
  CHECK(checks(validated(text, only([](auto& l) { l.min_time_columns = 1; }))) ==
        std::vector<Check>{Check::TimeColumn});
  CHECK(validated(text, only([](auto& l) { l.min_time_columns = 1, l.time_words = {"B"}; })).ok());
  csv::ValidationLimits nulls = only([](auto& l) { l.max_null_share = 0.5; });
  nulls.nulls = csv::Nulls{"", "x"};
  CHECK(checks(validated("a\nx\nx\n1\n", nulls)) == std::vector<Check>{Check::Nulls});
}

TEST_CASE("a column of times is one by its values as well as by its name") {
  const csv::ValidationLimits limits{.min_columns = 0, .min_numeric_columns = 0};
  CHECK(validated("when\n2024-01-31T10:00:00Z\n2024-02-01\n", limits).ok());
  CHECK(validated("TimeStamp\n1700000000\n", limits).ok());
  CHECK_FALSE(validated("when\n2024-01-31\nx\n", limits).ok());
  CHECK_FALSE(validated("when\n2024-13-31\n", limits).ok());
}

TEST_CASE("violations beyond a number are counted, and memory does not grow with the rows") {
  std::string text = "a,b\n";
  for (int i = 0; i < 3000; ++i) text += "1\n";
  csv::ValidationLimits limits{.min_columns = 0, .min_time_columns = 0, .min_numeric_columns = 0};
  limits.max_violations = 10;
  const csv::Validation found = validated(text, limits);
  CHECK(found.violations.size() == 10);
  CHECK(found.more_violations == 2990);
  CHECK(found.bad_rows == 3000);
  CHECK(found.text().ends_with("and 2990 more"));
}

TEST_CASE("a file is validated by its size and its content before its rows") {
  const test::TemporaryFolder folder;
  const auto of = [&](std::string_view bytes, const csv::ValidationLimits& limits = {}) {
    test::write_file(folder / "t.csv", bytes);
    const auto found = csv::validate(folder / "t.csv", {}, limits);
    REQUIRE(found.has_value());
    return *found;
  };
  CHECK(of(good).ok());
  CHECK(of(good).bytes == good.size());
  const csv::Validation large = of(good, {.max_bytes = 10});
  CHECK(checks(large) == std::vector<Check>{Check::Size});
  CHECK(large.violations[0].value == std::to_string(good.size()));
  CHECK(of(good, {.max_bytes = good.size()}).ok());
  CHECK(checks(of("")) == std::vector<Check>{Check::Format});
  const csv::Validation parquet = of(std::string_view("PAR1\x15\x04\x15\x10", 8), {.max_bytes = 4});
  CHECK(checks(parquet) == std::vector<Check>{Check::Size, Check::Format});
  CHECK(parquet.format == "a Parquet file");
  CHECK_FALSE(csv::validate(folder / "missing.csv").has_value());
  const auto refused = csv::validate(folder / "t.csv", {}, {.numeric_share = 2, .max_null_share = -1});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message() ==
        "limits of a validation: numeric_share is 2, not between 0 and 1; max_null_share is "
        "-1, not between 0 and 1");
}

TEST_CASE("a validation is an object of JSON") {
  csv::ValidationLimits limits{.min_columns = 0, .min_time_columns = 1, .min_numeric_columns = 0};
  limits.time_words = {"t\"q"};
  CHECK(validated("a\n1\n", limits).json() ==
        R"({"file":"t.csv","format":"csv","bytes":4,"row_count":1,"bad_rows":0,"column_count":1,)"
        R"("columns":[{"name":"a","nulls":0,"numbers":1,"times":0,"distinct":1}],"numeric_columns":["a"],)"
        R"("time_columns":[],"valid":false,"violations":[{"check":"time_column","column":"","value":"0","row":0,)"
        R"("what":"too few columns of times: at least 1 must have a name with t\"q or values of ISO 8601, and )"
        R"(the file has: none"}],"more_violations":0})");
}

TEST_CASE("how many values differ is told to a few percent") {
  csv::ColumnProfile few, many;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    few.look(std::to_string(i % 17), false, i + 1);
    many.look(std::to_string(i), false, i + 1);
  }
  CHECK(few.distinct() == 17);
  CHECK(many.distinct() > 188'000);
  CHECK(many.distinct() <= 200'000);
}

}  // namespace validate_test
