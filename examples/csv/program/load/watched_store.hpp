#pragma once
// A store that reports when its database cannot be reached, and when it can be reached again. Retries alone would be
// silent.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>

#include "log.hpp"

namespace program {

/// Logs one line when the first attempt fails, and one when an attempt succeeds. Thread-safe.
class Outage {
 public:
  /// `away` and `back` are the messages.
  Outage(const Log& log, std::string_view away, std::string_view back) : log_(log), away_(away), back_(back) {}
  template <class T>
  [[nodiscard]] etl::Result<T> seen(etl::Result<T> result) {
    const bool failed = !result && result.error().error_class == etl::ErrorClass::Transient;
    const std::lock_guard lock(mutex_);
    if (failed && !is_away_) {
      const etl::Error& error = result.error();  // if a pool has tried several times, the reason is in the cause
      log_(LogLevel::Warn, "{}: {}; trying again for up to two minutes", away_,
           error.cause ? error.cause->message() : error.message());
    }
    if (result && is_away_) log_(LogLevel::Warn, "{}", back_);
    is_away_ = failed || (is_away_ && !result);
    return result;
  }

 private:
  const Log& log_;
  const std::string_view away_, back_;
  std::mutex mutex_;
  bool is_away_ = false;
};

/// Refers to both arguments.
template <class Tx>
class WatchedStore final : public etl::TransactionalStore<Tx> {
 public:
  WatchedStore(etl::TransactionalStore<Tx>& store, Outage& outage) : store_(store), outage_(outage) {}
  [[nodiscard]] etl::Result<std::unique_ptr<etl::StoreSession<Tx>>> connect() override {
    auto session = outage_.seen(store_.connect());
    if (!session) return etl::failure(std::move(session.error()));
    return std::make_unique<Session>(std::move(*session), outage_);
  }
  [[nodiscard]] etl::Result<std::optional<etl::Checkpoint>> find(const std::string& pipeline) override {
    return store_.find(pipeline);
  }
  [[nodiscard]] etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& pipeline,
                                                                  const std::string& run) override {
    return store_.claim(pipeline, run);
  }
  [[nodiscard]] etl::Result<void> save(const std::string& pipeline, const etl::Checkpoint& checkpoint) override {
    return outage_.seen(store_.save(pipeline, checkpoint));
  }
  [[nodiscard]] etl::Result<void> reset(const std::string& pipeline) override { return store_.reset(pipeline); }

 private:
  class Session final : public etl::WrappedSession<Tx> {
   public:
    Session(std::unique_ptr<etl::StoreSession<Tx>> session, Outage& outage)
        : etl::WrappedSession<Tx>(std::move(session)), outage_(outage) {}
    [[nodiscard]] etl::Result<void> begin() override { return outage_.seen(this->inner().begin()); }
    [[nodiscard]] etl::Result<bool> is_settled(const std::string& pipeline, const etl::SettledRange& range) override {
      return outage_.seen(this->inner().is_settled(pipeline, range));
    }

   private:
    Outage& outage_;
  };

  etl::TransactionalStore<Tx>& store_;
  Outage& outage_;
};

}  // namespace program
