#pragma once
/// Faults at chosen steps, for stores and sinks in tests.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::testing {

/// A list of faults. A store or sink that takes part calls `before` each operation, which it does not do after an
/// error, and `after` it. An error of `after` means that the operation was done, but its caller gets an error.
/// Thread-safe.
class Faults {
 public:
  /// From this step on (counted from 1) everything fails, as if the process had died.
  void crash_at(std::uint64_t step) {
    const std::lock_guard lock(mutex_);
    crash_at_ = step;
  }
  /// The `call`th operation `what` (counted from 1) is not done and returns this error.
  void fail(const std::string& what, std::uint64_t call, Error error) {
    const std::lock_guard lock(mutex_);
    before_[{what, call}] = std::move(error);
  }
  /// The `call`th operation `what` is done and then returns this error, as when a connection is lost after it.
  void fail_after(const std::string& what, std::uint64_t call, Error error) {
    const std::lock_guard lock(mutex_);
    after_[{what, call}] = std::move(error);
  }

  /// The `call`th operation `what` begins later, by this time.
  void delay(const std::string& what, std::uint64_t call, std::chrono::nanoseconds by) {
    const std::lock_guard lock(mutex_);
    delays_[{what, call}] = by;
  }
  /// How the time of a delay passes; by default the thread sleeps. Set it before the first step.
  void pass_time_by(std::function<void(std::chrono::nanoseconds)> call) { pass_time_ = std::move(call); }

  /// Called first at each step: a simulation may switch to another task here. Set it before the first step.
  void at_each_step(std::function<void()> call) { at_each_step_ = std::move(call); }
  /// A step at which nothing can fail: for `extract` and `transform`.
  void yield() const {
    if (at_each_step_) at_each_step_();
  }

  /// Call it before an operation. Returns the number of this call of `what`, to pass to `after`.
  [[nodiscard]] Result<std::uint64_t> before(std::string_view what) {
    yield();
    std::unique_lock lock(mutex_);
    if (!step("before ", what)) return crash();
    const std::uint64_t call = ++calls_[std::string(what)];
    const std::pair key(std::string(what), call);
    const auto planned = before_.find(key);
    Result<std::uint64_t> result = planned == before_.end() ? Result<std::uint64_t>(call) : failure(planned->second);
    const auto delay = delays_.find(key);
    if (delay == delays_.end()) return result;
    const std::chrono::nanoseconds by = delay->second;
    lock.unlock();
    pass_time_(by);
    return result;
  }
  /// Call it after the operation.
  [[nodiscard]] Result<void> after(std::string_view what, std::uint64_t call) {
    yield();
    const std::lock_guard lock(mutex_);
    if (!step("after ", what)) return crash();
    const auto planned = after_.find({std::string(what), call});
    return planned == after_.end() ? Result<void>() : failure(planned->second);
  }
  /// Calls `before`, the operation, and `after`.
  template <class F>
  [[nodiscard]] auto around(std::string_view what, F&& operation) -> decltype(operation()) {
    auto call = before(what);
    if (!call) return failure(std::move(call.error()));
    auto result = operation();
    if (!result) return result;
    if (auto fault = after(what, *call); !fault) return failure(std::move(fault.error()));
    return result;
  }

  /// Number of steps so far.
  [[nodiscard]] std::uint64_t steps() const {
    const std::lock_guard lock(mutex_);
    return steps_;
  }
  /// Whether the step of `crash_at` was reached.
  [[nodiscard]] bool crashed() const {
    const std::lock_guard lock(mutex_);
    return steps_ >= crash_at_;
  }
  /// For stores: a checkpoint was saved. After a finished run the next one begins at the start (G17).
  void saved(const Checkpoint& checkpoint) {
    const std::lock_guard lock(mutex_);
    finished_ = checkpoint.finished;
  }
  /// Whether the last checkpoint saved was that of a finished run.
  [[nodiscard]] bool finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  /// The operation during which it crashed.
  [[nodiscard]] std::string crashed_in() const {
    const std::lock_guard lock(mutex_);
    return crashed_in_;
  }

 private:
  [[nodiscard]] bool step(std::string_view when, std::string_view what) {
    ++steps_;
    if (steps_ == crash_at_) crashed_in_.append(when).append(what);
    return steps_ < crash_at_;
  }
  [[nodiscard]] static tl::unexpected<Error> crash() { return failure(fatal("the process has died")); }

  mutable std::mutex mutex_;
  std::uint64_t steps_ = 0;
  std::uint64_t crash_at_ = UINT64_MAX;
  std::string crashed_in_;
  bool finished_ = false;
  std::function<void()> at_each_step_;
  std::function<void(std::chrono::nanoseconds)> pass_time_ = [](std::chrono::nanoseconds by) {
    std::this_thread::sleep_for(by);
  };
  std::map<std::string, std::uint64_t> calls_;
  std::map<std::pair<std::string, std::uint64_t>, Error> before_, after_;
  std::map<std::pair<std::string, std::uint64_t>, std::chrono::nanoseconds> delays_;
};

