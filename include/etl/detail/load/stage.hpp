#pragma once
/// The transform and load of a pipeline, applied to batches.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/load/load_gate.hpp>
#include <etl/detail/load/loading.hpp>
#include <etl/detail/load/lost_teller.hpp>
#include <etl/detail/load/rejecter.hpp>
#include <etl/detail/load/shared_transform.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/load/worker_slot.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/progress/checkpointing.hpp>
#include <etl/detail/progress/retries.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/run_control.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Runs batches through one pipeline. Each worker slot has its own state, results and times. A batch that waits for
/// its turn is parked at the gate with its results. Thread-safe.
class PipelineStage final : public BatchProcessor, private WhileWaiting {
 public:
  /// `progress` may be null; `run` is the id of this run. `lost` may be null; it is only for stages without transform.
  PipelineStage(StageCalls& calls, const Options& options, const Environment& environment, std::size_t slots,
                Batcher& batcher, const Executor& executor = {}, Checkpointing* progress = nullptr,
                const std::string& run = {}, LostItems* lost = nullptr)
      : calls_(calls),
        traits_(calls.traits()),
        options_(&options),
        name_(environment.name),
        batcher_(batcher),
        control_(batcher.control()),
        progress_(progress),
        slots_(slots),
        lanes_(lanes_of(traits_, options, slots)),
        gated_(is_gated(traits_, options, slots)),
        rejecter_(calls, options, environment, control_),
        retries_(options, environment.name, executor),
        lost_(lost, traits_.item),
        loading_(calls, options, rejecter_, retries_, slots, control_, executor, progress, run),
        gate_(traits_.concurrent ? options.max_concurrent_loads.value_or(slots) : 1, options.order != Order::None) {
    if (lanes_ > 1) loading_.while_waiting(this);
    if (progress != nullptr) progress->tell(retries_);
    batcher.set_processor(*this);
  }

  TimePoint process(Batch* batch, std::uint32_t index, TimePoint begin) noexcept override {
    Slot& slot = slots_[index];
    slot.queue.record(begin - batch->sealed);
    slot.at = begin;
    check();
    if (!ready_to_work(slot, *batch)) return abandon(batch), begin;
    if (lanes_ > 1) return process_by_key(slot, batch);
    Work& work = *slot.work;
    work.start(batch, begin);
    const bool ready = prepare(slot, *batch) && (batch->skipped || transform(slot, work));
    if (!gated_) {
      finish(slot, work, ready);
    } else if (!pass_gate(slot, work, ready)) {
      [[maybe_unused]] Work* const parked = slot.work.release();  // it belongs to the gate now
    }
    return slot.at;
  }

  void abandon_parked() noexcept override {
    for (Work* work = gate_.shut(); work != nullptr;) {
      Work* next = work->next;
      finish_abandoned(*work, Tell::AtTheEnd);
      give_back(work);
      work = next;
    }
  }

  [[nodiscard]] std::uint64_t bytes(const void* items, std::uint32_t first, std::uint32_t count) noexcept override {
    if (traits_.has_bytes) {
      std::uint64_t sum = 0;
      auto error = guarded([&]() -> std::optional<Error> {
        sum = calls_.bytes(items, first, count);
        return std::nullopt;
      });
      if (!error) [[likely]]
        return sum;
      const std::lock_guard lock(spare_mutex_);
      if (!unweighed_) unweighed_ = std::move(error);
      weighing_failed_.store(true, std::memory_order_release);
    }
    return std::uint64_t{count} * traits_.item.size;
  }
  [[nodiscard]] bool unweighed() const noexcept override { return weighing_failed_.load(std::memory_order_acquire); }
  void check() noexcept override {
    if (!unweighed()) [[likely]]
      return;
    std::optional<Error> error;
    {
      const std::lock_guard lock(spare_mutex_);
      error.swap(unweighed_);
      weighing_failed_.store(false, std::memory_order_release);
    }
    if (!error) return;
    control_.fail({.error = std::move(*error), .stage = Stage::Extract});
  }
  [[nodiscard]] bool wants_lost() const noexcept override { return lost_.wanted(); }
  void lost(const Batch& batch) noexcept override { lost_.tell(control_, batch); }
  [[nodiscard]] LostTeller& lost_items() noexcept { return lost_; }
  void on_time(TimePoint now) noexcept override { loading_.save_if_due(now); }

