#pragma once
/// How long a worker pauses.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

#include <etl/config.hpp>

namespace etl::inline v0::jobs::detail {

/// Time between attempts to reach the database, with full jitter.
class Pauses {
 public:
  std::chrono::milliseconds next() {
    longest_ = std::min(2 * longest_, std::chrono::milliseconds(5'000));
    return up_to(longest_);
  }
  std::chrono::milliseconds up_to(std::chrono::milliseconds most) {
    return std::chrono::milliseconds(
        std::uniform_int_distribution<std::int64_t>(most.count() / 2, most.count())(random_));
  }
  void reset() { longest_ = std::chrono::milliseconds(100); }

 private:
  std::mt19937_64 random_{std::random_device()()};
  std::chrono::milliseconds longest_{100};
};

}  // namespace etl::inline v0::jobs::detail
