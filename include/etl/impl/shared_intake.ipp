#pragma once
/// The compiled part of a shared intake.

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/intake/owned_lane.hpp>
#include <etl/detail/intake/shared_intake.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::detail {

ETLPIPE_COMPILED SharedIntake::SharedIntake(Batcher& batcher, ItemQueue& queue, const ItemType& type,
                                            const Options& options)
    : batcher_(batcher),
      queue_(queue),
      type_(type),
      options_(options),
      batch_size_(options.batch_size),
      bound_(bound_of(options)),
      buffers_(std::make_unique<OwnedLane>(batcher, type)) {}
ETLPIPE_COMPILED SharedIntake::~SharedIntake() = default;

ETLPIPE_COMPILED bool SharedIntake::wait_for_room(Pushed pushed) {
  auto lock = batcher_.lock();
  if (pushed == Pushed::Full)
    batcher_.wait_helping(lock, [this] {
      const std::uint64_t held = held_.load(std::memory_order_acquire) & ~refused;
      // If nothing is in flight, all held items are in the open batch, which may never become smaller.
      return held <= bound_ / 2 || (held < bound_ && batcher_.in_flight() == 0);
    });
  if (!batcher_.refusing()) return true;
  batcher_.count_refused();
  return false;
}

ETLPIPE_COMPILED bool SharedIntake::wait_for_room_until(TimePoint due) {
  auto lock = batcher_.lock();
  const auto has_room = [this] { return (held_.load(std::memory_order_acquire) & ~refused) < bound_; };
  batcher_.wait_until(lock, due, has_room);
  return !batcher_.refusing() && has_room();
}

ETLPIPE_COMPILED void SharedIntake::seal_stragglers() {
  const auto is_quiet = [this] {
    return (held_.load(std::memory_order_acquire) & ~refused) == published_.load(std::memory_order_acquire) - settled_;
  };
  auto lock = batcher_.lock();
  while (!is_quiet()) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  BatchQueue rest;
  seal_rest(rest);
  if (const std::uint64_t lost = open_items(); lost > 0) {  // no memory: the items are lost with the queue
    sealed_.fetch_add(lost, std::memory_order_relaxed);
    batcher_.count_lost(lost);
  }
  while (Batch* batch = rest.pop()) batcher_.dispatch(lock, batch, nullptr);
}

ETLPIPE_COMPILED TimePoint SharedIntake::seal_due(TimePoint now, BatchQueue& sealed) noexcept {
  if (!timed_) return TimePoint::max();
  const TimePoint due = after(opened_, options_.timeout);
  if (due > now) return due;
  if (!seal(std::min(batch_size_, open_items()), FlushReason::Timeout, now, sealed)) return TimePoint::max();
  // A concurrent push either sees this seal, or this check sees the push.
  if (open_items() == 0) return TimePoint::max();
  start_open(now);
  return after(opened_, options_.timeout);
}
ETLPIPE_COMPILED void SharedIntake::refuse(BatchQueue& sealed) noexcept {
  held_.fetch_or(refused, std::memory_order_acq_rel);
  seal_rest(sealed);
}
ETLPIPE_COMPILED void SharedIntake::materialise(Batch& batch) {
  auto lock = batcher_.lock();
  auto buffer = buffers_->take_buffer(static_cast<std::uint32_t>(batch_size_));
  lock.unlock();
  std::uint32_t out = 0, kept = 0;
  std::optional<Error> thrown;
  while (out < batch.size()) {
    ItemQueue::Taken taken = queue_.take(*buffer, kept, batch.size() - out);
    out += taken.out;
    kept += taken.kept;
    if (!thrown) thrown = std::move(taken.thrown);
  }
  if (!buffer->type.reused) buffer->live = 0;  // the batch destroys them
  batch.buffer = buffer.release();
  batch.end = batch.begin + kept;
  if (!thrown) return;
  lock.lock();
  batcher_.count_broken(out - kept);
  lock.unlock();
  throw Exception(std::move(*thrown));
}
ETLPIPE_COMPILED void SharedIntake::settled(std::uint32_t held) noexcept {
  held_.fetch_sub(held, std::memory_order_release);
  settled_ += held;
  batcher_.notify_waiting();
}

/// Gives back a place that was counted as held. A waiting thread may have seen the place as taken.
ETLPIPE_COMPILED void SharedIntake::let_go() {
  const std::uint64_t held = held_.fetch_sub(1, std::memory_order_acq_rel) - 1;
  if (held >= bound_) return;  // still full, as in almost all cases, or intake is refused
  auto lock = batcher_.lock();
  batcher_.notify_waiting();
}
/// Limits the capacity, so that the `refused` bit lies above every possible count.
ETLPIPE_COMPILED std::uint64_t SharedIntake::bound_of(const Options& options) {
  constexpr std::uint64_t most = refused >> 1;
  const std::uint64_t batches = options.effective_capacity();
  return batches > most / options.batch_size ? most : batches * options.batch_size;
}

ETLPIPE_COMPILED void SharedIntake::look_after_open() {
  auto lock = batcher_.lock();
  if (batcher_.refusing()) return;  // `seal_stragglers` seals the item
  BatchQueue full;
  while (open_items() >= batch_size_ && seal(batch_size_, FlushReason::Size, batcher_.now(), full)) {}
  if (open_items() > 0 && !timed_) start_open(batcher_.now());
  while (Batch* batch = full.pop()) batcher_.dispatch(lock, batch, nullptr);
}
ETLPIPE_COMPILED void SharedIntake::start_open(TimePoint now) noexcept {
  timed_ = true;
  opened_ = now;
  batcher_.arm_timer(after(opened_, options_.timeout));
}
ETLPIPE_COMPILED void SharedIntake::seal_rest(BatchQueue& sealed) noexcept {
  while (open_items() > 0 && seal(std::min(batch_size_, open_items()), FlushReason::Close, batcher_.now(), sealed)) {}
}
/// Returns false if there was no memory; the bucket has then failed.
ETLPIPE_COMPILED bool SharedIntake::seal(std::uint64_t count, FlushReason reason, TimePoint time,
                                         BatchQueue& sealed) noexcept {
  assert(count <= batch_size_);
  Batch* const batch = batcher_.new_batch_if_possible();
  if (batch == nullptr) return false;
  batch->begin = 0;
  batch->end = static_cast<std::uint32_t>(count);
  batch->partition = 0;
  batch->ordinal = next_ordinal_++;
  batch->held = static_cast<std::uint32_t>(count);
  batch->first_seq = sealed_.load(std::memory_order_relaxed);
  sealed_.store(batch->first_seq + count, std::memory_order_seq_cst);
  batcher_.count_seal(*batch, reason, timed_ ? opened_ : time, time);
  timed_ = false;
  sealed.push(batch);
  return true;
}

}  // namespace etl::inline v0::detail