  /// Tells `on_batch` of the batches that it has not heard of yet, and adds the times of the stages to the report. Call
  /// it after the batcher has finished.
  void report(RunReport& report) noexcept {
    for (const SettledBatch& batch : untold_)
      if (auto error = call_on_batch(batch)) {
        if (report.outcome != Outcome::Inconsistent) report.outcome = Outcome::Failed;
        report.add_error({.error = std::move(*error), .pipeline = report.pipeline, .stage = Stage::Manage});
      }
    report_times(slots_, report);
  }
  /// Adds the names of the stages with a user callable at work, and the operations that are being retried.
  void status(RunStatus& status) const {
    report_busy(slots_, status);
    retries_.status(status, control_.now());
  }

 private:
  using Slot = WorkerSlot;

  [[nodiscard]] static bool is_gated(const StageTraits& traits, const Options& options, std::size_t slots) {
    if (options.order != Order::None) return options.mode == Mode::Parallel;
    return slots > 1 && (!traits.concurrent || options.max_concurrent_loads.value_or(slots) < slots);
  }

  /// Number of lanes for `Order::ByKey`. There are more lanes than loads at once, so that few keys share a lane with a
  /// key whose load is being retried. There is one lane if loads take turns anyway, or if a batch must stay whole:
  /// source order then keeps the order of each key.
  [[nodiscard]] static std::uint32_t lanes_of(const StageTraits& traits, const Options& options, std::size_t slots) {
    const bool whole = !traits.concurrent || traits.with != LoadWith::Nothing || traits.takes == Takes::Span;
    if (options.order != Order::ByKey || !traits.has_key || options.mode == Mode::Fused || whole) return 1;
    return static_cast<std::uint32_t>(4 * slots);
  }

  // --- by key ---------------------------------------------------------------------------------------
  /// Splits the batch into one part per lane. Each lane gets a part, even an empty one, because the gate counts the
  /// parts of a lane to know whose turn it is.
  TimePoint process_by_key(Slot& slot, Batch* batch) noexcept {
    std::vector<std::unique_ptr<Work>> parts;
    auto error = guarded([&]() -> std::optional<Error> {
      const auto split = std::make_shared<Split>(lanes_);
      for (std::uint32_t lane = 0; lane < lanes_; ++lane) {
        parts.push_back(spare_work());
        parts.back()->start_part(batch, slot.at, split, lane, lanes_);
      }
      std::vector<std::size_t> hashes(batch->size());
      calls_.hash_keys(*batch, hashes);
      for (std::uint32_t i = 0; i < hashes.size(); ++i) parts[hashes[i] % lanes_]->which.push_back(i);
      return std::nullopt;
    });
    if (error) {
      for (std::unique_ptr<Work>& part : parts) part->clear();
      fail(*batch, Stage::Transform, std::move(*error));
      return abandon(batch), slot.at;
    }
    const bool ready = prepare(slot, *batch);
    for (std::unique_ptr<Work>& part : parts) {
      Work* const work = part.release();
      work->ready = ready && (batch->skipped || transform(slot, *work));
      if (at_gate(*work, [&] { return gate_.add(work); })) continue;
      finish_abandoned(*work);
      give_back(work);
    }
    load_ready(slot);
    return slot.at;
  }
  /// Asks the gate with `ask`. If the gate has no memory for the lane, this fails the run and returns false.
  template <class F>
  [[nodiscard]] bool at_gate(const Work& work, F&& ask) noexcept {
    bool taken = false;
    auto error = guarded([&]() -> std::optional<Error> {
      taken = ask();
      return std::nullopt;
    });
    return error ? fail(*work.batch, Stage::Load, std::move(*error)) : taken;
  }
  /// Loads the works whose turn has come.
  void load_ready(Slot& slot) noexcept {
    for (Work* work = gate_.take(); work != nullptr;) {
      slot.at = control_.now();
      finish(slot, *work, work->ready);
      Work* const next = gate_.leave(*work);
      give_back(work);
      work = next;
    }
  }
  /// Loads other works during a back-off. Such a load may also have to wait and then loads others in turn; the depth
  /// is limited, so that the stack does not overflow.
  void load_others(std::uint32_t index) override {
    constexpr std::uint32_t deepest = 8;
    Slot& slot = slots_[index];
    gate_.pause();
    if (slot.waiting == deepest) return;
    ++slot.waiting;
    load_ready(slot);
    --slot.waiting;
  }
  [[nodiscard]] bool go_on(bool always) override { return gate_.resume(always); }

