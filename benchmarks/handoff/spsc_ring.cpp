/// How fast one core can take batches from another at all: a ring of recycled batches between two threads that spin,
/// without lock, bound on workers, time-out or way to stop. What it costs is the traffic between the caches.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include <handoff/impl.hpp>

namespace bench {
namespace {

/// Waits until `other` reaches `wanted`; gives way now and then, for when both threads share a CPU.
void wait_until_at_least(const std::atomic<std::uint64_t>& other, std::uint64_t wanted) {
  for (int i = 1; other.load(std::memory_order_acquire) < wanted; ++i)
    if (i % 4096 == 0) std::this_thread::yield();
}

template <class W>
std::uint64_t run(const Job& job) {
  const std::size_t places = job.capacity();
  const std::uint64_t batches = (job.records + job.batch - 1) / job.batch;
  std::vector<std::vector<typename W::E>> ring(places, std::vector<typename W::E>(job.batch));
  const auto size_of = [&job](std::uint64_t number) {
    return static_cast<std::size_t>(std::min<std::uint64_t>(job.batch, job.records - number * job.batch));
  };
  alignas(64) std::atomic<std::uint64_t> filled = 0;
  alignas(64) std::atomic<std::uint64_t> emptied = 0;
  std::uint64_t sum = 0;
  {
    const std::jthread worker([&] {
      BatchWork<W> work;
      for (std::uint64_t i = 0; i < batches; ++i) {
        wait_until_at_least(filled, i + 1);
        sum += work(std::span(ring[i % places].data(), size_of(i)));
        emptied.store(i + 1, std::memory_order_release);
      }
    });
    for (std::uint64_t i = 0; i < batches; ++i) {
      wait_until_at_least(emptied, i < places ? 0 : i + 1 - places);
      auto& batch = ring[i % places];
      for (std::size_t k = 0, n = size_of(i); k < n; ++k) batch[k] = W::make(i * job.batch + k);
      filled.store(i + 1, std::memory_order_release);
    }
  }
  return sum;
}

}  // namespace

void add_spsc_ring(std::vector<Impl>& impls) {
  add_for_records(impls, "spsc-ring", []<class W>(const Job& job) { return run<W>(job); });
}

}  // namespace bench
