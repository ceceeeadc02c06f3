#pragma once
/// The engine under Bucket and run: lanes are cut into batches, batches are run by worker tasks.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/detail/batch.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/guard.hpp>
#include <etl/detail/inline_choice.hpp>
#include <etl/detail/owned_lane.hpp>
#include <etl/executor.hpp>
#include <etl/memory_budget.hpp>
#include <etl/observe/histogram.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// What a batcher has counted, for the report.
struct BatcherTotals {
  BatchLedger ledger{};
  FlushCounts flushes{};
  Histogram fill{};  ///< first item of a batch to its seal
  std::uint64_t inline_batches = 0;
  std::uint64_t max_queue_depth = 0;
  bool failed = false;
  bool cancelled = false;
  bool deadline_passed = false;
  std::uint64_t error_count = 0;
  std::vector<ErrorRecord> errors{};
};

/// Batches that come from somewhere else than a lane: the shared intake of a Bucket.
template <class E>
class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;
  /// Under the batcher's lock: seals what is due into `sealed`; returns when to look again.
  virtual TimePoint seal_due(TimePoint now, BatchQueue<E>& sealed) = 0;
  /// Under the batcher's lock: takes no more; seals the rest into `sealed`.
  virtual void refuse(BatchQueue<E>& sealed) = 0;
  /// Fills in the items of a batch sealed without a buffer. Called without the lock.
  virtual void materialise(Batch<E>& batch) = 0;
};

/// One mutex, taken per batch; per record there is only the lane. Tasks and timers that have not
/// started when the run ends hold a reference and find it finished. Thread-safe, but for what a lane's
/// producer alone may do.
template <class E>
class Batcher final : public LaneHost<E>, public BudgetWaiter, public std::enable_shared_from_this<Batcher<E>> {
 public:
  using Lock = std::unique_lock<std::mutex>;

  /// `backend` is null in fused mode only. The arguments outlive `finish`.
  Batcher(const Options& options, const Environment& environment, ExecutorBackend* backend,
          BatchProcessor<E>& processor, bool may_inline)
      : options_(options),
        environment_(environment),
        backend_(backend),
        processor_(&processor),
        weigh_(options.batch_bytes.has_value()),
        may_inline_(may_inline),
        batch_size_(static_cast<std::uint32_t>(options.batch_size)),
        capacity_(options.effective_capacity()) {
    const std::size_t workers = backend == nullptr ? 1 : options.workers;
    for (std::size_t i = workers; i-- > 0;) tokens_.push_back(static_cast<std::uint32_t>(i));
    if (backend == nullptr) return;
    for (std::size_t i = 0; i < workers; ++i)
      idle_tasks_.push_back(tasks_.emplace_back(std::make_unique<DrainTask>(*this)).get());
    timer_ = backend->make_timer();
  }

  // --- lanes --------------------------------------------------------------------------------------
  [[nodiscard]] OwnedLane<E>& open_lane(std::uint32_t partition) {
    const Lock lock(mutex_);
    OwnedLane<E>* lane = nullptr;
    for (auto& l : lanes_)
      if (!l->in_use) lane = l.get();
    if (lane == nullptr) lane = lanes_.emplace_back(std::make_unique<OwnedLane<E>>(*this)).get();
    lane->start(partition);
    return *lane;
  }

  /// By the lane's producer: flushes the rest. After a failure it is dropped and counted.
  void finish_lane(OwnedLane<E>& lane, Flush reason) {
    std::vector<ChunkRef> chunks;  // what they hold is released after the lock
    ChunkRef chunk;
    Lock lock(mutex_);
    lane.limit.store(0, std::memory_order_relaxed);
    Batch<E>* rest = lane.pending() > 0 ? seal(lane, reason, now()) : nullptr;
    lane.leave_buffer(*this);
    chunks.swap(lane.chunks);
    chunk.swap(lane.chunk);
    lane.in_use = false;
    if (rest != nullptr) dispatch(lock, rest, nullptr);
  }

  /// How many items the lane's partition has given so far.
  [[nodiscard]] std::uint64_t extracted(const OwnedLane<E>& lane) {
    const Lock lock(mutex_);
    return lane.next_seq + lane.pending();
  }

