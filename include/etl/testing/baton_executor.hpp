#pragma once
/// Real threads that run one at a time, in an order that a seed decides, on a virtual clock.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::testing {

/// Each task gets its own thread, but only the thread with the baton runs. When it posts, waits, ends or calls `yield`,
/// it passes the baton to a thread or task that the seed picks. So two loads can interleave at every `yield`, and the
/// same seed gives the same order. The clock moves only when all threads wait. If nothing could ever end the waits, the
/// wait of the test's thread throws `std::logic_error`. Start runs from one thread, one after another, with
/// `Options::extractors` = 1. Do not call `yield` while you hold a lock that other threads need.
///
///     auto schedule = std::make_shared<etl::testing::BatonExecutor>(seed);
///     faults.on_step([&] { schedule->yield(); });
///     auto report = etl::run(pipeline, {.workers = 3, .executor = etl::Executor(schedule)});
class BatonExecutor final : public ExecutorBackend {
 public:
  /// An executor whose order of tasks follows from `seed`.
  explicit BatonExecutor(std::uint64_t seed = 0) : random_(seed) {}
  BatonExecutor(const BatonExecutor&) = delete;
  BatonExecutor& operator=(const BatonExecutor&) = delete;
  ~BatonExecutor() override {
    while (!ready_.empty()) yield();  // tasks that were interrupted, and those that find their run ended
    {
      const std::lock_guard lock(mutex_);
      for (const auto& worker : workers_) worker->resume(Resumed::ToEnd);
    }
    for (const auto& worker : workers_) worker->thread.join();
  }

  void post(std::shared_ptr<Task> task) override {
    std::unique_lock lock(mutex_);
    ready_.push_back({nullptr, std::move(task)});
    switch_as_ready(lock);
  }
  std::unique_ptr<Timer> make_timer() override { return std::make_unique<BatonTimer>(*this); }
  [[nodiscard]] TimePoint now() const noexcept override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void wait(std::unique_lock<std::mutex>& users, std::condition_variable& signal, TimePoint until) override {
    users.unlock();  // nobody comes between: the others have no baton
    bool stuck = false;
    {
      std::unique_lock lock(mutex_);
      Participant& me = self();
      waiting_.push_back({&me, &signal, until});
      stuck = pass(lock, me) == Resumed::Stuck;
    }
    users.lock();
    if (stuck) throw std::logic_error("baton executor: deadlock, every thread waits and no timer is armed");
  }
  void notify(std::condition_variable& signal) noexcept override {
    const std::lock_guard lock(mutex_);
    wake([&](const Waiting& w) { return w.signal == &signal; });
  }
  /// Zero: after each batch the seed picks the next task.
  [[nodiscard]] std::chrono::nanoseconds slice() const noexcept override { return {}; }

  /// Number of the calling thread: 0 is the test's thread, the others run tasks.
  [[nodiscard]] std::size_t thread() const {
    const std::lock_guard lock(mutex_);
    return number();
  }
  /// Passes the baton to a thread that the seed picks.
  void yield() {
    std::unique_lock lock(mutex_);
    switch_as_ready(lock);
  }

 private:
  enum class Resumed : std::uint8_t { No, Yes, Stuck, ToEnd };
  struct Participant {
    std::condition_variable baton;
    Resumed resumed = Resumed::No;
    std::shared_ptr<Task> task;  // to begin
    std::thread thread;          // of a worker
    void resume(Resumed how) {
      resumed = how;
      baton.notify_one();
    }
  };
  struct Ready {
    Participant* participant;  // null: a task that has not begun
    std::shared_ptr<Task> task;
  };
  struct Waiting {
    Participant* participant;
    const std::condition_variable* signal;
    TimePoint until;
  };
  class BatonTimer final : public Timer {
   public:
    explicit BatonTimer(BatonExecutor& owner) : owner_(owner) {}
    BatonTimer(const BatonTimer&) = delete;
    BatonTimer& operator=(const BatonTimer&) = delete;
    ~BatonTimer() override {
      const std::lock_guard lock(owner_.mutex_);
      owner_.disarm(this);
    }
    void arm(TimePoint due, std::shared_ptr<Task> task) override {
      const std::lock_guard lock(owner_.mutex_);
      owner_.disarm(this);
      owner_.timers_.emplace(due, std::pair(this, std::move(task)));
    }

