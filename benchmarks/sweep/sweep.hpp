#pragma once
/// What a sweep is: settings to try, a workload, and what came out of each combination.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <etl/options.hpp>

namespace sweep {

enum class Metric : std::uint8_t {
  Throughput,  ///< items per second, more is better
  Cpu,         ///< CPU nanoseconds per item, less is better
  Latency,     ///< microseconds from extraction to load, 99th percentile, less is better
};

/// The synthetic workloads differ only in these numbers.
struct Workload {
  std::string name = "noop";
  double transform_ns = -1;  ///< arithmetic per item; negative: what suits the name
  double load_us = -1;       ///< sleep per load call
  double load_item_ns = -1;  ///< more sleep per item of the call
  double rate = 0;           ///< items per second of the source; 0: as fast as they are taken
};

struct Settings {
  Workload workload{};
  std::vector<std::size_t> batch_sizes{1, 10, 100, 1000, 10000};
  std::vector<std::size_t> workers{1, 2, 4, 8};
  std::vector<std::chrono::nanoseconds> timeouts{std::chrono::seconds(1)};
  Metric metric = Metric::Throughput;
  etl::Inline inline_batches = etl::Inline::Adaptive;
  int rounds = 3;
  std::chrono::milliseconds cell_time{200};  ///< how long a synthetic source goes on
  std::uint64_t items = 200'000;             ///< what a workload of the user's own extracts
  std::string title{};
  std::string csv{};
  std::string svg{};
  bool quiet = false;
};

/// One combination; numbers are medians of the rounds.
struct Cell {
  std::size_t batch_size = 0;
  std::size_t workers = 0;
  std::chrono::nanoseconds timeout{};
  double items_per_second = 0;
  double slowest = 0, fastest = 0;  ///< items per second of the worst and the best round
  double spread = 0;                ///< of the metric: half of the way from its least to its most, by its median
  double cpu_ns = 0;                ///< per item
  double latency_p50_us = 0;
  double latency_p99_us = 0;
  double items_per_load = 0;
  double timeout_flushes = 0;  ///< share of all flushes, 0 to 1
  double inline_batches = 0;   ///< share of all batches, 0 to 1
};

[[nodiscard]] inline double value(const Cell& cell, Metric metric) {
  switch (metric) {
    case Metric::Throughput: return cell.items_per_second;
    case Metric::Cpu: return cell.cpu_ns;
    case Metric::Latency: break;
  }
  return cell.latency_p99_us;
}
[[nodiscard]] inline bool more_is_better(Metric metric) { return metric == Metric::Throughput; }
/// How good a value is beside the best one: 1 is as good.
[[nodiscard]] inline double share_of(double top, double value, Metric metric) {
  if (value == top) return 1;
  return more_is_better(metric) ? value / top : top / value;
}
/// What is nearly as good as the best, and marked so.
inline constexpr double nearly = 0.95;

/// Reads the command line. Exits for --help and for what it cannot understand.
[[nodiscard]] Settings parse(int argc, char** argv);

/// Measures all combinations, timeouts outermost, then workers, then batch sizes. Throws when a run fails.
[[nodiscard]] std::vector<Cell> run(const Settings& settings);

[[nodiscard]] const Cell& best(const std::vector<Cell>& cells, Metric metric);

[[nodiscard]] std::string human(double number);  ///< three digits and k, M or G
[[nodiscard]] std::string human(std::chrono::nanoseconds duration);
[[nodiscard]] std::string describe(const Settings& settings);  ///< the workload in one line
[[nodiscard]] std::string machine();                           ///< "AMD EPYC 7B13, 2 CPUs"
[[nodiscard]] std::string plus_minus(double share);            ///< "±3 %"
[[nodiscard]] std::string metric_name(Metric metric);
[[nodiscard]] std::string shown(double value, Metric metric);  ///< with a unit where one is needed

[[nodiscard]] std::string tables(const Settings& settings, const std::vector<Cell>& cells);
[[nodiscard]] std::string advice(const Settings& settings, const std::vector<Cell>& cells);
[[nodiscard]] std::string csv(const std::vector<Cell>& cells);
[[nodiscard]] std::string heatmap(const Settings& settings, const std::vector<Cell>& cells);

}  // namespace sweep
