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

/// Runs `pipeline` and returns when everything that it extracted is settled. `extract` runs on the calling thread (with
/// `partitions()`, on `options.extractors` threads), `transform` and `load` on up to `options.workers` threads. If the
/// pipeline has these hooks, `pre_process` is called once before extraction, also if the run resumes another run, and
/// `post_process` exactly once if `pre_process` succeeded (G8).
///
/// With `options.delivery.checkpoints`, or run as `etl::with_store(pipeline, store)`, the run resumes an earlier run of
/// the same name that did not finish (G14, G15).
///
/// Never throws: the report has the outcome, both ledgers and the first errors (G1), even when memory runs out (then a
/// text may be missing). Afterwards nothing is left running (G3). Several threads may run distinct pipelines at once.
template <class P>
[[nodiscard]] RunReport run(P&& pipeline, const Options& options = {}, StopToken stop = {}) {
  using Plain = std::remove_reference_t<P>;
  if constexpr (detail::Checked<Plain>::ok())
    return detail::reported(
        [&] { return detail::execute(pipeline, options, detail::Environment(options), std::move(stop)); });
  else
    return {};
}

}  // namespace etl::inline v0
