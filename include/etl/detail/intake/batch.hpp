#pragma once
/// Batches on their way from a lane to a worker and back.

#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/executor.hpp>
#include <etl/position.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Why a batch was sealed (G12).
enum class FlushReason : std::uint8_t { Size, Bytes, Timeout, Source, Close };

struct OwnedLane;

/// The slots behind one or more batches, counted by their users: its producer and its batches.
struct Buffer {
  Buffer(const ItemType& its_type, std::uint32_t capacity, OwnedLane* its_owner)
      : type(its_type),
        data(::operator new(capacity * its_type.size, std::align_val_t{its_type.alignment})),
        owner(its_owner) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    type.destroy(data, 0, live);
    ::operator delete(data, std::align_val_t{type.alignment});
  }

  const ItemType& type;
  void* const data;
  std::uint32_t live = 0;  ///< the first so many slots hold elements (at least those, for plain data)
  std::uint32_t users = 1;
  OwnedLane* owner;                ///< gets it back, elements alive
  std::uint64_t bytes = 0;         ///< the most its items weighed
  std::unique_ptr<Buffer> next{};  ///< in its owner's list of those that are free
};

/// Buffers that are free, linked through themselves: to give one back needs no memory.
class FreeBuffers {
 public:
  FreeBuffers() = default;
  FreeBuffers(const FreeBuffers&) = delete;
  FreeBuffers& operator=(const FreeBuffers&) = delete;
  ~FreeBuffers() {
    while (pop()) {}  // one by one, for the stack's sake
  }
  void swap(FreeBuffers& other) noexcept { head_.swap(other.head_); }
  void push(std::unique_ptr<Buffer> buffer) noexcept {
    buffer->next = std::move(head_);
    head_ = std::move(buffer);
  }
  /// The one given back last, or null.
  [[nodiscard]] std::unique_ptr<Buffer> pop() noexcept {
    std::unique_ptr<Buffer> buffer = std::move(head_);
    if (buffer) head_ = std::move(buffer->next);
    return buffer;
  }

 private:
  std::unique_ptr<Buffer> head_;
};

/// A sealed run of items of one partition. Batch objects are recycled.
struct Batch {
  Buffer* buffer = nullptr;  ///< null: to be taken from the shared intake
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t partition = 0;
  std::uint64_t number = 0;   ///< over the whole run
  std::uint64_t ordinal = 0;  ///< within its partition
  std::uint64_t first_seq = 0;
  std::uint64_t bytes = 0;  ///< charged to the memory budget
  std::uint32_t held = 0;   ///< items that its source counts as held until it is settled
  TimePoint sealed{};
  std::vector<ChunkRef> chunks{};
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;  ///< items of the partition before `position`
  bool skipped = false;            ///< settled by an earlier run
  Batch* next = nullptr;

  [[nodiscard]] std::uint32_t size() const noexcept { return end - begin; }
  template <class E>
  [[nodiscard]] std::span<E> items() const noexcept {
    return {static_cast<E*>(buffer->data) + begin, size()};
  }
};

/// Batches in order, linked through themselves.
class BatchQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  void push(Batch* batch) noexcept {
    batch->next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = batch;
    tail_ = batch;
  }
  [[nodiscard]] Batch* pop() noexcept {
    Batch* batch = head_;
    if (batch != nullptr) head_ = batch->next;
    return batch;
  }

 private:
  Batch* head_ = nullptr;
  Batch* tail_ = nullptr;
};

/// What became of one batch; added to the run's ledgers when it is settled.
struct BatchLedger {
  ItemLedger items{};
  ResultLedger results{};
  void add(const BatchLedger& other) noexcept {
    items.extracted += other.items.extracted;
    items.loaded += other.items.loaded;
    items.filtered += other.items.filtered;
    items.rejected += other.items.rejected;
    items.skipped += other.items.skipped;
    items.abandoned += other.items.abandoned;
    results.produced += other.results.produced;
    results.committed += other.results.committed;
    results.rejected += other.results.rejected;
    results.abandoned += other.results.abandoned;
    results.in_doubt += other.results.in_doubt;
  }
};

/// What a batcher does with its batches: the transform and load of a pipeline.
class BatchProcessor {
 public:
  BatchProcessor() = default;
  BatchProcessor(const BatchProcessor&) = delete;
  BatchProcessor& operator=(const BatchProcessor&) = delete;
  virtual ~BatchProcessor() = default;
  /// Runs the batch with the state of worker `slot`, from `begin` on, which is about now. Settles it, now or
  /// through a later call (a parked batch). Returns the time it ended.
  virtual TimePoint process(Batch* batch, std::uint32_t slot, TimePoint begin) noexcept = 0;
  /// Settles everything parked as abandoned; parks nothing more.
  virtual void abandon_parked() noexcept = 0;
  /// The weight of items, for `batch_bytes` and the memory budget. When the user's `bytes` throws, an estimate; the
  /// run is then failed by the next `process` or `check`, which may be called here under the batcher's lock.
  [[nodiscard]] virtual std::uint64_t bytes(const void* items, std::uint32_t first, std::uint32_t count) noexcept = 0;
  /// Whether weighing has failed, and nobody has called `check` since.
  [[nodiscard]] virtual bool unweighed() const noexcept = 0;
  /// Without the lock: fails the run if weighing has failed.
  virtual void check() noexcept = 0;
  /// Whether items that are not loaded are wanted back; those of `lost`, without the lock, before they are abandoned.
  [[nodiscard]] virtual bool wants_lost() const noexcept { return false; }
  virtual void lost(const Batch& /*batch*/) noexcept {}
  /// Without the lock, by the timer: does what is due, such as saving progress.
  virtual void on_time(TimePoint now) noexcept = 0;
};

/// Batches that come from somewhere else than a lane: the shared intake of a Bucket.
class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;
  /// Under the batcher's lock: seals what is due into `sealed`; returns when to look again.
  virtual TimePoint seal_due(TimePoint now, BatchQueue& sealed) noexcept = 0;
  /// Under the batcher's lock: takes no more; seals the rest into `sealed`.
  virtual void refuse(BatchQueue& sealed) noexcept = 0;
  /// Without the lock: fills in the items of a batch sealed without a buffer. Throws without memory; the items are then
  /// still in the source. Also throws what the move of an item throws; the batch then has the other items.
  virtual void materialise(Batch& batch) = 0;
  /// Under the batcher's lock: a batch is settled that had `held` items.
  virtual void settled(std::uint32_t /*held*/) noexcept {}
};

}  // namespace etl::inline v0::detail
