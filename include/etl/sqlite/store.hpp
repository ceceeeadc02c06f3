#pragma once
/// Rows, dead letters and progress in one SQLite database, committed together (contract G7, G13 to G15).
///
///     struct Orders {
///       using position = std::uint64_t;
///       ...
///       etl::Result<void> load(std::span<const Order> batch, etl::BatchContext& context, etl::sqlite::Tx& tx) {
///         return tx.write(orders, batch, context, etl::sqlite::OnConflict::Update);
///       }
///     };

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/delivery/write_with.hpp>
#include <etl/error.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/table.hpp>

namespace etl::inline v0::sqlite {
namespace detail {

template <class Get, bool Key>
[[nodiscard]] bool same_columns(const Column<Get, Key>& a, const Column<Get, Key>& b) {
  return a.name == b.name;
}
template <class Get>
[[nodiscard]] bool same_columns(const DynamicColumns<Get>& a, const DynamicColumns<Get>& b) {
  return a.list == b.list;
}
/// Whether a statement prepared for one of the tables, and its getters, serve for the other.
template <class Row, class... C>
[[nodiscard]] bool same_table(const Table<Row, C...>& a, const Table<Row, C...>& b) {
  const auto same = []<class Column>(const Column& x, const Column& y) {
    using Get = decltype(x.get);
    if constexpr (std::is_empty_v<Get>)
      return same_columns(x, y);
    else if constexpr (std::equality_comparable<Get>)
      return x.get == y.get && same_columns(x, y);
    else
      return false;  // a callable with a state
  };
  return a.name == b.name && [&]<std::size_t... i>(std::index_sequence<i...>) {
    return (same(std::get<i>(a.columns), std::get<i>(b.columns)) && ...);
  }(std::index_sequence_for<C...>{});
}

}  // namespace detail

/// The open transaction that `load` writes in. The library begins, commits and rolls back; a COMMIT in your code is
/// refused. Belongs to the thread of its connection.
class Tx {
 public:
  /// For a test of a `load`: uses the test's own transaction. Otherwise the store makes the object.
  explicit Tx(Database database) : database_(std::move(database)) {}
  Tx(const Tx&) = delete;
  Tx& operator=(const Tx&) = delete;
  ~Tx() = default;

  /// Inserts rows. The error is that of the first row that was not accepted.
  template <class Row, class... C>
  [[nodiscard]] Result<void> write(const Table<Row, C...>& table, std::type_identity_t<std::span<const Row>> batch,
                                   OnConflict on_conflict = OnConflict::Fail) {
    return write(table, batch, nullptr, on_conflict);
  }
  /// Inserts the whole batch of a `load`. Rejects each row that is refused with an error of class Rejected, and inserts
  /// the others. If such a row rolls back the transaction (RAISE(ROLLBACK) in a trigger, ON CONFLICT ROLLBACK), the
  /// transaction is begun again, unless something else was written in it before. If a `load` writes several tables with
  /// its context, a refused row is a fatal error.
  template <class Row, class... C>
  [[nodiscard]] Result<void> write(const Table<Row, C...>& table, std::type_identity_t<std::span<const Row>> batch,
                                   BatchContext& context, OnConflict on_conflict = OnConflict::Fail) {
    return write_with(context, table.name, [&] { return write(table, batch, &context, on_conflict); });
  }
  /// Runs one or more statements and ignores their results.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// A statement, reset and ready. It is prepared at the first call with this text. Valid until the transaction ends.
  [[nodiscard]] Result<Statement*> prepare(std::string_view sql);
  /// The connection, for your own statements. It is the same at every `load` of a session, so you may keep statements.
  [[nodiscard]] Database& database() noexcept { return database_; }
  /// False if SQLite has rolled back by itself: then nothing that this batch writes will be committed.
  [[nodiscard]] bool active() const noexcept;

  /// The error of whatever comes after that.
  [[nodiscard]] Error lost(std::string_view doing) const;

  /// Used by the store, when the transaction begins.
  void begun() noexcept;
  void touch() noexcept { touched_ = true; }  ///< Used by the store: the transaction cannot be begun again.
  void ended() noexcept;                      ///< Used by the store, when the transaction ends.
  /// Used by the store: begins the transaction again after SQLite has rolled it back.
  void set_again(std::function<Result<void>()> again) { again_ = std::move(again); }

