#pragma once
/// Writes rows to a table.

#include <cstddef>
#include <cstdint>
#include <functional>
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
#include <etl/error.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/source.hpp>  // so that who writes a table can read it, too
#include <etl/sqlite/table.hpp>
#include <etl/sqlite/values.hpp>

namespace etl::inline v0::sqlite {
namespace detail {

[[nodiscard]] Result<Statement> prepare_insert(Database& database, std::string_view table,
                                               std::span<const ColumnInfo> columns, OnConflict on_conflict);

/// Tells which values SQLite would change, because a column of the table has another type than in the mapping. Returns
/// a type for each column: Other if SQLite may change texts, Real if it may change integers, Text if it may change
/// numbers, Any if it changes no value. Returns an empty list if SQLite changes no value of any column.
[[nodiscard]] Result<std::vector<Type>> conversions(Database& database, std::string_view table,
                                                    std::span<const ColumnInfo> columns);
/// Why a value is refused that SQLite would change; nullptr if the value is not refused.
template <class V>
[[nodiscard]] const char* refused_conversion(Type type, const V& value) {
  if constexpr (is_optional<V>) {
    return value ? refused_conversion(type, *value) : nullptr;
  } else if constexpr (is_dynamic_value<V>) {
    return std::visit([&](const auto& one) { return refused_conversion(type, one); }, value);
  } else if constexpr (TextValue<V>) {
    return type == Type::Other ? refusal(type, std::string_view(value)) : nullptr;
  } else if constexpr (IntegerValue<V>) {
    return type == Type::Real ? refusal(static_cast<std::int64_t>(value)) : nullptr;
  } else if constexpr (RealValue<V>) {
    return type == Type::Text ? refusal(static_cast<double>(value)) : nullptr;
  } else {
    return nullptr;
  }
}

/// An error of class Rejected: the value does not fit.
[[nodiscard]] Error misfit(const Database& database, std::string_view place, std::string_view column,
                           std::string_view value, std::string_view why);
/// Of the step of an INSERT: what SQLite calls a general error belongs to its row.
[[nodiscard]] Error row_error(const Database& database, int code, std::string_view doing);

/// An error of class Rejected: the row that a deferred foreign key refers to is missing.
[[nodiscard]] Error unmatched(const Database& database, std::string_view place);

/// The transaction is lost: rows that were accepted are so too, and the error no longer concerns one row.
[[nodiscard]] Error rolled_back(Error cause);
/// A refused row may have left something, because the schema has got a FAIL. The rows can be written again.
[[nodiscard]] Error left_behind(Error cause);

/// A savepoint for each row, if the schema has RAISE(FAIL) or ON CONFLICT FAIL: these refuse a row, but keep what its
/// statement has done before, such as the row itself.
class RowSavepoint {
 public:
  /// Looks for the word FAIL in the schema.
  [[nodiscard]] static Result<RowSavepoint> make(Database& database);
  [[nodiscard]] bool is_needed() const noexcept { return !statements_.empty(); }
  // Each returns SQLite's result code.
  [[nodiscard]] int set() noexcept { return statements_[0].run_for_code(); }
  [[nodiscard]] int release() noexcept { return statements_[1].run_for_code(); }
  /// Undoes the row. There is nothing to do if SQLite has rolled back the whole transaction.
  [[nodiscard]] int undo() noexcept;

 private:
  std::vector<Statement> statements_{};
};

}  // namespace detail

/// Inserts rows with one prepared statement, in the transaction that is open. Errors name table and key. Allocates
/// nothing for a row that is accepted. If the schema has RAISE(FAIL) or ON CONFLICT FAIL, each row costs a savepoint.
/// Belongs to the thread of its connection.
template <class Row, class... C>
class Inserter {
 public:
  /// Prepares the statement.
  [[nodiscard]] static Result<Inserter> make(Database& database, const Table<Row, C...>& table,
                                             OnConflict on_conflict = OnConflict::Fail) {
    Result<Statement> insert = detail::prepare_insert(database, table.name, detail::column_infos(table), on_conflict);
    if (!insert) return failure(std::move(insert.error()));
    auto savepoint = detail::RowSavepoint::make(database);
    if (!savepoint) return failure(std::move(savepoint.error()));
    auto conversions = detail::conversions(database, table.name, detail::column_infos(table));
    if (!conversions) return failure(std::move(conversions.error()));
    return Inserter(std::move(*insert), std::move(*savepoint), std::move(*conversions), table);
  }

