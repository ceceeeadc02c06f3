/// examples/01_hello.cpp on oneTBB: batches of 5000 through extract, transform and load.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

#include <tbb/parallel_pipeline.h>

namespace {

struct Row {
  int id;
  double price;
};
struct Order {
  int id;
  std::int64_t cents;
};

}  // namespace

int main() {
  constexpr int rows = 1'000'000;
  constexpr int batch_size = 5000;
  int next = 0;
  std::int64_t total = 0;
  const auto extract = [&](tbb::flow_control& control) {
    std::vector<Row> batch;
    if (next == rows) {
      control.stop();
      return batch;
    }
    batch.reserve(batch_size);
    for (; next < rows && batch.size() < batch_size; ++next) batch.push_back({next, next * 0.01});
    return batch;
  };
  const auto transform = [](const std::vector<Row>& batch) {
    std::vector<Order> orders;
    orders.reserve(batch.size());
    for (const Row& row : batch) orders.push_back({row.id, std::llround(row.price * 100)});
    return orders;
  };
  const auto load = [&](const std::vector<Order>& batch) {
    for (const Order& order : batch) total += order.cents;
  };
  using Mode = tbb::filter_mode;
  tbb::parallel_pipeline(8, tbb::make_filter<void, std::vector<Row>>(Mode::serial_in_order, extract) &
                                tbb::make_filter<std::vector<Row>, std::vector<Order>>(Mode::parallel, transform) &
                                tbb::make_filter<std::vector<Order>, void>(Mode::serial_in_order, load));
  std::printf("%lld cents\n", static_cast<long long>(total));
}
