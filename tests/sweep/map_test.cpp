// What etl-sweep says of its measurements (benchmarks/sweep): table, advice and map.
#include <string>
#include <string_view>
#include <vector>

#include <sweep/sweep.hpp>

#include <support/catch.hpp>

namespace map_test {

namespace {

sweep::Cell cell(std::size_t batch_size, double items_per_second, double spread) {
  return {.batch_size = batch_size,
          .workers = 2,
          .timeout = std::chrono::seconds(1),
          .items_per_second = items_per_second,
          .spread = spread};
}

sweep::Settings settings_of(const std::vector<sweep::Cell>& cells) {
  sweep::Settings settings;
  settings.workers = {2};
  settings.batch_sizes.clear();
  for (const sweep::Cell& one : cells) settings.batch_sizes.push_back(one.batch_size);
  return settings;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a sweep marks the best, and what is within 5 % of it") {
  const std::vector cells{cell(10, 960'000, 0.01), cell(100, 1'000'000, 0.03), cell(1000, 900'000, 0.12)};
  const sweep::Settings settings = settings_of(cells);

  const std::string table = sweep::tables(settings, cells);
  CHECK(has(table, "960 k+"));
  CHECK(has(table, "1.00 M*"));
  CHECK(has(table, "900 k "));
  const std::string advice = sweep::advice(settings, cells);
  CHECK(has(advice, "best (*), + is within 5 % of it: batch 100, 2 workers"));
  CHECK(has(advice, "least within 5 % of it: batch 10, 2 workers"));

  const std::string map = sweep::heatmap(settings, cells);
  CHECK(count(map, "stroke=\"#d7191c\"") == 2);
  CHECK(count(map, "stroke-dasharray") == 1);
  CHECK(has(map, "red: best; dashed: within 5 % of it"));
}

TEST_CASE("a sweep says how much its rounds differ, and on which machine they ran") {
  const std::vector cells{cell(10, 960'000, 0.004), cell(100, 1'000'000, 0.03), cell(1000, 900'000, 0.12)};
  sweep::Settings settings = settings_of(cells);
  CHECK(has(sweep::advice(settings, cells),
            "median of 3 rounds, which differ by ±3 % of the best and by ±12 % at most (batch 1000, 2 workers"));
  CHECK(has(sweep::advice(settings, cells), "measured on " + sweep::machine()));
  CHECK(has(sweep::machine(), " CPU"));
  const std::string map = sweep::heatmap(settings, cells);
  for (const char* note : {"best ±3 %", "96 % ±0.4 %", "90 % ±12 %"}) CHECK(has(map, note));
  CHECK(has(map, sweep::machine()));

  settings.rounds = 1;  // nothing to compare
  CHECK_FALSE(has(sweep::advice(settings, cells), "rounds"));
  CHECK_FALSE(has(sweep::heatmap(settings, cells), "±"));
}

TEST_CASE("less is better of a sweep's latency") {
  std::vector cells{cell(10, 1, 0), cell(100, 1, 0), cell(1000, 1, 0)};
  cells[0].latency_p99_us = 103;
  cells[1].latency_p99_us = 100;
  cells[2].latency_p99_us = 120;
  sweep::Settings settings = settings_of(cells);
  settings.metric = sweep::Metric::Latency;
  const std::string table = sweep::tables(settings, cells);
  CHECK(has(table, "103 us+"));
  CHECK(has(table, "100 us*"));
  CHECK(has(table, "120 us "));
}

}  // namespace map_test