 private:
  static constexpr std::size_t most_kept = 64;
  struct KeptBase {
    KeptBase() = default;
    KeptBase(const KeptBase&) = delete;
    KeptBase& operator=(const KeptBase&) = delete;
    virtual ~KeptBase() = default;
  };
  template <class Row, class... C>
  struct Kept final : KeptBase {
    Kept(Inserter<Row, C...> made, const Table<Row, C...>& of, OnConflict how)
        : inserter(std::move(made)), table(of), on_conflict(how) {}
    Inserter<Row, C...> inserter;
    Table<Row, C...> table;
    OnConflict on_conflict;
  };

  /// Made once for a table, except when it has callables with a state, which may be others each time.
  template <class Row, class... C>
  [[nodiscard]] Result<Inserter<Row, C...>*> inserter(const Table<Row, C...>& table, OnConflict on_conflict) {
    for (const auto& one : inserters_)
      if (auto* const kept = dynamic_cast<Kept<Row, C...>*>(one.get());
          kept != nullptr && kept->on_conflict == on_conflict && detail::same_table(kept->table, table))
        return &kept->inserter;
    auto made = Inserter<Row, C...>::make(database_, table, on_conflict);
    if (!made) return failure(std::move(made.error()));
    if (inserters_.size() == most_kept) inserters_.erase(inserters_.begin());
    auto kept = std::make_unique<Kept<Row, C...>>(std::move(*made), table, on_conflict);
    Inserter<Row, C...>* const inserter = &kept->inserter;
    inserters_.push_back(std::move(kept));
    return inserter;
  }
  template <class Row, class... C>
  [[nodiscard]] Result<void> write(const Table<Row, C...>& table, std::span<const Row> batch, BatchContext* context,
                                   OnConflict on_conflict) {
    if (batch.empty()) return {};
    if (!active()) return failure(lost("insert into " + detail::quoted(table.name)));
    const auto into = inserter(table, on_conflict);
    if (!into) return failure(into.error());
    // If the transaction has written more than this batch, the library cannot write it again.
    const bool alone = untouched();
    const auto again = [&]() -> Result<bool> {
      if (!alone || again_ == nullptr) return false;
      if (Result<void> begun = again_(); !begun) return failure(std::move(begun.error()));
      return true;
    };
    std::vector<bool> refused;
    return detail::insert_all(**into, batch, context, [this] { return active(); }, again, refused);
  }
  /// Whether nothing was written in the transaction so far.
  [[nodiscard]] bool untouched() const noexcept;

  Database database_;
  std::vector<std::unique_ptr<KeptBase>> inserters_{};
  std::map<std::string, Statement, std::less<>> statements_{};
  std::function<Result<void>()> again_{};
  std::int64_t changes_ = 0;  // of the connection, when the transaction began
  bool touched_ = true;
};

/// Keeps checkpoints and dead letters of any number of pipelines in the database of their rows. Its tables are
/// etl_store (the format of the others), etl_checkpoints, etl_partitions, etl_settled and etl_dead_letters; you may
/// query the last. Thread-safe except `database()`: sessions and calls take turns, because SQLite has one writer at a
/// time. A `load` must not call the store itself: such a call returns an error.
///
/// Committed data survives the end of the process, however it ends. To survive a power cut too, open the store with
/// `Synchronous::Full`: with `Normal` the last transactions may be lost, rows and progress together, and the next run
/// loads them again.
class Store final : public TransactionalStore<Tx>, public DeadLetterStore {
 public:
  /// Opens the database and makes missing tables.
  [[nodiscard]] static Result<std::shared_ptr<Store>> open(const std::filesystem::path& path,
                                                           const DatabaseOptions& options = {});
  /// The same with an open connection. `options` are used for further connections.
  [[nodiscard]] static Result<std::shared_ptr<Store>> over(Database database, const DatabaseOptions& options = {});
  ~Store() override;

  /// The connection of the first session; the only one if `load` is not const. Statements prepared with it run in the
  /// library's transactions. Do not use it while another thread uses the store.
  [[nodiscard]] Database& database() noexcept;
  /// A session. The first uses `database()`, each further session its own connection. A database in memory has only
  /// one.
  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override;
  /// From now on, leaves the database unlocked for 2 ms after each 40 ms of transactions, so that short transactions of
  /// other processes, such as heartbeats, have their turn. Without gaps, these transactions might wait very long.
  /// Thread-safe.
  void leave_gaps() noexcept;

  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override;
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override;
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

}  // namespace etl::inline v0::sqlite
