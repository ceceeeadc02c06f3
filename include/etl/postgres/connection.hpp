#pragma once
/// PostgreSQL connections, statements and transactions, which close themselves.

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/error.hpp>

struct pg_conn;
struct pg_result;

namespace etl::inline v0::postgres {

/// The category of SQLSTATEs, used for `Error::code` of every error of this component with two exceptions: a URL that
/// cannot be parsed (`Errc::InvalidOptions`), and a connection lost during a commit (`Errc::OutcomeUnknown`). Classes
/// (G5): lost and refused connections, shutdown, serialisation failures, deadlocks and time-outs are transient; data
/// and constraint errors are rejected; all others are fatal. The context names server and database, the operation, the
/// server's message and, if there is one, the remedy; never a password. Codes compare equal to
/// `std::errc::no_space_on_device`, `device_or_resource_busy`, `timed_out`, `not_connected`, `permission_denied`,
/// `read_only_file_system` and `not_enough_memory` where these apply.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// The error code of an SQLSTATE (five digits and capital letters), to compare with `Error::code`.
[[nodiscard]] std::error_code sqlstate(std::string_view state) noexcept;

/// Settings of a connection. An aggregate.
struct ConnectionOptions {
  /// Time limit to connect. If the URL names several hosts, the limit is for each host, in whole seconds.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds statement_timeout{0};  ///< 0: as the server is configured
  std::chrono::milliseconds lock_timeout{0};       ///< 0: as the server is configured
  /// Time after which the server ends a session that has an open transaction and sends nothing, so that a frozen client
  /// keeps no lock. 0: as the server is configured.
  std::chrono::milliseconds idle_in_transaction_timeout{0};
  std::string application_name = "etlpipe";  ///< unless the URL gives one
};

/// A parameter of a query, converted to text. nullptr and an empty optional are NULL.
class Parameter {
 public:
  // NOLINTBEGIN(google-explicit-constructor): `query(sql, 5, "x")`
  Parameter(std::nullptr_t) {}  ///< NULL, or any of the values below
  Parameter(bool value) : text_(value ? "t" : "f") {}
  Parameter(char) = delete;  ///< a number or a text? Use a std::string, or an int
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
  /// The text that is sent; nothing for NULL.
  [[nodiscard]] const std::optional<std::string>& text() const noexcept { return text_; }

 private:
  std::optional<std::string> text_;
};

/// The rows of a result, in the server's text form. Rows and columns are counted from 0.
class Rows {
 public:
  [[nodiscard]] int size() const noexcept;
  /// Number of columns.
  [[nodiscard]] int columns() const noexcept;
  /// Name of a column.
  [[nodiscard]] std::string_view column_name(int column) const noexcept;
  /// Whether a value is NULL.
  [[nodiscard]] bool is_null(int row, int column) const noexcept;
  [[nodiscard]] std::string_view text(
      int row, int column) const noexcept;  ///< a value, valid as long as the result; "" for NULL
  [[nodiscard]] std::int64_t integer(int row, int column) const noexcept;  ///< a value; 0 if it is not an integer
  /// Number of rows that an INSERT, UPDATE, DELETE or COPY has changed.
  [[nodiscard]] std::int64_t affected() const noexcept;
  /// Used by the library.
  explicit Rows(pg_result* result) : result_(result) {}
  /// libpq's handle.
  [[nodiscard]] pg_result* handle() const noexcept { return result_.get(); }

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class Statement;
class Transaction;

/// One connection. It may be moved while it has statements and transactions, and is closed when all of them are
/// destroyed. A connection, its statements and its transactions belong to one thread at a time; only `cancel` may be
/// called from another thread.
class Connection {
 public:
  /// Connects. `url` is any libpq connection string or URI: `postgresql://user:password@host:port/database?sslmode=...`
  /// or `host=... dbname=...`. Parameters that it leaves out come from PGHOST, PGPASSWORD, ~/.pgpass and so on. If the
  /// other side disappears, each side notices after a minute (TCP keepalives and TCP_USER_TIMEOUT), unless the URL or
  /// the server sets another time. When `stop` is requested, the attempt ends with a transient error, unless the
  /// URL names several hosts.
  [[nodiscard]] static Result<Connection> open(std::string_view url, const ConnectionOptions& options = {},
                                               const std::stop_token& stop = {});
  /// Runs one or more statements and ignores their results. Several statements are one transaction, unless one is open.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// Runs one statement with parameters $1, $2, ...
  template <class... V>
  [[nodiscard]] Result<Rows> query(std::string_view sql, const V&... values) {
    const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
    return query_with(sql, parameters);
  }
  /// The same, with the parameters in a list.
  [[nodiscard]] Result<Rows> query_with(std::string_view sql, std::span<const Parameter> parameters);
  /// Prepares one statement. The same text is prepared once for each connection.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// Begins a transaction.
  [[nodiscard]] Result<Transaction> begin();

