#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sqlite3.h>
#include <etl/run.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/source.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace sink_test {

using namespace std::chrono_literals;
using etl::ErrorClass;
using etl::sqlite::column;
using etl::sqlite::create_table;
using etl::sqlite::Database;
using etl::sqlite::key;
using etl::sqlite::OnConflict;
using etl::sqlite::table;
using test::count;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::open;
using test::value;

namespace {

struct Row {
  std::int64_t id = 0;
  std::string name{};
};
const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name));

std::vector<Row> numbered(std::int64_t first, std::int64_t last) {
  std::vector<Row> all;
  for (std::int64_t i = first; i <= last; ++i) all.push_back({i, "n" + std::to_string(i)});
  return all;
}

/// A value through a table and back.
template <class V>
V round_trip(V v) {
  struct One {
    V v{};
  };
  Database db = open(":memory:");
  const auto one = table<One>("one", column("v", &One::v));
  ok(create_table(db, one));
  ok(ok(etl::sqlite::inserter(db, one)).insert({std::move(v)}));
  auto query = ok(etl::sqlite::query(db, one));
  One back;
  CHECK(ok(query.next(back)));
  return back.v;
}
template <class V>
etl::Error refused(V v) {
  struct One {
    V v{};
  };
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE one(v)"));  // which would take anything
  auto inserter = ok(etl::sqlite::inserter(db, table<One>("one", column("v", &One::v))));
  const etl::Error e = error_of(inserter.insert({std::move(v)}));
  CHECK(count(db, "one") == 0);
  return e;
}

enum class Colour : std::uint8_t { Red = 1, Violet = 255 };
enum Plain { One = 1 };

}  // namespace

// --- values
// -----------------------------------------------------------------------------------------------------------

TEST_CASE("sqlite values: integers come back, to their limits") {
  const auto check = [](auto... v) { CHECK(((round_trip(v) == v) && ...)); };
  check(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(), std::int64_t{0});
  check(std::numeric_limits<std::int8_t>::min(), std::numeric_limits<std::uint8_t>::max(), std::int16_t{-300});
  check(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::uint32_t>::max());
  check(static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()), 5LL, 7ULL);
  check(true, false, Colour::Red, Colour::Violet, One);
  check(std::optional<int>(), std::optional<int>(0), std::optional<bool>(true), std::optional<Colour>(Colour::Violet));
}

TEST_CASE("sqlite values: reals come back, infinities and minus zero too") {
  for (const double v : {0.1, -1.5e300, 5e-324, std::numeric_limits<double>::infinity(),
                         -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::max(), 1e15, 3.0})
    CHECK(round_trip(v) == v);
  CHECK(round_trip(std::numeric_limits<float>::infinity()) == std::numeric_limits<float>::infinity());
  CHECK(round_trip(0.1F) == 0.1F);
  CHECK(round_trip(std::numeric_limits<float>::max()) == std::numeric_limits<float>::max());
  CHECK(round_trip(std::optional<double>(2.5)) == 2.5);
  CHECK(round_trip(std::optional<double>()) == std::nullopt);
}

