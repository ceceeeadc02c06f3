// G15, G19 to G21: units are landed once, whatever happens to their workers.
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/sync.hpp"
#include "unit/jobs/support.hpp"

namespace worker_test {

using namespace test;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;

namespace {

/// More than a few MiB of different lines: several units.
std::string long_text(std::uint64_t lines = 4000) {
  std::string text;
  for (std::uint64_t i = 0; i < lines; ++i) text += fmt::format("line {} {}\n", i, std::string(1000, 'x'));
  return text;
}

/// Calls a function within its first load, before the commit.
template <class Store>
struct Interrupted : Lines<Store> {
  std::function<void()>* interrupt = nullptr;
  using Tx = typename Store::Transaction;
  etl::Result<void> load(std::span<const std::string> batch, Tx& tx) {
    if (auto done = Lines<Store>::load(batch, tx); !done) return done;
    if (*interrupt) std::exchange(*interrupt, nullptr)();
    return {};
  }
};

}  // namespace

TEMPLATE_TEST_CASE("one worker lands every record of a job once, and leaves no progress behind", "[jobs]", OnSqlite,
                   OnPostgres) {
  Ingestion<TestType> in(long_text());
  CHECK(in.job.state == jobs::JobState::Running);
  const auto report = in.work(in.options());
  if (report.error) FAIL(report.error->message());
  CHECK(report.exit_code() == 0);
  CHECK(report.done == 4);
  CHECK(report.records == 4000);
  CHECK(lines_landed(in.place) == "4000 4000");
  CHECK(in.state() == "completed");
  CHECK(ok(in.store->progress(in.job.id)).records == 4000);
  CHECK(in.place.value("SELECT count(*) FROM etl_checkpoints") == "0");

  // A version that was ingested is not ingested again (S0-29).
  CHECK(ok(in.coordinate()).state == jobs::JobState::Completed);
  CHECK(in.work(in.options()).done == 0);
  CHECK(lines_landed(in.place) == "4000 4000");
}

TEMPLATE_TEST_CASE("several workers share a job (S0-27)", "[jobs]", OnSqlite, OnPostgres) {
  Ingestion<TestType> in(long_text(8000));
  std::vector<jobs::WorkerReport> reports(3);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < reports.size(); ++i)
      threads.emplace_back([&, i] {
        using Store = typename TestType::Store;
        const auto store = jobs::open(in.place.url());
        if (!store) return;
        const auto data = in.place.data();
        reports[i] = jobs::work(
            **store, *data, [&](const jobs::Work& one) { return Lines<Store>{one}; }, in.options(std::to_string(i)));
      });
  }
  std::uint64_t done = 0;
  for (const auto& one : reports) {
    if (one.error) FAIL(one.error->message());
    done += one.done;
  }
  CHECK(done == ok(in.store->progress(in.job.id)).done);
  CHECK(lines_landed(in.place) == "8000 8000");
  CHECK(in.state() == "completed");
}

TEMPLATE_TEST_CASE("a worker whose lease was taken lands nothing (G19)", "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(50));
  const auto thief = ok(in.store->again());
  const auto landed = [&] { return in.place.value("SELECT count(*) FROM lines"); };
  std::vector<jobs::Claimed> stolen;
  std::string before;
  std::function<void()> steal = [&] {
    expire_all(in.place);
    if (ok(thief->reclaim()) != 1) return;
    stolen = ok(thief->claim({.worker = "thief"}));
  };
  // Between two of its loads: on SQLite nobody else can write during one.
  struct Robbed : Lines<Store> {
    std::function<void()>* steal;
    void transform(const std::string& line, etl::Out<std::string>& out) const {
      if (*steal) std::exchange(*steal, nullptr)();
      out.next() = line;
    }
  };
  auto options = in.options("zombie");
  options.run.mode = etl::Mode::Fused;
  std::vector<std::string> told;
  options.on_unit = [&](const jobs::UnitEvent& event) { told.emplace_back(event.what), before = landed(); };
  etl::StopSource stop;
  options.poll = milliseconds(1);
  std::jthread ender;
  const auto report = jobs::work(
      *in.store, *in.data, [&](const jobs::Work& one) { return Robbed{{one}, &steal}; },
      [&] {
        auto with = options;
        with.on_unit = [&, inner = options.on_unit](const jobs::UnitEvent& event) {
          inner(event);
          stop.request_drain();
        };
        return with;
      }(),
      stop.stop_token());
  REQUIRE(stolen.size() == 1);
  CHECK(told == std::vector<std::string>{"lost"});
  CHECK(before == "0");
  CHECK(report.lost == 1);
  CHECK(report.done == 0);
  ok(in.store->release(stolen[0].lease));
  CHECK(in.work(in.options("heir")).done == 1);
  CHECK(lines_landed(in.place) == "50 50");
}

