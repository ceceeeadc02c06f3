// Sources of different kinds into one pipeline, each row joined with a table in memory.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Sale {
  std::string sku;
  int count = 0;
};
struct Line {
  std::string sku;
  std::int64_t cents = 0;
};

struct Sales {
  // Fan-in: each source is a partition, extracted on a thread of its own, up to `extractors` at once.
  struct Source {
    std::string name;
    std::function<void(etl::Emitter<Sale>&)> read;
    std::string partition_id() const { return name; }  // progress, where it is kept, is kept under this
  };
  std::vector<Source> sources;
  std::unordered_map<std::string, std::int64_t> prices{};  // constant while the run is under way: no lock
  std::int64_t cents = 0;

  void pre_process() { prices = {{"A1", 250}, {"B2", 1999}}; }  // the table to join with, read once
  const std::vector<Source>& partitions() const { return sources; }
  void extract(const Source& source, etl::Emitter<Sale>& out) const { source.read(out); }
  etl::Result<Line> transform(const Sale& sale) const {
    const auto price = prices.find(sale.sku);
    if (price == prices.end()) return etl::failure(etl::rejected("no price for " + sale.sku));
    return Line{sale.sku, price->second * sale.count};
  }
  void load(std::span<const Line> batch) {
    for (const Line& line : batch) cents += line.cents;
  }
};

int main() {
  Sales sales{.sources = {{"shop",
                           [](etl::Emitter<Sale>& out) {
                             for (int i = 0; i < 1000; ++i)
                               if (!out.push({"A1", 2})) return;
                           }},
                          {"web", [](etl::Emitter<Sale>& out) {
                             for (const char* sku : {"B2", "C3"})
                               if (!out.push({sku, 1})) return;
                           }}}};
  const etl::RunReport report = etl::run(sales, {.name = "sales", .errors = {.max_rejects = 10}});
  fmt::print("{}\n{} cents\n", report.text(), sales.cents);
  return sales.cents == 501'999 ? 0 : 1;
}
