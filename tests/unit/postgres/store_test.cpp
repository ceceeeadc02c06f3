#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <etl/postgres/store.hpp>
#include <etl/testing/conformance.hpp>

#include "support/catch.hpp"
#include "support/postgres_proxy.hpp"
#include "unit/postgres/support.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using etl::postgres::column;
using etl::postgres::Connection;
using etl::postgres::key;
using etl::postgres::OnConflict;
using etl::postgres::Pool;
using etl::postgres::sqlstate;
using etl::postgres::Store;
using etl::postgres::table;
using etl::postgres::Tx;
using etl::postgres::Type;

namespace {

struct Row {
  std::int64_t id = 0;
  std::string name{};
};
const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name));
using Batch = std::vector<Row>;

/// A store in a schema of its own, with the table of rows.
struct Fixture {
  using Tx = etl::postgres::Tx;
  static constexpr bool keeps_ranges = false;
  static constexpr std::string_view pipeline_p = "pipeline 'p'", twice = "of partition 0 are settled already";

  Fixture() {
    test::ok(connection.execute("CREATE TABLE rows(id bigint PRIMARY KEY, name text NOT NULL CHECK(name<>''))"));
  }
  Connection& db() { return connection; }
  [[nodiscard]] std::shared_ptr<Store> again() const { return test::ok(Store::open(schema.url())); }
  [[nodiscard]] std::shared_ptr<Store> reader() const { return again(); }
  static void insert(Tx& tx, std::int64_t id, const std::string& name) { test::ok(tx.write(rows, Batch{{id, name}})); }
  std::string names() { return test::value(connection, "SELECT string_agg(name, '' ORDER BY id) FROM rows"); }
  void refuse_letters() { test::ok(connection.execute("ALTER TABLE etl_dead_letters ADD CHECK(id<>'a')")); }

  test::Schema schema{};
  Connection connection = schema.open();
  std::shared_ptr<Store> store = test::ok(Store::open(schema.url()));
};

}  // namespace

#define STORE "postgres store: "
#include "support/store_suite.hpp"

TEST_CASE("postgres store: keeps the contract of checkpoints, dead letters and transactions") {
  Fixture f;
  CHECK_NOTHROW(etl::testing::check_transactional_store<Tx>(
      *f.store, *f.store, [&, id = std::int64_t{0}](Tx& tx) mutable { ok(tx.write(rows, Batch{{++id, "x"}})); },
      [&] { return static_cast<std::size_t>(count(f.db(), "rows")); }));
}