/// Adds faults to a checkpoint store. Steps: find, claim, save, reset. Keeps references to store and faults.
class FaultyCheckpoints final : public CheckpointStore {
 public:
  /// Wraps `store`.
  FaultyCheckpoints(CheckpointStore& store, Faults& faults) : store_(store), faults_(faults) {}
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override {
    return faults_.around("find", [&] { return store_.find(pipeline); });
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override {
    return faults_.around("claim", [&] { return store_.claim(pipeline, run); });
  }
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override {
    return faults_.around("save", [&] {
      auto saved = store_.save(pipeline, checkpoint);
      if (saved) faults_.saved(checkpoint);
      return saved;
    });
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override {
    return faults_.around("reset", [&] { return store_.reset(pipeline); });
  }

 private:
  CheckpointStore& store_;
  Faults& faults_;
};

/// Adds faults to a store of dead letters. Steps: write letters, list, purge. Keeps references to store and faults.
class FaultyDeadLetters final : public DeadLetterStore {
 public:
  /// Wraps `store`.
  FaultyDeadLetters(DeadLetterStore& store, Faults& faults) : store_(store), faults_(faults) {}
  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override {
    return faults_.around("write letters", [&] { return store_.write(letters); });
  }
  [[nodiscard]] Result<void> list(const std::string& pipeline,
                                  const std::function<bool(const DeadLetter&)>& each) override {
    return faults_.around("list", [&] { return store_.list(pipeline, each); });
  }
  [[nodiscard]] Result<std::size_t> purge(std::span<const std::string> ids) override {
    return faults_.around("purge", [&] { return store_.purge(ids); });
  }

 private:
  DeadLetterStore& store_;
  Faults& faults_;
};

/// Adds faults to a transactional store. Steps: connect, begin, savepoint, rollback to savepoint, record, commit, is
/// settled, find, claim, save, reset. An error after a commit becomes `Errc::OutcomeUnknown`, except for a crash. Keeps
/// references to store and faults.
template <class Tx>
class FaultyStore final : public TransactionalStore<Tx> {
 public:
  /// Wraps `store`.
  FaultyStore(TransactionalStore<Tx>& store, Faults& faults) : store_(store), faults_(faults) {}
  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override {
    auto real = faults_.around("connect", [&] { return store_.connect(); });
    if (!real) return real;
    return std::unique_ptr<StoreSession<Tx>>(std::make_unique<Session>(std::move(*real), faults_));
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override {
    return faults_.around("find", [&] { return store_.find(pipeline); });
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override {
    return faults_.around("claim", [&] { return store_.claim(pipeline, run); });
  }
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override {
    return faults_.around("save", [&] {
      auto saved = store_.save(pipeline, checkpoint);
      if (saved) faults_.saved(checkpoint);
      return saved;
    });
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override {
    return faults_.around("reset", [&] { return store_.reset(pipeline); });
  }

 private:
  class Session final : public WrappedSession<Tx> {
   public:
    Session(std::unique_ptr<StoreSession<Tx>> real, Faults& faults)
        : WrappedSession<Tx>(std::move(real)), faults_(faults) {}
    [[nodiscard]] Result<void> begin() override {
      auto begun = faults_.around("begin", [&] { return this->inner().begin(); });
      if (!begun) this->inner().rollback();
      return begun;
    }
    [[nodiscard]] Result<void> savepoint() override {
      return faults_.around("savepoint", [&] { return this->inner().savepoint(); });
    }
    [[nodiscard]] Result<void> rollback_to_savepoint() override {
      return faults_.around("rollback to savepoint", [&] { return this->inner().rollback_to_savepoint(); });
    }
    [[nodiscard]] Result<void> record(const Commit& commit) override {
      return faults_.around("record", [&] { return this->inner().record(commit); });
    }
    [[nodiscard]] Result<void> commit() override {
      auto call = faults_.before("commit");
      if (!call) return failure(std::move(call.error()));
      if (auto committed = this->inner().commit(); !committed) return committed;
      auto fault = faults_.after("commit", *call);
      if (!fault && !faults_.crashed()) fault.error().code = Errc::OutcomeUnknown;
      return fault;
    }
    [[nodiscard]] Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
      return faults_.around("is settled", [&] { return this->inner().is_settled(pipeline, range); });
    }

   private:
    Faults& faults_;
  };

  TransactionalStore<Tx>& store_;
  Faults& faults_;
};

/// A source of items in memory, for a pipeline's `extract`. Marks every item. Step: read. A value.
template <class E>
class MemorySource {
 public:
  /// A source of these items.
  explicit MemorySource(std::vector<E> items) : items_(std::move(items)) {}
  /// Pushes the items after `out.resume_from()`.
  [[nodiscard]] Result<void> extract(Emitter<E>& out, Faults& faults) const {
    const std::optional<Position>& mark = out.resume_from();
    for (std::uint64_t i = mark ? mark->number().value_or(0) : 0; i < items_.size(); ++i) {
      if (auto fault = faults.around("read", [] { return Result<void>(); }); !fault) return fault;
      if (!out.push(items_[i])) break;
      out.mark(Position(i + 1));
    }
    return {};
  }
  /// All items.
  [[nodiscard]] const std::vector<E>& items() const noexcept { return items_; }

 private:
  std::vector<E> items_;
};

/// A sink that keeps rows in memory, for a pipeline's `load`. Step: load. Thread-safe.
template <class Row>
class MemorySink {
 public:
  /// Adds rows.
  [[nodiscard]] Result<void> write(std::span<const Row> rows, Faults& faults) {
    return faults.around("load", [&]() -> Result<void> {
      const std::lock_guard lock(mutex_);
      rows_.insert(rows_.end(), rows.begin(), rows.end());
      return {};
    });
  }
  /// All rows so far.
  [[nodiscard]] std::vector<Row> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
};

}  // namespace etl::inline v0::testing
