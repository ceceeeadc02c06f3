#pragma once
/// The course of one run: hooks, extraction, drain, report.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <ranges>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/checkpointing.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/guard.hpp>
#include <etl/detail/live.hpp>
#include <etl/detail/outcome.hpp>
#include <etl/detail/stage.hpp>
#include <etl/detail/traits.hpp>
#include <etl/emitter.hpp>
#include <etl/observe/progress.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// A name for a run: the time it began and 64 random bits.
[[nodiscard]] inline std::string new_run_id() {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  std::random_device random;
  return fmt::format("{:012x}-{:08x}{:08x}", now.count(), random(), random());
}

/// One run of one pipeline, with a store whose transaction is `Tx`, if any.
template <class P, class Tx = NoTransaction>
class Runner final : public LiveRun {
 public:
  using E = extracted_t<P>;

  /// Extracts in place of the pipeline's own `extract`. `id` names what it extracts: keys are made of it, as of the id
  /// of a partition.
  struct Source {
    std::function<std::optional<Error>(Emitter<E>&)> extract{};
    std::string id{};
    [[nodiscard]] explicit operator bool() const noexcept { return extract != nullptr; }
  };
  static constexpr LoadWith with = load_with<P, loaded_t<P>, Tx>();

  Runner(P& pipeline, const Options& options, Environment environment, Stop stop,
         TransactionalStore<Tx>* store = nullptr, Source source = {})
      : pipeline_(pipeline),
        options_(adjusted(options)),
        environment_(std::move(environment)),
        stop_(std::move(stop)),
        store_(store),
        source_(std::move(source)) {}

  [[nodiscard]] RunReport execute() {
    started_ = Clock::now();
    const auto run = [this]() -> std::optional<Error> {
      report_.pipeline = environment_.name;
      report_.run = new_run_id();
      return execute_checked();
    };
    if (auto error = guarded(run)) {
      report_.outcome = Outcome::Failed;
      add_error(std::move(*error), Stage::Configure);
    }
    report_.elapsed = Clock::now() - started_;
    return std::move(report_);
  }

  [[nodiscard]] RunStatus status() const override {
    RunStatus status;
    status.elapsed = Clock::now() - started_;
    status.expected_items = expected_.load(std::memory_order_relaxed);
    if (const char* hook = hook_.load(std::memory_order_relaxed)) status.waiting_for = hook;
    if (const auto n = extracting_.load(std::memory_order_relaxed); n > 0)
      status.waiting_for = n == 1 ? "extract" : std::to_string(n) + " extract";
    batcher_->status(status);
    stage_->status(status);
    return status;
  }

 private:
  /// Batches that are named by a key are cut by their size alone (G16).
  [[nodiscard]] static Options adjusted(Options options) {
    if constexpr (with == LoadWith::Key) {
      options.timeout = Options::never;
      options.batch_bytes.reset();
    }
    return options;
  }
  [[nodiscard]] std::optional<Error> problem() const {
    if (auto problem = options_.problem()) return problem;
    const auto invalid = [](std::string_view what) {
      return Error{.code = Errc::InvalidOptions, .context = std::string("invalid options: ").append(what)};
    };
    if (options_.batch_bytes && !HasBytes<P, E>)
      return invalid("batch_bytes needs a pipeline with `bytes(const E&) const`");
    if (options_.order == Order::ByKey && !HasKey<P, E>)
      return invalid("order ByKey needs a pipeline with `key(const E&) const`");
    if (options_.errors.dead_letters && !Rejecter<P>::describes && HasDescribe<P, E>)
      return invalid("errors.dead_letters needs a transform that leaves its item untouched, as `const E&` does");
    if (keeps_progress() && !source_) {
      if (!HasFingerprint<P>)
        return invalid(
            "delivery.checkpoints needs a pipeline with `std::string fingerprint() const`: it says which source and "
            "which settings the progress belongs to, so that other data is not taken for loaded");
      if (HasPartitions<P> && !IdentifiesPartitions<P>)
        return invalid(
            "delivery.checkpoints needs to know partitions again: give the pipeline `std::string partition_id(const "
            "Partition&) const`");
      if (acknowledging<P>) return invalid(acknowledges_with_progress);
    }
    if (store_ != nullptr && environment_.name.empty())
      return invalid("a run with a store needs a name: its progress is kept under it");
    if (store_ != nullptr && (options_.delivery.checkpoints || options_.errors.dead_letters))
      return invalid(
          "a run with a store keeps progress and dead letters there: leave delivery.checkpoints and "
          "errors.dead_letters out");
    return std::nullopt;
  }

