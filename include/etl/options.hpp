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
/// As many as the machine has processors, at least 1.
[[nodiscard]] std::size_t default_workers() noexcept;
}  // namespace detail

/// Where user callables run.
enum class Mode : std::uint8_t {
  Parallel,  ///< transform and load on up to `workers` threads
  Fused,     ///< everything on the calling thread; a thread of the library's only watches the clock
};

/// Order in which results are loaded (G18).
enum class Order : std::uint8_t {
  None,    ///< as they get ready
  Source,  ///< within each partition in source order; transforms still run in parallel
  /// Items of a partition that have the same `key(const E&)` in source order, others at the same time; a load that is
  /// tried again delays the keys of its lane only. Parts of a batch are loaded apart. As Source, which keeps this order
  /// too, where a load is not const, or takes a store's transaction or an idempotency key.
  ByKey,
};

/// Whether a batch may run inside `push`, on the thread that extracts.
enum class Inline : std::uint8_t {
  Adaptive,     ///< while that is measured to be faster than handing batches over (a Bucket: as WhenWaiting)
  WhenWaiting,  ///< only while `push` would have to wait for room anyway
  /// For an extracting thread that must not run other user code: it has thread-local state, or may not be delayed.
  /// An executor all of whose threads sit in a `push` makes no progress then. (No setting helps an `extract` that
  /// holds a lock across `push` which `load` takes: when the run is full, each waits for the other.)
  Never,
};

/// What to do with an exception that says nothing about its class.
enum class Unclassified : std::uint8_t {
  Fatal,   ///< it stops the run (G4)
  Reject,  ///< thrown by `transform` it rejects the item, by `load` the batch, within the budget
};

/// What is rejected when `load` refuses a batch as a whole: with an error of class Rejected that names no item (G6).
enum class Isolation : std::uint8_t {
  Batch,   ///< all of it
  Bisect,  ///< `load` is called again with halves, until the bad results are found: about 2 k log2(n) calls for k of n
};

/// A rejected item, as told to `ErrorPolicy::on_reject`. The references hold during the call only.
struct Rejection {
  std::string_view pipeline;
  Stage stage = Stage::Transform;
  std::uint64_t batch = 0;
  std::uint32_t partition = 0;
  std::uint64_t seq = 0;  ///< of the source item, counted from 0 in its partition
  const Error& error;
  std::string_view description;  ///< what the pipeline's `describe(const E&)` returned, or empty
};

/// Called for rejected items. (The destructor is kept out of line: inlined, it makes GCC 12 warn of uninitialised
/// memory in code that builds an `Options`.)
struct RejectHandler : std::function<void(const Rejection&)> {
  using std::function<void(const Rejection&)>::function;
  RejectHandler() = default;
  RejectHandler(const RejectHandler&) = default;
  RejectHandler(RejectHandler&&) = default;
  RejectHandler& operator=(const RejectHandler&) = default;
  RejectHandler& operator=(RejectHandler&&) = default;
  ETLPIPE_NOINLINE ~RejectHandler() {}  // NOLINT(modernize-use-equals-default)
};

/// An attempt that has failed and is followed by another one, as told to `Options::on_retry`. The references hold
/// during the call only.
struct FailedAttempt {
  std::string_view pipeline;
  Stage stage = Stage::Load;           ///< Load, DeadLetter or Checkpoint
  std::size_t attempt = 0;             ///< its number, from 1
  std::size_t max_attempts = 0;        ///< `RetryPolicy::max_attempts`
  std::chrono::nanoseconds delay{};    ///< from now to the next attempt
  std::chrono::nanoseconds elapsed{};  ///< since the first attempt began
  const Error& error;
  bool in_batch = false;  ///< whether `batch` and `partition` are known
  std::uint64_t batch = 0;
  std::uint32_t partition = 0;
};

/// Called for failed attempts. (Its destructor: see `RejectHandler`.)
struct RetryHandler : std::function<void(const FailedAttempt&)> {
  using std::function<void(const FailedAttempt&)>::function;
  RetryHandler() = default;
  RetryHandler(const RetryHandler&) = default;
  RetryHandler(RetryHandler&&) = default;
  RetryHandler& operator=(const RetryHandler&) = default;
  RetryHandler& operator=(RetryHandler&&) = default;
  ETLPIPE_NOINLINE ~RetryHandler() {}  // NOLINT(modernize-use-equals-default)
};

/// What a run does about rejected items (G4, G7). `max_rejects` and `max_reject_ratio` hold where they are given; with
/// neither, the first rejected item fails the run.
struct ErrorPolicy {
  /// How many items may be rejected; one more fails the run.
  std::optional<std::uint64_t> max_rejects{};
  /// Which part of the extracted items may be rejected, 0 to 1. Checked from item 1000 on and at the end.
  std::optional<double> max_reject_ratio{};
  Unclassified unclassified = Unclassified::Fatal;
  /// For a sink that has kept nothing of a batch it refused, or is transactional.
  Isolation isolation = Isolation::Batch;
  /// Where rejected items are set aside (G7), or null. An item counts as rejected when its letter is durable; if it
  /// cannot be written, the run fails. A run with a `TransactionalStore` writes them there, with the rows.
  std::shared_ptr<DeadLetterStore> dead_letters{};
  /// Called once for every rejected item: for a reject by `transform` before anything of its batch is loaded, for one
  /// by `load` when the batch is loaded (with a store, committed), so that an item which a repeated transaction loads
  /// after all is not told. One call at a time. An exception from it fails the run.
  RejectHandler on_reject{};
};

