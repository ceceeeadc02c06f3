// G7, G14, G15: what is kept of a run while it is under way.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace saving_test {

using namespace std::chrono_literals;
using etl::testing::MemoryCheckpoints;
using etl::testing::MemoryStore;
using etl::testing::MemoryTransaction;
using etl::testing::VirtualExecutor;

namespace {

struct Numbers {
  using position = std::uint64_t;
  std::uint64_t count;
  std::string fingerprint() const { return "numbers"; }
  void extract(etl::Emitter<std::uint64_t>& out) const {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!out.push(i)) return;
      out.mark(etl::Position(i + 1));
    }
  }
  void load(std::span<const std::uint64_t>) const {}
};

/// Lets other workers settle their batches while it saves.
struct Slow final : etl::CheckpointStore {
  MemoryCheckpoints kept;
  std::shared_ptr<VirtualExecutor> clock;
  int inside = 0, most = 0;
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override {
    most = std::max(most, ++inside);
    for (int i = 0; i < 5; ++i) clock->yield();
    --inside;
    return kept.save(p, c);
  }
  etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
};

}  // namespace

TEST_CASE("G14: a run has one save under way at a time") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const auto store = std::make_shared<Slow>();
    store->clock = std::make_shared<VirtualExecutor>(seed);
    etl::Options options{.name = "numbers", .batch_size = 3, .workers = 3};
    options.executor = etl::Executor(store->clock);
    options.delivery = {.checkpoints = store, .save_every = {}};
    CHECK(etl::run(Numbers{100}, options).ok());
    CHECK(store->most == 1);
    CHECK(store->kept.find("numbers").value()->partitions.at(0).watermark == 100);
  }
}

TEST_CASE("G16: what is settled during a save is saved too while the source waits") {
  struct Pausing : Numbers {
    Slow* store;
    std::uint64_t* saved;
    void extract(etl::Emitter<std::uint64_t>& out) const {
      if (!out.wait_for(30ms)) return;  // a save is due
      for (std::uint64_t i = 0; i < count; ++i)
        if (!out.push(i)) return;
      if (out.wait_for(1s)) *saved = store->kept.find("numbers").value()->partitions.at(0).watermark;
    }
  };
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    const auto store = std::make_shared<Slow>();
    store->clock = std::make_shared<VirtualExecutor>(seed);
    etl::Options options{.name = "numbers", .batch_size = 1, .workers = 3};
    options.executor = etl::Executor(store->clock);
    options.delivery = {.checkpoints = store, .save_every = 25ms};
    std::uint64_t saved = 0;
    CHECK(etl::run(Pausing{{4}, store.get(), &saved}, options).ok());
    CHECK(saved == 4);
  }
}

TEST_CASE("G15: progress is recorded now and then although transform drops everything") {
  struct Dropping : Numbers {
    MemoryStore<std::uint64_t>* store;
    std::shared_ptr<VirtualExecutor> clock;
    std::uint64_t* recorded;
    void extract(etl::Emitter<std::uint64_t>& out) const {
      for (std::uint64_t i = 0; i < count; ++i) {
        if (!out.push(i)) return;
        clock->advance(1s);
      }
      const auto there = store->find("numbers").value();
      if (there && !there->partitions.empty()) *recorded = there->partitions[0].watermark;
    }
    std::optional<std::uint64_t> transform(const std::uint64_t&) const { return std::nullopt; }
    void load(std::span<const std::uint64_t>, MemoryTransaction<std::uint64_t>&) const {}
  };
  MemoryStore<std::uint64_t> store;
  const auto clock = std::make_shared<VirtualExecutor>(1);
  std::uint64_t recorded = 0;
  etl::Options options{.name = "numbers", .batch_size = 1, .workers = 1};
  options.executor = etl::Executor(clock);
  options.delivery.save_every = 5s;
  CHECK(etl::run(etl::with_store(Dropping{{60}, &store, clock, &recorded}, store), options).ok());
  CHECK(recorded > 40);
}

TEST_CASE("G15: the letters of a batch of which nothing is loaded are written") {
  struct Refusing : Numbers {
    etl::Result<std::uint64_t> transform(const std::uint64_t&) const { return etl::failure(etl::rejected("bad")); }
    void load(std::span<const std::uint64_t>, MemoryTransaction<std::uint64_t>&) const {}
  };
  MemoryStore<std::uint64_t> store;
  etl::Options options{.name = "numbers", .mode = etl::Mode::Fused, .batch_size = 3};
  options.errors.max_rejects = 10;
  CHECK(etl::run(etl::with_store(Refusing{{7}}, store), options).items.rejected == 7);
  CHECK(store.dead_letters().letters().size() == 7);
}

