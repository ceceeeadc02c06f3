// expect: etl: the pipeline needs `T transform(const E& item) const`
// Without transform the extracted items are loaded as they are: then E is T.
#include <span>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  void extract(etl::Emitter<std::string>& out) { out.push("1"); }
#else
  void extract(etl::Emitter<int>& out) { out.push(1); }
#endif
  void load(std::span<const std::string>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
