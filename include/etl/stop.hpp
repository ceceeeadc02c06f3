#pragma once
/// Cancellation in two levels (contract G10).

#include <memory>
#include <stop_token>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// A request to end a run early, seen from the run's side. A value; copies are cheap and safe to use
/// from any thread.
///
/// Level 1, *drain*: intake stops at once, what has been extracted is still loaded, until
/// `Options::drain_deadline`. Level 2, *abandon*: what is queued is released, only a `load` that is
/// already running may finish; the token that user callables hold is stopped only now (G10).
class Stop {
 public:
  /// Never stops.
  Stop() = default;
  /// One token drains; there is no second level.
  Stop(std::stop_token drain) : drain_(std::move(drain)) {}  // NOLINT(google-explicit-constructor)
  /// Both levels. `keep_alive` lives as long as the last copy of this value.
  Stop(std::stop_token drain, std::stop_token abandon, std::shared_ptr<void> keep_alive = {})
      : drain_(std::move(drain)), abandon_(std::move(abandon)), keep_alive_(std::move(keep_alive)) {}

  [[nodiscard]] const std::stop_token& drain() const noexcept { return drain_; }
  [[nodiscard]] const std::stop_token& abandon() const noexcept { return abandon_; }

 private:
  std::stop_token drain_;
  std::stop_token abandon_;
  std::shared_ptr<void> keep_alive_;
};

/// The requesting side of a `Stop`. Safe to use from any thread, not from a signal handler
/// (`etl::stop_on_signals` is for that).
class StopSource {
 public:
  /// Level 1. Returns false when it was requested before.
  bool request_drain() { return drain_.request_stop(); }
  /// Level 2, level 1 included. Returns false when it was requested before.
  bool request_abandon() {
    const bool first = abandon_.request_stop();
    drain_.request_stop();
    return first;
  }
  /// Whether either level was requested.
  [[nodiscard]] bool stop_requested() const noexcept { return drain_.stop_requested() || abandon_.stop_requested(); }
  [[nodiscard]] Stop stop() const { return {drain_.get_token(), abandon_.get_token()}; }

 private:
  std::stop_source drain_;
  std::stop_source abandon_;
};

}  // namespace etl::inline v0
