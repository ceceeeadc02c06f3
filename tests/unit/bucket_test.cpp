#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <etl/asio.hpp>
#include <etl/bucket.hpp>
#include <etl/testing/baton_executor.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/places.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace bucket_test {

using namespace std::chrono_literals;

namespace {

/// Runs nothing, as an executor all of whose threads are busy.
struct Nowhere final : etl::ExecutorBackend {
  struct NoTimer final : etl::Timer {
    void arm(etl::TimePoint, std::shared_ptr<etl::Task> task) override { kept = std::move(task); }
    std::shared_ptr<etl::Task> kept;
  };
  void post(std::shared_ptr<etl::Task> task) override { tasks.push_back(std::move(task)); }
  std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<NoTimer>(); }
  std::vector<std::shared_ptr<etl::Task>> tasks;
};

struct Sink {
  std::mutex mutex;
  std::vector<std::vector<int>> batches;
  void operator()(std::span<const int> batch) {
    const std::lock_guard lock(mutex);
    batches.emplace_back(batch.begin(), batch.end());
  }
  std::vector<int> all() {
    std::vector<int> items;
    for (const auto& b : batches) items.insert(items.end(), b.begin(), b.end());
    return items;
  }
};

}  // namespace

TEST_CASE("bucket: collects items of one thread into batches, in order") {
  Sink sink;
  etl::Bucket<int> bucket([&sink](std::span<const int> batch) { sink(batch); },
                          {.name = "b", .batch_size = 4, .workers = 1});
  for (int i = 0; i < 10; ++i) CHECK(bucket.push(i));
  const etl::RunReport r = bucket.finish();
  REQUIRE(sink.batches.size() == 3);
  CHECK(sink.batches[0] == std::vector<int>{0, 1, 2, 3});
  CHECK(sink.batches[1] == std::vector<int>{4, 5, 6, 7});
  CHECK(sink.batches[2] == std::vector<int>{8, 9});
  CHECK(r.pipeline == "b");
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items == etl::ItemLedger{.extracted = 10, .loaded = 10});
  CHECK(r.results == etl::ResultLedger{.produced = 10, .committed = 10});
  CHECK(r.flushes.size == 2);
  CHECK(r.flushes.close == 1);
  CHECK(r.load.count == 3);
}

TEST_CASE("bucket: a second finish gives the same report") {
  etl::Bucket<int> bucket([](std::span<const int>) {}, {.workers = 1});
  CHECK(bucket.push(1));
  const etl::RunReport first = bucket.finish();
  const etl::RunReport second = bucket.finish();
  CHECK(first.json() == second.json());
  CHECK_FALSE(bucket.push(2));
  CHECK(bucket.finish().json() == first.json());
}

TEST_CASE("bucket: nothing pushed is Completed with nothing") {
  int calls = 0;
  etl::Bucket<int> bucket([&calls](std::span<const int>) mutable { ++calls; }, {.workers = 2});
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items == etl::ItemLedger{});
  CHECK(calls == 0);
}

TEST_CASE("bucket: the destructor closes, flushes and waits (G3)") {
  const test::Watchdog watchdog("the destructor of a bucket");
  for (const test::Place place : {test::Place::OwnPool, test::Place::TwoThreads}) {
    std::atomic<int> sum = 0;
    test::Service service(2);
    {
      etl::Options o;
      o.batch_size = 7;
      o.workers = 3;
      o.timeout = etl::Options::never;
      if (place == test::Place::TwoThreads) o.executor = service.executor();
      etl::Bucket<int> bucket(etl::concurrent([&sum](std::span<const int> batch) {
                                for (const int n : batch) sum += n;
                              }),
                              o);
      for (int i = 1; i <= 100; ++i) CHECK(bucket.push(i));
    }
    CHECK(sum == 5050);
  }
}

TEST_CASE("bucket: eight threads through the shared intake: every item once, sums exact") {
  const test::Watchdog watchdog("shared intake");
  for (const std::size_t batch_size : {std::size_t{1}, std::size_t{3}, std::size_t{100}}) {
    std::atomic<std::uint64_t> sum = 0, count = 0, largest = 0;
    etl::Bucket<std::uint64_t> bucket(etl::concurrent([&](std::span<const std::uint64_t> batch) {
                                        for (const std::uint64_t n : batch) sum += n;
                                        count += batch.size();
                                        if (batch.size() > largest) largest = batch.size();
                                      }),
                                      {.batch_size = batch_size, .workers = 2, .capacity = 3});
    {
      std::latch start{8};
      std::vector<std::jthread> threads;
      for (std::uint64_t t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
          start.arrive_and_wait();
          for (std::uint64_t i = 0; i < 1000; ++i) bucket.push(t * 1000 + i);
        });
    }
    const etl::RunReport r = bucket.finish();
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(count == 8000);
    CHECK(sum == 8000ull * 7999 / 2);
    CHECK(largest <= batch_size);
    CHECK(r.items == etl::ItemLedger{.extracted = 8000, .loaded = 8000});
  }
}

TEST_CASE("bucket: many producers with handles, each in its own order") {
  const test::Watchdog watchdog("producers");
  std::mutex mutex;
  std::vector<std::vector<std::pair<int, int>>> loads;
  etl::Bucket<std::pair<int, int>> bucket(
      [&](std::span<const std::pair<int, int>> batch) {
        const std::lock_guard lock(mutex);
        loads.emplace_back(batch.begin(), batch.end());
      },
      {.batch_size = 10, .workers = 3});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&bucket, t] {
        auto producer = bucket.producer();
        for (int i = 0; i < 505; ++i) {
          if (i % 2 == 0) {
            producer.push({t, i});
          } else {
            producer.fill([t, i](std::pair<int, int>& slot) { slot = {t, i}; });
          }
        }
      });
  }
  const etl::RunReport r = bucket.finish();
  CHECK(r.items.loaded == 4 * 505);
  CHECK(r.flushes.size == 4 * 50);
  CHECK(r.flushes.close == 4);
  std::vector<int> seen(4 * 505);
  for (const auto& batch : loads)
    for (std::size_t i = 0; i < batch.size(); ++i) {
      ++seen[static_cast<std::size_t>(batch[i].first * 505 + batch[i].second)];
      if (batch[i].first != batch[0].first) FAIL("a batch of two producers");
      if (batch[i].second != batch[0].second + static_cast<int>(i)) FAIL("a batch out of order");
    }
  CHECK(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
}

