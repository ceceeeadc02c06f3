#pragma once
/// Writes batches over the connections of a pool, from many threads at once.

#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/postgres/pool.hpp>
#include <etl/postgres/sink.hpp>

namespace etl::inline v0::postgres {

/// A sink for a const `load`. Each call encodes its rows on the calling thread, and then takes a connection of the pool
/// to send them, so that it does not hold a connection while it encodes. Thread-safe.
template <AnyTable Mapping>
class PoolSink {
 public:
  using Row = row_t<Mapping>;  ///< the type of a row
  /// Compares table and mapping. An error of class Fatal names all differences.
  [[nodiscard]] static Result<PoolSink> make(const Pool& pool, const Mapping& table,
                                             OnConflict on_conflict = OnConflict::Fail) {
    Result<Lease> lease = pool.lease();
    if (!lease) return failure(std::move(lease.error()));
    auto target = detail::make_target(**lease, table.name, detail::column_infos(table), on_conflict);
    if (!target) return failure(std::move(target.error()));
    return PoolSink(pool, std::move(*target), table);
  }

  /// Writes all rows or none, as `Sink::write`.
  [[nodiscard]] Result<void> write(std::span<const Row> batch) const { return write(batch, nullptr); }
  /// Rejects each row that is refused with an error of class Rejected, and commits the others.
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext& context) const {
    return write(batch, &context);
  }
  /// The pool.
  [[nodiscard]] const Pool& pool() const noexcept { return pool_; }

 private:
  /// Memory for encoded rows, as many as there are calls at once.
  struct Spare {
    std::mutex mutex;
    std::vector<std::unique_ptr<EncodedRows<Mapping>>> rows;
  };

  PoolSink(Pool pool, detail::Target target, const Mapping& table)
      : pool_(std::move(pool)), target_(std::move(target)), table_(table) {}
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext* context) const {
    if (batch.empty()) return {};
    auto rows = take();
    Result<void> written = write(batch, context, *rows);
    const std::lock_guard lock(spare_->mutex);
    spare_->rows.push_back(std::move(rows));
    return written;
  }
  [[nodiscard]] Result<void> write(std::span<const Row> batch, BatchContext* context,
                                   EncodedRows<Mapping>& rows) const {
    detail::BatchWriter<Mapping> writer(target_, rows, batch, context);
    if (Result<void> encoded = writer.encode(); !encoded) return encoded;
    Result<Lease> lease = pool_.lease(context == nullptr ? std::stop_token() : context->wait_stop_token());
    if (!lease) return failure(std::move(lease.error()));
    return writer.write(**lease, detail::Scope::Own);
  }
  [[nodiscard]] std::unique_ptr<EncodedRows<Mapping>> take() const {
    const std::lock_guard lock(spare_->mutex);
    if (spare_->rows.empty()) return std::make_unique<EncodedRows<Mapping>>(table_);
    auto rows = std::move(spare_->rows.back());
    spare_->rows.pop_back();
    return rows;
  }

  Pool pool_;
  detail::Target target_;
  Mapping table_;
  std::unique_ptr<Spare> spare_ = std::make_unique<Spare>();
};

/// `PoolSink::make` with the types deduced.
template <AnyTable Mapping>
[[nodiscard]] Result<PoolSink<Mapping>> sink(const Pool& pool, const Mapping& table,
                                             OnConflict on_conflict = OnConflict::Fail) {
  return PoolSink<Mapping>::make(pool, table, on_conflict);
}
/// The type of the pool sink for a table, for a member of a pipeline.
template <class Table>
using PoolSinkFor =
    typename decltype(postgres::sink(std::declval<const Pool&>(), std::declval<const Table&>()))::value_type;

}  // namespace etl::inline v0::postgres
