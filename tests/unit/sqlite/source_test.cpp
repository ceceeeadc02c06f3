#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sqlite3.h>
#include <etl/run.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/source.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"
#include "support/test_data.hpp"
#include "unit/sqlite/support.hpp"

namespace source_test {

using etl::ErrorClass;
using etl::Position;
using etl::sqlite::column;
using etl::sqlite::Database;
using etl::sqlite::key;
using etl::sqlite::query;
using etl::sqlite::Statement;
using etl::sqlite::table;
using test::error_of;
using test::lacks;
using test::ok;
using test::open;
using test::value;

namespace {

struct Row {
  std::int64_t id = 0;
  std::string name{};
  friend bool operator==(const Row&, const Row&) = default;
};
const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name));

Database with_rows(int n) {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(name TEXT, id INTEGER PRIMARY KEY, more)"));
  Statement insert = ok(db.prepare("INSERT INTO rows VALUES('n' || ?1, ?1, x'00')"));
  for (int i = n; i > 0; --i) {
    insert.bind(0, i);
    ok(insert.run());
  }
  return db;
}

template <class Query>
std::vector<Row> all(Query found) {
  std::vector<Row> list;
  for (Row row; ok(found.next(row));) list.push_back(row);
  return list;
}
template <class Query>
std::string ids(Query found) {
  std::string list;
  for (const Row& row : all(std::move(found))) list += std::to_string(row.id) + " ";
  return list;
}

}  // namespace

// --- queries
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("sqlite query: the whole table by key, columns by name") {
  Database db = with_rows(3);
  CHECK(all(ok(query(db, rows))) == std::vector<Row>{{1, "n1"}, {2, "n2"}, {3, "n3"}});
  ok(db.execute("DELETE FROM rows"));
  CHECK(all(ok(query(db, rows))).empty());
}

TEST_CASE("sqlite query: after its end it stays ended") {
  Database db = with_rows(1);
  auto found = ok(query(db, rows));
  Row row;
  CHECK(ok(found.next(row)));
  CHECK_FALSE(ok(found.next(row)));
  CHECK(row == Row{1, "n1"});  // as it was
  CHECK_FALSE(ok(found.next(row)));
}

TEST_CASE("sqlite query: after a position, exclusively") {
  Database db = with_rows(5);
  CHECK(ids(ok(query(db, rows, Position("3")))) == "4 5 ");
  CHECK(ids(ok(query(db, rows, Position("0")))) == "1 2 3 4 5 ");
  CHECK(ids(ok(query(db, rows, Position("-7")))) == "1 2 3 4 5 ");
  CHECK(ids(ok(query(db, rows, Position("5")))) == "");
  CHECK(ids(ok(query(db, rows, std::nullopt))) == "1 2 3 4 5 ");
  for (const char* bad : {"", "x", "3 ", "3.0", "9223372036854775808"}) {
    const etl::Error e = error_of(query(db, rows, Position(std::string(bad))));
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(lacks(e.message(), {":memory:: read \"rows\": cannot resume at the position '" + std::string(bad) + "'"}) ==
          "");
  }
}

TEST_CASE("sqlite query: a row without a key is an error after a position, because no position includes it") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id INTEGER UNIQUE, name TEXT); INSERT INTO rows VALUES(1, 'a'), (2, 'b')"));
  CHECK(ids(ok(query(db, rows, Position("1")))) == "2 ");
  ok(db.execute("INSERT INTO rows VALUES(NULL, 'lost')"));
  const etl::Error e = error_of(query(db, rows, Position("1")));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(lacks(e.message(), {"read \"rows\": column \"id\", which is the key, is NULL in some rows", "own SELECT"}) ==
        "");
}