TEST_CASE("bucket: push blocks while full and goes on when there is room") {
  const test::Watchdog watchdog("a full bucket");
  test::Gate loading, go_on;
  std::atomic<int> pushed = 0;
  etl::Bucket<int> bucket(
      [&](std::span<const int>) {
        loading.open();
        go_on.wait();
      },
      {.batch_size = 1, .workers = 1, .capacity = 2, .inline_batches = etl::Inline::Never});
  std::jthread pusher([&] {
    for (int i = 0; i < 50; ++i) {
      bucket.push(i);
      ++pushed;
    }
  });
  loading.wait();
  int item = 7;
  while (bucket.try_push(item)) ++pushed;  // full
  CHECK(pushed < 50);
  CHECK(pushed <= 6);
  go_on.open();
  pusher.join();
  CHECK(bucket.finish().items.abandoned == 0);
}

TEST_CASE("bucket: try_push never blocks: full, closed and failed are told by its answer") {
  const test::Watchdog watchdog("try_push");
  test::Gate loading, go_on;
  std::atomic<bool> fail = false;
  etl::Bucket<std::unique_ptr<int>> bucket(
      [&](std::span<const std::unique_ptr<int>>) {
        loading.open();
        go_on.wait();
        if (fail) throw std::runtime_error("no");
      },
      {.batch_size = 1, .workers = 1, .capacity = 1});
  std::uint64_t accepted = 0;
  for (;;) {
    auto item = std::make_unique<int>(3);
    if (!bucket.try_push(item)) {
      REQUIRE(item != nullptr);  // untouched
      CHECK(*item == 3);
      break;
    }
    CHECK(item == nullptr);
    ++accepted;
    loading.wait();  // the first one is at work
  }
  CHECK(accepted >= 1);
  fail = true;
  go_on.open();
  // After the failure it stays false.
  const etl::RunReport r = bucket.finish();
  auto item = std::make_unique<int>(4);
  CHECK_FALSE(bucket.try_push(item));
  CHECK(item != nullptr);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.extracted == accepted);  // refused try_pushes are not counted
  CHECK(test::unsound(r) == "");
}

TEST_CASE("bucket: a failing processor fails the bucket: pushes come free, everything is counted (G4)") {
  const test::Watchdog watchdog("a failing processor");
  for (const bool thrown : {true, false}) {
    etl::Bucket<int> bucket(
        [thrown](std::span<const int> batch) -> etl::Result<void> {
          if (batch.front() < 20) return {};
          if (thrown) throw std::runtime_error("disk full");
          return etl::failure(etl::fatal("disk full"));
        },
        {.batch_size = 10, .workers = 1, .capacity = 1});
    std::uint64_t pushes = 1;
    for (int i = 0; bucket.push(i); ++i) ++pushes;
    const etl::RunReport r = bucket.finish();
    CHECK(r.outcome == etl::Outcome::Failed);
    CHECK(r.items.loaded == 20);
    CHECK(r.items.extracted == pushes);
    CHECK(test::unsound(r) == "");
    REQUIRE_FALSE(r.errors.empty());
    CHECK(r.errors[0].stage == etl::Stage::Load);
    CHECK(r.errors[0].error.message() == "disk full");
    CHECK(r.errors[0].first_seq == 20);
  }
}

TEST_CASE("bucket: G2 each item that was taken and is not loaded is told, once, with its reason") {
  const test::Watchdog watchdog("lost items");
  const bool weighed = GENERATE(false, true);
  const bool handle = GENERATE(false, true);
  CAPTURE(weighed, handle);
  std::vector<int> loaded;
  std::vector<int> given;
  std::multiset<int> rejected;
  std::multiset<int> abandoned;
  std::set<std::string> reasons;
  etl::Options options{.batch_size = 10, .workers = 1, .capacity = 8, .errors = {.max_rejects = 1000}};
  if (weighed) options.batch_bytes = std::size_t{1} << 30;
  etl::Bucket<std::string> bucket(
      [&](std::span<const std::string> batch, etl::BatchContext& context) mutable -> etl::Result<void> {
        if (loaded.size() >= 200) return etl::failure(etl::fatal("server is gone"));
        for (std::size_t i = 0; i < batch.size(); ++i) {
          const int number = std::stoi(batch[i]);
          if (number % 7 == 0)
            context.reject(i, "divisible by 7: " + batch[i]);
          else
            loaded.push_back(number);
        }
        return {};
      },
      [&](const etl::LostItem<std::string>& lost) {
        (lost.how == etl::LostAs::Rejected ? rejected : abandoned).insert(std::stoi(lost.item));
        if (lost.how == etl::LostAs::Rejected)
          reasons.insert(lost.error.message() == "divisible by 7: " + lost.item ? "its own" : lost.error.message());
        else
          reasons.insert(lost.error.message());
      },
      options);
  {
    std::optional<etl::Bucket<std::string>::Producer> producer;
    if (handle) producer.emplace(bucket.producer());
    for (int i = 0;; ++i) {
      if (!(producer ? producer->push(std::to_string(i)) : bucket.push(std::to_string(i)))) break;
      given.push_back(i);
    }
  }
  const etl::RunReport report = bucket.finish();
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.refused_pushes == 1);
  CHECK(report.items.rejected == rejected.size());
  CHECK(report.items.abandoned == abandoned.size() + report.refused_pushes);
  CHECK(reasons == std::set<std::string>{"its own", "server is gone"});
  std::multiset<int> all(loaded.begin(), loaded.end());
  all.insert(rejected.begin(), rejected.end());
  all.insert(abandoned.begin(), abandoned.end());
  CHECK(all == std::multiset<int>(given.begin(), given.end()));
}

