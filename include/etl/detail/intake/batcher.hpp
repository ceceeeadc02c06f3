#pragma once
/// The engine of Bucket and run: cuts lanes into batches, and ends the run.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/dispatch/scheduler.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/owned_lane.hpp>
#include <etl/detail/intake/tally.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/executor.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Cuts the items of lanes into batches. Its one mutex is taken once per batch; a single record only touches its lane.
/// Thread-safe, except for the calls that only a lane's producer may make.
class Batcher final : public LaneHost, public BudgetWaiter, public Watch, public Scheduler {
  using Base = Scheduler;

 public:
  using Base::Lock;

  /// `backend` is null in fused mode. `clock` gives time and timers; it is null in fused mode without time-outs. The
  /// arguments must outlive `finish`.
  Batcher(const Options& options, const Environment& environment, ExecutorBackend* backend, ExecutorBackend* clock,
          BatchProcessor& processor, const ItemType& type, bool may_inline, bool aligned = false,
          bool keeps_progress = false)
      : Base(backend, clock, options.workers, options.inline_batches != Inline::Never),
        options_(options),
        environment_(environment),
        processor_(&processor),
        type_(type),
        weigh_(options.batch_bytes.has_value()),
        batch_bytes_(options.batch_bytes.value_or(0)),
        may_inline_(may_inline),
        batch_size_(static_cast<std::uint32_t>(options.batch_size)),
        aligned_(aligned),
        keeps_progress_(keeps_progress),
        capacity_(options.effective_capacity()),
        timer_(clock == nullptr ? nullptr : clock->make_timer()) {
    // So that the report can still name an error when memory runs out.
    tally_.errors.reserve(RunReport::max_errors + 1);
  }

  // --- for a lane's producer ------------------------------------------------------------------------
  /// `earlier` is the progress of an earlier run in this partition, or null. It must outlive the use of the lane.
  [[nodiscard]] OwnedLane& open_lane(std::uint32_t partition, const PartitionProgress* earlier = nullptr) {
    const Lock lock(mutex_);
    const auto unused = std::ranges::find(lanes_, false, [](const auto& lane) { return lane->in_use; });
    OwnedLane& lane =
        unused != lanes_.end() ? **unused : *lanes_.emplace_back(std::make_unique<OwnedLane>(*this, type_));
    lane.weighs = weigh_;
    lane.start(partition, earlier);
    return lane;
  }
  /// The source of this lane has reached its end: what it has pushed is to be loaded, even if that comes later.
  void source_ended(OwnedLane& lane) noexcept {
    const Lock lock(mutex_);
    lane.ended = true;
  }
  /// All sources have reached their ends: the drain deadline starts now (G9), before `end_intake`.
  void begin_deadline() noexcept {
    const Lock lock(mutex_);
    start_deadline();
  }
  /// Flushes the rest of the lane. After a failure, the rest is dropped and counted. If `whole` is true, the source
  /// has reached its end, and its last chunk is complete.
  void finish_lane(OwnedLane& lane, FlushReason reason, bool whole = true) noexcept {
    std::vector<ChunkRef> chunks;  // released after the lock, because they run user code
    ChunkRef chunk;
    Lock lock(mutex_);
    lane.limit.store(0, std::memory_order_relaxed);
    if (lane.chunk && !whole && !lane.chunk_complete()) lane.chunk->lost.store(true, std::memory_order_release);
    Batch* rest = lane.pending() > 0 ? seal_if_possible(lane, reason, now()) : nullptr;
    if (lane.pending() > 0) lose_pending(lane);
    const bool cut_off = aligned_ && reason != FlushReason::Source;
    lane.leave_buffer(*this);
    if (lane.next_batch != nullptr) {
      chunks.swap(lane.next_batch->chunks);
      free_batches_.push(std::exchange(lane.next_batch, nullptr));
    }
    chunk.swap(lane.chunk);
    lane.in_use = false;
    if (whole && lane.source.size > 0) lane.source.read = lane.source.size;
    ended_bytes_.add(lane.source);
    if (lane.resumed) ended_items_ += lane.resume->position_seq;
    if (rest == nullptr) return;
    if (cut_off) return Base::outside(lock, [&] { abandon(rest); });  // the next run would cut another batch
    dispatch(lock, rest, nullptr);
  }
  /// Number of items that the lane's partition has given so far.
  [[nodiscard]] std::uint64_t extracted(const OwnedLane& lane) {
    const Lock lock(mutex_);
    return lane.seq();
  }

