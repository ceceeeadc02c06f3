#pragma once
/// How policies wait: on an executor's clock, until a stop.

#include <chrono>
#include <stop_token>
#include <utility>

#include <etl/config.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0 {
namespace detail {

/// Has a deadline that waiting threads keep for it, in case the executor has no free thread for a timer.
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

/// The clock of a policy's waits, and the stop or deadline that ends them. By default the steady clock, and neither
/// stop nor deadline. A value; thread-safe.
class Waiter {
 public:
  Waiter() = default;
  /// Waits end when `stop` is requested or at `deadline`; an empty executor means the steady clock.
  explicit Waiter(std::stop_token stop, Executor executor = {}, TimePoint deadline = TimePoint::max())
      : stop_(std::move(stop)), executor_(std::move(executor)), deadline_(deadline) {}

  /// For the library: a waiting thread also calls `watch.look()`, and once more when `changed` is requested. `watch`
  /// must outlive the waits.
  Waiter(std::stop_token stop, Executor executor, detail::Watch& watch, std::stop_token changed)
      : stop_(std::move(stop)), executor_(std::move(executor)), watch_(&watch), changed_(std::move(changed)) {}

  /// The time of the clock.
  [[nodiscard]] TimePoint now() const noexcept { return executor_ ? executor_.backend()->now() : Clock::now(); }
  /// Whether a stop was requested or the deadline has passed.
  [[nodiscard]] bool stopped() const noexcept {
    return stop_.stop_requested() || (deadline_ != TimePoint::max() && now() >= deadline_);
  }
  /// Waits until `due`. Returns false at once if a stop is requested or the deadline has passed.
  [[nodiscard]] bool wait_until(TimePoint due) const;
  /// The same for a duration.
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
