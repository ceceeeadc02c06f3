// expect: etl: a constant pipeline needs a const load
// A const pipeline may be shared; a load that changes it could not be.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) const { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int>) const {}
#else
  void load(std::span<const int> batch) { total += batch.size(); }
#endif
  std::size_t total = 0;
};

int main() {
  const Pipeline p;
  return etl::run(p).exit_code();
}
