#pragma once
/// The load of a pipeline: attempts, isolation of bad results, transactions, dead letters (contract G5 to G7, G15,
/// G16).

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/rejecter.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/progress/checkpointing.hpp>
#include <etl/detail/progress/retries.hpp>
#include <etl/detail/run/run_control.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0::detail {

/// Work that a worker does in the back-off of a load.
class WhileWaiting {
 public:
  WhileWaiting() = default;
  WhileWaiting(const WhileWaiting&) = delete;
  WhileWaiting& operator=(const WhileWaiting&) = delete;
  virtual ~WhileWaiting() = default;
  virtual void load_others(std::uint32_t slot) = 0;
  /// Returns false if the load cannot continue yet. `always`: the load only wants to end.
  [[nodiscard]] virtual bool go_on(bool always) = 0;
};

/// Loads transformed batches and settles their items. Thread-safe for different slots.
class Loading {
 public:
  /// `progress` may be null.
  Loading(StageCalls& calls, const Options& options, Rejecter& rejecter, Retries& retries, std::size_t slots,
          RunControl& control, Executor executor, Checkpointing* progress, std::string run)
      : calls_(calls),
        traits_(calls.traits()),
        options_(options),
        rejecter_(rejecter),
        retries_(retries),
        control_(control),
        progress_(progress),
        run_(std::move(run)),
        waiter_(control.dead_stop(), std::move(executor), control, control.intake_stop()),
        sessions_(traits_.concurrent ? slots : 1) {}
  void while_waiting(WhileWaiting* what) noexcept { while_waiting_ = what; }

  /// Weighs the items for the rate limit, while they are still as they were extracted. An error of `bytes` says
  /// nothing about the items, so it is fatal, whatever `ErrorPolicy::unclassified` says.
  [[nodiscard]] std::optional<Error> weigh(Work& work) const {
    if (!options_.rate_limit || options_.delivery.dry_run) return std::nullopt;
    auto error = guarded([&]() -> std::optional<Error> {
      if (traits_.has_bytes) work.bytes = calls_.bytes(std::as_const(work));
      return std::nullopt;
    });
    if (!error) return std::nullopt;
    Error fatal_error = fatal("bytes() has failed");
    fatal_error.cause = std::make_shared<const Error>(std::move(*error));
    return fatal_error;
  }
  /// Records that everything of the batch is durable. For runs without a transactional store.
  void settled(Batch& batch, TimePoint now) noexcept {
    if (progress_ == nullptr || options_.delivery.dry_run) return;
    auto error = guarded([&]() -> std::optional<Error> {
      auto unsaved = progress_->settled(items_of(batch), now);
      if (const auto due = progress_->reminder()) control_.call_at(*due);
      return unsaved;
    });
    if (error) control_.fail_unless_ending(place(batch, Stage::Checkpoint, std::move(*error)));
  }
  /// Saves progress if no further batch is going to save it. Called by the timer.
  void save_if_due(TimePoint now) noexcept {
    if (progress_ == nullptr || control_.dead()) return;
    auto error = guarded([&]() -> std::optional<Error> {
      auto unsaved = progress_->save_if_due(now);
      if (const auto due = progress_->reminder(true)) control_.call_at(*due);  // other batches were settled meanwhile
      return unsaved;
    });
    if (error) control_.fail_unless_ending({.error = std::move(*error), .stage = Stage::Checkpoint});
  }
  /// Loads the results of a batch and determines what happened to its items. `work` gets the outcome; a failure has
  /// been reported.
  void operator()(std::uint32_t slot, WorkerState& worker, Work& work, TimePoint now) noexcept {
    const Part results = results_of(work);
    work.slot = slot;
    work.produced = results.size;
    if (options_.delivery.dry_run) {
      work.produced = 0;
      return;
    }
    auto escaped = guarded([&]() -> std::optional<Error> {
      if (traits_.with == LoadWith::Transaction)
        load_in_transaction(sessions_[traits_.concurrent ? slot : 0], worker, work, results, now);
      else
        load(worker, work, results, now);
      return std::nullopt;
    });
    if (!escaped) return;
    work.lose();  // for example, no memory was left to record which results are committed
    work.lose_rejections();
    control_.fail(place(*work.batch, Stage::Load, std::move(*escaped)));
  }

