// etl-druid load: loads files into a datasource.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/druid/compare.hpp>
#include <etl/druid/dead_letters.hpp>
#include <etl/druid/ingest.hpp>
#include <etl/io/dead_letter_file.hpp>
#include <etl/io/object_store_url.hpp>

#include "command.hpp"
#include "limits.hpp"
#include "plan.hpp"
#include "stage.hpp"
#include "summary.hpp"

namespace program {
namespace {

namespace druid = etl::druid;
namespace fs = std::filesystem;

/// The default place in which rows are staged.
std::string default_place() {
  const char* const bucket = std::getenv("S3_BUCKET_NAME");
  if (bucket != nullptr && *bucket != '\0') return fmt::format("s3://{}/uploads", bucket);
  return (fs::temp_directory_path() / "etl-druid").string();
}

struct LoadOptions {
  Connection connection{};
  std::vector<std::string> files{};
  InputOptions input{};
  etl::csv::ValidationLimits limits{};
  Plan plan{};
  std::string place = default_place();
  std::string dead_letters{};
  std::string run{};
  bool keep_staged = false;
  bool validate_only = false;
  bool print_spec = false;
  bool allow_type_changes = false;
  bool leave_running = false;
  bool stop_adopted = false;
  bool no_wait = false;
  bool json = false;
  bool quiet = false;
  double deadline = 0;
  std::optional<std::size_t> attempts{};
};

constexpr const char* nothing_loaded =
    "etl-druid: nothing was loaded; correct the files, or set other limits by options (etl-druid load --help)\n";

/// Finds places that nothing could be written to before anything is read.
etl::Result<void> check_places(const LoadOptions& options) {
  if (const std::size_t scheme = options.place.find("://");
      scheme != std::string::npos && !etl::io::is_store_url(options.place))
    return etl::fatal(
        fmt::format("--stage '{}': places of the kind '{}' are not supported; give a folder, or s3://BUCKET/PREFIX",
                    options.place, options.place.substr(0, scheme + 3)));
  if (etl::io::is_store_url(options.place) && !options.print_spec && !options.validate_only) {
    const std::string prefix = options.place + (options.place.ends_with('/') ? "" : "/");
    if (const auto opened = etl::io::open_store(prefix + "rows"); !opened)
      return etl::fatal(fmt::format("--stage: {}", opened.error().message()));
  }
  if (options.dead_letters.empty()) return {};
  const fs::path folder = fs::absolute(options.dead_letters).parent_path();
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    return etl::fatal(fmt::format("--rejects '{}': the folder '{}' does not exist; create it first",
                                  options.dead_letters, folder.string()));
  return {};
}

/// Says what differs. An error: rows of different types would come together.
etl::Result<void> check_types(const druid::Client& client, const druid::Spec& spec, bool allowed, bool quiet,
                              const std::stop_token& stop) {
  const auto existing = client.columns(spec.data_source, stop);
  if (!existing) {
    // A cluster may serve tasks without serving queries.
    if (existing.error().code != druid::Problem::NotForwarded) return etl::failure(existing.error());
    if (!quiet)
      say("etl-druid: the columns of '{}' are not known, because there is no broker: types are not compared\n",
          spec.data_source);
    return {};
  }
  std::string changed;
  for (const druid::ColumnChange& change : druid::compare(*existing, spec)) {
    if (!quiet) say("datasource '{}': {}\n", spec.data_source, change.what);
    if (!change.compatible()) changed += (changed.empty() ? "" : "; ") + change.what;
  }
  if (changed.empty() || allowed) return {};
  return etl::fatal(
      fmt::format("datasource '{}': {}; give columns the types of the datasource with --type, or allow different types "
                  "with --allow-type-changes",
                  spec.data_source, changed));
}

/// Says which numbers Druid cannot store as they are.
void tell_rounded(const Plan& plan, const druid::Spec& spec, const std::vector<Column>& columns) {
  for (const druid::Dimension& one : spec.dimensions.declared()) {
    const auto column = std::ranges::find(columns, one.name, &Column::name);
    const auto said = [&](const std::string& type) { return type.substr(0, type.rfind('=')) == one.name; };
    if (one.type != druid::DimensionType::Double || column->kind != etl::csv::Kind::Numeric ||
        std::ranges::any_of(plan.types, said))
      continue;
    say("column '{0}': Druid rounds some of its numbers, because a double cannot hold all of their digits, or they are "
        "outside its range. --type '{0}=string' keeps the numbers exactly; --type '{0}=double' accepts the rounding\n",
        one.name);
  }
}

/// Reports what has changed since the last report.
class Progress {
 public:
  void operator()(const druid::WatchProgress& progress) {
    if (progress.error != nullptr) say("Druid does not answer, asking again: {}\n", progress.error->message());
    std::string now;
    switch (progress.stage) {
      case druid::WatchStage::Task: now = task(progress.status); break;
      case druid::WatchStage::ShutDown: now = "the task is shut down"; break;
      case druid::WatchStage::Report: now = "waiting for the report"; break;
      case druid::WatchStage::Segments: now = "waiting until the segments can be queried"; break;
    }
    if (now == std::exchange(told_, now)) return;
    say("{:>7}  {}\n", seconds(progress.elapsed), now);
  }

