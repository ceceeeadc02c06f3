#pragma once
/// Meeting points for threads of a test, and the guard against tests that hang. No sleeps.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace test {

/// Closed until somebody opens it. A wait longer than a minute means that the test hangs: it ends the process.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool is_open() const {
    const std::lock_guard lock(mutex_);
    return open_;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::minutes(2), [this] { return open_; })) return;
    std::fputs("test: a gate was never opened\n", stderr);
    std::abort();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// How many threads are inside at once, now and at most.
class Crowd {
 public:
  class Visit {
   public:
    explicit Visit(Crowd& crowd) : crowd_(&crowd) {
      const int inside = crowd_->inside_.fetch_add(1) + 1;
      int most = crowd_->most_.load();
      while (inside > most && !crowd_->most_.compare_exchange_weak(most, inside)) {}
    }
    ~Visit() { crowd_->inside_.fetch_sub(1); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    Crowd* crowd_;
  };
  [[nodiscard]] int inside() const { return inside_; }
  [[nodiscard]] int most() const { return most_; }

 private:
  std::atomic<int> inside_ = 0;
  std::atomic<int> most_ = 0;
};

/// Ends the process, naming the case, when its block is not left within a minute or two: a run that hangs must say
/// which.
class Watchdog {
 public:
  explicit Watchdog(std::string what, std::chrono::seconds patience = std::chrono::seconds(120))
      : thread_([this, what = std::move(what), patience] {
          std::unique_lock lock(mutex_);
          if (done_signal_.wait_for(lock, patience, [this] { return done_; })) return;
          std::fprintf(stderr, "test: hangs: %s (now at: %s)\n", what.c_str(), place_.c_str());
          std::abort();
        }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    done_signal_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  /// Names the step, for the message.
  void at(std::string place) {
    const std::lock_guard lock(mutex_);
    place_ = std::move(place);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_signal_;
  std::string place_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace test
