#pragma once
/// Many pipelines, a bounded number at once.

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/execute.hpp>
#include <etl/manager_report.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {
class ManagerEngine;
}

/// Settings of a manager.
struct ManagerOptions {
  /// Largest number of pipelines that run at once, at least 1.
  std::size_t max_concurrent = 4;
  /// When a pipeline does not end ok, drain the others; those not yet started become NotRun. Not after `stop` of one
  /// pipeline, which ends that one alone.
  bool fail_fast = false;
  /// Most bytes of sealed batches of all pipelines together (see `MemoryBudget`); no limit if not given.
  std::optional<std::size_t> memory_budget{};
  ProgressOptions progress{};  ///< how progress of all pipelines is shown
};

/// How one pipeline is added.
struct AddOptions {
  /// Used instead of the manager's defaults. An empty name, executor or memory budget is filled in by the manager.
  /// Progress and dead letters are kept under `Options::name`, as in a run without a manager. Reports and `status` use
  /// the name given to `add`.
  std::optional<Options> options{};
  /// Names of pipelines that must end ok before this one starts.
  std::vector<std::string> after{};
  /// Among the pipelines that may start, the one with the highest priority starts first; if equal, the one added first.
  int priority = 0;
};

/// Runs many pipelines of different types, at most `max_concurrent` at once. Each pipeline extracts on its own thread;
/// their workers share one executor. A failed pipeline does not affect the others unless `fail_fast` is set.
/// Thread-safe: `add` and `status` may be called while `run_all` runs. A manager belongs to the process that made it: a
/// child of fork() may only destroy its copy; the destructor then neither waits nor releases anything.
class PipelineManager {
 public:
  /// A function that runs something and returns its report. It gets the options of the pipeline and the manager's stop.
  using Runner = std::function<RunReport(const Options&, StopToken)>;

  /// All pipelines share the defaults without copies, except `name`: each pipeline has its own. Throws `etl::Exception`
  /// if the defaults or the manager's options are invalid, and `std::system_error` if a thread of the common pool
  /// cannot start.
  explicit PipelineManager(Options defaults = {}, ManagerOptions options = {})
      : PipelineManager(Sharing(), std::make_shared<const Options>(std::move(defaults)), options) {}
  /// The same with defaults that the caller holds as well. A template, so that `{}` stands for `Options`.
  template <std::convertible_to<std::shared_ptr<const Options>> Shared>
  explicit PipelineManager(Shared defaults, ManagerOptions options = {})
      : PipelineManager(Sharing(), std::move(defaults), options) {}
  PipelineManager(const PipelineManager&) = delete;
  PipelineManager& operator=(const PipelineManager&) = delete;
  /// Must not be called while `run_all` runs.
  ~PipelineManager();

  /// Adds a pipeline: a value, a `std::ref` to a pipeline that outlives the run, or a `std::shared_ptr`. Throws
  /// `etl::Exception` if this name, or the name under which progress is kept, is already used, or if the options are
  /// invalid.
  template <class P>
  PipelineManager& add(std::string name, P pipeline, AddOptions how = {}) {
    using Plain = std::remove_pointer_t<decltype(address(pipeline))>;
    if constexpr (detail::Checked<Plain>::ok())
      enter(std::move(name), std::move(how),
            [held = std::make_shared<P>(std::move(pipeline))](const Options& options,
                                                              const detail::Environment& environment, StopToken stop) {
              return detail::execute(*address(*held), named(options, environment.name), environment, std::move(stop));
            });
    return *this;
  }
  /// Adds a custom runner. If it throws, its outcome is `Failed`; if the ledgers of its report do not balance, its
  /// outcome is `Inconsistent` (G2).
  PipelineManager& add_runner(std::string name, Runner runner, AddOptions how = {});

  /// Runs all pipelines that were added and have not run yet, including those added meanwhile. Returns when all have
  /// ended, with a report for every pipeline by name. One call at a time. If memory runs out, drains the running
  /// pipelines, waits for them, and throws `std::bad_alloc`. In a child of fork() throws `etl::Exception`.
  [[nodiscard]] ManagerReport run_all(const StopToken& stop = {});

  /// The status of every pipeline, in the order in which they were added.
  [[nodiscard]] std::vector<PipelineStatus> status() const;
  /// The use of `ManagerOptions::memory_budget`; nothing without one.
  [[nodiscard]] std::optional<MemoryUse> memory() const;
  /// Asks one pipeline to end, as a stop of `run_all` would: the first call drains; with `abandon` the queued items are
  /// dropped. A pipeline that waits becomes NotRun. Other pipelines continue, except those that start after this one.
  /// Returns false if no pipeline has this name, or if it has ended.
  bool stop(std::string_view name, bool abandon = false);
  /// Lets a pipeline that has ended run again: at once while `run_all` runs, otherwise with the next call, whose report
  /// has it again. Returns false if no pipeline has this name, or if it has not ended.
  bool restart(std::string_view name);
  /// The shared defaults.
  [[nodiscard]] const std::shared_ptr<const Options>& options() const noexcept;

 private:
  friend class detail::ManagerEngine;
  using Run = std::function<RunReport(const Options&, const detail::Environment&, StopToken)>;

  struct Sharing {};
  PipelineManager(Sharing, std::shared_ptr<const Options> defaults, ManagerOptions options);

  template <class P>
  static P* address(P& pipeline) {
    return &pipeline;
  }
  template <class P>
  static P* address(std::reference_wrapper<P>& pipeline) {
    return &pipeline.get();
  }
  template <class P>
  static P* address(std::shared_ptr<P>& pipeline) {
    return pipeline.get();
  }
  /// The options with another name.
  [[nodiscard]] static Options named(const Options& options, const std::string& name);
  void enter(std::string name, AddOptions how, Run run);

  std::unique_ptr<detail::ManagerEngine> engine_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/manager.ipp>
#endif
