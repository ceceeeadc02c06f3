// etl-uniprot jobs and status: show the progress of jobs.
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <etl/jobs/store.hpp>
#include <etl/text.hpp>

#include "common/standard_streams.hpp"
#include "options.hpp"

namespace program {
namespace {

namespace jobs = etl::jobs;

std::int64_t seconds(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}
bool ended(const jobs::Progress& p) {
  return p.job.state != jobs::JobState::Preparing && p.job.state != jobs::JobState::Running;
}

std::string line_of(const jobs::Progress& p) {
  std::string text = fmt::format("{:>4}  {:<26} {:>3.0f} %  {:>8} of {} units done", p.job.id, to_string(p.job.state),
                                 100 * p.completion(), p.done, p.units());
  if (p.quarantined > 0) text += fmt::format(", {} quarantined", p.quarantined);
  return text + fmt::format("  {}\n", p.job.key.version);
}

/// The members of a JSON object, without its braces.
std::string json_of(const jobs::Progress& p) {
  return fmt::format(
      R"("id":{},"version":{},"state":{},"completion":{:.4f},"pending":{},"running":{},"done":{},"quarantined":{},)"
      R"("records":{},"rejected":{},"bytes_done":{},"elapsed_s":{:.3f},"eta_s":{:.3f})",
      p.job.id, etl::json_string(p.job.key.version), etl::json_string(to_string(p.job.state)), p.completion(),
      p.pending, p.running, p.done, p.quarantined, p.records, p.rejected, p.bytes_done,
      std::chrono::duration<double>(p.elapsed).count(), std::chrono::duration<double>(p.eta()).count());
}

/// Like `view_of`, as a line of JSON with all workers and quarantined units.
etl::Result<std::string> json_view_of(jobs::JobStore& store, const jobs::Progress& p) {
  constexpr std::size_t all = 1'000'000;
  const auto running = store.units(p.job.id, jobs::UnitState::Running, all);
  if (!running) return etl::failure(running.error());
  const auto bad = store.units(p.job.id, jobs::UnitState::Quarantined, all);
  if (!bad) return etl::failure(bad.error());
  std::string text = "{" + json_of(p) + R"(,"workers":[)";
  auto out = std::back_inserter(text);
  for (const jobs::UnitStatus& unit : *running)
    fmt::format_to(out, R"({}{{"worker":{},"unit":{},"records":{},"beat_age_s":{:.3f}}})",
                   &unit == running->data() ? "" : ",", etl::json_string(unit.worker), unit.number, unit.records,
                   std::chrono::duration<double>(unit.beat_age).count());
  text += R"(],"quarantined_units":[)";
  for (const jobs::UnitStatus& unit : *bad)
    fmt::format_to(out, R"({}{{"unit":{},"attempts":{},"error":{}}})", &unit == bad->data() ? "" : ",", unit.number,
                   unit.attempts, etl::json_string(unit.error));
  return text + "]}\n";
}

/// Everything about a job: units by state, a bar, rates, workers with their units, quarantined units with their errors.
etl::Result<std::string> view_of(jobs::JobStore& store, const jobs::Progress& p) {
  constexpr std::size_t width = 50, most_workers = 32, most_quarantined = 10;
  const auto full = static_cast<std::size_t>(p.completion() * width);
  const double time = std::max(1e-3, static_cast<double>(p.elapsed.count()) / 1000);
  std::string text = fmt::format("job {} '{}' is {}\n", p.job.id, p.job.key.version, to_string(p.job.state));
  auto out = std::back_inserter(text);
  fmt::format_to(out, "[{:#<{}}{:-<{}}] {:.1f} %", "", full, "", width - full, 100 * p.completion());
  if (p.eta().count() > 0 && !ended(p)) fmt::format_to(out, ", about {} s left", seconds(p.eta()) + 1);
  fmt::format_to(out, "\nunits    {} pending, {} running, {} done, {} quarantined\n", p.pending, p.running, p.done,
                 p.quarantined);
  fmt::format_to(out, "records  {} settled, {} rejected; {:.0f} records/s, {:.1f} MB/s in {} s\n", p.records,
                 p.rejected, static_cast<double>(p.records) / time, static_cast<double>(p.bytes_done) / 1e6 / time,
                 seconds(p.elapsed));
  const auto running = store.units(p.job.id, jobs::UnitState::Running, most_workers);
  if (!running) return etl::failure(running.error());
  if (!running->empty()) text += "workers\n";
  for (const jobs::UnitStatus& unit : *running)
    fmt::format_to(out, "  {}  unit {}, {} records, last heartbeat {:.1f} s ago\n", unit.worker, unit.number,
                   unit.records, static_cast<double>(unit.beat_age.count()) / 1000);
  if (p.running > running->size()) fmt::format_to(out, "  and {} more\n", p.running - running->size());
  const auto bad = store.units(p.job.id, jobs::UnitState::Quarantined, most_quarantined);
  if (!bad) return etl::failure(bad.error());
  if (!bad->empty()) text += "quarantined\n";
  for (const jobs::UnitStatus& unit : *bad)
    fmt::format_to(out, "  unit {} after {} attempts: {}\n", unit.number, unit.attempts, unit.error);
  if (p.quarantined > bad->size()) fmt::format_to(out, "  and {} more\n", p.quarantined - bad->size());
  if (p.quarantined > 0) text += "  after you have corrected the cause: etl-uniprot retry-quarantined\n";
  return text;
}

/// Returns false if `stop` was requested.
bool pause(const etl::StopToken& stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop.drain(), time, [] { return false; });
  return !stop.drain().stop_requested();
}

}  // namespace

int list_jobs(const JobCommand& command) {
  auto store = jobs::open(command.store);
  if (!store) return fail(store.error());
  const auto all = (*store)->list();
  if (!all) return fail(all.error());
  for (const jobs::Progress& one : *all) fmt::print("{}", command.json ? "{" + json_of(one) + "}\n" : line_of(one));
  return 0;
}

int show_status(const JobCommand& command, const etl::StopToken& stop) {
  auto store = jobs::open(command.store);
  if (!store) return fail(store.error());
  const auto job = (*store)->find(command.job);
  if (!job) return fail(job.error());
  const bool repaint = command.watch && !command.json && ::isatty(STDOUT_FILENO) == 1;
  for (;;) {
    const auto progress = (*store)->progress(job->id);
    if (!progress) return fail(progress.error());
    const auto text = command.json ? json_view_of(**store, *progress) : view_of(**store, *progress);
    if (!text) return fail(text.error());
    // ECMA-48: moves to the top left corner and erases everything.
    fmt::print("{}{}", repaint ? "\x1b[H\x1b[2J" : "", *text);
    std::fflush(stdout);
    if (!command.watch || ended(*progress)) return 0;
    if (!pause(stop, repaint ? std::chrono::seconds(1) : std::chrono::seconds(5))) return 4;
  }
}

}  // namespace program