  bool make_room(Lane& base) override {
    auto& lane = static_cast<OwnedLane&>(base);
    Lock lock = Base::lock();
    if (!refusing()) after_cut(lock, lane);
    if (!refusing() && !has_slot(lane)) renew(lane);  // the last `renew` found no memory
    if (!refusing()) {  // `refusing` is asked again, because `after_cut` may have run a batch
      if (has_slot(lane)) return true;
      throw std::bad_alloc();
    }
    end_if_failed(lock);
    tally_.count_refused();
    lane.refused = true;
    if (lane.chunk) lane.chunk->lost.store(true, std::memory_order_release);
    return false;
  }
  void weigh(Lane& base, std::uint32_t place) noexcept override {
    static_cast<OwnedLane&>(base).open_bytes += processor_->bytes(base.data, place, 1);
    processor_->check();
  }
  void reached_limit(Lane& base) override {
    auto& lane = static_cast<OwnedLane&>(base);
    if (weigh_ && still_light(lane)) return;
    Lock lock = Base::lock();
    if (lane.limit.load(std::memory_order_relaxed) == 0) {  // a cut, or the end of intake, came in between
      if (!refusing() && lane.pending() > 0) static_cast<void>(if_possible([&] { after_cut(lock, lane); }));
      return;
    }
    const TimePoint time = now();
    if (!lane.timed) start_open_batch(lane, time);
    if (const auto reason = full(lane)) return seal_and_go_on(lock, lane, *reason, time);
    if (!tally_.failed) lane.limit.store(next_check(lane), std::memory_order_relaxed);
    end_if_failed(lock);
  }
  void flush(Lane& base) override {
    auto& lane = static_cast<OwnedLane&>(base);
    Lock lock(mutex_);
    if (lane.pending() > 0 && !refusing() && !aligned_) seal_and_go_on(lock, lane, FlushReason::Source, now());
  }
  bool wait_for(Lane& base, std::chrono::nanoseconds duration) override {
    auto& lane = static_cast<OwnedLane&>(base);
    Lock lock(mutex_);
    const TimePoint until = after(now(), duration);
    for (TimePoint time = now(); !refusing() && time < until; time = now()) {
      // The producer seals the batch itself: the timer may have no thread to run on, and in fused mode the timer
      // leaves batches to the producer.
      const bool cut = lane.pending() > 0 && lane.limit.load(std::memory_order_relaxed) == 0;
      const TimePoint due = lane.pending() > 0 ? after(lane.opened, options_.timeout) : TimePoint::max();
      if (cut)
        after_cut(lock, lane);
      else if (due <= time)
        seal_and_go_on(lock, lane, FlushReason::Timeout, time);
      else
        wait_or_help(lock, std::min(until, due));
    }
    return !refusing();
  }
  void mark(Lane& base, Position position) override {
    const Lock lock(mutex_);
    auto& lane = static_cast<OwnedLane&>(base);
    if (lane.refused) return;  // the next run must begin before the refused item
    Batch& batch = next_batch(lane);
    batch.position = position;
    lane.position = std::move(position);
    lane.position_seq = batch.position_seq = lane.seq();
    lane.complete_at = lane.position_seq;
  }
  void progress(Lane& base, std::uint64_t bytes_read, std::uint64_t size) override {
    const Lock lock(mutex_);
    auto& lane = static_cast<OwnedLane&>(base);
    const bool first = lane.source.read == 0;
    lane.source.read = std::max(lane.source.read, bytes_read);
    lane.source.size = std::max(lane.source.size, size);
    if (first && lane.resumed) lane.source.skipped = bytes_read;
  }
  [[nodiscard]] const std::optional<Position>& resume_from(Lane& base) override {
    const Lock lock(mutex_);
    return static_cast<OwnedLane&>(base).resume_here();
  }
  void retain(Lane& base, std::shared_ptr<const void> keep, std::function<void(bool)> acknowledge) override {
    auto& lane = static_cast<OwnedLane&>(base);
    const bool refused = acknowledge && keeps_progress_;
    auto chunk = std::make_shared<Chunk>(std::move(keep), std::move(acknowledge));
    chunk->lost.store(true, std::memory_order_release);  // lost, until the chunk is accepted below
    if (refused) {
      return fail({.error = {.code = Errc::InvalidOptions, .context = std::string(acknowledges_with_progress)},
                   .stage = Stage::Configure});
    }
    std::vector<ChunkRef> unused;  // released after the lock, like the former chunk
    const Lock lock(mutex_);
    std::vector<ChunkRef>& open = next_batch(lane).chunks;
    if (lane.pending() == 0) open.swap(unused);
    open.push_back(chunk);
    chunk->lost.store(options_.delivery.dry_run, std::memory_order_release);  // a dry run loads nothing of the chunk
    lane.complete_at.reset();
    lane.chunk.swap(chunk);
  }
  [[nodiscard]] std::stop_token intake_stop() const noexcept override { return intake_stop_.get_token(); }

