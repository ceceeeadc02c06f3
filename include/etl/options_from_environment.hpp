#pragma once
/// Overrides from environment variables.

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>

namespace etl::inline v0 {

/// `options`, overridden by the environment where it says something: `ETLPIPE_WORKERS`, `ETLPIPE_BATCH_SIZE`,
/// `ETLPIPE_TIMEOUT_MS`, `ETLPIPE_MAX_MEMORY_MB` (a budget of its own for sealed batches; MB = 2^20 bytes).
/// An error names the variable and its value. Reads the environment: not to be called while another thread
/// changes it.
[[nodiscard]] Result<Options> options_from_environment(Options options = {});

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/options.ipp>
#endif
