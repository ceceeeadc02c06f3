#pragma once
/// Rows, dead letters and progress in one transaction (contract G15).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
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
  std::uint32_t partition = 0;
  SeqRange items{};
};

/// What belongs into the transaction of a batch beside its rows. References hold during the call.
struct Commit {
  const std::string& pipeline;
  /// To be added to what is settled: the batch's own items, and those of batches before it that had nothing to load.
  std::span<const SettledRange> settled;
  /// Partitions whose watermark has moved: the watermark is to be stored unless a higher one is there already, and the
  /// position unless one with a higher `position_seq` is there; settled ranges below the watermark may be forgotten.
  /// (`gaps`, `id` and `fingerprint` are not filled in: the last two are there from `save`, and stay.)
  std::span<const PartitionProgress> advanced;
  /// As `DeadLetterStore::write`.
  std::span<const DeadLetter> dead_letters;
  /// As `DeadLetterStore::purge`: letters whose items the batch has settled (`replay`).
  std::span<const std::string> purged{};
  /// Whoever commits. When the pipeline belongs to another run, nothing is committed (`superseded`).
  std::string_view run{};
};

/// What `StoreSession::record` or `commit`, and `CheckpointStore::save`, say to a run that the pipeline does not belong
/// to (any more). `owner` is empty when its progress was reset.
[[nodiscard]] inline Error superseded(const std::string& pipeline, std::string_view run, std::string_view owner) {
  return {
      .code = Errc::Superseded,
      .context =
          "run " + std::string(run) + " of '" + pipeline + "' ends here, and what it has not committed is undone: " +
          (owner.empty() ? std::string("its progress was reset") : "run " + std::string(owner) + " has taken over") +
          "; let one run of a pipeline work at a time"};
}

/// One connection with at most one transaction at a time. Belongs to one thread at a time.
class StoreConnection {
 public:
  StoreConnection() = default;
  StoreConnection(const StoreConnection&) = delete;
  StoreConnection& operator=(const StoreConnection&) = delete;
  virtual ~StoreConnection() = default;  ///< rolls an open transaction back

  /// Opens a transaction; connects again first if the connection was lost.
  [[nodiscard]] virtual Result<void> begin() = 0;
  /// Marks a place in the open transaction, in place of an earlier mark.
  [[nodiscard]] virtual Result<void> savepoint() = 0;
  /// Undoes what was done since the mark; the mark stays.
  [[nodiscard]] virtual Result<void> rollback_to_savepoint() = 0;
  /// Adds the rest to the open transaction.
  [[nodiscard]] virtual Result<void> record(const Commit& commit) = 0;
  /// On an error nothing is committed, except with code `Errc::OutcomeUnknown`: then `is_settled` tells.
  [[nodiscard]] virtual Result<void> commit() = 0;
  virtual void rollback() noexcept = 0;
  /// Whether a committed transaction has settled these items. Not within a transaction.
  [[nodiscard]] virtual Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) = 0;
};

/// A connection whose transactions `load` gets.
template <class Tx>
class StoreSession : public StoreConnection {
 public:
  /// Valid while a transaction is open.
  [[nodiscard]] virtual Tx& transaction() noexcept = 0;
};

/// A store that a pipeline's `load` writes to in the library's transactions. `save` of its `CheckpointStore` part
/// stores the whole checkpoint in a transaction of its own; `find` merges what `Commit`s have settled. `claim` keeps
/// its promise: of two runs of one pipeline the later one goes on, and the earlier one's next commit fails. `connect`
/// is thread-safe.
template <class Tx>
class TransactionalStore : public CheckpointStore {
 public:
  using Transaction = Tx;
  [[nodiscard]] virtual Result<std::unique_ptr<StoreSession<Tx>>> connect() = 0;
};

/// A pipeline and the store that its `load` writes to; made by `with`.
template <class P, class Tx>
struct WithStore {
  P pipeline;
  TransactionalStore<Tx>* store;
};

/// To run a pipeline whose `load` takes `store`'s transaction: rows, dead letters and progress are committed together.
/// Refers to a pipeline that has a name, keeps one that has none; refers to the store.
///
///     etl::RunReport report = etl::run(etl::with(orders, store), {.name = "orders"});
template <class P, class Store>
[[nodiscard]] auto with(P&& pipeline, Store& store) -> WithStore<P, typename Store::Transaction> {
  return {std::forward<P>(pipeline), &store};
}

}  // namespace etl::inline v0
