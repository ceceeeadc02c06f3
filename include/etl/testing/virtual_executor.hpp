#pragma once
/// Virtual time and a seeded schedule for tests, on one thread.

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
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::testing {

/// Runs everything on the thread of the test, in an order that the seed decides, on a clock that moves only when
/// nothing else is left to do. A wait inside the library runs a posted task; if there is none, it moves the clock to
/// the next timer; if there is no timer either, it throws `std::logic_error`, because nothing could ever end the wait.
/// Belongs to one thread at a time.
///
///     auto virtual_time = std::make_shared<etl::testing::VirtualExecutor>(seed);
///     auto report = etl::run(pipeline, {.executor = etl::Executor(virtual_time)});
class VirtualExecutor final : public ExecutorBackend {
 public:
  /// An executor whose order of tasks follows from `seed`.
  explicit VirtualExecutor(std::uint64_t seed = 0) : random_(seed) {}

  void post(std::shared_ptr<Task> task) override { ready_.push_back(std::move(task)); }
  std::unique_ptr<Timer> make_timer() override { return std::make_unique<VirtualTimer>(*this); }
  [[nodiscard]] TimePoint now() const noexcept override { return now_; }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable&, TimePoint until) override {
    lock.unlock();
    const bool moved = run_one() || fire_next(until) || until != TimePoint::max();
    if (moved && !progressed_) now_ = std::max(now_, until);
    lock.lock();
    if (!moved) throw std::logic_error("virtual executor: deadlock, a wait that nothing can end");
  }
  void notify(std::condition_variable&) noexcept override {}
  [[nodiscard]] std::uint64_t seed() const override { return 0; }
  /// Zero: after each batch the seed picks the next task.
  [[nodiscard]] std::chrono::nanoseconds slice() const noexcept override { return {}; }

  /// Switches to other tasks inside a user callable, which is otherwise not interrupted: some microseconds pass, due
  /// timers fire, and other tasks run as the seed decides. Do not call it while you hold a lock that another callable
  /// takes.
  void yield() {
    const TimePoint until = now_ + std::chrono::microseconds(random_() % 64);
    while (fire_next(until)) {}
    now_ = std::max(now_, until);
    while (!ready_.empty() && random_() % 2 == 0) run_one();
  }
  /// Runs posted tasks, and the tasks that they post, until none is left. Returns their number.
  std::size_t run_ready() {
    std::size_t count = 0;
    while (run_one()) ++count;
    return count;
  }
  /// Moves the clock forward, fires due timers, and runs the tasks that they post.
  void advance(std::chrono::nanoseconds by) {
    const TimePoint target = etl::detail::after(now_, by);
    do run_ready();
    while (fire_next(target));
    now_ = std::max(now_, target);  // a task may have moved it further
  }
  /// Whether no task is posted and no timer is armed.
  [[nodiscard]] bool idle() const noexcept { return ready_.empty() && timers_.empty(); }

 private:
  class VirtualTimer final : public Timer {
   public:
    explicit VirtualTimer(VirtualExecutor& owner) : owner_(owner) {}
    VirtualTimer(const VirtualTimer&) = delete;
    VirtualTimer& operator=(const VirtualTimer&) = delete;
    ~VirtualTimer() override { owner_.disarm(this); }
    void arm(TimePoint due, std::shared_ptr<Task> task) override {
      owner_.disarm(this);
      owner_.timers_.emplace(due, Armed{this, std::move(task)});
    }

   private:
    VirtualExecutor& owner_;
  };
  struct Armed {
    const Timer* timer;
    std::shared_ptr<Task> task;
  };

  void disarm(const Timer* timer) {
    std::erase_if(timers_, [timer](const auto& entry) { return entry.second.timer == timer; });
  }
  bool run_one() {
    progressed_ = !ready_.empty();
    if (ready_.empty()) return false;
    const auto chosen = ready_.begin() + static_cast<std::ptrdiff_t>(random_() % ready_.size());
    const std::shared_ptr<Task> task = std::move(*chosen);
    ready_.erase(chosen);
    task->run();
    progressed_ = true;
    return true;
  }
  bool fire_next(TimePoint until) {
    progressed_ = false;
    if (timers_.empty() || timers_.begin()->first > until) return false;
    auto first = timers_.extract(timers_.begin());
    now_ = std::max(now_, first.key());
    first.mapped().task->run();
    progressed_ = true;
    return true;
  }

  std::mt19937_64 random_;
  TimePoint now_{};
  bool progressed_ = false;  // whether the last step ran something
  std::vector<std::shared_ptr<Task>> ready_;
  std::multimap<TimePoint, Armed> timers_;
};

}  // namespace etl::inline v0::testing
