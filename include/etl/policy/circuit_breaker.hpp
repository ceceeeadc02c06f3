#pragma once
/// Leaving a failing service alone for a while.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

struct BreakerPolicy {
  std::size_t failures = 5;  ///< in a row, until the circuit opens
  /// From there to the probe. `std::chrono::nanoseconds::max()`: it stays open.
  std::chrono::nanoseconds reset = std::chrono::seconds(60);
};

/// Closed, it lets calls through; after some failures in a row it opens, and callers wait; then one call, the probe,
/// decides whether it closes again. Errors of class Rejected say nothing about the service and do not count.
/// Thread-safe.
class CircuitBreaker {
 public:
  enum class State : std::uint8_t { Closed, Open, HalfOpen };

  /// Throws `etl::Exception` for 0 failures or a reset time that is not positive.
  explicit CircuitBreaker(const BreakerPolicy& policy = {}) : policy_(policy) {
    if (policy.failures == 0 || policy.reset.count() <= 0)
      throw Exception({.code = Errc::InvalidOptions,
                       .context = "invalid circuit breaker: failures and reset time must be positive"});
  }

  /// Calls `operation` (a value, nothing or a `Result`; it may throw) when the circuit lets it. While it is open,
  /// waits: nothing is refused, a source that is behind this call pauses. When `waiter` is stopped meanwhile: an error
  /// of class Transient.
  template <class F>
  [[nodiscard]] auto call(F&& operation, const Waiter& waiter = {}) -> detail::result_of_t<F> {
    const Admitted as = admit(waiter);
    if (as == Admitted::No) return failure(transient("stopped while the circuit was open"));
    auto result = detail::call_for_result(operation);
    settle(as, !result && result.error().error_class != ErrorClass::Rejected, waiter.now());
    return result;
  }

  [[nodiscard]] State state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  enum class Admitted : std::uint8_t { No, Call, Probe };

  [[nodiscard]] Admitted admit(const Waiter& waiter) {
    for (;;) {
      TimePoint again{};
      {
        const std::lock_guard lock(mutex_);
        const TimePoint now = waiter.now();
        if (waiter.stopped()) return Admitted::No;
        if (state_ == State::Closed) return Admitted::Call;
        if (state_ == State::Open && now >= detail::after(opened_, policy_.reset)) {
          state_ = State::HalfOpen;
          return Admitted::Probe;
        }
        again = detail::after(now, std::chrono::milliseconds(10));  // the probe is at work
        if (state_ == State::Open) again = std::max(again, detail::after(opened_, policy_.reset));
      }
      if (!waiter.wait_until(again)) return Admitted::No;
    }
  }
  void settle(Admitted as, bool failed, TimePoint now) {
    const std::lock_guard lock(mutex_);
    // Calls that were let through before the circuit opened have no say any more.
    if (as == Admitted::Call && state_ != State::Closed) return;
    in_a_row_ = failed ? in_a_row_ + 1 : 0;
    if (!failed) {
      state_ = State::Closed;
    } else if (as == Admitted::Probe || in_a_row_ >= policy_.failures) {
      state_ = State::Open;
      opened_ = now;
    }
  }

  const BreakerPolicy policy_;
  mutable std::mutex mutex_;
  State state_ = State::Closed;
  std::size_t in_a_row_ = 0;
  TimePoint opened_{};
};

[[nodiscard]] inline std::string_view to_string(CircuitBreaker::State state) noexcept {
  switch (state) {
    case CircuitBreaker::State::Closed: return "closed";
    case CircuitBreaker::State::Open: return "open";
    case CircuitBreaker::State::HalfOpen: break;
  }
  return "half-open";
}

}  // namespace etl::inline v0
