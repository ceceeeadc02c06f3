#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <mutex>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/places.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

using namespace std::chrono_literals;

namespace {

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
                          {.batch_size = 4, .workers = 1, .name = "b"});
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
      etl::Bucket<int> bucket(
          [&sum](std::span<const int> batch) {
            for (const int n : batch) sum += n;
          },
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
    etl::Bucket<std::uint64_t> bucket(
        [&](std::span<const std::uint64_t> batch) {
          for (const std::uint64_t n : batch) sum += n;
          count += batch.size();
          if (batch.size() > largest) largest = batch.size();
        },
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

TEST_CASE("bucket: the processor's context: batch, Seq range, rejects") {
  std::mutex mutex;
  std::vector<std::uint64_t> batches;
  bool ranges = true;
  etl::Bucket<int> bucket(
      [&](std::span<const int> batch, etl::BatchContext& context) {
        const std::lock_guard lock(mutex);
        batches.push_back(context.batch());
        ranges =
            ranges && context.last_seq() - context.first_seq() + 1 == batch.size() && !context.stop().stop_requested();
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
  CHECK_THROWS_AS(etl::Bucket<int>(processor, {.mode = etl::Mode::Fused}), etl::Exception);
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
        {.batch_size = 1, .workers = 1, .capacity = 10}, source.stop());
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
