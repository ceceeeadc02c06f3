#pragma once
/// The operations that a run is retrying, for `Options::on_retry` and `RunStatus::retry`.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/policy/retry.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Operations of one run that have failed and are being retried. Thread-safe.
class Retries {
 public:
  /// Keeps the references to options and name. The executor gives the seed of the delays' jitter.
  Retries(const Options& options, const std::string& pipeline, const Executor& executor)
      : options_(options), pipeline_(pipeline), seed_(executor ? executor.backend()->seed() : random_seed()) {}
  [[nodiscard]] std::uint64_t seed_of(std::uint64_t batch) const noexcept { return seed_ + batch; }

  /// Place of an operation in the run.
  struct Place {
    Stage stage = Stage::Load;
    bool in_batch = false;
    std::uint64_t batch = 0;
    std::uint32_t partition = 0;
  };

  /// One operation, from its first failed attempt on. `status` reports it until it is destroyed. Belongs to one
  /// thread.
  class Operation {
   public:
    Operation(Retries& all, Place place, TimePoint begin) : all_(all), place_(place), begin_(begin) {}
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation() { all_.forget(*this); }

    /// An attempt has failed, and another attempt follows after `delay`. If the user's handler throws, returns its
    /// error.
    [[nodiscard]] std::optional<Error> failed(const Error& error, std::size_t attempt, std::chrono::nanoseconds delay,
                                              TimePoint now) {
      auto failure = guarded([&]() -> std::optional<Error> {
        all_.remember(*this, error, attempt, after(now, delay));
        all_.tell(*this, error, attempt, delay, now - begin_);
        return std::nullopt;
      });
      if (!failure) return std::nullopt;
      Error told = fatal("on_retry has failed");
      told.cause = std::make_shared<const Error>(std::move(*failure));
      return told;
    }

   private:
    friend class Retries;
    Retries& all_;
    const Place place_;
    const TimePoint begin_;
    // Guarded by the mutex of `all_`:
    bool known_ = false;
    std::size_t attempt_ = 0;
    std::string error_{};
    TimePoint next_{};
  };

  /// Fills `status.retry` with the operation that has been failing for the longest time.
  void status(RunStatus& status, TimePoint now) const {
    const std::lock_guard lock(mutex_);
    if (failing_.empty()) return;
    const Operation& first = **std::ranges::min_element(failing_, {}, [](const Operation* one) { return one->begin_; });
    status.retry = RetryStatus{.stage = first.place_.stage,
                               .attempt = first.attempt_,
                               .max_attempts = options_.retry.max_attempts,
                               .error = first.error_,
                               .next_try = std::max(first.next_ - now, TimePoint::duration{}),
                               .since = now - first.begin_,
                               .operations = failing_.size()};
  }

 private:
  void remember(Operation& one, const Error& error, std::size_t attempt, TimePoint next) {
    std::string text = error.message();
    const std::lock_guard lock(mutex_);
    if (!one.known_) failing_.push_back(&one);
    one.known_ = true;
    one.attempt_ = attempt;
    one.error_ = std::move(text);
    one.next_ = next;
  }
  void forget(const Operation& one) noexcept {
    if (!one.known_) return;
    const std::lock_guard lock(mutex_);
    std::erase(failing_, &one);
  }
  void tell(const Operation& one, const Error& error, std::size_t attempt, std::chrono::nanoseconds delay,
            std::chrono::nanoseconds elapsed) {
    if (!options_.on_retry) return;
    const std::lock_guard lock(telling_);  // not `mutex_`, because the handler may ask for the status
    options_.on_retry({.pipeline = pipeline_,
                       .stage = one.place_.stage,
                       .attempt = attempt,
                       .max_attempts = options_.retry.max_attempts,
                       .delay = delay,
                       .elapsed = elapsed,
                       .error = error,
                       .in_batch = one.place_.in_batch,
                       .batch = one.place_.batch,
                       .partition = one.place_.partition});
  }

  const Options& options_;
  const std::string& pipeline_;
  std::uint64_t seed_ = 0;
  mutable std::mutex mutex_;
  std::mutex telling_;
  std::vector<Operation*> failing_;
};

/// Calls `etl::retry` with the policy of the run's options, and reports failed attempts to `retries`, if not null.
template <class F>
[[nodiscard]] result_of_t<F> retry_told(const RetryPolicy& policy, F&& operation, const Waiter& waiter,
                                        Retries* retries, Retries::Place place) {
  const TimePoint begin = waiter.now();
  auto result = call_for_result(operation);
  if (result) return result;
  if (retries == nullptr) return retry_failed(policy, std::move(result), begin, operation, waiter, random_seed());
  Retries::Operation told(*retries, place, begin);
  return retry_failed(policy, std::move(result), begin, operation, waiter, retries->seed_of(place.batch),
                      [&](const Error& error, std::size_t attempt, std::chrono::nanoseconds delay) {
                        return told.failed(error, attempt, delay, waiter.now());
                      });
}

}  // namespace etl::inline v0::detail
