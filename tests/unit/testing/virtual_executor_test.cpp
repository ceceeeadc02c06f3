#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/scripted.hpp"

namespace virtual_executor_test {

using namespace std::chrono_literals;
using etl::testing::VirtualExecutor;

namespace {

struct Call final : etl::Task {
  explicit Call(std::function<void()> f) : call(std::move(f)) {}
  void run() noexcept override { call(); }
  std::function<void()> call;
};
std::shared_ptr<etl::Task> call(std::function<void()> f) { return std::make_shared<Call>(std::move(f)); }

}  // namespace

TEST_CASE("virtual executor: runs what is posted only when asked to") {
  VirtualExecutor executor;
  int ran = 0;
  executor.post(call([&] { ++ran; }));
  executor.post(call([&] {
    ++ran;
    executor.post(call([&] { ++ran; }));  // counted too
  }));
  CHECK(ran == 0);
  CHECK_FALSE(executor.idle());
  CHECK(executor.run_ready() == 3);
  CHECK(ran == 3);
  CHECK(executor.idle());
  CHECK(executor.run_ready() == 0);
}

TEST_CASE("virtual executor: the seed decides the order, every time the same") {
  const auto order = [](std::uint64_t seed) {
    VirtualExecutor executor(seed);
    std::vector<int> ran;
    for (int i = 0; i < 10; ++i) executor.post(call([&ran, i] { ran.push_back(i); }));
    executor.run_ready();
    return ran;
  };
  std::set<std::vector<int>> all;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(order(seed) == order(seed));
    all.insert(order(seed));
  }
  CHECK(all.size() > 10);
}

TEST_CASE("virtual executor: the clock moves by advance alone, and fires timers on the way") {
  VirtualExecutor executor;
  const auto start = executor.now();
  std::vector<std::chrono::nanoseconds> fired;
  const auto note = [&] { fired.push_back(executor.now() - start); };
  const auto a = executor.make_timer(), b = executor.make_timer(), c = executor.make_timer();
  a->arm(start + 3s, call(note));
  b->arm(start + 1s, call([&] {
           note();
           b->arm(executor.now() + 1s, call(note));  // armed on the way
         }));
  c->arm(start + 10s, call(note));
  executor.run_ready();
  CHECK(fired.empty());
  CHECK(executor.now() == start);
  executor.advance(5s);
  CHECK(fired == std::vector<std::chrono::nanoseconds>{1s, 2s, 3s});
  CHECK(executor.now() == start + 5s);
  CHECK_FALSE(executor.idle());
  executor.advance(5s);
  CHECK(fired.size() == 4);
  CHECK(executor.idle());
}

TEST_CASE("virtual executor: tasks posted by timers run before the next timer") {
  VirtualExecutor executor;
  std::vector<int> ran;
  const auto a = executor.make_timer(), b = executor.make_timer();
  a->arm(executor.now() + 1s, call([&] { executor.post(call([&] { ran.push_back(1); })); }));
  b->arm(executor.now() + 2s, call([&] { ran.push_back(2); }));
  executor.advance(2s);
  CHECK(ran == std::vector<int>{1, 2});
}

TEST_CASE("virtual executor: a timer armed again is replaced, one destroyed never fires") {
  VirtualExecutor executor;
  int first = 0, second = 0, never = 0;
  const auto timer = executor.make_timer();
  auto gone = executor.make_timer();
  timer->arm(executor.now() + 1s, call([&] { ++first; }));
  timer->arm(executor.now() + 2s, call([&] { ++second; }));
  gone->arm(executor.now() + 1s, call([&] { ++never; }));
  gone.reset();
  executor.advance(10s);
  CHECK(first == 0);
  CHECK(second == 1);
  CHECK(never == 0);
}

TEST_CASE("virtual executor: time never goes back, not in nested calls either") {
  VirtualExecutor executor;
  std::vector<etl::TimePoint> times;
  executor.post(call([&] {
    executor.advance(10s);  // a slow callable
    times.push_back(executor.now());
  }));
  executor.advance(1s);
  times.push_back(executor.now());
  CHECK(times[0] == etl::TimePoint{} + 10s);
  CHECK(times[1] == times[0]);
}

TEST_CASE("virtual executor: a wait runs what there is, then moves the clock, then reports the deadlock") {
  VirtualExecutor executor;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock(mutex);
  bool ran = false, fired = false;
  executor.post(call([&] { ran = true; }));
  const auto timer = executor.make_timer();
  timer->arm(executor.now() + 5s, call([&] { fired = true; }));
  executor.wait(lock, changed, etl::TimePoint::max());
  CHECK(ran);
  CHECK_FALSE(fired);
  executor.wait(lock, changed, etl::TimePoint::max());
  CHECK(fired);
  CHECK(executor.now() == etl::TimePoint{} + 5s);
  CHECK_THROWS_AS(executor.wait(lock, changed, etl::TimePoint::max()), std::logic_error);
  CHECK(lock.owns_lock());
  executor.wait(lock, changed, executor.now() + 2s);  // its own time ends it
  CHECK(executor.now() == etl::TimePoint{} + 7s);
}

TEST_CASE("virtual executor: a run on it is deterministic") {
  const auto trace = [](std::uint64_t seed) {
    std::vector<std::pair<int, std::uint64_t>> steps;
    test::Scripted<true> pipeline({.items = 60, .at = [&steps](test::Site s, std::uint64_t n) {
                                     steps.emplace_back(static_cast<int>(s), n);
                                     return etl::Result<void>();
                                   }});
    const etl::RunReport r = etl::run(pipeline, {.batch_size = 3,
                                                 .workers = 3,
                                                 .inline_batches = etl::Inline::Never,
                                                 .executor = etl::Executor(std::make_shared<VirtualExecutor>(seed))});
    CHECK(r.outcome == etl::Outcome::Completed);
    return steps;
  };
  for (std::uint64_t seed = 0; seed < 10; ++seed) CHECK(trace(seed) == trace(seed));
}

}  // namespace virtual_executor_test
