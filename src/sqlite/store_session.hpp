#pragma once
/// The sessions of a store, and how they and its calls take turns.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>
#include <etl/sqlite/store.hpp>

namespace etl::inline v0::sqlite::detail {

/// SQLite makes a connection that waits for another's lock sleep for up to 100 ms at a time, and give up at last.
/// Within the process, they wait for each other here.
class Gate {
 public:
  /// False: this thread is in already, and would wait for itself.
  [[nodiscard]] bool enter() {
    std::unique_lock lock(mutex_);
    if (inside_ == std::this_thread::get_id()) return false;
    free_.wait(lock, [this] { return inside_ == std::thread::id(); });
    inside_ = std::this_thread::get_id();
    return true;
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
  std::condition_variable free_;
  std::thread::id inside_{};
};

class Turn {
 public:
  explicit Turn(Gate& gate) : gate_(gate.enter() ? &gate : nullptr) {}
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

/// What a store and its sessions share.
struct StoreState {
  StoreState(Database opened, const DatabaseOptions& how) : database(std::move(opened)), options(how) {}
  Gate gate;
  Database database;
  DatabaseOptions options;
  bool database_in_session = false;  // guarded by the gate
};

[[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> open_session(const std::shared_ptr<StoreState>& state);

}  // namespace etl::inline v0::sqlite::detail