  /// Inserts a row. A value that its column cannot hold (NaN, an integer above 2^63-1) and a violated constraint are
  /// errors of class Rejected; the row is then not inserted. After any other error roll back the transaction.
  [[nodiscard]] Result<void> insert(const Row& row) {
    return std::apply([&](const C&... column) { return insert(row, column...); }, table_.columns);
  }
  /// The connection.
  [[nodiscard]] Database& database() noexcept { return insert_.database(); }
  /// Used by the library: the error of a row that violates a deferred foreign key.
  [[nodiscard]] Error unmatched(const Row& row) { return detail::unmatched(database(), place(row)); }

 private:
  Inserter(Statement insert, detail::RowSavepoint savepoint, std::vector<Type> conversions,
           const Table<Row, C...>& table)
      : insert_(std::move(insert)),
        savepoint_(std::move(savepoint)),
        conversions_(std::move(conversions)),
        table_(table) {}

  template <class... Get, bool... key>
  [[nodiscard]] Result<void> insert(const Row& row, const Column<Get, key>&... column) {
    // What a getter returns by value is kept here until the step.
    const std::tuple<detail::got_t<Get, Row>...> values{std::invoke(column.get, row)...};
    return std::apply(
        [&](const auto&... value) -> Result<void> {
          int bound = 0;
          const char* why = nullptr;
          const bool fits = ((why = bind(bound, value), why == nullptr && ++bound > 0) && ...);
          return fits ? run(row) : misfit(row, bound, why);
        },
        values);
  }
  template <class V>
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE const char* bind(int at, const V& value) {
    if (const char* const why = refused_conversion(at, value)) return why;
    return detail::bind_value(insert_, at, value);
  }
  template <class V>
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE const char* refused_conversion(int at, const V& value) const {
    if (conversions_.empty()) [[likely]]
      return nullptr;
    return detail::refused_conversion(conversions_[static_cast<std::size_t>(at)], value);
  }
  template <class Get>
  [[nodiscard]] Result<void> insert(const Row& row, const DynamicColumns<Get>& columns) {
    int bound = 0;
    const char* why = nullptr;
    for (const DynamicColumn& column : columns.list) {
      const auto at = static_cast<std::size_t>(bound);
      const auto& value = kept_.keep(at, std::invoke(columns.get, row, at));
      why = detail::bind_dynamic(insert_, bound, value, column);
      if (why == nullptr) why = refused_conversion(bound, value);
      if (why != nullptr) [[unlikely]]
        return misfit(row, bound, why);
      ++bound;
    }
    return run(row);
  }
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE Result<void> run(const Row& row) {
    if (savepoint_.is_needed()) [[unlikely]]
      return run_in_savepoint(row);
    if (const int code = insert_.run_for_code(); code != 0) [[unlikely]]
      return refused(row, code);
    if (database().changes() == 0) [[unlikely]]
      database().count_dropped();
    return {};
  }
  [[nodiscard]] Result<void> run_in_savepoint(const Row& row) {
    int code = savepoint_.set();
    if (code != 0) {
      insert_.reset();
      return failure(database().error(code, place(row)));
    }
    code = insert_.run_for_code();
    const bool is_dropped = code == 0 && database().changes() == 0;
    if (code == 0) code = savepoint_.release();  // without a transaction this is the commit
    if (code == 0) {
      if (is_dropped) database().count_dropped();
      return {};
    }
    Error error = detail::row_error(database(), code, place(row));
    if (code = savepoint_.undo(); code != 0) return failure(database().error(code, place(row)));
    return failure(std::move(error));
  }
  [[nodiscard]] Result<void> refused(const Row& row, int code) {
    Error error = detail::row_error(database(), code, place(row));
    const int reprepared = insert_.reprepared();
    if (reprepared == reprepared_ || error.error_class != ErrorClass::Rejected) return failure(std::move(error));
    // The schema has changed, so it may have a FAIL now.
    auto savepoint = detail::RowSavepoint::make(database());
    if (!savepoint) return failure(std::move(savepoint.error()));
    savepoint_ = std::move(*savepoint);
    reprepared_ = reprepared;
    return failure(savepoint_.is_needed() ? detail::left_behind(std::move(error)) : std::move(error));
  }

