// The concepts and what they deduce.
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <type_traits>
#include <vector>

#include <etl/pipeline.hpp>
#include <etl/report.hpp>

#include "support/catch.hpp"

namespace pipeline_test {

namespace {

struct Row {
  int id = 0;
};
struct Order {
  int id = 0;
};

struct Orders {
  void extract(etl::Emitter<Row>& out) { out.push({1}); }
  Order transform(const Row& row) const { return {row.id}; }
  void load(std::span<const Order>) {}
};
static_assert(etl::Pipeline<Orders, Row, Order>);
static_assert(etl::Pipeline<Orders>);
static_assert(std::is_same_v<etl::extracted_t<Orders>, Row>);
static_assert(std::is_same_v<etl::loaded_t<Orders>, Order>);
static_assert(!etl::Pipeline<Orders, Order, Row>);
static_assert(!etl::Pipeline<const Orders>);  // its extract and load are not const
static_assert(!etl::Pipeline<int>);

struct RangeOfRows {
  std::vector<Row> extract() const { return {}; }
  std::optional<Order> transform(const Row&) const { return std::nullopt; }
  etl::Result<void> load(std::span<const Order>, etl::BatchContext&) const { return {}; }
};
static_assert(etl::Pipeline<RangeOfRows, Row, Order>);
static_assert(etl::Pipeline<const RangeOfRows, Row, Order>);

struct Pinned {
  using extracted = Row;
  using loaded = Order;
  template <class E>
  void extract(etl::Emitter<E>&) {}
  template <class E>
  Order transform(const E&) const {
    return {};
  }
  template <class T>
  void load(std::span<const T>) {}
};
static_assert(std::is_same_v<etl::extracted_t<Pinned>, Row>);
static_assert(std::is_same_v<etl::loaded_t<Pinned>, Order>);

struct Partitioned {
  std::vector<std::string> partitions() const { return {}; }
  void extract(const std::string&, etl::Emitter<Row>&) const {}
  etl::Result<Order> transform(const Row&) const { return Order{}; }
  void load(std::span<const Order>) const {}
};
static_assert(etl::Pipeline<Partitioned, Row, Order>);
static_assert(etl::Extractor<Partitioned, Row>);
static_assert(etl::Loader<Partitioned, Order>);
static_assert(etl::Transformer<Partitioned, Row, Order>);
static_assert(!etl::Extractor<Partitioned, Order>);

struct WithWorker {
  int worker() const { return 0; }
  void extract(etl::Emitter<Row>&) {}
  void transform(const Row&, etl::Out<Order>&, int&) const {}
  void load(std::span<const Order>, etl::BatchContext&, int&) const {}
};
static_assert(etl::Pipeline<WithWorker, Row, Order>);

struct NoTransform {
  void extract(etl::Emitter<Row>&) {}
  void load(std::span<const Row>) {}
};
static_assert(etl::Pipeline<NoTransform, Row, Row>);

struct LoadByReference {
  void extract(etl::Emitter<Row>&) {}
  void load(const std::span<const Row>&) {}
};
static_assert(etl::Pipeline<LoadByReference, Row, Row>);

struct TransformNotConst {
  void extract(etl::Emitter<Row>&) {}
  Order transform(const Row&) { return {}; }
  void load(std::span<const Order>) {}
};
static_assert(!etl::Pipeline<TransformNotConst, Row, Order>);
static_assert(!etl::Transformer<TransformNotConst, Row, Order>);

struct Immovable {
  Immovable() = default;
  Immovable(Immovable&&) = delete;
};
struct ExtractsImmovable {
  void extract(etl::Emitter<Immovable>&) {}
  void load(std::span<const Immovable>) {}
};
static_assert(!etl::Pipeline<ExtractsImmovable, Immovable, Immovable>);

}  // namespace

TEST_CASE("pipeline: the concepts are checked when this file is compiled") {
  CHECK(etl::detail::check_pipeline<Orders>());
  CHECK(etl::detail::check_pipeline<Partitioned>());
  CHECK(etl::detail::check_pipeline<WithWorker>());
  CHECK(etl::detail::check_pipeline<const RangeOfRows>());
}

TEST_CASE("pipeline: how transform takes its item is found out") {
  using etl::detail::Takes;
  struct Own {
    void extract(etl::Emitter<Row>&) {}
    Order transform(Row&) const { return {}; }
    void load(std::span<const Order>) {}
  };
  struct Moved {
    void extract(etl::Emitter<Row>&) {}
    Order transform(Row&&) const { return {}; }
    void load(std::span<const Order>) {}
  };
  struct ByValue {
    void extract(etl::Emitter<Row>&) {}
    Order transform(Row) const { return {}; }
    void load(std::span<const Order>) {}
  };
  struct InPlace {
    void extract(etl::Emitter<Row>&) {}
    void transform(std::span<Row>) const {}
    void load(std::span<const Row>) {}
  };
  STATIC_REQUIRE(etl::detail::transform_takes<Orders, Row, Order>() == Takes::Const);
  STATIC_REQUIRE(etl::detail::transform_takes<Own, Row, Order>() == Takes::Mutable);
  STATIC_REQUIRE(etl::detail::transform_takes<Moved, Row, Order>() == Takes::Moved);
  STATIC_REQUIRE(etl::detail::transform_takes<ByValue, Row, Order>() == Takes::Const);  // a copy leaves it untouched
  STATIC_REQUIRE(etl::detail::transform_takes<InPlace, Row, Row>() == Takes::Span);
  STATIC_REQUIRE(etl::detail::transform_takes<NoTransform, Row, Row>() == Takes::Nothing);
}

}  // namespace pipeline_test