TEST_CASE("sqlite query: positions of a text key are the text, whatever is in it") {
  Database db = open(":memory:");
  const auto by_name = table<Row>("rows", key("name", &Row::name), column("id", &Row::id));
  ok(etl::sqlite::create_table(db, by_name));
  auto inserter = ok(etl::sqlite::inserter(db, by_name));
  using namespace std::string_literals;
  const std::vector<Row> in = {
      {1, ""}, {2, "a"}, {3, "a\0b"s}, {4, "it's; DROP TABLE rows"}, {5, std::string(100, 'z')}};
  for (const Row& row : in) ok(inserter.insert(row));
  for (std::size_t i = 0; i < in.size(); ++i) {
    auto found = ok(query(db, by_name, Position(in[i].name)));
    auto moved = std::move(found);  // the text goes with it
    CHECK(all(std::move(moved)) == std::vector<Row>(in.begin() + static_cast<std::ptrdiff_t>(i) + 1, in.end()));
  }
}

TEST_CASE("sqlite query: a text key is in the order of its bytes, whatever the collation of its column") {
  Database db = open(":memory:");
  const auto by_name = table<Row>("rows", key("name", &Row::name), column("id", &Row::id));
  for (const std::string collation : {"BINARY", "NOCASE", "RTRIM"}) {
    CAPTURE(collation);
    ok(db.execute("DROP TABLE IF EXISTS rows; CREATE TABLE rows(id INTEGER, name TEXT COLLATE " + collation +
                  "); INSERT INTO rows VALUES(1, 'a'), (2, 'B'), (3, 'a '), (4, 'b'), (5, 'A')"));
    CHECK(ids(ok(query(db, by_name))) == "5 2 1 3 4 ");
    CHECK(ids(ok(query(db, by_name, Position("B")))) == "1 3 4 ");
    CHECK(ids(ok(query(db, by_name, Position("a")))) == "3 4 ");
  }
}

TEST_CASE("sqlite query: a position is found by the ordinary index of its key") {
  Database db = open(":memory:");
  const auto plan = [&](const auto& keyed, const std::string& schema) {
    ok(db.execute("DROP TABLE IF EXISTS rows; CREATE TABLE " + schema));
    std::string all;
    for (const bool after : {false, true}) {
      Statement explain =
          ok(db.prepare("EXPLAIN QUERY PLAN " +
                        etl::sqlite::detail::select_sql(keyed.name, etl::sqlite::detail::column_infos(keyed), after)));
      while (ok(explain.step())) all.append(all.empty() ? "" : "; ").append(explain.text(3));
    }
    return all;
  };
  const auto by_name = table<Row>("rows", key("name", &Row::name), column("id", &Row::id));
  CHECK(lacks(plan(by_name, "rows(id INTEGER, name TEXT); CREATE INDEX i ON rows(name)"),
              {"SCAN", "USING INDEX i; ", "USING INDEX i (name>?)"}) == "");
  CHECK(lacks(plan(by_name, "rows(id INTEGER, name TEXT PRIMARY KEY) WITHOUT ROWID"),
              {"SCAN", "USING PRIMARY KEY (name>?)"}) == "");
  CHECK(lacks(plan(by_name, "rows(id INTEGER, name TEXT COLLATE NOCASE); CREATE INDEX i ON rows(name COLLATE BINARY)"),
              {"SCAN", "USING INDEX i; ", "USING INDEX i (name>?)"}) == "");
  CHECK(lacks(plan(rows, "rows(id INTEGER PRIMARY KEY, name TEXT)"), {"SCAN", "USING INTEGER PRIMARY KEY (rowid>?)"}) ==
        "");
  // Unique keys are not compared by other columns, and of other keys only those with equal ones are sorted.
  CHECK(lacks(plan(rows, "rows(id INTEGER NOT NULL UNIQUE, name TEXT)"),
              {"SCAN", "INDEX sqlite_autoindex_rows_1; ", "INDEX sqlite_autoindex_rows_1 (id>?)"}) == "");
  for (const char* unique : {"rows(id INTEGER PRIMARY KEY, name TEXT)", "rows(id INTEGER NOT NULL UNIQUE, name TEXT)",
                             "rows(id INTEGER, name TEXT, PRIMARY KEY(id)) WITHOUT ROWID"})
    CHECK_FALSE(test::has(plan(rows, unique), "TEMP B-TREE"));
  const std::string sorted_in_part = plan(rows, "rows(id INTEGER, name TEXT); CREATE INDEX i ON rows(id)");
  CHECK(lacks(sorted_in_part, {"USING INDEX i; ", "USING INDEX i (id>?)", "TEMP B-TREE"}) == "");
  CHECK_FALSE(test::has(sorted_in_part, "FOR ORDER BY"));
  // Without such an index it sorts.
  CHECK(lacks(plan(by_name, "rows(id INTEGER, name TEXT COLLATE NOCASE); CREATE INDEX i ON rows(name)"),
              {"USE TEMP B-TREE FOR ORDER BY"}) == "");
}

