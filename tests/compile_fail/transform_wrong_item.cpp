// expect: etl: the pipeline needs `T transform(const E& item) const`
// transform takes what extract emits.
#include <span>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  std::string transform(const int& n) const { return std::to_string(n); }
#else
  std::string transform(const std::string& s) const { return s; }
#endif
  void load(std::span<const std::string>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
