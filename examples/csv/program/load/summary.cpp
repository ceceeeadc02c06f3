#include "summary.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <string_view>

#include <fmt/format.h>

#include <etl/text.hpp>

namespace program {
namespace {

namespace csv = etl::csv;

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

struct Stages {
  std::chrono::nanoseconds extract{}, transform{}, load{};
};
Stages stages(const std::vector<FileResult>& files) {
  Stages all;
  for (const FileResult& file : files) {
    all.extract += file.report.extract.total;
    all.transform += file.report.transform.total;
    all.load += file.report.load.total;
  }
  return all;
}

/// The first ids of the streams that were left out. `text` formats an id.
template <class F>
std::vector<std::string> first_ids(const csv::readings::LeftOut& left_out, F text) {
  constexpr std::ptrdiff_t most = 5;
  std::vector<std::string> ids;
  for (const std::string& id : left_out.streams | std::views::take(most)) ids.push_back(text(id));
  return ids;
}
std::string first_ids(const csv::readings::LeftOut& left_out) {
  const auto ids =
      first_ids(left_out, [](const std::string& id) { return fmt::format("'{}'", csv::detail::shown(id)); });
  return fmt::format("{}{}", fmt::join(ids, ", "), left_out.streams.size() > ids.size() ? ", ..." : "");
}
std::string json(const std::optional<csv::readings::LeftOut>& left_out) {
  if (!left_out) return "null";
  return fmt::format(
      R"({{"readings":{},"streams":{},"ids":[{}]}})", left_out->readings, left_out->streams.size(),
      fmt::join(first_ids(*left_out, [](const std::string& text) { return etl::json_string(text); }), ","));
}

/// A count with its noun: "1 stream", "at least 10,000 streams".
std::string counted(std::uint64_t number, std::string_view what, std::uint64_t most = UINT64_MAX) {
  return fmt::format("{}{} {}{}", number >= most ? "at least " : "", grouped(number), what, number == 1 ? "" : "s");
}

double rate(const etl::ItemLedger& rows, std::chrono::nanoseconds elapsed) {
  const double time = seconds(elapsed);
  return time > 0 ? static_cast<double>(rows.loaded + rows.filtered + rows.rejected) / time : 0;
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string_view to_string(FileState state) noexcept {
  switch (state) {
    case FileState::Loaded: return "loaded";
    case FileState::Already: return "loaded before";
    case FileState::Failed: return "failed";
    case FileState::Stopped: return "stopped";
    case FileState::Waits: return "not begun";
    case FileState::NotRun: break;
  }
  return "not run";
}

namespace {

std::uint64_t sum(const std::vector<FileResult>& files, std::uint64_t FileResult::* count) {
  std::uint64_t all = 0;
  for (const FileResult& file : files) all += file.*count;
  return all;
}

/// Number of rows that were read when the load was stopped, and that the next load reads again.
std::uint64_t refused(const FileResult& file) { return file.is_pipe ? 0 : file.report.refused_pushes; }

/// Number of rows of the file that this run and earlier runs have read. A row that was read again counts once.
std::uint64_t rows_in_all(const FileResult& file) {
  const etl::ItemLedger& items = file.report.items;
  const std::uint64_t extracted = items.extracted - refused(file);
  if (file.loaded_before == 0) return extracted;
  return extracted - items.skipped + file.loaded_before + file.rejected_before;
}

}  // namespace

std::string text(const Widened& one) {
  return fmt::format("widened: column '{}' is {} instead of {}, for {}", csv::detail::shown(one.column),
                     csv::to_string(one.to), csv::to_string(one.from), one.file);
}

std::string FileResult::problem() const {
  if (!error) return {};
  std::string message = error->message();
  return message.find(path) == std::string::npos ? path + ": " + message : message;
}

std::size_t Summary::count(FileState state) const noexcept {
  return static_cast<std::size_t>(std::ranges::count(files, state, &FileResult::state));
}

etl::ItemLedger Summary::rows() const noexcept {
  etl::ItemLedger all;
  for (const FileResult& file : files) {
    const etl::ItemLedger& items = file.report.items;
    all.extracted += items.extracted - refused(file);
    all.loaded += items.loaded;
    all.filtered += items.filtered;
    all.rejected += items.rejected;
    all.skipped += items.skipped;
    all.abandoned += items.abandoned - refused(file);
  }
  return all;
}

std::uint64_t Summary::loaded_before() const noexcept { return sum(files, &FileResult::loaded_before); }
std::uint64_t Summary::rejected_before() const noexcept { return sum(files, &FileResult::rejected_before); }
std::uint64_t Summary::dropped() const noexcept { return sum(files, &FileResult::dropped); }
std::uint64_t Summary::bytes() const noexcept { return sum(files, &FileResult::bytes); }
std::uint64_t Summary::whole() const noexcept {
  std::uint64_t all = 0;
  for (const FileResult& file : files) all += rows_in_all(file);
  return all;
}

std::vector<std::string> Summary::left_out() const {
  std::vector<std::string> lines;
  csv::readings::LeftOut all;
  for (const FileResult& file : files) {
    if (!file.left_out) continue;
    all.readings += file.left_out->readings;
    all.streams.insert(file.left_out->streams.begin(), file.left_out->streams.end());
    if (const std::size_t streams = file.left_out->streams.size(); file.left_out->all && streams > 0)
      lines.push_back(fmt::format("{}: the mapping names none of its streams; it has {}", file.path,
                                  counted(streams, "stream", csv::readings::LeftOut::most_streams)));
  }
  if (!all.streams.empty())
    lines.insert(
        lines.begin(),
        fmt::format("left out: {} of {} that the mapping does not name: {}", counted(all.readings, "reading"),
                    counted(all.streams.size(), "stream", csv::readings::LeftOut::most_streams), first_ids(all)));
  return lines;
}

int Summary::exit_code() const noexcept {
  if (failure && !begun) return 2;
  if (failure || count(FileState::Failed) > 0) return 1;
  const auto any = [&](etl::Outcome outcome) {
    return std::ranges::any_of(files, [&](const FileResult& file) { return file.report.outcome == outcome; });
  };
  if (any(etl::Outcome::DrainTimeout)) return 5;
  if (count(FileState::Stopped) + count(FileState::NotRun) > 0) return 4;
  const bool before = std::ranges::any_of(files, [](const FileResult& file) {  // by the run that this one has resumed
    return file.state == FileState::Loaded && file.rejected_before > 0;
  });
  return before || rows().rejected > 0 ? 3 : 0;
}

std::string Summary::text(bool with_stages) const {
  const etl::ItemLedger all = rows();
  std::string out =
      fmt::format("{} {} in {:.2f} s", grouped(files.size()), files.size() == 1 ? "file" : "files", seconds(elapsed));
  std::string states;
  for (const FileState state : {FileState::Loaded, FileState::Already, FileState::Failed, FileState::Stopped,
                                FileState::Waits, FileState::NotRun})
    if (const std::size_t n = count(state); n > 0)
      states += fmt::format("{}{} {}", states.empty() ? ": " : ", ", grouped(n),
                            dry_run && state == FileState::Loaded ? "read" : to_string(state));
  out += states;
  out += fmt::format("\n{}: {} {}, {} rejected", counted(whole(), "row"), grouped(all.loaded - dropped()),
                     dry_run ? "good" : "loaded", grouped(all.rejected));
  if (dropped() > 0)
    out += fmt::format(", {} not kept by the database (a trigger, a rule, or --on-conflict)", grouped(dropped()));
  if (loaded_before() > 0) out += fmt::format(", {} loaded by an earlier run", grouped(loaded_before()));
  if (all.abandoned > 0) out += fmt::format(", {} abandoned", grouped(all.abandoned));
  out += fmt::format("; {} rows/s; {} bytes read", grouped(static_cast<std::uint64_t>(rate(all, elapsed))),
                     grouped(bytes()));
  const Stages time = stages(files);
  if (with_stages)
    out += fmt::format("\nglob {:.2f} s; on all threads: read {:.2f} s, decode {:.2f} s, load {:.2f} s", seconds(glob),
                       seconds(time.extract), seconds(time.transform), seconds(time.load));
  if (with_stages && check.count() > 0) out += fmt::format("; checks {:.2f} s", seconds(check));
  if (with_stages && merge.count() > 0) out += fmt::format("; merge {:.2f} s", seconds(merge));
  if (const std::uint64_t before = rejected_before(); before > 0)
    out += fmt::format("\n{} rejected by earlier loads: --rejects FILE lists them{}", grouped(before),
                       count(FileState::Already) > 0 ? "; after their cause is corrected, --restart loads them (with "
                                                       "--on-conflict ignore if the table has a key)"
                                                     : "");
  if (!emptied.empty()) out += "\n" + empty_table();
  for (const Widened& one : widened) out += "\n" + program::text(one);
  for (const std::string& script : skipped_merges)
    out += fmt::format("\n{} was not run again, because no rows were added since it ran", script);
  for (const std::string& line : left_out()) out += fmt::format("\n{}", line);
  for (const FileResult& file : files)
    if (file.error) out += fmt::format("\n{}: {}", to_string(file.state), file.problem());
  if (failure) out += fmt::format("\nfailed: {}", failure->message());
  for (const std::string& line : {waiting(), stopped()})
    if (!line.empty()) out += "\n" + line;
  return out;
}

std::string Summary::empty_table() const {
  return fmt::format("the table {} is empty, though files were loaded into it before: --restart loads them again",
                     emptied);
}

std::string Summary::names(std::initializer_list<FileState> states) const {
  constexpr std::size_t most = 5;
  std::vector<std::string_view> first;
  std::size_t all = 0;
  for (const FileResult& file : files) {
    if (std::ranges::find(states, file.state) == states.end()) continue;
    if (++all <= most) first.push_back(file.path);
  }
  return fmt::format("{}{}", fmt::join(first, ", "), all > most ? fmt::format(" and {} more", all - most) : "");
}

std::string Summary::waiting() const {
  const std::string which = names({FileState::Waits});
  if (which.empty()) return {};
  return fmt::format(
      "not begun: {}; with --on-conflict the order of the files counts, and a file has failed: correct it and "
      "repeat the command",
      which);
}

std::string Summary::stopped() const {
  const std::string which = names({FileState::Stopped, FileState::NotRun});
  if (which.empty()) return {};
  const bool pipe = std::ranges::any_of(files, [](const FileResult& file) {
    return file.is_pipe && (file.state == FileState::Stopped || file.state == FileState::NotRun);
  });
  return fmt::format(
      "stopped by a signal; not finished: {}; {}", which,
      pipe ? "the same command resumes files; standard input and pipes cannot be resumed, and rows that were "
             "read from them and not loaded are lost"
           : "the same command resumes them");
}

std::string Summary::json() const {
  const etl::ItemLedger all = rows();
  const Stages time = stages(files);
  std::vector<std::string> skipped;
  for (const std::string& script : skipped_merges) skipped.push_back(etl::json_string(script));
  std::vector<std::string> wider;
  for (const Widened& one : widened)
    wider.push_back(fmt::format(R"({{"column":{},"from":"{}","to":"{}","file":{}}})", etl::json_string(one.column),
                                csv::to_string(one.from), csv::to_string(one.to), etl::json_string(one.file)));
  std::string out = fmt::format(
      R"({{"files":{},"loaded_files":{},"loaded_before":{},"failed_files":{},"rows":{{"read":{},"loaded":{},"dropped":{},"rejected":{},)"
      R"("rejected_by_earlier_loads":{},"loaded_by_earlier_run":{},"abandoned":{}}},"rows_per_second":{:.0f},"bytes":{},"bytes_per_second":{:.0f},"seconds":{{"elapsed":{:.6f},"glob":{:.6f},)"
      R"("read":{:.6f},"decode":{:.6f},"load":{:.6f},"check":{:.6f},"merge":{:.6f}}},"skipped_merges":[{}],"widened":[{}],"failure":{},"failure_code":{},"results":[)",
      files.size(), count(FileState::Loaded), count(FileState::Already), count(FileState::Failed), whole(),
      all.loaded - dropped(), dropped(), all.rejected, rejected_before(), loaded_before(), all.abandoned,
      rate(all, elapsed), bytes(), seconds(elapsed) > 0 ? static_cast<double>(bytes()) / seconds(elapsed) : 0.0,
      seconds(elapsed), seconds(glob), seconds(time.extract), seconds(time.transform), seconds(time.load),
      seconds(check), seconds(merge), fmt::join(skipped, ","), fmt::join(wider, ","),
      failure ? etl::json_string(failure->message()) : "null",
      failure ? etl::json_string(failure->code.message()) : "null");
  for (const FileResult& file : files)
    fmt::format_to(
        std::back_inserter(out),
        R"({}{{"path":{},"state":{},"rows":{},"loaded":{},"dropped":{},"rejected":{},"rejected_by_earlier_loads":{},"loaded_by_earlier_run":{},"bytes":{},"mapping_index":{},"left_out":{},"seconds":{:.6f},"error":{}}})",
        &file == files.data() ? "" : ",", etl::json_string(file.path), etl::json_string(to_string(file.state)),
        rows_in_all(file), file.report.items.loaded - file.dropped, file.dropped, file.report.items.rejected,
        file.rejected_before, file.loaded_before, file.bytes,
        file.mapping_index ? fmt::format("{}", *file.mapping_index) : "null", program::json(file.left_out),
        seconds(file.report.elapsed), file.error ? etl::json_string(file.problem()) : "null");
  return out += "]}";
}

}  // namespace program
