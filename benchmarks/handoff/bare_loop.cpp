/// The limit: no hand-over at all. Two passes over a batch whose slots are reused.

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include <handoff/impl.hpp>

namespace bench {
namespace {

/// Transform and checksum as two passes of their own, as a transform of a whole batch and a load are.
template <class W>
std::uint64_t two_stages(std::span<typename W::E> batch) {
  for (auto& record : batch) W::transform(record);
  barrier(batch.data());
  std::uint64_t sum = 0;
  for (const auto& record : batch) sum += W::digest(record);
  return sum;
}

template <class W, bool fill_in_place, bool three_passes = false>
std::uint64_t loop(const Job& job) {
  std::vector<typename W::E> batch(job.batch);
  BatchWork<W> work;
  std::uint64_t sum = 0;
  for (std::uint64_t first = 0; first < job.records; first += job.batch) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(job.batch, job.records - first));
    for (std::size_t i = 0; i < n; ++i) {
      if constexpr (fill_in_place)
        W::fill(batch[i], first + i);
      else
        batch[i] = W::make(first + i);
    }
    barrier(batch.data());  // two passes, as written
    if constexpr (three_passes)
      sum += two_stages<W>(std::span(batch.data(), n));
    else
      sum += work(std::span(batch.data(), n));
  }
  return sum;
}

/// Threads that exist and do nothing: glibc's malloc is slower in a process that has them.
class IdleThreads {
 public:
  IdleThreads() {
    for (auto& thread : threads_)
      thread = std::jthread([this](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        signal_.wait(lock, stop, [] { return false; });
      });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any signal_;
  std::jthread threads_[2];  // joined first
};

}  // namespace

void add_bare_loop(std::vector<Impl>& impls) {
  add_for_records(impls, "bare", []<class W>(const Job& job) { return loop<W, false>(job); });
  add_for_records(impls, "bare-fill", []<class W>(const Job& job) { return loop<W, true>(job); });
  add_for_records(impls, "bare-idle-threads", []<class W>(const Job& job) {
    const IdleThreads idle;
    return loop<W, false>(job);
  });
  impls.push_back(
      {"bare-three-passes", "pod", [](const Job& job, JsonLine&) { return loop<PodWork, false, true>(job); }});
  impls.push_back(
      {"bare-three-passes", "str", [](const Job& job, JsonLine&) { return loop<StrWork, false, true>(job); }});
  impls.push_back({"bare", "cpu", [](const Job& job, JsonLine&) { return loop<CpuWork, false>(job); }});
}

}  // namespace bench
