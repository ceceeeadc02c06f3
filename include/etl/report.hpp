#pragma once
/// The report of a run: outcome, both ledgers, times and errors (contract G1, G2).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

class Histogram;

/// How a run ended. If several apply, the first counts (G1).
enum class Outcome : std::uint8_t {
  Inconsistent,          ///< a ledger does not balance
  Failed,                ///< an error stopped it
  DrainTimeout,          ///< the drain deadline passed and the rest was abandoned
  Cancelled,             ///< a stop ended it early; resumable
  CompletedWithRejects,  ///< the whole source was loaded, except items rejected within the budget
  Completed,             ///< the whole source was loaded
  NotRun,                ///< a manager never started the run
};

/// The name of an outcome, such as "Completed".
[[nodiscard]] std::string_view to_string(Outcome o) noexcept;

/// Source items, each counted once, by the worst that happened to its results (G2).
struct ItemLedger {
  std::uint64_t extracted = 0;  ///< pushed, including refused pushes
  std::uint64_t loaded = 0;     ///< all results loaded
  std::uint64_t filtered = 0;   ///< transformed into no result
  std::uint64_t rejected = 0;   ///< rejected within or beyond the budget
  std::uint64_t skipped = 0;    ///< committed by an earlier run, so not loaded again
  std::uint64_t abandoned = 0;  ///< in a failed or dropped batch, or refused by `push`
  /// Whether the counts add up.
  [[nodiscard]] bool balanced() const noexcept {
    return extracted == loaded + filtered + rejected + skipped + abandoned;
  }
  friend bool operator==(const ItemLedger&, const ItemLedger&) = default;
};

/// Results of transform (G2).
struct ResultLedger {
  std::uint64_t produced = 0;   ///< given by `transform`
  std::uint64_t committed = 0;  ///< confirmed by the sink
  std::uint64_t rejected = 0;   ///< rejected by `load`, or with their item
  std::uint64_t abandoned = 0;  ///< in a failed or dropped batch
  std::uint64_t in_doubt = 0;   ///< the sink could not say whether they are committed (`Errc::OutcomeUnknown`)
  /// Whether the counts add up.
  [[nodiscard]] bool balanced() const noexcept { return produced == committed + rejected + abandoned + in_doubt; }
  friend bool operator==(const ResultLedger&, const ResultLedger&) = default;
};

/// A batch that a worker is done with, passed to `Options::on_batch`. Valid only during the call.
struct SettledBatch {
  std::string_view pipeline;           ///< name of the pipeline
  std::uint64_t batch = 0;             ///< number of the batch in this run, from 0
  std::uint32_t partition = 0;         ///< index of the partition
  std::uint64_t first_seq = 0;         ///< number of its first item, counted from 0 in the partition
  ItemLedger items{};                  ///< what became of its items; `extracted` is their number
  ResultLedger results{};              ///< what became of their results
  std::chrono::nanoseconds latency{};  ///< from the end of the batch's extraction to now
};

/// How many batches were flushed for which reason (G12).
struct FlushCounts {
  std::uint64_t size = 0;     ///< `batch_size` items
  std::uint64_t bytes = 0;    ///< `batch_bytes`
  std::uint64_t timeout = 0;  ///< `timeout` after the first item
  std::uint64_t source = 0;   ///< a partition ended, or the source called `flush`
  std::uint64_t close = 0;    ///< the end of intake
  /// The number of all flushed batches.
  [[nodiscard]] std::uint64_t total() const noexcept { return size + bytes + timeout + source + close; }
};

/// How many items the batches had; the quantiles are exact to an eighth.
struct BatchSizes {
  std::uint64_t count = 0;  ///< batches
  std::uint64_t p50 = 0;    ///< median
  std::uint64_t p95 = 0;    ///< 95 % of the batches have at most this many
  std::uint64_t max = 0;    ///< the largest
  double mean = 0;          ///< items per batch
};

/// Durations of one stage, one sample per batch (pre_process and post_process: one per run).
struct StageTimes {
  std::uint64_t count = 0;           ///< number of samples
  std::chrono::nanoseconds total{};  ///< sum over all threads
  std::chrono::nanoseconds p50{};    ///< median
  std::chrono::nanoseconds p95{};    ///< 95 % of the samples are at most this
  std::chrono::nanoseconds p99{};    ///< 99 % of the samples are at most this
  std::chrono::nanoseconds max{};    ///< the longest sample
  StageTimes() = default;
  /// The times of a histogram.
  explicit StageTimes(const Histogram& h);
};

/// An error with its place.
struct ErrorRecord {
  Error error;                     ///< the error
  std::string pipeline{};          ///< name of the pipeline
  Stage stage = Stage::Configure;  ///< where it arose
  bool rejected = false;    ///< it concerns an item that was rejected within the budget, and did not make the run fail
  bool in_batch = false;    ///< whether `batch` and the items are known
  std::uint64_t batch = 0;  ///< number of the batch, from 0, in the order of sealing
  std::uint32_t partition = 0;  ///< index of the partition
  /// First source item concerned, counted from 0 in its partition. For an error of `extract`: the number of items
  /// extracted before it.
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;  ///< last source item concerned, inclusive
  /// One line with stage, batch, items and message.
  [[nodiscard]] std::string text() const;
};

/// An operation that has failed with an error of class Transient and is tried again.
struct RetryStatus {
  Stage stage = Stage::Load;            ///< Load, DeadLetter or Checkpoint
  std::size_t attempt = 0;              ///< the number of the last failed attempt, from 1
  std::size_t max_attempts = 0;         ///< `RetryPolicy::max_attempts`
  std::string error{};                  ///< why it failed
  std::chrono::nanoseconds next_try{};  ///< time until the next attempt; 0: it is running
  std::chrono::nanoseconds since{};     ///< how long ago the first attempt began
  std::size_t operations = 0;  ///< number of operations that are being tried again; this one for the longest time
};

