#pragma once
// Settings of a run from environment variables, unless an option of the command line gives them.

#include <cstddef>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <etl/options.hpp>
#include <etl/options_from_environment.hpp>

namespace program {

/// Text for the `--help` of commands that call `from_environment`.
inline constexpr const char* environment_help =
    "Environment variables, for options that are not given:\n"
    "  ETLPIPE_WORKERS        --workers\n"
    "  ETLPIPE_BATCH_SIZE     --batch-size\n"
    "  ETLPIPE_TIMEOUT_MS     --timeout, in milliseconds\n"
    "  ETLPIPE_MAX_MEMORY_MB  limit of the memory for records not yet loaded, in MiB\n";

/// The same for commands that have neither `--batch-size` nor `--timeout`.
inline constexpr const char* workers_environment_help =
    "Environment variables, for options that are not given:\n"
    "  ETLPIPE_WORKERS        --workers\n"
    "  ETLPIPE_MAX_MEMORY_MB  limit of the memory for records not yet loaded, in MiB\n";

/// `options`, or what the environment says. A bad variable is an error of usage, which names it.
inline etl::Options from_environment(etl::Options options) {
  auto read = etl::options_from_environment(std::move(options));
  if (!read) throw CLI::ValidationError(read.error().message());
  return *std::move(read);
}

}  // namespace program
