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
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/checkpointing.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/guard.hpp>
#include <etl/detail/rejecter.hpp>
#include <etl/detail/traits.hpp>
#include <etl/detail/work.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0::detail {

/// What a worker does in the back-off of a load, when there is something.
class WhileWaiting {
 public:
  WhileWaiting() = default;
  WhileWaiting(const WhileWaiting&) = delete;
  WhileWaiting& operator=(const WhileWaiting&) = delete;
  virtual ~WhileWaiting() = default;
  virtual void load_others(std::uint32_t slot) = 0;
  /// False: not yet. `always`: to end.
  [[nodiscard]] virtual bool go_on(bool always) = 0;
};

/// Brings transformed batches to their end. Thread-safe for different slots.
template <class P, class Tx>
class Loading {
 public:
  using E = extracted_t<P>;
  using T = loaded_t<P>;
  using W = worker_t<P>;
  using Work = detail::Work<E, T>;
  static constexpr LoadWith with = load_with<P, T, Tx>();
  static constexpr bool concurrent = Loader<const P, T, Tx>;
  static constexpr bool in_place = Rejecter<P>::takes == Takes::Span || Rejecter<P>::takes == Takes::Nothing;

  Loading(P& pipeline, const Options& options, Rejecter<P>& rejecter, std::size_t slots)
      : pipeline_(pipeline), options_(options), rejecter_(rejecter), sessions_(concurrent ? slots : 1) {}
  /// `progress` and `store` may be null.
  void attach(Batcher<E>& batcher, Executor executor, Checkpointing* progress, TransactionalStore<Tx>* store,
              std::string run) {
    batcher_ = &batcher;
    progress_ = progress;
    store_ = store;
    run_ = std::move(run);
    waiter_ = Waiter(batcher.user_stop(), std::move(executor));
  }
  void while_waiting(WhileWaiting* what) noexcept { while_waiting_ = what; }
  [[nodiscard]] const Waiter& waiter() const noexcept { return waiter_; }

  /// Everything of the batch is durable; without a store.
  void settled(Batch<E>& batch, TimePoint now) noexcept {
    if (progress_ == nullptr || options_.delivery.dry_run) return;
    std::vector<ChunkRef> chunks;
    if (progress_->keeps_chunks()) {
      const auto acknowledged = std::ranges::partition(batch.chunks, [](const ChunkRef& c) { return !c->acknowledge; });
      chunks.assign(acknowledged.begin(), acknowledged.end());
      batch.chunks.erase(acknowledged.begin(), acknowledged.end());
    }
    if (auto error = progress_->settled(items_of(batch), std::move(chunks), now))
      batcher_->fail(place(batch, Stage::Checkpoint, std::move(*error)));
  }
  /// Loads the results of a batch and settles its items; what happened is in `work`, and a failure has been reported.
  void operator()(std::uint32_t slot, W& worker, Work& work, TimePoint now) noexcept {
    const std::span<T> results = results_of(work);
    work.slot = slot;
    work.produced = static_cast<std::uint32_t>(results.size());
    if (options_.delivery.dry_run) {
      work.produced = 0;
      return;
    }
    if constexpr (with == LoadWith::Transaction)
      load_in_transaction(sessions_[concurrent ? slot : 0], worker, work, results, now);
    else
      load(worker, work, results, now);
  }

 private:
  using Session = std::unique_ptr<StoreSession<Tx>>;

  /// The waits of one batch's attempts.
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

  /// Results of one call: `first` is the number of the first in its batch, unless `where` has the number of each.
  struct Part {
    std::span<T> results;
    std::uint32_t first = 0;
    const std::vector<std::uint32_t>* where = nullptr;
    [[nodiscard]] std::uint32_t end() const noexcept { return number(results.size() - 1) + 1; }
    [[nodiscard]] std::uint32_t number(std::size_t i) const noexcept {
      return where != nullptr ? (*where)[i] : first + static_cast<std::uint32_t>(i);
    }
  };

  [[nodiscard]] static std::span<T> results_of(Work& work) noexcept {
    if constexpr (in_place)
      if (!work.split) return work.rejections.empty() ? work.batch->items() : std::span<T>();
    return work.out.results();
  }