  // --- transform ------------------------------------------------------------------------------------
  [[nodiscard]] bool prepare(Slot& slot, const Batch& batch) noexcept {
    if (slot.worker) return true;
    auto error = guarded([&]() -> std::optional<Error> {
      slot.worker = calls_.make_worker();
      return std::nullopt;
    });
    if (error) control_.fail(place(batch, Stage::Worker, std::move(*error)));
    return !error;
  }

  /// Returns false if the batch must not be loaded.
  [[nodiscard]] bool transform(Slot& slot, Work& work) noexcept {
    if (auto error = loading_.weigh(work)) return fail(*work.batch, Stage::Load, std::move(*error));
    if (traits_.takes == Takes::Nothing && !work.split) return true;
    slot.busy.store(Busy::Transform, std::memory_order_relaxed);
    bool ok = true;
    auto escaped = guarded([&]() -> std::optional<Error> {
      ok = traits_.takes == Takes::Span ? transform_batch(slot, work) : transform_items(slot, work);
      return std::nullopt;
    });
    if (escaped) ok = fail(*work.batch, Stage::Transform, std::move(*escaped));
    slot.busy.store(Busy::No, std::memory_order_relaxed);
    const TimePoint end = control_.now();
    slot.transform.record(end - slot.at);
    slot.quick = end - slot.at < worth_sharing;
    slot.at = end;
    return ok;
  }

  [[nodiscard]] bool transform_batch(Slot& slot, Work& work) {
    auto error = guarded([&] { return calls_.transform_batch(*slot.worker, *work.batch, control_.user_stop()); });
    if (!error) return true;
    return rejecter_.is_rejection(*error) ? reject_all(work, *error)
                                          : fail(*work.batch, Stage::Transform, std::move(*error));
  }
  [[nodiscard]] bool transform_items(Slot& slot, Work& work) {
    const std::uint32_t n = work.size();
    // If the last batch was quick, this one is transformed in one go, without looking at the time between items.
    const bool at_once = slot.quick || n == 1 || slots_.size() == 1 || work.split || !traits_.joins_results;
    std::optional<FailedItem> failed;
    for (std::uint32_t done = 0, step = at_once ? n : 1; done < n && !failed;) {
      const std::uint32_t end = done + std::min(step, n - done);
      failed = transform_range(slot, work, done, end);
      done = end;
      if (failed || done == n) break;
      const std::chrono::nanoseconds cost = (control_.now() - slot.at) / done;
      if (n - done > 1 && cost * (n - done) >= worth_sharing && batcher_.has_idle_worker()) {
        failed = transform_shared(slot, work, done, cost);
        break;
      }
      if (cost * step < worth_sharing) step *= 2;  // later, this looks for idle workers every millisecond or two
    }
    if (failed) return fail_item(work, failed->item, std::move(failed->error));
    if (auto error = calls_.transformed(work)) return fail(*work.batch, Stage::Transform, std::move(*error));
    return work.rejections.empty() || rejecter_.settle_transform(work);
  }
  [[nodiscard]] std::optional<FailedItem> transform_range(Slot& slot, Work& work, std::uint32_t i, std::uint32_t end) {
    while (i < end) {  // runs once, and once more for each exception
      auto error = guarded([&] { return calls_.transform_items(*slot.worker, work, i, end, control_.user_stop()); });
      if (!error) break;
      if (!rejecter_.is_rejection(*error)) return FailedItem{i, std::move(*error)};
      work.reject_item(i++, std::move(*error));
    }
    return std::nullopt;
  }
  /// Transforms the items from `first` on with the help of idle workers. The results are the same as with one worker,
  /// except that items after a failed item may have been transformed too.
  [[nodiscard]] std::optional<FailedItem> transform_shared(Slot& slot, Work& work, std::uint32_t first,
                                                           std::chrono::nanoseconds cost) {
    SharedTransform shared(first, work.size(), slots_.size(), cost,
                           [&](std::uint32_t index, TransformPart& part) { transform_part(index, *work.batch, part); });
    const auto index = static_cast<std::uint32_t>(&slot - slots_.data());
    batcher_.offer(shared);
    while (shared.share(index)) {}
    batcher_.withdraw(shared);
    std::optional<FailedItem> failed;
    for (TransformPart& part : shared.parts()) {
      if (!failed && part.failed) failed = std::move(part.failed);
      if (!part.work) continue;
      if (!failed) {
        work.results->join(*part.work->results);
        work.join(*part.work);
      }
      part.work->clear();
      give_back(part.work.release());
    }
    return failed ? std::move(failed) : std::move(shared.failed());
  }
  /// Transforms a part as worker `index`, which has begun no batch.
  void transform_part(std::uint32_t index, Batch& batch, TransformPart& part) {
    Slot& slot = slots_[index];
    const bool helps = slot.busy.load(std::memory_order_relaxed) == Busy::No;
    if (!slot.worker) slot.worker = calls_.make_worker();
    part.work = spare_work();
    part.work->start(&batch, slot.at);
    if (helps) slot.busy.store(Busy::Transform, std::memory_order_relaxed);
    part.failed = transform_range(slot, *part.work, part.first, part.end);
    if (helps) slot.busy.store(Busy::No, std::memory_order_relaxed);
  }
  [[nodiscard]] bool reject_all(Work& work, const Error& error) {
    for (std::uint32_t i = 0; i < work.size(); ++i) work.reject_item(i, error);
    return rejecter_.settle_transform(work);
  }

