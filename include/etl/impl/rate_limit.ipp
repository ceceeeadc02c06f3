#pragma once
/// The compiled part of `RateLimiter`.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED RateLimiter::RateLimiter(const Rates& rates)
    : rates_(checked(rates)), items_(full(rates.items_per_second)), bytes_(full(rates.bytes_per_second)) {}

ETLPIPE_COMPILED bool RateLimiter::acquire(std::uint64_t items, std::uint64_t bytes, const Waiter& waiter) {
  for (;;) {
    const TimePoint now = waiter.now();
    const std::optional<TimePoint> due = take(items, bytes, now);
    if (!due) return !waiter.stopped();
    // Looks again before the time is due, because the rate may have been raised meanwhile.
    if (!waiter.wait_until(std::min(*due, detail::after(now, std::chrono::milliseconds(100))))) return false;
  }
}
ETLPIPE_COMPILED bool RateLimiter::try_acquire(std::uint64_t items, std::uint64_t bytes, TimePoint now) {
  return !take(items, bytes, now);
}
ETLPIPE_COMPILED void RateLimiter::set(const Rates& rates) {
  const Rates valid = checked(rates);
  const std::lock_guard lock(mutex_);
  rates_ = valid;
  items_ = std::min(items_, full(valid.items_per_second));
  bytes_ = std::min(bytes_, full(valid.bytes_per_second));
}

ETLPIPE_COMPILED Rates RateLimiter::checked(const Rates& rates) {
  if (!(rates.items_per_second > 0) || !(rates.bytes_per_second > 0) || rates.burst.count() <= 0)
    throw Exception({.code = Errc::InvalidOptions, .context = "invalid rates: rates and burst must be positive"});
  return rates;
}
ETLPIPE_COMPILED double RateLimiter::full(double rate) const {
  return rate * std::chrono::duration<double>(rates_.burst).count();
}

/// Takes the tokens, or returns when to ask again.
ETLPIPE_COMPILED std::optional<TimePoint> RateLimiter::take(std::uint64_t items, std::uint64_t bytes, TimePoint now) {
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
ETLPIPE_COMPILED void RateLimiter::refill(double& tokens, double rate, double seconds) const {
  if (seconds > 0) tokens = std::min(full(rate), tokens + rate * seconds);
}
/// Seconds until `wanted` tokens are available, or the bucket is full.
ETLPIPE_COMPILED double RateLimiter::missing(double wanted, double tokens, double rate) const {
  if (rate == Rates::unlimited) return 0;
  return (std::min(wanted, full(rate)) - tokens) / rate;
}

}  // namespace etl::inline v0
