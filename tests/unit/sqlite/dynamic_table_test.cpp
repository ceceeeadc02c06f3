#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/store.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace dynamic_table_test {

using namespace std::chrono_literals;
using etl::ErrorClass;
using etl::sqlite::create_table;
using etl::sqlite::create_table_sql;
using etl::sqlite::Database;
using etl::sqlite::dynamic_table;
using etl::sqlite::DynamicColumn;
using etl::sqlite::OnConflict;
using etl::sqlite::Type;
using test::count;
using test::error_of;
using test::lacks;
using test::ok;
using test::open;
using test::value;

namespace {

using Micros = std::chrono::microseconds;
using Cell =
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, std::vector<std::byte>,
                 std::chrono::sys_days, std::chrono::local_time<Micros>, std::chrono::sys_time<Micros>,
                 std::chrono::sys_seconds, std::chrono::sys_time<std::chrono::nanoseconds>>;
using Cells = std::vector<Cell>;

constexpr auto cell = [](const Cells& row, std::size_t column) -> const Cell& { return row[column]; };
auto cells(std::vector<DynamicColumn> columns) { return dynamic_table<Cells>("t", std::move(columns), cell); }
Cell text(const char* characters) { return std::string(characters); }
Cell number(std::int64_t n) { return n; }

/// What a column of the type stores: the value as text and its type; or why it refuses it.
std::string stored(Type type, Cell cell_value, bool nullable = false) {
  Database db = open(":memory:");
  const auto table = cells({{.name = "v", .type = type, .nullable = nullable}});
  ok(create_table(db, table));
  const auto inserted = ok(etl::sqlite::inserter(db, table)).insert({std::move(cell_value)});
  if (inserted) return value(db, "SELECT coalesce(v, 'NULL') || ' ' || typeof(v) FROM t");
  CHECK(inserted.error().error_class == ErrorClass::Rejected);
  CHECK(count(db, "t") == 0);
  const std::string message = inserted.error().message();
  const std::string place = R"(:memory:: insert into "t", column "v": )";
  return message.starts_with(place) ? message.substr(place.size()) : message;
}

}  // namespace

TEST_CASE("sqlite dynamic table: SQL of all types") {
  CHECK(create_table_sql(cells({{.name = "id", .type = Type::Integer, .key = true},
                                {.name = "a b"},
                                {.name = "r", .type = Type::Real, .nullable = false},
                                {.name = "x", .type = Type::Blob},
                                {.name = "n", .type = Type::Numeric, .nullable = false},
                                {.name = "any", .type = Type::Any},
                                {.name = "some", .type = Type::Any, .nullable = false}})) ==
        R"(CREATE TABLE IF NOT EXISTS "t"("id" INTEGER PRIMARY KEY, "a b" TEXT, "r" REAL NOT NULL, "x" BLOB, )"
        R"("n" NUMERIC NOT NULL, "any", "some" NOT NULL))");
  CHECK(create_table_sql(cells({{.name = "a", .key = true}, {.name = "b", .type = Type::Integer, .key = true}})) ==
        R"(CREATE TABLE IF NOT EXISTS "t"("a" TEXT NOT NULL, "b" INTEGER NOT NULL, PRIMARY KEY("a", "b")))");
}

TEST_CASE("sqlite dynamic table: what is declared has the affinity that SQLite gives it") {
  Database db = open(":memory:");
  const auto affinity = [&](const std::string& declared) {
    ok(db.execute("DROP TABLE IF EXISTS a; CREATE TABLE a(v " + declared + "); INSERT INTO a VALUES('7.0')"));
    return value(db, "SELECT typeof(v) || v FROM a");
  };
  for (const std::string declared : {"", "BIGINT", "integer", "VARCHAR(10)", "clob", "Text", "BLOB", "DOUBLE PRECISION",
                                     "float", "real", "DATE", "STRING", "NUMERIC(10, 2)", "BOOLEAN", "CHARINT"}) {
    const std::string_view expected = etl::sqlite::detail::to_text(etl::sqlite::type_of(declared));
    CAPTURE(declared);
    CHECK(affinity(declared) == affinity(std::string(expected)));
  }
  CHECK(etl::sqlite::type_of("FLOATING POINT") == Type::Integer);
  CHECK(etl::sqlite::type_of("REAL") == Type::Real);
  CHECK(etl::sqlite::type_of("BLOB") == Type::Blob);
  CHECK(etl::sqlite::type_of("") == Type::Any);
}

