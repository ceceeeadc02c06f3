#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sqlite3.h>
#include <etl/sqlite/store.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

using namespace std::chrono_literals;
using etl::sqlite::column;
using etl::sqlite::Database;
using etl::sqlite::DatabaseOptions;
using etl::sqlite::key;
using etl::sqlite::OnConflict;
using etl::sqlite::Store;
using etl::sqlite::table;
using etl::sqlite::Tx;

namespace {

struct Row {
  std::int64_t id = 0;
  std::string name{};
};
const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name));
constexpr std::string_view rows_sql = "CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK(name<>''))";

/// A store in a file, with the table of rows.
struct Fixture {
  using Tx = etl::sqlite::Tx;
  static constexpr bool keeps_ranges = true;
  static constexpr std::string_view pipeline_p = "'p'", twice = "of partition 0 of 'p' are settled already";

  explicit Fixture(DatabaseOptions options = {}) : store(test::ok(Store::open(path, options))) {
    test::ok(store->database().execute(rows_sql));
  }
  Database& db() {
    if (!other) other = test::open(path);
    return *other;
  }
  [[nodiscard]] std::shared_ptr<Store> again() const { return test::ok(Store::open(path)); }
  [[nodiscard]] std::shared_ptr<Store> reader() const { return test::ok(Store::open(path, {.read_only = true})); }
  static void insert(Tx& tx, std::int64_t id, const std::string& name) {
    test::ok(tx.write(rows, std::vector<Row>{{id, name}}));
  }
  std::string names() {
    return test::value(db(), "SELECT group_concat(name, '') FROM (SELECT name FROM rows ORDER BY id)");
  }
  void refuse_letters() {
    test::ok(store->database().execute(
        "CREATE TRIGGER no BEFORE INSERT ON etl_dead_letters BEGIN SELECT RAISE(ABORT, 'no'); END"));
  }

  test::Folder folder{};
  std::filesystem::path path = folder / "store.db";
  std::shared_ptr<Store> store;
  std::optional<Database> other{};
};

}  // namespace

#define STORE "sqlite store: "
#include "support/store_suite.hpp"

