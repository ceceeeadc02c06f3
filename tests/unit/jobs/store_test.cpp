// G19, G20: jobs, units and leases, the same on SQLite and PostgreSQL.
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "unit/jobs/support.hpp"

namespace store_test {

using namespace test;  // NOLINT(google-build-using-namespace)
using jobs::JobState;
using jobs::UnitState;

namespace {

std::string state_of(jobs::JobStore& store, jobs::Id job) {
  return std::string(to_string(ok(store.find(std::to_string(job))).state));
}
/// "pending running done quarantined"
std::string counts(jobs::JobStore& store, jobs::Id job) {
  const jobs::Progress p = ok(store.progress(job));
  return fmt::format("{} {} {} {}", p.pending, p.running, p.done, p.quarantined);
}
template <class T>
bool lost(const etl::Result<T>& result) {
  return !result && result.error().code == jobs::Errc::LeaseLost;
}

}  // namespace

TEMPLATE_TEST_CASE("creating a job or its units twice gives one job (G20)", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 3);
  CHECK(job.state == JobState::Running);
  CHECK(make_job(*store, 3).id == job.id);
  CHECK(counts(*store, job.id) == "3 0 0 0");
  CHECK(ok(store->inputs(job.id)).size() == 1);
  CHECK(ok(store->find("v1")).id == job.id);

  SECTION("another content under the same key is refused, and the error says what differs") {
    const std::vector<jobs::Input> inputs{{"/data/file", "fingerprint", 1000}}, changed{{"/data/file", "other", 1000}};
    auto error = error_of(store->create(job.key, "other spec", inputs, 100));
    CHECK(error.code == jobs::Errc::JobDiffers);
    CHECK(lacks(error.message(), {"'v1'", "settings"}).empty());
    CHECK(lacks(error_of(store->create(job.key, "spec", changed, 100)).message(), {"has changed"}).empty());
    CHECK(lacks(error_of(store->create(job.key, "spec", inputs, 5)).message(), {"unit_bytes"}).empty());
  }
  SECTION("a sealed job takes no further units") {
    ok(store->add_units(job.id, 3, std::vector<jobs::UnitPlace>{{.begin = 300, .end = 400}}));
    CHECK(counts(*store, job.id) == "3 0 0 0");
  }
  SECTION("a unit that was cut at other places is refused, so that no record is skipped or landed twice") {
    const jobs::Job half = ok(store->create({"org", "line", "half"}, "spec", {}, 100));
    const std::vector<jobs::UnitPlace> units{{.begin = 0, .end = 100}, {.begin = 100, .end = 200}};
    ok(store->add_units(half.id, 0, units));
    ok(store->add_units(half.id, 0, units));
    const std::vector<jobs::UnitPlace> others{{.begin = 100, .end = 210}, {.begin = 210, .end = 300}};
    const auto error = error_of(store->add_units(half.id, 1, others));
    CHECK(error.code == jobs::Errc::JobDiffers);
    CHECK(lacks(error.message(), {"unit 1", "100 to 200", "100 to 210", "make a new job"}).empty());
    CHECK(counts(*store, half.id) == "2 0 0 0");  // the others are rolled back
  }
  SECTION("what is not there is named") {
    const auto error = error_of(store->find("v9"));
    CHECK(error.code == jobs::Errc::NotFound);
    CHECK(has(error.message(), "'v9'"));
    CHECK(error_of(store->cancel(99)).code == jobs::Errc::NotFound);
    CHECK(error_of(store->progress(99)).code == jobs::Errc::NotFound);
  }
}

TEMPLATE_TEST_CASE("units are claimed by number, oldest job first, each with a new epoch (G19)", "[jobs]", OnSqlite,
                   OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 3), next = make_job(*store, 1, "v2");
  const auto two = claim(*store, "a", 2);
  REQUIRE(two.size() == 2);
  CHECK(two[0].number == 0);
  CHECK(two[1].number == 1);
  CHECK(two[0].lease.epoch == 1);
  CHECK(two[0].attempt == 1);
  CHECK(two[1].place == jobs::UnitPlace{.input = 0, .begin = 100, .end = 200, .first_line = 11});
  CHECK(claim(*store, "b", 9).size() == 1);
  const auto other = claim(*store, "b", 9);
  REQUIRE(other.size() == 1);
  CHECK(other[0].lease.job == next.id);
  CHECK(claim(*store, "c").empty());

  ok(store->release(two[0].lease));
  const auto again = claim(*store, "c");
  REQUIRE(again.size() == 1);
  CHECK(again[0].lease.unit == two[0].lease.unit);
  CHECK(again[0].lease.epoch == 2);
  CHECK(again[0].attempt == 1);  // a graceful release is not an attempt
  CHECK(ok(store->claim({.worker = "d", .job = next.id})).empty());
  CHECK(counts(*store, job.id) == "0 3 0 0");
}

