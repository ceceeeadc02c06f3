#pragma once
/// The compiled part of reports: their text and JSON.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/run/report_text.hpp>
#include <etl/error.hpp>
#include <etl/observe/histogram.hpp>
#include <etl/observe/terminal.hpp>
#include <etl/report.hpp>
#include <etl/text.hpp>

namespace etl::inline v0 {
namespace detail {

inline void append_stage(std::string& out, std::string_view name, const StageTimes& t) {
  if (t.count == 0) return;
  out += fmt::format("\n  {:<13}{:>15}{:>11}{:>11}{:>11}{:>11}", name, human(t.total), human(t.p50), human(t.p95),
                     human(t.p99), human(t.max));
}

[[nodiscard]] inline std::string json_of(const StageTimes& t) {
  return fmt::format(R"({{"count":{},"total":{:.9f},"p50":{:.9f},"p95":{:.9f},"p99":{:.9f},"max":{:.9f}}})", t.count,
                     seconds(t.total), seconds(t.p50), seconds(t.p95), seconds(t.p99), seconds(t.max));
}

[[nodiscard]] inline std::string json_of(const ErrorRecord& e) {
  std::string out = fmt::format(R"({{"pipeline":{},"stage":"{}","rejected":{},"class":"{}","code":{},"message":{})",
                                json_string(e.pipeline), to_string(e.stage), e.rejected, to_string(e.error.error_class),
                                json_string(fmt::format("{}:{}", e.error.code.category().name(), e.error.code.value())),
                                json_string(e.error.message()));
  if (e.in_batch)
    out += fmt::format(R"(,"batch":{},"partition":{},"first_seq":{},"last_seq":{})", e.batch, e.partition, e.first_seq,
                       e.last_seq);
  return out += '}';
}

}  // namespace detail

ETLPIPE_COMPILED std::string_view to_string(Outcome o) noexcept {
  switch (o) {
    case Outcome::Inconsistent: return "Inconsistent";
    case Outcome::Failed: return "Failed";
    case Outcome::DrainTimeout: return "DrainTimeout";
    case Outcome::Cancelled: return "Cancelled";
    case Outcome::CompletedWithRejects: return "CompletedWithRejects";
    case Outcome::Completed: return "Completed";
    case Outcome::NotRun: break;
  }
  return "NotRun";
}

ETLPIPE_COMPILED StageTimes::StageTimes(const Histogram& h)
    : count(h.count()),
      total(h.total()),
      p50(h.quantile(0.50)),
      p95(h.quantile(0.95)),
      p99(h.quantile(0.99)),
      max(h.max()) {}

ETLPIPE_COMPILED void detail::insert_error(std::vector<ErrorRecord>& errors, ErrorRecord record,
                                           bool decides) noexcept {
  const auto place = decides           ? errors.begin()
                     : record.rejected ? errors.end()
                                       : std::ranges::find_if(errors, &ErrorRecord::rejected);
  if (place - errors.begin() == RunReport::max_errors) return;
  static_cast<void>(guarded([&]() -> std::optional<Error> {  // no memory: the error is only counted
    errors.insert(place, std::move(record));
    return std::nullopt;
  }));
  if (errors.size() > RunReport::max_errors) errors.pop_back();
}
ETLPIPE_COMPILED void RunReport::add_error(ErrorRecord record, bool decides) noexcept {
  ++error_count;
  detail::insert_error(errors, std::move(record), decides);
}

ETLPIPE_COMPILED int RunReport::exit_code() const noexcept {
  switch (outcome) {
    case Outcome::Completed: return 0;
    case Outcome::Failed: {
      const bool configure = !errors.empty() && errors.front().stage == Stage::Configure;
      return configure && errors.front().error.code == Errc::InvalidOptions ? 2 : 1;
    }
    case Outcome::CompletedWithRejects: return 3;
    case Outcome::Cancelled: return 4;
    case Outcome::DrainTimeout: return 5;
    case Outcome::Inconsistent: return 6;
    case Outcome::NotRun: break;
  }
  return 7;
}

ETLPIPE_COMPILED double RunReport::items_per_second() const noexcept {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  return seconds > 0 ? static_cast<double>(items.extracted) / seconds : 0;
}

ETLPIPE_COMPILED void RunReport::throw_if_failed() const {
  if (ok()) return;
  Error error = errors.empty() ? Error{.context = reason} : errors.front().error;
  error.context = pipeline + (pipeline.empty() ? "" : ": ") + std::string(to_string(outcome)) +
                  (errors.empty() ? (reason.empty() ? "" : ": " + reason) : ": " + errors.front().text());
  error.cause = nullptr;
  throw Exception(std::move(error));
}

ETLPIPE_COMPILED std::string ErrorRecord::text() const {
  std::string out(to_string(stage));
  if (in_batch) {
    out += fmt::format(", batch {}, ", batch);
    if (partition != 0) out += fmt::format("partition {}, ", partition);
    if (first_seq == last_seq)
      out += fmt::format("item {}", first_seq);
    else
      out += fmt::format("items {}-{}", first_seq, last_seq);
  } else if (stage == Stage::Extract) {
    out += fmt::format(", partition {}, after {} items", partition, first_seq);
  }
  return out.append(rejected || error.error_class == ErrorClass::Rejected ? ", rejected: " : ": ")
      .append(error.message());
}

namespace detail {

/// A rate as the progress line shows it.
[[nodiscard]] inline std::string rate(double per_second) {
  return per_second < 100 ? fmt::format("{:.3g}", per_second)
                          : grouped(static_cast<std::uint64_t>(std::llround(std::min(per_second, 9e18))));
}

[[nodiscard]] inline std::string_view colour_of(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::Completed: return "\x1b[32m";
    case Outcome::Failed:
    case Outcome::Inconsistent: return "\x1b[31m";
    case Outcome::CompletedWithRejects:
    case Outcome::Cancelled:
    case Outcome::DrainTimeout:
    case Outcome::NotRun: break;
  }
  return "\x1b[33m";
}

}  // namespace detail

