#pragma once
/// What a way of handing records over has to look like to be measured.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <common/measure.hpp>
#include <common/records.hpp>

namespace bench {

struct Job {
  std::uint64_t records = 5'000'000;
  std::size_t batch = 1000;
  std::size_t workers = 2;
  [[nodiscard]] std::size_t capacity() const { return 2 * workers; }  ///< batches on their way, as in `etl`
};

/// One measurable case: runs the job, returns the checksum of all results.
struct Impl {
  std::string name;
  std::string workload;
  std::function<std::uint64_t(const Job&, JsonLine&)> run;
};

template <class W>
inline constexpr std::string_view workload_name = "";
template <>
inline constexpr std::string_view workload_name<PodWork> = "pod";
template <>
inline constexpr std::string_view workload_name<StrWork> = "str";
template <>
inline constexpr std::string_view workload_name<ConvertWork> = "convert";
template <>
inline constexpr std::string_view workload_name<CpuWork> = "cpu";

/// Registers `run.template operator()<W>(job)` for the three hand-over workloads.
template <class F>
void add_for_records(std::vector<Impl>& impls, std::string_view name, F run) {
  const auto add = [&]<class W>(W*) {
    impls.push_back({std::string(name), std::string(workload_name<W>),
                     [run](const Job& job, JsonLine&) { return run.template operator()<W>(job); }});
  };
  add(static_cast<PodWork*>(nullptr));
  add(static_cast<StrWork*>(nullptr));
  add(static_cast<ConvertWork*>(nullptr));
}

void add_bare_loop(std::vector<Impl>& impls);
void add_spsc_ring(std::vector<Impl>& impls);
void add_mutex_queue(std::vector<Impl>& impls);
void add_concurrentqueue(std::vector<Impl>& impls);
void add_asio_post(std::vector<Impl>& impls);
void add_tbb_pipeline(std::vector<Impl>& impls);
void add_etl_run(std::vector<Impl>& impls);

/// Next batch of a job, newly allocated: what most hand-written pipelines do.
template <class W>
std::vector<typename W::E> fresh_batch(const Job& job, std::uint64_t first) {
  const std::uint64_t end = std::min<std::uint64_t>(first + job.batch, job.records);
  std::vector<typename W::E> batch;
  batch.reserve(job.batch);
  for (std::uint64_t i = first; i < end; ++i) batch.push_back(W::make(i));
  return batch;
}

/// Bounds how many batches are on their way, for rivals whose queue has no bound.
class Places {
 public:
  explicit Places(std::size_t free) : free_(free) {}
  void take() {
    std::unique_lock lock(mutex_);
    signal_.wait(lock, [this] { return free_ > 0; });
    --free_;
  }
  void give_back() {
    const std::lock_guard lock(mutex_);
    ++free_;
    signal_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable signal_;
  std::size_t free_;
};

}  // namespace bench