TEST_CASE("sqlite query: of several keys, in their order") {
  Database db = open(":memory:");
  const auto both = table<Row>("t", key("name", &Row::name), key("id", &Row::id));
  ok(db.execute("CREATE TABLE t(id, name); INSERT INTO t VALUES(2, 'a'), (1, 'b'), (1, 'a')"));
  CHECK(all(ok(query(db, both))) == std::vector<Row>{{1, "a"}, {2, "a"}, {1, "b"}});
}

TEST_CASE("sqlite query: of one's own, with parameters, computed columns are left out") {
  Database db = with_rows(9);
  Statement select =
      ok(db.prepare("SELECT id * 10 AS ID, 5 AS five, upper(name) AS name FROM rows WHERE id > ? ORDER BY 1"));
  select.bind(0, 7);
  const auto computed = table<Row>("big rows", column("id", &Row::id), column("name", &Row::name),
                                   column("size", [](const Row& r) { return r.name.size(); }));
  CHECK(all(ok(query(std::move(select), computed))) == std::vector<Row>{{80, "N8"}, {90, "N9"}});

  const etl::Error e = error_of(query(ok(db.prepare("SELECT id, 5 AS five FROM rows")), computed));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.message() == ":memory:: read \"big rows\": the query has no column \"name\"; it has \"id\", \"five\"");
  CHECK(lacks(error_of(query(ok(db.prepare("DELETE FROM rows")), computed)).message(), {"it has none"}) == "");
}

TEST_CASE("sqlite query: computed columns of a table are not asked for") {
  Database db = with_rows(1);
  const auto computed = table<Row>("rows", key("id", &Row::id), column("nowhere", [](const Row&) { return 1; }));
  CHECK(ids(ok(query(db, computed))) == "1 ");
}

// --- values that do not fit
// -------------------------------------------------------------------------------------------

namespace {

/// The error of reading the SQL expression into a V.
template <class V>
std::string misfit(const std::string& expression) {
  struct One {
    std::string key;
    V v{};
  };
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(key, v); INSERT INTO t VALUES('k', " + expression + ")"));
  auto found = ok(query(db, table<One>("t", key("key", &One::key), column("v", &One::v))));
  One one;
  const auto read = found.next(one);
  if (!read) {
    CHECK(read.error().error_class == ErrorClass::Rejected);
    CHECK(lacks(read.error().message(), {":memory:: read \"t\", key='k' (TEXT), column \"v\": "}) == "");
    CHECK_FALSE(ok(found.next(one)));  // the next row, which there is not
    return read.error().message().substr(read.error().message().find("\"v\": ") + 5);
  }
  return "";
}

enum class Small : std::int8_t {};

}  // namespace

