#pragma once
/// The transform and load of a pipeline, applied to batches.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
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
#include <etl/detail/batch.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/checkpointing.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/guard.hpp>
#include <etl/detail/load_gate.hpp>
#include <etl/detail/loading.hpp>
#include <etl/detail/rejecter.hpp>
#include <etl/detail/traits.hpp>
#include <etl/detail/work.hpp>
#include <etl/detail/worker_slot.hpp>
#include <etl/options.hpp>
#include <etl/out.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Runs batches through one pipeline. Each worker slot has its own state, results and times; the
/// results of a batch that waits for its turn are parked at the gate. Thread-safe.
template <class P, class Tx = NoTransaction>
class PipelineStage final : public BatchProcessor<extracted_t<P>> {
 public:
  using E = extracted_t<P>;
  using T = loaded_t<P>;
  using W = worker_t<P>;
  static constexpr Takes takes = transform_takes<P, E, T>();

  PipelineStage(P& pipeline, const Options& options, const Environment& environment, std::size_t slots)
      : pipeline_(&pipeline),
        options_(&options),
        slots_(slots),
        gated_(is_gated(options, slots)),
        rejecter_(pipeline, options, environment),
        loading_(pipeline, options, rejecter_, slots),
        gate_(Loading<P, Tx>::concurrent ? options.max_concurrent_loads.value_or(slots) : 1,
              options.order == Order::Source) {
    for (Slot& slot : slots_) slot.work = new_work();
  }

  /// `progress` and `store` may be null; `run` is the id of this run.
  void attach(Batcher<E>& batcher, Executor executor = {}, Checkpointing* progress = nullptr,
              TransactionalStore<Tx>* store = nullptr, std::string run = {}) {
    batcher_ = &batcher;
    progress_ = progress;
    rejecter_.attach(batcher);
    loading_.attach(batcher, std::move(executor), progress, store, std::move(run));
  }
  /// Of user callables that wait.
  [[nodiscard]] const Waiter& waiter() const noexcept { return loading_.waiter(); }

  TimePoint process(Batch<E>* batch, std::uint32_t index, TimePoint begin) noexcept override {
    Slot& slot = slots_[index];
    Work& work = *slot.work;
    slot.queue.record(begin - batch->sealed);
    slot.at = begin;
    work.start(batch, begin);
    const bool ready = prepare(slot, *batch) && (batch->replayed || transform(slot, work));
    if (gated_) return pass_gate(slot, work, ready);
    finish(slot, work, ready);
    return slot.at;
  }

  void abandon_parked() noexcept override {
    for (Work* work = gate_.shut(); work != nullptr;) {
      Work* next = work->next;
      finish_abandoned(*work);
      give_back(work);
      work = next;
    }
  }

  [[nodiscard]] std::uint64_t bytes(std::span<const E> items) const noexcept override {
    if constexpr (HasBytes<P, E>) {
      std::uint64_t sum = 0;
      for (const E& item : items) sum += static_cast<std::uint64_t>(pipeline_->bytes(item));
      return sum;
    } else {
      return items.size_bytes();
    }
  }

  /// Times, once the batcher has finished.
  void report(RunReport& report) const { report_times(slots_, report); }
  /// Names of the stages with a user callable at work.
  void status(RunStatus& status) const { report_busy(slots_, status); }

 private:
  using Work = detail::Work<E, T>;
  using Slot = WorkerSlot<W, Work>;

  [[nodiscard]] static bool is_gated(const Options& options, std::size_t slots) {
    if (options.order == Order::Source) return options.mode == Mode::Parallel;
    return slots > 1 && (!Loading<P, Tx>::concurrent || options.max_concurrent_loads.value_or(slots) < slots);
  }

  // --- transform ------------------------------------------------------------------------------------
  [[nodiscard]] bool prepare(Slot& slot, const Batch<E>& batch) noexcept {
    if (slot.worker) return true;
    auto error = guarded([&]() -> std::optional<Error> {
      if constexpr (HasWorker<P>)
        // Built in place, movable or not. NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): `guarded` handles it
        slot.worker.reset(new W(std::as_const(*pipeline_).worker()));
      else
        slot.worker = std::make_unique<W>();
      return std::nullopt;
    });
    if (error) batcher_->fail(place(batch, Stage::Worker, std::move(*error)));
    return !error;
  }

  /// False when the batch is not to be loaded.
  [[nodiscard]] bool transform(Slot& slot, Work& work) noexcept {
    if constexpr (takes == Takes::Nothing) return true;
    slot.busy.store(Busy::Transform, std::memory_order_relaxed);
    bool ok = true;
    if constexpr (takes == Takes::Span) {
      if (auto error = guarded([&] {
            return error_of(
                [&] { return call_transform(std::as_const(*pipeline_), *slot.worker, work.batch->items()); });
          })) {
        ok = rejecter_.is_rejection(*error) ? reject_all(work, *error)
                                            : fail(*work.batch, Stage::Transform, std::move(*error));
      }
    } else if constexpr (takes != Takes::Nothing) {
      ok = transform_items(slot, work);
    }
    slot.busy.store(Busy::No, std::memory_order_relaxed);
    const TimePoint end = batcher_->now();
    slot.transform.record(end - slot.at);
    slot.at = end;
    return ok;
  }