  [[nodiscard]] std::string place(const Row& row) const {
    std::string text = "insert into " + detail::quoted(table_.name);
    detail::each_value(table_, row, [&](std::string_view name, bool is_key, const auto& value) {
      if (is_key) text.append(", ").append(name).append("=") += detail::show(value);
    });
    return text;
  }
  [[nodiscard]] Result<void> misfit(const Row& row, int at, const char* why) {
    insert_.reset();
    std::string column, shown;
    detail::each_value(table_, row, [&](std::string_view name, bool, const auto& value) {
      if (at-- == 0) column = name, shown = detail::show(value);
    });
    return failure(detail::misfit(database(), place(row), column, shown, why));
  }

  Statement insert_;
  detail::RowSavepoint savepoint_;
  std::vector<Type> conversions_;
  int reprepared_ = 0;  // of `insert_`, when the savepoint was made
  Table<Row, C...> table_;
  [[no_unique_address]] detail::Kept<Row, C...> kept_{};
};

namespace detail {

/// Inserts the rows that are not marked in `refused`. Rejects each row that SQLite refuses with an error of class
/// Rejected, and marks this row in `refused`. If a row has rolled back the whole transaction, so that the transaction
/// is not `active` any more, `again` begins it once more, and the rows before that row are inserted again. If `context`
/// is null, the function returns at the first error.
template <class Into, class Row, class Active, class Again>
[[nodiscard]] Result<void> insert_all(Into& into, std::span<const Row> batch, BatchContext* context, Active active,
                                      Again again, std::vector<bool>& refused) {
  const std::uint64_t dropped = into.database().dropped();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!refused.empty() && refused[i]) [[unlikely]]
      continue;
    Result<void> inserted = into.insert(batch[i]);
    if (inserted) [[likely]]
      continue;
    Error& error = inserted.error();
    if (error.error_class != ErrorClass::Rejected) return inserted;
    const bool kept = active();
    if (!kept && context == nullptr) return failure(rolled_back(std::move(error)));
    if (context == nullptr) return inserted;
    if (!kept) {
      Result<bool> begun = again();
      if (!begun) return failure(std::move(begun.error()));
      if (!*begun) return failure(rolled_back(std::move(error)));
      into.database().set_dropped(dropped);
    }
    refused.resize(batch.size());
    refused[i] = true;
    context->reject(i, std::move(error));
    if (!kept) i = static_cast<std::size_t>(-1);  // the next row is the first
  }
  return {};
}

/// Finds the rows that violate a deferred foreign key even after all other rows were inserted. Leaves the other rows in
/// the transaction, but not in their order.
template <class Into, class Row>
[[nodiscard]] Result<std::vector<std::size_t>> find_unmatched(Into& into, std::span<const Row> batch,
                                                              const std::vector<bool>& refused) {
  Database& database = into.database();
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (refused.empty() || !refused[i]) left.push_back(i);
  constexpr int most = 8;  // passes; a batch whose rows are in no useful order would need a pass for each row
  std::size_t before = left.size() + 1;
  for (int pass = 0; pass < most && !left.empty() && left.size() < before; ++pass) {
    before = left.size();
    std::vector<std::size_t> unmatched;
    for (const std::size_t i : left) {
      if (Result<void> set = database.execute("SAVEPOINT etl_match"); !set) return failure(std::move(set.error()));
      Result<void> inserted = into.insert(batch[i]);
      const bool matched = inserted && !database.violates_deferred_keys();
      if (!inserted && inserted.error().error_class != ErrorClass::Rejected)
        return failure(std::move(inserted.error()));
      Result<void> ended = database.execute(matched ? "RELEASE etl_match" : "ROLLBACK TO etl_match; RELEASE etl_match");
      if (!ended) return failure(std::move(ended.error()));
      if (inserted && !matched) unmatched.push_back(i);
    }
    // Rows often refer to the next one, so the last one comes first now.
    left.assign(unmatched.rbegin(), unmatched.rend());
  }
  return left;
}

}  // namespace detail