TEST_CASE("bucket: G2 what a stop, a deadline or a commit of unknown outcome leaves is told, too") {
  const test::Watchdog watchdog("lost to a stop");
  std::multiset<std::pair<int, std::string>> told;
  const auto tell = [&](const etl::LostItem<int>& lost) {
    told.emplace(lost.item, std::string(etl::to_string(lost.how)) + ": " + lost.error.message());
  };
  etl::StopSource stopper;
  auto nowhere = std::make_shared<Nowhere>();
  {
    etl::Bucket<int> bucket([](std::span<const int>) {}, tell,
                            {.batch_size = 2, .workers = 1, .executor = etl::Executor(nowhere)}, stopper.stop_token());
    for (int i = 0; i < 3; ++i) REQUIRE(bucket.push(i));
    stopper.request_abandon();
    CHECK(bucket.finish().items.abandoned == 3);
  }
  using Told = std::multiset<std::pair<int, std::string>>;
  CHECK(told == Told{{0, "abandoned: stopped before it was loaded"},
                     {1, "abandoned: stopped before it was loaded"},
                     {2, "abandoned: stopped before it was loaded"}});
  told.clear();
  etl::Bucket<int> bucket(
      [](std::span<const int>) -> etl::Result<void> {
        return etl::failure({.code = etl::Errc::OutcomeUnknown, .context = "lost in the commit"});
      },
      tell, {.batch_size = 2, .workers = 1});
  for (int i = 0; i < 2; ++i) REQUIRE(bucket.push(i));
  const etl::RunReport report = bucket.finish();
  CHECK(report.results.in_doubt == 2);
  CHECK(told == Told{{0, "in doubt: lost in the commit"}, {1, "in doubt: lost in the commit"}});
}

TEST_CASE("bucket: G4 a callable for lost items that throws fails the bucket, and hears of the others") {
  int calls = 0;
  etl::Bucket<int> bucket(
      [](std::span<const int>, etl::BatchContext& context) {
        context.reject(0, "bad");
        context.reject(1, "bad");
      },
      [&](const etl::LostItem<int>&) {
        ++calls;
        throw std::runtime_error("no file");
      },
      {.batch_size = 2, .workers = 1, .errors = {.max_rejects = 10}});
  for (int i = 0; i < 2; ++i) REQUIRE(bucket.push(i));
  const etl::RunReport report = bucket.finish();
  CHECK(calls == 2);
  CHECK(report.outcome == etl::Outcome::Failed);
  REQUIRE_FALSE(report.errors.empty());
  CHECK(report.errors[0].error.message() == "on_lost has failed for an item that is rejected: no file");
}

TEST_CASE("G4: items whose move throws leave the bucket whole, whichever push of a thread it was") {
  const test::Watchdog watchdog("moves that throw");
  struct Item {
    explicit Item(int its_number) : number(its_number) { ++alive(); }
    Item(Item&& other) : number(other.number) {
      if (number < 0) throw std::runtime_error("cannot be moved");
      ++alive();
    }
    Item& operator=(Item&& other) = default;
    ~Item() { --alive(); }
    static std::atomic<int>& alive() {
      static std::atomic<int> count = 0;
      return count;
    }
    int number;
  };
  for (int before = 0; before < 70; ++before) {  // more than two blocks of the queue
    int thrown = 0;
    etl::RunReport r;
    {
      etl::Bucket<Item> bucket([](std::span<const Item>) {}, {.batch_size = 100, .workers = 1});
      for (int number = 0; number < before; ++number) REQUIRE(bucket.push(Item(number)));
      for (int again = 0; again < 3; ++again) {
        try {
          static_cast<void>(bucket.push(Item(-1)));
        } catch (const std::runtime_error&) {
          ++thrown;
        }
      }
      REQUIRE(bucket.push(Item(before)));
      r = bucket.finish();
    }
    CAPTURE(before);
    CHECK(thrown == 3);
    CHECK(r.items.loaded == static_cast<std::uint64_t>(before) + 1);
    CHECK(r.refused_pushes == 3);
    CHECK(Item::alive() == 0);  // none was destroyed that had not been made
  }
}

TEST_CASE("G4: a push that saw a full bucket goes on when another push has failed, though no batch is due") {
  const test::Watchdog watchdog("a push after one that failed");
  struct Watched final : etl::ExecutorBackend {  // says when somebody waits
    explicit Watched(test::Gate& gate) : waits(gate) {}
    void post(std::shared_ptr<etl::Task> task) override { pool.backend()->post(std::move(task)); }
    std::unique_ptr<etl::Timer> make_timer() override { return pool.backend()->make_timer(); }
    void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, etl::TimePoint until) override {
      waits.open();
      etl::ExecutorBackend::wait(lock, signal, until);
    }
    test::Gate& waits;
    etl::Executor pool = etl::Executor::pool(1);
  };
  struct Item {
    Item(int its_number, test::Gate* its_reached, test::Gate* its_go_on)
        : number(its_number), reached(its_reached), go_on(its_go_on) {}
    Item(Item&& other) : number(other.number) {
      if (other.reached == nullptr) return;
      other.reached->open();
      other.go_on->wait();
      throw std::runtime_error("cannot be moved");
    }
    Item& operator=(Item&& other) = default;
    int number;
    test::Gate *reached = nullptr, *go_on = nullptr;
  };
  test::Gate waits, reached, go_on;
  etl::Bucket<Item> bucket([](std::span<const Item>) {}, {.batch_size = 3,
                                                          .timeout = etl::Options::never,
                                                          .workers = 1,
                                                          .capacity = 1,
                                                          .executor = etl::Executor(std::make_shared<Watched>(waits))});
  for (const int number : {1, 2}) CHECK(bucket.push(Item(number, nullptr, nullptr)));
  bool thrown = false, pushed = false;
  std::thread failing([&] {
    try {
      static_cast<void>(bucket.push(Item(3, &reached, &go_on)));
    } catch (const std::runtime_error&) {
      thrown = true;
    }
  });
  reached.wait();
  std::thread waiting([&] { pushed = bucket.push(Item(4, nullptr, nullptr)); });
  waits.wait();
  go_on.open();
  failing.join();
  waiting.join();
  CHECK(thrown);
  CHECK(pushed);
  CHECK(bucket.finish().items.loaded == 3);
}

