// expect: etl: transform must return T, std::optional<T> or etl::Result<T>
// transform makes what load takes.
#include <span>
#include <string>
#include <vector>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  std::string transform(const int& n) const { return std::to_string(n); }
#else
  std::vector<int> transform(const int& n) const { return {n}; }
#endif
  void load(std::span<const std::string>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
