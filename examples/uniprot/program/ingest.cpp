// etl-uniprot ingest: loads entries into SQLite or PostgreSQL. All workers parse, one writes.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/io/sink.hpp>
#include <etl/observe/terminal.hpp>
#include <etl/sqlite/store.hpp>

#include "common/max_rejects.hpp"
#include "common/rejects_file.hpp"
#include "common/standard_streams.hpp"
#include "common/stop.hpp"
#include "inputs.hpp"
#include "landing.hpp"
#include "options.hpp"
#include "schema.hpp"
#ifdef PROGRAM_JOBS
#include "postgres_schema.hpp"
#endif

namespace program {
namespace {

namespace sqlite = etl::sqlite;
namespace uniprot = etl::uniprot;

/// After a kill, the next ingest resumes after the last commit.
template <class Store, class Writer>
struct Ingestion : Landing<Store, Writer> {
  std::string job{};  // fingerprint of the job
  const Ingest* options = nullptr;
  std::uint64_t estimate = 0;

  std::string fingerprint() const { return job; }
  std::uint64_t expected_items() const { return estimate; }
  // Extracts one file after the other: of two entries with the same accession, the later one stays.
  etl::Result<void> extract(etl::Emitter<uniprot::RawEntry>& out) {
    extract_files(this->files, out);
    const auto now = job_of(*options);
    if (!now) return etl::failure(now.error());
    if (now->fingerprint == job) return {};
    return etl::failure(
        {.code = etl::Errc::CheckpointMismatch,
         .context = fmt::format("a file has changed while it was read, so entries of both versions may be "
                                "in the database: use --restart. It was\n{}\nand is now\n{}",
                                job, now->fingerprint)});
  }
};

/// Writes the text of the rejected entries, in the order of the files.
template <class Store>
etl::Result<void> write_dead_letters(Store& store, const std::string& job, const std::filesystem::path& path) {
  auto file = etl::io::create_file(path);
  if (!file) return etl::failure(std::move(file.error()));
  etl::Result<void> written;
  auto listed = store.list(job, [&](const etl::DeadLetter& letter) {
    written = (*file)->write(letter.payload.value_or(""));
    return written.has_value();
  });
  if (!listed) return listed;
  if (!written) return written;
  return (*file)->finish();
}

/// "1,234,567".
std::string grouped(std::uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

/// Number of entries that are settled, loaded or rejected.
std::uint64_t settled(const etl::Checkpoint& checkpoint) {
  std::uint64_t count = 0;
  for (const etl::PartitionProgress& part : checkpoint.partitions) {
    count += part.watermark;
    for (const etl::SeqRange& range : part.gaps.ranges()) count += range.end - range.first;
  }
  return count;
}

/// Forgets the earlier rejects of these files, unless this run resumes an unfinished run. Returns how many entries that
/// run has loaded.
template <class Store, class Writer>
etl::Result<std::uint64_t> begin_job(Store& store, Writer& writer, const Ingest& options, const etl::Options& run) {
  if (run.delivery.restart)
    if (auto reset = store.reset(run.name); !reset) return etl::failure(std::move(reset.error()));
  const auto found = store.find(run.name);
  if (!found) return etl::failure(found.error());
  std::vector<std::string> letters;
  auto listed = store.list(run.name, [&](const etl::DeadLetter& letter) { return letters.push_back(letter.id), true; });
  if (!listed) return etl::failure(std::move(listed.error()));
  if (*found && !(*found)->finished)
    return settled(**found) - std::min<std::uint64_t>(letters.size(), settled(**found));
  for (const auto& file : options.files)
    if (auto forgotten = writer.forget_rejects(display_name(file)); !forgotten)
      return etl::failure(std::move(forgotten.error()));
  if (auto purged = store.purge(letters); !purged) return etl::failure(std::move(purged.error()));
  return 0;
}

template <class Writer, class Store>
int ingest_into(Store& store, const Ingest& options, const etl::StopToken& stop) {
  auto job = job_of(options);
  if (!job) return fail(job.error());

  UnparsedCounts unparsed;
  Ingestion<Store, Writer> ingestion{
      {options.selection, options.files, nullptr, &unparsed}, job->fingerprint, &options};
  etl::Options run{.name = job->name,
                   .batch_size = options.batch_size,
                   .timeout = options.timeout,
                   .workers = options.workers,
                   .order = etl::Order::Source,
                   .retry = etl::RetryPolicy::database()};
  run.memory = options.memory;
  run.errors.max_rejects = options.max_rejects;
  run.errors.max_reject_ratio = options.max_reject_ratio;
  run.delivery = {.restart = options.restart || !job->resumable, .dry_run = options.dry_run};
  std::uint64_t shown = 0;
  run.errors.on_reject = [&shown](const etl::Rejection& r) {  // one call at a time
    constexpr std::uint64_t most = 10;
    const std::string fresh = etl::fresh_line(stderr);
    if (++shown <= most) say("{}rejected {}\n", fresh, r.error.message());
    if (shown == most) say("{}further rejected entries are only in the table 'rejects'\n", fresh);
  };
  if (!options.quiet) {
    run.progress.show = etl::ProgressOptions::Show::Auto;
    ingestion.estimate = estimate_entries(options.files);
  }

  std::optional<Writer> writer;
  std::uint64_t loaded_before = 0;
  if (!options.dry_run) {
    auto made = Writer::make(store, options.tables);
    if (!made) return fail(made.error());
    const auto begun = begin_job(store, *made, options, run);
    if (!begun) return fail(begun.error());
    loaded_before = *begun;
    writer = std::move(*made);
    ingestion.writer = &*writer;
  }

  run.drain_deadline = etl::Options::never;
  const TimeToStop time(stop, std::chrono::seconds(25));
  etl::RunReport report = etl::run(
      etl::require_delivery<etl::Delivery::EffectivelyOnce>(etl::with_store(ingestion, store)), run, time.token());
  time.correct(report);
  if (!options.dead_letters.empty() && !options.dry_run)
    if (auto written = write_dead_letters(store, run.name, options.dead_letters); !written)
      return fail(written.error());
  if (report.ok() && report.items.extracted == 0) say("etl-uniprot: the input holds no entries\n");
  // The run has counted only those entries of the earlier run that it read again.
  if (loaded_before > 0) report.items.extracted -= std::exchange(report.items.skipped, 0);
  if (options.json) {
    std::string json = report.json();
    json.insert(json.rfind('}'),
                fmt::format(R"(,"loaded_by_earlier_run":{},"kept_as_text":{})", loaded_before, unparsed.json()));
    fmt::print("{}\n", json);
  } else if (!options.quiet) {
    fmt::print("{}\n", with_options(report.text()));
    if (loaded_before > 0)
      fmt::print("  {} {} of these files loaded by an earlier run\n", grouped(loaded_before),
                 loaded_before == 1 ? "entry was" : "entries were");
    if (const std::string line = unparsed.text(); !line.empty())
      fmt::print("{}{}\n", line, options.dry_run ? "" : "; the table 'warnings' has them");
  }
  if (!report.ok() && !report.errors.empty()) {
    const etl::ErrorRecord& first = report.errors.front();
    say("etl-uniprot: {}\n", with_options(first.text()));
    if (first.error.code == etl::Errc::CheckpointMismatch)
      say("etl-uniprot: --restart loads the files from the beginning\n");
  }
  // The run that this one has resumed may have rejected entries.
  if (report.outcome == etl::Outcome::Completed && report.earlier_rejects.value_or(0) > 0)
    report.outcome = etl::Outcome::CompletedWithRejects;
  return report.exit_code();
}

}  // namespace

int fail(const etl::Error& error, int exit_code) {
  say("etl-uniprot: {}\n", error.message());
  return exit_code;
}

int ingest(const Ingest& given, const etl::StopToken& stop) {
  if (auto problem = check_inputs(given.files)) return fail(*problem, 2);
  // Progress and rejects belong to a file, whatever the working directory is.
  Ingest options = given;
  for (std::filesystem::path& file : options.files) {
    if (etl::io::is_store_url(file.native()) || !etl::io::can_be_read_again(file)) continue;
    std::error_code unknown;
    if (const auto path = etl::io::local_path(file)) file = std::filesystem::weakly_canonical(*path, unknown);
  }
  if (auto writable = check_rejects_file(options.dry_run ? "" : options.dead_letters, options.files,
                                         options.postgres() ? "" : options.sqlite_path());
      !writable)
    return fail(writable.error(), 2);
#ifdef PROGRAM_JOBS
  if (options.postgres() && !options.dry_run) {
    auto pool = etl::postgres::Pool::make(options.store,
                                          connection_options(options.statement_timeout, options.statement_timeout));
    if (!pool) return fail(pool.error());
    auto store = etl::postgres::Store::over(*pool);
    if (!store) return fail(store.error());
    return ingest_into<PostgresWriter>(**store, options, stop);
  }
#endif
  // A dry run does not even create the database.
  auto store = sqlite::Store::open(options.dry_run ? ":memory:" : options.sqlite_path());
  if (!store) return fail(store.error());
  return ingest_into<Writer>(**store, options, stop);
}

}  // namespace program