  // --- without a store --------------------------------------------------------------------------------
  void load(W& worker, Work& work, std::span<T> results, TimePoint now) noexcept {
    const bool loaded = each_call(results, [&](const Part& part) {
      if (!load_part(worker, work, part, now)) return false;
      if (rejecter_.settle_load(work)) return true;
      work.abandon_from(part.end());
      return false;
    });
    if (!loaded && options_.errors.dead_letters) work.lose_rejections();
    if (!loaded) return;
    if (!keep_letters(work)) return work.lose_rejections();
    if (!work.split) settled(*work.batch, now);
  }
  /// Rejected items become dead letters. False: they do not, and the run has failed.
  [[nodiscard]] bool keep_letters(Work& work) noexcept {
    if (!options_.errors.dead_letters || (work.rejections.empty() && work.load_rejections.empty())) return true;
    auto kept = retry(
        options_.retry, [&]() -> Result<void> { return options_.errors.dead_letters->write(letters_of(work)); },
        waiter_, work.batch->number);
    if (kept) return true;
    kept.error().context = "dead letters cannot be written: " + kept.error().context;
    batcher_->fail(place(*work.batch, Stage::DeadLetter, std::move(kept.error())));
    return false;
  }

  // --- with a store: everything in one transaction ----------------------------------------------------
  void load_in_transaction(Session& session, W& worker, Work& work, std::span<T> results, TimePoint now) noexcept {
    if (results.empty() && work.rejections.empty() && progress_->rides(items_of(*work.batch), now)) return;
    const Checkpointing::Part part = progress_->part_of(items_of(*work.batch));
    bool careful = false;   // with savepoints
    bool in_doubt = false;  // the last commit
    bool reported = false;
    const auto attempt = [&]() -> Result<void> {
      ++work.attempts;
      return limited(results.size(), work, [&]() -> Result<void> {
        return transact(session, worker, work, results, part, careful, in_doubt, reported);
      });
    };
    Result<void> done = retry(options_.retry, attempt, waiter_, work.batch->number);
    if (done) return progress_->committed(part, now);
    work.lose_rejections();
    work.set(0, work.produced, in_doubt ? Fate::InDoubt : Fate::Abandoned);
    if (!reported) fail(*work.batch, std::move(done.error()));
  }
  Result<void> transact(Session& session, W& worker, Work& work, std::span<T> results, const Checkpointing::Part& part,
                        bool& careful, bool& in_doubt, bool& reported) {
    if (!session) {
      auto connected = store_->connect();
      if (!connected) return failure(std::move(connected.error()));
      session = std::move(*connected);
    }
    if (in_doubt) {
      auto settled = session->is_settled(progress_->pipeline(), part.ranges.front());
      if (!settled) return failure(std::move(settled.error()));
      in_doubt = false;
      if (*settled) return {};
    }
    for (;;) {
      work.forget_load();
      if (auto begun = session->begin(); !begun) return begun;
      const Rollback rollback{*session};
      std::optional<Error> error;
      bool again = false;  // a part was refused as a whole: from the beginning, with savepoints
      static_cast<void>(each_call(
          results, [&](const Part& p) { return load_within(*session, worker, work, p, careful, again, error); }));
      if (again) {
        careful = true;
        continue;
      }
      if (error) return failure(std::move(*error));
      if (!rejecter_.settle_load(work)) {
        reported = true;
        return failure(fatal("reported"));
      }
      const std::vector<DeadLetter> letters = letters_of(work);
      if (auto recorded = session->record({progress_->pipeline(), part.ranges, part.moved, letters, {}, run_});
          !recorded)
        return recorded;
      Result<void> committed = session->commit();
      if (committed || committed.error().code != Errc::OutcomeUnknown) return committed;
      in_doubt = true;
      committed.error().error_class = ErrorClass::Transient;  // the next attempt asks first
      return committed;
    }
  }
  struct Rollback {
    StoreSession<Tx>& session;
    ~Rollback() { session.rollback(); }  // nothing after a commit
  };
  /// False: not loaded, for `error`, or to be tried `again`.
  [[nodiscard]] bool load_within(StoreSession<Tx>& session, W& worker, Work& work, const Part& part, bool careful,
                                 bool& again, std::optional<Error>& error) {
    if (careful)
      if (auto marked = session.savepoint(); !marked) return error = std::move(marked.error()), false;
    BatchContext context = context_of(work, part);
    error = guarded([&] { return error_of([&] { return call(worker, part, context, session.transaction()); }); });
    if (!error && !context.has_marks()) return true;
    if (!error && context.retries().empty()) return reject(work, part, context.rejects()), true;
    if (!error)
      return error = std::move(context.retries().front().second), false;  // the whole transaction is tried again
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
  [[nodiscard]] bool each_call(std::span<T> results, F&& load) const {
    const std::size_t most = options_.batch_size;
    for (std::size_t first = 0; first < results.size(); first += most)
      if (!load(
              Part{results.subspan(first, std::min(most, results.size() - first)), static_cast<std::uint32_t>(first)}))
        return false;
    return true;
  }
  /// One load, with its attempts. False: the run has failed.
  [[nodiscard]] bool load_part(W& worker, Work& work, const Part& part, TimePoint now) {
    std::optional<BatchContext> context;
    const auto attempt = [&]() -> Result<void> {
      ++work.attempts;
      return limited(part.results.size(), work, [&]() -> Result<void> {
        context.emplace(context_of(work, part));
        auto error = guarded([&] { return error_of([&] { return call_plain(worker, work, part, *context); }); });
        if (!error) [[likely]]
          return {};
        if (error->code == Errc::OutcomeUnknown)
          error->error_class =
              with == LoadWith::Key || options_.retry_unknown_outcome ? ErrorClass::Transient : ErrorClass::Fatal;
        return failure(std::move(*error));
      });
    };
    Result<void> loaded = attempt();
    if (!loaded)
      loaded = retry_failed(options_.retry, std::move(loaded), now, attempt, patience(work), work.batch->number);
    if (loaded) {
      if (!context->has_marks()) [[likely]]
        return true;
      reject(work, part, context->rejects());
      return context->retries().empty() || load_again(worker, work, part, context->retries());
    }
    if (rejecter_.is_rejection(loaded.error())) {
      if (!bisects(part)) return reject_all(work, part, loaded.error()), true;
      const auto [front, back] = halves(part);
      return load_part(worker, work, front, waiter_.now()) && load_part(worker, work, back, waiter_.now());
    }
    return give_up(work, part, std::move(loaded.error()), part.end());
  }
  /// What `load` asked for by `BatchContext::retry`.
  [[nodiscard]] bool load_again(W& worker, Work& work, const Part& part, BatchContext::Marked& marked) {
    std::vector<T> results;
    std::vector<std::uint32_t> where;
    Backoff backoff(options_.retry, waiter_.now(), work.batch->number);
    for (Part current = part;;) {
      std::ranges::sort(marked, {}, &std::pair<std::size_t, Error>::first);
      std::vector<T> again;
      std::vector<std::uint32_t> numbers;
      for (const auto& [i, error] : marked) {
        T& result = current.results[i];
        if constexpr (std::is_copy_constructible_v<T>)
          again.push_back(result);
        else
          again.push_back(std::move(result));
        numbers.push_back(current.number(i));
      }
      results.swap(again);
      where.swap(numbers);
      current = {results, 0, &where};
      const auto delay = backoff.after(marked.front().second, waiter_.now());
      if (!delay || !patience(work).wait_for(*delay))
        return give_up(work, current, std::move(marked.front().second), part.end());
      BatchContext context = context_of(work, current);
      ++work.attempts;
      auto error = guarded([&] { return error_of([&] { return call_plain(worker, work, current, context); }); });
      if (error) {
        if (!rejecter_.is_rejection(*error)) return give_up(work, current, std::move(*error), part.end());
        return reject_all(work, current, *error), true;
      }
      reject(work, current, context.rejects());
      if (context.retries().empty()) return true;
      marked = std::move(context.retries());
    }
  }
  /// Rate limit and circuit breaker, where there are any.
  template <class F>
  [[nodiscard]] Result<void> limited(std::size_t results, const Work& work, F&& load) {
    if (options_.rate_limit && !options_.rate_limit->acquire(results, work.attempts > 1 ? 0 : bytes_of(work), waiter_))
      return failure(transient("stopped while waiting for the rate limit"));
    return options_.circuit_breaker ? options_.circuit_breaker->call(load, waiter_) : load();
  }
  [[nodiscard]] std::uint64_t bytes_of(const Work& work) const {
    std::uint64_t sum = 0;
    if constexpr (HasBytes<P, E>)
      for (const E& item : work.batch->items()) sum += static_cast<std::uint64_t>(std::as_const(pipeline_).bytes(item));
    return sum;
  }
  decltype(auto) call_plain(W& worker, const Work& work, const Part& part, BatchContext& context) {
    if constexpr (with == LoadWith::Key) {
      const IdempotencyKey key = key_of(work, part);
      return call(worker, part, context, key);
    } else {
      return call(worker, part, context);
    }
  }
  template <class... X>
  decltype(auto) call(W& worker, const Part& part, BatchContext& context, X&... x) {
    return call_load(pipeline_, std::span<const T>(part.results), context, worker, x...);
  }
  [[nodiscard]] BatchContext context_of(const Work& work, const Part& part) const {
    const Batch<E>& batch = *work.batch;
    return BatchContext({.batch = batch.number,
                         .partition = batch.partition,
                         .first_seq = batch.first_seq,
                         .last_seq = batch.first_seq + batch.size() - 1,
                         .position = &batch.position,
                         .stop = &batcher_->user_stop(),
                         .size = part.results.size()});
  }
  [[nodiscard]] IdempotencyKey key_of(const Work& work, const Part& part) const {
    KeyHash hash;
    if (progress_ != nullptr) hash.add(progress_->pipeline()).add(progress_->fingerprint());
    hash.add(work.batch->partition).add(work.batch->first_seq).add(std::uint64_t{work.batch->size()});
    for (std::size_t i = 0; i < part.results.size(); i += part.where == nullptr ? part.results.size() : 1)
      hash.add(std::uint64_t{part.number(i)});
    return hash.add(std::uint64_t{part.results.size()}).key();
  }
  [[nodiscard]] std::vector<DeadLetter> letters_of(const Work& work) const {
    return rejecter_.letters(work, progress_ == nullptr ? std::string() : progress_->fingerprint(), run_);
  }
  [[nodiscard]] static SettledItems items_of(const Batch<E>& batch) {
    return {batch.partition, {batch.first_seq, batch.first_seq + batch.size()}, batch.position, batch.position_seq};
  }

  // --- refusals ----------------------------------------------------------------------------------------
  [[nodiscard]] bool bisects(const Part& part) const noexcept {
    return options_.errors.isolation == Isolation::Bisect && part.results.size() > 1;
  }
  [[nodiscard]] static std::pair<Part, Part> halves(const Part& part) {
    const std::size_t half = part.results.size() / 2;
    return {Part{part.results.first(half), part.first},
            Part{part.results.subspan(half), part.first + static_cast<std::uint32_t>(half)}};
  }
  static void reject(Work& work, const Part& part, BatchContext::Marked& rejects) {
    if (rejects.empty()) return;
    for (auto& [i, error] : rejects) i = part.number(i);
    work.reject_results(0, rejects);
  }
  static void reject_all(Work& work, const Part& part, const Error& error) {
    BatchContext::Marked rejects;
    for (std::size_t i = 0; i < part.results.size(); ++i) rejects.emplace_back(i, error);
    reject(work, part, rejects);
  }
  /// False, always: these results are not loaded, or nobody knows, and none from `rest` on will be.
  [[nodiscard]] bool give_up(Work& work, const Part& part, Error error, std::uint32_t rest) {
    const Fate fate = error.code == Errc::OutcomeUnknown ? Fate::InDoubt : Fate::Abandoned;
    for (std::size_t i = 0; i < part.results.size(); ++i) work.set(part.number(i), part.number(i) + 1, fate);
    work.abandon_from(rest);
    fail(*work.batch, std::move(error));
    return false;
  }
  /// What stops because everything stops is no failure of its own.
  void fail(const Batch<E>& batch, Error error) {
    ErrorRecord record = place(batch, Stage::Load, std::move(error));
    if (batcher_->dead() && record.error.error_class == ErrorClass::Transient)
      batcher_->note(std::move(record));
    else
      batcher_->fail(std::move(record));
  }

  P& pipeline_;
  const Options& options_;
  Rejecter<P>& rejecter_;
  Batcher<E>* batcher_ = nullptr;
  Checkpointing* progress_ = nullptr;
  TransactionalStore<Tx>* store_ = nullptr;
  std::string run_;
  Waiter waiter_;
  WhileWaiting* while_waiting_ = nullptr;
  std::vector<Session> sessions_;
};

}  // namespace etl::inline v0::detail