 private:
  static std::string task(const druid::TaskStatus* status) {
    if (status == nullptr) return "the state of the task is not known yet";
    if (status->state != druid::TaskState::Running) return "the task has ended";
    if (status->runner_state == "PENDING") return "the task waits for a worker";
    if (status->runner_state == "WAITING") return "the task waits";
    return "the task runs";
  }
  std::string told_{};
};

/// Writes the texts of lost rows. Nothing is settled before they are durable.
etl::Result<std::size_t> write_letters(const LoadOptions& options, const druid::TaskResult& result,
                                       const Staged& staged) {
  const auto letters = druid::dead_letters(
      result, {.pipeline = "etl-druid load " + options.plan.data_source,
               .text = [&](const druid::BadRow& row) { return row.line > 0 ? staged.row(row.line) : std::nullopt; }});
  if (letters.empty()) return std::size_t{0};
  if (const std::uint64_t lost = druid::rows_without_letter(result); lost > 0)
    return etl::fatal(fmt::format("Druid did not report the texts of {} rows that it could not parse", lost));
  if (auto written = etl::io::DeadLetterFile(options.dead_letters).write(letters); !written)
    return etl::failure(written.error());
  return letters.size();
}

class Load {
 public:
  Load(const LoadOptions& options, const etl::StopToken& stop) : options_(options), stop_(stop.drain()) {
    // A user who names the column knows better than a check of its values.
    if (!options.plan.time.empty()) limits_.min_time_columns = 0;
  }

  int run() {
    const auto client = connect(options_.connection);
    if (!client) return fail(client.error(), exit_usage);
    if (const auto places = check_places(options_); !places) return fail(places.error(), exit_usage);
    auto files = files_of(options_.files);
    if (!files) return fail(files.error(), exit_usage);
    if (options_.validate_only) return validate_only(*files);
    if (!are_small_enough(*files)) return exit_failed;
    const auto columns = columns_of(*files, options_.input, stop_);
    if (!columns) return fail(columns.error(), exit_usage);
    clock_.end("types");
    auto spec = spec_of(options_.plan, *columns);
    if (!spec) return fail(spec.error(), exit_usage);
    tell_rounded(options_.plan, *spec, *columns);
    spec->input = input_of(options_.place);
    const auto json = druid::to_json(*spec);  // before anything is written or sent
    if (!json) return fail(json.error(), exit_usage);
    if (options_.print_spec) {
      fmt::print("{}\n", *json);
      return 0;
    }
    if (auto fits = check_types(*client, *spec, options_.allow_type_changes, options_.quiet, stop_); !fits)
      return fail(fits.error(), exit_failed);
    clock_.end("datasource");
    return stage_and_ingest(*client, *files, *spec, *json);
  }

 private:
  [[nodiscard]] bool are_small_enough(const std::vector<fs::path>& files) const {
    bool small = true;
    for (const fs::path& file : files) {
      const auto refused = too_large(file, limits_);
      if (!refused) continue;
      say("{}\n", refused->text());
      small = false;
    }
    if (!small) say("{}", nothing_loaded);
    return small;
  }

