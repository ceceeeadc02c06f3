#pragma once
/// The engine's interface for the templates in a user's file.

#include <cstdint>
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

/// Replaces a pipeline's own `extract`. `item_id` names each item by its number. If the pipeline has keys, each item is
/// loaded by itself, under a key made from its name.
struct OtherSource {
  std::function<std::optional<Error>(Lane&)> extract{};
  std::function<std::string(std::uint64_t seq)> item_id{};
  std::function<void(RunReport&)> ended{};  ///< may add errors, before `post_process` is told the outcome
  [[nodiscard]] explicit operator bool() const noexcept { return extract != nullptr; }
};

/// Runs a pipeline to its end. `store` is the store of the pipeline's transactions, or null.
[[nodiscard]] RunReport run_pipeline(PipelineCalls& calls, const Options& options, Environment environment,
                                     StopToken stop, CheckpointStore* store = nullptr, OtherSource source = {});

}  // namespace etl::inline v0::detail

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/run.ipp>
#endif
