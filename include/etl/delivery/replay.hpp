#pragma once
/// Replay of dead letters (contract G7).

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/execute.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {

/// A letter whose item was rejected again: with the place of the old one, and what is new.
[[nodiscard]] inline DeadLetter tried_again(DeadLetter old, Stage stage, std::vector<std::string> errors) {
  old.stage = stage;
  old.errors = std::move(errors);
  ++old.attempts;
  return old;
}

/// Which letters of a replay have gone through, and what became of the others.
class ReplayedLetters final : public CheckpointStore {
 public:
  explicit ReplayedLetters(const std::vector<DeadLetter>& letters) : letters_(letters) {}
  void rejected(std::uint64_t seq, const Error& error, Stage stage) {
    std::vector<std::string> errors;
    for (const Error* e = &error; e != nullptr; e = e->cause.get())
      errors.push_back(e->context.empty() ? e->code.message() : e->context);
    again_.insert_or_assign(seq, tried_again(letters_[seq], stage, std::move(errors)));
  }
  /// Forgets what has gone through and updates what was rejected again.
  [[nodiscard]] Result<void> settle(DeadLetterStore& store) {
    if (!progress_) return {};
    std::vector<DeadLetter> again;
    std::vector<std::string> done;
    for (std::uint64_t seq = 0; seq < letters_.size(); ++seq) {
      if (seq >= progress_->watermark && !progress_->gaps.contains(seq)) continue;
      const auto rejected = again_.find(seq);
      if (rejected != again_.end())
        again.push_back(rejected->second);
      else
        done.push_back(letters_[seq].id);
    }
    if (auto written = store.write(again); !written) return written;
    auto purged = store.purge(done);
    if (!purged) return failure(std::move(purged.error()));
    return {};
  }

  // The replay's own progress.
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& /*pipeline*/) override {
    return std::optional<Checkpoint>();
  }
  [[nodiscard]] Result<void> save(const std::string& /*pipeline*/, const Checkpoint& checkpoint) override {
    if (const PartitionProgress* p = checkpoint.find(0)) progress_ = *p;
    return {};
  }
  [[nodiscard]] Result<void> reset(const std::string& /*pipeline*/) override { return {}; }

 private:
  const std::vector<DeadLetter>& letters_;
  std::map<std::uint64_t, DeadLetter> again_;
  std::optional<PartitionProgress> progress_;
};

/// A store in front of which a replay runs: what a transaction settles becomes letters that it purges, or writes anew.
template <class Tx>
class ReplayStore final : public TransactionalStore<Tx> {
 public:
  ReplayStore(TransactionalStore<Tx>& store, const std::vector<DeadLetter>& letters)
      : store_(store), letters_(letters) {}
  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override {
    auto session = store_.connect();
    if (!session) return session;
    return std::unique_ptr<StoreSession<Tx>>(std::make_unique<Session>(std::move(*session), letters_));
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override {
    return store_.find(pipeline);
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override {
    return store_.claim(pipeline, run);
  }
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override {
    return store_.save(pipeline, checkpoint);
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override { return store_.reset(pipeline); }

 private:
  class Session final : public StoreSession<Tx> {
   public:
    Session(std::unique_ptr<StoreSession<Tx>> real, const std::vector<DeadLetter>& letters)
        : real_(std::move(real)), letters_(letters) {}
    [[nodiscard]] Result<void> begin() override { return real_->begin(); }
    [[nodiscard]] Tx& transaction() noexcept override { return real_->transaction(); }
    [[nodiscard]] Result<void> savepoint() override { return real_->savepoint(); }
    [[nodiscard]] Result<void> rollback_to_savepoint() override { return real_->rollback_to_savepoint(); }
    [[nodiscard]] Result<void> record(const Commit& commit) override {
      std::vector<DeadLetter> again;
      std::set<std::uint64_t> rejected;
      for (const DeadLetter& letter : commit.dead_letters) {
        again.push_back(tried_again(letters_[letter.seq], letter.stage, letter.errors));
        rejected.insert(letter.seq);
      }
      std::vector<std::string> done;
      for (const SettledRange& range : commit.settled)
        for (std::uint64_t seq = range.items.first; seq < range.items.end; ++seq)
          if (!rejected.contains(seq)) done.push_back(letters_[seq].id);
      return real_->record({commit.pipeline, commit.settled, commit.advanced, again, done, commit.run});
    }
    [[nodiscard]] Result<void> commit() override { return real_->commit(); }
    void rollback() noexcept override { real_->rollback(); }
    [[nodiscard]] Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
      return real_->is_settled(pipeline, range);
    }

   private:
    std::unique_ptr<StoreSession<Tx>> real_;
    const std::vector<DeadLetter>& letters_;
  };

  TransactionalStore<Tx>& store_;
  const std::vector<DeadLetter>& letters_;
};

/// Pushes what `restore` makes of the letters.
template <class E, class P>
[[nodiscard]] std::optional<Error> extract_letters(const P& pipeline, const std::vector<DeadLetter>& letters,
                                                   Emitter<E>& out) {
  for (const DeadLetter& letter : letters) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(pipeline.restore(std::string_view()))>, Result<E>>) {
      Result<E> item = pipeline.restore(*letter.payload);
      if (!item) return std::move(item.error());
      if (!out.push(std::move(*item))) return std::nullopt;
    } else {
      if (!out.push(E(pipeline.restore(*letter.payload)))) return std::nullopt;
    }
  }
  return std::nullopt;
}

