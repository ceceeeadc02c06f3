#pragma once
/// RunReport as text and JSON.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/report.hpp>

namespace etl::inline v0 {
namespace detail {

/// 1234567 -> "1,234,567".
[[nodiscard]] inline std::string grouped(std::uint64_t n) {
  std::string digits = fmt::format("{}", n);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

/// A duration with three significant digits and a fitting unit.
[[nodiscard]] inline std::string human(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<double>(duration.count());
  if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.3g} us", ns / 1e3);
  if (ns < 1e9) return fmt::format("{:.3g} ms", ns / 1e6);
  if (ns < 100e9) return fmt::format("{:.3g} s", ns / 1e9);
  return fmt::format("{:.0f} s", ns / 1e9);
}

/// A number with three significant digits and a metric suffix: 1.23 M.
[[nodiscard]] inline std::string metric(double n) {
  if (n < 1e3) return fmt::format("{:.3g}", n);
  if (n < 1e6) return fmt::format("{:.3g} k", n / 1e3);
  if (n < 1e9) return fmt::format("{:.3g} M", n / 1e6);
  return fmt::format("{:.3g} G", n / 1e9);
}

/// Bytes of the UTF-8 character that `text` begins with; 0: it begins with none (Unicode, table 3-7).
[[nodiscard]] constexpr std::size_t utf8_size(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;   // or it could be written shorter
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;  // no surrogate, none above U+10FFFF
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return size;
}

/// A JSON string literal (RFC 8259 section 7). A byte that is not of UTF-8 becomes U+FFFD.
[[nodiscard]] inline std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t size = utf8_size(text);
    if (c == '"' || c == '\\')
      out.append(1, '\\').append(1, c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += size == 0 ? "\xEF\xBF\xBD" : text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out += '"';
}

inline void append_stage(std::string& out, std::string_view name, const StageTimes& t) {
  if (t.count == 0) return;
  fmt::format_to(std::back_inserter(out), "\n  {:<13}{:>10}{:>11}{:>11}{:>11}{:>11}", name, human(t.total),
                 human(t.p50), human(t.p95), human(t.p99), human(t.max));
}

[[nodiscard]] inline double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

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

inline std::string ErrorRecord::text() const {
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

inline void RunReport::append_ledgers(std::string& out) const {
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

inline std::string RunReport::text() const {
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

inline std::string RunReport::json() const {
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