ETLPIPE_COMPILED ReportStyle ReportStyle::of(std::FILE* stream, bool verbose) noexcept {
  ReportStyle style{.verbose = verbose};
  style.colour = is_terminal(stream) && escapes_allowed();
  return style;
}

ETLPIPE_COMPILED void RunReport::append_summary(std::string& out) const {
  using detail::grouped;
  out += fmt::format("\n  {} loaded", grouped(items.loaded));
  const auto add = [&out](std::uint64_t n, std::string_view what) {
    if (n != 0) out += fmt::format(", {} {}", grouped(n), what);
  };
  const std::uint64_t refused = std::min(refused_pushes, items.abandoned);
  add(items.rejected, "rejected");
  add(items.filtered, "filtered");
  add(items.skipped, "loaded by an earlier run");
  add(items.abandoned - refused, "abandoned");
  add(results.in_doubt, results.in_doubt == 1 ? "result in doubt" : "results in doubt");
  out += fmt::format("; {} items/s", detail::rate(items_per_second()));
  if (refused > 0)
    out += fmt::format("\n  {} {} refused, because the run was ending: the caller of push still has the {}",
                       grouped(refused), refused == 1 ? "push was" : "pushes were", refused == 1 ? "item" : "items");
  if (items.rejected > 0 && !rejects_at.empty()) out += fmt::format("\n  rejected items are {}", rejects_at);
  if (earlier_rejects.value_or(0) > 0)
    out += fmt::format("\n  {} rejected by earlier runs are set aside, too; they are not in this run's budget",
                       grouped(*earlier_rejects));
}

ETLPIPE_COMPILED void RunReport::append_figures(std::string& out) const {
  using detail::grouped;
  out += fmt::format("\n  items    {} extracted = {} loaded", grouped(items.extracted), grouped(items.loaded));
  const auto add = [&out](std::uint64_t n, std::string_view what) {
    if (n != 0) out += fmt::format(" + {} {}", grouped(n), what);
  };
  add(items.filtered, "filtered");
  add(items.rejected, "rejected");
  add(items.skipped, "skipped");
  add(items.abandoned, "abandoned");
  out += fmt::format("\n  results  {} produced = {} committed", grouped(results.produced), grouped(results.committed));
  add(results.rejected, "rejected");
  add(results.abandoned, "abandoned");
  add(results.in_doubt, "in doubt");
  out += fmt::format("\n  batches  {} flushed:", grouped(flushes.total()));
  std::string_view comma;
  const auto flush = [&out, &comma](std::uint64_t n, std::string_view why) {
    if (n == 0) return;
    out += fmt::format("{} {} by {}", comma, grouped(n), why);
    comma = ",";
  };
  flush(flushes.size, "size");
  flush(flushes.bytes, "bytes");
  flush(flushes.timeout, "timeout");
  flush(flushes.source, "end of source");
  flush(flushes.close, "close");
  if (flushes.total() == 0) out += " none";
  out += fmt::format("; {} run inline; queue at most {} deep", grouped(inline_batches), max_queue_depth);
  if (batch_sizes.count > 0)
    out += fmt::format("\n  in one   {:.1f} items on average, p50 {}, p95 {}, at most {}", batch_sizes.mean,
                       grouped(batch_sizes.p50), grouped(batch_sizes.p95), grouped(batch_sizes.max));
  if (pre_process.count + extract.count + queue.count + transform.count + load.count + post_process.count == 0) return;
  out += fmt::format("\n  {:<13}{:>15}{:>11}{:>11}{:>11}{:>11}", "stage", "sum of threads", "p50", "p95", "p99", "max");
  detail::append_stage(out, "pre_process", pre_process);
  detail::append_stage(out, "extract", extract);
  detail::append_stage(out, "queue", queue);
  detail::append_stage(out, "transform", transform);
  detail::append_stage(out, "load", load);
  detail::append_stage(out, "post_process", post_process);
}

