#pragma once
/// The compiled part of `retry`.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED std::optional<Error> RetryPolicy::validate() const {
  std::string found;
  const auto require = [&found](bool ok, const char* what) {
    if (!ok) found.append(found.empty() ? "" : "; ").append(what);
  };
  require(max_attempts >= 1, "max_attempts must be at least 1");
  require(initial_delay.count() >= 0, "initial_delay must not be negative");
  require(max_delay >= initial_delay, "max_delay must not be less than initial_delay");
  require(multiplier >= 1.0 && std::isfinite(multiplier), "multiplier must be at least 1");
  require(max_elapsed.count() >= 0, "max_elapsed must not be negative");
  if (found.empty()) return std::nullopt;
  return Error{.code = Errc::InvalidOptions, .context = "invalid retry policy: " + found};
}

ETLPIPE_COMPILED std::optional<std::chrono::nanoseconds> Backoff::after(const Error& error, TimePoint now) {
  ++attempts_;
  if (error.error_class != ErrorClass::Transient || attempts_ >= policy_.max_attempts) return std::nullopt;
  constexpr double enough = 1e18;  // finite: a delay of 0 stays 0 after any number of attempts
  const double factor = std::min(std::pow(policy_.multiplier, static_cast<double>(attempts_ - 1)), enough);
  const double most = std::min(static_cast<double>(policy_.initial_delay.count()) * factor,
                               static_cast<double>(policy_.max_delay.count()));
  double part = 1.0;
  if (policy_.jitter) {
    std::uint64_t x = random_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    part = static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1p-53;
  }
  const std::chrono::nanoseconds delay =
      std::max(detail::saturated(std::chrono::duration<double, std::nano>(most * part)), error.retry_after);
  const std::chrono::nanoseconds elapsed = now - begin_;
  if (elapsed > policy_.max_elapsed || delay > policy_.max_elapsed - elapsed) return std::nullopt;
  return delay;
}

namespace detail {

ETLPIPE_COMPILED Error gave_up(Error last, std::string why) {
  auto cause = std::make_shared<const Error>(last);
  last.context = std::move(why);
  last.cause = std::move(cause);
  return last;
}

ETLPIPE_COMPILED std::string attempts_of(const Backoff& backoff) {
  return std::to_string(backoff.attempts()) + (backoff.attempts() == 1 ? " attempt" : " attempts");
}
ETLPIPE_COMPILED std::uint64_t random_seed() { return std::random_device{}(); }

}  // namespace detail

}  // namespace etl::inline v0
