#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include <etl/delivery/seq_ranges.hpp>

#include "support/catch.hpp"

namespace seq_ranges_test {

using etl::SeqRange;
using etl::SeqRanges;

TEST_CASE("ranges that touch or overlap become one") {
  SeqRanges ranges;
  ranges.add({10, 20});
  ranges.add({30, 40});
  ranges.add({20, 25});
  CHECK(ranges.ranges() == std::vector<SeqRange>{{10, 25}, {30, 40}});
  ranges.add({24, 31});
  CHECK(ranges.ranges() == std::vector<SeqRange>{{10, 40}});
  ranges.add({5, 5});
  CHECK(ranges.ranges() == std::vector<SeqRange>{{10, 40}});
}

TEST_CASE("ranges behave as the set of their numbers") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    SeqRanges ranges;
    std::set<std::uint64_t> numbers;
    for (int step = 0; step < 20; ++step) {
      const std::uint64_t first = below(60);
      const SeqRange range{first, first + below(8)};
      ranges.add(range);
      for (std::uint64_t n = range.first; n < range.end; ++n) numbers.insert(n);
      if (below(6) == 0) {
        const std::uint64_t limit = below(40);
        ranges.forget_below(limit);
        numbers.erase(numbers.begin(), numbers.lower_bound(limit));
      }
      for (std::uint64_t n = 0; n < 70; ++n) {
        const bool inside = numbers.contains(n);
        REQUIRE(ranges.contains(n) == inside);
        std::uint64_t boundary = n + 1;
        while (boundary < 70 && numbers.contains(boundary) == inside) ++boundary;
        REQUIRE(ranges.boundary_after(n) == (boundary == 70 ? SeqRanges::none : boundary));
        std::uint64_t end = n;
        while (numbers.contains(end)) ++end;
        REQUIRE(ranges.end_of(n) == end);
      }
      for (std::size_t i = 1; i < ranges.ranges().size(); ++i)
        REQUIRE(ranges.ranges()[i - 1].end < ranges.ranges()[i].first);
    }
  }
}

}  // namespace seq_ranges_test