TEST_CASE("postgres store: its tables can be read with SQL") {
  Fixture f;
  const Session session = ok(f.store->connect());
  commit(session, {.settled = {{1, {5, 6}}, {0, {10, 20}}}});
  commit(session, {.settled = {{0, {30, 40}}}});
  commit(session, {.settled = {{0, {20, 25}}, {1, {0, 5}}}});
  CHECK(value(f.db(), "SELECT watermark || ' ' || settled::text FROM etl_partitions WHERE partition = 0") ==
        "0 {10,25,30,40}");

  DeadLetter one = letter("i1'");
  one.errors = {"C:\\new\nline", ""};
  one.time = std::chrono::system_clock::time_point(1'700'000'000'123'456us);
  one.payload = "a\0\xff\n'\\"s;
  ok(f.store->write(std::vector{one}));
  CHECK(value(f.db(),
              "SELECT errors[1] || to_char(time AT TIME ZONE 'UTC', ' YYYY-MM-DD HH24:MI:SS.US') || payload::text "
              "FROM etl_dead_letters WHERE id = 'i1\'\''") ==
        "C:\\\\new\\nline 2023-11-14 22:13:20.123456\\x6100ff0a275c");

  // Where backslashes in literals are escapes, too.
  const auto legacy = ok(etl::postgres::Store::open(f.schema.url() + "%20-cstandard_conforming_strings%3Doff"));
  one.id = "i2";
  ok(legacy->write(std::vector{one}));
  std::vector<DeadLetter> letters;
  ok(legacy->list("p", [&](const DeadLetter& letter) { return letters.push_back(letter), true; }));
  REQUIRE(letters.size() == 2);
  for (const DeadLetter& letter : letters) {
    CHECK(letter.payload == one.payload);
    CHECK(letter.errors == one.errors);
  }
}

TEST_CASE("postgres store: a write without a transaction says so, and a list that ends early keeps no connection") {
  Fixture f;
  const Session session = ok(f.store->connect());
  CHECK(has(error_of(session->transaction().write(rows, Batch{{3, "c"}})).message(), "no transaction is open"));
  ok(f.store->write(std::vector{letter("a"), letter("b", 1)}));
  CHECK_THROWS_AS(f.store->list("p", [](const DeadLetter&) -> bool { throw 1; }), int);
  ok(f.store->list("p", [](const DeadLetter&) { return false; }));
  CHECK(f.store->pool().status().leased == 0);
}

TEST_CASE("postgres store: of 100,000 partitions only those that have changed are written again") {
  Fixture f;
  Checkpoint many{.fingerprint = "f", .batch_size = 10};
  for (std::uint32_t i = 0; i < 100'000; ++i)
    many.partitions.push_back({.partition = i, .id = "file " + std::to_string(i), .fingerprint = "f"});
  ok(f.store->save("p", many));
  CHECK(ok(f.store->find("p")) == many);
  /// A row's xmin is the transaction that has written it.
  const auto untouched = [&, first = value(f.db(), "SELECT min(xmin::text::bigint) FROM etl_partitions")] {
    return value(f.db(), "SELECT count(*) FROM etl_partitions WHERE xmin::text = '" + first + "'");
  };
  const Session session = ok(f.store->connect());
  for (std::uint32_t i = 0; i < 1000; ++i) {
    commit(session, {.settled = {{100 * i, {0, 10}}}});
    many.partitions[100 * i].watermark = 10;
  }
  CHECK(untouched() == "99000");
  many.partitions[1].watermark = 5;
  many.partitions[2].id += 'x';
  many.partitions[3].position = Position("");
  many.partitions[4].gaps.add({7, 9});
  many.partitions.erase(many.partitions.begin() + 50'001);
  ok(f.store->save("p", many));
  CHECK(untouched() == "98995");
  CHECK(ok(f.store->find("p")) == many);
}

TEST_CASE("postgres store: rows that are refused are rejected one by one, also of a table known at run time") {
  Fixture f;
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  using Cell = std::variant<std::monostate, std::int64_t, std::string>;
  using Cells = std::vector<Cell>;
  const auto cells = etl::postgres::dynamic_table<Cells>(
      "rows", {{.name = "id", .type = Type::BigInt, .key = true}, {.name = "name", .nullable = false}},
      [](const Cells& row, std::size_t i) -> const Cell& { return row[i]; });
  const Batch batch{{1, "a"}, {2, ""}, {1, "twice"}, {3, "\xff"}, {4, "d"}};
  std::vector<Cells> found;
  for (const Row& row : batch) found.push_back({row.id + 10, row.name});
  const std::optional<Position> nowhere;
  const std::stop_token stop;
  const auto refused = [&](auto write) {
    etl::BatchContext context({.position = &nowhere, .stop = &stop, .size = batch.size()});
    ok(session->begin());
    ok(write(context));
    ok(session->commit());
    std::string all;
    for (const auto& [at, error] : context.rejects()) all += std::to_string(at) + " ";
    return all;
  };
  CHECK(refused([&](auto& context) { return tx.write(rows, batch, context); }) == "1 2 3 ");
  CHECK(refused([&](auto& context) { return tx.write(cells, found, context); }) == "1 2 3 ");
  CHECK(refused([&](auto& context) { return tx.write(rows, batch, context, OnConflict::Update); }) == "1 3 ");
  CHECK(value(f.db(), "SELECT string_agg(id || name, ' ' ORDER BY id) FROM rows") == "1twice 4d 11a 14d");

  ok(session->begin());  // without a context it is the batch's error, after which only a rollback is possible
  CHECK(error_of(tx.write(rows, batch)).error_class == ErrorClass::Rejected);
  CHECK(error_of(record(session, {.settled = {{0, {0, 5}}}})).error_class == ErrorClass::Fatal);
  CHECK_FALSE(session->commit());
}

TEST_CASE("postgres store: a commit waits for the disk, also where the server would not (G15)") {
  const test::Schema schema;
  const auto pool = ok(etl::postgres::Pool::make(schema.url(), {}, {.max_size = 1}));
  const auto store = ok(Store::over(pool));
  for (const auto& [setting, wanted] : {std::pair("off", "on"), std::pair("local", "local")}) {
    ok(ok(pool.lease())->execute(std::string("SET synchronous_commit=") + setting));
    const Session session = ok(store->connect());
    ok(session->begin());
    CHECK(ok(session->transaction().query("SHOW synchronous_commit")).text(0, 0) == wanted);
  }
}

TEST_CASE("postgres store: a transaction that load has ended is not taken for another one") {
  Fixture f;
  for (const char* const sql : {"ROLLBACK; BEGIN", "COMMIT; BEGIN", "ROLLBACK AND CHAIN", "COMMIT AND CHAIN"}) {
    CAPTURE(sql);
    const Session session = ok(f.store->connect());
    ok(session->begin());
    ok(session->transaction().execute(sql));
    const etl::Error ended = error_of(record(session, {.settled = {{0, {0, 5}}}}));
    CHECK(ended.error_class == ErrorClass::Fatal);
    CHECK(has(ended.message(), "COMMIT"));
  }
}

TEST_CASE("postgres store: rows that a deferred constraint refuses are rejected one by one, not at the commit") {
  Fixture f;
  ok(
      f.db().execute("CREATE TABLE late(id bigint NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED, name text);"
                     "INSERT INTO late VALUES(2, 'there')"));
  const auto late = table<Row>("late", key("id", &Row::id), column("name", &Row::name));
  const Session session = ok(f.store->connect());
  const std::optional<Position> nowhere;
  const std::stop_token stop;
  const Batch batch{{1, "a"}, {2, "b"}, {3, "c"}};
  etl::BatchContext context({.position = &nowhere, .stop = &stop, .size = batch.size()});
  ok(session->begin());
  ok(session->transaction().write(late, batch, context));
  ok(session->commit());
  REQUIRE(context.rejects().size() == 1);
  CHECK(context.rejects()[0].first == 1);
  CHECK(has(context.rejects()[0].second.message(), "id=2"));
  CHECK(value(f.db(), "SELECT string_agg(id || name, ' ' ORDER BY id) FROM late") == "1a 2there 3c");
}

TEST_CASE("postgres store: statements of the user's own, but no COMMIT") {
  Fixture f;
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  ok(session->begin());
  ok(tx.execute("INSERT INTO rows VALUES(1, 'a'); INSERT INTO rows VALUES(2, 'b')"));
  CHECK(ok(tx.query("SELECT name FROM rows WHERE id = $1", 2)).text(0, 0) == "b");
  auto inserter = ok(etl::postgres::inserter(tx.connection(), rows));
  ok(inserter.insert(Batch{{3, "c"}}));
  ok(session->savepoint());
  CHECK(error_of(tx.execute("INSERT INTO rows VALUES(1, 'twice')")).code == sqlstate("23505"));
  ok(session->rollback_to_savepoint());
  ok(session->commit());
  CHECK(count(f.db(), "rows") == 3);
  for (const std::string_view end : {"COMMIT", "ROLLBACK"}) {
    ok(session->begin());
    const etl::Error e = error_of(tx.execute(end));
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(has(e.message(), "leave these to the library"));
    CHECK_FALSE(record(session, {}));
    CHECK_FALSE(session->commit());
    ok(session->begin());
    CHECK_FALSE(tx.query(end));
    session->rollback();
  }
  // For a test of a load.
  auto transaction = ok(f.db().begin());
  Tx own(f.db());
  ok(own.write(rows, Batch{{4, "d"}}));
  ok(transaction.commit());
  CHECK(count(f.db(), "rows") == 4);
}

TEST_CASE("postgres store: two writers of one pipeline at once: the second commits upon the first") {
  Fixture f;
  ok(f.store->save("p", {.fingerprint = "f"}));
  for (const bool first_commits : {true, false}) {
    const Session first = ok(f.store->connect());
    const Session second = ok(f.store->connect());
    for (const auto* const session : {&first, &second}) ok((*session)->begin());
    ok(record(first, {.settled = {{0, {0, 10}}, {1, {10, 20}}}}));
    etl::Result<void> later;
    std::thread waits([&] { later = record(second, {.settled = {{1, {0, 10}}, {0, {10, 20}}}}); });
    while (value(f.db(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%" +
                             f.schema.name() + "%'") != "1")
      std::this_thread::yield();
    first_commits ? ok(first->commit()) : first->rollback();
    waits.join();
    ok(later);
    ok(second->commit());
    const auto found = ok(f.store->find("p"))->partitions;
    REQUIRE(found.size() == 2);
    CHECK(found[0].watermark == (first_commits ? 20 : 0));
    CHECK(found[1].watermark == (first_commits ? 20 : 10));
    CHECK(found[0].gaps == (first_commits ? SeqRanges() : ranges({{10, 20}})));
    ok(f.store->save("p", {.fingerprint = "f"}));
  }
}

TEST_CASE("postgres store: a lost connection is replaced at the next transaction") {
  Fixture f;
  const Session session = ok(f.store->connect());
  ok(session->begin());
  test::terminate(f.db(), test::pid(session->transaction().connection()));
  const etl::Error e = error_of(session->transaction().write(rows, Batch{{1, "a"}}));
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK(error_of(record(session, {.settled = {{0, {0, 1}}}})).error_class == ErrorClass::Transient);
  CHECK(error_of(session->commit()).error_class == ErrorClass::Transient);
  ok(session->begin());
  ok(session->transaction().write(rows, Batch{{1, "a"}}));
  ok(session->commit());
  CHECK(count(f.db(), "rows") == 1);
}

TEST_CASE(
    "postgres store: a commit without an answer is cleared up, also when the server holds the transaction still") {
  using Cut = test::Proxy::Cut;
  for (const auto side : {Cut::Before, Cut::After, Cut::Silently, Cut::SilentlyAfter}) {
    CAPTURE(side);
    Fixture f;
    test::Proxy proxy(f.schema.url());
    const auto store = ok(Store::over(ok(Pool::make(proxy.url_and_past(), {}, {.max_size = 1}))));
    const Session session = ok(store->connect());
    ok(session->begin());
    ok(session->transaction().write(rows, Batch{{1, "a"}}));
    ok(record(session, {.settled = {{0, {0, 1}}}}));
    proxy.cut_at("COMMIT", side);
    CHECK(error_of(session->commit()).code == etl::Errc::OutcomeUnknown);
    const bool settled = ok(session->is_settled("p", {0, {0, 1}}));
    // After: the server may be told to end the transaction before it has read the COMMIT.
    if (side != Cut::After) CHECK(settled == (side == Cut::SilentlyAfter));
    CHECK(count(f.db(), "rows") == (settled ? 1 : 0));
    // Nothing is left that could still commit, or that holds a lock. A session that was told to end takes a moment.
    const auto left = [&] {
      return value(f.db(),
                   "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND query LIKE '%" +
                       f.schema.name() + "%'");
    };
    for (int looks = 0; looks < 1000 && left() != "0"; ++looks) value(f.db(), "SELECT pg_sleep(0.01)::text");
    CHECK(left() == "0");
    if (settled) continue;
    commit(session, {.settled = {{0, {0, 1}}}});
    proxy.join();
  }
}

TEST_CASE("postgres store: what a lost connection has left on the server holds up nobody") {
  using Cut = test::Proxy::Cut;
  for (const std::string_view at : {"INSERT INTO rows", "FOR UPDATE", "settled="}) {
    CAPTURE(at);
    Fixture f;
    test::Proxy proxy(f.schema.url());
    const auto store = ok(Store::over(ok(Pool::make(proxy.url_and_past(), {.lock_timeout = 2s}, {.max_size = 2}))));
    ok(store->save("p", {.fingerprint = "f", .run = "r"}));
    const SettledRange range{0, {0, 1}};
    const auto load = [&](const Session& session) -> etl::Result<void> {
      if (auto done = session->begin(); !done) return done;
      if (auto done = session->transaction().execute("INSERT INTO rows VALUES(1, 'a')"); !done) return done;
      if (auto done = record(session, {.settled = {range}, .run = "r"}); !done) return done;
      return session->commit();
    };
    const Session first = ok(store->connect());
    proxy.cut_at(at, Cut::SilentlyAfter);
    CHECK_FALSE(load(first));
    first->rollback();
    CHECK_FALSE(ok(first->is_settled("p", range)));
    const Session second = ok(store->connect());
    ok(load(at == "FOR UPDATE" ? second : first));
    CHECK(count(f.db(), "rows") == 1);
    proxy.join();
  }
  // The same for calls of the store.
  Fixture f;
  test::Proxy proxy(f.schema.url());
  const auto store = ok(Store::over(ok(Pool::make(proxy.url_and_past(), {.lock_timeout = 2s}, {.max_size = 1}))));
  proxy.cut_at("INSERT INTO", Cut::SilentlyAfter);
  CHECK_FALSE(store->save("p", {.fingerprint = "f"}));
  ok(store->save("p", {.fingerprint = "f"}));
  proxy.join();
}

TEST_CASE("postgres store: G15 a claim takes over from a run that is stuck within its commit") {
  Fixture f;
  ok(f.store->save("p", {.fingerprint = "f", .run = "stuck"}));
  const Session stuck = ok(f.store->connect());
  const SettledRange range{0, {0, 1}};
  ok(stuck->begin());
  ok(stuck->transaction().write(rows, Batch{{1, "a"}}));
  ok(record(stuck, {.settled = {range}, .run = "stuck"}));
  const auto other = ok(Store::over(ok(Pool::make(f.schema.url(), {.lock_timeout = 100ms}))));
  CHECK(ok(other->claim("p", "next"))->run == "next");
  CHECK_FALSE(stuck->commit());
  CHECK(count(f.db(), "rows") == 0);
  ok(stuck->begin());
  CHECK(error_of(record(stuck, {.settled = {range}, .run = "stuck"})).code == etl::Errc::Superseded);
}

TEST_CASE("postgres store: G15 a claim does not wait for a gap between commits that never comes") {
  Fixture f;
  ok(f.store->save("p", {.fingerprint = "f", .run = "busy"}));
  // One transaction after the other, each of which records before the one before it has committed.
  const Session sessions[] = {ok(f.store->connect()), ok(f.store->connect())};
  const auto settle = [&](std::uint32_t i) { return record(sessions[i], {.settled = {{i, {0, 1}}}, .run = "busy"}); };
  ok(sessions[0]->begin());
  ok(settle(0));
  etl::Result<std::optional<Checkpoint>> claimed;
  std::thread claim([&] { claimed = ok(Store::open(f.schema.url()))->claim("p", "next"); });
  const auto waiting = [&] {
    return value(f.db(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%" +
                             f.schema.name() + "%'");
  };
  while (waiting() != "1") std::this_thread::yield();
  ok(sessions[1]->begin());
  etl::Result<void> late;
  std::atomic<bool> returned = false;
  std::thread records([&] { late = settle(1), returned = true; });  // it waits until the claim has its turn
  while (waiting() != "2" && !returned) std::this_thread::yield();
  ok(sessions[0]->commit());
  claim.join();
  records.join();
  CHECK(ok(std::move(claimed))->run == "next");
  CHECK(error_of(late).code == etl::Errc::Superseded);
}

TEST_CASE("postgres store: a pooler's word that it has lost the server leaves a commit in doubt") {
  using Cut = test::Proxy::Cut;
  Fixture f;
  test::Proxy proxy(f.schema.url());
  const auto store = ok(Store::over(ok(Pool::make(proxy.url_and_past(), {}, {.max_size = 1}))));
  const Session session = ok(store->connect());
  ok(session->begin());
  ok(session->transaction().write(rows, Batch{{1, "a"}}));
  ok(record(session, {.settled = {{0, {0, 1}}}}));
  const std::string fields = "SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0"s;
  proxy.last_word("E\0\0\0"s + static_cast<char>(fields.size() + 4) + fields + "Z\0\0\0\5I"s);
  proxy.cut_at("COMMIT", Cut::After);
  const etl::Error e = error_of(session->commit());
  CHECK(e.code == etl::Errc::OutcomeUnknown);
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(has(e.message(), "server conn crashed?"));
  proxy.join();
  CHECK(ok(session->is_settled("p", {0, {0, 1}})));
  CHECK(count(f.db(), "rows") == 1);
}

TEST_CASE("postgres store: tables of format 4 get the new columns, and keep their letters") {
  const test::Schema schema;
  auto db = schema.open();
  ok(ok(Store::open(schema.url()))->write(std::vector{letter("a")}));
  ok(
      db.execute("ALTER TABLE etl_dead_letters DROP COLUMN results, DROP COLUMN loaded, DROP COLUMN replays;"
                 "UPDATE etl_store SET format=4"));
  std::vector<etl::Result<std::shared_ptr<Store>>> opened(4);
  {
    std::vector<std::thread> threads;
    for (auto& store : opened) threads.emplace_back([&] { store = Store::open(schema.url()); });
    for (std::thread& thread : threads) thread.join();
  }
  for (const auto& store : opened) CHECK(store.has_value());
  const auto store = ok(std::move(opened[0]));
  CHECK(letters(*store) == std::vector{letter("a")});
  DeadLetter some = letter("a");
  some.results = 2;
  some.loaded.add({1, 2});
  ok(store->write(std::vector{some}));
  CHECK(letters(*store) == std::vector{some});
}

TEST_CASE("postgres store: a session that waits for a connection hears of a stop") {
  const test::Schema schema;
  const auto pool = ok(Pool::make(schema.url(), {}, {.max_size = 1}));
  const auto store = ok(Store::over(pool));
  const auto session = ok(store->connect());
  const auto taken = ok(pool.lease());
  std::stop_source stop;
  session->stop_waiting_on(stop.get_token());
  stop.request_stop();
  for (const etl::Error& e : {error_of(session->begin()), error_of(session->is_settled("p", {}))}) {
    CHECK(e.code == sqlstate("57014"));
    CHECK(e.error_class == ErrorClass::Transient);
  }
}

TEST_CASE("postgres store: a schema of its own, made on demand, by several at once") {
  const test::Schema schema;
  auto db = schema.open();
  const std::string own = schema.name() + "_\"st'ore";
  const auto pool = ok(Pool::make(schema.url()));
  std::vector<etl::Result<std::shared_ptr<Store>>> made(4);
  {
    std::vector<std::thread> threads;
    for (auto& store : made) threads.emplace_back([&] { store = Store::over(pool, own); });
    for (std::thread& thread : threads) thread.join();
  }
  for (const auto& store : made) CHECK(store.has_value());
  ok(ok(std::move(made[0]))->save("p", {.fingerprint = "here"}));
  const auto again = ok(Store::over(pool, own));
  CHECK(ok(again->find("p"))->fingerprint == "here");
  CHECK(value(db, "SELECT to_regclass('etl_store') IS NULL") == "t");
  ok(db.execute("UPDATE " + etl::postgres::detail::quoted(own) + ".etl_store SET format=2"));
  const etl::Error e = error_of(Store::over(pool, own));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(lacks(e.message(), {"format 2", "format 5", "the version", "drop the tables"}) == "");
  ok(db.execute("DROP SCHEMA " + etl::postgres::detail::quoted(own) + " CASCADE"));
  CHECK(has(error_of(Store::open(test::postgres_url() + "?options=-csearch_path%3Dnowhere")).message(),
            "no schema of the search path exists"));
}

TEST_CASE(
    "postgres store: a role that may not write, and a server that takes no writes, are told before anything is "
    "loaded") {
  Fixture f;
  const std::string role = f.schema.name() + "_reader";
  ok(f.store->save("p", {.fingerprint = "f", .run = "r"}));
  ok(f.db().execute(
      fmt::format("CREATE ROLE {0}; GRANT USAGE ON SCHEMA {1} TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA {1} TO {0}",
                  role, f.schema.name())));
  {
    const auto reader = ok(Store::open(f.schema.url() + "%20-crole%3D" + role));
    CHECK(ok(reader->find("p"))->fingerprint == "f");
    CHECK(ids(*reader).empty());
    const std::vector letters{letter("a")};
    for (const etl::Error& e : {error_of(reader->claim("p", "s")), error_of(reader->save("p", {.run = "r"})),
                                error_of(reader->reset("p")), error_of(reader->write(letters))}) {
      CHECK(e.code == sqlstate("42501"));
      CHECK(e.error_class == ErrorClass::Fatal);
      CHECK(has(e.message(), "GRANT what is missing"));
    }
  }
  ok(f.db().execute(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", role)));
  const auto standby = ok(Store::open(f.schema.url() + "%20-cdefault_transaction_read_only%3Don"));
  const etl::Error e = error_of(standby->claim("p", "s"));
  CHECK(e.code == sqlstate("25006"));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(ok(f.store->find("p"))->run == "r");
}

TEST_CASE("postgres store: under strict isolation two commits at once are both right, or one is to be repeated") {
  for (const std::string level : {"repeatable%5C%20read", "serializable"}) {
    Fixture f;
    ok(f.store->save("p", {.fingerprint = "f"}));
    const auto store = ok(Store::open(f.schema.url() + "%20-cdefault_transaction_isolation%3D" + level));
    const Session first = ok(store->connect()), second = ok(store->connect());
    for (const auto* const session : {&first, &second}) {
      ok((*session)->begin());
      CHECK(ok((*session)->transaction().query("SELECT count(*) FROM rows")).integer(0, 0) == 0);  // its snapshot
    }
    ok(first->transaction().write(rows, Batch{{1, "a"}}));
    ok(record(first, {.settled = {{0, {0, 10}}}}));
    ok(first->commit());
    etl::Result<void> done = second->transaction().write(rows, Batch{{2, "b"}});
    if (done) done = record(second, {.settled = {{0, {10, 20}}}});
    if (done) done = second->commit();
    const etl::Error e = error_of(done);
    CHECK(e.code == sqlstate("40001"));
    CHECK(e.error_class == ErrorClass::Transient);
    second->rollback();
    CHECK(count(f.db(), "rows") == 1);
    ok(second->begin());
    ok(second->transaction().write(rows, Batch{{2, "b"}}));
    ok(record(second, {.settled = {{0, {10, 20}}}}));
    ok(second->commit());
    CHECK(ok(f.store->find("p"))->partitions.at(0).watermark == 20);
    // A claim that comes between: what the commit saw is no longer so.
    ok(first->begin());
    CHECK(ok(first->transaction().query("SELECT count(*) FROM rows")).integer(0, 0) == 2);
    ok(f.store->claim("p", "next"));
    CHECK_FALSE(record(first, {.settled = {{0, {20, 30}}}}));
    first->rollback();
    ok(first->begin());
    CHECK(error_of(record(first, {.settled = {{0, {20, 30}}}})).code == etl::Errc::Superseded);
  }
}

TEST_CASE("postgres store: a role makes its tables in a schema that is there without rights on the database") {
  const test::Schema schema;
  auto db = schema.open();
  const std::string role = schema.name() + "_role";
  ok(db.execute(fmt::format("CREATE ROLE {0}; GRANT USAGE, CREATE ON SCHEMA {1} TO {0}", role, schema.name())));
  const auto store = Store::open(schema.url() + "%20-crole%3D" + role);
  CHECK(store.has_value());
  ok(db.execute(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", role)));
}
