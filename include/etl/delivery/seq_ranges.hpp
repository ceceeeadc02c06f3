#pragma once
/// Sets of source items, as ranges of their numbers (contract G14, G15).

#include <cstdint>
#include <limits>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// Source items `first` to `end` - 1 of a partition, by Seq.
struct SeqRange {
  std::uint64_t first = 0;  ///< first item
  std::uint64_t end = 0;    ///< one past the last item
  friend bool operator==(const SeqRange&, const SeqRange&) = default;
};

/// Disjoint ranges in ascending order. Ranges that touch are merged. A value.
class SeqRanges {
 public:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();  ///< no number

  /// Does nothing for an empty range.
  void add(SeqRange range);
  /// Removes all numbers below `seq`.
  void forget_below(std::uint64_t seq);
  /// Whether a range contains `seq`.
  [[nodiscard]] bool contains(std::uint64_t seq) const noexcept;
  /// The first number above `seq` where a range begins or ends, or `none`.
  [[nodiscard]] std::uint64_t boundary_after(std::uint64_t seq) const noexcept;
  /// The end of the range that holds `seq`, or `seq` itself.
  [[nodiscard]] std::uint64_t end_of(std::uint64_t seq) const noexcept {
    return contains(seq) ? boundary_after(seq) : seq;
  }
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  /// The ranges in ascending order.
  [[nodiscard]] const std::vector<SeqRange>& ranges() const noexcept { return ranges_; }
  friend bool operator==(const SeqRanges&, const SeqRanges&) = default;

 private:
  std::vector<SeqRange> ranges_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/seq_ranges.ipp>
#endif
