// etl-druid load: files of delimited text into a datasource.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/csv/sniff.hpp>
#include <etl/druid/ingest.hpp>
#include <etl/http/error.hpp>
#include <etl/io/glob.hpp>

#include "command.hpp"
#include "stage.hpp"

namespace program {
namespace {

namespace druid = etl::druid;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Options {
  Connection connection{};
  std::vector<std::string> files{};
  std::string data_source{};
  std::string mode{};
  std::vector<std::string> intervals{};
  bool drop_existing = false;
  std::string folder = (fs::temp_directory_path() / "etl-druid").string();
  bool keep_staged = false;
  std::string time{};
  std::string time_format = "auto";
  std::string granularity = "DAY";
  std::string query_granularity = "NONE";
  bool rollup = false;
  std::vector<std::string> metrics{};
  std::int64_t max_bad_rows = 0;
  std::string run{};
  bool print_spec = false;
  bool leave_running = false;
  bool no_wait = false;
  double deadline = 0;
};

etl::Error wrong(std::string text) { return {.code = etl::Errc::InvalidOptions, .context = std::move(text)}; }

druid::DimensionType type_of(etl::csv::Kind kind) {
  switch (kind) {
    case etl::csv::Kind::Integer: return druid::DimensionType::Long;
    case etl::csv::Kind::Double:
    case etl::csv::Kind::Numeric: return druid::DimensionType::Double;
    default: return druid::DimensionType::String;
  }
}

/// The column that was named, or the only one that holds times.
etl::Result<std::string> time_column(const Options& options, const etl::csv::Sniffed& sniffed) {
  if (!options.time.empty()) return options.time;
  std::vector<std::string> times;
  for (const auto& column : sniffed.columns)
    if (column.kind >= etl::csv::Kind::Date) times.push_back(column.name);
  if (times.size() == 1) return times.front();
  return wrong(times.empty() ? "no column holds dates or times; name the column of the time by --time"
                             : fmt::format("several columns hold dates or times ({}); choose one by --time",
                                           fmt::join(times, ", ")));
}

/// "longSum:total:quantity" and "count:rows".
etl::Result<druid::Metric> metric_of(const std::string& text) {
  const std::size_t first = text.find(':');
  if (first == std::string::npos)
    return wrong(fmt::format("--metric '{}': write TYPE:NAME:COLUMN, or count:NAME", text));
  const std::size_t second = text.find(':', first + 1);
  druid::Metric made{.type = text.substr(0, first), .name = text.substr(first + 1, second - first - 1)};
  if (second != std::string::npos) made.field = text.substr(second + 1);
  return made;
}

etl::Result<druid::Grain> grain_of(std::string_view option, const std::string& name) {
  const auto grain = druid::grain_of(name);
  if (!grain) return wrong(fmt::format("{} '{}': write HOUR, DAY, MONTH or another of Druid's names", option, name));
  return *grain;
}

/// All but the input.
etl::Result<druid::Spec> spec_of(const Options& options, const etl::csv::Sniffed& sniffed) {
  druid::Mode mode = druid::Append{.intervals = options.intervals};
  if (options.mode == "replace")
    mode = druid::Replace{.intervals = options.intervals,
                          .where_rows_are = options.intervals.empty(),
                          .drop_existing = options.drop_existing};
  druid::Spec spec{.data_source = options.data_source, .mode = std::move(mode), .format = druid::JsonFormat{}};
  auto time = time_column(options, sniffed);
  if (!time) return etl::failure(std::move(time.error()));
  spec.timestamp = {.column = std::move(*time), .format = options.time_format};
  std::set<std::string> inputs{spec.timestamp.column};
  for (const std::string& text : options.metrics) {
    auto metric = metric_of(text);
    if (!metric) return etl::failure(std::move(metric.error()));
    inputs.insert(metric->field);
    spec.metrics.push_back(std::move(*metric));
  }
  std::vector<druid::Dimension> dimensions;
  for (const auto& column : sniffed.columns) {
    if (std::ranges::find(spec.columns, column.name) != spec.columns.end())
      return wrong(fmt::format("two columns are called '{}'; their names must differ", column.name));
    spec.columns.push_back(column.name);
    if (!inputs.contains(column.name)) dimensions.push_back({.name = column.name, .type = type_of(column.kind)});
  }
  spec.dimensions = druid::Dimensions::of(std::move(dimensions));
  const auto segment = grain_of("--granularity", options.granularity);
  if (!segment) return etl::failure(segment.error());
  const auto query = grain_of("--query-granularity", options.query_granularity);
  if (!query) return etl::failure(query.error());
  spec.granularity = {.segment = *segment, .query = *query, .rollup = options.rollup};
  spec.tuning.max_parse_exceptions = options.max_bad_rows;
  return spec;
}

void show(const druid::WatchProgress& progress) {
  if (progress.error != nullptr) say("etl-druid: Druid does not answer, asking again: {}\n", progress.error->message());
}

int report(const Options& options, const druid::TaskResult& result, const Staged& staged,
           std::chrono::nanoseconds staging) {
  say("staging {}, task {}, report {}, segments {}\n", seconds(staging), seconds(result.task_time),
      seconds(result.report_time), seconds(result.segments_time));
  if (result.report)
    for (const auto& row : result.report->bad_rows)
      say("bad row {}: {}\n", row.input, row.details.empty() ? row.kind : row.details.front());
  if (result.adopted && result.loaded())
    say("Druid had this task from an earlier start; to append the same rows once more, name the run by --run\n");
  fmt::print("{}: {} rows into '{}', task {}{}{}\n", to_string(result.outcome), staged.rows, options.data_source,
             result.id, result.reason.empty() ? "" : ": ", result.reason);
  switch (result.outcome) {
    case druid::TaskOutcome::Complete: return 0;
    case druid::TaskOutcome::CompleteWithRejects: return exit_rejects;
    case druid::TaskOutcome::ShutDown:
    case druid::TaskOutcome::LeftRunning: return exit_stopped;
    default: return exit_failed;
  }
}

int load(const Options& options, const etl::Stop& stop) {
  const auto client = connect(options.connection);
  if (!client) return fail(client.error(), exit_usage);
  const auto files = etl::io::glob(options.files);
  if (!files) return fail(files.error(), exit_usage);
  const auto sniffed = etl::csv::sniff(files->front());
  if (!sniffed) return fail(sniffed.error(), exit_usage);
  auto spec = spec_of(options, *sniffed);
  if (!spec) return fail(spec.error(), exit_usage);
  spec->input = druid::LocalInput{.base_dir = fs::absolute(options.folder).string(), .filter = "rows.json.gz"};
  const auto json = druid::to_json(*spec);  // before anything is read or written
  if (!json) return fail(json.error(), exit_usage);
  if (options.print_spec) {
    fmt::print("{}\n", *json);
    return 0;
  }
  const auto begin = Clock::now();
  const auto staged = stage(*files, *sniffed, options.folder, options.data_source, stop.drain());
  if (!staged)
    return fail(staged.error(), staged.error().code == std::errc::operation_canceled ? exit_stopped : exit_failed);
  const auto staging = Clock::now() - begin;
  say("staged {} rows in {}\n", staged->rows, staged->folder.string());
  spec->input = druid::LocalInput{.base_dir = staged->folder.string(), .filter = "rows.json.gz"};
  druid::IngestOptions ingest{.content = staged->digest + " " + options.run};
  ingest.watch.rows_sent = staged->rows;
  ingest.watch.leave_running = options.leave_running;
  ingest.watch.wait_until_queryable = !options.no_wait;
  ingest.watch.on_poll = show;
  if (options.deadline > 0)
    ingest.watch.deadline =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(options.deadline));
  const auto result = druid::ingest(*client, *spec, ingest, stop.drain());
  std::error_code ignored;
  if (!result) {
    // After a lost answer there may be a task that reads the files.
    if (!options.keep_staged && !etl::http::is_in_doubt(result.error())) fs::remove_all(staged->folder, ignored);
    return fail(result.error());
  }
  // A task that may still run reads the files.
  const bool ended = result->status && result->status->state != druid::TaskState::Running;
  if (ended && !options.keep_staged) fs::remove_all(staged->folder, ignored);
  return report(options, *result, *staged, staging);
}

}  // namespace

