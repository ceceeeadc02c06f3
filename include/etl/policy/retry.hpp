#pragma once
/// Trying again: exponential back-off with full jitter (contract G5).

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

/// Which attempts are made. An aggregate; `RetryPolicy::database()` and the like are ready-made ones.
struct RetryPolicy {
  static constexpr std::chrono::nanoseconds never = std::chrono::nanoseconds::max();

  std::size_t max_attempts = 3;  ///< the first one included
  std::chrono::nanoseconds initial_delay = std::chrono::milliseconds(100);
  std::chrono::nanoseconds max_delay = std::chrono::seconds(10);
  double multiplier = 2.0;  ///< of the delay, from one attempt to the next
  /// No attempt begins later than this after the first one began.
  std::chrono::nanoseconds max_elapsed = never;
  /// Waits a random part of each delay, so that many clients of one server do not come back all at once.
  bool jitter = true;

  [[nodiscard]] static constexpr RetryPolicy none() { return {.max_attempts = 1}; }
  [[nodiscard]] static constexpr RetryPolicy database() {
    return {.max_attempts = 5,
            .initial_delay = std::chrono::milliseconds(200),
            .max_delay = std::chrono::seconds(30),
            .multiplier = 2.0};
  }
  [[nodiscard]] static constexpr RetryPolicy file() {
    return {.max_attempts = 3,
            .initial_delay = std::chrono::milliseconds(50),
            .max_delay = std::chrono::seconds(5),
            .multiplier = 1.5};
  }

  /// What is wrong with the values, all of it, or nothing.
  [[nodiscard]] std::optional<Error> problem() const {
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
};

/// The delays between the attempts of one operation. Belongs to one thread at a time.
class Backoff {
 public:
  /// `begin`: when the first attempt began. The same seed gives the same delays.
  Backoff(const RetryPolicy& policy, TimePoint begin, std::uint64_t seed)
      : policy_(policy), begin_(begin), random_(seed) {}

  /// An attempt has failed at `now`: how long to wait before the next one. Nothing: it was the last, or the error is
  /// not of class Transient. A server's `Error::retry_after` is honoured, also beyond `max_delay`.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> after(const Error& error, TimePoint now) {
    ++attempts_;
    if (error.error_class != ErrorClass::Transient || attempts_ >= policy_.max_attempts) return std::nullopt;
    const double most = std::min(static_cast<double>(policy_.initial_delay.count()) *
                                     std::pow(policy_.multiplier, static_cast<double>(attempts_ - 1)),
                                 static_cast<double>(policy_.max_delay.count()));
    const double part = policy_.jitter ? std::uniform_real_distribution(0.0, 1.0)(random_) : 1.0;
    const std::chrono::nanoseconds delay =
        std::max(detail::saturated(std::chrono::duration<double, std::nano>(most * part)), error.retry_after);
    const std::chrono::nanoseconds elapsed = now - begin_;
    if (elapsed > policy_.max_elapsed || delay > policy_.max_elapsed - elapsed) return std::nullopt;
    return delay;
  }
  [[nodiscard]] std::size_t attempts() const noexcept { return attempts_; }

 private:
  RetryPolicy policy_;
  TimePoint begin_;
  std::mt19937_64 random_;
  std::size_t attempts_ = 0;
};

namespace detail {

template <class R>
struct AsResult {
  using type = Result<R>;
};
template <class R>
struct AsResult<Result<R>> {
  using type = Result<R>;
};
template <class F>
using result_of_t = typename AsResult<std::invoke_result_t<F&>>::type;

/// Calls `operation`, which returns a value, nothing or a Result; an exception becomes an error.
template <class F>
[[nodiscard]] result_of_t<F> call_for_result(F& operation) {
  using R = result_of_t<F>;
  std::optional<R> result;
  std::optional<Error> thrown = guarded([&]() -> std::optional<Error> {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      operation();
      result.emplace();
    } else {
      result.emplace(operation());
    }
    return std::nullopt;
  });
  if (!result) return failure(std::move(thrown).value_or(Error{}));
  return std::move(*result);
}

[[nodiscard]] inline Error gave_up(Error last, std::string why) {
  auto cause = std::make_shared<const Error>(last);
  last.context = std::move(why);
  last.cause = std::move(cause);
  return last;
}

/// Goes on after a first attempt that began at `begin` and failed.
template <class R, class F, class W>
[[nodiscard]] R retry_failed(const RetryPolicy& policy, R result, TimePoint begin, F& operation, const W& waiter,
                             std::uint64_t seed) {
  Backoff backoff(policy, begin, seed);
  for (;;) {
    const auto delay = backoff.after(result.error(), waiter.now());
    const auto tried = [&backoff] {
      return std::to_string(backoff.attempts()) + (backoff.attempts() == 1 ? " attempt" : " attempts");
    };
    if (!delay) {
      if (backoff.attempts() == 1 || result.error().error_class != ErrorClass::Transient) return result;
      return failure(gave_up(std::move(result.error()), "gave up after " + tried()));
    }
    if (!waiter.wait_for(*delay)) return failure(gave_up(std::move(result.error()), "stopped after " + tried()));
    result = call_for_result(operation);
    if (result) return result;
  }
}

}  // namespace detail

/// Calls `operation` (a value, nothing or a `Result`; it may throw) until it succeeds, its error is not of class
/// Transient, the policy gives up, or `waiter` is stopped. A transient error is then told how often it was tried.
/// Thread-safe. Throws `etl::Exception` for an invalid policy.
template <class F>
[[nodiscard]] auto retry(const RetryPolicy& policy, F&& operation, const Waiter& waiter = {},
                         std::uint64_t seed = std::random_device{}()) -> detail::result_of_t<F> {
  if (auto problem = policy.problem()) throw Exception(std::move(*problem));
  const TimePoint begin = waiter.now();
  auto result = detail::call_for_result(operation);
  if (result) return result;
  return detail::retry_failed(policy, std::move(result), begin, operation, waiter, seed);
}

}  // namespace etl::inline v0
