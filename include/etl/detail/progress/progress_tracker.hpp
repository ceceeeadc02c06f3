#pragma once
/// The contiguous watermark of each partition (contract G14).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::detail {

/// Settled items of a partition, with the source's last mark at or before their end.
struct SettledItems {
  std::uint32_t partition = 0;
  SeqRange items{};
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;
};

/// Keeps track of settled items, at a cost that does not grow with the number of partitions. Not synchronised.
class ProgressTracker {
 public:
  ProgressTracker() = default;
  /// `start` lists every partition that can be settled.
  explicit ProgressTracker(const Checkpoint& start) {
    for (const PartitionProgress& p : start.partitions) at(p.partition).progress = p;
  }

  void settle(const SettledItems& settled) {
    Partition& partition = at(settled.partition);
    PartitionProgress& p = partition.progress;
    if (settled.position && settled.position_seq > p.position_seq)
      partition.add({settled.position_seq, *settled.position});
    p.gaps.add(settled.items);
    p.gaps.forget_below(p.watermark);
    const std::uint64_t watermark = p.gaps.end_of(p.watermark);
    if (watermark == p.watermark) return;
    if (!std::exchange(partition.moved, true)) moved_.push_back(settled.partition);
    p.watermark = watermark;
    p.gaps.forget_below(watermark);
    p.ends.erase(p.ends.begin(), std::ranges::upper_bound(p.ends, watermark));
    partition.pass_marks();
  }
  void mark(std::uint32_t partition, const Position& position, std::uint64_t position_seq) {
    Partition& marked = at(partition);
    if (position_seq < marked.progress.position_seq) return;
    marked.add({position_seq, position});
    marked.pass_marks();
  }
  /// Notes that the partition ends at `seq` for now. Returns false if that is already noted or settled.
  [[nodiscard]] bool end_at(std::uint32_t partition, std::uint64_t seq) {
    PartitionProgress& p = at(partition).progress;
    const auto place = std::ranges::lower_bound(p.ends, seq);
    if (seq <= p.watermark || (place != p.ends.end() && *place == seq)) return false;
    p.ends.insert(place, seq);
    return true;
  }
  [[nodiscard]] std::vector<PartitionProgress> progress() const {
    std::vector<PartitionProgress> all;
    for (const Partition& partition : partitions_)
      if (partition.known) all.push_back(partition.progress);
    return all;
  }
  /// The partitions whose watermark has moved since the last call.
  [[nodiscard]] std::vector<PartitionProgress> take_moved() {
    std::vector<PartitionProgress> moved;
    for (const std::uint32_t number : moved_) {
      partitions_[number].moved = false;
      const PartitionProgress& p = partitions_[number].progress;
      moved.push_back({p.partition, p.watermark, p.position, p.position_seq});
    }
    moved_.clear();
    return moved;
  }

 private:
  struct Mark {
    std::uint64_t seq;
    Position position;
  };
  struct Partition {
    PartitionProgress progress{};
    std::map<std::uint64_t, Position> marks{};  ///< marks beyond the watermark
    bool known = false;                         ///< false in the gaps between partition numbers
    bool moved = false;

    /// Adds a mark. Every mark is a correct place to resume, only not equally near, so when there are too many, every
    /// other mark is dropped.
    void add(Mark mark) {
      constexpr std::size_t most = 64;
      marks.insert_or_assign(mark.seq, std::move(mark.position));
      if (marks.size() <= most) return;
      bool odd = true;  // the last mark stays, because it may be the end of the source
      std::erase_if(marks, [&odd](const auto&) { return odd = !odd; });
    }
    void pass_marks() {
      const auto ahead = marks.upper_bound(progress.watermark);
      if (ahead == marks.begin()) return;
      auto last = std::prev(ahead);
      progress.position_seq = last->first;
      progress.position = std::move(last->second);
      marks.erase(marks.begin(), ahead);
    }
  };
  [[nodiscard]] Partition& at(std::uint32_t number) {
    if (number >= partitions_.size()) partitions_.resize(number + std::size_t{1});
    Partition& partition = partitions_[number];
    if (!std::exchange(partition.known, true)) partition.progress.partition = number;
    return partition;
  }

  std::vector<Partition> partitions_;  // indexed by partition number
  std::vector<std::uint32_t> moved_;
};

}  // namespace etl::inline v0::detail
