#pragma once
/// The compiled part of `CircuitBreaker`.

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string_view>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED CircuitBreaker::CircuitBreaker(const BreakerPolicy& policy) : policy_(policy) {
  if (policy.failures == 0 || policy.reset.count() <= 0)
    throw Exception(
        {.code = Errc::InvalidOptions, .context = "invalid circuit breaker: failures and reset time must be positive"});
}
ETLPIPE_COMPILED CircuitBreaker::State CircuitBreaker::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}
ETLPIPE_COMPILED CircuitBreaker::Admitted CircuitBreaker::admit(const Waiter& waiter) {
  thread_local const char of_this_thread = 0;
  for (;;) {
    TimePoint again{};
    {
      const std::lock_guard lock(mutex_);
      const TimePoint now = waiter.now();
      if (waiter.stopped()) return Admitted::No;
      if (state_ == State::Closed) return Admitted::Call;
      if (state_ == State::Open && now >= detail::after(opened_, policy_.reset)) {
        state_ = State::HalfOpen;
        probing_ = &of_this_thread;
        return Admitted::Probe;
      }
      // A call within the probe: it is nested, or an executor runs it on the stack of a probe that waits.
      if (state_ == State::HalfOpen && probing_ == &of_this_thread) return Admitted::Call;
      again = detail::after(now, std::chrono::milliseconds(10));  // the probe is in progress
      if (state_ == State::Open) again = std::max(again, detail::after(opened_, policy_.reset));
    }
    if (!waiter.wait_until(again)) return Admitted::No;
  }
}
ETLPIPE_COMPILED void CircuitBreaker::settle(Admitted as, bool failed, TimePoint now) {
  const std::lock_guard lock(mutex_);
  // Calls that were admitted before the circuit opened no longer count.
  if (as == Admitted::Call && state_ != State::Closed) return;
  in_a_row_ = failed ? in_a_row_ + 1 : 0;
  if (!failed) {
    state_ = State::Closed;
  } else if (as == Admitted::Probe || in_a_row_ >= policy_.failures) {
    state_ = State::Open;
    opened_ = now;
  }
}

ETLPIPE_COMPILED void CircuitBreaker::withdraw(Admitted as) {
  const std::lock_guard lock(mutex_);
  if (as == Admitted::Probe) state_ = State::Open;
}

ETLPIPE_COMPILED std::string_view to_string(CircuitBreaker::State state) noexcept {
  switch (state) {
    case CircuitBreaker::State::Closed: return "closed";
    case CircuitBreaker::State::Open: return "open";
    case CircuitBreaker::State::HalfOpen: break;
  }
  return "half-open";
}

}  // namespace etl::inline v0
