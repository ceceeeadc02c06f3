// etl-uniprot: loads UniProtKB flat files into SQLite or PostgreSQL, or converts them to JSON and FASTA.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#ifdef PROGRAM_JOBS
#include <etl/jobs/store.hpp>
#endif

#include "common/command_line.hpp"
#include "common/environment.hpp"
#include "common/main.hpp"
#include "common/max_rejects.hpp"
#include "common/stop.hpp"
#include "options.hpp"

namespace {

constexpr program::About about{
    .name = "etl-uniprot",
    .description = "Loads UniProtKB flat files into SQLite or PostgreSQL, and prints them as JSON or FASTA.",
    .example = "etl-uniprot ingest uniprot_sprot.dat.gz --store sqlite:proteins.db",
    .records = "entries",
    .stopped = "stopped by a signal: what was read is loaded, except after a second signal; or the job was cancelled",
    .drains = true};
constexpr const char* files_help = "Flat files, plain or gzip (found by content); - is standard input";
constexpr const char* store_help = "Database: sqlite:PATH or postgresql://USER@HOST/DATABASE [$DATABASE_URL]";

CLI::Option* add_workers(CLI::App* command, std::size_t& workers) {
  return command->add_option("--workers", workers, "Threads that parse")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

/// The value of --store, or of the environment.
void find_store(const CLI::App* command, std::string& store) {
  if (!command->parsed()) return;
  if (const char* const url = std::getenv("DATABASE_URL"); store.empty() && url != nullptr) store = url;
  if (store.empty()) throw CLI::RequiredError("--store");
#ifdef PROGRAM_JOBS
  if (const auto backend = etl::jobs::backend_of(store); !backend)
    throw CLI::ValidationError("--store", backend.error().message());
#else
  if (!store.starts_with("sqlite:"))
    throw CLI::ValidationError("--store",
                               "'" + store + "' is not sqlite:PATH; this etl-uniprot was built without PostgreSQL");
#endif
}

void add_selection(CLI::App* command, program::Selection& selection) {
  command->add_option("--taxon", selection.taxa, "Only entries with this NCBI taxonomy identifier (may be repeated)")
      ->allow_extra_args(false);
  command->add_flag("--reviewed", selection.reviewed, "Only reviewed entries (Swiss-Prot)");
}

/// Parses "101:200", "101:" and ":200".
etl::uniprot::EntryRange to_range(const std::string& text) {
  etl::uniprot::EntryRange range;
  const std::size_t colon = text.find(':');
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return digits.empty() || (error == std::errc{} && end == digits.data() + digits.size() && value > 0);
  };
  const std::string_view all = text;
  if (colon == text.npos || !number(all.substr(0, colon), range.first) || !number(all.substr(colon + 1), range.last) ||
      range.first > range.last)
    throw CLI::ValidationError("--range", "'" + text + "' is not FIRST:LAST, such as 101:200, 101: or :200");
  return range;
}

int run(int argc, char** argv) {
  program::Ingest ingest;
  program::Inspect inspect;
  program::Count count;
  program::Generate generate;

  const auto owned = program::make_app(about);
  CLI::App& app = *owned;
  CLI::App* const in = app.add_subcommand("ingest",
                                          "Load entries into the table 'proteins' of a database. Entries that the "
                                          "table already has are updated. If an ingest "
                                          "was killed or has failed, the same command resumes it.");
  double timeout = 1;
  std::string max_rejects, tables = "proteins";
  bool strict = false;
  in->add_option("FILE", ingest.files, files_help)->required();
  std::string database;
  CLI::Option* const store = in->add_option("--store", ingest.store, store_help);
  in->add_option("--db", database, "PATH of sqlite:PATH")->excludes(store)->group("");  // the former name
#ifdef PROGRAM_JOBS
  program::JobCommand command;
  CLI::Option* const job = in->add_option(
      "--job", ingest.job,
      "Create a job with this name and work on it; any number of processes can join with 'etl-uniprot worker'");
  in->add_option("--organisation", ingest.organisation, "With --job: organisation that owns the job")->needs(job);
  double unit_mb = 32;
  in->add_option("--unit-mb", unit_mb, "With --job: size of a unit, in MiB of the decompressed file")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  in->add_option("--max-attempts", ingest.max_attempts,
                 "With --job: number of attempts at a unit before the unit is quarantined")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  in->add_option("--lease", command.lease, "Seconds after which another worker takes over the unit of a dead worker")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  const auto add_statement_timeout = [&command](CLI::App* to) {
    to->add_option("--statement-timeout", command.statement_timeout,
                   "PostgreSQL: seconds after which a statement is cancelled and tried again")
        ->check(CLI::Range(0.1, 1e6))
        ->capture_default_str();
  };
  add_statement_timeout(in);
#endif
  CLI::Option* const workers = add_workers(in, ingest.workers);
  CLI::Option* const batch_size = in->add_option("--batch-size", ingest.batch_size, "Entries per transaction")
                                      ->check(CLI::Range(1, 1'000'000))
                                      ->capture_default_str();
  CLI::Option* const wait = in->add_option("--timeout", timeout, "Seconds after which an incomplete batch is loaded")
                                ->check(CLI::Range(1e-3, 1e6))
                                ->capture_default_str();
  CLI::Option* const budget =
      in->add_option("--max-rejects", max_rejects,
                     "Fail if more than N entries, or more than P% of the entries, are rejected [no limit]");
  in->add_flag("--strict", strict, "Fail at the first rejected entry")->excludes(budget);
  add_selection(in, ingest.selection);
  in->add_option(
        "--tables", tables,
        "full: also fill the tables accessions, genes, features, cross_references, keywords, comments and publications")
      ->check(CLI::IsMember({"proteins", "full"}))
      ->capture_default_str();
  in->add_flag("--restart", ingest.restart,
               "Load all files from the beginning, even if an earlier ingest of these files did not finish");
  in->add_flag("--dry-run", ingest.dry_run, "Read and check everything, but write nothing");
  in->add_option("--rejects,--dead-letters", ingest.dead_letters,
                 "At the end, write the text of the rejected entries to this file, which can be corrected and loaded");
  in->add_flag("--quiet", ingest.quiet, program::quiet_help);
  in->add_flag("--json", ingest.json, "Print the summary as one JSON object on standard output");

  CLI::App* const show = app.add_subcommand("inspect", "Print entries as JSON, as FASTA or unchanged");
  const std::map<std::string, program::Format> formats{{"ndjson", program::Format::Ndjson},
                                                       {"json", program::Format::Json},
                                                       {"fasta", program::Format::Fasta},
                                                       {"dat", program::Format::Dat}};
  std::string format = "ndjson";
  show->add_option("FILE", inspect.files, files_help)->required();
  show->add_option("--format", format,
                   "ndjson: one object per line; json: one array; fasta; dat: the bytes of the entries")
      ->check(CLI::IsMember({"ndjson", "json", "fasta", "dat"}))
      ->capture_default_str();
  CLI::Option* const parsers = add_workers(show, inspect.workers);
  show->add_flag("--pretty", inspect.pretty, "With --format json: one member per line");
  show->add_option_function<std::string>(
      "--range", [&inspect](const std::string& text) { inspect.range = to_range(text); },
      "FIRST:LAST: only the entries with these numbers in each file; the first entry is 1, and either number may be "
      "left out");
  add_selection(show, inspect.selection);

  CLI::App* const counting = app.add_subcommand("count", "Count the entries of files without parsing them");
  counting->add_option("FILE", count.files, files_help)->required();
  counting->add_flag("--json", count.json, "Print one JSON object per file on standard output");

  CLI::App* const make = app.add_subcommand("generate", "Write a file of generated entries, to try the program with");
  make->add_option("--entries", generate.entries, "Number of entries")->check(CLI::Range(0.0, 1e12))->required();
  make->add_option("--out", generate.out, "File to write, compressed if its name ends in .gz; - is standard output")
      ->required();
  make->add_option("--seed", generate.seed, "Seed; the same seed gives the same bytes")->capture_default_str();

#ifdef PROGRAM_JOBS
  std::vector<const CLI::App*> about_store;
  const auto about_jobs = [&](const char* name, const char* what) {
    CLI::App* const made = app.add_subcommand(name, what);
    made->add_option("--store", command.store, store_help);
    about_store.push_back(made);
    return made;
  };
  const auto about_job = [&](const char* name, const char* what) {
    CLI::App* const made = about_jobs(name, what);
    made->add_option("JOB", command.job, "Number or name of the job")->required();
    return made;
  };
  CLI::App* const worker = about_jobs("worker", "Work on the jobs of a store until no job is left");
  worker->add_option("--job", command.job, "Number or name of the only job to work on");
  worker->add_flag("--stay", command.stay, "Wait for new jobs when no job is left");
  CLI::Option* const job_workers = add_workers(worker, command.workers);
  worker
      ->add_option("--lease", command.lease, "Seconds after which another worker takes over the unit of a dead worker")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  add_statement_timeout(worker);
  worker->add_option("--max-rejects", command.max_rejects,
                     "Quarantine a unit if more than N of its entries are rejected [no limit]");
  worker->add_flag("--quiet", command.quiet, program::quiet_help);
  worker->add_flag("--json", command.json, "Print the summary as one JSON object on standard output");
  CLI::App* const jobs = about_jobs("jobs", "List the jobs of a store");
  CLI::App* const status = about_job("status", "Show the progress of a job");
  status->add_flag("--watch", command.watch, "Show the progress again and again until the job has ended");
  for (CLI::App* const shown : {jobs, status})
    shown->add_flag("--json", command.json, "Print one JSON object per line on standard output");
  CLI::App* const cancel = about_job(
      "cancel", "Cancel a job. Workers get no more units of this job, and hand back the units that they have");
  CLI::App* const resume = about_job("resume", "Resume a job that was cancelled");
  CLI::App* const retry = about_job("retry-quarantined", "Work on the quarantined units of a job again");
#endif

  program::finish_help(app, about, program::environment_help, {"ingest"});
  show->footer(program::exit_codes(about) + program::workers_environment_help);
#ifdef PROGRAM_JOBS
  worker->footer(program::exit_codes(about) + program::workers_environment_help);
#endif

  const auto check = [&] {
    if (!database.empty()) ingest.store = "sqlite:" + database;
    find_store(in, ingest.store);
#ifdef PROGRAM_JOBS
    for (const CLI::App* const one : about_store) find_store(one, command.store);
    ingest.unit_bytes = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(unit_mb * (1 << 20)));
    ingest.lease = command.lease;
    ingest.statement_timeout = command.statement_timeout;
#endif
    if (inspect.pretty && format != "json")
      throw CLI::ValidationError("--pretty", "needs --format json, because ndjson has one object per line");
    if (!max_rejects.empty()) program::set_max_rejects(max_rejects, "entries", ingest);
    const etl::Options said =
        program::from_environment({.batch_size = ingest.batch_size,
                                   .timeout = std::chrono::nanoseconds(std::llround(timeout * 1e9)),
                                   .workers = ingest.workers});
    ingest.timeout = wait->count() == 0 ? said.timeout : std::chrono::nanoseconds(std::llround(timeout * 1e9));
    if (batch_size->count() == 0) ingest.batch_size = said.batch_size;
    if (workers->count() == 0) ingest.workers = said.workers;
    if (parsers->count() == 0) inspect.workers = said.workers;
    ingest.memory = inspect.memory = said.memory;
#ifdef PROGRAM_JOBS
    command.memory = said.memory;
    if (job_workers->count() == 0) command.workers = said.workers;
#endif
  };
  if (const auto code = program::parse(app, argc, argv, check)) return *code;
  if (strict) ingest.max_rejects = 0;
  ingest.tables = tables == "full" ? program::Tables::Full : program::Tables::Proteins;
  inspect.format = formats.at(format);

  if (make->parsed()) return program::generate(generate);
#ifdef PROGRAM_JOBS
  if (jobs->parsed()) return program::list_jobs(command);
  if (cancel->parsed()) return program::cancel_job(command);
  if (resume->parsed()) return program::resume_job(command);
  if (retry->parsed()) return program::retry_quarantined(command);
#endif
  const etl::StopToken stop = program::stop_on_signals();
#ifdef PROGRAM_JOBS
  if (worker->parsed()) return program::work(command, stop);
  if (status->parsed()) return program::show_status(command, stop);
  if (!ingest.job.empty()) return program::ingest_job(ingest, stop);
#endif
  if (counting->parsed()) return program::count(count, stop);
  return in->parsed() ? program::ingest(ingest, stop) : program::inspect(inspect, stop);
}

}  // namespace

int main(int argc, char** argv) {
  return program::run_main(about.name, [=] { return run(argc, argv); });
}
