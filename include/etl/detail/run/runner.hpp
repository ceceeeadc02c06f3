#pragma once
/// The stages of one run: hooks, extraction, drain, report.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/load/stage.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/progress/checkpointing.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/live.hpp>
#include <etl/detail/run/outcome.hpp>
#include <etl/detail/run/pipeline_calls.hpp>
#include <etl/detail/run/run_pipeline.hpp>
#include <etl/detail/run/tails.hpp>
#include <etl/observe/progress.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// Makes a run id from the time and 64 random bits.
[[nodiscard]] inline std::string new_run_id() {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  std::random_device random;
  return fmt::format("{:012x}-{:08x}{:08x}", now.count(), random(), random());
}

/// One run of one pipeline.
class Runner final : public LiveRun {
 public:
  /// `store` is the store of the pipeline's transactions, or null. The references are kept.
  Runner(PipelineCalls& calls, const Options& options, Environment environment, StopToken stop, CheckpointStore* store,
         OtherSource source)
      : calls_(calls),
        traits_(calls.pipeline_traits()),
        with_(calls.traits().with),
        options_(adjusted(options, with_, source.extract != nullptr)),
        environment_(std::move(environment)),
        stop_(std::move(stop)),
        store_(store),
        source_(std::move(source)) {}

  [[nodiscard]] RunReport execute() {
    started_ = now();
    const auto run = [this]() -> std::optional<Error> {
      report_.pipeline = environment_.name;
      report_.run = new_run_id();
      return execute_checked();
    };
    if (auto error = guarded(run)) {
      report_.outcome = Outcome::Failed;
      add_error(std::move(*error), Stage::Configure);
    }
    report_.elapsed = now() - started_;
    return std::move(report_);
  }

  [[nodiscard]] RunStatus status() const override {
    RunStatus status;
    status.elapsed = now() - started_;
    if (const char* hook = hook_.load(std::memory_order_relaxed)) status.waiting_for = hook;
    if (const auto n = extracting_.load(std::memory_order_relaxed); n > 0)
      status.waiting_for = n == 1 ? "extract" : std::to_string(n) + " extract";
    batcher_->status(status);
    stage_->status(status);
    status.expected_items = expected_.load(std::memory_order_relaxed);
    if (const auto bytes = expected_bytes_.load(std::memory_order_relaxed); bytes > 0)
      status.expected_bytes = bytes;
    else if (traits_.has_partitions)
      status.expected_bytes = 0;  // nobody knows the size of partitions that are not open yet
    return status;
  }

 private:
  /// Time on the clock of the executor that the user gave. The run's own pool has the normal clock.
  [[nodiscard]] TimePoint now() const noexcept {
    return environment_.executor ? environment_.executor.backend()->now() : Clock::now();
  }
  /// Batches with idempotency keys are cut by their size alone (G16).
  [[nodiscard]] static Options adjusted(Options options, LoadWith with, bool other_source) {
    if (with == LoadWith::Key) {
      options.timeout = Options::never;
      options.batch_bytes.reset();
      if (other_source) options.batch_size = 1;
    }
    return options;
  }
  [[nodiscard]] std::optional<Error> problem() const {
    if (auto problem = options_.validate()) return problem;
    const auto invalid = [](std::string_view what) {
      return Error{.code = Errc::InvalidOptions, .context = std::string("invalid options: ").append(what)};
    };
    if (options_.batch_bytes && !calls_.traits().has_bytes)
      return invalid("batch_bytes needs a pipeline with `bytes(const E&) const`");
    if (options_.order == Order::ByKey && !calls_.traits().has_key)
      return invalid("order ByKey needs a pipeline with `key(const E&) const`");
    const ErrorPolicy& errors = options_.errors;
    const bool rejects = errors.max_rejects.value_or(0) > 0 || errors.max_reject_ratio;
    const bool letters = errors.dead_letters || (store_ != nullptr && rejects && traits_.replays);
    if (letters && !source_ && !calls_.traits().serializes && traits_.has_payload)
      return invalid(
          "dead letters need a transform that leaves its item untouched, as `const E&` does, because they keep items");
    if (keeps_progress() && !source_) {
      if (!traits_.has_fingerprint)
        return invalid(
            "delivery.checkpoints needs a pipeline with `std::string fingerprint() const`: it says which source and "
            "which settings the progress belongs to, so that other data is not mistaken for loaded data");
      if (traits_.has_partitions && !traits_.identifies_partitions)
        return invalid(
            "delivery.checkpoints needs to recognise partitions: give the pipeline `std::string partition_id(const "
            "Partition&) const`");
      if (traits_.acknowledges) return invalid(acknowledges_with_progress);
    }
    if (store_ != nullptr && environment_.name.empty())
      return invalid("a run with a store needs a name: its progress is kept under it");
    if (store_ != nullptr && (options_.delivery.checkpoints || options_.errors.dead_letters))
      return invalid(
          "a run with a store keeps progress and dead letters there: leave delivery.checkpoints and "
          "errors.dead_letters out");
    return std::nullopt;
  }

