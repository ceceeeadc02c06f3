#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include <etl/run.hpp>
#include <etl/testing/baton_executor.hpp>

#include "support/catch.hpp"

namespace baton_executor_test {

using namespace std::chrono_literals;
using etl::testing::BatonExecutor;

namespace {

struct Call final : etl::Task {
  explicit Call(std::function<void()> f) : call(std::move(f)) {}
  void run() noexcept override { call(); }
  std::function<void()> call;
};
std::shared_ptr<etl::Task> call(std::function<void()> f) { return std::make_shared<Call>(std::move(f)); }

/// What three tasks of two steps each have written when all have ended.
std::string interleaved(std::uint64_t seed) {
  std::string written;
  BatonExecutor executor(seed);
  for (const char name : {'a', 'b', 'c'})
    executor.post(call([&, name] {
      written += name;
      executor.yield();
      written += static_cast<char>(name - 'a' + 'A');
    }));
  while (written.size() < 6) executor.yield();
  return written;
}

}  // namespace

TEST_CASE("baton executor: the seed decides, and repeats, every interleaving there is") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 4500; ++seed) {
    const std::string written = interleaved(seed);
    seen.insert(written);
    for (const char name : {'a', 'b', 'c'})
      CHECK(written.find(name) < written.find(static_cast<char>(name - 'a' + 'A')));
    if (seed < 50) CHECK(interleaved(seed) == written);
  }
  CHECK(seen.size() == 90);  // 6! / 2^3: also aBb.., where neither ends before the other begins
}

TEST_CASE("baton executor: the clock moves only when all wait, to the next timer or end of a wait") {
  BatonExecutor executor(1);
  const auto start = executor.now();
  std::mutex mutex;
  std::condition_variable signal;
  const auto timer = executor.make_timer();
  std::chrono::nanoseconds fired{};
  timer->arm(start + 1h, call([&] {
               fired = executor.now() - start;
               executor.notify(signal);
             }));
  std::unique_lock lock(mutex);
  executor.wait(lock, signal, start + 1min);
  CHECK(executor.now() - start == 1min);
  CHECK(fired == 0s);
  while (fired == 0s) executor.wait(lock, signal, etl::TimePoint::max());
  CHECK(fired == 1h);
}

TEST_CASE("baton executor: a timer that is gone does not fire, and one armed again does once") {
  BatonExecutor executor;
  int fired = 0;
  auto gone = executor.make_timer();
  gone->arm(executor.now() + 1s, call([&] { ++fired; }));
  gone.reset();
  const auto again = executor.make_timer();
  for (int i = 1; i <= 2; ++i) again->arm(executor.now() + i * 1min, call([&] { fired += 10; }));
  std::mutex mutex;
  std::condition_variable signal;
  std::unique_lock lock(mutex);
  executor.wait(lock, signal, executor.now() + 1h);
  CHECK(fired == 10);
}

TEST_CASE("baton executor: a wait that nothing can end is reported, not waited for") {
  BatonExecutor executor;
  std::mutex mutex;
  std::condition_variable signal;
  bool posted = false;
  executor.post(call([&] { posted = true; }));
  std::unique_lock lock(mutex);
  CHECK_THROWS_AS(executor.wait(lock, signal, etl::TimePoint::max()), std::logic_error);
  CHECK(lock.owns_lock());
  CHECK(posted);
}

TEST_CASE("baton executor: a task that waits is woken by another") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    BatonExecutor executor(seed);
    std::mutex mutex;
    std::condition_variable signal;
    bool ready = false;
    bool done = false;
    executor.post(call([&] {
      std::unique_lock lock(mutex);
      while (!ready) executor.wait(lock, signal, etl::TimePoint::max());
      done = true;
      executor.notify(signal);
    }));
    executor.post(call([&] {
      const std::lock_guard lock(mutex);
      ready = true;
      executor.notify(signal);
    }));
    std::unique_lock lock(mutex);
    while (!done) executor.wait(lock, signal, etl::TimePoint::max());
    CHECK(ready);
  }
}

TEST_CASE("baton executor: two loads interleave, also so that the first ends first, and all is loaded") {
  struct Numbers {
    BatonExecutor* schedule;
    std::string* trace;
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 6; ++i)
        if (!out.push(i)) return;
    }
    void load(std::span<const int> batch) const {
      *trace += '(' + std::to_string(batch[0]);
      schedule->yield();
      *trace += std::to_string(batch[0]) + ')';
    }
  };
  std::set<std::string> traces;
  bool crossed = false;  // (0 (2 0) 2): on one thread the load that began last has to end first
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto traced = [seed] {
      std::string trace;
      const auto schedule = std::make_shared<BatonExecutor>(seed);
      const auto report = etl::run(Numbers{schedule.get(), &trace},
                                   {.batch_size = 2, .workers = 3, .executor = etl::Executor(schedule)});
      return std::pair(report, trace);
    };
    const auto [report, trace] = traced();
    REQUIRE(report.outcome == etl::Outcome::Completed);
    CHECK(report.items.loaded == 6);
    CHECK(traced().second == trace);
    crossed = crossed || trace.find("(0(20)") != std::string::npos;
    traces.insert(trace);
  }
  CHECK(traces.size() > 10);
  CHECK(crossed);
}

}  // namespace baton_executor_test
