#pragma once
/// Rows, dead letters and progress in one PostgreSQL database, committed together (contract G7, G13 to G15).
///
///     struct Orders {
///       using position = std::uint64_t;
///       ...
///       etl::Result<void> load(std::span<const Order> batch, etl::BatchContext& context, etl::postgres::Tx& tx) const
///       {
///         return tx.write(orders, batch, context, etl::postgres::OnConflict::Update);
///       }
///     };

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/delivery/write_with.hpp>
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/postgres/copy.hpp>
#include <etl/postgres/pool.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/table.hpp>

namespace etl::inline v0::postgres {

/// The open transaction that `load` writes in. The library begins, commits and rolls back; after a COMMIT in your code
/// every call fails. Belongs to one thread at a time.
class Tx {
 public:
  Tx() = default;  ///< without a transaction, for the store
  /// For a test of a `load`: uses the test's own transaction. Keeps a reference to the connection.
  explicit Tx(Connection& connection) : connection_(&connection) {}
  Tx(const Tx&) = delete;
  Tx& operator=(const Tx&) = delete;
  ~Tx() = default;

  /// Copies all rows into the table, or none. At the first batch compares table and mapping.
  template <AnyTable Mapping>
  [[nodiscard]] Result<void> write(const Mapping& table, std::span<const typename Mapping::row_type> batch,
                                   OnConflict on_conflict = OnConflict::Fail) {
    return write(table, batch, nullptr, on_conflict);
  }
  /// Copies the whole batch of a `load`. Rejects each row that is refused with an error of class Rejected, and copies
  /// the others. From now on the table's deferred constraints are checked at once. If a `load` writes several tables
  /// with its context, a refused row is a fatal error.
  template <AnyTable Mapping>
  [[nodiscard]] Result<void> write(const Mapping& table, std::span<const typename Mapping::row_type> batch,
                                   BatchContext& context, OnConflict on_conflict = OnConflict::Fail) {
    return write_with(context, table.name, [&] { return write(table, batch, &context, on_conflict); });
  }
  /// Runs one or more statements and ignores their results.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// Runs one statement with parameters $1, $2, ...
  template <class... V>
  [[nodiscard]] Result<Rows> query(std::string_view sql, const V&... values) {
    const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
    return query_with(sql, parameters);
  }
  /// The same, with the parameters in a list.
  [[nodiscard]] Result<Rows> query_with(std::string_view sql, std::span<const Parameter> parameters);
  /// The connection of this transaction; the next transaction may have another. Destroy statements and queries that you
  /// make with it before `load` returns.
  [[nodiscard]] Connection& connection() noexcept { return *connection_; }
  /// False if the connection was lost, or if the transaction was ended: then nothing more is written.
  [[nodiscard]] bool active() const noexcept;

  /// Used by the library.
  void begun(Connection& connection) noexcept { connection_ = &connection; }
  /// Used by the library.
  void ended() noexcept { connection_ = nullptr; }
  /// Used by the library: the error of each call after the end of the transaction.
  [[nodiscard]] Error lost(std::string_view doing) const;

 private:
  template <class Mapping>
  [[nodiscard]] Result<void> write(const Mapping& table, std::span<const typename Mapping::row_type> batch,
                                   BatchContext* context, OnConflict on_conflict) {
    if (batch.empty()) return {};
    const auto into = target(table.name, detail::column_infos(table), on_conflict);
    if (!into) return failure(into.error());
    if (context != nullptr && !(*into)->deferred.empty())  // at the commit no row could be told from the others
      if (auto now = execute(detail::check_now(**into)); !now) return now;
    EncodedRows<Mapping> rows(table);
    rows.exchange(bytes_, ends_);
    Result<void> written =
        detail::BatchWriter<Mapping>(**into, rows, batch, context).write(*connection_, detail::Scope::Open);
    rows.exchange(bytes_, ends_);
    return written;
  }
  /// Made once for each table, which is looked at then.
  [[nodiscard]] Result<const detail::Target*> target(std::string_view table,
                                                     std::span<const detail::ColumnInfo> columns,
                                                     OnConflict on_conflict);

  Connection* connection_ = nullptr;  // while a transaction is open
  std::map<std::string, detail::Target, std::less<>> targets_;
  detail::Bytes bytes_;  // memory of the last batch
  std::vector<std::size_t> ends_;
};

/// Keeps checkpoints and dead letters of any number of pipelines in the database of their rows. Its tables are
/// etl_store (the format of the others), etl_checkpoints, etl_partitions and etl_dead_letters; you may query the last.
/// In its texts backslashes and line ends are written `\\` and `\n`, and bytes that are not valid UTF-8 `\xHH`.
/// Thread-safe, also for several processes.
///
/// A session uses a connection of the pool while its transaction is open. If the pool has fewer connections than there
/// are loads at once, loads wait for each other. Commits of one partition happen one after another; the COPYs before
/// them run in parallel.
class Store final : public TransactionalStore<Tx>, public DeadLetterStore {
 public:
  /// Connects and makes missing tables, in `schema` or in the first schema of the search path.
  [[nodiscard]] static Result<std::shared_ptr<Store>> open(std::string_view url, std::string_view schema = {});
  /// The same with the connections of a pool.
  [[nodiscard]] static Result<std::shared_ptr<Store>> over(const Pool& pool, std::string_view schema = {});
  ~Store() override;

  /// The pool.
  [[nodiscard]] const Pool& pool() const noexcept;
  /// A session. If the answer to a commit was lost, `is_settled` ends the rest of the old transaction on the server,
  /// and finds out whether it was committed.
  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override;

  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override;
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override;
  /// After an error of class Transient, `save`, `reset`, `write` and `purge` may be called again.
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override;
  /// Deletes the progress of a pipeline. Its dead letters stay.
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override;

  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override;
  [[nodiscard]] Result<void> list(const std::string& pipeline,
                                  const std::function<bool(const DeadLetter&)>& each) override;
  [[nodiscard]] Result<std::size_t> purge(std::span<const std::string> ids) override;

 private:
  struct State;
  explicit Store(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the sessions
};

}  // namespace etl::inline v0::postgres
