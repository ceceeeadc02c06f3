/// Jobs in SQLite. Every write first takes the write lock (BEGIN IMMEDIATE), so that it never fails halfway.

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <sqlite3.h>

#include <etl/sqlite/database.hpp>

#include "sql.hpp"

namespace etl::inline v0::jobs::detail {
namespace {

// Needed because unixepoch() has milliseconds only since SQLite 3.42.
constexpr std::string_view sqlite_now = "CAST(ROUND((julianday('now')-2440587.5)*86400000.0) AS INTEGER)";

class SqliteSql final : public Sql {
 public:
  SqliteSql(sqlite::Database database, std::string path, StoreOptions options)
      : database_(std::move(database)), path_(std::move(path)), options_(options), name_("sqlite:" + path_) {
    sqlite3_busy_handler(
        database_.handle(), [](void* self, int tries) { return static_cast<SqliteSql*>(self)->wait_for_lock(tries); },
        this);
  }

  Result<std::unique_ptr<Sql>> again() override { return open_sqlite(path_, options_); }
  const std::string& name() const noexcept override { return name_; }

  Result<Table> run(std::string_view sql, std::span<const Value> values) override {
    const auto statement = prepared(sql);
    if (!statement) return failure(statement.error());
    Result<Table> table = rows_of(**statement, values);
    if (sql.starts_with(varying)) statements_.erase(statements_.find(sql));
    return table;
  }
  Result<Table> write(std::string_view sql, std::span<const Value> values) override {
    Result<Table> table;
    auto done = transaction([&]() -> Result<void> {
      table = run(sql, values);
      if (!table) return failure(table.error());
      return {};
    });
    if (!done) return failure(std::move(done.error()));
    return table;
  }
  Result<void> transaction(const std::function<Result<void>()>& work) override {
    auto transaction = database_.begin();
    if (!transaction) return failure(std::move(transaction.error()));
    if (auto done = work(); !done) return done;
    return transaction->commit();
  }
  Result<void> lock_schema() override { return {}; }  // the transaction already holds the write lock
  Result<bool> has_table(std::string_view table) override {
    const auto found = run("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?1", {{std::string(table)}});
    if (!found) return failure(found.error());
    return found->size() > 0;
  }
  Result<void> hint() override { return {}; }
  bool wait(std::chrono::milliseconds most, const std::stop_token& stop, Hints /*there are none*/) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    return never.wait_for(lock, stop, most, [] { return false; });
  }

 private:
  /// Tries again every millisecond, so that a heartbeat has its turn between the transactions of sessions. Sessions
  /// wait longer between two tries (see `sqlite::Store::leave_gaps`). Returns 0 after
  /// `StoreOptions::statement_timeout`.
  int wait_for_lock(int tries) {
    const auto now = std::chrono::steady_clock::now();
    if (tries == 0) waiting_since_ = now;
    if (now - waiting_since_ >= options_.statement_timeout) return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return 1;
  }
  static std::int64_t view(std::int64_t value) { return value; }
  static std::string_view view(const std::string& value) { return value; }

  static Result<Table> rows_of(sqlite::Statement& at, std::span<const Value> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      std::visit([&](const auto& value) { at.bind(static_cast<int>(i), view(value)); }, values[i]);
    Table table;
    for (;;) {
      const auto more = at.step();
      if (!more) {
        at.reset();
        return failure(more.error());
      }
      if (!*more) return table;
      auto& row = table.rows.emplace_back();
      for (int column = 0; column < at.columns(); ++column) row.emplace_back(at.text(column));
    }
  }

  Result<sqlite::Statement*> prepared(std::string_view sql) {
    constexpr std::size_t most_kept = 64;
    if (const auto found = statements_.find(sql); found != statements_.end()) {
      found->second.reset();
      return &found->second;
    }
    std::string own = replaced(std::string(sql), "@now", sqlite_now);
    for (const auto& [from, to] :
         {std::pair{"@skip", ""}, {"@id", "INTEGER PRIMARY KEY AUTOINCREMENT"}, {"@space", ""}})
      own = replaced(std::move(own), from, to);
    auto made = database_.prepare(own);
    if (!made) return failure(std::move(made.error()));
    if (statements_.size() >= most_kept) statements_.clear();
    return &statements_.emplace(std::string(sql), std::move(*made)).first->second;
  }

  sqlite::Database database_;
  std::string path_;
  StoreOptions options_;
  std::string name_;
  std::chrono::steady_clock::time_point waiting_since_{};
  std::map<std::string, sqlite::Statement, std::less<>> statements_;
};

}  // namespace

Result<std::unique_ptr<Sql>> open_sqlite(const std::string& path, const StoreOptions& options) {
  auto database = sqlite::Database::open(path, {.busy_timeout = options.statement_timeout});
  if (!database) return failure(std::move(database.error()));
  return std::make_unique<SqliteSql>(std::move(*database), path, options);
}

}  // namespace etl::inline v0::jobs::detail
