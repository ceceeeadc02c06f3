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
  Request request = request_for(items, bytes);
  {
    const std::lock_guard lock(mutex_);
    Request** end = &line_;
    while (*end != nullptr) end = &(*end)->next;
    *end = &request;
  }
  struct Leave {
    RateLimiter& limiter;
    Request& request;
    ~Leave() {
      const std::lock_guard lock(limiter.mutex_);
      limiter.leave_line(request);
    }
  };
  const Leave leave{*this, request};
  while (!waiter.stopped()) {
    const TimePoint now = waiter.now();
    const std::optional<TimePoint> due = take(request, now);
    if (!due) return true;
    // Looks again before the time is due, because the rate may have been raised, or others may have left the line.
    if (!waiter.wait_until(std::min(*due, detail::after(now, std::chrono::milliseconds(100))))) break;
  }
  return false;
}
ETLPIPE_COMPILED bool RateLimiter::try_acquire(std::uint64_t items, std::uint64_t bytes, TimePoint now) {
  return !take(request_for(items, bytes), now);
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

ETLPIPE_COMPILED RateLimiter::Request RateLimiter::request_for(std::uint64_t items, std::uint64_t bytes) noexcept {
  thread_local char of_this_thread = 0;
  return {.items = static_cast<double>(items), .bytes = static_cast<double>(bytes), .caller = &of_this_thread};
}
/// Whether the thread of a waiting request has made another request meanwhile: an executor may run tasks on the stack
/// of a thread that waits. Then the first request cannot pass before the second.
ETLPIPE_COMPILED bool RateLimiter::waits_for_its_caller(const Request& request) noexcept {
  const Request* later = request.next;
  while (later != nullptr && later->caller != request.caller) later = later->next;
  return later != nullptr;
}
/// Takes the tokens, or returns when to ask again. The tokens of the requests that stand before this one in the line
/// are kept for them if they could pass. A request that is not in the line stands at its end.
ETLPIPE_COMPILED std::optional<TimePoint> RateLimiter::take(const Request& request, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (last_) {
    const double seconds = std::chrono::duration<double>(now - *last_).count();
    refill(items_, rates_.items_per_second, seconds);
    refill(bytes_, rates_.bytes_per_second, seconds);
  }
  last_ = std::max(now, last_.value_or(now));
  Request before;
  for (const Request* other = line_; other != nullptr && other != &request; other = other->next) {
    if (other->caller == request.caller || waits_for_its_caller(*other)) continue;
    before.items += other->items;
    before.bytes += other->bytes;
  }
  const double wait = std::max(missing(before.items, request.items, items_, rates_.items_per_second),
                               missing(before.bytes, request.bytes, bytes_, rates_.bytes_per_second));
  if (wait > 0)
    return detail::after(now, std::chrono::ceil<Clock::duration>(std::chrono::duration<double>(std::min(wait, 1e6))));
  items_ -= request.items;
  bytes_ -= request.bytes;
  leave_line(request);
  return std::nullopt;
}
ETLPIPE_COMPILED void RateLimiter::leave_line(const Request& request) noexcept {
  for (Request** at = &line_; *at != nullptr; at = &(*at)->next)
    if (*at == &request) {
      *at = request.next;
      return;
    }
}
ETLPIPE_COMPILED void RateLimiter::refill(double& tokens, double rate, double seconds) const {
  if (seconds > 0) tokens = std::min(full(rate), tokens + rate * seconds);
}
/// Seconds until `wanted` tokens are available, or the bucket is full, after `before` tokens were taken.
ETLPIPE_COMPILED double RateLimiter::missing(double before, double wanted, double tokens, double rate) const {
  if (rate == Rates::unlimited) return 0;
  return (before + std::min(wanted, full(rate)) - tokens) / rate;
}

}  // namespace etl::inline v0
