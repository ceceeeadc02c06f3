#pragma once
/// Sets of source items, as ranges of their numbers (contract G14, G15).

#include <algorithm>
#include <cstdint>
#include <iterator>
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

  /// Adds a range; an empty range adds nothing.
  void add(SeqRange range) {
    if (range.first >= range.end) return;
    auto from = std::ranges::lower_bound(ranges_, range.first, {}, &SeqRange::end);
    auto to = from;
    for (; to != ranges_.end() && to->first <= range.end; ++to) {
      range.first = std::min(range.first, to->first);
      range.end = std::max(range.end, to->end);
    }
    ranges_.insert(ranges_.erase(from, to), range);
  }
  /// Removes all numbers below `seq`.
  void forget_below(std::uint64_t seq) {
    ranges_.erase(ranges_.begin(), std::ranges::find_if(ranges_, [seq](SeqRange r) { return r.end > seq; }));
    if (!ranges_.empty()) ranges_.front().first = std::max(ranges_.front().first, seq);
  }
  /// Whether a range contains `seq`.
  [[nodiscard]] bool contains(std::uint64_t seq) const noexcept {
    const auto at = std::ranges::upper_bound(ranges_, seq, {}, &SeqRange::end);
    return at != ranges_.end() && at->first <= seq;
  }
  /// The first number above `seq` where a range begins or ends, or `none`.
  [[nodiscard]] std::uint64_t boundary_after(std::uint64_t seq) const noexcept {
    const auto at = std::ranges::upper_bound(ranges_, seq, {}, &SeqRange::end);
    if (at == ranges_.end()) return none;
    return at->first > seq ? at->first : at->end;
  }
  /// The end of the range that contains `seq`, or `seq` itself.
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
