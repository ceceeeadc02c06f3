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

/// The slots of one or more batches. `users` counts the producer that fills them and the batches that hold them.
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
  std::uint32_t live = 0;  ///< number of leading slots that hold elements (for plain data: at least those)
  std::uint32_t users = 1;
  OwnedLane* owner;                ///< gets the buffer back with its elements alive
  std::uint64_t bytes = 0;         ///< largest weight that the items of one batch had
  std::unique_ptr<Buffer> next{};  ///< next in the owner's list of free buffers
};

/// Free buffers, linked through themselves, so that giving a buffer back needs no memory.
class FreeBuffers {
 public:
  FreeBuffers() = default;
  FreeBuffers(const FreeBuffers&) = delete;
  FreeBuffers& operator=(const FreeBuffers&) = delete;
  ~FreeBuffers() {
    while (pop()) {}  // one by one, because a chain of destructors could overflow the stack
  }
  void swap(FreeBuffers& other) noexcept { head_.swap(other.head_); }
  void push(std::unique_ptr<Buffer> buffer) noexcept {
    buffer->next = std::move(head_);
    head_ = std::move(buffer);
  }
  /// Returns the buffer that was given back last, or null.
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
  Buffer* buffer = nullptr;  ///< null: the batch takes its items from the shared intake
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t partition = 0;
  std::uint64_t number = 0;   ///< counted over the whole run
  std::uint64_t ordinal = 0;  ///< counted within the partition
  std::uint64_t first_seq = 0;
  std::uint64_t bytes = 0;  ///< charged to the memory budget
  std::uint32_t held = 0;   ///< items that the batch source counts as held until the batch is settled
  TimePoint sealed{};
  std::vector<ChunkRef> chunks{};
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;  ///< items of the partition before `position`
  bool skipped = false;            ///< an earlier run settled the batch
  Batch* next = nullptr;

  [[nodiscard]] std::uint32_t size() const noexcept { return end - begin; }
  template <class E>
  [[nodiscard]] std::span<E> items() const noexcept {
    return {static_cast<E*>(buffer->data) + begin, size()};
  }
};

/// A first-in, first-out queue of batches, linked through themselves.
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

/// What happened to the items and results of one batch. Settling the batch adds this to the ledgers of the run.
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

/// Transforms and loads the batches of a batcher: the pipeline's side.
class BatchProcessor {
 public:
  BatchProcessor() = default;
  BatchProcessor(const BatchProcessor&) = delete;
  BatchProcessor& operator=(const BatchProcessor&) = delete;
  virtual ~BatchProcessor() = default;
  /// Runs the batch with the state of worker `slot`. `begin` is the current time, as the caller last read it. Settles
  /// the batch now, or in a later call if the batch is parked. Returns the time at which the work ended.
  virtual TimePoint process(Batch* batch, std::uint32_t slot, TimePoint begin) noexcept = 0;
  /// Settles all parked batches as abandoned, and parks no batch from then on.
  virtual void abandon_parked() noexcept = 0;
  /// Weight of the items, for `batch_bytes` and the memory budget. If the user's `bytes` throws, this returns an
  /// estimate. It cannot fail the run itself, because its caller may hold the batcher's lock; the next `process` or
  /// `check` does so.
  [[nodiscard]] virtual std::uint64_t bytes(const void* items, std::uint32_t first, std::uint32_t count) noexcept = 0;
  /// Whether weighing has failed, and `check` has not been called since then.
  [[nodiscard]] virtual bool unweighed() const noexcept = 0;
  /// Fails the run if weighing has failed. Called without the lock.
  virtual void check() noexcept = 0;
  /// Whether the user wants items back that are not loaded. If so, `lost` gets the items of each such batch before the
  /// batch is abandoned. `lost` is called without the lock.
  [[nodiscard]] virtual bool wants_lost() const noexcept { return false; }
  virtual void lost(const Batch& /*batch*/) noexcept {}
  /// Does the work that is due, such as saving progress. The timer calls this without the lock.
  virtual void on_time(TimePoint now) noexcept = 0;
};

/// Batches that do not come from a lane: the shared intake of a Bucket.
class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;
  /// Seals the batches that are due into `sealed`. Returns when the timer must look again. Called under the batcher's
  /// lock.
  virtual TimePoint seal_due(TimePoint now, BatchQueue& sealed) noexcept = 0;
  /// Refuses further items, and seals the rest into `sealed`. Called under the batcher's lock.
  virtual void refuse(BatchQueue& sealed) noexcept = 0;
  /// Fills in the items of a batch that was sealed without a buffer. Called without the lock. Throws if memory runs
  /// out; the items are then still in the source. Also throws if the move of an item throws; the batch then holds the
  /// other items.
  virtual void materialise(Batch& batch) = 0;
  /// A batch with `held` items has been settled. Called under the batcher's lock.
  virtual void settled(std::uint32_t /*held*/) noexcept {}
};

}  // namespace etl::inline v0::detail
