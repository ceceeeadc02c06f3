#pragma once
/// The sessions of a store.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/delivery/transactional_store.hpp>
#include <etl/postgres/pool.hpp>
#include <etl/postgres/store.hpp>

#include "store_tables.hpp"

namespace etl::inline v0::postgres::detail {

/// Transactions whose connection was lost. Until the server has noticed that, which may take hours, they hold their
/// locks, so whoever comes next ends them. Each transaction of a store takes the advisory lock of a number of its own
/// first of all, by which it is found. Thread-safe.
class Leftovers {
 public:
  /// Without memory for it the server's own time-outs have to do.
  void add(std::int64_t number) noexcept;
  [[nodiscard]] Result<void> end(Connection& connection);

 private:
  std::mutex mutex_;
  std::vector<std::int64_t> numbers_;
};

/// No two transactions have the same.
[[nodiscard]] std::int64_t any_number();
/// What a transaction begins with, to be found by its number.
[[nodiscard]] std::string mark_of(std::int64_t number);
/// Ends a transaction, wherever it is, and waits for its end.
[[nodiscard]] Result<void> end_transaction(Connection& connection, std::int64_t number);

/// What a store and its sessions share.
struct StoreState {
  StoreState(Pool connections, std::string_view schema) : pool(std::move(connections)), names(schema) {}
  Pool pool;
  Names names;
  Leftovers left{};
};

[[nodiscard]] std::unique_ptr<StoreSession<Tx>> make_session(std::shared_ptr<StoreState> state);

}  // namespace etl::inline v0::postgres::detail
