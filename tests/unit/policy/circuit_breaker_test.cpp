#include <chrono>
#include <latch>
#include <memory>
#include <stop_token>
#include <thread>

#include <etl/policy/circuit_breaker.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace circuit_breaker_test {

using namespace std::chrono_literals;
using State = etl::CircuitBreaker::State;

namespace {

struct VirtualTime {
  std::shared_ptr<etl::testing::VirtualExecutor> clock = std::make_shared<etl::testing::VirtualExecutor>();
  std::stop_source stop{};
  etl::Waiter waiter{stop.get_token(), etl::Executor(clock)};
  etl::TimePoint begin = clock->now();
  [[nodiscard]] std::chrono::nanoseconds elapsed() const { return clock->now() - begin; }
};
etl::Result<int> fails() { return etl::failure(etl::transient("down")); }
etl::Result<int> works() { return 1; }

}  // namespace

TEST_CASE("breaker: opens after failures in a row, and makes callers wait for the probe") {
  VirtualTime time;
  etl::CircuitBreaker breaker({.failures = 3, .reset = 60s});
  CHECK_FALSE(breaker.call(fails, time.waiter));
  CHECK_FALSE(breaker.call(fails, time.waiter));
  CHECK(breaker.call(works, time.waiter));  // the row is broken
  for (int i = 0; i < 3; ++i) {
    CHECK(breaker.state() == State::Closed);
    CHECK_FALSE(breaker.call(fails, time.waiter));
  }
  CHECK(breaker.state() == State::Open);
  CHECK(time.elapsed() == 0s);
  CHECK(breaker.call(works, time.waiter));  // waits, is the probe, and closes the circuit
  CHECK(time.elapsed() == 60s);
  CHECK(breaker.state() == State::Closed);
  CHECK_FALSE(breaker.call(fails, time.waiter));
  CHECK(breaker.state() == State::Closed);  // counted from the start again
}

TEST_CASE("breaker: a failing probe opens it for another reset time") {
  VirtualTime time;
  etl::CircuitBreaker breaker({.failures = 1, .reset = 10s});
  CHECK_FALSE(breaker.call(fails, time.waiter));
  CHECK_FALSE(breaker.call(fails, time.waiter));
  CHECK(time.elapsed() == 10s);
  CHECK(breaker.state() == State::Open);
  CHECK(breaker.call(works, time.waiter));
  CHECK(time.elapsed() == 20s);
}

TEST_CASE("breaker: rejected items say nothing about the service") {
  VirtualTime time;
  etl::CircuitBreaker breaker({.failures = 1, .reset = 10s});
  const auto rejected = [] { return etl::Result<int>(etl::failure(etl::rejected("bad row"))); };
  for (int i = 0; i < 3; ++i) CHECK_FALSE(breaker.call(rejected, time.waiter));
  CHECK(breaker.state() == State::Closed);
}

TEST_CASE("breaker: a stop ends the waiting") {
  VirtualTime time;
  etl::CircuitBreaker breaker({.failures = 1, .reset = 10s});
  CHECK_FALSE(breaker.call(fails, time.waiter));
  time.stop.request_stop();
  const auto result = breaker.call(works, time.waiter);
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == etl::ErrorClass::Transient);
  CHECK(result.error().message() == "stopped while the circuit was open");
}

TEST_CASE("breaker: a reset time without end keeps it open until a stop") {
  struct Stops final : etl::Task {
    explicit Stops(std::stop_source& s) : stop(s) {}
    void run() noexcept override { stop.request_stop(); }
    std::stop_source& stop;
  };
  VirtualTime time;
  time.clock->advance(1h);  // from here on, the longest duration does not fit
  etl::CircuitBreaker breaker({.failures = 1, .reset = std::chrono::nanoseconds::max()});
  CHECK_FALSE(breaker.call(fails, time.waiter));
  const auto timer = time.clock->make_timer();
  timer->arm(time.begin + 1000h, std::make_shared<Stops>(time.stop));
  const auto result = breaker.call(works, time.waiter);
  REQUIRE_FALSE(result);
  CHECK(result.error().message() == "stopped while the circuit was open");
  CHECK(time.elapsed() == 1000h);
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("breaker: a call that was let through before has no say once the circuit is open") {
  etl::CircuitBreaker breaker({.failures = 1, .reset = 1h});
  std::latch inside(1), opened(1);
  std::jthread late([&] {
    static_cast<void>(breaker.call([&] {
      inside.count_down();
      opened.wait();
    }));
  });
  inside.wait();
  CHECK_FALSE(breaker.call(fails));
  opened.count_down();
  late.join();
  CHECK(breaker.state() == State::Open);
}

TEST_CASE("breaker: half-open lets a single probe through") {
  struct StopLater final : etl::Task {
    std::stop_source stop{};
    void run() noexcept override { stop.request_stop(); }
  };
  VirtualTime time;
  etl::CircuitBreaker breaker({.failures = 1, .reset = 10s});
  CHECK_FALSE(breaker.call(fails, time.waiter));
  time.clock->advance(10s);
  const auto later = std::make_shared<StopLater>();
  const auto timer = time.clock->make_timer();
  timer->arm(time.clock->now() + 1h, later);
  int others = 0;
  const auto probe = breaker.call(
      [&]() -> etl::Result<int> {
        CHECK(breaker.state() == State::HalfOpen);
        const etl::Waiter other(later->stop.get_token(), etl::Executor(time.clock));
        bool called = true;
        std::thread another([&] { called = breaker.call([&others] { ++others; }, other).has_value(); });
        another.join();  // it waits for this probe, in vain
        CHECK_FALSE(called);
        CHECK(time.elapsed() >= 1h);
        CHECK(breaker.call(works, time.waiter));  // but a call within the probe passes, and decides nothing
        CHECK_FALSE(breaker.call(fails));
        CHECK(breaker.state() == State::HalfOpen);
        return 1;
      },
      time.waiter);
  CHECK(probe);
  CHECK(others == 0);
  CHECK(etl::to_string(breaker.state()) == "closed");
}

TEST_CASE("breaker: bad policies are refused") {
  CHECK_THROWS_AS(etl::CircuitBreaker({.failures = 0}), etl::Exception);
  CHECK_THROWS_AS(etl::CircuitBreaker({.reset = 0s}), etl::Exception);
}

TEST_CASE("breaker: a call that a stop ends does not count, and gives the probe to the next") {
  VirtualTime time;
  etl::CircuitBreaker breaker({.failures = 1, .reset = 60s});
  const auto stopped_within = [&] {
    std::stop_source stop;
    const etl::Waiter waiter(stop.get_token(), etl::Executor(time.clock));
    return breaker.call([&] { return stop.request_stop(), fails(); }, waiter);
  };
  CHECK_FALSE(stopped_within());
  CHECK(breaker.state() == State::Closed);
  CHECK_FALSE(breaker.call(fails, time.waiter));
  CHECK(breaker.state() == State::Open);
  time.clock->advance(60s);
  CHECK_FALSE(stopped_within());  // the probe
  CHECK(breaker.state() == State::Open);
  CHECK(breaker.call(works, time.waiter));  // the next call is the probe, without another wait
  CHECK(time.elapsed() == 60s);
  CHECK(breaker.state() == State::Closed);
}

}  // namespace circuit_breaker_test