TEST_CASE("sqlite values: texts and blobs come back, with NUL, empty, long and absent") {
  using namespace std::string_literals;
  for (const std::string& v : {""s, "a\0b\0"s, "\0"s, "it's \"quoted\""s, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"s,
                               "\xff\xfe"s, std::string(100'000, 'x')}) {
    CHECK(round_trip(v) == v);
    CHECK(round_trip(test::bytes(v)) == test::bytes(v));
    CHECK(round_trip(std::optional(v)) == v);
    CHECK(round_trip(std::optional(test::bytes(v))) == test::bytes(v));
  }
  CHECK(round_trip(std::optional<std::string>()) == std::nullopt);
  CHECK(round_trip(std::optional<std::vector<std::byte>>()) == std::nullopt);
}

TEST_CASE("sqlite values: what SQLite cannot hold is rejected, whatever the table would take") {
  for (const double v : {std::nan(""), -std::nan("")}) {
    const etl::Error e = refused(v);
    CHECK(e.error_class == ErrorClass::Rejected);
    CHECK(lacks(e.message(), {":memory:: insert into \"one\", column \"v\": ", "nan: SQLite stores NaN as NULL",
                              "make it nullable"}) == "");
  }
  CHECK(refused(std::nanf("")).error_class == ErrorClass::Rejected);
  for (const std::uint64_t v : {std::uint64_t{1} << 63, std::numeric_limits<std::uint64_t>::max()}) {
    const etl::Error e = refused(v);
    CHECK(e.error_class == ErrorClass::Rejected);
    CHECK(lacks(e.message(), {"column \"v\": " + std::to_string(v) + ": more than SQLite's largest integer"}) == "");
  }
  CHECK(refused(std::optional(std::numeric_limits<std::uint64_t>::max())).error_class == ErrorClass::Rejected);
  // Where there is a NULL, NaN becomes one.
  CHECK(round_trip(std::optional(std::nan(""))) == std::nullopt);
}

TEST_CASE("sqlite inserter: getters may be members, functions and callables, and return values of their own") {
  struct Item {
    int id;
    std::string_view view;
    char fixed[8];
    std::span<const std::byte> raw;
    [[nodiscard]] std::string upper() const { return std::string(40, 'U') + std::to_string(id); }
    [[nodiscard]] std::vector<std::byte> blob() const { return test::bytes("blob" + std::to_string(id)); }
  };
  const auto items =
      table<Item>("items", key("id", &Item::id), column("view", &Item::view), column("fixed", &Item::fixed),
                  column("raw", &Item::raw), column("upper", &Item::upper), column("blob", &Item::blob),
                  column("twice", [](const Item& i) { return i.id * 2; }),
                  column("maybe", [](const Item& i) { return i.id > 5 ? std::optional(i.upper()) : std::nullopt; }));
  Database db = open(":memory:");
  ok(create_table(db, items));
  auto inserter = ok(etl::sqlite::inserter(db, items));
  const std::vector<std::byte> raw = test::bytes("raw");
  ok(inserter.insert({5, "view", "fixed", raw}));
  ok(inserter.insert({6, "", "", {}}));
  CHECK(value(db,
              "SELECT concat FROM (SELECT view||'|'||fixed||'|'||raw||'|'||upper||'|'||blob||'|'||twice AS concat, id "
              "FROM items) WHERE id = 5") == "view|fixed|raw|" + std::string(40, 'U') + "5|blob5|10");
  CHECK(value(db, "SELECT maybe FROM items WHERE id = 5") == "NULL");
  CHECK(value(db, "SELECT maybe FROM items WHERE id = 6") == std::string(40, 'U') + "6");
  CHECK(value(db, "SELECT typeof(view)||typeof(raw)||length(raw) FROM items WHERE id = 6") == "textblob0");
}

TEST_CASE("sqlite inserter: an error names table and key, and the next row is not concerned") {
  Database db = open(":memory:");
  struct Part {
    std::string order;
    int line;
    std::optional<double> price;
    std::uint64_t big = 0;
  };
  const auto parts = table<Part>("parts", key("order", &Part::order), key("line", &Part::line),
                                 column("price", &Part::price), column("big", &Part::big));
  ok(db.execute(R"(CREATE TABLE parts("order", line, price CHECK(price > 0), big, PRIMARY KEY("order", line)))"));
  auto inserter = ok(etl::sqlite::inserter(db, parts));
  ok(inserter.insert({"A1", 2, 1.0}));
  const etl::Error twice = error_of(inserter.insert({"A1", 2, 1.0}));
  CHECK(twice.error_class == ErrorClass::Rejected);
  CHECK(twice.message() ==
        R"(:memory:: insert into "parts", order='A1', line=2: UNIQUE constraint failed: parts.order, parts.line)");
  CHECK(lacks(error_of(inserter.insert({"A1", 3, -1.0})).message(), {"line=3: CHECK constraint failed"}) == "");
  CHECK(lacks(error_of(inserter.insert({std::string(200, 'x'), 3, 1.0, ~0ULL})).message(),
              {"order='" + std::string(60, 'x') + "...', line=3, column \"big\": 18446744073709551615"}) == "");
  ok(inserter.insert({"A1", 3, 1.0}));
  CHECK(count(db, "parts") == 2);
}

TEST_CASE("sqlite inserter: a refused value is forgotten with its row") {
  struct Two {
    std::string_view text;
    double number;
  };
  const std::string_view huge("its length is looked at first", 1'000'000'001);
  Database db = open(":memory:");
  const auto two = table<Two>("two", column("text", &Two::text), column("number", &Two::number));
  ok(create_table(db, two));
  auto inserter = ok(etl::sqlite::inserter(db, two));
  CHECK(error_of(inserter.insert({huge, 1})).error_class == ErrorClass::Rejected);
  CHECK(error_of(inserter.insert({huge, std::nan("")})).error_class == ErrorClass::Rejected);
  ok(inserter.insert({"small", 1}));
  CHECK(count(db, "two") == 1);
}

// --- conflicts
// --------------------------------------------------------------------------------------------------------

TEST_CASE("sqlite sink: what becomes of a row that is there already") {
  Database db = open(":memory:");
  ok(db.execute(
      "CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK(name <> 'bad'), other TEXT DEFAULT 'new'); "
      "INSERT INTO rows VALUES(1, 'old', 'kept')"));
  const std::vector<Row> batch = {{1, "one"}, {2, "two"}};
  const auto all = [&] { return value(db, "SELECT group_concat(id||name||other, ' ') FROM rows"); };
  SECTION("Fail") {
    CHECK(error_of(ok(etl::sqlite::sink(db, rows)).write(batch)).error_class == ErrorClass::Rejected);
    CHECK(all() == "1oldkept");
  }
  SECTION("Ignore") {
    auto sink = ok(etl::sqlite::sink(db, rows, OnConflict::Ignore));
    ok(sink.write(batch));
    CHECK(all() == "1oldkept 2twonew");
    // Only the conflict is ignored, not what is wrong with a row.
    CHECK(lacks(error_of(sink.write(std::vector<Row>{{3, "bad"}})).message(), {"CHECK constraint failed"}) == "");
  }
  SECTION("Replace") {
    ok(ok(etl::sqlite::sink(db, rows, OnConflict::Replace)).write(batch));
    CHECK(all() == "1onenew 2twonew");
  }
  SECTION("Update keeps the columns that are not mapped") {
    auto sink = ok(etl::sqlite::sink(db, rows, OnConflict::Update));
    ok(sink.write(batch));
    CHECK(all() == "1onekept 2twonew");
    ok(sink.write(std::vector<Row>{{2, "x"}, {2, "y"}}));
    CHECK(all() == "1onekept 2ynew");
  }
}

TEST_CASE("sqlite sink: a replaced row leaves rows with other keys alone, and NULL is not the default") {
  Database db = open(":memory:");
  struct User {
    std::int64_t id = 0;
    std::string mail{};
    std::optional<std::string> level{};
  };
  const auto users =
      table<User>("users", key("id", &User::id), column("mail", &User::mail), column("level", &User::level));
  ok(db.execute(
      "CREATE TABLE users(number INTEGER PRIMARY KEY, id UNIQUE, mail TEXT UNIQUE, level TEXT NOT NULL DEFAULT "
      "'guest', note DEFAULT 'new', twice AS (id * 2)); INSERT INTO users(number, id, mail, level, note) "
      "VALUES(7, 1, 'a', 'admin', 'old'), (8, 2, 'b', 'user', 'old')"));
  auto inserter = ok(etl::sqlite::inserter(db, users, OnConflict::Replace));
  CHECK(has(error_of(inserter.insert({3, "a", "user"})).message(), "UNIQUE constraint failed: users.mail"));
  CHECK(has(error_of(inserter.insert({2, "b", std::nullopt})).message(), "NOT NULL constraint failed: users.level"));
  ok(inserter.insert({1, "c", "user"}));
  CHECK(db.dropped() == 0);
  CHECK(value(db, "SELECT group_concat(number||':'||id||mail||level||note||twice, ' ') FROM users") ==
        "7:1cusernew2 8:2buserold4");
  const auto keys = table<User>("keys", key("id", &User::id));
  ok(create_table(db, keys));
  auto same = ok(etl::sqlite::inserter(db, keys, OnConflict::Replace));
  ok(same.insert({1, "", {}}));
  ok(same.insert({1, "", {}}));
  // The key of the new row stays, also where the table takes it for equal.
  ok(db.execute("CREATE TABLE names(mail TEXT COLLATE NOCASE PRIMARY KEY, id); INSERT INTO names VALUES('ALICE', 1)"));
  const auto names = table<User>("names", key("mail", &User::mail), column("id", &User::id));
  ok(ok(etl::sqlite::inserter(db, names, OnConflict::Update)).insert({2, "Alice", {}}));
  CHECK(value(db, "SELECT mail || id FROM names") == "ALICE2");
  ok(ok(etl::sqlite::inserter(db, names, OnConflict::Replace)).insert({3, "alice", {}}));
  CHECK(value(db, "SELECT mail || id FROM names") == "alice3");
  for (const char* const made : {"(mail TEXT, id); CREATE UNIQUE INDEX i ON indexed(mail COLLATE NOCASE)",
                                 "(mail TEXT, id, PRIMARY KEY(mail COLLATE NOCASE)) WITHOUT ROWID"}) {
    ok(db.execute(std::string("DROP TABLE IF EXISTS indexed; CREATE TABLE indexed") + made +
                  "; INSERT INTO indexed VALUES('ALICE', 1)"));
    const auto indexed = table<User>("indexed", key("mail", &User::mail), column("id", &User::id));
    ok(ok(etl::sqlite::inserter(db, indexed, OnConflict::Replace)).insert({3, "alice", {}}));
    CHECK(value(db, "SELECT group_concat(mail || id) FROM indexed") == "alice3");
  }
  // Another key is not touched: SQLite would look for rows that refer to it.
  ok(
      db.execute("CREATE TABLE plain(mail TEXT PRIMARY KEY, id); INSERT INTO plain VALUES('a', 1);"
                 "CREATE TRIGGER fixed BEFORE UPDATE OF mail ON plain BEGIN SELECT RAISE(ABORT, 'no'); END"));
  const auto plain = table<User>("plain", key("mail", &User::mail), column("id", &User::id));
  ok(ok(etl::sqlite::inserter(db, plain, OnConflict::Replace)).insert({2, "a", {}}));
  CHECK(value(db, "SELECT mail || id FROM plain") == "a2");
  // A virtual table takes no ON CONFLICT clause, and has one key.
  ok(db.execute("CREATE VIRTUAL TABLE places USING rtree(id, low, high)"));
  auto place = ok(etl::sqlite::inserter(db, table<User>("places", key("id", &User::id)), OnConflict::Replace));
  ok(place.insert({1, "", {}}));
  ok(place.insert({1, "", {}}));
  CHECK(count(db, "places") == 1);
  CHECK(db.dropped() == 0);
  CHECK(has(
      error_of(etl::sqlite::inserter(db, table<User>("users", column("id", &User::id)), OnConflict::Replace)).message(),
      "OnConflict::Update and Replace need a key"));
}

TEST_CASE("sqlite sink: a value that another type of its column would change is rejected") {
  Database db = open(":memory:");
  struct Address {
    std::int64_t id = 0;
    std::string zip{};
    std::optional<std::string> price{};
    std::int64_t count = 0;
    double height = 0;
  };
  const auto addresses =
      table<Address>("t", key("id", &Address::id), column("zip", &Address::zip), column("price", &Address::price),
                     column("count", &Address::count), column("height", &Address::height));
  ok(
      db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, zip INTEGER, price DECIMAL(10, 2), count REAL, height "
                 "VARCHAR(20))"));
  auto inserter = ok(etl::sqlite::inserter(db, addresses));
  const auto refused = [&](const Address& row, std::string_view what) {
    const etl::Error e = error_of(inserter.insert(row));
    CHECK(e.error_class == ErrorClass::Rejected);
    CHECK(lacks(e.message(), {what}) == "");
  };
  ok(inserter.insert({1, "1067", "12.5", 9'007'199'254'740'992, 0.1}));
  ok(inserter.insert({2, "Dresden", "2024-01-31", -1, 1e300}));
  ok(inserter.insert({3, "", std::nullopt, 0, 0}));
  refused({4, "01067", "1", 0, 0}, "column \"zip\": '01067': SQLite would change this text to another number");
  refused({4, "1", "12345678901234567.89", 0, 0}, "column \"price\": '12345678901234567.89': SQLite would change");
  refused({4, "1", "1", 9'007'199'254'740'993, 0}, "column \"count\": 9007199254740993: a REAL column cannot hold");
  refused({4, "1", "1", 0, 0.1 + 0.2}, "column \"height\": 0.30000000000000004: a TEXT column keeps 15 digits");
  CHECK(count(db, "t") == 3);

  // Columns known at run time, too, if their types are not those of the table.
  using Value = std::variant<std::monostate, std::int64_t, std::string>;
  const auto dynamic = etl::sqlite::dynamic_table<std::vector<Value>>(
      "t", {{.name = "id", .type = etl::sqlite::Type::Integer}, {.name = "zip"}},
      [](const std::vector<Value>& row, std::size_t i) -> const Value& { return row[i]; });
  auto second = ok(etl::sqlite::inserter(db, dynamic));
  ok(second.insert({Value(std::int64_t{5}), Value("1067")}));
  CHECK(has(error_of(second.insert({Value(std::int64_t{6}), Value("01067")})).message(), "'01067': SQLite would"));
}

TEST_CASE("sqlite sink: only the rows that violate a deferred foreign key are rejected") {
  Database db = open(":memory:");
  struct Person {
    std::int64_t id = 0;
    std::optional<std::int64_t> boss{};
    std::string name{};
  };
  const auto persons =
      table<Person>("persons", key("id", &Person::id), column("boss", &Person::boss), column("name", &Person::name));
  ok(
      db.execute("PRAGMA foreign_keys = ON; CREATE TABLE persons(id INTEGER PRIMARY KEY, boss INTEGER REFERENCES "
                 "persons(id) DEFERRABLE INITIALLY DEFERRED, name TEXT CHECK(name <> ''))"));
  auto sink = ok(etl::sqlite::sink(db, persons));
  std::vector<Person> batch;
  for (std::int64_t i = 1; i <= 100; ++i) batch.push_back({i, i + 1, "n"});
  batch[29].name = "";            // so 29 refers to nobody, and those before it
  batch[99].boss = std::nullopt;  // so all others refer to somebody
  batch[49].boss = 999;
  const std::optional<etl::Position> nowhere;
  etl::BatchContext context({.position = &nowhere, .size = batch.size()});
  ok(sink.write(batch, context));
  std::map<std::size_t, std::string> rejects;
  for (const auto& [i, error] : context.rejects()) rejects[i] = error.message();
  CHECK(rejects.size() == 50);
  CHECK(rejects.rbegin()->first == 49);
  CHECK(lacks(rejects[49],
              {"insert into \"persons\", id=50: FOREIGN KEY constraint failed: the row that this row refers to is "
               "neither"}) == "");
  CHECK(lacks(rejects[29], {"CHECK constraint failed"}) == "");
  CHECK(count(db, "persons") == 50);
  CHECK(db.dropped() == 0);

  // Rows of one key stay in their order, also beside one that is rejected and if they refer to later rows.
  const std::vector<Person> twice{{200, 202, "old"}, {201, 999, "lost"}, {200, std::nullopt, "new"}, {202, {}, "boss"}};
  for (const OnConflict how : {OnConflict::Update, OnConflict::Replace, OnConflict::Ignore}) {
    ok(db.execute("DELETE FROM persons WHERE id >= 200"));
    etl::BatchContext one({.position = &nowhere, .size = twice.size()});
    ok(ok(etl::sqlite::sink(db, persons, how)).write(twice, one));
    REQUIRE(one.rejects().size() == 1);
    CHECK(one.rejects()[0].first == 1);
    CHECK(value(db, "SELECT name || coalesce(boss, '') FROM persons WHERE id = 200") ==
          (how == OnConflict::Ignore ? "old202" : "new"));
  }
}

TEST_CASE("sqlite sink: update needs a key, and an index for it, a table of keys alone has nothing to set") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id, name)"));
  const etl::Error e = error_of(etl::sqlite::sink(db, table<Row>("rows", column("id", &Row::id)), OnConflict::Update));
  CHECK(lacks(e.message(),
              {"insert into \"rows\": OnConflict::Update and Replace need a key, and the mapping has no key column"}) ==
        "");
  CHECK(lacks(error_of(etl::sqlite::sink(db, rows, OnConflict::Update)).message(),
              {"ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint"}) == "");
  CHECK(lacks(error_of(etl::sqlite::sink(db, table<Row>("nowhere", key("id", &Row::id)))).message(),
              {"no such table: nowhere"}) == "");
  const auto keys = table<Row>("keys", key("id", &Row::id), key("name", &Row::name));
  ok(create_table(db, keys));
  auto sink = ok(etl::sqlite::sink(db, keys, OnConflict::Update));
  ok(sink.write(numbered(1, 3)));
  ok(sink.write(numbered(2, 4)));
  CHECK(count(db, "keys") == 4);
}

TEST_CASE("sqlite sink: ignore without keys goes by any unique index") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id UNIQUE, name)"));
  auto sink = ok(etl::sqlite::sink(db, table<Row>("rows", column("id", &Row::id), column("name", &Row::name)),
                                   OnConflict::Ignore));
  ok(sink.write(std::vector<Row>{{1, "a"}, {1, "b"}}));
  CHECK(value(db, "SELECT group_concat(name) FROM rows") == "a");
}

// --- batches
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("sqlite sink: a batch is one transaction, all or nothing") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  Database reader = open(folder / "a.db");
  ok(create_table(db, rows));
  auto sink = ok(etl::sqlite::sink(db, rows));
  ok(sink.write(numbered(1, 100)));
  CHECK(count(reader, "rows") == 100);
  ok(sink.write({}));

  std::vector<Row> batch = numbered(101, 200);
  batch[70].id = 5;
  const etl::Error e = error_of(sink.write(batch));
  CHECK(e.error_class == ErrorClass::Rejected);
  CHECK(lacks(e.message(), {"a.db: insert into \"rows\", id=5: UNIQUE constraint failed: rows.id"}) == "");
  CHECK(count(db, "rows") == 100);
  batch[70].id = 171;
  ok(sink.write(batch));
  CHECK(count(reader, "rows") == 200);
}

TEST_CASE("sqlite sink: locked by another connection, then not") {
  const test::Folder folder;
  Database holder = open(folder / "a.db");
  ok(create_table(holder, rows));
  Database db = open(folder / "a.db", {.busy_timeout = 0ms});
  auto sink = ok(etl::sqlite::sink(db, rows));
  {
    const auto lock = ok(holder.begin());
    const etl::Error e = error_of(sink.write(numbered(1, 3)));
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(lacks(e.message(), {"a.db: begin: database is locked", "for more than 0 ms"}) == "");
  }
  ok(sink.write(numbered(1, 3)));
  CHECK(count(db, "rows") == 3);
}

TEST_CASE("sqlite sink: a full disk fails the batch and leaves nothing of it") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(create_table(db, rows));
  auto sink = ok(etl::sqlite::sink(db, rows));
  ok(sink.write(numbered(1, 10)));
  ok(db.execute("PRAGMA max_page_count=20"));
  std::vector<Row> batch = numbered(11, 1000);
  for (Row& row : batch) row.name.assign(500, 'x');
  const etl::Error e = error_of(sink.write(batch));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.code == std::errc::no_space_on_device);
  CHECK(lacks(e.message(), {"a.db: insert into \"rows\", id="}) == "");
  CHECK(count(db, "rows") == 10);
  ok(db.execute("PRAGMA max_page_count=100000"));
  ok(sink.write(batch));
  CHECK(count(db, "rows") == 1000);
}

