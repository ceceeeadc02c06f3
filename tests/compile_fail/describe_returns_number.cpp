// expect: etl: describe must be const, take a const E& and return a string
// A description is text.
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int>) {}
#ifdef ETLPIPE_FIX
  std::string describe(const int& n) const { return std::to_string(n); }
#else
  int describe(const int& n) const { return n; }
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