/// Writes each batch in a transaction. Use it in a `load` that is not const, because SQLite has one writer at a time.
/// Belongs to the thread of its connection.
template <class Row, class... C>
class Sink {
 public:
  /// Prepares the statement.
  [[nodiscard]] static Result<Sink> make(Database& database, const Table<Row, C...>& table,
                                         OnConflict on_conflict = OnConflict::Fail) {
    auto inserter = Inserter<Row, C...>::make(database, table, on_conflict);
    if (!inserter) return failure(std::move(inserter.error()));
    return Sink(std::move(*inserter));
  }

  /// Writes all rows or none. The error is that of the first row that was not accepted, or of the transaction.
  [[nodiscard]] Result<void> write(std::span<const Row> batch) { return write(batch, nullptr); }
  /// Rejects each row that is refused with an error of class Rejected, and commits the others.
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext& context) { return write(batch, &context); }

 private:
  explicit Sink(Inserter<Row, C...> inserter) : inserter_(std::move(inserter)) {}

  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext* context) {
    if (batch.empty()) return {};
    Result<Transaction> transaction = inserter_.database().begin();
    if (!transaction) return failure(std::move(transaction.error()));
    std::optional<Transaction> open(std::move(*transaction));
    const auto again = [&]() -> Result<bool> {
      open.reset();
      Result<Transaction> begun = inserter_.database().begin();
      if (!begun) return failure(std::move(begun.error()));
      open.emplace(std::move(*begun));
      return true;
    };
    Database& database = inserter_.database();
    const std::uint64_t dropped = database.dropped();
    std::vector<bool> refused;
    const auto active = [&] { return open->active(); };
    if (Result<void> done = detail::insert_all(inserter_, batch, context, active, again, refused); !done) return done;
    if (context != nullptr && database.violates_deferred_keys()) [[unlikely]] {
      if (Result<bool> begun = again(); !begun) return failure(std::move(begun.error()));
      const auto unmatched = detail::find_unmatched(inserter_, batch, refused);
      if (!unmatched) return failure(unmatched.error());
      refused.resize(batch.size());
      for (const std::size_t i : *unmatched) {
        refused[i] = true;
        context->reject(i, inserter_.unmatched(batch[i]));
      }
      // Inserts the other rows in their order, because the order decides which row of a key stays: the last or the
      // first.
      if (Result<bool> begun = again(); !begun) return failure(std::move(begun.error()));
      database.set_dropped(dropped);
      if (Result<void> done = detail::insert_all(inserter_, batch, context, active, again, refused); !done) return done;
    }
    return open->commit();
  }

  Inserter<Row, C...> inserter_;
};

/// `Inserter::make` with the types deduced.
template <class Row, class... C>
[[nodiscard]] Result<Inserter<Row, C...>> inserter(Database& database, const Table<Row, C...>& table,
                                                   OnConflict on_conflict = OnConflict::Fail) {
  return Inserter<Row, C...>::make(database, table, on_conflict);
}
/// `Sink::make` with the types deduced.
template <class Row, class... C>
[[nodiscard]] Result<Sink<Row, C...>> sink(Database& database, const Table<Row, C...>& table,
                                           OnConflict on_conflict = OnConflict::Fail) {
  return Sink<Row, C...>::make(database, table, on_conflict);
}

/// The type of the sink for a table, for a member of a pipeline: `SinkFor<decltype(orders)>`.
template <class Table>
using SinkFor = typename decltype(sqlite::sink(std::declval<Database&>(), std::declval<const Table&>()))::value_type;

}  // namespace etl::inline v0::sqlite
