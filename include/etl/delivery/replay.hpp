#pragma once
/// Replay of dead letters (contract G7).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/execute.hpp>
#include <etl/detail/run/typed_pipeline.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/out.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {

/// The progress of a replay and the letters of items that it has rejected again, in place of a run's checkpoints and
/// dead letters. Thread-safe as a dead-letter store.
class ReplayedLetters final : public CheckpointStore, public DeadLetterStore {
 public:
  /// `letters`, by the Seq of their items, are those of `store`.
  ReplayedLetters(const std::vector<DeadLetter>& letters, DeadLetterStore& store);
  ~ReplayedLetters() override;

  // The replay's own progress. `save` deletes the letters of what is settled, and updates those of what was rejected
  // again.
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override;
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override;
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override;

  // Its own letters.
  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override;
  [[nodiscard]] Result<void> list(const std::string& pipeline,
                                  const std::function<bool(const DeadLetter&)>& each) override;
  [[nodiscard]] Result<std::size_t> purge(std::span<const std::string> ids) override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Adds to the open transaction what it settles: letters that it purges, or writes anew.
[[nodiscard]] Result<void> record_replayed(StoreConnection& connection, const Commit& commit,
                                           const std::vector<DeadLetter>& letters);

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
  class Session final : public WrappedSession<Tx> {
   public:
    Session(std::unique_ptr<StoreSession<Tx>> real, const std::vector<DeadLetter>& letters)
        : WrappedSession<Tx>(std::move(real)), letters_(letters) {}
    [[nodiscard]] Result<void> record(const Commit& commit) override {
      return record_replayed(this->inner(), commit, letters_);
    }

   private:
    const std::vector<DeadLetter>& letters_;
  };

  TransactionalStore<Tx>& store_;
  const std::vector<DeadLetter>& letters_;
};

/// A pipeline in its replay. Of an item of which some results are loaded, it loads only the others.
template <class P, class Tx = NoTransaction>
class ReplayedPipeline final : public TypedPipeline<P, Tx> {
 public:
  using T = typename TypedPipeline<P, Tx>::T;
  ReplayedPipeline(P& pipeline, const std::vector<DeadLetter>& letters, TransactionalStore<Tx>* store = nullptr)
      : TypedPipeline<P, Tx>(pipeline, store), letters_(letters) {}
  [[nodiscard]] std::optional<Error> transformed(Work& work) override {
    Out<T>& out = this->out_of(*work.results);
    const std::vector<std::uint32_t> kept = work.drop_loaded(letters_);
    if (kept.size() == out.count()) return std::nullopt;
    if constexpr (std::is_nothrow_move_constructible_v<T> || overwritable<T>) {
      const std::span<T> results = out.results();
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (kept[i] != i) move_to(results[i], results[kept[i]]);
      out.truncate(static_cast<std::uint32_t>(kept.size()));
      return std::nullopt;
    } else {
      return fatal(
          "some results of this item are loaded, and a replay cannot remove these from all of its results: give the "
          "type of the results a move constructor that is noexcept");
    }
  }

 private:
  static void move_to(T& place, T& result) {
    if constexpr (std::is_nothrow_move_constructible_v<T>) {
      std::destroy_at(&place);
      std::construct_at(&place, std::move(result));
    } else {
      place = std::move(result);
    }
  }
  const std::vector<DeadLetter>& letters_;
};

/// Makes an item from the payload of its letter: by `deserialize`, or by `restore`, its former name.
template <class E, class P>
[[nodiscard]] decltype(auto) item_from(const P& pipeline, std::string_view payload) {
  if constexpr (HasDeserialize<P, E>)
    return pipeline.deserialize(payload);
  else
    return pipeline.restore(payload);
}

/// Returns the item that the letter holds.
template <class E, class P>
[[nodiscard]] Result<E> read_letter(const P& pipeline, const DeadLetter& letter) {
  std::optional<Result<E>> item;
  auto error = guarded([&]() -> std::optional<Error> {
    item.emplace(item_from<E>(pipeline, *letter.payload));
    return std::nullopt;
  });
  if (error) return failure(std::move(*error));
  return *std::move(item);
}