  // --- for the shared intake, under lock() ------------------------------------------------------------
  using Base::now;
  void set_source(BatchSource* source) { source_ = source; }
  [[nodiscard]] bool refusing() const noexcept { return closed_ || stop_requested_ || tally_.failed; }
  void count_refused() noexcept { tally_.count_refused(); }
  /// Returns a batch to fill in. The caller then passes it to `count_seal`, and to `dispatch`.
  [[nodiscard]] Batch* new_batch() {
    Batch* batch = free_batches_.pop();
    return batch != nullptr ? batch : batches_.emplace_back(std::make_unique<Batch>()).get();
  }
  /// Like `new_batch`, but fails the run and returns null if memory runs out.
  [[nodiscard]] Batch* new_batch_if_possible() noexcept {
    Batch* batch = nullptr;
    auto error = guarded([&]() -> std::optional<Error> { return batch = new_batch(), std::nullopt; });
    if (error) fail_soon({.error = std::move(*error), .stage = Stage::Manage});
    return batch;
  }
  /// Counts items for which there is not even memory for a batch. The run has failed.
  void count_lost(std::uint64_t items) noexcept {
    tally_.ledger.items.extracted += items;
    tally_.ledger.items.abandoned += items;
  }
  /// Counts items of a sealed batch whose move into the batch threw.
  void count_broken(std::uint64_t items) noexcept { tally_.ledger.items.abandoned += items; }
  void count_seal(Batch& batch, FlushReason reason, TimePoint opened, TimePoint time) noexcept {
    batch.number = next_number_++;
    batch.sealed = time;
    tally_.count_seal(batch.size(), reason, time - opened);
    ++in_flight_;
  }
  /// Gives a sealed batch to the workers. If `lane` is given, the caller is its producer and may run the batch itself.
  /// May release the lock for a while.
  void dispatch(Lock& lock, Batch* batch, OwnedLane* lane) {
    // After `fail_soon` the run has failed but is not yet dead, and items of the batch may have been moved away.
    if (dead() || tally_.failed) return Base::outside(lock, [&] { abandon(batch); });
    if (deadline_ != TimePoint::max()) arm_timer(deadline_);  // `start_deadline` sets no timer if nothing was in flight
    if (environment_.memory && batch->buffer != nullptr) {
      batch->bytes = bytes_of(*batch);
      environment_.memory->charge(batch->bytes);
    }
    if (processor_->unweighed())  // fail now: all workers may be in the back-off of a load
      return Base::outside(lock, [&] { processor_->check(), abandon(batch); });
    if (backend_ == nullptr || (lane != nullptr && runs_inline(*lane, *batch))) {
      ++tally_.inline_batches;
      return Base::run_here(lock, batch, batch->sealed);
    }
    tally_.max_queue_depth = std::max(tally_.max_queue_depth, queued_ + 1);
    Base::enqueue(lock, batch, batch_cost_);
  }
  /// Whether at most `in_flight` batches are in flight and the memory budget has room. If the budget has no room and
  /// no memory to remember this batcher, the run fails.
  [[nodiscard]] bool has_room(std::uint64_t in_flight) noexcept {
    if (in_flight_ > in_flight) return false;
    if (!environment_.memory || in_flight_ == 0) return true;
    bool room = true;
    auto error = guarded(
        [&]() -> std::optional<Error> { return room = environment_.memory->has_room_or_tell(self()), std::nullopt; });
    if (error) fail_soon({.error = std::move(*error), .stage = Stage::Manage});
    return room;
  }
  void arm_timer(TimePoint due) noexcept {
    if (timer_ == nullptr || due >= timer_due_) return;
    auto error = guarded([&]() -> std::optional<Error> {
      timer_->arm(due, std::shared_ptr<Task>(shared_from_this(), &timer_task_));
      timer_due_ = due;
      return std::nullopt;
    });
    if (error) fail_soon({.error = std::move(*error), .stage = Stage::Manage});
  }
  /// Makes the timer call `BatchProcessor::on_time` at `due`.
  void call_at(TimePoint due) noexcept {
    Lock lock(mutex_);
    called_for_ = std::min(called_for_, due);
    arm_timer(due);
    end_if_failed(lock);
  }
  /// Waits until `ready()` holds or intake ends, and runs batches meanwhile if that is allowed. Code that changes the
  /// result of `ready` must call `notify_waiting`.
  template <class Ready>
  void wait_helping(Lock& lock, Ready&& ready) {
    ++waiting_for_room_;
    while (!refusing() && !ready()) {
      if (Base::producers_help_) {
        Base::help_or_wait(lock, TimePoint::max());
        continue;
      }
      Base::wake_worker(lock);  // `enqueue` may have woken no worker
      if (!refusing() && !ready()) Base::wait(lock, TimePoint::max());
    }
    --waiting_for_room_;
  }