  [[nodiscard]] bool transform_items(Slot& slot, Work& work) noexcept {
    const std::uint32_t n = work.batch->size();
    std::uint32_t i = 0;
    while (i < n) {  // once, and once more for each exception
      auto error = guarded([&]() -> std::optional<Error> {
        work.out.reserve(n);
        for (; i < n; ++i)
          if (auto failed = transform_item(slot, work, i)) return failed;
        return std::nullopt;
      });
      if (!error) break;
      if (!rejecter_.is_rejection(*error)) return fail_item(work, i, std::move(*error));
      work.reject_item(i++, std::move(*error));
    }
    return work.rejections.empty() || rejecter_.settle_transform(work);
  }
  [[nodiscard]] bool reject_all(Work& work, const Error& error) noexcept {
    for (std::uint32_t i = 0; i < work.batch->size(); ++i) work.reject_item(i, error);
    return rejecter_.settle_transform(work);
  }

  /// An error that rejects or fails the item. Results of an item that ends so are taken back.
  ETLPIPE_ALWAYS_INLINE std::optional<Error> transform_item(Slot& slot, Work& work, std::uint32_t i) {
    Out<T>& out = work.out;
    const P& pipeline = *pipeline_;
    auto& item = static_cast<E&>(work.batch->buffer->slots.data()[work.batch->begin + i]);
    work.mark = out.count();
    if constexpr (TransformCallable<const P, W, item_t<takes, E>, Out<T>&>) {
      auto error =
          error_of([&] { return call_transform(pipeline, *slot.worker, static_cast<item_t<takes, E>>(item), out); });
      if (error) [[unlikely]]
        return error;
      if (out.is_rejected()) [[unlikely]]
        return out.take_rejection(work.mark);
    } else {
      put(out, call_transform(pipeline, *slot.worker, static_cast<item_t<takes, E>>(item)));
      if (out.is_rejected()) [[unlikely]]
        return out.take_rejection(work.mark);
    }
    if (out.count() != work.mark + 1) [[unlikely]]
      work.note_count(i, out.count() - work.mark);
    return std::nullopt;
  }
  template <class R>
  ETLPIPE_ALWAYS_INLINE static void put(Out<T>& out, R&& result) {
    using Plain = std::remove_cvref_t<R>;
    if constexpr (std::is_same_v<Plain, Result<T>> && !std::is_same_v<T, Result<T>>) {
      if (result)
        out.push(std::move(*result));
      else
        out.reject(std::move(result.error()));
    } else if constexpr (std::is_same_v<Plain, std::optional<T>>) {
      if (result) out.push(std::move(*result));
    } else {
      out.push(std::forward<R>(result));
    }
  }

  // --- load -----------------------------------------------------------------------------------------
  TimePoint pass_gate(Slot& slot, Work& work, bool ready) noexcept {
    work.ready = ready;
    const TimePoint transformed = slot.at;
    switch (gate_.enter(&work)) {
      case LoadGate<Work>::Turn::Parked:
        slot.work.release();  // the gate has it
        slot.work = spare_work();
        return transformed;
      case LoadGate<Work>::Turn::Abandon: finish_abandoned(work); return transformed;
      case LoadGate<Work>::Turn::Load: break;
    }
    for (Work* current = &work; current != nullptr;) {
      finish(slot, *current, current->ready);
      Work* next = gate_.leave(*current);
      if (current != &work) give_back(current);
      if (next != nullptr) slot.at = batcher_->now();
      current = next;
    }
    return slot.at;
  }

  void finish(Slot& slot, Work& work, bool ready) noexcept {
    if (ready && work.batch->replayed) return batcher_->settle(work.batch, work.ledger()), work.clear();
    if (!ready || batcher_->dead()) return finish_abandoned(work);
    slot.busy.store(Busy::Load, std::memory_order_relaxed);
    loading_(static_cast<std::uint32_t>(&slot - slots_.data()), *slot.worker, work, slot.at);
    slot.busy.store(Busy::No, std::memory_order_relaxed);
    const TimePoint end = batcher_->now();
    slot.load.record(end - slot.at);
    slot.at = end;
    batcher_->settle(work.batch, work.ledger(), end - work.began);
    work.clear();
  }
  void finish_abandoned(Work& work) noexcept {
    work.lose();
    if (options_->errors.dead_letters || progress_ != nullptr) work.lose_rejections();
    batcher_->settle(work.batch, work.ledger());
    work.clear();
  }

  // --- failures ---------------------------------------------------------------------------------------
  bool fail(const Batch<E>& batch, Stage stage, Error error) noexcept {
    batcher_->fail(place(batch, stage, std::move(error)));
    return false;
  }
  bool fail_item(Work& work, std::uint32_t item, Error error) noexcept {
    ErrorRecord record = place(*work.batch, Stage::Transform, std::move(error));
    record.first_seq = record.last_seq = work.batch->first_seq + item;
    batcher_->fail(std::move(record));
    return false;
  }

  // --- results on their way ----------------------------------------------------------------------------
  [[nodiscard]] std::unique_ptr<Work> new_work() { return std::make_unique<Work>(); }
  [[nodiscard]] std::unique_ptr<Work> spare_work() {
    const std::lock_guard lock(spare_mutex_);
    if (spare_.empty()) return new_work();
    std::unique_ptr<Work> work = std::move(spare_.back());
    spare_.pop_back();
    return work;
  }
  void give_back(Work* work) {
    const std::lock_guard lock(spare_mutex_);
    spare_.emplace_back(work);
  }

  P* const pipeline_;
  const Options* const options_;
  Batcher<E>* batcher_ = nullptr;
  Checkpointing* progress_ = nullptr;
  std::vector<Slot> slots_;
  const bool gated_;
  Rejecter<P> rejecter_;
  Loading<P, Tx> loading_;
  LoadGate<Work> gate_;
  std::mutex spare_mutex_;
  std::vector<std::unique_ptr<Work>> spare_;
};

}  // namespace etl::inline v0::detail
