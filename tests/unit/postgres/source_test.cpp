#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/postgres/pool.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/source.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

namespace source_test {

using etl::ErrorClass;
using etl::Position;
using etl::postgres::column;
using etl::postgres::create_table;
using etl::postgres::key;
using etl::postgres::KeyRange;
using etl::postgres::query;
using etl::postgres::query_sql;
using etl::postgres::table;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::value;

namespace {

struct Row {
  std::int64_t id = 0;
  std::optional<std::string> name{};
};
const auto rows = table<Row>("rows", key("id", &Row::id), column("name", &Row::name));

void fill(etl::postgres::Connection& db, int count) {
  ok(create_table(db, rows));
  ok(db.execute("INSERT INTO rows SELECT i, 'n' || i FROM generate_series(1, " + std::to_string(count) + ") i"));
}

template <class Q>
std::string ids(Q found) {
  std::string all;
  for (Row row; ok(found.next(row));) all.append(all.empty() ? "" : ",").append(std::to_string(row.id));
  return all;
}

}  // namespace

TEST_CASE("postgres source: a table in the order of its keys, over many pages") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 25'000);
  auto found = ok(query(db, rows));
  Row row;
  std::int64_t expected = 0;
  while (ok(found.next(row))) {
    if (row.id != ++expected || row.name != "n" + std::to_string(expected)) FAIL("row " << row.id);
  }
  CHECK(expected == 25'000);
  CHECK_FALSE(db.in_transaction());
  CHECK_FALSE(ok(found.next(row)));  // and again
  // One that is not read to its end leaves no transaction either.
  {
    auto half = ok(query(db, rows));
    CHECK(ok(half.next(row)));
    CHECK(db.in_transaction());
  }
  CHECK_FALSE(db.in_transaction());
}

TEST_CASE("postgres source: within a transaction it sees what that has done, and leaves it open") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 3);
  auto tx = ok(db.begin());
  ok(tx.execute("INSERT INTO rows VALUES(4, NULL)"));
  CHECK(ids(ok(query(db, rows))) == "1,2,3,4");
  { const auto unread = ok(query(db, rows)); }
  CHECK(test::value(db, "SELECT count(*) FROM pg_cursors WHERE name LIKE 'etl%'") == "0");
  CHECK(tx.active());
}

TEST_CASE("postgres source: nothing can be written within the transaction of a query, which may be undone") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 1000);
  ok(db.execute("CREATE TABLE copies AS SELECT * FROM rows WHERE false; ALTER TABLE copies ADD PRIMARY KEY (id)"));
  auto copies = ok(etl::postgres::inserter(db, table<Row>("copies", key("id", &Row::id), column("name", &Row::name))));
  const auto count = [&] { return test::value(db, "SELECT count(*) FROM copies"); };
  Row row;
  {
    auto all = ok(query(db, rows));
    REQUIRE(ok(all.next(row)));
    const etl::Error e = error_of(copies.insert(std::span<const Row>(&row, 1)));
    CHECK(e.code == etl::postgres::sqlstate("25006"));
    CHECK(lacks(e.message(), {"write on another connection", "begin a transaction before the query"}).empty());
  }
  CHECK(count() == "0");
  {
    auto all = ok(query(db, rows));
    while (ok(all.next(row))) {}
    ok(copies.insert(std::span<const Row>(&row, 1)));  // the query has ended, and its transaction
  }
  CHECK(count() == "1");
  {
    auto own = ok(db.begin());
    auto all = ok(query(db, rows));
    REQUIRE(ok(all.next(row)));
    ok(copies.insert(std::span<const Row>(&row, 1)));
    ok(own.commit());
  }
  CHECK(count() == "2");
}

TEST_CASE("postgres source: a query that outlives its transaction does not touch the next one") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 1000);
  Row row;
  auto first = ok(db.begin());
  auto all = std::make_optional(ok(query(db, rows)));
  auto more = std::make_optional(ok(query(db, rows)));
  REQUIRE(ok(all->next(row)));
  ok(first.commit());
  auto second = ok(db.begin());
  ok(second.execute("INSERT INTO rows VALUES (2000, 'x')"));
  const etl::Error e = error_of(more->next(row));
  CHECK(has(e.message(), "the transaction in which this query began has ended"));
  all.reset();
  more.reset();
  ok(second.commit());
  CHECK(test::value(db, "SELECT count(*) FROM rows") == "1001");
}

TEST_CASE("postgres source: rows after a position, and ranges of keys") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 10);
  CHECK(ids(ok(query(db, rows, std::optional<Position>(Position("7"))))) == "8,9,10");
  CHECK(ids(ok(query(db, rows, std::optional<Position>()))) == "1,2,3,4,5,6,7,8,9,10");
  CHECK(ids(ok(query(db, rows, KeyRange{.after = Position("2"), .until = Position("5")}))) == "3,4,5");
  CHECK(ids(ok(query(db, rows, KeyRange{.until = Position("2")}))) == "1,2");
  const etl::Error e = error_of(query(db, rows, std::optional<Position>(Position("seven"))));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(lacks(e.message(), {"'seven'", "another source"}) == "");

  for (const std::size_t count : {1U, 3U, 10U, 40U}) {
    const auto ranges = ok(etl::postgres::key_ranges(db, rows, count));
    CHECK(ranges.size() <= count);
    CHECK(ranges.size() >= std::min<std::size_t>(count, 10) - 1);
    std::string all;
    for (const KeyRange& range : ranges) {
      const std::string part = ids(ok(query(db, rows, range)));
      if (!part.empty()) all.append(all.empty() ? "" : ",").append(part);
    }
    CHECK(all == "1,2,3,4,5,6,7,8,9,10");
  }
  ok(db.execute("TRUNCATE rows"));
  CHECK(ok(etl::postgres::key_ranges(db, rows, 5)).size() == 1);
}

