/// oneTBB's parallel_pipeline: record by record, and with batches in vectors, new or used again.

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include <oneapi/tbb/concurrent_queue.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>

#include <handoff/impl.hpp>

namespace bench {
namespace {

namespace tbb = oneapi::tbb;

/// A serial source and a parallel rest on as many threads as the job has workers; the caller is one. The
/// limit is set so that pinned to one CPU it has as many threads as its rivals, too.
template <class Item, class Produce, class Consume>
void pipeline(const Job& job, std::size_t tokens, Produce produce, Consume consume) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, job.workers);
  tbb::task_arena arena(static_cast<int>(job.workers));
  arena.execute([&] {
    tbb::parallel_pipeline(tokens, tbb::make_filter<void, Item>(tbb::filter_mode::serial_in_order, produce) &
                                       tbb::make_filter<Item, void>(tbb::filter_mode::parallel, consume));
  });
}

template <class W>
std::uint64_t by_record(const Job& job) {
  using E = typename W::E;
  struct alignas(64) Sum {
    std::uint64_t value = 0;
    BatchWork<W> work{};
  };
  std::vector<Sum> sums(job.workers);
  std::uint64_t next = 0;
  pipeline<E>(
      job, 64,
      [&](tbb::flow_control& control) -> E {
        if (next == job.records) {
          control.stop();
          return E{};
        }
        return W::make(next++);
      },
      [&](E record) {
        Sum& mine = sums[static_cast<std::size_t>(tbb::this_task_arena::current_thread_index())];
        mine.value += mine.work(record);
      });
  std::uint64_t total = 0;
  for (const Sum& sum : sums) total += sum.value;
  return total;
}

template <class W>
std::uint64_t by_batch(const Job& job) {
  using Batch = std::vector<typename W::E>;
  std::atomic<std::uint64_t> total = 0;
  std::uint64_t first = 0;
  pipeline<std::shared_ptr<Batch>>(
      job, job.capacity(),
      [&](tbb::flow_control& control) -> std::shared_ptr<Batch> {
        if (first >= job.records) {
          control.stop();
          return nullptr;
        }
        auto batch = std::make_shared<Batch>(fresh_batch<W>(job, first));
        first += job.batch;
        return batch;
      },
      [&](const std::shared_ptr<Batch>& batch) {
        thread_local BatchWork<W> work;
        total.fetch_add(work(*batch), std::memory_order_relaxed);
      });
  return total;
}

/// The same with vectors that go back to the source, their records alive: the best we could make of it.
template <class W>
std::uint64_t by_recycled_batch(const Job& job) {
  struct Batch {
    explicit Batch(std::size_t size) : records(size) {}
    std::vector<typename W::E> records;
    std::size_t used = 0;
  };
  std::vector<std::unique_ptr<Batch>> all;
  tbb::concurrent_queue<Batch*> free;
  for (std::size_t i = 0; i < job.capacity(); ++i) {
    all.push_back(std::make_unique<Batch>(job.batch));
    free.push(all.back().get());
  }
  std::atomic<std::uint64_t> total = 0;
  std::uint64_t first = 0;
  pipeline<Batch*>(
      job, job.capacity(),
      [&](tbb::flow_control& control) -> Batch* {
        if (first >= job.records) {
          control.stop();
          return nullptr;
        }
        Batch* batch = nullptr;
        if (!free.try_pop(batch)) batch = all.emplace_back(std::make_unique<Batch>(job.batch)).get();
        batch->used = static_cast<std::size_t>(std::min<std::uint64_t>(job.batch, job.records - first));
        for (std::size_t i = 0; i < batch->used; ++i) batch->records[i] = W::make(first + i);
        first += job.batch;
        return batch;
      },
      [&](Batch* batch) {
        thread_local BatchWork<W> work;
        total.fetch_add(work(std::span(batch->records.data(), batch->used)), std::memory_order_relaxed);
        free.push(batch);
      });
  return total;
}

}  // namespace

void add_tbb_pipeline(std::vector<Impl>& impls) {
  add_for_records(impls, "tbb-record", []<class W>(const Job& job) { return by_record<W>(job); });
  add_for_records(impls, "tbb-batch", []<class W>(const Job& job) { return by_batch<W>(job); });
  add_for_records(impls, "tbb-batch-recycled", []<class W>(const Job& job) { return by_recycled_batch<W>(job); });
  impls.push_back({"tbb-batch", "cpu", [](const Job& job, JsonLine&) { return by_batch<CpuWork>(job); }});
}

}  // namespace bench