TEST_CASE("sqlite query: a value that its member cannot take is an error with table, key, column and value") {
  CHECK(misfit<int>("'abc'") == "'abc' (TEXT): an INTEGER is needed");
  CHECK(misfit<int>("1.0") == "1 (REAL): an INTEGER is needed");
  CHECK(misfit<int>("NULL") == "NULL: an INTEGER is needed");
  CHECK(misfit<int>("2147483648") == "2147483648 (INTEGER): out of the member's range");
  CHECK(misfit<int>("-2147483648") == "");
  CHECK(misfit<std::uint64_t>("-1") == "-1 (INTEGER): out of the member's range");
  CHECK(misfit<std::int8_t>("128") == "128 (INTEGER): out of the member's range");
  CHECK(misfit<Small>("-129") == "-129 (INTEGER): out of the member's range");
  CHECK(misfit<Small>("-128") == "");
  CHECK(misfit<bool>("2") == "2 (INTEGER): a bool must be 0 or 1");
  CHECK(misfit<bool>("1") == "");
  CHECK(misfit<double>("'1.5'") == "'1.5' (TEXT): a REAL is needed");
  CHECK(misfit<double>("NULL") == "NULL: a REAL is needed");
  CHECK(misfit<double>("7") == "");
  CHECK(misfit<double>("9007199254740993") == "9007199254740993 (INTEGER): a REAL cannot hold this integer exactly");
  CHECK(misfit<float>("1e39") == "1e+39 (REAL): out of the member's range");
  CHECK(misfit<float>("9e999") == "");
  CHECK(misfit<std::string>("5") == "5 (INTEGER): a TEXT is needed");
  CHECK(misfit<std::string>("x'00ff'") == "x'00ff' (BLOB): a TEXT is needed");
  CHECK(misfit<std::string>("NULL") == "NULL: a TEXT is needed");
  CHECK(misfit<std::vector<std::byte>>("'a'") == "'a' (TEXT): a BLOB is needed");
  CHECK(misfit<std::optional<int>>("NULL") == "");
  CHECK(misfit<std::optional<int>>("'a'") == "'a' (TEXT): an INTEGER is needed");
  CHECK(misfit<int>("zeroblob(40)") == "x'" + std::string(60, '0') + "...' of 40 bytes (BLOB): an INTEGER is needed");
}

TEST_CASE("sqlite query: goes on after a row that did not fit, without a key the row has its number") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE rows(id, name); INSERT INTO rows VALUES(1, 'a'), ('two', 'b'), (3, 'c')"));
  auto found = ok(query(db, table<Row>("rows", column("id", &Row::id), column("name", &Row::name))));
  Row row;
  CHECK(ok(found.next(row)));
  CHECK(error_of(found.next(row)).message() ==
        ":memory:: read \"rows\", row 2 of the result, column \"id\": 'two' (TEXT): an INTEGER is needed");
  CHECK(ok(found.next(row)));
  CHECK(row == Row{3, "c"});
  CHECK_FALSE(ok(found.next(row)));
}

TEST_CASE("sqlite query: an optional is emptied by NULL, and filled again") {
  struct Maybe {
    std::optional<std::string> text;
  };
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(text); INSERT INTO t VALUES('a'), (NULL), ('b')"));
  auto found = ok(query(db, table<Maybe>("t", column("text", &Maybe::text))));
  Maybe row;
  CHECK(ok(found.next(row)));
  CHECK(row.text == "a");
  CHECK(ok(found.next(row)));
  CHECK(row.text == std::nullopt);
  CHECK(ok(found.next(row)));
  CHECK(row.text == "b");
}

TEST_CASE("sqlite query: an error of the database ends it") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(db.execute("CREATE TABLE rows(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO rows VALUES(1, 'a')"));
  auto found =
      ok(query(ok(db.prepare("SELECT id, CASE id WHEN 1 THEN abs(-9223372036854775808) END AS name FROM rows")), rows));
  Row row;
  CHECK(lacks(error_of(found.next(row)).message(), {"a.db: SELECT id, CASE", "integer overflow"}) == "");
  CHECK_FALSE(ok(found.next(row)));
}

// --- in a pipeline
// ----------------------------------------------------------------------------------------------------

namespace {

/// Takes what an extractor pushes and marks, as lines.
class Recorder final : public etl::detail::LaneHost {
 public:
  std::string log;
  std::size_t room = 1'000'000;

