#pragma once
// What a load prints on stderr while it runs.

#include <cstdint>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <etl/observe/terminal.hpp>

#include "common/standard_streams.hpp"
namespace program {

/// Each level includes the levels before it.
enum class LogLevel : std::uint8_t {
  Error,  ///< failures
  Warn,   ///< rejected rows, retries, and what is left out
  Info,   ///< progress, and the summary on standard output
  Debug,  ///< begin and end of each file, each batch
};

/// Writes the log. Thread-safe: each line is written as a whole.
class Log {
 public:
  explicit Log(LogLevel level) : level_(level) {}
  [[nodiscard]] bool says(LogLevel level) const noexcept { return level <= level_; }
  template <class... T>
  void operator()(LogLevel level, fmt::format_string<T...> text, T&&... values) const {
    if (says(level)) say("{}etl-csv: {}\n", etl::fresh_line(stderr), fmt::format(text, std::forward<T>(values)...));
  }

 private:
  LogLevel level_;
};

}  // namespace program