TEST_CASE("sqlite sink: into a database opened read-only") {
  const test::Folder folder;
  { ok(create_table(*std::make_unique<Database>(open(folder / "a.db")), rows)); }
  Database db = open(folder / "a.db", {.read_only = true});
  auto sink = ok(etl::sqlite::sink(db, rows));
  const etl::Error e = error_of(sink.write(numbered(1, 3)));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.code == std::errc::read_only_file_system);
}

TEST_CASE("sqlite sink: may be moved, and outlives the Database object") {
  const test::Folder folder;
  std::optional<Database> db = open(folder / "a.db");
  ok(create_table(*db, rows));
  auto first = ok(etl::sqlite::sink(*db, rows));
  db.reset();
  auto second = std::move(first);
  ok(second.write(numbered(1, 3)));
  db = open(folder / "a.db");
  CHECK(count(*db, "rows") == 3);
}

// --- in a pipeline
// ----------------------------------------------------------------------------------------------------

namespace {

struct Load {
  std::vector<Row> items;
  etl::sqlite::SinkFor<decltype(rows)>& sink;
  const std::vector<Row>& extract() const { return items; }
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context) { return sink.write(batch, context); }
};
struct LoadWhole {
  std::vector<Row> items;
  etl::sqlite::SinkFor<decltype(rows)>& sink;
  const std::vector<Row>& extract() const { return items; }
  etl::Result<void> load(std::span<const Row> batch) { return sink.write(batch); }
};

}  // namespace

