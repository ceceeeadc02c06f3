// The defects of etl-rust (requirements, section 2), each shown absent. Every case says which one.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/manager.hpp>
#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/faults.hpp"
#include "support/random.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace etl_rust_defects_test {

namespace {

using namespace std::chrono_literals;
using test::Fault;
using test::Site;

}  // namespace

TEST_CASE("G4: etl-rust deadlocks for ever after one load error with one worker, an endless source ends here") {
  const test::Watchdog watchdog("load error, one worker, endless source");
  struct Endless {
    std::uint64_t pushed = 0;
    void extract(etl::Emitter<std::uint64_t>& out) {
      while (out.push(pushed)) ++pushed;
    }
    void load(std::span<const std::uint64_t>) { throw std::runtime_error("the database is gone"); }
  } p;
  const etl::RunReport r = etl::run(p, {.batch_size = 10, .workers = 1});
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.abandoned == p.pushed + 1);
  CHECK(test::unsound(r) == "");
}

TEST_CASE("G4: etl-rust reports an error after the whole source, here extraction stops at once") {
  const test::Watchdog watchdog("error ends extraction");
  test::Scripted<true> pipeline({.items = 100'000, .at = test::fails_at(Site::Load, 0, Fault::StdException)});
  const etl::Options o{.batch_size = 10, .workers = 1, .capacity = 4};  // one: the batch that fails is the first
  const etl::RunReport r = etl::run(pipeline, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.extracted < 1000);
  CHECK(test::audit(r, *pipeline.books, o) == "");
}

TEST_CASE("G1: etl-rust loses the batch of a failed load silently, here every item of it is in the ledger") {
  test::Scripted<true> pipeline({.items = 30, .at = test::fails_at(Site::Load, 12, Fault::StdException)});
  const etl::Options o{.mode = etl::Mode::Fused, .batch_size = 5};
  const etl::RunReport r = etl::run(pipeline, o);
  CHECK(r.items.loaded == 10);
  CHECK(r.items.abandoned == r.items.extracted - 10);
  REQUIRE_FALSE(r.errors.empty());
  CHECK(r.errors[0].batch == 2);
  CHECK(r.errors[0].first_seq == 10);
  CHECK(r.errors[0].last_seq == 14);
}

TEST_CASE("G8: etl-rust runs post_process twice under its manager, and not at all after an error, here exactly once") {
  for (const Fault* fault : {static_cast<const Fault*>(nullptr), &test::all_faults[0]}) {
    test::Scripted<true> pipeline(
        {.items = 20, .at = fault == nullptr ? test::Script{}.at : test::fails_at(Site::Load, 3, *fault)});
    etl::PipelineManager manager({.workers = 2});
    manager.add("p", std::ref(pipeline));
    const etl::ManagerReport r = manager.run_all();
    CHECK(r.ok() == (fault == nullptr));
    CHECK(pipeline.books->pre_calls == 1);
    CHECK(pipeline.books->post_calls == 1);
  }
}

TEST_CASE(
    "G4: etl-rust's manager swallows a panic in pre_process and extract and returns Ok, here it is that pipeline's "
    "failure") {
  const test::Watchdog watchdog("exceptions under the manager");
  for (const Site site : {Site::PreProcess, Site::Extract, Site::Transform, Site::Load, Site::PostProcess}) {
    test::Scripted<true> bad({.items = 20, .at = test::fails_at(site, 0, Fault::StdException)});
    test::Scripted<true> good({.items = 20});
    etl::PipelineManager manager({.workers = 2});
    manager.add("bad", std::ref(bad)).add("good", std::ref(good));
    const etl::ManagerReport r = manager.run_all();
    CHECK_FALSE(r.ok());
    CHECK(r.at("bad").outcome == etl::Outcome::Failed);
    REQUIRE_FALSE(r.at("bad").errors.empty());
    CHECK(r.at("bad").errors[0].pipeline == "bad");
    CHECK(r.at("bad").errors[0].error.message().find("fault in") != std::string::npos);
    CHECK(r.at("good").outcome == etl::Outcome::Completed);  // isolated, awaited, reported
    CHECK(good.books->post_calls == 1);
  }
}

TEST_CASE("G3: etl-rust's run_all returns at the first error with the others detached, here all have ended") {
  const test::Watchdog watchdog("nothing detached");
  test::Scripted<true> bad({.at = test::fails_at(Site::PreProcess, 0, Fault::StdException)});
  std::atomic<bool> ended = false;
  test::Gate bad_ended;
  struct Slow {
    std::atomic<bool>& ended;
    test::Gate& gate;
    void extract(etl::Emitter<int>& out) {
      gate.wait();
      for (int i = 0; i < 1000; ++i) out.push(i);
    }
    void load(std::span<const int>) const {}
    void post_process() { ended = true; }
  };
  etl::PipelineManager manager({.workers = 1});
  manager.add("bad", std::ref(bad)).add("slow", Slow{ended, bad_ended});
  manager.add_runner("opener", [&](const etl::Options&, etl::StopToken) {
    bad_ended.open();
    return etl::RunReport{};
  });
  const etl::ManagerReport r = manager.run_all();
  CHECK(ended);
  CHECK(r.pipelines.size() == 3);
  CHECK(r.at("slow").outcome == etl::Outcome::Completed);
}

TEST_CASE("G10: etl-rust cannot cancel a consume that waits for room, here the push comes free") {
  const test::Watchdog watchdog("cancel during a blocked push");
  test::Gate loading, stopped;
  etl::StopSource source;
  etl::Bucket<int> bucket(
      [&](std::span<const int>) {
        loading.open();
        stopped.wait();
      },
      {.batch_size = 1, .workers = 1, .capacity = 1, .inline_batches = etl::Inline::Never}, source.stop_token());
  std::atomic<int> accepted = 0;
  std::atomic<bool> refused = false;
  std::jthread pusher([&] {
    while (bucket.push(1)) ++accepted;
    refused = true;
    stopped.open();  // the processor goes on only after the push has come free
  });
  loading.wait();
  source.request_drain();
  pusher.join();
  CHECK(refused);
  const etl::RunReport r = bucket.finish();
  CHECK(r.items.extracted == static_cast<std::uint64_t>(accepted) + 1);
  CHECK(test::unsound(r) == "");
}

TEST_CASE("G12: etl-rust's timer ticks from the worker's start, here the first item arms it") {
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>(1);
  std::vector<std::size_t> loads;
  etl::Bucket<int> bucket([&loads](std::span<const int> batch) mutable { loads.push_back(batch.size()); },
                          {.batch_size = 100, .timeout = 1s, .workers = 4, .executor = etl::Executor(clock)});
  clock->advance(900ms);  // a ticker would fire 100 ms from now
  CHECK(bucket.push(1));
  clock->advance(500ms);
  CHECK(loads.empty());
  clock->advance(501ms);
  CHECK(loads == std::vector<std::size_t>{1});
}

TEST_CASE("G12: etl-rust spreads slow input over N private queues, here it is one batch, and close flushes one") {
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>(2);
  std::vector<std::size_t> loads;
  etl::Bucket<int> bucket([&loads](std::span<const int> batch) mutable { loads.push_back(batch.size()); },
                          {.batch_size = 8, .timeout = 1h, .workers = 8, .executor = etl::Executor(clock)});
  for (int i = 0; i < 15; ++i) {
    CHECK(bucket.push(i));
    clock->advance(1s);  // all eight workers are idle and would take it
  }
  CHECK(loads == std::vector<std::size_t>{8});
  const etl::RunReport r = bucket.finish();
  CHECK(loads == std::vector<std::size_t>{8, 7});
  CHECK(r.flushes.close == 1);
}

TEST_CASE("G18: etl-rust keeps no order even inside a batch, here a batch is in source order always") {
  struct InBatch {
    std::atomic<bool>& sorted;
    void extract(etl::Emitter<std::uint64_t>& out) {
      for (std::uint64_t i = 0; i < 5000; ++i) out.push(i);
    }
    std::uint64_t transform(const std::uint64_t& n) const {
      test::spin(n % 13 * 7);
      return n;
    }
    void load(std::span<const std::uint64_t> batch, etl::BatchContext& context) const {
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] != context.first_seq() + i) sorted = false;
    }
  };
  std::atomic<bool> sorted = true;
  CHECK(etl::run(InBatch{sorted}, {.batch_size = 100, .workers = 8}).ok());
  CHECK(sorted);
}