  /// Like `wait_helping`, but waits until `due` at most and runs no batch, because the caller has no time for one.
  template <class Ready>
  void wait_until(Lock& lock, TimePoint due, Ready&& ready) {
    ++waiting_for_room_;
    ++waiting_for_one_;
    while (!refusing() && !ready() && now() < due) {
      Base::wake_worker(lock);  // `enqueue` may have woken no worker
      if (!refusing() && !ready()) Base::wait(lock, due);
    }
    --waiting_for_one_;
    --waiting_for_room_;
  }

  // --- for the processor ------------------------------------------------------------------------------
  /// The stop token of user callables. It is stopped at the second level of a stop, and at the drain deadline (G10).
  [[nodiscard]] const std::stop_token& user_stop() const noexcept { return user_token_; }
  /// Stopped when nothing more will be loaded, also after a failure. It ends every wait of a load (G4).
  [[nodiscard]] std::stop_token dead_stop() const noexcept { return dead_stop_.get_token(); }
  /// The time at which the rest is abandoned: `TimePoint::max()` before intake has ended, and without
  /// `drain_deadline`.
  [[nodiscard]] TimePoint deadline() {
    const Lock lock(mutex_);
    return deadline_;
  }
  /// Called by threads that wait in a load or a save: no other thread may be free to enforce the deadline.
  [[nodiscard]] TimePoint look() noexcept override {
    Lock lock(mutex_);
    if (!abandoned_ && !finished_ && now() >= deadline_) pass_deadline(lock);
    return abandoned_ || finished_ ? TimePoint::max() : deadline_;
  }
  /// The reason why abandoned items are not loaded.
  [[nodiscard]] Error end_reason() noexcept {
    Error reason = fatal("");
    static_cast<void>(if_possible([&] {
      const Lock lock(mutex_);
      if (tally_.failed && !tally_.errors.empty())
        reason = tally_.errors.front().error;
      else
        reason.context = tally_.deadline_passed ? "the drain deadline has passed" : "stopped before it was loaded";
    }));
    return reason;
  }
  /// Whether the run loads nothing more.
  [[nodiscard]] bool dead() const noexcept { return dead_.load(std::memory_order_acquire); }

  /// Ends a batch: counts its items and results, and gives its buffer back to the producer.
  void settle(Batch* batch, const BatchLedger& ledger, std::chrono::nanoseconds cost = {}) noexcept {
    if (!type_.reused && batch->buffer != nullptr) type_.destroy(batch->buffer->data, batch->begin, batch->size());
    if (ledger.items.abandoned > 0 || ledger.results.in_doubt > 0)
      for (const ChunkRef& chunk : batch->chunks) chunk->lost.store(true, std::memory_order_release);
    batch->chunks.clear();
    if (environment_.memory) environment_.memory->release(std::exchange(batch->bytes, 0));
    std::unique_ptr<Buffer> too_large;  // freed after the lock
    const Lock lock = Base::lock();
    tally_.ledger.add(ledger);
    batch_cost_ = cost;
    too_large = unref(std::exchange(batch->buffer, nullptr));
    --in_flight_;
    if (batch->held > 0) source_->settled(std::exchange(batch->held, 0));
    free_batches_.push(batch);
    if (waiting_for_one_ > 0 || (waiting_for_room_ > 0 && in_flight_ <= capacity_ / 2)) Base::notify();
  }
  [[nodiscard]] std::optional<std::string> draw_reject() {
    const Lock lock(mutex_);
    return tally_.draw_reject(options_.errors);
  }
  /// Gives back the budget of rejects that a later attempt has loaded.
  void give_rejects_back(std::uint64_t count) {
    const Lock lock(mutex_);
    tally_.rejects -= count;
  }
  /// Counts an error that does not stop the run.
  void note(ErrorRecord record) noexcept {
    const Lock lock(mutex_);
    keep(std::move(record), false);
  }
  /// The first failure stops the run: queued batches are dropped and counted, and a blocked push returns (G4).
  void fail(ErrorRecord record) noexcept {
    Lock lock(mutex_);
    keep(std::move(record), !tally_.failed);
    tally_.failed = true;
    die(lock);
  }
  /// The same, unless the operation has only been ended because the run ends: then its error is noted.
  void fail_unless_ending(ErrorRecord record) noexcept {
    if (dead() && record.error.error_class == ErrorClass::Transient)
      note(std::move(record));
    else
      fail(std::move(record));
  }