/// Whether an error says that no item can be made of a letter. Another error may pass.
[[nodiscard]] bool is_unreadable(const Error& error) noexcept;
/// Names the letter whose item cannot be made.
[[nodiscard]] Error unreadable(const DeadLetter& letter, Error error);
/// Adds the letters from which no item can be made to the report, which is `Failed` then.
void add_unreadable(RunReport& report, std::vector<ErrorRecord>& letters) noexcept;

/// Pushes the items that the letters hold, and moves their letters to the front, so that the Seq of an item is the
/// index of its letter. `left` gets the letters from which no item can be made.
template <class E, class P>
[[nodiscard]] std::optional<Error> extract_letters(const P& pipeline, std::vector<DeadLetter>& letters, Emitter<E>& out,
                                                   std::vector<ErrorRecord>& left) {
  std::size_t seq = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (out.stop_token().stop_requested()) return std::nullopt;
    DeadLetter& letter = letters[seq];
    if (i != seq) letter = std::move(letters[i]);
    Result<E> item = read_letter<E>(pipeline, letter);  // the item may refer to the payload
    if (item) {
      ++seq;
      if (!out.push(std::move(*item))) return std::nullopt;
      continue;
    }
    const bool passes = !is_unreadable(item.error());
    Error error = unreadable(letter, std::move(item.error()));
    if (passes) return error;
    left.push_back({.error = std::move(error), .pipeline = letter.pipeline, .stage = Stage::DeadLetter});
  }
  return std::nullopt;
}

/// The letters of `Options::name`, all of which can be replayed. `one_result`: the pipeline makes one result of each
/// item. If a replay deletes letters in the transactions of a store, `progress` is that store: claiming the progress of
/// the replay waits for a transaction that an earlier replay, which was killed, has left in progress.
[[nodiscard]] Result<std::vector<DeadLetter>> letters_to_replay(DeadLetterStore& store, const Options& options,
                                                                const StopToken& stop, bool one_result,
                                                                CheckpointStore* progress = nullptr);

/// Names what a replay loads for a letter. The key of the load is made from it, so a replay that is repeated, because
/// it was cut off or has failed, has the same keys, whatever other letters there are. A letter that was rejected again
/// has another name.
[[nodiscard]] std::string item_id(const DeadLetter& letter);

/// A replay is a run of its own, in which every letter may be rejected once more.
[[nodiscard]] Options replay_options(const Options& options, std::size_t letters);
/// The report of a replay whose letters cannot be listed or replayed.
[[nodiscard]] RunReport replay_not_begun(const Options& options, const StopToken& stop, Error error) noexcept;
/// What follows the run of a replay: the report says where the letters are.
[[nodiscard]] RunReport after_replay(RunReport report, const Options& options) noexcept;
/// The same after the transactions of a store: forgets the replay's own progress.
[[nodiscard]] RunReport after_replay(RunReport report, const Options& own, const Options& options,
                                     const StopToken& stop, CheckpointStore& store) noexcept;

template <class P>
struct ReplayTraits {
  using E = extracted_t<P>;
  static constexpr Takes takes = transform_takes<P, E, loaded_t<P>>();
  /// The results are the items themselves.
  static constexpr bool one_result = takes == Takes::Span || takes == Takes::Nothing;
  static_assert(HasDeserialize<P, E> || HasRestore<P, E>,
                "etl: to be replayed, a pipeline needs `E deserialize(std::string_view payload) const`, which makes an "
                "item again "
                "from what serialize returned, or describe where there is no serialize");
};

}  // namespace detail