TEMPLATE_TEST_CASE("a unit that has failed, or that may fail only once, is claimed alone (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  // So a unit that kills its workers costs another one that they have at that time one attempt, and never its last.
  const TestType place;
  const auto numbers = [](const std::vector<jobs::Claimed>& units) {
    std::string all;
    for (const auto& one : units) all += fmt::format("{} ", one.number);
    return all;
  };
  const auto store = open_jobs(place.url(), {.max_attempts = 2});
  const jobs::Job job = make_job(*store, 5);
  for (const auto& unit : claim(*store, "w", 2)) ok(store->fail(unit.lease, "it has failed"));
  const auto others = claim(*store, "w", 9);
  CHECK(numbers(others) == "2 3 4 ");
  const auto first = claim(*store, "w", 9);
  REQUIRE(numbers(first) == "0 ");
  CHECK(first[0].attempt == 2);
  const auto both = ok(store->finish_and_claim(std::vector{first[0].lease}, {.worker = "w", .most = 9}));
  CHECK(numbers(both.claimed) == "1 ");
  CHECK(counts(*store, job.id) == "0 4 1 0");

  const auto once = open_jobs(place.url(), {.max_attempts = 1});
  const jobs::Job last = make_job(*once, 3, "v2");
  CHECK(numbers(ok(once->claim({.worker = "v", .most = 9, .job = last.id}))) == "0 ");
}

TEMPLATE_TEST_CASE("an error with any bytes is kept, so that its unit fails as any other (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url(), {.max_attempts = 2});
  const jobs::Job job = make_job(*store, 1);
  const std::string text("cannot read 'M\xFCller', 'M\xC3\xBCller', '\0'", 36);
  const std::string kept = "cannot read 'M\\xfcller', 'M\xC3\xBCller', '\\x00'";
  CHECK(ok(store->fail(claim(*store, "w", 1).at(0).lease, text)) == jobs::UnitState::Pending);
  CHECK(place.value("SELECT error FROM etl_job_units") == kept);
  ok(store->quarantine(claim(*store, "w", 1).at(0).lease, text));
  CHECK(place.value("SELECT error FROM etl_job_units") == kept);
  CHECK(counts(*store, job.id) == "0 0 0 1");
}

TEMPLATE_TEST_CASE("whoever lost a lease can change nothing (G19)", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 1);
  const auto zombie = claim(*store, "zombie").at(0).lease;
  CHECK(ok(store->reclaim()) == 0);
  CHECK(ok(store->beat(std::vector{zombie}, std::chrono::seconds(60))).empty());
  expire_all(place);
  // An expired lease that nobody has reclaimed is still held: time is never what decides.
  CHECK(ok(store->beat(std::vector{zombie}, std::chrono::seconds(60))).empty());
  CHECK(ok(store->reclaim()) == 0);
  expire_all(place);
  CHECK(ok(store->reclaim()) == 1);

  const auto heir = claim(*store, "heir").at(0);
  CHECK(heir.lease.unit == zombie.unit);
  CHECK(heir.attempt == 2);
  CHECK(ok(store->beat(std::vector{zombie}, std::chrono::seconds(60))).size() == 1);
  CHECK(ok(store->finish(std::vector{zombie})).size() == 1);
  CHECK(lost(store->release(zombie)));
  CHECK(lost(store->fail(zombie, "late")));
  CHECK(lost(store->quarantine(zombie, "late")));
  CHECK(counts(*store, job.id) == "0 1 0 0");
  CHECK(place.value("SELECT worker FROM etl_job_units") == "heir");

  CHECK(ok(store->finish(std::vector{heir.lease})).empty());
  CHECK(ok(store->finish(std::vector{heir.lease})).empty());  // the answer may have been lost
  CHECK(lost(store->fail(heir.lease, "too late")));
  CHECK(counts(*store, job.id) == "0 0 1 0");
}

