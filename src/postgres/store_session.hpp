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

/// Transactions whose connection was lost. They hold their locks until the server notices the loss, which may take
/// hours, so the next caller ends them. Each transaction of a store first takes an advisory lock with its own number,
/// by which it can be found. Thread-safe.
class Leftovers {
 public:
  /// If there is no memory for the number, only the server's own time-outs end the transaction.
  void add(std::int64_t number) noexcept;
  [[nodiscard]] Result<void> end(Connection& connection);

 private:
  std::mutex mutex_;
  std::vector<std::int64_t> numbers_;
};

/// A number that no other transaction has.
[[nodiscard]] std::int64_t any_number();
/// SQL at the begin of a transaction: a lock by which the transaction can be found, and a commit that waits for the
/// disk. Without the latter a server that crashes forgets its last commits, and a run that goes on afterwards does not
/// know it.
[[nodiscard]] std::string first_statements(std::int64_t number);
/// Ends a transaction of any session, and waits for its end.
[[nodiscard]] Result<void> end_transaction(Connection& connection, std::int64_t number);

/// The data that a store and its sessions share.
struct StoreState {
  StoreState(Pool connections, std::string_view schema) : pool(std::move(connections)), names(schema) {}
  Pool pool;
  Names names;
  Leftovers left{};
};

[[nodiscard]] std::unique_ptr<StoreSession<Tx>> make_session(std::shared_ptr<StoreState> state);

}  // namespace etl::inline v0::postgres::detail
