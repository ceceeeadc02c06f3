#include <cstdint>

#include <etl/detail/progress/progress_tracker.hpp>

#include "support/catch.hpp"

namespace progress_tracker_test {

using etl::Position;
using etl::detail::ProgressTracker;

TEST_CASE("progress tracker: of many marks beyond the watermark some are dropped, the last one never") {
  ProgressTracker tracker(etl::Checkpoint{.partitions = {{.partition = 0}}});
  for (std::uint64_t i = 1; i <= 64; ++i)
    tracker.settle(
        {.partition = 0, .items = {10 * i, 10 * i + 10}, .position = Position(10 * i + 5), .position_seq = 10 * i + 5});
  tracker.mark(0, Position(9999), 650);  // one too many; it is the end of the source
  CHECK(tracker.progress().at(0).watermark == 0);
  CHECK_FALSE(tracker.progress().at(0).position.has_value());
  tracker.settle({.partition = 0, .items = {0, 10}});
  CHECK(tracker.progress().at(0).watermark == 650);
  CHECK(tracker.progress().at(0).position == Position(9999));
  CHECK(tracker.progress().at(0).position_seq == 650);
}

}  // namespace progress_tracker_test
