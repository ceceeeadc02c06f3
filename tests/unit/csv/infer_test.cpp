#include <etl/csv/infer.hpp>

#include <stop_token>
#include <string>
#include <vector>

#include <etl/io/source.hpp>

#include "support/catch.hpp"

namespace infer_test {

namespace csv = etl::csv;
using csv::Kind;
using csv::Role;

namespace {

etl::Result<csv::Inferred> try_infer(const std::string& text, const csv::InferOptions& options = {},
                                     const std::stop_token& stop = {}) {
  auto reader = csv::Reader::from(etl::io::from_memory(text, "t.csv"), {}, {.bad_rows = csv::BadRows::SetAside});
  REQUIRE(reader.has_value());
  return csv::infer(*reader, options, stop);
}
csv::Inferred inferred(const std::string& text, const csv::InferOptions& options = {}) {
  auto found = try_infer(text, options);
  REQUIRE(found.has_value());
  return *found;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("types, times, dimensions and metrics are found") {
  const csv::Inferred found = inferred(
      "order_id,created_at,sku,units,price,shipped,day\n"
      "17,2024-01-31T10:00:00,a,1,1.5,true,2024-01-31\n18,2024-02-01T11:00:00,b,2,2,false,2024-02-01\n");
  std::vector<Kind> kinds;
  std::vector<Role> roles;
  for (const csv::InferredColumn& column : found.columns) {
    kinds.push_back(column.kind);
    roles.push_back(column.role);
  }
  CHECK(kinds == std::vector<Kind>{Kind::Integer, Kind::Timestamp, Kind::Text, Kind::Integer, Kind::Double,
                                   Kind::Boolean, Kind::Date});
  CHECK(roles == std::vector<Role>{Role::Dimension, Role::Time, Role::Dimension, Role::Metric, Role::Metric,
                                   Role::Dimension, Role::Dimension});
  CHECK(found.time_column == 1);
  CHECK(found.rows == 2);
}

TEST_CASE("the column of times is chosen by name, type, rows with a value, and how many values differ") {
  const auto chosen = [](const std::string& text) {
    const csv::Inferred found = inferred(text);
    return found.time_column ? found.columns[*found.time_column].name : std::string("none");
  };
  CHECK(chosen("a,__time\n2024-01-31T00:00:00,2024-01-31T00:00:00\n") == "__time");
  CHECK(chosen("day,x\n2024-01-31,2024-01-31T00:00:00\n2024-02-01,2024-01-31T00:00:00\n") == "day");
  CHECK(chosen("start_time,end_time\n2024-01-31T00:00:00,2024-01-31T00:00:00\n2024-01-31T00:00:01,\n") == "start_time");
  CHECK(chosen("end_time,start_time\n,2024-01-31T00:00:00\n2024-01-31T00:00:01,2024-01-31T00:00:02\n") == "start_time");
  CHECK(chosen("timestamp,n\n1700000000,1700000000\n1700000001,3\n") == "timestamp");
  CHECK(chosen("n,m\n1700000000,1700000000\n") == "none");
  CHECK(chosen("lifetime,m\n12,1\n13,2\n") == "none");
  CHECK(chosen("date,m\nx,1\ny,2\n") == "none");
  const csv::Inferred said = inferred("a,b\n2024-01-31,2024-01-31\n", {.time_column = "b"});
  CHECK(said.time_column == 1);
  const auto missing = try_infer("a,b\n1,2\n", {.time_column = "c"});
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message() == "t.csv: there is no column 'c' for the times; there are 'a', 'b'");
}

TEST_CASE("types of the sample are checked on the whole file") {
  // A fraction after the sample widens integers.
  csv::Inferred found = inferred("n\n" + repeated("1\n", 1000) + "2.5\n");
  CHECK(found.columns[0].sample_kind == Kind::Integer);
  CHECK(found.columns[0].kind == Kind::Double);
  CHECK(found.columns[0].misfits == 0);
  // A few texts are misfits, with the place of the first.
  found = inferred("n\n" + repeated("1\n", 1500) + "x\ny\n");
  CHECK(found.columns[0].kind == Kind::Integer);
  CHECK(found.columns[0].misfits == 2);
  CHECK(found.columns[0].first_misfit == 1501);
  CHECK(found.columns[0].first_misfit_value == "x");
  // More than a fifth of them make it texts.
  found = inferred("n\n" + repeated("1\n", 1000) + repeated("x\n", 300));
  CHECK(found.columns[0].sample_kind == Kind::Integer);
  CHECK(found.columns[0].kind == Kind::Text);
  CHECK(found.columns[0].misfits == 0);
}

TEST_CASE("four fifths of the values of the sample make a column one of numbers, or of times") {
  const auto kind = [](const std::string& first, int n, const std::string& second, int m) {
    return inferred("c\n" + repeated(first + "\n", n) + repeated(second + "\n", m)).columns[0];
  };
  CHECK(kind("1", 80, "n/a", 20).kind == Kind::Integer);
  CHECK(kind("1", 80, "n/a", 20).misfits == 20);
  CHECK(kind("1", 79, "n/a", 21).kind == Kind::Text);
  CHECK(kind("2024-01-31", 90, "soon", 10).kind == Kind::Date);
  CHECK(kind("1.5", 90, "n/a", 10).first_misfit == 91);
  CHECK(inferred("c\n\n").columns[0].kind == Kind::Text);
  CHECK(inferred("c,d\n,1\n").columns[0].kind == Kind::Text);
}

TEST_CASE("options that cannot be, and a stop, are errors") {
  CHECK_FALSE(try_infer("a\n1\n", {.share = 0.5}).has_value());
  CHECK_FALSE(try_infer("a\n1\n", {.sample_rows = 0}).has_value());
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = try_infer("a\n1\n", {}, stop.get_token());
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().message() == "t.csv: stopped before its end");
}

TEST_CASE("a schema that is there is compared with that of a file") {
  const csv::Inferred found = inferred("id,price,name,extra\n1,2,x,true\n2,3,y,false\n");
  const std::vector<csv::SchemaColumn> existing{
      {"id", Kind::Integer}, {"price", Kind::Double}, {"name", Kind::Integer}, {"gone", Kind::Date}};
  const auto changes = csv::compare(existing, found);
  REQUIRE(changes.size() == 4);
  using Type = csv::SchemaChange::Type;
  CHECK(changes[0].type == Type::Narrower);
  CHECK(changes[0].what == "column 'price' is double, and integer in the file, which fits");
  CHECK(changes[1].type == Type::Changed);
  CHECK(changes[1].what == "column 'name' is integer, and text in the file, which does not fit");
  CHECK_FALSE(changes[1].compatible());
  CHECK(changes[2].type == Type::New);
  CHECK(changes[2].what == "column 'extra' (boolean) is new");
  CHECK(changes[3].type == Type::Missing);
  CHECK(changes[3].what == "column 'gone' (date) is not in the file: its rows have no value there");
  CHECK(changes[3].compatible());
  CHECK(csv::compare(std::vector<csv::SchemaColumn>{{"id", Kind::Integer}}, inferred("id\n1\n")).empty());
  CHECK(csv::compare(std::vector<csv::SchemaColumn>{{"id", Kind::Integer}}, inferred("id,x\n,1\n")).size() == 1);
}

}  // namespace infer_test
