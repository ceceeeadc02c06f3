#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <etl/observe/histogram.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace histogram_test {

using std::chrono::nanoseconds;

TEST_CASE("histogram: nothing recorded is all zero") {
  const etl::Histogram h;
  CHECK(h.count() == 0);
  CHECK(h.total() == nanoseconds(0));
  CHECK(h.max() == nanoseconds(0));
  CHECK(h.quantile(0.5) == nanoseconds(0));
  CHECK(h.quantile(1.0) == nanoseconds(0));
}

TEST_CASE("histogram: quantiles are never below the exact ones and at most 1/8 above") {
  const std::uint64_t limits[] = {10, 1000, 1'000'000, 1'000'000'000, 3'600'000'000'000};
  for (const std::uint64_t limit : limits) {
    test::Random random(limit);
    etl::Histogram h;
    std::vector<std::int64_t> all;
    std::int64_t total = 0;
    for (int i = 0; i < 5000; ++i) {
      all.push_back(static_cast<std::int64_t>(random.below(limit)));
      total += all.back();
      h.record(nanoseconds(all.back()));
    }
    std::sort(all.begin(), all.end());
    CHECK(h.count() == 5000);
    CHECK(h.total().count() == total);
    CHECK(h.max().count() == all.back());
    for (const double q : {0.01, 0.5, 0.95, 0.99, 1.0}) {
      const auto exact = all[static_cast<std::size_t>(std::ceil(q * 5000)) - 1];
      CAPTURE(limit, q, exact, h.quantile(q).count());
      CHECK(h.quantile(q).count() >= exact);
      CHECK(static_cast<double>(h.quantile(q).count()) <= static_cast<double>(exact) * 1.125 + 1);
      CHECK(h.quantile(q) <= h.max());
    }
  }
}

TEST_CASE("histogram: small durations are exact, extreme ones are kept") {
  etl::Histogram h;
  for (int i = 0; i < 8; ++i) h.record(nanoseconds(i));
  CHECK(h.quantile(0.125) == nanoseconds(0));
  CHECK(h.quantile(0.5) == nanoseconds(3));
  CHECK(h.quantile(1.0) == nanoseconds(7));

  etl::Histogram extreme;
  extreme.record(nanoseconds(-5));  // a clock that went back
  CHECK(extreme.max() == nanoseconds(0));
  extreme.record(nanoseconds::max());
  CHECK(extreme.max() == nanoseconds::max());
  CHECK(extreme.quantile(1.0) == nanoseconds::max());
}

TEST_CASE("histogram: merging equals recording everything in one") {
  etl::Histogram a, b, both;
  test::Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const nanoseconds d(static_cast<std::int64_t>(random.below(1'000'000)));
    (i % 3 == 0 ? a : b).record(d);
    both.record(d);
  }
  a.merge(b);
  CHECK(a.count() == both.count());
  CHECK(a.total() == both.total());
  CHECK(a.max() == both.max());
  for (const double q : {0.1, 0.5, 0.9, 0.99}) CHECK(a.quantile(q) == both.quantile(q));
}

}  // namespace histogram_test
