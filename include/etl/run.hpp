#pragma once
/// Runs one pipeline to its end and says what happened.

#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/execute.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {

/// Runs `pipeline` and returns when everything it extracted is settled. Extraction happens on the
/// calling thread (with `partitions()`, on `options.extractors` threads), transform and load on up to
/// `options.workers` threads. Hooks, where the pipeline has them: `pre_process` once before extraction,
/// `post_process` exactly once after a `pre_process` that succeeded (G8).
///
/// With `options.delivery.checkpoints`, or run as `etl::with(pipeline, store)`, it goes on where an earlier run of the
/// same name that did not finish has got to (G14, G15).
///
/// Never throws: the report carries the outcome, both ledgers and the first errors (G1), also when memory runs out. (A
/// report can be made without any; then it may lack a text. Where memory has to be had before there can be something to
/// report on, in the constructors of `Bucket` and `PipelineManager`, `std::bad_alloc` is thrown.)
/// Afterwards nothing is left running (G3). Distinct pipelines may be run by several threads at once.
template <class P>
[[nodiscard]] RunReport run(P&& pipeline, const Options& options = {}, Stop stop = {}) {
  using Plain = std::remove_reference_t<P>;
  if constexpr (detail::Checked<Plain>::ok())
    return detail::reported(
        [&] { return detail::execute(pipeline, options, detail::Environment(options), std::move(stop)); });
  else
    return {};
}

}  // namespace etl::inline v0