TEST_CASE("G8: etl-rust hangs or panics on zero options, here they are refused by name") {
  using Spoil = void (*)(etl::Options&);
  const std::pair<const char*, Spoil> zeros[] = {
      {"workers", [](etl::Options& o) { o.workers = 0; }},
      {"batch_size", [](etl::Options& o) { o.batch_size = 0; }},
      {"timeout", [](etl::Options& o) { o.timeout = 0ns; }},
      {"capacity", [](etl::Options& o) { o.capacity = 0; }},
  };
  for (const auto& [name, spoil] : zeros) {
    etl::Options o;
    spoil(o);
    test::Scripted<true> pipeline({});
    const etl::RunReport r = etl::run(pipeline, o);
    CHECK(r.exit_code() == 2);
    REQUIRE_FALSE(r.errors.empty());
    CHECK(r.errors[0].error.message().find(name) != std::string::npos);
    CHECK_THROWS_AS(etl::Bucket<int>([](std::span<const int>) {}, o), etl::Exception);
    CHECK_THROWS_AS(etl::PipelineManager(o), etl::Exception);
  }
  CHECK_THROWS_AS(etl::PipelineManager(etl::Options{}, {.max_concurrent = 0}), etl::Exception);
}

TEST_CASE("G11: etl-rust accepts an item sent after close and loses it, here the push says no, and it is counted") {
  std::atomic<std::uint64_t> processed = 0;
  etl::Bucket<int> bucket([&processed](std::span<const int> batch) { processed += batch.size(); },
                          {.batch_size = 10, .workers = 1});
  CHECK(bucket.push(1));
  bucket.close();
  CHECK_FALSE(bucket.push(2));
  const etl::RunReport r = bucket.finish();
  CHECK(processed == 1);
  CHECK(r.items == etl::ItemLedger{.extracted = 2, .loaded = 1, .abandoned = 1});
}

