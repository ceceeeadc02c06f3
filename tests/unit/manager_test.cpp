#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/manager.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"
#include "support/faults.hpp"
#include "support/json.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace manager_test {

namespace {

using test::Fault;
using test::Site;

/// Names in the order in which their runs began; safe from any thread.
struct Log {
  std::mutex mutex;
  std::vector<std::string> names;
  void add(const std::string& name) {
    const std::lock_guard lock(mutex);
    names.push_back(name);
  }
  std::size_t place(const std::string& name) const {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }
};

etl::PipelineManager::Runner noted(Log& log, std::string name, etl::Outcome outcome = etl::Outcome::Completed) {
  return [&log, name = std::move(name), outcome](const etl::Options&, etl::StopToken) {
    log.add(name);
    etl::RunReport r;
    r.outcome = outcome;
    if (outcome == etl::Outcome::Failed) r.add_error({.error = etl::fatal("planned")});
    return r;
  };
}

}  // namespace

TEST_CASE("manager: pipelines of different types, each with its report by name (G1)") {
  struct Other {
    std::string text{};
    void extract(etl::Emitter<char>& out) {
      for (const char c : {'a', 'b', 'c'}) out.push(c);
    }
    std::string transform(const char& c) const { return {c, c}; }
    void load(std::span<const std::string> batch) {
      for (const std::string& s : batch) text += s;
    }
  };
  test::Scripted<true> referenced({.items = 40});
  const auto shared = std::make_shared<Other>();
  etl::PipelineManager manager({.batch_size = 5, .workers = 2});
  manager.add("referenced", std::ref(referenced)).add("shared", shared).add("owned", Other{});
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.ok());
  CHECK(r.exit_code() == 0);
  REQUIRE(r.pipelines.size() == 3);
  CHECK(r.at("referenced").items.loaded == 40);
  CHECK(r.at("referenced").pipeline == "referenced");
  CHECK(shared->text == "aabbcc");
  CHECK(r.at("owned").items.loaded == 3);
  CHECK_THROWS_AS(r.at("nobody"), std::out_of_range);
}

TEST_CASE("manager: made with empty defaults, or with none") {
  etl::PipelineManager both({}, {.max_concurrent = 2});
  etl::PipelineManager empty({}, {});
  etl::PipelineManager none;
  CHECK(both.options()->batch_size == etl::Options().batch_size);
  CHECK(empty.run_all().ok());
  CHECK(none.run_all().ok());
}

TEST_CASE("manager: text and JSON of all reports") {
  Log log;
  etl::PipelineManager manager({.workers = 1});
  manager.add_runner("good", noted(log, "good")).add_runner("ba\"d", noted(log, "bad", etl::Outcome::Failed));
  const etl::ManagerReport r = manager.run_all();
  CHECK_FALSE(r.ok());
  CHECK(r.exit_code() == 1);
  CHECK(r.text().find("good: Completed") != std::string::npos);
  CHECK(r.text().find("ba\"d: Failed") != std::string::npos);
  const auto json = test::Json::parse(r.json());
  REQUIRE(json.has_value());
  CHECK(json->at("good.outcome") == "Completed");
  CHECK(json->at("ba\"d.outcome") == "Failed");
  CHECK(json->at("ba\"d.pipeline") == "ba\"d");
  CHECK(test::Json::parse(etl::ManagerReport{}.json()).has_value());
}

TEST_CASE("manager: the exit code is that of the worst outcome") {
  using etl::Outcome;
  const std::pair<std::vector<Outcome>, int> cases[] = {
      {{}, 0},
      {{Outcome::Completed, Outcome::CompletedWithRejects}, 3},
      {{Outcome::NotRun, Outcome::CompletedWithRejects}, 7},
      {{Outcome::NotRun, Outcome::Cancelled}, 4},
      {{Outcome::Cancelled, Outcome::DrainTimeout}, 5},
      {{Outcome::DrainTimeout, Outcome::Failed, Outcome::NotRun}, 1},
      {{Outcome::Failed, Outcome::Inconsistent}, 6},
  };
  for (const auto& [outcomes, code] : cases) {
    etl::ManagerReport r;
    for (const Outcome o : outcomes) r.pipelines[std::to_string(r.pipelines.size())].outcome = o;
    CHECK(r.exit_code() == code);
  }
}

