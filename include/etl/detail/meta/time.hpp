#pragma once
/// Time arithmetic that does not overflow: "never" stays never.

#include <chrono>

#include <etl/config.hpp>

namespace etl::inline v0::detail {

/// The duration in nanoseconds, or the longest duration if it is too long.
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::nanoseconds saturated(std::chrono::duration<Rep, Period> duration) noexcept {
  using std::chrono::nanoseconds;
  using Duration = std::chrono::duration<Rep, Period>;
  if (duration >= std::chrono::duration_cast<Duration>(nanoseconds::max())) return nanoseconds::max();
  if (duration <= std::chrono::duration_cast<Duration>(nanoseconds::min())) return nanoseconds::min();
  return std::chrono::duration_cast<nanoseconds>(duration);
}

/// `start` + `duration`, or `TimePoint::max()` if the sum cannot be represented. Every deadline is computed by this
/// function.
[[nodiscard]] inline std::chrono::steady_clock::time_point after(std::chrono::steady_clock::time_point start,
                                                                 std::chrono::nanoseconds duration) noexcept {
  using TimePoint = std::chrono::steady_clock::time_point;
  if (duration.count() > 0 && duration >= TimePoint::max() - start) return TimePoint::max();
  return start + std::chrono::duration_cast<TimePoint::duration>(duration);
}

}  // namespace etl::inline v0::detail
