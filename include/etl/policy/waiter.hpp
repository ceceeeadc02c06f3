#pragma once
/// How policies wait: on an executor's clock, ended by a stop.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/time.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0 {

/// Where a policy takes the time from, and what ends its waits: a stop, or a deadline. By default the steady clock, and
/// nothing. A value; thread-safe.
class Waiter {
 public:
  Waiter() = default;
  explicit Waiter(std::stop_token stop, Executor executor = {}, TimePoint deadline = TimePoint::max())
      : stop_(std::move(stop)), executor_(std::move(executor)), deadline_(deadline) {}

  [[nodiscard]] TimePoint now() const noexcept { return executor_ ? executor_.backend()->now() : Clock::now(); }
  [[nodiscard]] bool stopped() const noexcept {
    return stop_.stop_requested() || (deadline_ != TimePoint::max() && now() >= deadline_);
  }
  /// Waits until `due`. False, and at once: a stop was requested, or the deadline has passed.
  [[nodiscard]] bool wait_until(TimePoint due) const {
    std::mutex mutex;
    std::condition_variable signal;
    const std::stop_callback wake(stop_, [&] {
      const std::lock_guard lock(mutex);
      executor_ ? executor_.backend()->notify(signal) : signal.notify_all();
    });
    std::unique_lock lock(mutex);
    due = std::min(due, deadline_);
    while (!stopped() && now() < due) {
      if (executor_)
        executor_.backend()->wait(lock, signal, due);
      else if (due == TimePoint::max())
        signal.wait(lock);
      else
        signal.wait_until(lock, due);
    }
    return !stopped();
  }
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds duration) const {
    return wait_until(detail::after(now(), duration));
  }

 private:
  std::stop_token stop_;
  Executor executor_;
  TimePoint deadline_ = TimePoint::max();
};

}  // namespace etl::inline v0