  // --- the end ----------------------------------------------------------------------------------------
  /// Handles a stop at level 1, drain (G10).
  void request_drain() {
    Lock lock(mutex_);
    if (finished_ || std::exchange(stop_requested_, true)) return;
    tally_.cancelled = !intake_ended_;
    refuse_intake(lock);
  }
  /// Handles a stop at level 2, abandon (G10).
  void request_abandon() {
    Lock lock(mutex_);
    if (std::exchange(abandoned_, true)) return;
    if (!finished_) {
      tally_.cancelled = tally_.cancelled || !intake_ended_ || in_flight_ > 0;
      stop_requested_ = true;
      die(lock);
    }
    Base::outside(lock, [this] { user_stop_.request_stop(); });  // also ends the waits of the last save
  }
  /// The source has reached its end, or extraction has given up.
  void end_intake() {
    const Lock lock(mutex_);
    intake_ended_ = true;
  }
  /// Ends intake, and flushes the open batches of all lanes.
  void close() {
    Lock lock(mutex_);
    intake_ended_ = true;
    if (!std::exchange(closed_, true)) refuse_intake(lock);
  }
  [[nodiscard]] bool stop_requested() {
    const Lock lock(mutex_);
    return stop_requested_;
  }
  [[nodiscard]] bool intake_refused() {
    const Lock lock(mutex_);
    return refusing();
  }
  /// Closes and waits, and runs batches meanwhile, until every batch is settled and no task of this batcher uses the
  /// processor. The caller must have finished all lanes. Nothing remains (G3) except tasks that have not started; they
  /// hold a reference to this object.
  /// `goes_on`: the run has continued an earlier one.
  [[nodiscard]] Tally finish(bool goes_on = false) {
    close();
    processor_->check();
    Lock lock(mutex_);
    ++waiting_for_end_;
    while (!Base::quiet() || (tally_.failed && !dead())) {
      if (tally_.failed && !dead())
        die(lock);
      else if (!abandoned_ && now() >= deadline_)
        pass_deadline(lock);
      else
        Base::help_or_wait(lock, abandoned_ ? TimePoint::max() : deadline_);
    }
    --waiting_for_end_;
    finished_ = true;
    dead_.store(true, std::memory_order_release);
    timer_.reset();
    for (std::size_t i = 0; i < lanes_.size(); ++i) {  // a bucket may add a lane meanwhile
      std::optional<FreeBuffers> buffers(std::in_place);
      buffers->swap(lanes_[i]->free);
      Base::outside(lock, [&] { buffers.reset(); });
    }
    if (tally_.failed || tally_.rejects == 0) return std::move(tally_);
    const bool part = tally_.cancelled || abandoned_ || goes_on;
    auto error = guarded([&]() -> std::optional<Error> {
      const auto problem = tally_.ratio_problem(options_.errors, part);
      if (!problem) return std::nullopt;
      return Error{.code = Errc::RejectBudget, .context = "reject budget exceeded (" + *problem + ")"};
    });
    if (error) {
      keep({.error = std::move(*error), .stage = Stage::Transform}, true);
      tally_.failed = true;
    }
    return std::move(tally_);
  }

  /// Fills in a live view of the run. Items in open batches count as extracted.
  void status(RunStatus& status) {
    const Lock lock(mutex_);
    status.items = tally_.ledger.items;
    SourceBytes bytes = ended_bytes_;
    status.earlier_items = ended_items_;
    for (const auto& lane : lanes_) {
      status.items.extracted += lane->pending();
      if (!lane->in_use) continue;
      bytes.add(lane->source);
      if (lane->resumed) status.earlier_items += lane->resume->position_seq;
    }
    status.bytes_read = bytes.read;
    status.earlier_bytes = bytes.skipped;
    status.expected_bytes = bytes.size;
    status.queued_batches = queued_;
    status.running_batches = running_;
  }
  void budget_has_room() noexcept override {
    const Lock lock(mutex_);
    // After `finished_` the clock may be destroyed: the budget keeps only this object alive.
    if (!finished_) Base::notify();
  }

  /// Removes one user of the buffer. Returns the buffer if the caller must free it. Called under the lock.
  [[nodiscard]] std::unique_ptr<Buffer> unref(Buffer* buffer) noexcept {
    if (buffer == nullptr || --buffer->users > 0) return nullptr;
    std::unique_ptr<Buffer> unused(buffer);
    if (weigh_ && buffer->bytes > 2 * batch_bytes_) return unused;
    buffer->owner->free.push(std::move(unused));
    return nullptr;
  }

 private:
  using Base::backend_, Base::finished_, Base::in_flight_, Base::mutex_, Base::queued_, Base::running_,
      Base::waiting_for_end_, Base::waiting_for_room_;

  struct TimerTask final : Task {
    explicit TimerTask(Batcher& b) : batcher(&b) {}
    void run() noexcept override { batcher->on_timer(); }
    Batcher* batcher;
  };