TEMPLATE_TEST_CASE("a unit is quarantined after its last attempt, and tried again when asked (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url(), {.max_attempts = 3});
  const jobs::Job job = make_job(*store, 2);
  const auto good = claim(*store, "good").at(0).lease;
  CHECK(ok(store->fail(claim(*store, "w").at(0).lease, "first")) == UnitState::Pending);
  claim(*store, "w");  // dies
  place.execute("UPDATE etl_job_units SET lease_until=1 WHERE worker='w'");
  CHECK(ok(store->reclaim()) == 1);
  CHECK(has(place.value("SELECT error FROM etl_job_units WHERE number=1"), "worker w was not heard of"));
  CHECK(ok(store->settle()) == 0);
  CHECK(ok(store->fail(claim(*store, "w").at(0).lease, "third")) == UnitState::Quarantined);
  CHECK(claim(*store, "w").empty());
  CHECK(ok(store->settle()) == 0);  // one is still running
  CHECK(ok(store->finish(std::vector{good})).empty());
  CHECK(ok(store->open_jobs({})) == 1);
  CHECK(ok(store->settle()) == 1);
  CHECK(state_of(*store, job.id) == "completed_with_quarantine");
  CHECK(ok(store->open_jobs({})) == 0);
  const auto bad = ok(store->units(job.id, UnitState::Quarantined, 10));
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].number == 1);
  CHECK(bad[0].error == "third");
  CHECK(bad[0].attempts == 3);

  CHECK(ok(store->retry_quarantined(job.id)) == 1);
  CHECK(state_of(*store, job.id) == "running");
  const auto retried = claim(*store, "w").at(0);
  CHECK(retried.attempt == 1);
  CHECK(ok(store->finish(std::vector{retried.lease})).empty());
  CHECK(ok(store->settle()) == 1);
  CHECK(state_of(*store, job.id) == "completed");
  CHECK(ok(store->retry_quarantined(job.id)) == 0);
  CHECK(state_of(*store, job.id) == "completed");
  CHECK(error_of(store->cancel(job.id)).code == jobs::Errc::WrongState);
}

TEMPLATE_TEST_CASE("workers that die for ever quarantine a unit, and do not block the job (S0-12)", "[jobs]", OnSqlite,
                   OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url(), {.max_attempts = 2});
  const jobs::Job job = make_job(*store, 1);
  for (int i = 0; i < 2; ++i) {
    CHECK(claim(*store, "w").size() == 1);
    expire_all(place);
    CHECK(ok(store->reclaim()) == 1);
  }
  CHECK(claim(*store, "w").empty());
  CHECK(ok(store->settle()) == 1);
  CHECK(state_of(*store, job.id) == "completed_with_quarantine");
}

TEMPLATE_TEST_CASE("a cancelled job gives out nothing, tells its workers, and can be resumed", "[jobs]", OnSqlite,
                   OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 2);
  const auto lease = claim(*store, "w").at(0).lease;
  ok(store->cancel(job.id));
  ok(store->cancel(job.id));
  CHECK(claim(*store, "v").empty());
  CHECK(ok(store->beat(std::vector{lease}, std::chrono::seconds(1))).size() == 1);
  ok(store->release(lease));
  CHECK(ok(store->settle()) == 0);
  CHECK(state_of(*store, job.id) == "cancelled");
  ok(store->resume(job.id));
  ok(store->resume(job.id));
  CHECK(state_of(*store, job.id) == "running");
  CHECK(claim(*store, "v", 5).size() == 2);
}

TEMPLATE_TEST_CASE("a job whose units are still being made is worked on, and does not end", "[jobs]", OnSqlite,
                   OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = ok(store->create({"org", "line", "v"}, "", {}, 100));
  ok(store->add_units(job.id, 0, std::vector<jobs::UnitPlace>{{.end = 100}}));
  CHECK(ok(store->finish(std::vector{claim(*store, "w").at(0).lease})).empty());
  CHECK(ok(store->settle()) == 0);
  ok(store->cancel(job.id));
  ok(store->resume(job.id));
  CHECK(state_of(*store, job.id) == "preparing");
  ok(store->start(job.id));
  CHECK(ok(store->settle()) == 1);
  CHECK(state_of(*store, job.id) == "completed");
  ok(store->start(job.id));
  CHECK(state_of(*store, job.id) == "completed");
}

