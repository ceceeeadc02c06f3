// G13 to G17: what is kept for the next run, and what the next run makes of it.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/delivery/checkpoint.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace delivery_test {

using etl::testing::MemoryCheckpoints;
using etl::testing::MemoryDeadLetters;
using etl::testing::MemoryStore;
using etl::testing::MemoryTransaction;

namespace {

constexpr std::uint64_t count = 100;

/// Numbers from 0, marked every 10; it resumes at the mark. `stop_at` fails the load that has this number.
struct Numbers {
  using position = std::uint64_t;
  std::vector<std::uint64_t>* loaded;
  std::optional<std::uint64_t> fail_at{};
  bool asks = true;  // for where to begin
  std::string version = "1";
  std::uint64_t first = 0;  // what extract began with

  std::string fingerprint() const { return "numbers " + version; }
  void extract(etl::Emitter<std::uint64_t>& out) {
    if (asks && out.resume_from()) first = out.resume_from()->number().value();
    for (std::uint64_t i = first; i < count; ++i) {
      if (i % 10 == 0) out.mark(etl::Position(i));
      if (!out.push(i)) return;
    }
  }
  etl::Result<void> load(std::span<const std::uint64_t> batch) {
    if (fail_at && std::ranges::find(batch, *fail_at) != batch.end()) return etl::failure(etl::fatal("broken sink"));
    loaded->insert(loaded->end(), batch.begin(), batch.end());
    return {};
  }
};

std::vector<std::uint64_t> all_numbers() {
  std::vector<std::uint64_t> all(count);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// On one thread and virtual time.
etl::Options options(std::shared_ptr<etl::CheckpointStore> store, std::uint64_t seed = 0) {
  etl::Options options{.batch_size = 7, .workers = 2, .order = etl::Order::Source};
  options.delivery.checkpoints = std::move(store);
  options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
  options.name = "numbers";
  return options;
}

/// The numbers below `end`, marked every 30 and at the end.
struct Growing {
  using position = std::uint64_t;
  using loaded = std::uint64_t;
  std::uint64_t end;
  std::vector<std::uint64_t>* rows;
  std::vector<std::optional<std::uint64_t>>* began;
  std::string fingerprint() const { return "a log that grows"; }
  void extract(etl::Emitter<std::uint64_t>& out) const {
    const auto& from = out.resume_from();
    began->push_back(from ? from->number() : std::nullopt);
    for (std::uint64_t i = from ? from->number().value() : 0; i < end; ++i) {
      if (i % 30 == 0) out.mark(etl::Position(i));
      if (!out.push(i)) return;
    }
    out.mark(etl::Position(end));
  }
  void load(std::span<const std::uint64_t> batch) { rows->insert(rows->end(), batch.begin(), batch.end()); }
  void load(std::span<const std::uint64_t> batch, MemoryTransaction<std::uint64_t>& tx) { tx.write(batch); }
};

}  // namespace

TEST_CASE("G14 G16: a run that failed is resumed behind what it has loaded") {
  for (const bool asks : {true, false}) {
    CAPTURE(asks);
    std::vector<std::uint64_t> loaded;
    auto store = std::make_shared<MemoryCheckpoints>();
    const auto failed = etl::run(Numbers{.loaded = &loaded, .fail_at = 50, .asks = asks}, options(store));
    REQUIRE(failed.outcome == etl::Outcome::Failed);
    REQUIRE(loaded.size() == 49);  // 7 batches of 7
    const auto kept = store->find("numbers").value();
    REQUIRE(kept);
    CHECK_FALSE(kept->finished);
    REQUIRE(kept->find(0) != nullptr);
    CHECK(kept->find(0)->watermark == 49);
    CHECK(kept->find(0)->position == etl::Position(40));
    CHECK(kept->find(0)->position_seq == 40);

    Numbers again{.loaded = &loaded, .asks = asks};
    const auto resumed = etl::run(again, options(store));
    CHECK(resumed.outcome == etl::Outcome::Completed);
    CHECK(resumed.resumed);
    CHECK(again.first == (asks ? 40 : 0));
    CHECK(resumed.items.skipped == (asks ? 9 : 49));
    CHECK(resumed.items.loaded == 51);
    CHECK(loaded == all_numbers());
    CHECK(store->find("numbers").value()->finished);
  }
}

TEST_CASE("G17: a finished run is not resumed, an unfinished one not if a restart is asked for") {
  std::vector<std::uint64_t> loaded;
  auto store = std::make_shared<MemoryCheckpoints>();
  REQUIRE(etl::run(Numbers{.loaded = &loaded}, options(store)).ok());
  const auto anew = etl::run(Numbers{.loaded = &loaded}, options(store));
  CHECK_FALSE(anew.resumed);
  CHECK(loaded.size() == 2 * count);

  loaded.clear();
  CHECK_FALSE(etl::run(Numbers{.loaded = &loaded, .fail_at = 50}, options(store)).ok());
  etl::Options restart = options(store);
  restart.delivery.restart = true;
  loaded.clear();
  const auto restarted = etl::run(Numbers{.loaded = &loaded}, restart);
  CHECK_FALSE(restarted.resumed);
  CHECK(loaded == all_numbers());
}

TEST_CASE("an incremental run goes on behind a finished one, at the source's last mark") {
  for (const bool transactional : {false, true})
    for (const std::uint64_t batch : {7U, 10U}) {  // 10: the last batch is full before the end is marked
      CAPTURE(transactional, batch);
      MemoryStore<std::uint64_t> store;
      auto checkpoints = std::make_shared<MemoryCheckpoints>();
      std::vector<std::uint64_t> loaded, expected;
      std::vector<std::optional<std::uint64_t>> began;
      for (const std::uint64_t end : {100U, 100U, 160U, 165U}) {
        Growing source{end, &loaded, &began};
        etl::Options growing{.mode = etl::Mode::Fused, .batch_size = batch};
        growing.delivery.incremental = true;
        growing.name = "growing";
        if (!transactional) growing.delivery.checkpoints = checkpoints;
        const auto report =
            transactional ? etl::run(etl::with_store(source, store), growing) : etl::run(source, growing);
        REQUIRE(report.ok());
      }
      if (transactional) loaded = store.rows();
      for (std::uint64_t i = 0; i < 165; ++i) expected.push_back(i);
      CHECK(loaded == expected);
      CHECK(began == std::vector<std::optional<std::uint64_t>>{std::nullopt, 100, 100, 160});
    }
}

TEST_CASE("an incremental run keeps the source's end also when nothing of its last batches is loaded") {
  MemoryStore<std::uint64_t> store;
  std::vector<std::uint64_t> unused;
  std::vector<std::optional<std::uint64_t>> began;
  struct Odd : Growing {
    std::optional<std::uint64_t> transform(const std::uint64_t& n) const {
      return n < 50 ? std::optional(n) : std::nullopt;
    }
  };
  for (int i = 0; i < 2; ++i) {
    etl::Options growing{.mode = etl::Mode::Fused, .batch_size = 10};
    growing.delivery.incremental = true;
    growing.name = "growing";
    Odd source{{100, &unused, &began}};
    REQUIRE(etl::run(etl::with_store(source, store), growing).ok());
  }
  CHECK(store.rows().size() == 50);
  CHECK(began == std::vector<std::optional<std::uint64_t>>{std::nullopt, 100});
}

TEST_CASE("the progress of a finished run is not put back by one that it has taken over from") {
  MemoryStore<std::uint64_t> store;
  std::vector<std::uint64_t> unused;
  std::vector<std::optional<std::uint64_t>> began;
  etl::Options growing{.mode = etl::Mode::Fused, .batch_size = 10};
  growing.delivery.incremental = true;
  growing.name = "growing";
  struct Slow : Growing {
    std::function<void()> meanwhile;
    void post_process() const {
      if (meanwhile) meanwhile();
    }
  };
  Slow later{{200, &unused, &began}, {}};
  Slow slow{{100, &unused, &began}, [&] { CHECK(etl::run(etl::with_store(later, store), growing).ok()); }};
  const auto report = etl::run(etl::with_store(slow, store), growing);
  CHECK(report.outcome == etl::Outcome::Completed);  // as post_process has heard: its rows are committed
  CHECK(report.errors.at(0).error.code == etl::Errc::Superseded);
  CHECK(etl::run(etl::with_store(later, store), growing).ok());
  CHECK(store.rows().size() == 200);
  CHECK(began.back() == 200);
}

TEST_CASE("G17: a checkpoint of another source is refused, with both fingerprints, and stays") {
  std::vector<std::uint64_t> loaded;
  auto store = std::make_shared<MemoryCheckpoints>();
  CHECK_FALSE(etl::run(Numbers{.loaded = &loaded, .fail_at = 50}, options(store)).ok());
  const auto before = store->find("numbers").value();
  const auto refused = etl::run(Numbers{.loaded = &loaded, .version = "2"}, options(store));
  CHECK(refused.outcome == etl::Outcome::Failed);
  REQUIRE(refused.errors.size() == 1);
  CHECK(refused.errors[0].error.code == etl::Errc::CheckpointMismatch);
  CHECK(refused.errors[0].stage == etl::Stage::Checkpoint);
  const std::string text = refused.errors[0].text();
  for (const char* part : {"numbers 1", "numbers 2", "restart"}) CHECK(text.find(part) != std::string::npos);
  CHECK(refused.items.extracted == 0);
  CHECK(store->find("numbers").value() == before);
}

TEST_CASE("G17: a dry run loads nothing and leaves the checkpoint alone") {
  std::vector<std::uint64_t> loaded;
  auto store = std::make_shared<MemoryCheckpoints>();
  CHECK_FALSE(etl::run(Numbers{.loaded = &loaded, .fail_at = 50}, options(store)).ok());
  const auto before = store->find("numbers").value();
  const std::uint64_t saves = store->saves();
  loaded.clear();
  etl::Options dry = options(store);
  dry.delivery.dry_run = true;
  const auto report = etl::run(Numbers{.loaded = &loaded, .fail_at = 50}, dry);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.items.loaded == count);
  CHECK(report.results.produced == 0);
  CHECK(loaded.empty());
  CHECK(store->find("numbers").value() == before);
  CHECK(store->saves() == saves);
}

