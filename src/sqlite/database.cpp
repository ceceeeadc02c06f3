#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "connection.hpp"
#include "text.hpp"

namespace etl::inline v0::sqlite {
namespace fs = std::filesystem;
namespace {

Error plain_error(int code, std::string context) {
  return {.code = {code, error_category()}, .context = std::move(context)};
}

/// Why a file cannot be opened, because SQLite does not say it.
std::string why_not(const fs::path& path, const DatabaseOptions& options) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return "it is a folder";
  const fs::path folder = path.parent_path();
  if (!folder.empty() && !fs::exists(folder, ignored)) return fmt::format("there is no folder {}", folder.string());
  if (!fs::exists(path, ignored) && (options.read_only || !options.create)) return "there is no such file";
  return {};
}

/// Steps a statement, and waits while the database is locked. SQLite itself does not wait when two connections switch
/// a new database to WAL at the same time: one of them gets an error.
Result<bool> step_waiting(Statement& statement, std::chrono::milliseconds most) {
  const auto end = std::chrono::steady_clock::now() + most;
  for (;;) {
    Result<bool> row = statement.step();
    const bool busy = !row && (row.error().code.value() & 0xFF) == SQLITE_BUSY;
    if (!busy || std::chrono::steady_clock::now() >= end) return row;
    statement.reset();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Result<void> set_up(Database& database, bool wal, std::chrono::milliseconds busy_timeout) {
  sqlite3* const handle = database.handle();
  // This reads the header, and so finds out if the file is not a database.
  if (const int code = sqlite3_exec(handle, "PRAGMA schema_version", nullptr, nullptr, nullptr); code != SQLITE_OK)
    return failure(database.error(code, "open"));
  if (!wal) return {};
  auto pragma = database.prepare("PRAGMA journal_mode=WAL");
  if (!pragma) return failure(std::move(pragma.error()));
  const Result<bool> row = step_waiting(*pragma, busy_timeout);
  if (!row) return failure(row.error());
  if (pragma->text(0) != "wal")
    return failure(plain_error(
        SQLITE_ERROR, fmt::format("{}: open: the journal mode stays '{}'; its file system may lack shared memory (a "
                                  "network drive): set DatabaseOptions::wal to false",
                                  database.name(), pragma->text(0))));
  return {};
}

std::string_view name_of(Synchronous synchronous) {
  switch (synchronous) {
    case Synchronous::Off: return "OFF";
    case Synchronous::Normal: return "NORMAL";
    case Synchronous::Full: break;
  }
  return "FULL";
}

}  // namespace

Result<Database> Database::open(const fs::path& path, const DatabaseOptions& options) {
  const auto utf8 = path.u8string();
  std::string name(utf8.begin(), utf8.end());
  if (name.empty())  // SQLite would open a temporary database that is lost at the end
    return failure(plain_error(SQLITE_CANTOPEN, "the path of the database is empty"));
  const int flags = SQLITE_OPEN_NOMUTEX | (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    (options.create && !options.read_only ? SQLITE_OPEN_CREATE : 0);
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  Database database(std::make_shared<const Connection>(handle, std::move(name), options));
  if (handle == nullptr) return failure(plain_error(code, fmt::format("{}: open: out of memory", database.name())));
  sqlite3_extended_result_codes(handle, 1);
  if (code != SQLITE_OK) {
    const std::string why = why_not(path, options);
    return failure(why.empty() ? database.error(sqlite3_extended_errcode(handle), "open")
                               : plain_error(code, fmt::format("{}: open: {}", database.name(), why)));
  }
  if (!options.read_only &&
      sqlite3_db_readonly(handle, "main") == 1)  // SQLite opens a file without write permission read-only
    return failure(plain_error(SQLITE_READONLY, fmt::format("{}: open: the file cannot be written; to read it, set "
                                                            "DatabaseOptions::read_only",
                                                            database.name())));
  set_busy_timeout(handle, options.busy_timeout);
  Result<void> ready =
      set_up(database, options.wal && !options.read_only && database.name() != ":memory:", options.busy_timeout);
  if (ready)
    ready = database.execute(fmt::format("PRAGMA synchronous={}; PRAGMA foreign_keys={}", name_of(options.synchronous),
                                         options.foreign_keys ? "ON" : "OFF"));
  if (!ready) return failure(std::move(ready.error()));
  return database;
}

Result<void> Database::execute(std::string_view sql) {
  const int code = sqlite3_exec(handle(), std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(error(code, shortened(sql)));
  return {};
}

Result<void> Database::execute_within(std::string_view sql) {
  if (sql.find('\0') != std::string_view::npos)
    return failure(plain_error(SQLITE_MISUSE, fmt::format("{}: the script has a NUL character, and SQLite would ignore "
                                                          "the text after it: remove the NUL character",
                                                          name())));
  struct Refusal {
    explicit Refusal(sqlite3* of) : handle(of) {
      const auto check = [](void* self, int action, const char*, const char*, const char*, const char*) {
        if (action != SQLITE_TRANSACTION) return SQLITE_OK;
        static_cast<Refusal*>(self)->refused = true;
        return SQLITE_DENY;
      };
      sqlite3_set_authorizer(handle, check, this);
    }
    Refusal(const Refusal&) = delete;
    Refusal& operator=(const Refusal&) = delete;
    ~Refusal() { sqlite3_set_authorizer(handle, nullptr, nullptr); }
    sqlite3* handle;
    bool refused = false;
  };
  const Refusal refusal(handle());
  Result<void> done = execute(sql);
  if (!done && refusal.refused)
    done.error().context += ": the script already runs in one transaction: leave out BEGIN, COMMIT, END and ROLLBACK";
  return done;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* made = nullptr;
  const char* rest = nullptr;
  const auto size = static_cast<int>(sql.size());
  const char* const begin = sql.data();
  int code = sqlite3_prepare_v3(handle(), begin, size, SQLITE_PREPARE_PERSISTENT, &made, &rest);
  if (code != SQLITE_OK) return failure(error(code, shortened(sql)));
  Statement statement(Database(connection_), made);
  const auto only_one = [&] {
    sqlite3_stmt* second = nullptr;
    code = sqlite3_prepare_v2(handle(), rest, static_cast<int>(begin + sql.size() - rest), &second, nullptr);
    sqlite3_finalize(second);
    return code == SQLITE_OK && second == nullptr;
  };
  if (made == nullptr || !only_one())
    return failure(plain_error(SQLITE_MISUSE, fmt::format("{}: {}: prepare takes exactly one statement; execute takes "
                                                          "any number",
                                                          name(), shortened(sql))));
  return statement;
}

Result<Transaction> Database::begin() {
  if (sqlite3_get_autocommit(handle()) == 0)
    return failure(plain_error(SQLITE_MISUSE, fmt::format("{}: begin: this connection has a transaction already (to "
                                                          "insert rows within it, use an Inserter)",
                                                          name())));
  // SQLite would begin a read transaction.
  if (connection_->options.read_only) return failure(error(SQLITE_READONLY, "begin"));
  const int code = sqlite3_exec(handle(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(error(code, "begin"));
  return Transaction(Database(connection_));
}

std::int64_t Database::changes() const noexcept { return sqlite3_changes(handle()); }
std::uint64_t Database::dropped() const noexcept { return connection_->dropped; }
void Database::count_dropped() noexcept { ++connection_->dropped; }
void Database::set_dropped(std::uint64_t count) noexcept { connection_->dropped = count; }
bool Database::violates_deferred_keys() const noexcept {
  int deferred = 0, highest = 0;
  return sqlite3_db_status(handle(), SQLITE_DBSTATUS_DEFERRED_FKS, &deferred, &highest, 0) == SQLITE_OK &&
         deferred != 0;
}
const std::string& Database::name() const noexcept { return connection_->name; }
sqlite3* Database::handle() const noexcept { return connection_->handle; }

bool Transaction::active() const noexcept { return open_ && sqlite3_get_autocommit(database_.handle()) == 0; }

Result<void> Transaction::commit() {
  if (!active()) {
    open_ = false;
    return failure(plain_error(SQLITE_ABORT_ROLLBACK,
                               fmt::format("{}: commit: the transaction was rolled back before, by its owner or after "
                                           "an earlier error",
                                           database_.name())));
  }
  const int code = sqlite3_exec(database_.handle(), "COMMIT", nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) {
    Error why = commit_error(database_.error(code, "commit"));
    rollback();
    return failure(std::move(why));
  }
  open_ = false;
  return {};
}

void Transaction::rollback() noexcept {
  if (active()) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  open_ = false;
}

}  // namespace etl::inline v0::sqlite
