#pragma once
/// Looking at a run from outside while it is under way.

#include <mutex>
#include <optional>

#include <etl/config.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// A run that can say how far it is. Thread-safe.
class LiveRun {
 public:
  LiveRun() = default;
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;
  virtual ~LiveRun() = default;
  [[nodiscard]] virtual RunStatus status() const = 0;
};

/// A window that a run stands in for as long as it can be asked. Thread-safe.
class LiveView {
 public:
  /// Nothing when there is no run behind it.
  [[nodiscard]] std::optional<RunStatus> status() const {
    const std::lock_guard lock(mutex_);
    if (run_ == nullptr) return std::nullopt;
    return run_->status();
  }

  /// Puts a run behind a view, for a scope.
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