  /// Whether the connection is open, as far as known without a round trip: false if the server has closed it.
  [[nodiscard]] bool alive() noexcept;
  /// Number of rows so far that the server accepted from sinks and inserters but did not keep: dropped by a trigger, a
  /// rule or `OnConflict::Ignore`, or replaced by a later row of their batch.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  /// Makes a round trip to the server.
  [[nodiscard]] Result<void> ping();
  /// Connects again, once, if the connection was lost. The session loses its temporary tables and settings. The
  /// time-outs of the options are set again, and statements of `prepare` are prepared again.
  [[nodiscard]] Result<void> reconnect();
  /// Whether a transaction is open. A connection that is known to be lost has none.
  [[nodiscard]] bool in_transaction() const noexcept;
  /// Asks the server to cancel the statement that this connection waits for. Any thread may call it while the
  /// connection exists.
  void cancel() const noexcept;

  /// `host:port/database`, for messages.
  [[nodiscard]] const std::string& name() const noexcept;
  /// libpq's handle.
  [[nodiscard]] pg_conn* handle() const noexcept;

  /// Used by the library.
  struct State;
  /// Used by the library.
  [[nodiscard]] State& state() const noexcept { return *state_; }
  /// Used by the library: begins a transaction and runs more statements in the same round trip.
  [[nodiscard]] Result<Transaction> begin_with(std::string_view more);

 private:
  friend class Transaction;
  explicit Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// A prepared statement. Keeps its connection open, and is prepared again after a reconnect.
class Statement {
 public:
  /// Runs the statement with values for $1, $2, ...
  template <class... V>
  [[nodiscard]] Result<Rows> run(const V&... values) {
    const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
    return run_with(parameters);
  }
  /// The same, with the parameters in a list.
  [[nodiscard]] Result<Rows> run_with(std::span<const Parameter> parameters);
  /// The connection.
  [[nodiscard]] Connection& connection() noexcept { return connection_; }

 private:
  friend class Connection;
  Statement(Connection connection, std::string sql) : connection_(std::move(connection)), sql_(std::move(sql)) {}
  Connection connection_;
  std::string sql_;
};

/// A transaction, which is rolled back if it is destroyed without a commit. Keeps its connection open. After an error
/// PostgreSQL accepts only a rollback, or a rollback to a savepoint.
class Transaction {
 public:
  /// Takes over the open transaction.
  Transaction(Transaction&& other) noexcept
      : connection_(std::move(other.connection_)),
        generation_(other.generation_),
        open_(std::exchange(other.open_, false)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() { rollback(); }

  /// Runs one or more statements and ignores their results.
  [[nodiscard]] Result<void> execute(std::string_view sql) { return connection_.execute(sql); }
  /// Runs one statement with parameters $1, $2, ...
  template <class... V>
  [[nodiscard]] Result<Rows> query(std::string_view sql, const V&... values) {
    return connection_.query(sql, values...);
  }
  /// Copies the rows into the table; see `Inserter::insert`. Defined in sink.hpp.
  template <class Mapping>
  [[nodiscard]] Result<void> copy(const Mapping& table, std::span<const typename Mapping::row_type> rows);

  /// Sets a savepoint. It replaces an earlier one.
  [[nodiscard]] Result<void> savepoint();
  /// Undoes everything since the savepoint, including an error. The savepoint stays.
  [[nodiscard]] Result<void> rollback_to_savepoint();
  /// Commits. After an error the transaction is rolled back. If the connection is lost during the commit, also between
  /// a pooler and the server, the outcome is unknown: the error has the code `Errc::OutcomeUnknown`.
  [[nodiscard]] Result<void> commit();
  /// Undoes the transaction; does nothing if it has ended.
  void rollback() noexcept;
  /// False after commit and rollback, and if the connection was lost.
  [[nodiscard]] bool active() const noexcept;
  /// The connection.
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
namespace detail {

/// While this object exists, a stop cancels the statement that the connection waits for. Meanwhile, the connection must
/// not connect again. A separate thread sends the request to the server, because a server that does not answer would
/// block the thread that requests the stop. The destructor waits for the separate thread, because libpq 15 can neither
/// limit nor end the wait for the server.
class CancelOnStop {
 public:
  CancelOnStop(const Connection& connection, const std::stop_token& stop) : connection_(&connection) {
    if (stop.stop_possible()) callback_.emplace(stop, Ask{this});
  }
  CancelOnStop(const CancelOnStop&) = delete;
  CancelOnStop& operator=(const CancelOnStop&) = delete;
  ~CancelOnStop() = default;

 private:
  struct Ask {
    CancelOnStop* self;
    void operator()() const noexcept { self->ask(); }
  };
  void ask() noexcept;

  const Connection* connection_;
  std::jthread asking_;
  std::optional<std::stop_callback<Ask>> callback_;  // destroyed before the thread
};

}  // namespace detail

}  // namespace etl::inline v0::postgres
