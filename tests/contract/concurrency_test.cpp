// "const means concurrent", never more user calls at once than workers, one state per worker slot.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include <etl/bucket.hpp>
#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/places.hpp"
#include "support/random.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace concurrency_test {

namespace {

using namespace std::chrono_literals;
using test::Site;

/// All workers spin a little in transform and in load, so that they overlap if they can.
test::Script busy(std::uint64_t items, std::uint64_t seed) {
  return {.items = items, .at = [seed](Site s, std::uint64_t n) -> etl::Result<void> {
            if (s == Site::Transform || s == Site::Load) test::spin(test::mixed(seed, n) % 200);
            return {};
          }};
}

/// Tasks run when the test says so, and time passes when it says so.
struct Kept : etl::ExecutorBackend {
  struct NoTimer final : etl::Timer {
    void arm(etl::TimePoint, std::shared_ptr<etl::Task> task) override { kept = std::move(task); }
    std::shared_ptr<etl::Task> kept;
  };
  void post(std::shared_ptr<etl::Task> task) override {
    if (failures-- > 0) throw std::runtime_error("no room for a task");
    const std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
  }
  [[nodiscard]] std::size_t posts() {
    const std::lock_guard lock(mutex);
    return tasks.size();
  }
  [[nodiscard]] etl::TimePoint now() const noexcept override { return time; }
  std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<NoTimer>(); }
  std::mutex mutex;
  std::vector<std::shared_ptr<etl::Task>> tasks;
  int failures = 0;
  etl::TimePoint time{1h};
};

}  // namespace

TEST_CASE("G2: a const load runs on several workers at once") {
  const test::Watchdog watchdog("two loads at once");
  for (const test::Place place : {test::Place::OwnPool, test::Place::TwoThreads, test::Place::SharedPool}) {
    struct Meets {
      mutable std::latch both{2};
      void extract(etl::Emitter<int>& out) {
        for (int i = 0; i < 2; ++i) out.push(i);
      }
      void load(std::span<const int>) const { both.arrive_and_wait(); }
    } p;
    test::Places places;
    etl::Options o;
    o.batch_size = 1;
    o.workers = 2;
    o.inline_batches = etl::Inline::Never;
    CHECK(places.run(place, p, o).outcome == etl::Outcome::Completed);
  }
}

namespace {

/// May be called on all workers at once where it is constant, and one call at a time where it is not.
struct Either {
  int alone = 0;
  mutable std::atomic<int> together = 0;
  void operator()(std::span<const int>) { ++alone; }
  void operator()(std::span<const int>) const { ++together; }
};
struct Twice : Either {
  using loaded = int;
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int> batch) { (*this)(batch); }
  void load(std::span<const int> batch) const { (*this)(batch); }
};
struct Alone {
  int calls = 0;
  void operator()(std::span<const int>) { ++calls; }
};
template <class F>
bool is_concurrent() {
  return etl::detail::TypedStage<etl::detail::ProcessorPipeline<int, F>>::concurrent;
}

}  // namespace

TEST_CASE("G2: where load is there twice, the const one is called, which may run on all workers at once") {
  Twice twice;
  REQUIRE(etl::run(twice).ok());
  CHECK(twice.alone == 0);
  CHECK(twice.together == 1);
  Either either;
  etl::Bucket<int> bucket(etl::concurrent(std::ref(either)));
  bucket.push(1);
  REQUIRE(bucket.finish().ok());
  CHECK(either.alone == 0);
  CHECK(either.together == 1);
}

TEST_CASE("G2: a bucket calls its processor one call at a time unless it is given with concurrent") {
  CHECK_FALSE(is_concurrent<Alone>());
  CHECK_FALSE(is_concurrent<std::reference_wrapper<Alone>>());
  CHECK_FALSE(is_concurrent<Either>());
  CHECK_FALSE(is_concurrent<std::reference_wrapper<const Either>>());
  CHECK(is_concurrent<etl::Concurrent<Either>>());
  CHECK(is_concurrent<etl::Concurrent<std::reference_wrapper<Either>>>());
  CHECK(etl::detail::Processor<etl::Concurrent<Either>, int>);
  CHECK_FALSE(etl::detail::Processor<etl::Concurrent<Alone>, int>);
  CHECK_FALSE(etl::detail::Processor<etl::Concurrent<std::reference_wrapper<Alone>>, int>);
  Alone alone;
  etl::Bucket<int> bucket(std::ref(alone), {.batch_size = 1, .workers = 2});
  for (int i = 0; i < 100; ++i) bucket.push(i);
  REQUIRE(bucket.finish().ok());
  CHECK(alone.calls == 100);
}

