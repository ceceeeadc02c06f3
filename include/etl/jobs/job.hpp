#pragma once
/// Jobs and their units, as they are kept in a database (contract G19, G20).

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::jobs {

/// Number of a job or of a unit in its database.
using Id = std::int64_t;

/// The state of a job. The SQL of each change names the states from which it is allowed.
enum class JobState : std::uint8_t {
  Preparing,                ///< its units are being made; workers may take the units that exist
  Running,                  ///< all units exist, and some are not done
  Completed,                ///< every unit is done
  CompletedWithQuarantine,  ///< every unit is done or quarantined
  Cancelled,                ///< no unit is given out; `JobStore::resume` makes it Running
};
/// The state of a unit.
enum class UnitState : std::uint8_t {
  Pending,      ///< waits for a worker
  Running,      ///< a worker has it on lease
  Done,         ///< everything in it is landed
  Quarantined,  ///< it has failed too often; `JobStore::retry_quarantined` makes it Pending
};
/// The name of a state, as it is stored: "completed_with_quarantine".
[[nodiscard]] std::string_view to_string(JobState state) noexcept;
[[nodiscard]] std::string_view to_string(UnitState state) noexcept;

/// Errors of the component. They have the category of `jobs::error_category()`.
enum class Errc {
  LeaseLost = 1,  ///< the unit is no longer this worker's: its lease ran out and the unit was given to another (G19)
  NewerSchema,    ///< the tables were made by a newer version of the library
  NotFound,       ///< there is no such job
  WrongState,     ///< the job is not in a state from which it can do this
  InputChanged,   ///< an input is not the file from which the units were made
  JobDiffers,     ///< a job with this key exists, and was made from other inputs or settings
};
/// The category of `Errc`.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// Found by `std::error_code`.
[[nodiscard]] std::error_code make_error_code(Errc e) noexcept;

/// What identifies a job. Creating a job twice with the same key gives one job (G20).
struct JobKey {
  std::string organisation{};  ///< whose data it is; may be empty
  std::string type{};          ///< type of the records, such as "protein"
  std::string version{};       ///< version or name of the data, such as "2024_05"
};

/// A file that a job reads.
struct Input {
  std::string path{};         ///< absolute path, the same for all workers
  std::string fingerprint{};  ///< `io::fingerprint` when the units were made
  std::uint64_t size = 0;     ///< bytes of the file as it is, compressed or not
};

/// A job, as stored in its row.
struct Job {
  Id id = 0;                             ///< number in the database
  JobKey key{};                          ///< what identifies it
  std::string spec{};                    ///< settings of the program that made it; the library does not read it
  JobState state = JobState::Preparing;  ///< its state
  std::uint64_t unit_bytes = 0;          ///< size of a unit that was asked for, in bytes of the inflated input
};

/// Where a unit begins and ends in its input. Offsets are those of the inflated input.
struct UnitPlace {
  std::uint32_t input = 0;       ///< number of the input in the job
  std::uint64_t begin = 0;       ///< first byte
  std::uint64_t end = 0;         ///< first byte after it
  std::uint64_t first_line = 1;  ///< number of the first line, from 1
  std::string restart{};         ///< where to begin to inflate (`open_unit`); empty for a plain file or the beginning
  friend bool operator==(const UnitPlace&, const UnitPlace&) = default;
};

/// The right to work on a unit until another worker is given a higher epoch. A value.
struct Lease {
  Id unit = 0;             ///< the unit
  Id job = 0;              ///< its job
  std::int64_t epoch = 0;  ///< grows with every claim, and is never reset (G19)
};

/// A unit that a worker has claimed.
struct Claimed {
  Lease lease{};              ///< the right to work on it
  std::uint64_t number = 0;   ///< number of the unit in its job, from 0
  std::uint32_t attempt = 1;  ///< number of this attempt, from 1; a graceful release is not an attempt
  UnitPlace place{};          ///< what is in it
  /// Name of the pipeline that lands it. Progress and dead letters are kept under it.
  [[nodiscard]] std::string pipeline() const;
};

/// A unit as a person wants to see it.
struct UnitStatus {
  Id id = 0;                             ///< number in the database
  std::uint64_t number = 0;              ///< number in its job
  UnitState state = UnitState::Pending;  ///< its state
  UnitPlace place{};                     ///< what is in it, without `restart`
  std::string worker{};                  ///< who has it, or had it last
  std::uint32_t attempts = 0;            ///< attempts so far that failed, or whose worker died
  std::uint64_t records = 0;             ///< records settled so far
  std::uint64_t rejected = 0;            ///< dead letters among them
  std::chrono::milliseconds beat_age{};  ///< time since the last heartbeat; only for a running unit
  std::string error{};                   ///< why it failed last
};

/// How far a job is (S0-13). Times are those of the database.
struct Progress {
  Job job{};                            ///< the job
  std::uint64_t pending = 0;            ///< units that wait
  std::uint64_t running = 0;            ///< units on lease
  std::uint64_t done = 0;               ///< units that are landed
  std::uint64_t quarantined = 0;        ///< units that have failed too often
  std::uint64_t bytes = 0;              ///< inflated bytes of all units
  std::uint64_t bytes_done = 0;         ///< inflated bytes of the units that are done
  std::uint64_t records = 0;            ///< records settled; filtered records at the ends of units may be missing
  std::uint64_t rejected = 0;           ///< dead letters among them
  std::chrono::milliseconds elapsed{};  ///< since the job was made, until now or its end
  /// The number of all units.
  [[nodiscard]] std::uint64_t units() const noexcept { return pending + running + done + quarantined; }
  /// The part of the bytes that is done, 0 to 1.
  [[nodiscard]] double completion() const noexcept;
  /// Time until the end at the speed so far; zero before the first unit is done, and at the end.
  [[nodiscard]] std::chrono::milliseconds eta() const noexcept;
};

}  // namespace etl::inline v0::jobs

template <>
struct std::is_error_code_enum<etl::jobs::Errc> : std::true_type {};
