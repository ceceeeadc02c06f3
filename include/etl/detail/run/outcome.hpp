#pragma once
/// From what was counted to the outcome of a run (contract G1, G2).

#include <optional>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/tally.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// A ledger that does not balance is worse than anything else (G2): the report says so first.
inline void check_ledgers(RunReport& report) noexcept {
  if (report.items.balanced() && report.results.balanced()) return;
  report.outcome = Outcome::Inconsistent;
  ++report.error_count;
  static_cast<void>(guarded([&]() -> std::optional<Error> {  // no memory: it is counted
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

}  // namespace etl::inline v0::detail
