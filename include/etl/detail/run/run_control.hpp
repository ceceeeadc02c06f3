#pragma once
/// How a run ends: its counts and errors, the budget of rejects, failures, stops, and the deadline.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/dispatch/scheduler.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/tally.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// What a run's control ends: the way of the batches.
class Controlled {
 public:
  Controlled() = default;
  Controlled(const Controlled&) = delete;
  Controlled& operator=(const Controlled&) = delete;
  virtual ~Controlled() = default;
  /// Takes no further items, and gives open batches to the workers. Called under the lock, which it may release for a
  /// while.
  virtual void refuse_intake(Scheduler::Lock& lock) = 0;
  /// The same where the lock cannot be released: open batches stay open.
  virtual void refuse_intake_soon() noexcept = 0;
  /// Abandons these batches, which are in no queue any more, and those that are parked. Called without the lock.
  virtual void abandon_waiting(BatchQueue& dropped) noexcept = 0;
  /// Whether there are items that were not loaded only because time ran out: their producer has not come back yet. It
  /// is running a batch in fused mode, or is saving progress at the end of its source. Called under the lock.
  [[nodiscard]] virtual bool has_open_items() const noexcept = 0;
  /// Makes the timer look again at `due` at the latest. Called under the lock.
  virtual void arm_timer(TimePoint due) noexcept = 0;
};

/// Decides how a run ends. Its state is guarded by the scheduler's lock. Thread-safe, except for the calls under the
/// lock, which say so.
class RunControl final : public Watch {
 public:
  using Lock = Scheduler::Lock;

  /// The arguments must outlive this object.
  RunControl(const Options& options, const Environment& environment, Scheduler& scheduler, Controlled& run)
      : options_(options), environment_(environment), scheduler_(scheduler), run_(run) {
    // So that the report can still name an error when memory runs out.
    tally_.errors.reserve(RunReport::max_errors + 1);
  }

  // --- tokens and times ---------------------------------------------------------------------------------
  [[nodiscard]] TimePoint now() const noexcept { return scheduler_.now(); }
  /// Stopped when no further item is taken.
  [[nodiscard]] std::stop_token intake_stop() const noexcept { return intake_stop_.get_token(); }
  /// The stop token of user callables. It is stopped at the second level of a stop, and at the drain deadline (G10).
  [[nodiscard]] const std::stop_token& user_stop() const noexcept { return user_token_; }
  /// Stopped when nothing more will be loaded, also after a failure. It ends every wait of a load (G4).
  [[nodiscard]] const std::stop_token& dead_stop() const noexcept { return dead_token_; }
  /// Whether the run loads nothing more.
  [[nodiscard]] bool dead() const noexcept { return dead_.load(std::memory_order_acquire); }
  /// The time at which the rest is abandoned: `TimePoint::max()` before intake has ended, and without
  /// `drain_deadline`.
  [[nodiscard]] TimePoint deadline() {
    const Lock lock(scheduler_.mutex());
    return deadline_;
  }
  /// Called by threads that wait in a load or a save: no other thread may be free to enforce the deadline.
  [[nodiscard]] TimePoint look() noexcept override {
    Lock lock(scheduler_.mutex());
    if (!abandoned_ && !scheduler_.finished() && now() >= deadline_) pass_deadline(lock);
    return abandoned_ || scheduler_.finished() ? TimePoint::max() : deadline_;
  }
  /// Makes the timer call `BatchProcessor::on_time` at `due`.
  void call_at(TimePoint due) noexcept {
    Lock lock(scheduler_.mutex());
    called_for_ = std::min(called_for_, due);
    run_.arm_timer(due);
    end_if_failed(lock);
  }