TEMPLATE_TEST_CASE("a failed unit waits for its pause before it is given out", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  make_job(*store, 1);
  CHECK(ok(store->fail(claim(*store, "w").at(0).lease, "e", std::chrono::hours(1))) == UnitState::Pending);
  CHECK(claim(*store, "w").empty());
  place.execute("UPDATE etl_job_units SET not_before=1");
  const auto again = claim(*store, "w");
  REQUIRE(again.size() == 1);
  CHECK(again[0].attempt == 2);
  ok(store->release(again[0].lease, std::chrono::hours(1)));
  CHECK(claim(*store, "w").empty());
  place.execute("UPDATE etl_job_units SET not_before=1");
  CHECK(claim(*store, "w").size() == 1);
  ok(store->release_all("another"));
  CHECK(claim(*store, "w").empty());
  ok(store->release_all("w"));
  CHECK(claim(*store, "w").size() == 1);
}

TEMPLATE_TEST_CASE("progress counts units, bytes and records (S0-13)", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 4);
  CHECK(ok(store->progress(job.id)).completion() == 0);
  CHECK(ok(store->progress(job.id)).eta().count() == 0);
  const auto leases = claim(*store, "w", 2);
  CHECK(ok(store->finish(std::vector{leases[0].lease})).empty());
  place.execute("UPDATE etl_job_units SET records=7, rejected=1 WHERE number=0");
  place.execute("UPDATE etl_jobs SET created_at=created_at-10000");
  const jobs::Progress p = ok(store->progress(job.id));
  CHECK(counts(*store, job.id) == "2 1 1 0");
  CHECK(p.units() == 4);
  CHECK(p.completion() == 0.25);
  CHECK(p.records == 7);
  CHECK(p.rejected == 1);
  CHECK(p.eta() >= std::chrono::seconds(30));
  CHECK(p.eta() < std::chrono::seconds(300));
  const auto running = ok(store->units(job.id, UnitState::Running, 10));
  REQUIRE(running.size() == 1);
  CHECK(running[0].worker == "w");
  CHECK(running[0].number == 1);
  REQUIRE(ok(store->list()).size() == 1);
  CHECK(ok(store->list())[0].job.id == job.id);
}

TEMPLATE_TEST_CASE("a newer schema is refused and left alone, and several processes may make the tables", "[jobs]",
                   OnSqlite, OnPostgres) {
  const TestType place;
  {
    std::vector<std::string> errors(4);
    std::vector<std::jthread> threads;
    for (std::string& error : errors)
      threads.emplace_back([&place, &error] {
        if (const auto opened = jobs::open(place.url()); !opened) error = opened.error().message();
      });
    threads.clear();
    CHECK(errors == std::vector<std::string>(4));
  }
  CHECK(place.value("SELECT count(*) FROM etl_job_schema") == "1");
  make_job(*open_jobs(place.url()), 1);
  place.execute("UPDATE etl_job_schema SET version=99");
  const auto error = error_of(jobs::open(place.url()));
  CHECK(error.code == jobs::Errc::NewerSchema);
  CHECK(lacks(error.message(), {"99", "newer version", "nothing was changed"}).empty());
  CHECK(place.value("SELECT version FROM etl_job_schema") == "99");
}

TEMPLATE_TEST_CASE("many claim at once, and each unit goes to one of them (G19)", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 60);
  std::vector<std::vector<jobs::Id>> taken(4);
  std::atomic<bool> failed = false;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < taken.size(); ++i)
      threads.emplace_back([&, i] {
        const auto own = jobs::open(place.url());
        for (;;) {
          const auto units = own ? (*own)->claim({.worker = std::to_string(i), .most = 1 + i}) : own.error();
          if (!units) failed = true;
          if (!units || units->empty()) return;
          std::vector<jobs::Lease> leases;
          for (const auto& unit : *units) taken[i].push_back(unit.lease.unit), leases.push_back(unit.lease);
          const auto gone = (*own)->finish(leases);
          if (!gone || !gone->empty()) failed = true;
        }
      });
  }
  CHECK_FALSE(failed);
  std::size_t all = 0;
  for (const auto& one : taken) all += one.size();
  CHECK(all == 60);
  CHECK(counts(*store, job.id) == "0 0 60 0");
}

