// G19 to G21, G5: what is left of a unit after an error, a death or a hang never holds up the job.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <etl/postgres/pool.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/sync.hpp"
#include "unit/jobs/support.hpp"

namespace recovery_test {

using namespace test;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;

namespace {

/// What a worker asks of its store. Shared by its connections.
struct Watch {
  std::mutex mutex{};
  std::condition_variable changed{};
  int beats = 0;               // of the connection for heartbeats
  bool loses_answers = false;  // of finish_and_claim
  int refused = 0;             // releases by the connection for heartbeats, if it refuses them
  std::atomic<bool> refuses = false;
  int idle = 0;              // times that there was nothing to claim, although a job is open
  std::size_t together = 0;  // the most units that were ended and claimed by one call
  void count(int Watch::* what) {
    const std::lock_guard lock(mutex);
    ++(this->*what);
    changed.notify_all();
  }
  bool reaches(int Watch::* what, int wanted, milliseconds most) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, most, [&] { return this->*what >= wanted; });
  }
};

/// A store that tells a Watch.
class Watched final : public jobs::JobStore {
 public:
  Watched(std::unique_ptr<JobStore> inner, Watch& watch, bool heart = false)
      : inner_(std::move(inner)), watch_(watch), heart_(heart) {}
  etl::Result<std::unique_ptr<JobStore>> again() override {
    auto another = inner_->again();
    if (!another) return another;
    return std::make_unique<Watched>(std::move(*another), watch_, true);
  }
  etl::Result<std::vector<jobs::Lease>> beat(std::span<const jobs::Lease> leases, milliseconds lease) override {
    if (heart_) watch_.count(&Watch::beats);
    return inner_->beat(leases, lease);
  }
  etl::Result<std::uint64_t> open_jobs(std::optional<jobs::Id> only) override { return inner_->open_jobs(only); }
  etl::Result<jobs::Outlook> look(std::optional<jobs::Id> only) override {
    auto found = inner_->look(only);
    if (found && found->open > 0) watch_.count(&Watch::idle);
    return found;
  }
  bool wait(milliseconds most, const std::stop_token& stop, jobs::Hints hints) override {
    return inner_->wait(most, stop, hints);
  }

  const std::string& name() const noexcept override { return inner_->name(); }
  etl::Result<jobs::Job> create(const jobs::JobKey& key, const std::string& spec, std::span<const jobs::Input> inputs,
                                std::uint64_t unit_bytes) override {
    return inner_->create(key, spec, inputs, unit_bytes);
  }
  etl::Result<void> add_units(jobs::Id job, std::uint64_t first, std::span<const jobs::UnitPlace> units) override {
    return inner_->add_units(job, first, units);
  }
  etl::Result<void> start(jobs::Id job) override { return inner_->start(job); }
  etl::Result<void> cancel(jobs::Id job) override { return inner_->cancel(job); }
  etl::Result<void> resume(jobs::Id job) override { return inner_->resume(job); }
  etl::Result<std::uint64_t> retry_quarantined(jobs::Id job) override { return inner_->retry_quarantined(job); }
  etl::Result<std::uint64_t> settle() override { return inner_->settle(); }
  etl::Result<jobs::Job> find(std::string_view which) override { return inner_->find(which); }
  etl::Result<std::vector<jobs::Input>> inputs(jobs::Id job) override { return inner_->inputs(job); }
  etl::Result<jobs::Progress> progress(jobs::Id job) override { return inner_->progress(job); }
  etl::Result<std::vector<jobs::Progress>> list() override { return inner_->list(); }
  etl::Result<std::vector<jobs::UnitStatus>> units(jobs::Id job, jobs::UnitState state, std::size_t most) override {
    return inner_->units(job, state, most);
  }
  etl::Result<std::vector<jobs::Claimed>> claim(const jobs::ClaimOptions& options) override {
    return inner_->claim(options);
  }
  etl::Result<std::vector<jobs::Lease>> finish(std::span<const jobs::Lease> leases) override {
    return inner_->finish(leases);
  }
  etl::Result<jobs::Handover> finish_and_claim(std::span<const jobs::Lease> leases,
                                               const jobs::ClaimOptions& options) override {
    auto both = inner_->finish_and_claim(leases, options);
    if (both) watch_.together = std::max(watch_.together, std::min(leases.size(), both->claimed.size()));
    if (watch_.loses_answers && both)
      return etl::failure(etl::Error{.error_class = etl::ErrorClass::Transient, .context = "the answer is lost"});
    return both;
  }
  etl::Result<void> release(const jobs::Lease& lease, milliseconds pause) override {
    if (heart_ && watch_.refuses) {
      watch_.count(&Watch::refused);
      return etl::failure(etl::transient("the connection is lost"));
    }
    return inner_->release(lease, pause);
  }
  etl::Result<jobs::UnitState> fail(const jobs::Lease& lease, const std::string& error, milliseconds pause) override {
    return inner_->fail(lease, error, pause);
  }
  etl::Result<void> quarantine(const jobs::Lease& lease, const std::string& error) override {
    return inner_->quarantine(lease, error);
  }
  etl::Result<std::uint64_t> reclaim() override { return inner_->reclaim(); }
  etl::Result<void> release_all(const std::string& worker) override { return inner_->release_all(worker); }

