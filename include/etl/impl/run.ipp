#pragma once
/// The compiled part of `run`.

#include <utility>

#include <etl/config.hpp>
#include <etl/detail/run/run_pipeline.hpp>
#include <etl/detail/run/runner.hpp>

namespace etl::inline v0::detail {

ETLPIPE_COMPILED RunReport run_pipeline(PipelineCalls& calls, const Options& options, Environment environment,
                                        StopToken stop, CheckpointStore* store, OtherSource source) {
  return Runner(calls, options, std::move(environment), std::move(stop), store, std::move(source)).execute();
}

}  // namespace etl::inline v0::detail
