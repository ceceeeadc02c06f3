#pragma once
/// Single items from threads without a lane, cut into batches.

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/batch.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/intake_queue.hpp>
#include <etl/detail/owned_lane.hpp>
#include <etl/options.hpp>

namespace etl::inline v0::detail {

/// What became of an item that was pushed.
enum class Pushed : std::uint8_t { Yes, Full, Refused };

/// Counts what is published and seals *numbers* of items; the worker that runs such a batch takes that
/// many items out of the queue in bulk. The lock is taken by the first and the last item of a batch only.
/// Thread-safe.
template <class T>
class SharedIntake final : public BatchSource {
 public:
  SharedIntake(Batcher& batcher, const Options& options)
      : batcher_(batcher),
        options_(options),
        batch_size_(options.batch_size),
        bound_(bound_of(options)),
        buffers_(batcher, item_type<T>) {}

  /// Never blocks; takes the item only when it answers Yes. Throws what a move of the item throws.
  [[nodiscard]] Pushed try_push(T& item) {
    const std::uint64_t held = held_.fetch_add(1, std::memory_order_acq_rel);
    if (held >= bound_) [[unlikely]] {
      let_go();
      return (held & refused) != 0 ? Pushed::Refused : Pushed::Full;
    }
    OnTheWay on_the_way{this};
    queue_.enqueue(std::move(item));
    on_the_way.intake = nullptr;
    const std::uint64_t published = published_.fetch_add(1, std::memory_order_seq_cst) + 1;
    const std::uint64_t open = published - sealed_.load(std::memory_order_seq_cst);
    if (open == 1 || open >= batch_size_) [[unlikely]]
      look_after_open();
    return Pushed::Yes;
  }
  /// Blocks while full. False: closed, stopped or failed, and the item is counted.
  [[nodiscard]] bool push(T& item) {
    for (;;) {
      const Pushed pushed = try_push(item);
      if (pushed == Pushed::Yes) return true;
      auto lock = batcher_.lock();
      if (pushed == Pushed::Full)
        batcher_.wait_helping(lock,
                              [this] { return (held_.load(std::memory_order_acquire) & ~refused) <= bound_ / 2; });
      if (!batcher_.refusing()) continue;
      batcher_.count_refused();
      return false;
    }
  }

  /// After intake was refused: waits for the pushes that are just being made, and seals them.
  void seal_stragglers() {
    auto is_quiet = [this] {
      return (held_.load(std::memory_order_acquire) & ~refused) ==
             published_.load(std::memory_order_acquire) - taken_.load(std::memory_order_acquire);
    };
    while (!is_quiet()) std::this_thread::yield();
    auto lock = batcher_.lock();
    BatchQueue rest;
    seal_rest(rest);
    if (const std::uint64_t lost = open_items(); lost > 0) {  // no memory; they go with the queue
      sealed_.fetch_add(lost, std::memory_order_relaxed);
      batcher_.count_lost(lost);
    }
    while (Batch* batch = rest.pop()) batcher_.dispatch(lock, batch, nullptr);
  }

  // --- for the batcher ------------------------------------------------------------------------------
  /// Published and not sealed; more than a batch while producers that saw it full wait for the lock.
  [[nodiscard]] std::uint64_t open_items() const noexcept {
    return published_.load(std::memory_order_seq_cst) - sealed_.load(std::memory_order_relaxed);
  }
  TimePoint seal_due(TimePoint now, BatchQueue& sealed) noexcept override {
    if (!timed_) return TimePoint::max();
    const TimePoint due = after(opened_, options_.timeout);
    if (due > now) return due;
    if (!seal(std::min(batch_size_, open_items()), Flush::Timeout, now, sealed)) return TimePoint::max();
    if (open_items() == 0) return TimePoint::max();  // a push in between has seen the seal, or is seen here
    start_open(now);
    return after(opened_, options_.timeout);
  }
  void refuse(BatchQueue& sealed) noexcept override {
    held_.fetch_or(refused, std::memory_order_acq_rel);
    seal_rest(sealed);
  }
  void materialise(Batch& batch) override {
    auto lock = batcher_.lock();
    auto buffer = buffers_.take_buffer(static_cast<std::uint32_t>(batch_size_));
    lock.unlock();
    std::uint32_t n = 0;
    while (n < batch.size()) {
      const std::size_t got = queue_.dequeue(SlotWriter{buffer.get(), n}, batch.size() - n);
      n += static_cast<std::uint32_t>(got);
      held_.fetch_sub(got, std::memory_order_release);
      taken_.fetch_add(got, std::memory_order_release);
    }
    if constexpr (!reusable<T>) buffer->live = 0;  // the batch destroys them
    batch.buffer = buffer.release();
    lock.lock();
    batcher_.notify_waiting();
  }

