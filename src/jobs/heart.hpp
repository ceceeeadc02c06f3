#pragma once
/// Sends heartbeats on its own thread and connection, so that no load delays them (G20).

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include <etl/jobs/store.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::jobs::detail {

/// Keeps one lease at a time. Thread-safe.
class Heart {
 public:
  Heart(std::unique_ptr<JobStore> jobs, std::chrono::milliseconds lease)
      : jobs_(std::move(jobs)), lease_time_(lease), thread_([this](const std::stop_token& stop) { beat(stop); }) {}

  /// Keeps this lease from now on. If the lease is lost, `run` is abandoned.
  void keep(const Lease& lease, StopSource run) {
    const std::lock_guard lock(mutex_);
    lease_ = lease;
    run_ = std::move(run);
    lost_ = false;
  }
  /// Stops keeping the lease. Returns whether the lease was lost.
  bool leave() {
    const std::lock_guard lock(mutex_);
    lease_.reset();
    return lost_;
  }

 private:
  void beat(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    auto pause = lease_time_ / 3;
    while (!changed_.wait_for(lock, stop, pause, [] { return false; }) && !stop.stop_requested()) {
      if (!lease_ || lost_) continue;
      const Lease lease = *lease_;
      lock.unlock();
      const auto lost = jobs_->beat({&lease, 1}, lease_time_);
      lock.lock();
      // If the database cannot be reached, try again soon. The lease may expire meanwhile; that is safe, because
      // commits are fenced.
      pause = lost ? lease_time_ / 3 : std::min<std::chrono::milliseconds>(lease_time_ / 3, std::chrono::seconds(1));
      const bool same = lease_ && lease_->unit == lease.unit && lease_->epoch == lease.epoch;
      if (!same || !lost || lost->empty()) continue;
      lost_ = true;
      run_.request_abandon();
    }
  }

  std::unique_ptr<JobStore> jobs_;
  std::chrono::milliseconds lease_time_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<Lease> lease_;
  StopSource run_;
  bool lost_ = false;
  std::jthread thread_;  // the last member, because the thread uses the others
};

}  // namespace etl::inline v0::jobs::detail
