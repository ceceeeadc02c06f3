#pragma once
/// The compiled part of options.

#include <algorithm>
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
#include <thread>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>
#include <etl/options_from_environment.hpp>

namespace etl::inline v0 {
namespace detail {

/// The whole number in an environment variable, or nothing if the variable is not set or is empty. Throws if the value
/// is anything else.
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

ETLPIPE_COMPILED std::size_t default_workers() noexcept { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace detail

ETLPIPE_COMPILED std::optional<Error> Options::validate() const {
  std::string found;
  const auto require = [&found](bool ok, std::string_view what) {
    if (!ok) found.append(found.empty() ? "" : "; ").append(what);
  };
  constexpr std::size_t most = std::size_t{1} << 30;
  require(batch_size >= 1 && batch_size <= most, "batch_size must be 1 to 2^30");
  require(batch_bytes.value_or(1) >= 1, "batch_bytes must be at least 1 (leave it out for no limit)");
  require(timeout > timeout.zero(), "timeout must be positive (Options::never for none)");
  require(workers >= 1 && workers <= 4096, "workers must be 1 to 4096");
  require(effective_capacity() >= 1, "capacity must be at least 1");
  require(max_concurrent_loads.value_or(1) >= 1, "max_concurrent_loads must be at least 1");
  require(extractors.value_or(1) >= 1 && extractors.value_or(1) <= 4096, "extractors must be 1 to 4096");
  require(drain_deadline > drain_deadline.zero(), "drain_deadline must be positive (Options::never for none)");
  const double ratio = errors.max_reject_ratio.value_or(0.0);
  require(ratio >= 0.0 && ratio <= 1.0, "errors.max_reject_ratio must be 0 to 1");
  if (const std::optional<Error> in_retry = retry.validate()) require(false, "retry: " + in_retry->context);
  require(delivery.save_every.count() >= 0, "delivery.save_every must not be negative");
  require(!delivery.checkpoints || !name.empty(), "delivery.checkpoints needs a name: progress is kept under it");
  require(progress.show == ProgressOptions::Show::Off || progress.stream != nullptr,
          "progress.stream must not be null");
  require(progress.interval.count() >= 0, "progress.interval must not be negative");
  if (found.empty()) return std::nullopt;
  return Error{.code = Errc::InvalidOptions, .context = "invalid options: " + found};
}

ETLPIPE_COMPILED Result<Options> options_from_environment(Options options) {
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
