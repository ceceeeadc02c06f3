/// One pipeline, or six of different types.
#include <cstdint>
#include <span>

#include <etl/etl.hpp>

namespace {

template <int n>
struct Row {
  int id;
  double price;
};

template <int n>
struct Orders {
  void extract(etl::Emitter<Row<n>>& out) {
    for (int i = 0; i < 1000; ++i)
      if (!out.push({i, i * 0.01})) return;
  }
  std::int64_t transform(const Row<n>& row) const { return row.id + n; }
  void load(std::span<const std::int64_t> batch) {
    for (const std::int64_t value : batch) total += value;
  }
  std::int64_t total = 0;
};

template <int... n>
bool run_all() {
  return (etl::run(Orders<n>(), {.batch_size = 100, .workers = 2}).ok() && ...);
}

}  // namespace

int main() {
#if defined(SIX_PIPELINES)
  return run_all<1, 2, 3, 4, 5, 6>() ? 0 : 1;
#else
  return run_all<1>() ? 0 : 1;
#endif
}
