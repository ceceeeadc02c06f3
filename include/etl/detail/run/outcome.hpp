#pragma once
/// Determines the outcome of a run from its counts (contract G1, G2).

#include <optional>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/tally.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Checks the ledgers. A ledger that does not balance is worse than any other error (G2), so the report names it
/// first.
inline void check_ledgers(RunReport& report) noexcept {
  if (report.items.balanced() && report.results.balanced()) return;
  report.outcome = Outcome::Inconsistent;
  ++report.error_count;
  static_cast<void>(guarded([&]() -> std::optional<Error> {  // no memory: the error is only counted
    report.errors.insert(report.errors.begin(),
                         {.error = {.code = Errc::Ledger, .context = "the ledger does not balance"},
                          .pipeline = report.pipeline,
                          .stage = Stage::Manage});
    return std::nullopt;
  }));
  if (report.errors.size() > RunReport::max_errors) report.errors.pop_back();
}

/// Fills the report's ledgers, flushes, errors and outcome.
inline void settle_outcome(RunReport& report, Tally totals) noexcept {
  report.items = totals.ledger.items;
  report.results = totals.ledger.results;
  report.flushes = totals.flushes;
  report.extract = StageTimes(totals.fill);
  report.inline_batches = totals.inline_batches;
  report.batch_sizes = {.count = totals.sizes.count(),
                        .p50 = static_cast<std::uint64_t>(totals.sizes.quantile(0.50).count()),
                        .p95 = static_cast<std::uint64_t>(totals.sizes.quantile(0.95).count()),
                        .max = static_cast<std::uint64_t>(totals.sizes.max().count())};
  if (report.batch_sizes.count > 0)
    report.batch_sizes.mean =
        static_cast<double>(totals.sizes.total().count()) / static_cast<double>(report.batch_sizes.count);
  report.refused_pushes = totals.refused;
  report.max_queue_depth = totals.max_queue_depth;
  report.error_count = totals.error_count;
  report.errors = std::move(totals.errors);
  if (totals.failed) {
    report.outcome = Outcome::Failed;
  } else if (totals.deadline_passed && report.items.abandoned > 0) {
    report.outcome = Outcome::DrainTimeout;
  } else if (totals.cancelled || report.items.abandoned > 0) {
    report.outcome = Outcome::Cancelled;
  } else {
    report.outcome = report.items.rejected > 0 ? Outcome::CompletedWithRejects : Outcome::Completed;
  }
  check_ledgers(report);
}

/// Advice on what to do after a run; empty if that is obvious. `keeps_progress`: another run resumes where this run
/// has ended. `incremental`: also after a finished run.
[[nodiscard]] inline std::string next_step(const RunReport& report, bool keeps_progress, bool incremental,
                                           bool letters) {
  std::string again = keeps_progress ? "run it again: it continues where this run ended"
                                     : "run it again: it begins at the start, because no progress is kept";
  std::string missing =
      report.missing_partitions.empty() || incremental
          ? ""
          : "this run is finished without the missing partitions; a later run loads them from their start";
  switch (report.outcome) {
    case Outcome::Completed: return missing;
    case Outcome::CompletedWithRejects:
      if (!letters) return missing;
      return "correct the rejected items and replay their dead letters, or purge them" +
             (missing.empty() ? "" : "; " + missing);
    case Outcome::Cancelled: return again;
    case Outcome::DrainTimeout: return again + "; Options::drain_deadline gives it more time to end";
    case Outcome::Failed: break;
    case Outcome::Inconsistent:
    case Outcome::NotRun: return "";
  }
  if (report.errors.empty()) return "";
  const Error& error = report.errors.front().error;
  if (error.code == Errc::InvalidOptions || error.code == Errc::CheckpointMismatch || error.code == Errc::Superseded)
    return "";  // the error itself says what to do
  if (error.code == Errc::RejectBudget)
    return "correct the rejected items, or raise their limit in Options::errors; then " + again;
  if (error.error_class == ErrorClass::Transient) return "when the service answers again, " + again;
  return "correct the cause; then " + again;
}

}  // namespace etl::inline v0::detail
