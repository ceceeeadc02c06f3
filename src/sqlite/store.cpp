#include <etl/sqlite/store.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "connection.hpp"

namespace etl::inline v0::sqlite {

// --- Tx
// ---------------------------------------------------------------------------------------------------------------

bool Tx::active() const noexcept { return sqlite3_get_autocommit(database_.handle()) == 0; }

Error Tx::lost(std::string_view doing) const {
  return {
      .code = {SQLITE_ABORT_ROLLBACK, error_category()},
      .context = fmt::format("{}: {}: the transaction has ended before its time, and is not stored: SQLite rolled it "
                             "back after an earlier error (a full disk, ON CONFLICT ROLLBACK), or a COMMIT or ROLLBACK "
                             "was executed within it; leave these to the library",
                             database_.name(), doing)};
}

Result<void> Tx::execute(std::string_view sql) {
  if (!active()) return failure(lost("execute"));
  Result<void> done = database_.execute(sql);
  if (active()) return done;
  Error error = lost("execute");
  if (!done) error.cause = std::make_shared<const Error>(std::move(done.error()));
  return failure(std::move(error));
}

Result<Statement*> Tx::prepare(std::string_view sql) {
  auto at = statements_.find(sql);
  if (at == statements_.end()) {
    auto made = database_.prepare(sql);
    if (!made) return failure(std::move(made.error()));
    at = statements_.emplace(sql, std::move(*made)).first;
  }
  at->second.reset();
  return &at->second;
}

void Tx::ended() noexcept {
  for (auto& [sql, statement] : statements_) statement.reset();  // an open cursor would hold the log
  if (statements_.size() > most_kept) statements_.clear();
}

namespace {

// --- tables
// -----------------------------------------------------------------------------------------------------------

constexpr std::int64_t format = 1;

constexpr std::string_view schema = R"(
CREATE TABLE IF NOT EXISTS etl_store(format INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS etl_checkpoints(
  pipeline TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, batch_size INTEGER NOT NULL, partition_count INTEGER NOT NULL,
  finished INTEGER NOT NULL, run TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS etl_partitions(
  pipeline TEXT, partition INTEGER, watermark INTEGER NOT NULL, position TEXT, position_seq INTEGER NOT NULL,
  PRIMARY KEY(pipeline, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS etl_settled(
  pipeline TEXT, partition INTEGER, first_seq INTEGER, end_seq INTEGER NOT NULL,
  PRIMARY KEY(pipeline, partition, first_seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS etl_dead_letters(
  id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, run TEXT NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL,
  position TEXT, stage TEXT NOT NULL, attempts INTEGER NOT NULL, errors TEXT, time INTEGER NOT NULL, payload BLOB);
CREATE INDEX IF NOT EXISTS etl_dead_letters_place ON etl_dead_letters(pipeline, partition, seq);
INSERT INTO etl_store SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM etl_store);
)";

constexpr std::string_view owner_sql = "SELECT run, finished FROM etl_checkpoints WHERE pipeline=?";
constexpr std::string_view settle_sql =
    "INSERT INTO etl_settled(pipeline, partition, first_seq, end_seq) VALUES(?, ?, ?, ?) "
    "ON CONFLICT(pipeline, partition, first_seq) DO UPDATE SET end_seq=max(end_seq, excluded.end_seq)";
/// Batches that come in order need no ranges: one page less to write for each transaction.
constexpr std::string_view extend_sql =
    "UPDATE etl_partitions SET watermark=?4 WHERE pipeline=?1 AND partition=?2 AND watermark>=?3 AND watermark<?4";
constexpr std::string_view taken_sql =
    "SELECT 1 FROM etl_partitions WHERE pipeline=?1 AND partition=?2 AND watermark>?3 UNION ALL "
    "SELECT 1 FROM etl_settled WHERE pipeline=?1 AND partition=?2 AND first_seq<?4 AND end_seq>?3 LIMIT 1";
/// The watermark may have been extended beyond the one whose position comes now.
constexpr std::string_view advance_sql =
    "INSERT INTO etl_partitions(pipeline, partition, watermark, position, position_seq) VALUES(?, ?, ?, ?, ?) "
    "ON CONFLICT(pipeline, partition) DO UPDATE SET watermark=max(watermark, excluded.watermark), "
    "position=iif(excluded.position_seq>=position_seq, excluded.position, position), "
    "position_seq=max(position_seq, excluded.position_seq)";
constexpr std::string_view forget_sql =
    "DELETE FROM etl_settled WHERE pipeline=? AND partition=? AND first_seq<? AND end_seq<=?";
constexpr std::string_view letter_sql =
    "INSERT OR REPLACE INTO etl_dead_letters(id, pipeline, run, partition, seq, position, stage, attempts, errors, "
    "time, payload) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view purge_letter = "DELETE FROM etl_dead_letters WHERE id=?";
constexpr std::string_view letters_sql =
    "SELECT id, pipeline, run, partition, seq, position, stage, attempts, errors, time, payload FROM etl_dead_letters ";

/// SQLite's integers are signed; a number above 2^63-1 comes back as it went in.
std::int64_t integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
std::uint64_t number(const Statement& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }
std::uint32_t small_number(const Statement& row, int column) { return static_cast<std::uint32_t>(row.integer(column)); }

void bind_optional(Statement& statement, int parameter, const std::optional<Position>& position) {
  if (position)
    statement.bind(parameter, std::string_view(position->text()));
  else
    statement.bind(parameter, nullptr);
}
std::optional<Position> position_of(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return Position(std::string(row.text(column)));
}

/// One error a line, for whoever looks into the table.
std::string joined(const std::vector<std::string>& errors) {
  std::string text;
  for (const std::string& error : errors) {
    if (&error != errors.data()) text += '\n';
    for (const char c : error) {
      if (c == '\\' || c == '\n') text += '\\';
      text += c == '\n' ? 'n' : c;
    }
  }
  return text;
}
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> errors(1);
  bool escaped = false;
  for (const char c : text) {
    if (escaped)
      errors.back() += c == 'n' ? '\n' : c;
    else if (c == '\n')
      errors.emplace_back();
    else if (c != '\\')
      errors.back() += c;
    escaped = !escaped && c == '\\';
  }
  return errors;
}

Stage stage_of(std::string_view text) {
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Stage::Manage); ++i)  // the last
    if (text == to_string(static_cast<Stage>(i))) return static_cast<Stage>(i);
  return Stage::Transform;
}

// --- writing, within a transaction
// ------------------------------------------------------------------------------------

/// A value that this store's own tables do not take concerns no row of the user's.
Result<void> run(Statement& statement) {
  Result<void> done = statement.run();
  if (!done && done.error().error_class == ErrorClass::Rejected) done.error().error_class = ErrorClass::Fatal;
  return done;
}

void bind_range(Statement& statement, const std::string& pipeline, std::uint32_t partition, SeqRange range) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{partition});
  statement.bind(2, integer(range.first));
  statement.bind(3, integer(range.end));
}
Result<void> settle(Statement& statement, const std::string& pipeline, std::uint32_t partition, SeqRange range) {
  bind_range(statement, pipeline, partition, range);
  return run(statement);
}

/// The run whose progress it is; empty when there is none.
struct Owner {
  std::string run;
  bool finished = false;
};
Result<Owner> owner_of(Statement& statement, const std::string& pipeline) {
  statement.bind(0, std::string_view(pipeline));
  const auto found = statement.step();
  if (!found) return failure(found.error());
  Owner owner;
  if (*found) owner = {std::string(statement.text(0)), statement.integer(1) != 0};
  statement.reset();
  return owner;
}

Result<void> advance(Statement& statement, const std::string& pipeline, const PartitionProgress& progress) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{progress.partition});
  statement.bind(2, integer(progress.watermark));
  bind_optional(statement, 3, progress.position);
  statement.bind(4, integer(progress.position_seq));
  return run(statement);
}

