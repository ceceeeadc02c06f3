#pragma once
/// Works on units until nothing is left to do (contract G19 to G21).
///
///     auto jobs = etl::value(etl::jobs::open("sqlite:papers.db"));
///     auto data = etl::value(etl::sqlite::Store::open("papers.db"));
///     auto report = etl::jobs::work(*jobs, *data, [](const etl::jobs::Work& work) { return Papers{work}; }, {},
///                                   etl::stop_on_signals());
///     return report.exit_code();

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>
#include <etl/jobs/fenced_store.hpp>
#include <etl/jobs/job.hpp>
#include <etl/jobs/split.hpp>
#include <etl/jobs/store.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/start.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::jobs {

/// What a pipeline needs to know of the unit that it lands.
struct Work {
  Job job{};       ///< the job
  Input input{};   ///< the file
  Claimed unit{};  ///< the unit
  /// Its bytes, inflated (`open_unit`).
  [[nodiscard]] Result<io::Source> open() const { return open_unit(input.path, unit.place); }
  /// Identity of the unit's data, for the pipeline's `fingerprint()`.
  [[nodiscard]] std::string fingerprint() const;
};

/// Something that happened to a unit, for a log.
struct UnitEvent {
  const Work& work;       ///< the unit
  const RunReport& run;   ///< its run
  std::string_view what;  ///< "done", "failed", "quarantined", "released" or "lost"
};

/// Settings of a worker. An aggregate.
struct WorkerOptions {
  std::string name{};       ///< unique; empty: HOST:PID:random
  std::optional<Id> job{};  ///< only this job
  std::chrono::milliseconds lease{
      60'000};                             ///< a dead worker's unit is given to another after this long; at least 10 ms
  std::chrono::milliseconds poll{1'000};   ///< longest pause between looks for work; jittered
  std::chrono::milliseconds pause{1'000};  ///< after a unit's first failure; doubles with each, up to a minute
  bool stay = false;                       ///< wait for new jobs instead of returning when all are done
  Options run{};                           ///< settings of each unit's run; name and delivery are the library's
  std::function<void(const UnitEvent&)> on_unit{};  ///< called on the worker's thread when its end is recorded
};

/// What a worker has done.
struct WorkerReport {
  std::uint64_t done = 0;         ///< units that it has landed
  std::uint64_t released = 0;     ///< units that it has handed back
  std::uint64_t failed = 0;       ///< attempts at units that are tried again
  std::uint64_t quarantined = 0;  ///< units that it has quarantined
  std::uint64_t lost = 0;         ///< units that were taken from it
  std::uint64_t records = 0;      ///< records that it has landed
  std::uint64_t rejected = 0;     ///< dead letters of units that it has landed
  bool stopped = false;           ///< ended by a stop
  std::optional<Error> error{};   ///< why it could not continue
  /// 0: nothing is left to do; 1: `error`; 3: units are quarantined or records rejected; 4: stopped.
  [[nodiscard]] int exit_code() const noexcept;
};

/// What `work` calls for each unit: a callable that takes `const Work&` and returns the pipeline of that unit, as a
/// value or a `Result`. Any type of data will do: `extract` parses the range of the file (`Work::open`), `transform`
/// makes a record, and `load` stores a batch in the store's transaction.
template <class Make>
concept UnitPipelines = requires(Make& make, const Work& work) {
  { make(work) } -> std::move_constructible;
};

namespace detail {
using RunUnit = std::function<RunReport(const Work& work, const std::function<Result<void>()>& still_mine,
                                        Options options, StopToken stop)>;
[[nodiscard]] WorkerReport work(JobStore& jobs, const RunUnit& run_unit,
                                const std::function<Result<void>(const std::string&)>& forget,
                                const WorkerOptions& options, const StopToken& stop);

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;
}  // namespace detail

/// Claims units and lands each with a pipeline that `make(const Work&)` returns, as a value or a `Result`. The
/// pipeline's `load` takes `Store`'s transaction, and `data` must be the database of `jobs`. Each unit is a run of the
/// core (`etl::start`): retries, dead letters, budgets and memory are those of `options.run`. Heartbeats have their own
/// thread and connection. A stop drains the unit and hands it back with its progress (G20); a lost lease abandons it
/// (G19). Units that take less than a transaction are claimed and ended several at once.
/// A unit that fails is tried again, by any worker, and is quarantined after its last attempt. A run that ends
/// with an error of class Transient is no attempt, unless it is the fifth in a row of this worker that lands no record.
/// While the database is away, the worker waits for it. A run for which this process had no thread, no memory or no
/// file descriptor left is no attempt either. Never throws an exception of a pipeline. If `on_unit` throws, or the
/// thread for heartbeats cannot start, the worker ends: it hands back its units, and its report has the error. With
/// options that no run can use it claims no unit.
template <class Store, class Make>
[[nodiscard]] WorkerReport work(JobStore& jobs, Store& data, Make make, const WorkerOptions& options = {},
                                const StopToken& stop = {}) {
  static_assert(UnitPipelines<Make>,
                "etl: jobs::work needs a callable that takes a const etl::jobs::Work& and returns the pipeline of that "
                "unit, or an etl::Result of it");
  const detail::RunUnit run_unit = [&](const Work& work, const std::function<Result<void>()>& still_mine, Options run,
                                       StopToken its_stop) {
    FencedStore<Store> fenced(data, work.unit.lease, still_mine);
    const auto of = [&](auto& pipeline) {
      const RunHandle handle = start(with_store(pipeline, fenced), std::move(run), std::move(its_stop));
      return handle.wait();
    };
    auto made = make(work);
    if constexpr (detail::is_result<decltype(made)>) {
      if (made) return of(*made);
      RunReport refused{.pipeline = run.name, .outcome = Outcome::Failed};
      refused.add_error({.error = std::move(made.error()), .pipeline = run.name});
      return refused;
    } else {
      return of(made);
    }
  };
  return detail::work(jobs, run_unit, [&](const std::string& pipeline) { return data.reset(pipeline); }, options, stop);
}

}  // namespace etl::inline v0::jobs
