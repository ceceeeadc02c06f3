#include <cmath>
#include <fmt/format.h>
#include <etl/etl.hpp>

struct Row { int id; double price; };
struct Order { int id; std::int64_t cents; };

struct Orders {                                // a plain struct: no base class, no registration
  void extract(etl::Emitter<Row>& out) {       // runs on the thread that called run
    for (int i = 0; i < 1'000'000; ++i)
      if (!out.push({i, i * 0.01})) return;    // false: the run was stopped or has failed
  }
  Order transform(const Row& row) const {      // runs on all workers at once, hence const
    return {row.id, std::llround(row.price * 100)};
  }
  void load(std::span<const Order> batch) {    // not const: one call at a time, no lock needed
    for (const Order& order : batch) total += order.cents;
  }
  std::int64_t total = 0;
};
int main() {
  Orders orders;
  const etl::RunReport report = etl::run(orders, {.batch_size = 5000, .workers = 4});
  fmt::print("{}\n{} cents\n", report.text(), orders.total);
  return report.exit_code();                   // 0 when the whole source was loaded
}
