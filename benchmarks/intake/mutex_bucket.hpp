#pragma once
/// The rival: a batcher that locks one mutex per pushed item. Its batches are used again, their elements alive.

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

template <class T>
class MutexBucket {
 public:
  MutexBucket(std::function<void(std::span<const T>)> processor, std::size_t batch, std::size_t workers)
      : processor_(std::move(processor)), batch_(batch), free_(2 * workers, std::vector<T>(batch)), open_(batch) {
    for (std::size_t i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
  }

  void push(T item) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [this] { return used_ < batch_; });
    open_[used_++] = std::move(item);
    if (used_ == batch_) seal(lock);
  }

  /// No more items: processes what is inside and joins the workers.
  void finish() {
    {
      std::unique_lock lock(mutex_);
      closed_ = true;
      not_empty_.notify_all();
    }
    workers_.clear();
    if (used_ > 0) processor_(std::span<const T>(open_.data(), used_));
  }

 private:
  void seal(std::unique_lock<std::mutex>& lock) {
    not_full_.wait(lock, [this] { return !free_.empty(); });  // meanwhile the batch is full: nobody else gets in
    sealed_.push_back(std::exchange(open_, std::move(free_.back())));
    free_.pop_back();
    used_ = 0;
    not_empty_.notify_one();
    not_full_.notify_all();
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      not_empty_.wait(lock, [this] { return closed_ || !sealed_.empty(); });
      if (sealed_.empty()) return;
      std::vector<T> batch = std::move(sealed_.back());
      sealed_.pop_back();
      lock.unlock();
      processor_(batch);
      lock.lock();
      free_.push_back(std::move(batch));
      not_full_.notify_all();
    }
  }

  std::function<void(std::span<const T>)> processor_;
  std::size_t batch_;
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_;
  std::vector<std::vector<T>> free_, sealed_;
  std::vector<T> open_;
  std::size_t used_ = 0;
  bool closed_ = false;
  std::vector<std::jthread> workers_;
};

}  // namespace bench
