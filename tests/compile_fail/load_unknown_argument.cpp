// expect: etl: load must be callable as load(std::span<const T>), optionally followed by etl::BatchContext&
// A second argument is the batch's context or the worker's state.
#include <span>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  std::string worker() const { return "connection"; }
#endif
  void load(std::span<const int>, std::string& connection) const { connection += '.'; }
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
