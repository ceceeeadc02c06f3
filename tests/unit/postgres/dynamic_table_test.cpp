#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <etl/postgres/copy.hpp>
#include <etl/postgres/pool_sink.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/store.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

namespace dynamic_table_test {

using namespace std::chrono_literals;
using namespace std::string_literals;
using etl::ErrorClass;
using etl::postgres::column;
using etl::postgres::Decimal;
using etl::postgres::dynamic_table;
using etl::postgres::DynamicColumn;
using etl::postgres::EncodedRows;
using etl::postgres::key;
using etl::postgres::OnConflict;
using etl::postgres::sqlstate;
using etl::postgres::table;
using etl::postgres::Type;
using etl::postgres::Uuid;
using test::count;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::value;

namespace {

using Instant = std::chrono::sys_time<std::chrono::microseconds>;
using Wall = std::chrono::local_time<std::chrono::microseconds>;
using Cell = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::chrono::sys_days, Wall, Instant,
                          Decimal, Uuid, std::vector<std::byte>, std::int16_t, float>;
using Cells = std::vector<Cell>;
const auto cell = [](const Cells& cells, std::size_t i) -> const Cell& { return cells[i]; };

const Instant noon{1'717'236'000'000'001us};
const Uuid id = *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef");

/// One of each type.
struct Row {
  bool yes = true;
  std::int16_t small = -7;
  std::int32_t medium = 70'000;
  std::int64_t large = std::numeric_limits<std::int64_t>::min();
  float single = 0.5F;
  double real = 1e300;
  std::string number = "12.50";
  Decimal exact{.unscaled = -125, .scale = 1};
  std::string text = "t\xc3\xa4";
  std::vector<std::byte> bytes = test::bytes("a\0b");
  std::chrono::sys_days day{std::chrono::days(20'000)};
  Wall wall{noon.time_since_epoch()};
  Instant at = noon;
  Uuid uuid = id;
  std::string id_text = uuid.text();
  std::string json = "{}", jsonb = "[1]";
  std::optional<std::string> none{};
};
const auto typed =
    table<Row>("kinds", column("yes", &Row::yes), column("small", &Row::small), column("medium", &Row::medium),
               column("large", &Row::large), column("single", &Row::single), column("real", &Row::real),
               column("number", &Row::number, etl::postgres::numeric), column("exact", &Row::exact),
               column("text", &Row::text), column("bytes", &Row::bytes), column("day", &Row::day),
               column("wall", &Row::wall), column("at", &Row::at), column("uuid", &Row::uuid),
               column("id_text", &Row::id_text, etl::postgres::uuid), column("json", &Row::json, etl::postgres::json),
               column("jsonb", &Row::jsonb, etl::postgres::jsonb), column("none", &Row::none));

std::vector<DynamicColumn> kinds() {
  using enum Type;
  const std::pair<const char*, Type> all[] = {
      {"yes", Boolean}, {"small", SmallInt}, {"medium", Integer}, {"large", BigInt},    {"single", Real},
      {"real", Double}, {"number", Numeric}, {"exact", Numeric},  {"text", Text},       {"bytes", Bytea},
      {"day", Date},    {"wall", Timestamp}, {"at", TimestampTz}, {"uuid", Type::Uuid}, {"id_text", Type::Uuid},
      {"json", Json},   {"jsonb", Jsonb}};
  std::vector<DynamicColumn> columns;
  for (const auto& [name, type] : all) columns.push_back({.name = name, .type = type, .nullable = false});
  columns.push_back({.name = "none"});
  return columns;
}
Cells cells_of(const Row& r) {
  return {r.yes,
          std::int64_t{r.small},
          std::int64_t{r.medium},
          r.large,
          static_cast<double>(r.single),
          r.real,
          r.number,
          r.exact,
          r.text,
          r.bytes,
          r.day,
          r.wall,
          r.at,
          r.uuid,
          r.id_text,
          r.json,
          r.jsonb,
          std::monostate{}};
}

/// Why a value is refused, without its place; empty: it is not.
std::string refusal(Cell value, Type type, bool nullable = true) {
  EncodedRows rows(dynamic_table<Cells>(
      "t", {{.name = "id", .type = Type::BigInt, .key = true}, {.name = "v", .type = type, .nullable = nullable}},
      cell));
  const auto added = rows.add({std::int64_t{5}, std::move(value)});
  CHECK(rows.size() == (added ? 1 : 0));
  CHECK(rows.bytes().empty() == !added);
  if (added) return "";
  CHECK(added.error().error_class == ErrorClass::Rejected);
  const std::string place = "insert into \"t\", id=5, column \"v\": ";
  CHECK(added.error().message().starts_with(place));
  return added.error().message().substr(place.size());
}

}  // namespace

TEST_CASE("postgres dynamic table: bytes and CREATE TABLE are those of the table known at compile time") {
  const auto cells = dynamic_table<Cells>("kinds", kinds(), cell);
  CHECK(create_table_sql(cells) == create_table_sql(typed));
  EncodedRows known(typed);
  EncodedRows found(cells);
  for (int i = 0; i < 3; ++i) {
    const Row row{.medium = i};
    ok(known.add(row));
    ok(found.add(cells_of(row)));
  }
  CHECK((std::string(known.bytes().begin(), known.bytes().end()) ==
         std::string(found.bytes().begin(), found.bytes().end())));
  CHECK(known.size() == found.size());
  // A key column cannot be NULL, whatever is said.
  CHECK(has(create_table_sql(dynamic_table<Cells>("k", {{.name = "id", .type = Type::BigInt, .key = true}}, cell)),
            "\"id\" bigint NOT NULL, PRIMARY KEY(\"id\")"));
}

TEST_CASE("postgres dynamic table: the getter may make its values, and remember where they are") {
  const std::vector<std::size_t> order{1, 0};
  const auto swapped = [order](const std::pair<std::int64_t, std::string>& row, std::size_t i) {
    return order[i] == 0 ? std::variant<std::monostate, std::int64_t, std::string>(row.first) : row.second;
  };
  EncodedRows found(dynamic_table<std::pair<std::int64_t, std::string>>(
      "t", {{.name = "b"}, {.name = "a", .type = Type::BigInt}}, swapped));
  ok(found.add({7, "seven"}));
  CHECK(std::string(found.bytes().data(), found.bytes().size()) == "\0\2\0\0\0\5seven\0\0\0\10\0\0\0\0\0\0\0\7"s);
}

TEST_CASE("postgres dynamic table: a value that does not fit is rejected by name, with the reason") {
  using enum Type;
  CHECK(refusal("x"s, BigInt) == "'x': text cannot be written to a column of type bigint");
  CHECK(refusal(std::int64_t{3}, Text) == "3: bigint cannot be written to a column of type text");
  CHECK(refusal(1.5, Numeric) == "1.5: double precision cannot be written to a column of type numeric");
  CHECK(refusal(true, Integer) == "true: boolean cannot be written to a column of type integer");
  CHECK(refusal(noon, Timestamp)
            .ends_with("timestamp with time zone cannot be written to a column of type timestamp "
                       "without time zone"));
  CHECK(refusal(std::monostate(), Text, false) == "NULL: the column is NOT NULL");
  CHECK(refusal(std::int64_t{32'768}, SmallInt) == "32768: out of the column's range");
  CHECK(refusal(std::int64_t{1} << 31, Integer) == "2147483648: out of the column's range");
  CHECK(refusal(1e300, Real).ends_with("out of the column's range"));
  CHECK(refusal("12,5"s, Numeric) == "'12,5': not a decimal number");
  CHECK(refusal("zz"s, Type::Uuid) == "'zz': no UUID");
  CHECK(has(refusal("a\0b"s, Jsonb), "NUL"));
  CHECK(refusal("\xff"s, Text) == "'\\xff': not valid UTF-8");

  CHECK(refusal(std::int64_t{-32'768}, SmallInt) == "");
  CHECK(refusal(std::int16_t{3}, BigInt) == "");
  CHECK(refusal(1.5F, Double) == "");
  CHECK(refusal(std::monostate(), Jsonb) == "");
  EncodedRows keys(dynamic_table<Cells>("t", {{.name = "id", .type = BigInt, .key = true}}, cell));
  CHECK(error_of(keys.add({std::monostate()})).message() ==
        "insert into \"t\", id=NULL, column \"id\": NULL: the column is NOT NULL");
}

TEST_CASE("postgres dynamic table: rows go into tables, past those that do not fit") {
  const test::Schema schema;
  auto db = schema.open();
  const auto cells = dynamic_table<Cells>("kinds", kinds(), cell);
  ok(create_table(db, cells));
  ok(check_table(db, typed, true));
  auto tx = ok(db.begin());
  ok(tx.copy(cells, std::vector<Cells>{cells_of(Row{})}));
  ok(tx.commit());
  CHECK(value(db,
              "SELECT concat_ws(' ', yes, small, medium, single, number, exact, text, day, at AT TIME ZONE 'UTC', "
              "id_text, jsonb, none IS NULL) FROM kinds") ==
        "t -7 70000 0.5 12.50 -12.5 t\xc3\xa4 2024-10-04 2024-06-01 10:00:00.000001 " + id.text() + " [1] t");

  const auto prices = dynamic_table<Cells>("prices",
                                           {{.name = "id", .type = Type::BigInt, .key = true},
                                            {.name = "price", .type = Type::Numeric, .nullable = false},
                                            {.name = "note"}},
                                           cell);
  ok(create_table(db, prices));
  const auto pool = ok(etl::postgres::Pool::make(schema.url(), {}, {.max_size = 1}));
  const auto write = [&](const std::vector<Cells>& rows, OnConflict on_conflict) {
    const etl::postgres::PoolSinkFor<decltype(prices)> sink = ok(etl::postgres::sink(pool, prices, on_conflict));
    const std::optional<etl::Position> nowhere;
    const std::stop_token stop;
    etl::BatchContext context({.position = &nowhere, .stop = &stop, .size = rows.size()});
    ok(sink.write(rows, context));
    std::string refused;
    for (const auto& [at, error] : context.rejects()) refused += std::to_string(at) + ": " + error.message() + "\n";
    return refused;
  };
  const auto row = [](std::int64_t n, Cell price, Cell note = {}) {
    return Cells{n, std::move(price), std::move(note)};
  };
  const std::string refused =
      write({row(1, "1.10"s), row(2, "?"s), row(3, {}), row(1, "9"s), row(4, "4"s, "n"s)}, OnConflict::Fail);
  CHECK(lacks(refused, {"1: insert into \"prices\", id=2, column \"price\": '?': not a decimal number",
                        "2: insert into \"prices\", id=3, column \"price\": NULL: the column is NOT NULL",
                        "3: ", "id=1: duplicate key value"}) == "");
  CHECK(count(db, "prices") == 2);
  CHECK(write({row(1, "2"s, "new"s), row(5, "5"s)}, OnConflict::Update) == "");
  CHECK(value(db, "SELECT string_agg(concat_ws(':', id, price, note), ' ' ORDER BY id) FROM prices") ==
        "1:2:new 4:4:n 5:5");

  auto sink = ok(etl::postgres::sink(db, prices, OnConflict::Ignore));
  ok(sink.write(std::vector<Cells>{row(1, "7"s), row(6, "6"s)}));
  auto inserter = ok(etl::postgres::inserter(db, prices));
  ok(inserter.insert(std::vector<Cells>{row(7, "7"s)}));
  CHECK(count(db, "prices") == 5);
}

TEST_CASE("postgres dynamic table: each mapping of a table casts in its own way, within one transaction too") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("SET timezone = 'Asia/Tokyo'; CREATE TABLE t(id bigint, at timestamptz)"));
  const auto mapped = [](const std::string& cast) {
    return dynamic_table<Cells>("t", {{.name = "id", .type = Type::BigInt}, {.name = "at", .cast = cast}}, cell);
  };
  auto transaction = ok(db.begin());
  etl::postgres::Tx tx(db);
  ok(tx.write(mapped("timestamp"), std::vector<Cells>{{std::int64_t{1}, "2024-01-01 00:00:00+00"s}}));
  ok(tx.write(mapped("timestamptz"), std::vector<Cells>{{std::int64_t{2}, "2024-01-01 00:00:00+00"s}}));
  ok(transaction.commit());
  CHECK(value(db, "SELECT string_agg((at AT TIME ZONE 'UTC')::text, ', ' ORDER BY id) FROM t") ==
        "2023-12-31 15:00:00, 2024-01-01 00:00:00");
}

TEST_CASE("postgres dynamic table: what is wrong with the table is told before any row") {
  const test::Schema schema;
  auto db = schema.open();
  const auto none = dynamic_table<Cells>("nothing", {}, cell);
  CHECK(has(error_of(create_table(db, none)).message(), "table \"nothing\": the mapping has no columns"));
  CHECK(has(error_of(etl::postgres::sink(db, none)).message(), "the mapping has no columns"));
  ok(db.execute("CREATE TABLE t(a integer, must int NOT NULL)"));
  const auto other = dynamic_table<Cells>("t", {{.name = "a", .type = Type::BigInt}, {.name = "b"}}, cell);
  CHECK(lacks(error_of(etl::postgres::sink(db, other)).message(),
              {"it lacks \"b\" text", "\"a\" is integer in the table and bigint", "the mapping lacks \"must\""}) == "");
  const auto keyless = dynamic_table<Cells>("t", {{.name = "a", .type = Type::Integer}}, cell);
  CHECK(error_of(etl::postgres::sink(db, keyless, OnConflict::Update)).code == sqlstate("42P10"));
  const auto twice = dynamic_table<Cells>("u", {{.name = "a"}, {.name = "a"}}, cell);
  CHECK(error_of(create_table(db, twice)).code == sqlstate("42701"));
}

}  // namespace dynamic_table_test