  /// An error of the configuration, or nothing.
  [[nodiscard]] std::optional<Error> execute_checked() {
    if (auto found = problem()) return found;
    const bool fused = options_.mode == Mode::Fused;
    const Executor executor = environment_.executor ? environment_.executor : own_pool();
    ExecutorBackend* const backend = fused ? nullptr : executor.backend();
    stage_ = std::make_unique<PipelineStage<P, Tx>>(pipeline_, options_, environment_, fused ? 1 : options_.workers);
    batcher_ = std::make_shared<Batcher<E>>(options_, environment_, backend, executor.backend(), *stage_,
                                            options_.inline_batches == Inline::Adaptive, with == LoadWith::Key,
                                            keeps_progress() || (with == LoadWith::Key && !options_.delivery.dry_run));
    CheckpointStore* const progress_store = this->progress_store();
    const bool delivers = progress_store != nullptr || with == LoadWith::Key || options_.errors.dead_letters != nullptr;
    if (delivers && !options_.delivery.dry_run)
      progress_.emplace(options_, environment_.name, report_.run, progress_store, store_ != nullptr);
    stage_->attach(*batcher_, executor, progress_ ? &*progress_ : nullptr, store_, report_.run);
    if (progress_) progress_->wait_by(Waiter(batcher_->user_stop(), executor, *batcher_, batcher_->intake_stop()));
    executor_ = executor;
    const std::stop_callback on_drain(stop_.drain(), [this] { batcher_->request_drain(); });
    const std::stop_callback on_abandon(stop_.abandon(), [this] { batcher_->request_abandon(); });
    const LiveView::Shown shown(environment_.view, *this);
    std::optional<ProgressTicker> progress;
    auto unshown = guarded([&]() -> std::optional<Error> {
      progress.emplace(environment_.progress,
                       [this] { return std::vector<NamedStatus>{{environment_.name, status()}}; });
      return std::nullopt;
    });
    // The batcher is known to others by now: it has to come to its end.
    if (unshown) batcher_->fail({.error = std::move(*unshown), .stage = Stage::Configure});
    conduct();
    return std::nullopt;
  }

  /// Fused, its one thread only looks at the clock.
  [[nodiscard]] Executor own_pool() const {
    if (options_.mode == Mode::Parallel) return Executor::pool(options_.workers);
    const bool timeless = options_.timeout == Options::never && options_.drain_deadline == Options::never;
    return timeless ? Executor() : Executor::pool(1);
  }

  [[nodiscard]] CheckpointStore* progress_store() const noexcept {
    return store_ != nullptr ? static_cast<CheckpointStore*>(store_) : options_.delivery.checkpoints.get();
  }
  /// Whether a later run goes on where this one ends.
  [[nodiscard]] bool keeps_progress() const noexcept {
    return progress_store() != nullptr && !options_.delivery.dry_run;
  }

  void conduct() noexcept {
    bool prepared = false;
    auto escaped = guarded([&]() -> std::optional<Error> {
      prepared = !batcher_->intake_refused() && pre_process();
      if (!prepared) return std::nullopt;
      ask_expected_items();
      if (!batcher_->intake_refused()) extract_all();
      return std::nullopt;
    });
    if (escaped) batcher_->fail({.error = std::move(*escaped), .stage = Stage::Extract});
    batcher_->end_intake();
    settle_outcome(report_, batcher_->finish());
    stage_->report(report_);
    end_progress();
    if (prepared) post_process();
    if (HasPostProcess<P> && report_.ok()) mark_finished();  // only now: what fails is not finished (G14)
  }

