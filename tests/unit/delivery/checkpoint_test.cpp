#include <cstdint>

#include <etl/delivery/checkpoint.hpp>

#include "support/catch.hpp"

namespace checkpoint_test {

TEST_CASE("checkpoint: a partition is found by its number, and no other in its place") {
  const etl::Checkpoint checkpoint{
      .partitions = {{.partition = 1, .watermark = 10}, {.partition = 4, .watermark = 40}}};
  REQUIRE(checkpoint.find(1) != nullptr);
  CHECK(checkpoint.find(1)->watermark == 10);
  REQUIRE(checkpoint.find(4) != nullptr);
  CHECK(checkpoint.find(4)->watermark == 40);
  for (const std::uint32_t other : {0U, 2U, 3U, 5U}) CHECK(checkpoint.find(other) == nullptr);
}

}  // namespace checkpoint_test
