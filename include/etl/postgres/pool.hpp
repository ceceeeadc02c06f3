#pragma once
/// Connections that threads share; each connection is used by one thread at a time.

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/policy/retry.hpp>
#include <etl/postgres/connection.hpp>

namespace etl::inline v0::postgres {

/// Settings of a pool. An aggregate.
struct PoolOptions {
  std::size_t max_size = 4;  ///< most connections at once
  /// A connection that was idle for longer is tested with a round trip. A connection that the server has closed is
  /// always dropped.
  std::chrono::milliseconds check_after{30'000};
  std::chrono::milliseconds lease_timeout{60'000};  ///< how long to wait until another thread returns a connection
  RetryPolicy connect = RetryPolicy::database();    ///< retries to connect; a wrong password is not tried again
};

class Lease;

/// At most `max_size` connections, made when needed. A returned connection keeps its settings and temporary tables, but
/// not an open transaction. A value: copies share the connections. Thread-safe.
class Pool {
 public:
  /// Makes the first connection, so that a wrong URL or password is an error here.
  [[nodiscard]] static Result<Pool> make(std::string_view url, const ConnectionOptions& connection = {},
                                         const PoolOptions& options = {});
  /// Leases a working connection; waits while all are leased. If `stop` is requested, this wait, an attempt to connect,
  /// or a wait between attempts ends with a transient error.
  [[nodiscard]] Result<Lease> lease(const std::stop_token& stop = {}) const;

  /// Numbers of connections.
  struct Status {
    std::size_t leased = 0;  ///< in use
    std::size_t idle = 0;    ///< open and not in use
  };
  /// How many connections there are.
  [[nodiscard]] Status status() const;
  /// The settings.
  [[nodiscard]] const PoolOptions& options() const noexcept;

 private:
  friend class Lease;
  struct State;
  explicit Pool(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// A leased connection. The destructor returns it to the pool, unless it was lost or left in a transaction. Destroy
/// transactions, inserters and queries of the connection before the lease. Belongs to one thread at a time.
class Lease {
 public:
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&& other) noexcept {
    give_back();
    pool_ = std::move(other.pool_);
    connection_ = std::move(other.connection_);
    return *this;
  }
  ~Lease() { give_back(); }
  [[nodiscard]] Connection& operator*() noexcept { return connection_; }
  [[nodiscard]] Connection* operator->() noexcept { return &connection_; }

 private:
  friend class Pool;
  Lease(std::shared_ptr<Pool::State> pool, Connection connection)
      : pool_(std::move(pool)), connection_(std::move(connection)) {}
  void give_back() noexcept;
  std::shared_ptr<Pool::State> pool_;  // null: moved from
  Connection connection_;
};

}  // namespace etl::inline v0::postgres
