#pragma once
/// The engine of Bucket and run: cuts lanes into batches.

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
#include <etl/detail/run/run_control.hpp>
#include <etl/executor.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Cuts the items of lanes into batches. Its one mutex is taken once per batch; a single record only touches its lane.
/// Thread-safe, except for the calls that only a lane's producer may make.
class Batcher final : public LaneHost, public BudgetWaiter, public Scheduler, private Controlled {
  using Base = Scheduler;

 public:
  using Base::Lock;

  /// `backend` is null in fused mode. `clock` gives time and timers; it is null in fused mode without time-outs. The
  /// arguments must outlive `finish`.
  Batcher(const Options& options, const Environment& environment, ExecutorBackend* backend, ExecutorBackend* clock,
          const ItemType& type, bool may_inline, bool aligned = false, bool keeps_progress = false)
      : Base(backend, clock, options.workers, options.inline_batches != Inline::Never),
        options_(options),
        environment_(environment),
        type_(type),
        weigh_(options.batch_bytes.has_value()),
        batch_bytes_(options.batch_bytes.value_or(0)),
        may_inline_(may_inline),
        batch_size_(static_cast<std::uint32_t>(options.batch_size)),
        aligned_(aligned),
        keeps_progress_(keeps_progress),
        capacity_(options.effective_capacity()),
        timer_(clock == nullptr ? nullptr : clock->make_timer()),
        control_(options, environment, *this, *this) {}

