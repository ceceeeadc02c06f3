// expect: etl: transform must be const: it runs on all workers at once
// The most likely mistake: a transform that would race with itself.
#include <span>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  std::string transform(const int& n) const { return std::to_string(n); }
#else
  std::string transform(const int& n) { return std::to_string(n + ++calls); }
#endif
  void load(std::span<const std::string>) {}
  int calls = 0;
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
