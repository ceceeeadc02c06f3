// One manager runs three pipelines of different types and a custom runner.
#include <cstdint>
#include <functional>
#include <map>
#include <ranges>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Price {
  std::string fruit;
  int cents;
};
struct Prices {  // Price -> Price: extract and load agree, so no transform is needed
  std::vector<Price> extract() const { return {{"apple", 30}, {"pear", 45}, {"plum", 25}}; }
  void load(std::span<const Price> batch) {
    for (const Price& p : batch) cents[p.fruit] = p.cents;
  }
  std::map<std::string, int> cents{};
};
struct Visits {  // int -> int, independent of the others
  auto extract() const { return std::views::iota(0, 200'000); }
  void load(std::span<const int> batch) { count += batch.size(); }
  std::uint64_t count = 0;
};
struct Sales {  // string -> int, needs the prices
  const Prices& prices;
  std::vector<std::string> extract() const { return {"plum", "apple", "plum", "pear"}; }
  int transform(const std::string& fruit) const { return prices.cents.at(fruit); }
  void load(std::span<const int> batch) {
    for (const int cents : batch) total += cents;
  }
  int total = 0;
};

int main() {
  Prices prices;
  Visits visits;
  Sales sales{prices};

  // All pipelines share these options without copies. At most two pipelines run at once.
  etl::PipelineManager manager({.batch_size = 500, .workers = 2}, {.max_concurrent = 2});
  manager.add("visits", std::ref(visits), {.options = etl::Options{.batch_size = 10'000, .workers = 2}});  // own
  manager.add("prices", std::ref(prices), {.priority = 10});  // started before those of lower priority
  manager.add("sales", std::ref(sales), {.after = {"prices"}});
  manager.add_runner("summary",  // any function that returns a report; it runs after those in `.after`
                     [&](const etl::Options&, const etl::StopToken&) {
                       fmt::print("{} visits, sales of {} cents\n", visits.count, sales.total);
                       return etl::RunReport{};
                     },
                     {.after = {"visits", "sales"}});

  const etl::ManagerReport report = manager.run_all();  // one report for every name, whatever happened
  fmt::print("{}\nsales alone: {} items loaded\n", report.text(), report.at("sales").items.loaded);
  return report.exit_code();
}
