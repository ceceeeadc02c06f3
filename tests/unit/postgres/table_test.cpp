#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <etl/postgres/sink.hpp>
#include <etl/postgres/table.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

namespace table_test {

using etl::postgres::check_table;
using etl::postgres::column;
using etl::postgres::create_table;
using etl::postgres::create_table_sql;
using etl::postgres::key;
using etl::postgres::sqlstate;
using etl::postgres::table;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::value;

namespace {

struct Order {
  std::int64_t id = 0;
  std::string sku{};
  std::optional<double> price{};
  std::string body{};
  std::vector<std::string> tags{};
};
const auto orders =
    table<Order>("orders", key("id", &Order::id), column("sku", &Order::sku), column("price", &Order::price),
                 column("body", &Order::body, etl::postgres::jsonb), column("tags", &Order::tags));

}  // namespace

TEST_CASE("postgres table: create, with types, NOT NULL and the primary key") {
  CHECK(create_table_sql(orders) ==
        R"(CREATE TABLE IF NOT EXISTS "orders"("id" bigint NOT NULL, "sku" text NOT NULL, "price" double precision, )"
        R"("body" jsonb NOT NULL, "tags" text[] NOT NULL, PRIMARY KEY("id")))");
  struct Line {
    int order;
    std::string part;
    std::chrono::sys_seconds at;
  };
  CHECK(create_table_sql(table<Line>("my.li\"ne", key("order", &Line::order), key("part", &Line::part),
                                     column("at", &Line::at),
                                     column("twice", [](const Line& l) { return l.order * 2; }))) ==
        R"(CREATE TABLE IF NOT EXISTS "my"."li""ne"("order" integer NOT NULL, "part" text NOT NULL, )"
        R"("at" timestamp with time zone NOT NULL, "twice" integer NOT NULL, PRIMARY KEY("order", "part")))");
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, orders));
  ok(create_table(db, orders));
  ok(check_table(db, orders, true));
  CHECK(ok(etl::postgres::differences(db, orders)).text() == "no difference");
}

TEST_CASE("postgres table: a table with its schema") {
  const test::Schema schema;
  auto db = test::open(test::postgres_url());  // another search path
  const auto there = table<Order>(schema.name() + ".orders", key("id", &Order::id));
  ok(create_table(db, there));
  auto sink = ok(etl::postgres::sink(db, there));
  ok(sink.write(std::vector<Order>{{7}}));
  CHECK(value(db, "SELECT id FROM " + schema.name() + ".orders") == "7");
  CHECK(error_of(check_table(db, table<Order>("orders", key("id", &Order::id)))).code == sqlstate("42P01"));
}

TEST_CASE("postgres table: the check names all differences at once") {
  const test::Schema schema;
  auto db = schema.open();
  const etl::Error none = error_of(check_table(db, orders));
  CHECK(none.code == sqlstate("42P01"));
  CHECK(none.error_class == etl::ErrorClass::Fatal);
  CHECK(lacks(none.message(), {"table \"orders\": it does not exist", "create it"}) == "");
  ok(db.execute(
      "CREATE TABLE orders(id integer, price numeric(10,2), body text, tags varchar(5)[], must int NOT NULL, "
      "may int, has int NOT NULL DEFAULT 5)"));
  const etl::Error e = error_of(check_table(db, orders));
  CHECK(lacks(e.message(),
              {"it lacks \"sku\" text NOT NULL", "\"id\" is integer in the table and bigint in the mapping",
               "\"price\" is numeric(10,2) in the table and double precision",
               "\"body\" is text in the table and jsonb", "\"tags\" is character varying(5)[] in the table and text[]",
               "the mapping lacks \"must\" integer"}) == "");
  CHECK(e.message().find("\"may\"") == std::string::npos);
  CHECK(e.message().find("\"has\"") == std::string::npos);
  CHECK(lacks(error_of(check_table(db, orders, true)).message(),
              {"\"may\" integer, \"has\" integer, which may stay"}) == "");
  const auto found = ok(etl::postgres::differences(db, orders));
  CHECK(found.missing.size() == 1);
  CHECK(found.mismatched.size() == 4);
  CHECK(found.required.size() == 1);
  CHECK(found.extra.size() == 2);
  // A sink does not begin with such a table.
  CHECK(error_of(etl::postgres::sink(db, orders)).message() == e.message());
}

