#pragma once
/// A limit on items and bytes per second: a token bucket.

#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>

#include <etl/config.hpp>
#include <etl/executor.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

/// The limits of a `RateLimiter`. An aggregate.
struct Rates {
  static constexpr double unlimited = std::numeric_limits<double>::infinity();  ///< no limit
  double items_per_second = unlimited;                                          ///< most items per second
  double bytes_per_second = unlimited;                                          ///< most bytes per second
  /// How much may pass at once after a pause: the amount of this time at the full rate.
  std::chrono::nanoseconds burst = std::chrono::seconds(1);
};

/// Lets all callers together pass at the given rates, in the order in which they asked. A request larger than a whole
/// burst passes when the bucket is full, and later requests wait longer. Thread-safe.
class RateLimiter {
 public:
  /// Throws `etl::Exception` for a rate or burst that is not positive.
  explicit RateLimiter(const Rates& rates);

  /// Waits until this many items and bytes may pass. Returns false if `waiter` was stopped; then nothing was taken.
  [[nodiscard]] bool acquire(std::uint64_t items, std::uint64_t bytes, const Waiter& waiter = {});
  /// The same without waiting. Returns false while others wait for the same tokens.
  [[nodiscard]] bool try_acquire(std::uint64_t items, std::uint64_t bytes, TimePoint now = Clock::now());
  /// Changes the rates from now on. Waiting callers notice within 100 ms.
  void set(const Rates& rates);

 private:
  [[nodiscard]] static Rates checked(const Rates& rates);
  [[nodiscard]] double full(double rate) const;
  /// A request, and the next one in the line of those that wait. It stands on the stack of its caller.
  struct Request {
    double items = 0;
    double bytes = 0;
    const void* caller = nullptr;  // its thread
    Request* next = nullptr;
  };
  [[nodiscard]] static Request request_for(std::uint64_t items, std::uint64_t bytes) noexcept;
  std::optional<TimePoint> take(const Request& request, TimePoint now);
  [[nodiscard]] static bool waits_for_its_caller(const Request& request) noexcept;
  void leave_line(const Request& request) noexcept;
  void refill(double& tokens, double rate, double seconds) const;
  [[nodiscard]] double missing(double before, double wanted, double tokens, double rate) const;

  std::mutex mutex_;
  Request* line_ = nullptr;  // the requests that wait, in the order in which they came
  Rates rates_;
  double items_;
  double bytes_;
  std::optional<TimePoint> last_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/rate_limit.ipp>
#endif
