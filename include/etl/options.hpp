#pragma once
/// Settings of a run, and their validation.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/memory_budget.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/retry.hpp>

namespace etl::inline v0 {
namespace detail {
/// The number of processors of the machine, at least 1.
[[nodiscard]] std::size_t default_workers() noexcept;
}  // namespace detail

/// Where user callables run.
enum class Mode : std::uint8_t {
  Parallel,  ///< transform and load on up to `workers` threads
  Fused,     ///< everything on the calling thread; another thread only watches the clock
};

/// Order in which results are loaded (G18).
enum class Order : std::uint8_t {
  None,    ///< in no particular order
  Source,  ///< in source order within each partition; transforms still run in parallel
  /// Items of a partition with the same `key(const E&)` are loaded in source order, other items at the same time. A
  /// load that is tried again delays only the keys of its lane. The parts of a batch are loaded separately. If `load`
  /// is not const, or takes a store's transaction or an idempotency key, the order is that of Source.
  ByKey,
};

/// Whether a batch may run inside `push`, on the thread that extracts.
enum class Inline : std::uint8_t {
  Adaptive,     ///< while this is measured to be faster than handing batches over (in a Bucket: as WhenWaiting)
  WhenWaiting,  ///< only while `push` would have to wait for room anyway
  /// Never. For an extracting thread that must not run other user code, because it has thread-local state or must not
  /// be delayed. If all threads of the executor are blocked in `push`, the run makes no progress. (With no setting may
  /// `extract` call `push` while it holds a lock that `load` takes: when the run is full, each waits for the other.)
  Never,
};

/// What to do with an exception that is not an `etl::Exception`.
enum class Unclassified : std::uint8_t {
  Fatal,   ///< it stops the run (G4)
  Reject,  ///< thrown by `transform`, it rejects the item; thrown by `load`, the batch; within the budget
};

/// What is rejected when `load` returns an error of class Rejected that names no item (G6).
enum class Isolation : std::uint8_t {
  Batch,   ///< the whole batch
  Bisect,  ///< the bad results: `load` is called again with halves until they are found, about 2 k log2(n) calls for k
           ///< of n. With idempotency keys a half has its own: until the run has finished, the target has to refuse
           ///< what it has refused once
};

/// A rejected item, passed to `ErrorPolicy::on_reject`. The references are valid only during the call.
struct Rejection {
  std::string_view pipeline;       ///< name of the pipeline
  Stage stage = Stage::Transform;  ///< stage that rejected the item
  std::uint64_t batch = 0;         ///< number of the batch in this run, from 0
  std::uint32_t partition = 0;     ///< index of the partition
  std::uint64_t seq = 0;           ///< number of the source item, counted from 0 in its partition
  const Error& error;              ///< why it was rejected
  std::string_view description;    ///< what the pipeline's `describe(const E&)` returned, or empty
};

/// A function called for rejected items. (The destructor is not inline, because otherwise GCC 12 warns of uninitialised
/// memory in code that builds an `Options`.)
struct RejectHandler : std::function<void(const Rejection&)> {
  using std::function<void(const Rejection&)>::function;
  /// No function.
  RejectHandler() = default;
  RejectHandler(const RejectHandler&) = default;
  RejectHandler(RejectHandler&&) = default;
  RejectHandler& operator=(const RejectHandler&) = default;
  RejectHandler& operator=(RejectHandler&&) = default;
  ETLPIPE_NOINLINE ~RejectHandler() {}  // NOLINT(modernize-use-equals-default)
};

/// An attempt that has failed and is followed by another, passed to `Options::on_retry`. The references are valid only
/// during the call.
struct FailedAttempt {
  std::string_view pipeline;           ///< name of the pipeline
  Stage stage = Stage::Load;           ///< Load, DeadLetter or Checkpoint
  std::size_t attempt = 0;             ///< its number, from 1
  std::size_t max_attempts = 0;        ///< `RetryPolicy::max_attempts`
  std::chrono::nanoseconds delay{};    ///< from now to the next attempt
  std::chrono::nanoseconds elapsed{};  ///< since the first attempt began
  const Error& error;                  ///< why it failed
  bool in_batch = false;               ///< whether `batch` and `partition` are known
  std::uint64_t batch = 0;             ///< number of the batch in this run, from 0
  std::uint32_t partition = 0;         ///< index of the partition
};

/// A function called for failed attempts. (For its destructor see `RejectHandler`.)
struct RetryHandler : std::function<void(const FailedAttempt&)> {
  using std::function<void(const FailedAttempt&)>::function;
  RetryHandler() = default;
  RetryHandler(const RetryHandler&) = default;
  RetryHandler(RetryHandler&&) = default;
  RetryHandler& operator=(const RetryHandler&) = default;
  RetryHandler& operator=(RetryHandler&&) = default;
  ETLPIPE_NOINLINE ~RetryHandler() {}  // NOLINT(modernize-use-equals-default)
};

struct SettledBatch;  // in <etl/report.hpp>

/// A function called for batches that are settled. (For its destructor see `RejectHandler`.)
struct BatchHandler : std::function<void(const SettledBatch&)> {
  using std::function<void(const SettledBatch&)>::function;
  BatchHandler() = default;
  BatchHandler(const BatchHandler&) = default;
  BatchHandler(BatchHandler&&) = default;
  BatchHandler& operator=(const BatchHandler&) = default;
  BatchHandler& operator=(BatchHandler&&) = default;
  ETLPIPE_NOINLINE ~BatchHandler() {}  // NOLINT(modernize-use-equals-default)
};

/// What a run does about rejected items (G4, G7). Each of `max_rejects` and `max_reject_ratio` holds if it is given.
/// With neither, the first rejected item fails the run.
struct ErrorPolicy {
  /// The number of items that may be rejected; one more fails the run.
  std::optional<std::uint64_t> max_rejects{};
  /// The share of extracted items that may be rejected, 0 to 1. Checked from item 1000 on, and at the end also for
  /// fewer items. A run that was stopped, or that resumes an earlier run, may always have as many rejects as the ratio
  /// allows for 1000 items.
  std::optional<double> max_reject_ratio{};
  Unclassified unclassified = Unclassified::Fatal;  ///< exceptions that are not an `etl::Exception`
  /// What is rejected when `load` refuses a batch. Bisect needs a sink that is transactional, or that has stored
  /// nothing of a batch it refused.
  Isolation isolation = Isolation::Batch;
  /// Where dead letters of rejected items are kept (G7), or null. An item counts as rejected when its letter is
  /// durable; if the letter cannot be written, the run fails. A run with a `TransactionalStore` writes letters there,
  /// with the rows.
  std::shared_ptr<DeadLetterStore> dead_letters{};
  /// Called once for every rejected item, one call at a time in each run. It must not wait for other batches, as a push
  /// into its own full bucket does; `try_push` does not. An item rejected by `transform` is reported before anything of
  /// its batch is loaded. An item rejected by `load` is reported when its batch is loaded (with a store: committed),
  /// because a repeated transaction may still load the item. An exception from this function fails the run.
  RejectHandler on_reject{};
};

/// What a run keeps for the next run (G13 to G17). By default it keeps nothing, and every run begins at the start.
struct DeliveryOptions {
  /// Where progress is kept, under `Options::name`, or null. The next run then resumes a run that did not finish. Not
  /// for a run with a `TransactionalStore`, which keeps progress with the rows.
  std::shared_ptr<CheckpointStore> checkpoints{};
  /// How often progress is saved. After a crash, items loaded since the last save are loaded again.
  std::chrono::nanoseconds save_every = std::chrono::seconds(1);
  /// Delete the progress of an unfinished run, and begin at the start.
  bool restart = false;
  /// Also resume after a finished run, at its last mark: for a source that grows, so that each run loads what is new.
  /// Otherwise the run after a finished run begins at the start (G17). With idempotency keys, a partition's last
  /// batch is loaded after a save that says where the partition ends: so the batch keeps its key when the partition
  /// grows. Up to 64 such batches are held in memory until then.
  bool incremental = false;
  /// Do everything except `load`: neither results nor dead letters nor progress are written (G17). Items that would be
  /// loaded count as loaded, but are not acknowledged to their source (`Emitter::retain`).
  bool dry_run = false;
  ETLPIPE_NOINLINE ~DeliveryOptions() {}  // NOLINT(modernize-use-equals-default): for GCC 12, as RejectHandler
};

/// How progress is shown. Nothing is printed unless asked for.
struct ProgressOptions {
  /// The form of the display.
  enum class Show : std::uint8_t {
    Off,    ///< nothing
    Auto,   ///< a bar if `stream` is a terminal, otherwise lines
    Bar,    ///< a bar that is redrawn in place
    Lines,  ///< a line from time to time
  };
  Show show = Show::Off;                  ///< the form of the display
  std::FILE* stream = stderr;             ///< where it is written
  std::chrono::milliseconds interval{0};  ///< 0: 100 ms for a bar, 5 s for lines
};

/// Settings of a run. An aggregate: name the fields that you change, in this order. Most programs need `name`,
/// `batch_size`, `timeout`, `workers` and `errors`, and `delivery` to resume. Threads and runs may share a constant
/// `Options`.
struct Options {
  /// No limit, for `timeout` and `drain_deadline`.
  static constexpr std::chrono::nanoseconds never = std::chrono::nanoseconds::max();