TEST_CASE("G14: post_process that fails leaves the run unfinished") {
  struct Merging : Numbers {
    bool broken = true;
    etl::Result<void> post_process() {
      if (broken) return etl::failure(etl::fatal("merge failed"));
      return {};
    }
  };
  std::vector<std::uint64_t> loaded;
  auto store = std::make_shared<MemoryCheckpoints>();
  Merging merging;
  merging.loaded = &loaded;
  CHECK(etl::run(merging, options(store)).outcome == etl::Outcome::Failed);
  CHECK_FALSE(store->find("numbers").value()->finished);
  merging.broken = false;
  merging.first = 0;
  const auto report = etl::run(merging, options(store));
  CHECK(report.ok());
  CHECK(report.items.loaded == 0);
  CHECK(loaded == all_numbers());
}

// ---------------------------------------------------------------------------------------------------------------------

namespace {

/// Two results for each number that 3 divides, none for other odd ones; 13 is rejected by transform, and 44 by load.
struct Rows {
  using position = std::uint64_t;
  bool broken_at_60 = false;
  bool refuse_batches = false;  // says that a batch is bad, not which row
  std::string version = "1";
  std::function<void(std::span<const int>)> before_load{};

  std::string fingerprint() const { return "rows " + version; }
  void extract(etl::Emitter<std::uint64_t>& out) const {
    const std::uint64_t first = out.resume_from() ? out.resume_from()->number().value() : 0;
    for (std::uint64_t i = first; i < count; ++i) {
      if (i % 10 == 0) out.mark(etl::Position(i));
      if (!out.push(i)) return;
    }
  }
  std::string describe(const std::uint64_t& n) const { return std::to_string(n); }
  void transform(const std::uint64_t& n, etl::Out<int>& out) const {
    if (n == 13) return out.reject("unlucky");
    if (n % 3 == 0) out.push(static_cast<int>(1000 + n));
    if (n % 3 == 0 || n % 2 == 0) out.push(static_cast<int>(n));
  }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context, MemoryTransaction<int>& tx) const {
    if (before_load) before_load(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (broken_at_60 && batch[i] == 60) return etl::failure(etl::fatal("broken sink"));
      tx.write(batch[i]);
      if (batch[i] != 44) continue;
      if (refuse_batches) return etl::failure(etl::rejected("a row of this batch"));
      context.reject(i, "no 44");
    }
    return {};
  }
};

