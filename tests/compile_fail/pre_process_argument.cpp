// expect: etl: pre_process must be callable with a std::stop_token or with nothing
// A hook that would silently not be called.
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
  void pre_process(std::stop_token) {}
#else
  void pre_process(int) {}
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