TEST_CASE("postgres source: a row without a key is an error, because no range and no position includes it") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute(
      "CREATE TABLE rows(id bigint UNIQUE, name text); INSERT INTO rows SELECT i FROM generate_series(1, 9) i"));
  const auto read_all = [&](std::size_t count) -> etl::Result<std::string> {
    std::string all;
    for (const KeyRange& range : ok(etl::postgres::key_ranges(db, rows, count))) {
      auto part = query(db, rows, range);
      if (!part) return etl::failure(part.error());
      all += ids(std::move(*part)) + ";";
    }
    return all;
  };
  CHECK(ok(read_all(3)) == "1,2,3;4,5,6;7,8,9;");
  ok(db.execute("INSERT INTO rows VALUES(NULL, 'lost')"));
  const etl::Error ranges = error_of(read_all(3));
  CHECK(ranges.error_class == ErrorClass::Fatal);
  CHECK(lacks(ranges.message(),
              {"read \"rows\": column \"id\", which is the key, is NULL in some rows", "own SELECT"}) == "");
  const etl::Error resumed = error_of(query(db, rows, std::optional<Position>(Position("9"))));
  CHECK(resumed.message() == ranges.message());
  // The whole table gives the row last, with an error of its own; a range that ends does not look for such rows.
  auto whole = ok(query(db, rows));
  Row row;
  for (int i = 0; i < 9; ++i) REQUIRE(ok(whole.next(row)));
  CHECK(has(error_of(whole.next(row)).message(), "column \"id\": NULL"));
  CHECK(ids(ok(query(db, rows, KeyRange{.after = Position("4"), .until = Position("6")}))) == "5,6");
}

