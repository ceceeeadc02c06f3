#pragma once
// How programs end at signals.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include <etl/report.hpp>
#include <etl/signals.hpp>
#include <etl/stop.hpp>

#include "common/command_line.hpp"
#include "common/standard_streams.hpp"

namespace program {

/// Makes a token that the first signal drains, and the second signal abandons. If a server does not answer, the program
/// may still be waiting 10 seconds after the second signal. Then the program ends itself as if it were killed. This
/// loses no data.
inline etl::StopToken stop_on_signals() {
  struct End {
    void operator()() const {
      std::thread([] {
        std::this_thread::sleep_for(std::chrono::seconds(10));
        say("ended 10 seconds after the second signal, because a server or a device had not answered\n");
        std::_Exit(exit_stopped);
      }).detach();
    }
  };
  static const etl::StopToken token = etl::stop_on_signals();
  static const std::stop_callback<End> end(token.abandon(), End{});
  return token;
}

/// Limits how long a run may go on after the first signal, in place of `Options::drain_deadline`, which would also
/// count from the end of the input.
class TimeToStop {
 public:
  TimeToStop(etl::StopToken stop, std::chrono::nanoseconds limit) : stop_(std::move(stop)), limit_(limit) {
    drain_.emplace(stop_.drain(), Drain{this});
    abandon_.emplace(stop_.abandon(), Abandon{this});
  }
  [[nodiscard]] etl::StopToken token() const { return source_.stop_token(); }
  /// Says what the outcome of a run is that the end of the time has cancelled.
  void correct(etl::RunReport& report) const noexcept {
    if (over_ && report.outcome == etl::Outcome::Cancelled) report.outcome = etl::Outcome::DrainTimeout;
  }

 private:
  struct Drain {
    TimeToStop* all;
    void operator()() const {
      all->source_.request_drain();
      all->timer_ = std::jthread([all = all](const std::stop_token& ended) { all->wait(ended); });
    }
  };
  struct Abandon {
    TimeToStop* all;
    void operator()() const { all->source_.request_abandon(); }
  };
  void wait(const std::stop_token& ended) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, ended, limit_, [] { return false; });
    if (ended.stop_requested() || stop_.abandon().stop_requested()) return;
    over_ = true;
    source_.request_abandon();
  }

  const etl::StopToken stop_;
  const std::chrono::nanoseconds limit_;
  etl::StopSource source_{};
  std::atomic<bool> over_ = false;
  std::jthread timer_{};
  // Destroyed first: after that, no signal starts the timer.
  std::optional<std::stop_callback<Drain>> drain_{};
  std::optional<std::stop_callback<Abandon>> abandon_{};
};

}  // namespace program
