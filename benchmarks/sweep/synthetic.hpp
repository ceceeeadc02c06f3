#pragma once
/// The workloads that come with the tool: one pipeline whose costs are numbers.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>

#include <etl/observe/histogram.hpp>
#include <etl/run.hpp>

#include <sweep/sweep.hpp>

namespace sweep {

using Clock = std::chrono::steady_clock;

struct Item {
  Clock::time_point extracted{};
  std::uint64_t value = 0;
};

/// Arithmetic that the compiler cannot shorten. Not a wait: two workers on one CPU take twice as long.
inline std::uint64_t burn(std::uint64_t x, std::uint64_t rounds) {
  for (std::uint64_t i = 0; i < rounds; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  return x;
}

/// How many rounds of `burn` fill a nanosecond on this machine, found once.
inline double rounds_per_ns() {
  static const double found = [] {
    double fastest = 0;
    for (int i = 0; i < 5; ++i) {
      constexpr std::uint64_t rounds = 2'000'000;
      const auto start = Clock::now();
      const volatile std::uint64_t keep =
          burn(static_cast<std::uint64_t>(start.time_since_epoch().count()) | 1, rounds);
      static_cast<void>(keep);
      fastest = std::max(fastest, static_cast<double>(rounds) / static_cast<double>((Clock::now() - start).count()));
    }
    return fastest;
  }();
  return found;
}

/// Extracts for a given time, so that slow settings do not take forever.
class Synthetic {
 public:
  Synthetic(const Workload& workload, std::chrono::nanoseconds duration, bool measure_latency)
      : workload_(workload),
        duration_(duration),
        measure_latency_(measure_latency),
        rounds_(workload.transform_ns > 0 ? static_cast<std::uint64_t>(workload.transform_ns * rounds_per_ns()) : 0) {}

  void extract(etl::Emitter<Item>& out) {
    if (workload_.rate > 0)
      at_rate(out);
    else
      at_full_speed(out);
  }
  void transform(std::span<Item> batch) const {
    if (rounds_ == 0) return;
    for (Item& item : batch) item.value = burn(item.value | 1, rounds_);
  }
  void load(std::span<const Item> batch) const {
    if (measure_latency_) record(batch);
    const double ns = workload_.load_us * 1000 + workload_.load_item_ns * static_cast<double>(batch.size());
    if (ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(static_cast<std::int64_t>(ns)));
  }

  [[nodiscard]] const etl::Histogram& latency() const { return latency_; }

 private:
  /// Reads the clock rarely while pushes are fast, each time when they are slow: a look costs 20 ns.
  void at_full_speed(etl::Emitter<Item>& out) const {
    auto now = Clock::now();
    const auto deadline = now + duration_;
    std::uint64_t next_look = 0, stride = 1;
    for (std::uint64_t i = 0;; ++i) {
      if (i == next_look) {
        const auto before = std::exchange(now, Clock::now());
        if (now >= deadline) return;
        stride =
            now - before < std::chrono::microseconds(10) ? std::min<std::uint64_t>(stride * 2, 1024) : stride / 2 + 1;
        if (now - before > std::chrono::milliseconds(1)) stride = 1;
        next_look = i + stride;
      }
      if (!out.push(Item{now, i})) return;
    }
  }
  void at_rate(etl::Emitter<Item>& out) const {
    const auto start = Clock::now();
    std::uint64_t pushed = 0;
    for (auto now = start; now < start + duration_; now = Clock::now()) {
      const auto due =
          static_cast<std::uint64_t>(std::chrono::duration<double>(now - start).count() * workload_.rate) + 1;
      for (; pushed < due; ++pushed)
        if (!out.push(Item{Clock::now(), pushed})) return;
      std::this_thread::sleep_until(start + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                                1e9 * static_cast<double>(pushed) / workload_.rate)));
    }
  }
  void record(std::span<const Item> batch) const {
    const auto now = Clock::now();
    const std::lock_guard lock(mutex_);
    for (const Item& item : batch) latency_.record(now - item.extracted);
  }

  const Workload& workload_;
  std::chrono::nanoseconds duration_;
  bool measure_latency_;
  std::uint64_t rounds_;
  mutable std::mutex mutex_;
  mutable etl::Histogram latency_;
};

}  // namespace sweep
