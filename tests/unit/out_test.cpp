#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include <etl/out.hpp>

#include "support/catch.hpp"
#include "support/counted.hpp"

namespace out_test {

namespace {

using Value = test::Counted<struct OutTest>;

struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  const int value;  // not assignable either
};

}  // namespace

TEST_CASE("out: nothing, one or several results per item") {
  etl::Out<int> out;
  CHECK(out.count() == 0);
  out.next() = 1;
  out.push(2);
  out.next() = 3;
  REQUIRE(out.count() == 3);
  const std::span<int> results = out.results();
  CHECK(results[0] == 1);
  CHECK(results[1] == 2);
  CHECK(results[2] == 3);
}

TEST_CASE("out: grows without losing results, reuses without constructing") {
  Value::counts().reset();
  {
    etl::Out<Value> out;
    for (std::uint64_t i = 0; i < 1000; ++i) out.next().value = i + 1;
    REQUIRE(out.count() == 1000);
    for (std::uint64_t i = 0; i < 1000; ++i)
      if (out.results()[i].value != i + 1) FAIL("result " << i);
    const auto constructed = Value::counts().constructed.load();
    out.truncate(0);
    for (std::uint64_t i = 0; i < 1000; ++i) out.next().value = i;
    CHECK(Value::counts().constructed == constructed);
    for (std::uint64_t i = 0; i < 10; ++i) out.push(Value(i));  // beyond what was there
    CHECK(out.count() == 1010);
  }
  CHECK(Value::counts().alive() == 0);
}

TEST_CASE("out: a reused slot keeps its memory") {
  etl::Out<std::string> out;
  out.next().assign(1000, 'a');
  const char* const memory = out.results()[0].data();
  out.truncate(0);
  std::string& again = out.next();
  again.assign(500, 'b');
  CHECK(again.data() == memory);
}

TEST_CASE("out: reject takes back the item's results and only those") {
  etl::Out<int> out;
  out.next() = 1;
  const std::uint32_t before = out.count();
  out.next() = 2;
  out.push(3);
  CHECK_FALSE(out.is_rejected());
  out.reject("first");
  out.reject(etl::fatal("last wins"));
  REQUIRE(out.is_rejected());
  const etl::Error error = out.take_rejection(before);
  CHECK(error.context == "last wins");
  CHECK(error.error_class == etl::ErrorClass::Fatal);
  CHECK_FALSE(out.is_rejected());
  REQUIRE(out.count() == 1);
  CHECK(out.results()[0] == 1);
  out.next() = 4;
  CHECK(out.results()[1] == 4);
}

TEST_CASE("out: a text rejects as an error of class rejected") {
  etl::Out<int> out;
  out.reject("no price");
  const etl::Error error = out.take_rejection(0);
  CHECK(error.error_class == etl::ErrorClass::Rejected);
  CHECK(error.code == etl::Errc::Rejected);
  CHECK(error.context == "no price");
}

TEST_CASE("out: types that cannot be reused are destroyed by truncate") {
  etl::Out<NoDefault> out;
  for (int i = 0; i < 100; ++i) out.push(NoDefault(i));
  CHECK(out.results()[99].value == 99);
  out.truncate(50);
  CHECK(out.count() == 50);
  out.push(7);  // constructed from what it is made of
  CHECK(out.results()[50].value == 7);

  etl::Out<std::unique_ptr<int>> handles;
  handles.push(std::make_unique<int>(5));
  CHECK(*handles.results()[0] == 5);
}

TEST_CASE("out: reserve keeps what is there") {
  etl::Out<int> out;
  out.push(1);
  out.reserve(10000);
  const int* const data = out.results().data();
  for (int i = 1; i < 10000; ++i) out.push(i);
  CHECK(out.results().data() == data);
  CHECK(out.results()[0] == 1);
}

TEST_CASE("out: results stay whole when one cannot be copied on the way to more room") {
  struct Fragile {  // a move may throw, so that it is copied
    explicit Fragile(int n, int* copies) : value(n), left(copies) {}
    Fragile(const Fragile& other) : value(other.value), left(other.left) {
      if ((*left)-- == 0) throw std::runtime_error("planned");
    }
    Fragile(Fragile&& other) noexcept(false) : value(std::exchange(other.value, -1)), left(other.left) {}
    Fragile& operator=(const Fragile&) = default;
    int value;
    int* left;
  };
  int copies = 5;
  etl::Out<Fragile> out;
  for (int i = 0; i < 16; ++i) out.push(Fragile(i, &copies));
  CHECK_THROWS_AS(out.push(Fragile(16, &copies)), std::runtime_error);
  CHECK(out.count() == 16);
  for (int i = 0; i < 16; ++i) CHECK(out.results()[static_cast<std::size_t>(i)].value == i);
}

}  // namespace out_test
