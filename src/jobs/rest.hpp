#pragma once
/// How a worker waits for the next unit.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <etl/jobs/store.hpp>
#include <etl/stop.hpp>

#include "pauses.hpp"

namespace etl::inline v0::jobs::detail {

/// A hint wakes all workers that wait, also for one new unit. Those that came too late the last times let others go
/// first: eight times as long after each time, half as long after each unit. So three of four claims give a unit. Those
/// that let others go the longest heed hints again after two units in a row; until then they look now and then.
class Rest {
  using milliseconds = std::chrono::milliseconds;
  using Clock = std::chrono::steady_clock;

 public:
  /// Looks for work are at most `poll` apart. All arguments have to live as long as this does.
  Rest(JobStore& jobs, Pauses& pauses, const milliseconds& poll, const StopToken& stop)
      : jobs_(jobs), pauses_(pauses), poll_(poll), stop_(stop) {}

  /// Waits for a hint, the next look, or a stop. Returns whether to claim without a look.
  bool wait() {
    hinted_ = jobs_.wait(pauses_.up_to(std::min(idle_, poll_)), stop_.drain(), hints_);
    hints_come_ = hints_come_ || hinted_;
    if (hinted_ && Clock::now() - looked_ < poll_) {
      step_aside();
      return true;
    }
    hinted_ = false;
    looked_ = Clock::now();
    idle_ = std::min(2 * idle_, poll_);
    return false;
  }
  void claimed_nothing() {
    if (!std::exchange(hinted_, false)) return;
    crowd_ = std::min(std::max(8 * crowd_, least_crowd), most_crowd);
    if (crowd_ == most_crowd) hints_ = Hints::Ignore;
  }
  void claimed() {
    hinted_ = false;
    crowd_ = crowd_ > least_crowd ? crowd_ / 2 : milliseconds();
    if (crowd_ < most_crowd / 2) hints_ = Hints::Heed;
    // Where hints come, they tell of the next unit; the looks are only for a hint that got lost.
    idle_ = std::max(hints_come_ && hints_ == Hints::Heed ? hinted_pause : first_pause, crowd_);
  }

 private:
  void step_aside() {
    if (crowd_.count() == 0) return;
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop_.drain(), pauses_.up_to(std::min(crowd_, poll_)), [] { return false; });
  }

  static constexpr milliseconds first_pause{10}, hinted_pause{160};
  static constexpr milliseconds least_crowd{20}, most_crowd{160};

  JobStore& jobs_;
  Pauses& pauses_;
  const milliseconds& poll_;
  const StopToken& stop_;
  milliseconds idle_ = first_pause;  // between looks for work; doubles up to `poll_`
  milliseconds crowd_{};             // how long to let others go first after a hint
  Hints hints_ = Hints::Heed;
  bool hints_come_ = false;  // the database has sent one
  bool hinted_ = false;      // the next claim follows a hint
  Clock::time_point looked_{};
};

}  // namespace etl::inline v0::jobs::detail