 private:
  using Session = std::unique_ptr<StoreConnection>;

  /// Waits between the attempts at one batch.
  struct Patience {
    const Waiter& waiter;
    WhileWaiting* meanwhile;
    std::uint32_t slot;
    [[nodiscard]] TimePoint now() const noexcept { return waiter.now(); }
    [[nodiscard]] bool stopped() const noexcept { return waiter.stopped(); }
    [[nodiscard]] bool wait_for(std::chrono::nanoseconds duration) const {
      if (meanwhile == nullptr) return waiter.wait_for(duration);
      const TimePoint begin = now();
      meanwhile->load_others(slot);
      bool good = waiter.wait_for(duration - std::min<std::chrono::nanoseconds>(duration, now() - begin));
      while (!meanwhile->go_on(!good)) good = waiter.wait_for(std::chrono::milliseconds(1));
      return good;
    }
  };
  [[nodiscard]] Patience patience(const Work& work) const noexcept { return {waiter_, while_waiting_, work.slot}; }

  /// Results of one call. `first` is the number of the first result in its batch, unless `where` has the number of
  /// each result.
  struct Part {
    std::byte* data = nullptr;
    std::uint32_t size = 0;
    std::uint32_t first = 0;
    std::span<const std::uint32_t> where{};
    std::uint32_t tried = 0;  ///< number of calls that have had all of them
    [[nodiscard]] std::uint32_t number(std::uint32_t i) const noexcept { return where.empty() ? first + i : where[i]; }
  };
  /// Address of a result of the part.
  [[nodiscard]] std::byte* result(const Part& part, std::uint32_t i) const noexcept {
    return part.data + i * traits_.result_size;
  }

  /// Collects the results of a part for which `load` has asked for another attempt, so that they lie next to one
  /// another. They are copies, or the results themselves, which `put_back` returns to their places. If a copy or a
  /// move throws, nothing uses the results afterwards.
  class Again {
   public:
    Again(Loading& loading, const Part& home) : loading_(loading), home_(home), taken_(loading.calls_.make_results()) {}
    Again(const Again&) = delete;
    Again& operator=(const Again&) = delete;
    ~Again() = default;

    /// `marked` counts within `current`, which is the part itself, or what the last call returned. If this throws,
    /// `current` still says which results were marked.
    [[nodiscard]] Part take(const Part& current, const BatchContext::Marked& marked) {
      std::vector<std::uint32_t> wanted;  // indices within `current`
      for (const auto& [i, error] : marked) wanted.push_back(static_cast<std::uint32_t>(i));
      std::ranges::sort(wanted);
      wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
      std::vector<std::uint32_t> chosen;
      std::vector<std::uint32_t> numbers;
      for (const std::uint32_t i : wanted) {
        chosen.push_back(current.data == home_.data ? i : chosen_[i]);
        numbers.push_back(home_.number(chosen.back()));
      }
      auto taken = loading_.calls_.make_results();
      if (loading_.traits_.copies_results || loading_.traits_.returns_results) {
        put_back();
        taken_.swap(taken);
        chosen_ = std::move(chosen);
        for (const std::uint32_t i : chosen_) loading_.calls_.take(loading_.result(home_, i), *taken_);
      } else {
        for (const std::uint32_t i : wanted) loading_.calls_.take(loading_.result(current, i), *taken);
        taken_.swap(taken);
        chosen_ = std::move(chosen);
      }
      numbers_ = std::move(numbers);
      return {.data = taken_->data(), .size = taken_->count(), .where = numbers_, .tried = current.tried};
    }
    /// Returns moved results to their places, because dead letters may be written of them. Throws what a move throws;
    /// a second call continues after that result. If the place of a result cannot be filled again without risk, the
    /// result stays where it is.
    void put_back() {
      if (!loading_.traits_.copies_results && loading_.traits_.returns_results)
        while (returned_ < taken_->count()) {
          const std::uint32_t i = returned_++;
          loading_.calls_.put_back(*taken_, i, loading_.result(home_, chosen_[i]));
        }
      taken_->truncate(0);
      returned_ = 0;
    }