TEST_CASE("sqlite dynamic table: each type takes its values") {
  CHECK(stored(Type::Integer, number(-5)) == "-5 integer");
  CHECK(stored(Type::Integer, true) == "1 integer");
  CHECK(stored(Type::Integer, std::uint64_t{7}) == "7 integer");
  CHECK(stored(Type::Real, 0.5) == "0.5 real");
  CHECK(stored(Type::Real, number(3)) == "3.0 real");
  CHECK(stored(Type::Text, text("007")) == "007 text");
  CHECK(stored(Type::Text, text("")) == " text");
  CHECK(stored(Type::Blob, test::bytes("ab")) == "ab blob");
  CHECK(stored(Type::Numeric, text("12.50")) == "12.5 real");
  CHECK(stored(Type::Numeric, text("-1e3")) == "-1000 integer");
  CHECK(stored(Type::Numeric, text(".5")) == "0.5 real");
  CHECK(stored(Type::Numeric, 1.5) == "1.5 real");
  CHECK(stored(Type::Numeric, false) == "0 integer");
  CHECK(stored(Type::Numeric, text("9223372036854775807")) == "9223372036854775807 integer");
  CHECK(test::has(stored(Type::Numeric, text("12345678901234567.89")), "keeps 15 digits of a number"));
  CHECK(stored(Type::Any, text("007")) == "007 text");
  CHECK(stored(Type::Any, number(7)) == "7 integer");
  CHECK(stored(Type::Any, test::bytes("x")) == "x blob");
  for (const Type type : {Type::Integer, Type::Real, Type::Text, Type::Blob, Type::Numeric, Type::Any})
    CHECK(stored(type, std::monostate(), true) == "NULL null");
  CHECK(stored(Type::Real, std::nan(""), true) == "NULL null");
}