TEST_CASE("on PostgreSQL no claim and no end of a job reads the whole table, whatever its statistics say", "[jobs]") {
  const OnPostgres place;
  auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 0);
  const auto add = [&](std::string_view state, int from, int to) {
    place.execute(
        fmt::format("INSERT INTO etl_job_units(job, number, state, input, begin_at, end_at, first_line, restart, "
                    "created_at) SELECT {}, i, '{}', 0, 0, 1, 1, '', 0 FROM generate_series({},{}) i",
                    job.id, state, from, to));
  };
  add("done", 1, 3000);
  add("pending", 3001, 6000);
  place.execute("ANALYZE etl_job_units");
  for (int i = 0; i < 20; ++i) {  // a statement gets its lasting plan after five runs
    CHECK(ok(store->finish(std::vector{claim(*store, "w").at(0).lease})).empty());
    CHECK(claim(*store, "w", 16).size() == 16);
    CHECK(ok(store->settle()) == 0);
    CHECK(ok(store->reclaim()) == 0);
    CHECK(ok(store->look({})).pending);
  }
  store.reset();  // the session leaves its figures to the server's statistics
  const std::string of_units = "FROM pg_stat_user_tables WHERE relname='etl_job_units' AND schemaname=current_schema()";
  while (place.value("SELECT n_tup_upd>=40 " + of_units) != "t") {}
  CHECK(place.value("SELECT seq_tup_read " + of_units) == "0");
}

TEST_CASE("on PostgreSQL the end of a large job takes its dead rows out of the table of units", "[jobs]") {
  const OnPostgres place;
  const auto store = open_jobs(place.url());
  for (const int units : {999, 1000}) {
    const jobs::Job job = make_job(*store, 1, std::to_string(units));
    place.execute(
        fmt::format("INSERT INTO etl_job_units(job, number, state, input, begin_at, end_at, first_line, restart, "
                    "created_at) SELECT {}, i, 'done', 0, 0, 1, 1, '', 0 FROM generate_series(2,{}) i",
                    job.id, units));
    CHECK(ok(store->finish(std::vector{claim(*store, "w").at(0).lease})).empty());
    CHECK(ok(store->settle()) == 1);
    CHECK(place.value("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname='etl_job_units' AND "
                      "schemaname=current_schema()") == (units < 1000 ? "0" : "1"));
  }
}

TEMPLATE_TEST_CASE("what there is to do is told by reading only", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const auto told = [&](std::optional<jobs::Id> only = {}) {
    const jobs::Outlook found = ok(store->look(only));
    return fmt::format("{}{}{}{}", found.open, found.pending ? " pending" : "", found.overdue ? " overdue" : "",
                       found.ended ? " ended" : "");
  };
  CHECK(told() == "0");
  const jobs::Job first = make_job(*store, 1), second = make_job(*store, 1, "v2");
  CHECK(told() == "2 pending");
  const auto lease = claim(*store, "w").at(0).lease;
  CHECK(told() == "2 pending");
  CHECK(told(first.id) == "1");
  expire_all(place);
  CHECK(told(first.id) == "1 overdue");
  CHECK(ok(store->finish(std::vector{lease})).empty());
  CHECK(told(first.id) == "1 ended");
  CHECK(told(second.id) == "1 pending ended");
  CHECK(ok(store->settle()) == 1);
  CHECK(told() == "1 pending");
  CHECK(told(first.id) == "0");
  const auto last = claim(*store, "w").at(0).lease;
  ok(store->release(last, std::chrono::hours(1)));
  CHECK(told() == "1");
}

TEST_CASE("a worker without work needs no lock of SQLite", "[jobs]") {
  const OnSqlite place;
  const auto store = open_jobs(place.url(), {.statement_timeout = std::chrono::milliseconds(1)});
  make_job(*store, 1);
  auto writer = ok(etl::sqlite::Database::open(jobs::sqlite_path(place.url())));
  const auto lock = ok(writer.begin());  // the only writer
  CHECK(ok(store->look({})).open == 1);
  CHECK(ok(store->settle()) == 0);
  CHECK(!store->claim({.worker = "w"}));
}

TEST_CASE("a worker without work writes nothing to PostgreSQL", "[jobs]") {
  const OnPostgres place;
  make_job(*open_jobs(place.url()), 1);
  const auto reader = open_jobs(place.url() + "%20-cdefault_transaction_read_only%3Don");
  CHECK(ok(reader->look({})).open == 1);
  CHECK(ok(reader->settle()) == 0);
  CHECK(!reader->claim({.worker = "w"}));
}

