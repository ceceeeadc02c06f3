// expect: etl: effectively once needs `std::string fingerprint() const`
// Keys of two days must not be the same.
#include <span>
#include <string>

#include <etl/delivery/level.hpp>
#include <etl/run.hpp>

struct Pipeline {
  using position = int;
#ifdef ETLPIPE_FIX
  std::string fingerprint() const { return "one number"; }
#endif
  void extract(etl::Emitter<int>& out) { out.push(1); }
  void load(std::span<const int>, etl::IdempotencyKey) {}
};

int main() { return etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(Pipeline{})).exit_code(); }
