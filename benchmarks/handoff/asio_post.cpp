/// Asio's own thread pool: every batch is a posted lambda that owns a newly allocated vector.

#include <atomic>
#include <utility>

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <handoff/impl.hpp>

namespace bench {
namespace {

template <class W>
std::uint64_t run(const Job& job) {
  std::atomic<std::uint64_t> total = 0;
  Places places(job.capacity());
  asio::thread_pool pool(job.workers);
  for (std::uint64_t first = 0; first < job.records; first += job.batch) {
    auto batch = fresh_batch<W>(job, first);
    places.take();
    asio::post(pool, [&total, &places, batch = std::move(batch)]() mutable {
      thread_local BatchWork<W> work;
      total.fetch_add(work(batch), std::memory_order_relaxed);
      places.give_back();
    });
  }
  pool.join();
  return total;
}

}  // namespace

void add_asio_post(std::vector<Impl>& impls) {
  add_for_records(impls, "asio-post-batch", []<class W>(const Job& job) { return run<W>(job); });
}

}  // namespace bench
