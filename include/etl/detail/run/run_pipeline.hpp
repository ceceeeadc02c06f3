#pragma once
/// The engine's interface for the templates in a user's file.

#include <functional>
#include <optional>
#include <string>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/pipeline_calls.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// Replaces a pipeline's own `extract`. `id` names the data; keys are made from it, in the same way as from the id of
/// a partition.
struct OtherSource {
  std::function<std::optional<Error>(Lane&)> extract{};
  std::string id{};
  [[nodiscard]] explicit operator bool() const noexcept { return extract != nullptr; }
};

/// Runs a pipeline to its end. `store` is the store of the pipeline's transactions, or null.
[[nodiscard]] RunReport run_pipeline(PipelineCalls& calls, const Options& options, Environment environment,
                                     StopToken stop, CheckpointStore* store = nullptr, OtherSource source = {});

}  // namespace etl::inline v0::detail

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/run.ipp>
#endif
