// A service: threads push events into a bucket until a signal comes; then everything ends in order, and nothing is
// lost.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Event {
  int request = 0;
};

int main() {
  using namespace std::chrono_literals;
  const etl::StopToken stop =
      etl::stop_on_signals();  // the first signal; the bucket does not get it: it is closed in order
  std::vector<Event> kept;     // what could not be loaded: for a file, or the next start
  std::size_t loaded = 0;
  std::chrono::nanoseconds slowest{};
  etl::Bucket<Event> bucket(
      [&](std::span<const Event> batch) mutable { loaded += batch.size(); },
      [&](const etl::LostItem<Event>& lost) { kept.push_back(lost.item); },
      {.name = "events",
       .timeout = 50ms,
       .retry = {.max_attempts = 100},
       .on_retry =
           [](const etl::FailedAttempt& a) {
             fmt::print(stderr, "attempt {} failed: {}\n", a.attempt, a.error.message());
           },
       .on_batch = [&](const etl::SettledBatch& b) { slowest = std::max(slowest, b.latency); }});  // for your metrics

  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (int i = 0; !stop.drain().stop_requested(); ++i) {
        Event event{i};
        if (bucket.push_for(event, 200ms)) continue;
        if (const auto retry = bucket.status().retry) fmt::print(stderr, "busy: {}\n", retry->error);  // answer 503
      }
    });
  std::thread person([] {  // stands for a person who presses Ctrl-C
    std::this_thread::sleep_for(100ms);
    std::raise(SIGTERM);
  });

  person.join();
  bucket.close();                                 // 1. blocked and later pushes return false
  for (std::thread& t : threads) t.join();        // 2. nobody pushes any more
  const etl::RunReport report = bucket.finish();  // 3. the rest is loaded
  fmt::print("{}\n{} kept, the slowest batch took {} ms\n", report.text(), kept.size(), slowest / 1ms);
  return report.items.loaded == loaded && kept.empty() ? 0 : 1;
}