TEST_CASE("sqlite sink in a pipeline: rows that violate a constraint are rejected one by one") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(db.execute("CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK(name <> 'bad'))"));
  auto sink = ok(etl::sqlite::sink(db, rows));
  Load pipeline{numbered(1, 1000), sink};
  pipeline.items[10].name = "bad";
  pipeline.items[500].id = 3;
  pipeline.items[999].name = "bad";
  std::vector<std::pair<std::uint64_t, std::string>> rejected;
  const etl::RunReport report =
      etl::run(pipeline,
               {.batch_size = 64, .workers = 2, .errors = {.max_rejects = 3, .on_reject = [&](const etl::Rejection& r) {
                                                             rejected.emplace_back(r.seq, r.error.message());
                                                           }}});
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.loaded == 997);
  CHECK(report.items.rejected == 3);
  CHECK(count(db, "rows") == 997);
  std::sort(rejected.begin(), rejected.end());
  REQUIRE(rejected.size() == 3);
  CHECK(rejected[0].first == 10);
  CHECK(lacks(rejected[0].second, {"a.db: insert into \"rows\", id=11: CHECK constraint failed: name <> 'bad'"}) == "");
  CHECK(rejected[1].first >= 2);
  CHECK(lacks(rejected[1].second, {"id=3: UNIQUE constraint failed: rows.id"}) == "");
  CHECK(rejected[2].first == 999);
}

