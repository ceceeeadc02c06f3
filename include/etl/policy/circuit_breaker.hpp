#pragma once
/// Stops calls to a failing service for a while.

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

/// When a circuit opens, and for how long. An aggregate.
struct BreakerPolicy {
  std::size_t failures = 5;  ///< number of failures in a row that open the circuit
  /// Time from the opening to the probe. With `std::chrono::nanoseconds::max()` the circuit stays open.
  std::chrono::nanoseconds reset = std::chrono::seconds(60);
};

/// While the circuit is closed, calls pass. After several failures in a row the circuit opens, and callers wait. Then
/// one call, the probe, decides whether the circuit closes again. Errors of class Rejected do not count, nor do errors
/// of a call whose waiter was stopped, because they say nothing about the service. Thread-safe.
class CircuitBreaker {
 public:
  /// Closed: calls pass. Open: callers wait. HalfOpen: the probe is running.
  enum class State : std::uint8_t { Closed, Open, HalfOpen };

  /// Throws `etl::Exception` if `failures` is 0 or `reset` is not positive.
  explicit CircuitBreaker(const BreakerPolicy& policy = {});

  /// Calls `operation`, which returns a value, nothing or a `Result`, or throws. While the circuit is open, waits; no
  /// call is refused. If `waiter` is stopped meanwhile, returns an error of class Transient. While the probe runs,
  /// calls within it pass, but only on its thread: `operation` must not wait for a call of another thread, such as that
  /// of a run that it starts with the same breaker.
  template <class F>
  [[nodiscard]] auto call(F&& operation, const Waiter& waiter = {}) -> detail::result_of_t<F> {
    const Admitted as = admit(waiter);
    if (as == Admitted::No) return failure(transient("stopped while the circuit was open"));
    auto result = detail::call_for_result(operation);
    if (!result && waiter.stopped()) {
      withdraw(as);
      return result;
    }
    settle(as, !result && result.error().error_class != ErrorClass::Rejected, waiter.now());
    return result;
  }

  /// The state now.
  [[nodiscard]] State state() const;

 private:
  enum class Admitted : std::uint8_t { No, Call, Probe };

  [[nodiscard]] Admitted admit(const Waiter& waiter);
  void settle(Admitted as, bool failed, TimePoint now);
  /// The caller was stopped, so its failure says nothing about the service. If it was the probe, the next caller is.
  void withdraw(Admitted as);

  const BreakerPolicy policy_;
  mutable std::mutex mutex_;
  State state_ = State::Closed;
  std::size_t in_a_row_ = 0;
  TimePoint opened_{};
  const char* probing_ = nullptr;  ///< names the thread of the last probe
};

/// The name of a state, such as "open".
[[nodiscard]] std::string_view to_string(CircuitBreaker::State state) noexcept;

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/circuit_breaker.ipp>
#endif
