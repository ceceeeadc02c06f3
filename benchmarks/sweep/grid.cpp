/// Runs every combination, in a new random order per round.

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>
#include <stdexcept>

#include <etl/run.hpp>

#include <common/measure.hpp>
#include <sweep/sweep.hpp>
#include <sweep/synthetic.hpp>

#ifdef ETLPIPE_SWEEP_HEADER
#include ETLPIPE_SWEEP_HEADER
static_assert(etl::Pipeline<decltype(sweep_pipeline(std::uint64_t{1}))>,
              "sweep_pipeline(items) must return a pipeline, see benchmarks/sweep/example_workload.hpp");
#endif

namespace sweep {
namespace {

using Samples = std::vector<Cell>;

double median(const Samples& samples, double Cell::* field) {
  std::vector<double> values;
  for (const Cell& sample : samples) values.push_back(sample.*field);
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double part(std::uint64_t some, std::uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(some) / static_cast<double>(all);
}

template <class P>
Cell measure(P& pipeline, const Settings& settings, Cell cell) {
  const bench::Moment start = bench::Moment::now();
  const etl::RunReport report = etl::run(pipeline, {.batch_size = cell.batch_size,
                                                    .timeout = cell.timeout,
                                                    .workers = cell.workers,
                                                    .inline_batches = settings.inline_batches});
  const bench::Moment used = bench::Moment::now() - start;
  if (!report.ok()) throw std::runtime_error(report.text());
  const auto items = static_cast<double>(std::max<std::uint64_t>(1, report.items.extracted));
  cell.items_per_second = items / (static_cast<double>(used.wall) * 1e-9);
  cell.cpu_ns = static_cast<double>(used.cpu) / items;
  cell.items_per_load = part(report.items.extracted, report.load.count);
  cell.timeout_flushes = part(report.flushes.timeout, report.flushes.total());
  cell.inline_batches = part(report.inline_batches, report.flushes.total());
  return cell;
}

Cell measure(const Settings& settings, const Cell& cell) {
#ifdef ETLPIPE_SWEEP_HEADER
  if (settings.workload.name == "user") {
    auto pipeline = sweep_pipeline(settings.items);
    return measure(pipeline, settings, cell);
  }
#endif
  Synthetic pipeline(settings.workload, settings.cell_time, settings.metric == Metric::Latency);
  Cell sample = measure(pipeline, settings, cell);
  sample.latency_p50_us = std::chrono::duration<double, std::micro>(pipeline.latency().quantile(0.50)).count();
  sample.latency_p99_us = std::chrono::duration<double, std::micro>(pipeline.latency().quantile(0.99)).count();
  return sample;
}

Cell summary(Cell cell, const Samples& samples, Metric metric) {
  for (double Cell::* field : {&Cell::items_per_second, &Cell::cpu_ns, &Cell::latency_p50_us, &Cell::latency_p99_us,
                               &Cell::items_per_load, &Cell::timeout_flushes, &Cell::inline_batches})
    cell.*field = median(samples, field);
  const auto [low, high] = std::ranges::minmax(samples, {}, &Cell::items_per_second);
  cell.slowest = low.items_per_second;
  cell.fastest = high.items_per_second;
  const auto by_metric = [metric](const Cell& sample) { return value(sample, metric); };
  const auto [least, most] = std::ranges::minmax(samples, {}, by_metric);
  if (const double middle = value(cell, metric); middle > 0)
    cell.spread = (by_metric(most) - by_metric(least)) / middle / 2;
  return cell;
}

}  // namespace

std::vector<Cell> run(const Settings& settings) {
  std::vector<Cell> cells;
  for (const auto timeout : settings.timeouts)
    for (const std::size_t workers : settings.workers)
      for (const std::size_t batch_size : settings.batch_sizes)
        cells.push_back({.batch_size = batch_size, .workers = workers, .timeout = timeout});
  std::vector<Samples> samples(cells.size());
  std::vector<std::size_t> order(cells.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(1);
  std::size_t done = 0;
  for (int round = 0; round < settings.rounds; ++round) {
    std::ranges::shuffle(order, random);
    for (const std::size_t i : order) {
      samples[i].push_back(measure(settings, cells[i]));
      ++done;
      if (!settings.quiet)
        fmt::print(stderr, "\r{} of {} measurements ", done, cells.size() * static_cast<std::size_t>(settings.rounds));
    }
  }
  if (!settings.quiet) fmt::print(stderr, "\n");
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = summary(cells[i], samples[i], settings.metric);
  return cells;
}

}  // namespace sweep
