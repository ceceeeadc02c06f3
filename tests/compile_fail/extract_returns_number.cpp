// expect: etl: extract must be callable as extract(etl::Emitter<E>&) and return void or etl::Result<void>
// A count returned from extract would be ignored.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  void extract(etl::Emitter<int>& out) { out.push(1); }
#else
  int extract(etl::Emitter<int>& out) { return out.push(1) ? 1 : 0; }
#endif
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
