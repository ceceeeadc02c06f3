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
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/postgres/copy.hpp>
#include <etl/postgres/pool.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/table.hpp>

namespace etl::inline v0::postgres {

/// What `load` writes with: an open transaction. The library begins, commits and rolls back; after a COMMIT by anybody
/// else everything fails. Belongs to one thread at a time.
class Tx {
 public:
  Tx() = default;  ///< without a transaction: as the store makes it
  /// For a test of a `load`, within a transaction of the test's own. Refers to the connection.
  explicit Tx(Connection& connection) : connection_(&connection) {}
  Tx(const Tx&) = delete;
  Tx& operator=(const Tx&) = delete;
  ~Tx() = default;

  /// Copies rows into the table, all or nothing. Its columns are compared with the mapping's at the first batch.
  template <AnyTable Mapping>
  [[nodiscard]] Result<void> write(const Mapping& table, std::span<const typename Mapping::row_type> batch,
                                   OnConflict on_conflict = OnConflict::Fail) {
    return write(table, batch, nullptr, on_conflict);
  }
  /// The same for the whole batch of a `load`: rows that are refused with an error of class Rejected are rejected one
  /// by one, the others are copied. The table's constraints that would wait for the commit are checked at once, from
  /// here on.
  template <AnyTable Mapping>
  [[nodiscard]] Result<void> write(const Mapping& table, std::span<const typename Mapping::row_type> batch,
                                   BatchContext& context, OnConflict on_conflict = OnConflict::Fail) {
    return write(table, batch, &context, on_conflict);
  }
  /// Runs one or more statements, results ignored.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// One statement with parameters $1, $2, ...
  template <class... V>
  [[nodiscard]] Result<Rows> query(std::string_view sql, const V&... values) {
    const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
    return query_with(sql, parameters);
  }
  [[nodiscard]] Result<Rows> query_with(std::string_view sql, std::span<const Parameter> parameters);
  /// Of this transaction; the next may have another. What is made of it must go before `load` returns.
  [[nodiscard]] Connection& connection() noexcept { return *connection_; }
  /// False when the connection was lost or somebody has ended the transaction: nothing more is written then.
  [[nodiscard]] bool active() const noexcept;

  /// Used by the library.
  void begun(Connection& connection) noexcept { connection_ = &connection; }
  void ended() noexcept { connection_ = nullptr; }
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

/// Checkpoints and dead letters of any number of pipelines, beside their rows. Its tables are etl_store (the format of
/// the others), etl_checkpoints, etl_partitions, etl_settled and etl_dead_letters; the last is meant to be queried.
/// Backslashes, line ends and what is not valid UTF-8 stand in its texts as `\\`, `\n` and `\xHH`. Thread-safe, also
/// for several processes.
///
/// A session has a connection of the pool while its transaction is open: with fewer connections than `load`s at once,
/// loads wait for each other. Commits of one partition's progress follow one another, the COPYs before do not.
class Store final : public TransactionalStore<Tx>, public DeadLetterStore {
 public:
  /// Connects and makes the tables that are missing, in `schema`, or in the first of the search path.
  [[nodiscard]] static Result<std::shared_ptr<Store>> open(std::string_view url, std::string_view schema = {});
  [[nodiscard]] static Result<std::shared_ptr<Store>> over(const Pool& pool, std::string_view schema = {});
  ~Store() override;

  [[nodiscard]] const Pool& pool() const noexcept;
  /// A commit whose answer was lost is cleared up by `is_settled`: it ends what is left of the old transaction on the
  /// server, and looks.
  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override;

  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override;
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override;
  /// After an error of class Transient it can be done again, as can `reset`, `write` and `purge`.
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override;
  /// Dead letters stay.
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
