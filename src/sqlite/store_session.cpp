/// A session: one connection, whose transactions hold rows and progress.

#include "store_session.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "connection.hpp"
#include "store_letters.hpp"
#include "store_tables.hpp"

namespace etl::inline v0::sqlite::detail {

Error busy_with_itself(const Database& database, std::string_view doing) {
  return {.code = {SQLITE_MISUSE, error_category()},
          .context = fmt::format("{}: {}: this thread has a transaction of the store open, or is within `list`: use "
                                 "the etl::sqlite::Tx there, or the store afterwards",
                                 database.name(), doing)};
}

namespace {

/// The absolute path of the file, because a program may change its working directory. Empty for a database in memory.
std::string file_of(const Database& database) {
  const char* const name = sqlite3_db_filename(database.handle(), "main");
  return name == nullptr ? "" : name;
}

enum Sql : std::size_t {
  Begin,
  Commit,
  Rollback,
  Mark,
  Unmark,
  Undo,
  Settle,
  Advance,
  Forget,
  Letter,
  Extend,
  Taken,
  Owner
};
constexpr std::array<std::string_view, 13> statement_texts{
    "BEGIN IMMEDIATE", "COMMIT",    "ROLLBACK", "SAVEPOINT etl_mark", "RELEASE etl_mark", "ROLLBACK TO etl_mark",
    settle_sql,        advance_sql, forget_sql, letter_sql,           extend_sql,         taken_sql,
    owner_sql};

/// While it lives, a wait for the lock of another connection ends after the time-out, or soon after a stop is
/// requested.
class Busy {
 public:
  Busy(const Database& database, std::chrono::milliseconds timeout, const std::stop_token& stop)
      : database_(database), timeout_(timeout), stop_(stop) {
    sqlite3_busy_handler(
        database_.handle(), [](void* busy, int) { return static_cast<Busy*>(busy)->wait() ? 1 : 0; }, this);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { set_busy_timeout(database_.handle(), timeout_); }

 private:
  /// Waits a little longer each time. Returns false if it has been long enough.
  [[nodiscard]] bool wait() {
    const auto left =
        timeout_ - std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_);
    if (left.count() <= 0 || stop_.stop_requested()) return false;
    std::this_thread::sleep_for(std::min(left, step_));
    step_ = std::min(2 * step_, std::chrono::milliseconds(20));
    return true;
  }

  const Database& database_;
  const std::chrono::milliseconds timeout_;
  const std::stop_token& stop_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::milliseconds step_{1};
};

class Session final : public StoreSession<Tx> {
 public:
  Session(std::shared_ptr<StoreState> state, Database database, std::vector<Statement> statements, bool has_own,
          std::chrono::milliseconds busy_timeout)
      : state_(std::move(state)),
        busy_timeout_(busy_timeout),
        statements_(std::move(statements)),
        tx_(std::make_unique<Tx>(std::move(database))),
        has_own_(has_own) {
    sqlite3* const handle = tx_->database().handle();
    // The hook refuses a commit of rows without their progress.
    sqlite3_commit_hook(handle, [](void* guard) { return static_cast<Guard*>(guard)->open ? 1 : 0; }, &guard_);
    sqlite3_rollback_hook(handle, [](void* guard) { static_cast<Guard*>(guard)->lost = true; }, &guard_);
    tx_->set_again([this] { return begin_again(); });
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override {
    rollback();
    const Turn turn(state_->gate);
    sqlite3_commit_hook(tx_->database().handle(), nullptr, nullptr);
    sqlite3_rollback_hook(tx_->database().handle(), nullptr, nullptr);
    statements_.clear();  // while no other thread uses the connection
    tx_.reset();
    if (!has_own_) state_->database_in_session = false;
  }

  void stop_waiting_on(const std::stop_token& stop) override { stop_ = stop; }

  Result<void> begin() override {
    switch (state_->gate.enter(stop_)) {
      case Gate::Entered::Now: break;
      case Gate::Entered::Before: return failure(busy_with_itself(tx_->database(), "begin"));
      case Gate::Entered::Stopped:
        return failure(
            transient(fmt::format("{}: begin: stopped while another transaction was open", tx_->database().name())));
    }
    const Busy busy(tx_->database(), busy_timeout_, stop_);
    if (Result<void> begun = run(statements_[Begin]); !begun) {
      state_->gate.leave();
      return begun;
    }
    guard_ = {.open = true, .lost = false};
    marked_ = false;
    began_ = std::chrono::steady_clock::now();
    tx_->begun();
    return {};
  }
  Tx& transaction() noexcept override { return *tx_; }

  Result<void> savepoint() override {
    if (!intact()) return failure(ended("savepoint"));
    if (marked_)
      if (Result<void> unmarked = run(statements_[Unmark]); !unmarked) return unmarked;
    tx_->touch();
    Result<void> done = run(statements_[Mark]);
    marked_ = done.has_value();
    return done;
  }
  Result<void> rollback_to_savepoint() override {
    if (!intact()) return failure(ended("rollback to savepoint"));
    tx_->ended();
    return run(statements_[Undo]);
  }

  Result<void> record(const etl::Commit& commit) override {
    if (!intact()) return failure(ended("record"));
    if (auto done = refuse_superseded(commit.pipeline, commit.run); !done) return done;
    for (const SettledRange& one : commit.settled)
      if (auto done = refuse_settled(commit.pipeline, one); !done) return done;
    for (const PartitionProgress& one : commit.advanced) {
      if (auto done = advance(statements_[Advance], commit.pipeline, one); !done) return done;
      if (auto done = forget(statements_[Forget], commit.pipeline, one); !done) return done;
    }
    for (const SettledRange& one : commit.settled)
      if (auto done = settled(commit.pipeline, one); !done) return done;
    for (const DeadLetter& letter : commit.dead_letters)
      if (auto done = write_letter(statements_[Letter], letter); !done) return done;
    for (const std::string& id : commit.purged) {
      auto purge = tx_->prepare(purge_letter);
      if (!purge) return failure(std::move(purge.error()));
      (*purge)->bind(0, std::string_view(id));
      if (auto done = run(**purge); !done) return done;
    }
    return {};
  }

  Result<void> commit() override {
    if (!intact()) {
      Error error = ended("commit");
      rollback();
      return failure(std::move(error));
    }
    tx_->ended();
    guard_.open = false;
    Result<void> done = statements_[Sql::Commit].run();
    if (done)
      leave_gap(), state_->gate.leave();
    else
      guard_.open = true, rollback();
    if (!done) return failure(commit_error(std::move(done.error())));
    return done;
  }
  void rollback() noexcept override {
    if (!guard_.open) return;
    guard_.open = false;
    tx_->ended();
    if (tx_->active()) static_cast<void>(statements_[Rollback].run_for_code());
    state_->gate.leave();
  }

  Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
    const Turn turn(state_->gate);
    if (!turn) return failure(busy_with_itself(tx_->database(), "is_settled"));
    const Snapshot snapshot(tx_->database());
    if (!snapshot.begun()) return failure(snapshot.begun().error());
    const auto all = progress_of(tx_->database(), pipeline, range.partition);
    if (!all) return failure(all.error());
    const auto at = all->find(range.partition);
    SeqRanges there = at == all->end() ? SeqRanges() : at->second.gaps;
    if (at != all->end()) there.add({0, at->second.watermark});
    return there.end_of(range.items.first) >= range.items.end;
  }