TEST_CASE("G4: a bucket whose callable for lost items asks for an abandon comes to its end") {
  const test::Watchdog watchdog("an abandon within on_lost");
  test::Gate pushed;
  etl::StopSource stop;
  std::vector<std::pair<int, etl::LostAs>> lost;
  etl::Bucket<int> bucket(
      [&](std::span<const int>, etl::BatchContext& context) {
        pushed.wait();
        context.reject(0, "no");
      },
      [&](const etl::LostItem<int>& one) {
        lost.emplace_back(one.item, one.how);
        stop.request_abandon();
      },
      {.batch_size = 1, .workers = 1, .capacity = 10, .errors = {.max_rejects = 10}}, stop.stop_token());
  for (const int item : {0, 1, 2}) CHECK(bucket.push(item));
  pushed.open();
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == etl::Outcome::Cancelled);
  using enum etl::LostAs;
  CHECK(lost == std::vector<std::pair<int, etl::LostAs>>{{0, Rejected}, {1, Abandoned}, {2, Abandoned}});
  CHECK(test::unsound(r) == "");
}

TEST_CASE("bucket: push_for goes on as soon as there is room for one more") {
  for (const std::string kind : {"plain", "ordered", "weighed"}) {
    CAPTURE(kind);
    const auto threads = std::make_shared<etl::testing::BatonExecutor>(1);
    const etl::Executor executor(threads);
    etl::Options options{
        .batch_size = 1, .workers = 4, .capacity = 4, .drain_deadline = etl::Options::never, .executor = executor};
    if (kind == "ordered") options.order = etl::Order::Source;
    if (kind == "weighed") options.batch_bytes = 100;
    const auto process = [&](std::span<const int> batch) {
      (void)etl::Waiter({}, executor).wait_for(batch[0] == 0 ? 1s : 100s);
    };
    etl::Bucket<int> bucket(etl::concurrent(process), options);
    for (int i = 0; i < 4; ++i) CHECK(bucket.push(i));
    int item = 4;
    CHECK(bucket.push_for(item, 1h));
    CHECK(threads->now().time_since_epoch() == 1s);  // when the first of them has gone
    CHECK(bucket.finish().items.loaded == 5);
  }
}

TEST_CASE("bucket: push_for waits for room, no longer than it is told") {
  const test::Watchdog watchdog("push_for");
  const bool weighed = GENERATE(false, true);
  CAPTURE(weighed);
  auto clock = std::make_shared<etl::testing::VirtualExecutor>(1);
  std::vector<int> loaded;
  etl::Bucket<int>* itself = nullptr;
  bool refused = false;
  std::chrono::nanoseconds waited{};
  etl::Options options{.batch_size = 1, .timeout = etl::Options::never, .workers = 1, .capacity = 1};
  options.executor = etl::Executor(clock);
  if (weighed) options.batch_bytes = std::size_t{1} << 30;
  etl::Bucket<int> bucket(
      [&](std::span<const int> batch) mutable {
        loaded.insert(loaded.end(), batch.begin(), batch.end());
        if (loaded.size() > 1) return;
        int more = 2;
        while (itself->try_push(more)) {}  // full now, until this returns
        int third = 3;
        const auto begin = clock->now();
        refused = !itself->push_for(third, 3s);
        waited = clock->now() - begin;
      },
      options);
  itself = &bucket;
  int item = 1;
  REQUIRE(bucket.push_for(item, 0s));
  item = 4;
  REQUIRE(bucket.push_for(item, 1h));  // there is room as soon as a worker has taken the first
  const etl::RunReport report = bucket.finish();
  CHECK(refused);
  CHECK(waited == 3s);
  CHECK(std::ranges::count(loaded, 3) == 0);
  CHECK(loaded.back() == 4);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.items.extracted == loaded.size());  // what was not taken is not counted
  CHECK_FALSE(bucket.push_for(item, 1h));          // closed: at once
}

TEST_CASE("bucket: the processor's context: batch, Seq range, rejects") {
  std::mutex mutex;
  std::vector<std::uint64_t> batches;
  bool ranges = true;
  etl::Bucket<int> bucket(
      [&](std::span<const int> batch, etl::BatchContext& context) {
        const std::lock_guard lock(mutex);
        batches.push_back(context.batch());
        ranges = ranges && context.last_seq() - context.first_seq() + 1 == batch.size() &&
                 !context.stop_token().stop_requested();
        for (std::size_t i = 0; i < batch.size(); ++i)
          if (batch[i] % 5 == 0) context.reject(i, "by five");
      },
      {.batch_size = 4, .workers = 2, .errors = {.max_rejects = 4}});
  for (int i = 0; i < 20; ++i) bucket.push(i);
  const etl::RunReport r = bucket.finish();
  std::sort(batches.begin(), batches.end());
  CHECK(batches == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
  CHECK(ranges);
  CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(r.items == etl::ItemLedger{.extracted = 20, .loaded = 16, .rejected = 4});
}

TEST_CASE("bucket: bad options and fused mode are refused with an exception") {
  const auto processor = [](std::span<const int>) {};
  CHECK_THROWS_AS(etl::Bucket<int>(processor, {.batch_size = 0}), etl::Exception);
  CHECK_THROWS_AS(etl::Bucket<int>(processor, etl::Options{.mode = etl::Mode::Fused}), etl::Exception);
  try {
    etl::Bucket<int> bucket(processor, {.workers = 0});
    FAIL("did not throw");
  } catch (const etl::Exception& e) {
    CHECK(e.error().code == etl::Errc::InvalidOptions);
    CHECK(std::string(e.what()).find("workers") != std::string::npos);
  }
}

TEST_CASE("bucket: a stop drains, an abandon drops what is queued") {
  const test::Watchdog watchdog("stopping a bucket");
  for (const bool abandon : {false, true}) {
    test::Gate loading, go_on;
    std::atomic<int> processed = 0;
    etl::StopSource source;
    etl::Bucket<int> bucket(
        [&](std::span<const int> batch) {
          loading.open();
          go_on.wait();
          processed += static_cast<int>(batch.size());
        },
        {.batch_size = 1, .workers = 1, .capacity = 10}, source.stop_token());
    for (int i = 0; i < 5; ++i) CHECK(bucket.push(i));
    loading.wait();
    abandon ? source.request_abandon() : source.request_drain();
    CHECK_FALSE(bucket.push(5));
    go_on.open();
    const etl::RunReport r = bucket.finish();
    CHECK(r.outcome == etl::Outcome::Cancelled);
    CHECK(processed == (abandon ? 1 : 5));
    CHECK(r.items.loaded == (abandon ? 1u : 5u));
    CHECK(r.items.abandoned == (abandon ? 5u : 1u));
  }
}

TEST_CASE("bucket: status while it works names what it waits for (G3)") {
  const test::Watchdog watchdog("the status of a bucket");
  test::Gate loading, go_on;
  etl::Bucket<int> bucket(
      [&](std::span<const int>) {
        loading.open();
        go_on.wait();
      },
      {.batch_size = 2, .workers = 1, .capacity = 10});
  CHECK(bucket.status().waiting_for.empty());
  for (int i = 0; i < 6; ++i) bucket.push(i);
  loading.wait();
  const etl::RunStatus status = bucket.status();
  CHECK(status.waiting_for.find("load") != std::string::npos);
  CHECK(status.running_batches == 1);
  CHECK(status.queued_batches == 2);
  CHECK(status.items.extracted == 6);
  go_on.open();
  bucket.finish();
  const etl::RunStatus after = bucket.status();
  CHECK(after.waiting_for.empty());
  CHECK(after.items.loaded == 6);
  CHECK(after.queued_batches + after.running_batches == 0);
}

TEST_CASE("bucket: works on the caller's executor, on one thread, and on one that nobody runs until finish") {
  const test::Watchdog watchdog("a starved bucket");
  asio::io_context io;  // nobody runs it
  std::atomic<int> sum = 0;
  etl::Bucket<int> bucket(
      [&sum](std::span<const int> batch) {
        for (const int n : batch) sum += n;
      },
      {.batch_size = 3,
       .workers = 2,
       .capacity = 2,
       .executor = etl::Executor(asio::any_io_executor(io.get_executor()))});
  for (int i = 1; i <= 100; ++i) CHECK(bucket.push(i));  // pushes that would wait help
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(sum == 5050);
  io.run();  // what is left there does nothing
}

TEST_CASE("bucket: a capacity beyond all bounds is as good as any (G11)") {
  const test::Watchdog watchdog("a large capacity");
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const std::size_t capacity : {most, most / 1000, std::size_t{1} << 54, std::size_t{1} << 53}) {
    std::atomic<std::size_t> loaded = 0;
    etl::Bucket<int> bucket([&loaded](std::span<const int> batch) { loaded += batch.size(); },
                            {.batch_size = 1024, .workers = 1, .capacity = capacity});
    for (int i = 0; i < 10; ++i) CHECK(bucket.push(i));
    const etl::RunReport r = bucket.finish();
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(loaded == 10);
    CHECK_FALSE(bucket.push(10));
    int item = 11;
    CHECK_FALSE(bucket.try_push(item));
  }
}

