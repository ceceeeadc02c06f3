// A test of a pipeline that neither waits nor depends on luck: the virtual executor runs all tasks on this thread, with
// a clock that moves only when the test moves it. It needs no test framework.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/testing/virtual_executor.hpp>

using namespace std::chrono_literals;

struct Squares {
  std::vector<int> extract() const { return {1, 2, 3, 4, 5, 6, 7}; }
  int transform(const int& n) const { return n * n; }
  void load(std::span<const int> batch) {
    for (const int n : batch) order.push_back(n);
  }
  std::vector<int> order{};
};

int main() {
  int failures = 0;
  const auto check = [&failures](bool ok, const char* what) {
    fmt::print("{} {}\n", ok ? "ok  " : "FAIL", what);
    failures += ok ? 0 : 1;
  };

  // 1. Time: an incomplete batch is flushed an hour after its first item. The test itself takes no time.
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>();
  std::vector<std::size_t> sizes;
  etl::Bucket<int> bucket([&](std::span<const int> batch) { sizes.push_back(batch.size()); },
                          {.batch_size = 100, .timeout = 1h, .workers = 1, .executor = etl::Executor(clock)});
  {
    auto producer = bucket.producer();
    producer.push(1);
    producer.push(2);
    clock->advance(59min);
    check(sizes.empty(), "nothing is flushed before the timeout");
    clock->advance(1min);
    check(sizes == std::vector<std::size_t>{2}, "both items are flushed at the timeout");
  }
  check(bucket.finish().flushes.timeout == 1, "the report names the reason");

  // 2. Interleaving: each seed gives another order of the tasks. The same seed always gives the same order.
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Squares squares;
    const auto executor = std::make_shared<etl::testing::VirtualExecutor>(seed);
    const auto report = etl::run(
        squares, {.batch_size = 2, .workers = 3, .order = etl::Order::Source, .executor = etl::Executor(executor)});
    if (!report.ok() || squares.order != std::vector{1, 4, 9, 16, 25, 36, 49})
      check(false, "source order holds for every seed");
  }
  fmt::print("{} failures\n", failures);
  return failures == 0 ? 0 : 1;
}
