#pragma once
/// Writes structs to a table with binary COPY.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/postgres/copy.hpp>
#include <etl/postgres/table.hpp>

namespace etl::inline v0::postgres {
namespace detail {

/// What is done with a table: its SQL, made once.
struct Target {
  std::string doing;  ///< "insert into T", for errors
  std::string table;  ///< its quoted name
  std::string name;   ///< without its schema, as COPY's errors have it
  std::string copy;   ///< into the table, or into the stage
  std::string stage;  ///< temporary table that the rows go through; empty: none
  std::string make_stage;
  std::string merge;  ///< from the stage into the table
  /// Number of the table whose lock keeps other batches away, if any has to be kept away.
  std::optional<std::int32_t> locked;
  std::string deferred;  ///< its constraints that would be checked at the commit only, by name
  /// The columns whose texts the merge casts: the name, and the type.
  std::vector<std::pair<std::string, std::string>> casts;
};
/// An error names all differences between table and mapping.
[[nodiscard]] Result<Target> make_target(Connection& connection, std::string_view table,
                                         std::span<const ColumnInfo> columns, OnConflict on_conflict);

/// The statement that has them checked at once.
[[nodiscard]] std::string check_now(const Target& target);

/// Whether a COPY is a transaction of its own or part of the one that is open.
enum class Scope : std::uint8_t { Own, Open };

/// Names a row in errors.
class RowNames {
 public:
  virtual ~RowNames() = default;
  /// "insert into T, id=5" for a row by its place among those that were sent.
  [[nodiscard]] virtual std::string place(std::size_t sent) const = 0;
};

/// One COPY under way. Given up, and rolled back if the transaction is its own, when it goes before its end.
class Copy {
 public:
  Copy(Connection& connection, const Target& target, Scope scope)
      : connection_(&connection), target_(&target), scope_(scope) {}
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() { abandon(); }
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> send(std::span<const char> bytes);
  /// With its commit, if the transaction is its own. Rows `first` to `last` - 1 were sent.
  [[nodiscard]] Result<void> end(const RowNames& names, std::size_t first, std::size_t last);
  /// The row that the server named with its refusal, by its place in this COPY. It may be wrong.
  [[nodiscard]] std::optional<std::size_t> suspect() const noexcept { return suspect_; }
  /// Whether the error may come from a cast. PostgreSQL reports it without a row, and with any SQLSTATE.
  [[nodiscard]] bool may_be_cast() const noexcept { return may_be_cast_; }

 private:
  void abandon() noexcept;
  [[nodiscard]] Result<void> await_copy();
  Connection* connection_;
  const Target* target_;
  Scope scope_;
  bool copying_ = false;
  bool may_be_cast_ = false;
  std::optional<std::size_t> suspect_;
};

/// Rows that were encoded: their bytes, and where each ends.
struct SentRows {
  std::span<const char> bytes;
  std::span<const std::size_t> ends;
};
using Refused = std::vector<std::pair<std::size_t, Error>>;
/// Copies all rows except those that are refused with an error of class Rejected or by a cast. Finds them by copying
/// ever smaller parts within savepoints.
[[nodiscard]] Result<void> copy_isolated(Connection& connection, const Target& target, Scope scope,
                                         const SentRows& rows, const RowNames& names, Refused& refused);
[[nodiscard]] Result<void> set_savepoint(Connection& connection, const Target& target);
[[nodiscard]] Result<void> rollback_to_savepoint(Connection& connection, const Target& target);
/// For a transaction of one's own: connects again if the connection was lost; an open transaction is an error.
[[nodiscard]] Result<void> make_ready(Connection& connection, const Target& target);

/// One batch on its way.
template <AnyTable Mapping>
class BatchWriter final : public RowNames {
 public:
  using Row = row_t<Mapping>;
  BatchWriter(const Target& target, EncodedRows<Mapping>& rows, std::span<const Row> batch, BatchContext* context)
      : target_(&target), rows_(&rows), batch_(batch), context_(context) {
    rows.clear();
  }