  /// Name in reports, progress and errors. Progress and dead letters are kept under it.
  std::string name{};
  Mode mode = Mode::Parallel;  ///< where user callables run

  // --- batches ---
  /// Number of extracted items in a batch, and largest number of results in one `load` call. 1 to 2^30.
  std::size_t batch_size = 1000;
  /// Flush earlier when the items' `bytes(const E&)` add up to this many bytes. Not measured if not given.
  std::optional<std::size_t> batch_bytes{};
  /// Flush an incomplete batch this long after its first item arrived (G12).
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);

  // --- concurrency ---
  /// Largest number of `transform` and `load` calls that run at once.
  std::size_t workers = detail::default_workers();
  /// Largest number of sealed batches that wait, run, or are parked; 2 x workers if not given. Together with one open
  /// batch per extractor this limits the memory of a run.
  std::optional<std::size_t> capacity{};
  /// Largest number of concurrent calls of a `const` load; `workers` if not given.
  std::optional<std::size_t> max_concurrent_loads{};
  /// Number of threads that extract partitions; min(partitions, cores) if not given.
  std::optional<std::size_t> extractors{};
  Order order = Order::None;  ///< order of loads

  // --- errors, retries and the end of a run ---
  /// How long loading may go on after the end of intake, a stop or a failure (G9).
  std::chrono::nanoseconds drain_deadline = std::chrono::seconds(25);
  ErrorPolicy errors{};  ///< what to do about rejected items
  /// Retries after errors of class Transient from `load` (G5). The same results are loaded again; `transform` is not
  /// repeated.
  RetryPolicy retry{};
  /// Called after every failed attempt that is followed by another: to load, to write dead letters, to read or save
  /// progress. It is called on the thread that will wait, one call at a time in each run. It must not wait for other
  /// batches. An exception from it fails the run.
  RetryHandler on_retry{};
  /// Also repeat a `load` that cannot say whether it has committed (`Errc::OutcomeUnknown`). By default such a load is
  /// repeated only with a `TransactionalStore` or an `IdempotencyKey`, where this does no harm.
  bool retry_unknown_outcome = false;