  int validate_only(const std::vector<fs::path>& files) {
    bool valid = true;
    for (const fs::path& file : files) {
      const auto found = validate(file, options_.input, limits_, options_.plan.time, stop_);
      if (!found) return fail(found.error(), exit_usage);
      fmt::print("{}\n", options_.json ? found->json() : found->text());
      valid = valid && found->ok();
    }
    if (!valid) return exit_failed;
    const auto columns = columns_of(files, options_.input, stop_);
    if (!columns) return fail(columns.error(), exit_usage);
    auto spec = spec_of(options_.plan, *columns);  // what a load would refuse
    if (!spec) return fail(spec.error(), exit_usage);
    spec->input = input_of(options_.place);
    const auto json = druid::to_json(*spec);
    return json ? 0 : fail(json.error(), exit_usage);
  }

  int stage_and_ingest(const druid::Client& client, const std::vector<fs::path>& files, const druid::Spec& spec,
                       const std::string& json) {
    const StageOptions staging{.input = options_.input,
                               .limits = limits_,
                               .place = options_.place,
                               .data_source = options_.plan.data_source,
                               .auto_time = spec.timestamp.format == "auto" ? spec.timestamp.column : std::string(),
                               .load = json + "\n" + options_.run};
    const auto staged = stage(files, spec.columns, staging, stop_);
    if (!staged) return fail(staged.error(), exit_failed);
    clock_.end("validate and stage");
    if (!staged->valid()) {
      for (const auto& file : staged->files) say("{}\n", file.text());
      say("{}", nothing_loaded);
      return exit_failed;
    }
    files_ = files.size();
    const auto result = ingest(client, spec, *staged);
    if (!result) {
      const int code = fail(result.error());
      if (druid::is_in_doubt(result.error()))
        say("etl-druid: Druid may have a task that loads these rows. The rows are kept in {}; start the load again to "
            "find the task\n",
            staged->place(attempt_));
      return code;
    }
    clock_.add("submit", result->submit_time);
    clock_.add("task", result->task_time);
    clock_.add("report", result->report_time);
    clock_.add("segments", result->segments_time);
    clock_.skip();
    return settle(*result, *staged);
  }

  etl::Result<druid::TaskResult> ingest(const druid::Client& client, const druid::Spec& spec, const Staged& staged) {
    druid::IngestOptions ingest{.content = staged.digest + " " + options_.run};
    ingest.input.name = [&](unsigned attempt) {
      attempt_ = attempt;
      return input_of(staged.place(attempt));
    };
    ingest.input.make = [&](unsigned attempt) {
      auto made = staged.publish(attempt, stop_);
      if (made) published_ = attempt;
      if (made && !options_.quiet)
        say("{} rows of {} {} are staged in {}\n", staged.rows, files_, files_ == 1 ? "file" : "files",
            staged.place(attempt));
      return made;
    };
    ingest.input.remove = [&](unsigned attempt) { staged.remove(attempt); };
    ingest.input.move = [&](unsigned from, unsigned to) {
      // What an earlier start has left there may not be whole.
      if (published_ != from || !staged.move(from, to, stop_)) return false;
      published_ = to;
      return true;
    };
    ingest.watch.rows_sent = staged.rows;
    ingest.watch.leave_running = options_.leave_running;
    ingest.stop_adopted = options_.stop_adopted;
    if (options_.attempts) ingest.retry.max_attempts = *options_.attempts;
    ingest.watch.wait_until_queryable = !options_.no_wait;
    if (!options_.quiet) {
      ingest.watch.on_poll = Progress();
      ingest.on_locked = [](std::chrono::nanoseconds delay) {
        say("another task has locked the times of the rows; the load tries again in {}\n", seconds(delay));
      };
    }
    if (options_.deadline > 0)
      ingest.watch.deadline =
          std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(options_.deadline));
    return druid::ingest(client, spec, ingest, stop_);
  }