  /// Lets `extract` write to an emitter that resumes from `from`.
  template <class Extract>
  etl::Result<void> record(const std::optional<Position>& from, Extract extract) {
    lane_.host = this;
    from_ = from;
    etl::Emitter<Row> out(lane_);
    return extract(out);
  }
  bool make_room(etl::detail::Lane& lane) override {
    if (room == 0) return false;
    --room;
    lane.data = &slot_;
    lane.live = 1;
    lane.count = 0;
    lane.limit = 1;
    return true;
  }
  void reached_limit(etl::detail::Lane&) override { log += std::to_string(slot_.id) + " "; }
  void mark(etl::detail::Lane&, Position position) override { log += "[" + position.text() + "] "; }
  void flush(etl::detail::Lane&) override {}
  bool wait_for(etl::detail::Lane&, std::chrono::nanoseconds) override { return true; }
  void retain(etl::detail::Lane&, std::shared_ptr<const void>, std::function<void(bool)>) override {}
  [[nodiscard]] const std::optional<Position>& resume_from(etl::detail::Lane&) override { return from_; }
  [[nodiscard]] std::stop_token intake_stop() const noexcept override { return {}; }

 private:
  Row slot_;
  std::optional<Position> from_;
  etl::detail::Lane lane_;
};

std::string recorded(Database& db, const std::optional<Position>& from, std::size_t mark_every,
                     std::size_t room = 1000) {
  Recorder recorder;
  recorder.room = room;
  ok(recorder.record(from, [&](etl::Emitter<Row>& out) { return etl::sqlite::extract(db, rows, out, mark_every); }));
  return recorder.log;
}

}  // namespace

TEST_CASE("sqlite extract: marks every N rows and at the end, from where the source resumes") {
  Database db = with_rows(5);
  CHECK(recorded(db, std::nullopt, 2) == "1 2 [2] 3 4 [4] 5 [5] ");
  CHECK(recorded(db, Position("2"), 2) == "3 4 [4] 5 [5] ");
  CHECK(recorded(db, Position("4"), 2) == "5 [5] ");
  CHECK(recorded(db, Position("5"), 2) == "");
  CHECK(recorded(db, std::nullopt, 5) == "1 2 3 4 5 [5] ");
  for (const std::size_t every : {0U, 1U}) CHECK(recorded(db, std::nullopt, every) == "1 [1] 2 [2] 3 [3] 4 [4] 5 [5] ");
  CHECK(recorded(db, std::nullopt, 1000) == "1 2 3 4 5 [5] ");
}

TEST_CASE("sqlite extract: after a refused push it ends, and marks nothing beyond") {
  Database db = with_rows(5);
  CHECK(recorded(db, std::nullopt, 2, 3) == "1 2 [2] 3 ");
}

TEST_CASE("sqlite extract: marks only between different keys, so that none of equal ones is skipped") {
  Database db = open(":memory:");
  ok(db.execute(
      "CREATE TABLE rows(id INTEGER, name TEXT); INSERT INTO rows VALUES(1,''),(1,''),(1,''),(2,''),(3,''),(3,'')"));
  CHECK(recorded(db, std::nullopt, 1) == "1 1 1 [1] 2 [2] 3 3 [3] ");
  CHECK(recorded(db, std::nullopt, 2) == "1 1 1 [1] 2 3 3 [3] ");
  CHECK(recorded(db, Position("1"), 2) == "2 3 3 [3] ");
}

TEST_CASE("sqlite extract: a stop interrupts a query that is at work (G10)") {
  struct Reading {
    Database db;
    void extract(etl::Emitter<Row>& out) { etl::value(etl::sqlite::extract(db, rows, out, 10)); }
    void load(std::span<const Row>) {}
  };
  etl::StopSource stop;
  Database db = open(":memory:");
  // The sort of this view never ends.
  ok(
      db.execute("CREATE VIEW rows AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT -i AS id, "
                 "CASE WHEN i = 1000 THEN stop_now() ELSE 'x' END AS name FROM c"));
  const auto request = [](sqlite3_context* context, int, sqlite3_value**) {
    static_cast<etl::StopSource*>(sqlite3_user_data(context))->request_drain();
    sqlite3_result_text(context, "stopped", -1, SQLITE_STATIC);
  };
  REQUIRE(sqlite3_create_function(db.handle(), "stop_now", 0, SQLITE_UTF8, &stop, request, nullptr, nullptr) == 0);
  const etl::RunReport report = etl::run(Reading{db}, {.drain_deadline = etl::Options::never}, stop.stop_token());
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(report.errors.empty());
  CHECK(value(db, "SELECT 'works'") == "works");
}

