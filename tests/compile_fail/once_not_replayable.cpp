// expect: etl: effectively once needs a source that can be read again
// What a crash interrupted must be extracted again.
#include <span>
#include <string>

#include <etl/delivery/level.hpp>
#include <etl/run.hpp>

struct Pipeline {
#ifdef ETLPIPE_FIX
  using position = int;
#endif
  std::string fingerprint() const { return "one number"; }
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int>, etl::IdempotencyKey) {}
};

int main() { return etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(Pipeline{})).exit_code(); }
