#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/policy/waiter.hpp>
#include <etl/postgres/pool.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres {

struct Pool::State {
  using Clock = std::chrono::steady_clock;
  struct Idle {
    Connection connection;
    Clock::time_point since;
  };

  State(std::string_view where, ConnectionOptions how, const PoolOptions& what)
      : url(where), connection(std::move(how)), options(what) {}

  std::string url;
  ConnectionOptions connection;
  PoolOptions options;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<Idle> idle;  // the most recently used connection is last
  std::size_t leased = 0;
};

Result<Pool> Pool::make(std::string_view url, const ConnectionOptions& connection, const PoolOptions& options) {
  if (options.max_size == 0)
    return failure({.code = Errc::InvalidOptions, .context = "PoolOptions::max_size must be at least 1"});
  if (auto problem = options.connect.validate()) return failure(std::move(*problem));
  Pool pool(std::make_shared<State>(url, connection, options));
  const Result<Lease> first = pool.lease();
  if (!first) return failure(first.error());
  return pool;
}

Result<Lease> Pool::lease(const std::stop_token& stop) const {
  State& state = *state_;
  std::optional<State::Idle> taken;
  {
    std::unique_lock lock(state.mutex);
    const bool free = state.changed.wait_for(lock, stop, state.options.lease_timeout,
                                             [&] { return state.leased < state.options.max_size; });
    if (stop.stop_requested())
      return failure(own_error("57014", ErrorClass::Transient, "PostgreSQL pool: stopped while waiting"));
    if (!free)
      return failure(own_error("53300", ErrorClass::Transient,
                               fmt::format("PostgreSQL pool: all {} connections were leased for {} ms: use fewer "
                                           "workers, or raise PoolOptions::max_size",
                                           state.options.max_size, state.options.lease_timeout.count())));
    ++state.leased;
    if (!state.idle.empty()) {
      taken.emplace(std::move(state.idle.back()));
      state.idle.pop_back();
    }
  }
  // The connection already counts as leased. Connecting takes time, so it happens without the lock.
  if (taken) {
    State::Idle& idle = *taken;
    const bool is_fresh = State::Clock::now() - idle.since < state.options.check_after;
    if (idle.connection.alive() && (is_fresh || idle.connection.ping()))
      return Lease(state_, std::move(idle.connection));
  }
  Result<Connection> made =
      retry(state.options.connect, [&] { return Connection::open(state.url, state.connection, stop); }, Waiter(stop));
  if (made) return Lease(state_, std::move(*made));
  const std::lock_guard lock(state.mutex);
  --state.leased;
  state.changed.notify_one();
  return failure(std::move(made.error()));
}

Pool::Status Pool::status() const {
  const std::lock_guard lock(state_->mutex);
  return {.leased = state_->leased, .idle = state_->idle.size()};
}
const PoolOptions& Pool::options() const noexcept { return state_->options; }

void Lease::give_back() noexcept {
  const std::shared_ptr<Pool::State> pool = std::exchange(pool_, nullptr);
  if (!pool) return;
  Connection connection = std::move(connection_);  // closed after the lock is released, if no longer usable
  const bool usable = connection.alive() && !connection.in_transaction();
  const std::lock_guard lock(pool->mutex);
  --pool->leased;
  if (usable) pool->idle.push_back({std::move(connection), Pool::State::Clock::now()});
  pool->changed.notify_one();
}

}  // namespace etl::inline v0::postgres
