// etl-uniprot ingest --job, worker, and the commands that change jobs.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <future>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <etl/etl.hpp>
#include <etl/jobs/coordinator.hpp>
#include <etl/jobs/postgres.hpp>
#include <etl/jobs/sqlite.hpp>
#include <etl/jobs/worker.hpp>
#include <etl/uniprot/entries.hpp>

#include "common/max_rejects.hpp"
#include "common/standard_streams.hpp"
#include "inputs.hpp"
#include "landing.hpp"
#include "options.hpp"
#include "postgres_schema.hpp"
#include "schema.hpp"

namespace program {
namespace {

namespace jobs = etl::jobs;
namespace uniprot = etl::uniprot;

/// The settings that a job's workers need besides the files. They are kept with the job as
/// "tables=full;reviewed=0;taxa=9606,10090;batch=500".
struct Settings {
  Selection selection{};
  Tables tables = Tables::Proteins;
  std::size_t batch_size = 500;

  [[nodiscard]] std::string text() const {
    return fmt::format("tables={};reviewed={};taxa={};batch={}", tables == Tables::Full ? "full" : "proteins",
                       selection.reviewed ? 1 : 0, fmt::join(selection.taxa, ","), batch_size);
  }
  [[nodiscard]] static etl::Result<Settings> from(const jobs::Job& job) {
    Settings made;
    std::string_view rest = job.spec;
    bool good = !rest.empty();
    const auto number = [&](std::string_view digits, auto& value) {
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      good = good && error == std::errc{} && end == digits.data() + digits.size();
    };
    while (good && !rest.empty()) {
      const std::string_view part = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      const std::string_view name = part.substr(0, part.find('=')),
                             value = part.substr(std::min(part.size(), name.size() + 1));
      if (name == "tables")
        made.tables = value == "full" ? Tables::Full : Tables::Proteins;
      else if (name == "reviewed")
        made.selection.reviewed = value == "1";
      else if (name == "batch")
        number(value, made.batch_size);
      else if (name == "taxa")
        for (std::string_view all = value; !all.empty();) {
          const std::string_view one = all.substr(0, all.find(','));
          number(one, made.selection.taxa.emplace_back());
          all.remove_prefix(std::min(all.size(), one.size() + 1));
        }
      else
        good = false;
    }
    if (good) return made;
    return etl::fatal(
        fmt::format("job {} '{}' was made by another program or version (its settings are '{}'): use that "
                    "program, or make a new job",
                    job.id, job.key.version, job.spec));
  }
};

/// The pipeline that loads the entries of a unit.
template <class Store, class Writer>
struct UnitIngestion : Landing<Store, Writer> {
  const jobs::Work& work;

