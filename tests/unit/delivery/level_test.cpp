#include <span>
#include <string>

#include <etl/delivery/level.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"

namespace level_test {

namespace {

using Tx = etl::testing::MemoryTransaction<int>;

struct Plain {
  void extract(etl::Emitter<int>&) {}
  void load(std::span<const int>) {}
};
struct Replayable : Plain {
  using position = int;
  std::string fingerprint() const { return "nothing"; }
};
struct Nameless : Plain {
  using position = int;
  void load(std::span<const int>, etl::IdempotencyKey) {}
};
struct Keyed : Replayable {
  void load(std::span<const int>, etl::IdempotencyKey) {}
};
struct Transactional : Replayable {
  void load(std::span<const int>, etl::BatchContext&, Tx&) {}
};
struct KeyedOnce : Plain {
  void load(std::span<const int>, const etl::IdempotencyKey&) {}
};
struct Repeating : Keyed {
  static constexpr etl::Delivery delivery = etl::Delivery::AtLeastOnce;
};
struct Declared : Keyed {
  static constexpr etl::Delivery delivery = etl::Delivery::EffectivelyOnce;
};
struct OnlyDeclared : Plain {
  static constexpr etl::Delivery delivery = etl::Delivery::EffectivelyOnce;
};
struct MemberOfThatName : Keyed {
  int delivery = 0;
};

using Store = etl::testing::MemoryStore<int>;
using Bound = decltype(etl::with_store(Transactional{}, std::declval<Store&>()));

static_assert(etl::delivery_of<Plain> == etl::Delivery::AtLeastOnce);
static_assert(etl::delivery_of<Replayable> == etl::Delivery::AtLeastOnce);
static_assert(etl::delivery_of<Nameless> == etl::Delivery::AtLeastOnce);
static_assert(etl::delivery_of<KeyedOnce> == etl::Delivery::AtLeastOnce);
static_assert(etl::delivery_of<Keyed> == etl::Delivery::EffectivelyOnce);
static_assert(etl::delivery_of<Repeating> == etl::Delivery::AtLeastOnce);
static_assert(etl::delivery_of<Declared> == etl::Delivery::EffectivelyOnce);
static_assert(etl::delivery_of<OnlyDeclared> == etl::Delivery::AtLeastOnce);
static_assert(etl::delivery_of<MemberOfThatName> == etl::Delivery::EffectivelyOnce);
static_assert(etl::delivery_of<Bound> == etl::Delivery::EffectivelyOnce);
static_assert(etl::delivery_of<const Bound&> == etl::Delivery::EffectivelyOnce);

}  // namespace

TEST_CASE("require gives back the pipeline it was given") {
  Keyed keyed;
  CHECK(&etl::require_delivery<etl::Delivery::EffectivelyOnce>(keyed) == &keyed);
  CHECK(etl::run(etl::require_delivery<etl::Delivery::AtLeastOnce>(Plain{}), {.workers = 1}).ok());
}

}  // namespace level_test