   private:
    Loading& loading_;
    const Part home_;
    std::vector<std::uint32_t> chosen_;   // indices within the part
    std::vector<std::uint32_t> numbers_;  // numbers within the batch
    std::unique_ptr<Results> taken_;
    std::uint32_t returned_ = 0;  // number of results already returned to their places
  };

  [[nodiscard]] Part results_of(Work& work) const noexcept {
    if (!traits_.in_place() || work.split) return {.data = work.results->data(), .size = work.results->count()};
    if (!work.rejections.empty()) return {};
    return {.data = static_cast<std::byte*>(work.batch->buffer->data) + work.batch->begin * traits_.result_size,
            .size = work.batch->size()};
  }

  // --- without a store --------------------------------------------------------------------------------
  void load(WorkerState& worker, Work& work, const Part& results, TimePoint now) {
    std::uint32_t begun = 0;  // number of results given to a call
    const bool loaded = each_call(results, [&](const Part& part) {
      begun = part.first + part.size;
      if (!load_part(worker, work, part, part.first == 0 ? now : waiter_.now())) return false;
      return rejecter_.settle_load(work);
    });
    if (!loaded && begun < results.size) work.abandon_from(begun);
    if (!loaded && options_.errors.dead_letters) work.lose_rejections();
    if (!loaded) return work.lose_unreported();
    if (!keep_letters(work)) return work.lose_rejections();
    if (!work.split) settled(*work.batch, now);
  }
  /// Writes dead letters for the rejected items. Returns false if that is impossible; the run has then failed.
  [[nodiscard]] bool keep_letters(Work& work) {
    if (!options_.errors.dead_letters || (work.rejections.empty() && work.load_rejections.empty())) return true;
    auto kept = retry_told(
        options_.retry, [&]() -> Result<void> { return options_.errors.dead_letters->write(letters_of(work)); },
        waiter_, &retries_, place_of(work, Stage::DeadLetter));
    if (kept) return true;
    kept.error().context = "dead letters cannot be written: " + kept.error().context;
    control_.fail_unless_ending(place(*work.batch, Stage::DeadLetter, std::move(kept.error())));
    return false;
  }