  bool make_room(Lane<E>& base) override {
    auto& lane = static_cast<OwnedLane<E>&>(base);
    Lock lock(mutex_);
    if (refusing()) {
      count_refused();
      return false;
    }
    renew(lane);
    return true;
  }

  void reached_limit(Lane<E>& base) override {
    auto& lane = static_cast<OwnedLane<E>&>(base);
    if (weigh_ && still_light(lane)) return;
    Lock lock(mutex_);
    if (lane.limit.load(std::memory_order_relaxed) == 0) {  // a cut, or the end of intake, came in between
      if (refusing() || lane.pending() == 0) return;
      return renew(lane);
    }
    const TimePoint time = now();
    if (!lane.timed) start_open_batch(lane, time);
    if (const auto reason = full(lane, time)) return seal_and_go_on(lock, lane, *reason, time);
    lane.limit.store(next_check(lane, time), std::memory_order_relaxed);
  }

  void flush(Lane<E>& base) override {
    auto& lane = static_cast<OwnedLane<E>&>(base);
    Lock lock(mutex_);
    if (lane.pending() > 0 && !refusing()) seal_and_go_on(lock, lane, Flush::Source, now());
  }

  void mark(Lane<E>& base, Position position) override {
    auto& lane = static_cast<OwnedLane<E>&>(base);
    const Lock lock(mutex_);
    lane.position = std::move(position);
  }

  void hold(Lane<E>& base, std::shared_ptr<const void> keep) override {
    auto& lane = static_cast<OwnedLane<E>&>(base);
    auto chunk = std::make_shared<Chunk>(Chunk{std::move(keep)});
    const Lock lock(mutex_);
    if (lane.pending() == 0) lane.chunks.clear();  // the former chunk has no item here
    lane.chunk.swap(chunk);                        // the old one goes after the lock
    lane.chunks.push_back(lane.chunk);
  }

  [[nodiscard]] std::stop_token intake_stop() const noexcept override { return intake_stop_.get_token(); }
  /// The token of user callables (G10).
  [[nodiscard]] const std::stop_token& user_stop() const noexcept { return user_token_; }

  // --- batches from elsewhere, under lock() ---------------------------------------------------------
  void set_source(BatchSource<E>* source) { source_ = source; }
  [[nodiscard]] Lock lock() { return Lock(mutex_); }
  [[nodiscard]] bool refusing() const noexcept { return closed_ || stop_requested_ || failed_; }
  [[nodiscard]] Batch<E>* new_batch() {
    Batch<E>* batch = free_batches_.pop();
    if (batch == nullptr) batch = batches_.emplace_back(std::make_unique<Batch<E>>()).get();
    batch->number = next_number_++;
    return batch;
  }
  void count_seal(Batch<E>& batch, Flush reason, TimePoint opened, TimePoint time) {
    batch.sealed = time;
    fill_.record(batch.sealed - opened);
    ledger_.items.extracted += batch.size();
    switch (reason) {
      case Flush::Size: ++flushes_.size; break;
      case Flush::Bytes: ++flushes_.bytes; break;
      case Flush::Timeout: ++flushes_.timeout; break;
      case Flush::Source: ++flushes_.source; break;
      case Flush::Close: ++flushes_.close; break;
    }
  }
  /// Gives a sealed batch to the workers; on the thread of `lane`, if given, it may be run at once.
  /// May release the lock for a while.
  void dispatch(Lock& lock, Batch<E>* batch, OwnedLane<E>* lane) {
    ++in_flight_;
    if (dead_.load(std::memory_order_relaxed)) {
      lock.unlock();
      abandon(batch);
      return lock.lock();
    }
    if (environment_.memory && batch->buffer != nullptr) {
      batch->bytes = processor_->bytes(batch->items());
      environment_.memory->charge(batch->bytes);
    }
    if (backend_ == nullptr || (lane != nullptr && may_inline_ && runs_inline(*lane, *batch))) {
      ++inline_batches_;
      return run_here(lock, batch, batch->sealed);
    }
    queue_.push(batch);
    max_queue_depth_ = std::max(max_queue_depth_, ++queued_);
    wake_worker(lock);
  }
  void arm_timer(TimePoint due) {
    if (timer_ == nullptr || due >= timer_due_) return;
    timer_due_ = due;
    timer_->arm(due, std::shared_ptr<Task>(this->shared_from_this(), &timer_task_));
  }
  [[nodiscard]] TimePoint now() const noexcept { return backend_ == nullptr ? Clock::now() : backend_->now(); }
  [[nodiscard]] TimePoint after(TimePoint start, std::chrono::nanoseconds duration) const noexcept {
    return duration >= TimePoint::max() - start ? TimePoint::max()
                                                : start + std::chrono::duration_cast<Clock::duration>(duration);
  }
  /// Blocks while the run holds all the batches it may (back-pressure), helping meanwhile.
  void wait_for_room(Lock& lock) {
    if (backend_ == nullptr || has_room(capacity_ - 1)) return;
    wait_helping(lock, [this] { return has_room(capacity_ / 2); });
  }
  /// Until `ready()` holds or intake ends; whoever changes what `ready` looks at calls `notify_waiting`.
  template <class Ready>
  void wait_helping(Lock& lock, Ready&& ready) {
    ++waiting_for_room_;
    while (!refusing() && !ready()) help_or_wait(lock, TimePoint::max());
    --waiting_for_room_;
  }
  void notify_waiting() noexcept {
    if (waiting_for_room_ > 0) notify();
  }
  void count_refused() noexcept {
    ++ledger_.items.extracted;
    ++ledger_.items.abandoned;
  }
  void wait(Lock& lock, TimePoint until) {
    if (backend_ != nullptr) return backend_->wait(lock, changed_, until);
    changed_.wait(lock);
  }
  void notify() noexcept {
    if (backend_ != nullptr) return backend_->notify(changed_);
    changed_.notify_all();
  }

