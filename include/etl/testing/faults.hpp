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

/// A script of faults. Whatever takes part asks `before` an operation, and does nothing if that is an error, and tells
/// `after` it: an error there means that it was done, but that its caller does not hear so. Thread-safe.
class Faults {
 public:
  /// At this step (counted from 1) and ever after everything fails: the process has died.
  void crash_at(std::uint64_t step) {
    const std::lock_guard lock(mutex_);
    crash_at_ = step;
  }
  /// The `call`th `what` (counted from 1) is not done, for this error.
  void fail(const std::string& what, std::uint64_t call, Error error) {
    const std::lock_guard lock(mutex_);
    before_[{what, call}] = std::move(error);
  }
  /// The `call`th `what` is done, and then this error is returned: a connection lost in between.
  void fail_after(const std::string& what, std::uint64_t call, Error error) {
    const std::lock_guard lock(mutex_);
    after_[{what, call}] = std::move(error);
  }

  /// The `call`th `what` begins this much later.
  void delay(const std::string& what, std::uint64_t call, std::chrono::nanoseconds by) {
    const std::lock_guard lock(mutex_);
    delays_[{what, call}] = by;
  }
  /// How such time passes; the thread sleeps unless told otherwise. Set before the first step.
  void pass_time_by(std::function<void(std::chrono::nanoseconds)> call) { pass_time_ = std::move(call); }

  /// Called at each step, before anything else: where others may go on in a simulation. Set before the first step.
  void at_each_step(std::function<void()> call) { at_each_step_ = std::move(call); }
  /// A step at which nothing can fail: for `extract` and `transform`.
  void yield() const {
    if (at_each_step_) at_each_step_();
  }

  /// The number of this call of `what`, for `after`.
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
  [[nodiscard]] Result<void> after(std::string_view what, std::uint64_t call) {
    yield();
    const std::lock_guard lock(mutex_);
    if (!step("after ", what)) return crash();
    const auto planned = after_.find({std::string(what), call});
    return planned == after_.end() ? Result<void>() : failure(planned->second);
  }
  /// The operation between the two.
  template <class F>
  [[nodiscard]] auto around(std::string_view what, F&& operation) -> decltype(operation()) {
    auto call = before(what);
    if (!call) return failure(std::move(call.error()));
    auto result = operation();
    if (!result) return result;
    if (auto fault = after(what, *call); !fault) return failure(std::move(fault.error()));
    return result;
  }

  [[nodiscard]] std::uint64_t steps() const {
    const std::lock_guard lock(mutex_);
    return steps_;
  }
  [[nodiscard]] bool crashed() const {
    const std::lock_guard lock(mutex_);
    return steps_ >= crash_at_;
  }
  /// A finished run was saved: the next one begins at the start (G17).
  void saved(const Checkpoint& checkpoint) {
    const std::lock_guard lock(mutex_);
    finished_ = checkpoint.finished;
  }
  [[nodiscard]] bool finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  /// What was going on when it crashed.
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

/// Steps: find, claim, save, reset. Refers to both.
class FaultyCheckpoints final : public CheckpointStore {
 public:
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

/// Steps: write letters, list, purge. Refers to both.
class FaultyDeadLetters final : public DeadLetterStore {
 public:
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

/// Steps: connect, begin, savepoint, rollback to savepoint, record, commit, is settled, find, claim, save, reset. What
/// is told after a commit becomes `Errc::OutcomeUnknown`, except a crash. Refers to both.
template <class Tx>
class FaultyStore final : public TransactionalStore<Tx> {
 public:
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
  class Session final : public StoreSession<Tx> {
   public:
    Session(std::unique_ptr<StoreSession<Tx>> real, Faults& faults) : real_(std::move(real)), faults_(faults) {}
    [[nodiscard]] Result<void> begin() override {
      return faults_.around("begin", [&] { return real_->begin(); });
    }
    [[nodiscard]] Tx& transaction() noexcept override { return real_->transaction(); }
    [[nodiscard]] Result<void> savepoint() override {
      return faults_.around("savepoint", [&] { return real_->savepoint(); });
    }
    [[nodiscard]] Result<void> rollback_to_savepoint() override {
      return faults_.around("rollback to savepoint", [&] { return real_->rollback_to_savepoint(); });
    }
    [[nodiscard]] Result<void> record(const Commit& commit) override {
      return faults_.around("record", [&] { return real_->record(commit); });
    }
    [[nodiscard]] Result<void> commit() override {
      auto call = faults_.before("commit");
      if (!call) return failure(std::move(call.error()));
      if (auto committed = real_->commit(); !committed) return committed;
      auto fault = faults_.after("commit", *call);
      if (!fault && !faults_.crashed()) fault.error().code = Errc::OutcomeUnknown;
      return fault;
    }
    void rollback() noexcept override { real_->rollback(); }
    [[nodiscard]] Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
      return faults_.around("is settled", [&] { return real_->is_settled(pipeline, range); });
    }

   private:
    std::unique_ptr<StoreSession<Tx>> real_;
    Faults& faults_;
  };

  TransactionalStore<Tx>& store_;
  Faults& faults_;
};

/// A source of items in memory, each of which is marked, as a pipeline's `extract` may use it. Step: read. A value.
template <class E>
class MemorySource {
 public:
  explicit MemorySource(std::vector<E> items) : items_(std::move(items)) {}
  [[nodiscard]] Result<void> extract(Emitter<E>& out, Faults& faults) const {
    const std::optional<Position>& mark = out.resume_from();
    for (std::uint64_t i = mark ? mark->number().value_or(0) : 0; i < items_.size(); ++i) {
      if (auto fault = faults.around("read", [] { return Result<void>(); }); !fault) return fault;
      if (!out.push(items_[i])) break;
      out.mark(Position(i + 1));
    }
    return {};
  }
  [[nodiscard]] const std::vector<E>& items() const noexcept { return items_; }

 private:
  std::vector<E> items_;
};

/// A sink that keeps what it is given, as a pipeline's `load` may use it. Step: load. Thread-safe.
template <class Row>
class MemorySink {
 public:
  [[nodiscard]] Result<void> write(std::span<const Row> rows, Faults& faults) {
    return faults.around("load", [&]() -> Result<void> {
      const std::lock_guard lock(mutex_);
      rows_.insert(rows_.end(), rows.begin(), rows.end());
      return {};
    });
  }
  [[nodiscard]] std::vector<Row> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
};

}  // namespace etl::inline v0::testing
