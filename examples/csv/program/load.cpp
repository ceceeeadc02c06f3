// etl-csv load: many files into one table, several at once, each by a pipeline of its own.
#include "load.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/mapping.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/writer.hpp>
#include <etl/etl.hpp>
#include <etl/io/fingerprint.hpp>
#include <etl/io/glob.hpp>
#include <etl/io/sink.hpp>

#include "load_file.hpp"
#include "load_into.hpp"
#include "load_plan.hpp"
#include "load_summary.hpp"

namespace program {
namespace {

namespace fs = std::filesystem;
namespace csv = etl::csv;

/// A file is cut into parts of about this size, so that several threads read it.
constexpr std::uintmax_t part_size = std::uintmax_t{128} << 20;

std::string display_name(const fs::path& file) { return file == "-" ? "standard input" : file.string(); }
/// Under this name progress and dead letters of a file are kept.
std::string job_name(const Load& options, const fs::path& file) {
  std::error_code unknown;
  const fs::path whole = file == "-" ? file : fs::weakly_canonical(file, unknown);
  return fmt::format("{} into {}", whole.empty() ? file.string() : whole.string(), options.table);
}

/// Everything that decides which rows there are, and which number each has.
std::string print_of(const FilePlan& plan, std::string_view file, std::size_t parts) {
  const csv::Dialect& d = plan.dialect;
  std::string columns;
  for (const TargetColumn& column : plan.columns) columns += (columns.empty() ? "" : ", ") + column.name;
  const auto shown = [](const std::optional<char>& c) { return c ? fmt::format("{}", static_cast<int>(*c)) : "none"; };
  return fmt::format(
      "{}\ndelimiter {}, quote {}, escape {}, comment {}, skip {}, header {}, trim {}, blank lines {}, ragged {}, "
      "latin1 {}, utf8 {}\n{}, {} parts",
      file, static_cast<int>(d.delimiter), shown(d.quote), shown(d.escape), shown(d.comment), d.skip_lines,
      d.header_rows, d.trim, d.keep_blank_lines, static_cast<int>(d.ragged), d.encoding == csv::Encoding::Latin1,
      d.check_utf8, columns, parts);
}

/// Held while a file is loaded: another process that loads it waits, and finds then what is there. Where a file system
/// knows no locks, there is none.
class FileLock {
 public:
  FileLock() = default;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  /// False: the load is to stop.
  [[nodiscard]] bool wait(const fs::path& file, const etl::Stop& stop) {
    descriptor_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    while (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      if (stop.drain().stop_requested()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }

 private:
  int descriptor_ = -1;
};

/// The first rejected rows on stderr, those of all files.
class RejectLog {
 public:
  void operator()(const etl::Rejection& rejection) {
    constexpr std::uint64_t most = 10;
    const std::lock_guard lock(mutex_);
    if (++shown_ <= most) fmt::print(stderr, "rejected {}\n", rejection.error.message());
    if (shown_ == most + 1) fmt::print(stderr, "further rejected rows are in the table 'etl_dead_letters'\n");
  }

 private:
  std::mutex mutex_;
  std::uint64_t shown_ = 0;
};

template <class Into>
class Job {
 public:
  Job(const Load& options, Into& into, std::optional<csv::Mapping> mapping, std::optional<TargetColumns> table,
      std::vector<fs::path> files)
      : options_(options),
        into_(into),
        mapping_(std::move(mapping)),
        table_(std::move(table)),
        files_(std::move(files)) {}

  void run(Summary& summary, const etl::Stop& stop) {
    summary.files.resize(files_.size());
    for (std::size_t i = 0; i < files_.size(); ++i) summary.files[i].path = display_name(files_[i]);
    const std::size_t at_once = std::max<std::size_t>(1, std::min(files_.size(), options_.connections));
    etl::Options defaults{.batch_size = options_.batch_size, .timeout = options_.timeout};
    defaults.workers = std::max(options_.workers, options_.connections);
    defaults.max_concurrent_loads = Into::one_writer ? 1 : std::max<std::size_t>(1, options_.connections / at_once);
    defaults.retry = {.max_attempts = 20,
                      .initial_delay = std::chrono::milliseconds(200),
                      .max_delay = std::chrono::seconds(10),
                      .max_elapsed = std::chrono::minutes(2)};
    defaults.errors.max_rejects = options_.max_rejects;
    defaults.errors.max_reject_ratio = options_.max_reject_ratio;
    defaults.errors.isolation = etl::Isolation::Bisect;
    defaults.errors.on_reject.operator=([this](const etl::Rejection & r) { log_(r); });
    defaults.delivery.dry_run = options_.dry_run;

    etl::PipelineManager manager(defaults, {.max_concurrent = at_once});
    for (std::size_t i = 0; i < files_.size(); ++i)
      manager.add_runner(job_name(options_, files_[i]),
                         [this, i, &summary](const etl::Options& run, const etl::Stop& stopped) {
                           FileResult& result = summary.files[i];
                           load_file(files_[i], run, stopped, result);
                           done_.fetch_add(1, std::memory_order_relaxed);
                           return result.report;
                         });
    const etl::ProgressTicker progress(
        {.show = options_.quiet ? etl::ProgressOptions::Show::Off : etl::ProgressOptions::Show::Auto},
        [this] { return std::vector<etl::NamedStatus>{status()}; });
    static_cast<void>(manager.run_all(stop));
  }

 private:
  etl::NamedStatus status() const {
    const std::size_t done = done_.load(std::memory_order_relaxed);
    etl::NamedStatus all{.name = fmt::format("{}% ({}/{} files)", files_.empty() ? 100 : done * 100 / files_.size(),
                                             done, files_.size()),
                         .status = {}};
    all.status.items.loaded = all.status.items.extracted = loaded_.load(std::memory_order_relaxed);
    all.status.elapsed = std::chrono::steady_clock::now() - began_;
    return all;
  }

  void load_file(const fs::path& file, const etl::Options& run, const etl::Stop& stop, FileResult& result) {
    const etl::TimePoint began = etl::Clock::now();
    const auto fail = [&](etl::Error error) {
      result.state = FileState::Failed;
      result.error = std::move(error);
      result.report.outcome = etl::Outcome::Failed;
    };
    if (auto done = try_load(file, run, stop, result); !done) fail(std::move(done.error()));
    if (result.report.elapsed.count() == 0) result.report.elapsed = etl::Clock::now() - began;
  }

  etl::Result<void> try_load(const fs::path& file, etl::Options run, const etl::Stop& stop, FileResult& result) {
    auto plan = plan_file(file, options_, mapping_, table_, stop);
    if (!plan) return etl::failure(std::move(plan.error()));

    std::vector<csv::Part> parts(1);
    std::string print = "not to be read again";
    const bool again = can_be_read_again(file);
    FileLock lock;
    if (again && !options_.dry_run && !lock.wait(file, stop)) {
      result.state = FileState::Stopped;
      return {};
    }
    if (again) {
      auto found = etl::io::fingerprint(file);
      if (!found) return etl::failure(std::move(found.error()));
      print = std::move(*found);
      std::error_code unknown;
      const std::uintmax_t size = fs::file_size(file, unknown);
      if (!unknown && size >= 2 * part_size) {
        auto cut = csv::split(file, plan->dialect, static_cast<std::size_t>(size / part_size));
        if (cut && !cut->empty()) parts = std::move(*cut);  // what cannot be cut, such as gzip, is read as it is
      }
    }
    print = print_of(*plan, print, parts.size());

    run.delivery.restart = options_.restart || !again;
    if (!options_.dry_run) {
      auto ready = begin(run, print, result);
      if (!ready || result.state == FileState::Already) return ready;
    }
    FileLoad<Into> pipeline{.path = file,
                            .dialect = plan->dialect,
                            .opened = std::move(plan->reader),
                            .decoder = std::move(plan->decoder),
                            .table = Into::table(options_.table, plan->columns),
                            .duplicate = options_.duplicate,
                            .print = print,
                            .parts = std::move(parts),
                            .loaded = &loaded_};
    result.report =
        etl::run(etl::require<etl::Delivery::effectively_once>(etl::with(pipeline, into_.store())), run, stop);
    result.state = result.report.ok() ? FileState::Loaded : FileState::Failed;
    if (result.report.outcome == etl::Outcome::Cancelled || result.report.outcome == etl::Outcome::DrainTimeout)
      result.state = FileState::Stopped;
    if (result.state == FileState::Failed && !result.report.errors.empty()) {
      const etl::ErrorRecord& first = result.report.errors.front();
      result.error = first.error;
      if (first.error.code == etl::Errc::CheckpointMismatch) result.error->context += "; --restart begins anew";
    }
    return {};
  }

  /// Whether the file is there already; else forgets what was rejected of it before, unless the load goes on.
  etl::Result<void> begin(const etl::Options& run, const std::string& print, FileResult& result) {
    auto& store = into_.store();
    if (run.delivery.restart)
      if (auto reset = store.reset(run.name); !reset) return reset;
    const auto found = store.find(run.name);
    if (!found) return etl::failure(found.error());
    const std::optional<etl::Checkpoint>& kept = *found;
    const etl::Checkpoint* const earlier = kept.has_value() ? &*kept : nullptr;
    if (earlier != nullptr && !earlier->finished) return {};
    const bool adds = options_.duplicate == Duplicate::Reject || options_.duplicate == Duplicate::Ignore;
    if (earlier != nullptr && earlier->fingerprint == print) {
      result.state = FileState::Already;
      return {};
    }
    if (earlier != nullptr && adds)
      return etl::failure(
          etl::fatal("the file, or how it is read, has changed since it was loaded: what it had in common with the old "
                     "one would be "
                     "loaded twice. --restart loads it anyway; --on-duplicate update or replace goes by the key"));
    std::vector<std::string> letters;
    auto listed = store.list(run.name, [&](const etl::DeadLetter& l) { return letters.push_back(l.id), true; });
    if (!listed) return listed;
    if (auto purged = store.purge(letters); !purged) return etl::failure(std::move(purged.error()));
    return {};
  }

  const Load& options_;
  Into& into_;
  const std::optional<csv::Mapping> mapping_;
  const std::optional<TargetColumns> table_;
  const std::vector<fs::path> files_;
  RejectLog log_;
  std::atomic<std::uint64_t> loaded_ = 0;
  std::atomic<std::size_t> done_ = 0;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// Rejected rows of all files, with where they come from and why.
template <class Into>
etl::Result<void> write_rejects(Into& into, const Load& options, const std::vector<fs::path>& files) {
  auto sink = etl::io::create_output(options.rejects);
  if (!sink) return etl::failure(std::move(sink.error()));
  auto writer = csv::Writer::to(std::move(*sink));
  if (!writer) return etl::failure(std::move(writer.error()));
  const auto write = [&](const std::vector<std::string>& cells) { return writer->row(cells); };
  auto written = write({"source_file", "partition", "record", "id", "stage", "reason", "row"});
  if (!written) return written;
  for (const fs::path& file : files) {
    auto listed = into.store().list(job_name(options, file), [&](const etl::DeadLetter& letter) {
      written = write({display_name(file), std::to_string(letter.partition), std::to_string(letter.seq), letter.id,
                       std::string(etl::to_string(letter.stage)), fmt::format("{}", fmt::join(letter.errors, ": ")),
                       letter.payload.value_or("")});
      return written.has_value();
    });
    if (!listed) return listed;
    if (!written) return written;
  }
  return writer->finish();
}

template <class F>
etl::Result<void> timed(std::chrono::nanoseconds& time, F&& step) {
  const etl::TimePoint began = etl::Clock::now();
  etl::Result<void> done = step();
  time = etl::Clock::now() - began;
  return done;
}

/// --rejects must not be one of the inputs, and can be written: known before hours of loading, not behind them.
etl::Result<void> check_rejects_file(const fs::path& rejects, const std::vector<fs::path>& files) {
  if (rejects.empty()) return {};
  std::error_code unknown;
  for (const fs::path& file : files)
    if (fs::equivalent(file, rejects, unknown))
      return etl::failure(etl::fatal(fmt::format("--rejects {} is one of the files to load", rejects.string())));
  if (!std::ofstream(rejects, std::ios::app))
    return etl::failure(etl::fatal(fmt::format("--rejects {} cannot be written", rejects.string())));
  return {};
}

/// Those of the first file that can be read and has rows. When none has, nothing tells types: the first file's, as
/// texts.
etl::Result<TargetColumns> columns_to_create(const std::vector<fs::path>& files, const Load& options,
                                             const std::optional<csv::Mapping>& mapping, const etl::Stop& stop) {
  std::optional<etl::Error> first;
  std::optional<TargetColumns> columns;
  fs::path from;
  for (const fs::path& file : files) {
    if (!can_be_read_again(file)) continue;
    auto plan = plan_file(file, options, mapping, std::nullopt, stop);
    if (!plan) {
      if (!first) first = std::move(plan.error());
      continue;
    }
    if (plan->columns.empty() || (columns && !plan->kinds_known)) continue;
    columns = std::move(plan->columns);
    from = file;
    if (plan->kinds_known) break;
  }
  if (columns) {
    if (!options.quiet)
      fmt::print(stderr, "etl-csv: table {} of {}: {}\n", options.table, from.string(), to_string(*columns));
    return std::move(*columns);
  }
  if (first) return etl::failure(std::move(*first));
  return etl::failure(etl::fatal(fmt::format(
      "no file to make a table of: they are empty, or can be read only once; make the table {} first", options.table)));
}

/// Everything behind the command line. `location` is what `--into` names, without the kind.
template <class Into, class DryInto>
etl::Result<void> load_all(const Load& options, const std::string& location, Summary& summary, const etl::Stop& stop) {
  std::vector<fs::path> files;
  auto expanded = timed(summary.glob, [&]() -> etl::Result<void> {
    std::vector<std::string> patterns = options.patterns;
    const bool input = std::erase(patterns, "-") > 0;
    if (!patterns.empty()) {
      auto found = etl::io::glob(patterns);
      if (!found) return etl::failure(std::move(found.error()));
      files = std::move(*found);
    }
    if (input) files.emplace_back("-");
    return {};
  });
  if (!expanded) return expanded;

  std::optional<csv::Mapping> mapping;
  if (!options.mapping.empty()) {
    auto read = csv::Mapping::read(options.mapping);
    if (!read) return etl::failure(std::move(read.error()));
    mapping = std::move(*read);
  }
  if (auto writable = check_rejects_file(options.rejects, files); !writable) return writable;
  auto found = Into::columns(location, options.table);
  if (!found) return etl::failure(std::move(found.error()));
  const bool create = !found->has_value();
  if (create && !options.create)
    return etl::failure(etl::fatal(
        fmt::format("there is no table {}: make it, or let --create make it of the first file", options.table)));
  TargetColumns table = std::move(*found).value_or(TargetColumns());
  if (create) {
    auto columns = columns_to_create(files, options, mapping, stop);
    if (!columns) return etl::failure(std::move(columns.error()));
    table = std::move(*columns);
  }

  if (options.dry_run) {  // it does not so much as make the database
    auto nowhere = DryInto::open(":memory:");
    if (!nowhere) return etl::failure(std::move(nowhere.error()));
    Job<DryInto>(options, *nowhere, std::move(mapping), std::move(table), std::move(files)).run(summary, stop);
    return {};
  }
  auto into = Into::open(location, options.connections);
  if (!into) return etl::failure(std::move(into.error()));
  if (create) {
    if (auto created = into->create(options.table, table); !created) return created;
    found = Into::columns(location, options.table);  // as a load that goes on will find them
    if (!found) return etl::failure(std::move(found.error()));
    if (*found) table = std::move(**found);
  }
  Job<Into>(options, *into, std::move(mapping), std::move(table), files).run(summary, stop);
  if (!options.rejects.empty())
    if (auto written = write_rejects(*into, options, files); !written) return written;
  if (const int code = summary.exit_code(); code != 0 && code != 3) return {};
  if (!options.checks.empty())
    if (auto held = timed(summary.check, [&] { return into->check(options.checks); }); !held) return held;
  for (const fs::path& script : options.merges) {
    std::chrono::nanoseconds time{};
    auto merged = timed(time, [&] { return into->run_script(script); });
    summary.merge += time;
    if (!merged) return merged;
  }
  return {};
}

}  // namespace

int load(const Load& options, const etl::Stop& stop) {
  if (options.into == "sqlite::memory:" || options.into == "sqlite:") {
    fmt::print(stderr, "etl-csv: --into {} would keep nothing: name a file, as in sqlite:orders.db\n", options.into);
    return 2;
  }
  Summary summary{.dry_run = options.dry_run};
  const etl::TimePoint began = etl::Clock::now();
  constexpr std::string_view sqlite = "sqlite:";
  auto done = options.into.starts_with(sqlite)
                  ? load_all<IntoSqlite, IntoSqlite>(options, options.into.substr(sqlite.size()), summary, stop)
                  : load_all<IntoPostgres, IntoSqlite>(options, options.into, summary, stop);
  if (!done) summary.failure = std::move(done.error());
  summary.elapsed = etl::Clock::now() - began;
  if (options.json)
    fmt::print("{}\n", summary.json());
  else if (!options.quiet)
    fmt::print("{}\n", summary.text());
  if (options.quiet || options.json) {
    for (const FileResult& file : summary.files)
      if (file.error) fmt::print(stderr, "etl-csv: {}\n", file.problem());
    if (summary.failure) fmt::print(stderr, "etl-csv: {}\n", summary.failure->message());
  }
  return summary.exit_code();
}

}  // namespace program