  /// Runs the pipeline. Returns an error of the configuration, if any.
  [[nodiscard]] std::optional<Error> execute_checked() {
    if (auto found = problem()) return found;
    const bool fused = options_.mode == Mode::Fused;
    const Executor executor = environment_.executor ? environment_.executor : own_pool();
    ExecutorBackend* const backend = fused ? nullptr : executor.backend();
    batcher_ = std::make_shared<Batcher>(options_, environment_, backend, executor.backend(), calls_.traits().item,
                                         options_.inline_batches == Inline::Adaptive, with_ == LoadWith::Key,
                                         keeps_progress() || (with_ == LoadWith::Key && !options_.delivery.dry_run));
    RunControl& control = batcher_->control();
    CheckpointStore* const progress_store = this->progress_store();
    const bool delivers =
        progress_store != nullptr || with_ == LoadWith::Key || options_.errors.dead_letters != nullptr;
    if (delivers && !options_.delivery.dry_run)
      progress_.emplace(options_, environment_.name, report_.run, progress_store, store_ != nullptr);
    stage_ = std::make_unique<PipelineStage>(calls_, options_, environment_, fused ? 1 : options_.workers, *batcher_,
                                             executor, progress_ ? &*progress_ : nullptr, report_.run);
    if (progress_) tails_.emplace(*batcher_, *progress_);
    // In fused mode the thread that extracts loads, too, and no other.
    if (progress_ && !fused) progress_->on_saved([this] { tails_->release(); });
    if (progress_) progress_->wait_by(Waiter(control.dead_stop(), executor, control, control.intake_stop()));
    executor_ = executor;
    const std::stop_callback on_drain(stop_.drain(), [&control] { control.request_drain(); });
    const std::stop_callback on_abandon(stop_.abandon(), [&control] { control.request_abandon(); });
    const LiveView::Shown shown(environment_.view, *this);
    std::optional<ProgressTicker> progress;
    auto unshown = guarded([&]() -> std::optional<Error> {
      progress.emplace(environment_.progress,
                       [this] { return std::vector<NamedStatus>{{environment_.name, status()}}; });
      return std::nullopt;
    });
    // Other objects know the batcher by now, so it must be finished: `fail` instead of returning.
    if (unshown) control.fail({.error = std::move(*unshown), .stage = Stage::Configure});
    conduct();
    return std::nullopt;
  }

  /// Makes the run's own executor. In fused mode its one thread only watches the clock: for the timeout, the deadline,
  /// and saves that are due.
  [[nodiscard]] Executor own_pool() const {
    if (options_.mode == Mode::Parallel) return Executor::pool(options_.workers);
    const bool saves =
        options_.delivery.checkpoints && !options_.delivery.dry_run && options_.delivery.save_every != Options::never;
    const bool timeless = options_.timeout == Options::never && options_.drain_deadline == Options::never && !saves;
    return timeless ? Executor() : Executor::pool(1);
  }

  [[nodiscard]] CheckpointStore* progress_store() const noexcept {
    return store_ != nullptr ? store_ : options_.delivery.checkpoints.get();
  }
  /// Whether a later run resumes where this run ends.
  [[nodiscard]] bool keeps_progress() const noexcept {
    return progress_store() != nullptr && !options_.delivery.dry_run;
  }

