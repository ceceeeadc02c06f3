#pragma once
/// How policies wait: on an executor's clock, ended by a stop.

#include <chrono>
#include <stop_token>
#include <utility>

#include <etl/config.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0 {
namespace detail {

/// Somebody whose deadline holds for those who wait, also when the executor has no thread for its timer.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  virtual ~Watch() = default;
  /// Does what is due. Returns when to look again; later than now.
  [[nodiscard]] virtual TimePoint look() noexcept = 0;
};

}  // namespace detail

/// Where a policy takes the time from, and what ends its waits: a stop, or a deadline. By default the steady clock, and
/// nothing. A value; thread-safe.
class Waiter {
 public:
  Waiter() = default;
  explicit Waiter(std::stop_token stop, Executor executor = {}, TimePoint deadline = TimePoint::max())
      : stop_(std::move(stop)), executor_(std::move(executor)), deadline_(deadline) {}

  /// For the library: whoever waits also looks at `watch`, which outlives the waits, and once more when `changed` is
  /// requested.
  Waiter(std::stop_token stop, Executor executor, detail::Watch& watch, std::stop_token changed)
      : stop_(std::move(stop)), executor_(std::move(executor)), watch_(&watch), changed_(std::move(changed)) {}

  [[nodiscard]] TimePoint now() const noexcept { return executor_ ? executor_.backend()->now() : Clock::now(); }
  [[nodiscard]] bool stopped() const noexcept {
    return stop_.stop_requested() || (deadline_ != TimePoint::max() && now() >= deadline_);
  }
  /// Waits until `due`. False, and at once: a stop was requested, or the deadline has passed.
  [[nodiscard]] bool wait_until(TimePoint due) const;
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds duration) const;

 private:
  std::stop_token stop_;
  Executor executor_;
  TimePoint deadline_ = TimePoint::max();
  detail::Watch* watch_ = nullptr;
  std::stop_token changed_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/waiter.ipp>
#endif