/// What is kept for the next run (G13 to G17). By default nothing, and every run begins at the start of its source.
struct DeliveryOptions {
  /// Where this pipeline's progress is kept, under its `Options::name`. A run that did not finish is then resumed by
  /// the next. Not for a run with a `TransactionalStore`, which keeps it with the rows.
  std::shared_ptr<CheckpointStore> checkpoints{};
  /// How often it is saved. What a crash repeats is what was loaded since.
  std::chrono::nanoseconds save_every = std::chrono::seconds(1);
  /// Forget an unfinished run, and begin at the start.
  bool restart = false;
  /// Go on behind a finished run as well, at its last mark: for a source that grows, of which each run loads what has
  /// come since. Otherwise a finished run's successor begins at the start (G17).
  bool incremental = false;
  /// Everything but `load`: nothing is written, neither results nor dead letters nor progress (G17). Items that would
  /// have been loaded count as loaded; their source is told that they are not (`Emitter::hold`).
  bool dry_run = false;
  ETLPIPE_NOINLINE ~DeliveryOptions() {}  // NOLINT(modernize-use-equals-default): for GCC 12, as RejectHandler
};

/// How progress is shown. Nothing is printed unless asked for.
struct ProgressOptions {
  enum class Show : std::uint8_t {
    Off,
    Auto,  ///< a bar when `stream` is a terminal, else lines
    Bar,
    Lines,
  };
  Show show = Show::Off;
  std::FILE* stream = stderr;
  std::chrono::milliseconds interval{0};  ///< 0: 100 ms for a bar, 5 s for lines
};

/// Settings of a run. An aggregate: name the fields that differ, in this order.
/// A constant `Options` may be shared by any number of threads and runs.
struct Options {
  /// For `timeout` and `drain_deadline`: no limit.
  static constexpr std::chrono::nanoseconds never = std::chrono::nanoseconds::max();

  Mode mode = Mode::Parallel;
  /// Extracted items in a batch; also the most results in one `load` call. 1 to 2^30.
  std::size_t batch_size = 1000;
  /// Flush earlier when the items' `bytes(const E&)` add up to this much. None: not measured.
  std::optional<std::size_t> batch_bytes{};
  /// Flush an incomplete batch this long after its first item arrived (G12).
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);
  /// The most user callables (`transform`, `load`) at work at once.
  std::size_t workers = detail::default_workers();
  /// The most sealed batches waiting, at work, or parked; 2 x workers if not given. With one open
  /// batch per extractor this bounds the memory of a run.
  std::optional<std::size_t> capacity{};
  /// The most concurrent calls of a `const` load; unlimited (that is, `workers`) if not given.
  std::optional<std::size_t> max_concurrent_loads{};
  /// Threads that extract partitions; min(partitions, cores) if not given.
  std::optional<std::size_t> extractors{};
  Order order = Order::None;
  /// How long after the end of intake (or a stop, or a failure) loading may go on (G9).
  std::chrono::nanoseconds drain_deadline = std::chrono::seconds(25);
  ErrorPolicy errors{};
  /// For errors of class Transient from `load` (G5). The same results are loaded again; transform is not repeated.
  RetryPolicy retry{};
  /// Called for every attempt that is followed by another one: of a `load`, of writing dead letters, of reading and
  /// saving progress. On the thread that will wait, one call at a time. An exception from it fails the run.
  RetryHandler on_retry{};
  /// Also repeat a `load` that cannot say whether it has committed (`Errc::OutcomeUnknown`). Without it that is done
  /// only where a repetition does no harm: with a `TransactionalStore`, or an `IdempotencyKey`.
  bool retry_unknown_outcome = false;
  /// Results, and bytes where the pipeline has `bytes`, given to `load` per second. May be shared by runs. Null: any.
  std::shared_ptr<RateLimiter> rate_limit{};
  /// Around each `load`. While it is open, workers wait, and with them the source. May be shared by runs. Null: none.
  std::shared_ptr<CircuitBreaker> circuit_breaker{};
  DeliveryOptions delivery{};
  Inline inline_batches = Inline::Adaptive;
  /// Shared by several runs to bound their memory together. Null: no such bound.
  std::shared_ptr<MemoryBudget> memory{};
  /// Where workers run. Empty: the run makes a pool of `workers` threads of its own.
  Executor executor{};
  ProgressOptions progress{};
  /// Name in reports, progress and errors.
  std::string name{};

  /// `capacity` with its default filled in.
  [[nodiscard]] std::size_t effective_capacity() const { return capacity.value_or(2 * workers); }

  /// Every bad value in one error of code `Errc::InvalidOptions`, or nothing.
  [[nodiscard]] std::optional<Error> problem() const;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/options.ipp>
#endif
