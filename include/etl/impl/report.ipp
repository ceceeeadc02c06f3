#pragma once
/// The compiled part of reports: their text and JSON.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/run/report_text.hpp>
#include <etl/error.hpp>
#include <etl/observe/histogram.hpp>
#include <etl/report.hpp>

namespace etl::inline v0 {
namespace detail {

inline void append_stage(std::string& out, std::string_view name, const StageTimes& t) {
  if (t.count == 0) return;
  fmt::format_to(std::back_inserter(out), "\n  {:<13}{:>15}{:>11}{:>11}{:>11}{:>11}", name, human(t.total),
                 human(t.p50), human(t.p95), human(t.p99), human(t.max));
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
    fmt::format_to(std::back_inserter(out), R"(,"batch":{},"partition":{},"first_seq":{},"last_seq":{})", e.batch,
                   e.partition, e.first_seq, e.last_seq);
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

ETLPIPE_COMPILED void RunReport::add_error(ErrorRecord record) noexcept {
  ++error_count;
  if (errors.size() >= max_errors) return;
  static_cast<void>(detail::guarded([&]() -> std::optional<Error> {  // no memory: it is counted
    errors.push_back(std::move(record));
    return std::nullopt;
  }));
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
    fmt::format_to(std::back_inserter(out), ", batch {}, ", batch);
    if (partition != 0) fmt::format_to(std::back_inserter(out), "partition {}, ", partition);
    if (first_seq == last_seq)
      fmt::format_to(std::back_inserter(out), "item {}", first_seq);
    else
      fmt::format_to(std::back_inserter(out), "items {}-{}", first_seq, last_seq);
  } else if (stage == Stage::Extract) {
    fmt::format_to(std::back_inserter(out), ", partition {}, after {} items", partition, first_seq);
  }
  return out.append(rejected || error.error_class == ErrorClass::Rejected ? ", rejected: " : ": ")
      .append(error.message());
}

namespace detail {

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
#if defined(__unix__) || defined(__APPLE__)
  const char* const none = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): nobody changes it meanwhile
  const char* const term = std::getenv("TERM");      // NOLINT(concurrency-mt-unsafe)
  const bool wanted = (none == nullptr || *none == '\0') && term != nullptr && std::string_view(term) != "dumb";
  style.colour = wanted && stream != nullptr && ::isatty(::fileno(stream)) == 1;
#else
  static_cast<void>(stream);
#endif
  return style;
}

ETLPIPE_COMPILED void RunReport::append_summary(std::string& out) const {
  using detail::grouped;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "\n  {} loaded", grouped(items.loaded));
  const auto add = [&to](std::uint64_t n, std::string_view what) {
    if (n != 0) fmt::format_to(to, ", {} {}", grouped(n), what);
  };
  const std::uint64_t refused = std::min(refused_pushes, items.abandoned);
  add(items.rejected, "rejected");
  add(items.filtered, "filtered");
  add(items.replayed, "loaded by an earlier run");
  add(items.abandoned - refused, "abandoned");
  add(results.in_doubt, results.in_doubt == 1 ? "result in doubt" : "results in doubt");
  fmt::format_to(to, "; {} items/s", detail::metric(items_per_second()));
  if (refused > 0)
    fmt::format_to(to, "\n  {} {} refused, since the run was ending: whoever pushed still has the {}", grouped(refused),
                   refused == 1 ? "push was" : "pushes were", refused == 1 ? "item" : "items");
  if (items.rejected > 0 && !rejects_at.empty()) fmt::format_to(to, "\n  rejected items are {}", rejects_at);
  if (earlier_rejects.value_or(0) > 0)
    fmt::format_to(to, "\n  {} rejected by earlier runs are set aside, too; they are not in this run's budget",
                   grouped(*earlier_rejects));
}

ETLPIPE_COMPILED void RunReport::append_figures(std::string& out) const {
  using detail::grouped;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "\n  items    {} extracted = {} loaded", grouped(items.extracted), grouped(items.loaded));
  const auto add = [&to](std::uint64_t n, std::string_view what) {
    if (n != 0) fmt::format_to(to, " + {} {}", grouped(n), what);
  };
  add(items.filtered, "filtered");
  add(items.rejected, "rejected");
  add(items.replayed, "replayed");
  add(items.abandoned, "abandoned");
  fmt::format_to(to, "\n  results  {} produced = {} committed", grouped(results.produced), grouped(results.committed));
  add(results.rejected, "rejected");
  add(results.abandoned, "abandoned");
  add(results.in_doubt, "in doubt");
  fmt::format_to(to, "\n  batches  {} flushed:", grouped(flushes.total()));
  std::string_view comma;
  const auto flush = [&to, &comma](std::uint64_t n, std::string_view why) {
    if (n == 0) return;
    fmt::format_to(to, "{} {} by {}", comma, grouped(n), why);
    comma = ",";
  };
  flush(flushes.size, "size");
  flush(flushes.bytes, "bytes");
  flush(flushes.timeout, "timeout");
  flush(flushes.source, "end of source");
  flush(flushes.close, "close");
  if (flushes.total() == 0) out += " none";
  fmt::format_to(to, "; {} run inline; queue at most {} deep", grouped(inline_batches), max_queue_depth);
  if (batch_sizes.count > 0)
    fmt::format_to(to, "\n  in one   {:.1f} items on average, p50 {}, p95 {}, at most {}", batch_sizes.mean,
                   grouped(batch_sizes.p50), grouped(batch_sizes.p95), grouped(batch_sizes.max));
  if (pre_process.count + extract.count + queue.count + transform.count + load.count + post_process.count == 0) return;
  fmt::format_to(to, "\n  {:<13}{:>15}{:>11}{:>11}{:>11}{:>11}", "stage", "sum of threads", "p50", "p95", "p99", "max");
  detail::append_stage(out, "pre_process", pre_process);
  detail::append_stage(out, "extract", extract);
  detail::append_stage(out, "queue", queue);
  detail::append_stage(out, "transform", transform);
  detail::append_stage(out, "load", load);
  detail::append_stage(out, "post_process", post_process);
}