/// The letters of a pipeline, all of which can be replayed.
[[nodiscard]] inline Result<std::vector<DeadLetter>> letters_to_replay(DeadLetterStore& store,
                                                                       const std::string& pipeline) {
  if (pipeline.empty())
    return failure(Error{.code = Errc::InvalidOptions,
                         .context = "invalid options: a replay needs the name of the pipeline whose dead letters it "
                                    "tries again"});
  std::vector<DeadLetter> found;
  auto listed = store.list(pipeline, [&](const DeadLetter& letter) { return found.push_back(letter), true; });
  if (!listed) return failure(std::move(listed.error()));
  for (const DeadLetter& letter : found)
    if (!letter.payload)
      return failure(Error{
          .code = Errc::NoPayload,
          .context = "dead letter " + letter.id + " of '" + letter.pipeline +
                     "' has no payload: its pipeline had no `describe` when it was rejected; load its source again, "
                     "or purge it"});
  return found;
}

/// Tells a replay of these letters from one of others, and from a later attempt at those that were rejected again:
/// their idempotency keys differ. A replay that is repeated because it was cut off has the same keys.
[[nodiscard]] inline std::string id_of(const std::vector<DeadLetter>& letters) {
  KeyHash hash;
  for (const DeadLetter& letter : letters) hash.add(letter.id).add(std::uint64_t{letter.attempts});
  return hash.key().text();
}

/// A replay is a run of its own, in which every letter may be rejected once more.
[[nodiscard]] inline Options replay_options(const Options& options, std::size_t letters) {
  Options own = options;
  own.name = options.name.empty() ? "replay" : "replay of " + options.name;
  own.delivery = {.restart = true, .dry_run = options.delivery.dry_run};
  own.errors.dead_letters.reset();
  own.errors.max_rejects = std::max<std::uint64_t>(own.errors.max_rejects.value_or(0), letters);
  own.errors.max_reject_ratio.reset();
  return own;
}
inline RunReport replay_failed(RunReport report, const Options& options, Error error) noexcept {
  ErrorRecord record{.error = std::move(error), .stage = options.name.empty() ? Stage::Configure : Stage::DeadLetter};
  static_cast<void>(guarded([&]() -> std::optional<Error> {
    report.pipeline = options.name;
    record.pipeline = options.name;
    return std::nullopt;
  }));
  report.outcome = Outcome::Failed;
  report.add_error(std::move(record));
  return report;
}
/// Does what follows the run of a replay.
template <class F>
[[nodiscard]] RunReport after_replay(RunReport report, const Options& options, F&& settle) noexcept {
  auto error = guarded([&]() -> std::optional<Error> {
    Result<void> settled = settle();
    if (settled) return std::nullopt;
    return std::move(settled.error());
  });
  if (error) return replay_failed(std::move(report), options, std::move(*error));
  return report;
}

