#pragma once
/// What the jobs ask of a database: statements in the part of SQL that SQLite and PostgreSQL share.

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

/// A parameter.
using Value = std::variant<std::int64_t, std::string>;
/// A result. NULL is an empty text.
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

/// A connection to a database. In its SQL, parameters are `?1`, `?2`, ..., `@now` is the database's time in ms since
/// 1970, and `@skip` follows a SELECT whose rows are locked: rows that another transaction has locked are left out. A
/// text that begins with `varying` is not kept prepared, because the next one will differ.
class Sql {
 public:
  Sql() = default;
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;
  virtual ~Sql() = default;
  /// Another connection.
  [[nodiscard]] virtual Result<std::unique_ptr<Sql>> again() = 0;
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// One statement that reads, or a statement of a transaction.
  [[nodiscard]] virtual Result<Table> run(std::string_view sql, std::span<const Value> values) = 0;
  [[nodiscard]] Result<Table> run(std::string_view sql, std::initializer_list<Value> values = {}) {
    return run(sql, std::span(values.begin(), values.size()));
  }
  /// One statement that writes, as a transaction.
  [[nodiscard]] virtual Result<Table> write(std::string_view sql, std::span<const Value> values) = 0;
  [[nodiscard]] Result<Table> write(std::string_view sql, std::initializer_list<Value> values = {}) {
    return write(sql, std::span(values.begin(), values.size()));
  }
  /// `work` as a transaction, which is rolled back if it returns an error.
  [[nodiscard]] virtual Result<void> transaction(const std::function<Result<void>()>& work) = 0;
  /// No other process does this at the same time. Call it within a transaction.
  [[nodiscard]] virtual Result<void> lock_schema() = 0;
  /// Whether a table exists.
  [[nodiscard]] virtual Result<bool> has_table(std::string_view table) = 0;
  /// Tells waiting workers of new units. Call it within a transaction, or before `write`.
  [[nodiscard]] virtual Result<void> hint() = 0;
  /// Waits for a hint. Returns whether it has come.
  virtual bool wait(std::chrono::milliseconds most, const std::stop_token& stop, Hints hints) = 0;
};

[[nodiscard]] Result<std::unique_ptr<Sql>> open_sqlite(const std::string& path, const StoreOptions& options);
[[nodiscard]] Result<std::unique_ptr<Sql>> open_postgres(const std::string& url, const StoreOptions& options);

/// Makes or migrates the tables.
[[nodiscard]] Result<void> migrate(Sql& sql);

/// The text with every `from` replaced.
[[nodiscard]] std::string replaced(std::string text, std::string_view from, std::string_view to);
/// A time for SQL.
[[nodiscard]] inline std::int64_t in_ms(std::chrono::milliseconds time) { return time.count(); }

}  // namespace etl::inline v0::jobs::detail
