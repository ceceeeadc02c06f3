// A whole pipeline in a project of its own.
#include <cstdint>
#include <span>

#include <etl/etl.hpp>

struct Numbers {
  void extract(etl::Emitter<int>& out) {
    for (int i = 1; i <= 1000; ++i)
      if (!out.push(i)) return;
  }
  std::int64_t transform(const int& number) const { return number * 2; }
  void load(std::span<const std::int64_t> batch) {
    for (const std::int64_t number : batch) total += number;
  }
  std::int64_t total = 0;
};

int main() {
  Numbers numbers;
  const etl::RunReport report = etl::run(numbers, {.batch_size = 100, .workers = 2});
  return numbers.total == 1001000 ? report.exit_code() : 1;
}