  // --- load -----------------------------------------------------------------------------------------
  /// Returns false if the gate has taken the work.
  [[nodiscard]] bool pass_gate(Slot& slot, Work& work, bool ready) noexcept {
    using Turn = LoadGate::Turn;
    work.ready = ready;
    Turn turn = Turn::Abandon;
    static_cast<void>(at_gate(work, [&] { return turn = gate_.enter(&work), true; }));
    if (turn == Turn::Parked) return false;
    if (turn == Turn::Abandon) return finish_abandoned(work), true;
    for (Work* current = &work; current != nullptr;) {
      finish(slot, *current, current->ready);
      Work* next = gate_.leave(*current);
      if (current != &work) give_back(current);
      if (next != nullptr) slot.at = control_.now();
      current = next;
    }
    return true;
  }

  /// When `on_batch` is told of a batch. At the end of the run, if the batch is abandoned on the thread that asked for
  /// that end: it may hold the locks that `on_batch` needs, or be within `on_batch`.
  enum class Tell : bool { AtTheEnd, Now };

  void finish(Slot& slot, Work& work, bool ready) noexcept {
    if (ready && work.batch->skipped) return settle(work);
    if (!ready || control_.dead()) return finish_abandoned(work);
    slot.busy.store(Busy::Load, std::memory_order_relaxed);
    loading_(static_cast<std::uint32_t>(&slot - slots_.data()), *slot.worker, work, slot.at);
    slot.busy.store(Busy::No, std::memory_order_relaxed);
    const TimePoint end = control_.now();
    slot.load.record(end - slot.at);
    slot.at = end;
    settle(work, end - work.began);
  }
  void finish_abandoned(Work& work, Tell when = Tell::Now) noexcept {
    work.lose();
    if (options_->errors.dead_letters || progress_ != nullptr) work.lose_rejections();
    settle(work, {}, when);
  }
  void settle(Work& work, std::chrono::nanoseconds cost = {}, Tell when = Tell::Now) noexcept {
    Batch* const batch = work.batch;
    lost_.tell(control_, work);
    BatchLedger ledger = work.ledger();
    work.results->truncate(0);  // first, because results may point into memory that the batch's chunks keep
    if (work.split) {
      const auto whole = work.split->add(ledger);
      if (!whole) return work.clear();
      ledger = *whole;
      if (!batch->skipped && ledger.items.abandoned == 0 && ledger.results.in_doubt == 0)
        loading_.settled(*batch, control_.now());
    }
    tell(*batch, ledger, when);
    batcher_.settle(batch, ledger, cost);
    work.clear();
  }

