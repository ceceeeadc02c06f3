#include <etl/vector.h>

#include <etl/etl.hpp>

int ours_first();

#ifndef ETL_VERSION
#error "the other library's macros are gone"
#endif

struct Numbers {
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 4; ++i)
      if (!out.push(i)) return;
  }
  int transform(const int& number) const { return number + 1; }
  void load(std::span<const int> batch) {
    for (const int number : batch) loaded.push_back(number);
  }
  etl::vector<int, 4> loaded;
};

int main() {
  Numbers numbers;
  const etl::RunReport report = etl::run(numbers, {.workers = 1});
  if (numbers.loaded.size() != 4 || numbers.loaded[3] != 4) return 1;
  return report.exit_code() + ours_first();
}