TEST_CASE("on PostgreSQL a lease that is taken while rows are written undoes them (G19)", "[jobs]") {
  using Store = OnPostgres::Store;
  Ingestion<OnPostgres> in(numbered_lines(50));
  const auto thief = ok(in.store->again());
  std::vector<jobs::Claimed> stolen;
  std::function<void()> steal = [&] {
    expire_all(in.place);
    if (ok(thief->reclaim()) == 1) stolen = ok(thief->claim({.worker = "thief"}));
  };
  auto options = in.options("zombie");
  options.run.mode = etl::Mode::Fused;
  etl::StopSource stop;
  options.on_unit = [&](const jobs::UnitEvent&) { stop.request_drain(); };
  const auto report = jobs::work(
      *in.store, *in.data, [&](const jobs::Work& one) { return Interrupted<Store>{{one}, &steal}; }, options,
      stop.stop_token());
  REQUIRE(stolen.size() == 1);
  CHECK(report.lost == 1);
  CHECK(in.place.value("SELECT count(*) FROM lines") == "0");
  CHECK(ok(in.store->finish(std::vector{stolen[0].lease})).empty());
}

TEMPLATE_TEST_CASE("a unit is resumed where its last worker stopped (G20, G21)", "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(500));
  etl::StopSource stop;
  std::function<void()> interrupt = [&] { stop.request_drain(); };
  const auto first = jobs::work(
      *in.store, *in.data, [&](const jobs::Work& one) { return Interrupted<Store>{{one}, &interrupt}; },
      [&] {
        auto options = in.options("first");
        options.run.mode = etl::Mode::Fused;
        return options;
      }(),
      stop.stop_token());
  CHECK(first.released == 1);
  CHECK(first.exit_code() == 4);
  const auto landed = std::stoull(in.place.value("SELECT count(*) FROM lines"));
  CHECK(landed >= 10);
  CHECK(landed < 500);
  CHECK(in.place.value("SELECT state || attempts FROM etl_job_units") == "pending0");
  const auto second = in.work(in.options("second"));
  CHECK(second.records == 500 - landed);
  CHECK(lines_landed(in.place) == "500 500");
}

TEMPLATE_TEST_CASE("a worker that dies between its last commit and the end of its unit loses and repeats nothing (G21)",
                   "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(100));
  {  // runs the unit, and is never heard of again
    const auto unit = ok(in.store->claim({.worker = "dead"})).at(0);
    jobs::FencedStore<Store> fenced(*in.data, unit.lease, [] { return etl::Result<void>(); });
    Lines<Store> lines{{.job = in.job, .input = ok(in.store->inputs(in.job.id)).at(0), .unit = unit}};
    etl::Options options{.name = unit.pipeline(), .batch_size = 10, .workers = 2};
    options.delivery.incremental = true;
    REQUIRE(etl::run(etl::with_store(lines, fenced), options).ok());
  }
  CHECK(lines_landed(in.place) == "100 100");
  expire_all(in.place);
  const auto report = in.work(in.options("heir"));
  CHECK(report.done == 1);
  CHECK(report.records == 0);
  CHECK(lines_landed(in.place) == "100 100");
  CHECK(in.state() == "completed");
  CHECK(in.place.value("SELECT records FROM etl_job_units") == "100");
}

