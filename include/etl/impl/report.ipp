#pragma once
/// The compiled part of reports: their text and JSON.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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
  fmt::format_to(std::back_inserter(out), "\n  {:<13}{:>10}{:>11}{:>11}{:>11}{:>11}", name, human(t.total),
                 human(t.p50), human(t.p95), human(t.p99), human(t.max));
}

[[nodiscard]] inline std::string json_of(const StageTimes& t) {
  return fmt::format(R"({{"count":{},"total":{:.9f},"p50":{:.9f},"p95":{:.9f},"p99":{:.9f},"max":{:.9f}}})", t.count,
                     seconds(t.total), seconds(t.p50), seconds(t.p95), seconds(t.p99), seconds(t.max));
}

[[nodiscard]] inline std::string json_of(const ErrorRecord& e) {
  std::string out = fmt::format(R"({{"pipeline":{},"stage":"{}","class":"{}","code":{},"message":{})",
                                json_string(e.pipeline), to_string(e.stage), to_string(e.error.error_class),
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
  return out.append(error.error_class == ErrorClass::Rejected ? ", rejected: " : ": ").append(error.message());
}

ETLPIPE_COMPILED void RunReport::append_ledgers(std::string& out) const {
  using detail::grouped;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, ", {} items/s", detail::metric(items_per_second()));
  fmt::format_to(to, "\n  items    {} extracted = {} loaded", grouped(items.extracted), grouped(items.loaded));
  const auto add = [&to](std::uint64_t n, std::string_view what) {
    if (n != 0) fmt::format_to(to, " + {} {}", grouped(n), what);
  };
  add(items.filtered, "filtered");
  add(items.rejected, "rejected");
  add(items.replayed, "replayed");
  add(items.abandoned, "abandoned");
  if (earlier_rejects.value_or(0) > 0)
    fmt::format_to(to, "\n           and {} rejected by earlier runs, which are not in this run's budget",
                   grouped(*earlier_rejects));
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
}

ETLPIPE_COMPILED std::string RunReport::text() const {
  using detail::grouped;
  std::string out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{}{}{}", pipeline, pipeline.empty() ? "" : ": ", to_string(outcome));
  if (outcome == Outcome::NotRun) return out + (reason.empty() ? "" : " (" + reason + ")");
  fmt::format_to(to, "{} in {}", resumed ? ", resumed," : "", detail::human(elapsed));
  if (items.extracted > 0 || flushes.total() > 0 || extract.count > 0) append_ledgers(out);
  if (pre_process.count + extract.count + post_process.count > 0)
    fmt::format_to(to, "\n  {:<13}{:>10}{:>11}{:>11}{:>11}{:>11}", "stage", "total", "p50", "p95", "p99", "max");
  detail::append_stage(out, "pre_process", pre_process);
  detail::append_stage(out, "extract", extract);
  detail::append_stage(out, "queue", queue);
  detail::append_stage(out, "transform", transform);
  detail::append_stage(out, "load", load);
  detail::append_stage(out, "post_process", post_process);
  if (!missing_partitions.empty()) {
    fmt::format_to(
        to, "\n  missing  {} of the earlier run's partitions: {}", missing_partitions.size(),
        fmt::join(missing_partitions.begin(),
                  missing_partitions.begin() + std::min<std::ptrdiff_t>(5, std::ssize(missing_partitions)), ", "));
    if (missing_partitions.size() > 5) out += ", ...";
  }
  if (error_count > errors.size())
    fmt::format_to(to, "\n  errors   {}, of which the first {}:", grouped(error_count), errors.size());
  else if (error_count > 0)
    fmt::format_to(to, "\n  errors   {}:", error_count);
  for (const ErrorRecord& e : errors) fmt::format_to(to, "\n    {}", e.text());
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
  fmt::format_to(to, R"(,"inline_batches":{},"max_queue_depth":{})", inline_batches, max_queue_depth);
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
