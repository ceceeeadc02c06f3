// Ends an endless run without losing what it has read. A service does this on Ctrl-C:
//   etl::run(pipeline, options, etl::stop_on_signals());   // first signal drains, second abandons
// Here the run goes on in the background, and main ends it after a fifth of a second.
#include <chrono>
#include <span>
#include <thread>

#include <fmt/format.h>
#include <etl/etl.hpp>

using namespace std::chrono_literals;

struct Thermometer {  // a slow source without an end: about 200 readings a second
  void extract(etl::Emitter<double>& out) {
    for (int i = 0; out.wait_for(5ms); ++i)  // unlike a plain sleep, this returns false at once when a stop comes
      if (!out.push(20 + i % 5)) return;
  }
  void load(std::span<const double> batch) { loaded += static_cast<int>(batch.size()); }
  int loaded = 0;
};

int main() {
  Thermometer thermometer;
  etl::RunHandle run = etl::start(thermometer, {.batch_size = 25, .timeout = 50ms, .workers = 2});

  std::this_thread::sleep_for(200ms);  // whatever else the program has to do
  fmt::print("{} readings so far\n", run.status().items.extracted);
  run.request_drain();  // no more readings; those already made are still loaded
  // run.request_abandon() would drop what is queued and let only running loads finish.

  const etl::RunReport& report = run.wait();
  fmt::print("{}\n{} readings loaded\n", report.text(), thermometer.loaded);

  // exit_code() would be 4 for Cancelled. This program expects to be cancelled.
  return report.outcome == etl::Outcome::Cancelled ? 0 : 1;
}