TEST_CASE("G2: a worker that starts wakes the next when there is more to do than it can take") {
  const auto kept = std::make_shared<Kept>();
  std::vector<std::size_t> posted;
  {
    const auto see = [&](std::span<const int>) { posted.push_back(kept->tasks.size()); };
    etl::Options o{.batch_size = 1, .workers = 2, .capacity = 8};
    o.executor = etl::Executor(kept);
    etl::Bucket<int> bucket(etl::concurrent(see), o);
    for (int i = 0; i < 2; ++i) bucket.push(i);
    REQUIRE(kept->tasks.size() == 1);  // one at a time
    kept->tasks[0]->run();
    CHECK(posted == std::vector<std::size_t>{2, 2});
  }
  kept->tasks.clear();
}

TEST_CASE("G2: a worker that stayed for more work wakes the next when there is more than it can take") {
  struct Lingering final : Kept {
    [[nodiscard]] std::chrono::nanoseconds linger() const noexcept override { return 1h; }
    [[nodiscard]] etl::TimePoint now() const noexcept override { return time + (later ? 2h : 0h); }
    std::atomic<bool> later = false;
  };
  const auto kept = std::make_shared<Lingering>();
  {
    std::latch woken(1);
    etl::Options o{.batch_size = 2, .timeout = etl::Options::never, .workers = 2, .capacity = 8};
    o.executor = etl::Executor(kept);
    const auto wait = [&](std::span<const int> batch) {
      if (batch.size() == 1) woken.wait();
    };
    etl::Bucket<int> bucket(wait, o);
    auto first = bucket.producer();
    auto second = bucket.producer();
    for (int i = 0; i < 3; ++i) first.push(i);
    second.push(3);
    REQUIRE(kept->tasks.size() == 1);
    std::jthread worker([task = kept->tasks[0]] { task->run(); });
    while (bucket.status().items.loaded < 2 || bucket.status().running_batches > 0) std::this_thread::yield();
    bucket.close();  // both producers' open batches at once
    while (bucket.status().queued_batches > 1) std::this_thread::yield();
    CHECK(kept->posts() == 2);
    kept->later = true;
    woken.count_down();
  }
  kept->tasks.clear();
}

TEST_CASE("G4: an executor that has failed to take a task is asked again") {
  const auto kept = std::make_shared<Kept>();
  {
    kept->failures = 1;
    etl::Options o{.batch_size = 1, .workers = 2, .capacity = 8};
    o.executor = etl::Executor(kept);
    std::atomic<int> processed = 0;
    etl::Bucket<int> bucket(etl::concurrent([&](std::span<const int>) { ++processed; }), o);
    bucket.push(1);
    CHECK(kept->tasks.empty());
    kept->time += 1h;
    bucket.push(2);
    REQUIRE(kept->tasks.size() == 1);
    kept->tasks[0]->run();
    CHECK(processed == 2);
    CHECK(bucket.finish().ok());
  }
  kept->tasks.clear();
}

TEST_CASE("G12: items that the timer takes while others are pushed are whole") {
  struct Fast {
    struct Item {
      std::uint64_t first, second, third;
    };
    std::atomic<std::uint64_t>* broken;
    void extract(etl::Emitter<Item>& out) {
      for (std::uint64_t i = 0; i < 300'000; ++i) out.push({i, 2 * i, 3 * i});
    }
    void load(std::span<const Item> batch) const {
      for (const Item& item : batch)
        if (item.second != 2 * item.first || item.third != 3 * item.first) ++*broken;
    }
  };
  std::atomic<std::uint64_t> broken = 0;
  etl::Options o{.batch_size = 100'000, .timeout = 1ms, .workers = 2, .inline_batches = etl::Inline::Never};
  CHECK(etl::run(Fast{&broken}, o).items.loaded == 300'000);
  CHECK(broken == 0);
}

TEST_CASE("G2: transforms run on several workers at once, also beside a load that is not const") {
  const test::Watchdog watchdog("transforms at once");
  struct Meets {
    mutable std::latch all{3};
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 3; ++i) out.push(i);
    }
    int transform(const int& n) const {
      all.arrive_and_wait();
      return n;
    }
    void load(std::span<const int>) {}
  } p;
  CHECK(etl::run(p, {.batch_size = 1, .workers = 3, .capacity = 6, .inline_batches = etl::Inline::Never}).outcome ==
        etl::Outcome::Completed);
}

TEST_CASE("G2: a load that is not const never overlaps itself, nothing overlaps more than workers") {
  // The audit counts: calls at once, loads at once, two calls on one worker's state, states made.
  test::Watchdog watchdog("counted overlaps");
  test::Places places;
  for (const test::Place place : test::all_places)
    for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{5}})
      for (const etl::Inline inline_batches : {etl::Inline::Adaptive, etl::Inline::WhenWaiting, etl::Inline::Never}) {
        // Its only thread sits in push, and nobody helps: Options says that this cannot go on.
        if (place == test::Place::InsideItsOwnThread && inline_batches == etl::Inline::Never) continue;
        watchdog.at(std::string(to_string(place)) + ", " + std::to_string(workers) + " workers");
        etl::Options o;
        o.batch_size = 3;
        o.workers = workers;
        o.inline_batches = inline_batches;
        test::Scripted<false> serial(busy(600, workers));
        const etl::RunReport r = places.run(place, serial, o);
        CHECK(test::audit(r, *serial.books, o) == "");
        CHECK(serial.books->loads.most() == 1);
        test::Scripted<true> concurrent(busy(600, workers));
        const etl::RunReport r2 = places.run(place, concurrent, o);
        CHECK(test::audit(r2, *concurrent.books, o) == "");
      }
}

