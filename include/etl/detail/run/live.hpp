#pragma once
/// Shows the status of a run while it is in progress.

#include <mutex>
#include <optional>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/error.hpp>
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
  /// Status of the run, or the last one that it had; nothing if there was no run.
  [[nodiscard]] std::optional<RunStatus> status() const {
    const std::lock_guard lock(mutex_);
    if (run_ == nullptr) return last_;
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
      if (run == nullptr)
        static_cast<void>(guarded([&]() -> std::optional<Error> {  // without memory there is none
          view_->last_ = view_->run_->status();
          return std::nullopt;
        }));
      view_->run_ = run;
    }
    LiveView* view_;
  };

 private:
  mutable std::mutex mutex_;
  const LiveRun* run_ = nullptr;
  std::optional<RunStatus> last_;
};

}  // namespace etl::inline v0::detail