  // --- with a store: everything in one transaction ----------------------------------------------------
  void load_in_transaction(Session& session, WorkerState& worker, Work& work, Part results, TimePoint now) {
    const bool writes = results.size > 0 || !work.rejections.empty();
    if (!writes && progress_->rides(items_of(*work.batch), now)) return;
    const Checkpointing::Part part = progress_->part_of(items_of(*work.batch));
    bool careful = false;   // with savepoints
    bool in_doubt = false;  // the outcome of the last commit is unknown
    bool reported = false;
    const auto attempt = [&]() -> Result<void> {
      ++work.attempts;
      return limited(results.size, work, [&]() -> Result<void> {
        return transact(session, worker, work, results, part, careful, in_doubt, reported);
      });
    };
    Result<void> done = retry_told(options_.retry, attempt, waiter_, &retries_, place_of(work, Stage::Load));
    if (done) {  // the transaction is committed, whatever fails from here on
      auto error = guarded([&]() -> std::optional<Error> {
        progress_->committed(part, now);
        static_cast<void>(rejecter_.report_load(work));
        return std::nullopt;
      });
      if (error) control_.fail(place(*work.batch, Stage::Load, std::move(*error)));
      return;
    }
    work.lose_rejections();
    work.set(0, work.produced, in_doubt ? Fate::InDoubt : Fate::Abandoned);
    if (!reported) fail(*work.batch, std::move(done.error()));
    if (!writes && !progress_->rides_on(part)) work.lose();
  }
  Result<void> transact(Session& session, WorkerState& worker, Work& work, Part& results,
                        const Checkpointing::Part& part, bool& careful, bool& in_doubt, bool& reported) {
    if (!session) {
      auto connected = calls_.connect();
      if (!connected) return failure(std::move(connected.error()));
      session = std::move(*connected);
      session->stop_waiting_on(control_.dead_stop());
    }
    if (in_doubt) {
      auto settled = session->is_settled(progress_->pipeline(), part.ranges.front());
      if (!settled) return failure(std::move(settled.error()));
      in_doubt = false;
      if (*settled) return {};
    }
    for (;;) {
      work.forget_load();
      // The opening of a session may have taken long, and the run may have ended meanwhile.
      if (waiter_.stopped()) return failure(transient("stopped before its transaction began"));
      const Rollback rollback{*session};  // also of a transaction whose begin fails after it has begun
      if (auto begun = session->begin(); !begun) return begun;
      ++results.tried;
      std::optional<Error> error;
      bool again = false;  // `load` rejected a part as a whole: start again, with savepoints
      static_cast<void>(each_call(
          results, [&](const Part& p) { return load_within(*session, worker, work, p, careful, again, error); }));
      if (again) {
        careful = true;
        continue;
      }
      if (error) return failure(std::move(*error));
      if (!rejecter_.reserve_load(work)) {
        reported = true;
        return failure(fatal("reported"));
      }
      const std::vector<DeadLetter> letters = letters_of(work);
      if (auto recorded = session->record({progress_->pipeline(), part.ranges, part.moved, letters, {}, run_});
          !recorded)
        return recorded;
      const auto commit = [&] { return session->commit(); };
      Result<void> committed = call_for_result(commit);  // `commit` may also throw its error
      if (committed || committed.error().code != Errc::OutcomeUnknown) return committed;
      in_doubt = true;
      committed.error().error_class = ErrorClass::Transient;  // the next attempt asks for the outcome first
      return committed;
    }
  }
  struct Rollback {
    StoreConnection& session;
    ~Rollback() { session.rollback(); }  // does nothing after a commit
  };
  /// Returns false if the part was not loaded: because of `error`, or because the caller must start `again`.
  [[nodiscard]] bool load_within(StoreConnection& session, WorkerState& worker, Work& work, const Part& part,
                                 bool careful, bool& again, std::optional<Error>& error) {
    if (careful)
      if (auto marked = session.savepoint(); !marked) return error = std::move(marked.error()), false;
    BatchContext context = context_of(work, part);
    error = guarded([&] { return calls_.load(worker, part.data, part.size, context, nullptr, &session); });
    if (!error && !context.has_marks()) return true;
    if (!error && context.retries().empty()) return reject(work, part, context.rejects()), true;
    if (!error) return error = why_again(context.retries()), false;  // the whole transaction is repeated
    if (!rejecter_.is_rejection(*error)) return false;
    if (!careful) return again = true, false;
    if (auto undone = session.rollback_to_savepoint(); !undone) return error = std::move(undone.error()), false;
    if (!bisects(part)) return reject_all(work, part, *error), error.reset(), true;
    const auto [front, back] = halves(part);
    return load_within(session, worker, work, front, careful, again, error) &&
           load_within(session, worker, work, back, careful, again, error);
  }

