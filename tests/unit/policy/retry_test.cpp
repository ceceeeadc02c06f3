#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <etl/policy/retry.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace retry_test {

using namespace std::chrono_literals;

namespace {

struct VirtualTime {
  std::shared_ptr<etl::testing::VirtualExecutor> clock = std::make_shared<etl::testing::VirtualExecutor>();
  std::stop_source stop{};
  etl::Waiter waiter{stop.get_token(), etl::Executor(clock)};
  etl::TimePoint begin = clock->now();
  [[nodiscard]] std::chrono::nanoseconds elapsed() const { return clock->now() - begin; }
};
constexpr etl::RetryPolicy steady{.max_attempts = 5, .initial_delay = 100ms, .max_delay = 300ms, .jitter = false};

}  // namespace

TEST_CASE("retry: the first success ends it") {
  VirtualTime time;
  int calls = 0;
  const etl::Result<int> result = etl::retry(
      steady,
      [&calls]() -> etl::Result<int> {
        if (++calls < 3) return etl::failure(etl::transient("busy"));
        return 42;
      },
      time.waiter);
  REQUIRE(result);
  CHECK(*result == 42);
  CHECK(calls == 3);
  CHECK(time.elapsed() == 100ms + 200ms);
}

TEST_CASE("retry: delays grow up to the limit, and the last error tells how often it was tried") {
  VirtualTime time;
  std::vector<std::chrono::nanoseconds> at;
  const auto result = etl::retry(
      steady,
      [&]() -> etl::Result<void> {
        at.push_back(time.elapsed());
        return etl::failure(etl::transient("the server is busy"));
      },
      time.waiter);
  REQUIRE_FALSE(result);
  CHECK(at == std::vector<std::chrono::nanoseconds>{0ms, 100ms, 300ms, 600ms, 900ms});
  CHECK(result.error().error_class == etl::ErrorClass::Transient);
  CHECK(result.error().message() == "gave up after 5 attempts: the server is busy");
}

TEST_CASE("retry: only transient errors are tried again") {
  VirtualTime time;
  int calls = 0;
  const auto rejected = etl::retry(
      steady,
      [&]() -> etl::Result<void> {
        ++calls;
        return etl::failure(etl::rejected("no such column"));
      },
      time.waiter);
  CHECK(rejected.error().message() == "no such column");
  const auto thrown = etl::retry(
      steady,
      [&] {
        ++calls;
        throw std::runtime_error("broken");
      },
      time.waiter);
  REQUIRE_FALSE(thrown);
  CHECK(thrown.error().message() == "broken");
  CHECK(calls == 2);
  const auto passed = etl::retry(
      steady,
      [&]() -> int {
        if (++calls == 3) throw etl::Exception(etl::transient("thrown, but transient"));
        return calls;
      },
      time.waiter);
  CHECK(passed.value() == 4);
  const auto both = etl::retry(
      steady,
      [&]() -> etl::Result<void> {
        return etl::failure(++calls == 5 ? etl::transient("busy") : etl::rejected("no such column"));
      },
      time.waiter);
  CHECK(both.error().message() == "no such column");
}

TEST_CASE("retry: a server's retry-after is honoured, beyond the longest delay too") {
  VirtualTime time;
  int calls = 0;
  const auto result = etl::retry(
      steady,
      [&]() -> etl::Result<void> {
        if (++calls > 1) return {};
        etl::Error busy = etl::transient("429");
        busy.retry_after = 7s;
        return etl::failure(std::move(busy));
      },
      time.waiter);
  CHECK(result);
  CHECK(time.elapsed() == 7s);
}

TEST_CASE("retry: no attempt begins after the elapsed limit") {
  VirtualTime time;
  int calls = 0;
  etl::RetryPolicy policy = steady;
  policy.max_attempts = 1000;
  policy.max_elapsed = 650ms;
  const auto result = etl::retry(
      policy,
      [&]() -> etl::Result<void> {
        ++calls;
        return etl::failure(etl::transient("busy"));
      },
      time.waiter);
  CHECK_FALSE(result);
  CHECK(calls == 4);  // at 0, 100, 300 and 600 ms
  CHECK(time.elapsed() == 600ms);
}

TEST_CASE("retry: a stop ends the waiting") {
  VirtualTime time;
  int calls = 0;
  const auto result = etl::retry(
      steady,
      [&]() -> etl::Result<void> {
        if (++calls == 2) time.stop.request_stop();
        return etl::failure(etl::transient("busy"));
      },
      time.waiter);
  REQUIRE_FALSE(result);
  CHECK(calls == 2);
  CHECK(result.error().message() == "stopped after 2 attempts: busy");
}

TEST_CASE("retry: a stop wakes a thread that waits on the real clock") {
  std::stop_source stop;
  const etl::Waiter waiter(stop.get_token());
  etl::RetryPolicy policy = steady;
  policy.initial_delay = policy.max_delay = 10min;
  std::jthread stopper;
  const auto result = etl::retry(
      policy,
      [&]() -> etl::Result<void> {
        stopper = std::jthread([&stop] { stop.request_stop(); });
        return etl::failure(etl::transient("busy"));
      },
      waiter);
  CHECK(result.error().message() == "stopped after 1 attempt: busy");
}

TEST_CASE("retry: full jitter takes any part of the delay, the same for the same seed") {
  const etl::RetryPolicy policy{.max_attempts = 100, .initial_delay = 100ms, .max_delay = 100ms};
  const auto delays = [&policy](std::uint64_t seed) {
    etl::Backoff backoff(policy, {}, seed);
    std::vector<std::int64_t> list;
    while (const auto delay = backoff.after(etl::transient(""), {})) list.push_back(delay->count());
    return list;
  };
  const auto list = delays(1);
  REQUIRE(list.size() == 99);
  CHECK(list == delays(1));
  CHECK(list != delays(2));
  std::int64_t sum = 0, least = INT64_MAX, most = 0;
  for (const std::int64_t delay : list) {
    sum += delay;
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  CHECK(least >= 0);
  CHECK(least < 20'000'000);
  CHECK(most <= 100'000'000);
  CHECK(most > 80'000'000);
  CHECK(sum / 99 > 35'000'000);
  CHECK(sum / 99 < 65'000'000);
}

TEST_CASE("retry: a delay without end is not cut short") {
  using etl::RetryPolicy;
  etl::Backoff backoff(
      {.max_attempts = 9, .initial_delay = RetryPolicy::never, .max_delay = RetryPolicy::never, .jitter = false}, {},
      0);
  CHECK(backoff.after(etl::transient("down"), {}) == RetryPolicy::never);
}

TEST_CASE("retry: ready-made policies, and bad values named together") {
  CHECK_FALSE(etl::RetryPolicy{}.validate());
  CHECK(etl::RetryPolicy::database().max_attempts == 5);
  CHECK(etl::RetryPolicy::database().initial_delay == 200ms);
  CHECK(etl::RetryPolicy::file().multiplier == 1.5);
  const etl::RetryPolicy bad{.max_attempts = 0, .initial_delay = 2s, .max_delay = 1s, .multiplier = 0.5};
  REQUIRE(bad.validate());
  CHECK(bad.validate()->message() ==
        "invalid retry policy: max_attempts must be at least 1; max_delay must not be less than initial_delay; "
        "multiplier must be at least 1");
  CHECK_THROWS_AS(static_cast<void>(etl::retry(bad, [] {})), etl::Exception);
}

}  // namespace retry_test