  // --- settling, by the processor -------------------------------------------------------------------
  /// Whether nothing more may be loaded.
  [[nodiscard]] bool dead() const noexcept { return dead_.load(std::memory_order_acquire); }

  /// The end of a batch: everything it had is counted, its buffer goes back to its producer.
  void settle(Batch<E>* batch, const BatchLedger& ledger, std::chrono::nanoseconds cost = {}) noexcept {
    if constexpr (!reusable<E>)
      if (batch->buffer != nullptr) std::destroy(batch->items().begin(), batch->items().end());
    batch->chunks.clear();
    if (environment_.memory) environment_.memory->release(std::exchange(batch->bytes, 0));
    std::unique_ptr<Buffer<E>> too_large;
    const Lock lock(mutex_);
    ledger_.add(ledger);
    batch_cost_ = cost;
    too_large = unref(batch->buffer);
    batch->buffer = nullptr;
    free_batches_.push(batch);
    --in_flight_;
    if (waiting_for_room_ > 0 && in_flight_ <= capacity_ / 2) notify();
  }
  void abandon(Batch<E>* batch) noexcept {
    BatchLedger ledger;
    ledger.items.abandoned = batch->size();
    settle(batch, ledger);
  }

  /// Draws `count` items from the reject budget (G7). The error that decides, if it is exceeded.
  [[nodiscard]] std::optional<std::string> reserve_rejects(std::uint64_t count) {
    const Lock lock(mutex_);
    rejects_ += count;
    if (rejects_ > options_.errors.max_rejects)
      return fmt::format("{} rejected, {} allowed by errors.max_rejects", rejects_, options_.errors.max_rejects);
    if (ledger_.items.extracted >= 1000) return reject_ratio_problem();
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> reject_ratio_problem() const {
    const double ratio =
        static_cast<double>(rejects_) / static_cast<double>(std::max<std::uint64_t>(1, ledger_.items.extracted));
    if (ratio <= options_.errors.max_reject_ratio) return std::nullopt;
    return fmt::format("{} of {} items rejected, a share of {} allowed by errors.max_reject_ratio", rejects_,
                       ledger_.items.extracted, options_.errors.max_reject_ratio);
  }

  // --- the end ----------------------------------------------------------------------------------------
  /// Counts an error that does not stop the run.
  void note(ErrorRecord record) {
    const Lock lock(mutex_);
    keep(std::move(record), false);
  }
  /// The first failure stops the run: what is queued is dropped and counted, a blocked push returns (G4).
  void fail(ErrorRecord record) {
    Lock lock(mutex_);
    keep(std::move(record), !failed_);
    if (failed_) return;
    failed_ = true;
    die(lock);
  }
  /// Level 1 (G10).
  void request_drain() {
    Lock lock(mutex_);
    if (stop_requested_ || finished_) return;
    stop_requested_ = true;
    cancelled_ = !intake_ended_;
    refuse_intake(lock);
  }
  /// Level 2 (G10).
  void request_abandon() {
    Lock lock(mutex_);
    if (finished_ || dead_.load(std::memory_order_relaxed)) return;
    cancelled_ = cancelled_ || !intake_ended_ || in_flight_ > 0;
    stop_requested_ = true;
    abandon_all(lock);
  }
  /// The source has ended by itself, or extraction has given up.
  void end_intake() {
    const Lock lock(mutex_);
    intake_ended_ = true;
  }
  /// No more intake from anywhere; lanes are flushed by their producers.
  void close() {
    Lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    intake_ended_ = true;
    refuse_intake(lock);
  }
  [[nodiscard]] bool stop_requested() {
    const Lock lock(mutex_);
    return stop_requested_;
  }
  [[nodiscard]] bool intake_refused() {
    const Lock lock(mutex_);
    return refusing();
  }

  /// Waits, helping, until every batch is settled and no task of ours touches the processor. All lanes
  /// are finished. Nothing is left behind (G3): tasks not yet started hold a reference to this object only.
  [[nodiscard]] BatcherTotals finish() {
    close();
    std::vector<std::unique_ptr<Buffer<E>>> buffers;  // freed after the lock
    Lock lock(mutex_);
    ++waiting_for_end_;
    while (in_flight_ > 0 || running_ > 0 || outside_ > 0) {
      if (!dead_.load(std::memory_order_relaxed) && now() >= deadline_)
        pass_deadline(lock);
      else
        help_or_wait(lock, dead_.load(std::memory_order_relaxed) ? TimePoint::max() : deadline_);
    }
    --waiting_for_end_;
    finished_ = true;
    dead_.store(true, std::memory_order_release);
    timer_.reset();
    for (auto& lane : lanes_)
      std::move(lane->free.begin(), lane->free.end(), std::back_inserter(buffers)), lane->free.clear();
    if (!failed_ && rejects_ > 0) {
      if (auto problem = reject_ratio_problem()) {
        failed_ = true;
        keep({.error = {.code = Errc::RejectBudget, .context = "reject budget exceeded: " + *problem},
              .stage = Stage::Transform},
             true);
      }
    }
    return {.ledger = ledger_,
            .flushes = flushes_,
            .fill = fill_,
            .inline_batches = inline_batches_,
            .max_queue_depth = max_queue_depth_,
            .failed = failed_,
            .cancelled = cancelled_,
            .deadline_passed = deadline_passed_,
            .error_count = error_count_,
            .errors = std::move(errors_)};
  }

  /// A live view; items in open batches count as extracted.
  void status(RunStatus& status) {
    const Lock lock(mutex_);
    status.items = ledger_.items;
    for (const auto& lane : lanes_) status.items.extracted += lane->pending();
    status.queued_batches = queued_;
    status.running_batches = running_;
  }

  void budget_has_room() noexcept override {
    const Lock lock(mutex_);
    notify();
  }

  // --- buffers, under the lock, for lanes ---------------------------------------------------------------
  [[nodiscard]] std::unique_ptr<Buffer<E>> unref(Buffer<E>* buffer) {
    if (buffer == nullptr || --buffer->users > 0) return nullptr;
    std::unique_ptr<Buffer<E>> freed(buffer);
    if (options_.batch_bytes && buffer->bytes > 2 * *options_.batch_bytes) return freed;
    if (buffer->owner != nullptr) buffer->owner->free.push_back(std::move(freed));
    return freed;
  }

 private:
  struct DrainTask final : Task {
    explicit DrainTask(Batcher& b) : batcher(&b) {}
    void run() noexcept override { batcher->drain(*this); }
    Batcher* batcher;
  };
  struct TimerTask final : Task {
    explicit TimerTask(Batcher& b) : batcher(&b) {}
    void run() noexcept override { batcher->on_timer(); }
    Batcher* batcher;
  };

  // --- sealing --------------------------------------------------------------------------------------
  // Weighing mode looks at every item, but takes the lock only for the first of a batch and when it is full.
  [[nodiscard]] bool still_light(OwnedLane<E>& lane) {
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    lane.open_bytes += processor_->bytes({lane.data + n - 1, 1});
    if (!options_.batch_bytes || lane.open_bytes >= *options_.batch_bytes || n >= batch_size_) return false;
    std::uint32_t expected = n;
    return n > 1 && lane.limit.compare_exchange_strong(expected, n + 1, std::memory_order_relaxed);
  }
  void start_open_batch(OwnedLane<E>& lane, TimePoint time) {
    lane.timed = true;
    lane.opened = time;
    arm_timer(after(time, options_.timeout));
  }
  [[nodiscard]] std::optional<Flush> full(OwnedLane<E>& lane, TimePoint time) {
    if (lane.count.load(std::memory_order_relaxed) >= batch_size_) return Flush::Size;
    if (options_.batch_bytes && lane.open_bytes >= *options_.batch_bytes) return Flush::Bytes;
    if (backend_ == nullptr && time >= after(lane.opened, options_.timeout)) return Flush::Timeout;
    return std::nullopt;
  }
  [[nodiscard]] std::uint32_t next_check(OwnedLane<E>& lane, TimePoint time) const {
    const std::uint32_t n = lane.count.load(std::memory_order_relaxed);
    if (weigh_) return n + 1;
    if (backend_ != nullptr || options_.timeout == Options::never) return batch_size_;
    return std::min(batch_size_, n + lane.pace.stride(n, time - lane.opened, options_.timeout));
  }
  [[nodiscard]] Batch<E>* seal(OwnedLane<E>& lane, Flush reason, TimePoint time) {
    Batch<E>* batch = new_batch();
    lane.cut(*batch);
    if (weigh_) lane.buffer->bytes = std::max(lane.buffer->bytes, processor_->bytes(batch->items()));
    count_seal(*batch, reason, lane.opened, time);
    return batch;
  }
  void seal_and_go_on(Lock& lock, OwnedLane<E>& lane, Flush reason, TimePoint time) {
    Batch<E>* batch = seal(lane, reason, time);
    lane.leave_buffer(*this);
    dispatch(lock, batch, &lane);
    if (refusing()) return;
    renew(lane);
    wait_for_room(lock);
  }
  // A new buffer, its limit at 1: the first item comes by to be timed.
  void renew(OwnedLane<E>& lane) {
    lane.renew(*this, batch_size_);
    lane.limit.store(1, std::memory_order_relaxed);
    if (lane.pending() == 0) return;
    if (weigh_) lane.open_bytes = processor_->bytes({lane.data, lane.pending()});
    const TimePoint time = now();
    start_open_batch(lane, time);
    lane.limit.store(next_check(lane, time), std::memory_order_relaxed);
  }
  [[nodiscard]] bool runs_inline(OwnedLane<E>& lane, const Batch<E>& batch) {
    return lane.choice.run_inline(batch.sealed, batch_cost_) && !tokens_.empty();
  }

  // --- running --------------------------------------------------------------------------------------
  [[nodiscard]] std::uint32_t take_token() {
    const std::uint32_t slot = tokens_.back();
    tokens_.pop_back();
    return slot;
  }
  TimePoint run(Lock& lock, Batch<E>* batch, TimePoint begin) {
    const std::uint32_t slot = take_token();
    ++running_;
    lock.unlock();
    const TimePoint ended = materialised(*batch) ? processor_->process(batch, slot, begin) : begin;
    lock.lock();
    --running_;
    tokens_.push_back(slot);
    notify_if_ended();
    return ended;
  }
  [[nodiscard]] bool materialised(Batch<E>& batch) noexcept {
    if (batch.buffer != nullptr) return true;
    auto error = guarded([&]() -> std::optional<Error> {
      source_->materialise(batch);
      return std::nullopt;
    });
    if (!error) return true;
    fail({.error = std::move(*error), .stage = Stage::Extract});
    abandon(&batch);
    return false;
  }
  TimePoint run_next(Lock& lock, TimePoint begin) {
    --queued_;
    return run(lock, queue_.pop(), begin);
  }
  // On a thread that is no worker: a task may have left for want of the token that was held here.
  void run_here(Lock& lock, Batch<E>* batch, TimePoint begin) {
    run(lock, batch, begin);
    if (queued_ > 0) wake_worker(lock);
  }
  void help(Lock& lock) {
    --queued_;
    run_here(lock, queue_.pop(), now());
  }
  void notify_if_ended() noexcept {
    if (waiting_for_end_ > 0 && running_ == 0 && outside_ == 0 && in_flight_ == 0) notify();
  }
  [[nodiscard]] bool runnable() const noexcept { return queued_ > 0 && !tokens_.empty(); }

  void wake_worker(Lock& lock) {
    if (backend_ == nullptr || idle_tasks_.empty() || unstarted_ >= queued_) return;
    DrainTask* task = idle_tasks_.back();
    idle_tasks_.pop_back();
    post(lock, task);
  }
  // The executor may end the run while it posts: the post is counted, so that finish waits for it.
  void post(Lock& lock, DrainTask* task) {
    ++unstarted_;
    ++outside_;
    lock.unlock();
    auto error = guarded([&]() -> std::optional<Error> {
      backend_->post(std::shared_ptr<Task>(this->shared_from_this(), task));
      return std::nullopt;
    });
    lock.lock();
    --outside_;
    if (error) {  // the threads that wait in the library do its work
      --unstarted_;
      idle_tasks_.push_back(task);
      keep({.error = std::move(*error), .stage = Stage::Manage}, false);
    }
    notify_if_ended();
  }
  void drain(DrainTask& task) noexcept {
    Lock lock(mutex_);
    --unstarted_;
    if (!finished_) {
      TimePoint time = now();
      const TimePoint slice_end = time + std::chrono::milliseconds(2);
      while (runnable()) {
        time = run_next(lock, time);
        if (time < slice_end || !runnable()) continue;
        post(lock, &task);
        if (waiting_for_room_ + waiting_for_end_ > 0) notify();
        return;
      }
    }
    idle_tasks_.push_back(&task);
  }
  /// One step of a thread that has to wait: it runs a batch at once where that takes nobody's place,
  /// else after half a millisecond, else it sleeps.
  void help_or_wait(Lock& lock, TimePoint until) {
    if (runnable() && (running_ == 0 || !idle_tasks_.empty())) return help(lock);
    if (!runnable()) return wait(lock, until);
    const TimePoint patience = std::min(until, now() + std::chrono::microseconds(500));
    wait(lock, patience);
    if (runnable() && now() >= patience) help(lock);
  }
  [[nodiscard]] bool has_room(std::size_t in_flight) {
    if (in_flight_ > in_flight) return false;
    return !environment_.memory || in_flight_ == 0 || environment_.memory->has_room_or_tell(this->shared_from_this());
  }

  // --- time and ends --------------------------------------------------------------------------------
  void on_timer() noexcept {
    Lock lock(mutex_);
    if (finished_) return;
    timer_due_ = TimePoint::max();
    const TimePoint time = now();
    if (!dead_.load(std::memory_order_relaxed) && time >= deadline_) return pass_deadline(lock);
    TimePoint next = dead_.load(std::memory_order_relaxed) ? TimePoint::max() : deadline_;
    BatchQueue<E> cut;
    for (auto& lane : lanes_) {
      const TimePoint due = after(lane->timed ? lane->opened : lane->cut_at, options_.timeout);
      if (!lane->in_use || (!lane->timed && !lane->cut_recently)) continue;
      if (due <= time && lane->cut_short(time)) cut.push(seal(*lane, Flush::Timeout, time));
      if (due > time)
        next = std::min(next, due);
      else if (lane->cut_recently)
        next = std::min(next, after(time, options_.timeout));
    }
    if (source_ != nullptr) next = std::min(next, source_->seal_due(time, cut));
    if (next != TimePoint::max()) arm_timer(next);
    while (Batch<E>* batch = cut.pop()) dispatch(lock, batch, nullptr);
  }

  void keep(ErrorRecord record, bool decides) {
    ++error_count_;
    record.pipeline = environment_.name;
    if (decides)
      errors_.insert(errors_.begin(), std::move(record));
    else if (errors_.size() < RunReport::max_errors)
      errors_.push_back(std::move(record));
    if (errors_.size() > RunReport::max_errors) errors_.pop_back();
  }
  void refuse_intake(Lock& lock) {
    if (options_.drain_deadline != Options::never && deadline_ == TimePoint::max()) {
      deadline_ = after(now(), options_.drain_deadline);
      if (in_flight_ > 0 || !closed_) arm_timer(deadline_);
    }
    BatchQueue<E> open;
    for (auto& lane : lanes_) {
      lane->limit.store(0, std::memory_order_relaxed);
      if (lane->in_use && lane->pending() > 0) open.push(seal(*lane, Flush::Close, now()));
    }
    if (source_ != nullptr) source_->refuse(open);
    notify();
    while (Batch<E>* batch = open.pop()) dispatch(lock, batch, nullptr);
    outside(lock, [this] { intake_stop_.request_stop(); });
  }
  void die(Lock& lock) {
    dead_.store(true, std::memory_order_release);
    BatchQueue<E> dropped;
    for (; queued_ > 0; --queued_) dropped.push(queue_.pop());
    refuse_intake(lock);
    outside(lock, [&] {
      while (Batch<E>* batch = dropped.pop()) abandon(batch);
      processor_->abandon_parked();
    });
    notify();
  }
  void abandon_all(Lock& lock) {
    die(lock);
    outside(lock, [this] { user_stop_.request_stop(); });
  }
  void pass_deadline(Lock& lock) {
    deadline_passed_ = in_flight_ > 0;
    abandon_all(lock);
  }
  // User code may run in a stop callback or a destructor: not under the lock, but before finish returns.
  template <class F>
  void outside(Lock& lock, F&& call) {
    ++outside_;
    lock.unlock();
    call();
    lock.lock();
    --outside_;
    notify_if_ended();
  }

  const Options& options_;
  const Environment& environment_;
  ExecutorBackend* const backend_;
  BatchProcessor<E>* const processor_;
  BatchSource<E>* source_ = nullptr;
  const bool weigh_;
  const bool may_inline_;
  const std::uint32_t batch_size_;
  const std::size_t capacity_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<OwnedLane<E>>> lanes_;
  std::vector<std::unique_ptr<Batch<E>>> batches_;
  BatchQueue<E> free_batches_;
  BatchQueue<E> queue_;
  std::uint64_t queued_ = 0;
  std::uint64_t in_flight_ = 0;  // sealed and not settled: queued, running or parked
  std::uint64_t running_ = 0;
  std::vector<std::uint32_t> tokens_;  // free worker slots
  std::vector<std::unique_ptr<DrainTask>> tasks_;
  std::vector<DrainTask*> idle_tasks_;
  std::uint64_t unstarted_ = 0;  // tasks posted that have not begun
  std::uint64_t outside_ = 0;    // calls in progress without the lock that finish waits for
  std::uint64_t waiting_for_room_ = 0;
  std::uint64_t waiting_for_end_ = 0;
  std::uint64_t next_number_ = 0;
  std::uint64_t rejects_ = 0;
  std::chrono::nanoseconds batch_cost_{};
  TimerTask timer_task_{*this};
  std::unique_ptr<Timer> timer_;
  TimePoint timer_due_ = TimePoint::max();
  TimePoint deadline_ = TimePoint::max();

  bool closed_ = false;
  bool intake_ended_ = false;
  bool stop_requested_ = false;
  bool cancelled_ = false;
  bool failed_ = false;
  bool deadline_passed_ = false;
  bool finished_ = false;
  std::atomic<bool> dead_ = false;  // failed or abandoned: nothing more is loaded
  std::stop_source intake_stop_;
  std::stop_source user_stop_;
  const std::stop_token user_token_ = user_stop_.get_token();

  BatchLedger ledger_;
  FlushCounts flushes_;
  Histogram fill_;
  std::uint64_t inline_batches_ = 0;
  std::uint64_t max_queue_depth_ = 0;
  std::uint64_t error_count_ = 0;
  std::vector<ErrorRecord> errors_;
};

}  // namespace etl::inline v0::detail