Result<void> forget(Statement& statement, const std::string& pipeline, const PartitionProgress& progress) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{progress.partition});
  statement.bind(2, integer(progress.watermark));
  statement.bind(3, integer(progress.watermark));
  return run(statement);
}

Result<void> write_letter(Statement& statement, const DeadLetter& letter) {
  using std::chrono::microseconds;
  const std::string errors = joined(letter.errors);
  statement.bind(0, std::string_view(letter.id));
  statement.bind(1, std::string_view(letter.pipeline));
  statement.bind(2, std::string_view(letter.run));
  statement.bind(3, std::int64_t{letter.partition});
  statement.bind(4, integer(letter.seq));
  bind_optional(statement, 5, letter.position);
  statement.bind(6, to_string(letter.stage));
  statement.bind(7, std::int64_t{letter.attempts});
  if (letter.errors.empty())
    statement.bind(8, nullptr);
  else
    statement.bind(8, std::string_view(errors));
  statement.bind(9, std::int64_t{std::chrono::floor<microseconds>(letter.time.time_since_epoch()).count()});
  if (letter.payload)
    statement.bind(10, std::as_bytes(std::span(*letter.payload)));
  else
    statement.bind(10, nullptr);
  return run(statement);
}

// --- reading
// ----------------------------------------------------------------------------------------------------------

