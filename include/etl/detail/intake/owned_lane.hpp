#pragma once
/// A lane together with the data that its batcher keeps about it under the lock.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/detail/dispatch/inline_choice.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/lane.hpp>

namespace etl::inline v0::detail {

/// How much of its partition a source has read, for the progress bar.
struct SourceBytes {
  std::uint64_t read = 0;
  std::uint64_t size = 0;     ///< zero if not known
  std::uint64_t skipped = 0;  ///< the part of `read` that an earlier run settled, so that this run did not read it
  void add(const SourceBytes& other) noexcept {
    read += other.read;
    size += other.size;
    skipped += other.skipped;
  }
};

/// The open batch is the part of the buffer from `begin` on. When the timer cuts the batch, it takes the published
/// items and sets `limit` to 0. Items that the producer publishes at that moment stay in the buffer; on its next call
/// the producer moves them to a new buffer.
struct OwnedLane final : Lane {
  OwnedLane(LaneHost& batcher, const ItemType& its_type) : type(its_type) { host = &batcher; }

  const ItemType& type;

  Buffer* buffer = nullptr;
  std::uint32_t begin = 0;
  bool in_use = false;
  bool ended = false;         ///< the source has reached its end
  bool timed = false;         ///< `opened` is the time of the open batch's first item
  bool cut_recently = false;  ///< the timer must look once more for items published during the cut
  bool refused = false;       ///< a push was refused, so later marks come after a lost item
  TimePoint opened{};
  TimePoint cut_at{};
  std::uint32_t partition = 0;
  std::uint64_t next_seq = 0;
  std::uint64_t next_ordinal = 0;
  SourceBytes source{};          ///< progress within the partition
  std::uint64_t open_bytes = 0;  ///< written by the producer only
  std::uint32_t most = 0;        ///< largest number of items for the open batch
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;
  const PartitionProgress* resume = nullptr;  ///< progress of an earlier run, or null
  bool resumed = false;                       ///< the source began at the position of `resume`
  SeqRanges replay{};                         ///< items that the earlier run settled
  ChunkRef chunk{};
  std::optional<std::uint64_t> complete_at{};  ///< Seq at which `mark` was called since `chunk` began
  /// The batch that the open batch will become, with its position and chunks, so that sealing needs no memory. Null
  /// before the first item, and right after the timer has cut the open batch.
  Batch* next_batch = nullptr;
  InlineChoice choice{};
  FreeBuffers free{};

  void start(std::uint32_t which, const PartitionProgress* earlier) {
    partition = which;
    next_seq = next_ordinal = position_seq = 0;
    position.reset();
    complete_at.reset();
    source = {};
    resume = earlier;
    resumed = refused = ended = false;
    replay = earlier == nullptr ? SeqRanges() : earlier->gaps;
    if (earlier != nullptr) replay.add({0, earlier->watermark});
    in_use = true;
  }
  /// Resumes at the position of the earlier run. The producer calls this before its first item.
  [[nodiscard]] const std::optional<Position>& resume_here() {
    static const std::optional<Position> fresh_start;
    if (resume == nullptr || !resume->position) return fresh_start;
    if (resumed) return resume->position;
    if (next_seq + pending() > 0) return fresh_start;
    resumed = true;
    next_seq = position_seq = resume->position_seq;
    position = resume->position;
    return resume->position;
  }
  /// Number of items that the partition has given so far.
  [[nodiscard]] std::uint64_t seq() const noexcept { return next_seq + pending(); }
  /// Whether the source has said that it has given all items of the current chunk (G13).
  [[nodiscard]] bool chunk_complete() const noexcept { return complete_at == seq(); }
  [[nodiscard]] std::uint32_t pending() const noexcept {
    return buffer == nullptr ? 0 : count.load(std::memory_order_acquire) - begin;
  }

  /// Makes an unused batch the next batch of this lane.
  void prepare(Batch& batch) {
    batch.position = position;
    batch.position_seq = position_seq;
    if (chunk) batch.chunks.push_back(chunk);
    next_batch = &batch;
  }
  /// Takes all published items into the prepared batch.
  [[nodiscard]] Batch* cut() noexcept {
    const std::uint32_t end = count.load(std::memory_order_acquire);
    Batch& batch = *std::exchange(next_batch, nullptr);
    batch.buffer = buffer;
    ++buffer->users;
    batch.begin = begin;
    batch.end = end;
    batch.partition = partition;
    batch.ordinal = next_ordinal++;
    batch.first_seq = next_seq;
    batch.skipped = replay.contains(next_seq);
    next_seq += end - begin;
    begin = end;
    timed = false;
    return &batch;
  }
  /// Ends the open batch. Returns whether it has items. Called by the timer.
  [[nodiscard]] bool cut_short(TimePoint now) noexcept {
    limit.store(0, std::memory_order_relaxed);
    const bool any = pending() > 0;
    if (any && !timed) opened = cut_at;
    cut_recently = timed || any;
    cut_at = now;
    timed = false;
    return any;
  }

  /// Gives up the buffer with all its items. Called by the producer.
  template <class Host>
  void leave_buffer(Host& batcher) noexcept {
    if (buffer == nullptr) return;
    if (type.reused) buffer->live = live;
    const auto freed = batcher.unref(std::exchange(buffer, nullptr));
    reset();
  }
  /// Continues in `fresh` and moves the pending items there. If a move throws, some items have been moved away. Called
  /// by the producer.
  template <class Host>
  void renew(Host& batcher, std::unique_ptr<Buffer> fresh) {
    const std::uint32_t moved = pending();
    if (moved > 0) type.move(data, begin, moved, fresh->data, 0, fresh->live);
    if (!type.reused && moved > 0) type.destroy(data, begin, moved);
    leave_buffer(batcher);
    buffer = fresh.release();
    data = buffer->data;
    live = std::exchange(buffer->live, 0);
    count.store(moved, std::memory_order_relaxed);
  }

  /// Number of items that the next batch may have. A batch ends where a settled range of an earlier run begins or
  /// ends. If `aligned`, it also ends at a multiple of the batch size, and where the partition ended in an earlier
  /// run.
  [[nodiscard]] std::uint32_t room(std::uint32_t batch_size, bool aligned) const noexcept {
    const std::uint64_t to_multiple = aligned ? batch_size - next_seq % batch_size : batch_size;
    std::uint64_t end = std::min(next_seq + to_multiple, replay.boundary_after(next_seq));
    if (aligned && resume != nullptr) {
      const auto earlier_end = std::ranges::upper_bound(resume->ends, next_seq);
      if (earlier_end != resume->ends.end()) end = std::min(end, *earlier_end);
    }
    return static_cast<std::uint32_t>(end - next_seq);
  }

  /// Returns a used buffer, or a new one. Called under the lock.
  [[nodiscard]] std::unique_ptr<Buffer> take_buffer(std::uint32_t batch_size) {
    std::unique_ptr<Buffer> used = free.pop();
    if (!used) return std::make_unique<Buffer>(type, batch_size, this);
    used->users = 1;
    return used;
  }

 private:
  void reset() noexcept {
    limit.store(0, std::memory_order_relaxed);
    count.store(0, std::memory_order_relaxed);
    data = nullptr;
    live = 0;
    begin = 0;
    timed = cut_recently = false;
    open_bytes = 0;
  }
};

}  // namespace etl::inline v0::detail
