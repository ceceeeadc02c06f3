// expect: etl: a pipeline with a store or an idempotency key needs `std::string fingerprint() const`
// Keys of two days must not be the same.
#include <span>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  std::string fingerprint() const { return "one number"; }
#endif
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int>, etl::IdempotencyKey) {}
};

int main() { return etl::run(Pipeline{}, {.name = "numbers"}).exit_code(); }
