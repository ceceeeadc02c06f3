#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <etl/policy/retry.hpp>
#include <etl/postgres/pool_sink.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/postgres_proxy.hpp"
#include "support/sync.hpp"
#include "unit/postgres/support.hpp"

namespace sink_test {

using namespace std::chrono_literals;
using namespace std::string_literals;
using etl::BatchContext;
using etl::ErrorClass;
using etl::postgres::column;
using etl::postgres::create_table;
using etl::postgres::key;
using etl::postgres::OnConflict;
using etl::postgres::Pool;
using etl::postgres::sqlstate;
using etl::postgres::table;
using test::count;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
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

/// What a run gives to `load`.
class Context {
 public:
  explicit Context(std::size_t size) : context_({.position = &position_, .stop = &stop_, .size = size}) {}
  explicit Context(std::size_t size, std::stop_token stop)
      : stop_(std::move(stop)), context_({.position = &position_, .stop = &stop_, .size = size}) {}
  operator BatchContext&() { return context_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] auto& rejects() { return context_.rejects(); }
  /// Their places in the batch.
  [[nodiscard]] std::string places() {
    std::string all;
    for (const auto& [at, error] : rejects()) all.append(all.empty() ? "" : ",").append(std::to_string(at));
    return all;
  }

 private:
  std::optional<etl::Position> position_;
  std::stop_token stop_;
  BatchContext context_;
};

/// A row that does something while it is encoded.
struct Trap {
  std::int64_t id = 0;
  std::string text = std::string(1000, 'x');
  std::function<void()> spring{};
  [[nodiscard]] std::int64_t armed() const {
    if (spring) spring();
    return id;
  }
};
const auto traps = table<Trap>("traps", key("id", &Trap::armed), column("text", &Trap::text));
/// More than goes into one piece of a COPY, with a trap in it.
std::vector<Trap> trapped(std::function<void()> spring, std::size_t at = 500) {
  std::vector<Trap> all;
  for (int i = 0; i < 1000; ++i) all.push_back({.id = i});
  all[at].spring = std::move(spring);
  return all;
}

}  // namespace

// --- batches
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("postgres sink: a batch is one transaction, all or nothing") {
  const test::Schema schema;
  auto db = schema.open(), reader = schema.open();
  ok(create_table(db, rows));
  auto sink = ok(etl::postgres::sink(db, rows));
  ok(sink.write(numbered(1, 100)));
  CHECK(count(reader, "rows") == 100);
  ok(sink.write({}));

  std::vector<Row> batch = numbered(101, 200);
  batch[70].id = 5;
  const etl::Error e = error_of(sink.write(batch));
  CHECK(e.error_class == ErrorClass::Rejected);
  CHECK(e.code == sqlstate("23505"));
  CHECK(e.message() == db.name() +
                           ": insert into \"rows\", id=5: duplicate key value violates unique constraint "
                           "\"rows_pkey\" (Key (id)=(5) already exists.)");
  CHECK(count(db, "rows") == 100);
  batch[70].id = 171;
  ok(sink.write(batch));
  CHECK(count(reader, "rows") == 200);
  // A value that cannot be sent fails the batch in the same way, and the connection stays usable.
  batch = numbered(201, 300);
  batch[50].name += '\0';
  CHECK(has(error_of(sink.write(batch)).message(), "id=251, column \"name\""));
  ok(sink.write(numbered(301, 310)));
  CHECK(count(db, "rows") == 210);
}

TEST_CASE("postgres sink: not within another transaction, where an inserter is at home") {
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  auto sink = ok(etl::postgres::sink(db, rows));
  auto inserter = ok(etl::postgres::inserter(db, rows));
  {
    auto tx = ok(db.begin());
    CHECK(has(error_of(sink.write(numbered(1, 3))).message(), "to write within your transaction, an Inserter"));
    ok(inserter.insert(numbered(1, 3)));
    ok(tx.copy(rows, numbered(4, 5)));
    CHECK(count(db, "rows") == 5);
  }
  CHECK(count(db, "rows") == 0);
  ok(inserter.insert(numbered(1, 3)));  // a transaction by itself
  CHECK(count(db, "rows") == 3);
}

TEST_CASE("postgres sink: a missing table, or one without the columns, is met when the sink is made") {
  const test::Schema schema;
  auto db = schema.open();
  const etl::Error e = error_of(etl::postgres::sink(db, rows));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.code == sqlstate("42P01"));
  CHECK(lacks(e.message(), {"table \"rows\": it does not exist: create it"}) == "");
  ok(create_table(db, rows));
  auto sink = ok(etl::postgres::sink(db, rows));
  ok(db.execute("DROP TABLE rows"));
  CHECK(error_of(sink.write(numbered(1, 3))).code == sqlstate("42P01"));
  ok(create_table(db, rows));
  ok(sink.write(numbered(1, 3)));
}

