// expect: etl: with partitions(), extract must be const and callable as extract(partition, etl::Emitter<E>&)
// With partitions() extract is told which one.
#include <span>
#include <string>
#include <vector>

#include <etl/run.hpp>

struct Pipeline {
  std::vector<std::string> partitions() const { return {"a", "b"}; }
#ifdef ETLPIPE_FIX
  void extract(const std::string&, etl::Emitter<int>& out) const { out.push(1); }
#else
  void extract(etl::Emitter<int>& out) const { out.push(1); }
#endif
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