  // --- progress -----------------------------------------------------------------------------------------
  /// Finds out where to begin. False: that has failed the run, or a stop has come first.
  [[nodiscard]] bool start_progress(std::vector<PartitionName> partitions) {
    if (!progress_) return true;
    auto error = guarded([&]() -> std::optional<Error> {
      Beginning beginning{.partitions = std::move(partitions), .keyed = with == LoadWith::Key};
      if constexpr (HasFingerprint<P>) beginning.fingerprint = std::as_const(pipeline_).fingerprint();
      return progress_->start(std::move(beginning), Waiter(batcher_->intake_stop(), executor_), batcher_->now());
    });
    report_.resumed = progress_->resumed();
    report_.missing_partitions = progress_->missing();
    progress_started_ = !error;
    if (!error) return true;
    ErrorRecord record{.error = std::move(*error), .stage = Stage::Checkpoint};
    if (record.error.code == Errc::InvalidOptions) record.stage = Stage::Configure;
    if (batcher_->stop_requested() && record.error.error_class == ErrorClass::Transient)
      batcher_->note(std::move(record));  // the stop ended the attempts, and the run
    else
      batcher_->fail(std::move(record));
    return false;
  }
  /// Before `post_process`, which is to hear how the run has ended. Without that hook, the source's end at once.
  void end_progress() {
    if (!progress_started_) return;
    progress_->wait_by(Waiter(batcher_->user_stop(), executor_, batcher_->deadline()));
    const bool all = report_.ok();
    auto error =
        guarded([&] { return all && !HasPostProcess<P> ? progress_->save_finished() : progress_->save_settled(all); });
    if (!error) return;
    if (report_.outcome != Outcome::Inconsistent) report_.outcome = Outcome::Failed;
    add_error(std::move(*error), Stage::Checkpoint);
  }
  /// `post_process` has heard the outcome, so that stays when only this fails: the whole source is settled and saved,
  /// and the next run finds nothing left to do.
  void mark_finished() {
    if (!progress_started_) return;
    auto error = guarded([&] { return progress_->save_finished(); });
    if (!error) return;
    explain(*error, [&] {
      return "everything is loaded and saved, but not that the run has finished; the next run of '" +
             environment_.name + "' will end at once: " + error->context;
    });
    add_error(std::move(*error), Stage::Checkpoint);
  }
  /// Without its name when there is no memory for that.
  void add_error(Error error, Stage stage) noexcept {
    ErrorRecord record{.error = std::move(error), .stage = stage};
    static_cast<void>(
        guarded([&]() -> std::optional<Error> { return record.pipeline = environment_.name, std::nullopt; }));
    report_.add_error(std::move(record));
  }
  /// Gives the error another text, when there is memory for it.
  template <class F>
  static void explain(Error& error, F&& text) noexcept {
    static_cast<void>(guarded([&]() -> std::optional<Error> { return error.context = text(), std::nullopt; }));
  }

  // --- hooks ------------------------------------------------------------------------------------------
  [[nodiscard]] bool pre_process() {
    if constexpr (HasPreProcess<P>) {
      auto error = timed("pre_process", report_.pre_process, [this] {
        if constexpr (requires { pipeline_.pre_process(std::stop_token{}); })
          return pipeline_.pre_process(batcher_->intake_stop());
        else
          return pipeline_.pre_process();
      });
      if (error) {
        batcher_->fail({.error = std::move(*error), .stage = Stage::PreProcess});
        return false;
      }
    }
    return true;
  }
  /// After pre_process, which may have found out.
  void ask_expected_items() {
    if constexpr (HasExpectedItems<P>) {
      auto error = guarded([this]() -> std::optional<Error> {
        expected_ = static_cast<std::uint64_t>(std::as_const(pipeline_).expected_items());
        return std::nullopt;
      });
      if (error) batcher_->fail({.error = std::move(*error), .stage = Stage::Extract});
    }
  }
  void post_process() {
    if constexpr (HasPostProcess<P>) {
      report_.elapsed = Clock::now() - started_;
      auto error = timed("post_process", report_.post_process, [this] {
        if constexpr (requires { pipeline_.post_process(std::as_const(report_)); })
          return pipeline_.post_process(std::as_const(report_));
        else
          return pipeline_.post_process();
      });
      if (!error) return;
      if (report_.ok()) report_.outcome = Outcome::Failed;
      add_error(std::move(*error), Stage::PostProcess);
    }
  }
  template <class F>
  [[nodiscard]] std::optional<Error> timed(const char* name, StageTimes& times, F&& call) {
    const TimePoint begin = Clock::now();
    hook_ = name;
    auto error = guarded([&] { return error_of(call); });
    hook_ = nullptr;
    Histogram histogram;
    histogram.record(Clock::now() - begin);
    times = StageTimes(histogram);
    return error;
  }

