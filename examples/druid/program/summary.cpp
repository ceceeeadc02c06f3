#include "summary.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "command.hpp"

namespace program {
namespace {

namespace druid = etl::druid;
namespace json = boost::json;

json::object object_of(const Summary& summary) {
  const druid::TaskResult& result = summary.result;
  json::object made{{"outcome", to_string(result.outcome)},
                    {"datasource", summary.data_source},
                    {"task", result.id},
                    {"adopted", result.adopted},
                    {"loaded_before", result.had_ended},
                    {"reason", result.reason},
                    {"rows_sent", summary.rows},
                    {"dead_letters", summary.letters}};
  if (result.report) {
    const druid::RowStats& rows = result.report->rows;
    made["rows"] = json::object{{"processed", rows.processed},
                                {"processed_with_error", rows.processed_with_error},
                                {"thrown_away", rows.thrown_away},
                                {"unparseable", rows.unparseable}};
  }
  json::object times;
  for (const auto& [stage, span] : summary.times) times[stage] = std::chrono::duration<double>(span).count();
  made["seconds"] = std::move(times);
  return made;
}

void tell_bad_rows(const druid::TaskReport& report) {
  constexpr std::size_t most = 10;
  std::size_t told = 0;
  for (const auto& row : report.bad_rows) {
    if (told++ == most) {
      say("and {} more bad rows\n", report.bad_rows.size() - most);
      return;
    }
    say("bad row: {}\n", row.details.empty() ? row.input : row.details.front());
  }
}

/// When the task was created, as far as Druid tells.
std::string created(const druid::TaskResult& result) {
  return result.status && !result.status->created.empty() ? " at " + result.status->created : std::string();
}

}  // namespace

void tell(const Summary& summary, bool as_json, bool quiet) {
  const druid::TaskResult& result = summary.result;
  if (result.report) tell_bad_rows(*result.report);
  const bool loaded_before = result.had_ended && result.loaded();
  if (loaded_before)
    say("etl-druid: nothing was loaded now: task {} from an earlier start{} has appended these rows to '{}'. A later "
        "replace may have removed them. To append the rows again, give the run another name (--run)\n",
        result.id, created(result), summary.data_source);
  else if (result.adopted && result.loaded() && !quiet)
    say("Druid had this task from an earlier start\n");
  std::string times;
  for (const auto& [stage, span] : summary.times)
    times += fmt::format("{}{} {}", times.empty() ? "" : ", ", stage, seconds(span));
  if (!quiet) say("{}\n", times);
  const std::string line =
      fmt::format("{}: {} rows into '{}'{}, task {}{}{}\n", to_string(result.outcome), loaded_before ? 0 : summary.rows,
                  summary.data_source, loaded_before ? fmt::format(" now, and {} before", summary.rows) : "", result.id,
                  result.reason.empty() ? "" : ": ", result.reason);
  if (as_json)
    fmt::print("{}\n", json::serialize(object_of(summary)));
  else if (!quiet)
    fmt::print("{}", line);
  else if (!result.loaded())
    say("etl-druid: {}", line);
}

int exit_code(druid::TaskOutcome outcome) noexcept {
  switch (outcome) {
    case druid::TaskOutcome::Complete: return 0;
    case druid::TaskOutcome::CompleteWithRejects: return exit_rejects;
    case druid::TaskOutcome::ShutDown:
    case druid::TaskOutcome::LeftRunning: return exit_stopped;
    default: return exit_failed;
  }
}

}  // namespace program