TEST_CASE("sqlite sink in a pipeline: an integer above 2^63-1 is rejected alone") {
  struct Big {
    std::uint64_t id;
  };
  struct Pipeline {
    std::vector<Big> items;
    std::function<etl::Result<void>(std::span<const Big>, etl::BatchContext&)> write;
    const std::vector<Big>& extract() const { return items; }
    etl::Result<void> load(std::span<const Big> batch, etl::BatchContext& context) { return write(batch, context); }
  };
  Database db = open(":memory:");
  const auto bigs = table<Big>("bigs", key("id", &Big::id));
  ok(create_table(db, bigs));
  auto sink = ok(etl::sqlite::sink(db, bigs));
  Pipeline pipeline{{{1}, {1ULL << 63}, {2}, {~0ULL}, {(1ULL << 63) - 1}},
                    [&](auto batch, auto& context) { return sink.write(batch, context); }};
  const etl::RunReport report = etl::run(pipeline, {.errors = {.max_rejects = 2}});
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.results.committed == 3);
  CHECK(value(db, "SELECT group_concat(id) FROM bigs") == "1,2,9223372036854775807");
}

TEST_CASE("sqlite sink in a pipeline: without a context a bad row costs its batch, and the others stay") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(create_table(db, rows));
  auto sink = ok(etl::sqlite::sink(db, rows));
  LoadWhole pipeline{numbered(1, 100), sink};
  pipeline.items[25].id = 1;
  const etl::RunReport report =
      etl::run(pipeline, {.mode = etl::Mode::Fused, .batch_size = 10, .errors = {.max_rejects = 10}});
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 10);
  CHECK(count(db, "rows") == 90);
  CHECK(value(db, "SELECT count(*) FROM rows WHERE id BETWEEN 21 AND 30") == "0");
}