TEST_CASE("postgres source: time stamps, dates, texts and UUIDs are positions too") {
  const test::Schema schema;
  auto db = schema.open();
  using namespace std::chrono;
  const auto check = [&]<class V>(const std::vector<V>& values) {
    struct Keyed {
      V k{};
    };
    const auto keyed = table<Keyed>("keyed", key("k", &Keyed::k));
    ok(db.execute("DROP TABLE IF EXISTS keyed"));
    ok(create_table(db, keyed));
    auto sink = ok(etl::postgres::sink(db, keyed));
    for (const V& v : values) ok(sink.write(std::vector<Keyed>{{v}}));
    for (std::size_t i = 0; i < values.size(); ++i) {
      auto rest = ok(query(db, keyed, std::optional(etl::postgres::detail::position_of(values[i]))));
      Keyed next;
      CHECK(ok(rest.next(next)) == (i + 1 < values.size()));
      if (i + 1 < values.size()) CHECK(next.k == values[i + 1]);
    }
    CHECK(ok(etl::postgres::key_ranges(db, keyed, 2)).size() == 2);
  };
  check(std::vector{sys_time<microseconds>(-1us), sys_time<microseconds>(0us),
                    sys_time<microseconds>(1'717'236'000'000'001us)});
  check(std::vector{local_days(year(-50) / 3 / 15) + 1us, local_days(1999y / 12 / 31) + 23h + 1us});
  check(std::vector{sys_days(year(-50) / 3 / 15), sys_days(2024y / 2 / 29)});
  // Later than std::chrono::year can say.
  check(std::vector{sys_days(2024y / 2 / 29), sys_days(2000y / 12 / 31) + days(146'097) * 245,
                    sys_days(2000y / 12 / 31) + days(146'097) * 14'000});
  check(std::vector<std::string>{"", "it's", "z"});
  check(std::vector{etl::postgres::Uuid{}, *etl::postgres::Uuid::parse("ffffffffffffffffffffffffffffffff")});
}

TEST_CASE("postgres source: a time in floating point is the position of the time that was read") {
  const test::Schema schema;
  auto db = schema.open();
  struct Timed {
    std::chrono::sys_time<std::chrono::duration<double>> at{};
  };
  const auto timed = table<Timed>("timed", key("at", &Timed::at));
  ok(db.execute(
      "CREATE TABLE timed AS SELECT timestamptz '2024-06-01 23:59:59.999990+00' + i * interval '1 microsecond'"
      " AS at FROM generate_series(1, 20) i"));
  auto found = ok(query(db, timed));
  std::vector<Timed> all;
  for (Timed row; ok(found.next(row));) all.push_back(row);
  REQUIRE(all.size() == 20);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto rest = ok(query(db, timed, std::optional(etl::postgres::detail::position_of(all[i].at))));
    std::size_t count = 0;
    for (Timed row; ok(rest.next(row));) ++count;
    CHECK(count == all.size() - i - 1);
  }
  // Written again they are the same times.
  ok(db.execute("ALTER TABLE timed RENAME TO read; CREATE TABLE timed AS SELECT * FROM read WITH NO DATA"));
  ok(ok(etl::postgres::sink(db, timed)).write(all));
  CHECK(value(db, "SELECT count(*) FROM (SELECT at FROM timed EXCEPT SELECT at FROM read) d") == "0");
}

TEST_CASE("postgres source: a query of one's own, its columns found by name, with parameters") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 5);
  CHECK(ids(ok(query_sql(db, rows, "SELECT 'x' AS more, name, id * 10 AS id FROM rows WHERE id > $1 ORDER BY id DESC",
                         3))) == "50,40");
  const etl::Error e = error_of(query_sql(db, rows, "SELECT name::date AS name FROM rows WHERE false"));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(lacks(e.message(),
              {"there is no column \"id\"", "column \"name\" has a type (oid 1082)", "the query has \"name\""}) == "");
  CHECK_FALSE(db.in_transaction());
  CHECK(has(error_of(query_sql(db, rows, "SELECT FROM nowhere")).message(), "create it"));
}

TEST_CASE("postgres source: a value that its member cannot take is one row's error, and reading goes on") {
  const test::Schema schema;
  auto db = schema.open();
  struct Small {
    std::int16_t id = 0;
    std::string name{};
    std::optional<std::chrono::sys_seconds> at{};
  };
  const auto small =
      table<Small>("rows", key("id", &Small::id), column("name", &Small::name), column("at", &Small::at));
  ok(
      db.execute("CREATE TABLE rows(id int, name text, at timestamptz); INSERT INTO rows VALUES(1, 'a', NULL), (2, "
                 "NULL, NULL), (70000, 'c', NULL), "
                 "(4, 'd', 'infinity'), (5, 'e', '2024-01-01 00:00:00.5+00'), (6, 'f', '2024-01-01+00')"));
  auto found = ok(query_sql(db, small, "SELECT * FROM rows ORDER BY ctid"));
  Small row;
  CHECK(ok(found.next(row)));
  const auto refused = [&](std::initializer_list<std::string_view> parts) {
    const etl::Error e = error_of(found.next(row));
    CHECK(e.error_class == ErrorClass::Rejected);
    CHECK(lacks(e.message(), parts) == "");
  };
  refused({"read \"rows\", id=2, column \"name\": NULL: NULL, but the member is not a std::optional"});
  refused({"id=70000, column \"id\": 70000: out of the member's range"});
  refused({"id=4, column \"at\"", "an infinite time"});
  refused({"id=5, column \"at\"", "finer than the member's unit"});
  CHECK(ok(found.next(row)));
  CHECK(row.name == "f");
  CHECK_FALSE(ok(found.next(row)));
}

TEST_CASE("postgres source: a year that std::chrono::year cannot hold is an error, and not another year") {
  const test::Schema schema;
  auto db = schema.open();
  struct Dated {
    std::int64_t id = 0;
    std::chrono::year_month_day day{};
  };
  const auto dated = table<Dated>("rows", key("id", &Dated::id), column("day", &Dated::day));
  ok(db.execute(
      "CREATE TABLE rows(id bigint, day date); INSERT INTO rows VALUES(1, '32767-12-31'), (2, '32768-01-01'), "
      "(3, '40000-01-01'), (4, '99999-12-31'), (5, '5874897-12-31')"));
  auto found = ok(query(db, dated));
  Dated row;
  REQUIRE(ok(found.next(row)));
  CHECK(row.day == std::chrono::year(32'767) / 12 / 31);
  for (int id = 2; id <= 5; ++id) {
    const etl::Error e = error_of(found.next(row));
    CHECK(lacks(e.message(), {"id=" + std::to_string(id), id == 4 ? "column \"day\": 99999-12-31: " : "column \"day\"",
                              "out of the member's range"}) == "");
  }
  CHECK_FALSE(ok(found.next(row)));
}

TEST_CASE("postgres source: its connection lost within a query is a transient error") {
  const test::Schema schema;
  auto db = schema.open(), killer = schema.open();
  fill(db, 50'000);
  const std::string pid = test::pid(db);
  auto found = ok(query(db, rows));
  test::terminate(killer, pid);
  Row row;
  etl::Result<bool> more = true;
  while (more && *more) more = found.next(row);
  CHECK(error_of(more).error_class == ErrorClass::Transient);
  CHECK_FALSE(ok(found.next(row)));  // there is no more of it
}

TEST_CASE("postgres extract: a stop wakes a source that waits for the server (G10)") {
  const test::Schema schema;
  auto db = schema.open(), other = schema.open(), watching = schema.open();
  fill(db, 5000);
  struct Reading {
    etl::postgres::Connection db;
    std::string sql;
    void extract(etl::Emitter<Row>& out) {
      etl::value(sql.empty() ? etl::postgres::extract(db, rows, out, 10)
                             : etl::postgres::extract(ok(query_sql(db, rows, sql)), out, 10));
    }
    void load(std::span<const Row>) {}
  };
  const auto waits = [&](const std::string& pid, const char* why) {
    const std::string sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid = " + pid + why;
    while (value(watching, sql) == "0") std::this_thread::yield();
  };
  etl::StopSource stop;
  const auto stopped = [&](const char* why, const std::string& sql = "") {
    const std::string pid = test::pid(db);
    const std::jthread stopper([&] {
      waits(pid, why);
      stop.request_drain();
    });
    Reading reading{std::move(db), sql};
    return etl::run(reading, {.drain_deadline = etl::Options::never}, stop.stop_token());
  };
  SECTION("at the first row: another session has locked the table until the run has ended") {
    const auto lock = ok(other.begin());
    ok(other.execute("LOCK TABLE rows"));
    const etl::RunReport report = stopped(" AND wait_event_type = 'Lock'");
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(report.items.extracted == 0);
  }
  SECTION("at the first row of a query of one's own") {
    const etl::RunReport report =
        stopped(" AND wait_event = 'PgSleep'", "SELECT id, pg_sleep(1e6)::text AS name FROM rows ORDER BY id");
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(report.errors.empty());
  }
  SECTION("at a later row, which never comes") {
    const etl::RunReport report = stopped(" AND wait_event = 'PgSleep'",
                                          "SELECT id, CASE WHEN id > 3000 THEN pg_sleep(1e6)::text END AS name FROM "
                                          "rows ORDER BY id");
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(report.items.extracted > 0);
    CHECK(report.errors.empty());
  }
}

TEST_CASE("postgres source: a pipeline reads partitions by ranges of the key, and marks positions") {
  const test::Schema schema;
  auto db = schema.open();
  fill(db, 20'000);
  const auto pool = ok(etl::postgres::Pool::make(schema.url(), {}, {.max_size = 3}));
  struct Copied {
    const etl::postgres::Pool& pool;
    std::vector<KeyRange> ranges;
    mutable std::mutex mutex{};
    mutable std::map<std::int64_t, int> seen{};
    mutable std::vector<std::string> positions{};

    [[nodiscard]] std::vector<KeyRange> partitions() const { return ranges; }
    etl::Result<void> extract(const KeyRange& range, etl::Emitter<Row>& out) const {
      auto lease = pool.lease(out.stop_token());
      if (!lease) return etl::failure(lease.error());
      return etl::postgres::extract(**lease, rows, range, out);
    }
    void load(std::span<const Row> batch, etl::BatchContext& context) const {
      const std::lock_guard lock(mutex);
      for (const Row& row : batch) ++seen[row.id];
      if (context.position()) positions.push_back(context.position()->text());
    }
  };
  Copied copied{pool, ok(etl::postgres::key_ranges(db, rows, 3))};
  CHECK(copied.ranges.size() == 3);
  const etl::RunReport report = etl::run(copied, {.batch_size = 500, .workers = 2});
  INFO(report.text());
  CHECK(report.ok());
  CHECK(copied.seen.size() == 20'000);
  CHECK(std::ranges::all_of(copied.seen, [](const auto& s) { return s.second == 1; }));
  CHECK(std::ranges::any_of(copied.positions, [](const std::string& p) { return std::stoll(p) > 15'000; }));
}

// --- keys that are equal to the server and different texts
// ------------------------------------------------------------

namespace {

struct Keyed {
  std::string k{};
  std::int64_t id = 0;
};
const auto keyed = table<Keyed>("keyed", key("k", &Keyed::k), column("id", &Keyed::id));
const std::vector<std::string> names{"ann", "bob", "Bob", "BOB", "carl", "Carl", "dan"};

/// Takes what an extractor pushes and marks.
class Recorder final : public etl::detail::LaneHost {
 public:
  std::vector<std::int64_t> pushed;                     // ids
  std::vector<std::pair<std::size_t, Position>> marks;  // after how many rows

  template <class Extract>
  etl::Result<void> record(Extract extract) {
    lane_.host = this;
    etl::Emitter<Keyed> out(lane_);
    return extract(out);
  }
  bool make_room(etl::detail::Lane& lane) override {
    lane.data = &slot_;
    lane.live = 1;
    lane.count = 0;
    lane.limit = 1;
    return true;
  }
  void reached_limit(etl::detail::Lane&) override { pushed.push_back(slot_.id); }
  void mark(etl::detail::Lane&, Position position) override { marks.emplace_back(pushed.size(), std::move(position)); }
  void flush(etl::detail::Lane&) override {}
  bool wait_for(etl::detail::Lane&, std::chrono::nanoseconds) override { return true; }
  void retain(etl::detail::Lane&, std::shared_ptr<const void>, std::function<void(bool)>) override {}
  [[nodiscard]] const std::optional<Position>& resume_from(etl::detail::Lane&) override { return from_; }
  [[nodiscard]] std::stop_token intake_stop() const noexcept override { return {}; }

 private:
  Keyed slot_;
  std::optional<Position> from_;
  etl::detail::Lane lane_;
};

/// Fails once, at one row, and counts how often it loads each.
struct Failing {
  etl::postgres::Connection& db;
  std::vector<int>& loaded;
  std::int64_t fails_at = 0;
  std::string fingerprint() const { return "keyed"; }
  etl::Result<void> extract(etl::Emitter<Keyed>& out) const { return etl::postgres::extract(db, keyed, out, 2); }
  etl::Result<void> load(std::span<const Keyed> batch) const {
    for (const Keyed& row : batch) {
      if (row.id == fails_at) return etl::failure(etl::fatal("down"));
      ++loaded[static_cast<std::size_t>(row.id)];
    }
    return {};
  }
};

/// Makes the table, with rows numbered from 1.
void make_keyed(etl::postgres::Connection& db, const std::string& type, const std::vector<std::string>& keys) {
  ok(db.execute("DROP TABLE IF EXISTS keyed; CREATE TABLE keyed(id bigint, k " + type + " NOT NULL)"));
  for (std::size_t i = 0; i < keys.size(); ++i)
    (void)ok(db.query("INSERT INTO keyed(id, k) VALUES($1, $2)", i + 1, keys[i]));
}

/// Makes types in the schema to which texts that differ only in capital letters are equal.
std::vector<std::string> types_of_texts(etl::postgres::Connection& db) {
  std::vector<std::string> types;
  if (test::value(db, "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "1") {
    // A database has an extension once: tests at the same time share it.
    ok(db.execute(
        "SELECT pg_advisory_xact_lock(hashtext('citext')); CREATE EXTENSION IF NOT EXISTS citext SCHEMA public; "
        "CREATE DOMAIN inner_domain AS public.citext; CREATE DOMAIN outer_domain AS inner_domain"));
    types.insert(types.end(), {"public.citext", "outer_domain"});
  } else {
    WARN("the server has no extension citext: it was not tried");
  }
  if (test::value(db, "SELECT count(*) > 0 FROM pg_collation WHERE collprovider = 'i'") == "t") {
    ok(
        db.execute("CREATE COLLATION any_case(provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
                   "CREATE DOMAIN any_case_domain AS varchar(9) COLLATE any_case"));
    types.insert(types.end(), {"text COLLATE any_case", "bpchar COLLATE any_case", "any_case_domain"});
  } else {
    WARN("the server has no ICU: collations that are not deterministic were not tried");
  }
  return types;
}

}  // namespace

TEST_CASE("postgres source: a type of one's own is read as a text only if the server sends it as one") {
  struct Own {
    std::string v{};
  };
  const test::Schema schema;
  auto db = schema.open();
  const auto own = table<Own>("own", column("v", &Own::v));
  ok(db.execute(
      "CREATE TYPE mood AS ENUM('fine'); CREATE TYPE part AS RANGE(subtype = text); CREATE TYPE two AS (a int, "
      "b int); CREATE DOMAIN word AS text"));
  for (const auto& [type, text] : {std::pair{"mood", "'fine'"}, {"word", "'a'"}}) {
    ok(db.execute(std::string("DROP TABLE IF EXISTS own; CREATE TABLE own(v ") + type + "); INSERT INTO own VALUES(" +
                  text + ")"));
    auto read = ok(query(db, own));
    Own one;
    CHECK(ok(read.next(one)));
    CHECK("'" + one.v + "'" == text);
  }
  for (const std::string type : {"part", "two"}) {
    ok(db.execute("DROP TABLE own; CREATE TABLE own(v " + type + ")"));
    CHECK(
        lacks(error_of(query(db, own)).message(), {R"(column "v" has a type (oid )", R"(SELECT with "v"::text AS "v")"})
            .empty());
    CHECK(query_sql(db, own, "SELECT v::text AS v FROM own").has_value());
  }
}

TEST_CASE("postgres extract: the rows after a mark are those that were not pushed before it") {
  const test::Schema schema;
  auto db = schema.open();
  const auto check = [&](const std::string& type, const std::vector<std::string>& keys) {
    CAPTURE(type);
    make_keyed(db, type, keys);
    std::vector<int> each_once(keys.size() + 1, 1);
    each_once[0] = 0;
    const auto read = [&](const KeyRange& range, std::vector<int>& counts) {
      auto part = ok(query(db, keyed, range));
      for (Keyed row; ok(part.next(row));) ++counts[static_cast<std::size_t>(row.id)];
    };
    for (const std::size_t mark_every : {1U, 2U, 3U}) {
      Recorder recorder;
      ok(recorder.record([&](etl::Emitter<Keyed>& out) { return etl::postgres::extract(db, keyed, out, mark_every); }));
      CHECK(recorder.pushed.size() == keys.size());
      CHECK(recorder.marks.size() > 1);
      for (const auto& [pushed, position] : recorder.marks) {
        CAPTURE(mark_every, pushed, position.text());
        std::vector<int> counts(keys.size() + 1);
        for (std::size_t i = 0; i < pushed; ++i) ++counts[static_cast<std::size_t>(recorder.pushed[i])];
        read({.after = position}, counts);
        CHECK(counts == each_once);
      }
    }
    for (std::size_t count = 1; count <= keys.size() + 1; ++count) {
      CAPTURE(count);
      std::vector<int> counts(keys.size() + 1);
      for (const KeyRange& range : ok(etl::postgres::key_ranges(db, keyed, count))) read(range, counts);
      CHECK(counts == each_once);
    }
  };
  for (const std::string& type : types_of_texts(db)) check(type, names);
  for (const char* type : {"text", "varchar(9)", "name"}) check(type, names);
  check("bpchar", {"a", "b", "b ", "b  ", "c ", "c", "d\t"});
  ok(db.execute("CREATE DOMAIN number AS numeric"));
  for (const char* type : {"numeric", "number"})
    check(type, {"0.0", "1", "1.0", "1.00", "10", "10.0", "10.50", "10.5", "-0.10", "-0.1"});
  check("jsonb", {R"({"a": 1})", R"({"a": 1.0})", R"({"a": 1.00})", R"({"a": 2})"});
}

TEST_CASE("postgres extract: a resumed run leaves out no row whose key is equal to another to the server") {
  const test::Schema schema;
  auto db = schema.open();
  for (const std::string& type : types_of_texts(db)) {
    CAPTURE(type);
    make_keyed(db, type, names);
    for (std::int64_t fails_at = 1; fails_at <= 7; ++fails_at) {
      CAPTURE(fails_at);
      std::vector<int> loaded(8);
      etl::Options options{.name = "keyed", .batch_size = 1, .workers = 1};
      options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
      options.delivery.save_every = std::chrono::nanoseconds(1);
      CHECK(etl::run(Failing{db, loaded, fails_at}, options).outcome == etl::Outcome::Failed);
      CHECK(etl::run(Failing{db, loaded}, options).outcome == etl::Outcome::Completed);
      CHECK(loaded == std::vector<int>{0, 1, 1, 1, 1, 1, 1, 1});
    }
  }
}

TEST_CASE("postgres source: a text key is in the order of its bytes only where different texts may be equal") {
  const test::Schema schema;
  auto db = schema.open();
  const auto order = [&](const std::string& type) {
    make_keyed(db, type, {});
    return ok(etl::postgres::detail::key_order(db, keyed.name, etl::postgres::detail::column_infos(keyed))).key;
  };
  for (const std::string& type : types_of_texts(db)) {
    CAPTURE(type);
    CHECK(order(type).ends_with(" COLLATE \"C\""));
    make_keyed(db, type, {"a", "B", "b", "A"});
    std::string all;
    auto rows_of_table = ok(query(db, keyed));
    for (Keyed row; ok(rows_of_table.next(row));) all += row.k;
    CHECK(all == "ABab");
  }
  ok(db.execute("CREATE DOMAIN plain_text AS text"));
  for (const char* type : {"text", "text COLLATE \"C\"", "varchar", "char(4)", "name", "plain_text", "uuid", "numeric"})
    CHECK(order(type) == "");
  // The server says what is missing.
  ok(db.execute("DROP TABLE keyed"));
  CHECK(has(error_of(query(db, keyed)).message(), "create it"));
  ok(db.execute("CREATE TABLE keyed(id bigint)"));
  CHECK(has(error_of(query(db, keyed)).message(), "\"k\""));
}

TEST_CASE("postgres source: equal texts are those that the server takes as equal") {
  using etl::postgres::detail::equal_texts;
  constexpr std::uint32_t text = 25, char_n = 1042, numeric = 1700;
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"1", "1.0"}, {"1.0", "1.00"}, {"10", "10.000"}, {"-0.10", "-0.1"}, {"0.0", "0"}, {"NaN", "NaN"}}) {
    CAPTURE(a, b);
    CHECK(equal_texts(numeric, a, b));
    CHECK(equal_texts(text, a, b) == (a == b));
  }
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{{"1", "10"},
                                                                             {"10", "100"},
                                                                             {"1.0", "10"},
                                                                             {"1.01", "1.1"},
                                                                             {"0.1", "-0.1"},
                                                                             {"NaN", "Infinity"},
                                                                             {"0", ""}}) {
    CAPTURE(a, b);
    CHECK_FALSE(equal_texts(numeric, a, b));
  }
  CHECK(equal_texts(char_n, "a ", "a"));
  CHECK(equal_texts(char_n, "  ", ""));
  CHECK_FALSE(equal_texts(char_n, " a", "a"));
  CHECK_FALSE(equal_texts(text, "a ", "a"));
}

// --- rows with equal keys
// ---------------------------------------------------------------------------------------------

namespace {

struct Tied {
  std::int64_t k = 0;
  std::string a{};
  std::string b{};
};
const auto by_k = table<Tied>("tied", key("k", &Tied::k), column("a", &Tied::a), column("b", &Tied::b));
const auto by_both = table<Tied>("tied", key("k", &Tied::k), key("a", &Tied::a), column("b", &Tied::b));

/// Fails once, at one row, and counts how often it loads each.
template <class Table>
struct FailingAmongTies {
  etl::postgres::Connection& db;
  const Table& from;
  std::map<std::string, int>& loaded;
  std::string fails_at{};
  std::string fingerprint() const { return "tied"; }
  etl::Result<void> extract(etl::Emitter<Tied>& out) const {
    if constexpr (std::is_same_v<Table, std::remove_cv_t<decltype(by_k)>>) {
      return etl::postgres::extract(db, from, out, 2);
    } else {  // It has no positions: each run counts the rows from the first on.
      auto all = query(db, from);
      if (!all) return etl::failure(all.error());
      return etl::postgres::extract(std::move(*all), out);
    }
  }
  etl::Result<void> load(std::span<const Tied> batch) const {
    for (const Tied& row : batch) {
      const std::string name = std::to_string(row.k) + "|" + row.a + "|" + row.b;
      if (name == fails_at) return etl::failure(etl::fatal("down"));
      ++loaded[name];
    }
    return {};
  }
};

/// The statement that reads a table.
template <class Table>
std::string sql_of(etl::postgres::Connection& db, const Table& of) {
  const auto columns = etl::postgres::detail::column_infos(of);
  return etl::postgres::detail::select_sql(of.name, columns, false, false,
                                           ok(etl::postgres::detail::key_order(db, of.name, columns)));
}
/// What follows the key.
template <class Table>
std::string ties(etl::postgres::Connection& db, const Table& of) {
  return ok(etl::postgres::detail::key_order(db, of.name, etl::postgres::detail::column_infos(of))).ties;
}

}  // namespace

TEST_CASE("postgres extract: a resumed run loads each of several rows with equal keys once") {
  const test::Schema schema;
  auto db = schema.open();
  const auto types = types_of_texts(db);
  const auto check = [&](const auto& from, const std::string& make, const std::vector<std::string>& texts) {
    CAPTURE(make);
    ok(db.execute("DROP SCHEMA " + schema.name() + " CASCADE; CREATE SCHEMA " + schema.name()));
    (void)types_of_texts(db);
    ok(db.execute(make));
    std::map<std::string, int> each_once;
    int number = 0;
    for (const int k : {-1, 1, 2})
      for (const std::string& text : texts) {
        (void)ok(db.query("INSERT INTO tied(number, k, a, b) VALUES($1, $2, 'a', $3)", ++number, k, text));
        each_once[std::to_string(k) + "|a|" + text] = 1;
      }
    REQUIRE(each_once.size() == 3 * texts.size());
    for (const auto& [fails_at, once] : each_once) {
      CAPTURE(fails_at);
      std::map<std::string, int> loaded;
      etl::Options options{.name = "tied", .batch_size = 1, .workers = 1};
      options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
      options.delivery.save_every = std::chrono::nanoseconds(1);
      CHECK(etl::run(FailingAmongTies<std::remove_cvref_t<decltype(from)>>{db, from, loaded, fails_at}, options)
                .outcome == etl::Outcome::Failed);
      // The server may read the table in another order, as after a plan of another kind.
      ok(
          db.execute("WITH gone AS (DELETE FROM tied RETURNING *), turned AS (UPDATE direction SET d = -d RETURNING d) "
                     "INSERT INTO tied SELECT gone.* FROM gone, turned ORDER BY number * d"));
      CHECK(etl::run(FailingAmongTies<std::remove_cvref_t<decltype(from)>>{db, from, loaded}, options).outcome ==
            etl::Outcome::Completed);
      CHECK(loaded == each_once);
    }
  };
  const std::string direction = "CREATE TABLE direction AS SELECT -1 AS d; ";
  const auto tied_table = [&](const std::string& type, const std::string& name = "tied") {
    return direction + "CREATE TABLE " + name + "(number int, k bigint, a text, b " + type + ")";
  };
  const std::vector<std::string> documents{"1", " 1", "{}", "[1]"};
  for (const std::string& make : {tied_table("json"), tied_table("json") + "; CREATE INDEX ON tied(k)",
                                  tied_table("json", "t") + "; CREATE VIEW tied AS SELECT * FROM t"}) {
    check(by_k, make, documents);
    check(by_both, make, documents);
  }
  check(by_k, tied_table("numeric"), {"1", "1.0", "1.00"});
  check(by_k, tied_table("bpchar"), {"b", "b ", "b  "});
  for (const std::string& type : types) check(by_k, tied_table(type), {"b", "B"});
}

TEST_CASE("postgres source: rows with equal keys are ordered by what is read of them") {
  const test::Schema schema;
  auto db = schema.open();
  const auto tied_by = [&](const std::string& k, const std::string& b) {
    ok(db.execute("DROP TABLE IF EXISTS tied; CREATE TABLE tied(k " + k + ", a text, b " + b + ")"));
    return ties(db, by_k);
  };
  const std::string a = R"(, "a" COLLATE "C", )", text = R"("b"::text COLLATE "C")";
  for (const char* type :
       {"boolean", "smallint", "integer", "bigint", "date", "timestamp", "timestamptz", "uuid", "bytea"})
    CHECK(tied_by("bigint", type) == a + R"("b")");
  for (const char* type : {"text", "varchar(9)", "name"}) CHECK(tied_by("bigint", type) == a + R"("b" COLLATE "C")");
  CHECK(tied_by("bigint", "char(9)") == a + R"(bpcharsend("b"))");
  for (const char* type : {"real", "double precision"}) CHECK(tied_by("bigint", type) == a + R"(float8send("b"))");
  ok(db.execute("CREATE TYPE mood AS ENUM('ok'); CREATE DOMAIN small AS real; CREATE DOMAIN doc AS json"));
  for (const char* type : {"numeric", "json", "jsonb", "integer[]", "mood", "doc", "point"})
    CHECK(tied_by("bigint", type) == a + text);
  CHECK(tied_by("bigint", "small") == a + R"(float8send("b"))");
  // A key whose values may be equal and differ is among them.
  const auto key_of = [&](const std::string& type) {
    ok(db.execute("DROP TABLE IF EXISTS keyed; CREATE TABLE keyed(id bigint, k " + type + ")"));
    return ties(db, keyed);
  };
  for (const std::string type : {"text", "varchar", "name", "uuid"}) CHECK(key_of(type) == R"(, "id")");
  CHECK(key_of("numeric") == R"(, "k"::text COLLATE "C", "id")");
  CHECK(key_of("bpchar") == R"(, bpcharsend("k"), "id")");
  for (const std::string& type : types_of_texts(db))
    if (!has(type, "bpchar")) CHECK(key_of(type) == R"(, "id")");
  ok(db.execute("DROP TABLE tied; CREATE TABLE tied(k bigint, a text, b text)"));
  CHECK(ties(db, by_both) == R"(, "b" COLLATE "C")");
  if (test::value(db, "SELECT count(*) > 0 FROM pg_collation WHERE collname = 'any_case'") == "t") {
    ok(db.execute("ALTER TABLE tied ALTER a TYPE text COLLATE any_case"));
    CHECK(ties(db, by_both) == R"(, "a" COLLATE "C", "b" COLLATE "C")");
  }
  // Without a key there is no order.
  const auto keyless = table<Tied>("tied", column("a", &Tied::a));
  CHECK(sql_of(db, keyless) == R"(SELECT "a" FROM "tied")");
}

TEST_CASE("postgres source: a unique key is read by its index, without a sort") {
  const test::Schema schema;
  auto db = schema.open();
  const auto make = [&](const std::string& sql) {
    ok(db.execute("DROP SCHEMA " + schema.name() + " CASCADE; CREATE SCHEMA " + schema.name() + "; " + sql));
    ok(db.execute("SET enable_seqscan = off; SET enable_bitmapscan = off"));
  };
  const auto plan = [&](const auto& of) {
    std::string all;
    const auto lines = ok(db.query("EXPLAIN (COSTS off) " + sql_of(db, of)));
    for (int i = 0; i < lines.size(); ++i) all.append(lines.text(i, 0)).append("\n");
    return all;
  };
  const std::string columns = "(k bigint, a text, b json)";
  for (const std::string& sql : {std::string("CREATE TABLE tied(k bigint PRIMARY KEY, a text, b json)"),
                                 "CREATE TABLE tied" + columns + "; CREATE UNIQUE INDEX ON tied(k) INCLUDE(a)",
                                 "CREATE TABLE tied" + columns +
                                     " PARTITION BY RANGE(k); CREATE UNIQUE INDEX ON tied(k); CREATE TABLE p PARTITION "
                                     "OF tied FOR VALUES FROM (0) TO (9)",
                                 "CREATE TABLE t" + columns +
                                     "; CREATE MATERIALIZED VIEW tied AS SELECT * FROM t; CREATE UNIQUE INDEX ON "
                                     "tied(k)"}) {
    CAPTURE(sql);
    make(sql);
    CHECK(ties(db, by_k) == "");
    CHECK(ties(db, by_both) == "");
    CHECK(has(plan(by_k), "Index"));
    CHECK_FALSE(has(plan(by_k), "Sort"));
  }
  make("CREATE TABLE tied(k bigint, a text, b json, PRIMARY KEY(a, k))");
  CHECK(ties(db, by_both) == "");
  CHECK(ties(db, by_k) != "");

  // These indexes do not say that keys are unique. One that is sorted already is sorted in part only.
  make("CREATE TABLE tied" + columns + "; CREATE INDEX ON tied(k)");
  CHECK(lacks(plan(by_k), {"Incremental Sort", "Index"}) == "");
  for (const char* sql : {"CREATE UNIQUE INDEX ON tied(k, a)", "CREATE UNIQUE INDEX ON tied(k) WHERE a = 'a'",
                          "CREATE UNIQUE INDEX ON tied((k + 0))", "CREATE UNIQUE INDEX ON tied(a) INCLUDE(k)",
                          "ALTER TABLE tied ADD UNIQUE(k) DEFERRABLE",
                          "CREATE UNIQUE INDEX ON tied(k); CREATE TABLE heir() INHERITS(tied)",
                          "CREATE UNIQUE INDEX i ON tied(k); UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
                          "'i'::regclass",
                          "CREATE UNIQUE INDEX ON tied(k); ALTER TABLE tied RENAME TO t; CREATE VIEW tied AS SELECT * "
                          "FROM t"}) {
    CAPTURE(sql);
    make("CREATE TABLE tied" + columns + "; " + sql);
    CHECK(ties(db, by_k) != "");
  }
}

TEST_CASE("postgres extract: incremental runs load each of several rows with equal keys once") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE tied(k bigint, a text, b text)"));
  std::map<std::string, int> expected, loaded;
  const auto add = [&](int k) {
    for (const std::string b : {"2", "1", "3"}) {
      (void)ok(db.query("INSERT INTO tied(k, a, b) VALUES($1, 'a', $2)", k, b));
      expected[std::to_string(k) + "|a|" + b] = 1;
    }
  };
  etl::Options options{.name = "tied", .batch_size = 1, .workers = 1};
  options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
  options.delivery.save_every = std::chrono::nanoseconds(1);
  options.delivery.incremental = true;
  std::string turn = "DESC", turned = "ASC";
  const auto run = [&](const std::string& fails_at = "") {
    ok(db.execute("WITH gone AS (DELETE FROM tied RETURNING *) INSERT INTO tied SELECT * FROM gone ORDER BY b " +
                  turn));
    std::swap(turn, turned);
    return etl::run(FailingAmongTies<std::remove_cvref_t<decltype(by_k)>>{db, by_k, loaded, fails_at}, options).outcome;
  };
  add(1);
  CHECK(run() == etl::Outcome::Completed);
  CHECK(run() == etl::Outcome::Completed);
  CHECK(loaded == expected);
  add(2);
  add(3);
  for (const char* fails_at : {"2|a|2", "3|a|1", "3|a|3"}) CHECK(run(fails_at) == etl::Outcome::Failed);
  add(4);
  CHECK(run() == etl::Outcome::Completed);
  CHECK(loaded == expected);
  // What comes later with the key of the last mark is not read.
  ok(db.execute("INSERT INTO tied VALUES(4, 'a', '4')"));
  CHECK(run() == etl::Outcome::Completed);
  CHECK(loaded == expected);
}

}  // namespace source_test