  int settle(const druid::TaskResult& result, const Staged& staged) {
    std::optional<etl::Error> lost;
    std::size_t letters = 0;
    if (result.loaded() && !options_.dead_letters.empty()) {
      const auto written = write_letters(options_, result, staged);
      if (!written)
        lost = written.error();
      else
        letters = *written;
    }
    // Keep the files if a task that reads them may still run, or if they hold the only copy of rows without a letter.
    const bool ended = result.status && result.status->state != druid::TaskState::Running;
    if (ended && !lost) clean(staged);
    clock_.end("clean up");
    const Summary summary{.data_source = options_.plan.data_source,
                          .rows = staged.rows,
                          .letters = letters,
                          .result = result,
                          .times = clock_.times()};
    tell(summary, options_.json, options_.quiet);
    if (result.outcome == druid::TaskOutcome::LeftRunning && result.adopted && !options_.leave_running)
      say("etl-druid: 'etl-druid cancel {}' shuts the task down; with --stop-adopted, a load does this on a signal\n",
          result.id);
    if (druid::is_lock_conflict(result))
      say("etl-druid: --deadline SECONDS sets how long a load waits for locks; --concurrent-locks lets tasks that "
          "append run at the same time as others\n");
    if (lost) {
      say("etl-druid: {}: {}; the staged rows are kept in {}\n", options_.dead_letters, lost->message(),
          staged.place(attempt_));
      return exit_failed;
    }
    return exit_code(result.outcome);
  }

  void clean(const Staged& staged) const {
    if (!options_.keep_staged) staged.remove(attempt_);
  }

  const LoadOptions& options_;
  etl::csv::ValidationLimits limits_ = options_.limits;
  std::stop_token stop_;
  StageClock clock_{};
  std::size_t files_ = 0;
  unsigned attempt_ = 0;                 ///< number of the task that the load watches
  std::optional<unsigned> published_{};  ///< the last attempt for which this process has published the rows
};

}  // namespace

void add_load(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<LoadOptions>();
  CLI::App* const command = app.add_subcommand("load", "Load files into a datasource of Druid");
  add_connection(*command, options->connection);
  command
      ->add_option("FILE", options->files,
                   "CSV files, JSON files or workbooks, plain or gzip, or patterns with *, ?, [a-z], {a,b} and **")
      ->required();
  add_plan(*command, options->plan);
  command
      ->add_option("--stage", options->place,
                   "Folder or s3://BUCKET/PREFIX where rows are staged; Druid's tasks must be able to read it. With "
                   "$S3_BUCKET_NAME the default is s3://$S3_BUCKET_NAME/uploads")
      ->capture_default_str();
  command->add_flag("--keep-staged", options->keep_staged, "Keep the staged rows at the end");
  command->add_option("--rejects,--dead-letters", options->dead_letters,
                      "Write the rows that Druid could not parse to this .ndjson file; required with --max-rejects");
  command->add_option(
      "--run", options->run,
      "Name of this run. A load of the same rows with the same name finds the task of the earlier load");
  add_input(*command, options->input);
  add_limits(*command, options->limits);
  command->add_flag("--allow-type-changes", options->allow_type_changes,
                    "Load even if columns of the datasource have other types");
  command->add_flag("--dry-run,--validate-only", options->validate_only, "Read and check everything, but load nothing");
  command->add_flag("--print-spec", options->print_spec,
                    "Print the spec of the task and load nothing. The spec lacks the id of the task and the folder of "
                    "its rows below --stage");
  command->add_flag("--leave-running", options->leave_running,
                    "Let the task continue after a signal or after --deadline");
  command->add_flag("--stop-adopted", options->stop_adopted,
                    "After a signal or --deadline, also shut down a task that another process or an earlier start has "
                    "submitted; without this option such a task continues");
  command
      ->add_option("--attempts", options->attempts,
                   "Number of attempts to submit the task if Druid cannot be reached [5]")
      ->check(CLI::Range(std::size_t{1}, std::numeric_limits<std::size_t>::max()).description(""));
  command->add_flag("--no-wait", options->no_wait, "Do not wait until the rows can be queried");
  command
      ->add_option("--deadline", options->deadline,
                   "Seconds after which the task is shut down, or after which a load gives up that waits for locks of "
                   "other tasks [no limit; an hour for locks]")
      ->check(CLI::PositiveNumber);
  command->add_flag("--quiet", options->quiet, quiet_help);
  command->add_flag("--json", options->json, "Print the summary as one JSON object on standard output");
  command->callback([options, &chosen] {
    if (!options->validate_only && options->plan.mode.empty())
      throw CLI::RequiredError("--mode append or --mode replace");
    if (options->plan.max_bad_rows > 0 && options->dead_letters.empty())
      throw CLI::ValidationError("--max-rejects", "needs --rejects FILE, for the rows that are rejected");
    chosen = [options](const etl::StopToken& stop) { return Load(*options, stop).run(); };
  });
}

}  // namespace program
