#pragma once
/// PostgreSQL connections, statements and transactions as values that close themselves.

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/error.hpp>

struct pg_conn;
struct pg_result;

namespace etl::inline v0::postgres {

/// The category of SQLSTATEs, as the `Error::code` of every error of this component but two: a URL that cannot be read
/// (`Errc::InvalidOptions`), and a connection lost while it committed (`Errc::OutcomeUnknown`). Classes (G5): lost and
/// refused connections, shutdown, serialisation failures, deadlocks and time-outs are transient; data and constraint
/// errors are rejected; the rest is fatal. The context names the server and database, what was being done, the server's
/// message and the remedy where there is one; never a password. Codes compare equal to `std::errc::no_space_on_device`,
/// `device_or_resource_busy`, `timed_out`, `not_connected`, `permission_denied`, `read_only_file_system` and
/// `not_enough_memory` where these apply.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// The code of an SQLSTATE (five digits and capital letters), to compare with.
[[nodiscard]] std::error_code sqlstate(std::string_view state) noexcept;

struct ConnectionOptions {
  /// For the whole attempt; of each host, in whole seconds, when the URL names several.
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds statement_timeout{0};  ///< 0: as the server is configured
  std::chrono::milliseconds lock_timeout{0};       ///< 0: as the server is configured
  std::string application_name = "etlpipe";        ///< unless the URL gives one
};

/// A parameter of a query. NULL: nullptr or an empty optional.
class Parameter {
 public:
  // NOLINTBEGIN(google-explicit-constructor): `query(sql, 5, "x")`
  Parameter(std::nullptr_t) {}
  Parameter(bool value) : text_(value ? "t" : "f") {}
  template <class V>
    requires(std::integral<V> && !std::same_as<V, bool>)
  Parameter(V value) : text_(std::to_string(value)) {}
  Parameter(double value) : text_(fmt::format("{}", value)) {}
  template <class V>
    requires std::is_convertible_v<const V&, std::string_view>
  Parameter(const V& value) : text_(std::string_view(value)) {}
  template <class V>
  Parameter(const std::optional<V>& value) {
    if (value) *this = Parameter(*value);
  }
  // NOLINTEND(google-explicit-constructor)
  [[nodiscard]] const std::optional<std::string>& text() const noexcept { return text_; }

 private:
  std::optional<std::string> text_;
};

/// The rows of a result, as the server writes them as text. Rows and columns count from 0.
class Rows {
 public:
  [[nodiscard]] int size() const noexcept;
  [[nodiscard]] int columns() const noexcept;
  [[nodiscard]] std::string_view column_name(int column) const noexcept;
  [[nodiscard]] bool is_null(int row, int column) const noexcept;
  [[nodiscard]] std::string_view text(int row, int column) const noexcept;  ///< lives as long as the result; NULL is ""
  [[nodiscard]] std::int64_t integer(int row, int column) const noexcept;   ///< 0 when it is none
  /// Rows that an INSERT, UPDATE, DELETE or COPY has changed.
  [[nodiscard]] std::int64_t affected() const noexcept;
  /// Used by the library.
  explicit Rows(pg_result* result) : result_(result) {}
  [[nodiscard]] pg_result* handle() const noexcept { return result_.get(); }

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class Statement;
class Transaction;

/// One connection. It may be moved while statements and transactions of it exist; it is closed when it and they are
/// gone. Belongs, with all of them, to one thread at a time; only `cancel` may be called from another one.
class Connection {
 public:
  /// `url`: `postgresql://user:password@host:port/database?sslmode=verify-full&...` or `host=... dbname=...`, with
  /// everything that libpq knows; what it leaves out comes from PGHOST, PGPASSWORD, ~/.pgpass and so on. Both sides
  /// notice after a minute when the other is gone without a word (TCP keepalives), unless URL or server set it
  /// otherwise.
  [[nodiscard]] static Result<Connection> open(std::string_view url, const ConnectionOptions& options = {});
  /// Runs one or more statements, results ignored. Several make one transaction, if none is open.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// One statement with parameters $1, $2, ...
  template <class... V>
  [[nodiscard]] Result<Rows> query(std::string_view sql, const V&... values) {
    const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
    return query_with(sql, parameters);
  }
  [[nodiscard]] Result<Rows> query_with(std::string_view sql, std::span<const Parameter> parameters);
  /// One statement that the server plans once. The same text is prepared once for each connection.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  [[nodiscard]] Result<Transaction> begin();