TEST_CASE("postgres table: a column may be filled by the default of its domain or by a trigger") {
  const test::Schema schema;
  auto db = schema.open();
  const auto ids = table<Order>("ids", key("id", &Order::id));
  ok(db.execute("CREATE DOMAIN day AS date DEFAULT '2024-01-01' NOT NULL; CREATE TABLE ids(id bigint, day day)"));
  ok(check_table(db, ids));
  ok(db.execute("ALTER TABLE ids ADD made date NOT NULL"));
  CHECK(has(error_of(check_table(db, ids)).message(), "the mapping lacks \"made\" date"));
  ok(db.execute(
      "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.made = ''2024-01-02''; RETURN NEW; "
      "END'; CREATE TRIGGER fill BEFORE INSERT ON ids FOR EACH ROW EXECUTE FUNCTION fill()"));
  Order order;
  order.id = 7;
  ok(ok(etl::postgres::sink(db, ids)).write(std::vector{order}));
  CHECK(test::value(db, "SELECT id || ' ' || day || ' ' || made FROM ids") == "7 2024-01-01 2024-01-02");
}

TEST_CASE("postgres table: text goes to varchar, char(n), domains and enumerations, which a sink fills") {
  const test::Schema schema;
  auto db = schema.open();
  struct Row {
    std::string a, b, c, d;
    int e;
  };
  ok(db.execute(
      "CREATE TYPE colour AS ENUM ('red', 'blue'); CREATE DOMAIN small AS int CHECK(VALUE < 10); CREATE DOMAIN "
      "word AS varchar(20); CREATE TABLE rows(a varchar(3), b char(4), c colour, d word, e small)"));
  const auto rows = table<Row>("rows", column("a", &Row::a), column("b", &Row::b), column("c", &Row::c),
                               column("d", &Row::d), column("e", &Row::e));
  auto sink = ok(etl::postgres::sink(db, rows));
  ok(sink.write(std::vector<Row>{{"abc", "ab", "blue", "word", 9}}));
  CHECK(value(db, "SELECT a || '|' || b || '|' || c || '|' || d || '|' || e FROM rows") == "abc|ab|blue|word|9");
  for (const Row& bad : {Row{"abcd", "", "red", "", 1}, Row{"", "", "green", "", 1}, Row{"", "", "red", "", 10}})
    CHECK(error_of(sink.write(std::vector<Row>{bad})).error_class == etl::ErrorClass::Rejected);
}

TEST_CASE("postgres table: from the fields of a struct, with the types that their options name") {
  struct Note {
    std::int64_t id = 0;
    std::string body{};
    std::optional<std::string> price{};
  };
  struct ForAnother {};
  const auto fields = etl::fields<Note>(etl::key_field("id", &Note::id),
                                        etl::field("body", &Note::body, ForAnother{}, etl::postgres::jsonb),
                                        etl::field("price", &Note::price, etl::postgres::numeric, ForAnother{}));
  const auto by_hand = etl::postgres::table<Note>("notes", etl::postgres::key("id", &Note::id),
                                                  etl::postgres::column("body", &Note::body, etl::postgres::jsonb),
                                                  etl::postgres::column("price", &Note::price, etl::postgres::numeric));
  const std::string sql = etl::postgres::create_table_sql(etl::postgres::table("notes", fields));
  CHECK(sql == etl::postgres::create_table_sql(by_hand));
  CHECK(sql.find("jsonb") != std::string::npos);
}

}  // namespace table_test
