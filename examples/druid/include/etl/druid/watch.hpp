#pragma once
/// Waits for a task of Druid, and finds out whether its rows are loaded.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/druid/client.hpp>
#include <etl/druid/task.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::druid {

/// How a task ended. Only the first two mean that the data is loaded.
enum class TaskOutcome : std::uint8_t {
  Complete,             ///< every row is kept, and can be queried
  CompleteWithRejects,  ///< every row is accounted for; some were thrown away, not parsed, or kept with a null
  NotQueryable,         ///< the rows are published; in the time given they could not all be queried
  Incomplete,           ///< the task succeeded, but rows are missing, or none was kept, or there is no report
  Failed,
  ShutDown,     ///< shut down by this watch, or by somebody else
  LeftRunning,  ///< the watch was stopped or its deadline passed, and `WatchOptions::leave_running` is set
  Unknown,      ///< Druid could not be asked; `TaskResult::error` says why
};
/// "complete", "complete with rejects" and so on.
[[nodiscard]] std::string_view to_string(TaskOutcome outcome) noexcept;

/// What a watch waits for.
enum class WatchStage : std::uint8_t { Task, ShutDown, Report, Segments };

/// What a watch knows after a poll.
struct WatchProgress {
  WatchStage stage = WatchStage::Task;  ///< what it waits for
  const TaskStatus* status = nullptr;   ///< the last status that Druid reported, or null
  const Error* error = nullptr;         ///< error of this poll, or null if Druid answered
  std::size_t polls = 0;                ///< so far
  std::size_t failed_polls = 0;         ///< number of these that failed
  std::chrono::nanoseconds elapsed{};   ///< since the watch began
};

/// Settings of a watch. An aggregate.
struct WatchOptions {
  /// Number of rows that were given to the task. If not known, a task that read at least one row is complete.
  std::optional<std::uint64_t> rows_sent{};
  /// Time for the task; after it the task is shut down. If not given, there is no limit.
  std::optional<std::chrono::nanoseconds> deadline{};
  bool leave_running = false;  ///< does not shut the task down on a stop or at the deadline
  /// Waits until the segments are loaded, and until the broker knows the datasource.
  bool wait_until_queryable = true;
  std::chrono::nanoseconds queryable_deadline = std::chrono::minutes(5);  ///< time limit for that
  /// Where to look for segments (ISO 8601); empty: in the whole datasource.
  std::vector<std::string> intervals{};

  std::chrono::nanoseconds first_poll = std::chrono::milliseconds(500);  ///< time to the second poll
  std::chrono::nanoseconds longest_poll = std::chrono::seconds(15);      ///< most time between polls
  double multiplier = 1.5;  ///< of the time between polls; each has a random part
  /// How long polls continue after an error that does not seem temporary, such as an unknown task, because a new leader
  /// may not know the task yet.
  std::chrono::nanoseconds patience = std::chrono::seconds(30);
  std::chrono::nanoseconds report_deadline = std::chrono::minutes(1);      ///< time to wait for a missing report
  std::chrono::nanoseconds shut_down_deadline = std::chrono::seconds(30);  ///< for the end of a task that is shut down
  std::function<void(const WatchProgress&)> on_poll{};                     ///< on the thread that watches
  Executor executor{};                                                     ///< whose clock is used
  std::optional<std::uint64_t> seed{};                                     ///< of the random part
};

/// The outcome of a task and of its rows. A value.
struct TaskResult {
  std::string id{};                            ///< of the task
  TaskOutcome outcome = TaskOutcome::Unknown;  ///< how it ended
  std::string reason{};                        ///< one sentence; empty for `Complete`
  std::optional<TaskStatus> status{};          ///< the last status that Druid reported
  std::optional<TaskReport> report{};          ///< the report, if there is one
  std::optional<Error> error{};                ///< the last of the polls, for `Unknown`
  bool adopted = false;                        ///< the task existed before `ingest` submitted it
  bool had_ended = false;                      ///< the adopted task had ended before: nothing was loaded now
  std::size_t polls = 0;                       ///< of all stages
  std::size_t failed_polls = 0;                ///< number of these that failed
  std::chrono::nanoseconds submit_time{};      ///< of submitting or finding the task, by `ingest`
  std::chrono::nanoseconds task_time{};        ///< of waiting for the end
  std::chrono::nanoseconds report_time{};      ///< of waiting for the report
  std::chrono::nanoseconds segments_time{};    ///< of waiting for queryable segments

  /// Whether the data is loaded.
  [[nodiscard]] bool loaded() const noexcept {
    return outcome == TaskOutcome::Complete || outcome == TaskOutcome::CompleteWithRejects;
  }
};
/// Whether the task failed because another one held its locks, so that a later attempt may succeed.
[[nodiscard]] bool is_lock_conflict(const TaskResult& result) noexcept;

/// Waits for the end of a task, fetches its report, compares it with what was sent, and waits for its segments.
///
/// Polls that fail for a temporary reason (no connection, 5xx, a change of the leader) are repeated until the deadline,
/// and do not end the watch. `SUCCESS` alone proves little: a task whose input folder is missing succeeds with no rows.
/// A stop shuts the task down and waits for its end, up to `shut_down_deadline`.
///
/// Segments are loaded when the coordinator says so. The broker must know the datasource, too: a query of a datasource
/// that is new to the broker fails. After a replace of existing rows a broker may show the old rows for about a second.
[[nodiscard]] TaskResult watch(const Client& client, std::string_view id, const WatchOptions& options = {},
                               const std::stop_token& stop = {});

}  // namespace etl::inline v0::druid