namespace {

/// While `armed`, one of its `value` cannot be moved.
struct Bomb {
  static inline std::atomic<bool> armed = false;
  static constexpr int value = 13;

  explicit Bomb(int n) : number(n) {}
  Bomb(const Bomb&) = default;
  Bomb(Bomb&& other) : number(other.number) { moved(); }  // NOLINT(performance-noexcept-move-constructor)
  Bomb& operator=(const Bomb&) = default;
  Bomb& operator=(Bomb&& other) {  // NOLINT(performance-noexcept-move-constructor)
    number = other.number;
    moved();
    return *this;
  }
  ~Bomb() = default;
  void moved() const {
    if (number == value && armed) throw std::runtime_error("cannot be moved");
  }
  int number;
};

}  // namespace

TEST_CASE("bucket: an item that cannot be moved in throws to its pusher and is counted, the others go on (G2)") {
  const test::Watchdog watchdog("an item that cannot be moved");
  const auto processor = [](std::span<const Bomb>) {};
  for (const bool weighed : {false, true}) {
    etl::Options options{.batch_size = 4, .workers = 1};
    if (weighed) options.batch_bytes = 1000;
    Bomb::armed = true;
    etl::Bucket<Bomb> bucket(processor, options);
    CHECK_THROWS_AS(bucket.push(Bomb(Bomb::value)), std::runtime_error);  // the first of a batch
    for (int i = 0; i < 6; ++i) CHECK(bucket.push(Bomb(i)));
    CHECK_THROWS_AS(bucket.push(Bomb(Bomb::value)), std::runtime_error);
    Bomb unmoved(Bomb::value);
    CHECK_THROWS_AS(bucket.try_push(unmoved), std::runtime_error);  // not counted
    {
      auto producer = bucket.producer();
      CHECK_THROWS_AS(producer.push(Bomb(Bomb::value)), std::runtime_error);
      CHECK(producer.push(Bomb(1)));
    }
    Bomb::armed = false;
    const etl::RunReport r = bucket.finish();
    CHECK(r.items == etl::ItemLedger{.extracted = 10, .loaded = 7, .abandoned = 3});
    CHECK(test::unsound(r) == "");
  }
}

TEST_CASE("bucket: a push that waited for the room of an item that cannot be moved goes on") {
  const test::Watchdog watchdog("a push behind one that throws");
  struct Slow {
    explicit Slow(test::Gate* m = nullptr, test::Gate* g = nullptr) : moving(m), go_on(g) {}
    Slow(Slow&& other) : moving(other.moving), go_on(other.go_on) {  // NOLINT(performance-noexcept-move-constructor)
      if (moving == nullptr) return;
      moving->open();
      go_on->wait();
      throw std::runtime_error("cannot be moved");
    }
    Slow& operator=(Slow&&) = default;
    test::Gate* moving;
    test::Gate* go_on;
  };
  for (int round = 0; round < 20; ++round) {
    test::Gate moving, go_on;
    std::atomic<bool> thrown = false, pushed = false;
    etl::Bucket<Slow> bucket([](std::span<const Slow>) {}, {.batch_size = 1, .workers = 1, .capacity = 1});
    std::jthread first([&] {
      try {
        bucket.push(Slow(&moving, &go_on));
      } catch (const std::runtime_error&) {
        thrown = true;
      }
    });
    moving.wait();
    std::jthread second([&] { pushed = bucket.push(Slow()); });  // there is no room now
    for (int i = 0; i < round * 100; ++i) std::this_thread::yield();
    go_on.open();
    first.join();
    second.join();
    CHECK(thrown);
    CHECK(pushed);
    CHECK(bucket.finish().items == etl::ItemLedger{.extracted = 2, .loaded = 1, .abandoned = 1});
  }
}

