#pragma once
// How programs end at signals.

#include <chrono>
#include <cstdlib>
#include <stop_token>
#include <thread>

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

}  // namespace program
