#pragma once
/// How policies wait.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/executor.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED bool Waiter::wait_until(TimePoint due) const {
  std::mutex mutex;
  std::condition_variable signal;
  TimePoint look{};
  const auto wake_up = [&] {
    const std::lock_guard lock(mutex);
    look = {};
    executor_ ? executor_.backend()->notify(signal) : signal.notify_all();
  };
  const std::stop_callback wake(stop_, wake_up);
  const std::stop_callback wake_to_look(changed_, wake_up);
  std::unique_lock lock(mutex);
  due = std::min(due, deadline_);
  while (!stopped() && now() < due) {
    if (watch_ != nullptr && look <= now()) {
      look = TimePoint::max();
      lock.unlock();
      const TimePoint next = watch_->look();
      lock.lock();
      look = std::min(look, next);
      continue;
    }
    const TimePoint until = watch_ == nullptr ? due : std::min(due, look);
    if (executor_)
      executor_.backend()->wait(lock, signal, until);
    else if (until == TimePoint::max())
      signal.wait(lock);
    else
      signal.wait_until(lock, until);
  }
  return !stopped();
}
ETLPIPE_COMPILED bool Waiter::wait_for(std::chrono::nanoseconds duration) const {
  return wait_until(detail::after(now(), duration));
}

}  // namespace etl::inline v0
