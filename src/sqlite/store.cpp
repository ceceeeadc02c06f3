/// A store in a database: its transactions and its other calls.

#include <etl/sqlite/store.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "store_letters.hpp"
#include "store_session.hpp"
#include "store_tables.hpp"

namespace etl::inline v0::sqlite {

// --- Tx --------------------------------------------------------------------------------------------------------------

bool Tx::active() const noexcept { return sqlite3_get_autocommit(database_.handle()) == 0; }

Error Tx::lost(std::string_view doing) const {
  return {
      .code = {SQLITE_ABORT_ROLLBACK, error_category()},
      .context = fmt::format("{}: {}: the transaction has ended too early, and is not stored: SQLite rolled it "
                             "back after an earlier error (a full disk, ON CONFLICT ROLLBACK), or a COMMIT or ROLLBACK "
                             "was executed within it; leave these to the library",
                             database_.name(), doing)};
}

void Tx::begun() noexcept {
  changes_ = sqlite3_total_changes(database_.handle());
  touched_ = false;
}
bool Tx::untouched() const noexcept { return !touched_ && changes_ == sqlite3_total_changes(database_.handle()); }

Result<void> Tx::execute(std::string_view sql) {
  touch();
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
  // An open cursor would keep the write-ahead log from being reset.
  for (auto& [sql, statement] : statements_) statement.reset();
  if (statements_.size() > most_kept) statements_.clear();
}

// --- Store -----------------------------------------------------------------------------------------------------------

struct Store::State : detail::StoreState {
  using StoreState::StoreState;
};

Store::Store(std::shared_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;
Database& Store::database() noexcept { return state_->database; }
void Store::leave_gaps() noexcept { state_->leaves_gaps = true; }

Result<std::shared_ptr<Store>> Store::open(const std::filesystem::path& path, const DatabaseOptions& options) {
  auto database = Database::open(path, options);
  if (!database) return failure(std::move(database.error()));
  return over(std::move(*database), options);
}

Result<std::shared_ptr<Store>> Store::over(Database database, const DatabaseOptions& options) {
  const auto format = detail::check_format(database, options.read_only);
  if (!format) return failure(format.error());
  return std::shared_ptr<Store>(new Store(std::make_shared<State>(std::move(database), options, *format)));
}

Result<std::unique_ptr<StoreSession<Tx>>> Store::connect() { return detail::open_session(state_); }

namespace {

/// Runs `work` in a transaction.
template <class Work>
Result<void> atomically(Database& database, Work work) {
  auto transaction = database.begin();
  if (!transaction) return failure(std::move(transaction.error()));
  if (Result<void> done = work(); !done) return done;
  Result<void> done = transaction->commit();
  if (done || done.error().code != Errc::OutcomeUnknown) return done;
  done.error().code = {SQLITE_IOERR, error_category()};  // the store's own changes may safely be repeated
  done.error().error_class = ErrorClass::Transient;
  return done;
}

}  // namespace

Result<std::optional<Checkpoint>> Store::find(const std::string& pipeline) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "find"));
  const detail::Snapshot snapshot(database());
  if (!snapshot.begun()) return failure(snapshot.begun().error());
  return detail::checkpoint_of(database(), pipeline);
}

Result<std::optional<Checkpoint>> Store::claim(const std::string& pipeline, const std::string& run) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "claim"));
  Result<std::optional<Checkpoint>> found;
  auto claimed = atomically(database(), [&]() -> Result<void> {
    auto update = database().prepare("UPDATE etl_checkpoints SET run=? WHERE pipeline=?");
    if (!update) return failure(std::move(update.error()));
    update->bind(0, std::string_view(run));
    update->bind(1, std::string_view(pipeline));
    if (auto done = detail::run(*update); !done) return done;
    found = detail::checkpoint_of(database(), pipeline);
    if (!found) return failure(found.error());
    return {};
  });
  if (!claimed) return failure(std::move(claimed.error()));
  return found;
}

Result<void> Store::save(const std::string& pipeline, const Checkpoint& checkpoint) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "save"));
  return atomically(database(), [&]() -> Result<void> {
    auto statement = database().prepare(detail::owner_sql);
    if (!statement) return failure(std::move(statement.error()));
    const auto owner = detail::owner_of(*statement, pipeline);
    if (!owner) return failure(owner.error());
    if (!owner->run.empty() && owner->run != checkpoint.run)
      return failure(superseded(pipeline, checkpoint.run, owner->run));
    return detail::replace_all(database(), pipeline, checkpoint);
  });
}

Result<void> Store::reset(const std::string& pipeline) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "reset"));
  return atomically(database(), [&] { return detail::forget_all(database(), pipeline); });
}

// --- dead letters ----------------------------------------------------------------------------------------------------

Result<void> Store::write(std::span<const DeadLetter> letters) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "write"));
  return atomically(database(), [&]() -> Result<void> {
    auto statement = database().prepare(detail::letter_sql);
    if (!statement) return failure(std::move(statement.error()));
    for (const DeadLetter& letter : letters)
      if (auto done = detail::write_letter(*statement, letter); !done) return done;
    return {};
  });
}

Result<void> Store::list(const std::string& pipeline, const std::function<bool(const DeadLetter&)>& each) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "list"));
  auto query = database().prepare(
      detail::letters_sql(state_->format) +
      (pipeline.empty() ? "ORDER BY pipeline, partition, seq, id" : "WHERE pipeline=? ORDER BY partition, seq, id"));
  if (!query) return failure(std::move(query.error()));
  if (!pipeline.empty()) query->bind(0, std::string_view(pipeline));
  for (;;) {
    const auto more = query->step();
    if (!more) return failure(more.error());
    if (!*more || !each(detail::letter_of(*query))) return {};
  }
}

Result<std::size_t> Store::purge(std::span<const std::string> ids) {
  const detail::Turn turn(state_->gate);
  if (!turn) return failure(detail::busy_with_itself(database(), "purge"));
  std::size_t gone = 0;
  auto done = atomically(database(), [&]() -> Result<void> {
    auto statement = database().prepare(detail::purge_letter);
    if (!statement) return failure(std::move(statement.error()));
    for (const std::string& id : ids) {
      statement->bind(0, std::string_view(id));
      if (auto one = detail::run(*statement); !one) return one;
      gone += static_cast<std::size_t>(database().changes());
    }
    return {};
  });
  if (!done) return failure(std::move(done.error()));
  return gone;
}

}  // namespace etl::inline v0::sqlite