 private:
  struct Guard {
    bool open = false;
    bool lost = false;
  };
  /// Leaves a gap before the next session of this process begins a transaction.
  void leave_gap() noexcept {
    if (!state_->leaves_gaps) return;
    state_->locked += std::chrono::steady_clock::now() - began_;
    if (state_->locked < std::chrono::milliseconds(40)) return;
    state_->locked = {};
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  /// After SQLite has rolled back the transaction because of one row.
  Result<void> begin_again() {
    if (Result<void> begun = run(statements_[Begin]); !begun) return begun;
    guard_.lost = false;
    tx_->begun();
    return {};
  }
  /// If another run has taken over, this run must stop, because the other run writes the same rows.
  Result<void> refuse_superseded(const std::string& pipeline, std::string_view run) {
    const auto owner = owner_of(statements_[Owner], pipeline);
    if (!owner) return failure(owner.error());
    if (owner->run == run) return {};
    return failure(superseded(pipeline, run, owner->run));
  }
  /// If another run has loaded these items, this run must not load them again: the rows would be loaded twice.
  Result<void> refuse_settled(const std::string& pipeline, const SettledRange& one) {
    Statement& taken = statements_[Taken];
    bind_range(taken, pipeline, one.partition, one.items);
    const auto found = taken.step();
    if (!found) return failure(found.error());
    taken.reset();
    if (!*found) return {};
    return failure(
        fatal(fmt::format("{}: items {} to {} of partition {} of '{}' are settled already; start the run again",
                          tx_->database().name(), one.items.first, one.items.end - 1, one.partition, pipeline)));
  }
  Result<void> settled(const std::string& pipeline, const SettledRange& one) {
    auto done = settle(statements_[Extend], pipeline, one.partition, one.items);
    if (!done || tx_->database().changes() > 0) return done;
    return settle(statements_[Settle], pipeline, one.partition, one.items);
  }
  [[nodiscard]] bool intact() const noexcept { return guard_.open && !guard_.lost && tx_->active(); }
  [[nodiscard]] Error ended(std::string_view doing) const { return tx_->lost(doing); }

  std::shared_ptr<StoreState> state_;
  const std::chrono::milliseconds busy_timeout_;
  std::stop_token stop_;
  Guard guard_{};
  std::vector<Statement> statements_;
  std::unique_ptr<Tx> tx_;
  bool has_own_;
  bool marked_ = false;
  std::chrono::steady_clock::time_point began_{};
};

}  // namespace

Result<std::unique_ptr<StoreSession<Tx>>> open_session(const std::shared_ptr<StoreState>& state) {
  const Turn turn(state->gate);
  if (!turn) return failure(busy_with_itself(state->database, "connect"));
  const bool has_own = state->database_in_session;
  Database connection = state->database;
  if (has_own) {
    const std::string file = file_of(state->database);
    if (file.empty())
      return failure(Error{.code = {SQLITE_MISUSE, error_category()},
                           .context = fmt::format("{}: connect: a database in memory has one connection, which is in "
                                                  "use: make `load` non-const (or set max_concurrent_loads to 1), or "
                                                  "store to a file",
                                                  state->database.name())});
    auto further = Database::open(file, state->options);
    if (!further) return failure(std::move(further.error()));
    connection = std::move(*further);
  }
  std::vector<Statement> statements;
  for (const std::string_view text : statement_texts) {
    auto statement = connection.prepare(text);
    if (!statement) return failure(std::move(statement.error()));
    statements.push_back(std::move(*statement));
  }
  auto timeout = connection.prepare("PRAGMA busy_timeout");  // the first connection is the caller's
  if (!timeout) return failure(std::move(timeout.error()));
  if (const auto row = timeout->step(); !row) return failure(row.error());
  const std::chrono::milliseconds busy_timeout(timeout->integer(0));
  timeout->reset();
  state->database_in_session = true;
  return std::make_unique<Session>(state, std::move(connection), std::move(statements), has_own, busy_timeout);
}

}  // namespace etl::inline v0::sqlite::detail