  // --- cutting lanes, under the lock --------------------------------------------------------------------
  // A batcher that weighs looks at every item, but takes the lock only for the first item of a batch and for the last.
  // `weigh` weighs an item before it is published: afterwards the timer may already have given it to a worker.
  [[nodiscard]] bool still_light(OwnedLane& lane) {
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    if (n == 1 || n >= lane.most || lane.open_bytes >= batch_bytes_) return false;
    std::uint32_t expected = n;
    return lane.limit.compare_exchange_strong(expected, n + 1, std::memory_order_relaxed);
  }
  void start_open_batch(OwnedLane& lane, TimePoint time) {
    lane.timed = true;
    lane.opened = time;
    arm_timer(after(time, options_.timeout));
  }
  [[nodiscard]] std::optional<FlushReason> full(const OwnedLane& lane) const {
    if (lane.count.load(std::memory_order_relaxed) >= lane.most) return FlushReason::Size;
    if (weigh_ && lane.open_bytes >= batch_bytes_) return FlushReason::Bytes;
    return std::nullopt;
  }
  [[nodiscard]] std::uint32_t next_check(const OwnedLane& lane) const {
    return weigh_ ? lane.count.load(std::memory_order_relaxed) + 1 : lane.most;
  }
  /// The batch that the lane's open batch will become. Throws if memory runs out.
  [[nodiscard]] Batch& next_batch(OwnedLane& lane) {
    if (lane.next_batch != nullptr) return *lane.next_batch;
    Batch* const batch = new_batch();
    auto error = guarded([&]() -> std::optional<Error> { return lane.prepare(*batch), std::nullopt; });
    if (!error) return *batch;
    free_batches_.push(batch);
    throw std::bad_alloc();
  }
  /// Returns null if there is no memory: nothing is sealed, and the run has failed.
  [[nodiscard]] Batch* seal_if_possible(OwnedLane& lane, FlushReason reason, TimePoint time) noexcept {
    auto error = guarded([&]() -> std::optional<Error> { return static_cast<void>(next_batch(lane)), std::nullopt; });
    if (!error) return seal(lane, reason, time);
    fail_soon({.error = std::move(*error), .stage = Stage::Manage});
    return nullptr;
  }
  void lose_pending(OwnedLane& lane) noexcept {
    count_lost(lane.pending());
    if (!type_.reused && lane.pending() > 0) type_.destroy(lane.data, lane.begin, lane.pending());
    if (lane.chunk) lane.chunk->lost.store(true, std::memory_order_release);
  }
  /// Seals the open batch. `next_batch` must exist.
  [[nodiscard]] Batch* seal(OwnedLane& lane, FlushReason reason, TimePoint time) noexcept {
    Batch* const batch = lane.cut();
    if (weigh_) lane.buffer->bytes = std::max(lane.buffer->bytes, bytes_of(*batch));
    count_seal(*batch, reason, lane.opened, time);
    return batch;
  }
  template <class F>
  [[nodiscard]] static bool if_possible(F&& call) noexcept {
    return !guarded([&]() -> std::optional<Error> { return call(), std::nullopt; });
  }
  [[nodiscard]] static bool has_slot(const OwnedLane& lane) noexcept {
    return lane.count.load(std::memory_order_relaxed) < lane.limit.load(std::memory_order_relaxed);
  }
  // Seals the open batch and gives the lane a new buffer. If memory runs out, this does what it can: the items are
  // already accepted, so the next push throws.
  void seal_and_go_on(Lock& lock, OwnedLane& lane, FlushReason reason, TimePoint time) {
    lane.limit.store(0, std::memory_order_relaxed);
    // This needs memory only if the timer has taken the prepared batch.
    if (!if_possible([&] { static_cast<void>(next_batch(lane)); })) return;
    Batch* batch = seal(lane, reason, time);
    lane.leave_buffer(*this);
    dispatch(lock, batch, &lane);
    if (!refusing() && !if_possible([&] { renew(lane); })) return;
    if (!refusing() && backend_ != nullptr && !has_room(capacity_ - 1))  // back-pressure
      wait_helping(lock, [this] { return has_room(capacity_ / 2); });
    end_if_failed(lock);
  }
  // Called after the timer has set the limit to 0. In fused mode the timer leaves the batch to the producer, because
  // the producer's thread runs batches.
  void after_cut(Lock& lock, OwnedLane& lane) {
    if (backend_ == nullptr && lane.pending() > 0) return seal_and_go_on(lock, lane, FlushReason::Timeout, now());
    renew(lane);
    if (lane.pending() > 0 && full(lane))
      seal_and_go_on(lock, lane, FlushReason::Size, now());  // one item is a whole batch
  }
  // Gives the lane a new buffer with limit 1, so that the first item enters the host and starts the time-out.
  void renew(OwnedLane& lane) {
    static_cast<void>(next_batch(lane));
    std::unique_ptr<Buffer> fresh = lane.take_buffer(batch_size_);
    auto thrown = guarded([&]() -> std::optional<Error> {
      lane.renew(*this, std::move(fresh));
      return std::nullopt;
    });
    if (thrown) {  // a move threw: some items are gone, so the batch must not be loaded
      const std::exception_ptr exception = thrown->exception;
      fail_soon({.error = std::move(*thrown), .stage = Stage::Extract});
      if (!exception) throw std::bad_alloc();
      std::rethrow_exception(exception);
    }
    lane.most = lane.room(batch_size_, aligned_);
    lane.limit.store(1, std::memory_order_relaxed);
    if (lane.pending() == 0) return;
    if (weigh_) lane.open_bytes = processor_->bytes(lane.data, 0, lane.pending());
    const TimePoint time = now();
    start_open_batch(lane, time);
    lane.limit.store(next_check(lane), std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t bytes_of(const Batch& batch) noexcept {
    return processor_->bytes(batch.buffer->data, batch.begin, batch.size());
  }
  [[nodiscard]] bool runs_inline(OwnedLane& lane, const Batch& batch) {
    return may_inline_ && lane.choice.run_inline(batch.sealed, batch_cost_, Base::token_free());
  }
  [[nodiscard]] std::shared_ptr<Batcher> self() { return std::static_pointer_cast<Batcher>(shared_from_this()); }

  // --- for the scheduler ----------------------------------------------------------------------------------
  TimePoint run_batch(Batch* batch, std::uint32_t slot, TimePoint begin) noexcept override {
    if (batch->buffer == nullptr) {
      auto error = guarded([&]() -> std::optional<Error> {
        source_->materialise(*batch);
        return std::nullopt;
      });
      if (error) {
        fail({.error = std::move(*error), .stage = Stage::Extract});
        abandon_filled(batch);
        return begin;
      }
    }
    return processor_->process(batch, slot, begin);
  }
  void remind(TimePoint when) override { arm_timer(when); }
  void post_failed(Error error) override {
    keep({.error = std::move(error), .stage = Stage::Manage}, false);
    // The timer asks the executor again, even if no thread waits.
    arm_timer(after(now(), std::chrono::milliseconds(100)));
  }

  // --- time and ends, under the lock ------------------------------------------------------------------------
  void on_timer() noexcept {
    Lock lock(mutex_);
    if (finished_) return;
    timer_due_ = TimePoint::max();
    const TimePoint time = now();
    if (!abandoned_ && time >= deadline_) return pass_deadline(lock);
    TimePoint next = abandoned_ ? TimePoint::max() : deadline_;
    BatchQueue cut;
    for (auto& lane : lanes_) {
      if (!lane->in_use || (!lane->timed && !lane->cut_recently)) continue;
      const TimePoint due = after(lane->timed ? lane->opened : lane->cut_at, options_.timeout);
      if (due <= time && backend_ == nullptr)
        lane->limit.store(0, std::memory_order_relaxed);
      else if (due <= time && lane->cut_short(time))
        if (Batch* const batch = seal_if_possible(*lane, FlushReason::Timeout, time)) cut.push(batch);
      if (due > time)
        next = std::min(next, due);
      else if (lane->cut_recently)
        next = std::min(next, after(time, options_.timeout));
    }
    if (source_ != nullptr) next = std::min(next, source_->seal_due(time, cut));
    const bool called = called_for_ <= time;
    if (called) called_for_ = TimePoint::max();
    next = std::min(next, called_for_);
    if (next != TimePoint::max()) arm_timer(next);
    while (Batch* batch = cut.pop()) dispatch(lock, batch, nullptr);
    Base::wake_worker(lock);
    if (called) Base::outside(lock, [&] { processor_->on_time(time); });
    end_if_failed(lock);
  }
  void keep(ErrorRecord record, bool decides) noexcept { tally_.keep(std::move(record), environment_.name, decides); }
  // Fails the run where the lock cannot be released. Intake ends now; `end_if_failed` or `finish` does the rest.
  void fail_soon(ErrorRecord record) noexcept {
    keep(std::move(record), !tally_.failed);
    tally_.failed = true;
    for (auto& lane : lanes_) lane->limit.store(0, std::memory_order_relaxed);
    Base::notify();
  }
  // Ends the run after `fail_soon`: a source that waits for its stop token must be told.
  void end_if_failed(Lock& lock) {
    if (tally_.failed && !finished_) die(lock);
  }
  // One step of a producer that waits for something other than room.
  void wait_or_help(Lock& lock, TimePoint until) {
    if (Base::producers_help_ && backend_ != nullptr) return Base::help_or_wait(lock, until);
    if (backend_ != nullptr) Base::wake_worker(lock);
    if (!refusing()) Base::wait(lock, until);
  }
  void abandon(Batch* batch) noexcept {
    if (processor_->wants_lost()) {
      static_cast<void>(if_possible([&] {
        if (batch->buffer == nullptr) source_->materialise(*batch);
      }));
    }
    abandon_filled(batch);
  }
  /// A batch without a buffer has its items in their source; they are handed back at the end of the run.
  void abandon_filled(Batch* batch) noexcept {
    if (processor_->wants_lost() && batch->buffer != nullptr) processor_->lost(*batch);
    BatchLedger ledger;
    ledger.items.abandoned = batch->size();
    settle(batch, ledger);
  }
  void refuse_intake(Lock& lock) {
    start_deadline();
    BatchQueue open;
    for (auto& lane : lanes_) {
      lane->limit.store(0, std::memory_order_relaxed);
      if (backend_ == nullptr) continue;  // the producer seals the batch, because its thread must run it
      if (aligned_) continue;             // the batch is cut off, see `finish_lane`
      if (!lane->in_use || lane->pending() == 0) continue;
      if (Batch* const batch = seal_if_possible(*lane, FlushReason::Close, now())) open.push(batch);
    }
    if (source_ != nullptr) source_->refuse(open);
    Base::notify();
    while (Batch* batch = open.pop()) dispatch(lock, batch, nullptr);
    Base::outside(lock, [this] { intake_stop_.request_stop(); });
  }
  void start_deadline() {
    if (options_.drain_deadline == Options::never || deadline_ != TimePoint::max()) return;
    deadline_ = after(now(), options_.drain_deadline);
    if (in_flight_ > 0 || !closed_) arm_timer(deadline_);
  }
  void die(Lock& lock) {
    if (dead_.exchange(true, std::memory_order_acq_rel)) return;
    BatchQueue dropped = Base::drop_queue();
    refuse_intake(lock);
    Base::outside(lock, [&] {
      while (Batch* batch = dropped.pop()) abandon(batch);
      processor_->abandon_parked();
      dead_stop_.request_stop();
    });
    Base::notify();
  }
  void pass_deadline(Lock& lock) {
    abandoned_ = true;
    tally_.deadline_passed = in_flight_ > 0 || open_items();
    die(lock);
    Base::outside(lock, [this] { user_stop_.request_stop(); });
  }
  // Whether there are items that were not loaded only because time ran out: their producer has not come back yet. It
  // is running a batch in fused mode, or is saving progress at the end of its source.
  [[nodiscard]] bool open_items() const noexcept {
    return std::ranges::any_of(
        lanes_, [&](const auto& lane) { return lane->in_use && lane->pending() > 0 && (!aligned_ || lane->ended); });
  }

  const Options& options_;
  const Environment& environment_;
  BatchProcessor* const processor_;
  const ItemType& type_;
  BatchSource* source_ = nullptr;
  const bool weigh_;
  const std::uint64_t batch_bytes_;  // used only if `weigh_`
  const bool may_inline_;
  const std::uint32_t batch_size_;
  const bool aligned_;  // batches end at multiples of their size, for idempotency keys (G16)
  const bool keeps_progress_;
  const std::size_t capacity_;

  // The members below are guarded by the lock.
  std::vector<std::unique_ptr<OwnedLane>> lanes_;
  std::vector<std::unique_ptr<Batch>> batches_;
  BatchQueue free_batches_;
  std::uint64_t next_number_ = 0;
  std::uint64_t waiting_for_one_ = 0;      // those of `waiting_for_room_` that wait for room for a single item
  std::chrono::nanoseconds batch_cost_{};  // duration of the last batch
  TimerTask timer_task_{*this};
  std::unique_ptr<Timer> timer_;
  TimePoint timer_due_ = TimePoint::max();
  TimePoint called_for_ = TimePoint::max();  // the time that the processor asked for
  TimePoint deadline_ = TimePoint::max();
  bool closed_ = false;
  bool intake_ended_ = false;
  bool stop_requested_ = false;
  bool abandoned_ = false;         // set by a stop or by the deadline
  SourceBytes ended_bytes_;        // sum over the partitions that have ended
  std::uint64_t ended_items_ = 0;  // items of those partitions that the source did not give again, because it resumed
  Tally tally_;

  std::atomic<bool> dead_ = false;  // failed or abandoned: nothing more is loaded
  std::stop_source intake_stop_;
  std::stop_source dead_stop_;
  std::stop_source user_stop_;
  const std::stop_token user_token_ = user_stop_.get_token();
};

}  // namespace etl::inline v0::detail
