#pragma once
/// Cancellation in two levels (contract G10).

#include <memory>
#include <stop_token>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// A request to end a run early, as the run sees it. A value; copies are cheap, and any thread may use them.
///
/// Level 1, *drain*: intake stops at once; extracted items are still loaded, until `Options::drain_deadline`.
/// Level 2, *abandon*: queued items are dropped and counted; only a `load` that is already running may finish. The
/// token of `BatchContext` is stopped only now (G10).
class StopToken {
 public:
  /// Never stops.
  StopToken() = default;
  /// Drains when `drain` is stopped, and never abandons.
  StopToken(std::stop_token drain) : drain_(std::move(drain)) {}  // NOLINT(google-explicit-constructor)
  /// Both levels. `keep_alive` lives as long as the last copy of this value.
  StopToken(std::stop_token drain, std::stop_token abandon, std::shared_ptr<void> keep_alive = {})
      : drain_(std::move(drain)), abandon_(std::move(abandon)), keep_alive_(std::move(keep_alive)) {}

  /// Stopped when a drain is requested.
  [[nodiscard]] const std::stop_token& drain() const noexcept { return drain_; }
  /// Stopped when an abandon is requested.
  [[nodiscard]] const std::stop_token& abandon() const noexcept { return abandon_; }

 private:
  std::stop_token drain_;
  std::stop_token abandon_;
  std::shared_ptr<void> keep_alive_;
};

/// The former name of `StopToken`.
using Stop [[deprecated("renamed to etl::StopToken")]] = StopToken;

/// Requests a stop. Thread-safe, but not for signal handlers: use `etl::stop_on_signals` there.
class StopSource {
 public:
  /// Requests level 1. Returns false if it was requested before.
  bool request_drain() { return drain_.request_stop(); }
  /// Requests levels 1 and 2. Returns false if level 2 was requested before.
  bool request_abandon() {
    const bool first = abandon_.request_stop();
    drain_.request_stop();
    return first;
  }
  /// Whether either level was requested.
  [[nodiscard]] bool stop_requested() const noexcept { return drain_.stop_requested() || abandon_.stop_requested(); }
  /// The token to give to a run.
  [[nodiscard]] StopToken stop_token() const { return {drain_.get_token(), abandon_.get_token()}; }
  /// The former name of `stop_token`.
  [[deprecated("renamed to stop_token")]] [[nodiscard]] StopToken stop() const { return stop_token(); }

 private:
  std::stop_source drain_;
  std::stop_source abandon_;
};

}  // namespace etl::inline v0