// --- rejects
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("postgres sink: one bad row in 5000 is rejected alone, the others are committed") {
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  auto sink = ok(etl::postgres::sink(db, rows));
  ok(sink.write(numbered(0, 0)));
  std::vector<Row> batch = numbered(1, 5000);
  batch[4321].id = 0;
  Context context(batch.size());
  ok(sink.write(batch, context));
  REQUIRE(context.places() == "4321");
  CHECK(context.rejects()[0].second.code == sqlstate("23505"));
  CHECK(lacks(context.rejects()[0].second.message(), {"insert into \"rows\", id=0: duplicate key"}) == "");
  CHECK(count(db, "rows") == 5000);
  CHECK(value(db, "SELECT count(*) FROM rows WHERE name = 'n4322'") == "0");
}

TEST_CASE("postgres sink: rows of every kind of badness, many of them, in order") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute(
      "CREATE TABLE rows(id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, name text CHECK(name <> 'bad'), "
      "CONSTRAINT kept CHECK(id < 100000))"));
  auto sink = ok(etl::postgres::sink(db, rows));
  std::vector<Row> batch = numbered(1, 1000);
  batch[0].name = "bad";                                           // a check
  batch[1].name += '\0';                                           // cannot be encoded
  batch[499].id = 1'000'000;                                       // another check
  batch[500].id = 10;                                              // a deferred key: at the commit
  for (std::size_t i = 700; i < 720; ++i) batch[i].name = "\xff";  // a crowd that cannot be encoded
  for (std::size_t i = 800; i < 820; ++i) batch[i].name = "bad";   // a crowd that is refused
  batch[999].name = "bad";
  Context context(batch.size());
  ok(sink.write(batch, context));
  std::string expected = "0,1,499,500";
  for (int i = 700; i < 720; ++i) expected += "," + std::to_string(i);
  for (int i = 800; i < 820; ++i) expected += "," + std::to_string(i);
  CHECK(context.places() == expected + ",999");
  CHECK(count(db, "rows") == 1000 - 4 - 40 - 1);
  for (const auto& [at, error] : context.rejects()) {
    CHECK(error.error_class == ErrorClass::Rejected);
    CHECK(has(error.message(), "insert into \"rows\", id=" + std::to_string(batch[at].id)));
  }
  Context all_bad(3);
  ok(sink.write(std::vector<Row>{{2001, "bad"}, {2002, "bad"}, {2003, "b\xff"}}, all_bad));
  CHECK(all_bad.places() == "0,1,2");
}

TEST_CASE("postgres sink: rows that a foreign key or a trigger refuses, where the server names no row") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute(
      "CREATE TABLE names(name text PRIMARY KEY); INSERT INTO names SELECT 'n' || i FROM generate_series(1, 300) i;"
      "CREATE TABLE rows(id bigint PRIMARY KEY, name text REFERENCES names)"));
  auto sink = ok(etl::postgres::sink(db, rows));
  std::vector<Row> batch = numbered(1, 300);
  batch[17].name = "nobody";
  batch[18].name = "nobody";
  batch[299].name = "nobody";
  Context context(batch.size());
  ok(sink.write(batch, context));
  CHECK(context.places() == "17,18,299");
  CHECK(context.rejects()[0].second.code == sqlstate("23503"));
  CHECK(count(db, "rows") == 297);
}

TEST_CASE("postgres sink: an error that is no row's is not blamed on rows") {
  const test::Schema schema;
  auto db = schema.open();
  ok(
      db.execute("CREATE TABLE rows(id bigint, name text); CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN IF NEW.id = 50 THEN RAISE disk_full; END IF; RETURN NEW; END$$; "
                 "CREATE TRIGGER t BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION full()"));
  auto sink = ok(etl::postgres::sink(db, rows));
  Context context(100);
  const etl::Error e = error_of(sink.write(numbered(1, 100), context));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.code == std::errc::no_space_on_device);
  CHECK(context.rejects().empty());
  // Also when it is met while a bad row is looked for.
  ok(db.execute("ALTER TABLE rows ADD CHECK(name <> 'bad')"));
  std::vector<Row> batch = numbered(1, 100);
  batch[10].name = "bad";
  CHECK(error_of(sink.write(batch, context)).code == std::errc::no_space_on_device);
  CHECK(context.rejects().empty());
  CHECK(count(db, "rows") == 0);
  ok(sink.write(numbered(51, 60), context));
}

TEST_CASE("postgres inserter: rejects rows within a transaction, whose other work stays") {
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  auto inserter = ok(etl::postgres::inserter(db, rows));
  auto tx = ok(db.begin());
  ok(tx.execute("INSERT INTO rows VALUES(7, 'before')"));
  Context context(10);
  ok(inserter.insert(numbered(1, 10), context));
  CHECK(context.places() == "6");
  ok(tx.execute("INSERT INTO rows VALUES(11, 'after')"));
  ok(tx.commit());
  CHECK(count(db, "rows") == 11);
  CHECK(value(db, "SELECT name FROM rows WHERE id = 7") == "before");
}

// --- conflicts
// --------------------------------------------------------------------------------------------------------