TEST_CASE("bucket: an item that cannot be moved out again fails the bucket, nobody waits for ever (G4)") {
  const test::Watchdog watchdog("an item that cannot be moved out");
  etl::Bucket<Bomb> bucket([](std::span<const Bomb>) {},
                           {.batch_size = 4, .timeout = etl::Options::never, .workers = 1});
  for (int i = 0; i < 9; ++i) CHECK(bucket.push(Bomb(i == 8 ? Bomb::value : i)));  // the last lies in the open batch
  Bomb::armed = true;
  const etl::RunReport r = bucket.finish();
  Bomb::armed = false;
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items == etl::ItemLedger{.extracted = 9, .loaded = 8, .abandoned = 1});
  REQUIRE_FALSE(r.errors.empty());
  CHECK(r.errors[0].error.message() == "cannot be moved");
  CHECK(test::unsound(r) == "");
}

namespace {

/// Notes the most bytes it got at once.
struct Heaviest {
  std::atomic<std::size_t>* most;
  std::atomic<std::size_t>* items;
  void operator()(std::span<const std::string> batch) const {
    std::size_t sum = 0;
    for (const std::string& s : batch) sum += s.size();
    std::size_t seen = *most;
    while (sum > seen && !most->compare_exchange_weak(seen, sum)) {}
    *items += batch.size();
  }
  std::size_t bytes(const std::string& s) const {
    if (s == "unweighable") throw std::runtime_error("no scales");
    return s.size();
  }
};

}  // namespace

TEST_CASE("bucket: G2 of a batch with an item that cannot be moved out, the other items are told as lost") {
  const test::Watchdog watchdog("an item that cannot be moved out, among others");
  struct Item {
    Item(int its_number, const bool& is_broken) : number(its_number), broken(&is_broken) {}
    Item(Item&& other) : number(std::exchange(other.number, -1)), broken(other.broken) {  // NOLINT(performance-*)
      if (number == 2 && *broken) throw std::runtime_error("cannot be moved");
    }
    int number;
    const bool* broken;
  };
  const bool stopped = GENERATE(false, true);
  CAPTURE(stopped);
  bool broken = false;
  std::vector<int> loaded, lost;
  etl::StopSource stop;
  etl::Bucket<Item> bucket(
      [&](std::span<const Item> batch) mutable {
        for (const Item& item : batch) loaded.push_back(item.number);
      },
      [&](const etl::LostItem<Item>& one) { lost.push_back(one.item.number); },
      {.batch_size = 6, .timeout = etl::Options::never, .workers = 1}, stop.stop_token());
  for (int i = 0; i < 5; ++i) CHECK(bucket.push(Item(i, broken)));
  broken = true;
  if (stopped) stop.request_abandon();
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == (stopped ? etl::Outcome::Cancelled : etl::Outcome::Failed));
  CHECK(loaded.empty());
  CHECK(lost == std::vector<int>{0, 1, 3, 4});
  CHECK(r.items == etl::ItemLedger{.extracted = 5, .abandoned = 5});
  CHECK(test::unsound(r) == "");
}

TEST_CASE("bucket: batch_bytes holds for items pushed by any thread (G12)") {
  const test::Watchdog watchdog("batch_bytes");
  std::atomic<std::size_t> most = 0, items = 0;
  etl::Bucket<std::string> bucket(
      etl::concurrent(Heaviest{&most, &items}),
      {.batch_size = 100000, .batch_bytes = 1000, .timeout = etl::Options::never, .workers = 2, .capacity = 3});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&bucket, t] {
        for (int i = 0; i < 500; ++i) {
          std::string item(t == 0 ? 300 : 10, 'x');
          if (i % 2 == 0)
            bucket.push(std::move(item));
          else
            while (!bucket.try_push(item)) std::this_thread::yield();
        }
      });
  }
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(items == 2000);
  CHECK(r.items == etl::ItemLedger{.extracted = 2000, .loaded = 2000});
  CHECK(most >= 1000);
  CHECK(most < 1000 + 300);
  CHECK(r.flushes.bytes >= 165000 / 1300);
  CHECK(r.flushes.size + r.flushes.timeout == 0);
}

TEST_CASE("bucket: items may have an operator& of their own") {
  struct Shy {
    int value = 0;
    int operator&() const { return value; }
  };
  for (const bool weighed : {false, true}) {
    int sum = 0;
    etl::BucketOptions<Shy> options{.batch_size = 2};
    if (weighed) options.batch_bytes = 64;
    etl::Bucket<Shy> bucket(
        [&sum](std::span<const Shy> batch) mutable {
          for (const Shy& item : batch) sum += item.value;
        },
        options);
    for (int i = 1; i <= 4; ++i) bucket.push(Shy{i});
    Shy last{5};
    while (!bucket.try_push(last)) std::this_thread::yield();
    bucket.producer().push(Shy{6});
    CHECK(bucket.finish().ok());
    CHECK(sum == 21);
  }
}

TEST_CASE("bucket: an item weighs what the options say, else what it holds (G12)") {
  const test::Watchdog watchdog("weights");
  const auto batches_of = [](etl::BucketOptions<std::string> options) {
    std::vector<std::size_t> sizes;
    options.batch_bytes = 10'000;
    options.timeout = options.never;
    options.workers = 1;
    etl::Bucket<std::string> bucket([&](std::span<const std::string> batch) { sizes.push_back(batch.size()); },
                                    std::move(options));
    for (int i = 0; i < 40; ++i) CHECK(bucket.push(std::string(968, 'x')));
    CHECK(bucket.finish().ok());
    return sizes;
  };
  static_assert(sizeof(std::string) == 32);
  CHECK(batches_of({}) == std::vector<std::size_t>{10, 10, 10, 10});
  CHECK(batches_of({.bytes = [](const std::string& text) { return text.size() / 2; }}) ==
        std::vector<std::size_t>{21, 19});
  CHECK(etl::detail::default_weight(std::vector<double>(5)) == sizeof(std::vector<double>) + 40);
  CHECK(etl::detail::default_weight(7) == sizeof(int));
}

