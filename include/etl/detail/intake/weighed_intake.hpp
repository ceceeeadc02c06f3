#pragma once
/// Single items from threads without a lane, weighed one by one.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/intake/owned_lane.hpp>
#include <etl/detail/intake/shared_intake.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>

namespace etl::inline v0::detail {

/// Replaces `SharedIntake` in a bucket with `batch_bytes`, a memory budget, or `Order::Source`. Sealing a batch needs
/// to know its items, so one open batch is filled under the batcher's lock, which each item takes. Thread-safe.
class WeighedIntake final : public BatchSource {
 public:
  WeighedIntake(Batcher& batcher, const ItemType& type, const Options& options)
      : batcher_(batcher),
        options_(options),
        batch_size_(static_cast<std::uint32_t>(options.batch_size)),
        batch_bytes_(options.batch_bytes.value_or(UINT64_MAX)),
        capacity_(options.effective_capacity()),
        buffers_(batcher, type) {}

  /// Never blocks. Moves from the item only if the result is Yes. Throws what the move throws.
  [[nodiscard]] Pushed try_push(void* item, std::uint64_t weight) {
    auto lock = batcher_.lock();
    if (is_full()) seal_full(lock);
    if (batcher_.refusing()) return Pushed::Refused;
    if (!batcher_.has_room(capacity_ - 1)) return batcher_.refusing() ? Pushed::Refused : Pushed::Full;
    put(lock, item, weight);
    return Pushed::Yes;
  }
  /// Blocks while the bucket is full. Returns false after close, stop or failure; the item is then counted.
  [[nodiscard]] bool push(void* item, std::uint64_t weight) {
    auto lock = batcher_.lock();
    if (!batcher_.has_room(capacity_ - 1))
      batcher_.wait_helping(lock, [this] { return batcher_.has_room(capacity_ / 2); });
    if (is_full()) seal_full(lock);
    if (batcher_.refusing()) return batcher_.count_refused(), false;
    put(lock, item, weight);
    return true;
  }

  /// Waits for room until `due` at most, on the batcher's clock. Returns false if there is still no room, or after
  /// close, stop or failure.
  [[nodiscard]] bool wait_for_room_until(TimePoint due) {
    auto lock = batcher_.lock();
    batcher_.wait_until(lock, due, [this] { return batcher_.has_room(capacity_ - 1); });
    return !batcher_.refusing() && batcher_.has_room(capacity_ - 1);
  }

  // --- for the batcher ------------------------------------------------------------------------------
  TimePoint seal_due(TimePoint now, BatchQueue& sealed) noexcept override {
    if (!timed_) return TimePoint::max();
    const TimePoint due = after(opened_, options_.timeout);
    if (due > now) return due;
    timed_ = false;
    if (count_ > 0) sealed.push(seal(FlushReason::Timeout, now));
    return TimePoint::max();
  }
  void refuse(BatchQueue& sealed) noexcept override {
    if (count_ > 0) sealed.push(seal(FlushReason::Close, batcher_.now()));
  }
  void materialise(Batch& /*batch*/) override {}  // a sealed batch already has its items

 private:
  using Lock = Batcher::Lock;

  // --- under the lock -----------------------------------------------------------------------------------
  void put(Lock& lock, void* item, std::uint64_t weight) {
    if (next_batch_ == nullptr) next_batch_ = batcher_.new_batch();
    if (buffer_ == nullptr) buffer_ = buffers_.take_buffer(batch_size_);
    if (count_ == 0) start_open();
    buffer_->type.move(item, 0, 1, buffer_->data, count_, buffer_->live);
    ++count_;
    bytes_ += weight;
    if (is_full()) seal_full(lock);
  }
  void start_open() {
    opened_ = batcher_.now();
    batcher_.arm_timer(after(opened_, options_.timeout));
    timed_ = true;
  }
  [[nodiscard]] bool is_full() const noexcept { return count_ >= batch_size_ || bytes_ >= batch_bytes_; }
  void seal_full(Lock& lock) {
    batcher_.dispatch(lock, seal(count_ >= batch_size_ ? FlushReason::Size : FlushReason::Bytes, batcher_.now()),
                      nullptr);
  }
  [[nodiscard]] Batch* seal(FlushReason reason, TimePoint time) noexcept {
    Batch* const batch = std::exchange(next_batch_, nullptr);
    buffer_->bytes = std::max(buffer_->bytes, bytes_);
    if (!buffer_->type.reused) buffer_->live = 0;  // the batch destroys them
    batch->buffer = buffer_.release();
    batch->begin = 0;
    batch->end = std::exchange(count_, 0);
    batch->partition = 0;
    batch->ordinal = next_ordinal_++;
    batch->first_seq = std::exchange(next_seq_, next_seq_ + batch->end);
    batcher_.count_seal(*batch, reason, opened_, time);
    bytes_ = 0;
    timed_ = false;
    return batch;
  }

  Batcher& batcher_;
  const Options& options_;
  const std::uint32_t batch_size_;
  const std::uint64_t batch_bytes_;
  const std::uint64_t capacity_;
  OwnedLane buffers_;  // owns the buffers
  // The open batch.
  std::unique_ptr<Buffer> buffer_;
  Batch* next_batch_ = nullptr;  // the batch that the open batch will become, so that sealing needs no memory
  std::uint32_t count_ = 0;
  std::uint64_t bytes_ = 0;
  bool timed_ = false;  // the timer watches the open batch, which is empty if the move of its first item threw
  TimePoint opened_{};
  std::uint64_t next_ordinal_ = 0;
  std::uint64_t next_seq_ = 0;
};

}  // namespace etl::inline v0::detail
