#pragma once
/// Many pipelines, a bounded number at once.

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
  /// The most pipelines running at once, at least 1.
  std::size_t max_concurrent = 4;
  /// The first pipeline that does not end well drains the others; those not started become NotRun.
  bool fail_fast = false;
  /// Bytes of sealed batches over all pipelines (see `MemoryBudget`); no bound if not given.
  std::optional<std::size_t> memory_budget{};
  ProgressOptions progress{};
};

/// How one pipeline is added.
struct AddOptions {
  /// Used instead of the manager's defaults; its name, executor and memory are filled in when empty. Under
  /// `Options::name` the pipeline's progress and dead letters are kept, as in a run without a manager; the name given
  /// to `add` is what reports and `status` call it.
  std::optional<Options> options{};
  /// Names of pipelines that have to end well before this one starts.
  std::vector<std::string> after{};
  /// Of those that may start, the highest starts first; then the one added first.
  int priority = 0;
};

/// Runs many pipelines of different types, at most `max_concurrent` at once, each on a thread of its own
/// for extraction; their workers share one executor. One failing does not disturb the others unless
/// `fail_fast` is set. Thread-safe: `add` and `status` may be called while `run_all` is under way. A manager belongs to
/// the process that made it: a child of fork() may only destroy its copy, which then waits for nothing and gives
/// nothing free.
class PipelineManager {
 public:
  /// A custom way to run; gets the options it would have run with and the manager's stop.
  using Runner = std::function<RunReport(const Options&, Stop)>;

  /// The defaults are kept once and shared by all pipelines, but for their `name`: each pipeline has its own. Throws
  /// `etl::Exception` when they or the manager's options are invalid, `std::system_error` when a thread of the common
  /// pool cannot start.
  explicit PipelineManager(Options defaults = {}, ManagerOptions options = {})
      : PipelineManager(std::make_shared<const Options>(std::move(defaults)), options) {}
  explicit PipelineManager(std::shared_ptr<const Options> defaults, ManagerOptions options = {});
  PipelineManager(const PipelineManager&) = delete;
  PipelineManager& operator=(const PipelineManager&) = delete;
  ~PipelineManager();

  /// Adds a pipeline: a value, a `std::ref` to one that outlives the run, or a `std::shared_ptr`.
  /// Throws `etl::Exception` when the name is taken, also the one under which progress is kept, or the options are
  /// invalid.
  template <class P>
  PipelineManager& add(std::string name, P pipeline, AddOptions how = {}) {
    using Plain = std::remove_pointer_t<decltype(address(pipeline))>;
    if constexpr (detail::Checked<Plain>::ok())
      enter(std::move(name), std::move(how),
            [held = std::make_shared<P>(std::move(pipeline))](const Options& options,
                                                              const detail::Environment& environment, Stop stop) {
              return detail::execute(*address(*held), named(options, environment.name), environment, std::move(stop));
            });
    return *this;
  }
  /// Adds a custom runner. An exception from it becomes a failed report; a report of it whose ledgers do not balance
  /// becomes `Inconsistent` (G2).
  PipelineManager& add_runner(std::string name, Runner runner, AddOptions how = {});

  /// Runs everything added and not yet run, and what is added meanwhile. Returns when all have ended,
  /// with a report for every pipeline by name. One call at a time. When there is no memory to go on it drains what is
  /// under way, waits for it, and throws `std::bad_alloc`. In a child of fork() it throws `etl::Exception`.
  [[nodiscard]] ManagerReport run_all(const Stop& stop = {});

  /// Every pipeline added, in that order.
  [[nodiscard]] std::vector<PipelineStatus> status() const;
  /// The use of `ManagerOptions::memory_budget`; nothing without one.
  [[nodiscard]] std::optional<MemoryUse> memory() const;
  /// Asks one pipeline to end, as a stop of `run_all` would: the first call drains, with `abandon` what is queued is
  /// dropped. One that waits becomes NotRun. Others are not disturbed, but for those that come after it. False: there
  /// is none of that name, or it has ended.
  bool stop(std::string_view name, bool abandon = false);
  /// Lets a pipeline that has ended run once more: at once while `run_all` is under way, else with the next call, whose
  /// report has it again. False: there is none of that name, or it has not ended.
  bool restart(std::string_view name);
  /// The shared defaults.
  [[nodiscard]] const std::shared_ptr<const Options>& options() const noexcept;

 private:
  friend class detail::ManagerEngine;
  using Run = std::function<RunReport(const Options&, const detail::Environment&, Stop)>;

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
  /// The options of a run under a name of its own.
  [[nodiscard]] static Options named(const Options& options, const std::string& name);
  void enter(std::string name, AddOptions how, Run run);

  std::unique_ptr<detail::ManagerEngine> engine_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/manager.ipp>
#endif
