#pragma once
/// A lane with what its batcher keeps of it under the lock.

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

/// How much of a source is read, for the progress bar.
struct SourceBytes {
  std::uint64_t read = 0;
  std::uint64_t size = 0;     ///< 0: not known
  std::uint64_t skipped = 0;  ///< of `read`, what this run had not to read since an earlier one had settled it
  void add(const SourceBytes& other) noexcept {
    read += other.read;
    size += other.size;
    skipped += other.skipped;
  }
};

/// The open batch is the part of the buffer from `begin` on. A cut by the timer takes the published
/// prefix and sets `limit` to 0; items that the producer was publishing at that moment stay, and move
/// to a new buffer when the producer comes by.
struct OwnedLane final : Lane {
  OwnedLane(LaneHost& batcher, const ItemType& its_type) : type(its_type) { host = &batcher; }

  const ItemType& type;

  Buffer* buffer = nullptr;
  std::uint32_t begin = 0;
  bool in_use = false;
  bool ended = false;         ///< its source has ended by itself
  bool timed = false;         ///< `opened` is the time of the open batch's first item
  bool cut_recently = false;  ///< look once more for items published during the cut
  bool refused = false;       ///< a push was not accepted: later marks lie behind an item that is lost
  TimePoint opened{};
  TimePoint cut_at{};
  std::uint32_t partition = 0;
  std::uint64_t next_seq = 0;
  std::uint64_t next_ordinal = 0;
  SourceBytes source{};          ///< of the partition
  std::uint64_t open_bytes = 0;  ///< written by the producer
  std::uint32_t most = 0;        ///< items in the open batch
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;
  const PartitionProgress* resume = nullptr;  ///< of an earlier run
  bool resumed = false;                       ///< the source began there
  SeqRanges replay{};                         ///< settled by it
  ChunkRef chunk{};
  std::optional<std::uint64_t> complete_at{};  ///< `mark` was called here since `chunk` began
  /// What the open batch will be when it is sealed, with its position and its chunks: so sealing needs no memory. Null
  /// before the first item, and when the timer has just cut the open batch.
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
  /// By the producer, before its first item: goes on where the earlier run was.
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
  /// How many items the partition has given so far.
  [[nodiscard]] std::uint64_t seq() const noexcept { return next_seq + pending(); }
  /// Whether the source has said that it has given all of the current chunk (G13).
  [[nodiscard]] bool chunk_complete() const noexcept { return complete_at == seq(); }
  [[nodiscard]] std::uint32_t pending() const noexcept {
    return buffer == nullptr ? 0 : count.load(std::memory_order_acquire) - begin;
  }

  /// Makes an unused batch the next one of this lane.
  void prepare(Batch& batch) {
    batch.position = position;
    batch.position_seq = position_seq;
    if (chunk) batch.chunks.push_back(chunk);
    next_batch = &batch;
  }
  /// Takes all published items into the batch that was prepared for them.
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
  /// By the timer: ends the open batch; whether it has items.
  [[nodiscard]] bool cut_short(TimePoint now) noexcept {
    limit.store(0, std::memory_order_relaxed);
    const bool any = pending() > 0;
    if (any && !timed) opened = cut_at;
    cut_recently = timed || any;
    cut_at = now;
    timed = false;
    return any;
  }

  /// By the producer: gives its buffer up, keeping nothing.
  template <class Host>
  void leave_buffer(Host& batcher) noexcept {
    if (buffer == nullptr) return;
    if (type.reused) buffer->live = live;
    const auto freed = batcher.unref(std::exchange(buffer, nullptr));
    reset();
  }
  /// By the producer: goes on in `fresh`, with the pending items, if any, moved over. When a move throws, some of them
  /// have been moved away.
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

  /// How many items the next batch may have: none is cut in two by what was settled before, nor, if `aligned`, by a
  /// multiple of the batch size, or by where the partition ended in an earlier run.
  [[nodiscard]] std::uint32_t room(std::uint32_t batch_size, bool aligned) const noexcept {
    const std::uint64_t to_multiple = aligned ? batch_size - next_seq % batch_size : batch_size;
    std::uint64_t end = std::min(next_seq + to_multiple, replay.boundary_after(next_seq));
    if (aligned && resume != nullptr) {
      const auto earlier_end = std::ranges::upper_bound(resume->ends, next_seq);
      if (earlier_end != resume->ends.end()) end = std::min(end, *earlier_end);
    }
    return static_cast<std::uint32_t>(end - next_seq);
  }

  /// Under the lock: a used buffer, or a new one.
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
