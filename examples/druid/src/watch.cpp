#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/druid/watch.hpp>
#include <etl/http/error.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

#include "judge.hpp"

namespace etl::inline v0::druid {
namespace {

using std::chrono::nanoseconds;

class Watcher {
 public:
  Watcher(const Client& client, std::string_view id, const WatchOptions& options, const std::stop_token& stop)
      : client_(client),
        options_(options),
        stop_(stop),
        clock_({}, options.executor),
        begin_(clock_.now()),
        seed_(options.seed ? *options.seed : etl::detail::random_seed()) {
    result_.id = id;
  }

  TaskResult run() {
    const bool ended = wait_for_end();
    result_.task_time = clock_.now() - begin_;
    if (ended) {
      fetch_report();
      judge(result_, options_.rows_sent, asked_to_end_);
      if (result_.loaded() && options_.wait_until_queryable) wait_until_queryable();
    }
    return std::move(result_);
  }

 private:
  /// Returns false if the outcome is known without the end of the task.
  bool wait_for_end() {
    const TimePoint deadline = options_.deadline ? after(*options_.deadline) : TimePoint::max();
    if (poll_status(WatchStage::Task, Waiter(stop_, options_.executor, deadline), stop_)) return true;
    if (result_.error) return false;
    const std::string why = stop_.stop_requested() ? "the watch was stopped" : "the deadline has passed";
    if (options_.leave_running) return decide(TaskOutcome::LeftRunning, why + ", and the task continues");
    asked_to_end_ = why + ", and the task was shut down";
    const Waiter limited({}, options_.executor, after(options_.shut_down_deadline));
    if (request_end(limited) && poll_status(WatchStage::ShutDown, limited, {})) return true;
    if (result_.error) return false;
    return decide(TaskOutcome::Unknown, why + ", and the task has not ended since its shutdown was requested");
  }

  /// Polls until the task has ended. Returns false if the waiter ended the polling, or if there is an error.
  bool poll_status(WatchStage stage, const Waiter& waiter, const std::stop_token& stop) {
    return poll(stage, waiter, [&]() -> Result<bool> {
      Result<TaskStatus> status = client_.status(result_.id, stop);
      if (!status) return failure(std::move(status.error()));
      result_.status = std::move(*status);
      return result_.status->state != TaskState::Running;
    });
  }
  bool request_end(const Waiter& waiter) {
    return poll(WatchStage::ShutDown, waiter, [&]() -> Result<bool> {
      const Result<void> done = client_.shut_down(result_.id);
      if (!done) return failure(done.error());
      return true;
    });
  }

  void fetch_report() {
    const TimePoint begin = clock_.now();
    const Waiter waiter(stop_, options_.executor, after(options_.report_deadline));
    poll(WatchStage::Report, waiter, [&]() -> Result<bool> {
      Result<TaskReport> report = client_.report(result_.id);
      if (!report && report.error().code == Problem::NoReport && result_.status->state == TaskState::Failed)
        return true;  // the task may have failed before it could write a report
      if (!report) return failure(std::move(report.error()));
      result_.report = std::move(*report);
      return true;
    });
    result_.report_time = clock_.now() - begin;
  }

  void wait_until_queryable() {
    if (result_.report && result_.report->rows.kept() == 0) return;
    const TimePoint begin = clock_.now();
    const Waiter waiter(stop_, options_.executor, after(options_.queryable_deadline));
    const bool confirmed = result_.report && result_.report->segments_available;
    std::string seen = "the coordinator did not answer";
    bool ready = confirmed || poll(WatchStage::Segments, waiter, [&] { return are_loaded(seen); });
    if (ready) {
      seen = "the broker did not answer";
      ready = poll(WatchStage::Segments, waiter, [&] { return is_known(seen); });
    }
    result_.segments_time = clock_.now() - begin;
    if (ready) return;
    if (result_.error) seen = std::exchange(result_.error, std::nullopt)->message();
    decide(TaskOutcome::NotQueryable, fmt::format("the rows are published, and cannot all be queried yet: {}", seen));
  }
  Result<bool> are_loaded(std::string& seen) {
    const std::vector<std::string> everywhere{""};
    bool all = true;
    for (const std::string& interval : options_.intervals.empty() ? everywhere : options_.intervals) {
      const auto percent = client_.load_status(result_.status->data_source, interval);
      if (!percent) return failure(percent.error());
      // A single interval may have no segment, but not all intervals.
      if (!*percent && options_.intervals.size() > 1) continue;
      all = all && *percent && **percent >= 100.0;
      if (!all) seen = *percent ? fmt::format("{:.1f} % of the segments are loaded", **percent) : "no segment is known";
    }
    return all;
  }
  /// A broker that does not know a new datasource yet refuses queries. If the broker cannot be asked, the answer of
  /// the coordinator is enough: a cluster may have no broker, and a user may have the right to write but not to read.
  Result<bool> is_known(std::string& seen) {
    const auto columns = client_.columns(result_.status->data_source);
    if (columns) {
      seen = "the broker does not know the datasource, or this user may not read it";
      return !columns->empty();
    }
    const Error& error = columns.error();
    if (error.code == Problem::NotForwarded || error.code == std::errc::permission_denied) return true;
    return failure(error);
  }

