/// The header-only core: a run, and a bucket in another translation unit.
#include <cstdint>
#include <span>

// clang-format off
#include <etl/observe/progress.hpp>  // before what has its compiled part
#include <etl/etl.hpp>
// clang-format on

std::uint64_t loaded_by_bucket();

namespace {

struct Numbers {
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 1000; ++i)
      if (!out.push(i)) return;
  }
  void load(std::span<const int> batch) { count += batch.size(); }
  std::uint64_t count = 0;
};

}  // namespace

int main() {
  Numbers numbers;
  const etl::RunReport report = etl::run(numbers, {.batch_size = 10, .workers = 2});
  return report.ok() && numbers.count == 1000 && loaded_by_bucket() == 3 ? 0 : 1;
}