TEST_CASE("manager: never more at once than max_concurrent, and as many if there are") {
  const test::Watchdog watchdog("a bound on pipelines");
  for (const std::size_t most : {std::size_t{1}, std::size_t{3}}) {
    test::Crowd crowd;
    std::atomic<std::size_t> arrived = 0;
    etl::PipelineManager manager({.workers = 1}, {.max_concurrent = most});
    for (int i = 0; i < 9; ++i)
      manager.add_runner("p" + std::to_string(i), [&](const etl::Options&, etl::StopToken) {
        const test::Crowd::Visit visit(crowd);
        ++arrived;
        while (arrived < most) std::this_thread::yield();  // the first ones wait for one another
        return etl::RunReport{};
      });
    CHECK(manager.run_all().ok());
    CHECK(static_cast<std::size_t>(crowd.most()) == most);
    CHECK(arrived == 9);
  }
}

TEST_CASE("manager: priorities, then the order in which they were added") {
  Log log;
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 1});
  manager.add_runner("low", noted(log, "low"), {.priority = -1});
  manager.add_runner("first", noted(log, "first"));
  manager.add_runner("second", noted(log, "second"));
  manager.add_runner("high", noted(log, "high"), {.priority = 5});
  CHECK(manager.run_all().ok());
  CHECK(log.names == std::vector<std::string>{"high", "first", "second", "low"});
}

TEST_CASE("manager: a dependency ends before its dependant starts, whatever the order and priority") {
  const test::Watchdog watchdog("dependencies");
  for (const std::size_t most : {std::size_t{1}, std::size_t{4}}) {
    Log log;
    etl::PipelineManager manager({.workers = 1}, {.max_concurrent = most});
    manager.add_runner("top", noted(log, "top"), {.after = {"left", "right"}, .priority = 10});
    manager.add_runner("left", noted(log, "left"), {.after = {"base"}});
    manager.add_runner("right", noted(log, "right"), {.after = {"base"}});
    manager.add_runner("base", noted(log, "base"), {.priority = -10});
    CHECK(manager.run_all().ok());
    REQUIRE(log.names.size() == 4);
    CHECK(log.place("base") == 0);
    CHECK(log.place("top") == 3);
  }
}

TEST_CASE("manager: what depends on a failure is NotRun, with the reason, and so on down the line") {
  Log log;
  etl::PipelineManager manager({.workers = 1});
  manager.add_runner("bad", noted(log, "bad", etl::Outcome::Failed));
  manager.add_runner("child", noted(log, "child"), {.after = {"bad"}});
  manager.add_runner("grandchild", noted(log, "grandchild"), {.after = {"child"}});
  manager.add_runner("unrelated", noted(log, "unrelated"));
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.at("child").outcome == etl::Outcome::NotRun);
  CHECK(r.at("child").reason.find("bad") != std::string::npos);
  CHECK(r.at("child").reason.find("Failed") != std::string::npos);
  CHECK(r.at("grandchild").outcome == etl::Outcome::NotRun);
  CHECK(r.at("grandchild").reason.find("child") != std::string::npos);
  CHECK(r.at("unrelated").ok());
  CHECK(log.names.size() == 2);
}

TEST_CASE("manager: a pipeline that ended with rejects is good enough to go on from") {
  Log log;
  etl::PipelineManager manager({.workers = 1});
  manager.add_runner("some", noted(log, "some", etl::Outcome::CompletedWithRejects));
  manager.add_runner("next", noted(log, "next"), {.after = {"some"}});
  CHECK(manager.run_all().at("next").ok());
}

TEST_CASE("manager: unknown dependencies and cycles are NotRun, not a hang") {
  const test::Watchdog watchdog("cycles");
  Log log;
  etl::PipelineManager manager({.workers = 1});
  manager.add_runner("orphan", noted(log, "orphan"), {.after = {"never added"}});
  manager.add_runner("a", noted(log, "a"), {.after = {"b"}});
  manager.add_runner("b", noted(log, "b"), {.after = {"c"}});
  manager.add_runner("c", noted(log, "c"), {.after = {"a"}});
  manager.add_runner("self", noted(log, "self"), {.after = {"self"}});
  manager.add_runner("good", noted(log, "good"));
  const etl::ManagerReport r = manager.run_all();
  for (const char* name : {"orphan", "a", "b", "c", "self"}) {
    CAPTURE(name);
    CHECK(r.at(name).outcome == etl::Outcome::NotRun);
    CHECK_FALSE(r.at(name).reason.empty());
    CHECK(r.at(name).exit_code() == 7);
  }
  CHECK(r.at("orphan").reason.find("never added") != std::string::npos);
  CHECK(log.names == std::vector<std::string>{"good"});
}

