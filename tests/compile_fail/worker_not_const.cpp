// expect: etl: worker() must be const and take no argument
// Several workers make their states at once.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  long worker() const { return 0; }
#else
  long worker() { return 0; }
#endif
  void load(std::span<const int>, long& total) const { ++total; }
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
