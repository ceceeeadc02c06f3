#pragma once
/// Writes structs to a table.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/sqlite/table.hpp>

namespace etl::inline v0::sqlite {
namespace detail {

[[nodiscard]] Result<Statement> prepare_insert(Database& database, std::string_view table,
                                               std::span<const ColumnInfo> columns, OnConflict on_conflict);

/// Binds the value. A text: why the column cannot hold it; nullptr: it can.
template <class V>
[[nodiscard]] const char* bind_value(Statement& statement, int parameter, const V& value) {
  if constexpr (is_optional<V>) {
    using Inner = typename NotNull<V>::type;
    if (!value) return statement.bind(parameter, nullptr), nullptr;
    if constexpr (RealValue<Inner>)  // there is a NULL for it
      return statement.bind(parameter, static_cast<double>(*value)), nullptr;
    else
      return bind_value(statement, parameter, *value);
  } else if constexpr (std::is_enum_v<V>) {
    return bind_value(statement, parameter, static_cast<std::underlying_type_t<V>>(value));
  } else if constexpr (IntegerValue<V>) {
    if constexpr (!std::is_same_v<V, bool>)
      if (!std::in_range<std::int64_t>(value)) return "more than SQLite's largest integer, 9223372036854775807";
    statement.bind(parameter, static_cast<std::int64_t>(value));
  } else if constexpr (RealValue<V>) {
    if (std::isnan(value)) return "SQLite stores NaN as NULL: make the member a std::optional";
    statement.bind(parameter, static_cast<double>(value));
  } else if constexpr (TextValue<V>) {
    statement.bind(parameter, std::string_view(value));
  } else {
    statement.bind(parameter, std::span<const std::byte>(value));
  }
  return nullptr;
}

[[nodiscard]] std::string shown(std::int64_t value);
[[nodiscard]] std::string shown(std::uint64_t value);
[[nodiscard]] std::string shown(double value);
[[nodiscard]] std::string shown(std::string_view text);
[[nodiscard]] std::string shown(std::span<const std::byte> blob);
/// A value as an error shows it.
template <class V>
[[nodiscard]] std::string show(const V& value) {
  if constexpr (is_optional<V>)
    return value ? show(*value) : "NULL";
  else if constexpr (std::is_enum_v<V>)
    return show(static_cast<std::underlying_type_t<V>>(value));
  else if constexpr (std::is_unsigned_v<V>)
    return shown(std::uint64_t{value});
  else if constexpr (IntegerValue<V>)
    return shown(std::int64_t{value});
  else if constexpr (RealValue<V>)
    return shown(static_cast<double>(value));
  else if constexpr (TextValue<V>)
    return shown(std::string_view(value));
  else
    return shown(std::span<const std::byte>(value));
}

/// An error of class Rejected: the value does not fit.
[[nodiscard]] Error misfit(const Database& database, std::string_view place, std::string_view column,
                           std::string_view value, std::string_view why);
/// The transaction is lost: rows that were accepted are so too, and the error no longer concerns one row.
[[nodiscard]] Error rolled_back(Error cause);

}  // namespace detail

/// Inserts rows by one prepared statement, in whatever transaction is open. Errors name table and key. Allocates
/// nothing for a row that is accepted. Belongs to the thread of its connection.
template <class Row, class... C>
class Inserter {
 public:
  [[nodiscard]] static Result<Inserter> make(Database& database, const Table<Row, C...>& table,
                                             OnConflict on_conflict = OnConflict::Fail) {
    Result<Statement> insert = detail::prepare_insert(database, table.name, detail::column_infos(table), on_conflict);
    if (!insert) return failure(std::move(insert.error()));
    return Inserter(std::move(*insert), table);
  }

  /// A value that its column cannot hold (NaN, an integer above 2^63-1) is an error of class Rejected, as is a
  /// violated constraint; the row is not inserted then.
  [[nodiscard]] Result<void> insert(const Row& row) {
    return std::apply([&](const C&... column) { return insert(row, column...); }, table_.columns);
  }
  [[nodiscard]] Database& database() noexcept { return insert_.database(); }

 private:
  Inserter(Statement insert, const Table<Row, C...>& table) : insert_(std::move(insert)), table_(table) {}

