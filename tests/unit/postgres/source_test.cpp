#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/postgres/pool.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/source.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

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
