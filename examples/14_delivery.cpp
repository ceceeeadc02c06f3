// A pipeline that can be killed at any time, and a test that shows it: the run is ended at every step and started
// again. A real program uses a database as store, such as etl::sqlite::Store; this test uses a store in memory.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/testing/crash_points.hpp>
#include <etl/testing/memory_stores.hpp>

namespace {

using etl::testing::MemoryStore;
using etl::testing::MemoryTransaction;

struct Squares {
  using position = std::uint64_t;  // replayable: the same items in the same order, from a mark on
  std::string fingerprint() const { return "the numbers below 100"; }
  std::string describe(const std::uint64_t& n) const { return std::to_string(n); }

  void extract(etl::Emitter<std::uint64_t, position>& out) const {
    for (std::uint64_t n = out.resume_from().value_or(0); n < 100; ++n) {
      if (n % 10 == 0) out.mark(n);  // a place to resume from
      if (!out.push(n)) return;
    }
  }
  etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
    if (n == 13) return etl::rejected("unlucky");
    return n * n;
  }
  void load(std::span<const std::uint64_t> batch, MemoryTransaction<std::uint64_t>& tx) const {
    tx.write(batch);  // rows, dead letters and progress: one commit
  }
};

}  // namespace

int main() {
  std::vector<std::uint64_t> expected;
  for (std::uint64_t n = 0; n < 100; ++n)
    if (n != 13) expected.push_back(n * n);

  const auto summary = etl::testing::for_each_crash_point(
      [] { return std::make_unique<MemoryStore<std::uint64_t>>(); },  // what outlives the process
      [](auto& world, etl::testing::Faults& faults, const etl::Executor& executor) {
        etl::testing::FaultyStore<MemoryTransaction<std::uint64_t>> store(*world, faults);
        etl::Options options{.name = "squares", .batch_size = 8, .workers = 2, .executor = executor};
        options.errors.max_rejects = 1;
        return etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(etl::with_store(Squares{}, store)),
                        options);
      },
      [&](auto& world) -> std::string {
        std::vector<std::uint64_t> rows = world->rows();
        std::ranges::sort(rows);
        if (rows != expected) return fmt::format("{} rows instead of {}", rows.size(), expected.size());
        return world->dead_letters().letters().size() == 1 ? "" : "13 is not among the dead letters";
      },
      {.seeds = 5});
  fmt::print("{} runs, {} of them cut off: nothing is lost, nothing is loaded twice\n", summary.schedules,
             summary.crashes);
}
