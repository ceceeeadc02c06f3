// expect: etl: cannot tell what the pipeline loads
// load does not change its batch: it may be given again (retry).
#include <span>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int>) {}
#else
  void load(std::span<int>) {}
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