TEST_CASE("postgres sink: what becomes of a row that is there already") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute(
      "CREATE TABLE rows(id bigint PRIMARY KEY, name text NOT NULL CHECK(name <> 'bad'), other text DEFAULT 'new');"
      "INSERT INTO rows VALUES(1, 'old', 'kept')"));
  const std::vector<Row> batch = {{1, "one"}, {2, "two"}, {1, "uno"}};
  const auto all = [&] { return value(db, "SELECT string_agg(id || name || other, ' ' ORDER BY id) FROM rows"); };
  SECTION("Fail") {
    CHECK(error_of(ok(etl::postgres::sink(db, rows)).write(batch)).error_class == ErrorClass::Rejected);
    CHECK(all() == "1oldkept");
  }
  SECTION("Ignore") {
    auto sink = ok(etl::postgres::sink(db, rows, OnConflict::Ignore));
    ok(sink.write(batch));
    CHECK(all() == "1oldkept 2twonew");
    // Only the conflict is ignored, not what is wrong with a row.
    CHECK(lacks(error_of(sink.write(std::vector<Row>{{3, "bad"}})).message(), {"check constraint"}) == "");
    ok(sink.write(std::vector<Row>{{3, "x"}, {3, "y"}}));
    CHECK(all() == "1oldkept 2twonew 3xnew");
  }
  SECTION("Replace") {
    ok(ok(etl::postgres::sink(db, rows, OnConflict::Replace)).write(batch));
    CHECK(all() == "1unonew 2twonew");
  }
  SECTION("Update keeps the columns that are not mapped, and the last of several rows counts") {
    auto sink = ok(etl::postgres::sink(db, rows, OnConflict::Update));
    ok(sink.write(batch));
    CHECK(all() == "1unokept 2twonew");
    ok(sink.write(std::vector<Row>{{2, "x"}, {2, "y"}}));
    CHECK(all() == "1unokept 2ynew");
    Context context(3);
    ok(sink.write(std::vector<Row>{{2, "z"}, {3, "bad"}, {4, "four"}}, context));
    CHECK(context.places() == "1");
    CHECK(all() == "1unokept 2znew 4fournew");
  }
  SECTION("Update within a transaction, twice, and again after it") {
    auto inserter = ok(etl::postgres::inserter(db, rows, OnConflict::Update));
    {
      auto tx = ok(db.begin());
      ok(inserter.insert(batch));
      ok(inserter.insert(std::vector<Row>{{2, "x"}}));
      CHECK(all() == "1unokept 2xnew");
    }
    CHECK(all() == "1oldkept");
    ok(inserter.insert(batch));
    CHECK(all() == "1unokept 2twonew");
  }
}

TEST_CASE("postgres sink: Replace is refused where it would delete or change rows of other tables") {
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  ok(db.execute("CREATE TABLE others(id bigint REFERENCES rows ON DELETE RESTRICT)"));
  ok(ok(etl::postgres::sink(db, rows, OnConflict::Replace)).write(numbered(1, 2)));
  for (const char* const action : {"CASCADE", "SET NULL", "SET DEFAULT"}) {
    ok(db.execute(std::string("DROP TABLE others; CREATE TABLE others(id bigint REFERENCES rows ON DELETE ") + action +
                  "); INSERT INTO others VALUES(1)"));
    CHECK(lacks(error_of(etl::postgres::sink(db, rows, OnConflict::Replace)).message(),
                {"change the rows of others that refer to it", "use Update"}) == "");
    ok(ok(etl::postgres::sink(db, rows, OnConflict::Update)).write(numbered(1, 2)));
    CHECK(count(db, "others WHERE id = 1") == 1);
  }
  // Where rows of other tables are behind this one, nobody knows which would be deleted.
  const auto refused = [&] { return error_of(etl::postgres::sink(db, rows, OnConflict::Replace)).message(); };
  ok(db.execute("DROP TABLE others; ALTER TABLE rows RENAME TO under; CREATE VIEW rows AS SELECT * FROM under"));
  CHECK(lacks(refused(), {"rows of a view", "use Update"}) == "");
  ok(db.execute("DROP VIEW rows; ALTER TABLE under RENAME TO rows; CREATE TABLE heirs() INHERITS (rows)"));
  CHECK(lacks(refused(), {"tables that inherit from this one"}) == "");
  ok(
      db.execute("DROP TABLE rows CASCADE; CREATE TABLE rows(id bigint PRIMARY KEY, name text) PARTITION BY RANGE (id);"
                 "CREATE TABLE part PARTITION OF rows FOR VALUES FROM (0) TO (10)"));
  ok(ok(etl::postgres::sink(db, rows, OnConflict::Replace)).write(numbered(1, 2)));
  ok(db.execute("CREATE TABLE others(id bigint REFERENCES part ON DELETE CASCADE)"));
  CHECK(lacks(refused(), {"change the rows of others that refer to it"}) == "");
}

