#pragma once
/// SQLite connections, statements and transactions as values that close themselves.

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

/// The category of SQLite's own (extended) result codes, as the `Error::code` of every error of this component.
/// Classes (G5): busy, locked and a lock that the file system refused are transient; constraint, mismatch and too big
/// are rejected; the rest (read-only, full disk, corrupt, not a database, ...) is fatal. The context names the database
/// file, what was being done, SQLite's message and the remedy where there is one. Codes compare equal to
/// `std::errc::device_or_resource_busy`, `read_only_file_system`, `no_space_on_device`, `not_enough_memory` and
/// `io_error` where these apply.
[[nodiscard]] const std::error_category& error_category() noexcept;

enum class Synchronous : std::uint8_t { Off, Normal, Full };  ///< PRAGMA synchronous

struct DatabaseOptions {
  bool read_only = false;
  bool create = true;  ///< make the file when it is missing
  bool wal = true;     ///< write-ahead log: readers do not block the writer; not for `:memory:`, nor when read-only
  /// Normal, with WAL: survives a kill; after a power cut the last commits may be missing, the file is whole.
  Synchronous synchronous = Synchronous::Normal;
  std::chrono::milliseconds busy_timeout{5000};  ///< how long to wait for a lock that another connection holds
  bool foreign_keys = true;
};

class Statement;
class Transaction;

/// One connection. It may be moved while statements and transactions of it exist; it is closed when it and they are
/// gone. Belongs, with all of them, to one thread at a time.
class Database {
 public:
  /// `path` may be ":memory:". Reads the file's header, so that a file that is no database is met here.
  [[nodiscard]] static Result<Database> open(const std::filesystem::path& path, const DatabaseOptions& options = {});
  /// Runs one or more statements, results ignored.
  [[nodiscard]] Result<void> execute(std::string_view sql);
  /// Exactly one statement.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// BEGIN IMMEDIATE: takes the write lock now, so that a lock held elsewhere is met here and not at the commit.
  [[nodiscard]] Result<Transaction> begin();
  /// Rows changed by the last INSERT, UPDATE or DELETE.
  [[nodiscard]] std::int64_t changes() const noexcept;
  /// Rows of all inserters of this connection so far that SQLite took and did not keep: `OnConflict::Ignore`, or
  /// RAISE(IGNORE) in a trigger. Of a view all, since SQLite does not count what its triggers write.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  /// Whether a deferred foreign key is violated in the open transaction, so that its commit would fail now.
  [[nodiscard]] bool violates_deferred_keys() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] sqlite3* handle() const noexcept;
  /// An error of this connection from an SQLite result code.
  [[nodiscard]] Error error(int code, std::string_view doing) const;
  /// Used by inserters.
  void count_dropped() noexcept;

 private:
  struct Connection;
  explicit Database(std::shared_ptr<const Connection> connection) : connection_(std::move(connection)) {}
  std::shared_ptr<const Connection> connection_;
};

enum class ValueType : std::uint8_t { Null, Integer, Real, Text, Blob };  ///< of a value in a row

/// A prepared statement. Parameters and columns count from 0 here. Keeps its connection open.
class Statement {
 public:
  // A value that SQLite refuses (an index out of range, a text of a gigabyte) is reported by the next `run` or `step`.
  // Texts and blobs are not copied: they outlive the next `run`, or the last `step`.
  void bind(int parameter, std::nullptr_t) noexcept;
  void bind(int parameter, int value) noexcept { bind(parameter, std::int64_t{value}); }
  void bind(int parameter, std::int64_t value) noexcept;
  void bind(int parameter, double value) noexcept;  ///< SQLite stores NaN as NULL
  void bind(int parameter, std::string_view text) noexcept;
  void bind(int parameter, std::span<const std::byte> blob) noexcept;
  void bind_copy(int parameter, std::string_view text) noexcept;

  /// Executes a statement whose rows are of no interest, and resets it.
  [[nodiscard]] Result<void> run();
  /// The same, for a caller that words its own errors: SQLite's result code, 0 when all is well.
  [[nodiscard]] int run_for_code() noexcept;
  /// True: there is a row. False: no more, and the statement is reset.
  [[nodiscard]] Result<bool> step();
  void reset() noexcept;  ///< also forgets values that were refused

  // The current row. Views live until the next step or reset. SQLite converts as its manual says (datatype3.html).
  [[nodiscard]] int columns() const noexcept;
  [[nodiscard]] std::string_view column_name(int column) const noexcept;
  [[nodiscard]] ValueType type(int column) const noexcept;  ///< ask before a conversion changes it
  [[nodiscard]] bool is_null(int column) const noexcept { return type(column) == ValueType::Null; }
  [[nodiscard]] std::int64_t integer(int column) const noexcept;
  [[nodiscard]] double real(int column) const noexcept;
  [[nodiscard]] std::string_view text(int column) const noexcept;
  [[nodiscard]] std::span<const std::byte> blob(int column) const noexcept;

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

/// Rolls back when it goes without a commit. Keeps its connection open.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept
      : database_(std::move(other.database_)), open_(std::exchange(other.open_, false)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() { rollback(); }
  /// On an error the transaction is rolled back. After an error of the disk it may have been committed all the same:
  /// the error then has the code `Errc::OutcomeUnknown`.
  [[nodiscard]] Result<void> commit();
  void rollback() noexcept;
  /// False after commit and rollback, and when SQLite has rolled back by itself (full disk, I/O error, ON CONFLICT
  /// ROLLBACK): what is executed then is no longer part of a transaction.
  [[nodiscard]] bool active() const noexcept;

 private:
  friend class Database;
  explicit Transaction(Database database) : database_(std::move(database)) {}
  Database database_;
  bool open_ = true;
};

}  // namespace etl::inline v0::sqlite