TEMPLATE_TEST_CASE("a poisoned record quarantines its unit, and the job ends after the fix", "[jobs]", OnSqlite,
                   OnPostgres) {
  Ingestion<TestType> in(long_text() + "poison\n");
  const auto report = in.work(in.options());
  CHECK(report.exit_code() == 3);
  CHECK(report.done == 3);
  CHECK(report.quarantined == 1);
  CHECK(in.state() == "completed_with_quarantine");
  const auto bad = ok(in.store->units(in.job.id, jobs::UnitState::Quarantined, 5));
  REQUIRE(bad.size() == 1);
  CHECK(lacks(bad[0].error, {"unit 3", "'v1'", "lines", "from line", "poison"}).empty());

  CHECK(ok(in.store->retry_quarantined(in.job.id)) == 1);
  const auto again = in.work(in.options(), true);
  CHECK(again.done == 1);
  CHECK(in.state() == "completed");
  CHECK(lines_landed(in.place) == "4001 4001");
}

TEMPLATE_TEST_CASE("with a budget a poisoned record becomes a dead letter, in the transaction of its neighbours (G7)",
                   "[jobs]", OnSqlite, OnPostgres) {
  Ingestion<TestType> in(numbered_lines(30) + "poison\n" + "last\n");
  auto options = in.options();
  options.run.errors.max_rejects = 1;
  const auto report = in.work(options);
  CHECK(report.exit_code() == 3);
  CHECK(report.rejected == 1);
  CHECK(in.state() == "completed");
  CHECK(ok(in.store->progress(in.job.id)).rejected == 1);
  CHECK(lines_landed(in.place) == "31 31");
  CHECK(in.place.value("SELECT count(*) FROM etl_dead_letters") == "1");
}

TEMPLATE_TEST_CASE("a unit that fails again and again is quarantined with its error, and the others go on", "[jobs]",
                   OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(long_text(), 2);
  int calls = 0;
  const auto report = jobs::work(
      *in.store, *in.data,
      [&](const jobs::Work& one) -> etl::Result<Lines<Store>> {
        if (one.unit.number != 1) return Lines<Store>{one};
        ++calls;
        return etl::fatal("no parser for this");
      },
      in.options());
  CHECK(calls == 2);
  CHECK(report.failed == 1);
  CHECK(report.quarantined == 1);
  CHECK(report.done == 3);
  const auto bad = ok(in.store->units(in.job.id, jobs::UnitState::Quarantined, 5));
  REQUIRE(bad.size() == 1);
  CHECK(lacks(bad[0].error, {"unit 1 of job 'v1'", "no parser for this"}).empty());
}

TEMPLATE_TEST_CASE("the lease of the next unit is kept while on_unit takes long (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  using Store = typename TestType::Store;
  const test::Watchdog watchdog("a heartbeat for a unit that waits for on_unit");
  Ingestion<TestType> in(long_text());
  auto options = in.options();
  options.lease = std::chrono::seconds(1);
  std::size_t units = 0;
  options.on_unit = [&](const jobs::UnitEvent&) {
    if (++units > 1) return;
    const std::string kept = "SELECT count(*) FROM etl_job_units WHERE state='running' AND beat_at>claimed_at";
    while (in.place.value(kept) != "1") std::this_thread::yield();
  };
  const auto report =
      jobs::work(*in.store, *in.data, [&](const jobs::Work& one) { return Lines<Store>{one}; }, options);
  CHECK(report.done == units);
  CHECK(units > 1);
}

TEMPLATE_TEST_CASE("a unit that never gets beyond an error that may pass is quarantined at last, and says why (G20)",
                   "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(long_text(), 2);
  etl::StopSource stop;
  int calls = 0;
  const auto report = jobs::work(
      *in.store, *in.data,
      [&](const jobs::Work& one) -> etl::Result<Lines<Store>> {
        if (one.unit.number != 1) return Lines<Store>{one};
        if (++calls == 100) stop.request_drain();  // it would go on for ever
        return etl::transient("the look-up service is not there");
      },
      in.options(), stop.stop_token());
  CHECK_FALSE(report.stopped);
  CHECK(report.released > 0);  // it may pass
  CHECK(report.failed == 1);
  CHECK(report.quarantined == 1);
  CHECK(report.done == 3);
  CHECK(in.state() == "completed_with_quarantine");
  const auto bad = ok(in.store->units(in.job.id, jobs::UnitState::Quarantined, 5));
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].attempts == 2);
  CHECK(lacks(bad[0].error, {"unit 1 of job 'v1'", "the look-up service is not there"}).empty());
}