  void conduct() noexcept {
    bool prepared = false;
    auto escaped = guarded([&]() -> std::optional<Error> {
      prepared = !batcher_->control().intake_refused() && pre_process();
      if (!prepared) return std::nullopt;
      ask_expected();
      if (!batcher_->control().intake_refused()) extract_all();
      return std::nullopt;
    });
    if (escaped) batcher_->control().fail({.error = std::move(*escaped), .stage = Stage::Extract});
    flush_tails();
    batcher_->control().end_intake();
    settle_outcome(report_, batcher_->finish(report_.resumed));
    stage_->report(report_);
    if (source_.ended) source_.ended(report_);
    ask_earlier_rejects();
    end_progress();
    if (prepared) post_process();
    say_what_next();
    // Only now, because a run that fails is not finished (G14).
    if (report_.ok()) mark_finished();
  }

  // --- progress -----------------------------------------------------------------------------------------
  /// Finds out where to begin. Returns false if that failed the run, or if a stop came first.
  [[nodiscard]] bool start_progress(std::vector<PartitionName> partitions) {
    if (!progress_) return true;
    auto error = guarded([&]() -> std::optional<Error> {
      // In a replay each batch has its own transaction, because the transaction deletes the dead letters of the batch,
      // including letters of items that transform drops.
      Beginning beginning{.partitions = std::move(partitions),
                          .keyed = with_ == LoadWith::Key,
                          .item_id = source_.item_id,
                          .rides = source_.extract == nullptr};
      // A replay does not need the source, which may be gone. Its keys are made of the ids of its letters.
      if (!source_) beginning.fingerprint = calls_.fingerprint();
      return progress_->start(std::move(beginning), Waiter(batcher_->control().intake_stop(), executor_),
                              batcher_->control().now());
    });
    report_.resumed = progress_->resumed();
    report_.missing_partitions = progress_->missing();
    progress_started_ = !error;
    if (!error) return true;
    ErrorRecord record{.error = std::move(*error), .stage = Stage::Checkpoint};
    if (record.error.code == Errc::InvalidOptions) record.stage = Stage::Configure;
    batcher_->control().fail_unless_stopped(std::move(record));
    return false;
  }
  /// Tells the user where rejected items are, and what to do next.
  void say_what_next() noexcept {
    static_cast<void>(guarded([&]() -> std::optional<Error> {
      const bool letters = (store_ != nullptr || options_.errors.dead_letters != nullptr) && !options_.delivery.dry_run;
      if (letters)
        report_.rejects_at = "dead letters of '" + environment_.name + "'";
      else if (options_.errors.on_reject)
        report_.rejects_at = "given to on_reject, and not kept";
      if (!source_ || !unsaved_)
        report_.next_step = next_step(report_, keeps_progress(), options_.delivery.incremental, letters);
      return std::nullopt;
    }));
  }
  /// Counts the dead letters of earlier runs for the report of a resumed run. The reject budget itself counts one run
  /// only.
  void ask_earlier_rejects() noexcept {
    if (!report_.resumed) return;
    auto* const letters =
        store_ != nullptr ? dynamic_cast<DeadLetterStore*>(store_) : options_.errors.dead_letters.get();
    if (letters == nullptr) return;
    auto error = guarded([&]() -> std::optional<Error> {
      std::uint64_t count = 0;
      auto listed = letters->list(environment_.name, [&](const DeadLetter& letter) {
        count += letter.run != report_.run ? 1U : 0U;
        return true;
      });
      if (!listed) return std::move(listed.error());
      report_.earlier_rejects = count;
      return std::nullopt;
    });
    if (!error) return;
    explain(*error, [&] { return "what earlier runs have rejected cannot be counted: " + error->context; });
    add_error(std::move(*error), Stage::DeadLetter);
  }
  /// Saves progress, which decides how the run has ended. Whether the source is finished is saved apart from that and
  /// later (`mark_finished`): if both were one save of which nobody knows whether it was stored, a failed run might be
  /// finished, and the next run would begin anew and load everything again. An incremental run goes on in any case.
  void end_progress() {
    if (!progress_started_) return;
    progress_->wait_by(Waiter(batcher_->control().user_stop(), executor_, batcher_->control().deadline()));
    const bool all = report_.ok();
    auto error =
        guarded([&] { return all && finishes_at_once() ? progress_->save_finished() : progress_->save_settled(all); });
    if (!error) return;
    unsaved_ = true;
    const bool letters = source_ && store_ == nullptr;  // the progress of a replay, which deletes letters
    if (letters)
      explain(*error, [&] {
        return "some letters of items that are loaded could not be deleted, and another replay would load these items "
               "again: " +
               error->context;
      });
    if (report_.outcome != Outcome::Inconsistent) report_.outcome = Outcome::Failed;
    add_error(std::move(*error), letters ? Stage::DeadLetter : Stage::Checkpoint, all);
  }
  [[nodiscard]] bool finishes_at_once() const noexcept {
    return options_.delivery.incremental && !traits_.has_post_process;
  }
  /// Saves that the source is finished. If only this fails, the outcome stays as `post_process` has seen it: the whole
  /// source is settled and saved.
  void mark_finished() {
    if (!progress_started_ || finishes_at_once()) return;
    auto error = guarded([&] { return progress_->save_finished(); });
    if (!error) return;
    explain(*error, [&] {
      return "everything is loaded and saved, but the run is perhaps not marked as finished: if it is not, the next "
             "run of '" +
             environment_.name + "' ends at once; if it is, that run begins at the start: " + error->context;
    });
    add_error(std::move(*error), Stage::Checkpoint);
  }
  /// Adds an error to the report, without the pipeline's name if there is no memory for the name.
  void add_error(Error error, Stage stage, bool decides = false) noexcept {
    ErrorRecord record{.error = std::move(error), .stage = stage};
    static_cast<void>(
        guarded([&]() -> std::optional<Error> { return record.pipeline = environment_.name, std::nullopt; }));
    report_.add_error(std::move(record), decides);
  }
  /// Replaces the text of the error, if there is memory for that.
  template <class F>
  static void explain(Error& error, F&& text) noexcept {
    static_cast<void>(guarded([&]() -> std::optional<Error> { return error.context = text(), std::nullopt; }));
  }

