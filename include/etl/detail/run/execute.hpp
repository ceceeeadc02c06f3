#pragma once
/// Leads from a user's pipeline to the engine.

#include <optional>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/run_pipeline.hpp>
#include <etl/detail/run/typed_pipeline.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// Calls `make`, which makes a report. If `make` throws, for example because there is no memory for a run, the report
/// contains that error.
template <class F>
[[nodiscard]] RunReport reported(F&& make) noexcept {
  RunReport report;
  auto error = guarded([&]() -> std::optional<Error> { return report = make(), std::nullopt; });
  if (error) {
    report.outcome = Outcome::Failed;
    report.add_error({.error = std::move(*error), .stage = Stage::Configure});
  }
  return report;
}

/// Runs a pipeline that `check_pipeline` has accepted.
template <class P>
[[nodiscard]] RunReport execute(P& pipeline, const Options& options, const Environment& environment,
                                StopToken stop) noexcept {
  return reported([&] {
    TypedPipeline<P> calls(pipeline);
    return run_pipeline(calls, options, environment, std::move(stop));
  });
}
template <class P, class Tx>
[[nodiscard]] RunReport execute(WithStore<P, Tx>& bound, const Options& options, const Environment& environment,
                                StopToken stop) noexcept {
  return reported([&] {
    TypedPipeline<std::remove_reference_t<P>, Tx> calls(bound.pipeline, bound.store);
    return run_pipeline(calls, options, environment, std::move(stop), bound.store);
  });
}

/// Calls `check_pipeline` for a pipeline, or for a pipeline with its store.
template <class P>
struct Checked {
  static consteval bool ok() { return check_pipeline<P>(); }
};
template <class P, class Tx>
struct Checked<WithStore<P, Tx>> {
  static consteval bool ok() { return check_pipeline<std::remove_reference_t<P>, Tx>(); }
};

}  // namespace etl::inline v0::detail