  // --- calls ------------------------------------------------------------------------------------------
  /// Calls `load(part)` for at most `batch_size` results at a time, until it returns false.
  template <class F>
  [[nodiscard]] bool each_call(const Part& results, F&& load) const {
    const std::size_t most = options_.batch_size;
    for (std::size_t first = 0; first < results.size; first += most) {
      const auto begin = static_cast<std::uint32_t>(first);
      const auto size = static_cast<std::uint32_t>(std::min(most, results.size - first));
      if (!load(Part{.data = result(results, begin), .size = size, .first = begin, .tried = results.tried}))
        return false;
    }
    return true;
  }
  /// Loads one part, with all its attempts. A repeated attempt takes the same path whether `load` failed or marked
  /// results. Returns false if the run has failed. `in_doubt`: an earlier attempt may have been committed.
  [[nodiscard]] bool load_part(WorkerState& worker, Work& work, Part part, TimePoint now, bool in_doubt = false) {
    std::optional<BatchContext> context(context_of(work, part));
    std::optional<Error> error = attempt(worker, work, part, *context, in_doubt);
    if (!error && !context->has_marks()) [[likely]]
      return true;
    Again again(*this, part);
    const bool loaded = load_again(worker, work, part, context, std::move(error), again, now, in_doubt);
    auto lost = guarded([&]() -> std::optional<Error> { return again.put_back(), std::nullopt; });
    // The results did not get back to their places, so a dead letter could not contain them.
    if (lost) fail(*work.batch, std::move(*lost));
    return loaded && !lost;
  }
  /// Continues after the first call, which failed with `error` or marked results in `context`.
  [[nodiscard]] bool load_again(WorkerState& worker, Work& work, const Part& part, std::optional<BatchContext>& context,
                                std::optional<Error> error, Again& again, TimePoint now, bool in_doubt) {
    Part current = part;
    std::optional<Retries::Operation> told(std::in_place, retries_, place_of(work, Stage::Load), now);
    for (Backoff backoff(options_.retry, now, retries_.seed_of(work.batch->number));;) {
      if (error && rejecter_.is_rejection(*error)) {
        told.reset();  // each half is an operation with its own attempts
        return isolate(worker, work, current, *error, in_doubt);
      }
      if (!error) {
        reject(work, current, context->rejects());
        if (context->retries().empty()) return true;
        error = why_again(context->retries());
        auto failed = guarded([&]() -> std::optional<Error> {  // copying a user's type may throw
          current = again.take(current, context->retries());
          return std::nullopt;
        });
        if (failed) return give_up_some(work, current, context->retries(), std::move(*failed), in_doubt);
      }
      const auto delay = backoff.after(*error, waiter_.now());
      if (delay)
        if (auto untold = told->failed(*error, backoff.attempts(), *delay, waiter_.now()))
          return give_up(work, current, std::move(*untold), in_doubt);
      const bool more = delay && patience(work).wait_for(*delay);
      if (!more) {
        if (error->error_class == ErrorClass::Transient && (delay || backoff.attempts() > 1))
          error = gave_up(std::move(*error), (delay ? "stopped after " : "gave up after ") + attempts_of(backoff));
        return give_up(work, current, std::move(*error), in_doubt);
      }
      context.emplace(context_of(work, current));
      error = attempt(worker, work, current, *context, in_doubt);
    }
  }
  /// Calls `load` once, under the rate limit and the circuit breaker.
  [[nodiscard]] std::optional<Error> attempt(WorkerState& worker, Work& work, Part& part, BatchContext& context,
                                             bool& in_doubt) noexcept {
    ++work.attempts;
    ++part.tried;
    auto error = guarded([&]() -> std::optional<Error> {
      Result<void> done = limited(part.size, work, [&]() -> Result<void> {
        auto failed = guarded([&] { return call_plain(worker, work, part, context); });
        if (!failed) [[likely]]
          return {};
        return failure(std::move(*failed));
      });
      if (done) return std::nullopt;
      return std::move(done.error());
    });
    if (!error) {
      in_doubt = false;
    } else if (error->code == Errc::OutcomeUnknown) {
      in_doubt = true;
      error->error_class =
          traits_.with == LoadWith::Key || options_.retry_unknown_outcome ? ErrorClass::Transient : ErrorClass::Fatal;
    }
    return error;
  }
  /// Handles results that `load` rejected as a whole. Returns false if the run has failed.
  [[nodiscard]] bool isolate(WorkerState& worker, Work& work, const Part& part, const Error& error, bool in_doubt) {
    if (!bisects(part)) return reject_all(work, part, error), true;
    const auto [front, back] = halves(part);
    if (load_part(worker, work, front, waiter_.now(), in_doubt))
      return load_part(worker, work, back, waiter_.now(), in_doubt);
    set_all(work, back, in_doubt ? Fate::InDoubt : Fate::Abandoned);
    return false;
  }
  /// Why results are to be loaded again: the first error that no repeat mends, if there is one; else the first error,
  /// with the longest time that one of them asks to wait.
  [[nodiscard]] static Error why_again(BatchContext::Marked& marked) {
    const auto rank = [](const auto& one) {
      return std::pair(one.second.error_class == ErrorClass::Transient, one.first);
    };
    std::chrono::nanoseconds longest{};
    for (const auto& [index, error] : marked) longest = std::max(longest, error.retry_after);
    Error error = std::move(std::ranges::min_element(marked, {}, rank)->second);
    error.retry_after = longest;
    return error;
  }
  /// Applies the rate limit and the circuit breaker, if the user has set them.
  template <class F>
  [[nodiscard]] Result<void> limited(std::size_t results, const Work& work, F&& load) {
    if (options_.rate_limit) {
      if (!options_.rate_limit->acquire(results, work.attempts == 1 ? work.bytes : 0, waiter_))
        return failure(transient("stopped while waiting for the rate limit"));
    }
    return options_.circuit_breaker ? options_.circuit_breaker->call(load, waiter_) : load();
  }
  class KeysOfParts final : public PartKeys {
   public:
    KeysOfParts(const Loading& loading, const Work& work, const Part& part)
        : loading_(loading), work_(work), part_(part) {}
    [[nodiscard]] IdempotencyKey of(std::size_t first, std::size_t end) const override {
      Part part = part_;
      part.size = static_cast<std::uint32_t>(end - first);
      if (part.where.empty())
        part.first += static_cast<std::uint32_t>(first);
      else
        part.where = part.where.subspan(first, end - first);
      return loading_.key_of(work_, part);
    }