  std::string fingerprint() const { return work.fingerprint(); }
  void extract(etl::Emitter<uniprot::RawEntry>& out) {
    uniprot::InputPlace begin{.input = 0, .offset = 0, .line = work.unit.place.first_line};
    if (const auto& saved = out.resume_from()) {
      const auto place = uniprot::InputPlace::from(*saved);
      if (!place)
        throw etl::Exception(etl::fatal(
            "another version of this program saved the progress of this unit: use that version, or make a new job"));
      begin = *place;
    }
    uniprot::extract_entries(etl::value(work.open()), begin, out);
  }
};

/// Runs one worker with a store of either kind.
template <class Writer, class Store>
jobs::WorkerReport work_on(jobs::JobStore& store, Store& data, const jobs::WorkerOptions& options,
                           const etl::StopToken& stop) {
  UnparsedCounts unparsed;
  std::optional<Writer> writer;
  std::optional<Tables> tables;
  std::optional<Settings> settings;
  std::vector<std::filesystem::path> files;
  return jobs::work(
      store, data,
      [&](const jobs::Work& work) -> etl::Result<UnitIngestion<Store, Writer>> {
        auto its = Settings::from(work.job);
        if (!its) return etl::failure(std::move(its.error()));
        settings = std::move(*its);
        if (tables != settings->tables) {
          auto made = Writer::make(data, settings->tables);
          if (!made) return etl::failure(std::move(made.error()));
          writer = std::move(*made);
          writer->skip_unchanged();
          tables = settings->tables;
        }
        files = {work.input.path};
        return UnitIngestion<Store, Writer>{{settings->selection, files, &*writer, &unparsed}, work};
      },
      options, stop);
}

etl::Result<jobs::WorkerReport> work_at(const JobCommand& command, jobs::JobStore& store,
                                        const jobs::WorkerOptions& options, const etl::StopToken& stop) {
  const std::string& url = command.store;
  if (etl::value(jobs::backend_of(url)) == jobs::Backend::Postgres) {
    // A worker that hangs within a transaction keeps the locks of its rows no longer than its lease.
    auto pool = etl::postgres::Pool::make(url, connection_options(command.statement_timeout, command.lease));
    if (!pool) return etl::failure(std::move(pool.error()));
    auto data = etl::postgres::Store::over(*pool);
    if (!data) return etl::failure(std::move(data.error()));
    return work_on<PostgresWriter>(store, **data, options, stop);
  }
  auto data = etl::sqlite::Store::open(jobs::sqlite_path(url), {.busy_timeout = std::chrono::seconds(30)});
  if (!data) return etl::failure(std::move(data.error()));
  return work_on<Writer>(store, **data, options, stop);
}

/// The buffers of a unit are freed when it ends. They are kept for the next unit: to give them back to the system and
/// to fetch them again takes some percent of the work.
void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
#endif
}

int work_and_tell(jobs::JobStore& store, const JobCommand& command, std::optional<jobs::Id> only,
                  std::size_t batch_size, const etl::StopToken& stop) {
  jobs::WorkerOptions options{.job = only,
                              .lease = std::chrono::milliseconds(static_cast<std::int64_t>(command.lease * 1000)),
                              .poll = std::chrono::milliseconds(500),
                              .stay = command.stay};
  keep_freed_memory();
  options.run = {.batch_size = batch_size,
                 .workers = command.workers,
                 .order = etl::Order::Source,
                 .retry = etl::RetryPolicy::database()};
  options.run.memory = command.memory;
  options.run.errors.max_rejects = command.max_rejects;
  if (!command.quiet)
    options.on_unit = [](const jobs::UnitEvent& event) {
      say("unit {} of job '{}' {}: {} entries, {} rejected\n", event.work.unit.number, event.work.job.key.version,
          event.what, event.run.items.loaded, event.run.items.rejected);
      if (event.what == "failed" || event.what == "quarantined")
        say("  {}\n", event.run.errors.empty() ? std::string(to_string(event.run.outcome))
                                               : with_options(event.run.errors.front().text()));
    };
  const auto report = work_at(command, store, options, stop);
  if (!report) return fail(report.error());
  if (report->error) return fail(*report->error);
  if (command.json)
    fmt::print(R"({{"done":{},"handed_back":{},"failed":{},"quarantined":{},"lost":{},"records":{},"rejected":{}}})"
               "\n",
               report->done, report->released, report->failed, report->quarantined, report->lost, report->records,
               report->rejected);
  else if (!command.quiet)
    fmt::print("{} units done, {} handed back, {} failed, {} quarantined, {} lost; {} entries loaded, {} rejected\n",
               report->done, report->released, report->failed, report->quarantined, report->lost, report->records,
               report->rejected);
  return report->exit_code();
}

/// The job that the command names, if any.
etl::Result<std::optional<jobs::Id>> job_of(jobs::JobStore& store, const JobCommand& command) {
  if (command.job.empty()) return std::nullopt;
  auto job = store.find(command.job);
  if (!job) return etl::failure(std::move(job.error()));
  return job->id;
}
/// Runs a command that changes one job.
template <class Do>
int change(const JobCommand& command, Do change) {
  auto store = jobs::open(command.store);
  if (!store) return fail(store.error());
  const auto job = (*store)->find(command.job);
  if (!job) return fail(job.error());
  const etl::Result<std::string> done = change(**store, *job);
  if (!done) return fail(done.error());
  fmt::print("{}\n", *done);
  return 0;
}
template <class Value>
etl::Result<std::string> say_done(const etl::Result<Value>& done, std::string text) {
  if (!done) return etl::failure(done.error());
  return text;
}

}  // namespace

