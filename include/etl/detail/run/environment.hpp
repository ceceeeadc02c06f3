#pragma once
/// What each run has for itself when several runs share their options.

#include <memory>
#include <string>

#include <etl/config.hpp>
#include <etl/detail/run/live.hpp>
#include <etl/executor.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>

namespace etl::inline v0::detail {

/// A manager gives all its pipelines one constant `Options`; each pipeline's environment has its own name, and the
/// common pool and memory budget.
struct Environment {
  explicit Environment(const Options& options)
      : name(options.name), executor(options.executor), memory(options.memory), progress(options.progress) {}

  std::string name;
  Executor executor;
  std::shared_ptr<MemoryBudget> memory;
  ProgressOptions progress;
  LiveView* view = nullptr;
};

}  // namespace etl::inline v0::detail
