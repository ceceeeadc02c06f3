#pragma once
/// Connections shared by threads, each used by one at a time.

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

struct PoolOptions {
  std::size_t max_size = 4;  ///< connections at once
  /// A connection that lay idle for longer is asked whether it is still there; any is dropped without asking once the
  /// server has ended it.
  std::chrono::milliseconds check_after{30'000};
  std::chrono::milliseconds lease_timeout{60'000};  ///< how long to wait for another thread to give one back
  RetryPolicy connect = RetryPolicy::database();    ///< with transient errors only: no wrong password is tried twice
};

class Lease;

/// At most `max_size` connections, made when they are needed. What a session was left with (settings, temporary
/// tables) stays with its connection; open transactions do not. A value: copies share the connections. Thread-safe.
class Pool {
 public:
  /// Makes the first connection, so that a wrong URL or password is met here.
  [[nodiscard]] static Result<Pool> make(std::string_view url, const ConnectionOptions& connection = {},
                                         const PoolOptions& options = {});
  /// A healthy connection; waits for one while all are leased. `stop` ends this wait and the one between attempts to
  /// connect with an error of class Fatal.
  [[nodiscard]] Result<Lease> lease(const std::stop_token& stop = {}) const;

  struct Status {
    std::size_t leased = 0;
    std::size_t idle = 0;
  };
  [[nodiscard]] Status status() const;
  [[nodiscard]] const PoolOptions& options() const noexcept;

 private:
  friend class Lease;
  struct State;
  explicit Pool(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// A connection until this goes; then the pool has it back, unless it was lost or left in a transaction. What was made
/// of the connection meanwhile (transactions, inserters, queries) must have gone by then. Belongs to one thread at a
/// time.
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
