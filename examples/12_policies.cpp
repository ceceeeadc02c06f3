// Retry, rate limit and circuit breaker around a call. Here the call asks a server that is often busy.
#include <chrono>
#include <cstdint>

#include <fmt/format.h>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/retry.hpp>

using namespace std::chrono_literals;

struct Server {  // answers every third call
  int calls = 0;
  etl::Result<int> ask(int question) {
    if (++calls % 3 != 0) return etl::transient("busy");  // may succeed when tried again
    if (question == 13) return etl::rejected("no answer to that");
    return question * 2;
  }
};

int main() {
  Server server;
  etl::RateLimiter limiter({.items_per_second = 2000, .burst = 10ms});
  etl::CircuitBreaker breaker({.failures = 4, .reset = 50ms});
  const etl::RetryPolicy policy{.max_attempts = 4, .initial_delay = 1ms, .max_delay = 8ms};
  const etl::Waiter waiter;  // a Waiter made with a std::stop_token ends all waits when a stop is requested

  int answers = 0;
  for (int question = 10; question < 16; ++question) {
    const etl::Result<int> answer = etl::retry(
        policy,
        [&]() -> etl::Result<int> {
          if (!limiter.acquire(1, 0, waiter)) return etl::transient("stopped");
          return breaker.call([&] { return server.ask(question); }, waiter);
        },
        waiter);
    if (answer) {
      ++answers;
      fmt::print("{} -> {}\n", question, *answer);
    } else {
      fmt::print("{}: {}\n", question, answer.error().message());
    }
  }
  fmt::print("{} answers by {} calls; the circuit is {}\n", answers, server.calls, to_string(breaker.state()));
  return answers == 5 ? 0 : 1;
}
