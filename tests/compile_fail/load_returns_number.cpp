// expect: etl: load must be callable as load(std::span<const T>)
// How many were loaded is not for load to say: it fails, or names the items that it rejects.
#include <cstddef>
#include <span>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int>) {}
#else
  std::size_t load(std::span<const int> batch) { return batch.size(); }
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