TEST_CASE(
    "G10: etl-rust gives hooks a cancelled token, so a cooperative loader refuses its last batch, here it does not") {
  struct Cooperative {
    etl::StopSource& source;
    std::uint64_t loaded = 0;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 25; ++i)
        if (!out.push(i)) return;
      source.request_drain();
      out.push(-1);
    }
    etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) {
      if (context.stop_token().stop_requested()) return etl::failure(etl::fatal("cancelled"));
      loaded += batch.size();
      return {};
    }
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    etl::StopSource source;
    Cooperative p{source};
    const etl::RunReport r = etl::run(p, {.mode = mode, .batch_size = 10, .workers = 2}, source.stop_token());
    CHECK(r.outcome == etl::Outcome::Cancelled);
    CHECK(p.loaded == 25);
    CHECK(r.items == etl::ItemLedger{.extracted = 26, .loaded = 25, .abandoned = 1});
  }
}

TEST_CASE(
    "G10: etl-rust's cancel is a race between Ok and Cancelled, loads go on after it, here always Cancelled, and "
    "nothing after") {
  const test::Watchdog watchdog("cancel is no race");
  struct Endless {
    std::atomic<std::uint64_t>& pushed;
    std::atomic<std::uint64_t>& loaded;
    test::Crowd& loads;
    int post_calls = 0;
    void extract(etl::Emitter<std::uint64_t>& out) {
      while (out.push(pushed)) ++pushed;
    }
    void load(std::span<const std::uint64_t> batch) const {
      const test::Crowd::Visit visit(loads);
      loaded += batch.size();
    }
    void post_process() { ++post_calls; }
  };
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::atomic<std::uint64_t> pushed = 0, loaded = 0;
    test::Crowd loads;
    etl::StopSource source;
    std::jthread canceller([&] {
      while (pushed < 50 * round) std::this_thread::yield();
      source.request_drain();
    });
    Endless p{pushed, loaded, loads};
    const etl::RunReport r = etl::run(p, {.batch_size = 10, .workers = 2}, source.stop_token());
    const std::uint64_t at_return = loaded;
    CHECK(r.outcome == etl::Outcome::Cancelled);
    CHECK(r.items.loaded == pushed);  // what was accepted, though it was cancelled
    CHECK(at_return == pushed);
    CHECK(p.post_calls == (pushed == 0 && r.items.extracted == 0 ? p.post_calls : 1));
    CHECK(loads.inside() == 0);
  }
}