void add_load(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand("load", "Load files of delimited text into a datasource");
  add_connection(*command, options->connection);
  command->add_option("FILE", options->files, "Files or patterns, plain or gzip by content")->required();
  command->add_option("--datasource", options->data_source, "Name of the datasource")->required();
  command->add_option("--mode", options->mode, "append adds rows; replace replaces those of the same time")
      ->required()
      ->check(CLI::IsMember({"append", "replace"}));
  command->add_option("--intervals", options->intervals,
                      "Times to load, such as 2024-01-01/2024-02-01; with replace these are replaced [where rows are]");
  command->add_flag("--drop-existing", options->drop_existing,
                    "With replace, also empty intervals that have no new row");
  command->add_option("--stage", options->folder, "Folder for the rows, which Druid's tasks must be able to read")
      ->capture_default_str();
  command->add_flag("--keep-staged", options->keep_staged, "Do not remove the staged rows at the end");
  command->add_option("--time", options->time, "Column of the time [the only one that holds times]");
  command
      ->add_option("--time-format", options->time_format, "auto, iso, posix, millis, or a pattern such as dd.MM.yyyy")
      ->capture_default_str();
  command->add_option("--granularity", options->granularity, "Span of time of a segment")->capture_default_str();
  command->add_option("--query-granularity", options->query_granularity, "Span of time that times are cut to")
      ->capture_default_str();
  command->add_flag("--rollup", options->rollup, "Put rows of equal time and dimensions together; needs --metric");
  command->add_option("--metric", options->metrics, "TYPE:NAME:COLUMN, such as longSum:total:quantity, or count:NAME");
  command->add_option("--max-bad-rows", options->max_bad_rows, "Rows that may be unparseable before the task fails")
      ->capture_default_str();
  command->add_option("--run", options->run,
                      "Name of this run: repeated with the same rows and name, it finds its task again");
  command->add_flag("--print-spec", options->print_spec, "Print the task's spec and do nothing");
  command->add_flag("--leave-running", options->leave_running,
                    "Do not shut the task down on a signal or at --deadline");
  command->add_flag("--no-wait", options->no_wait, "Do not wait until the rows can be queried");
  command->add_option("--deadline", options->deadline, "Seconds until the task is shut down [none]")
      ->check(CLI::PositiveNumber);
  command->callback([options, &chosen] { chosen = [options](const etl::Stop& stop) { return load(*options, stop); }; });
}

}  // namespace program
