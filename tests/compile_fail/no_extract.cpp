// expect: etl: cannot tell what the pipeline extracts
// A pipeline needs an extract from which E can be told.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  void extract(etl::Emitter<int>& out) { out.push(1); }
#endif
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