  /// Calls `ask` until it returns true. Returns false if the waiter ended the polling, or if the result has an error.
  template <class F>
  bool poll(WatchStage stage, const Waiter& waiter, F ask) {
    Backoff backoff({.max_attempts = std::numeric_limits<std::size_t>::max(),
                     .initial_delay = options_.first_poll,
                     .max_delay = std::max(options_.first_poll, options_.longest_poll),
                     .multiplier = std::max(1.0, options_.multiplier)},
                    clock_.now(), seed_++);
    std::optional<TimePoint> strange;  // since when answers have looked as if the problem were permanent
    for (;;) {
      if (waiter.stopped() && stage == WatchStage::Task) return false;
      Result<bool> done = ask();
      ++result_.polls;
      if (!done) ++result_.failed_polls;
      tell(stage, done ? nullptr : &done.error());
      if (done && *done) return true;
      Error reason = done ? transient({}) : std::move(done.error());
      if (waiter.stopped()) return false;
      if (reason.error_class == ErrorClass::Transient) {
        strange.reset();
      } else {
        if (!strange) strange = clock_.now();
        if (reason.code == std::errc::permission_denied || clock_.now() - *strange >= options_.patience)
          return give_up(std::move(reason));
        reason.error_class = ErrorClass::Transient;
      }
      const nanoseconds delay = backoff.after(reason, clock_.now()).value_or(options_.longest_poll);
      if (!waiter.wait_for(std::max(delay, options_.first_poll / 2))) return false;
    }
  }

  void tell(WatchStage stage, const Error* error) const {
    if (!options_.on_poll) return;
    options_.on_poll({.stage = stage,
                      .status = result_.status ? &*result_.status : nullptr,
                      .error = error,
                      .polls = result_.polls,
                      .failed_polls = result_.failed_polls,
                      .elapsed = clock_.now() - begin_});
  }
  bool give_up(Error error) {
    result_.reason = error.message();
    result_.error = std::move(error);
    return false;
  }
  bool decide(TaskOutcome outcome, std::string reason) {
    result_.outcome = outcome;
    result_.reason = std::move(reason);
    return false;
  }
  [[nodiscard]] TimePoint after(nanoseconds span) const {
    const TimePoint now = clock_.now();
    return span > TimePoint::max() - now ? TimePoint::max() : now + span;
  }

  const Client& client_;
  const WatchOptions& options_;
  std::stop_token stop_;
  Waiter clock_;
  TimePoint begin_;
  std::uint64_t seed_;
  std::string asked_to_end_{};
  TaskResult result_{};
};

}  // namespace

std::string_view to_string(TaskOutcome outcome) noexcept {
  constexpr std::array<std::string_view, 8> names{
      "complete",  "complete with rejects", "not queryable", "incomplete", "failed",
      "shut down", "left running",          "unknown"};
  return names[static_cast<std::size_t>(outcome)];
}

bool is_lock_conflict(const TaskResult& result) noexcept {
  return result.outcome == TaskOutcome::Failed && (result.reason.find("Failed to get locks") != std::string::npos ||
                                                   result.reason.find("Failed to acquire locks") != std::string::npos);
}

TaskResult watch(const Client& client, std::string_view id, const WatchOptions& options, const std::stop_token& stop) {
  return Watcher(client, id, options, stop).run();
}

}  // namespace etl::inline v0::druid