TEMPLATE_TEST_CASE("a unit that never ends before its deadline is quarantined at last (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(30), 2);
  struct Refused : Lines<Store> {
    using Tx = typename Store::Transaction;
    etl::Result<void> load(std::span<const std::string>, Tx&) {
      return etl::failure(etl::transient("the look-up service is not there"));
    }
  };
  auto options = in.options();
  options.run.retry = {.max_attempts = 1'000'000, .initial_delay = milliseconds(1)};
  options.run.drain_deadline = milliseconds(20);
  etl::StopSource stop;
  int runs = 0;
  const auto make = [&](const jobs::Work& one) {
    if (++runs == 100) stop.request_drain();  // it would go on for ever
    return Refused{{one}};
  };
  const auto report = jobs::work(*in.store, *in.data, make, options, stop.stop_token());
  CHECK_FALSE(report.stopped);
  CHECK(report.quarantined == 1);
  CHECK(runs == 10);
  CHECK(in.state() == "completed_with_quarantine");
}

TEMPLATE_TEST_CASE("a unit that lands something between errors that pass is never counted as failed (G20)", "[jobs]",
                   OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(400), 1);
  int runs = 0;
  struct Halting : Lines<Store> {
    int loads = 0;
    using Tx = typename Store::Transaction;
    etl::Result<void> load(std::span<const std::string> batch, Tx& tx) {
      if (++loads == 3) return etl::failure(etl::transient("not now"));
      return Lines<Store>::load(batch, tx);
    }
  };
  auto options = in.options();
  options.run.retry = {.max_attempts = 1};
  const auto report =
      jobs::work(*in.store, *in.data, [&](const jobs::Work& one) { return ++runs, Halting{{one}}; }, options);
  CHECK(report.done == 1);
  CHECK(report.failed + report.quarantined == 0);
  CHECK(runs > 10);
  CHECK(lines_landed(in.place) == "400 400");
}

TEMPLATE_TEST_CASE("a file that has changed is not read as if it were the same (G17)", "[jobs]", OnSqlite, OnPostgres) {
  Ingestion<TestType> in(numbered_lines(30), 1);
  write_file(in.folder / "lines", numbered_lines(31));
  CHECK(error_of(in.coordinate()).code == jobs::Errc::JobDiffers);
  const auto report = in.work(in.options());
  CHECK(report.quarantined == 1);
  CHECK(lacks(ok(in.store->units(in.job.id, jobs::UnitState::Quarantined, 5)).at(0).error,
              {"is not the file from which the units were made", "make a new job"})
            .empty());
  CHECK(lines_landed(in.place) == "0 0");
}

TEMPLATE_TEST_CASE("units of an older file are not landed from the newer file of another job (G17)", "[jobs]", OnSqlite,
                   OnPostgres) {
  Ingestion<TestType> in(numbered_lines(30), 5);
  write_file(in.folder / "lines", numbered_lines(31));
  const auto newer = ok(jobs::coordinate(*in.store, {"org", "line", "v2"}, "", std::vector{in.folder / "lines"}, {}));
  const auto report = in.work(in.options());
  CHECK(report.quarantined == 1);
  CHECK(report.done == 1);
  CHECK(in.state() == "completed_with_quarantine");
  CHECK(ok(in.store->find(std::to_string(newer.id))).state == jobs::JobState::Completed);
  CHECK(lines_landed(in.place) == "31 31");
}

