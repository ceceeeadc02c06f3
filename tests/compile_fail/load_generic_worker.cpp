// expect: etl: the second argument of load needs its type instead of auto
// A generic argument could be more than one thing; the worker's state is one of them.
#include <span>

#include <etl/run.hpp>

struct Pipeline {
  using extracted = int;
  using loaded = int;
  struct State {
    int sum = 0;
  };
  State worker() const { return {}; }
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int> batch, State& state) const { state.sum += batch[0]; }
#else
  void load(std::span<const int> batch, auto& state) const { state.sum += batch[0]; }
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