   private:
    BatonExecutor& owner_;
  };

  void disarm(const Timer* timer) {
    std::erase_if(timers_, [timer](const auto& entry) { return entry.second.first == timer; });
  }
  [[nodiscard]] std::size_t number() const {
    const auto me = std::this_thread::get_id();
    for (std::size_t i = 0; i < workers_.size(); ++i)
      if (workers_[i]->thread.get_id() == me) return i + 1;
    return 0;
  }
  [[nodiscard]] Participant& self() {
    const std::size_t me = number();
    return me == 0 ? tests_ : *workers_[me - 1];
  }
  template <class Which>
  void wake(Which&& which) {
    for (const Waiting& w : waiting_)
      if (which(w)) ready_.push_back({w.participant, nullptr});
    std::erase_if(waiting_, which);
  }
  void switch_as_ready(std::unique_lock<std::mutex>& lock) {
    if (ready_.empty()) return;
    Participant& me = self();
    ready_.push_back({&me, nullptr});
    (void)pass(lock, me);
  }
  /// Passes the baton to a thread that the seed picks, and waits until it comes back.
  Resumed pass(std::unique_lock<std::mutex>& lock, Participant& me) {
    me.resumed = Resumed::No;
    give_away();
    me.baton.wait(lock, [&me] { return me.resumed != Resumed::No; });
    return me.resumed;
  }
  void give_away() {
    while (ready_.empty() && move_clock()) continue;
    if (ready_.empty()) {  // the test's thread waits too, or it would have the baton
      std::erase_if(waiting_, [this](const Waiting& w) { return w.participant == &tests_; });
      return tests_.resume(Resumed::Stuck);
    }
    const auto chosen = ready_.begin() + static_cast<std::ptrdiff_t>(random_() % ready_.size());
    const Ready next = std::move(*chosen);
    ready_.erase(chosen);
    if (next.participant != nullptr) return next.participant->resume(Resumed::Yes);
    Participant& worker = idle_worker();
    worker.task = next.task;
    worker.resume(Resumed::Yes);
  }
  [[nodiscard]] bool move_clock() {
    TimePoint next = timers_.empty() ? TimePoint::max() : timers_.begin()->first;
    for (const Waiting& w : waiting_) next = std::min(next, w.until);
    if (next == TimePoint::max()) return false;
    now_ = std::max(now_, next);
    while (!timers_.empty() && timers_.begin()->first <= now_)
      ready_.push_back({nullptr, timers_.extract(timers_.begin()).mapped().second});
    wake([this](const Waiting& w) { return w.until <= now_; });
    return true;
  }
  [[nodiscard]] Participant& idle_worker() {
    if (idle_.empty()) {
      workers_.push_back(std::make_unique<Participant>());
      Participant& made = *workers_.back();
      made.thread = std::thread([this, &made] { work(made); });  // its id is there before it gets the lock
      return made;
    }
    Participant& worker = *idle_.back();
    idle_.pop_back();
    return worker;
  }
  void work(Participant& me) {
    std::unique_lock lock(mutex_);
    for (;;) {
      me.baton.wait(lock, [&me] { return me.resumed != Resumed::No; });
      if (me.resumed == Resumed::ToEnd) return;
      lock.unlock();
      me.task->run();
      me.task.reset();
      lock.lock();
      idle_.push_back(&me);
      me.resumed = Resumed::No;
      give_away();
    }
  }

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  TimePoint now_{};
  Participant tests_;  // has the baton at first
  std::vector<std::unique_ptr<Participant>> workers_;
  std::vector<Participant*> idle_;
  std::vector<Ready> ready_;
  std::vector<Waiting> waiting_;
  std::multimap<TimePoint, std::pair<const Timer*, std::shared_ptr<Task>>> timers_;
};

}  // namespace etl::inline v0::testing