  // --- rejects and errors -------------------------------------------------------------------------------
  /// Draws one item from the budget of rejects. If that exceeds the budget, returns the reason.
  [[nodiscard]] std::optional<std::string> draw_reject() {
    const Lock lock(scheduler_.mutex());
    return tally_.draw_reject(options_.errors);
  }
  /// Gives back the budget of rejects that a later attempt has loaded.
  void give_rejects_back(std::uint64_t count) {
    const Lock lock(scheduler_.mutex());
    tally_.rejects -= count;
  }
  /// Counts an error that does not stop the run.
  void note(ErrorRecord record) noexcept {
    const Lock lock(scheduler_.mutex());
    keep(std::move(record), false);
  }
  /// The first failure stops the run: queued batches are dropped and counted, and a blocked push returns (G4).
  void fail(ErrorRecord record) noexcept {
    Lock lock(scheduler_.mutex());
    keep(std::move(record), !tally_.failed);
    tally_.failed = true;
    die(lock);
  }
  /// The same, unless the operation has only been ended because the run ends: then its error is noted.
  void fail_unless_ending(ErrorRecord record) noexcept {
    if (dead() && record.error.error_class == ErrorClass::Transient)
      note(std::move(record));
    else
      fail(std::move(record));
  }
  /// The same, unless a stop was requested: then a transient error is noted, because the stop has ended the attempts of
  /// the operation, and the run is cancelled (G10).
  void fail_unless_stopped(ErrorRecord record) noexcept {
    if (record.error.error_class == ErrorClass::Transient && stop_requested())
      note(std::move(record));
    else
      fail(std::move(record));
  }
  /// The reason why abandoned items are not loaded.
  [[nodiscard]] Error end_reason() noexcept {
    Error reason = fatal("");
    static_cast<void>(guarded([&]() -> std::optional<Error> {
      const Lock lock(scheduler_.mutex());
      if (tally_.failed && !tally_.errors.empty())
        reason = tally_.errors.front().error;
      else
        reason.context = tally_.deadline_passed ? "the drain deadline has passed" : "stopped before it was loaded";
      return std::nullopt;
    }));
    return reason;
  }

  // --- stops and the end --------------------------------------------------------------------------------
  /// Handles a stop at level 1, drain (G10).
  void request_drain() {
    Lock lock(scheduler_.mutex());
    if (scheduler_.finished() || std::exchange(stop_requested_, true)) return;
    tally_.cancelled = !intake_ended_ && !sources_ended_;
    refuse_intake(lock);
  }
  /// Handles a stop at level 2, abandon (G10).
  void request_abandon() {
    Lock lock(scheduler_.mutex());
    if (std::exchange(abandoned_, true)) return;
    if (!scheduler_.finished()) {
      tally_.cancelled = tally_.cancelled || !intake_ended_ || scheduler_.in_flight() > 0;
      stop_requested_ = true;
      die(lock);
    }
    scheduler_.outside(lock, [this] { user_stop_.request_stop(); });  // also ends the waits of the last save
  }
  /// The source has reached its end, or extraction has given up.
  void end_intake() {
    const Lock lock(scheduler_.mutex());
    intake_ended_ = true;
  }
  /// All sources have reached their ends: the drain deadline starts now (G9), before `end_intake`, and a later drain no
  /// longer makes the run Cancelled.
  void begin_deadline() noexcept {
    const Lock lock(scheduler_.mutex());
    sources_ended_ = true;
    start_deadline();
  }
  /// Ends intake, and flushes what is open.
  void close() {
    Lock lock(scheduler_.mutex());
    intake_ended_ = true;
    if (!std::exchange(closed_, true)) refuse_intake(lock);
  }
  [[nodiscard]] bool stop_requested() noexcept {
    const Lock lock(scheduler_.mutex());
    return stop_requested_;
  }
  [[nodiscard]] bool intake_refused() {
    const Lock lock(scheduler_.mutex());
    return refusing();
  }

