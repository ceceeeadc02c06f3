#pragma once
// What programs do before and after their own work.

#include <csignal>
#include <exception>
#include <utility>

#include "common/standard_streams.hpp"
#include "common/stores.hpp"

namespace program {

/// The exit code of `main`: what `run` returns, or 1 after an exception, whose text goes to standard error.
template <class Run>
int run_main(const char* name, Run&& run) {
  reserve_standard_streams();
  add_stores();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that reaches its size limit then gives an error of the write, with a message
  try {
    return std::forward<Run>(run)();
  } catch (const std::exception& error) {
    say("{}: {}\n", name, error.what());
    return 1;
  }
}

}  // namespace program
