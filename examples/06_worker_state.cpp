// State of a worker: an object that is costly to make and cannot be shared, such as a parser, a connection
// or a scratch buffer. Here the state is a random generator, which two threads may not use at once.
#include <atomic>
#include <cstdint>
#include <random>
#include <ranges>
#include <span>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Darts {  // estimates pi: each item is a block of throws
  static constexpr int throws_per_block = 1000;

  struct Worker {
    std::mt19937_64 random;
    std::uniform_real_distribution<double> coordinate{-1.0, 1.0};
  };
  // Called once for each worker that gets work. The result is the last argument of transform and load. Two calls at
  // once never share it, so it needs no lock although transform is const.
  Worker worker() const { return {.random = std::mt19937_64(seed++)}; }

  auto extract() const { return std::views::iota(0, 5'000); }

  int transform(const int& /*block*/, Worker& state) const {
    int inside = 0;
    for (int i = 0; i < throws_per_block; ++i) {
      const double x = state.coordinate(state.random);
      const double y = state.coordinate(state.random);
      if (x * x + y * y <= 1) ++inside;
    }
    return inside;
  }
  void load(std::span<const int> batch) {
    for (const int inside : batch) hits += inside;
  }

  mutable std::atomic<std::uint64_t> seed = 0;
  std::int64_t hits = 0;
};

int main() {
  Darts darts;
  const etl::RunReport report = etl::run(darts, {.batch_size = 50, .workers = 4});
  const auto throws = static_cast<double>(report.items.loaded) * Darts::throws_per_block;
  fmt::print("{}\npi is about {:.4f}; generators made: {}\n", report.text(),
             4.0 * static_cast<double>(darts.hits) / throws, darts.seed.load());
  return report.exit_code();
}
