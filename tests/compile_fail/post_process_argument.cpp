// expect: etl: post_process must be callable with a const etl::RunReport&, with that and a std::stop_token, or with nothing
// The report that post_process gets is not its own.
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
  void post_process(const etl::RunReport&) {}
#else
  void post_process(etl::RunReport&) {}
#endif
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
