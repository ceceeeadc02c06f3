// G15: runs on the PostgreSQL store that are cut off, and go on.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <etl/delivery/level.hpp>
#include <etl/delivery/replay.hpp>
#include <etl/postgres/store.hpp>
#include <etl/run.hpp>
#include <etl/testing/crash_points.hpp>
#include <etl/testing/faults.hpp>

#include "support/catch.hpp"
#include "support/postgres_proxy.hpp"
#include "unit/postgres/support.hpp"

namespace store_run_test {

using etl::postgres::Pool;
using etl::postgres::Store;
using etl::postgres::Tx;
using etl::testing::Faults;
using test::count;
using test::ok;
using test::value;

namespace {

struct Row {
  std::int64_t id = 0;
};
const auto rows = etl::postgres::table<Row>("rows", etl::postgres::column("id", &Row::id));

/// 0 to 19; 5 is rejected by transform, 11 by the database.
struct Numbers {
  using position = std::uint64_t;
  Faults* faults = nullptr;
  std::function<void(std::span<const Row>)> before_load{};

  void yield() const {
    if (faults != nullptr) faults->yield();
  }
  std::string fingerprint() const { return "20 numbers"; }
  std::string describe(const std::int64_t& n) const { return std::to_string(n); }
  void extract(etl::Emitter<std::int64_t>& out) const {
    for (std::uint64_t i = out.resume_from() ? out.resume_from()->number().value() : 0; i < 20; ++i) {
      yield();
      if (i % 3 == 0) out.mark(etl::Position(i));
      if (!out.push(static_cast<std::int64_t>(i))) return;
    }
  }
  void transform(const std::int64_t& n, etl::Out<Row>& out) const {
    yield();
    if (n == 5) return out.reject("five");
    out.push({n});
  }
  /// Not const: one transaction at a time, so that nobody waits for a lock while the schedule picks another.
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context, Tx& tx) {
    if (before_load) before_load(batch);
    return tx.write(rows, batch, context);
  }
};

/// Its loads run at the same time.
struct Parallel {
  using position = std::uint64_t;
  std::string fingerprint() const { return "5000 numbers"; }
  std::int64_t fail_at = -1;
  void extract(etl::Emitter<std::int64_t, position>& out) const {
    for (std::uint64_t i = out.resume_from().value_or(0); i < 5000; ++i) {
      // The worker with the batch that fails may be slow: others must not load what a later run is to fail at.
      if (fail_at >= 0 && i > static_cast<std::uint64_t>(fail_at) + 500) {
        while (out.wait_for(std::chrono::milliseconds(1))) {}
        return;
      }
      if (!out.push(static_cast<std::int64_t>(i))) return;
      if (i % 100 == 99) out.mark(i + 1);
    }
  }
  etl::Result<Row> transform(const std::int64_t& i) const {
    if (i % 500 == 3) return etl::failure(etl::rejected("bad"));
    return Row{i};
  }
  etl::Result<void> load(std::span<const Row> batch, Tx& tx) const {
    for (const Row& row : batch)
      if (row.id == fail_at) return etl::failure(etl::fatal("stop"));
    return tx.write(rows, batch);
  }
};

/// Loads its letters again.
struct Replayed {
  std::string fingerprint() const { return "letters"; }
  void extract(etl::Emitter<Row>& /*out*/) const {}
  Row deserialize(std::string_view text) const { return {std::stoll(std::string(text))}; }
  etl::Result<void> load(std::span<const Row> batch, Tx& tx) const { return tx.write(rows, batch); }
};

class World {
 public:
  World() { ok(db.execute("CREATE TABLE rows(id bigint NOT NULL CHECK(id<>11))")); }
  /// As it was at the beginning; schemas are slow to make.
  void clear() {
    const auto store = ok(Store::over(pool));
    ok(store->reset("numbers"));
    ok(db.execute("DELETE FROM rows; DELETE FROM etl_dead_letters"));
  }
  template <class S>
  etl::RunReport run(Numbers& job, S& store, const etl::Executor* executor = nullptr) const {
    etl::Options options{.batch_size = 4, .workers = 2};
    options.retry.initial_delay = std::chrono::milliseconds(1);
    options.errors.max_rejects = 2;
    if (executor != nullptr) options.executor = *executor;
    options.name = "numbers";
    etl::TransactionalStore<Tx>& base = store;
    return etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(etl::with_store(job, base)), options);
  }
  /// What is wrong, or nothing.
  [[nodiscard]] std::string check() {
    const std::string found = value(db, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM rows");
    if (found != "0 1 2 3 4 6 7 8 9 10 12 13 14 15 16 17 18 19") return "rows: " + found;
    const std::string letters =
        value(db,
              "SELECT string_agg(concat_ws(' ', seq, stage, convert_from(payload, 'UTF8')), ', ' ORDER BY seq) FROM "
              "etl_dead_letters");
    return letters == "5 transform 5, 11 load 11" ? "" : "dead letters: " + letters;
  }

  test::Schema schema{};
  etl::postgres::Connection db = schema.open();
  Pool pool = ok(Pool::make(schema.url()));
};

}  // namespace