int ingest_job(const Ingest& options, const etl::StopToken& stop) {
  auto store = jobs::open(options.store, {.max_attempts = options.max_attempts});
  if (!store) return fail(store.error());
  const Settings settings{options.selection, options.tables, options.batch_size};
  auto another = (*store)->again();
  if (!another) return fail(another.error());
  // This process works on the first units while another of its threads cuts the remaining ones.
  etl::StopSource either;  // stopped by the user, or by a file that cannot be cut
  const std::stop_callback drain(stop.drain(), [&] { either.request_drain(); });
  const std::stop_callback abandon(stop.abandon(), [&] { either.request_abandon(); });
  std::promise<etl::Result<jobs::Job>> made;
  etl::Result<jobs::Job> cut;
  std::jthread cutter([&] {
    bool told = false;
    const auto tell = [&](const jobs::Job& job) { told = true, made.set_value(job); };
    try {
      cut =
          jobs::coordinate(**another, {.organisation = options.organisation, .type = "protein", .version = options.job},
                           settings.text(), options.files,
                           {.records = etl::io::RecordSplitter("//"),
                            .unit_bytes = options.unit_bytes,
                            .max_record = uniprot::max_entry_bytes},
                           either.stop_token().drain(), tell);
    } catch (const std::exception& error) {
      cut = etl::fatal(error.what());
    }
    if (!told) made.set_value(cut);
    if (!cut) either.request_drain();
  });
  const auto job = made.get_future().get();
  if (!job) return fail(job.error());
  if (!options.quiet)
    say("job {} '{}' of {} files; other processes can join with: etl-uniprot worker --store URL\n", job->id,
        job->key.version, options.files.size());
  JobCommand command{.store = options.store,
                     .lease = options.lease,
                     .statement_timeout = options.statement_timeout,
                     .workers = options.workers};
  command.max_rejects = options.max_rejects;
  command.memory = options.memory;
  command.quiet = options.quiet;
  command.json = options.json;
  const int code = work_and_tell(**store, command, job->id, options.batch_size, either.stop_token());
  if (code == 1) either.request_drain();
  cutter.join();
  if (!cut && !stop.drain().stop_requested()) return fail(cut.error());
  if (code != 0) return code;
  const auto ended = (*store)->progress(job->id);
  if (!ended) return fail(ended.error());
  if (!options.quiet && !options.json)
    fmt::print("job {} '{}' is {}\n", job->id, job->key.version, to_string(ended->job.state));
  if (ended->job.state == jobs::JobState::Cancelled) return 4;
  // Other workers may have met what is bad in it.
  return ended->quarantined > 0 || ended->rejected > 0 ? 3 : 0;
}

int work(const JobCommand& command, const etl::StopToken& stop) {
  auto store = jobs::open(command.store);
  if (!store) return fail(store.error());
  const auto only = job_of(**store, command);
  if (!only) return fail(only.error());
  return work_and_tell(**store, command, *only, 500, stop);
}

int cancel_job(const JobCommand& command) {
  return change(command, [](jobs::JobStore& store, const jobs::Job& job) {
    return say_done(store.cancel(job.id), fmt::format("job {} is cancelled; 'etl-uniprot resume' resumes it", job.id));
  });
}
int resume_job(const JobCommand& command) {
  return change(command, [](jobs::JobStore& store, const jobs::Job& job) {
    return say_done(store.resume(job.id),
                    fmt::format("job {} is resumed; start workers with: etl-uniprot worker --store URL", job.id));
  });
}
int retry_quarantined(const JobCommand& command) {
  return change(command, [](jobs::JobStore& store, const jobs::Job& job) {
    const auto count = store.retry_quarantined(job.id);
    return say_done(count, fmt::format("{} units of job {} are pending again", count.value_or(0), job.id));
  });
}

}  // namespace program
