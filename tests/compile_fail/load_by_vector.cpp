// expect: etl: cannot tell what the pipeline loads
// Batches come as a span of const, whatever holds them.
#include <span>
#include <vector>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int>) {}
#else
  void load(std::vector<int>) {}
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