TEST_CASE("G15: what is dropped after the last commit is recorded, also when post_process fails") {
  struct Half : Numbers {
    std::optional<std::uint64_t> transform(const std::uint64_t& n) const {
      return n < 10 ? std::optional(n) : std::nullopt;
    }
    void load(std::span<const std::uint64_t> batch, MemoryTransaction<std::uint64_t>& tx) const { tx.write(batch); }
    etl::Result<void> post_process() { return etl::failure(etl::fatal("merge failed")); }
  };
  MemoryStore<std::uint64_t> store;
  const etl::Options options{.name = "numbers", .mode = etl::Mode::Fused, .batch_size = 5};
  CHECK(etl::run(etl::with_store(Half{{30}}, store), options).outcome == etl::Outcome::Failed);
  CHECK(store.rows().size() == 10);
  CHECK(store.find("numbers").value()->partitions.at(0).watermark == 30);
}

TEST_CASE("G15: the position follows the transactions") {
  struct Into : Numbers {
    etl::Result<void> load(std::span<const std::uint64_t> batch, MemoryTransaction<std::uint64_t>& tx) const {
      if (batch.front() >= 90) return etl::failure(etl::fatal("broken"));
      tx.write(batch);
      return {};
    }
  };
  MemoryStore<std::uint64_t> store;
  etl::Options options{.name = "numbers", .mode = etl::Mode::Fused, .batch_size = 10};
  CHECK_FALSE(etl::run(etl::with_store(Into{{100}}, store), options).ok());
  const auto there = store.find("numbers").value();
  REQUIRE(there.has_value());
  CHECK(there->partitions.at(0).watermark == 90);
  CHECK(there->partitions.at(0).position_seq >= 70);  // each transaction tells of those before it
}

TEST_CASE("G7: what an earlier run has settled does not dilute the reject ratio, nor does it trigger it") {
  struct Choosy : Numbers {
    std::uint64_t fails_at = UINT64_MAX;
    std::uint64_t* transformed = nullptr;
    void extract(etl::Emitter<std::uint64_t>& out) const {  // always from the beginning
      for (std::uint64_t i = 0; i < count; ++i)
        if (!out.push(i)) return;
    }
    etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
      if (transformed != nullptr) ++*transformed;
      if (n == 1500) return etl::failure(etl::rejected("bad"));
      return n;
    }
    etl::Result<void> load(std::span<const std::uint64_t> batch) const {
      if (batch.back() >= fails_at) return etl::failure(etl::fatal("down"));
      return {};
    }
  };
  etl::Options options{.name = "numbers", .mode = etl::Mode::Fused, .batch_size = 50};
  options.errors = {.max_rejects = 1000, .max_reject_ratio = 0.008};
  options.delivery = {.checkpoints = std::make_shared<MemoryCheckpoints>(), .save_every = {}};
  REQUIRE_FALSE(etl::run(Choosy{{1600}, 1499}, options).ok());
  std::uint64_t transformed = 0;
  const auto report = etl::run(Choosy{{1600}, UINT64_MAX, &transformed}, options);
  CHECK(report.outcome ==
        etl::Outcome::CompletedWithRejects);  // 1 of 150 is few enough, 1 of the first 100 would not be
  CHECK(report.items.skipped >= 1400);
  CHECK(transformed == 1600 - report.items.skipped);
}

TEST_CASE(
    "G7 G10: the ratio of rejects of a small part of a source, after a stop or when a run goes on, fails nothing") {
  struct Choosy : Numbers {
    std::uint64_t bad, stop_at;
    etl::StopSource* stop;
    void extract(etl::Emitter<std::uint64_t>& out) const {
      const auto from = out.resume_from() ? out.resume_from()->number().value() : 0;
      for (std::uint64_t i = from; i < count; ++i) {
        if (i == stop_at) stop->request_drain();
        if (!out.push(i)) return;
        out.mark(etl::Position(i + 1));
      }
    }
    etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
      if (n >= bad && n < bad + 2) return etl::failure(etl::rejected("bad"));
      return n;
    }
  };
  etl::Options options{.name = "numbers", .mode = etl::Mode::Fused, .batch_size = 5};
  options.errors.max_reject_ratio = 0.01;
  options.delivery.checkpoints = std::make_shared<MemoryCheckpoints>();
  etl::StopSource stop;
  const auto stopped = etl::run(Choosy{{2000}, 7, 20, &stop}, options, stop.stop_token());
  CHECK(stopped.outcome == etl::Outcome::Cancelled);
  CHECK(stopped.items.rejected == 2);
  REQUIRE(etl::run(Choosy{{1960}, UINT64_MAX, UINT64_MAX, &stop}, options).ok());

  options.delivery.incremental = true;
  const auto rest = etl::run(Choosy{{2000}, 1990, UINT64_MAX, &stop}, options);
  CHECK(rest.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(rest.items.extracted == 40);
  CHECK(etl::run(Choosy{{100}, 7, UINT64_MAX, &stop}, {.errors = {.max_reject_ratio = 0.01}}).outcome ==
        etl::Outcome::Failed);

  struct Inbox {  // files that were loaded are not there any more
    std::vector<std::string> files;
    std::string fingerprint() const { return "inbox"; }
    std::vector<std::string> partitions() const { return files; }
    void extract(const std::string&, etl::Emitter<int>& out) const {
      for (int i = 0; i < 20; ++i) out.push(i);
    }
    etl::Result<int> transform(const int& n) const {
      if (n < 2 && files[0] == "tuesday") return etl::failure(etl::rejected("bad"));
      return n;
    }
    void load(std::span<const int>) const {}
  };
  options.name = "inbox";
  REQUIRE(etl::run(Inbox{{"monday"}}, options).ok());
  CHECK(etl::run(Inbox{{"tuesday"}}, options).outcome == etl::Outcome::CompletedWithRejects);
}