TEST_CASE("postgres store: G7 G15 rows, letters and progress are right whichever step a run dies at") {
  World world;
  const auto summary = etl::testing::for_each_crash_point(
      [&] {
        world.clear();
        return &world;
      },
      [](World* at, Faults& faults, const etl::Executor& executor) {
        const auto store = ok(Store::over(at->pool));
        etl::testing::FaultyStore<Tx> faulty(*store, faults);
        Numbers job{&faults};
        return at->run(job, faulty, &executor);
      },
      [](World* at) { return at->check(); }, {.seeds = 6});
  CHECK(summary.crashes > 225);
}

TEST_CASE("postgres store: G15 the connection is cut at a commit, or ended by the server: nothing is lost or doubled") {
  using Cut = test::Proxy::Cut;
  for (const auto side : {Cut::Before, Cut::After, Cut::Silently, Cut::SilentlyAfter}) {
    CAPTURE(side);
    World world;
    test::Proxy proxy(world.schema.url());
    const auto store = ok(Store::over(ok(Pool::make(proxy.url_and_past(), {}, {.max_size = 1}))));
    Numbers job;
    int batches = 0;
    job.before_load = [&](std::span<const Row>) {
      if (++batches == 3) proxy.cut_at("COMMIT", side);
    };
    const etl::RunReport report = world.run(job, *store);
    INFO(report.text());
    CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
    // After: the server may be told to end the transaction before it has read the COMMIT.
    if (side != Cut::After) CHECK(batches == (side == Cut::SilentlyAfter ? 5 : 6));  // one was loaded again
    CHECK(world.check() == "");
    proxy.let_go();
    proxy.join();
  }
  // Within the commit, by a deferred trigger.
  World world;
  ok(world.db.execute(
      "CREATE SEQUENCE calls; CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
      "nextval('calls') = 9 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON rows DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
      "die()"));
  const auto store = ok(Store::over(world.pool));
  Numbers job;
  int batches = 0;
  job.before_load = [&](std::span<const Row>) { ++batches; };
  const etl::RunReport report = world.run(job, *store);
  INFO(report.text());
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(batches == 6);
  CHECK(world.check() == "");
}

TEST_CASE("postgres store: G7 G15 rows, letters and progress are right whichever packet the connection is cut at") {
  using Cut = test::Proxy::Cut;
  World world;
  for (const auto side : {Cut::Before, Cut::After, Cut::Silently, Cut::SilentlyAfter}) {
    int cuts = 0;
    for (int packet = 1;; ++packet) {
      CAPTURE(static_cast<int>(side), packet);
      test::Proxy proxy(world.schema.url());
      const auto store = ok(Store::over(ok(Pool::make(proxy.url_and_past(), {}, {.max_size = 2}))));
      world.clear();
      proxy.cut_at_packet(packet, side);
      Numbers job;
      const etl::RunReport report = world.run(job, *store);
      INFO(report.text());
      REQUIRE(report.outcome == etl::Outcome::CompletedWithRejects);
      REQUIRE(world.check() == "");
      REQUIRE(value(world.db, "SELECT finished FROM etl_checkpoints") == "t");
      if (!proxy.has_cut()) break;
      ++cuts;
    }
    CHECK(cuts > 40);
  }
}