  /// Encodes the rows, and sends them meanwhile if there is a COPY.
  [[nodiscard]] Result<void> encode(Copy* copy = nullptr) {
    for (; encoded_ < batch_.size(); ++encoded_) {
      Result<void> added = rows_->add(batch_[encoded_]);
      if (!added) [[unlikely]] {
        if (context_ == nullptr) return added;
        rejects_.emplace_back(encoded_, std::move(added.error()));
        unsent_.push_back(encoded_);
      }
      if (copy != nullptr && rows_->bytes().size() - sent_ >= chunk) [[unlikely]]
        if (Result<void> sent = send(*copy); !sent) return sent;
    }
    return {};
  }
  [[nodiscard]] Result<void> write(Connection& connection, Scope scope) {
    // The context's token is stopped when the run is abandoned.
    const CancelOnStop cancel(connection, context_ == nullptr ? std::stop_token() : context_->stop_token());
    const bool needs_mark = context_ != nullptr && scope == Scope::Open;
    if (needs_mark)
      if (Result<void> marked = set_savepoint(connection, *target_); !marked) return marked;
    Result<void> written = copy_all(connection, scope);
    if (!written && context_ != nullptr && (cast_ || written.error().error_class == ErrorClass::Rejected)) {
      if (needs_mark)
        if (Result<void> undone = rollback_to_savepoint(connection, *target_); !undone) return undone;
      written = isolate(connection, scope);
    }
    if (written && context_ != nullptr) report();
    return written;
  }

  [[nodiscard]] std::string place(std::size_t sent) const override {
    return place_of(rows_->table(), batch_[place_in_batch(sent)]);
  }

 private:
  static constexpr std::size_t chunk = 65'536;

  [[nodiscard]] Result<void> send(Copy& copy) {
    const auto bytes = rows_->bytes().subspan(sent_);
    sent_ = rows_->bytes().size();
    return copy.send(bytes);
  }
  [[nodiscard]] Result<void> copy_all(Connection& connection, Scope scope) {
    sent_ = 0;
    Copy copy(connection, *target_, scope);
    Result<void> done = copy.begin();
    if (done) done = encode(&copy);
    if (done) done = send(copy);
    if (done) done = copy.end(*this, 0, rows_->size());
    cast_ = copy.may_be_cast();
    return done;
  }
  [[nodiscard]] Result<void> isolate(Connection& connection, Scope scope) {
    if (Result<void> rest = encode(); !rest) return rest;
    Refused refused;
    Result<void> done =
        copy_isolated(connection, *target_, scope, {.bytes = rows_->bytes(), .ends = rows_->ends()}, *this, refused);
    for (auto& [sent, error] : refused) rejects_.emplace_back(place_in_batch(sent), std::move(error));
    return done;
  }
  void report() {
    std::ranges::sort(rejects_, {}, &Refused::value_type::first);
    for (auto& [at, error] : rejects_) context_->reject(at, std::move(error));
  }
  /// Rows that could not be encoded were not sent.
  [[nodiscard]] std::size_t place_in_batch(std::size_t sent) const {
    for (const std::size_t skipped : unsent_) sent += skipped <= sent ? 1 : 0;
    return std::min(sent, batch_.size() - 1);
  }

  const Target* target_;
  EncodedRows<Mapping>* rows_;
  std::span<const Row> batch_;
  BatchContext* context_;
  std::size_t encoded_ = 0;
  std::size_t sent_ = 0;
  bool cast_ = false;  // the error may come from a cast
  Refused rejects_;
  std::vector<std::size_t> unsent_;
};

}  // namespace detail

/// Copies rows in the open transaction; if none is open, each call is a transaction. Errors name table and key. In
/// steady state it allocates nothing, except in libpq. Belongs to the thread of its connection.
template <AnyTable Mapping>
class Inserter {
 public:
  using Row = row_t<Mapping>;  ///< the type of a row
  /// Compares table and mapping. An error of class Fatal names all differences.
  [[nodiscard]] static Result<Inserter> make(Connection& connection, const Mapping& table,
                                             OnConflict on_conflict = OnConflict::Fail) {
    auto target = detail::make_target(connection, table.name, detail::column_infos(table), on_conflict);
    if (!target) return failure(std::move(target.error()));
    return Inserter(connection, std::move(*target), table);
  }