TEST_CASE("sqlite extract: a key that is not a position extracts without marks") {
  Database db = with_rows(3);
  const auto no_key = table<Row>("rows", column("id", &Row::id), column("name", &Row::name));
  static_assert(!etl::sqlite::Positioned<Row, decltype(column("id", &Row::id))>);
  static_assert(etl::sqlite::Positioned<Row, decltype(key("id", &Row::id)), decltype(column("name", &Row::name))>);
  static_assert(!etl::sqlite::Positioned<Row, decltype(key("id", &Row::id)), decltype(key("name", &Row::name))>);
  Recorder recorder;
  ok(recorder.record(std::nullopt,
                     [&](etl::Emitter<Row>& out) { return etl::sqlite::extract(ok(query(db, no_key)), out, 1); }));
  CHECK(recorder.log == "1 2 3 ");
}

TEST_CASE("sqlite extract: an error of a row fails the run") {
  Database db = with_rows(3);
  ok(db.execute("UPDATE rows SET name = 7 WHERE id = 2; UPDATE rows SET name = x'00' WHERE id = 3"));
  Recorder recorder;
  const etl::Error e = error_of(
      recorder.record(std::nullopt, [&](etl::Emitter<Row>& out) { return etl::sqlite::extract(db, rows, out, 1); }));
  CHECK(recorder.log == "1 [1] 2 ");  // the column's affinity made 7 a text
  CHECK(lacks(e.message(), {"read \"rows\", id=3 (INTEGER), column \"name\": x'00' (BLOB): a TEXT is needed"}) == "");
}

TEST_CASE("sqlite: from one database to another, in a pipeline") {
  struct Copy {
    Database& from;
    etl::sqlite::SinkFor<decltype(rows)>& to;
    etl::Result<void> extract(etl::Emitter<Row>& out) { return etl::sqlite::extract(from, rows, out, 100); }
    etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context) { return to.write(batch, context); }
  };
  Database from = with_rows(5000), to = open(":memory:");
  ok(etl::sqlite::create_table(to, rows));
  auto sink = ok(etl::sqlite::sink(to, rows));
  Copy copy{from, sink};
  const etl::RunReport report = etl::run(copy, {.batch_size = 333, .workers = 2});
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(all(ok(query(to, rows))) == all(ok(query(from, rows))));
}

namespace {

/// Fails once, at one row, and counts how often it loads each.
struct Failing {
  Database& db;
  std::vector<int>& loaded;
  std::int64_t fails_at = 0;
  std::string fingerprint() const { return "rows"; }
  etl::Result<void> extract(etl::Emitter<Row>& out) const {
    return etl::sqlite::extract(db, table<Row>("rows", key("name", &Row::name), column("id", &Row::id)), out, 2);
  }
  etl::Result<void> load(std::span<const Row> batch) const {
    for (const Row& row : batch) {
      if (row.id == fails_at) return etl::failure(etl::fatal("down"));
      ++loaded[static_cast<std::size_t>(row.id)];
    }
    return {};
  }
};

}  // namespace

TEST_CASE("sqlite extract: a resumed run leaves out no row whose key is equal to another in the column's collation") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(
      db.execute("CREATE TABLE rows(name TEXT NOT NULL COLLATE NOCASE, id INTEGER); INSERT INTO rows VALUES('ann', 1), "
                 "('bob', 2), ('Bob', 3), ('BOB', 4), ('carl', 5), ('Carl', 6), ('dan', 7)"));
  for (std::int64_t fails_at = 1; fails_at <= 7; ++fails_at) {
    CAPTURE(fails_at);
    std::vector<int> loaded(8);
    etl::Options options{.name = "rows", .batch_size = 1, .workers = 1};
    options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
    options.delivery.save_every = std::chrono::nanoseconds(1);
    CHECK(etl::run(Failing{db, loaded, fails_at}, options).outcome == etl::Outcome::Failed);
    CHECK(etl::run(Failing{db, loaded}, options).outcome == etl::Outcome::Completed);
    CHECK(loaded == std::vector<int>{0, 1, 1, 1, 1, 1, 1, 1});
  }
}