TEMPLATE_TEST_CASE("a unit ends and the next is claimed in one transaction (G19)", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  const auto store = open_jobs(place.url());
  const jobs::Job job = make_job(*store, 3);
  const auto first = claim(*store, "w").at(0).lease;
  const auto both = ok(store->finish_and_claim(std::vector{first}, {.worker = "w"}));
  CHECK(both.lost.empty());
  REQUIRE(both.claimed.size() == 1);
  CHECK(both.claimed[0].number == 1);
  CHECK(counts(*store, job.id) == "1 1 1 0");

  // A lease that is lost ends nothing, and the next unit is claimed all the same.
  const auto lost = both.claimed[0].lease;
  ok(store->release(lost));
  const auto thief = claim(*store, "thief").at(0).lease;
  const auto more = ok(store->finish_and_claim(std::vector{lost}, {.worker = "w"}));
  REQUIRE(more.lost.size() == 1);
  CHECK(more.lost[0].unit == lost.unit);
  REQUIRE(more.claimed.size() == 1);
  CHECK(more.claimed[0].number == 2);
  CHECK(counts(*store, job.id) == "0 2 1 0");

  // Neither happens if the other one fails.
  place.execute("ALTER TABLE etl_job_units RENAME COLUMN restart TO gone");
  CHECK(!store->finish_and_claim(std::vector{thief}, {.worker = "w"}));
  place.execute("ALTER TABLE etl_job_units RENAME COLUMN gone TO restart");
  CHECK(counts(*store, job.id) == "0 2 1 0");
}

TEST_CASE("the URL of a store is sqlite:PATH or postgresql://...", "[jobs]") {
  CHECK(ok(jobs::backend_of("sqlite:a.db")) == jobs::Backend::Sqlite);
  CHECK(ok(jobs::backend_of("postgresql://h/d")) == jobs::Backend::Postgres);
  CHECK(jobs::sqlite_path("sqlite:/a/b.db") == "/a/b.db");
  for (const char* const bad : {"a.db", "sqlite:", "mysql://x"})
    CHECK(lacks(error_of(jobs::open(bad)).message(), {bad, "sqlite:PATH", "postgresql://"}).empty());
}

TEST_CASE("a hint of PostgreSQL ends a wait for work", "[jobs]") {
  const OnPostgres place;
  const auto store = open_jobs(place.url());
  const auto other = ok(store->again());
  const auto heed = jobs::Hints::Heed, ignore = jobs::Hints::Ignore;
  // From now on it listens. A hint may come from another test, whose store is in another schema of this database.
  static_cast<void>(other->wait(std::chrono::milliseconds(1), {}, heed));
  std::jthread maker([&] { make_job(*store, 1); });
  CHECK(other->wait(std::chrono::minutes(10), {}, heed));
  maker.join();
  CHECK(claim(*other, "w").size() == 1);
  CHECK_FALSE(other->wait(std::chrono::milliseconds(1), {}, ignore));
  make_job(*store, 1, "v2");
  CHECK_FALSE(other->wait(std::chrono::milliseconds(1), {}, ignore));
  CHECK(place.value("SELECT count(*) FROM etl_job_units WHERE state='pending'") == "1");
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(other->wait(std::chrono::minutes(10), stop.get_token(), heed));
}

TEST_CASE("a connection that the server has ended is made again at the next call", "[jobs]") {
  const OnPostgres place;
  const std::string mine = fmt::format("jobs_test_{}", ::getpid());  // others use the server, too
  const auto store = open_jobs(place.url() + "&application_name=" + mine);
  const jobs::Job job = make_job(*store, 2);
  const auto cut = [&] {
    place.execute("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name='" + mine +
                  "'");
  };
  const auto lease = claim(*store, "w").at(0).lease;
  cut();
  // Whether the first call notices the end before or while it runs is up to the network. The second one must succeed.
  if (const auto first = store->beat(std::vector{lease}, std::chrono::seconds(9)); !first)
    CHECK(first.error().error_class == etl::ErrorClass::Transient);
  CHECK(ok(store->beat(std::vector{lease}, std::chrono::seconds(9))).empty());
  cut();
  if (const auto first = store->release(lease); !first) {
    CHECK(first.error().error_class == etl::ErrorClass::Transient);
    ok(store->release(lease));
  }
  CHECK(counts(*store, job.id) == "2 0 0 0");
}

}  // namespace store_test