TEST_CASE("sqlite dynamic table: dates and times are ISO 8601 texts") {
  using namespace std::chrono;
  const sys_days day = 2024y / February / 29;
  const auto local = [&](Micros time) { return local_time<Micros>(day.time_since_epoch() + time); };
  CHECK(stored(Type::Text, day) == "2024-02-29 text");
  CHECK(stored(Type::Numeric, day) == "2024-02-29 text");
  CHECK(stored(Type::Any, day) == "2024-02-29 text");
  CHECK(stored(Type::Text, local(0us)) == "2024-02-29T00:00:00 text");
  CHECK(stored(Type::Text, local(23h + 59min + 58s)) == "2024-02-29T23:59:58 text");
  CHECK(stored(Type::Text, local(1us)) == "2024-02-29T00:00:00.000001 text");
  CHECK(stored(Type::Text, sys_time<Micros>(day + 12h + 250ms)) == "2024-02-29T12:00:00.250000Z text");
  CHECK(stored(Type::Text, sys_seconds(day + 12h)) == "2024-02-29T12:00:00Z text");
  CHECK(stored(Type::Text, sys_time<nanoseconds>(day + 1'999ns)) == "2024-02-29T00:00:00.000001Z text");
  CHECK(stored(Type::Text, sys_time<Micros>(-1us)) == "1969-12-31T23:59:59.999999Z text");
  CHECK(stored(Type::Text, sys_days(0y / 1 / 1)) == "0000-01-01 text");
  CHECK(stored(Type::Text, sys_days(9999y / 12 / 31)) == "9999-12-31 text");
  CHECK(stored(Type::Text, sys_days(10000y / 1 / 1)) == "'10000-01-01': the year is not from 0 to 9999");
  CHECK(stored(Type::Text, sys_days(-1y / 12 / 31)).ends_with("the year is not from 0 to 9999"));
  CHECK(stored(Type::Text, sys_seconds::max()).ends_with("the year is not from 0 to 9999"));
}

TEST_CASE("sqlite dynamic table: what does not fit is refused with its column and value") {
  CHECK(stored(Type::Integer, std::monostate()) == "NULL: the column takes no NULL");
  CHECK(stored(Type::Integer, text("7")) == "'7': an INTEGER column takes integers and bool");
  CHECK(stored(Type::Integer, 7.0) == "7: an INTEGER column takes integers and bool");
  CHECK(stored(Type::Integer, ~std::uint64_t{0}) ==
        "18446744073709551615: more than SQLite's largest integer, 9223372036854775807");
  CHECK(stored(Type::Real, text("0.5")) == "'0.5': a REAL column takes numbers");
  CHECK(stored(Type::Real, number((std::int64_t{1} << 53) + 1)) ==
        "9007199254740993: a REAL column cannot hold this integer exactly");
  CHECK(stored(Type::Real, number(std::numeric_limits<std::int64_t>::min())).ends_with("exactly"));
  CHECK(stored(Type::Real, number(std::int64_t{1} << 53)) == "9.00719925474099e+15 real");
  CHECK(lacks(stored(Type::Real, std::nan("")), {"nan: SQLite stores NaN as NULL, and this column takes no NULL"}) ==
        "");
  CHECK(stored(Type::Text, number(7)) == "7: a TEXT column takes texts, dates and times");
  CHECK(stored(Type::Text, true) == "1: a TEXT column takes texts, dates and times");
  CHECK(stored(Type::Text, test::bytes("x")) == "x'78': a TEXT column takes texts, dates and times");
  CHECK(stored(Type::Blob, text("x")) == "'x': a BLOB column takes blobs");
  CHECK(stored(Type::Integer, std::chrono::sys_days()) == "'1970-01-01': an INTEGER column takes integers and bool");
  for (const char* const no_number : {"", "x", "1x", " 1", "inf", "nan", "-", "0x10", "1,5", "--1"})
    CHECK(stored(Type::Numeric, text(no_number)) ==
          "'" + std::string(no_number) + "': not a number, and the column is NUMERIC");
}

TEST_CASE("sqlite dynamic table: columns that are none, or there twice") {
  Database db = open(":memory:");
  CHECK(error_of(create_table(db, cells({}))).message() == R"(:memory:: the table "t": it has no columns)");
  CHECK(error_of(etl::sqlite::inserter(db, cells({}))).message() == R"(:memory:: the table "t": it has no columns)");
  CHECK(
      error_of(etl::sqlite::sink(db, cells({{.name = "a"}, {.name = "b"}, {.name = "A"}, {.name = "B"}}))).message() ==
      R"(:memory:: the table "t": the column "A" occurs twice, the column "B" occurs twice)");
}

TEST_CASE("sqlite dynamic table: an error names the key, the next row is not concerned") {
  Database db = open(":memory:");
  const auto table = cells({{.name = "day", .key = true},
                            {.name = "n", .type = Type::Integer, .key = true},
                            {.name = "price", .type = Type::Real, .nullable = false}});
  ok(create_table(db, table));
  auto inserter = ok(etl::sqlite::inserter(db, table));
  const std::chrono::sys_days day{};
  ok(inserter.insert({day, number(1), 0.5}));
  CHECK(error_of(inserter.insert({day, number(1), 0.5})).message() ==
        R"(:memory:: insert into "t", day='1970-01-01', n=1: UNIQUE constraint failed: t.day, t.n)");
  CHECK(error_of(inserter.insert({day, number(2), text("x")})).message() ==
        R"(:memory:: insert into "t", day='1970-01-01', n=2, column "price": 'x': a REAL column takes numbers)");
  CHECK(error_of(inserter.insert({day, std::monostate(), 0.5})).message() ==
        R"(:memory:: insert into "t", day='1970-01-01', n=NULL, column "n": NULL: the column takes no NULL)");
  ok(inserter.insert({day, number(2), 0.5}));
  CHECK(count(db, "t") == 2);
}

TEST_CASE("sqlite dynamic table: OnConflict is that of the key columns") {
  Database db = open(":memory:");
  const auto table = cells({{.name = "id", .type = Type::Integer, .key = true}, {.name = "name"}});
  ok(create_table(db, table));
  auto insert = [&](OnConflict how, const char* name) {
    ok(ok(etl::sqlite::inserter(db, table, how)).insert({number(1), text(name)}));
    return value(db, "SELECT name FROM t");
  };
  CHECK(insert(OnConflict::Fail, "a") == "a");
  CHECK(insert(OnConflict::Ignore, "b") == "a");
  CHECK(insert(OnConflict::Update, "c") == "c");
  CHECK(insert(OnConflict::Replace, "d") == "d");
  CHECK(lacks(error_of(etl::sqlite::inserter(db, cells({{.name = "name"}}), OnConflict::Update)).message(),
              {"no key column"}) == "");
}

TEST_CASE("sqlite dynamic table: values that a getter makes live until they are written") {
  struct Line {
    std::string all;
  };
  using Made = std::variant<std::monostate, std::string, std::vector<std::byte>>;
  const auto table =
      dynamic_table<Line>("t", {{.name = "text"}, {.name = "blob", .type = Type::Blob}, {.name = "null"}},
                          [](const Line& line, std::size_t column) -> Made {
                            if (column == 0) return line.all + std::string(40, '!');
                            if (column == 1) return test::bytes(line.all + "blob");
                            return std::monostate();
                          });
  Database db = open(":memory:");
  ok(create_table(db, table));
  auto inserter = ok(etl::sqlite::inserter(db, table));
  for (const char* const all : {"a", "b"}) ok(inserter.insert({all}));
  CHECK(value(db, "SELECT group_concat(text || blob || coalesce(\"null\", 'NULL'), ' ') FROM t") ==
        "a" + std::string(40, '!') + "ablobNULL b" + std::string(40, '!') + "bblobNULL");
}

TEST_CASE("sqlite dynamic table: views, and getters with a state") {
  using View = std::variant<std::monostate, int, float, std::string_view, std::span<const std::byte>>;
  struct Row {
    std::string name;
  };
  const std::vector<std::size_t> order = {1, 0};
  const auto table = dynamic_table<Row>("t", {{.name = "n", .type = Type::Integer}, {.name = "name"}},
                                        [order](const Row& row, std::size_t column) -> View {
                                          if (order[column] == 0) return std::string_view(row.name);
                                          return static_cast<int>(row.name.size());
                                        });
  Database db = open(":memory:");
  ok(create_table(db, table));
  etl::sqlite::Tx tx(db);
  ok(db.execute("BEGIN"));
  ok(tx.write(table, std::vector<Row>{{"one"}, {"three"}}));
  ok(db.execute("COMMIT"));
  CHECK(value(db, "SELECT group_concat(n || name) FROM t") == "3one,5three");
}

TEST_CASE("sqlite dynamic table: a transaction keeps one statement for the same columns only") {
  Database db = open(":memory:");
  const auto two = cells({{.name = "a"}, {.name = "b"}});
  ok(create_table(db, two));
  const std::vector<Cells> rows = {{text("x"), text("y")}};
  CHECK(etl::sqlite::detail::same_table(two, cells({{.name = "a"}, {.name = "b"}})));
  CHECK_FALSE(etl::sqlite::detail::same_table(two, cells({{.name = "a"}, {.name = "b", .type = Type::Any}})));
  CHECK_FALSE(etl::sqlite::detail::same_table(two, cells({{.name = "a"}})));
  etl::sqlite::Tx tx(db);
  ok(db.execute("BEGIN"));
  ok(tx.write(two, rows));
  ok(tx.write(cells({{.name = "b"}, {.name = "a"}}), rows));
  ok(tx.write(cells({{.name = "b"}}), rows));
  ok(tx.write(two, rows));
  ok(db.execute("COMMIT"));
  CHECK(value(db, "SELECT group_concat(coalesce(a, '-') || b) FROM t") == "xy,yx,-x,xy");
}

TEST_CASE("sqlite dynamic table: misfits are rejected one by one") {
  Database db = open(":memory:");
  const auto table = cells({{.name = "id", .type = Type::Integer, .key = true}});
  ok(create_table(db, table));
  auto sink = ok(etl::sqlite::sink(db, table));
  const std::vector<Cells> rows = {{number(1)}, {text("x")}, {number(3)}, {std::monostate()}};
  CHECK(lacks(error_of(sink.write(rows)).message(), {"column \"id\": 'x'"}) == "");
  CHECK(count(db, "t") == 0);
  const std::optional<etl::Position> nowhere;
  etl::BatchContext context({.position = &nowhere, .size = rows.size()});
  ok(sink.write(rows, context));
  CHECK(value(db, "SELECT group_concat(id) FROM t") == "1,3");
  REQUIRE(context.rejects().size() == 2);
  CHECK(context.rejects()[0].first == 1);
  CHECK(context.rejects()[1].first == 3);
}

// --- the code of docs/guide/sqlite.md
// --------------------------------------------------------------------------------------

namespace {

using Field = std::variant<std::monostate, std::int64_t, std::string, std::chrono::sys_days>;
using Fields = std::vector<Field>;

// The columns come from a header line, a file, a user.
etl::Result<void> load(Database& database, std::vector<DynamicColumn> columns, const std::vector<Fields>& rows) {
  const auto table = etl::sqlite::dynamic_table<Fields>(
      "readings", std::move(columns), [](const Fields& row, std::size_t i) -> const Field& { return row[i]; });
  if (auto made = etl::sqlite::create_table(database, table); !made) return made;
  auto sink = etl::sqlite::sink(database, table, OnConflict::Update);
  if (!sink) return etl::failure(sink.error());
  return sink->write(rows);
}

}  // namespace

TEST_CASE("sqlite dynamic table: the guide's") {
  Database db = open(":memory:");
  const std::vector<DynamicColumn> columns = {
      {.name = "sensor", .type = Type::Integer, .key = true}, {.name = "day", .key = true}, {.name = "note"}};
  ok(load(
      db, columns,
      {{std::int64_t{1}, std::chrono::sys_days(), "a"}, {std::int64_t{2}, std::chrono::sys_days(), std::monostate()}}));
  CHECK(value(db, "SELECT group_concat(sensor || day || coalesce(note, '-')) FROM readings") ==
        "11970-01-01a,21970-01-01-");
}

TEST_CASE("sqlite dynamic table: a column of another word keeps texts, and takes none that SQLite would change") {
  Database db = open(":memory:");
  const auto kept = [&](const std::string& value_text) {
    ok(db.execute("DROP TABLE IF EXISTS t; CREATE TABLE t(v JSON)"));
    const auto done =
        ok(etl::sqlite::inserter(db, cells({{.name = "v", .type = Type::Other}}))).insert({text(value_text.c_str())});
    return done ? value(db, "SELECT CAST(v AS TEXT) FROM t") == value_text
                : test::has(done.error().message(), "declare the column TEXT");
  };
  for (const char* const one : {"abc",
                                "{\"a\":1}",
                                "10:30",
                                "1",
                                "-7",
                                "0",
                                "9223372036854775807",
                                "1.5",
                                "-0.25",
                                "nan",
                                "0x10",
                                "",
                                " ",
                                "1.2.3",
                                "1e",
                                "007",
                                "1.50",
                                " 7",
                                "1e5",
                                "+5",
                                "-0",
                                ".5",
                                "12345678901234567.89",
                                "9223372036854775808",
                                "1e400",
                                "-"}) {
    CAPTURE(one);
    CHECK(kept(one));
  }
}

}  // namespace dynamic_table_test