 private:
  std::unique_ptr<JobStore> inner_;
  Watch& watch_;
  bool heart_;
};

/// A job of numbered lines in one unit, and a table that takes no line twice.
template <class Place>
struct OneUnit : Ingestion<Place> {
  explicit OneUnit(const std::string& text = numbered_lines(100)) : Ingestion<Place>(text) {
    this->place.execute("CREATE UNIQUE INDEX each_once ON lines(text)");
  }
};

/// A job of units whose runs are a function.
template <class Place>
struct ShortUnits : Ingestion<Place> {
  explicit ShortUnits(std::uint64_t units) : Ingestion<Place>("line\n") {
    const auto inputs = ok(this->store->inputs(this->job.id));
    this->job = ok(this->store->create({"org", "line", "short"}, "", inputs, 1));
    std::vector<jobs::UnitPlace> places;
    for (std::uint64_t i = 0; i < units; ++i) places.push_back({.begin = i, .end = i + 1});
    ok(this->store->add_units(this->job.id, 0, places));
    ok(this->store->start(this->job.id));
  }
  jobs::WorkerReport run(jobs::JobStore& with, const std::function<void(const jobs::Work&)>& unit,
                         jobs::WorkerOptions options, etl::StopToken stop = {}) {
    options.job = this->job.id;
    return jobs::detail::work(
        with,
        [&](const jobs::Work& work, const auto&, const etl::Options& run, const etl::StopToken&) {
          unit(work);
          return etl::RunReport{.pipeline = run.name};
        },
        [](const std::string&) { return etl::Result<void>(); }, options, stop);
  }
  /// "pending running done quarantined" of its units, and their attempts.
  std::string counted() {
    const auto now = ok(this->store->progress(this->job.id));
    return fmt::format("{} {} {} {}, {} attempts", now.pending, now.running, now.done, now.quarantined,
                       this->place.value("SELECT sum(attempts) FROM etl_job_units"));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("short units are claimed and ended several at once, in their order", "[jobs]", OnSqlite,
                   OnPostgres) {
  ShortUnits<TestType> in(200);
  Watch watch;
  Watched store(ok(in.store->again()), watch);
  auto options = in.options();
  std::vector<std::uint64_t> ended;
  options.on_unit = [&](const jobs::UnitEvent& event) {
    if (event.what == "done") ended.push_back(event.work.unit.number);
  };
  const auto report = in.run(store, [](const jobs::Work&) {}, options);
  CHECK(report.done == 200);
  CHECK(ended.size() == 200);
  CHECK(std::ranges::is_sorted(ended));
  CHECK(watch.together > 1);
  CHECK(watch.together <= 16);
  CHECK(in.counted() == "0 0 200 0, 0 attempts");
}

TEMPLATE_TEST_CASE("a unit that takes long does not hold up those that were claimed with it", "[jobs]", OnSqlite,
                   OnPostgres) {
  const test::Watchdog watchdog("the others are recorded or handed back");
  ShortUnits<TestType> in(200);
  const std::string running = fmt::format("SELECT count(*) FROM etl_job_units WHERE state='running'");
  bool waited = false;
  auto options = in.options();
  options.lease = milliseconds(GENERATE(300, 60'000));
  const auto report = in.run(
      *in.store,
      [&](const jobs::Work& work) {
        // Those of its batch that are landed are still to be recorded, and others have not begun.
        if (waited || work.unit.number < 20 || in.place.value(running) == "1") return;
        waited = true;
        while (in.place.value(running) != "1") std::this_thread::yield();
        CHECK(in.place.value(fmt::format("SELECT state FROM etl_job_units WHERE id={}", work.unit.lease.unit)) ==
              "running");
      },
      options);
  if (report.error) FAIL(report.error->message());
  CHECK(waited);
  CHECK(report.released + report.lost > 0);
  CHECK(report.lost == 0);
  CHECK(report.done == 200);
  CHECK(in.counted() == "0 0 200 0, 0 attempts");
}

TEMPLATE_TEST_CASE("a worker that is stopped between short units leaves none of them to its lease (G20)", "[jobs]",
                   OnSqlite, OnPostgres) {
  ShortUnits<TestType> in(200);
  etl::StopSource stop;
  const auto report = in.run(
      *in.store,
      [&](const jobs::Work& work) {
        if (work.unit.number == 100) stop.request_drain();
      },
      in.options(), stop.stop_token());
  CHECK(report.stopped);
  const auto now = ok(in.store->progress(in.job.id));
  CHECK(now.running == 0);
  CHECK(now.done == report.done);
  CHECK(now.done > 100);
  CHECK(now.done < 120);
}

TEMPLATE_TEST_CASE("a stopped worker hands back units too that its heart could not hand back before (G20)", "[jobs]",
                   OnSqlite, OnPostgres) {
  ShortUnits<TestType> in(200);
  Watch watch;
  watch.refuses = true;
  Watched store(ok(in.store->again()), watch);
  etl::StopSource stop;
  bool waited = false;
  const auto report = in.run(
      store,
      [&](const jobs::Work& work) {
        if (waited || work.unit.number < 20 ||
            std::stoi(in.place.value("SELECT count(*) FROM etl_job_units WHERE state='running'")) < 6)
          return;
        // The units that were claimed with this one are to be handed back now.
        waited = true;
        CHECK(watch.reaches(&Watch::refused, 1, std::chrono::seconds(60)));
        stop.request_drain();
      },
      in.options(), stop.stop_token());
  CHECK(waited);
  CHECK(report.stopped);
  CHECK(watch.refused < 4);  // it does not try each unit while the database is away
  CHECK(in.counted() == fmt::format("{} 0 {} 0, 0 attempts", 200 - report.done, report.done));
}

TEMPLATE_TEST_CASE("a worker whose job is cancelled hands back all its units when it ends (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  ShortUnits<TestType> in(200);
  Watch watch;
  watch.refuses = true;
  Watched store(ok(in.store->again()), watch);
  bool waited = false;
  const auto report = in.run(
      store,
      [&](const jobs::Work& work) {
        if (waited || work.unit.number < 20 ||
            in.place.value("SELECT count(*) FROM etl_job_units WHERE state='running'") == "1")
          return;
        waited = true;
        CHECK(watch.reaches(&Watch::refused, 1, std::chrono::seconds(60)));
        ok(in.store->cancel(in.job.id));
      },
      in.options());
  CHECK(waited);
  CHECK_FALSE(report.stopped);
  CHECK(in.counted() == fmt::format("{} 0 {} 0, 0 attempts", 200 - report.done, report.done));
}

TEST_CASE("a worker with a lease of no time is refused", "[jobs]") {
  OneUnit<OnSqlite> in;
  auto options = in.options();
  options.lease = milliseconds(0);
  const auto report = in.work(options);
  REQUIRE(report.error);
  CHECK(report.error->code == etl::Errc::InvalidOptions);
  CHECK(has(report.error->message(), "WorkerOptions::lease is 0 ms: it must be at least 10 ms"));
}

TEST_CASE("a worker with options that no run can use takes no attempt of a unit", "[jobs]") {
  OneUnit<OnSqlite> in;
  const auto refused = [&](const auto& change) {
    auto options = in.options();
    change(options.run);
    const auto report = in.work(options);
    REQUIRE(report.error);
    CHECK(report.error->code == etl::Errc::InvalidOptions);
    CHECK(report.exit_code() == 1);
    return report.error->message();
  };
  CHECK(has(refused([](etl::Options& run) { run.workers = 0; }), "WorkerOptions::run: invalid options: workers"));
  CHECK(has(
      refused([](etl::Options& run) { run.errors.dead_letters = std::make_shared<etl::testing::MemoryDeadLetters>(); }),
      "WorkerOptions::run: errors.dead_letters is set"));
  CHECK(in.work(in.options()).done == 1);
  CHECK(in.place.value("SELECT attempts FROM etl_job_units") == "0");
}

TEMPLATE_TEST_CASE("a worker whose on_unit throws hands back what it has claimed, and tells the error", "[jobs]",
                   OnSqlite, OnPostgres) {
  ShortUnits<TestType> in(12);
  auto options = in.options("unlucky");
  std::size_t told = 0;
  options.on_unit = [&](const jobs::UnitEvent&) {
    if (++told == 4) throw std::runtime_error("the log is full");
  };
  const auto own = ok(in.store->again());
  const auto report = in.run(*own, [](const jobs::Work&) {}, options);
  REQUIRE(report.error);
  CHECK(lacks(report.error->message(), {"on_unit", "the log is full"}).empty());
  CHECK(report.exit_code() == 1);
  CHECK(told == 4);
  const auto progress = ok(in.store->progress(in.job.id));
  CHECK(progress.done == report.done);
  CHECK(progress.running == 0);
  CHECK(progress.pending == 12 - report.done);
  CHECK(in.run(*own, [](const jobs::Work&) {}, in.options()).done == 12 - report.done);
}

TEMPLATE_TEST_CASE("a worker that lacks threads or memory does not use up the attempts of its units (G20)", "[jobs]",
                   OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  OneUnit<TestType> in;
  int calls = 0;
  std::vector<std::string> told;
  auto options = in.options();
  options.on_unit = [&](const jobs::UnitEvent& event) { told.emplace_back(event.what); };
  const auto report = jobs::work(
      *in.store, *in.data,
      [&](const jobs::Work& one) {
        if (++calls == 1) throw std::bad_alloc();
        if (calls == 2) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
        return Lines<Store>{one};
      },
      options);
  CHECK(told == std::vector<std::string>{"released", "released", "done"});
  CHECK(report.done == 1);
  CHECK(in.place.value("SELECT attempts FROM etl_job_units") == "0");
}

TEST_CASE("on SQLite a heartbeat passes between long transactions that follow each other at once (G20)", "[jobs]") {
  const OnSqlite place;
  const auto store = open_jobs(place.url(), {.statement_timeout = std::chrono::minutes(2)});
  make_job(*store, 2);
  const auto units = claim(*store, "w", 1), others = claim(*store, "other", 1);
  const auto data = place.data();
  jobs::FencedStore fenced(*data, units.at(0).lease, [] { return etl::Result<void>(); });
  std::atomic<bool> passed = false;
  std::atomic<int> transactions = 0;
  const auto land = [&] {
    const auto session = etl::value(fenced.connect());
    for (; !passed && transactions < 500; ++transactions) {
      etl::value(session->begin());
      const auto end = std::chrono::steady_clock::now() + milliseconds(50);
      while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
      etl::value(session->commit());
    }
  };
  {
    const std::jthread one(land), another(land);  // as for a const `load`
    while (transactions == 0) std::this_thread::yield();
    CHECK(ok(store->beat(std::vector{others.at(0).lease}, std::chrono::seconds(60))).empty());
    passed = true;
  }
  CHECK(transactions < 500);
}

TEMPLATE_TEST_CASE("a worker that cannot see a file does not use up the attempts of its units (G20)", "[jobs]",
                   OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  OneUnit<TestType> in;
  const TempFolder elsewhere;
  const auto file = in.folder / "lines", hidden = elsewhere / "lines";
  std::filesystem::rename(file, hidden);  // its folder is empty, as where a disk is not mounted
  std::vector<std::string> told;
  auto options = in.options();
  options.on_unit = [&](const jobs::UnitEvent& event) {
    told.emplace_back(event.what);
    if (told.size() == 2) std::filesystem::rename(hidden, file);
  };
  const auto report =
      jobs::work(*in.store, *in.data, [&](const jobs::Work& one) { return Lines<Store>{one}; }, options);
  CHECK(told == std::vector<std::string>{"released", "released", "done"});
  CHECK(report.done == 1);
  CHECK(in.place.value("SELECT attempts FROM etl_job_units") == "0");
}

TEMPLATE_TEST_CASE("a unit whose file is gone is quarantined, and the others are landed (G20)", "[jobs]", OnSqlite,
                   OnPostgres) {
  OneUnit<TestType> in;
  write_file(in.folder / "another", "line\n");
  const auto second =
      ok(jobs::coordinate(*in.store, {"org", "line", "v2"}, "", std::vector{in.folder / "another"}, {}));
  std::filesystem::remove(in.folder / "lines");
  const auto report = in.work(in.options());
  CHECK_FALSE(report.error);
  CHECK(report.done == 1);
  CHECK(report.quarantined == 1);
  CHECK(in.state() == "completed_with_quarantine");
  CHECK(ok(in.store->find(std::to_string(second.id))).state == jobs::JobState::Completed);
  const auto bad = ok(in.store->units(in.job.id, jobs::UnitState::Quarantined, 5));
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].error.find("this worker cannot see the file") != std::string::npos);
}

TEMPLATE_TEST_CASE("a unit that is lost before it begins does not run, and can be handed back", "[jobs]", OnSqlite,
                   OnPostgres) {
  const test::Watchdog watchdog("the unit that waits is handed back");
  ShortUnits<TestType> in(2);
  auto options = in.options();
  options.lease = milliseconds(300);
  std::vector<std::uint64_t> runs;
  bool cancelled = false;
  options.on_unit = [&](const jobs::UnitEvent&) {
    if (std::exchange(cancelled, true)) return;
    ok(in.store->cancel(in.job.id));
    while (ok(in.store->progress(in.job.id)).running > 0) std::this_thread::yield();
  };
  const auto own = ok(in.store->again());
  const auto report = in.run(*own, [&](const jobs::Work& work) { runs.push_back(work.unit.number); }, options);
  CHECK(report.exit_code() == 0);
  CHECK(report.done == 1);
  CHECK(runs == std::vector<std::uint64_t>{0});
  ok(in.store->resume(in.job.id));
  CHECK(in.run(*own, [&](const jobs::Work& work) { runs.push_back(work.unit.number); }, in.options()).done == 1);
  CHECK(runs == std::vector<std::uint64_t>{0, 1});
  CHECK(in.counted() == "0 0 2 0, 0 attempts");
}

TEMPLATE_TEST_CASE("the unit's row tells the host and the process of its worker", "[jobs]", OnSqlite, OnPostgres) {
  OneUnit<TestType> in;
  CHECK(in.work(in.options("")).done == 1);
  std::array<char, 256> host{};
  REQUIRE(::gethostname(host.data(), host.size() - 1) == 0);
  const std::string worker = in.place.value("SELECT worker FROM etl_job_units");
  INFO(worker);
  CHECK(worker.starts_with(fmt::format("{}:{}:", host.data(), ::getpid())));
}

TEMPLATE_TEST_CASE("nobody keeps the lease of a unit whose run has thrown", "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  OneUnit<TestType> in;
  struct Throwing : Lines<Store> {
    Watch* watch;
    void extract(etl::Emitter<std::string>& out) const {
      // The lease is kept while the unit is worked on.
      if (!watch->reaches(&Watch::beats, 2, std::chrono::seconds(60))) throw std::runtime_error("no heartbeat");
      Lines<Store>::extract(out);
      throw std::runtime_error("the parser gave up");
    }
  };
  Watch watch;
  auto options = in.options();
  options.lease = milliseconds(90);  // a beat each 30 ms
  options.pause = std::chrono::minutes(1);
  etl::StopSource stop;
  int later = -1;
  options.on_unit = [&](const jobs::UnitEvent&) {
    const std::lock_guard lock(watch.mutex);
    watch.beats = 0;
  };
  Watched store(ok(in.store->again()), watch);
  std::jthread ender([&] {
    // While the worker has nothing to do: one beat may have been on its way.
    if (watch.reaches(&Watch::idle, 2, std::chrono::seconds(60)))
      later = watch.reaches(&Watch::beats, 2, milliseconds(400)) ? 2 : 0;
    stop.request_drain();
  });
  const auto report = jobs::work(
      store, *in.data, [&](const jobs::Work& one) { return Throwing{{one}, &watch}; }, options, stop.stop_token());
  ender.join();
  CHECK(report.failed == 1);
  CHECK(later == 0);
  CHECK(has(in.place.value("SELECT error FROM etl_job_units"), "the parser gave up"));
  CHECK(in.place.value("SELECT state FROM etl_job_units") == "pending");
}

TEMPLATE_TEST_CASE("a worker that does not learn what it has claimed hands it back, and lands it later", "[jobs]",
                   OnSqlite, OnPostgres) {
  OneUnit<TestType> in(numbered_lines(1));
  write_file(in.folder / "more", numbered_lines(3000).substr(7));
  const auto job = ok(
      jobs::coordinate(*in.store, {"org", "line", "v2"}, "", std::vector{in.folder / "more"}, {.unit_bytes = 5'000}));
  Watch watch;
  watch.loses_answers = true;
  Watched store(ok(in.store->again()), watch);
  const auto report = jobs::work(
      store, *in.data, [&](const jobs::Work& one) { return Lines<typename TestType::Store>{one}; }, in.options());
  if (report.error) FAIL(report.error->message());
  CHECK(report.done == 1 + ok(in.store->progress(job.id)).done);
  CHECK(report.done >= 5);
  CHECK(report.lost == 0);
  CHECK(lines_landed(in.place) == "3000 3000");
  CHECK(in.place.value("SELECT sum(attempts) FROM etl_job_units") == "0");
  CHECK(ok(in.store->find("v2")).state == jobs::JobState::Completed);
}

TEMPLATE_TEST_CASE("a unit that failed halfway is tried again without a duplicate, and counts each record once",
                   "[jobs]", OnSqlite, OnPostgres) {
  using Store = typename TestType::Store;
  OneUnit<TestType> in("poison\n" + numbered_lines(100));
  struct Failing : Lines<Store> {
    int* loads;
    etl::Result<void> load(std::span<const std::string> batch, typename Store::Transaction& tx) {
      if (auto done = Lines<Store>::load(batch, tx); !done) return done;
      return ++*loads == 4 ? etl::Result<void>(etl::fatal("the disk is on fire")) : etl::Result<void>();
    }
  };
  int loads = 0;
  auto options = in.options();
  options.run.errors.max_rejects = 1;
  const auto report =
      jobs::work(*in.store, *in.data, [&](const jobs::Work& one) { return Failing{{one}, &loads}; }, options);
  if (report.error) FAIL(report.error->message());
  CHECK(report.failed == 1);
  CHECK(report.done == 1);
  CHECK(report.records == 100);
  CHECK(report.rejected == 1);  // in the run that failed
  CHECK(report.exit_code() == 3);
  CHECK(lines_landed(in.place) == "100 100");
  CHECK(ok(in.store->progress(in.job.id)).records == 101);
  CHECK(in.state() == "completed");
}

TEMPLATE_TEST_CASE("a worker without work waits while the unit of another one may come back", "[jobs]", OnSqlite,
                   OnPostgres) {
  using Store = typename TestType::Store;
  OneUnit<TestType> in;
  const auto other = claim(*in.store, "other").at(0).lease;
  Watch watch;
  jobs::WorkerReport report;
  std::atomic<bool> ended = false;
  std::thread waiting([&] {
    auto own = jobs::open(in.place.url());
    if (!own) return;
    Watched store(std::move(*own), watch);
    report = jobs::work(store, *in.data, [&](const jobs::Work& one) { return Lines<Store>{one}; }, in.options("heir"));
    ended = true;
  });
  const bool waits = watch.reaches(&Watch::idle, 3, std::chrono::seconds(60));
  const bool still = !ended;
  if (GENERATE(true, false))
    expire_all(in.place);  // it has died
  else
    ok(in.store->fail(other, "it has failed", milliseconds(1)));
  waiting.join();
  CHECK(waits);
  CHECK(still);
  CHECK(report.done == 1);
  CHECK(lines_landed(in.place) == "100 100");
  CHECK(in.state() == "completed");
}

TEMPLATE_TEST_CASE("a version counts as ingested only if its job has really completed (S0-29)", "[jobs]", OnSqlite,
                   OnPostgres) {
  OneUnit<TestType> in(numbered_lines(20) + "poison\n");
  CHECK(in.work(in.options()).exit_code() == 3);
  const jobs::Job again = ok(in.coordinate());
  CHECK(again.id == in.job.id);
  CHECK(again.state == jobs::JobState::CompletedWithQuarantine);
  CHECK(ok(in.store->retry_quarantined(in.job.id)) == 1);
  CHECK(ok(in.coordinate()).state == jobs::JobState::Running);
  CHECK(in.work(in.options(), true).done == 1);
  CHECK(ok(in.coordinate()).state == jobs::JobState::Completed);
  CHECK(in.work(in.options(), true).done == 0);
  CHECK(lines_landed(in.place) == "21 21");
}

TEMPLATE_TEST_CASE("a statement about jobs that hangs ends, and can be made again", "[jobs]", OnSqlite, OnPostgres) {
  const TestType place;
  make_job(*open_jobs(place.url(), {}), 1);
  const auto store = open_jobs(place.url(), {.statement_timeout = milliseconds(100)});
  const auto hangs = [&] {
    const etl::Error late = error_of(store->claim({.worker = "w"}));
    INFO(late.message());
    CHECK(late.error_class == etl::ErrorClass::Transient);
  };
  if constexpr (std::is_same_v<TestType, OnSqlite>) {
    auto blocker = ok(etl::sqlite::Database::open(jobs::sqlite_path(place.url())));
    const auto transaction = ok(blocker.begin());
    hangs();
  } else {
    auto blocker = ok(etl::postgres::Connection::open(place.url()));
    auto transaction = ok(blocker.begin());
    ok(transaction.execute("LOCK TABLE etl_job_units"));
    hangs();
  }
  CHECK(claim(*store, "w").size() == 1);
}

TEST_CASE("a statement of a unit's transaction that hangs ends, and the unit is landed", "[jobs]") {
  using Store = OnPostgres::Store;
  OneUnit<OnPostgres> in;
  const auto pool = ok(etl::postgres::Pool::make(in.place.url(), {.statement_timeout = milliseconds(100)}));
  const auto data = ok(Store::over(pool));
  struct Hanging : Lines<Store> {
    bool* hung;
    etl::Result<void> load(std::span<const std::string> batch, etl::postgres::Tx& tx) {
      if (!std::exchange(*hung, true))
        if (auto slept = tx.execute("SELECT pg_sleep(3600)"); !slept) return slept;
      return Lines<Store>::load(batch, tx);
    }
  };
  bool hung = false;
  auto options = in.options();
  options.run.retry = etl::RetryPolicy::database();
  const auto report =
      jobs::work(*in.store, *data, [&](const jobs::Work& one) { return Hanging{{one}, &hung}; }, options);
  CHECK(report.done == 1);
  CHECK(lines_landed(in.place) == "100 100");
}

TEST_CASE("a worker that is frozen within its transaction does not keep its unit (G21)", "[jobs]") {
  using Store = OnPostgres::Store;
  OneUnit<OnPostgres> in;
  const auto pool = ok(etl::postgres::Pool::make(in.place.url(), {.idle_in_transaction_timeout = milliseconds(100)}));
  const auto data = ok(Store::over(pool));
  const auto unit = ok(in.store->claim({.worker = "frozen", .lease = milliseconds(1)})).at(0);
  jobs::FencedStore<Store> fenced(*data, unit.lease, [] { return etl::Result<void>(); });
  const auto session = ok(fenced.connect());
  ok(session->begin());
  ok(session->transaction().execute("INSERT INTO lines(text) VALUES('line 7')"));
  ok(jobs::check_lease(session->transaction(), unit.lease, {.records = 1}));
  // Its row is locked until the server ends the session: it is given to nobody before.
  while (ok(in.store->reclaim()) == 0) {}
  CHECK(in.work(in.options("heir")).done == 1);
  CHECK_FALSE(session->commit().has_value());
  CHECK(lines_landed(in.place) == "100 100");
  CHECK(in.place.value("SELECT records FROM etl_job_units") == "100");
}

}  // namespace recovery_test