  // --- hooks ------------------------------------------------------------------------------------------
  [[nodiscard]] bool pre_process() {
    if (!traits_.has_pre_process) return true;
    auto error = timed("pre_process", report_.pre_process,
                       [this] { return calls_.pre_process(batcher_->control().intake_stop()); });
    if (error) batcher_->control().fail_unless_stopped({.error = std::move(*error), .stage = Stage::PreProcess});
    return !error;
  }
  /// Asks for the expected size after `pre_process`, which may have determined it.
  void ask_expected() {
    if (source_ || (!traits_.has_expected_items && !traits_.has_expected_bytes)) return;
    auto error = guarded([this]() -> std::optional<Error> {
      expected_ = calls_.expected_items();
      expected_bytes_ = calls_.expected_bytes();
      return std::nullopt;
    });
    if (error) batcher_->control().fail({.error = std::move(*error), .stage = Stage::Extract});
  }
  void post_process() {
    if (!traits_.has_post_process) return;
    report_.elapsed = now() - started_;
    auto error = timed("post_process", report_.post_process,
                       [this] { return calls_.post_process(std::as_const(report_), batcher_->control().user_stop()); });
    if (!error) return;
    const bool decides = report_.ok();
    if (decides) report_.outcome = Outcome::Failed;
    add_error(std::move(*error), Stage::PostProcess, decides);
  }
  template <class F>
  [[nodiscard]] std::optional<Error> timed(const char* name, StageTimes& times, F&& call) {
    const TimePoint begin = now();
    hook_ = name;
    auto error = guarded(call);
    hook_ = nullptr;
    Histogram histogram;
    histogram.record(now() - begin);
    times = StageTimes(histogram);
    return error;
  }

  // --- extraction ---------------------------------------------------------------------------------------
  void extract_all() {
    constexpr auto only_one = [] { return true; };
    if (source_) {
      if (start_progress({{}})) extract_one(0, source_.extract, only_one);
    } else if (traits_.has_partitions) {
      auto error = guarded([this]() -> std::optional<Error> {
        partitions_ = calls_.partitions();
        if (start_progress(progress_ ? partitions_->names() : std::vector<PartitionName>()))
          extract_partitions(*partitions_);
        return std::nullopt;
      });
      if (error) batcher_->control().fail_unless_stopped({.error = std::move(*error), .stage = Stage::Extract});
    } else if (start_progress({{}})) {
      extract_one(0, [this](Lane& lane) { return calls_.extract(lane, expected_); }, only_one);
    }
  }