DeadLetter letter_of(const Statement& row) {
  DeadLetter letter{.id = std::string(row.text(0)),
                    .pipeline = std::string(row.text(1)),
                    .run = std::string(row.text(2)),
                    .partition = small_number(row, 3),
                    .seq = number(row, 4),
                    .position = position_of(row, 5),
                    .stage = stage_of(row.text(6)),
                    .attempts = small_number(row, 7)};
  if (!row.is_null(8)) letter.errors = split(row.text(8));
  using Time = std::chrono::system_clock::time_point;  // of nanoseconds: not all microseconds fit
  constexpr auto micros = [](Time time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  };
  letter.time = Time(std::chrono::microseconds(std::clamp(row.integer(9), micros(Time::min()), micros(Time::max()))));
  if (!row.is_null(10)) {
    const auto payload = row.blob(10);
    letter.payload.emplace(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
  return letter;
}

/// Calls `each` for the rows of a query about one pipeline.
template <class Each>
Result<void> for_rows(Database& database, std::string_view sql, const std::string& pipeline, Each each) {
  auto query = database.prepare(sql);
  if (!query) return failure(std::move(query.error()));
  query->bind(0, std::string_view(pipeline));
  for (;;) {
    const auto more = query->step();
    if (!more) return failure(more.error());
    if (!*more) return {};
    each(std::as_const(*query));
  }
}

/// What is stored of the partitions that have begun, ranges joined to the watermark.
Result<std::map<std::uint32_t, PartitionProgress>> progress_of(Database& database, const std::string& pipeline) {
  std::map<std::uint32_t, PartitionProgress> all;
  const auto at = [&](std::uint32_t partition) -> PartitionProgress& {
    return all.try_emplace(partition, PartitionProgress{.partition = partition}).first->second;
  };
  Result<void> read =
      for_rows(database, "SELECT partition, watermark, position, position_seq FROM etl_partitions WHERE pipeline=?",
               pipeline, [&](const Statement& row) {
                 PartitionProgress& one = at(small_number(row, 0));
                 one.watermark = number(row, 1);
                 one.position = position_of(row, 2);
                 one.position_seq = number(row, 3);
               });
  if (read)
    read = for_rows(database, "SELECT partition, first_seq, end_seq FROM etl_settled WHERE pipeline=?", pipeline,
                    [&](const Statement& row) { at(small_number(row, 0)).gaps.add({number(row, 1), number(row, 2)}); });
  if (!read) return failure(std::move(read.error()));
  for (auto& [partition, one] : all) {
    one.watermark = one.gaps.end_of(one.watermark);
    one.gaps.forget_below(one.watermark);
  }
  return all;
}

/// Several queries see the same state of the database.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(&database), begun_(database.execute("BEGIN")) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    if (begun_) static_cast<void>(database_->execute("ROLLBACK"));
  }
  [[nodiscard]] const Result<void>& begun() const noexcept { return begun_; }

 private:
  Database* database_;
  Result<void> begun_;
};

/// The file's path from the root, since a program may change its folder; empty: in memory.
std::string file_of(const Database& database) {
  const char* const name = sqlite3_db_filename(database.handle(), "main");
  return name == nullptr ? "" : name;
}

// --- turns
// ------------------------------------------------------------------------------------------------------------

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

