/// moodycamel::BlockingConcurrentQueue, record by record and batch by batch, with producer and consumer tokens.

#include <thread>
#include <utility>

#if __has_include(<concurrentqueue/blockingconcurrentqueue.h>)
#include <concurrentqueue/blockingconcurrentqueue.h>
#else
#include <moodycamel/blockingconcurrentqueue.h>
#endif

#include <handoff/impl.hpp>

namespace bench {
namespace {

/// Starts the workers, lets `produce` feed them, adds their sums up.
template <class Consume, class Produce>
std::uint64_t with_workers(std::size_t count, Consume consume, Produce produce) {
  std::vector<std::uint64_t> sums(count);
  {
    std::vector<std::jthread> workers;
    for (std::uint64_t& sum : sums) workers.emplace_back([&sum, &consume] { sum = consume(); });
    produce();
  }
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

template <class W>
std::uint64_t by_record(const Job& job) {
  using E = typename W::E;
  moodycamel::BlockingConcurrentQueue<E> queue;
  // The queue has no bound; a look at its size every 1000 records is the cheapest one there is.
  constexpr std::size_t most = 64'000;
  return with_workers(
      job.workers,
      [&queue] {
        moodycamel::ConsumerToken token(queue);
        BatchWork<W> work;
        std::uint64_t sum = 0;
        E record = W::make(0);
        for (queue.wait_dequeue(token, record); W::id(record) != end_mark; queue.wait_dequeue(token, record))
          sum += work(record);
        return sum;
      },
      [&queue, &job] {
        const moodycamel::ProducerToken token(queue);
        for (std::uint64_t i = 0; i < job.records; ++i) {
          if (i % 1000 == 0)
            while (queue.size_approx() > most) std::this_thread::yield();
          queue.enqueue(token, W::make(i));
        }
        for (std::size_t i = 0; i < job.workers; ++i) {
          E last = W::make(0);
          W::id(last) = end_mark;
          queue.enqueue(token, std::move(last));
        }
      });
}

template <class W>
std::uint64_t by_batch(const Job& job) {
  using Batch = std::vector<typename W::E>;
  moodycamel::BlockingConcurrentQueue<Batch> queue;
  Places places(job.capacity());
  return with_workers(
      job.workers,
      [&queue, &places] {
        moodycamel::ConsumerToken token(queue);
        BatchWork<W> work;
        std::uint64_t sum = 0;
        Batch batch;
        for (queue.wait_dequeue(token, batch); !batch.empty(); queue.wait_dequeue(token, batch)) {
          places.give_back();
          sum += work(batch);
        }
        return sum;
      },
      [&queue, &places, &job] {
        const moodycamel::ProducerToken token(queue);
        for (std::uint64_t first = 0; first < job.records; first += job.batch) {
          Batch batch = fresh_batch<W>(job, first);
          places.take();
          queue.enqueue(token, std::move(batch));
        }
        for (std::size_t i = 0; i < job.workers; ++i) queue.enqueue(token, Batch{});
      });
}

}  // namespace

void add_concurrentqueue(std::vector<Impl>& impls) {
  add_for_records(impls, "concurrentqueue-record", []<class W>(const Job& job) { return by_record<W>(job); });
  add_for_records(impls, "concurrentqueue-batch", []<class W>(const Job& job) { return by_batch<W>(job); });
}

}  // namespace bench
