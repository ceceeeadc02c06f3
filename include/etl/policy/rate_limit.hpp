#pragma once
/// Not faster than that: a token bucket for items and bytes.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

/// How much may pass. An aggregate.
struct Rates {
  static constexpr double unlimited = std::numeric_limits<double>::infinity();
  double items_per_second = unlimited;
  double bytes_per_second = unlimited;
  /// What may pass at once after a pause, as the time in which it would have come at the full rate.
  std::chrono::nanoseconds burst = std::chrono::seconds(1);
};

/// Lets callers pass at the given rates, together. What is more than a whole burst passes when the bucket is full, and
/// is paid for afterwards, so that no request waits for ever. Thread-safe; callers are served in no particular order.
class RateLimiter {
 public:
  /// Throws `etl::Exception` for a rate or burst that is not positive.
  explicit RateLimiter(const Rates& rates)
      : rates_(checked(rates)), items_(full(rates.items_per_second)), bytes_(full(rates.bytes_per_second)) {}

  /// Waits until so much may pass. False: `waiter` was stopped, and nothing was taken.
  [[nodiscard]] bool acquire(std::uint64_t items, std::uint64_t bytes, const Waiter& waiter = {}) {
    for (;;) {
      const TimePoint now = waiter.now();
      const std::optional<TimePoint> due = take(items, bytes, now);
      if (!due) return !waiter.stopped();
      // Looks again before it is due when the rate may have been raised meanwhile.
      if (!waiter.wait_until(std::min(*due, detail::after(now, std::chrono::milliseconds(100))))) return false;
    }
  }
  /// The same without waiting.
  [[nodiscard]] bool try_acquire(std::uint64_t items, std::uint64_t bytes, TimePoint now = Clock::now()) {
    return !take(items, bytes, now);
  }
  /// Changes the rates from now on; who waits notices within 100 ms.
  void set(const Rates& rates) {
    const Rates valid = checked(rates);
    const std::lock_guard lock(mutex_);
    rates_ = valid;
    items_ = std::min(items_, full(valid.items_per_second));
    bytes_ = std::min(bytes_, full(valid.bytes_per_second));
  }

 private:
  static Rates checked(const Rates& rates) {
    if (!(rates.items_per_second > 0) || !(rates.bytes_per_second > 0) || rates.burst.count() <= 0)
      throw Exception({.code = Errc::InvalidOptions, .context = "invalid rates: rates and burst must be positive"});
    return rates;
  }
  [[nodiscard]] double full(double rate) const { return rate * std::chrono::duration<double>(rates_.burst).count(); }

  /// Takes the tokens, or says when to ask again.
  std::optional<TimePoint> take(std::uint64_t items, std::uint64_t bytes, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (last_) {
      const double seconds = std::chrono::duration<double>(now - *last_).count();
      refill(items_, rates_.items_per_second, seconds);
      refill(bytes_, rates_.bytes_per_second, seconds);
    }
    last_ = std::max(now, last_.value_or(now));
    const double wait = std::max(missing(static_cast<double>(items), items_, rates_.items_per_second),
                                 missing(static_cast<double>(bytes), bytes_, rates_.bytes_per_second));
    if (wait > 0)
      return detail::after(now, std::chrono::ceil<Clock::duration>(std::chrono::duration<double>(std::min(wait, 1e6))));
    items_ -= static_cast<double>(items);
    bytes_ -= static_cast<double>(bytes);
    return std::nullopt;
  }
  void refill(double& tokens, double rate, double seconds) const {
    if (seconds > 0) tokens = std::min(full(rate), tokens + rate * seconds);
  }
  /// Seconds until so many tokens, or a full bucket, are there.
  [[nodiscard]] double missing(double wanted, double tokens, double rate) const {
    if (rate == Rates::unlimited) return 0;
    return (std::min(wanted, full(rate)) - tokens) / rate;
  }

  std::mutex mutex_;
  Rates rates_;
  double items_;
  double bytes_;
  std::optional<TimePoint> last_;
};

}  // namespace etl::inline v0