TEST_CASE("bucket: its options have the defaults of a run, and reach the engine") {
  etl::BucketOptions<int> usual;
  etl::Options made = etl::detail::run_options(usual);
  const etl::Options run;
  CHECK(made.batch_size == run.batch_size);
  CHECK(made.timeout == run.timeout);
  CHECK(made.workers == run.workers);
  CHECK(made.effective_capacity() == run.effective_capacity());
  CHECK(made.drain_deadline == run.drain_deadline);
  CHECK(made.retry.max_attempts == run.retry.max_attempts);
  CHECK(made.errors.isolation == run.errors.isolation);
  CHECK_FALSE(made.batch_bytes);
  CHECK_FALSE(made.errors.max_rejects);

  const auto limiter = std::make_shared<etl::RateLimiter>(etl::Rates{.items_per_second = 5});
  const auto breaker = std::make_shared<etl::CircuitBreaker>(etl::BreakerPolicy{});
  const auto budget = std::make_shared<etl::MemoryBudget>(1000);
  int rejects = 0, retries = 0;
  etl::BucketOptions<int> all{.name = "b",
                              .batch_size = 2,
                              .batch_bytes = 3,
                              .timeout = 4s,
                              .workers = 5,
                              .capacity = 6,
                              .max_concurrent_loads = 7,
                              .order = etl::Order::Source,
                              .drain_deadline = 8s,
                              .errors = {.max_rejects = 9,
                                         .max_reject_ratio = 0.5,
                                         .unclassified = etl::Unclassified::Reject,
                                         .isolation = etl::Isolation::Bisect,
                                         .on_reject = [&](const etl::Rejection&) { ++rejects; }},
                              .retry = {.max_attempts = 10},
                              .on_retry = [&](const etl::FailedAttempt&) { ++retries; },
                              .retry_unknown_outcome = true,
                              .rate_limit = limiter,
                              .circuit_breaker = breaker,
                              .inline_batches = etl::Inline::Never,
                              .memory = budget};
  made = etl::detail::run_options(all);
  CHECK(made.batch_size == 2);
  CHECK(made.batch_bytes == std::size_t{3});
  CHECK(made.timeout == 4s);
  CHECK(made.workers == 5);
  CHECK(made.capacity == std::size_t{6});
  CHECK(made.max_concurrent_loads == std::size_t{7});
  CHECK(made.order == etl::Order::Source);
  CHECK(made.drain_deadline == 8s);
  CHECK(made.errors.max_rejects == 9U);
  CHECK(made.errors.max_reject_ratio == 0.5);
  CHECK(made.errors.unclassified == etl::Unclassified::Reject);
  CHECK(made.errors.isolation == etl::Isolation::Bisect);
  CHECK(made.errors.on_reject);
  CHECK(made.retry.max_attempts == 10);
  CHECK(made.on_retry);
  CHECK(made.retry_unknown_outcome);
  CHECK(made.rate_limit == limiter);
  CHECK(made.circuit_breaker == breaker);
  CHECK(made.inline_batches == etl::Inline::Never);
  CHECK(made.memory == budget);
  CHECK(made.name == "b");
}

TEST_CASE("bucket: an item that cannot be weighed throws to its pusher and is counted") {
  std::atomic<std::size_t> most = 0, items = 0;
  etl::Bucket<std::string> bucket(Heaviest{&most, &items}, {.batch_bytes = 1000, .workers = 1});
  CHECK(bucket.push("light"));
  CHECK_THROWS_AS(bucket.push("unweighable"), std::runtime_error);
  std::string item = "unweighable";
  CHECK_THROWS_AS(bucket.try_push(item), std::runtime_error);
  const etl::RunReport r = bucket.finish();
  CHECK(r.items == etl::ItemLedger{.extracted = 2, .loaded = 1, .abandoned = 1});
  CHECK(items == 1);
}

TEST_CASE("bucket: pushes are held back while the memory budget is used up") {
  const test::Watchdog watchdog("a budget for a bucket");
  const auto budget = std::make_shared<etl::MemoryBudget>(1000);
  test::Gate loading, go_on;
  std::atomic<std::size_t> loaded = 0;
  etl::Bucket<std::string> bucket(
      [&](std::span<const std::string> batch) {
        loading.open();
        go_on.wait();
        loaded += batch.size();
      },
      {.batch_size = 10,
       .timeout = etl::Options::never,
       .workers = 1,
       .capacity = 1000,
       .inline_batches = etl::Inline::Never,
       .memory = budget});
  constexpr std::size_t batch = 10 * (sizeof(std::string) + 1);  // no `bytes`: an item weighs what it holds
  std::size_t accepted = 0;
  for (std::string item = "x"; bucket.try_push(item); item = "x") ++accepted;
  CHECK(accepted % 10 == 0);
  CHECK(budget->used() >= 1000);
  CHECK(budget->peak() < 1000 + batch);
  loading.wait();
  std::jthread pusher([&bucket] {
    for (int i = 0; i < 500; ++i) bucket.push("y");  // blocks at first
  });
  go_on.open();
  pusher.join();
  const etl::RunReport r = bucket.finish();
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(loaded == accepted + 500);
  CHECK(budget->peak() < 1000 + batch);
  CHECK(budget->used() == 0);
}

TEST_CASE("bucket: weighed items are flushed by size, time, close and stop as others are") {
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>();
  etl::StopSource source;
  std::vector<std::vector<int>> loads;
  etl::Bucket<int> bucket(
      [&](std::span<const int> batch) mutable { loads.emplace_back(batch.begin(), batch.end()); },
      {.batch_size = 3, .batch_bytes = 1000, .timeout = 10ms, .workers = 1, .executor = etl::Executor(clock)},
      source.stop_token());
  for (int i = 0; i < 4; ++i) CHECK(bucket.push(i));
  clock->advance(9ms);
  CHECK(loads == std::vector<std::vector<int>>{{0, 1, 2}});
  clock->advance(1ms);
  CHECK(loads.size() == 2);
  CHECK(bucket.push(4));
  source.request_drain();
  CHECK_FALSE(bucket.push(5));
  const etl::RunReport r = bucket.finish();
  CHECK(loads == std::vector<std::vector<int>>{{0, 1, 2}, {3}, {4}});
  CHECK(r.flushes.size == 1);
  CHECK(r.flushes.timeout == 1);
  CHECK(r.flushes.close == 1);
  CHECK(r.items == etl::ItemLedger{.extracted = 6, .loaded = 5, .abandoned = 1});
}

