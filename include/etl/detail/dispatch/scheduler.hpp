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

/// A batch at work of which idle workers may do a part.
class SharedWork {
 public:
  SharedWork() = default;
  SharedWork(const SharedWork&) = delete;
  SharedWork& operator=(const SharedWork&) = delete;
  virtual ~SharedWork() = default;
  /// Without the scheduler's lock: does a part as worker `slot`, if there is one. False: there is no further part.
  [[nodiscard]] virtual bool share(std::uint32_t slot) noexcept = 0;

 private:
  friend class Scheduler;
  SharedWork* next_ = nullptr;  // that is offered
  std::uint64_t at_work_ = 0;   // other workers than the one that offers it
};

/// The queue of sealed batches, the tokens that bound how many run at once, the tasks that run them on the
/// executor, and the threads that wait and help. All of it is under one lock, which its heir shares.
///
/// A task runs batches while there are any and tokens are free; after 2 ms (`ExecutorBackend::slice`) it goes to the
/// end of the executor's line, so that others get their turn. Tasks that have not started when the run ends hold a
/// reference to this object and find it finished.
class Scheduler : public std::enable_shared_from_this<Scheduler> {
 public:
  using Lock = std::unique_lock<std::mutex>;

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Holders are brief: on several processors it is cheaper to look again than to sleep.
  [[nodiscard]] Lock lock() {
    Lock lock(mutex_, std::defer_lock);
    acquire(lock);
    return lock;
  }
  [[nodiscard]] TimePoint now() const noexcept { return clock_ == nullptr ? Clock::now() : clock_->now(); }
  /// Under the lock: batches that are sealed and not settled.
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_; }
  void notify_waiting() noexcept {
    if (waiting_for_room_ > 0) notify();
  }
  /// Whether a worker has nothing to do.
  [[nodiscard]] bool has_idle_worker() {
    const Lock lock = this->lock();
    return queued_ == 0 && !tokens_.empty();
  }
  /// Lets workers take parts of it that have no batch of their own to run. By a worker, which holds its token.
  void offer(SharedWork& work) {
    Lock lock = this->lock();
    work.next_ = std::exchange(offered_, &work);
    wake_worker(lock);
  }
  /// Waits for those that have a part at work. Nobody is waited for who has not begun.
  void withdraw(SharedWork& work) {
    Lock lock = this->lock();
    take_back(work);
    while (work.at_work_ > 0) wait(lock, TimePoint::max());
  }

 protected:
  /// `backend` is null in fused mode: then there is one token, and nothing is ever queued. `clock` may be null.
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

  /// Without the lock: runs a batch as worker `slot`, returns the time it ended.
  virtual TimePoint run_batch(Batch* batch, std::uint32_t slot, TimePoint begin) noexcept = 0;
  /// Under the lock: a task could not be posted.
  virtual void post_failed(Error error) = 0;
  /// Under the lock: call `wake_worker` then, at the latest.
  virtual void remind(TimePoint when) = 0;

  /// To the end of the queue. `cost` is what a batch took of late.
  void enqueue(Lock& lock, Batch* batch, std::chrono::nanoseconds cost) {
    const bool quick = batch->sealed - last_enqueued_ < quick_source;
    last_enqueued_ = batch->sealed;
    queue_.push(batch);
    ++queued_;
    work_waiting_.store(true, std::memory_order_relaxed);
    cost_ = cost;
    tiny_ = cost.count() > 0 && cost < tiny_batch && producers_help_;
    if (lingering_ > 0) return;
    // Somebody will come for it sooner than a thread that is woken now: a worker at the end of a small batch; or the
    // producer when it has to wait, on a single processor, or if another one would take longer to fetch the items than
    // to process them. Should it go differently, the reminder sees to it.
    if (quick && (alone_ || tiny_ || (running_ > 0 && cost.count() > 0 && cost < wake_up)))
      return remind(batch->sealed + reminder);
    wake_worker(lock);
  }
  // One at a time: a task that starts wakes the next if there is more to do than it can take.
  void wake_worker(Lock& lock) {
    if ((queued_ == 0 && offered_ == nullptr) || idle_tasks_.empty() || unstarted_ > 0) return;
    DrainTask* task = idle_tasks_.back();
    idle_tasks_.pop_back();
    post(lock, task);
  }
  /// On a thread that is no worker. A task may have left for want of the token that was held here.
  void run_here(Lock& lock, Batch* batch, TimePoint begin) {
    const TimePoint ended = run(lock, batch, begin);
    if (!alone_) return wake_worker(lock);
    if (queued_ > 0) remind(ended + reminder);  // this thread is about to come for it, unless it waits elsewhere
  }
  [[nodiscard]] bool token_free() const noexcept { return !tokens_.empty(); }
  /// One step of a thread that has to wait. A batch that costs less than a wake-up it runs itself, if workers are free;
  /// for others it wakes a worker, and steps in when that has not come after half a millisecond (its executor is busy,
  /// or has no thread but this one).
  void help_or_wait(Lock& lock, TimePoint until) {
    if (!runnable()) return wait(lock, until);
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
  void wait(Lock& lock, TimePoint until) {
    if (clock_ != nullptr) return clock_->wait(lock, changed_, until);
    if (until == TimePoint::max()) return changed_.wait(lock);
    changed_.wait_until(lock, until);
  }
  void notify() noexcept {
    if (clock_ != nullptr) return clock_->notify(changed_);
    changed_.notify_all();
  }
  /// User code may run in a stop callback or a destructor: not under the lock, but before the end.
  template <class F>
  void outside(Lock& lock, F&& call) {
    ++outside_;
    lock.unlock();
    call();
    lock.lock();
    --outside_;
    notify_if_ended();
  }
  /// Nothing sealed is unsettled, and no thread of ours is at work.
  [[nodiscard]] bool quiet() const noexcept { return in_flight_ == 0 && running_ == 0 && outside_ == 0; }
  void notify_if_ended() noexcept {
    if (waiting_for_end_ > 0 && quiet()) notify();
  }
  [[nodiscard]] BatchQueue drop_queue() noexcept {
    queued_ = 0;
    work_waiting_.store(false, std::memory_order_relaxed);
    return std::exchange(queue_, {});
  }

  ExecutorBackend* const backend_;
  ExecutorBackend* const clock_;  // the same, or that of fused mode, or null for the real one
  const bool producers_help_;     // when they have to wait for room
  std::mutex mutex_;
  std::uint64_t queued_ = 0;
  std::uint64_t in_flight_ = 0;  // sealed and not settled: queued, running or parked
  std::uint64_t running_ = 0;
  std::uint64_t waiting_for_room_ = 0;
  std::uint64_t waiting_for_end_ = 0;
  bool finished_ = false;

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
  /// A part of a batch that another worker runs.
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
  // The run may end while its executor posts: the post is counted, so that the end waits for it.
  void post(Lock& lock, DrainTask* task) {
    ++unstarted_;
    posted_at_ = now();
    outside(lock, [&] {
      auto error = guarded([&]() -> std::optional<Error> {
        backend_->post(std::shared_ptr<Task>(shared_from_this(), task));
        return std::nullopt;
      });
      if (!error) return;
      const Lock again(mutex_);  // the threads that wait in the library do its work
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
        if (tiny_ && time - last_enqueued_ < quick_source) {  // the producer does it, two would only disturb each other
          if (queued_ > 0) remind(time + reminder);
          break;
        }
        if (time < slice_end || !(runnable() || sharable())) continue;
        post(lock, &task);
        if (waiting_for_room_ + waiting_for_end_ > 0) notify();  // who waits may help now
        return;
      }
    }
    idle_tasks_.push_back(&task);
  }

  /// Stays a little while work comes in quickly. Whether there is something to run.
  [[nodiscard]] bool linger(Lock& lock, TimePoint begin) {
    if (linger_.count() == 0 || tiny_ || finished_ || lingering_ > 0 || begin - last_enqueued_ >= quick_source)
      return false;
    ++lingering_;
    lock.unlock();
    while (!work_waiting_.load(std::memory_order_relaxed) && now() - begin < linger_) relax();
    acquire(lock);
    --lingering_;
    if (queued_ > 1) wake_worker(lock);  // nobody was woken meanwhile
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
  bool alone_ = false;               // there is one processor only
  std::chrono::nanoseconds cost_{};  // of a batch of late, 0 at first
  bool tiny_ = false;                // too small to be worth another processor
  TimePoint posted_at_{};            // the last post of a task
  std::uint64_t lingering_ = 0;      // tasks that look for work
  TimePoint last_enqueued_{};
  alignas(64) std::atomic<bool> work_waiting_ = false;  // something is queued, for those that linger
  alignas(64) std::condition_variable changed_;
  BatchQueue queue_;
  SharedWork* offered_ = nullptr;      // the last one first
  std::vector<std::uint32_t> tokens_;  // free worker slots
  std::vector<std::unique_ptr<DrainTask>> tasks_;
  std::vector<DrainTask*> idle_tasks_;
  std::uint64_t unstarted_ = 0;  // tasks posted that have not begun
  std::uint64_t outside_ = 0;    // calls in progress without the lock that the end waits for
};

}  // namespace etl::inline v0::detail
