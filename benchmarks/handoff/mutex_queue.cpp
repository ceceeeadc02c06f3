/// What one writes first: a bounded queue under a mutex, a newly allocated vector per batch.

#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include <handoff/impl.hpp>

namespace bench {
namespace {

template <class Item>
class Queue {
 public:
  explicit Queue(std::size_t capacity) : capacity_(capacity) {}
  void push(Item item) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [this] { return items_.size() < capacity_; });
    items_.push_back(std::move(item));
    lock.unlock();
    not_empty_.notify_one();
  }
  std::optional<Item> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [this] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    std::optional<Item> item(std::move(items_.front()));
    items_.pop_front();
    lock.unlock();
    not_full_.notify_one();
    return item;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_;
  std::deque<Item> items_;
  std::size_t capacity_;
  bool closed_ = false;
};

template <class W>
std::uint64_t run(const Job& job) {
  Queue<std::vector<typename W::E>> queue(job.capacity());
  std::vector<std::uint64_t> sums(job.workers);
  {
    std::vector<std::jthread> workers;
    for (std::uint64_t& result : sums)
      workers.emplace_back([&queue, &result] {
        BatchWork<W> work;
        std::uint64_t sum = 0;
        while (auto batch = queue.pop()) sum += work(*batch);
        result = sum;
      });
    for (std::uint64_t first = 0; first < job.records; first += job.batch) queue.push(fresh_batch<W>(job, first));
    queue.close();
  }
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

void add_mutex_queue(std::vector<Impl>& impls) {
  add_for_records(impls, "mutex-queue", []<class W>(const Job& job) { return run<W>(job); });
  impls.push_back({"mutex-queue", "cpu", [](const Job& job, JsonLine&) { return run<CpuWork>(job); }});
}

}  // namespace bench
