#include "judge.hpp"

#include <utility>

#include <fmt/format.h>

#include <etl/druid/error.hpp>

namespace etl::inline v0::druid {
namespace {

std::string counted(const RowStats& rows) {
  return fmt::format("{} processed, {} kept with an error, {} thrown away, {} unparseable", rows.processed,
                     rows.processed_with_error, rows.thrown_away, rows.unparseable);
}

std::string first_bad_row(const TaskReport& report) {
  if (report.bad_rows.empty() || report.bad_rows.front().details.empty()) return {};
  return fmt::format("; the first: {}", report.bad_rows.front().details.front());
}

void judge_failed(TaskResult& result, const std::string& asked_to_end) {
  const bool whole = result.report && !result.report->error.empty();
  const std::string said = first_sentence(whole ? result.report->error : result.status->error);
  // The report of a task that was shut down may only tell of the thread that was interrupted.
  const bool by_somebody = result.status->error.find("Shutdown request from user") != std::string::npos;
  result.outcome = by_somebody || !asked_to_end.empty() ? TaskOutcome::ShutDown : TaskOutcome::Failed;
  if (!asked_to_end.empty())
    result.reason = asked_to_end;
  else
    result.reason = by_somebody ? "somebody shut the task down" : said.empty() ? "Druid gives no reason" : said;
  if (result.outcome == TaskOutcome::Failed && result.report) result.reason += first_bad_row(*result.report);
}

/// Why a successful task did not load what was sent; empty if it did.
std::string missing_rows(const TaskReport& report, std::optional<std::uint64_t> sent) {
  const RowStats& rows = report.rows;
  if (sent && *sent != rows.read())
    return fmt::format("{} rows were sent, and the task read {} ({})", *sent, rows.read(), counted(rows));
  if (!sent && rows.read() == 0) return "the task read no row; check that its input exists and can be read there";
  if (rows.read() > 0 && rows.kept() == 0)
    return fmt::format("no row was kept ({}){}", counted(rows), first_bad_row(report));
  if (rows.kept() > 0 && report.segments_published == 0U)
    return fmt::format("{} rows were kept, and no segment was published", rows.kept());
  return {};
}

}  // namespace

void judge(TaskResult& result, std::optional<std::uint64_t> rows_sent, const std::string& asked_to_end) {
  if (result.status->state == TaskState::Failed) return judge_failed(result, asked_to_end);
  result.outcome = TaskOutcome::Incomplete;
  if (!result.report) {
    const std::string why =
        result.error ? std::exchange(result.error, std::nullopt)->message() : "no report came in time";
    result.reason = fmt::format("the task succeeded, and its report is missing, so its rows are not counted: {}", why);
    return;
  }
  result.reason = missing_rows(*result.report, rows_sent);
  if (!result.reason.empty()) return;
  const RowStats& rows = result.report->rows;
  if (rows.processed == rows.read()) {
    result.outcome = TaskOutcome::Complete;
    return;
  }
  result.outcome = TaskOutcome::CompleteWithRejects;
  result.reason = counted(rows) + first_bad_row(*result.report);
}

}  // namespace etl::inline v0::druid