TEST_CASE("manager: one failing leaves the others alone") {
  test::Scripted<true> bad({.items = 100, .at = test::fails_at(Site::Load, 10, Fault::StdException)}),
      good({.items = 100});
  etl::PipelineManager manager({.batch_size = 4, .workers = 2});
  manager.add("bad", std::ref(bad)).add("good", std::ref(good));
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.at("bad").outcome == etl::Outcome::Failed);
  CHECK(r.at("good").outcome == etl::Outcome::Completed);
  CHECK(test::audit(r.at("bad"), *bad.books, {.batch_size = 4, .workers = 2}) == "");
}

TEST_CASE("manager: fail_fast drains the running ones and never starts the waiting ones") {
  const test::Watchdog watchdog("fail_fast");
  struct Endless {
    std::atomic<int>& running;
    void extract(etl::Emitter<int>& out) {
      ++running;
      for (int i = 0; out.push(i); ++i) {}
    }
    void load(std::span<const int>) const {}
  };
  std::atomic<int> running = 0;
  Log log;
  etl::PipelineManager manager({.batch_size = 10, .workers = 2}, {.max_concurrent = 2, .fail_fast = true});
  manager.add("endless", Endless{running});
  manager.add_runner("bad", [&running](const etl::Options&, etl::StopToken) -> etl::RunReport {
    while (running == 0) std::this_thread::yield();
    throw std::runtime_error("planned");
  });
  manager.add_runner("waiting", noted(log, "waiting"));
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.at("bad").outcome == etl::Outcome::Failed);
  CHECK(r.at("endless").outcome == etl::Outcome::Cancelled);  // drained: nothing lost of what was accepted
  CHECK(r.at("endless").items.abandoned == 1);
  CHECK(r.at("waiting").outcome == etl::Outcome::NotRun);
  CHECK(r.at("waiting").reason.find("bad") != std::string::npos);
  CHECK(log.names.empty());
  CHECK(r.exit_code() == 1);
}

TEST_CASE("manager: a stop drains all, and what waits is NotRun") {
  const test::Watchdog watchdog("stopping a manager");
  struct Endless {
    std::atomic<int>& running;
    void extract(etl::Emitter<int>& out) {
      ++running;
      for (int i = 0; out.push(i); ++i) {}
    }
    void load(std::span<const int>) const {}
  };
  for (const bool abandon : {false, true}) {
    std::atomic<int> running = 0;
    etl::StopSource stop;
    etl::PipelineManager manager({.batch_size = 10, .workers = 2}, {.max_concurrent = 2});
    for (int i = 0; i < 4; ++i) manager.add("p" + std::to_string(i), Endless{running});
    std::jthread stopper([&] {
      while (running < 2) std::this_thread::yield();
      abandon ? stop.request_abandon() : stop.request_drain();
    });
    const etl::ManagerReport r = manager.run_all(stop.stop_token());
    int cancelled = 0, not_run = 0;
    for (const auto& [name, report] : r.pipelines) {
      cancelled += report.outcome == etl::Outcome::Cancelled ? 1 : 0;
      not_run += report.outcome == etl::Outcome::NotRun ? 1 : 0;
      CHECK(test::unsound(report) == "");
    }
    CHECK(cancelled == 2);
    CHECK(not_run == 2);
    CHECK(r.exit_code() == 4);
  }
}