TEST_CASE("bucket: options that it does not honour are refused by name, all at once") {
  etl::Options options{.mode = etl::Mode::Fused, .workers = 0, .extractors = 2, .order = etl::Order::ByKey};
  options.delivery = {.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>(),
                      .save_every = 2s,
                      .restart = true,
                      .incremental = true,
                      .dry_run = true};
  options.errors.dead_letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  options.progress.show = etl::ProgressOptions::Show::Lines;
  options.name = "b";
  try {
    const etl::Bucket<int> bucket([](std::span<const int>) {}, options);
    FAIL("accepted");
  } catch (const etl::Exception& e) {
    CHECK(e.error().code == etl::Errc::InvalidOptions);
    const std::string what = e.what();
    for (const char* name :
         {"workers", "fused mode", "ByKey", "extractors", "dead_letters", "delivery.checkpoints", "delivery.save_every",
          "delivery.restart", "delivery.incremental", "delivery.dry_run", "progress"}) {
      CAPTURE(name);
      CHECK(what.find(name) != std::string::npos);
    }
  }
}

TEST_CASE("bucket: G2 try_push takes capacity full batches, and not one item more") {
  const auto nowhere = std::make_shared<Nowhere>();
  {
    std::size_t processed = 0;
    etl::Options options{.batch_size = 4, .timeout = etl::Options::never, .workers = 1, .capacity = 3};
    options.executor = etl::Executor(nowhere);
    etl::Bucket<int> bucket([&](std::span<const int> batch) { processed += batch.size(); }, options);
    int taken = 0;
    for (int i = 0; i < 100; ++i) taken += bucket.try_push(i) ? 1 : 0;
    CHECK(taken == 12);
    bucket.finish();  // runs them itself
    CHECK(processed == 12);
  }
  nowhere->tasks.clear();
}

TEST_CASE("bucket: G11 an item that was accepted while the bucket closed is processed") {
  struct Closes {  // on its way into the bucket
    std::function<void()>* when_moved = nullptr;
    explicit Closes(std::function<void()>* call) : when_moved(call) {}
    Closes(Closes&& other) noexcept : when_moved(std::exchange(other.when_moved, nullptr)) {
      if (when_moved != nullptr && *when_moved) std::exchange(*when_moved, nullptr)();
    }
    Closes& operator=(Closes&& other) noexcept {
      when_moved = std::exchange(other.when_moved, nullptr);
      return *this;
    }
  };
  std::size_t processed = 0;
  std::function<void()> close;
  etl::Bucket<Closes> bucket([&](std::span<const Closes> batch) mutable { processed += batch.size(); }, {.workers = 1});
  close = [&] { bucket.close(); };
  Closes item(&close);
  const bool accepted = bucket.try_push(item);
  const etl::RunReport report = bucket.finish();
  CHECK(accepted);
  CHECK(processed == 1);
  CHECK(report.items.loaded == 1);
}

TEST_CASE("bucket: G2 producers may be asked for while it gives its memory free") {
  struct Item {  // calls when it goes
    int value;
    std::function<void()>* call = nullptr;
    explicit Item(int its_value, std::function<void()>* its_call = nullptr) : value(its_value), call(its_call) {}
    Item(const Item&) = default;
    Item& operator=(const Item&) = default;
    ~Item() {
      if (call != nullptr && *call) std::exchange(*call, nullptr)();
    }
  };
  std::function<void()> call;
  etl::Bucket<Item> bucket([](std::span<const Item>) {}, {.batch_size = 1, .workers = 1});
  {
    auto one = bucket.producer(), other = bucket.producer();
    one.push(Item(1, &call));  // stays in its slot
    bucket.close();
  }
  call = [&] {
    std::vector<etl::Bucket<Item>::Producer> producers;
    for (int i = 0; i < 64; ++i) producers.push_back(bucket.producer());
  };
  CHECK(bucket.finish().ok());
  CHECK_FALSE(call);
}

TEST_CASE("bucket: G4 an item that was moved away when that failed is not processed") {
  struct Item {
    int value;
    std::function<void()>* when_copied;
    bool* breaks;
    Item(int its_value, std::function<void()>* call, bool* broken)
        : value(its_value), when_copied(call), breaks(broken) {}
    Item(const Item& other) : value(other.value), when_copied(other.when_copied), breaks(other.breaks) {
      if (*when_copied) std::exchange(*when_copied, nullptr)();
    }
    Item(Item&& other) : value(std::exchange(other.value, -1)), when_copied(other.when_copied), breaks(other.breaks) {
      if (std::exchange(*breaks, false)) throw std::runtime_error("cannot be moved");
    }
    Item& operator=(const Item&) = delete;
  };
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>(1);
  etl::Options options{.batch_size = 10, .timeout = 1s, .workers = 1};
  options.executor = etl::Executor(clock);
  std::vector<int> processed;
  std::function<void()> when_copied;
  bool breaks = false;
  etl::Bucket<Item> bucket(
      [&](std::span<const Item> batch) mutable {
        for (const Item& item : batch) processed.push_back(item.value);
      },
      options);
  {
    auto producer = bucket.producer();
    producer.push(Item(1, &when_copied, &breaks));
    const Item second(2, &when_copied, &breaks), third(3, &when_copied, &breaks);
    when_copied = [&] { clock->advance(2s); };  // the timer cuts the batch while the second is on its way into it
    producer.push(second);
    breaks = true;
    CHECK_THROWS_AS(producer.push(third), std::runtime_error);
  }
  clock->run_ready();
  const auto report = bucket.finish();
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(processed == std::vector<int>{1});
  CHECK(report.items.loaded == 1);
  CHECK(report.items.abandoned == 2);
}

TEST_CASE("bucket: G18 Order::Source: what one thread has pushed is processed in that order") {
  constexpr int count = 5000;
  std::vector<int> expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  for (int round = 0; round < 20; ++round) {
    std::vector<int> seen;
    etl::Options options{.batch_size = 2, .workers = 4, .order = etl::Order::Source};
    options.inline_batches = etl::Inline::Never;
    etl::Bucket<int> bucket(
        [&](std::span<const int> batch) mutable { seen.insert(seen.end(), batch.begin(), batch.end()); }, options);
    for (int i = 0; i < count; ++i) bucket.push(i);
    REQUIRE(bucket.finish().ok());
    REQUIRE(seen == expected);
  }
}

}  // namespace bucket_test