TEST_CASE("G2: max_concurrent_loads bounds a const load") {
  const test::Watchdog watchdog("bounded loads");
  for (const std::size_t most : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}}) {
    for (const etl::Order order : {etl::Order::None, etl::Order::Source}) {
      test::Scripted<true> pipeline(busy(1500, most));
      etl::Options o;
      o.batch_size = 3;
      o.workers = 4;
      o.max_concurrent_loads = most;
      o.order = order;
      const etl::RunReport r = etl::run(pipeline, o);
      CHECK(r.outcome == etl::Outcome::Completed);
      CHECK(test::audit(r, *pipeline.books, o) == "");
    }
  }
  // And the bound is used: two loads meet.
  struct Meets {
    mutable std::latch both{2};
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 2; ++i) out.push(i);
    }
    void load(std::span<const int>) const { both.arrive_and_wait(); }
  } p;
  CHECK(etl::run(p, {.batch_size = 1, .workers = 4, .max_concurrent_loads = 2, .inline_batches = etl::Inline::Never})
            .ok());
}

TEST_CASE("G2: the state of a worker is its own, and is made at most once per slot") {
  const test::Watchdog watchdog("states of workers");
  struct Connection {
    std::uint64_t rows = 0;
    int id = 0;
  };
  struct Stateful {
    std::atomic<int>& made;
    std::atomic<std::uint64_t>& rows;
    void extract(etl::Emitter<std::uint64_t>& out) {
      for (std::uint64_t i = 0; i < 5000; ++i)
        if (!out.push(i)) return;
    }
    Connection worker() const { return {.rows = 0, .id = made.fetch_add(1)}; }
    std::uint64_t transform(const std::uint64_t& n, Connection& c) const {
      ++c.rows;  // no synchronisation: ThreadSanitizer would see a shared one
      return n;
    }
    void load(std::span<const std::uint64_t> batch, Connection& c) const {
      c.rows += batch.size();
      rows += batch.size();
    }
  };
  for (const std::size_t workers : {std::size_t{1}, std::size_t{4}}) {
    std::atomic<int> made = 0;
    std::atomic<std::uint64_t> rows = 0;
    const etl::RunReport r = etl::run(Stateful{made, rows}, {.batch_size = 10, .workers = workers});
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(rows == 5000);
    CHECK(made >= 1);
    CHECK(made <= static_cast<int>(workers));
  }
}

TEST_CASE("G2: extraction stays on the thread that called run, and on extractors threads for partitions") {
  const test::Watchdog watchdog("threads of extraction");
  struct Where {
    std::thread::id thread{};
    void extract(etl::Emitter<int>& out) {
      thread = std::this_thread::get_id();
      out.push(1);
    }
    void load(std::span<const int>) const {}
  } where;
  CHECK(etl::run(where, {.workers = 2}).ok());
  CHECK(where.thread == std::this_thread::get_id());

  struct Parts {
    mutable std::latch both{2};
    mutable std::mutex mutex{};
    mutable std::set<std::thread::id> threads{};
    mutable test::Crowd crowd{};
    std::vector<int> partitions() const { return {0, 1, 2, 3, 4}; }
    void extract(int part, etl::Emitter<int>& out) const {
      const test::Crowd::Visit visit(crowd);
      {
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
      }
      if (part < 2) both.arrive_and_wait();  // two partitions at once
      out.push(part);
    }
    void load(std::span<const int>) const {}
  } parts;
  const etl::RunReport r = etl::run(parts, {.workers = 2, .extractors = 2});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items.loaded == 5);
  CHECK(parts.threads.size() == 2);
  CHECK(parts.threads.count(std::this_thread::get_id()) == 1);
  CHECK(parts.crowd.most() == 2);
}

