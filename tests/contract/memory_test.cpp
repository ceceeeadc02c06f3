// The bound on memory: sealed batches up to capacity, and the open ones. Constant, however long the source.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/random.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace memory_test {

namespace {

/// How many items are on their way, and the most there were.
struct Level {
  std::atomic<std::int64_t> now = 0, most = 0;
  void up() {
    const std::int64_t n = now.fetch_add(1) + 1;
    std::int64_t m = most;
    while (n > m && !most.compare_exchange_weak(m, n)) {}
  }
  void down(std::size_t n) { now -= static_cast<std::int64_t>(n); }
};

struct Flow {
  Level& level;
  std::uint64_t items = 0;
  std::uint64_t seed = 0;
  void extract(etl::Emitter<std::uint64_t>& out) {
    for (std::uint64_t i = 0; i < items; ++i) {
      level.up();
      if (!out.push(i)) return;
    }
  }
  std::uint64_t transform(const std::uint64_t& n) const {
    if (seed != 0) test::spin(test::mixed(seed, n) % 50);
    return n;
  }
  void load(std::span<const std::uint64_t> batch) const { level.down(batch.size()); }
};

}  // namespace

TEST_CASE("G2: no more than capacity batches and the open one are held, parked ones included") {
  const test::Watchdog watchdog("the capacity bound");
  for (const std::size_t capacity : {std::size_t{1}, std::size_t{2}, std::size_t{7}})
    for (const std::size_t workers : {std::size_t{1}, std::size_t{4}})
      for (const etl::Order order : {etl::Order::None, etl::Order::Source})
        for (const std::size_t batch_size : {std::size_t{1}, std::size_t{10}}) {
          Level level;
          etl::Options o;
          o.batch_size = batch_size;
          o.workers = workers;
          o.capacity = capacity;
          o.order = order;
          const etl::RunReport r = etl::run(Flow{.level = level, .items = 2000 * batch_size, .seed = capacity}, o);
          CAPTURE(capacity, workers, batch_size, r.text());
          CHECK(r.outcome == etl::Outcome::Completed);
          CHECK(level.most <= static_cast<std::int64_t>((capacity + 1) * batch_size));
          CHECK(r.max_queue_depth <= capacity);
        }
}

TEST_CASE("G2: with partitions there is one more open batch per extractor") {
  const test::Watchdog watchdog("the capacity bound of partitions");
  struct Parts {
    Level& level;
    std::vector<int> partitions() const { return {0, 1, 2, 3, 4, 5}; }
    void extract(int, etl::Emitter<std::uint64_t>& out) const {
      for (std::uint64_t i = 0; i < 3000; ++i) {
        level.up();
        if (!out.push(i)) return;
      }
    }
    void load(std::span<const std::uint64_t> batch) const {
      test::spin(100);
      level.down(batch.size());
    }
  };
  constexpr std::size_t capacity = 3, extractors = 3, batch_size = 10;
  Level level;
  const etl::RunReport r =
      etl::run(Parts{level}, {.batch_size = batch_size, .workers = 2, .capacity = capacity, .extractors = extractors});
  CHECK(r.outcome == etl::Outcome::Completed);
  // Several extractors may seal at the same moment: each holds at most one batch beyond the bound.
  CHECK(level.most <= static_cast<std::int64_t>((capacity + 2 * extractors) * batch_size));
}

TEST_CASE("G2: a bucket holds no more than its capacity, whoever pushes") {
  const test::Watchdog watchdog("the capacity bound of a bucket");
  constexpr std::size_t capacity = 2, batch_size = 4;
  test::Gate open;
  std::atomic<int> held = 0;
  etl::Bucket<int> bucket([&](std::span<const int>) { open.wait(); },
                          {.batch_size = batch_size, .workers = 1, .capacity = capacity});
  // Nothing can be processed: the bucket fills, and try_push says so without blocking.
  int item = 1;
  while (held < 1000 && bucket.try_push(item)) ++held;
  CHECK(held >= static_cast<int>(batch_size));
  CHECK(held <= static_cast<int>((capacity + 2) * batch_size));  // one batch at work, capacity, one open
  CHECK(item == 1);
  open.open();
  const etl::RunReport r = bucket.finish();
  CHECK(r.items.loaded == static_cast<std::uint64_t>(held.load()));
  CHECK(test::unsound(r) == "");
}

TEST_CASE("G2: batches of a bucket that wait for their turn to be loaded count to its capacity") {
  const test::Watchdog watchdog("the capacity bound of parked batches");
  constexpr std::size_t capacity = 3, batch_size = 4, plenty = 1000;
  for (const bool concurrent : {false, true}) {
    test::Gate open;
    const auto load = [&](std::span<const int>) { open.wait(); };
    etl::Options o{.batch_size = batch_size, .workers = 3, .capacity = capacity};
    if (concurrent) o.max_concurrent_loads = 1;
    std::optional<etl::Bucket<int>> bucket;
    if (concurrent)
      bucket.emplace(etl::concurrent(load), o);
    else
      bucket.emplace(load, o);
    // One load is held, and the workers park what they take after it. Room is left only when they have parked all.
    std::size_t held = 0;
    for (int item = 1; held < plenty;) {
      const etl::RunStatus before = bucket->status();
      if (bucket->try_push(item))
        ++held;
      else if (before.queued_batches == 0 && before.running_batches <= 1)
        break;
    }
    CAPTURE(concurrent);
    CHECK(held <= capacity * batch_size);
    open.open();
    const etl::RunReport r = bucket->finish();
    CHECK(r.items.loaded == held);
    CHECK(test::unsound(r) == "");
  }
}

