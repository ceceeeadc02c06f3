// expect: positions of type P need `using position = P;` and etl::Emitter<E, P>&
// A source that marks positions of another type than it says could not resume.
#include <cstdint>
#include <span>
#include <string>

#include <etl/run.hpp>

struct Pipeline {
  using position = std::uint64_t;
#ifdef ETLPIPE_FIX
  void extract(etl::Emitter<int, std::uint64_t>& out) { out.push(1); }
#else
  void extract(etl::Emitter<int, std::string>& out) { out.push(1); }
#endif
  void load(std::span<const int>) {}
};

int main() {
  Pipeline p;
  return etl::run(p).exit_code();
}
