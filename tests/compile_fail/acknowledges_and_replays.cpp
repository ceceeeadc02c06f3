// expect: etl: a source is either replayed by position
// One of the two is a mistake.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
  static constexpr bool acknowledges = true;
#ifndef ETLPIPE_FIX
  using position = int;
#endif
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int>) {}
};

int main() { return etl::run(Pipeline{}).exit_code(); }