  /// Sets what the batches go to. Called once, before anything else.
  void set_processor(BatchProcessor& processor) noexcept { processor_ = &processor; }
  /// How the run ends.
  [[nodiscard]] RunControl& control() noexcept { return control_; }

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
    control_.end_if_failed(lock);
    control_.tally().count_refused();
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
    if (!control_.tally().failed) lane.limit.store(next_check(lane), std::memory_order_relaxed);
    control_.end_if_failed(lock);
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
  [[nodiscard]] bool keeps_progress() const noexcept override { return keeps_progress_; }
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
      return control_.fail({.error = {.code = Errc::InvalidOptions, .context = std::string(acknowledges_with_progress)},
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
  [[nodiscard]] std::stop_token intake_stop() const noexcept override { return control_.intake_stop(); }

  // --- for the shared intake, under lock() ------------------------------------------------------------
  using Base::now;
  void set_source(BatchSource* source) { source_ = source; }
  [[nodiscard]] bool refusing() const noexcept { return control_.refusing(); }
  void count_refused() noexcept { control_.tally().count_refused(); }
  /// Returns a batch to fill in. The caller then passes it to `count_seal`, and to `dispatch`.
  [[nodiscard]] Batch* new_batch() {
    Batch* batch = free_batches_.pop();
    return batch != nullptr ? batch : batches_.emplace_back(std::make_unique<Batch>()).get();
  }
  /// Like `new_batch`, but fails the run and returns null if memory runs out.
  [[nodiscard]] Batch* new_batch_if_possible() noexcept {
    Batch* batch = nullptr;
    auto error = guarded([&]() -> std::optional<Error> { return batch = new_batch(), std::nullopt; });
    if (error) control_.fail_soon({.error = std::move(*error), .stage = Stage::Manage});
    return batch;
  }
  /// Counts items for which there is not even memory for a batch. The run has failed.
  void count_lost(std::uint64_t items) noexcept {
    control_.tally().ledger.items.extracted += items;
    control_.tally().ledger.items.abandoned += items;
  }
  /// Counts items of a sealed batch whose move into the batch threw.
  void count_broken(std::uint64_t items) noexcept { control_.tally().ledger.items.abandoned += items; }
  void count_seal(Batch& batch, FlushReason reason, TimePoint opened, TimePoint time) noexcept {
    batch.number = next_number_++;
    batch.sealed = time;
    control_.tally().count_seal(batch.size(), reason, time - opened);
    ++in_flight_;
  }
  /// Gives a sealed batch to the workers. If `lane` is given, the caller is its producer and may run the batch itself.
  /// May release the lock for a while.
  void dispatch(Lock& lock, Batch* batch, OwnedLane* lane) {
    if (!control_.loads()) return Base::outside(lock, [&] { abandon(batch); });
    control_.remind_of_deadline();
    if (environment_.memory && batch->buffer != nullptr) {
      batch->bytes = bytes_of(*batch);
      environment_.memory->charge(batch->bytes);
    }
    if (processor_->unweighed())  // fail now: all workers may be in the back-off of a load
      return Base::outside(lock, [&] { processor_->check(), abandon(batch); });
    if (backend_ == nullptr || (lane != nullptr && runs_inline(*lane, *batch))) {
      ++control_.tally().inline_batches;
      return Base::run_here(lock, batch, batch->sealed);
    }
    control_.tally().max_queue_depth = std::max(control_.tally().max_queue_depth, queued_ + 1);
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
    if (error) control_.fail_soon({.error = std::move(*error), .stage = Stage::Manage});
    return room;
  }
  void arm_timer(TimePoint due) noexcept override {
    if (timer_ == nullptr || due >= timer_due_) return;
    auto error = guarded([&]() -> std::optional<Error> {
      timer_->arm(due, std::shared_ptr<Task>(shared_from_this(), &timer_task_));
      timer_due_ = due;
      return std::nullopt;
    });
    if (error) control_.fail_soon({.error = std::move(*error), .stage = Stage::Manage});
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
  /// Ends a batch: counts its items and results, and gives its buffer back to the producer.
  void settle(Batch* batch, const BatchLedger& ledger, std::chrono::nanoseconds cost = {}) noexcept {
    if (!type_.reused && batch->buffer != nullptr) type_.destroy(batch->buffer->data, batch->begin, batch->size());
    if (ledger.items.abandoned > 0 || ledger.results.in_doubt > 0)
      for (const ChunkRef& chunk : batch->chunks) chunk->lost.store(true, std::memory_order_release);
    batch->chunks.clear();
    if (environment_.memory) environment_.memory->release(std::exchange(batch->bytes, 0));
    std::unique_ptr<Buffer> too_large;  // freed after the lock
    const Lock lock = Base::lock();
    control_.tally().ledger.add(ledger);
    batch_cost_ = cost;
    too_large = unref(std::exchange(batch->buffer, nullptr));
    --in_flight_;
    if (batch->held > 0) source_->settled(std::exchange(batch->held, 0));
    free_batches_.push(batch);
    if (waiting_for_one_ > 0 || (waiting_for_room_ > 0 && in_flight_ <= capacity_ / 2)) Base::notify();
  }
  // --- the end ----------------------------------------------------------------------------------------
  /// Closes and waits, and runs batches meanwhile, until every batch is settled and no task of this batcher uses the
  /// processor. The caller must have finished all lanes. Nothing remains (G3) except tasks that have not started; they
  /// hold a reference to this object.
  /// `goes_on`: the run has continued an earlier one.
  [[nodiscard]] Tally finish(bool goes_on = false) {
    control_.close();
    processor_->check();
    Lock lock(mutex_);
    control_.await_quiet(lock);
    control_.finished();
    timer_.reset();
    for (std::size_t i = 0; i < lanes_.size(); ++i) {  // a bucket may add a lane meanwhile
      std::optional<FreeBuffers> buffers(std::in_place);
      buffers->swap(lanes_[i]->free);
      Base::outside(lock, [&] { buffers.reset(); });
    }
    return control_.result(goes_on);
  }

  /// Fills in a live view of the run. Items in open batches count as extracted.
  void status(RunStatus& status) {
    const Lock lock(mutex_);
    status.items = control_.tally().ledger.items;
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
    // After the end the clock may be destroyed: the budget keeps only this object alive.
    if (!Base::finished()) Base::notify();
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
  using Base::backend_, Base::in_flight_, Base::mutex_, Base::queued_, Base::running_, Base::waiting_for_room_;

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
    control_.fail_soon({.error = std::move(*error), .stage = Stage::Manage});
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
    control_.end_if_failed(lock);
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
      control_.fail_soon({.error = std::move(*thrown), .stage = Stage::Extract});
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
        control_.fail({.error = std::move(*error), .stage = Stage::Extract});
        abandon_filled(batch);
        return begin;
      }
    }
    return processor_->process(batch, slot, begin);
  }
  void remind(TimePoint when) override { arm_timer(when); }
  void post_failed(Error error) override {
    control_.keep({.error = std::move(error), .stage = Stage::Manage}, false);
    // The timer asks the executor again, even if no thread waits.
    arm_timer(after(now(), std::chrono::milliseconds(100)));
  }

  // --- time and ends, under the lock ------------------------------------------------------------------------
  void on_timer() noexcept {
    Lock lock(mutex_);
    if (Base::finished()) return;
    timer_due_ = TimePoint::max();
    const TimePoint time = now();
    const auto later = control_.on_timer(lock, time);
    if (!later) return;
    TimePoint next = *later;
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
    const bool called = control_.take_call(time, next);
    if (next != TimePoint::max()) arm_timer(next);
    while (Batch* batch = cut.pop()) dispatch(lock, batch, nullptr);
    Base::wake_worker(lock);
    if (called) Base::outside(lock, [&] { processor_->on_time(time); });
    control_.end_if_failed(lock);
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

  // --- for the control --------------------------------------------------------------------------------------
  void refuse_intake(Lock& lock) override {
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
  }
  void refuse_intake_soon() noexcept override {
    for (auto& lane : lanes_) lane->limit.store(0, std::memory_order_relaxed);
  }
  void abandon_waiting(BatchQueue& dropped) noexcept override {
    while (Batch* batch = dropped.pop()) abandon(batch);
    processor_->abandon_parked();
  }
  [[nodiscard]] bool has_open_items() const noexcept override {
    return std::ranges::any_of(
        lanes_, [&](const auto& lane) { return lane->in_use && lane->pending() > 0 && (!aligned_ || lane->ended); });
  }

  const Options& options_;
  const Environment& environment_;
  BatchProcessor* processor_ = nullptr;
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
  SourceBytes ended_bytes_;        // sum over the partitions that have ended
  std::uint64_t ended_items_ = 0;  // items of those partitions that the source did not give again, because it resumed
  RunControl control_;
};

}  // namespace etl::inline v0::detail
