// The protocol of claims and leases, checked in all interleavings of two workers on two units, with the SQL of the
// SQLite store (G19, G20).
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "unit/jobs/support.hpp"

namespace explorer_test {

using namespace test;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::size_t worker_count = 2;
constexpr std::size_t unit_count = 2;
constexpr int max_attempts = 2;

/// What a worker, time, or anybody (Reclaim) may do next.
enum class Step : std::uint8_t { Claim, Beat, Land, Finish, Fail, Release, Die, Expire, Reclaim };

/// A worker as it sees itself: it may have a lease that it has lost without knowing.
struct Worker {
  std::optional<jobs::Lease> lease;
  bool landed = false;  ///< it knows that its unit's rows are committed
};
struct Unit {
  std::int64_t id = 0, epoch = 0, attempts = 0, lease_until = 0, landed = 0;
  std::string state{}, worker{};
};
struct World {
  std::array<Worker, worker_count> workers{};
  std::array<Unit, unit_count> units{};

  [[nodiscard]] const Unit& of(const jobs::Lease& lease) const {
    return units[0].id == lease.unit ? units[0] : units[1];
  }
  [[nodiscard]] bool holds(const Worker& worker) const {
    if (!worker.lease) return false;
    const Unit& unit = of(*worker.lease);
    return unit.state == "running" && unit.epoch == worker.lease->epoch;
  }
  /// What tells two states apart. Epochs matter only as held or lost, so there are finitely many.
  [[nodiscard]] std::string fingerprint() const {
    std::string text;
    for (const Unit& u : units) text += fmt::format("{} {} {} {};", u.state, u.attempts, u.lease_until == 1, u.landed);
    const auto seen = [&](const Worker& w) {
      return w.lease ? fmt::format("{} {} {};", of(*w.lease).id, holds(w), w.landed) : std::string("-;");
    };
    const std::string a = seen(workers[0]), b = seen(workers[1]);
    text += a < b ? a + b : b + a;  // the workers are alike
    return text;
  }
  [[nodiscard]] bool ended() const {
    for (const Unit& u : units)
      if (u.state != "done" && u.state != "quarantined") return false;
    return true;
  }
};

class Explorer {
 public:
  Explorer() : store_(open_jobs(place_.url(), {.max_attempts = max_attempts})), data_(place_.data()) {
    run("CREATE TABLE landed(unit INTEGER)");
    make_job(*store_, unit_count);
  }

  void explore() {
    World first;
    read(first);
    add(first, "");
    while (!open_.empty()) {
      const World world = std::move(open_.front());
      open_.pop_front();
      const std::string from = world.fingerprint();
      for (std::size_t who = 0; who < worker_count; ++who)
        for (const Step step :
             {Step::Claim, Step::Beat, Step::Land, Step::Finish, Step::Fail, Step::Release, Step::Die})
          go(world, from, step, who);
      for (std::size_t unit = 0; unit < unit_count; ++unit) go(world, from, Step::Expire, unit);
      go(world, from, Step::Reclaim, 0);
    }
  }
  /// The states from which no end can be reached.
  [[nodiscard]] std::size_t stuck() const {
    std::set<std::string> good = ended_;
    for (std::size_t before = 0; before != good.size();) {
      before = good.size();
      for (const auto& [to, froms] : into_)
        if (good.contains(to)) good.insert(froms.begin(), froms.end());
    }
    return seen_.size() - good.size();
  }
  [[nodiscard]] std::size_t states() const { return seen_.size(); }
  [[nodiscard]] std::size_t ends() const { return ended_.size(); }
  [[nodiscard]] const std::set<std::string>& broken() const { return broken_; }

 private:
  void run(const std::string& sql) { ok(data_->database().execute(sql)); }
  void require(bool good, const std::string& rule) {
    if (!good) broken_.insert(rule);
  }

  void read(World& world) {
    auto query = ok(data_->database().prepare(
        "SELECT id, epoch, attempts, lease_until, state, worker, (SELECT count(*) FROM landed WHERE unit=u.id) FROM "
        "etl_job_units u ORDER BY number"));
    for (Unit& unit : world.units) {
      REQUIRE(ok(query.step()));
      unit = {.id = query.integer(0),
              .epoch = query.integer(1),
              .attempts = query.integer(2),
              .lease_until = query.integer(3),
              .landed = query.integer(6),
              .state = std::string(query.text(4)),
              .worker = std::string(query.text(5))};
    }
  }
  void write(const World& world) {
    std::string sql = "BEGIN IMMEDIATE; DELETE FROM landed; UPDATE etl_jobs SET state='running';";
    for (const Unit& u : world.units) {
      sql += fmt::format(
          "UPDATE etl_job_units SET epoch={}, attempts={}, lease_until={}, state='{}', worker='{}', not_before=0 WHERE "
          "id={};",
          u.epoch, u.attempts, u.lease_until, u.state, u.worker, u.id);
      for (std::int64_t i = 0; i < u.landed; ++i) sql += fmt::format("INSERT INTO landed VALUES({});", u.id);
    }
    run(sql + "COMMIT");
  }