TEST_CASE("postgres sink: Replace needs a unique index, so that a row replaces one row") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE rows(n serial PRIMARY KEY, id bigint, name text); CREATE INDEX ON rows(id)"));
  const auto refused = [&] { return error_of(etl::postgres::sink(db, rows, OnConflict::Replace)).message(); };
  CHECK(lacks(refused(), {"primary key or of a unique index", "the mapping is (\"id\")"}) == "");
  ok(db.execute("CREATE UNIQUE INDEX ON rows(id) WHERE name <> ''; CREATE UNIQUE INDEX ON rows((id + 1))"));
  CHECK(lacks(refused(), {"primary key or of a unique index"}) == "");
  ok(db.execute("CREATE UNIQUE INDEX ON rows(id) INCLUDE (name)"));
  ok(ok(etl::postgres::sink(db, rows, OnConflict::Replace)).write(numbered(1, 2)));
}

TEST_CASE("postgres sink: a column of the name that the stage needs is refused") {
  const test::Schema schema;
  auto db = schema.open();
  const auto named = table<Row>("named", key("id", &Row::id), column("etl_row", &Row::name));
  ok(create_table(db, named));
  ok(ok(etl::postgres::sink(db, named)).write(numbered(1, 2)));
  CHECK(lacks(error_of(etl::postgres::sink(db, named, OnConflict::Update)).message(), {"name etl_row"}) == "");
}

TEST_CASE("postgres sink: update needs a key, and an index for it, a table of keys alone has nothing to set") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE rows(id bigint, name text)"));
  const auto keyless = table<Row>("rows", column("id", &Row::id));
  CHECK(lacks(error_of(etl::postgres::sink(db, keyless, OnConflict::Update)).message(), {"no key column"}) == "");
  auto unindexed = ok(etl::postgres::sink(db, rows, OnConflict::Update));
  CHECK(lacks(error_of(unindexed.write(numbered(1, 2))).message(), {"unique index of exactly these columns"}) == "");
  const auto keys = table<Row>("keys", key("id", &Row::id), key("name", &Row::name));
  ok(create_table(db, keys));
  auto sink = ok(etl::postgres::sink(db, keys, OnConflict::Update));
  ok(sink.write(numbered(1, 3)));
  ok(sink.write(numbered(2, 4)));
  CHECK(count(db, "keys") == 4);
}

// --- faults
// -----------------------------------------------------------------------------------------------------------

TEST_CASE(
    "postgres sink: its process on the server ended within a batch: transient, and the batch can be written again") {
  const test::Schema schema;
  auto db = schema.open(), killer = schema.open();
  ok(create_table(db, traps));
  for (const auto conflict : {OnConflict::Fail, OnConflict::Update}) {
    auto sink = ok(etl::postgres::sink(db, traps, conflict));
    const std::string pid = test::pid(db);
    const etl::Error e = error_of(sink.write(trapped([&] { test::terminate(killer, pid); })));
    INFO(e.message());
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(e.code == std::errc::not_connected);
    CHECK(count(killer, "traps") == 0);
    ok(sink.write(trapped({})));
    CHECK(count(killer, "traps") == 1000);
    ok(killer.execute("TRUNCATE traps"));
  }
}

TEST_CASE("postgres sink: the connection cut before the commit, without a word of the server, leaves no doubt") {
  const test::Schema schema;
  auto reader = schema.open();
  ok(create_table(reader, traps));
  test::Proxy proxy(schema.url());
  auto db = test::open(proxy.url());
  auto sink = ok(etl::postgres::sink(db, traps));
  const etl::Error e = error_of(sink.write(trapped([&] { proxy.cut(); }, 999)));
  INFO(e.message());
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK(e.code == std::errc::not_connected);
  CHECK(count(reader, "traps") == 0);
}

TEST_CASE("postgres sink: the connection cut during the commit leaves the outcome unknown") {
  const test::Schema schema;
  auto reader = schema.open();
  ok(create_table(reader, rows));
  const std::string copy_done("c\0\0\0\4", 5);
  std::int64_t stored = 0;
  for (const auto conflict : {OnConflict::Fail, OnConflict::Update})
    for (const auto side : {test::Proxy::Cut::Before, test::Proxy::Cut::After}) {
      test::Proxy proxy(schema.url());
      auto db = test::open(proxy.url());
      auto sink = ok(etl::postgres::sink(db, rows, conflict));
      proxy.cut_at(copy_done, side);
      const etl::Error e = error_of(sink.write(numbered(stored + 1, stored + 10)));
      INFO(e.message());
      CHECK(e.code == etl::Errc::OutcomeUnknown);
      proxy.join();
      stored += side == test::Proxy::Cut::After ? 10 : 0;
      CHECK(count(reader, "rows") == stored);
    }
}