Error busy_with_itself(const Database& database, std::string_view doing) {
  return {.code = {SQLITE_MISUSE, error_category()},
          .context = fmt::format("{}: {}: this thread has a transaction of the store open, or is within `list`: use "
                                 "the etl::sqlite::Tx there, or the store afterwards",
                                 database.name(), doing)};
}

}  // namespace

struct Store::State {
  State(Database opened, const DatabaseOptions& how) : database(std::move(opened)), options(how) {}
  Gate gate;
  Database database;
  DatabaseOptions options;
  bool database_in_session = false;  // guarded by the gate
};

namespace {

// --- sessions
// ---------------------------------------------------------------------------------------------------------

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

template <class State>
class Session final : public StoreSession<Tx> {
 public:
  Session(std::shared_ptr<State> state, Database database, std::vector<Statement> statements, bool has_own)
      : state_(std::move(state)),
        statements_(std::move(statements)),
        tx_(std::make_unique<Tx>(std::move(database))),
        has_own_(has_own) {
    sqlite3* const handle = tx_->database().handle();
    // Refused: a commit of rows without their progress.
    sqlite3_commit_hook(handle, [](void* guard) { return static_cast<Guard*>(guard)->open ? 1 : 0; }, &guard_);
    sqlite3_rollback_hook(handle, [](void* guard) { static_cast<Guard*>(guard)->lost = true; }, &guard_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override {
    rollback();
    const Turn turn(state_->gate);
    sqlite3_commit_hook(tx_->database().handle(), nullptr, nullptr);
    sqlite3_rollback_hook(tx_->database().handle(), nullptr, nullptr);
    statements_.clear();  // while nobody else uses the connection
    tx_.reset();
    if (!has_own_) state_->database_in_session = false;
  }

  Result<void> begin() override {
    if (!state_->gate.enter()) return failure(busy_with_itself(tx_->database(), "begin"));
    if (Result<void> begun = run(statements_[Begin]); !begun) {
      state_->gate.leave();
      return begun;
    }
    guard_ = {.open = true, .lost = false};
    marked_ = false;
    return {};
  }
  Tx& transaction() noexcept override { return *tx_; }

  Result<void> savepoint() override {
    if (!intact()) return failure(ended("savepoint"));
    if (marked_)
      if (Result<void> unmarked = run(statements_[Unmark]); !unmarked) return unmarked;
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
      state_->gate.leave();
    else
      guard_.open = true, rollback();
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
    const auto all = progress_of(tx_->database(), pipeline);
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
  /// Another run has taken over: what this one would write, that one writes.
  Result<void> refuse_superseded(const std::string& pipeline, std::string_view run) {
    const auto owner = owner_of(statements_[Owner], pipeline);
    if (!owner) return failure(owner.error());
    if (owner->run == run) return {};
    return failure(superseded(pipeline, run, owner->run));
  }
  /// Another run has loaded these items: its rows and ours would be there twice.
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

  std::shared_ptr<State> state_;
  Guard guard_{};
  std::vector<Statement> statements_;
  std::unique_ptr<Tx> tx_;
  bool has_own_;
  bool marked_ = false;
};

Result<void> check_format(Database& database, bool read_only) {
  const auto there = [&]() -> Result<std::optional<std::int64_t>> {
    auto table = database.prepare("SELECT 1 FROM sqlite_master WHERE type='table' AND name='etl_store'");
    if (!table) return failure(std::move(table.error()));
    auto row = table->step();
    if (!row) return failure(std::move(row.error()));
    if (!*row) return std::nullopt;
    auto query = database.prepare("SELECT format FROM etl_store");
    if (!query) return failure(std::move(query.error()));
    row = query->step();
    if (!row) return failure(std::move(row.error()));
    if (!*row) return std::nullopt;
    return query->integer(0);
  };
  auto found = there();
  if (found && !*found) {
    if (read_only)
      return failure(
          fatal(fmt::format("{}: no pipeline has kept anything in it: there is no table etl_store; name the "
                            "database that a run had as its store",
                            database.name())));
    auto transaction = database.begin();
    if (!transaction) return failure(std::move(transaction.error()));
    if (auto made = database.execute(schema); !made) return made;
    found = there();  // another process may have been faster, and newer
    if (found)
      if (auto committed = transaction->commit(); !committed) return committed;
  }
  if (!found) return failure(std::move(found.error()));
  if (*found == format) return {};
  return failure(
      fatal(fmt::format("{}: its tables etl_* have format {}, and this program knows format {}: use the "
                        "newer version of etlpipe that made them, or another database",
                        database.name(), found->value_or(0), format)));
}

}  // namespace

// --- Store
// ------------------------------------------------------------------------------------------------------------

Store::Store(std::shared_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;
Database& Store::database() noexcept { return state_->database; }

Result<std::shared_ptr<Store>> Store::open(const std::filesystem::path& path, const DatabaseOptions& options) {
  auto database = Database::open(path, options);
  if (!database) return failure(std::move(database.error()));
  return over(std::move(*database), options);
}

Result<std::shared_ptr<Store>> Store::over(Database database, const DatabaseOptions& options) {
  if (auto good = check_format(database, options.read_only); !good) return failure(std::move(good.error()));
  return std::shared_ptr<Store>(new Store(std::make_shared<State>(std::move(database), options)));
}

Result<std::unique_ptr<StoreSession<Tx>>> Store::connect() {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "connect"));
  const bool has_own = state_->database_in_session;
  Database connection = database();
  if (has_own) {
    const std::string file = file_of(database());
    if (file.empty())
      return failure(Error{.code = {SQLITE_MISUSE, error_category()},
                           .context = fmt::format("{}: connect: a database in memory has one connection, which is in "
                                                  "use: make `load` non-const (or set max_concurrent_loads to 1), or "
                                                  "store to a file",
                                                  database().name())});
    auto further = Database::open(file, state_->options);
    if (!further) return failure(std::move(further.error()));
    connection = std::move(*further);
  }
  std::vector<Statement> statements;
  for (const std::string_view text : statement_texts) {
    auto statement = connection.prepare(text);
    if (!statement) return failure(std::move(statement.error()));
    statements.push_back(std::move(*statement));
  }
  state_->database_in_session = true;
  return std::make_unique<Session<State>>(state_, std::move(connection), std::move(statements), has_own);
}

namespace {

/// In a transaction.
Result<std::optional<Checkpoint>> checkpoint_of(Database& database, const std::string& pipeline) {
  std::optional<Checkpoint> checkpoint;
  auto read = for_rows(
      database, "SELECT fingerprint, batch_size, partition_count, finished, run FROM etl_checkpoints WHERE pipeline=?",
      pipeline, [&](const Statement& row) {
        checkpoint = Checkpoint{.fingerprint = std::string(row.text(0)),
                                .batch_size = number(row, 1),
                                .partition_count = number(row, 2),
                                .finished = row.integer(3) != 0,
                                .run = std::string(row.text(4))};
      });
  if (!read) return failure(std::move(read.error()));
  auto progress = progress_of(database, pipeline);
  if (!progress) return failure(std::move(progress.error()));
  // Progress without a checkpoint is not "nothing", which would load everything again.
  if (!checkpoint && !progress->empty()) checkpoint.emplace();
  if (checkpoint)
    for (auto& [partition, one] : *progress) checkpoint->partitions.push_back(std::move(one));
  return checkpoint;
}

Result<void> forget_all(Database& database, const std::string& pipeline) {
  for (const std::string_view table : {"etl_checkpoints", "etl_partitions", "etl_settled"})
    if (auto gone = for_rows(database, fmt::format("DELETE FROM {} WHERE pipeline=?", table), pipeline,
                             [](const Statement&) {});
        !gone)
      return gone;
  return {};
}

Result<void> insert_all(Database& database, const std::string& pipeline, const Checkpoint& checkpoint) {
  auto head = database.prepare(
      "INSERT INTO etl_checkpoints(pipeline, fingerprint, batch_size, partition_count, finished, run) VALUES(?, ?, ?, "
      "?, ?, ?)");
  auto partition = database.prepare(advance_sql);
  auto gap = database.prepare(settle_sql);
  for (const auto* const statement : {&head, &partition, &gap})
    if (!*statement) return failure(statement->error());
  head->bind(0, std::string_view(pipeline));
  head->bind(1, std::string_view(checkpoint.fingerprint));
  head->bind(2, integer(checkpoint.batch_size));
  head->bind(3, integer(checkpoint.partition_count));
  head->bind(4, checkpoint.finished ? 1 : 0);
  head->bind(5, std::string_view(checkpoint.run));
  if (auto done = run(*head); !done) return done;
  for (const PartitionProgress& one : checkpoint.partitions) {
    if (auto done = advance(*partition, pipeline, one); !done) return done;
    for (const SeqRange range : one.gaps.ranges())
      if (auto done = settle(*gap, pipeline, one.partition, range); !done) return done;
  }
  return {};
}

/// `work` in a transaction.
template <class Work>
Result<void> atomically(Database& database, Work work) {
  auto transaction = database.begin();
  if (!transaction) return failure(std::move(transaction.error()));
  if (Result<void> done = work(); !done) return done;
  return transaction->commit();
}

}  // namespace

Result<std::optional<Checkpoint>> Store::find(const std::string& pipeline) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "find"));
  const Snapshot snapshot(database());
  if (!snapshot.begun()) return failure(snapshot.begun().error());
  return checkpoint_of(database(), pipeline);
}