  // --- under the lock -----------------------------------------------------------------------------------
  [[nodiscard]] Tally& tally() noexcept { return tally_; }
  [[nodiscard]] bool refusing() const noexcept { return closed_ || stop_requested_ || tally_.failed; }
  /// Whether a batch that is sealed now will be loaded.
  [[nodiscard]] bool loads() const noexcept {
    // After `fail_soon` the run has failed but is not yet dead, and items of the batch may have been moved away.
    return !dead() && !tally_.failed;
  }
  /// Arms the timer for the deadline of what is dispatched: `start_deadline` does not if nothing was in flight.
  void remind_of_deadline() noexcept {
    if (deadline_ != TimePoint::max()) run_.arm_timer(deadline_);
  }
  void keep(ErrorRecord record, bool decides) noexcept { tally_.keep(std::move(record), environment_.name, decides); }
  /// Fails the run where the lock cannot be released. Intake ends now; `end_if_failed` or `finish` does the rest.
  void fail_soon(ErrorRecord record) noexcept {
    keep(std::move(record), !tally_.failed);
    tally_.failed = true;
    run_.refuse_intake_soon();
    scheduler_.notify();
  }
  /// Ends the run after `fail_soon`: a source that waits for its stop token must be told.
  void end_if_failed(Lock& lock) {
    if (tally_.failed && !scheduler_.finished()) die(lock);
  }
  /// Does what is due at `time`. Returns when to look again, or nothing if the deadline has passed just now.
  [[nodiscard]] std::optional<TimePoint> on_timer(Lock& lock, TimePoint time) {
    if (!abandoned_ && time >= deadline_) return pass_deadline(lock), std::nullopt;
    return abandoned_ ? TimePoint::max() : deadline_;
  }
  /// Whether the time of `call_at` has come, which is then forgotten; otherwise `next` becomes that time at the latest.
  [[nodiscard]] bool take_call(TimePoint time, TimePoint& next) noexcept {
    const bool called = called_for_ <= time;
    if (called) called_for_ = TimePoint::max();
    next = std::min(next, called_for_);
    return called;
  }
  /// Waits, and runs batches meanwhile, until every batch is settled and no task uses the processor.
  void await_quiet(Lock& lock) {
    const Scheduler::Ending ending(scheduler_);
    while (!scheduler_.quiet() || (tally_.failed && !dead())) {
      if (tally_.failed && !dead())
        die(lock);
      else if (!abandoned_ && now() >= deadline_)
        pass_deadline(lock);
      else
        scheduler_.help_or_wait(lock, abandoned_ ? TimePoint::max() : deadline_);
    }
  }
  /// Nothing happens after this. Later stops change nothing but the token of the last save.
  void finished() noexcept {
    scheduler_.finish();
    dead_.store(true, std::memory_order_release);
  }
  /// The counts at the end. `goes_on`: the run has continued an earlier one.
  [[nodiscard]] Tally result(bool goes_on) {
    if (tally_.failed || tally_.rejects == 0) return std::move(tally_);
    const bool part = tally_.cancelled || abandoned_ || goes_on;
    auto error = guarded([&]() -> std::optional<Error> {
      const auto problem = tally_.ratio_problem(options_.errors, part);
      if (!problem) return std::nullopt;
      return Error{.code = Errc::RejectBudget, .context = "reject budget exceeded (" + *problem + ")"};
    });
    if (error) {
      keep({.error = std::move(*error), .stage = Stage::Transform}, true);
      tally_.failed = true;
    }
    return std::move(tally_);
  }

 private:
  void refuse_intake(Lock& lock) {
    start_deadline();
    run_.refuse_intake(lock);
    scheduler_.outside(lock, [this] { intake_stop_.request_stop(); });
  }
  void start_deadline() {
    if (options_.drain_deadline == Options::never || deadline_ != TimePoint::max()) return;
    deadline_ = after(now(), options_.drain_deadline);
    if (scheduler_.in_flight() > 0 || !closed_) run_.arm_timer(deadline_);
  }
  void die(Lock& lock) {
    if (dead_.exchange(true, std::memory_order_acq_rel)) return;
    BatchQueue dropped = scheduler_.drop_queue();
    refuse_intake(lock);
    scheduler_.outside(lock, [&] {
      run_.abandon_waiting(dropped);
      dead_stop_.request_stop();
    });
    scheduler_.notify();
  }
  void pass_deadline(Lock& lock) {
    abandoned_ = true;
    tally_.deadline_passed = scheduler_.in_flight() > 0 || run_.has_open_items();
    die(lock);
    scheduler_.outside(lock, [this] { user_stop_.request_stop(); });
  }

  const Options& options_;
  const Environment& environment_;
  Scheduler& scheduler_;
  Controlled& run_;

  // The members below are guarded by the lock.
  Tally tally_;
  TimePoint deadline_ = TimePoint::max();
  TimePoint called_for_ = TimePoint::max();  // the time that `call_at` asked for
  bool closed_ = false;
  bool sources_ended_ = false;  // all sources have reached their ends, perhaps before `intake_ended_`
  bool intake_ended_ = false;
  bool stop_requested_ = false;
  bool abandoned_ = false;  // set by a stop or by the deadline

  std::atomic<bool> dead_ = false;  // failed or abandoned: nothing more is loaded
  std::stop_source intake_stop_;
  std::stop_source dead_stop_;
  const std::stop_token dead_token_ = dead_stop_.get_token();
  std::stop_source user_stop_;
  const std::stop_token user_token_ = user_stop_.get_token();
};

}  // namespace etl::inline v0::detail