TEST_CASE("manager: custom runners get the options and the stop, what they throw is their failure") {
  etl::StopSource stop;
  etl::Options seen;
  bool drained = false;
  etl::PipelineManager manager({.batch_size = 77, .workers = 3});
  manager.add_runner("custom", [&](const etl::Options& o, etl::StopToken s) {
    seen = o;
    stop.request_drain();
    drained = s.drain().stop_requested();
    etl::RunReport r;
    r.pipeline = "another name";
    r.items = {.extracted = 1, .loaded = 1};
    return r;
  });
  const etl::ManagerReport r = manager.run_all(stop.stop_token());
  CHECK(seen.batch_size == 77);
  CHECK(seen.name == "custom");
  CHECK(static_cast<bool>(seen.executor));
  CHECK(drained);
  CHECK(r.at("custom").pipeline == "custom");

  etl::PipelineManager second({.workers = 1});
  second.add_runner("std",
                    [](const etl::Options&, etl::StopToken) -> etl::RunReport { throw std::runtime_error("one"); });
  second.add_runner("int", [](const etl::Options&, etl::StopToken) -> etl::RunReport { throw 2; });
  second.add_runner("etl", [](const etl::Options&, etl::StopToken) -> etl::RunReport {
    throw etl::Exception(etl::rejected("three"));
  });
  const etl::ManagerReport failed = second.run_all();
  for (const auto& [name, report] : failed.pipelines) {
    CHECK(report.outcome == etl::Outcome::Failed);
    REQUIRE_FALSE(report.errors.empty());
    CHECK(report.errors[0].pipeline == name);
    CHECK(report.errors[0].stage == etl::Stage::Manage);
  }
  CHECK(failed.at("std").errors[0].error.message() == "one");
}

TEST_CASE("manager: add while it runs, from a runner and from another thread") {
  const test::Watchdog watchdog("adding while running");
  Log log;
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 2});
  test::Gate added;
  manager.add_runner("parent", [&](const etl::Options&, etl::StopToken) {
    manager.add_runner("child", noted(log, "child"), {.after = {"parent"}});
    added.wait();
    return etl::RunReport{};
  });
  std::jthread other([&] {
    manager.add_runner("other", noted(log, "other"));
    added.open();
  });
  const etl::ManagerReport r = manager.run_all();
  other.join();
  CHECK(r.pipelines.size() == 3);
  CHECK(r.ok());
  CHECK(log.names.size() == 2);
}

TEST_CASE("manager: a second run_all runs what was added since, and only that") {
  Log log;
  etl::PipelineManager manager({.workers = 1});
  manager.add_runner("one", noted(log, "one"));
  CHECK(manager.run_all().pipelines.size() == 1);
  CHECK(manager.run_all().pipelines.empty());
  manager.add_runner("two", noted(log, "two"), {.after = {"one"}});
  const etl::ManagerReport r = manager.run_all();
  REQUIRE(r.pipelines.size() == 1);
  CHECK(r.at("two").ok());
  CHECK(log.names == std::vector<std::string>{"one", "two"});
}

TEST_CASE("manager: names are taken once, bad options are refused at once") {
  etl::PipelineManager manager({.workers = 1});
  Log log;
  manager.add_runner("name", noted(log, "name"));
  CHECK_THROWS_AS(manager.add_runner("name", noted(log, "name")), etl::Exception);
  CHECK_THROWS_AS(manager.add_runner("bad", noted(log, "bad"), {.options = etl::Options{.batch_size = 0}}),
                  etl::Exception);
  CHECK_THROWS_AS(etl::PipelineManager(etl::Options{.workers = 0}), etl::Exception);
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.pipelines.size() == 1);
  CHECK(log.names.size() == 1);
}

TEST_CASE("manager: one constant set of options is shared by all, with an override where given") {
  const auto defaults = std::make_shared<const etl::Options>(etl::Options{.batch_size = 6, .workers = 2});
  etl::PipelineManager manager(defaults);
  CHECK(manager.options() == defaults);  // the very same object
  test::Scripted<true> usual({.items = 60}), special({.items = 60});
  manager.add("usual", std::ref(usual));
  manager.add("special", std::ref(special), {.options = etl::Options{.batch_size = 9, .workers = 1}});
  CHECK(manager.run_all().ok());
  CHECK(usual.books->largest_load == 6);
  CHECK(special.books->largest_load == 9);
  CHECK(special.books->calls.most() == 1);
  CHECK(defaults->batch_size == 6);
  CHECK(defaults->name.empty());
}