Result<std::optional<Checkpoint>> Store::claim(const std::string& pipeline, const std::string& run) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "claim"));
  Result<std::optional<Checkpoint>> found;
  auto claimed = atomically(database(), [&]() -> Result<void> {
    auto update = database().prepare("UPDATE etl_checkpoints SET run=? WHERE pipeline=?");
    if (!update) return failure(std::move(update.error()));
    update->bind(0, std::string_view(run));
    update->bind(1, std::string_view(pipeline));
    if (auto done = sqlite::run(*update); !done) return done;
    found = checkpoint_of(database(), pipeline);
    if (!found) return failure(found.error());
    return {};
  });
  if (!claimed) return failure(std::move(claimed.error()));
  return found;
}

Result<void> Store::save(const std::string& pipeline, const Checkpoint& checkpoint) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "save"));
  return atomically(database(), [&]() -> Result<void> {
    auto statement = database().prepare(owner_sql);
    if (!statement) return failure(std::move(statement.error()));
    const auto owner = owner_of(*statement, pipeline);
    if (!owner) return failure(owner.error());
    if (!owner->run.empty() && !owner->finished && owner->run != checkpoint.run)
      return failure(superseded(pipeline, checkpoint.run, owner->run));
    if (auto gone = forget_all(database(), pipeline); !gone) return gone;
    return insert_all(database(), pipeline, checkpoint);
  });
}

