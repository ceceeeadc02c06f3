#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/table.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace table_test {

using etl::sqlite::column;
using etl::sqlite::create_table;
using etl::sqlite::create_table_sql;
using etl::sqlite::key;
using etl::sqlite::table;
using test::error_of;
using test::lacks;
using test::ok;

namespace {

enum class Kind : std::uint8_t { A, B };

struct Row {
  std::int64_t id = 0;
  std::string name{};
  double price = 0;
  std::optional<float> weight{};
  bool active = false;
  Kind kind = Kind::A;
  std::vector<std::byte> raw{};
  std::optional<std::string> note{};
  [[nodiscard]] std::string_view upper() const { return "UP"; }
};

}  // namespace

TEST_CASE("sqlite table: SQL of all types") {
  const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name), column("price", &Row::price),
                               column("weight", &Row::weight), column("active", &Row::active),
                               column("kind", &Row::kind), column("raw", &Row::raw), column("note", &Row::note),
                               column("upper", &Row::upper), column("twice", [](const Row& r) { return r.price * 2; }));
  CHECK(create_table_sql(rows) ==
        R"(CREATE TABLE IF NOT EXISTS "rows"("id" INTEGER PRIMARY KEY, "name" TEXT NOT NULL, "price" REAL NOT NULL, )"
        R"("weight" REAL, "active" INTEGER NOT NULL, "kind" INTEGER NOT NULL, "raw" BLOB NOT NULL, "note" TEXT, )"
        R"("upper" TEXT NOT NULL, "twice" REAL NOT NULL))");
}

TEST_CASE("sqlite table: SQL of keys") {
  CHECK(create_table_sql(table<Row>("t", column("id", &Row::id))) ==
        R"(CREATE TABLE IF NOT EXISTS "t"("id" INTEGER NOT NULL))");
  CHECK(create_table_sql(table<Row>("t", key("name", &Row::name))) ==
        R"(CREATE TABLE IF NOT EXISTS "t"("name" TEXT NOT NULL, PRIMARY KEY("name")))");
  CHECK(create_table_sql(table<Row>("t", key("id", &Row::id), column("price", &Row::price), key("name", &Row::name))) ==
        R"(CREATE TABLE IF NOT EXISTS "t"("id" INTEGER NOT NULL, "price" REAL NOT NULL, "name" TEXT NOT NULL, )"
        R"(PRIMARY KEY("id", "name")))");
}

TEST_CASE("sqlite table: names are quoted, whatever they are") {
  etl::sqlite::Database db = test::open(":memory:");
  const auto odd = table<Row>(R"(odd "name"; DROP TABLE x; --)", key("select", &Row::id),
                              column(R"(a "b" c)", &Row::name), column("\xc3\xa9", &Row::price));
  ok(create_table(db, odd));
  CHECK(test::value(db, "SELECT group_concat(name, '|') FROM pragma_table_info('odd \"name\"; DROP TABLE x; --')") ==
        "select|a \"b\" c|\xc3\xa9");
}

TEST_CASE("sqlite table: one that exists may have more columns, but not less, the error names them") {
  etl::sqlite::Database db = test::open(":memory:");
  const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name), column("price", &Row::price));
  ok(create_table(db, rows));
  ok(create_table(db, rows));
  ok(db.execute("DROP TABLE rows; CREATE TABLE Rows(extra, ID INTEGER PRIMARY KEY, Name TEXT, PRICE REAL)"));
  ok(create_table(db, rows));
  ok(db.execute("DROP TABLE rows; CREATE TABLE rows(name TEXT, extra)"));
  const etl::Error e = error_of(create_table(db, rows));
  CHECK(e.error_class == etl::ErrorClass::Fatal);
  CHECK(lacks(e.message(), {R"(:memory:: the table "rows" exists without the columns "id" INTEGER NOT NULL, )"
                            R"("price" REAL NOT NULL: add the missing columns with ALTER TABLE)"}) == "");
  ok(db.execute("ALTER TABLE rows ADD COLUMN id INTEGER"));
  CHECK(lacks(error_of(create_table(db, rows)).message(), {R"(without the column "price" REAL)"}) == "");
}

TEST_CASE("sqlite table: a column that is there twice is an error, also of an insert, which SQLite would take") {
  etl::sqlite::Database db = test::open(":memory:");
  const auto twice = table<Row>("t", column("a", &Row::id), column("A", &Row::name));
  const std::string expected = R"(:memory:: the table "t": the column "A" occurs twice)";
  CHECK(error_of(create_table(db, twice)).message() == expected);
  ok(db.execute("CREATE TABLE t(a)"));
  CHECK(error_of(etl::sqlite::inserter(db, twice)).message() == expected);
}

TEST_CASE("sqlite table: from the fields of a struct, whose options for others are ignored") {
  struct ForAnother {};
  const auto fields = etl::fields<Row>(etl::key_field("id", &Row::id), etl::field("name", &Row::name, ForAnother{}),
                                       etl::field("weight", &Row::weight),
                                       etl::field("twice", [](const Row& r) { return r.price * 2; }));
  const auto by_hand =
      table<Row>("rows", key("id", &Row::id), column("name", &Row::name), column("weight", &Row::weight),
                 column("twice", [](const Row& r) { return r.price * 2; }));
  CHECK(create_table_sql(table("rows", fields)) == create_table_sql(by_hand));
  STATIC_REQUIRE(etl::is_optional<std::optional<float>>);
  STATIC_REQUIRE(std::is_same_v<etl::not_null_t<std::optional<float>>, float>);
}

}  // namespace table_test
