#pragma once
/// Rows, dead letters and progress in one transaction (contract G15).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

/// Source items that a transaction settles.
struct SettledRange {
  std::uint32_t partition = 0;  ///< number of the partition in the checkpoint
  SeqRange items{};             ///< the items
};

/// What the transaction of a batch contains besides its rows. The references are valid during the call.
struct Commit {
  const std::string& pipeline;  ///< name of the pipeline
  /// Items to add to the settled items: those of the batch, and those of earlier batches that had nothing to load.
  std::span<const SettledRange> settled;
  /// Partitions whose watermark has moved. Store the watermark unless a higher one is stored, and the position unless
  /// one with a higher `position_seq` is stored. Settled ranges below the watermark may be deleted. `gaps`, `id` and
  /// `fingerprint` are not filled in: `save` has stored the last two, and they stay.
  std::span<const PartitionProgress> advanced;
  /// Letters to write, as with `DeadLetterStore::write`.
  std::span<const DeadLetter> dead_letters;
  /// Ids of letters to delete, as with `DeadLetterStore::purge`, because a replay has settled their items.
  std::span<const std::string> purged{};
  /// Id of the run that commits. If the pipeline's progress belongs to another run, nothing is committed
  /// (`superseded`).
  std::string_view run{};
};

/// The error of `StoreConnection::record` or `commit`, and of `CheckpointStore::save`, if the pipeline's progress does
/// not belong to `run`. `owner` is the run that it belongs to; empty if the progress was reset.
[[nodiscard]] inline Error superseded(const std::string& pipeline, std::string_view run, std::string_view owner) {
  return {.code = Errc::Superseded,
          .context = "run " + std::string(run) + " of '" + pipeline +
                     "' ends here, and everything that it has not committed is undone: " +
                     (owner.empty() ? std::string("its progress was reset")
                                    : "run " + std::string(owner) + " has taken over") +
                     "; only one run of a pipeline may work at a time"};
}

/// One connection with at most one transaction at a time. Belongs to one thread at a time.
class StoreConnection {
 public:
  StoreConnection() = default;
  StoreConnection(const StoreConnection&) = delete;
  StoreConnection& operator=(const StoreConnection&) = delete;
  virtual ~StoreConnection() = default;  ///< rolls an open transaction back

  /// From now on, a wait for a connection, or for the turn of one, ends with a transient error when `stop` is requested
  /// (G10). Called once, before `begin`. The default does nothing, for a connection that never waits long.
  virtual void stop_waiting_on(const std::stop_token& /*stop*/) {}
  /// Begins a transaction. If the connection was lost, connects again first.
  [[nodiscard]] virtual Result<void> begin() = 0;
  /// Sets a savepoint in the open transaction. It replaces an earlier one.
  [[nodiscard]] virtual Result<void> savepoint() = 0;
  /// Undoes everything since the savepoint, which stays.
  [[nodiscard]] virtual Result<void> rollback_to_savepoint() = 0;
  /// Writes letters and progress in the open transaction.
  [[nodiscard]] virtual Result<void> record(const Commit& commit) = 0;
  /// Commits. After an error nothing is committed, except with code `Errc::OutcomeUnknown`: then ask `is_settled`.
  [[nodiscard]] virtual Result<void> commit() = 0;
  /// Ends the open transaction without a commit; does nothing if there is none.
  virtual void rollback() noexcept = 0;
  /// Whether a committed transaction has settled these items. Must not be called within a transaction.
  [[nodiscard]] virtual Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) = 0;
};

/// A connection that gives its transactions to `load`.
template <class Tx>
class StoreSession : public StoreConnection {
 public:
  /// The open transaction. Valid while it is open.
  [[nodiscard]] virtual Tx& transaction() noexcept = 0;
};

/// A session that passes all calls on to another. The base of sessions that add something to some of the calls.
template <class Tx>
class WrappedSession : public StoreSession<Tx> {
 public:
  void stop_waiting_on(const std::stop_token& stop) override { inner_->stop_waiting_on(stop); }
  [[nodiscard]] Result<void> begin() override { return inner_->begin(); }
  [[nodiscard]] Tx& transaction() noexcept override { return inner_->transaction(); }
  [[nodiscard]] Result<void> savepoint() override { return inner_->savepoint(); }
  [[nodiscard]] Result<void> rollback_to_savepoint() override { return inner_->rollback_to_savepoint(); }
  [[nodiscard]] Result<void> record(const Commit& commit) override { return inner_->record(commit); }
  [[nodiscard]] Result<void> commit() override { return inner_->commit(); }
  void rollback() noexcept override { inner_->rollback(); }
  [[nodiscard]] Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
    return inner_->is_settled(pipeline, range);
  }

 protected:
  explicit WrappedSession(std::unique_ptr<StoreSession<Tx>> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] StoreSession<Tx>& inner() noexcept { return *inner_; }

 private:
  std::unique_ptr<StoreSession<Tx>> inner_;
};

/// A store that a pipeline's `load` writes to, in transactions that the library begins and commits. `save` stores the
/// whole checkpoint in a separate transaction; `find` includes what commits have settled. If a pipeline runs twice,
/// `claim` makes the later run the owner, and the next commit of the earlier run fails. `connect` is thread-safe.
template <class Tx>
class TransactionalStore : public CheckpointStore {
 public:
  using Transaction = Tx;  ///< what `load` gets
  /// A new connection. Thread-safe.
  [[nodiscard]] virtual Result<std::unique_ptr<StoreSession<Tx>>> connect() = 0;
};

/// A pipeline and the store that its `load` writes to. `with_store` makes it.
template <class P, class Tx>
struct WithStore {
  P pipeline;                     ///< the pipeline, or a reference to it
  TransactionalStore<Tx>* store;  ///< the store, which must outlive the run
};

/// For a pipeline whose `load` takes `store`'s transaction: rows, dead letters and progress are committed together.
/// Keeps a reference to an lvalue pipeline, or moves an rvalue pipeline in. Keeps a reference to the store.
///
///     etl::RunReport report = etl::run(etl::with_store(orders, store), {.name = "orders"});
template <class P, class Store>
[[nodiscard]] auto with_store(P&& pipeline, Store& store) -> WithStore<P, typename Store::Transaction> {
  return {std::forward<P>(pipeline), &store};
}

/// The former name of `with_store`.
template <class P, class Store>
[[deprecated("renamed to etl::with_store")]] [[nodiscard]] auto with(P&& pipeline, Store& store)
    -> WithStore<P, typename Store::Transaction> {
  return with_store(std::forward<P>(pipeline), store);
}

}  // namespace etl::inline v0