TEST_CASE("G2: in fused mode everything happens on the calling thread, one batch after the other") {
  struct Fused {
    std::set<std::thread::id>& threads;
    std::vector<int> partitions() const { return {0, 1, 2}; }
    void extract(int part, etl::Emitter<int>& out) const {
      threads.insert(std::this_thread::get_id());
      for (int i = 0; i < 10; ++i) out.push(part * 10 + i);
    }
    int transform(const int& n) const {
      threads.insert(std::this_thread::get_id());
      return n;
    }
    void load(std::span<const int>) const { threads.insert(std::this_thread::get_id()); }
    void post_process() const { threads.insert(std::this_thread::get_id()); }
  };
  std::set<std::thread::id> threads;
  const etl::RunReport r =
      etl::run(Fused{threads}, {.mode = etl::Mode::Fused, .batch_size = 4, .workers = 8, .extractors = 8});
  CHECK(r.items.loaded == 30);
  CHECK(threads == std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST_CASE("G2: a bucket's processor: concurrent on all workers, any other one call at a time") {
  const test::Watchdog watchdog("processors");
  std::latch both{2};
  {
    etl::Bucket<int> bucket(etl::concurrent([&both](std::span<const int>) { both.arrive_and_wait(); }),
                            {.batch_size = 1, .workers = 2});
    CHECK(bucket.push(1));
    CHECK(bucket.push(2));
  }
  test::Crowd crowd;
  std::uint64_t total = 0;  // not atomic: the library promises
  {
    etl::Bucket<std::uint64_t> bucket(
        [&crowd, &total](std::span<const std::uint64_t> batch) {
          const test::Crowd::Visit visit(crowd);
          for (const std::uint64_t n : batch) total += n;
        },
        {.batch_size = 2, .workers = 4});
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&bucket] {
        for (std::uint64_t i = 1; i <= 500; ++i) bucket.push(i);
      });
    threads.clear();
    CHECK(bucket.finish().ok());
  }
  CHECK(crowd.most() == 1);
  CHECK(total == 4 * 500 * 501 / 2);
}

TEST_CASE("G2: independent runs share a pool without disturbing one another") {
  const test::Watchdog watchdog("runs on one pool");
  const etl::Executor pool = etl::Executor::pool(2);
  std::vector<std::string> wrong(6);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        test::Scripted<true> pipeline(busy(300, t));
        if (t == 3)
          pipeline.script.at = [](Site s, std::uint64_t n) {
            return s == Site::Load && n == 100 ? etl::Result<void>(etl::failure(etl::fatal("mine alone")))
                                               : etl::Result<void>();
          };
        etl::Options o;
        o.batch_size = 4;
        o.workers = 3;
        o.executor = pool;
        const etl::RunReport r = etl::run(pipeline, o);
        wrong[t] += test::audit(r, *pipeline.books, o);
        if (r.ok() == (t == 3)) wrong[t] += "wrong outcome " + std::string(etl::to_string(r.outcome));
      }
    });
  threads.clear();
  for (const std::string& w : wrong) CHECK(w == "");
}

#if defined(__linux__)
TEST_CASE("G4: on one processor a batch that met a busy worker is taken although its source waits elsewhere") {
  struct OneProcessor {
    OneProcessor() {
      REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
      cpu_set_t one;
      CPU_ZERO(&one);
      for (std::size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
      REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
    }
    OneProcessor(const OneProcessor&) = delete;
    OneProcessor& operator=(const OneProcessor&) = delete;
    ~OneProcessor() { sched_setaffinity(0, sizeof(before), &before); }
    cpu_set_t before{};
  };
  struct Polling {
    std::shared_ptr<etl::testing::VirtualExecutor> clock;
    std::vector<int> loaded{};
    void extract(etl::Emitter<int>& out) {
      if (!out.push(1) || !out.push(2)) return;
      out.wait_for(1ms);  // runs the first batch
      REQUIRE(loaded == std::vector{1});
      clock->advance(1s);  // as a source that waits for its next item
      CHECK(loaded == std::vector{1, 2});
    }
    void load(std::span<const int> batch) {
      if (batch.front() == 1) clock->advance(1s);  // a worker comes, and leaves: the only token is taken
      loaded.push_back(batch.front());
    }
  };
  const OneProcessor bound;
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>();
  Polling pipeline{clock};
  etl::Options options{.batch_size = 1, .timeout = etl::Options::never, .workers = 1, .capacity = 10};
  options.drain_deadline = etl::Options::never;
  options.executor = etl::Executor(clock);
  CHECK(etl::run(pipeline, options).ok());
}
#endif

}  // namespace concurrency_test