TEST_CASE("postgres sink: a pooler that loses the server during the commit leaves the outcome unknown") {
  const test::Schema schema;
  auto reader = schema.open();
  ok(reader.execute("CREATE TABLE rows(id bigint PRIMARY KEY, name varchar)"));
  const auto message = [](const char* type, const std::string& text) {
    return type + std::string(3, '\0') + static_cast<char>(text.size() + 4) + text;
  };
  const auto lost = [&](const std::string& code) {
    return message("E", "SFATAL\0VFATAL\0C"s + code + "\0Mserver conn crashed?\0\0"s);
  };
  std::int64_t stored = 0;
  const auto check = [&](const auto& target, OnConflict conflict, const std::string& last_word) {
    test::Proxy proxy(schema.url());
    auto db = test::open(proxy.url());
    auto sink = ok(etl::postgres::sink(db, target, conflict));
    proxy.last_word(last_word);
    proxy.cut_at(message("c", ""), test::Proxy::Cut::After);
    const std::vector<Row> batch = numbered(stored + 1, stored + 10);
    Context context(batch.size());
    const etl::Error e = error_of(sink.write(batch, context));
    INFO(e.message());
    CHECK(e.code == etl::Errc::OutcomeUnknown);
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(has(e.message(), "server conn crashed?"));
    CHECK(context.rejects().empty());
    proxy.join();
    CHECK(count(reader, "rows") == (stored += 10));
  };
  check(rows, OnConflict::Fail, lost("08006"));
  check(rows, OnConflict::Fail, lost("08P01"));
  check(rows, OnConflict::Update, lost("08006"));
  // It is not taken for an error of a cast, after which the rows would be copied once more.
  const auto cast = etl::postgres::dynamic_table<Row>(
      "rows", {{.name = "id", .type = etl::postgres::Type::BigInt, .key = true}, {.name = "name", .cast = "varchar"}},
      [](const Row& row, std::size_t i) -> std::variant<std::int64_t, std::string> {
        if (i == 0) return row.id;
        return row.name;
      });
  check(cast, OnConflict::Fail, message("C", "COPY 10\0"s) + lost("08P01"));
}

TEST_CASE("postgres sink: an error of a row with a pooler's code is not a commit in doubt") {
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  ok(
      db.execute("CREATE FUNCTION far() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
                 "RAISE 'no connection to the other database' USING ERRCODE='08006'; END$$;"
                 "CREATE TRIGGER far BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION far()"));
  auto sink = ok(etl::postgres::sink(db, rows));
  const etl::Error e = error_of(sink.write(numbered(1, 2)));
  CHECK(e.code == sqlstate("08006"));
  CHECK(e.error_class == ErrorClass::Transient);
}

TEST_CASE("postgres sink: locked by another transaction for too long, then not") {
  const test::Schema schema;
  auto holder = schema.open();
  ok(create_table(holder, rows));
  auto db = schema.open({.lock_timeout = 1ms});
  auto sink = ok(etl::postgres::sink(db, rows));
  {
    auto lock = ok(holder.begin());
    ok(lock.execute("LOCK TABLE rows"));
    const etl::Error e = error_of(sink.write(numbered(1, 3)));
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(e.code == std::errc::device_or_resource_busy);
  }
  ok(sink.write(numbered(1, 3)));
  CHECK(count(db, "rows") == 3);
}