namespace {

/// Fails once, at one row, and counts how often it loads each.
struct FailingAmongTies {
  Database& db;
  bool has_positions;
  std::map<std::string, int>& loaded;
  std::string fails_at{};
  std::string fingerprint() const { return "rows"; }
  etl::Result<void> extract(etl::Emitter<Row>& out) const {
    if (has_positions) return etl::sqlite::extract(db, rows, out, 2);
    auto all = query(db, table<Row>("rows", key("id", &Row::id), key("name", &Row::name)));
    if (!all) return etl::failure(all.error());
    return etl::sqlite::extract(std::move(*all), out);
  }
  etl::Result<void> load(std::span<const Row> batch) const {
    for (const Row& row : batch) {
      const std::string name = std::to_string(row.id) + row.name;
      if (name == fails_at) return etl::failure(etl::fatal("down"));
      ++loaded[name];
    }
    return {};
  }
};

}  // namespace

TEST_CASE("sqlite extract: a resumed run loads each of several rows with equal keys once") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  std::map<std::string, int> each_once;
  ok(db.execute("CREATE TABLE rows(id INTEGER, name TEXT COLLATE NOCASE)"));
  for (const std::string id : {"-1", "1", "2"})
    for (const std::string name : {"b", "A", "a", "B"}) {
      ok(db.execute("INSERT INTO rows VALUES(" + id + ", '" + name + "')"));
      each_once[id + name] = 1;
    }
  for (const bool has_positions : {true, false})
    for (const auto& [fails_at, once] : each_once) {
      CAPTURE(has_positions, fails_at);
      std::map<std::string, int> loaded;
      etl::Options options{.name = "rows", .batch_size = 1, .workers = 1};
      options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
      options.delivery.save_every = std::chrono::nanoseconds(1);
      ok(db.execute("DROP INDEX IF EXISTS i"));
      CHECK(etl::run(FailingAmongTies{db, has_positions, loaded, fails_at}, options).outcome == etl::Outcome::Failed);
      // Now SQLite finds the rows in another order.
      ok(db.execute("CREATE INDEX i ON rows(id, name COLLATE BINARY DESC)"));
      ok(db.execute("ANALYZE"));
      CHECK(etl::run(FailingAmongTies{db, has_positions, loaded}, options).outcome == etl::Outcome::Completed);
      CHECK(loaded == each_once);
    }
}

// --- a database that SQLite's own program made
// ------------------------------------------------------------------------

namespace {

/// The fields of a line of CSV.
std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> list(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"')
        list.back() += line[++i];
      else
        quoted = !quoted;
    } else if (c == ',' && !quoted) {
      list.emplace_back();
    } else if (c != '\r') {
      list.back() += c;
    }
  }
  return list;
}

std::string hex(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    char two[3];
    std::snprintf(two, sizeof two, "%02X", static_cast<unsigned char>(c));
    digits += two;
  }
  return digits;
}

struct Protein {
  std::string file{};
  std::int32_t idx = 0;
  std::string accession{};
  bool reviewed = false;
  std::int32_t length = 0;
  std::int64_t mol_weight = 0;
  std::optional<std::int32_t> taxid{};
  std::string sequence{};
};
struct OddRow {
  std::optional<std::int64_t> select{};
  std::optional<std::string> a_b{};
  std::optional<double> e{};
  std::string k{};
};

}  // namespace

