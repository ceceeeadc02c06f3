/// Numbers for people, tables, advice and CSV.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string_view>

#include <unistd.h>

#include <fmt/format.h>

#include <sweep/sweep.hpp>

namespace sweep {

std::string human(double number) {
  if (number == 0) return "0";
  const char* unit = "";
  for (const char* next : {"k", "M", "G"}) {
    if (std::abs(number) < 999.5) break;
    number /= 1000;
    unit = next;
  }
  const int decimals = std::abs(number) < 9.995 ? 2 : std::abs(number) < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}{}", number, decimals, *unit == '\0' ? "" : " ", unit);
}

std::string human(std::chrono::nanoseconds duration) {
  if (duration == etl::Options::never) return "never";
  const auto ns = static_cast<double>(duration.count());
  if (ns >= 1e9) return fmt::format("{:g} s", ns / 1e9);
  if (ns >= 1e6) return fmt::format("{:g} ms", ns / 1e6);
  return fmt::format("{:g} us", ns / 1e3);
}

std::string metric_name(Metric metric) {
  switch (metric) {
    case Metric::Throughput: return "items per second";
    case Metric::Cpu: return "CPU ns per item";
    case Metric::Latency: break;
  }
  return "latency p99";
}

std::string shown(double value, Metric metric) {
  if (metric != Metric::Latency) return human(value);
  const bool ms = value >= 999.5;
  const double number = ms ? value / 1000 : value;
  return fmt::format("{:.{}f} {}", number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0, ms ? "ms" : "us");
}

std::string describe(const Settings& settings) {
  const Workload& w = settings.workload;
  std::string text = "workload " + w.name;
  if (w.name == "user") return text + fmt::format(", {} items", settings.items);
  if (w.transform_ns > 0) text += fmt::format(", transform {:g} ns per item", w.transform_ns);
  if (w.load_us > 0) text += fmt::format(", load sleeps {:g} us per call", w.load_us);
  if (w.load_item_ns > 0) text += fmt::format(" + {:g} ns per item", w.load_item_ns);
  if (w.rate > 0) text += fmt::format(", source gives {:g} items/s", w.rate);
  return text;
}

std::string machine() {
  std::string model = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) {
      model = line.substr(std::min(line.find(':') + 2, line.size()));
      break;
    }
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  return fmt::format("{}, {} CPU{}", model, cpus, cpus == 1 ? "" : "s");
}

std::string plus_minus(double share) { return fmt::format("±{:.{}f} %", 100 * share, share < 0.0095 ? 1 : 0); }

const Cell& best(const std::vector<Cell>& cells, Metric metric) {
  const auto by_value = [metric](const Cell& cell) { return value(cell, metric); };
  return more_is_better(metric) ? *std::ranges::max_element(cells, {}, by_value)
                                : *std::ranges::min_element(cells, {}, by_value);
}

std::string tables(const Settings& settings, const std::vector<Cell>& cells) {
  const Cell& top = best(cells, settings.metric);
  std::string text;
  auto cell = cells.begin();
  const auto mark = [&](const Cell& one) {
    if (&one == &top) return '*';
    return share_of(value(top, settings.metric), value(one, settings.metric), settings.metric) >= nearly ? '+' : ' ';
  };
  for (const auto timeout : settings.timeouts) {
    text += fmt::format("{}, timeout {}\n{:>12}", metric_name(settings.metric), human(timeout), "workers");
    for (const std::size_t batch : settings.batch_sizes) text += fmt::format("{:>14}", fmt::format("batch {}", batch));
    text += '\n';
    for (const std::size_t workers : settings.workers) {
      text += fmt::format("{:>12}", workers);
      for (std::size_t i = 0; i < settings.batch_sizes.size(); ++i, ++cell)
        text += fmt::format("{:>13}{}", shown(value(*cell, settings.metric), settings.metric), mark(*cell));
      text += '\n';
    }
    text += '\n';
  }
  return text;
}

namespace {

std::string place(const Cell& cell) {
  return fmt::format("batch {}, {} worker{}, timeout {}", cell.batch_size, cell.workers, cell.workers == 1 ? "" : "s",
                     human(cell.timeout));
}

}  // namespace

/// The best, and the least that is nearly as good: fewer workers first, then smaller batches.
std::string advice(const Settings& settings, const std::vector<Cell>& cells) {
  const Metric metric = settings.metric;
  const Cell& top = best(cells, metric);
  const Cell* least = &top;
  for (const Cell& cell : cells) {
    const double share = share_of(value(top, metric), value(cell, metric), metric);
    const bool smaller =
        cell.workers != least->workers ? cell.workers < least->workers : cell.batch_size < least->batch_size;
    if (share >= nearly && smaller) least = &cell;
  }
  std::string text = fmt::format("best (*), + is within 5 % of it: {}: {} {}\n", place(top),
                                 shown(value(top, metric), metric), metric_name(metric));
  if (least != &top)
    text += fmt::format("least within 5 % of it: {}: {}\n", place(*least), shown(value(*least, metric), metric));
  if (settings.rounds > 1) {
    const auto unsteady = std::ranges::max_element(cells, {}, &Cell::spread);
    text += fmt::format("median of {} rounds, which differ by {} of the best and by {} at most ({})\n", settings.rounds,
                        plus_minus(top.spread), plus_minus(unsteady->spread), place(*unsteady));
  }
  return text + fmt::format("measured on {}\n", machine());
}

std::string csv(const std::vector<Cell>& cells) {
  std::string text =
      "batch_size,workers,timeout_ms,items_per_second,items_per_second_min,items_per_second_max,cpu_ns_per_item,"
      "latency_p50_us,latency_p99_us,items_per_load,timeout_flush_share,inline_batch_share\n";
  for (const Cell& c : cells) {
    const std::string timeout = c.timeout == etl::Options::never
                                    ? ""
                                    : fmt::format("{:g}", std::chrono::duration<double, std::milli>(c.timeout).count());
    text += fmt::format("{},{},{},{:.0f},{:.0f},{:.0f},{:.2f},{:.1f},{:.1f},{:.1f},{:.3f},{:.3f}\n", c.batch_size,
                        c.workers, timeout, c.items_per_second, c.slowest, c.fastest, c.cpu_ns, c.latency_p50_us,
                        c.latency_p99_us, c.items_per_load, c.timeout_flushes, c.inline_batches);
  }
  return text;
}

}  // namespace sweep