  [[nodiscard]] Result<void> insert(const Row& row, const C&... column) {
    // What a getter returns by value is kept here until the step.
    const std::tuple<detail::got_t<decltype(column.get), Row>...> values{std::invoke(column.get, row)...};
    return std::apply(
        [&](const auto&... value) -> Result<void> {
          int bound = 0;
          const char* why = nullptr;
          const bool fits = ((why = detail::bind_value(insert_, bound, value), why == nullptr && ++bound > 0) && ...);
          if (!fits) [[unlikely]] {
            insert_.reset();
            return failure(misfit(row, bound, why));
          }
          const int code = insert_.run_for_code();
          if (code != 0) [[unlikely]]
            return failure(database().error(code, place(row)));
          return {};
        },
        values);
  }

  [[nodiscard]] std::string place(const Row& row) const {
    std::string text = "insert into " + detail::quoted(table_.name);
    const auto add = [&](const auto& column) {
      if (column.is_key)
        text.append(", ").append(column.name).append("=") += detail::show(std::invoke(column.get, row));
    };
    std::apply([&](const C&... column) { (add(column), ...); }, table_.columns);
    return text;
  }
  [[nodiscard]] Error misfit(const Row& row, int at, const char* why) {
    std::string name, value;
    const auto find = [&](const auto& column) {
      if (at-- == 0) name = column.name, value = detail::show(std::invoke(column.get, row));
    };
    std::apply([&](const C&... column) { (find(column), ...); }, table_.columns);
    return detail::misfit(database(), place(row), name, value, why);
  }

  Statement insert_;
  Table<Row, C...> table_;
};

/// Writes batches, each in one transaction of its own: load a pipeline's batches with it from a `load` that is not
/// const, for SQLite has one writer at a time. Belongs to the thread of its connection.
template <class Row, class... C>
class Sink {
 public:
  [[nodiscard]] static Result<Sink> make(Database& database, const Table<Row, C...>& table,
                                         OnConflict on_conflict = OnConflict::Fail) {
    auto inserter = Inserter<Row, C...>::make(database, table, on_conflict);
    if (!inserter) return failure(std::move(inserter.error()));
    return Sink(std::move(*inserter));
  }

  /// All or nothing. The error is that of the first row that was not accepted, or of the transaction.
  [[nodiscard]] Result<void> write(std::span<const Row> batch) { return write(batch, nullptr); }
  /// Rows that are refused with an error of class Rejected are rejected one by one, the others are committed.
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext& context) { return write(batch, &context); }

 private:
  explicit Sink(Inserter<Row, C...> inserter) : inserter_(std::move(inserter)) {}

  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext* context) {
    if (batch.empty()) return {};
    Result<Transaction> transaction = inserter_.database().begin();
    if (!transaction) return failure(std::move(transaction.error()));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Result<void> inserted = inserter_.insert(batch[i]);
      if (inserted) [[likely]]
        continue;
      Error& error = inserted.error();
      if (context == nullptr || error.error_class != ErrorClass::Rejected) return inserted;
      if (!transaction->active()) return failure(detail::rolled_back(std::move(error)));
      context->reject(i, std::move(error));
    }
    return transaction->commit();
  }

  Inserter<Row, C...> inserter_;
};

/// `Inserter::make` and `Sink::make` with the types deduced.
template <class Row, class... C>
[[nodiscard]] Result<Inserter<Row, C...>> inserter(Database& database, const Table<Row, C...>& table,
                                                   OnConflict on_conflict = OnConflict::Fail) {
  return Inserter<Row, C...>::make(database, table, on_conflict);
}
template <class Row, class... C>
[[nodiscard]] Result<Sink<Row, C...>> sink(Database& database, const Table<Row, C...>& table,
                                           OnConflict on_conflict = OnConflict::Fail) {
  return Sink<Row, C...>::make(database, table, on_conflict);
}

/// The sink's type, to name a member of a pipeline by: `SinkFor<decltype(orders)>`.
template <class Table>
using SinkFor = typename decltype(sqlite::sink(std::declval<Database&>(), std::declval<const Table&>()))::value_type;

}  // namespace etl::inline v0::sqlite
