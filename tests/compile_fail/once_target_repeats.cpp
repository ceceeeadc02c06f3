// expect: etl: effectively once needs a target that shows repeated items once
#include <cstdint>
#include <span>
#include <string>

#include <etl/delivery/level.hpp>
#include <etl/run.hpp>

struct Pipeline {
  using position = std::uint64_t;
#ifndef ETLPIPE_FIX
  static constexpr etl::Delivery delivery = etl::Delivery::AtLeastOnce;
#endif
  std::string fingerprint() const { return "numbers"; }
  void extract(etl::Emitter<int>&) {}
  void load(std::span<const int>, const etl::IdempotencyKey&) {}
};

int main() { return etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(Pipeline{})).exit_code(); }
