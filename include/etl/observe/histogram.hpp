#pragma once
/// Distribution of durations in constant memory.

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// Counts durations in buckets of at most 1/8 relative width (8 per power of two of nanoseconds). A value. Not
/// thread-safe: each worker fills its own histogram, and these are merged.
class Histogram {
 public:
  /// Counts a duration; negative counts as 0.
  void record(std::chrono::nanoseconds duration) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
    ++buckets_[index(ns)];
    ++count_;
    total_ += ns;
    max_ = std::max(max_, ns);
  }
  /// Adds the counts of another histogram.
  void merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }

  /// Number of recorded durations.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Their sum.
  [[nodiscard]] std::chrono::nanoseconds total() const noexcept { return nanoseconds(total_); }
  /// The longest.
  [[nodiscard]] std::chrono::nanoseconds max() const noexcept { return nanoseconds(max_); }
  /// The duration that a share of `q` (0 to 1) of all recorded durations does not exceed: the upper edge of its bucket,
  /// at most `max()`. Zero if nothing was recorded.
  [[nodiscard]] std::chrono::nanoseconds quantile(double q) const noexcept {
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank && seen > 0) return nanoseconds(std::min(upper(i), max_));
    }
    return {};
  }

 private:
  static constexpr unsigned sub_bits = 3;
  static std::chrono::nanoseconds nanoseconds(std::uint64_t n) noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(n));
  }
  static std::size_t index(std::uint64_t ns) noexcept {
    if (ns < (1u << sub_bits)) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - sub_bits;
    return ((shift + 1) << sub_bits) + ((ns >> shift) & ((1u << sub_bits) - 1));
  }
  static std::uint64_t upper(std::size_t i) noexcept {
    if (i < (1u << sub_bits)) return i;
    const auto shift = static_cast<unsigned>(i >> sub_bits) - 1;
    const std::uint64_t base = (1u << sub_bits) + (i & ((1u << sub_bits) - 1));
    return ((base + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - sub_bits + 1) << sub_bits> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace etl::inline v0