   private:
    const Loading& loading_;
    const Work& work_;
    const Part& part_;
  };
  [[nodiscard]] std::optional<Error> call_plain(WorkerState& worker, const Work& work, const Part& part,
                                                BatchContext& context) {
    if (traits_.with != LoadWith::Key) return calls_.load(worker, part.data, part.size, context, nullptr, nullptr);
    const KeysOfParts keys(*this, work, part);
    context.set_part_keys(&keys);
    const IdempotencyKey key = key_of(work, part);
    auto error = guarded([&] { return calls_.load(worker, part.data, part.size, context, &key, nullptr); });
    context.set_part_keys(nullptr);
    return error;
  }
  [[nodiscard]] BatchContext context_of(const Work& work, const Part& part) const {
    const Batch& batch = *work.batch;
    return BatchContext({.batch = batch.number,
                         .partition = batch.partition,
                         .first_seq = batch.first_seq,
                         .last_seq = batch.first_seq + batch.size() - 1,
                         .position = &batch.position,
                         .stop = &control_.user_stop(),
                         .waits = &control_.dead_stop(),
                         .size = part.size,
                         .bisects = options_.errors.isolation == Isolation::Bisect});
  }
  [[nodiscard]] IdempotencyKey key_of(const Work& work, const Part& part) const {
    KeyHash hash;
    if (progress_ != nullptr && progress_->names_items()) {
      // The item's name tells whose data it is of. The pipeline's fingerprint may be another at each replay.
      hash.add(progress_->pipeline()).add(progress_->item_id(work.batch->first_seq));
    } else {
      if (progress_ != nullptr) {
        const std::uint32_t partition = work.batch->partition;
        hash.add(progress_->pipeline()).add(progress_->fingerprint()).add(progress_->partition_id(partition));
        if (const auto data = progress_->partition_data(partition); !data.empty()) hash.add(data);
      }
      hash.add(work.batch->first_seq).add(std::uint64_t{work.batch->size()});
    }
    work.add_counts(hash);
    // The numbers of results in a row are named by the first: so the results of a whole call have one name, whatever
    // attempt it is.
    const bool in_a_row = part.where.empty() || part.where.back() - part.where.front() == part.size - 1;
    for (std::uint32_t i = 0; i < part.size; i += in_a_row ? part.size : 1) hash.add(std::uint64_t{part.number(i)});
    return hash.add(std::uint64_t{part.size}).key();
  }
  [[nodiscard]] std::vector<DeadLetter> letters_of(const Work& work) const {
    return rejecter_.letters(work, progress_, run_);
  }
  [[nodiscard]] static Retries::Place place_of(const Work& work, Stage stage) {
    return {.stage = stage, .in_batch = true, .batch = work.batch->number, .partition = work.batch->partition};
  }
  [[nodiscard]] static SettledItems items_of(const Batch& batch) {
    return {batch.partition, {batch.first_seq, batch.first_seq + batch.size()}, batch.position, batch.position_seq};
  }