  // --- extraction ---------------------------------------------------------------------------------------
  void extract_all() {
    if (source_) {
      if (start_progress({{.id = source_.id}})) extract_one(0, true, source_.extract);
    } else if constexpr (HasPartitions<P>) {
      auto error = guarded([this]() -> std::optional<Error> {
        auto&& partitions = std::as_const(pipeline_).partitions();
        if (start_progress(progress_ ? names_of(partitions) : std::vector<PartitionName>()))
          extract_partitions(partitions);
        return std::nullopt;
      });
      if (error) batcher_->fail({.error = std::move(*error), .stage = Stage::Extract});
    } else if (start_progress({{}})) {
      extract_one(0, true, [this](Emitter<E>& out) { return extract_whole(out); });
    }
  }

  template <class Partitions>
  [[nodiscard]] std::vector<PartitionName> names_of(Partitions& partitions) const {
    std::vector<PartitionName> names;
    for (auto&& partition : partitions) {
      if constexpr (IdentifiesPartitions<P>)
        names.push_back({partition_id_of(std::as_const(pipeline_), partition),
                         partition_fingerprint_of(std::as_const(pipeline_), partition)});
      else
        names.push_back({std::to_string(names.size()), {}});
    }
    return names;
  }

  /// The calling thread and `extractors` - 1 others take partitions from the list.
  template <class Partitions>
  void extract_partitions(Partitions& partitions) {
    std::mutex mutex;
    auto next = std::ranges::begin(partitions);
    std::uint32_t index = 0;
    const auto work = [&] {
      for (;;) {
        std::unique_lock lock(mutex);
        if (next == std::ranges::end(partitions) || batcher_->intake_refused()) return;
        const auto mine = next++;
        const std::uint32_t number = index++;
        const bool last = next == std::ranges::end(partitions);
        lock.unlock();
        extract_one(number, last, [this, &mine](Emitter<E>& out) { return extract_part(*mine, out); });
      }
    };
    const auto guarded_work = [&] {
      auto error = guarded([&]() -> std::optional<Error> {
        work();
        return std::nullopt;
      });
      if (error) batcher_->fail({.error = std::move(*error), .stage = Stage::Extract});
    };
    const auto count = static_cast<std::size_t>(std::ranges::distance(partitions));
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    const std::size_t wanted = options_.mode == Mode::Fused ? 1 : options_.extractors.value_or(cores);
    std::vector<std::jthread> others;
    auto error = guarded([&]() -> std::optional<Error> {
      for (std::size_t i = 1; i < std::min(wanted, count); ++i) others.emplace_back(guarded_work);
      return std::nullopt;
    });
    if (error) {  // before the others are joined, which may have an endless source
      explain(*error, [&] {
        return fmt::format(
            "{} of {} extracting threads cannot be started: {}; lower Options::extractors, or raise "
            "the limit on threads",
            std::min(wanted, count) - 1 - others.size(), std::min(wanted, count), error->context);
      });
      return batcher_->fail({.error = std::move(*error), .stage = Stage::Extract});
    }
    guarded_work();
  }