  // --- protection of the sink ---
  /// Limits the results, and the bytes if the pipeline has `bytes`, that `load` gets per second. Runs may share it.
  /// Null for no limit.
  std::shared_ptr<RateLimiter> rate_limit{};
  /// Wraps each `load`. While it is open, the workers wait, and so does the source. Runs may share it. Null for none.
  std::shared_ptr<CircuitBreaker> circuit_breaker{};

  DeliveryOptions delivery{};  ///< what is kept for the next run

  // --- threads, memory and display ---
  Inline inline_batches = Inline::Adaptive;  ///< whether batches may run inside `push`
  /// Limits the memory of all runs that share it. Null for no common limit.
  std::shared_ptr<MemoryBudget> memory{};
  /// Where workers run. If empty, the run makes a pool of `workers` threads.
  Executor executor{};
  /// Called for every batch that a worker has taken, when it is settled: loaded, filtered, rejected, skipped or given
  /// up. For metrics. It is called on the worker's thread, one call at a time in each run. The worker waits for it, so
  /// it must not wait for other batches, as a push into its own full bucket does; `try_push` does not. An exception
  /// from it fails the run. If batches waited for their turn to load when the run failed or was abandoned, it is called
  /// for them at the end, on the thread of the run. Batches that are dropped from the queue are only counted in the
  /// report.
  BatchHandler on_batch{};
  ProgressOptions progress{};  ///< how progress is shown

  /// `capacity` with its default filled in.
  [[nodiscard]] std::size_t effective_capacity() const { return capacity.value_or(2 * workers); }

  /// One error of code `Errc::InvalidOptions` that names every bad value, or nothing.
  [[nodiscard]] std::optional<Error> validate() const;
  /// The former name of `validate`.
  [[deprecated("renamed to validate")]] [[nodiscard]] std::optional<Error> problem() const { return validate(); }
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/options.ipp>
#endif