/// Runs the pipeline on the items of its dead letters in `letters`, instead of its source.
/// `deserialize(std::string_view)` of the pipeline makes each item from what `serialize` returned, or `describe` if the
/// pipeline has no `serialize`. Letters whose items are loaded are deleted; items that are rejected again keep their
/// letters, with the new reason. If a letter has no payload, the replay is refused before anything is loaded, and the
/// error names the letter's id. Letters of which `deserialize` makes no item stay, and the report is `Failed` and names
/// the first of them; the other letters are replayed. `fingerprint`, `expected_items` and `expected_bytes` are not
/// called, because the source may be gone. The replay uses the letters of `Options::name`; without a name it is refused
/// (`Errc::InvalidOptions`). With `delivery.dry_run` the items are transformed and reported, and nothing is loaded,
/// deleted or written. All letters are held in memory. At least once: after a crash between a load and the end of the
/// replay, letters of loaded items still exist. A letter stands for a
/// whole item. If `transform` makes several results of an item and only some of them were rejected, a replay loads
/// these only; `transform` must make the same number of results, in the same order; otherwise the item is rejected
/// again. If the pipeline loads with an `IdempotencyKey`, each letter is loaded by itself, with the same key in each
/// replay until it is rejected again.
template <class P>
[[nodiscard]] RunReport replay(P&& pipeline, DeadLetterStore& letters, const Options& options = {},
                               StopToken stop = {}) {
  using Plain = std::remove_reference_t<P>;
  using E = typename detail::ReplayTraits<Plain>::E;
  return detail::reported([&]() -> RunReport {
    auto found = detail::letters_to_replay(letters, options, stop, detail::ReplayTraits<Plain>::one_result);
    if (!found) return detail::replay_not_begun(options, stop, found.error());
    std::vector<ErrorRecord> unreadable;
    const auto replayed = std::make_shared<detail::ReplayedLetters>(*found, letters);
    Options own = detail::replay_options(options, found->size());
    own.delivery.checkpoints = replayed;
    own.errors.dead_letters = replayed;
    const auto source = [&](detail::Lane& lane) {
      Emitter<E> out(lane);
      return detail::extract_letters<E>(std::as_const(pipeline), *found, out, unreadable);
    };
    detail::ReplayedPipeline<Plain> calls(pipeline, *found);
    RunReport report =
        detail::run_pipeline(calls, own, detail::Environment(own), std::move(stop), nullptr,
                             {.extract = source,
                              .item_id = [&](std::uint64_t seq) { return detail::item_id((*found)[seq]); },
                              .ended = [&](RunReport& ended) { detail::add_unreadable(ended, unreadable); }});
    return detail::after_replay(std::move(report), options);
  });
}

/// The same for a pipeline that loads in the transactions of a store, with `letters` of the same store. Rows are
/// committed and their letters deleted in one transaction, so that no item is replayed twice (G15). Run one replay of a
/// pipeline at a time: a second replay would list letters that the first is about to delete.
///
///     auto report = etl::replay(etl::with_store(orders, store), store, {.name = "orders"});
template <class P, class Tx>
[[nodiscard]] RunReport replay(WithStore<P, Tx> bound, DeadLetterStore& letters, const Options& options = {},
                               StopToken stop = {}) {
  using Plain = std::remove_reference_t<P>;
  using E = typename detail::ReplayTraits<Plain>::E;
  return detail::reported([&]() -> RunReport {
    auto found =
        detail::letters_to_replay(letters, options, stop, detail::ReplayTraits<Plain>::one_result, bound.store);
    if (!found) return detail::replay_not_begun(options, stop, found.error());
    const Options own = detail::replay_options(options, found->size());
    std::vector<ErrorRecord> unreadable;
    detail::ReplayStore<Tx> store(*bound.store, *found);
    const auto source = [&](detail::Lane& lane) {
      Emitter<E> out(lane);
      return detail::extract_letters<E>(std::as_const(bound.pipeline), *found, out, unreadable);
    };
    detail::ReplayedPipeline<Plain, Tx> calls(bound.pipeline, *found, &store);
    RunReport report = detail::run_pipeline(
        calls, own, detail::Environment(own), stop, &store,
        {.extract = source, .ended = [&](RunReport& ended) { detail::add_unreadable(ended, unreadable); }});
    return detail::after_replay(std::move(report), own, options, stop, *bound.store);
  });
}

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/replay.ipp>
#endif