template <class P>
struct ReplayTraits {
  using E = extracted_t<P>;
  static_assert(
      HasRestore<P, E>,
      "etl: to be replayed, a pipeline needs `E restore(std::string_view payload) const`, which makes an item "
      "again from what describe said of it");
};

}  // namespace detail

/// Runs the pipeline on the items of its dead letters in `letters`, instead of its source. `restore(std::string_view)`
/// of the pipeline makes each item from what `describe` returned. Letters whose items are loaded are deleted; items
/// that are rejected again keep their letters, with the new reason. If a letter has no payload, the replay is refused
/// before anything is loaded, and the error names the letter's id. The replay uses the letters of `Options::name`;
/// without a name it is refused (`Errc::InvalidOptions`). With `delivery.dry_run` the items are transformed and
/// reported, and nothing is loaded, deleted or written. All letters are held in memory. At least once: after a crash
/// between a load and the end of the replay, letters of loaded items are still there.
template <class P>
[[nodiscard]] RunReport replay(P&& pipeline, DeadLetterStore& letters, const Options& options = {}, Stop stop = {}) {
  using Plain = std::remove_reference_t<P>;
  using E = typename detail::ReplayTraits<Plain>::E;
  return detail::reported([&]() -> RunReport {
    const auto found = detail::letters_to_replay(letters, options.name);
    if (!found) return detail::replay_failed({}, options, found.error());
    const auto replayed = std::make_shared<detail::ReplayedLetters>(*found);
    Options own = detail::replay_options(options, found->size());
    own.delivery.checkpoints = replayed;
    own.errors.on_reject = [&](const Rejection& r) {
      replayed->rejected(r.seq, r.error, r.stage);
      if (options.errors.on_reject) options.errors.on_reject(r);
    };
    const auto source = [&](detail::Lane& lane) {
      Emitter<E> out(lane);
      return detail::extract_letters<E>(std::as_const(pipeline), *found, out);
    };
    detail::TypedPipeline<Plain> calls(pipeline);
    RunReport report = detail::run_pipeline(calls, own, detail::Environment(own), std::move(stop), nullptr,
                                            {.extract = source, .id = detail::id_of(*found)});
    return detail::after_replay(std::move(report), options, [&] { return replayed->settle(letters); });
  });
}

/// The same for a pipeline that loads in the transactions of a store, with `letters` of the same store. Rows are
/// committed and their letters deleted in one transaction, so that no item is loaded twice (G15). Run one replay of a
/// pipeline at a time: a second replay would list letters that the first is about to delete.
///
///     auto report = etl::replay(etl::with(orders, store), store, {.name = "orders"});
template <class P, class Tx>
[[nodiscard]] RunReport replay(WithStore<P, Tx> bound, DeadLetterStore& letters, const Options& options = {},
                               Stop stop = {}) {
  using Plain = std::remove_reference_t<P>;
  using E = typename detail::ReplayTraits<Plain>::E;
  return detail::reported([&]() -> RunReport {
    const auto found = detail::letters_to_replay(letters, options.name);
    if (!found) return detail::replay_failed({}, options, found.error());
    const Options own = detail::replay_options(options, found->size());
    detail::ReplayStore<Tx> store(*bound.store, *found);
    const auto source = [&](detail::Lane& lane) {
      Emitter<E> out(lane);
      return detail::extract_letters<E>(std::as_const(bound.pipeline), *found, out);
    };
    detail::TypedPipeline<Plain, Tx> calls(bound.pipeline, &store);
    RunReport report =
        detail::run_pipeline(calls, own, detail::Environment(own), std::move(stop), &store, {.extract = source});
    const auto superseded = [](const ErrorRecord& e) { return e.error.code == Errc::Superseded; };
    if (own.delivery.dry_run || std::ranges::any_of(report.errors, superseded))
      return report;  // nothing of ours is there
    return detail::after_replay(std::move(report), options, [&] { return bound.store->reset(own.name); });
  });
}

}  // namespace etl::inline v0