TEST_CASE("postgres store: G15 several writers that fail and go on: every row once, and every dead letter") {
  World world;
  ok(world.db.execute("DROP TABLE rows; CREATE TABLE rows(id bigint PRIMARY KEY)"));
  etl::Options options{.name = "numbers", .batch_size = 20, .workers = 4, .inline_batches = etl::Inline::Never};
  options.errors.max_rejects = 100;
  for (const std::int64_t fail_at : {700, 2100, 2105, 4990, -1}) {
    const auto store = ok(Store::over(world.pool));
    Parallel job{.fail_at = fail_at};
    const etl::RunReport report = etl::run(etl::with_store(job, *store), options);
    INFO(report.text());
    CHECK((report.outcome == etl::Outcome::Failed) == (fail_at >= 0));
    CHECK(world.pool.status().leased == 0);
  }
  CHECK(count(world.db, "rows") == 4990);
  CHECK(count(world.db, "etl_dead_letters") == 10);
  CHECK(value(world.db, "SELECT finished FROM etl_checkpoints") == "t");
  CHECK(value(world.db, "SELECT watermark || ' ' || settled::text FROM etl_partitions") == "5000 {}");
}

TEST_CASE("postgres store: G15 of two runs of one pipeline the later one goes on, the earlier one ends") {
  World world;
  const auto store = ok(Store::over(world.pool));
  const auto again = ok(Store::over(world.pool));  // as if of another machine
  std::optional<etl::RunReport> later;
  Numbers job;
  job.before_load = [&](std::span<const Row> batch) {
    if (later || batch.back().id < 8) return;
    Numbers other;
    later = world.run(other, *again);
  };
  const auto report = world.run(job, *store);
  REQUIRE(later);
  CHECK(later->ok());
  CHECK(later->resumed);
  CHECK(report.outcome == etl::Outcome::Failed);
  REQUIRE_FALSE(report.errors.empty());
  CHECK(report.errors.front().error.code == etl::Errc::Superseded);
  CHECK(world.check() == "");
}

TEST_CASE(
    "postgres store: G15 a replay waits for what a killed replay is about to commit, and does not load it again") {
  World world;
  const auto store = ok(Store::over(world.pool));
  std::vector<etl::DeadLetter> letters;
  for (const char* id : {"1", "2"})
    letters.push_back({.id = id, .pipeline = "numbers", .seq = letters.size(), .payload = id});
  ok(store->write(letters));
  ok(store->save("replay of numbers", {.run = "killed"}));
  const auto killed = ok(store->connect());
  ok(killed->begin());
  ok(killed->transaction().write(rows, std::vector<Row>{{1}}));
  const etl::SettledRange settled{0, {0, 1}};
  const std::string done = "1";
  ok(killed->record({"replay of numbers", std::span(&settled, 1), {}, {}, std::span(&done, 1), "killed"}));
  etl::RunReport report;
  std::thread replay([&] {
    Replayed pipeline;
    etl::TransactionalStore<Tx>& base = *store;
    report = etl::replay(etl::with_store(pipeline, base), *store, {.name = "numbers"});
  });
  while (value(world.db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%" +
                             world.schema.name() + "%'") != "1")
    std::this_thread::yield();
  ok(killed->commit());
  replay.join();
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.items.loaded == 1);
  CHECK(value(world.db, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM rows") == "1 2");
  CHECK(count(world.db, "etl_dead_letters") == 0);
}

}  // namespace store_run_test