TEST_CASE("sqlite sink in a pipeline: an error that is no reject fails the run, and rejects before it do not count") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(create_table(db, rows));
  ok(db.execute("PRAGMA max_page_count=20"));
  auto sink = ok(etl::sqlite::sink(db, rows));
  Load pipeline{numbered(1, 1000), sink};
  for (Row& row : pipeline.items) row.name.assign(500, 'x');
  pipeline.items[1].id = 1;
  const etl::RunReport report = etl::run(pipeline, {.errors = {.max_rejects = 3}});
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.items.abandoned == 1000);
  CHECK(report.items.rejected == 0);
  REQUIRE_FALSE(report.errors.empty());
  CHECK(report.errors[0].error.code == std::errc::no_space_on_device);
  CHECK(lacks(report.errors[0].error.message(), {"a.db: insert into \"rows\", id="}) == "");
  CHECK_FALSE(test::has(report.errors[0].error.message(), "whole batch"));
  CHECK(count(db, "rows") == 0);
}

TEST_CASE("sqlite sink in a pipeline: an expression that fails for one row rejects this row") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id INTEGER PRIMARY KEY CHECK(abs(id) > 0), name TEXT)"));
  auto sink = ok(etl::sqlite::sink(db, rows));
  Load pipeline{{{1, "a"}, {std::numeric_limits<std::int64_t>::min(), "b"}, {2, "c"}}, sink};
  const etl::RunReport report = etl::run(pipeline, {.errors = {.max_rejects = 3}});
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 1);
  CHECK(count(db, "rows") == 2);
}

