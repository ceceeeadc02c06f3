#pragma once
/// Where and when sealed batches are run.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/meta/cpus.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::detail {

/// A batch in progress, of which idle workers may do parts.
class SharedWork {
 public:
  SharedWork() = default;
  SharedWork(const SharedWork&) = delete;
  SharedWork& operator=(const SharedWork&) = delete;
  virtual ~SharedWork() = default;
  /// Does a part as worker `slot`, if a part is left. Returns false if no further part is left. Called without the
  /// scheduler's lock.
  [[nodiscard]] virtual bool share(std::uint32_t slot) noexcept = 0;

 private:
  friend class Scheduler;
  SharedWork* next_ = nullptr;  // next in the list of offered works
  std::uint64_t at_work_ = 0;   // number of workers at it, besides the worker that offers it
};

/// The queue of sealed batches, the tokens that limit how many batches run at once, the tasks that run batches on the
/// executor, and the threads that wait and help. One lock guards all of this; the derived class shares the lock.
///
/// A task runs batches while there are batches and free tokens. After 2 ms (`ExecutorBackend::slice`) the task goes to
/// the end of the executor's queue, so that others get their turn. Tasks that have not started when the run ends hold
/// a reference to this object, and see that it is finished.
class Scheduler : public std::enable_shared_from_this<Scheduler> {
 public:
  using Lock = std::unique_lock<std::mutex>;

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Locks the mutex. Threads hold it only briefly, so with several processors it is cheaper to try again than to
  /// sleep.
  [[nodiscard]] Lock lock() {
    Lock lock(mutex_, std::defer_lock);
    acquire(lock);
    return lock;
  }
  [[nodiscard]] TimePoint now() const noexcept { return clock_ == nullptr ? Clock::now() : clock_->now(); }
  /// Number of batches that are sealed and not settled. Called under the lock.
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_; }
  void notify_waiting() noexcept {
    if (waiting_for_room_ > 0) notify();
  }
  /// Whether a worker has nothing to do.
  [[nodiscard]] bool has_idle_worker() {
    const Lock lock = this->lock();
    return queued_ == 0 && !tokens_.empty();
  }
  /// Offers parts of `work` to workers that have no batch to run. Called by a worker, which keeps its token.
  void offer(SharedWork& work) {
    Lock lock = this->lock();
    work.next_ = std::exchange(offered_, &work);
    wake_worker(lock);
  }
  /// Withdraws the offer, and waits for the workers that have begun a part. Workers that have not begun can no longer
  /// begin.
  void withdraw(SharedWork& work) {
    Lock lock = this->lock();
    take_back(work);
    while (work.at_work_ > 0) wait(lock, TimePoint::max());
  }

  // --- for the run's control, under the lock ------------------------------------------------------------
  [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }
  void notify() noexcept {
    if (clock_ != nullptr) return clock_->notify(changed_);
    changed_.notify_all();
  }
  /// Calls `call` without the lock, because user code may run in a stop callback or a destructor. The end of the run
  /// waits for the call.
  template <class F>
  void outside(Lock& lock, F&& call) {
    ++outside_;
    lock.unlock();
    call();
    lock.lock();
    --outside_;
    notify_if_ended();
  }
  /// One step of a thread that has to wait. If a batch costs less than waking a thread, and a worker token is free,
  /// this thread runs the batch itself. Otherwise it wakes a worker, and runs the batch itself if no worker has come
  /// after half a millisecond (the executor is busy, or has only this thread).
  void help_or_wait(Lock& lock, TimePoint until) {
    if (!runnable()) {
      ++helpers_;
      wait(lock, until);
      --helpers_;
      return;
    }
    const bool cheap = alone_ || cost_ < wake_up;
    if (cheap && (running_ == 0 || !idle_tasks_.empty())) return help(lock);
    const bool lingering = unstarted_ == 0 && idle_tasks_.empty();
    wake_worker(lock);
    if (!runnable()) return;
    const TimePoint time = now();
    const TimePoint patience = (lingering ? time : posted_at_) + std::chrono::microseconds(500);
    if (time >= patience) return help(lock);
    wait(lock, std::min(until, patience));
  }
  /// Takes all batches out of the queue.
  [[nodiscard]] BatchQueue drop_queue() noexcept {
    queued_ = 0;
    work_waiting_.store(false, std::memory_order_relaxed);
    return std::exchange(queue_, {});
  }
  /// Whether every sealed batch is settled, and no thread works for this object.
  [[nodiscard]] bool quiet() const noexcept { return in_flight_ == 0 && running_ == 0 && outside_ == 0; }
  /// A thread waits for the end while this lives.
  class Ending {
   public:
    explicit Ending(Scheduler& scheduler) : scheduler_(scheduler) { ++scheduler_.waiting_for_end_; }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() { --scheduler_.waiting_for_end_; }

   private:
    Scheduler& scheduler_;
  };
  /// Whether the run has ended: no task does anything any more.
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  void finish() noexcept { finished_ = true; }

 protected:
  /// `backend` is null in fused mode: there is then one token, and no batch is ever queued. `clock` may be null.
  Scheduler(ExecutorBackend* backend, ExecutorBackend* clock, std::size_t workers, bool producers_help)
      : backend_(backend), clock_(clock), producers_help_(producers_help) {
    const std::size_t tokens = backend == nullptr ? 1 : workers;
    for (std::size_t i = tokens; i-- > 0;) tokens_.push_back(static_cast<std::uint32_t>(i));
    if (backend == nullptr) return;
    linger_ = backend->linger();
    alone_ = usable_cpus() == 1;
    for (std::size_t i = 0; i < workers; ++i) {
      tasks_.push_back(std::make_unique<DrainTask>(*this));
      idle_tasks_.push_back(tasks_.back().get());
    }
  }
  ~Scheduler() = default;

  /// Runs a batch as worker `slot`. Returns the time at which the batch ended. Called without the lock.
  virtual TimePoint run_batch(Batch* batch, std::uint32_t slot, TimePoint begin) noexcept = 0;
  /// A task could not be posted. Called under the lock.
  virtual void post_failed(Error error) = 0;
  /// Makes sure that `wake_worker` is called at `when` at the latest. Called under the lock.
  virtual void remind(TimePoint when) = 0;

  /// Appends a batch to the queue. `cost` is the duration of a recent batch.
  void enqueue(Lock& lock, Batch* batch, std::chrono::nanoseconds cost) {
    const bool quick = batch->sealed - last_enqueued_ < quick_source;
    last_enqueued_ = batch->sealed;
    queue_.push(batch);
    ++queued_;
    work_waiting_.store(true, std::memory_order_relaxed);
    cost_ = cost;
    tiny_ = cost.count() > 0 && cost < tiny_batch && producers_help_;
    if (lingering_ > 0) return;
    // Waking a thread takes longer than waiting for a thread that will look for work anyway: a worker at the end of a
    // small batch; or the producer when it has to wait, if there is only one processor, or if another processor would
    // take longer to fetch the items than to process them. If no such thread comes, the reminder wakes a worker.
    if (quick && (alone_ || tiny_ || (running_ > 0 && cost.count() > 0 && cost < wake_up)))
      remind(batch->sealed + reminder);
    else
      wake_worker(lock);
    tell_helpers();
  }
  // Wakes one worker at a time: a task that starts wakes the next one if there is more work than it can do.
  void wake_worker(Lock& lock) {
    if ((queued_ == 0 && offered_ == nullptr) || idle_tasks_.empty() || unstarted_ > 0) return;
    DrainTask* task = idle_tasks_.back();
    idle_tasks_.pop_back();
    post(lock, task);
  }
  /// Runs a batch on a thread that is not a worker. Afterwards wakes a worker: a task may have ended because this
  /// thread held the last token.
  void run_here(Lock& lock, Batch* batch, TimePoint begin) {
    const TimePoint ended = run(lock, batch, begin);
    if (!alone_)
      wake_worker(lock);
    else if (queued_ > 0)
      remind(ended + reminder);  // this thread will come for the batch soon, unless it waits elsewhere
    tell_helpers();
  }
  [[nodiscard]] bool token_free() const noexcept { return !tokens_.empty(); }
  void wait(Lock& lock, TimePoint until) {
    if (clock_ != nullptr) return clock_->wait(lock, changed_, until);
    if (until == TimePoint::max()) return changed_.wait(lock);
    changed_.wait_until(lock, until);
  }
  void notify_if_ended() noexcept {
    if (waiting_for_end_ > 0 && quiet()) notify();
  }
  ExecutorBackend* const backend_;
  ExecutorBackend* const clock_;  // the clock of `backend_` or of fused mode, or null for the real clock
  const bool producers_help_;     // producers run batches while they wait for room
  std::mutex mutex_;
  std::uint64_t queued_ = 0;
  std::uint64_t in_flight_ = 0;  // sealed and not settled: queued, running or parked
  std::uint64_t running_ = 0;
  std::uint64_t waiting_for_room_ = 0;

 private:
  struct DrainTask final : Task {
    explicit DrainTask(Scheduler& s) : scheduler(&s) {}
    void run() noexcept override { scheduler->drain(*this); }
    Scheduler* scheduler;
  };

  [[nodiscard]] bool runnable() const noexcept { return queued_ > 0 && !tokens_.empty(); }
  [[nodiscard]] bool sharable() const noexcept { return offered_ != nullptr && !tokens_.empty(); }
  [[nodiscard]] Batch* dequeue() noexcept {
    if (--queued_ == 0) work_waiting_.store(false, std::memory_order_relaxed);
    return queue_.pop();
  }
  TimePoint run(Lock& lock, Batch* batch, TimePoint begin) {
    const std::uint32_t slot = tokens_.back();
    tokens_.pop_back();
    ++running_;
    lock.unlock();
    const TimePoint ended = run_batch(batch, slot, begin);
    acquire(lock);
    --running_;
    tokens_.push_back(slot);
    notify_if_ended();
    return ended;
  }
  /// Does a part of a batch that another worker runs.
  TimePoint share(Lock& lock) {
    SharedWork& work = *offered_;
    const std::uint32_t slot = tokens_.back();
    tokens_.pop_back();
    ++running_;
    ++work.at_work_;
    lock.unlock();
    const bool more = work.share(slot);
    const TimePoint ended = now();
    acquire(lock);
    --running_;
    tokens_.push_back(slot);
    if (!more) take_back(work);
    if (--work.at_work_ == 0) notify();
    notify_if_ended();
    return ended;
  }
  void take_back(SharedWork& work) noexcept {
    for (SharedWork** at = &offered_; *at != nullptr; at = &(*at)->next_)
      if (*at == &work) {
        *at = work.next_;
        return;
      }
  }
  void help(Lock& lock) {
    Batch* batch = dequeue();
    run_here(lock, batch, now());
  }
  // `outside` counts the post, because the run may end while the executor posts.
  void post(Lock& lock, DrainTask* task) {
    ++unstarted_;
    posted_at_ = now();
    outside(lock, [&] {
      auto error = guarded([&]() -> std::optional<Error> {
        backend_->post(std::shared_ptr<Task>(shared_from_this(), task));
        return std::nullopt;
      });
      if (!error) return;
      const Lock again(mutex_);  // threads that wait in the library will do the task's work
      --unstarted_;
      idle_tasks_.push_back(task);
      post_failed(std::move(*error));
    });
  }
  void drain(DrainTask& task) noexcept {
    Lock lock = this->lock();
    --unstarted_;
    if (!finished_) {
      if (queued_ > 1 || offered_ != nullptr) wake_worker(lock);
      TimePoint time = now();
      const TimePoint slice_end = time + backend_->slice();
      while (runnable() || sharable() || linger(lock, time)) {
        time = runnable() ? run(lock, dequeue(), time) : share(lock);
        // The producer runs them: two threads would only disturb each other.
        if (tiny_ && time - last_enqueued_ < quick_source) {
          if (queued_ > 0) remind(time + reminder);  // it may do something else meanwhile
          break;
        }
        if (time < slice_end || !(runnable() || sharable())) continue;
        post(lock, &task);
        return tell_helpers();
      }
    }
    idle_tasks_.push_back(&task);
    tell_helpers();
  }

  /// A thread calls this that may leave batches in the queue although they could run now. Threads that wait in the
  /// library then run them: neither a task nor a timer is sure to come, for the executor may be busy, or have stopped.
  void tell_helpers() noexcept {
    if (runnable() && helpers_ > 0) notify();
  }

  /// Waits a little for more work if work arrives quickly. Returns whether there is something to run.
  [[nodiscard]] bool linger(Lock& lock, TimePoint begin) {
    if (linger_.count() == 0 || tiny_ || finished_ || lingering_ > 0 || begin - last_enqueued_ >= quick_source)
      return false;
    ++lingering_;
    lock.unlock();
    while (!work_waiting_.load(std::memory_order_relaxed) && now() - begin < linger_) relax();
    acquire(lock);
    --lingering_;
    if (queued_ > 1) wake_worker(lock);  // no thread was woken meanwhile
    return runnable() || sharable();
  }
  void acquire(Lock& lock) {
    for (int i = alone_ ? 0 : 200; i > 0; --i) {
      if (lock.try_lock()) return;
      relax();
    }
    lock.lock();
  }
  static void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }

  static constexpr std::chrono::nanoseconds quick_source = std::chrono::microseconds(30);
  static constexpr std::chrono::nanoseconds tiny_batch = std::chrono::microseconds(10);
  static constexpr std::chrono::nanoseconds wake_up = std::chrono::microseconds(20);
  static constexpr std::chrono::nanoseconds reminder = std::chrono::milliseconds(2);

  std::chrono::nanoseconds linger_{};
  bool alone_ = false;               // there is only one processor
  std::chrono::nanoseconds cost_{};  // duration of a recent batch, 0 at first
  bool tiny_ = false;                // batches are too small to be worth another processor
  TimePoint posted_at_{};            // time of the last post of a task
  std::uint64_t lingering_ = 0;      // tasks that wait for work in `linger`
  TimePoint last_enqueued_{};
  alignas(64) std::atomic<bool> work_waiting_ = false;  // tells lingering tasks that the queue is not empty
  alignas(64) std::condition_variable changed_;
  BatchQueue queue_;
  SharedWork* offered_ = nullptr;      // offered works, the latest first
  std::vector<std::uint32_t> tokens_;  // free worker slots
  std::vector<std::unique_ptr<DrainTask>> tasks_;
  std::vector<DrainTask*> idle_tasks_;
  std::uint64_t waiting_for_end_ = 0;
  std::uint64_t helpers_ = 0;  // threads that wait in `help_or_wait`, and would run a batch
  bool finished_ = false;
  std::uint64_t unstarted_ = 0;  // posted tasks that have not begun
  std::uint64_t outside_ = 0;    // calls of `outside` in progress; the end of the run waits for them
};

}  // namespace etl::inline v0::detail
