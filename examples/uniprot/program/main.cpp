// etl-uniprot: UniProtKB flat files into SQLite or PostgreSQL, or into JSON and FASTA.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <etl/config.hpp>
#include <etl/signals.hpp>
#ifdef PROGRAM_JOBS
#include <etl/jobs/store.hpp>
#endif

#include "common/environment.hpp"
#include "common/max_rejects.hpp"
#include "common/standard_streams.hpp"
#include "common/stores.hpp"
#include "options.hpp"

namespace {

constexpr const char* exit_codes =
    "Exit codes:\n"
    "  0  everything was loaded\n"
    "  1  failed: the last lines say why; what was committed before is in the database\n"
    "  2  wrong usage, or an input that cannot be opened\n"
    "  3  done, but some entries were rejected\n"
    "  4  stopped by a signal: the entries taken so far are loaded (a second signal does not wait for that); or the "
    "job\n"
    "     was cancelled\n"
    "  5  as 4, and the rest did not make it within the drain deadline\n";

void add_selection(CLI::App* command, program::Selection& selection) {
  command->add_option("--taxon", selection.taxa, "Only entries of this NCBI taxonomy identifier (may be repeated)")
      ->allow_extra_args(false);
  command->add_flag("--reviewed", selection.reviewed, "Only reviewed entries (Swiss-Prot)");
}

/// "101:200", "101:", ":200".
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
    throw CLI::ValidationError("--range", "'" + text + "' is not FIRST:LAST, as in 101:200, 101: or :200");
  return range;
}

