#pragma once
/// Leaving a failing service alone for a while.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
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
  explicit CircuitBreaker(const BreakerPolicy& policy = {});

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

  [[nodiscard]] State state() const;

 private:
  enum class Admitted : std::uint8_t { No, Call, Probe };

  [[nodiscard]] Admitted admit(const Waiter& waiter);
  void settle(Admitted as, bool failed, TimePoint now);

  const BreakerPolicy policy_;
  mutable std::mutex mutex_;
  State state_ = State::Closed;
  std::size_t in_a_row_ = 0;
  TimePoint opened_{};
};

[[nodiscard]] std::string_view to_string(CircuitBreaker::State state) noexcept;

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/circuit_breaker.ipp>
#endif