TEST_CASE("sqlite sink in a pipeline: a row whose conflict rolls the transaction back is rejected alone") {
  Database db = open(":memory:");
  ok(db.execute(
      "CREATE TABLE rows(id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, name TEXT);"
      "CREATE TRIGGER t BEFORE INSERT ON rows WHEN new.name='bad' BEGIN SELECT RAISE(ROLLBACK, 'never'); END"));
  auto sink = ok(etl::sqlite::sink(db, rows));
  Load pipeline{{{1, "a"}, {1, "b"}, {2, "c"}, {3, "bad"}, {4, "d"}, {4, "e"}}, sink};
  const etl::RunReport report = etl::run(pipeline, {.errors = {.max_rejects = 3}});
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 3);
  CHECK(count(db, "rows") == 3);
  CHECK(count(db, "rows WHERE id || name IN ('1a', '2c', '4d')") == 3);
  REQUIRE(report.errors.size() == 3);
  CHECK(lacks(report.errors[0].error.message(), {"id=1: UNIQUE"}) == "");
  CHECK(lacks(report.errors[1].error.message(), {"id=3: never"}) == "");
}

TEST_CASE("sqlite sink: all or nothing also if a row rolls the transaction back") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, name TEXT)"));
  auto sink = ok(etl::sqlite::sink(db, rows));
  const std::vector<Row> batch{{1, "a"}, {1, "b"}, {2, "c"}};
  CHECK(test::has(error_of(sink.write(batch)).message(), "id=1: UNIQUE"));
  CHECK(count(db, "rows") == 0);
}

TEST_CASE("sqlite sink in a pipeline: nothing remains of a row that is refused with FAIL") {
  const auto check = [](const std::string& schema) {
    CAPTURE(schema);
    Database db = open(":memory:");
    ok(db.execute(schema));
    auto sink = ok(etl::sqlite::sink(db, rows));
    Load pipeline{{{1, "a"}, {2, "bad"}, {3, "b"}, {4, "bad"}, {5, "c"}}, sink};
    const etl::RunReport report = etl::run(pipeline, {.batch_size = 3, .errors = {.max_rejects = 3}});
    CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(report.items.rejected == 2);
    CHECK(value(db, "SELECT group_concat(id || name) FROM rows") == "1a,3b,5c");
    CHECK(value(db, "SELECT group_concat(id) FROM log") == "1,3,5");
    REQUIRE(report.errors.size() == 2);
    CHECK(report.errors[0].error.error_class == ErrorClass::Rejected);
    CHECK(lacks(report.errors[0].error.message(), {"id=2: "}) == "");
  };
  const std::string log = "CREATE TABLE log(id INTEGER);",
                    raise = "SELECT RAISE(FAIL, 'never') WHERE new.name='bad'; END;";
  check(log + "CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT);" +
        "CREATE TRIGGER t AFTER INSERT ON rows BEGIN INSERT INTO log VALUES(new.id);" + raise);
  check(log + "CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT);" +
        "CREATE TEMP TRIGGER t BEFORE INSERT ON rows BEGIN INSERT INTO log VALUES(new.id);" + raise);
  check(log +
        "CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT, n AS (nullif(name, 'bad')) NOT NULL ON CONFLICT fail);" +
        "CREATE TRIGGER t BEFORE INSERT ON rows BEGIN INSERT INTO log VALUES(new.id); END");
  check(log + "CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT);" +
        "CREATE TRIGGER t AFTER INSERT ON rows BEGIN INSERT INTO log VALUES(new.id);" +
        "SELECT RAISE(FAIL, 'never') WHERE new.id=2; SELECT RAISE(ROLLBACK, 'never') WHERE new.id=4; END");
  // SQLite counts no change for such a statement.
  check(log + "CREATE TABLE real(id INTEGER PRIMARY KEY, name TEXT); CREATE VIEW rows AS SELECT * FROM real;" +
        "CREATE TRIGGER i INSTEAD OF INSERT ON rows BEGIN INSERT INTO real VALUES(new.id, new.name); END;" +
        "CREATE TRIGGER t AFTER INSERT ON real BEGIN INSERT INTO log VALUES(new.id);" + raise);
}

TEST_CASE("sqlite inserter: nothing remains of a row that is refused with FAIL, in a transaction or without one") {
  Database db = open(":memory:");
  ok(create_table(db, rows));
  ok(
      db.execute("CREATE TRIGGER t AFTER INSERT ON rows WHEN new.name='bad' BEGIN SELECT RAISE(FAIL, 'never'); END;"
                 "CREATE TRIGGER u BEFORE INSERT ON rows WHEN new.name='dropped' BEGIN SELECT RAISE(IGNORE); END"));
  auto inserter = ok(etl::sqlite::inserter(db, rows));
  const auto insert = [&](std::int64_t id) {
    ok(inserter.insert({id, "a"}));
    const etl::Error e = error_of(inserter.insert({id + 1, "bad"}));
    CHECK(e.error_class == ErrorClass::Rejected);
    CHECK(test::has(e.message(), "id=" + std::to_string(id + 1) + ": never"));
    CHECK(count(db, "rows WHERE name='bad'") == 0);
    ok(inserter.insert({id + 1, "b"}));
    CHECK(error_of(inserter.insert({id, "c"})).error_class == ErrorClass::Rejected);
    ok(inserter.insert({id + 2, "dropped"}));
  };
  insert(1);
  CHECK(db.dropped() == 1);
  {
    auto transaction = ok(db.begin());
    insert(11);
    ok(transaction.commit());
  }
  CHECK(count(db, "rows") == 4);
  {
    const auto transaction = ok(db.begin());
    insert(21);
  }
  CHECK(count(db, "rows") == 4);
}

