#pragma once
/// One batch ingestion from its spec to queryable rows.

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <stop_token>
#include <string>

#include <etl/config.hpp>
#include <etl/druid/client.hpp>
#include <etl/druid/input.hpp>
#include <etl/druid/spec.hpp>
#include <etl/druid/watch.hpp>
#include <etl/error.hpp>
#include <etl/policy/retry.hpp>

namespace etl::inline v0::druid {

/// An input that every task has for itself, because another process may load the same rows at the same time: its task
/// may still read an input that this process no longer needs. Attempts are counted from 0, and the input of an attempt
/// must have the same name in all processes.
struct TaskInput {
  std::function<Input(unsigned attempt)> name{};         ///< the input of an attempt
  std::function<Result<void>(unsigned attempt)> make{};  ///< called before the task of the attempt is submitted
  std::function<void(unsigned attempt)> remove{};        ///< called if no task reads the input of the attempt any more
  /// Makes the input of an attempt of the input of one whose task has ended, which is then gone. If it returns false,
  /// or is not set, the input is removed and made again.
  std::function<bool(unsigned from, unsigned to)> move{};
};

/// Settings of `ingest`. An aggregate.
struct IngestOptions {
  /// Identity of the rows: the digest of the input, together with the name of the run that loads it. `ingest` finds its
  /// own task again by it, after a crash for example. Two runs that must both load the same rows need different names.
  std::string content{};
  /// Attempts for submissions that fail for a temporary reason.
  RetryPolicy retry{.max_attempts = 5, .initial_delay = std::chrono::seconds(1), .max_delay = std::chrono::seconds(30)};
  /// Attempts for tasks that find their intervals locked by another task. `watch.deadline` counts from the beginning of
  /// the first task, and ends this waiting, too; without it the waiting ends after an hour.
  RetryPolicy locks{.max_attempts = std::numeric_limits<std::size_t>::max(),
                    .initial_delay = std::chrono::seconds(1),
                    .max_delay = std::chrono::seconds(30),
                    .max_elapsed = std::chrono::hours(1)};
  /// Called with the delay before a task that found its intervals locked is submitted again.
  std::function<void(std::chrono::nanoseconds)> on_locked{};
  /// Replaces the input of the spec, if all its functions except `move` are set. The input of the task that `ingest`
  /// returns is the caller's to remove, and so is that of a submission whose answer was lost (`is_in_doubt`).
  TaskInput input{};
  /// Shuts an adopted task down, too, on a stop or at the deadline. Otherwise the task continues, because the process
  /// that has submitted it may still wait for it.
  bool stop_adopted = false;
  WatchOptions watch{};  ///< how the task is watched
};

/// Submits the spec under the id that `task_id` makes, and watches the task.
///
/// If Druid has a task of this id already, from a submission whose answer was lost, or from a process that was killed,
/// it is adopted. A failed task cannot be adopted, so the next attempt number is used. A task that finds its intervals
/// locked is submitted again. With `Replace` a task that has succeeded is repeated, because other rows may have taken
/// the place of its rows since: the result is the same after any number of repetitions. With `Append` it is not
/// repeated, as long as Druid remembers the task. The spec's own id is not used.
///
/// Fails when the spec is wrong, or when the task could not be submitted.
[[nodiscard]] Result<TaskResult> ingest(const Client& client, const Spec& spec, const IngestOptions& options,
                                        const std::stop_token& stop = {});

/// Whether Druid may have accepted a task although its submission failed: an answer was lost, or a server between
/// answered in the place of Druid. The same ingestion finds the task when it is repeated.
[[nodiscard]] bool is_in_doubt(const Error& error) noexcept;

}  // namespace etl::inline v0::druid