  // --- refusals ----------------------------------------------------------------------------------------
  [[nodiscard]] bool bisects(const Part& part) const noexcept {
    return options_.errors.isolation == Isolation::Bisect && part.size > 1;
  }
  [[nodiscard]] std::pair<Part, Part> halves(const Part& part) const {
    const std::uint32_t half = part.size / 2;
    const auto first = part.where.empty() ? part.first + half : 0;
    return {
        Part{part.data, half, part.first, part.where.first(std::min<std::size_t>(half, part.where.size())), part.tried},
        Part{result(part, half), part.size - half, first,
             part.where.subspan(std::min<std::size_t>(half, part.where.size())), part.tried}};
  }
  static void reject(Work& work, const Part& part, BatchContext::Marked& rejects) {
    if (rejects.empty()) return;
    for (auto& [i, error] : rejects) i = part.number(static_cast<std::uint32_t>(i));
    work.reject_results(0, rejects, part.tried);
  }
  static void reject_all(Work& work, const Part& part, const Error& error) {
    BatchContext::Marked rejects;
    for (std::uint32_t i = 0; i < part.size; ++i) rejects.emplace_back(i, error);
    reject(work, part, rejects);
  }
  /// Marks the results as not loaded, or as in doubt, and fails the run. Always returns false.
  [[nodiscard]] bool give_up(Work& work, const Part& part, Error error, bool in_doubt) {
    set_all(work, part, in_doubt ? Fate::InDoubt : Fate::Abandoned);
    fail(*work.batch, std::move(error));
    return false;
  }
  [[nodiscard]] bool give_up_some(Work& work, const Part& part, const BatchContext::Marked& marked, Error error,
                                  bool in_doubt) {
    for (const auto& [i, why] : marked) {
      const std::uint32_t number = part.number(static_cast<std::uint32_t>(i));
      work.set(number, number + 1, in_doubt ? Fate::InDoubt : Fate::Abandoned);
    }
    fail(*work.batch, std::move(error));
    return false;
  }
  static void set_all(Work& work, const Part& part, Fate fate) {
    for (std::uint32_t i = 0; i < part.size; ++i) work.set(part.number(i), part.number(i) + 1, fate);
  }
  void fail(const Batch& batch, Error error) {
    control_.fail_unless_ending(place(batch, Stage::Load, std::move(error)));
  }

  StageCalls& calls_;
  const StageTraits& traits_;
  const Options& options_;
  Rejecter& rejecter_;
  Retries& retries_;
  RunControl& control_;
  Checkpointing* const progress_;
  const std::string run_;
  const Waiter waiter_;
  WhileWaiting* while_waiting_ = nullptr;
  std::vector<Session> sessions_;
};

}  // namespace etl::inline v0::detail