  /// Inserts all rows or none. A value that its column cannot hold (NUL in a text, invalid UTF-8, out of range) and a
  /// violated constraint are errors of class Rejected. After an error the open transaction can only be rolled back, or
  /// rolled back to a savepoint.
  [[nodiscard]] Result<void> insert(std::span<const Row> rows) { return insert(rows, nullptr); }
  /// Rejects each row that is refused with an error of class Rejected, and inserts the others.
  [[nodiscard]] Result<void> insert(std::span<const Row> rows, BatchContext& context) { return insert(rows, &context); }
  /// The connection.
  [[nodiscard]] Connection& connection() noexcept { return connection_; }

 private:
  Inserter(const Connection& connection, detail::Target target, const Mapping& table)
      : connection_(connection), target_(std::move(target)), rows_(table) {}
  [[nodiscard]] Result<void> insert(std::span<const Row> rows, BatchContext* context) {
    if (rows.empty()) return {};
    const auto scope = connection_.in_transaction() ? detail::Scope::Open : detail::Scope::Own;
    return detail::BatchWriter<Mapping>(target_, rows_, rows, context).write(connection_, scope);
  }

  Connection connection_;
  detail::Target target_;
  EncodedRows<Mapping> rows_;
};

/// Writes each batch in a transaction, over one connection. If the connection was lost, the next `write` connects again
/// first, so a batch whose error is transient can simply be written again. Use it in a `load` that is not const, and a
/// PoolSink in a const `load`. Belongs to the thread of its connection.
template <AnyTable Mapping>
class Sink {
 public:
  using Row = row_t<Mapping>;  ///< the type of a row
  /// Compares table and mapping. An error of class Fatal names all differences.
  [[nodiscard]] static Result<Sink> make(Connection& connection, const Mapping& table,
                                         OnConflict on_conflict = OnConflict::Fail) {
    auto target = detail::make_target(connection, table.name, detail::column_infos(table), on_conflict);
    if (!target) return failure(std::move(target.error()));
    return Sink(connection, std::move(*target), table);
  }

  /// Writes all rows or none. The error is that of the first row that was not accepted, or of the transaction. With the
  /// code `Errc::OutcomeUnknown` the batch may or may not be stored.
  [[nodiscard]] Result<void> write(std::span<const Row> batch) { return write(batch, nullptr); }
  /// Rejects each row that is refused with an error of class Rejected, and commits the others.
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext& context) { return write(batch, &context); }

 private:
  Sink(const Connection& connection, detail::Target target, const Mapping& table)
      : connection_(connection), target_(std::move(target)), rows_(table) {}
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext* context) {
    if (batch.empty()) return {};
    if (Result<void> ready = detail::make_ready(connection_, target_); !ready) return ready;
    return detail::BatchWriter<Mapping>(target_, rows_, batch, context).write(connection_, detail::Scope::Own);
  }

  Connection connection_;
  detail::Target target_;
  EncodedRows<Mapping> rows_;
};

/// `Inserter::make` with the types deduced.
template <AnyTable Mapping>
[[nodiscard]] Result<Inserter<Mapping>> inserter(Connection& connection, const Mapping& table,
                                                 OnConflict on_conflict = OnConflict::Fail) {
  return Inserter<Mapping>::make(connection, table, on_conflict);
}
/// `Sink::make` with the types deduced.
template <AnyTable Mapping>
[[nodiscard]] Result<Sink<Mapping>> sink(Connection& connection, const Mapping& table,
                                         OnConflict on_conflict = OnConflict::Fail) {
  return Sink<Mapping>::make(connection, table, on_conflict);
}

/// The type of the sink for a table, for a member of a pipeline: `SinkFor<decltype(orders)>`.
template <class Table>
using SinkFor =
    typename decltype(postgres::sink(std::declval<Connection&>(), std::declval<const Table&>()))::value_type;

template <class Mapping>
Result<void> Transaction::copy(const Mapping& table, std::span<const typename Mapping::row_type> rows) {
  auto inserter = Inserter<Mapping>::make(connection_, table);
  if (!inserter) return failure(std::move(inserter.error()));
  return inserter->insert(rows);
}

}  // namespace etl::inline v0::postgres