TEST_CASE("G2: constant memory, however long the source [soak]", "[soak]") {
  using Item = test::Counted<struct MemoryTest>;
  struct Long {
    std::uint64_t items = 0;
    std::atomic<std::uint64_t>& loaded;
    std::atomic<std::int64_t>& most_alive;
    void extract(etl::Emitter<Item>& out) {
      for (std::uint64_t i = 0; i < items; ++i)
        if (!out.push(Item(i))) return;
    }
    void transform(const Item& in, etl::Out<Item>& out) const {
      if (in.value % 3 != 0) out.push(in);
    }
    void load(std::span<const Item> batch) const {
      loaded += batch.size();
      const std::int64_t alive = Item::counts().alive();
      std::int64_t most = most_alive;
      while (alive > most && !most_alive.compare_exchange_weak(most, alive)) {}
    }
  };
  const std::uint64_t items = test::soak() ? 100'000'000 : 1'000'000;
  constexpr std::size_t batch_size = 1000, capacity = 6, workers = 2;
  Item::counts().reset();
  std::atomic<std::uint64_t> loaded = 0;
  std::atomic<std::int64_t> most_alive = 0;
  const test::CountAllocations counter;
  const etl::RunReport r =
      etl::run(Long{items, loaded, most_alive}, {.batch_size = batch_size, .workers = workers, .capacity = capacity});
  const test::Allocations all = counter.so_far();
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items.extracted == items);
  CHECK(loaded == items - (items + 2) / 3);
  // Slots of source items: sealed, open, and as many again that wait for their producer; results of each worker.
  CHECK(most_alive <= static_cast<std::int64_t>((2 * (capacity + 2) + workers + 1) * batch_size));
  CHECK(Item::counts().alive() == 0);
  CAPTURE(all.count, all.bytes, all.peak_bytes);
  CHECK(all.peak_bytes < 4 * 1024 * 1024);
  CHECK(all.bytes < 64 * 1024);  // nothing stays behind
}

TEST_CASE("G2: the memory budget bounds many runs together, and no run starves") {
  const test::Watchdog watchdog("the memory budget");
  constexpr std::size_t limit = 10'000, weight = 100, batch_size = 10;  // a batch weighs 1,000
  struct Heavy {
    Level& level;
    std::uint64_t items = 2000;
    void extract(etl::Emitter<std::uint64_t>& out) {
      for (std::uint64_t i = 0; i < items; ++i) {
        level.up();
        if (!out.push(i)) return;
      }
    }
    void load(std::span<const std::uint64_t> batch) const {
      test::spin(batch.front() % 7 * 50);
      level.down(batch.size());
    }
    std::size_t bytes(const std::uint64_t&) const { return weight; }
  };
  const auto budget = std::make_shared<etl::MemoryBudget>(limit);
  Level level;
  constexpr std::size_t runs = 4;
  std::vector<etl::RunReport> reports(runs);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < runs; ++i)
    threads.emplace_back([&, i] {
      reports[i] = etl::run(Heavy{level}, {.batch_size = batch_size, .workers = 2, .capacity = 50, .memory = budget});
    });
  threads.clear();
  for (const etl::RunReport& r : reports) {
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(r.items.loaded == 2000);
  }
  CHECK(budget->used() == 0);
  CHECK(budget->peak() >= 1000);
  CHECK(budget->peak() <= limit + runs * 1000);  // by one batch per extractor
  // Without the budget, capacity alone would allow 4 * 50 batches.
  CHECK(level.most <= static_cast<std::int64_t>(limit / weight + runs * 3 * batch_size));
}

TEST_CASE("G2: a budget smaller than one batch makes runs slow, not stuck") {
  const test::Watchdog watchdog("a tiny memory budget");
  const auto budget = std::make_shared<etl::MemoryBudget>(1);
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    Level level;
    const etl::RunReport r =
        etl::run(Flow{.level = level, .items = 500}, {.mode = mode, .batch_size = 10, .workers = 2, .memory = budget});
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(budget->used() == 0);
  }
}

TEST_CASE("G2: a run goes on, one batch at a time, also when others use up the budget for good") {
  const test::Watchdog watchdog("a budget used up by others");
  const auto memory = std::make_shared<etl::MemoryBudget>(1000);
  memory->charge(5000);
  Level level;
  etl::Options o{.batch_size = 10, .workers = 2};
  o.memory = memory;
  CHECK(etl::run(Flow{.level = level, .items = 200}, o).outcome == etl::Outcome::Completed);
  CHECK(level.most <= 2 * 10 + 1);
}

TEST_CASE("G2: a budget is given back by failures, stops and refusals too") {
  const test::Watchdog watchdog("a budget after failures");
  const auto budget = std::make_shared<etl::MemoryBudget>(500);
  for (std::uint64_t at = 0; at < 40; ++at) {
    etl::StopSource stop;
    test::Scripted<true> pipeline({.items = 200, .at = [&stop, at](test::Site s, std::uint64_t n) -> etl::Result<void> {
                                     if (s == test::Site::Load && n == at * 5) {
                                       if (at % 2 == 0) return etl::failure(etl::fatal("no"));
                                       at % 4 == 1 ? stop.request_drain() : stop.request_abandon();
                                     }
                                     return {};
                                   }});
    const etl::Options o{.batch_size = 3, .workers = 2, .memory = budget};
    const etl::RunReport r = etl::run(pipeline, o, stop.stop_token());
    CHECK(test::audit(r, *pipeline.books, o) == "");
    CHECK(budget->used() == 0);
  }
}

}  // namespace memory_test
