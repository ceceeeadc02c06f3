#pragma once
/// How many processors this process may use.

#include <algorithm>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include <etl/config.hpp>

namespace etl::inline v0::detail {

/// Number of processors to which the calling thread is bound (`taskset`, a container's set), if the system tells. At
/// least 1.
[[nodiscard]] inline unsigned usable_cpus() noexcept {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace etl::inline v0::detail