TEST_CASE("sqlite: a database made by SQLite's own program has the values that program says") {
  const auto data = test::data_folder();
  if (!data) {
    WARN("no test data: nothing was compared");
    return;
  }
  const test::Folder folder;
  const auto file = folder / "sample.db";
  REQUIRE(std::system(
              ("gzip -dc '" + (*data / "sqlite/sample.sqlite.gz").string() + "' > '" + file.string() + "'").c_str()) ==
          0);
  Database db = open(file, {.read_only = true});

  std::ifstream expected(*data / "sqlite/expected_values.csv");
  std::string line;
  std::getline(expected, line);
  int compared = 0;
  Statement select = ok(db.prepare("SELECT v FROM vals WHERE id = ?"));
  for (; std::getline(expected, line); ++compared) {
    const auto want = fields(line);
    REQUIRE(want.size() == 5);
    CAPTURE(want[0]);
    select.bind(0, std::stoi(want[0]));
    REQUIRE(ok(select.step()));
    constexpr const char* types[] = {"null", "integer", "real", "text", "blob"};
    const auto type = select.type(0);
    CHECK(types[static_cast<int>(type)] == want[1]);
    if (type == etl::sqlite::ValueType::Blob) {
      const auto blob = select.blob(0);
      CHECK(hex({reinterpret_cast<const char*>(blob.data()), blob.size()}) == want[2]);
    } else {
      CHECK(hex(select.text(0)) == want[2]);
    }
    select.reset();
  }
  CHECK(compared == 16);

  const auto proteins = table<Protein>("proteins", key("file", &Protein::file), key("idx", &Protein::idx),
                                       column("accession", &Protein::accession), column("reviewed", &Protein::reviewed),
                                       column("length", &Protein::length), column("mol_weight", &Protein::mol_weight),
                                       column("taxid", &Protein::taxid), column("sequence", &Protein::sequence));
  std::int64_t n = 0, length = 0, weight = 0, without_taxid = 0;
  auto found = ok(query(db, proteins));
  for (Protein p; ok(found.next(p)); ++n) {
    length += p.length;
    weight += p.mol_weight;
    without_taxid += p.taxid ? 0 : 1;
    CHECK(p.sequence.size() == static_cast<std::size_t>(p.length));
  }
  const auto odd = table<OddRow>("odd name \"q\"", key("k", &OddRow::k), column("select", &OddRow::select),
                                 column("a b", &OddRow::a_b), column("\xc3\xa9", &OddRow::e));
  std::int64_t odd_rows = 0;
  std::string refused;
  auto odd_found = ok(query(db, odd));
  for (OddRow row;; ++odd_rows) {
    const etl::Result<bool> more = odd_found.next(row);
    if (!more) refused += more.error().message();
    if (more && !*more) break;
  }
  CHECK(lacks(refused, {R"(read "odd name ""q""", k='k3' (TEXT), column "select": 'text in int' (TEXT))"}) == "");

  std::map<std::string, std::int64_t> totals;
  std::ifstream tables(*data / "sqlite/expected_tables.csv");
  while (std::getline(tables, line)) {
    const auto pair = fields(line);
    if (pair.size() == 2 && pair[1].find_first_not_of("0123456789") == std::string::npos)
      totals[pair[0]] = std::stoll(pair[1]);
  }
  CHECK(n == totals.at("rows_proteins"));
  CHECK(length == totals.at("sum_length"));
  CHECK(weight == totals.at("sum_mol_weight"));
  CHECK(without_taxid == totals.at("nulls_taxid"));
  CHECK(odd_rows == totals.at("rows_odd"));
}

TEST_CASE("sqlite query: with a range-based for, which throws what a row has wrong") {
  Database db = with_rows(3);
  std::vector<Row> list;
  for (const Row& row : etl::value(query(db, rows))) list.push_back(row);
  CHECK(list == all(ok(query(db, rows))));
  for (const Row& row : etl::value(query(db, rows, Position(std::uint64_t{3})))) FAIL(row.name);
  ok(db.execute("UPDATE rows SET name = x'00' WHERE id = 2"));
  list.clear();
  try {
    for (const Row& row : etl::value(query(db, rows))) list.push_back(row);
    FAIL("did not throw");
  } catch (const etl::Exception& e) {
    CHECK(e.error().error_class == ErrorClass::Rejected);
    CHECK(list.size() == 1);
  }
}

}  // namespace source_test
