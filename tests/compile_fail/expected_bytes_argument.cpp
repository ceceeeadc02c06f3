// expect: etl: expected_bytes must be const, take no argument and return a number
// expected_bytes is asked once, before extraction.
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
  std::uint64_t expected_bytes() const { return 1; }
#else
  std::uint64_t expected_bytes(int) const { return 1; }
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