  // --- failures ---------------------------------------------------------------------------------------
  /// Abandons a batch that was not begun.
  void abandon(Batch* batch) noexcept {
    lost_.tell(control_, *batch);
    BatchLedger ledger;
    ledger.items.abandoned = batch->size();
    tell(*batch, ledger);
    batcher_.settle(batch, ledger);
  }
  /// Tells `Options::on_batch`. An exception fails the run, but the outcome of the batch does not change.
  void tell(const Batch& batch, const BatchLedger& ledger, Tell when = Tell::Now) noexcept {
    if (!options_->on_batch) [[likely]]
      return;
    SettledBatch settled{.pipeline = name_,
                         .batch = batch.number,
                         .partition = batch.partition,
                         .first_seq = batch.first_seq,
                         .items = ledger.items,
                         .results = ledger.results,
                         .latency = control_.now() - batch.sealed};
    settled.items.extracted = batch.size();
    auto error = when == Tell::Now ? call_on_batch(settled) : guarded([&]() -> std::optional<Error> {
      const std::lock_guard lock(spare_mutex_);
      untold_.push_back(settled);
      return std::nullopt;
    });
    if (error) control_.fail(place(batch, Stage::Manage, std::move(*error)));
  }
  [[nodiscard]] std::optional<Error> call_on_batch(const SettledBatch& settled) noexcept {
    auto error = guarded([&]() -> std::optional<Error> {
      const std::lock_guard lock(telling_);
      options_->on_batch(settled);
      return std::nullopt;
    });
    if (!error) return std::nullopt;
    return guarded([&]() -> std::optional<Error> {
      Error told = fatal("on_batch has failed");
      told.cause = std::make_shared<const Error>(std::move(*error));
      return told;
    });
  }
  bool fail(const Batch& batch, Stage stage, Error error) noexcept {
    control_.fail(place(batch, stage, std::move(error)));
    return false;
  }
  bool fail_item(Work& work, std::uint32_t item, Error error) noexcept {
    ErrorRecord record = place(*work.batch, Stage::Transform, std::move(error));
    record.first_seq = record.last_seq = work.batch->first_seq + work.at(item);
    control_.fail(std::move(record));
    return false;
  }

  // --- results on their way ----------------------------------------------------------------------------
  /// Gives the slot a new work if the gate has taken its last one.
  [[nodiscard]] bool ready_to_work(Slot& slot, const Batch& batch) noexcept {
    if (slot.work) [[likely]]
      return true;
    auto error = guarded([&]() -> std::optional<Error> {
      slot.work = spare_work();
      return std::nullopt;
    });
    return !error || fail(batch, Stage::Worker, std::move(*error));
  }
  [[nodiscard]] std::unique_ptr<Work> spare_work() {
    const std::lock_guard lock(spare_mutex_);
    if (spare_.empty()) return std::make_unique<Work>(calls_.make_results());
    std::unique_ptr<Work> work = std::move(spare_.back());
    spare_.pop_back();
    return work;
  }
  void give_back(Work* used) noexcept {
    std::unique_ptr<Work> work(used);
    static_cast<void>(guarded([&]() -> std::optional<Error> {  // no memory: this work is freed, not reused
      const std::lock_guard lock(spare_mutex_);
      spare_.push_back(std::move(work));
      return std::nullopt;
    }));
  }

  /// If the transforms of a batch take less than this, waking another worker does not pay.
  static constexpr std::chrono::nanoseconds worth_sharing = std::chrono::milliseconds(1);

  StageCalls& calls_;
  const StageTraits& traits_;
  const Options* const options_;
  const std::string& name_;
  Batcher& batcher_;
  RunControl& control_;
  Checkpointing* const progress_;
  std::vector<Slot> slots_;
  const std::uint32_t lanes_;
  const bool gated_;
  Rejecter rejecter_;
  Retries retries_;
  LostTeller lost_;
  Loading loading_;
  LoadGate gate_;
  std::mutex telling_;  // one call of `on_batch` at a time
  std::mutex spare_mutex_;
  std::vector<std::unique_ptr<Work>> spare_;
  std::vector<SettledBatch> untold_;  // those of which `on_batch` hears at the end; guarded by `spare_mutex_`
  std::optional<Error> unweighed_;    // the exception of `bytes`; guarded by `spare_mutex_`
  std::atomic<bool> weighing_failed_ = false;
};

}  // namespace etl::inline v0::detail