TEST_CASE("manager: all pipelines share one pool and one memory budget") {
  const test::Watchdog watchdog("a shared budget");
  std::mutex mutex;
  std::vector<etl::Options> seen;
  const auto note = [&](const etl::Options& o, etl::StopToken) {
    const std::lock_guard lock(mutex);
    seen.push_back(o);
    return etl::RunReport{};
  };
  etl::PipelineManager manager({.workers = 2}, {.memory_budget = 5000});
  manager.add_runner("a", note).add_runner("b", note).add_runner("c", note, {.options = etl::Options{.workers = 1}});
  test::Scripted<true> pipeline({.items = 2000});
  manager.add("real", std::ref(pipeline));
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.ok());
  REQUIRE(seen.size() == 3);
  for (const etl::Options& o : seen) {
    CHECK(o.executor.backend() != nullptr);
    CHECK(o.executor.backend() == seen[0].executor.backend());
    REQUIRE(o.memory != nullptr);
    CHECK(o.memory == seen[0].memory);
    CHECK(o.memory->limit() == 5000);
  }
  CHECK(seen[0].memory->peak() > 0);
  CHECK(seen[0].memory->used() == 0);
}

TEST_CASE("manager: status while running") {
  const test::Watchdog watchdog("the status of a manager");
  struct Holds {
    test::Gate& loading;
    test::Gate& go_on;
    std::uint64_t expected_items() const { return 10; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 4; ++i) out.push(i);
      out.flush();
    }
    void load(std::span<const int>) {
      loading.open();
      go_on.wait();
    }
  };
  test::Gate loading, go_on;
  Log log;
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 1});
  manager.add("holds", Holds{loading, go_on}, {.priority = 1});
  manager.add_runner("later", noted(log, "later"));
  auto status = manager.status();
  REQUIRE(status.size() == 2);
  CHECK(status[0].name == "holds");
  CHECK(status[0].state == etl::PipelineState::Waiting);

  etl::ManagerReport r;
  std::jthread runner([&] { r = manager.run_all(); });
  loading.wait();
  status = manager.status();
  CHECK(status[0].state == etl::PipelineState::Running);
  CHECK(status[0].run.items.extracted == 4);
  CHECK(status[0].run.expected_items == 10);
  CHECK(status[0].run.waiting_for.find("load") != std::string::npos);  // G3: it names what does not end
  CHECK(status[1].state == etl::PipelineState::Waiting);
  go_on.open();
  runner.join();
  status = manager.status();
  CHECK(status[0].state == etl::PipelineState::Ended);
  CHECK(status[0].outcome == etl::Outcome::Completed);
  CHECK(status[0].run.items.loaded == 4);
  CHECK(status[1].state == etl::PipelineState::Ended);
  CHECK(r.ok());
}

TEST_CASE("manager: with nothing added run_all returns an empty report") {
  etl::PipelineManager manager({.workers = 1});
  const etl::ManagerReport r = manager.run_all();
  CHECK(r.ok());
  CHECK(r.pipelines.empty());
  CHECK(manager.status().empty());
}

TEST_CASE("manager: fused defaults need no pool") {
  test::Scripted<true> pipeline({.items = 30});
  etl::PipelineManager manager({.mode = etl::Mode::Fused, .batch_size = 4});
  manager.add("fused", std::ref(pipeline));
  CHECK(manager.run_all().at("fused").items.loaded == 30);
  CHECK(pipeline.books->workers_made == 1);
}

TEST_CASE("manager: a custom runner's ledger that does not balance makes its report Inconsistent (G2)") {
  const auto made = [](etl::ItemLedger items, etl::ResultLedger results, etl::Outcome outcome) {
    return [=](const etl::Options&, etl::StopToken) {
      etl::RunReport r;
      r.items = items;
      r.results = results;
      r.outcome = outcome;
      for (std::size_t i = 0; i < etl::RunReport::max_errors; ++i) r.add_error({.error = etl::fatal("its own")});
      return r;
    };
  };
  Log log;
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 1});
  manager.add_runner("items", made({.extracted = 10, .loaded = 5}, {}, etl::Outcome::Completed));
  manager.add_runner("results", made({}, {.produced = 1}, etl::Outcome::Failed));
  manager.add_runner("sound", made({.extracted = 1, .loaded = 1}, {.produced = 1, .committed = 1}, {}));
  manager.add_runner("next", noted(log, "next"), {.after = {"items"}});
  const etl::ManagerReport r = manager.run_all();
  for (const char* name : {"items", "results"}) {
    CHECK(r.at(name).outcome == etl::Outcome::Inconsistent);
    CHECK(r.at(name).exit_code() == 6);
    CHECK(r.at(name).error_count == etl::RunReport::max_errors + 1);
    REQUIRE(r.at(name).errors.size() == etl::RunReport::max_errors);
    CHECK(r.at(name).errors[0].error.code == etl::Errc::Ledger);
    CHECK(r.at(name).errors[0].pipeline == name);
  }
  CHECK(r.at("sound").error_count == etl::RunReport::max_errors);
  CHECK(r.at("next").outcome == etl::Outcome::NotRun);  // what it stands on is not sound
}

