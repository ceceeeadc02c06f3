// A service with its own io_context runs a pipeline on the threads that it already has. Meanwhile these threads still
// serve its timers and sockets.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <ranges>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <fmt/format.h>
#include <etl/asio.hpp>
#include <etl/etl.hpp>

struct Collatz {  // enough arithmetic to keep both threads busy for a moment
  auto extract() const { return std::views::iota(std::uint64_t{1}, std::uint64_t{400'000}); }
  int transform(const std::uint64_t& start) const {
    int steps = 0;
    for (std::uint64_t n = start; n != 1; n = n % 2 == 0 ? n / 2 : 3 * n + 1) ++steps;
    return steps;
  }
  void load(std::span<const int> batch) {
    for (const int steps : batch) longest = std::max(longest, steps);
  }
  int longest = 0;
};

int main() {
  // The service: an io_context on two threads, with a timer that ticks every 10 ms.
  asio::io_context io;
  auto stay = asio::make_work_guard(io);
  asio::steady_timer timer(io);
  int ticks = 0;
  std::function<void(const std::error_code&)> tick = [&](const std::error_code& error) {
    if (error) return;
    ++ticks;
    timer.expires_after(std::chrono::milliseconds(10));
    timer.async_wait(tick);
  };
  tick({});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&io] { io.run(); });

  // The library starts no thread here. Call run from a thread that may block, such as main. When all threads of the
  // service are busy, the calling thread does the work itself.
  Collatz collatz;
  const etl::RunReport report = etl::run(collatz, {.workers = 2, .executor = etl::Executor(io.get_executor())});

  io.stop();
  threads.clear();  // joins
  fmt::print("{}\nlongest sequence: {} steps; the timer ticked {} times meanwhile\n", report.text(), collatz.longest,
             ticks);
  return report.exit_code();
}
