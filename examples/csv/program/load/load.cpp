// etl-csv load: loads many files into one table, several at the same time, each with its own pipeline.
#include "load.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/mapping.hpp>
#include <etl/csv/writer.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/executor.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/glob.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

#include "command.hpp"
#include "common/rejects_file.hpp"
#include "files.hpp"
#include "into.hpp"
#include "plan.hpp"
#include "summary.hpp"
#include "table.hpp"

namespace program {
namespace {

namespace fs = std::filesystem;
namespace csv = etl::csv;

/// Writes the rejected rows of all files, with their places and reasons.
template <class Into>
etl::Result<void> write_rejects(Into& into, const Load& options, const std::vector<fs::path>& files) {
  auto sink = etl::io::create_output(options.rejects);
  if (!sink) return etl::failure(std::move(sink.error()));
  auto writer = csv::Writer::to(std::move(*sink));
  if (!writer) return etl::failure(std::move(writer.error()));
  const auto write = [&](const std::vector<std::string>& cells) { return writer->row(cells); };
  auto written = write({"source_file", "partition", "batch", "record", "id", "stage", "reason", "row"});
  if (!written) return written;
  for (const fs::path& file : files) {
    auto listed = into.store().list(job_name(options, file), [&](const etl::DeadLetter& letter) {
      written = write({display_name(file), std::to_string(letter.partition), std::to_string(letter.batch),
                       std::to_string(letter.seq), letter.id, std::string(etl::to_string(letter.stage)),
                       fmt::format("{}", fmt::join(letter.errors, ": ")), letter.payload.value_or("")});
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

/// Checks that an object can be put, by beginning an upload.
etl::Result<void> check_object(const std::string& url) {
  const auto place = etl::io::open_store(url);
  if (!place) return etl::failure(place.error());
  const auto begun = place->store.begin_upload(place->key);
  if (!begun) return etl::failure(begun.error());
  return place->store.abort_upload(*begun);
}

/// The columns of a new table, and the file that they come from.
struct MadeOf {
  TargetColumns columns;
  fs::path from;
};

/// Notes how this file has changed the columns.
void note_widened(const TargetColumns& columns, const std::vector<csv::KindGuess>& guesses, const fs::path& file,
                  std::vector<Widened>* widened) {
  if (widened == nullptr) return;
  for (Widened& one : *widened) {
    const auto at = std::ranges::find(columns, one.column, &TargetColumn::name);
    if (at == columns.end() || !at->inferred) continue;
    const csv::Kind kind = guesses[static_cast<std::size_t>(at - columns.begin())].kind();
    if (kind != std::exchange(one.to, kind)) one.file = display_name(file);
  }
}

/// The columns of the first file that can be read and has rows. Their kinds fit the beginning of every file. If no
/// file has rows, there is no evidence of kinds, and the columns of the first file become texts. If `widened` is
/// given, every file is read completely, columns that only other files have are added, and `widened` gets the changes
/// of kinds.
etl::Result<MadeOf> columns_of(const std::vector<fs::path>& files, const Load& options,
                               const std::optional<csv::Mapping>& mapping, const etl::StopToken& stop,
                               std::vector<Widened>* widened) {
  constexpr std::size_t later_look = 256 << 10;
  std::optional<etl::Error> first;
  TargetColumns columns;
  std::vector<csv::KindGuess> guesses;
  fs::path from;
  bool known = false;
  for (const fs::path& file : files) {
    if (!can_be_read_again(file) || stop.drain().stop_requested()) continue;
    const std::size_t look = widened != nullptr ? whole_file : known ? later_look : first_look;
    auto plan = plan_file(file, options, mapping, std::nullopt, stop, look);
    if (!plan) {
      if (!first) first = std::move(plan.error());
      continue;
    }
    const bool first_rows = plan->kinds_known && !known;
    if (plan->columns.empty() || (!columns.empty() && !plan->kinds_known && widened == nullptr)) continue;
    plan->guesses.resize(plan->columns.size());
    if (columns.empty() || (first_rows && widened == nullptr)) {
      columns = std::move(plan->columns);
      guesses = std::move(plan->guesses);
      from = file;
    } else {
      for (std::size_t i = 0; i < plan->columns.size(); ++i) {
        const auto at = static_cast<std::size_t>(column_called(plan->columns[i].name, columns) - columns.begin());
        if (at < columns.size()) {
          guesses[at].merge(widened != nullptr ? plan->guesses[i] : plan->guesses[i].without_strays());
          columns[at].inferred |= plan->columns[i].inferred;
        } else if (widened != nullptr) {
          columns.push_back(std::move(plan->columns[i]));
          guesses.push_back(plan->guesses[i]);
        }
      }
    }
    known |= plan->kinds_known;
    note_widened(columns, guesses, file, widened);
  }
  if (!columns.empty()) {
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i].inferred) columns[i].kind = guesses[i].kind();
    return MadeOf{std::move(columns), std::move(from)};
  }
  if (first) return etl::failure(std::move(*first));
  return etl::failure(
      etl::fatal(fmt::format("no file can give the columns of the table, because all files are empty or can be read "
                             "only once: create the table {} first",
                             options.table)));
}

etl::Result<TargetColumns> columns_to_create(const std::vector<fs::path>& files, const Load& options,
                                             const std::optional<csv::Mapping>& mapping, Summary& summary,
                                             const etl::StopToken& stop) {
  auto made = columns_of(files, options, mapping, stop, nullptr);
  if (made && options.widen) {
    std::vector<Widened> wider;
    for (const TargetColumn& column : made->columns)
      if (column.inferred) wider.push_back({.column = column.name, .from = column.kind, .to = column.kind, .file = {}});
    options.log(LogLevel::Info, "reading {} to the end for the types of columns",
                files.size() == 1 ? display_name(files[0]) : fmt::format("{} files", files.size()));
    made = columns_of(files, options, mapping, stop, &wider);
    std::erase_if(wider, [](const Widened& one) { return one.from == one.to; });
    if (options.json)  // otherwise the summary says it
      for (const Widened& one : wider) options.log(LogLevel::Info, "{}", text(one));
    summary.widened = std::move(wider);
  }
  if (!made) return etl::failure(std::move(made.error()));
  if (auto keyed = set_keys(made->columns, options, made->from.string()); !keyed)
    return etl::failure(std::move(keyed.error()));
  if (auto known = check_types(made->columns, options.types, made->from.string()); !known)
    return etl::failure(std::move(known.error()));
  options.log(LogLevel::Info, "table {} of {}: {}", options.table,
              options.widen && files.size() > 1 ? fmt::format("{} files", files.size()) : made->from.string(),
              to_string(made->columns));
  return std::move(made->columns);
}

/// Runs the scripts that have not run since rows were last loaded. The store keeps which scripts have run, beside the
/// progress of the files. So if a load was killed before its scripts, or a script failed, the next load runs them.
template <class Into>
etl::Result<void> merge(Into& into, const Load& options, Summary& summary) {
  if (options.merges.empty()) return {};
  const std::string name = merges_name(options);
  const auto found = into.store().find(name);
  if (!found) return etl::failure(found.error());
  // If this load has brought rows, all scripts must run again.
  const std::string before = *found && summary.rows().loaded == 0 ? (*found)->fingerprint : std::string();
  std::string ran = before;
  for (const fs::path& script : options.merges) {
    auto source = etl::io::open_input(script);
    if (!source) return etl::failure(std::move(source.error()));
    const auto text = etl::io::read_all(**source);
    if (!text) return etl::failure(text.error());
    const std::string digest = etl::io::digest(etl::io::DigestKind::Md5, *text);
    if (before.find(digest) != std::string::npos) {
      summary.skipped_merges.push_back(script.string());
      continue;
    }
    std::chrono::nanoseconds time{};
    auto merged = timed(time, [&] { return into.run_script(script); });
    summary.merge += time;
    if (!merged) return merged;
    ran += digest + ' ';
    if (auto saved = into.store().save(name, {.fingerprint = ran, .batch_size = 1, .finished = true}); !saved)
      return saved;
  }
  return {};
}

/// Whether `--store` names a SQLite database. The error does not show the option, because it may contain a password.
etl::Result<bool> is_sqlite(const std::string& into) {
  constexpr std::string_view forms =
      "name a database as sqlite:PATH or postgresql://USER@HOST/DATABASE (or as libpq's \"host=... dbname=...\")";
  if (into == "sqlite::memory:" || into == "sqlite:")
    return etl::failure(
        etl::fatal(fmt::format("--store {} would not keep the rows: name a file, such as sqlite:orders.db", into)));
  if (into.starts_with("sqlite:")) return true;
  const std::size_t equals = into.find('=');
  const bool keywords = equals != std::string::npos && into.find_first_not_of("abcdefghijklmnopqrstuvwxyz_ ") == equals;
  if (into.starts_with("postgresql://") || into.starts_with("postgres://") || keywords) return false;
  const std::size_t scheme = into.find("://");
  const bool secret = into.find_first_of("@=") != std::string::npos;
  const std::string shown = scheme != std::string::npos ? into.substr(0, scheme) + "://..." : secret ? "..." : into;
  return etl::failure(etl::fatal(fmt::format("--store '{}': {}", shown, forms)));
}

/// The error of `glob`, with the reasons for which files cannot be read.
etl::Error with_unreadable(etl::Error error, const std::vector<etl::Error>& unreadable) {
  for (const etl::Error& one : unreadable) error.context += fmt::format("; {}", one.context);
  return error;
}

/// The files that the patterns match, each once, in the order of the patterns. "-" is standard input.
etl::Result<std::vector<fs::path>> find_files(std::vector<std::string> patterns, std::vector<etl::Error>& unreadable) {
  const auto at = static_cast<std::size_t>(std::ranges::find(patterns, "-") - patterns.begin());
  const bool input = std::erase(patterns, "-") > 0;
  std::vector<fs::path> files;
  if (!patterns.empty()) {
    auto found = etl::io::glob(patterns, {.unreadable = &unreadable});
    if (!found) return found;
    files = std::move(*found);
  }
  if (!input) return files;
  std::size_t before = at == patterns.size() ? files.size() : 0;
  if (at > 0 && at < patterns.size()) {
    std::vector<etl::Error> known;
    const auto first = etl::io::glob(std::span(patterns).first(at), {.unreadable = &known});
    if (!first) return first;
    before = std::min(first->size(), files.size());
  }
  files.insert(files.begin() + static_cast<std::ptrdiff_t>(before), "-");
  return files;
}

/// The result of a load that was stopped before its first file.
etl::Result<void> stopped_before(const std::vector<fs::path>& files, Summary& summary) {
  summary.begun = true;
  summary.widened.clear();
  for (const fs::path& file : files) summary.files.push_back({.path = display_name(file)});
  return {};
}

/// Everything after the command line. `location` is the value of `--store` without the kind of database.
template <class Into, class DryInto>
etl::Result<void> load_all(const Load& given, const std::string& location, Summary& summary,
                           const etl::StopToken& stop) {
  Files files;
  auto expanded = timed(summary.glob, [&]() -> etl::Result<void> {
    auto found = find_files(given.patterns, files.unreadable);
    if (!found) return etl::failure(with_unreadable(std::move(found.error()), files.unreadable));
    files.paths = std::move(*found);
    return {};
  });
  if (!expanded) return expanded;

  std::optional<csv::Mapping> mapping;
  if (!given.mapping.empty()) {
    auto read = csv::Mapping::read(given.mapping);
    if (!read) return etl::failure(std::move(read.error()));
    mapping = std::move(*read);
  }
  const fs::path database = Into::one_writer ? location : std::string();
  if (auto writable = check_rejects_file(given.rejects, files.paths, database); !writable) return writable;
  if (etl::io::is_store_url(given.rejects.native()))
    if (auto writable = check_object(given.rejects.string()); !writable) return writable;
  auto found = Into::columns(location, given.table);
  if (!found) return etl::failure(std::move(found.error()));
  const bool create = !found->has_value();
  if (create && !given.create)
    return etl::failure(etl::fatal(fmt::format("there is no table {}: create it, or add --create", given.table)));
  TargetColumns table = std::move(*found).value_or(TargetColumns());
  if (create) {
    auto columns = columns_to_create(files.paths, given, mapping, summary, stop);
    // Columns of a reading that was stopped have not seen all values, so no table may be made of them.
    if (stop.drain().stop_requested()) return stopped_before(files.paths, summary);
    if (!columns) return etl::failure(std::move(columns.error()));
    table = std::move(*columns);
  }

  const bool by_key = given.duplicate == Duplicate::Update || given.duplicate == Duplicate::Replace;
  if (by_key && std::ranges::none_of(table, &TargetColumn::key))
    return etl::failure(etl::fatal(fmt::format(
        "--on-conflict {} needs a primary key, but the table {} has no primary key: {}",
        given.duplicate == Duplicate::Update ? "update" : "replace", given.table,
        create ? "name its columns with --key" : "add a primary key, or create the table with --create and --key")));

  if (given.dry_run) {  // it does not so much as make the database
    auto nowhere = DryInto::open(":memory:");
    if (!nowhere) return etl::failure(std::move(nowhere.error()));
    load_files(given, *nowhere, mapping, table, files, summary, stop);
    return {};
  }
  auto into = Into::open(location, given.connections);
  if (!into) return etl::failure(std::move(into.error()));
  auto name = into->name_of(given.table);
  if (!name) return etl::failure(std::move(name.error()));
  Load options = given;
  options.table = *std::move(name);
  auto former = former_name(*into, options);
  if (!former) return etl::failure(std::move(former.error()));
  options.former_table = *std::move(former);
  const auto record = settle_table(*into, options, create ? &table : nullptr);
  if (!record) return etl::failure(record.error());
  if (create) {
    found = Into::columns(location, options.table);  // as a resumed load will find the columns
    if (!found) return etl::failure(std::move(found.error()));
    if (*found) table = std::move(**found);
  }
  for (TargetColumn& column : table)
    column.inferred = std::ranges::find(record->inferred, column.name) != record->inferred.end();
  files.table_generation = record->generation;
  // SQLite does not count the rows that triggers of a view write.
  files.counts_dropped = record->identity.table != "view";
  load_files(options, *into, mapping, table, files, summary, stop);
  if (summary.count(FileState::Already) > 0 && summary.rows().loaded == 0 && into->is_empty(options.table))
    summary.emptied = options.table;
  if (!options.rejects.empty())
    if (auto written = write_rejects(*into, options, files.paths); !written) return written;
  if (const int code = summary.exit_code(); code != 0 && code != 3) return {};
  if (!options.checks.empty())
    if (auto held = timed(summary.check, [&] { return into->check(options.checks); }); !held) return held;
  return merge(*into, options, summary);
}

}  // namespace

int load(const Load& options, const etl::StopToken& stop) {
  Summary summary{.dry_run = options.dry_run};
  const etl::TimePoint began = etl::Clock::now();
  const auto sqlite = is_sqlite(options.into);
  etl::Result<void> done;
  if (!sqlite)
    done = etl::failure(sqlite.error());
  else if (*sqlite)
    done = load_all<IntoSqlite, IntoSqlite>(options, options.into.substr(std::string_view("sqlite:").size()), summary,
                                            stop);
  else
    done = load_all<IntoPostgres, IntoSqlite>(options, options.into, summary, stop);
  if (!done) summary.failure = std::move(done.error());
  summary.elapsed = etl::Clock::now() - began;
  if (options.json)
    fmt::print("{}\n", summary.json());
  else if (options.log.says(LogLevel::Info) && summary.begun)
    fmt::print("{}\n", summary.text(options.log.says(LogLevel::Debug)));
  if (!options.log.says(LogLevel::Info) || options.json || !summary.begun) {
    for (const std::string& line : summary.left_out()) options.log(LogLevel::Warn, "{}", line);
    if (!summary.emptied.empty()) options.log(LogLevel::Warn, "{}", summary.empty_table());
    for (const FileResult& file : summary.files)
      if (file.error) options.log(LogLevel::Error, "{}", file.problem());
    for (const std::string& line : {summary.waiting(), summary.stopped()})
      if (!line.empty()) options.log(LogLevel::Warn, "{}", line);
    if (summary.failure) options.log(LogLevel::Error, "{}", summary.failure->message());
  }
  return summary.exit_code();
}

}  // namespace program
