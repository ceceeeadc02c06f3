#pragma once
/// The compiled part of `SeqRanges`.

#include <algorithm>
#include <cstdint>

#include <etl/config.hpp>
#include <etl/delivery/seq_ranges.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED void SeqRanges::add(SeqRange range) {
  if (range.first >= range.end) return;
  auto from = std::ranges::lower_bound(ranges_, range.first, {}, &SeqRange::end);
  auto to = from;
  for (; to != ranges_.end() && to->first <= range.end; ++to) {
    range.first = std::min(range.first, to->first);
    range.end = std::max(range.end, to->end);
  }
  ranges_.insert(ranges_.erase(from, to), range);
}

ETLPIPE_COMPILED void SeqRanges::forget_below(std::uint64_t seq) {
  ranges_.erase(ranges_.begin(), std::ranges::find_if(ranges_, [seq](SeqRange r) { return r.end > seq; }));
  if (!ranges_.empty()) ranges_.front().first = std::max(ranges_.front().first, seq);
}

ETLPIPE_COMPILED bool SeqRanges::contains(std::uint64_t seq) const noexcept {
  const auto at = std::ranges::upper_bound(ranges_, seq, {}, &SeqRange::end);
  return at != ranges_.end() && at->first <= seq;
}

ETLPIPE_COMPILED std::uint64_t SeqRanges::boundary_after(std::uint64_t seq) const noexcept {
  const auto at = std::ranges::upper_bound(ranges_, seq, {}, &SeqRange::end);
  if (at == ranges_.end()) return none;
  return at->first > seq ? at->first : at->end;
}

}  // namespace etl::inline v0