TEMPLATE_TEST_CASE("a unit whose file changes while it is read is not recorded as done (G17)", "[jobs]", OnSqlite,
                   OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(30), 1);
  struct Late : Lines<Store> {
    std::filesystem::path file;
    void extract(etl::Emitter<std::string>& out) const {
      Lines<Store>::extract(out);
      write_file(file, numbered_lines(31));
    }
  };
  const auto make = [&](const jobs::Work& one) { return Late{{one}, in.folder / "lines"}; };
  const auto report = jobs::work(*in.store, *in.data, make, in.options());
  CHECK(report.done == 0);
  CHECK(report.quarantined == 1);
  CHECK(lacks(ok(in.store->units(in.job.id, jobs::UnitState::Quarantined, 5)).at(0).error,
              {"the file changed while it was read", "is not the file from which the units were made"})
            .empty());
}

TEMPLATE_TEST_CASE("a worker ends at a stop of which it gets the second level only", "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  const test::Watchdog watchdog("the worker ends");
  Ingestion<TestType> in(numbered_lines(500));
  std::stop_source source;
  struct Stops : Lines<Store> {
    std::stop_source* source;
    void extract(etl::Emitter<std::string>& out) const {
      source->request_stop();
      Lines<Store>::extract(out);
    }
  };
  for (const bool stay : {false, true}) {
    auto options = in.options();
    options.stay = stay;
    const auto report = jobs::work(
        *in.store, *in.data, [&](const jobs::Work& one) { return Stops{{one}, &source}; }, options,
        etl::StopToken({}, source.get_token()));
    CHECK(report.stopped);
    CHECK_FALSE(report.error);
  }
}

TEMPLATE_TEST_CASE("a cancelled job hands its units back, and resumes where it was", "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  Ingestion<TestType> in(numbered_lines(500));
  const auto admin = ok(in.store->again());
  // The worker is within its unit when the job is cancelled; the next heartbeat tells it.
  struct Slow : Lines<Store> {
    std::function<void()>* cancel;
    void extract(etl::Emitter<std::string>& out) const {
      if (*cancel) {
        std::exchange(*cancel, nullptr)();
        while (out.wait_for(std::chrono::milliseconds(5))) {}
      }
      Lines<Store>::extract(out);
    }
  };
  std::function<void()> cancel = [&] { ok(admin->cancel(in.job.id)); };
  auto options = in.options();
  options.lease = milliseconds(300);
  const auto report =
      jobs::work(*in.store, *in.data, [&](const jobs::Work& one) { return Slow{{one}, &cancel}; }, options);
  CHECK(report.exit_code() == 0);  // nothing is left to do for a worker
  CHECK(report.released == 1);
  CHECK(in.state() == "cancelled");
  ok(admin->resume(in.job.id));
  CHECK(in.work(in.options()).done == 1);
  CHECK(lines_landed(in.place) == "500 500");
}

TEST_CASE("a server that goes away and comes back costs time and nothing else", "[jobs]") {
  // A server of its own, since the others use theirs.
  struct OwnServer {
    using Store = etl::postgres::Store;
    PostgresServer server{};
    [[nodiscard]] std::string url() const { return server.url(); }
    [[nodiscard]] std::shared_ptr<Store> data() const { return ok(Store::open(url())); }
    void execute(const std::string& sql) const { ok(open(url()).execute(sql)); }
    [[nodiscard]] std::string value(const std::string& sql) const {
      auto connection = open(url());
      return test::value(connection, sql);
    }
  };
  Ingestion<OwnServer> in(long_text());
  std::function<void()> restart = [&] {
    in.place.server.halt();
    in.place.server.resume();
  };
  auto options = in.options();
  options.run.retry = etl::RetryPolicy::database();
  const auto report = jobs::work(
      *in.store, *in.data, [&](const jobs::Work& one) { return Interrupted<OwnServer::Store>{{one}, &restart}; },
      options);
  if (report.error) FAIL(report.error->message());
  CHECK(report.exit_code() == 0);
  CHECK(lines_landed(in.place) == "4000 4000");
  CHECK(in.state() == "completed");
  CHECK(in.place.value("SELECT sum(attempts) FROM etl_job_units") == "0");
}

}  // namespace worker_test