namespace {

struct Kept : test::Scripted<true> {  // its progress
  using test::Scripted<true>::Scripted;
  std::string fingerprint() const { return "scripted"; }
};

}  // namespace

TEST_CASE("manager: defaults with checkpoints need no name: each pipeline has its own") {
  const auto checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
  const auto defaults = std::make_shared<const etl::Options>(
      etl::Options{.name = "of nobody", .batch_size = 4, .workers = 1, .delivery = {.checkpoints = checkpoints}});
  Kept a({.items = 10}), b({.items = 10});
  for (const bool named : {false, true}) {
    etl::PipelineManager manager(named ? defaults : [&] {
      etl::Options unnamed = *defaults;
      unnamed.name.clear();
      return std::make_shared<const etl::Options>(unnamed);
    }());
    manager.add("a", std::ref(a)).add("b", std::ref(b));
    const etl::ManagerReport r = manager.run_all();
    CHECK(r.ok());
    CHECK(checkpoints->find("a").value().has_value());
    CHECK(checkpoints->find("b").value().has_value());
    CHECK_FALSE(checkpoints->find("of nobody").value().has_value());
    REQUIRE(checkpoints->reset("a"));
    REQUIRE(checkpoints->reset("b"));
  }
}

TEST_CASE("manager: progress is kept under an override's own name, the manager's name is the label") {
  const auto checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
  const etl::Options own{.name = "orders", .batch_size = 4, .workers = 1, .delivery = {.checkpoints = checkpoints}};
  Kept pipeline({.items = 10, .at = test::fails_at(Site::Load, 5, Fault::StdException)});
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 1});  // both run the same pipeline
  manager.add("nightly", std::ref(pipeline), {.options = own});
  std::string seen;
  manager.add_runner("custom",
                     [&seen](const etl::Options& options, etl::StopToken) {
                       seen = options.name;
                       return etl::RunReport{};
                     },
                     {.options = etl::Options{.name = "its own", .workers = 1}});
  const etl::ManagerReport r = manager.run_all();
  CHECK(checkpoints->find("orders").value().has_value());
  CHECK_FALSE(checkpoints->find("nightly").value().has_value());
  CHECK(r.at("nightly").pipeline == "nightly");
  REQUIRE_FALSE(r.at("nightly").errors.empty());
  CHECK(r.at("nightly").errors[0].pipeline == "nightly");
  CHECK(seen == "its own");
  CHECK(r.at("custom").pipeline == "custom");
  CHECK(manager.status()[0].name == "nightly");
}

TEST_CASE("manager: two pipelines cannot keep their progress under one name") {
  const etl::Options own{.name = "orders", .workers = 1};
  test::Scripted<true> pipeline({.items = 10});
  test::Scripted<true> another({.items = 10});
  etl::PipelineManager manager({.workers = 1});
  manager.add("nightly", std::ref(pipeline), {.options = own});
  const auto refused = [&](const char* name, etl::AddOptions how) {
    try {
      manager.add(name, std::ref(pipeline), std::move(how));
    } catch (const etl::Exception& e) {
      return e.error().code == etl::Errc::InvalidOptions && std::string(e.what()).find("'orders'") != std::string::npos;
    }
    return false;
  };
  CHECK(refused("hourly", {.options = own}));
  CHECK(refused("orders", {}));
  manager.add("hourly", std::ref(another));
  CHECK(manager.run_all().pipelines.size() == 2);
}

namespace {

/// Gives numbers until it is told to stop, and tells when it has begun.
struct Endless {
  std::latch* begun;
  void extract(etl::Emitter<int>& out) const {
    begun->count_down();
    while (out.push(1)) {}
  }
  void load(std::span<const int>) const {}
};

}  // namespace

