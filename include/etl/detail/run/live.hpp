#pragma once
/// Shows the status of a run while it is in progress.

#include <mutex>
#include <optional>

#include <etl/config.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// A run that can report its status. Thread-safe.
class LiveRun {
 public:
  LiveRun() = default;
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;
  virtual ~LiveRun() = default;
  [[nodiscard]] virtual RunStatus status() const = 0;
};

/// Gives the status of a run for as long as the run exists. Thread-safe.
class LiveView {
 public:
  /// Status of the run, or nothing if there is no run.
  [[nodiscard]] std::optional<RunStatus> status() const {
    const std::lock_guard lock(mutex_);
    if (run_ == nullptr) return std::nullopt;
    return run_->status();
  }

  /// Connects a run with a view for the duration of a scope.
  class Shown {
   public:
    Shown(LiveView* view, const LiveRun& run) : view_(view) { set(&run); }
    Shown(const Shown&) = delete;
    Shown& operator=(const Shown&) = delete;
    ~Shown() { set(nullptr); }

   private:
    void set(const LiveRun* run) {
      if (view_ == nullptr) return;
      const std::lock_guard lock(view_->mutex_);
      view_->run_ = run;
    }
    LiveView* view_;
  };

 private:
  mutable std::mutex mutex_;
  const LiveRun* run_ = nullptr;
};

}  // namespace etl::inline v0::detail