std::multiset<int> expected_rows(bool with_44) {
  std::multiset<int> rows;
  for (std::uint64_t n = 0; n < count; ++n) {
    if (n == 13 || (n == 44 && !with_44)) continue;
    if (n % 3 == 0) rows.insert(static_cast<int>(1000 + n));
    if (n % 3 == 0 || n % 2 == 0) rows.insert(static_cast<int>(n));
  }
  return rows;
}

etl::Options transactional(std::uint64_t seed) {
  etl::Options options{.batch_size = 7, .workers = 2};
  options.errors.max_rejects = 2;
  options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
  options.name = "rows";
  return options;
}

}  // namespace

TEST_CASE("G15: rows, dead letters and progress are committed together, and resumed without loss or duplicate") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    MemoryStore<int> store;
    const auto failed = etl::run(etl::with_store(Rows{.broken_at_60 = true}, store), transactional(seed));
    REQUIRE(failed.outcome == etl::Outcome::Failed);
    const auto half = store.rows();
    REQUIRE(half.size() < expected_rows(true).size());

    const auto report = etl::run(etl::with_store(Rows{}, store), transactional(seed + 1000));
    REQUIRE(report.ok());
    CHECK(report.resumed);
    const auto rows = store.rows();
    CHECK(std::multiset<int>(rows.begin(), rows.end()) == expected_rows(true));  // 44 too: `load` wrote it
    const auto letters = store.dead_letters().letters();
    REQUIRE(letters.size() == 2);
    CHECK(letters[0].seq == 13);
    CHECK(letters[0].payload == "13");
    CHECK(letters[0].stage == etl::Stage::Transform);
    CHECK(letters[0].errors == std::vector<std::string>{"unlucky"});
    CHECK(letters[1].seq == 44);
    CHECK(letters[1].stage == etl::Stage::Load);
  }
}