int run(int argc, char** argv) {
  program::Ingest ingest;
  program::Inspect inspect;
  program::Count count;
  program::Generate generate;

  CLI::App app{"UniProtKB flat files into SQLite or PostgreSQL, or into JSON and FASTA."};
  app.footer(exit_codes);
  app.set_version_flag("--version", fmt::format("etl-uniprot {}.{}.{}", ETLPIPE_VERSION_MAJOR, ETLPIPE_VERSION_MINOR,
                                                ETLPIPE_VERSION_PATCH));
  app.require_subcommand(1);

  CLI::App* const in = app.add_subcommand("ingest",
                                          "Load entries into the table 'proteins' of a database. An ingest "
                                          "that was killed or has failed is resumed by the same command");
  double timeout = 1;
  std::string max_rejects, tables = "proteins";
  bool strict = false;
  in->add_option("FILE", ingest.files, "Flat files, plain or gzip by content; - is standard input")->required();
  std::string database;
  CLI::Option* const db =
      in->add_option("--db", database, "The SQLite database; made if missing. Entries that are in it are updated");
#ifdef PROGRAM_JOBS
  program::JobCommand command;
  in->add_option("--store", ingest.store, "sqlite:PATH or postgresql://USER@HOST/DATABASE, instead of --db")
      ->excludes(db);
  CLI::Option* const job = in->add_option(
      "--job", ingest.job, "Make a job of this name and work on it; any number of 'etl-uniprot worker' may join");
  in->add_option("--organisation", ingest.organisation, "Whose job it is")->needs(job);
  double unit_mb = 32;
  in->add_option("--unit-mb", unit_mb, "Size of a job's units, in MiB of the inflated file")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  in->add_option("--max-attempts", ingest.max_attempts,
                 "Workers that may fail or die at a unit before it is quarantined")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  in->add_option("--lease", command.lease, "Seconds after which the unit of a dead worker is given to another")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  const auto add_statement_timeout = [&command](CLI::App* to) {
    to->add_option("--statement-timeout", command.statement_timeout,
                   "PostgreSQL: seconds after which a statement is given up, and tried again")
        ->check(CLI::Range(0.1, 1e6))
        ->capture_default_str();
  };
  add_statement_timeout(in);
#endif
  CLI::Option* const workers = in->add_option("--workers", ingest.workers, "Threads that parse")
                                   ->check(CLI::Range(1, 4096))
                                   ->capture_default_str();
  CLI::Option* const batch_size = in->add_option("--batch-size", ingest.batch_size, "Entries per transaction")
                                      ->check(CLI::Range(1, 1'000'000))
                                      ->capture_default_str();
  CLI::Option* const wait = in->add_option("--timeout", timeout, "Seconds after which an incomplete batch is loaded")
                                ->check(CLI::Range(1e-3, 1e6))
                                ->capture_default_str();
  CLI::Option* const budget = in->add_option("--max-rejects", max_rejects,
                                             "Fail when more entries than N, or than P% of them, are bad [no limit]");
  in->add_flag("--strict", strict, "Fail at the first bad entry")->excludes(budget);
  add_selection(in, ingest.selection);
  in->add_option("--tables", tables,
                 "'full' also fills accessions, genes, features, cross_references, keywords, comments, publications")
      ->check(CLI::IsMember({"proteins", "full"}))
      ->capture_default_str();
  in->add_flag("--restart", ingest.restart,
               "Begin at the start, also when an earlier ingest of these files did not finish");
  in->add_flag("--dry-run", ingest.dry_run, "Read and check everything, write nothing");
  in->add_option("--rejects,--dead-letters", ingest.dead_letters,
                 "At the end, write the text of rejected entries to this file, to be corrected and loaded");
  in->add_flag("--quiet", ingest.quiet, "No progress, no report; only errors");
  in->add_flag("--json", ingest.json, "The report as JSON on standard output");
  in->footer(std::string(exit_codes) + program::environment_help);

  CLI::App* const show = app.add_subcommand("inspect", "Print entries");
  const std::map<std::string, program::Format> formats{{"ndjson", program::Format::Ndjson},
                                                       {"json", program::Format::Json},
                                                       {"fasta", program::Format::Fasta},
                                                       {"dat", program::Format::Dat}};
  std::string format = "ndjson";
  show->add_option("FILE", inspect.files, "Flat files, plain or gzip by content; - is standard input")->required();
  show->add_option("--format", format,
                   "ndjson: one object per line; json: one array; fasta; dat: the entries' own bytes")
      ->check(CLI::IsMember({"ndjson", "json", "fasta", "dat"}))
      ->capture_default_str();
  CLI::Option* const parsers = show->add_option("--workers", inspect.workers, "Threads that parse")
                                   ->check(CLI::Range(1, 4096))
                                   ->capture_default_str();
  show->add_flag("--pretty", inspect.pretty, "JSON with a member a line; of --format json");
  show->add_option_function<std::string>(
      "--range", [&inspect](const std::string& text) { inspect.range = to_range(text); },
      "FIRST:LAST: only these entries of each file, by number from 1, both included; either may be left out");
  add_selection(show, inspect.selection);
  show->footer(std::string(exit_codes) + program::environment_help);

  CLI::App* const counting = app.add_subcommand("count", "Tell how many entries files hold, without parsing them");
  counting->add_option("FILE", count.files, "Flat files, plain or gzip by content; - is standard input")->required();
  counting->footer(exit_codes);

  CLI::App* const make = app.add_subcommand("generate", "Make up a release to try things with");
  make->add_option("--entries", generate.entries, "How many entries")->check(CLI::Range(0.0, 1e12))->required();
  make->add_option("--out", generate.out, "The file; compressed when its name ends in .gz; - is standard output")
      ->required();
  make->add_option("--seed", generate.seed, "The same seed gives the same bytes")->capture_default_str();

#ifdef PROGRAM_JOBS
  const auto about_jobs = [&](const char* name, const char* what) {
    CLI::App* const made = app.add_subcommand(name, what);
    made->add_option("--store", command.store, "sqlite:PATH or postgresql://USER@HOST/DATABASE")->required();
    made->footer(exit_codes);
    return made;
  };
  const auto about_job = [&](const char* name, const char* what) {
    CLI::App* const made = about_jobs(name, what);
    made->add_option("JOB", command.job, "Its number or name")->required();
    return made;
  };
  CLI::App* const worker = about_jobs("worker", "Work on the jobs of a store until none is left");
  worker->add_option("--job", command.job, "Only this job, by number or name");
  worker->add_flag("--stay", command.stay, "Wait for new jobs");
  worker->add_option("--workers", command.workers, "Threads that parse")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  worker->add_option("--lease", command.lease, "Seconds after which the unit of a dead worker is given to another")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  add_statement_timeout(worker);
  worker->add_option("--max-rejects", command.max_rejects,
                     "Quarantine a unit with more bad entries than this [no limit]");
  worker->add_flag("--quiet", command.quiet, "Only errors");
  CLI::App* const jobs = about_jobs("jobs", "List the jobs of a store");
  CLI::App* const status = about_job("status", "Show how far a job is");
  status->add_flag("--watch", command.watch, "Show it again and again until the job has ended");
  for (CLI::App* const shown : {jobs, status})
    shown->add_flag("--json", command.json, "As JSON on standard output, one object per line");
  CLI::App* const cancel = about_job("cancel", "Give out no more units; workers hand theirs back");
  CLI::App* const resume = about_job("resume", "Go on with a job that was cancelled");
  CLI::App* const retry = about_job("retry-quarantined", "Give quarantined units out again");
#endif

  try {
    app.parse(argc, argv);
    if (!database.empty()) ingest.store = "sqlite:" + database;
    if (in->parsed() && ingest.store.empty()) throw CLI::RequiredError("--db");
#ifdef PROGRAM_JOBS
    for (const std::string& url : {ingest.store, command.store})
      if (const auto backend = etl::jobs::backend_of(url); !url.empty() && !backend)
        throw CLI::ValidationError("--store", backend.error().message());
    ingest.unit_bytes = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(unit_mb * (1 << 20)));
    ingest.lease = command.lease;
    ingest.statement_timeout = command.statement_timeout;
#endif
    if (inspect.pretty && format != "json")
      throw CLI::ValidationError("--pretty", "goes with --format json: the lines of ndjson are whole objects");
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
    if (worker->get_option("--workers")->count() == 0) command.workers = said.workers;
#endif
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
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
  const etl::StopToken stop = etl::stop_on_signals();
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
  program::reserve_standard_streams();
  program::add_stores();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write, with a message
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    program::say("etl-uniprot: {}\n", error.what());
    return 1;
  }
}
