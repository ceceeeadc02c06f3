#pragma once
/// SQLite connections, statements and transactions, which close themselves.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>

struct sqlite3;
struct sqlite3_stmt;

namespace etl::inline v0::sqlite {

/// The category of SQLite's extended result codes, used for `Error::code` of every error of this component. Classes
/// (G5): busy, locked, and a lock that the file system refused are transient; constraint, mismatch and too big are
/// rejected; all others (read-only, full disk, corrupt, not a database, ...) are fatal. The context names the database
/// file, the operation, SQLite's message and, if there is one, the remedy. Codes compare equal to
/// `std::errc::device_or_resource_busy`, `read_only_file_system`, `no_space_on_device`, `not_enough_memory` and
/// `io_error` where these apply.
[[nodiscard]] const std::error_category& error_category() noexcept;

/// The values of PRAGMA synchronous.
enum class Synchronous : std::uint8_t { Off, Normal, Full };

/// Settings of a connection. An aggregate.
struct DatabaseOptions {
  bool read_only = false;  ///< open for reading only
  bool create = true;      ///< make the file if it is missing
  bool wal = true;         ///< write-ahead log: readers do not block the writer; not for `:memory:`, nor when read-only
  /// Normal, with WAL: commits survive a kill. After a power cut the last commits may be missing, but the file is
  /// intact. Take Full if progress or dead letters are kept outside of this database (checkpoints in a file), because
  /// after a power cut they would count rows as loaded that are missing (G16).
  Synchronous synchronous = Synchronous::Normal;
  std::chrono::milliseconds busy_timeout{5000};  ///< how long to wait for a lock that another connection holds
  bool foreign_keys = true;                      ///< PRAGMA foreign_keys
};

class Statement;
class Transaction;

/// One connection. It may be moved while it has statements and transactions, and is closed when all of them are
/// destroyed. A connection, its statements and its transactions belong to one thread at a time.
class Database {
 public:
  /// Opens a database; `path` may be ":memory:". Reads the file's header, so a file that is not a database is an error
  /// here.
  [[nodiscard]] static Result<Database> open(const std::filesystem::path& path, const DatabaseOptions& options = {});
  /// Runs one or more statements and ignores their results.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// Runs statements as `execute` does, within the open transaction. A statement that begins or ends a transaction is
  /// an error, and so is a NUL character in `sql`.
  [[nodiscard]] Result<void> execute_within(std::string_view sql);
  /// Prepares exactly one statement.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// BEGIN IMMEDIATE: takes the write lock now, so that a lock held elsewhere is an error here and not at the commit.
  [[nodiscard]] Result<Transaction> begin();
  /// Number of rows changed by the last INSERT, UPDATE or DELETE.
  [[nodiscard]] std::int64_t changes() const noexcept;
  /// Number of rows so far that SQLite accepted from inserters of this connection but did not keep, because of
  /// `OnConflict::Ignore` or RAISE(IGNORE) in a trigger. For a view these are all rows, because SQLite does not count
  /// what triggers write.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  /// Whether a deferred foreign key is violated in the open transaction, so that a commit would fail now.
  [[nodiscard]] bool violates_deferred_keys() const noexcept;
  /// The path, for messages.
  [[nodiscard]] const std::string& name() const noexcept;
  /// SQLite's handle, for calls to SQLite itself.
  [[nodiscard]] sqlite3* handle() const noexcept;
  /// The error for a result code of SQLite. `doing` names the operation.
  [[nodiscard]] Error error(int code, std::string_view doing) const;
  /// Used by inserters.
  void count_dropped() noexcept;
  void set_dropped(std::uint64_t count) noexcept;  ///< Used by inserters, when a transaction is begun again.