TEST_CASE("manager: one pipeline is stopped by its name, and the others are not disturbed") {
  const test::Watchdog watchdog("a pipeline stopped by name");
  const bool fail_fast = GENERATE(false, true);
  std::latch begun(2);
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 2, .fail_fast = fail_fast});
  manager.add("first", Endless{&begun});
  manager.add("second", Endless{&begun});
  manager.add("third", Endless{&begun});
  etl::ManagerReport report;
  std::thread runs([&] { report = manager.run_all(); });
  begun.wait();
  CHECK_FALSE(manager.stop("fourth"));
  CHECK(manager.stop("third"));  // it waits still
  CHECK(manager.stop("first"));
  while (manager.status()[0].state != etl::PipelineState::Ended) std::this_thread::yield();
  const auto second = [&] { return manager.status()[1]; };
  const std::uint64_t so_far = second().run.items.extracted;
  while (second().state == etl::PipelineState::Running && second().run.items.extracted < so_far + 10'000)
    std::this_thread::yield();
  CHECK(second().state == etl::PipelineState::Running);
  CHECK_FALSE(manager.stop("first"));  // it has ended
  CHECK(manager.stop("second", true));
  runs.join();
  CHECK(report.at("first").outcome == etl::Outcome::Cancelled);
  CHECK(report.at("first").items.abandoned <= 1);  // drained, but for a push that was refused
  CHECK(report.at("second").outcome == etl::Outcome::Cancelled);
  CHECK(report.at("third").outcome == etl::Outcome::NotRun);
  CHECK(report.at("third").reason == "stopped before it started");
}

TEST_CASE("manager: a pipeline that ended runs once more, while others run and after them") {
  const test::Watchdog watchdog("a pipeline restarted");
  std::latch begun(1);
  std::atomic<int> loads = 0;
  struct Short {
    std::atomic<int>* loads;
    void extract(etl::Emitter<int>& out) const { out.push(1); }
    void load(std::span<const int>) const { ++*loads; }
  };
  etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 2});
  manager.add("short", Short{&loads});
  manager.add("endless", Endless{&begun});
  CHECK_FALSE(manager.restart("short"));  // it has not run yet
  etl::ManagerReport report;
  std::thread runs([&] { report = manager.run_all(); });
  begun.wait();
  while (manager.status()[0].state != etl::PipelineState::Ended) std::this_thread::yield();
  CHECK(manager.restart("short"));
  while (manager.status()[0].state != etl::PipelineState::Ended) std::this_thread::yield();
  CHECK_FALSE(manager.restart("endless"));
  manager.stop("endless");
  runs.join();
  CHECK(loads == 2);
  CHECK(report.at("short").outcome == etl::Outcome::Completed);
  CHECK(manager.restart("short"));
  const etl::ManagerReport again = manager.run_all();
  CHECK(loads == 3);
  CHECK(again.pipelines.size() == 1);
  CHECK(again.at("short").items.loaded == 1);
}

TEST_CASE("manager: the use of its memory budget is seen, while it runs and afterwards") {
  etl::PipelineManager none({.workers = 1});
  CHECK_FALSE(none.memory());
  CHECK_FALSE(none.run_all().memory);
  etl::PipelineManager manager({.workers = 1}, {.memory_budget = 1 << 20});
  std::optional<etl::MemoryUse> seen;
  struct Looks {
    const etl::PipelineManager* manager;
    std::optional<etl::MemoryUse>* seen;
    void extract(etl::Emitter<std::uint64_t>& out) const {
      for (std::uint64_t i = 0; i < 100; ++i) out.push(i);
    }
    void load(std::span<const std::uint64_t>) { *seen = manager->memory(); }
  };
  manager.add("looks", Looks{&manager, &seen});
  const etl::ManagerReport report = manager.run_all();
  REQUIRE(seen);
  CHECK(seen->used == 800);
  CHECK(seen->limit == 1 << 20);
  REQUIRE(report.memory);
  CHECK(report.memory->used == 0);
  CHECK(report.memory->peak == 800);
  CHECK(report.text().find("at most 800B of 1.05 MB for queued batches") != std::string::npos);
}

TEST_CASE("manager: states have names") {
  CHECK(etl::to_string(etl::PipelineState::Waiting) == "waiting");
  CHECK(etl::to_string(etl::PipelineState::Running) == "running");
  CHECK(etl::to_string(etl::PipelineState::Ended) == "ended");
}

}  // namespace manager_test
