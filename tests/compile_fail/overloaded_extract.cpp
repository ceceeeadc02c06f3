// expect: etl: cannot tell what the pipeline extracts
// An overloaded extract says nothing about E: it has to be pinned.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  using extracted = int;
#endif
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void extract(etl::Emitter<long>& out) { out.push(1L); }
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