 private:
  struct Connection;
  explicit Database(std::shared_ptr<const Connection> connection) : connection_(std::move(connection)) {}
  std::shared_ptr<const Connection> connection_;
};

/// The type of a value in a row.
enum class ValueType : std::uint8_t { Null, Integer, Real, Text, Blob };

/// A prepared statement. Parameters and columns are counted from 0. Keeps its connection open.
class Statement {
 public:
  // A value that SQLite refuses (an index out of range, a text of a gigabyte) is reported by the next `run` or `step`.
  // Texts and blobs are not copied: they outlive the next `run`, or the last `step`.
  /// Binds NULL or a value to a parameter. The text or blob must live until the statement is reset or bound again.
  /// `run` and `step` return errors of binding.
  void bind(int parameter, std::nullptr_t) noexcept;
  void bind(int parameter, int value) noexcept { bind(parameter, std::int64_t{value}); }
  void bind(int parameter, std::int64_t value) noexcept;
  void bind(int parameter, double value) noexcept;  ///< SQLite stores NaN as NULL
  void bind(int parameter, std::string_view text) noexcept;
  void bind(int parameter, std::span<const std::byte> blob) noexcept;
  /// Binds a copy of a text.
  void bind_copy(int parameter, std::string_view text) noexcept;

  /// Executes the statement, ignores its rows, and resets it.
  [[nodiscard]] Result<void> run();
  /// The same, for a caller that writes its own errors. Returns SQLite's result code; 0 for success.
  [[nodiscard]] int run_for_code() noexcept;
  /// Reads the next row. Returns false if there is no more; the statement is then reset.
  [[nodiscard]] Result<bool> step();
  void reset() noexcept;  ///< resets the statement, and clears errors of binding
  /// Used by inserters: how often SQLite has prepared the statement again because the schema has changed.
  [[nodiscard]] int reprepared() const noexcept;

  // The current row. Views live until the next step or reset. SQLite converts as its manual says (datatype3.html).
  /// Number of columns of a row.
  [[nodiscard]] int columns() const noexcept;
  /// Name of a column.
  [[nodiscard]] std::string_view column_name(int column) const noexcept;
  /// The type of a value in the row. Call it before `integer`, `real`, `text` or `blob`, which may convert the value.
  [[nodiscard]] ValueType type(int column) const noexcept;
  /// Whether a value of the row is NULL.
  [[nodiscard]] bool is_null(int column) const noexcept { return type(column) == ValueType::Null; }
  /// A value of the row as an integer.
  [[nodiscard]] std::int64_t integer(int column) const noexcept;
  /// A value of the row as a floating-point number.
  [[nodiscard]] double real(int column) const noexcept;
  /// A value of the row as text, valid until the next `step`, `run` or `reset`.
  [[nodiscard]] std::string_view text(int column) const noexcept;
  /// A value of the row as bytes, valid as long as `text`.
  [[nodiscard]] std::span<const std::byte> blob(int column) const noexcept;

  /// The connection.
  [[nodiscard]] Database& database() noexcept { return database_; }
  [[nodiscard]] const Database& database() const noexcept { return database_; }

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept;
  };
  Statement(Database database, sqlite3_stmt* handle) : database_(std::move(database)), handle_(handle) {}
  void keep(int code) noexcept {
    if (code != 0 && bind_error_ == 0) bind_error_ = code;
  }
  [[nodiscard]] int step_for_code() noexcept;
  [[nodiscard]] Error error(int code) const;

  Database database_;  // before the handle: it is closed after it
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bind_error_ = 0;
};

/// A transaction, which is rolled back if it is destroyed without a commit. Keeps its connection open.
class Transaction {
 public:
  /// Takes over the open transaction.
  Transaction(Transaction&& other) noexcept
      : database_(std::move(other.database_)), open_(std::exchange(other.open_, false)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() { rollback(); }
  /// Commits. After an error the transaction is rolled back. After an error of the disk it may be committed
  /// nevertheless; the error then has the code `Errc::OutcomeUnknown`.
  [[nodiscard]] Result<void> commit();
  /// Undoes the transaction; does nothing if it has ended.
  void rollback() noexcept;
  /// False after commit and rollback, and if SQLite has rolled back by itself (full disk, I/O error, ON CONFLICT
  /// ROLLBACK). Statements executed then are not part of a transaction.
  [[nodiscard]] bool active() const noexcept;

 private:
  friend class Database;
  explicit Transaction(Database database) : database_(std::move(database)) {}
  Database database_;
  bool open_ = true;
};

}  // namespace etl::inline v0::sqlite