/// Rejects are no errors: they have a list of their own.
ETLPIPE_COMPILED void RunReport::append_errors(std::string& out, const ReportStyle& style) const {
  const auto to = std::back_inserter(out);
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
      if (shown++ == 0) fmt::format_to(to, "\n  {}:", heading);
      fmt::format_to(to, "\n    {}", e.text());
    }
    if (more > 0) out += "\n    ...";
  };
  list(false, "errors");
  list(true, "rejected, the first ones");
  if (error_count > errors.size())
    fmt::format_to(to, "\n  {} rejects and errors in all, of which the report has the first {}",
                   detail::grouped(error_count), errors.size());
}

ETLPIPE_COMPILED std::string RunReport::text(const ReportStyle& style) const {
  std::string out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{}{}{}{}{}", pipeline, pipeline.empty() ? "" : ": ",
                 style.colour ? detail::colour_of(outcome) : "", to_string(outcome), style.colour ? "\x1b[0m" : "");
  if (outcome == Outcome::NotRun) return out + (reason.empty() ? "" : " (" + reason + ")");
  fmt::format_to(to, "{} in {}", resumed ? ", resumed," : "", detail::human(elapsed));
  const bool any = items.extracted > 0 || flushes.total() > 0 || extract.count > 0;
  if (any) append_summary(out);
  append_errors(out, style);
  if (!missing_partitions.empty()) {
    fmt::format_to(
        to, "\n  missing  {} of the earlier run's partitions: {}", missing_partitions.size(),
        fmt::join(missing_partitions.begin(),
                  missing_partitions.begin() + std::min<std::ptrdiff_t>(5, std::ssize(missing_partitions)), ", "));
    if (missing_partitions.size() > 5) out += ", ...";
  }
  if (any && style.verbose) append_figures(out);
  if (!next_step.empty()) fmt::format_to(to, "\n  next: {}", next_step);
  return out;
}

ETLPIPE_COMPILED std::string RunReport::json() const {
  std::string out;
  const auto to = std::back_inserter(out);
  fmt::format_to(
      to,
      R"({{"pipeline":{},"run":{},"resumed":{},"outcome":"{}","exit_code":{},"elapsed":{:.9f},"items_per_second":{:.3f})",
      detail::json_string(pipeline), detail::json_string(run), resumed, to_string(outcome), exit_code(),
      detail::seconds(elapsed), items_per_second());
  fmt::format_to(to,
                 R"(,"items":{{"extracted":{},"loaded":{},"filtered":{},"rejected":{},"replayed":{},"abandoned":{}}})",
                 items.extracted, items.loaded, items.filtered, items.rejected, items.replayed, items.abandoned);
  fmt::format_to(to, R"(,"results":{{"produced":{},"committed":{},"rejected":{},"abandoned":{},"in_doubt":{}}})",
                 results.produced, results.committed, results.rejected, results.abandoned, results.in_doubt);
  fmt::format_to(to, R"(,"flushes":{{"size":{},"bytes":{},"timeout":{},"source":{},"close":{}}})", flushes.size,
                 flushes.bytes, flushes.timeout, flushes.source, flushes.close);
  fmt::format_to(to, R"(,"inline_batches":{},"max_queue_depth":{},"refused_pushes":{})", inline_batches,
                 max_queue_depth, refused_pushes);
  fmt::format_to(to, R"(,"batch_sizes":{{"count":{},"mean":{:.3f},"p50":{},"p95":{},"max":{}}})", batch_sizes.count,
                 batch_sizes.mean, batch_sizes.p50, batch_sizes.p95, batch_sizes.max);
  if (earlier_rejects) fmt::format_to(to, R"(,"earlier_rejects":{})", *earlier_rejects);
  fmt::format_to(to, R"(,"rejects_at":{},"next_step":{})", detail::json_string(rejects_at),
                 detail::json_string(next_step));
  fmt::format_to(to,
                 R"(,"times":{{"pre_process":{},"extract":{},"queue":{},"transform":{},"load":{},"post_process":{}}})",
                 detail::json_of(pre_process), detail::json_of(extract), detail::json_of(queue),
                 detail::json_of(transform), detail::json_of(load), detail::json_of(post_process));
  out += R"(,"missing_partitions":[)";
  for (std::size_t i = 0; i < missing_partitions.size(); ++i)
    out.append(i == 0 ? "" : ",").append(detail::json_string(missing_partitions[i]));
  fmt::format_to(to, R"(],"reason":{},"error_count":{},"errors":[)", detail::json_string(reason), error_count);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (i != 0) out += ',';
    out += detail::json_of(errors[i]);
  }
  return out += "]}";
}

}  // namespace etl::inline v0