TEST_CASE("G16: what was loaded is saved while the source waits, in fused mode without any time-out too") {
  struct Waiting : Numbers {
    MemoryCheckpoints* store;
    std::uint64_t* saved;
    void extract(etl::Emitter<std::uint64_t>& out) const {
      Numbers::extract(out);
      const auto give_up = etl::Clock::now() + 20s;
      while (*saved < count && etl::Clock::now() < give_up) {
        std::this_thread::yield();
        if (const auto there = store->find("numbers").value()) *saved = there->partitions.at(0).watermark;
      }
    }
  };
  const auto store = std::make_shared<MemoryCheckpoints>();
  std::uint64_t saved = 0;
  etl::Options options{.name = "numbers", .mode = etl::Mode::Fused, .batch_size = 5, .timeout = etl::Options::never};
  options.drain_deadline = etl::Options::never;
  options.delivery = {.checkpoints = store, .save_every = 10ms};
  CHECK(etl::run(Waiting{{10}, store.get(), &saved}, options).ok());
  CHECK(saved == 10);
}

namespace {

/// Stores what it is given, but loses the answer to the save that says "finished", and cannot be reached afterwards.
struct FailsOver {
  bool loses_answer = true, down = false;
  template <class Store>
  etl::Result<void> save(Store& store, const std::string& p, const etl::Checkpoint& c) {
    if (down) return etl::failure(etl::transient("cannot connect to the server"));
    auto saved = store.save(p, c);
    if (!loses_answer || !c.finished) return saved;
    down = true;
    return etl::failure(etl::transient("the connection was lost during COMMIT"));
  }
};
struct CheckpointsOver final : etl::CheckpointStore {
  MemoryCheckpoints kept;
  FailsOver server;
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
  etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& p, const std::string& run) override {
    return kept.claim(p, run);
  }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override { return server.save(kept, p, c); }
  etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
};
struct StoreOver final : etl::TransactionalStore<MemoryTransaction<std::uint64_t>> {
  MemoryStore<std::uint64_t> kept;
  FailsOver server;
  etl::Result<std::unique_ptr<etl::StoreSession<MemoryTransaction<std::uint64_t>>>> connect() override {
    return kept.connect();
  }
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
  etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& p, const std::string& run) override {
    return kept.claim(p, run);
  }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override { return server.save(kept, p, c); }
  etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
};
struct IntoStore : Numbers {
  void load(std::span<const std::uint64_t> batch, MemoryTransaction<std::uint64_t>& tx) const { tx.write(batch); }
};

}  // namespace

TEST_CASE("G14: a run that failed is not finished, although nobody knows whether its last save was stored") {
  const auto clock = std::make_shared<VirtualExecutor>(1);
  etl::Options options{.name = "numbers", .batch_size = 10, .executor = etl::Executor(clock)};
  const auto told = [](const etl::RunReport& report) {
    return report.ok() &&
           report.errors.at(0).text().find("the run is perhaps not marked as finished") != std::string::npos;
  };

  StoreOver store;
  CHECK(told(etl::run(etl::with_store(IntoStore{{30}}, store), options)));

  const auto checkpoints = std::make_shared<CheckpointsOver>();
  options.delivery.checkpoints = checkpoints;
  CHECK(told(etl::run(Numbers{30}, options)));

  // Incremental runs go on after a finished one.
  checkpoints->server = {};
  options.name = "others";
  options.delivery.incremental = true;
  CHECK_FALSE(etl::run(Numbers{30}, options).ok());
  checkpoints->server = {.loses_answer = false};
  const auto report = etl::run(Numbers{30}, options);
  CAPTURE(report.text());
  CHECK(report.ok());
  CHECK(report.items.loaded == 0);
}

}  // namespace saving_test