  /// Without a round trip: false when the server has ended the connection, as far as it has told so.
  [[nodiscard]] bool alive() noexcept;
  /// Rows that sinks and inserters have sent so far and that the server took and did not keep: dropped by a trigger, a
  /// rule or `OnConflict::Ignore`, or replaced by a later row of their batch.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  /// A round trip.
  [[nodiscard]] Result<void> ping();
  /// Connects again, once, when the connection was lost. What the session had (prepared statements, temporary tables,
  /// settings) is gone, but for the time-outs of the options and statements of `prepare`.
  [[nodiscard]] Result<void> reconnect();
  [[nodiscard]] bool in_transaction() const noexcept;
  /// Asks the server to give up what this connection is waiting for. From any thread, while the connection exists.
  void cancel() const noexcept;

  /// `host:port/database`, as errors show it.
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] pg_conn* handle() const noexcept;

  /// Used by the library.
  struct State;
  [[nodiscard]] State& state() const noexcept { return *state_; }
  /// Used by the library: begins, and runs more statements in the same round trip.
  [[nodiscard]] Result<Transaction> begin_with(std::string_view more);

 private:
  friend class Transaction;
  explicit Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// A prepared statement. Keeps its connection open, and is prepared again after a reconnect.
class Statement {
 public:
  template <class... V>
  [[nodiscard]] Result<Rows> run(const V&... values) {
    const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
    return run_with(parameters);
  }
  [[nodiscard]] Result<Rows> run_with(std::span<const Parameter> parameters);
  [[nodiscard]] Connection& connection() noexcept { return connection_; }

 private:
  friend class Connection;
  Statement(Connection connection, std::string sql) : connection_(std::move(connection)), sql_(std::move(sql)) {}
  Connection connection_;
  std::string sql_;
};

/// Rolls back when it goes without a commit. Keeps its connection open. After an error PostgreSQL refuses everything
/// but a rollback, or one to a savepoint.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept
      : connection_(std::move(other.connection_)),
        generation_(other.generation_),
        open_(std::exchange(other.open_, false)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() { rollback(); }

  [[nodiscard]] Result<void> execute(std::string_view sql) { return connection_.execute(sql); }
  template <class... V>
  [[nodiscard]] Result<Rows> query(std::string_view sql, const V&... values) {
    return connection_.query(sql, values...);
  }
  /// Copies the rows into the table; see `Inserter::insert`. Defined in sink.hpp.
  template <class Mapping>
  [[nodiscard]] Result<void> copy(const Mapping& table, std::span<const typename Mapping::row_type> rows);

  /// Marks a place, in place of an earlier mark.
  [[nodiscard]] Result<void> savepoint();
  /// Undoes what was done since the mark, errors too; the mark stays.
  [[nodiscard]] Result<void> rollback_to_savepoint();
  /// On an error the transaction is rolled back. When the connection is lost meanwhile, be it between a pooler and the
  /// server, nobody knows: the error has the code `Errc::OutcomeUnknown`.
  [[nodiscard]] Result<void> commit();
  void rollback() noexcept;
  /// False after commit and rollback, and when the connection was lost.
  [[nodiscard]] bool active() const noexcept;
  [[nodiscard]] Connection& connection() noexcept { return connection_; }

 private:
  friend class Connection;
  Transaction(Connection connection, std::uint64_t generation)
      : connection_(std::move(connection)), generation_(generation) {}
  Connection connection_;
  std::uint64_t generation_;
  bool open_ = true;
  bool marked_ = false;
};

}  // namespace etl::inline v0::postgres