  static bool possible(const World& world, Step step, std::size_t who) {
    if (step == Step::Reclaim) return true;
    if (step == Step::Expire) return world.units[who].state == "running" && world.units[who].lease_until != 1;
    const Worker& worker = world.workers[who];
    if (step == Step::Claim) return !worker.lease;
    if (step == Step::Finish) return worker.lease && worker.landed;
    if (step == Step::Land) return worker.lease && !worker.landed;
    return worker.lease.has_value();
  }

  void go(const World& from, const std::string& name, Step step, std::size_t who) {
    if (!possible(from, step, who)) return;
    write(from);
    World to = from;
    take(to, step, who);
    read(to);
    check(from, to, step, who);
    add(to, name);
  }

  void take(World& world, Step step, std::size_t who) {
    if (step == Step::Reclaim) return void(ok(store_->reclaim()));
    if (step == Step::Expire)
      return run(fmt::format("UPDATE etl_job_units SET lease_until=1 WHERE id={}", world.units[who].id));
    Worker& worker = world.workers[who];
    const auto lost_is = [&](bool expected, const char* what) {
      require(expected != world.holds(worker), fmt::format("{} succeeds exactly for the holder of the lease", what));
    };
    switch (step) {
      case Step::Claim: {
        const auto claimed = ok(store_->claim({.worker = std::to_string(who)}));
        if (!claimed.empty()) worker = {.lease = claimed[0].lease};
        return;
      }
      case Step::Beat: {
        const bool lost = !ok(store_->beat(std::vector{*worker.lease}, std::chrono::minutes(1))).empty();
        lost_is(lost, "a heartbeat");
        if (lost) worker = {};
        return;
      }
      case Step::Land: return land(world, worker);
      case Step::Finish: lost_is(!ok(store_->finish(std::vector{*worker.lease})).empty(), "the end of a unit"); break;
      case Step::Fail: lost_is(!store_->fail(*worker.lease, "e"), "a failure"); break;
      case Step::Release: lost_is(!store_->release(*worker.lease), "a release"); break;
      default: break;  // Die
    }
    worker = {};
  }

  /// The transaction of the rows. Progress is in the same database, so that what is landed is not landed again.
  void land(const World& world, Worker& worker) {
    const auto session = ok(data_->connect());
    ok(session->begin());
    auto& tx = session->transaction();
    ok(tx.execute(fmt::format("INSERT INTO landed SELECT {0} WHERE NOT EXISTS(SELECT 1 FROM landed WHERE unit={0})",
                              worker.lease->unit)));
    const auto mine = jobs::check_lease(tx, *worker.lease, {});
    require(mine.has_value() == world.holds(worker), "rows are committed exactly by the holder of the lease");
    if (mine) {
      tx.ended();
      ok(session->record({.pipeline = "p", .settled = {}, .advanced = {}, .dead_letters = {}}));
      ok(session->commit());
      worker.landed = true;
    } else {
      session->rollback();
      worker = {};
    }
  }

  void check(const World& from, const World& to, Step step, std::size_t who) {
    for (std::size_t i = 0; i < unit_count; ++i) {
      const Unit &was = from.units[i], &is = to.units[i];
      require(is.epoch >= was.epoch, "an epoch never goes back");
      require(step == Step::Claim || is.epoch == was.epoch, "only a claim changes an epoch");
      require(step != Step::Claim || is.state == was.state || is.epoch == was.epoch + 1, "a claim has a new epoch");
      require(is.landed <= 1, "a unit is landed once");
      require(is.state != "done" || is.landed == 1, "a unit that is done is landed");
      require(was.state != "done" || is.state == "done", "what is done stays done");
      require(is.attempts <= max_attempts, "no attempt after the last one");
      require((is.state == "quarantined") == (is.attempts == max_attempts), "quarantined after the last attempt");
      require(is.attempts == was.attempts || step == Step::Fail || step == Step::Reclaim,
              "only an ungraceful end is an attempt");
    }
    require(
        !(to.holds(to.workers[0]) && to.holds(to.workers[1]) && to.workers[0].lease->unit == to.workers[1].lease->unit),
        "two workers never hold the lease of one unit");
    if (step == Step::Land && !from.holds(from.workers[who]))
      require(from.units[0].landed == to.units[0].landed && from.units[1].landed == to.units[1].landed,
              "a zombie lands nothing");
  }

  void add(const World& world, const std::string& from) {
    const std::string name = world.fingerprint();
    if (!from.empty()) into_[name].insert(from);
    if (!seen_.insert(name).second) return;
    const bool settled = ok(store_->settle()) == 1;
    require(settled == world.ended(), "a job ends exactly when its units have ended");
    if (world.ended()) ended_.insert(name);
    open_.push_back(world);
  }

  OnSqlite place_;
  std::unique_ptr<jobs::JobStore> store_;
  std::shared_ptr<etl::sqlite::Store> data_;
  std::deque<World> open_;
  std::set<std::string> seen_, ended_, broken_;
  std::map<std::string, std::set<std::string>> into_;
};

}  // namespace

TEST_CASE("in all interleavings of two workers on two units, each unit is landed once and the job ends", "[jobs]") {
  Explorer explorer;
  explorer.explore();
  for (const std::string& rule : explorer.broken()) UNSCOPED_INFO("broken: " << rule);
  CHECK(explorer.broken().empty());
  CHECK(explorer.stuck() == 0);
  CHECK(explorer.ends() >= 4);
  CHECK(explorer.states() > 500);
}

}  // namespace explorer_test