TEST_CASE("sqlite sink: a FAIL that the schema gets later is noticed at the first row that it refuses") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT CHECK(name NOT IN ('fail', 'failed')))"));
  auto sink = ok(etl::sqlite::sink(db, rows));
  Load pipeline{{{1, "a"}, {2, "bad"}, {3, "failed"}}, sink};
  ok(db.execute("CREATE TABLE other(id)"));
  CHECK(error_of(sink.write(std::vector<Row>{{3, "fail"}})).error_class == ErrorClass::Rejected);
  ok(db.execute("CREATE TRIGGER t AFTER INSERT ON rows WHEN new.name='bad' BEGIN SELECT RAISE(FAIL, 'never'); END"));
  const etl::Error e = error_of(sink.write(pipeline.items));
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK(lacks(e.message(), {"roll back the transaction", "id=2: never"}) == "");
  CHECK(count(db, "rows") == 0);
  const etl::RunReport report = etl::run(pipeline, {.errors = {.max_rejects = 3}});
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 2);
  CHECK(value(db, "SELECT group_concat(id || name) FROM rows") == "1a");
}

TEST_CASE("sqlite sink: a row has a savepoint only if the schema has a FAIL") {
  const auto savepoints = [](const std::string& trigger) {
    Database db = open(":memory:");
    ok(db.execute("CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT DEFAULT 'fail' CHECK(name NOT IN ('failed')));" +
                  trigger));
    auto sink = ok(etl::sqlite::sink(db, rows));
    int count = 0;
    const auto trace = [](unsigned, void* to, void*, void* sql) {
      *static_cast<int*>(to) += std::string_view(static_cast<const char*>(sql)).starts_with("SAVEPOINT") ? 1 : 0;
      return 0;
    };
    sqlite3_trace_v2(db.handle(), SQLITE_TRACE_STMT, trace, &count);
    const std::vector<Row> batch{{1, "a"}, {2, "failed"}, {3, "b"}};
    Load pipeline{batch, sink};
    CHECK(etl::run(pipeline, {.errors = {.max_rejects = 3}}).items.rejected == 1);
    return count;
  };
  CHECK(savepoints("") == 0);
  CHECK(savepoints("CREATE TRIGGER t AFTER INSERT ON rows BEGIN SELECT RAISE(ABORT, 'never') WHERE new.id=9; END") ==
        0);
  CHECK(savepoints("CREATE TRIGGER t AFTER INSERT ON rows BEGIN SELECT RAISE(FAIL, 'never') WHERE new.id=9; END") == 3);
}

// --- a process that is killed
// -----------------------------------------------------------------------------------------

TEST_CASE("sqlite sink: a process killed in the middle leaves whole batches only") {
  const test::Folder folder;
  const auto file = folder / "a.db";
  constexpr std::int64_t size = 50;
  int told[2];
  REQUIRE(::pipe(told) == 0);
  const ::pid_t child = ::fork();
  if (child == 0) {  // writes batch after batch, until it is killed
    Database db = open(file);
    ok(create_table(db, rows));
    auto sink = ok(etl::sqlite::sink(db, rows));
    for (std::int64_t i = 0;; ++i) {
      ok(sink.write(numbered(i * size + 1, (i + 1) * size)));
      if (::write(told[1], "x", 1) != 1) ::_exit(1);
    }
  }
  for (int i = 0; i < 20; ++i) {
    char c = 0;
    REQUIRE(::read(told[0], &c, 1) == 1);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(told[0]);
  ::close(told[1]);
  Database db = open(file);
  const std::int64_t n = count(db, "rows");
  CHECK(n >= 20 * size);
  CHECK(n % size == 0);
  CHECK(value(db, "SELECT max(id) FROM rows") == std::to_string(n));
  CHECK(value(db, "PRAGMA integrity_check") == "ok");
}

TEST_CASE("sqlite sink: a process that ends within a transaction leaves nothing of it, though pages were written") {
  const test::Folder folder;
  const auto file = folder / "a.db";
  const ::pid_t child = ::fork();
  if (child == 0) {
    Database db = open(file);
    ok(create_table(db, rows));
    ok(ok(etl::sqlite::sink(db, rows)).write(numbered(1, 10)));
    ok(db.execute("PRAGMA cache_size=5; PRAGMA wal_autocheckpoint=0"));
    auto inserter = ok(etl::sqlite::inserter(db, rows));
    const auto transaction = ok(db.begin());
    for (Row row{11, std::string(500, 'x')}; row.id <= 1000; ++row.id) ok(inserter.insert(row));
    ::_exit(std::filesystem::file_size(file.string() + "-wal") > 100'000 ? 0 : 1);  // the cache is full: it spilled
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  Database db = open(file);
  CHECK(count(db, "rows") == 10);
  CHECK(value(db, "PRAGMA integrity_check") == "ok");
}

}  // namespace sink_test
