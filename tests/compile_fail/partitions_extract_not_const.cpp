// expect: etl: with partitions(), extract must be const
// Partitions are extracted by several threads at once.
#include <span>
#include <vector>

#include <etl/run.hpp>

struct Pipeline {
  std::vector<int> partitions() const { return {1, 2}; }
#ifdef ETLPIPE_FIX
  void extract(int part, etl::Emitter<int>& out) const { out.push(part); }
#else
  void extract(int part, etl::Emitter<int>& out) { out.push(part); }
#endif
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
