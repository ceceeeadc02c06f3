#pragma once
/// Retries with exponential back-off and full jitter (contract G5).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

/// How many attempts are made, and with which delays. An aggregate; `RetryPolicy::database()` and others are
/// ready-made.
struct RetryPolicy {
  static constexpr std::chrono::nanoseconds never = std::chrono::nanoseconds::max();  ///< no limit, for `max_elapsed`

  std::size_t max_attempts = 3;                                             ///< number of attempts, including the first
  std::chrono::nanoseconds initial_delay = std::chrono::milliseconds(100);  ///< delay after the first attempt
  std::chrono::nanoseconds max_delay = std::chrono::seconds(10);            ///< longest delay
  double multiplier = 2.0;  ///< growth of the delay from one attempt to the next
  /// No attempt begins later than this after the beginning of the first attempt.
  std::chrono::nanoseconds max_elapsed = never;
  /// Wait a random part of each delay, so that many clients of a server do not all come back at once.
  bool jitter = true;

  /// One attempt.
  [[nodiscard]] static constexpr RetryPolicy none() { return {.max_attempts = 1}; }
  /// For a database: 5 attempts, delays from 200 ms to 30 s.
  [[nodiscard]] static constexpr RetryPolicy database() {
    return {.max_attempts = 5,
            .initial_delay = std::chrono::milliseconds(200),
            .max_delay = std::chrono::seconds(30),
            .multiplier = 2.0};
  }
  /// For files: 3 attempts, delays from 50 ms to 5 s.
  [[nodiscard]] static constexpr RetryPolicy file() {
    return {.max_attempts = 3,
            .initial_delay = std::chrono::milliseconds(50),
            .max_delay = std::chrono::seconds(5),
            .multiplier = 1.5};
  }

  /// One error that names every bad value, or nothing.
  [[nodiscard]] std::optional<Error> validate() const;
  /// The former name of `validate`.
  [[deprecated("renamed to validate")]] [[nodiscard]] std::optional<Error> problem() const { return validate(); }
};

/// The delays between the attempts of one operation. Belongs to one thread at a time.
class Backoff {
 public:
  /// `begin` is the time when the first attempt began. The same seed gives the same delays.
  Backoff(const RetryPolicy& policy, TimePoint begin, std::uint64_t seed)
      : policy_(policy), begin_(begin), random_(seed) {}

  /// The delay after an attempt that failed at `now`. Nothing if it was the last attempt, or if the error is not of
  /// class Transient. The delay is at least `Error::retry_after`, even beyond `max_delay`.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> after(const Error& error, TimePoint now);
  /// Number of failed attempts so far.
  [[nodiscard]] std::size_t attempts() const noexcept { return attempts_; }

 private:
  RetryPolicy policy_;
  TimePoint begin_;
  std::uint64_t random_;  // the state of a SplitMix64 generator
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

[[nodiscard]] Error gave_up(Error last, std::string why);
/// "1 attempt", "2 attempts".
[[nodiscard]] std::string attempts_of(const Backoff& backoff);
/// Differs from call to call.
[[nodiscard]] std::uint64_t random_seed();

/// Does nothing.
struct Silent {
  std::optional<Error> operator()(const Error&, std::size_t, std::chrono::nanoseconds) const { return std::nullopt; }
};

/// Continues after a first attempt that began at `begin` and failed. `tell(error, attempt, delay)` is called for each
/// attempt that another one follows; an error that it returns ends the attempts.
template <class R, class F, class W, class T = Silent>
[[nodiscard]] R retry_failed(const RetryPolicy& policy, R result, TimePoint begin, F& operation, const W& waiter,
                             std::uint64_t seed, T&& tell = {}) {
  Backoff backoff(policy, begin, seed);
  for (;;) {
    const auto delay = backoff.after(result.error(), waiter.now());
    if (!delay) {
      if (backoff.attempts() == 1 || result.error().error_class != ErrorClass::Transient) return result;
      return failure(gave_up(std::move(result.error()), "gave up after " + attempts_of(backoff)));
    }
    if (auto error = tell(std::as_const(result.error()), backoff.attempts(), *delay)) return failure(std::move(*error));
    if (!waiter.wait_for(*delay))
      return failure(gave_up(std::move(result.error()), "stopped after " + attempts_of(backoff)));
    result = call_for_result(operation);
    if (result) return result;
  }
}

}  // namespace detail

/// Calls `operation`, which returns a value, nothing or a `Result`, or throws, until it succeeds, its error is not of
/// class Transient, the policy gives up, or `waiter` is stopped. The last error then gives the number of attempts.
/// Thread-safe. Throws `etl::Exception` for an invalid policy.
template <class F>
[[nodiscard]] auto retry(const RetryPolicy& policy, F&& operation, const Waiter& waiter = {},
                         std::uint64_t seed = detail::random_seed()) -> detail::result_of_t<F> {
  if (auto problem = policy.validate()) throw Exception(std::move(*problem));
  const TimePoint begin = waiter.now();
  auto result = detail::call_for_result(operation);
  if (result) return result;
  return detail::retry_failed(policy, std::move(result), begin, operation, waiter, seed);
}

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/retry.ipp>
#endif
