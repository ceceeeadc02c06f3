#pragma once
/// Settings that whoever starts a program may give without its help.

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>

namespace etl::inline v0 {
namespace detail {

/// The whole number in an environment variable; nothing when it is not set or empty. Throws for anything else.
[[nodiscard]] inline std::optional<std::uint64_t> number_in_environment(const char* name, std::uint64_t most) {
  const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view view(text);
  std::uint64_t value = 0;
  const auto [stopped, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc{} || stopped != view.data() + view.size() || value == 0 || value > most)
    throw Exception({.code = Errc::InvalidOptions,
                     .context = std::string("invalid options: ") + name + "=" + text +
                                " is not a whole number from 1 to " + std::to_string(most)});
  return value;
}

}  // namespace detail

/// `options`, overridden by the environment where it says something: `ETLPIPE_WORKERS`, `ETLPIPE_BATCH_SIZE`,
/// `ETLPIPE_TIMEOUT_MS`, `ETLPIPE_MAX_MEMORY_MB` (a budget of its own for sealed batches; MB = 2^20 bytes).
/// An error names the variable and its value. Reads the environment: not to be called while another thread
/// changes it.
[[nodiscard]] inline Result<Options> options_from_environment(Options options = {}) {
  constexpr std::uint64_t unbounded = std::numeric_limits<std::uint32_t>::max();
  try {
    if (const auto n = detail::number_in_environment("ETLPIPE_WORKERS", 4096)) options.workers = *n;
    if (const auto n = detail::number_in_environment("ETLPIPE_BATCH_SIZE", std::uint64_t{1} << 30))
      options.batch_size = *n;
    if (const auto n = detail::number_in_environment("ETLPIPE_TIMEOUT_MS", unbounded))
      options.timeout = std::chrono::milliseconds(*n);
    if (const auto n = detail::number_in_environment("ETLPIPE_MAX_MEMORY_MB", unbounded))
      options.memory = std::make_shared<MemoryBudget>(*n << 20);
  } catch (const Exception& e) {
    return failure(e.error());
  }
  return options;
}

}  // namespace etl::inline v0
