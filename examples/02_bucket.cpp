// A bucket used alone: many threads push single items, and one processor gets them in batches.
#include <chrono>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Hit {
  int thread;
  int bytes;
};

int main() {
  using namespace std::chrono_literals;
  std::int64_t bytes = 0;
  std::uint64_t batches = 0;

  // The bucket makes one call at a time, so the sums need no lock. A processor given as
  // `etl::concurrent(processor)` is called by all workers at once.
  etl::Bucket<Hit> bucket(
      [&](std::span<const Hit> batch) {
        for (const Hit& hit : batch) bytes += hit.bytes;
        ++batches;
      },
      // Called for each hit that the bucket took and could not load. Here it goes to a log.
      [](const etl::LostItem<Hit>& lost) {
        fmt::print(stderr, "{}: thread {}, {}\n", etl::to_string(lost.how), lost.item.thread, lost.error.message());
      },
      // Many attempts, because a database may be away for minutes. After the last attempt the bucket has failed.
      {.name = "hits", .batch_size = 500, .timeout = 100ms, .workers = 2, .retry = {.max_attempts = 100}});

  std::vector<std::jthread> threads;
  // A thread with many items has its own producer: no lock per item.
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&bucket, t] {
      auto producer = bucket.producer();  // flushes when it is destroyed
      for (int i = 0; i < 100'000; ++i)
        if (!producer.push({t, i % 1500})) return;  // false: closed or failed
    });
  // A thread that has an item now and then pushes into the bucket itself.
  for (int t = 2; t < 4; ++t)
    threads.emplace_back([&bucket, t] {
      for (int i = 0; i < 1'000; ++i)
        if (!bucket.push({t, i % 1500})) return;
    });

  // The end, in this order. These threads stop by themselves; a service calls `bucket.close()` first, so that its
  // threads come back from `push` with false.
  threads.clear();                                // joins them: no producer outlives this line
  const etl::RunReport report = bucket.finish();  // takes no more, processes the rest, waits
  fmt::print("{}\n{} bytes in {} batches\n", report.text(), bytes, batches);
  return report.exit_code();
}