/// A live view of a run, for progress and `PipelineManager::status`.
struct RunStatus {
  ItemLedger items{};                  ///< counts so far
  std::uint64_t queued_batches = 0;    ///< batches that wait
  std::uint64_t running_batches = 0;   ///< batches at work
  std::chrono::nanoseconds elapsed{};  ///< time since the start
  std::uint64_t expected_items = 0;    ///< length of the source; 0 if not known
  std::uint64_t earlier_items = 0;   ///< items before the positions at which this run resumed; not included in `items`
  std::uint64_t bytes_read = 0;      ///< as reported by the source (`Emitter::progress`); 0 if not reported
  std::uint64_t expected_bytes = 0;  ///< length of the source in bytes; 0 if not known
  std::uint64_t earlier_bytes = 0;   ///< the part of `bytes_read` before the positions at which this run resumed
  /// Stages in which a user callable is running. If a run does not end, this names what it waits for (G3).
  std::string waiting_for{};
  /// The operation that is being tried again, if any, because the run waits for a server.
  std::optional<RetryStatus> retry{};
};

/// How a report is written.
struct ReportStyle {
  bool verbose = false;  ///< with everything that is known
  bool colour = false;   ///< show the outcome in colour, with ECMA-48 sequences
  /// In colour if `stream` is a terminal, unless the environment has NO_COLOR (no-color.org) or TERM is "dumb".
  [[nodiscard]] static ReportStyle of(std::FILE* stream, bool verbose = false) noexcept;
};

/// Everything about one run that ended. A value; not synchronised.
struct RunReport {
  std::string pipeline{};  ///< name of the pipeline
  std::string run{};       ///< unique id of this run
  bool resumed = false;    ///< an earlier run was resumed; `items.skipped` counts what it had settled
  /// For a resumed run with dead letters: the number of letters of earlier runs. They do not count against the reject
  /// budget of this run.
  std::optional<std::uint64_t> earlier_rejects{};
  Outcome outcome = Outcome::Completed;  ///< how the run ended
  ItemLedger items{};                    ///< source items
  ResultLedger results{};                ///< results of `transform`
  FlushCounts flushes{};                 ///< why batches were flushed
  BatchSizes batch_sizes{};              ///< items in a batch
  std::chrono::nanoseconds elapsed{};    ///< duration of the run
  StageTimes pre_process{};              ///< times of `pre_process`
  StageTimes extract{};                  ///< times to fill a batch
  StageTimes queue{};                    ///< times that batches waited
  StageTimes transform{};                ///< times of `transform`
  StageTimes load{};                     ///< times of `load`
  StageTimes post_process{};             ///< times of `post_process`
  /// The abandoned items that a `push` did not take: the pushing code still has them (G11).
  std::uint64_t refused_pushes = 0;
  std::uint64_t inline_batches = 0;   ///< batches run on the thread that extracted them
  std::uint64_t max_queue_depth = 0;  ///< most sealed batches that waited at once
  std::uint64_t error_count = 0;      ///< number of all errors
  std::vector<ErrorRecord> errors{};  ///< the first errors in the order they happened; [0] decided a failure
  std::string reason{};               ///< reason of NotRun
  std::string rejects_at{};           ///< where rejected items are kept, for people; empty: only in `errors`
  std::string next_step{};            ///< what to do after the run, for people; may be empty
  /// Ids of partitions that an earlier run of this pipeline had and this run has not. Their settled items stay settled,
  /// and are skipped when the partitions come back before a run has finished.
  std::vector<std::string> missing_partitions{};

  /// Most errors that a report keeps.
  static constexpr std::size_t max_errors = 16;

  /// Whether the whole source was loaded, except items rejected within the budget.
  [[nodiscard]] bool ok() const noexcept {
    return outcome == Outcome::Completed || outcome == Outcome::CompletedWithRejects;
  }
  /// Exit code for `main`: 0 Completed, 1 Failed, 2 invalid options of the run itself (stage Configure), 3
  /// CompletedWithRejects, 4 Cancelled, 5 DrainTimeout, 6 Inconsistent, 7 NotRun.
  [[nodiscard]] int exit_code() const noexcept;
  /// Extracted items per second of `elapsed`.
  [[nodiscard]] double items_per_second() const noexcept;
  /// A summary for people: outcome, what was loaded and what was not, the first rejects and errors, and what to do
  /// next. Several lines without a newline at the end. `verbose` adds both ledgers, batches, and the times of the
  /// stages.
  [[nodiscard]] std::string text(const ReportStyle& style = {}) const;
  /// The report as one JSON object; times in seconds.
  [[nodiscard]] std::string json() const;
  /// Throws `etl::Exception` with the first error unless `ok()`.
  void throw_if_failed() const;

  /// Counts an error, and keeps it if there is room and memory. `errors` begins with the error that decided the outcome
  /// (`decides`); rejected items come last.
  void add_error(ErrorRecord record, bool decides = false) noexcept;

 private:
  void append_summary(std::string& out) const;
  void append_figures(std::string& out) const;
  void append_errors(std::string& out, const ReportStyle& style) const;
};

namespace detail {

/// Adds an error to the errors of a report, which are at most `RunReport::max_errors`.
void insert_error(std::vector<ErrorRecord>& errors, ErrorRecord record, bool decides) noexcept;

}  // namespace detail
}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/report.ipp>
#endif
