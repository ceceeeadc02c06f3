#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <stop_token>
#include <thread>

#include <etl/policy/rate_limit.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace rate_limit_test {

using namespace std::chrono_literals;

namespace {

struct VirtualTime {
  std::shared_ptr<etl::testing::VirtualExecutor> clock = std::make_shared<etl::testing::VirtualExecutor>();
  std::stop_source stop{};
  etl::Waiter waiter{stop.get_token(), etl::Executor(clock)};
  etl::TimePoint begin = clock->now();
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(clock->now() - begin).count(); }
};

}  // namespace

TEST_CASE("rate limit: a burst at once, then the rate") {
  VirtualTime time;
  etl::RateLimiter limiter({.items_per_second = 10, .burst = 500ms});
  for (int i = 0; i < 5; ++i) REQUIRE(limiter.acquire(1, 0, time.waiter));
  CHECK(time.seconds() == 0);
  for (int i = 0; i < 20; ++i) REQUIRE(limiter.acquire(1, 0, time.waiter));
  CHECK(time.seconds() == Approx(2.0).margin(1e-6));
}

TEST_CASE("rate limit: the scarcer of items and bytes decides") {
  VirtualTime time;
  etl::RateLimiter limiter({.items_per_second = 1000, .bytes_per_second = 100, .burst = 1s});
  for (int i = 0; i < 5; ++i) REQUIRE(limiter.acquire(1, 50, time.waiter));
  CHECK(time.seconds() == Approx(1.5).margin(1e-6));
}

TEST_CASE("rate limit: more than a burst passes, and is paid for afterwards") {
  VirtualTime time;
  etl::RateLimiter limiter({.items_per_second = 10, .burst = 1s});
  REQUIRE(limiter.acquire(35, 0, time.waiter));
  CHECK(time.seconds() == 0);
  REQUIRE(limiter.acquire(1, 0, time.waiter));
  CHECK(time.seconds() == Approx(2.6).margin(1e-6));
}

TEST_CASE("rate limit: try_acquire says so instead of waiting") {
  etl::RateLimiter limiter({.items_per_second = 2, .burst = 1s});
  const etl::TimePoint now{};
  CHECK(limiter.try_acquire(2, 0, now));
  CHECK_FALSE(limiter.try_acquire(1, 0, now));
  CHECK(limiter.try_acquire(1, 0, now + 500ms));
  CHECK_FALSE(limiter.try_acquire(1, 0, now + 500ms));
  CHECK_FALSE(limiter.try_acquire(1, 0, now));  // a clock that goes back gives nothing
}

TEST_CASE("rate limit: a changed rate counts from then on") {
  VirtualTime time;
  etl::RateLimiter limiter({.items_per_second = 1, .burst = 1s});
  REQUIRE(limiter.acquire(1, 0, time.waiter));
  limiter.set({.items_per_second = 100, .burst = 10ms});
  for (int i = 0; i < 10; ++i) REQUIRE(limiter.acquire(1, 0, time.waiter));
  CHECK(time.seconds() == Approx(0.1).margin(1e-6));
  limiter.set({});
  for (int i = 0; i < 10; ++i) REQUIRE(limiter.acquire(1'000'000, 1'000'000, time.waiter));
  CHECK(time.seconds() == Approx(0.1).margin(1e-6));
}

namespace {

/// A limit of 10 tokens that are used up and come back slowly, and a request that waits for some of them.
struct Line {
  etl::RateLimiter limiter{etl::Rates{.items_per_second = 0.01, .burst = 1000s}};
  etl::TimePoint begin = etl::Clock::now();
  std::stop_source stop{};
  std::atomic<bool> passed = false;
  std::thread waiting;

  explicit Line(std::uint64_t wanted) {
    REQUIRE(limiter.try_acquire(10, 0, begin));
    waiting = std::thread([this, wanted] { passed = limiter.acquire(wanted, 0, etl::Waiter(stop.get_token())); });
    while (limiter.try_acquire(0, 0, begin)) std::this_thread::yield();
  }
};

}  // namespace

TEST_CASE("rate limit: a large request keeps its place before small ones") {
  Line line(8);
  CHECK_FALSE(line.limiter.try_acquire(1, 0, line.begin + 500s));  // 5 tokens, all of them for the large one
  CHECK_FALSE(line.limiter.try_acquire(1, 0, line.begin + 850s));
  line.waiting.join();  // it looks each 100 ms
  CHECK(line.passed);
}

TEST_CASE("rate limit: loads that an executor runs one within the wait of another do not wait for each other") {
  struct Numbers {
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 6000 && out.push(i); ++i) {}
    }
    void load(std::span<const int>) const {}
  };
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>();
  const auto begin = clock->now();
  const etl::Options options{.batch_size = 600,
                             .workers = 4,
                             .rate_limit = std::make_shared<etl::RateLimiter>(etl::Rates{.items_per_second = 1000}),
                             .executor = etl::Executor(clock)};
  CHECK(etl::run(Numbers{}, options).items.loaded == 6000);
  CHECK(std::chrono::duration<double>(clock->now() - begin).count() == Approx(5.0).margin(0.01));
}

TEST_CASE("rate limit: a request that stops waiting leaves the line") {
  Line line(8);
  CHECK_FALSE(line.limiter.try_acquire(4, 0, line.begin + 500s));
  line.stop.request_stop();
  line.waiting.join();
  CHECK_FALSE(line.passed);
  CHECK(line.limiter.try_acquire(4, 0, line.begin + 500s));
}

TEST_CASE("rate limit: a stop ends the waiting, and takes nothing") {
  VirtualTime time;
  etl::RateLimiter limiter({.items_per_second = 1, .burst = 1s});
  REQUIRE(limiter.acquire(1, 0, time.waiter));
  time.stop.request_stop();
  CHECK_FALSE(limiter.acquire(1, 0, time.waiter));
  CHECK(limiter.try_acquire(1, 0, time.begin + 1s));
}

TEST_CASE("rate limit: bad rates are refused") {
  CHECK_THROWS_AS(etl::RateLimiter({.items_per_second = 0}), etl::Exception);
  CHECK_THROWS_AS(etl::RateLimiter({.bytes_per_second = -1}), etl::Exception);
  CHECK_THROWS_AS(etl::RateLimiter({.burst = 0s}), etl::Exception);
}

TEST_CASE("rate limit: a pause saves up one burst, not more") {
  etl::RateLimiter limiter({.items_per_second = 2, .burst = 1s});
  const etl::TimePoint now{};
  CHECK(limiter.try_acquire(2, 0, now));
  CHECK(limiter.try_acquire(2, 0, now + 1h));
  CHECK_FALSE(limiter.try_acquire(1, 0, now + 1h));
}

}  // namespace rate_limit_test