TEST_CASE("G6 G15: a batch refused as a whole is bisected within its transaction") {
  MemoryStore<int> store;
  etl::Options options = transactional(1);
  options.errors.isolation = etl::Isolation::Bisect;
  const auto report = etl::run(etl::with_store(Rows{.refuse_batches = true}, store), options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 2);
  const auto rows = store.rows();
  CHECK(std::multiset<int>(rows.begin(), rows.end()) == expected_rows(false));
  CHECK(store.dead_letters().letters().size() == 2);
}

TEST_CASE("G15: a run that another one has taken over from commits nothing any more, and says who has") {
  for (const bool restart : {false, true}) {
    CAPTURE(restart);
    MemoryStore<int> store;
    etl::Options later{.mode = etl::Mode::Fused, .batch_size = 7};
    later.errors.max_rejects = 2;
    later.delivery.restart = restart;
    later.name = "rows";
    etl::Options earlier = later;
    earlier.delivery.restart = false;
    std::optional<etl::RunReport> other;
    std::size_t rows_then = 0;
    Rows slow;
    slow.before_load = [&](std::span<const int> batch) {
      if (other || std::ranges::find(batch, 50) == batch.end()) return;
      rows_then = store.rows().size();
      other = etl::run(etl::with_store(Rows{}, store), later);
    };
    const auto report = etl::run(etl::with_store(slow, store), earlier);
    REQUIRE(other);
    CHECK(other->ok());
    CHECK(other->resumed != restart);
    REQUIRE(rows_then > 0);
    const auto rows = store.rows();
    if (restart)
      CHECK(rows.size() == rows_then + expected_rows(true).size());  // what a restart loads is loaded again
    else
      CHECK(std::multiset<int>(rows.begin(), rows.end()) == expected_rows(true));
    REQUIRE(report.outcome == etl::Outcome::Failed);
    CHECK(report.errors.front().error.code == etl::Errc::Superseded);
    const std::string said = report.errors.front().error.message();
    CAPTURE(said);
    CHECK(said.find("run " + other->run + " has taken over") != std::string::npos);
  }
}

TEST_CASE("G15 G17: a run whose source does not fit takes nothing over") {
  MemoryStore<int> store;
  etl::Options options{.mode = etl::Mode::Fused, .batch_size = 7};
  options.errors.max_rejects = 2;
  options.name = "rows";
  std::optional<etl::RunReport> other;
  Rows first;
  first.before_load = [&](std::span<const int> batch) {
    if (!other && std::ranges::find(batch, 50) != batch.end())
      other = etl::run(etl::with_store(Rows{.version = "2"}, store), options);
  };
  const auto report = etl::run(etl::with_store(first, store), options);
  REQUIRE(other);
  CHECK(other->outcome == etl::Outcome::Failed);
  CHECK(report.ok());
  const auto rows = store.rows();
  CHECK(std::multiset<int>(rows.begin(), rows.end()) == expected_rows(true));
}

}  // namespace delivery_test
