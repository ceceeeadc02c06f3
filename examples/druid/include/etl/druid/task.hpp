#pragma once
/// Tasks of Druid and their reports. All types here are values.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0::druid {

/// Whether a task has ended, and how.
enum class TaskState : std::uint8_t {
  Running,  ///< it waits or runs
  Success,  ///< it has ended well, which does not say that it read any row
  Failed,   ///< it has failed, or was shut down
};

/// What Druid says of a task.
struct TaskStatus {
  std::string id{};                      ///< of the task
  TaskState state = TaskState::Running;  ///< a task that waits is `Running`, too
  std::string runner_state{};            ///< "PENDING", "WAITING", "RUNNING" or "NONE"; empty where Druid does not tell
  std::string type{};                    ///< "index_parallel", for example; empty where Druid does not tell
  std::string data_source{};             ///< that the task writes
  std::string created{};                 ///< ISO 8601; empty where Druid does not tell
  std::optional<std::chrono::milliseconds> duration{};  ///< of a task that has ended
  /// What went wrong: usually the beginning of a Java stack. `first_sentence` makes it short.
  std::string error{};
};

/// What a task did with the rows that it read. Each row counts once.
struct RowStats {
  std::uint64_t processed = 0;             ///< kept, with all of their values
  std::uint64_t processed_with_error = 0;  ///< kept, but at least one value could not be converted and is null
  std::uint64_t thrown_away = 0;           ///< outside the intervals, or not kept by the filter
  std::uint64_t unparseable = 0;           ///< lost, because time or text could not be read
  std::uint64_t processed_bytes = 0;       ///< of the input, decompressed
  /// From version 37 on.
  std::vector<std::pair<std::string, std::uint64_t>> thrown_away_by_reason{};

  /// Rows that the task has read.
  [[nodiscard]] std::uint64_t read() const noexcept {
    return processed + processed_with_error + thrown_away + unparseable;
  }
  /// Rows that are stored, before any roll-up.
  [[nodiscard]] std::uint64_t kept() const noexcept { return processed + processed_with_error; }
};

/// A row that could not be parsed, or one of which a value could not.
struct BadRow {
  std::string input{};                 ///< as Druid shows it
  std::string kind{};                  ///< "unparseable" or "processedWithError"
  std::vector<std::string> details{};  ///< what is wrong
  std::string file{};                  ///< URI of the file that has the row; empty where Druid does not tell
  std::uint64_t line = 0;              ///< number of the row's line in that file, from 1; 0 where Druid does not tell
};

/// What Druid says of a task that has ended.
struct TaskReport {
  std::string task{};                                 ///< id of the task
  std::string ingestion_state{};                      ///< "COMPLETED", or the phase in which the task failed
  RowStats rows{};                                    ///< of the phase that writes segments, all sub-tasks together
  std::vector<BadRow> bad_rows{};                     ///< the first `Tuning::max_saved_parse_exceptions`
  std::string error{};                                ///< the whole message, unlike that of the status
  std::optional<std::uint64_t> segments_published{};  ///< from version 30 on
  bool segments_available = false;                    ///< the task has waited until its segments could be queried
};

}  // namespace etl::inline v0::druid
