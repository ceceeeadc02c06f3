// expect: etl: bytes must be const, take a const E& and return a number of bytes
// bytes that would silently not be used.
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
  std::size_t bytes(const int&) const { return 4; }
#else
  std::size_t bytes(const int&) { return 4; }
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
