/// Many threads push single items into one bucket: `bench-intake --impl handle|shared|mutex --threads N
/// [--items N] [--batch N] [--workers N]` prints one line of JSON.

#include <algorithm>
#include <atomic>
#include <exception>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include <etl/bucket.hpp>

#include <common/args.hpp>
#include <common/measure.hpp>
#include <common/records.hpp>
#include <intake/mutex_bucket.hpp>

namespace {

using namespace bench;

struct Job {
  std::uint64_t threads = 1;
  std::uint64_t items = 4'000'000;
  std::size_t batch = 1000;
  std::size_t workers = 2;
};

/// Adds up batches from all workers at once.
struct Checksum {
  std::atomic<std::uint64_t>* total;
  void operator()(std::span<const Pod> batch) const {
    std::uint64_t sum = 0;
    for (const Pod& item : batch) sum += PodWork::process(item);
    total->fetch_add(sum, std::memory_order_relaxed);
  }
};

/// Lets all threads start at once; `produce(first, end)` pushes the items of one of them.
template <class Produce, class Finish>
Moment feed(const Job& job, Produce produce, Finish finish) {
  std::latch ready(static_cast<std::ptrdiff_t>(job.threads) + 1);
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < job.threads; ++i)
    threads.emplace_back([&, i] {
      ready.arrive_and_wait();
      produce(job.items * i / job.threads, job.items * (i + 1) / job.threads);
    });
  warm_up();
  const Moment start = Moment::now();
  ready.arrive_and_wait();
  threads.clear();
  finish();
  return Moment::now() - start;
}

Moment run(const std::string& impl, const Job& job, std::atomic<std::uint64_t>& total) {
  if (impl == "mutex") {
    MutexBucket<Pod> bucket(Checksum{&total}, job.batch, job.workers);
    return feed(
        job,
        [&](std::uint64_t i, std::uint64_t end) {
          for (; i < end; ++i) bucket.push(make_pod(i));
        },
        [&] { bucket.finish(); });
  }
  etl::Bucket<Pod> bucket(etl::concurrent(Checksum{&total}), {.batch_size = job.batch, .workers = job.workers});
  const auto finish = [&] { bucket.finish().throw_if_failed(); };
  if (impl == "shared")
    return feed(
        job,
        [&](std::uint64_t i, std::uint64_t end) {
          while (i < end && bucket.push(make_pod(i))) ++i;
        },
        finish);
  if (impl != "handle") throw std::invalid_argument("--impl is handle, shared or mutex");
  return feed(
      job,
      [&](std::uint64_t i, std::uint64_t end) {
        auto producer = bucket.producer();
        while (i < end && producer.push(make_pod(i))) ++i;
      },
      finish);
}

std::uint64_t expected(const Job& job) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < job.items; ++i) sum += PodWork::process(make_pod(i));
  return sum;
}

int run(const Args& args) {
  if (args.has("describe")) {
    build_description().text("etl", ETLPIPE_VERSION).print();
    return 0;
  }
  Job job;
  job.threads = std::clamp<std::uint64_t>(args.number("threads", job.threads), 1, 1024);
  job.items = std::max<std::uint64_t>(1, args.number("items", job.items));
  job.batch = std::max<std::size_t>(1, args.number("batch", job.batch));
  job.workers = std::max<std::size_t>(1, args.number("workers", job.workers));
  const std::string impl = args.text("impl", "handle");
  std::atomic<std::uint64_t> total = 0;
  const Moment used = run(impl, job, total);
  const auto items = static_cast<double>(job.items);
  const bool ok = total == expected(job);
  JsonLine line;
  line.text("impl", impl).number("threads", job.threads).number("items", job.items);
  line.number("batch", std::uint64_t{job.batch}).number("workers", std::uint64_t{job.workers});
  line.number("ns", static_cast<double>(used.wall) / items).number("cpu_ns", static_cast<double>(used.cpu) / items);
  line.number("switches", static_cast<std::uint64_t>(used.switches)).flag("ok", ok).print();
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-intake: {}\n", e.what());
    return 2;
  }
}
