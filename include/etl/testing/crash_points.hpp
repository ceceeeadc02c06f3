#pragma once
/// Simulates a crash at every step of a run.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/executor.hpp>
#include <etl/report.hpp>
#include <etl/testing/faults.hpp>
#include <etl/testing/virtual_executor.hpp>

namespace etl::inline v0::testing {

/// Which schedules to try. An aggregate.
struct CrashOptions {
  std::uint64_t first_seed = 0;  ///< the first seed
  std::uint64_t seeds = 1;       ///< number of seeds; each gives another schedule
};

/// What `for_each_crash_point` has tried.
struct CrashSummary {
  std::uint64_t schedules = 0;  ///< number of runs
  std::uint64_t crashes = 0;    ///< number of runs with a crash
};

/// For each seed, runs once without faults and counts the steps. Then, for each step, runs in a new world until that
/// step, after which everything fails, and starts the run again until it ends. Uses virtual time and one thread; the
/// seed decides the order of tasks, so that every failure can be repeated.
///
/// - `make()` returns a new world: everything that outlives the process, such as stores.
/// - `run(world, faults, executor)` runs the pipeline in it with `Options::executor = executor`, all its sinks and
/// stores
///   under `faults`, and returns the report.
/// - `check(world)` returns what is wrong with the world after a finished run, or an empty string.
///
/// Throws `std::runtime_error` with seed and step for the first failure: of the check; of a ledger that does not
/// balance; of a crashed run that reports completion; of a run without faults that does not complete.
template <class Make, class Run, class Check>
CrashSummary for_each_crash_point(Make&& make, Run&& run, Check&& check, const CrashOptions& options = {}) {
  CrashSummary summary;
  for (std::uint64_t seed = options.first_seed; seed < options.first_seed + options.seeds; ++seed) {
    std::string where = "seed " + std::to_string(seed) + ", undisturbed";
    const auto wrong = [&where](const std::string& what) {
      throw std::runtime_error(std::string(where).append(": ").append(what));
    };
    const auto run_once = [&](auto& world, Faults& faults, std::uint64_t schedule) -> RunReport {
      const auto executor = std::make_shared<VirtualExecutor>(schedule);
      faults.at_each_step([executor] { executor->yield(); });
      faults.pass_time_by([executor](std::chrono::nanoseconds by) { executor->advance(by); });
      RunReport report = run(world, faults, Executor(executor));
      ++summary.schedules;
      if (report.outcome == Outcome::Inconsistent || !report.items.balanced() || !report.results.balanced())
        wrong("the ledgers do not balance:\n" + report.text());
      return report;
    };
    const auto run_to_the_end = [&](auto& world, Faults& faults, std::uint64_t schedule) {
      const RunReport report = run_once(world, faults, schedule);
      if (!report.ok()) wrong("does not complete:\n" + report.text());
      if (const std::string problem = check(world); !problem.empty()) wrong(problem);
    };
    Faults none;
    {
      auto world = make();
      run_to_the_end(world, none, seed);
    }
    for (std::uint64_t step = 1; step <= none.steps(); ++step) {
      auto world = make();
      Faults crash;
      crash.crash_at(step);
      where = "seed " + std::to_string(seed) + ", crash at step " + std::to_string(step);
      const RunReport cut_off = run_once(world, crash, seed);
      where += " (" + crash.crashed_in() + ")";
      if (crash.crashed()) {
        ++summary.crashes;
        // A run stays as it ended if only its last step fails, which says that it is finished; its report tells so.
        const auto at_the_end = [](const ErrorRecord& record) {
          return record.stage == Stage::Checkpoint &&
                 record.error.context.starts_with("everything is loaded and saved, but ");
        };
        if (cut_off.ok() && std::ranges::none_of(cut_off.errors, at_the_end))
          wrong("crashed, but reports " + std::string(to_string(cut_off.outcome)));
      }
      if (crash.finished()) {  // the next run would be another one
        if (const std::string problem = check(world); !problem.empty()) wrong(problem);
        continue;
      }
      Faults again;
      run_to_the_end(world, again, seed + step);
    }
  }
  return summary;
}

}  // namespace etl::inline v0::testing