/// Appends the errors. Rejected items have their own list.
ETLPIPE_COMPILED void RunReport::append_errors(std::string& out, const ReportStyle& style) const {
  const std::size_t most = style.verbose ? max_errors : 5;
  const auto list = [&](bool rejects, std::string_view heading) {
    std::size_t shown = 0;
    std::size_t more = 0;
    for (const ErrorRecord& e : errors) {
      if (e.rejected != rejects) continue;
      if (shown == most) {
        ++more;
        continue;
      }
      if (shown++ == 0) out += fmt::format("\n  {}:", heading);
      out += fmt::format("\n    {}", e.text());
    }
    if (more > 0) out += "\n    ...";
  };
  list(false, "errors");
  list(true, "rejected, the first ones");
  if (error_count > errors.size())
    out += fmt::format("\n  {} rejects and errors in all, of which the report has the first {}",
                       detail::grouped(error_count), errors.size());
}

ETLPIPE_COMPILED std::string RunReport::text(const ReportStyle& style) const {
  std::string out;
  out += fmt::format("{}{}{}{}{}", pipeline, pipeline.empty() ? "" : ": ",
                     style.colour ? detail::colour_of(outcome) : "", to_string(outcome), style.colour ? "\x1b[0m" : "");
  if (outcome == Outcome::NotRun) return out + (reason.empty() ? "" : " (" + reason + ")");
  out += fmt::format("{} in {}", resumed ? ", resumed," : "", detail::human(elapsed));
  const bool any = items.extracted > 0 || flushes.total() > 0 || extract.count > 0 || earlier_rejects.value_or(0) > 0;
  if (any) append_summary(out);
  append_errors(out, style);
  if (!missing_partitions.empty()) {
    const std::span<const std::string> missing(missing_partitions);
    out += fmt::format("\n  missing  {} of the earlier run's partitions: {}{}", missing.size(),
                       detail::joined(missing.first(std::min<std::size_t>(5, missing.size()))),
                       missing.size() > 5 ? ", ..." : "");
  }
  if (any && style.verbose) append_figures(out);
  if (!next_step.empty()) out += fmt::format("\n  next: {}", next_step);
  return out;
}

ETLPIPE_COMPILED std::string RunReport::json() const {
  std::string out;
  out += fmt::format(
      R"({{"pipeline":{},"run":{},"resumed":{},"outcome":"{}","exit_code":{},"elapsed":{:.9f},"items_per_second":{:.3f})",
      json_string(pipeline), json_string(run), resumed, to_string(outcome), exit_code(), detail::seconds(elapsed),
      items_per_second());
  out +=
      fmt::format(R"(,"items":{{"extracted":{},"loaded":{},"filtered":{},"rejected":{},"skipped":{},"abandoned":{}}})",
                  items.extracted, items.loaded, items.filtered, items.rejected, items.skipped, items.abandoned);
  out += fmt::format(R"(,"results":{{"produced":{},"committed":{},"rejected":{},"abandoned":{},"in_doubt":{}}})",
                     results.produced, results.committed, results.rejected, results.abandoned, results.in_doubt);
  out += fmt::format(R"(,"flushes":{{"size":{},"bytes":{},"timeout":{},"source":{},"close":{}}})", flushes.size,
                     flushes.bytes, flushes.timeout, flushes.source, flushes.close);
  out += fmt::format(R"(,"inline_batches":{},"max_queue_depth":{},"refused_pushes":{})", inline_batches,
                     max_queue_depth, refused_pushes);
  out += fmt::format(R"(,"batch_sizes":{{"count":{},"mean":{:.3f},"p50":{},"p95":{},"max":{}}})", batch_sizes.count,
                     batch_sizes.mean, batch_sizes.p50, batch_sizes.p95, batch_sizes.max);
  if (earlier_rejects) out += fmt::format(R"(,"earlier_rejects":{})", *earlier_rejects);
  out += fmt::format(R"(,"rejects_at":{},"next_step":{})", json_string(rejects_at), json_string(next_step));
  out +=
      fmt::format(R"(,"times":{{"pre_process":{},"extract":{},"queue":{},"transform":{},"load":{},"post_process":{}}})",
                  detail::json_of(pre_process), detail::json_of(extract), detail::json_of(queue),
                  detail::json_of(transform), detail::json_of(load), detail::json_of(post_process));
  out += R"(,"missing_partitions":[)";
  for (std::size_t i = 0; i < missing_partitions.size(); ++i)
    out.append(i == 0 ? "" : ",").append(json_string(missing_partitions[i]));
  out += fmt::format(R"(],"reason":{},"error_count":{},"errors":[)", json_string(reason), error_count);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (i != 0) out += ',';
    out += detail::json_of(errors[i]);
  }
  return out += "]}";
}

}  // namespace etl::inline v0
