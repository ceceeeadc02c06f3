#pragma once
/// Overrides from environment variables.

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>

namespace etl::inline v0 {

/// Overrides `options` with the environment variables that are set: `ETLPIPE_WORKERS`, `ETLPIPE_BATCH_SIZE`,
/// `ETLPIPE_TIMEOUT_MS`, `ETLPIPE_MAX_MEMORY_MB` (a new budget for sealed batches; MB = 2^20 bytes). An error names the
/// variable and its value. Do not call it while another thread changes the environment.
[[nodiscard]] Result<Options> options_from_environment(Options options = {});

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/options.ipp>
#endif
