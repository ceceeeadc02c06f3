#pragma once
/// Jobs and units in a database that any number of processes share (contract G19, G20).
///
///     auto jobs = etl::value(etl::jobs::open("sqlite:jobs.db"));          // or "postgresql://host/database"
///     for (const etl::jobs::Progress& one : etl::value(jobs->list())) fmt::print("{}\n", one.completion());

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/jobs/job.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::jobs {

/// Settings of a claim. An aggregate.
struct ClaimOptions {
  std::string worker{};  ///< who claims; unique among all workers
  /// Largest number of units to claim. A unit that has failed before, or whose first failure would be its last, is
  /// claimed alone.
  std::size_t most = 1;
  std::chrono::milliseconds lease{60'000};  ///< how long the units are the worker's without a heartbeat
  std::optional<Id> job{};                  ///< only units of this job
};

/// What a worker that has nothing to claim finds.
struct Outlook {
  std::uint64_t open = 0;  ///< jobs that are Preparing or Running
  bool pending = false;    ///< a unit of them can be claimed
  bool overdue = false;    ///< a lease has run out: `reclaim` takes its unit back
  bool ended = false;      ///< no unit of a running job is left: `settle` ends the job
};

/// What `finish_and_claim` has done.
struct Handover {
  std::vector<Lease> lost{};       ///< leases that are not finished, because they are lost
  std::vector<Claimed> claimed{};  ///< units that are the worker's from now on
};

/// Whether a wait ends when the database tells of new units.
enum class Hints : std::uint8_t { Heed, Ignore };

/// A connection to the jobs in a database. All times are those of the database, never of this machine (G20); only
/// `wait` sleeps on this machine's clock. Each change of a state is made only from the states that allow it. If a call
/// has lost its connection, the next call connects again. Every call may be repeated after an error of class Transient.
/// A connection belongs to one thread at a time. Any number of connections, also of other processes and machines, work
/// at once.
class JobStore {
 public:
  JobStore() = default;
  JobStore(const JobStore&) = delete;
  JobStore& operator=(const JobStore&) = delete;
  virtual ~JobStore() = default;

  /// Another connection to the same database, for another thread.
  [[nodiscard]] virtual Result<std::unique_ptr<JobStore>> again() = 0;
  /// The database, for messages.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

  // --- the coordinator's ---

  /// Makes a job in state Preparing, or returns the one that has this key (G20). If it has another `spec`, other inputs
  /// or another `unit_bytes`, the error is `Errc::JobDiffers` and says what differs.
  [[nodiscard]] virtual Result<Job> create(const JobKey& key, const std::string& spec, std::span<const Input> inputs,
                                           std::uint64_t unit_bytes) = 0;
  /// Adds units with consecutive numbers, beginning with `first`, to a job in state Preparing. Units that exist are not
  /// changed; if one of them was cut at another place, the error is `Errc::JobDiffers`.
  [[nodiscard]] virtual Result<void> add_units(Id job, std::uint64_t first, std::span<const UnitPlace> units) = 0;
  /// Says that all units exist: a job in state Preparing becomes Running; in any other state it keeps its state.
  [[nodiscard]] virtual Result<void> start(Id job) = 0;
  /// Cancels a job: no more units are given out. Workers stop their units at the next heartbeat, and the progress is
  /// kept.
  [[nodiscard]] virtual Result<void> cancel(Id job) = 0;
  /// Makes a cancelled job Running, or Preparing, again.
  [[nodiscard]] virtual Result<void> resume(Id job) = 0;
  /// Makes quarantined units Pending with all their attempts, and their job Running. Returns how many there were.
  [[nodiscard]] virtual Result<std::uint64_t> retry_quarantined(Id job) = 0;
  /// Ends running jobs that have no unit in state Pending or Running: they become Completed or CompletedWithQuarantine.
  /// Workers call it when they find nothing to claim. Returns how many jobs have ended. If there is no such job, it
  /// only reads.
  [[nodiscard]] virtual Result<std::uint64_t> settle() = 0;

  // --- what there is ---

  /// The job with this number; otherwise the job with this version, the newest one if several have it. If there is
  /// none, the error is `Errc::NotFound`.
  [[nodiscard]] virtual Result<Job> find(std::string_view number_or_version) = 0;
  /// The inputs of a job, by number.
  [[nodiscard]] virtual Result<std::vector<Input>> inputs(Id job) = 0;
  /// How far a job is.
  [[nodiscard]] virtual Result<Progress> progress(Id job) = 0;
  /// All jobs, oldest first.
  [[nodiscard]] virtual Result<std::vector<Progress>> list() = 0;
  /// At most `most` units of a job in one state, by number.
  [[nodiscard]] virtual Result<std::vector<UnitStatus>> units(Id job, UnitState state, std::size_t most) = 0;
  /// Number of jobs that are Preparing or Running: whether a worker that finds nothing should wait for more.
  [[nodiscard]] virtual Result<std::uint64_t> open_jobs(std::optional<Id> only) = 0;
  /// Whether there is work to do. With `only`, `open` and `pending` concern only this job. One statement that reads: a
  /// worker without work writes nothing and locks nothing.
  [[nodiscard]] virtual Result<Outlook> look(std::optional<Id> only) = 0;

  // --- the worker's ---

  /// Claims units: first those of the oldest job, by number. Two workers never get one unit with the same epoch.
  [[nodiscard]] virtual Result<std::vector<Claimed>> claim(const ClaimOptions& options) = 0;
  /// Extends leases to `lease` from now, in one round trip. Returns the leases that are lost (G19), or whose job was
  /// cancelled.
  [[nodiscard]] virtual Result<std::vector<Lease>> beat(std::span<const Lease> leases,
                                                        std::chrono::milliseconds lease) = 0;
  /// Marks units as Done, in one round trip. May be repeated. Returns the leases that are lost.
  [[nodiscard]] virtual Result<std::vector<Lease>> finish(std::span<const Lease> leases) = 0;
  /// `finish` and `claim` in one transaction. If the answer is lost, neither may have happened, or both: call `finish`
  /// again, then `release_all`.
  [[nodiscard]] virtual Result<Handover> finish_and_claim(std::span<const Lease> leases,
                                                          const ClaimOptions& options) = 0;
  /// Hands a unit back with its progress; this is not an attempt (G20).
  [[nodiscard]] virtual Result<void> release(const Lease& lease, std::chrono::milliseconds pause = {}) = 0;
  /// Counts an attempt. After the last one the unit is Quarantined, otherwise Pending after `pause`. Returns which.
  [[nodiscard]] virtual Result<UnitState> fail(const Lease& lease, const std::string& error,
                                               std::chrono::milliseconds pause = {}) = 0;
  /// Quarantines a unit whose failure would only repeat itself.
  [[nodiscard]] virtual Result<void> quarantine(const Lease& lease, const std::string& error) = 0;
  /// Takes back the units whose lease has run out, and counts an attempt for each. Returns how many there were.
  [[nodiscard]] virtual Result<std::uint64_t> reclaim() = 0;
  /// Hands back all units of a worker that has lost the answer to its claim.
  [[nodiscard]] virtual Result<void> release_all(const std::string& worker) = 0;
  /// Waits until new units may exist, but not longer than `most`. NOTIFY of PostgreSQL is a hint that shortens the
  /// wait; nothing depends on it. Each hint costs the server a little for each connection that listens for hints.
  /// Returns whether a hint has come.
  virtual bool wait(std::chrono::milliseconds most, const std::stop_token& stop, Hints hints) = 0;
};

/// Settings of a connection. An aggregate.
struct StoreOptions {
  std::uint32_t max_attempts = 3;  ///< for new jobs: number of attempts after which a unit is quarantined (S0-26)
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);  ///< time to connect
  /// Time for a statement, to wait for a lock, or between two statements of a transaction.
  std::chrono::milliseconds statement_timeout = std::chrono::seconds(30);
};

/// The kind of database of a store.
enum class Backend : std::uint8_t { Sqlite, Postgres };
/// The backend of a URL: "sqlite:PATH" or "postgresql://..." (also "postgres://..."). The error names the two forms.
[[nodiscard]] Result<Backend> backend_of(std::string_view url);
/// The path of "sqlite:PATH".
[[nodiscard]] std::string sqlite_path(std::string_view url);

/// Connects to the jobs in a database, and makes or migrates their tables (`etl_job*`). A schema that is newer than
/// this library is refused with `Errc::NewerSchema`. The error for a backend that the library was built without says
/// so.
[[nodiscard]] Result<std::unique_ptr<JobStore>> open(std::string_view url, const StoreOptions& options = {});

}  // namespace etl::inline v0::jobs
