// expect: etl: effectively once needs a load that takes part in it
// A plain load cannot tell a repetition.
#include <span>
#include <string>

#include <etl/delivery/level.hpp>
#include <etl/run.hpp>

struct Pipeline {
  using position = int;
  std::string fingerprint() const { return "one number"; }
  void extract(etl::Emitter<int>& out) { out.push(1); }
#ifdef ETLPIPE_FIX
  void load(std::span<const int>, etl::IdempotencyKey) {}
#else
  void load(std::span<const int>) {}
#endif
};

int main() { return etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(Pipeline{})).exit_code(); }
