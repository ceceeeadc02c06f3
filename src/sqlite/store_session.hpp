#pragma once
/// The sessions of a store, and how sessions and other calls take turns.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>
#include <etl/sqlite/store.hpp>

namespace etl::inline v0::sqlite::detail {

/// Lets the connections of this process wait for one another. SQLite would make a connection that waits for a lock
/// sleep for up to 100 ms at a time, and finally give up.
class Gate {
 public:
  /// Who has the turn after `enter`: this thread had it already, and would wait for itself; or a stop came first.
  enum class Entered : std::uint8_t { Now, Before, Stopped };

  /// Waits for the turn of this thread, until `stop` is requested.
  [[nodiscard]] Entered enter(const std::stop_token& stop = {}) {
    std::unique_lock lock(mutex_);
    if (inside_ == std::this_thread::get_id()) return Entered::Before;
    if (stop.stop_requested()) return Entered::Stopped;
    const auto is_free = [this] { return inside_ == std::thread::id(); };
    if (!is_free() && !free_.wait(lock, stop, is_free)) return Entered::Stopped;
    inside_ = std::this_thread::get_id();
    return Entered::Now;
  }
  void leave() noexcept {
    {
      const std::scoped_lock lock(mutex_);
      inside_ = {};
    }
    free_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any free_;
  std::thread::id inside_{};
};

class Turn {
 public:
  explicit Turn(Gate& gate) : gate_(gate.enter() == Gate::Entered::Now ? &gate : nullptr) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (gate_ != nullptr) gate_->leave();
  }
  explicit operator bool() const noexcept { return gate_ != nullptr; }

 private:
  Gate* gate_;
};

[[nodiscard]] Error busy_with_itself(const Database& database, std::string_view doing);

/// The data that a store and its sessions share.
struct StoreState {
  StoreState(Database opened, const DatabaseOptions& how, std::int64_t of_tables)
      : database(std::move(opened)), options(how), format(of_tables) {}
  Gate gate;
  Database database;
  DatabaseOptions options;
  std::int64_t format;
  std::atomic<bool> leaves_gaps = false;
  // Guarded by the gate:
  bool database_in_session = false;
  std::chrono::steady_clock::duration locked{};  // time in transactions since the last gap
};

[[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> open_session(const std::shared_ptr<StoreState>& state);

}  // namespace etl::inline v0::sqlite::detail
