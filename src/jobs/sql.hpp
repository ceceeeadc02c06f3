#pragma once
/// The interface of the jobs to a database, with statements in the SQL that SQLite and PostgreSQL share.

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <etl/error.hpp>
#include <etl/jobs/store.hpp>

namespace etl::inline v0::jobs::detail {

/// A parameter of a statement.
using Value = std::variant<std::int64_t, std::string>;
/// The rows of a result. NULL is an empty text.
class Table {
 public:
  std::vector<std::vector<std::string>> rows{};
  [[nodiscard]] std::size_t size() const noexcept { return rows.size(); }
  [[nodiscard]] const std::string& text(std::size_t row, std::size_t column) const { return rows[row][column]; }
  [[nodiscard]] std::int64_t integer(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::uint64_t number(std::size_t row, std::size_t column) const;
};

/// See `Sql`.
inline constexpr std::string_view varying = "/*v*/ ";

/// A connection to a database. In its SQL, `?1`, `?2`, ... are parameters. `@now` is the database's time in ms since
/// 1970. `@skip` follows a SELECT that locks its rows, and skips rows that another transaction has locked. A text that
/// begins with `varying` is not kept as a prepared statement, because the next text will differ.
class Sql {
 public:
  Sql() = default;
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;
  virtual ~Sql() = default;
  /// Opens another connection to the same database.
  [[nodiscard]] virtual Result<std::unique_ptr<Sql>> again() = 0;
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// Runs one statement that reads, or one statement of a transaction.
  [[nodiscard]] virtual Result<Table> run(std::string_view sql, std::span<const Value> values) = 0;
  [[nodiscard]] Result<Table> run(std::string_view sql, std::initializer_list<Value> values = {}) {
    return run(sql, std::span(values.begin(), values.size()));
  }
  /// Runs one statement that writes, as its own transaction.
  [[nodiscard]] virtual Result<Table> write(std::string_view sql, std::span<const Value> values) = 0;
  [[nodiscard]] Result<Table> write(std::string_view sql, std::initializer_list<Value> values = {}) {
    return write(sql, std::span(values.begin(), values.size()));
  }
  /// Runs `work` as a transaction. If `work` returns an error, the transaction is rolled back.
  [[nodiscard]] virtual Result<void> transaction(const std::function<Result<void>()>& work) = 0;
  /// Locks the schema, so that no other process changes it at the same time. Call it within a transaction.
  [[nodiscard]] virtual Result<void> lock_schema() = 0;
  /// Whether a table exists.
  [[nodiscard]] virtual Result<bool> has_table(std::string_view table) = 0;
  /// Whether texts may have all characters of Unicode. Otherwise they may have only those of ASCII.
  [[nodiscard]] virtual bool takes_unicode() const { return true; }
  /// Takes the dead rows out of the table of units, if the database does that on demand. An error changes nothing.
  virtual void clean() {}
  /// Tells waiting workers of new units. Call it within a transaction, or before `write`.
  [[nodiscard]] virtual Result<void> hint() = 0;
  /// Waits for a hint. Returns whether it has come.
  virtual bool wait(std::chrono::milliseconds most, const std::stop_token& stop, Hints hints) = 0;
};

[[nodiscard]] Result<std::unique_ptr<Sql>> open_sqlite(const std::string& path, const StoreOptions& options);
[[nodiscard]] Result<std::unique_ptr<Sql>> open_postgres(const std::string& url, const StoreOptions& options);

/// Makes or migrates the tables.
[[nodiscard]] Result<void> migrate(Sql& sql);

/// Returns `text` with every `from` replaced by `to`.
[[nodiscard]] std::string replaced(std::string text, std::string_view from, std::string_view to);
/// Converts a time for SQL.
[[nodiscard]] inline std::int64_t in_ms(std::chrono::milliseconds time) { return time.count(); }

}  // namespace etl::inline v0::jobs::detail
