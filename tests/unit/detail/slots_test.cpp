#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/detail/intake/slots.hpp>

#include "support/catch.hpp"
#include "support/counted.hpp"

namespace slots_test {

namespace {

using Value = test::Counted<struct SlotsTest>;

struct Handle : Value {
  using Value::Value;
};

struct MoveOnly {
  std::unique_ptr<int> p;
};

struct NotAssignable {
  const int value;
};

struct alignas(128) Wide {
  char c = 0;
};

}  // namespace

}  // namespace slots_test
template <>
inline constexpr bool etl::reuse_slots<slots_test::Handle> = false;
namespace slots_test {

TEST_CASE("slots: elements stay constructed and are assigned over") {
  Value::counts().reset();
  {
    etl::detail::Slots<Value> slots(4);
    for (std::uint32_t i = 0; i < 4; ++i) etl::detail::Slots<Value>::put(slots.data(), i, slots.live, Value(i + 1));
    CHECK(slots.live == 4);
    CHECK(Value::counts().moved == 4);
    CHECK(Value::counts().alive() == 4);
    const auto before = Value::counts().assigned.load();
    for (std::uint32_t i = 0; i < 4; ++i) etl::detail::Slots<Value>::put(slots.data(), i, slots.live, Value(i + 10));
    CHECK(Value::counts().moved == 4);  // no construction in place
    CHECK(Value::counts().assigned - before == 4);
    CHECK(slots.data()[3].value == 13);
  }
  CHECK(Value::counts().alive() == 0);
}

TEST_CASE("slots: a reused slot keeps the memory of its element") {
  etl::detail::Slots<std::string> slots(1);
  const std::string long_text(1000, 'x');
  etl::detail::Slots<std::string>::put(slots.data(), 0, slots.live, long_text);
  const char* const memory = slots.data()[0].data();
  const std::string shorter(900, 'y');
  etl::detail::Slots<std::string>::put(slots.data(), 0, slots.live, shorter);
  CHECK(slots.data()[0].data() == memory);
  CHECK(slots.data()[0] == shorter);
}

TEST_CASE("slots: which types are reused") {
  STATIC_REQUIRE(etl::detail::reusable<int>);
  STATIC_REQUIRE(etl::detail::reusable<MoveOnly>);
  STATIC_REQUIRE_FALSE(etl::detail::reusable<NotAssignable>);
  STATIC_REQUIRE_FALSE(etl::detail::reusable<Handle>);  // by the user's wish
}

TEST_CASE("slots: types that are not reused are constructed each time") {
  Handle::counts().reset();
  {
    etl::detail::Slots<Handle> slots(2);
    etl::detail::Slots<Handle>::put(slots.data(), 0, slots.live, Handle(1));
    etl::detail::Slots<Handle>::put(slots.data(), 1, slots.live, Handle(2));
    CHECK(Handle::counts().assigned == 0);
    CHECK(slots.live == 2);
  }
  CHECK(Handle::counts().alive() == 0);
  etl::detail::Slots<NotAssignable> slots(2);
  etl::detail::Slots<NotAssignable>::put(slots.data(), 0, slots.live, NotAssignable{7});
  CHECK(slots.data()[0].value == 7);
}

TEST_CASE("slots: move-only, over-aligned and empty") {
  etl::detail::Slots<MoveOnly> slots(1);
  etl::detail::Slots<MoveOnly>::put(slots.data(), 0, slots.live, MoveOnly{std::make_unique<int>(3)});
  etl::detail::Slots<MoveOnly> taken(std::move(slots));
  CHECK(*taken.data()[0].p == 3);
  CHECK(taken.live == 1);
  CHECK(slots.live == 0);  // NOLINT(bugprone-use-after-move): an empty one is promised
  CHECK(slots.data() == nullptr);

  const etl::detail::Slots<Wide> wide(3);
  CHECK(reinterpret_cast<std::uintptr_t>(wide.data()) % 128 == 0);
  const etl::detail::Slots<int> ints(3);
  CHECK(reinterpret_cast<std::uintptr_t>(ints.data()) % 64 == 0);  // no cache line shared with another buffer
  const etl::detail::Slots<int> none;
  CHECK(none.capacity() == 0);
}

}  // namespace slots_test
