#include "files.hpp"
#include "common/max_rejects.hpp"
#include "common/stop.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <etl/csv/reader.hpp>
#include <etl/etl.hpp>
#include <etl/io/fingerprint.hpp>

#include "file.hpp"
#include "progress.hpp"
#include "watched_store.hpp"

namespace program {
namespace {

namespace fs = std::filesystem;
namespace csv = etl::csv;

/// A file is cut into parts of about this size, so that several threads can read it.
constexpr std::uintmax_t part_size = std::uintmax_t{128} << 20;

/// Replaces the names of the library's options by those of the command line.
etl::Error with_option(etl::Error error) {
  error.context = with_options(std::move(error.context));
  return error;
}

/// How long to retry while the database cannot be reached.
constexpr etl::RetryPolicy patience = {.max_attempts = 1000,
                                       .initial_delay = std::chrono::milliseconds(200),
                                       .max_delay = std::chrono::seconds(10),
                                       .max_elapsed = std::chrono::minutes(2)};

/// A fingerprint of everything that determines the rows and their numbers.
class Print {
 public:
  Print(std::uint64_t generation, std::string_view file, const FilePlan& plan, std::size_t parts)
      : table_(fmt::format("table {}\n", generation)), file_(fmt::format("{}{}\n", table_, file)) {
    std::string columns;
    for (const TargetColumn& column : plan.columns) columns += (columns.empty() ? "" : ", ") + column.name;
    reading_ = fmt::format("{}{}\n{}\n{}, ", file_, plan.input->settings(), plan.shape, columns);
    text_ = fmt::format("{}{} parts", reading_, parts);
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool same_table(const std::string& other) const { return other.starts_with(table_); }
  /// Whether this is the same file, loaded into the same table.
  [[nodiscard]] bool same_file(const std::string& other) const { return other.starts_with(file_); }
  /// Whether the same file was also read in the same way, perhaps cut into other parts.
  [[nodiscard]] bool same_reading(const std::string& other) const {
    return other.starts_with(reading_) && other.find('\n', reading_.size()) == std::string::npos;
  }

 private:
  std::string table_, file_, reading_, text_;
};

/// Number of rows that are loaded: settled and not rejected.
std::uint64_t loaded_rows(const etl::Checkpoint& checkpoint, std::size_t rejected) {
  std::uint64_t settled = 0;
  for (const etl::PartitionProgress& part : checkpoint.partitions) {
    settled += part.watermark;
    for (const etl::SeqRange& range : part.gaps.ranges()) settled += range.end - range.first;
  }
  return settled > rejected ? settled - rejected : 0;
}

/// A lock held while a file is loaded. Another process that loads the file waits, and then sees what this process has
/// loaded. On a file system without locks, nothing is locked.
class FileLock {
 public:
  FileLock() = default;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  /// Waits for the lock. Returns false if the load must stop.
  [[nodiscard]] bool wait(const fs::path& file, const etl::StopToken& stop) {
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

/// Prints the first rejected rows of all files on stderr.
class RejectLog {
 public:
  explicit RejectLog(const Log& log) : log_(log) {}
  void operator()(const etl::Rejection& rejection) {
    constexpr std::uint64_t most = 10;
    const std::lock_guard lock(mutex_);
    if (++shown_ <= most) log_(LogLevel::Warn, "rejected {}", rejection.error.message());
    if (shown_ == most + 1) log_(LogLevel::Warn, "further rejected rows are in the table 'etl_dead_letters'");
  }

 private:
  const Log& log_;
  std::mutex mutex_;
  std::uint64_t shown_ = 0;
};

template <class Into>
class Job {
 public:
  Job(const Load& options, Into& into, const std::optional<csv::Mapping>& mapping, const TargetColumns& table,
      const Files& files)
      : options_(options),
        into_(into),
        mapping_(mapping),
        table_(table),
        files_(files.paths),
        generation_(files.table_generation),
        counts_dropped_(files.counts_dropped),
        failed_(!files.unreadable.empty()),
        progress_(files.paths) {}

  void run(Summary& summary, const etl::StopToken& stop) {
    summary.files.resize(files_.size());
    for (std::size_t i = 0; i < files_.size(); ++i) {
      summary.files[i].path = display_name(files_[i]);
      summary.files[i].is_pipe = !can_be_read_again(files_[i]);
    }
    const std::size_t at_once =
        order_counts() ? 1 : std::max<std::size_t>(1, std::min(files_.size(), options_.connections));
    etl::Options defaults{.batch_size = options_.batch_size, .timeout = options_.timeout};
    defaults.workers = std::max(options_.workers, options_.connections);
    defaults.memory = options_.memory;
    defaults.max_concurrent_loads = Into::one_writer ? 1 : std::max<std::size_t>(1, options_.connections / at_once);
    if (order_counts()) defaults.order = etl::Order::Source;
    defaults.retry = patience;
    defaults.drain_deadline = etl::Options::never;  // see `time_`
    defaults.errors.max_rejects = options_.max_rejects;
    defaults.errors.max_reject_ratio = options_.max_reject_ratio;
    defaults.errors.isolation = etl::Isolation::Bisect;
    defaults.errors.on_reject.operator=([this](const etl::Rejection & r) { rejects_(r); });
    defaults.on_retry.operator=([this](const etl::FailedAttempt & f) {
      options_.log(LogLevel::Info, "{}: attempt {} of {} failed, the next in {:.1f} s: {}", f.pipeline, f.attempt,
                   f.max_attempts, std::chrono::duration<double>(f.delay).count(), f.error.message());
    });
    defaults.delivery.dry_run = options_.dry_run;

    etl::PipelineManager manager(defaults, {.max_concurrent = at_once});
    for (std::size_t i = 0; i < files_.size(); ++i)
      manager.add_runner(job_name(options_, files_[i]),
                         [this, i, &summary](const etl::Options& run, const etl::StopToken& stopped) {
                           FileResult& result = summary.files[i];
                           if (order_counts() && failed_) {
                             result.state = FileState::Waits;
                             return result.report;
                           }
                           progress_.begins(i);
                           load_file(i, run, stopped, result);
                           result.bytes = progress_.read(i);
                           progress_.ended(i, result.state != FileState::Stopped);
                           if (result.state == FileState::Failed) failed_ = true;
                           return result.report;
                         });
    const ProgressLine line(progress_, options_.log.says(LogLevel::Info));
    const TimeToStop time(stop, patience.max_elapsed + std::chrono::seconds(25));
    time_ = &time;
    static_cast<void>(manager.run_all(time.token()));
  }

 private:
  /// Whether the order of rows decides which row stays, if several rows have the same key.
  [[nodiscard]] bool order_counts() const noexcept { return options_.duplicate != Duplicate::Reject; }
  void load_file(std::size_t i, const etl::Options& run, const etl::StopToken& stop, FileResult& result) {
    const etl::TimePoint began = etl::Clock::now();
    options_.log(LogLevel::Debug, "{}: begins", result.path);
    if (auto done = try_load(i, run, stop, result); !done) {
      result.state = FileState::Failed;
      result.error = std::move(done.error());
      result.report.outcome = etl::Outcome::Failed;
    }
    time_->correct(result.report);
    if (result.report.elapsed.count() == 0) result.report.elapsed = etl::Clock::now() - began;
    const etl::ItemLedger& rows = result.report.items;
    options_.log(LogLevel::Debug, "{}: {}: {} rows loaded, {} rejected, in {:.3f} s", result.path,
                 to_string(result.state), rows.loaded, rows.rejected,
                 std::chrono::duration<double>(result.report.elapsed).count());
  }

  etl::Result<void> try_load(std::size_t i, etl::Options run, const etl::StopToken& stop, FileResult& result) {
    const fs::path& file = files_[i];
    auto plan = plan_file(file, options_, mapping_, table_, stop, options_.widen ? whole_file : first_look);
    if (!plan && stop.drain().stop_requested()) {  // the error is that of a reading that was interrupted
      result.state = FileState::Stopped;
      return {};
    }
    if (!plan) return etl::failure(std::move(plan.error()));
    result.mapping_index = plan->mapping_index;
    if (plan->mapping_index)
      options_.log(LogLevel::Debug, "{}: read by element {} of \"files\" in {}", result.path, *plan->mapping_index,
                   options_.mapping.string());

    std::vector<csv::Part> parts(1);
    std::string content = "not to be read again";
    const bool again = can_be_read_again(file);
    FileLock lock;
    if (again && !options_.dry_run && !lock.wait(file, stop)) {
      result.state = FileState::Stopped;
      return {};
    }
    if (again) {
      auto found = etl::io::fingerprint(file);
      if (!found) return etl::failure(std::move(found.error()));
      content = std::move(*found);
      std::error_code unknown;
      const std::uintmax_t size = fs::file_size(file, unknown);
      if (!unknown && size >= 2 * part_size && !order_counts())
        parts = plan->input->parts(static_cast<std::size_t>(size / part_size));
    }
    const Print print(generation_, content, *plan, parts.size());

    run.delivery.restart = options_.restart || !again;
    if (!options_.dry_run) {
      const etl::Waiter waiter(stop.drain());
      auto ready = etl::retry(patience, [&] { return outage_.seen(begin(run, print, result)); }, waiter);
      if (!ready && waiter.stopped()) {
        result.state = FileState::Stopped;
        return {};
      }
      if (!ready || result.state == FileState::Already) return ready;
    }
    DroppedRows dropped;
    FileLoad<Into> pipeline{.input = plan->input,
                            .widened = std::move(plan->widened),
                            .table = Into::table(options_.table, plan->columns),
                            .columns = plan->columns,
                            .options = &options_,
                            .print = print.text(),
                            .parts = std::move(parts),
                            .progress = &progress_,
                            .dropped = &dropped,
                            .number = i,
                            .file = file,
                            .content = again ? content : std::string()};
    result.report =
        etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(etl::with_store(pipeline, store_)), run, stop);
    if (counts_dropped_) result.dropped = dropped.all();
    if (const auto* const left_out = plan->input->left_out()) result.left_out = *left_out;
    result.state = result.report.ok() ? FileState::Loaded : FileState::Failed;
    const etl::ItemLedger& rows = result.report.items;
    // The next load must load the file again, also if its letters are purged until then.
    if (result.state == FileState::Loaded && !options_.dry_run && rows.loaded + result.loaded_before == 0 &&
        rows.rejected + result.rejected_before > 0)
      if (auto reset = etl::retry(
              patience, [&] { return into_.store().reset(run.name); }, etl::Waiter(stop.drain()));
          !reset)
        return reset;
    if (result.report.outcome == etl::Outcome::Cancelled || result.report.outcome == etl::Outcome::DrainTimeout)
      result.state = FileState::Stopped;
    if (result.state == FileState::Failed && !result.report.errors.empty()) {
      const etl::ErrorRecord& first = result.report.errors.front();
      result.error = first.error;
      if (first.error.code == etl::Errc::CheckpointMismatch)
        result.error->context += order_counts()
                                     ? "; --restart loads the file from the beginning"
                                     : "; --restart loads the file from the beginning, and its rows would be loaded "
                                       "twice: delete them first, or use --on-conflict";
      if (first.error.code == etl::Errc::RejectBudget) result.error = with_option(*std::move(result.error));
      const bool unread = first.error.code == etl::Errc::RejectBudget ||
                          (first.stage == etl::Stage::Extract && first.error.code != etl::Errc::CheckpointMismatch);
      if (unread) result.error->context += plan->input->remedy();
    }
    return {};
  }

  /// Sets `result` to whether the file is already loaded. Otherwise forgets the rejects of earlier loads, unless this
  /// load resumes one. May be repeated.
  etl::Result<void> begin(const etl::Options& run, const Print& print, FileResult& result) {
    auto& store = into_.store();
    if (run.delivery.restart)
      if (auto reset = store.reset(run.name); !reset) return reset;
    auto found = store.find(run.name);
    // A load that was killed may have left its last commit in progress: claiming its progress waits for that.
    if (found && *found && !(*found)->finished) found = store.claim(run.name, "that begins now");
    if (!found) return etl::failure(std::move(found.error()));
    std::optional<etl::Checkpoint> earlier = std::move(*found);
    std::vector<std::string> letters;
    auto listed = store.list(run.name, [&](const etl::DeadLetter& l) { return letters.push_back(l.id), true; });
    if (!listed) return listed;
    const bool adds = options_.duplicate == Duplicate::Reject || options_.duplicate == Duplicate::Ignore;
    const bool same = earlier && print.same_reading(earlier->fingerprint);
    // A file that was corrected after a part of it was loaded: its rows overwrite those of that part.
    const bool corrected = earlier && !earlier->finished && !same && !adds;
    if (earlier && (corrected || is_void(*earlier, print, letters.size()))) {
      if (auto reset = store.reset(run.name); !reset) return reset;
      earlier.reset();
    }
    const bool finished = earlier && earlier->finished;
    if (finished && !same && adds) return etl::failure(changed(*earlier, print, letters.size()));
    if (earlier && !finished && same && earlier->fingerprint != print.text()) return etl::failure(cut_otherwise());
    if (finished && same) result.state = FileState::Already;
    if (earlier && !finished) result.loaded_before = loaded_rows(*earlier, letters.size());
    if (result.state == FileState::Already || (earlier && !finished))
      result.rejected_before = letters.size();
    else if (auto purged = store.purge(letters); !purged)
      return etl::failure(std::move(purged.error()));
    return result.state == FileState::Already ? etl::Result<void>() : forget_merges();
  }

  /// Whether an earlier load left nothing in this table: the rows went into another table of the same name, or all
  /// rows were rejected because of the settings or the table at that time.
  static bool is_void(const etl::Checkpoint& earlier, const Print& print, std::size_t rejected) {
    if (!print.same_table(earlier.fingerprint)) return true;
    const bool again = earlier.fingerprint != print.text() || (earlier.finished && rejected > 0);
    return again && loaded_rows(earlier, rejected) == 0;
  }
  static etl::Error changed(const etl::Checkpoint& earlier, const Print& print, std::size_t rejected) {
    constexpr std::string_view remedy =
        "--restart loads it anyway; --on-conflict update or replace overwrites rows with the same key";
    if (!print.same_file(earlier.fingerprint))
      return etl::fatal(fmt::format(
          "the file has changed since it was loaded: rows that are in both versions would be loaded twice. {}",
          remedy));
    const std::string also = rejected == 0 ? std::string() : fmt::format(", when {} rows were rejected", rejected);
    return etl::fatal(fmt::format(
        "how the file is read (mapping, types or options) has changed since it was loaded{}: {} rows would be loaded "
        "twice. {}",
        also, loaded_rows(earlier, rejected), remedy));
  }

  /// A large file is loaded in parts, but as a whole where the order of its rows counts.
  static etl::Error cut_otherwise() {
    return etl::fatal(
        "an interrupted load of this file was begun with another --on-conflict, and read the file in other parts: "
        "continue it with the --on-conflict of that load, or give --restart to load all rows once more, also those "
        "that are already in the table");
  }

  /// Scripts that have already run must run again if this load brings rows.
  etl::Result<void> forget_merges() {
    const std::lock_guard lock(merges_mutex_);
    if (merges_forgotten_) return {};
    auto reset = into_.store().reset(merges_name(options_));
    merges_forgotten_ = reset.has_value();
    return reset;
  }

  const Load& options_;
  Into& into_;
  const std::optional<csv::Mapping>& mapping_;
  const TargetColumns& table_;
  const std::vector<fs::path>& files_;
  const std::uint64_t generation_;
  const bool counts_dropped_;
  std::atomic<bool> failed_;          // some file
  const TimeToStop* time_ = nullptr;  // how long a stop may take
  Outage outage_ = Into::one_writer ? Outage(options_.log, "the database is busy", "the database is free again")
                                    : Outage(options_.log, "the server is away", "the server is back");
  WatchedStore<typename Into::Tx> store_{into_.store(), outage_};
  RejectLog rejects_{options_.log};
  Progress progress_;
  std::mutex merges_mutex_;
  bool merges_forgotten_ = false;
};

/// The path in an error of `glob`, which is quoted there.
std::string quoted_path(const std::string& message) {
  const std::size_t begin = message.find('\''), end = message.rfind('\'');
  return begin < end ? message.substr(begin + 1, end - begin - 1) : message;
}

}  // namespace

std::string job_name(const Load& options, const fs::path& file) {
  std::error_code unknown;
  const fs::path whole = file == "-" ? file : fs::weakly_canonical(file, unknown);
  std::string name = whole.empty() ? file.string() : whole.string();
  // Each sheet is loaded separately. Reading the file will report what is wrong with the choice of the sheet.
  if (is_workbook(file))
    if (const auto sheet = chosen_sheet(file, options.sheet)) name += fmt::format("[{}]", *sheet);
  return fmt::format("{} into {}", name, options.kept_as());
}

std::string merges_name(const Load& options) { return fmt::format("merges into {}", options.kept_as()); }

template <class Into>
void load_files(const Load& options, Into& into, const std::optional<csv::Mapping>& mapping, const TargetColumns& table,
                const Files& files, Summary& summary, const etl::StopToken& stop) {
  summary.begun = true;
  Job<Into>(options, into, mapping, table, files).run(summary, stop);
  for (const etl::Error& error : files.unreadable)
    summary.files.push_back({.path = quoted_path(error.context), .state = FileState::Failed, .error = error});
}

template void load_files(const Load&, IntoSqlite&, const std::optional<csv::Mapping>&, const TargetColumns&,
                         const Files&, Summary&, const etl::StopToken&);
template void load_files(const Load&, IntoPostgres&, const std::optional<csv::Mapping>&, const TargetColumns&,
                         const Files&, Summary&, const etl::StopToken&);

}  // namespace program