  template <class F>
  void extract_one(std::uint32_t partition, bool last, F&& extract) {
    OwnedLane<E>& lane = batcher_->open_lane(partition, progress_ ? progress_->earlier(partition) : nullptr);
    Emitter<E> out(lane);
    ++extracting_;
    auto error = guarded([&] { return extract(out); });
    const bool whole = !error && !batcher_->intake_refused();
    if (error) {
      ErrorRecord record{.error = std::move(*error), .stage = Stage::Extract};
      record.partition = partition;
      record.first_seq = record.last_seq = batcher_->extracted(lane);
      batcher_->fail(std::move(record));
    }
    --extracting_;
    if (progress_ && lane.position) {
      auto unmarked = guarded([&]() -> std::optional<Error> {
        progress_->ended(partition, *lane.position, lane.position_seq);
        return std::nullopt;
      });
      if (unmarked) batcher_->fail({.error = std::move(*unmarked), .stage = Stage::Checkpoint});
    }
    batcher_->finish_lane(lane, whole ? Flush::Source : Flush::Close, whole, last);
  }

  /// A function of its own: within the whole course of a run GCC keeps less of a user's loop in registers (strings
  /// pushed at 6 % more).
  ETLPIPE_NOINLINE std::optional<Error> extract_whole(Emitter<E>& out) {
    if constexpr (requires { pipeline_.extract(out); }) {
      return error_of([&] { return pipeline_.extract(out); });
    } else {
      auto&& range = pipeline_.extract();
      if constexpr (std::ranges::sized_range<decltype(range)>)
        if (expected_ == 0) expected_ = static_cast<std::uint64_t>(std::ranges::size(range));
      push_range(range, out);
      return std::nullopt;
    }
  }
  template <class Partition>
  ETLPIPE_NOINLINE std::optional<Error> extract_part(Partition&& partition, Emitter<E>& out) {
    if constexpr (requires { std::as_const(pipeline_).extract(partition, out); }) {
      return error_of([&] { return std::as_const(pipeline_).extract(partition, out); });
    } else {
      auto&& range = std::as_const(pipeline_).extract(partition);
      push_range(range, out);
      return std::nullopt;
    }
  }
  template <class Range>
  static void push_range(Range& range, Emitter<E>& out) {
    for (auto&& item : range) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(item)>, E>) {
        if (!out.push(std::forward<decltype(item)>(item))) return;
      } else {
        if (!out.push(E(std::forward<decltype(item)>(item)))) return;
      }
    }
  }

  P& pipeline_;
  const Options options_;
  const Environment environment_;
  const Stop stop_;
  TransactionalStore<Tx>* const store_;
  const Source source_;
  TimePoint started_{};
  RunReport report_{};
  Executor executor_{};
  std::optional<Checkpointing> progress_;
  bool progress_started_ = false;
  std::unique_ptr<PipelineStage<P, Tx>> stage_;
  std::shared_ptr<Batcher<E>> batcher_;
  std::atomic<std::uint64_t> expected_ = 0;
  std::atomic<std::uint32_t> extracting_ = 0;
  std::atomic<const char*> hook_ = nullptr;
};

/// Calls `make`, which makes a report. Where it throws, as without memory for a run, the report says that.
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
                                Stop stop) noexcept {
  return reported([&] { return Runner<P>(pipeline, options, environment, std::move(stop)).execute(); });
}
template <class P, class Tx>
[[nodiscard]] RunReport execute(WithStore<P, Tx>& bound, const Options& options, const Environment& environment,
                                Stop stop) noexcept {
  return reported([&] {
    return Runner<std::remove_reference_t<P>, Tx>(bound.pipeline, options, environment, std::move(stop), bound.store)
        .execute();
  });
}

/// `check_pipeline`, also of a pipeline with its store.
template <class P>
struct Checked {
  static consteval bool ok() { return check_pipeline<P>(); }
};
template <class P, class Tx>
struct Checked<WithStore<P, Tx>> {
  static consteval bool ok() { return check_pipeline<std::remove_reference_t<P>, Tx>(); }
};

}  // namespace etl::inline v0::detail