TEST_CASE("sqlite store: the work for one of 100,000 partitions is that for one of 1,000") {
  struct Work {
    std::int64_t written = 0, steps = 0;
  };
  const auto work_of = [](std::uint32_t partitions, const auto& what) {
    Fixture f({.synchronous = etl::sqlite::Synchronous::Off});
    Checkpoint many{.fingerprint = "f", .batch_size = 10};
    for (std::uint32_t i = 0; i < partitions; ++i)
      many.partitions.push_back({.partition = i, .id = "file " + std::to_string(i), .fingerprint = "f"});
    sqlite3* const handle = f.store->database().handle();
    const auto written = [&, before = sqlite3_total_changes(handle)] { return sqlite3_total_changes(handle) - before; };
    ok(f.store->save("p", many));
    CHECK(written() == static_cast<int>(partitions) + 1);
    CHECK(ok(f.store->find("p")) == many);
    Work work;
    constexpr int instructions = 10;  // of SQLite's virtual machine, for each call
    const auto count = [](void* steps) { return ++*static_cast<std::int64_t*>(steps), 0; };
    work.written = written();
    sqlite3_progress_handler(handle, instructions, count, &work.steps);
    what(*f.store, many);
    sqlite3_progress_handler(handle, 0, nullptr, nullptr);
    work.written = written() - work.written;
    CHECK(ok(f.store->find("p")) == many);
    return work;
  };
  const auto commits = [](Store& store, Checkpoint& many) {
    const Session session = ok(store.connect());
    for (std::size_t i = 0; i < 1000; ++i) {
      PartitionProgress& one = many.partitions[(many.partitions.size() / 1000) * i];
      commit(session, {.settled = {{one.partition, {0, 10}}}, .advanced = {{.partition = one.partition}}});
      CHECK(ok(session->is_settled("p", {one.partition, {0, 10}})));
      one.watermark = 10;
    }
  };
  const Work few = work_of(1000, commits), many = work_of(100'000, commits);
  CHECK(few.written == 2000);  // each partition by both of its parts
  CHECK(many.written == few.written);
  CHECK(many.steps <= few.steps + few.steps / 10);
  const auto save = [](Store& store, Checkpoint& c) {
    c.partitions[500].watermark = 3;
    ok(store.save("p", c));
  };
  CHECK(work_of(1000, save).written == 2);  // the head, and the partition that has changed
  CHECK(work_of(20'000, save).written == 2);
}

TEST_CASE("sqlite store: a session that goes rolls back, and the next has the connection again") {
  Fixture f;
  {
    const Session session = ok(f.store->connect());
    ok(session->begin());
    ok(session->transaction().execute("INSERT INTO rows VALUES(1, 'a')"));
  }
  CHECK(count(f.store->database(), "rows") == 0);
  const Session next = ok(f.store->connect());
  CHECK(next->transaction().database().handle() == f.store->database().handle());
}

TEST_CASE("sqlite store: rows that are refused are rejected one by one") {
  Fixture f;
  const Session session = ok(f.store->connect());
  const std::vector<Row> batch{{1, "a"}, {2, ""}, {1, "twice"}, {3, "c"}};
  const std::optional<Position> nowhere;
  etl::BatchContext context({.position = &nowhere, .size = batch.size()});
  ok(session->begin());
  ok(session->transaction().write(rows, batch, context));
  ok(session->commit());
  REQUIRE(context.rejects().size() == 2);
  CHECK(context.rejects()[0].first == 1);
  CHECK(context.rejects()[1].first == 2);
  CHECK(lacks(context.rejects()[1].second.context, {"store.db", "\"rows\", id=1", "UNIQUE"}).empty());
  CHECK(count(f.store->database(), "rows") == 2);

  ok(session->begin());  // without a context it is the batch's error
  CHECK(error_of(session->transaction().write(rows, batch)).error_class == ErrorClass::Rejected);
  etl::BatchContext another({.position = &nowhere, .size = batch.size()});
  ok(session->transaction().write(rows, batch, another, OnConflict::Ignore));
  session->rollback();
}

TEST_CASE("sqlite store: a table is told apart by its columns, not by its types") {
  struct Pair {
    std::int64_t a = 0, b = 0;
  };
  Fixture f;
  Database& db = f.store->database();
  ok(db.execute("CREATE TABLE t(a INTEGER UNIQUE, b INTEGER); CREATE TABLE u(a INTEGER UNIQUE, b INTEGER)"));
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  const std::vector<Pair> one{{1, 2}};
  ok(session->begin());
  for (int round = 0; round < 2; ++round) {
    ok(tx.write(table<Pair>("t", key("a", &Pair::a), column("b", &Pair::b)), one, OnConflict::Ignore));
    ok(tx.write(table<Pair>("t", key("a", &Pair::b), column("b", &Pair::a)), one, OnConflict::Ignore));
    ok(tx.write(table<Pair>("u", key("a", &Pair::a), column("b", &Pair::b)), one, OnConflict::Ignore));
    for (const std::int64_t added : {10, 20}) {
      const auto shifted = [added](const Pair& p) { return p.a + added; };
      ok(tx.write(table<Pair>("t", key("a", shifted), column("b", &Pair::b)), one, OnConflict::Ignore));
    }
  }
  ok(tx.write(table<Pair>("t", key("a", &Pair::a), column("b", &Pair::b)), std::vector<Pair>{{1, 7}},
              OnConflict::Update));
  ok(session->commit());
  CHECK(value(db, "SELECT group_concat(a || '-' || b) FROM (SELECT * FROM t ORDER BY a)") == "1-7,2-1,11-2,21-2");
  CHECK(value(db, "SELECT group_concat(a || '-' || b) FROM u") == "1-2");
}

TEST_CASE("sqlite store: statements are prepared once, and no cursor outlives the transaction") {
  Fixture f;
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  ok(session->begin());
  ok(tx.execute("INSERT INTO rows VALUES(1, 'a'), (2, 'b')"));
  etl::sqlite::Statement* const select = ok(tx.prepare("SELECT id FROM rows ORDER BY id"));
  CHECK(ok(select->step()));
  CHECK(ok(tx.prepare("SELECT id FROM rows ORDER BY id")) == select);
  CHECK(ok(select->step()));
  CHECK(select->integer(0) == 1);  // it began anew
  ok(session->commit());
  ok(f.store->database().execute("DROP TABLE rows"));  // locked while somebody reads it
  CHECK(error_of(tx.prepare("SELECT")).error_class == ErrorClass::Fatal);
}

TEST_CASE("sqlite store: the user's own statements on the store's connection run in its transactions") {
  Database db = test::open(":memory:");
  ok(db.execute(rows_sql));
  auto insert = ok(etl::sqlite::inserter(db, rows));
  const auto store = ok(Store::over(db));
  {
    const Session session = ok(store->connect());
    ok(session->begin());
    ok(insert.insert({1, "a"}));
    session->rollback();
    CHECK(count(db, "rows") == 0);
    ok(session->begin());
    ok(insert.insert({1, "a"}));
    ok(session->commit());
    CHECK(count(db, "rows") == 1);
    ok(insert.insert({2, "b"}));  // between transactions the connection is the user's

    const etl::Error second = error_of(store->connect());
    CHECK(lacks(second.context, {"memory", "one connection", "non-const"}).empty());
  }
  CHECK(count(db, "rows") == 2);
  ok(store->connect());
}

TEST_CASE("sqlite store: G15 progress is not committed without the rows that SQLite rolled back by itself") {
  Fixture f;
  Database& db = f.store->database();
  ok(db.execute("CREATE TABLE strict(id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, name TEXT)"));
  const auto strict = table<Row>("strict", key("id", &Row::id), column("name", &Row::name));
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  const std::vector<Row> batch{{1, "a"}, {1, "b"}, {2, "c"}};
  const std::optional<Position> nowhere;
  etl::BatchContext context({.position = &nowhere, .size = batch.size()});

  ok(session->begin());
  ok(tx.execute("INSERT INTO rows VALUES(8, 'x')"));  // this row cannot be written again, unlike the batch
  const etl::Error e = error_of(tx.write(strict, batch, context));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(has(e.context, "whole transaction was rolled back"));
  CHECK(context.rejects().empty());
  // A `load` that goes on all the same gets nothing into the database.
  CHECK(!tx.active());
  CHECK(error_of(tx.write(strict, batch, context)).error_class == ErrorClass::Fatal);
  CHECK(error_of(tx.execute("INSERT INTO rows VALUES(9, 'x')")).error_class == ErrorClass::Fatal);
  CHECK(!db.execute("INSERT INTO rows VALUES(9, 'x')"));
  CHECK(has(error_of(record(session, {.settled = {{0, {0, 3}}}})).context, "has ended too early"));
  CHECK(has(error_of(session->savepoint()).context, "has ended too early"));
  CHECK(has(error_of(session->rollback_to_savepoint()).context, "has ended too early"));
  CHECK(has(error_of(session->commit()).context, "has ended too early"));
  CHECK(count(db, "rows") + count(db, "strict") + count(db, "etl_settled") == 0);

  commit(session, {.settled = {{0, {0, 3}}}});  // the session is as good as new
  CHECK(count(db, "etl_settled") == 1);
}

TEST_CASE("sqlite store: a row that rolls the transaction back is rejected alone") {
  Fixture f;
  Database& db = f.store->database();
  ok(db.execute(
      "CREATE TABLE strict(id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, name TEXT); CREATE TABLE log(id INTEGER);"
      "CREATE TRIGGER t AFTER INSERT ON strict BEGIN INSERT INTO log VALUES(new.id);"
      "SELECT RAISE(ROLLBACK, 'never') WHERE new.name='bad'; END;"
      "CREATE TRIGGER u BEFORE INSERT ON strict WHEN new.name='dropped' BEGIN SELECT RAISE(IGNORE); END"));
  const auto strict = table<Row>("strict", key("id", &Row::id), column("name", &Row::name));
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  const std::vector<Row> batch{{1, "a"}, {9, "dropped"}, {1, "b"}, {2, "c"}, {3, "bad"}, {4, "bad"}, {5, "d"}};
  const std::optional<Position> nowhere;
  etl::BatchContext context({.position = &nowhere, .size = batch.size()});
  const auto rejected = [&] {
    std::vector<std::size_t> places;
    for (const auto& [i, error] : context.rejects()) places.push_back(i);
    return places;
  };

  ok(session->begin());
  ok(tx.write(strict, batch, context));
  CHECK(rejected() == std::vector<std::size_t>{2, 4, 5});
  CHECK(db.dropped() == 1);
  ok(record(session, {.settled = {{0, {0, 7}}}}));
  ok(session->commit());
  CHECK(count(db, "strict") == 3);
  CHECK(count(db, "log") == 3);
  CHECK(count(db, "etl_settled") == 1);

  // The next transaction, and one with a savepoint, which the library cannot set again.
  ok(session->begin());
  ok(session->savepoint());
  etl::BatchContext another({.position = &nowhere, .size = batch.size()});
  CHECK(has(error_of(tx.write(strict, batch, another)).context, "whole transaction was rolled back"));
  session->rollback();
  CHECK(count(db, "strict") == 3);
}

TEST_CASE("sqlite store: nothing remains of a row that is refused with FAIL, and the rest of the transaction stays") {
  Fixture f;
  Database& db = f.store->database();
  ok(
      db.execute("CREATE TABLE log(id INTEGER);"
                 "CREATE TRIGGER t AFTER INSERT ON rows BEGIN INSERT INTO log VALUES(new.id);"
                 "SELECT RAISE(FAIL, 'never') WHERE new.name='bad'; END"));
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  const std::vector<Row> batch{{1, "a"}, {2, "bad"}, {3, "b"}};
  const std::optional<Position> nowhere;
  etl::BatchContext context({.position = &nowhere, .size = batch.size()});

  ok(session->begin());
  ok(tx.execute("INSERT INTO rows VALUES(8, 'x')"));
  ok(session->savepoint());
  ok(tx.write(rows, batch, context));
  REQUIRE(context.rejects().size() == 1);
  CHECK(context.rejects()[0].first == 1);
  ok(record(session, {.settled = {{0, {0, 3}}}}));
  ok(session->commit());
  CHECK(value(db, "SELECT group_concat(id) FROM rows") == "1,3,8");
  CHECK(value(db, "SELECT group_concat(id) FROM log") == "8,1,3");
}

TEST_CASE("sqlite store: a load cannot commit or roll back") {
  Fixture f;
  const Session session = ok(f.store->connect());
  Tx& tx = session->transaction();
  for (const std::string_view sql : {"COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN"}) {
    CAPTURE(sql);
    ok(session->begin());
    ok(tx.execute("INSERT INTO rows VALUES(1, 'a')"));
    if (const auto done = tx.execute(sql); !done) CHECK(done.error().error_class == ErrorClass::Fatal);
    static_cast<void>(tx.execute("INSERT INTO rows VALUES(2, 'b')"));
    CHECK(!record(session, {.settled = {{0, {0, 2}}}}));
    const etl::Error e = error_of(session->commit());
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(has(e.context, "leave these to the library"));
    CHECK(count(f.store->database(), "rows") + count(f.store->database(), "etl_settled") == 0);
  }
}

TEST_CASE("sqlite store: a commit that is refused stores nothing, and is an error of its rows") {
  Fixture f;
  ok(f.store->database().execute("CREATE TABLE parts(id REFERENCES rows(id) DEFERRABLE INITIALLY DEFERRED)"));
  const Session session = ok(f.store->connect());
  ok(session->begin());
  ok(session->transaction().execute("INSERT INTO parts VALUES(7)"));
  ok(record(session, {.settled = {{0, {0, 1}}}}));
  CHECK(error_of(session->commit()).error_class == ErrorClass::Rejected);
  CHECK(count(f.store->database(), "parts") + count(f.store->database(), "etl_settled") == 0);
  commit(session, {.settled = {{0, {0, 1}}}});
}

TEST_CASE("sqlite store: a full disk is an error, and what was committed before stays") {
  Fixture f;
  Database& db = f.store->database();
  const Session session = ok(f.store->connect());
  commit(session, {.settled = {{0, {0, 1}}}});
  const std::string pages = value(db, "PRAGMA page_count");
  ok(db.execute("PRAGMA max_page_count=" + pages));
  ok(session->begin());
  DeadLetter big = letter("big");
  big.payload = std::string(1'000'000, 'x');
  const etl::Error e = error_of(record(session, {.letters = {big}}));
  CHECK(e.code == std::errc::no_space_on_device);
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(!session->commit());
  CHECK(count(db, "etl_dead_letters") == 0);
  CHECK(ok(session->is_settled("p", {0, {0, 1}})));
}

TEST_CASE("sqlite store: a database that is locked elsewhere is a transient error") {
  Fixture f({.busy_timeout = 0ms});
  Database other = test::open(f.path);
  const Session session = ok(f.store->connect());
  {
    const auto lock = ok(other.begin());
    const etl::Error e = error_of(session->begin());
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(has(e.context, "held the lock"));
    CHECK(error_of(f.store->save("p", {})).error_class == ErrorClass::Transient);
    CHECK(!ok(f.store->find("p")));  // reading goes on
  }
  commit(session, {.settled = {{0, {0, 1}}}});
}

TEST_CASE("sqlite store: G15 sessions on several threads take turns") {
  // They would fail at once if SQLite had to make them wait.
  Fixture f({.busy_timeout = 0ms});
  constexpr int threads = 4, batches = 50;
  std::vector<std::string> problems(threads);
  {
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t)
      all.emplace_back([&, t] {
        const auto partition = static_cast<std::uint32_t>(t);
        std::string& problem = problems[partition];
        const auto must = [&](const etl::Result<void>& done) {
          if (!done && problem.empty()) problem = done.error().message();
        };
        const auto session = f.store->connect();
        if (!session) return void(problem = session.error().message());
        for (int i = 0; i < batches; ++i) {
          must((*session)->begin());
          must((*session)->transaction().write(rows, std::vector<Row>{{t * batches + i, "x"}}));
          const auto seq = static_cast<std::uint64_t>(i);
          must(record(*session, {.settled = {{partition, {seq, seq + 1}}}}));
          must((*session)->commit());
          if (const auto found = f.store->find("p"); !found) problem = found.error().message();
        }
      });
  }
  for (const std::string& problem : problems) CHECK(problem == "");
  CHECK(count(f.store->database(), "rows") == threads * batches);
  const Checkpoint all = ok(f.store->find("p")).value();
  CHECK(all.partitions.size() == threads);
  for (const PartitionProgress& one : all.partitions) CHECK(one.watermark == batches);
}

TEST_CASE("sqlite store: a call that would wait for its own thread is an error") {
  Fixture f;
  const Session session = ok(f.store->connect());
  const Session second = ok(f.store->connect());
  ok(session->begin());
  const auto refused = [](const auto& result) { return has(error_of(result).context, "this thread"); };
  CHECK(refused(session->begin()));
  CHECK(refused(second->begin()));
  CHECK(refused(session->is_settled("p", {})));
  CHECK(refused(f.store->connect()));
  CHECK(refused(f.store->find("p")));
  CHECK(refused(f.store->save("p", {})));
  CHECK(refused(f.store->reset("p")));
  CHECK(refused(f.store->write({})));
  CHECK(refused(f.store->purge({})));
  ok(session->transaction().execute("INSERT INTO rows VALUES(1, 'a')"));
  ok(session->commit());
  ok(f.store->write(std::vector<DeadLetter>{letter("a")}));
  ok(f.store->list("", [&](const DeadLetter&) {
    CHECK(refused(f.store->list("", {})));
    return true;
  }));
  CHECK(count(f.store->database(), "rows") == 1);
}

TEST_CASE("sqlite store: G15 after SIGKILL the database has the committed batches and their progress, no more") {
  test::Folder folder;
  const auto path = folder / "killed.db";
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {  // no assertions here
    ::alarm(60);
    const auto store = Store::open(path);
    const auto session = (*store)->connect();
    Tx& tx = (*session)->transaction();
    const std::string pipeline = "p";
    for (std::uint64_t i = 0; i < 3; ++i) {
      static_cast<void>((*session)->begin());
      static_cast<void>(tx.execute("CREATE TABLE IF NOT EXISTS rows(id, name); INSERT INTO rows VALUES(1, 'a')"));
      const std::vector<SettledRange> settled{{0, {i, i + 1}}};
      const std::vector<DeadLetter> letters{letter(std::to_string(i))};
      static_cast<void>(
          (*session)->record({.pipeline = pipeline, .settled = settled, .advanced = {}, .dead_letters = letters}));
      if (i < 2) static_cast<void>((*session)->commit());
    }
    static_cast<void>(::write(ready[1], "x", 1));
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);

  const auto store = ok(Store::open(path));
  CHECK(count(store->database(), "rows") == 2);
  CHECK(ok(store->find("p"))->partitions[0].watermark == 2);
  CHECK(ids(*store) == "0 1 ");
}

TEST_CASE("sqlite store: a time that somebody else wrote is as near as the clock has it") {
  Fixture f;
  ok(f.store->write(std::vector{letter("a")}));
  for (const std::string_view time : {"9223372036854775807", "-9223372036854775808"}) {
    ok(f.store->database().execute("UPDATE etl_dead_letters SET time=" + std::string(time)));
    ok(f.store->list("p", [&](const DeadLetter& one) {
      CHECK((one.time > std::chrono::system_clock::time_point()) == (time[0] != '-'));
      return true;
    }));
  }
}

TEST_CASE("sqlite store: a session that waits for a lock or for its turn hears of a stop") {
  test::Folder folder;
  const auto path = folder / "s.db";
  const auto store = ok(Store::open(path, {.busy_timeout = 10min}));
  const auto first = ok(store->connect());
  const auto second = ok(store->connect());
  Database other = test::open(path);
  const auto lock = ok(other.begin());  // for writing
  std::stop_source stop;
  for (const auto* session : {&first, &second}) (*session)->stop_waiting_on(stop.get_token());
  const auto begin = [](etl::StoreSession<etl::sqlite::Tx>& session) {
    const etl::Error e = error_of(session.begin());
    CHECK(e.error_class == ErrorClass::Transient);
  };
  std::thread waits([&] { begin(*first); });
  std::thread waits_too([&] { begin(*second); });
  stop.request_stop();
  waits.join();
  waits_too.join();
}

TEST_CASE("sqlite store: a connection that is given to a store keeps its own busy time-out") {
  test::Folder folder;
  const auto store = ok(Store::over(test::open(folder / "s.db", {.busy_timeout = 7654ms})));
  const auto session = ok(store->connect());
  ok(session->begin());
  session->rollback();
  auto timeout = ok(store->database().prepare("PRAGMA busy_timeout"));
  REQUIRE(ok(timeout.step()));
  CHECK(timeout.integer(0) == 7654);
}

TEST_CASE("sqlite store: tables of format 4 get the new columns, and keep their letters") {
  test::Folder folder;
  const auto path = folder / "s.db";
  ok(ok(Store::open(path))->write(std::vector{letter("a")}));
  {
    Database db = test::open(path);
    for (const std::string_view column : {"results", "loaded", "replays"})
      ok(db.execute("ALTER TABLE etl_dead_letters DROP COLUMN " + std::string(column)));
    ok(db.execute("UPDATE etl_store SET format=4"));
  }
  CHECK(letters(*ok(Store::open(path, {.read_only = true}))) == std::vector{letter("a")});
  const auto store = ok(Store::open(path));
  CHECK(letters(*store) == std::vector{letter("a")});
  DeadLetter some = letter("a");
  some.results = 2;
  some.loaded.add({1, 2});
  ok(store->write(std::vector{some}));
  CHECK(letters(*ok(Store::open(path, {.read_only = true}))) == std::vector{some});
}

TEST_CASE("sqlite store: a newer format is refused, and so is reading what never was a store") {
  test::Folder folder;
  const auto path = folder / "s.db";
  {
    Database db = test::open(path);
    const etl::Error e = error_of(Store::open(path, {.read_only = true}));
    CHECK(lacks(e.context, {"s.db", "no table etl_store", "name the database"}).empty());
    CHECK(count(db, "sqlite_master") == 0);
  }
  ok(Store::open(path));
  ok(Store::open(path, {.read_only = true}));
  Database db = test::open(path);
  {
    const auto lock = ok(db.begin());  // needs no lock when the tables are there
    ok(Store::open(path, {.busy_timeout = 0ms}));
  }
  ok(db.execute("UPDATE etl_store SET format=2"));
  const etl::Error e = error_of(Store::open(path));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(lacks(e.context, {"s.db", "format 2", "format 5", "the version", "drop the tables"}).empty());
}
