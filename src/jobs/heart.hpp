#pragma once
/// Sends heartbeats on its own thread and connection, so that no load delays them (G20).

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <etl/jobs/store.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::jobs::detail {

/// Holds the units that a worker has claimed, and keeps their leases until their ends are recorded. Thread-safe.
/// Units that are claimed together are short. If one of them takes long all the same, the others do not wait for it:
/// those that are landed are recorded, and those that have not begun are handed back.
class Heart {
 public:
  /// Units that no longer wait here although they have not begun.
  struct Gone {
    std::uint64_t released = 0;  ///< handed back
    std::uint64_t lost = 0;      ///< taken from the worker
  };

  Heart(std::unique_ptr<JobStore> jobs, std::chrono::milliseconds lease)
      : jobs_(std::move(jobs)), lease_time_(lease), thread_([this](const std::stop_token& stop) { beat(stop); }) {}

  /// Holds these units from now on.
  void keep(std::vector<Claimed> units) {
    const std::lock_guard lock(mutex_);
    together_ = units.size() > 1;
    claimed_ = Clock::now();
    std::ranges::move(units, std::back_inserter(waiting_));
  }
  /// Whether no unit waits to begin.
  [[nodiscard]] bool none_waits() const {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }
  /// Begins the next unit, if any. If its lease is lost, `run` is abandoned.
  [[nodiscard]] std::optional<Claimed> begin(StopSource run) {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return std::nullopt;
    Claimed unit = std::move(waiting_.front());
    waiting_.pop_front();
    at_work_ = unit.lease;
    run_ = std::move(run);
    lost_ = false;
    return unit;
  }
  /// The unit has ended. The lease of a unit that is landed is kept. Returns whether the lease was lost.
  [[nodiscard]] bool leave(bool landed) {
    const std::lock_guard lock(mutex_);
    if (landed) landed_.push_back(*at_work_);
    at_work_.reset();
    return lost_;
  }
  /// The ends of the units that are landed are recorded.
  void recorded() {
    const std::lock_guard lock(mutex_);
    landed_.clear();
  }
  /// Ends the heartbeats. Returns whether units are left of which the database thinks that they are at work.
  [[nodiscard]] bool end() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return !waiting_.empty() || !handed_back_.empty();
  }
  /// What has gone since the last call.
  [[nodiscard]] Gone gone() {
    const std::lock_guard lock(mutex_);
    return std::exchange(gone_, {});
  }

 private:
  using Clock = std::chrono::steady_clock;

  void beat(const std::stop_token& stop) {
    const auto pause = lease_time_ / 3, tick = std::min<std::chrono::milliseconds>(pause, std::chrono::seconds(1));
    std::unique_lock lock(mutex_);
    auto due = Clock::now() + pause;
    while (!changed_.wait_for(lock, stop, tick, [] { return false; }) && !stop.stop_requested()) {
      if (together_ && Clock::now() - claimed_ >= tick) let_go(lock);
      hand_back(lock, stop);
      // If the database cannot be reached, try again soon. The lease may expire meanwhile; that is safe, because
      // commits are fenced.
      if (Clock::now() >= due && extend(lock)) due = Clock::now() + pause;
    }
  }
  /// The units that were claimed together have taken long.
  void let_go(std::unique_lock<std::mutex>& lock) {
    for (const Claimed& unit : std::exchange(waiting_, {})) handed_back_.push_back(unit.lease);
    const auto landed = landed_;
    together_ = false;
    lock.unlock();
    // The worker records them again later, which changes nothing.
    const bool recorded = jobs_->finish(landed).has_value();
    lock.lock();
    if (!recorded)
      together_ = true;  // tries again
    else
      std::erase_if(landed_, [&](const Lease& one) { return among(landed, one); });
  }
  /// Ends with the first that fails because the database is away: each of the others would wait as long for it.
  void hand_back(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
    while (!handed_back_.empty() && !stop.stop_requested()) {
      const Lease lease = handed_back_.back();
      lock.unlock();
      const auto done = jobs_->release(lease);
      lock.lock();
      if (!done && done.error().error_class == ErrorClass::Transient) return;
      std::erase_if(handed_back_, [&](const Lease& one) { return same(one, lease); });
      ++(done ? gone_.released : gone_.lost);
    }
  }
  /// Returns whether the database has answered.
  bool extend(std::unique_lock<std::mutex>& lock) {
    std::vector<Lease> leases = landed_;
    for (const Claimed& unit : waiting_) leases.push_back(unit.lease);
    if (at_work_ && !lost_) leases.push_back(*at_work_);
    if (leases.empty()) return true;
    lock.unlock();
    const auto lost = jobs_->beat(leases, lease_time_);
    lock.lock();
    if (!lost) return false;
    for (const Lease& one : *lost) {
      if (at_work_ && same(*at_work_, one)) {
        lost_ = true;
        run_.request_abandon();
      }
      // If its job was cancelled, the unit can still be handed back.
      if (std::erase_if(waiting_, [&](const Claimed& unit) { return same(unit.lease, one); }) > 0)
        handed_back_.push_back(one);
    }
    return true;
  }
  static bool same(const Lease& a, const Lease& b) { return a.unit == b.unit && a.epoch == b.epoch; }
  static bool among(const std::vector<Lease>& all, const Lease& wanted) {
    return std::ranges::any_of(all, [&](const Lease& one) { return same(one, wanted); });
  }

  std::unique_ptr<JobStore> jobs_;
  std::chrono::milliseconds lease_time_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Claimed> waiting_;
  Clock::time_point claimed_{};  // when those that wait were
  bool together_ = false;        // they were claimed with others, and have not taken long yet
  std::optional<Lease> at_work_;
  StopSource run_;     // of the unit at work
  bool lost_ = false;  // the lease of the unit at work, or of the last one
  std::vector<Lease> landed_;
  std::vector<Lease> handed_back_;  // and the database does not know it yet
  Gone gone_{};
  std::jthread thread_;  // the last member, because the thread uses the others
};

}  // namespace etl::inline v0::jobs::detail