Result<void> Store::reset(const std::string& pipeline) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "reset"));
  return atomically(database(), [&] { return forget_all(database(), pipeline); });
}

// --- dead letters
// -----------------------------------------------------------------------------------------------------

Result<void> Store::write(std::span<const DeadLetter> letters) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "write"));
  return atomically(database(), [&]() -> Result<void> {
    auto statement = database().prepare(letter_sql);
    if (!statement) return failure(std::move(statement.error()));
    for (const DeadLetter& letter : letters)
      if (auto done = write_letter(*statement, letter); !done) return done;
    return {};
  });
}

Result<void> Store::list(const std::string& pipeline, const std::function<bool(const DeadLetter&)>& each) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "list"));
  auto query = database().prepare(std::string(letters_sql) + (pipeline.empty()
                                                                  ? "ORDER BY pipeline, partition, seq, id"
                                                                  : "WHERE pipeline=? ORDER BY partition, seq, id"));
  if (!query) return failure(std::move(query.error()));
  if (!pipeline.empty()) query->bind(0, std::string_view(pipeline));
  for (;;) {
    const auto more = query->step();
    if (!more) return failure(more.error());
    if (!*more || !each(letter_of(*query))) return {};
  }
}

Result<std::size_t> Store::purge(std::span<const std::string> ids) {
  const Turn turn(state_->gate);
  if (!turn) return failure(busy_with_itself(database(), "purge"));
  std::size_t gone = 0;
  auto done = atomically(database(), [&]() -> Result<void> {
    auto statement = database().prepare(purge_letter);
    if (!statement) return failure(std::move(statement.error()));
    for (const std::string& id : ids) {
      statement->bind(0, std::string_view(id));
      if (auto one = run(*statement); !one) return one;
      gone += static_cast<std::size_t>(database().changes());
    }
    return {};
  });
  if (!done) return failure(std::move(done.error()));
  return gone;
}

}  // namespace etl::inline v0::sqlite
