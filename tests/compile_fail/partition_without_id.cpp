// expect: etl: a pipeline with a store or an idempotency key needs to recognise its partitions
// Partitions may come in another order in the next run.
#include <span>
#include <string>
#include <vector>

#include <etl/run.hpp>

struct Range {
  int first, last;
};
struct Pipeline {
  std::string fingerprint() const { return "two ranges"; }
  std::vector<Range> partitions() const { return {{0, 9}, {10, 19}}; }
#ifdef ETLPIPE_FIX
  std::string partition_id(const Range& range) const { return std::to_string(range.first); }
#endif
  void extract(const Range& range, etl::Emitter<int>& out) const { out.push(range.first); }
  void load(std::span<const int>, etl::IdempotencyKey) {}
};

int main() { return etl::run(Pipeline{}, {.name = "numbers"}).exit_code(); }