  /// Extracts the partitions of the list on the calling thread and `extractors` - 1 other threads.
  void extract_partitions(PartitionList& partitions) {
    std::mutex mutex;
    std::uint32_t index = 0;
    std::size_t open = 0;  // partitions being extracted
    bool at_end = false;   // the list has no further partitions
    const auto last_ended = [&] {
      const std::lock_guard lock(mutex);
      return --open == 0 && at_end;
    };
    const auto work = [&] {
      for (;;) {
        std::unique_lock lock(mutex);
        if (partitions.at_end() || batcher_->control().intake_refused()) return;
        const std::unique_ptr<PartitionSource> mine = partitions.take_next();
        const std::uint32_t number = index++;
        at_end = partitions.at_end();
        ++open;
        lock.unlock();
        extract_one(number, [&mine](Lane& lane) { return mine->extract(lane); }, last_ended);
      }
    };
    const auto guarded_work = [&] {
      auto error = guarded([&]() -> std::optional<Error> {
        work();
        return std::nullopt;
      });
      if (error) batcher_->control().fail({.error = std::move(*error), .stage = Stage::Extract});
    };
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    const std::size_t wanted = partitions.count(options_.mode == Mode::Fused ? 1 : options_.extractors.value_or(cores));
    std::vector<std::jthread> others;
    auto error = guarded([&]() -> std::optional<Error> {
      for (std::size_t i = 1; i < wanted; ++i) others.emplace_back(guarded_work);
      return std::nullopt;
    });
    if (error) {  // fail first, so that the other threads stop before they are joined: their source may be endless
      explain(*error, [&] {
        return fmt::format(
            "{} of {} extracting threads cannot be started: {}; lower Options::extractors, or raise "
            "the limit on threads",
            wanted - 1 - others.size(), wanted, error->context);
      });
      return batcher_->control().fail({.error = std::move(*error), .stage = Stage::Extract});
    }
    guarded_work();
  }

  /// Extracts one partition. `last_ended` is called afterwards and says whether nothing more is to be extracted.
  template <class F, class Last>
  void extract_one(std::uint32_t partition, F&& extract, Last&& last_ended) {
    OwnedLane& lane = batcher_->open_lane(partition, progress_ ? progress_->earlier(partition) : nullptr);
    ++extracting_;
    auto error = guarded([&] { return extract(lane); });
    const bool whole = !error && !batcher_->control().intake_refused();
    if (error) {
      ErrorRecord record{.error = std::move(*error), .stage = Stage::Extract};
      record.partition = partition;
      record.first_seq = record.last_seq = batcher_->extracted(lane);
      batcher_->control().fail_unless_stopped(std::move(record));
    }
    --extracting_;
    if (whole) batcher_->source_ended(lane);
    const bool last = last_ended();
    if (whole && last) batcher_->control().begin_deadline();
    bool held = false;
    if (progress_) {
      auto unmarked = guarded([&]() -> std::optional<Error> {
        if (lane.position) progress_->ended(partition, *lane.position, lane.position_seq);
        held = whole && tails_->hold(lane, partition);
        return std::nullopt;
      });
      if (unmarked) batcher_->control().fail({.error = std::move(*unmarked), .stage = Stage::Checkpoint});
    }
    if (!held)
      batcher_->finish_lane(lane, whole ? FlushReason::Source : FlushReason::Close, whole);
    else if (last || options_.mode == Mode::Fused || tails_->full())
      flush_tails();
    else
      tails_->look_later();
  }

  void flush_tails() noexcept {
    if (!tails_ || tails_->empty()) return;
    hook_ = "save";
    tails_->flush();
    hook_ = nullptr;
  }

  PipelineCalls& calls_;
  const PipelineTraits& traits_;
  const LoadWith with_;
  const Options options_;
  const Environment environment_;
  const StopToken stop_;
  CheckpointStore* const store_;
  const OtherSource source_;
  TimePoint started_{};
  RunReport report_{};
  Executor executor_{};
  std::optional<Checkpointing> progress_;
  bool progress_started_ = false;
  bool unsaved_ = false;                       // the last save of progress has failed
  std::unique_ptr<PartitionList> partitions_;  // destroyed after everything that may refer to it
  std::unique_ptr<PipelineStage> stage_;
  std::shared_ptr<Batcher> batcher_;
  std::optional<Tails> tails_;  // if progress is kept
  std::atomic<std::uint64_t> expected_ = 0;
  std::atomic<std::uint64_t> expected_bytes_ = 0;
  std::atomic<std::uint32_t> extracting_ = 0;
  std::atomic<const char*> hook_ = nullptr;
};

}  // namespace etl::inline v0::detail