 private:
  static constexpr std::uint64_t refused = std::uint64_t{1} << 63;

  struct OnTheWay {  // an item that is held; should it not get into the queue, it is so no more
    SharedIntake* intake;
    ~OnTheWay() {
      if (intake != nullptr) intake->let_go();
    }
  };
  /// An item that was counted as held is not. Who waits may have seen it.
  void let_go() {
    const std::uint64_t held = held_.fetch_sub(1, std::memory_order_acq_rel) - 1;
    if (held > bound_ / 2) return;  // as nearly always, and when intake is refused
    auto lock = batcher_.lock();
    batcher_.notify_waiting();
  }
  /// However large a capacity is asked for, the refused bit lies above it.
  [[nodiscard]] static std::uint64_t bound_of(const Options& options) {
    constexpr std::uint64_t most = refused >> 1;
    const std::uint64_t batches = options.effective_capacity();
    return batches > most / options.batch_size ? most : batches * options.batch_size;
  }

  struct SlotWriter {  // an output iterator over the slots of a buffer
    Buffer* buffer;
    std::uint32_t n;
    SlotWriter& operator*() noexcept { return *this; }
    SlotWriter& operator++() noexcept { return ++n, *this; }
    SlotWriter operator++(int) noexcept { return {buffer, n++}; }
    SlotWriter& operator=(T&& item) {
      Slots<T>::put(static_cast<T*>(buffer->data), n, buffer->live, std::move(item));
      return *this;
    }
  };

  ETLPIPE_NOINLINE void look_after_open() {
    auto lock = batcher_.lock();
    if (batcher_.refusing()) return;  // seal_stragglers will
    BatchQueue full;
    while (open_items() >= batch_size_ && seal(batch_size_, Flush::Size, batcher_.now(), full)) {}
    if (open_items() > 0 && !timed_) start_open(batcher_.now());
    while (Batch* batch = full.pop()) batcher_.dispatch(lock, batch, nullptr);
  }
  void start_open(TimePoint now) noexcept {
    timed_ = true;
    opened_ = now;
    batcher_.arm_timer(after(opened_, options_.timeout));
  }
  void seal_rest(BatchQueue& sealed) noexcept {
    while (open_items() > 0 && seal(std::min(batch_size_, open_items()), Flush::Close, batcher_.now(), sealed)) {}
  }
  /// False: there was no memory, which has failed the bucket.
  [[nodiscard]] bool seal(std::uint64_t count, Flush reason, TimePoint time, BatchQueue& sealed) noexcept {
    assert(count <= batch_size_);
    Batch* const batch = batcher_.new_batch_if_possible();
    if (batch == nullptr) return false;
    batch->begin = 0;
    batch->end = static_cast<std::uint32_t>(count);
    batch->partition = 0;
    batch->ordinal = next_ordinal_++;
    batch->first_seq = sealed_.load(std::memory_order_relaxed);
    sealed_.store(batch->first_seq + count, std::memory_order_seq_cst);
    batcher_.count_seal(*batch, reason, timed_ ? opened_ : time, time);
    timed_ = false;
    sealed.push(batch);
    return true;
  }

  Batcher& batcher_;
  const Options& options_;
  const std::uint64_t batch_size_;
  const std::uint64_t bound_;  // items held at most
  IntakeQueue<T> queue_;
  alignas(64) std::atomic<std::uint64_t> held_ = 0;       // in the queue or on their way; and the refused bit
  alignas(64) std::atomic<std::uint64_t> published_ = 0;  // put into the queue, ever
  std::atomic<std::uint64_t> sealed_ = 0;                 // given to batches, ever; written under the lock
  alignas(64) std::atomic<std::uint64_t> taken_ = 0;      // out of the queue, ever
  OwnedLane buffers_;                                     // owns the buffers; under the lock
  bool timed_ = false;
  TimePoint opened_{};
  std::uint64_t next_ordinal_ = 0;
};

}  // namespace etl::inline v0::detail