TEST_CASE("G2: etl-rust clones every item, here none is copied, and each is moved once into its batch") {
  using Item = test::Counted<struct Defects>;
  struct Moves {
    std::uint64_t items;
    void extract(etl::Emitter<Item>& out) {
      for (std::uint64_t i = 0; i < items; ++i)
        if (!out.push(Item(i))) return;
    }
    std::uint64_t transform(const Item& in) const { return in.value; }
    void load(std::span<const std::uint64_t>) const {}
  };
  Item::counts().reset();
  const etl::RunReport r = etl::run(Moves{10'000}, {.batch_size = 100, .workers = 2});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(Item::counts().copied == 0);
  CHECK(Item::counts().moved + Item::counts().assigned == 10'000);
  CHECK(Item::counts().alive() == 0);
}

TEST_CASE("G4: etl-rust's transform cannot fail, skip or expand, here it can, and CPU-bound ones run in parallel") {
  struct Free {
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 100; ++i) out.push(i);
    }
    void transform(const int& n, etl::Out<int>& out) const {
      if (n % 4 == 0) return;
      if (n % 4 == 1) return out.reject("rejected");
      for (int k = 0; k < n % 4; ++k) out.push(n);
    }
    void load(std::span<const int>) const {}
  };
  const etl::RunReport r = etl::run(Free{}, {.batch_size = 7, .workers = 2, .errors = {.max_rejects = 25}});
  CHECK(r.items == etl::ItemLedger{.extracted = 100, .loaded = 50, .filtered = 25, .rejected = 25});
  CHECK(r.results == etl::ResultLedger{.produced = 125, .committed = 125});
}

TEST_CASE("G3: etl-rust leaks its workers when extract fails, here its pool is joined") {
  const test::Watchdog watchdog("workers after a failed extract");
  using Item = test::Counted<struct DefectsWorkers>;
  Item::counts().reset();
  struct Fails {
    Item worker() const { return Item(1); }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
      throw std::runtime_error("the file is gone");
    }
    int transform(const int& n, Item&) const { return n; }
    void load(std::span<const int>) const {}
  };
  const etl::RunReport r = etl::run(Fails{}, {.batch_size = 2, .workers = 4});
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(Item::counts().alive() == 0);
}

TEST_CASE("G1: etl-rust's manager has one setting for all and no result per pipeline, here each has its own of both") {
  test::Scripted<true> a({.items = 10}), b({.items = 20, .at = test::fails_at(Site::Load, 0, Fault::StdException)}),
      c({.items = 30});
  etl::PipelineManager manager({.batch_size = 7, .workers = 2});
  manager.add("a", std::ref(a))
      .add("b", std::ref(b))
      .add("c", std::ref(c), {.options = etl::Options{.batch_size = 3, .workers = 1}});
  const etl::ManagerReport r = manager.run_all();
  REQUIRE(r.pipelines.size() == 3);
  CHECK(r.at("a").items.loaded == 10);
  CHECK(a.books->largest_load == 7);
  CHECK(r.at("b").outcome == etl::Outcome::Failed);
  CHECK(r.at("c").items.loaded == 30);
  CHECK(c.books->largest_load == 3);
}

}  // namespace etl_rust_defects_test