TEST_CASE("postgres sink: a stop of the run's second level ends the wait for the server") {
  const test::Schema schema;
  auto holder = schema.open(), db = schema.open();
  ok(create_table(holder, rows));
  auto sink = ok(etl::postgres::sink(db, rows));
  auto lock = ok(holder.begin());
  ok(lock.execute("LOCK TABLE rows"));
  std::stop_source stop;
  const std::string waiting = test::pid(db);
  std::thread other([&] {
    auto watch = test::open(test::postgres_url());
    while (value(watch, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " + waiting) == "0") {}
    stop.request_stop();
  });
  Context context(3, stop.get_token());
  const auto written = sink.write(numbered(1, 3), context);
  other.join();
  CHECK(error_of(written).code == sqlstate("57014"));
}

TEST_CASE("postgres sink: a server that restarts within a load: retries go on when it is back") {
  test::PostgresServer server;
  auto db = test::open(server.url());
  ok(create_table(db, traps));
  auto sink = ok(etl::postgres::sink(db, traps));
  auto pool = ok(Pool::make(server.url(), {}, {.max_size = 2}));
  auto pooled = ok(etl::postgres::sink(pool, traps));

  const etl::Error e = error_of(sink.write(trapped([&] { server.halt(); })));
  INFO(e.message());
  CHECK(e.error_class == ErrorClass::Transient);
  const etl::Error down = error_of(sink.write(trapped({})));
  CHECK(down.error_class == ErrorClass::Transient);
  CHECK(lacks(down.message(), {"connect", "is the server running"}) == "");
  // The server comes back at the second attempt.
  int attempts = 0;
  const auto write = [&] {
    if (++attempts == 2) server.resume();
    return sink.write(trapped({}));
  };
  const etl::RetryPolicy policy{.max_attempts = 5, .initial_delay = 1ms};
  ok(etl::retry(policy, write));
  CHECK(attempts == 2);
  CHECK(count(db, "traps") == 1000);
  // The pool notices by itself that its connections are gone.
  ok(db.execute("TRUNCATE traps"));
  ok(pooled.write(trapped({})));
  CHECK(count(db, "traps") == 1000);
}

TEST_CASE("postgres sink: a full disk fails the batch and leaves nothing of it") {
  test::PostgresServer server(true);
  if (server.small_disk().empty()) {
    WARN("mounting is not allowed here: a full disk is only simulated, by a trigger");
    return;
  }
  auto db = test::open(server.url());
  ok(db.execute("CREATE TABLESPACE small LOCATION '" + server.small_disk() + "'"));
  ok(db.execute("CREATE TABLE rows(id bigint, name text) TABLESPACE small"));
  auto sink = ok(etl::postgres::sink(db, rows));
  ok(sink.write(numbered(1, 10)));
  std::vector<Row> batch = numbered(11, 2000);
  for (Row& row : batch) row.name.assign(1900, 'x');
  etl::Result<void> written;
  for (int i = 0; i < 5 && written; ++i) written = sink.write(batch);
  const etl::Error e = error_of(written);
  INFO(e.message());
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.code == std::errc::no_space_on_device);
  CHECK(count(db, "rows") % 1990 == 10);
  ok(db.execute("DROP TABLE rows; CREATE TABLE rows(id bigint, name text)"));
  ok(sink.write(numbered(1, 10)));
  CHECK(count(db, "rows") == 10);
}

// --- pipelines
// --------------------------------------------------------------------------------------------------------

TEST_CASE("postgres sink: loads a pipeline's batches, and its rejects are the run's") {
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  struct Numbers {
    etl::postgres::SinkFor<decltype(rows)>& sink;
    void extract(etl::Emitter<Row>& out) const {
      for (std::int64_t i = 0; i < 10'000; ++i)
        if (!out.push({i % 9'990, "x"})) return;
    }
    etl::Result<void> load(std::span<const Row> batch, BatchContext& context) { return sink.write(batch, context); }
  };
  auto sink = ok(etl::postgres::sink(db, rows));
  Numbers numbers{sink};
  const etl::RunReport report = etl::run(numbers, {.batch_size = 700, .workers = 2, .errors = {.max_rejects = 10}});
  CHECK(report.ok());
  CHECK(report.items.loaded == 9'990);
  CHECK(report.items.rejected == 10);
  CHECK(count(db, "rows") == 9'990);
}

TEST_CASE("postgres sink: whoever abandons a run does not wait for a server that does not answer (G10)") {
  const test::Watchdog watchdog("request_stop waits for the server");
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  test::Proxy proxy(schema.url());
  proxy.hold_others();  // nor does it answer the connection that cancels the statement
  {
    auto slow = ok(etl::postgres::Connection::open(proxy.url()));
    auto sink = ok(etl::postgres::sink(slow, rows));
    auto lock = ok(db.begin());
    ok(lock.execute("LOCK TABLE rows"));
    std::stop_source stop;
    const std::vector<Row> batch = numbered(1, 3);
    Context context(batch.size(), stop.get_token());
    etl::Result<void> written;
    std::thread writer([&] { written = sink.write(batch, context); });
    const std::string waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation='rows'::regclass";
    while (ok(lock.query(waits)).integer(0, 0) == 0) std::this_thread::yield();
    stop.request_stop();
    ok(lock.commit());
    proxy.refuse_others();
    writer.join();
    CHECK(written);
  }
  CHECK(count(db, "rows") == 3);
}

namespace {

/// Until a session waits for a lock.
void await_waiting(etl::postgres::Connection& db, std::int64_t pid) {
  while (ok(db.query("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid=$1", pid)).integer(0, 0) == 0)
    std::this_thread::yield();
}

/// A batch of `second` waits for a row of `first`, which then stores another row of that batch.
template <class Mapping>
void ignore_rows_of_each_other(const Mapping& mapping, const std::string& index = "") {
  const test::Watchdog watchdog("batches that ignore rows");
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  if (!index.empty()) ok(db.execute(index));
  auto first = schema.open(), second = schema.open();
  auto sink = ok(etl::postgres::sink(second, mapping, OnConflict::Ignore));
  auto inserter = ok(etl::postgres::inserter(first, mapping, OnConflict::Ignore));
  auto transaction = ok(first.begin());
  ok(inserter.insert(std::vector<Row>{{1, "first"}}));
  etl::Result<void> written;
  const std::int64_t pid = ok(second.query("SELECT pg_backend_pid()")).integer(0, 0);
  std::thread writer([&] { written = sink.write(std::vector<Row>{{2, "second"}, {1, "second"}, {2, "third"}}); });
  await_waiting(db, pid);
  ok(inserter.insert(std::vector<Row>{{2, "first"}}));
  ok(transaction.commit());
  writer.join();
  CHECK(written);
  CHECK(ok(db.query("SELECT string_agg(name, ' ') FROM rows")).text(0, 0) == "first first");
}

}  // namespace

TEST_CASE("postgres sink: batches that replace the same row come one after the other") {
  const test::Watchdog watchdog("a batch that replaces a row of another one");
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  ok(db.execute("INSERT INTO rows VALUES(1,'old')"));
  auto first = schema.open(), second = schema.open();
  auto sink = ok(etl::postgres::sink(second, rows, OnConflict::Replace));
  auto inserter = ok(etl::postgres::inserter(first, rows, OnConflict::Replace));
  auto transaction = ok(first.begin());
  ok(inserter.insert(std::vector<Row>{{1, "first"}}));
  Context context(1);
  etl::Result<void> written;
  const std::int64_t pid = ok(second.query("SELECT pg_backend_pid()")).integer(0, 0);
  std::thread writer([&] { written = sink.write(std::vector<Row>{{1, "second"}}, context); });
  await_waiting(db, pid);
  ok(transaction.commit());
  writer.join();
  CHECK(written);
  CHECK(context.rejects().empty());
  CHECK(ok(db.query("SELECT string_agg(name, ' ') FROM rows")).text(0, 0) == "second");
}

TEST_CASE("postgres sink: batches with the same keys do not wait for each other in a circle") {
  ignore_rows_of_each_other(rows);
  const auto without_key = table<Row>("rows", column("id", &Row::id), column("name", &Row::name));
  ignore_rows_of_each_other(without_key);
  ignore_rows_of_each_other(without_key, "CREATE UNIQUE INDEX ON rows((id + 1))");
}

TEST_CASE("postgres sink: a batch with a bad row does not wait for other batches in a circle either") {
  const test::Watchdog watchdog("a batch that is stored in parts");
  const OnConflict mode = GENERATE(OnConflict::Ignore, OnConflict::Update);
  const bool in_transaction = GENERATE(false, true);
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  ok(db.execute("ALTER TABLE rows ADD CHECK (name <> 'bad')"));
  auto first = schema.open(), second = schema.open();
  auto sink = ok(etl::postgres::sink(second, rows, mode));
  auto inserter = ok(etl::postgres::inserter(first, rows, mode)),
       others = ok(etl::postgres::inserter(second, rows, mode));
  auto transaction = ok(first.begin());
  ok(inserter.insert(std::vector<Row>{{1, "first"}}));
  Context context(3);
  etl::Result<void> written;
  const std::int64_t pid = ok(second.query("SELECT pg_backend_pid()")).integer(0, 0);
  const std::vector<Row> batch{{2, "second"}, {0, "bad"}, {1, "second"}};
  std::thread writer([&] {
    if (!in_transaction) {
      written = sink.write(batch, context);
      return;
    }
    auto own = ok(second.begin());
    written = others.insert(batch, context);
    if (written) written = own.commit();
  });
  await_waiting(db, pid);
  const auto inserted = inserter.insert(std::vector<Row>{{2, "first"}});
  if (inserted) ok(transaction.commit());
  writer.join();
  CHECK(inserted);
  CHECK(written);
  CHECK(context.rejects().size() == 1);
  const char* const kept = mode == OnConflict::Ignore ? "first first" : "second second";
  CHECK(ok(db.query("SELECT string_agg(name, ' ') FROM rows")).text(0, 0) == kept);
}

TEST_CASE("postgres sink: a transaction that has merged rows does not wait for another such transaction") {
  const OnConflict mode = GENERATE(OnConflict::Ignore, OnConflict::Update);
  const test::Schema schema;
  auto db = schema.open();
  ok(create_table(db, rows));
  ok(db.execute("ALTER TABLE rows ADD CHECK (name <> 'bad')"));
  auto first = schema.open(), second = schema.open();
  ok(first.execute("SET lock_timeout = '5s'"));
  const auto stored = ok(first.begin()), other = ok(second.begin());
  auto inserter = ok(etl::postgres::inserter(first, rows, mode)),
       others = ok(etl::postgres::inserter(second, rows, mode));
  ok(inserter.insert(std::vector<Row>{{1, "first"}}));
  ok(others.insert(std::vector<Row>{{2, "second"}}));
  Context context(2);
  CHECK(inserter.insert(std::vector<Row>{{3, "bad"}, {4, "first"}}, context));
  CHECK(context.rejects().size() == 1);
}

TEST_CASE("postgres sink: rows that are replaced by several connections are there once, whatever the isolation") {
  const test::Watchdog watchdog("a batch that replaces a row of another one");
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE rows(id bigint PRIMARY KEY, name text)"));
  auto first = schema.open(), second = schema.open();
  ok(second.execute("SET default_transaction_isolation = 'repeatable read'"));
  auto sink = ok(etl::postgres::sink(second, rows, OnConflict::Replace));
  auto inserter = ok(etl::postgres::inserter(first, rows, OnConflict::Replace));
  auto transaction = ok(first.begin());
  ok(inserter.insert(std::vector<Row>{{1, "first"}}));
  etl::Result<void> written;
  const std::int64_t pid = ok(second.query("SELECT pg_backend_pid()")).integer(0, 0);
  std::thread writer([&] { written = sink.write(std::vector<Row>{{1, "second"}}); });
  await_waiting(db, pid);
  ok(transaction.commit());
  writer.join();
  CHECK(written);
  CHECK(ok(db.query("SELECT string_agg(name, ' ') FROM rows")).text(0, 0) == "second");
}

TEST_CASE("postgres sink: of rows that the indexes of a table exclude, the first one is kept") {
  const auto without_key = table<Row>("rows", column("id", &Row::id), column("name", &Row::name));
  const std::string indexes =
      GENERATE(as<std::string>{}, "CREATE UNIQUE INDEX ON rows(id) INCLUDE(other)",
               "CREATE UNIQUE INDEX ON rows(id); CREATE UNIQUE INDEX ON rows(name)",
               "CREATE UNIQUE INDEX ON rows(lower(name))", "CREATE UNIQUE INDEX ON rows(name, id)",
               "CREATE UNIQUE INDEX ON rows(id); ALTER TABLE rows ADD n serial PRIMARY KEY");
  CAPTURE(indexes);
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE rows(id bigint, name text, other json)"));
  ok(db.execute(indexes));
  auto sink = ok(etl::postgres::sink(db, without_key, OnConflict::Ignore));
  ok(sink.write(std::vector<Row>{{2, "a"}, {1, "a"}, {2, "b"}, {2, "a"}}));
  const bool by_id = indexes.find("rows(id)") != std::string::npos,
             by_name = indexes.find("(name)") != std::string::npos;
  const char* const kept = by_id && by_name ? "2 a" : by_id ? "1 a, 2 a" : by_name ? "2 a, 2 b" : "1 a, 2 a, 2 b";
  CHECK(ok(db.query("SELECT string_agg(id || ' ' || name, ', ' ORDER BY id, name) FROM rows")).text(0, 0) == kept);
}

TEST_CASE("postgres sink: a connection stores rows in the types that the table has now") {
  const OnConflict mode = GENERATE(OnConflict::Ignore, OnConflict::Update, OnConflict::Replace);
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE rows(id bigint PRIMARY KEY, name varchar(3))"));
  Context context(2);
  auto narrow = ok(etl::postgres::sink(db, rows, mode));
  ok(narrow.write(std::vector<Row>{{1, "abc"}, {2, "long"}}, context));
  CHECK(context.rejects().size() == 1);
  ok(db.execute("ALTER TABLE rows ALTER name TYPE text"));
  Context later(1);
  auto wide = ok(etl::postgres::sink(db, rows, mode));
  ok(wide.write(std::vector<Row>{{2, "long"}}, later));
  CHECK(later.rejects().empty());
  CHECK(ok(db.query("SELECT string_agg(name, ' ' ORDER BY id) FROM rows")).text(0, 0) == "abc long");
}

TEST_CASE("postgres pool sink: does not wait for a connection when the run loads nothing more (G4)") {
  const test::Schema schema;
  const Pool pool = ok(Pool::make(schema.url(), {}, {.max_size = 1, .lease_timeout = std::chrono::milliseconds(50)}));
  auto db = schema.open();
  ok(create_table(db, rows));
  const auto sink = ok(etl::postgres::sink(pool, rows));
  const auto only = ok(pool.lease());
  std::stop_source ended;
  ended.request_stop();
  const std::stop_token waits = ended.get_token(), stop;
  const std::optional<etl::Position> nowhere;
  const std::vector<Row> batch = numbered(1, 3);
  BatchContext context({.position = &nowhere, .stop = &stop, .waits = &waits, .size = batch.size()});
  const etl::Error e = error_of(sink.write(batch, context));
  INFO(e.message());
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK(e.message().find("stopped while waiting") != std::string::npos);
}

TEST_CASE("postgres pool sink: a const load writes from all workers at once") {
  const test::Schema schema;
  const Pool pool = ok(Pool::make(schema.url(), {}, {.max_size = 2}));
  auto db = schema.open();
  ok(create_table(db, rows));
  struct Numbers {
    const etl::postgres::PoolSinkFor<decltype(rows)>& sink;
    void extract(etl::Emitter<Row>& out) const {
      for (std::int64_t i = 0; i < 20'000; ++i)
        if (!out.push({i == 7'777 ? 7 : i, "x"})) return;
    }
    etl::Result<void> load(std::span<const Row> batch, BatchContext& context) const {
      return sink.write(batch, context);
    }
  };
  const auto sink = ok(etl::postgres::sink(pool, rows));
  Numbers numbers{sink};
  const etl::RunReport report = etl::run(numbers, {.batch_size = 500, .workers = 4, .errors = {.max_rejects = 1}});
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.items.loaded == 19'999);
  CHECK(count(db, "rows") == 19'999);
  CHECK(pool.status().leased == 0);
}

}  // namespace sink_test
