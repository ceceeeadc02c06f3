// The command line of etl-csv load.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "common/environment.hpp"
#include "common/max_rejects.hpp"
#include "load.hpp"

namespace program {
namespace {

/// Reads an option such as "zip=text".
void read_type(const std::string& text, Load& load) {
  const std::size_t equals = text.rfind('=');
  const auto kind = equals == std::string::npos ? std::nullopt : etl::csv::kind_of(text.substr(equals + 1));
  if (kind && equals > 0) {
    load.types[text.substr(0, equals)] = *kind;
    return;
  }
  std::string all;
  for (const etl::csv::Kind one : etl::csv::all_kinds)
    all.append(all.empty() ? "" : ", ").append(etl::csv::to_string(one));
  throw CLI::ValidationError("--type", "'" + text + "' is not NAME=TYPE, such as zip=text; the types are " + all);
}

}  // namespace

void add_load(CLI::App& app, Chosen& chosen) {
  const auto load = std::make_shared<Load>();
  CLI::App* const command =
      app.add_subcommand("load",
                         "Load files into a table of SQLite or PostgreSQL. Rows, rejected rows and progress are "
                         "committed together: if a load "
                         "was killed or has failed, the same command resumes it, and no file is loaded twice.");
  command
      ->add_option("FILE", load->patterns,
                   "CSV files, JSON files or workbooks (.xlsx, .xls), plain or compressed, or patterns with *, ?, "
                   "[a-z], {a,b} and ** "
                   "(any folders); - is standard input")
      ->required();
  command
      ->add_option("--store,--into", load->into,
                   "Database: sqlite:PATH, postgresql://USER@HOST/DATABASE, or another libpq connection string or URI "
                   "[$DATABASE_URL]")
      ->envname("DATABASE_URL")
      ->required();
  command->add_option("--table", load->table, "Table, or SCHEMA.TABLE")->required();
  command->add_flag("--create", load->create, "Create the table if it is missing, with the columns of the first file");
  command
      ->add_flag(
          "--widen", load->widen,
          "With --create: read all files to the end before the table is created, give it the columns of all files, "
          "and give each column a type that takes all of its values")
      ->needs("--create");
  command
      ->add_option_function<std::vector<std::string>>(
          "--type",
          [load](const std::vector<std::string>& all) {
            for (const std::string& text : all) read_type(text, *load);
          },
          "NAME=TYPE: type of a column, instead of the inferred one: boolean, integer, double, numeric, text, date, "
          "timestamp or timestamptz (may be repeated)")
      ->allow_extra_args(false);
  command->add_option("--key", load->keys, "With --create: a column of the primary key (may be repeated)")
      ->allow_extra_args(false);
  const std::map<std::string, Duplicate> duplicates{{"reject", Duplicate::Reject},
                                                    {"ignore", Duplicate::Ignore},
                                                    {"replace", Duplicate::Replace},
                                                    {"update", Duplicate::Update}};
  command
      ->add_option(
          "--on-conflict,--on-duplicate", load->duplicate,
          "What happens if the table already has a row with the same key: reject or ignore the new row, or replace or "
          "update the old row [reject]. Unless it is reject, files are loaded in the order in which they are named")
      ->transform(choice(duplicates));

  command
      ->add_option("--mapping", load->mapping,
                   "JSON file that says how files are written and which columns go where (docs/guide/csv_mapping.md)")
      ->check(CLI::ExistingFile);
  std::vector<CLI::Option*> of_csv = add_parsing(*command, *load);
  command->add_flag("--name-columns", load->name_columns,
                    "Give the name column_N to each column that has no name in the header; N is the number of the "
                    "column. If another column has that name, add a _");
  of_csv.push_back(command->get_option("--name-columns"));
  for (CLI::Option* const told : of_csv) told->excludes("--mapping");
  command->get_option("--null")->excludes("--mapping");
  const CLI::Option* const delimiter = command->get_option("--delimiter");

  CLI::Option* const workers =
      command->add_option("--workers", load->workers, "Threads that decode; at least as many as --connections")
          ->check(CLI::Range(1, 4096))
          ->capture_default_str();
  command
      ->add_option("--connections", load->connections,
                   "Number of files that are loaded at once, each over its own connection")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI::Option* const batch_size = command->add_option("--batch-size", load->batch_size, "Rows per transaction")
                                      ->check(CLI::Range(1, 1'000'000))
                                      ->capture_default_str();
  const auto timeout = std::make_shared<double>(1);
  CLI::Option* const wait =
      command->add_option("--timeout", *timeout, "Seconds after which an incomplete batch is loaded")
          ->check(CLI::Range(1e-3, 1e6))
          ->capture_default_str();
  const auto max_rejects = std::make_shared<std::string>();
  CLI::Option* const budget =
      command->add_option("--max-rejects", *max_rejects,
                          "A file fails if more than N rows, or more than P% of its rows, are rejected [no limit]");
  command->add_flag_callback(
             "--strict", [load] { load->max_rejects = 0; }, "A file fails at its first rejected row")
      ->excludes(budget);
  command->add_option("--rejects", load->rejects,
                      "At the end, write the rejected rows with their reasons to this CSV file");
  command->add_flag("--restart", load->restart, "Load all files from the beginning, even if they were loaded before");
  command->add_flag("--dry-run", load->dry_run, "Read and check everything, but write nothing");
  command
      ->add_option("--check", load->checks,
                   "After the load: a SELECT that must return no row, or one true value (may be repeated)")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--merge", load->merges,
          "After the checks: SQL script that runs in one transaction (may be repeated). A script does not run again "
          "if no rows were added since it ran")
      ->allow_extra_args(false)
      ->check(CLI::ExistingFile);
  const std::map<std::string, LogLevel> levels{
      {"error", LogLevel::Error}, {"warn", LogLevel::Warn}, {"info", LogLevel::Info}, {"debug", LogLevel::Debug}};
  const auto level = std::make_shared<LogLevel>(LogLevel::Info);
  command
      ->add_option("--log", *level,
                   "error: failures; warn: also rejected rows and retries; info: also progress and the summary; "
                   "debug: also each file and batch, and times of stages [info, or $ETLPIPE_LOG]")
      ->envname("ETLPIPE_LOG")
      ->transform(choice(levels));
  const auto quiet = std::make_shared<bool>(false);
  command->add_flag("--quiet", *quiet, std::string(quiet_help) + " (same as --log warn)");
  command->add_flag("--json", load->json, "Print the summary as one JSON object on standard output");
  command->callback([load, delimiter, workers, batch_size, timeout, wait, of_csv, max_rejects, level, quiet, &chosen] {
    check_format(*load, of_csv);
    if (!max_rejects->empty()) set_max_rejects(*max_rejects, "rows", *load);
    const etl::Options said =
        from_environment({.batch_size = load->batch_size, .timeout = load->timeout, .workers = load->workers});
    if (workers->count() == 0) load->workers = said.workers;
    if (batch_size->count() == 0) load->batch_size = said.batch_size;
    load->timeout = wait->count() == 0 ? said.timeout : std::chrono::nanoseconds(std::llround(*timeout * 1e9));
    load->memory = said.memory;
    load->find_delimiter = delimiter->count() == 0;
    load->log = Log(*quiet ? std::min(*level, LogLevel::Warn) : *level);
    chosen = [load](const etl::StopToken& stop) { return program::load(*load, stop); };
  });
}

}  // namespace program
