/// Jobs in PostgreSQL.

#include <poll.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <libpq-fe.h>

#include <etl/postgres/connection.hpp>

#include "sql.hpp"

namespace etl::inline v0::jobs::detail {
namespace {

// The time at which the expression runs; now() does not change within a transaction.
constexpr std::string_view postgres_now = "(extract(epoch FROM clock_timestamp())*1000)::bigint";
// Room for updates in place. Each unit leaves two dead rows, so the table is vacuumed long before PostgreSQL's default,
// a fifth of the table.
constexpr std::string_view storage =
    "WITH (fillfactor=80, autovacuum_vacuum_scale_factor=0.01, autovacuum_vacuum_threshold=500)";
// The locks of this component in the two-key space of advisory locks.
constexpr std::string_view lock_text = "SELECT pg_advisory_xact_lock(1702128746, 1)";

class PostgresSql final : public Sql {
 public:
  PostgresSql(postgres::Connection connection, std::string url, StoreOptions options)
      : connection_(std::move(connection)), url_(std::move(url)), options_(options) {}

  Result<std::unique_ptr<Sql>> again() override { return open_postgres(url_, options_); }
  const std::string& name() const noexcept override { return connection_.name(); }

  Result<Table> run(std::string_view sql, std::span<const Value> values) override {
    if (auto there = connected(); !there) return failure(std::move(there.error()));
    std::vector<postgres::Parameter> parameters;
    for (const Value& value : values)
      parameters.push_back(std::visit([](const auto& one) { return postgres::Parameter(one); }, value));
    std::string own = replaced(std::string(sql), "?", "$");
    for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{"@now", postgres_now},
                                   {"@skip", "FOR UPDATE SKIP LOCKED"},
                                   {"@id", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"},
                                   {"@space", storage}})
      own = replaced(std::move(own), from, to);
    const auto rows = sql.starts_with(varying) ? connection_.query_with(own, parameters) : prepared(own, parameters);
    if (!rows) return failure(rows.error());
    Table table;
    table.rows.resize(static_cast<std::size_t>(rows->size()));
    for (int row = 0; row < rows->size(); ++row)
      for (int column = 0; column < rows->columns(); ++column)
        table.rows[static_cast<std::size_t>(row)].emplace_back(rows->text(row, column));
    return table;
  }
  Result<Table> write(std::string_view sql, std::span<const Value> values) override { return run(sql, values); }
  Result<void> transaction(const std::function<Result<void>()>& work) override {
    if (auto there = connected(); !there) return there;
    auto transaction = connection_.begin();
    if (!transaction) return failure(std::move(transaction.error()));
    Result<void> done;
    {
      const Within within(within_);
      done = work();
    }
    if (!done) return done;
    done = transaction->commit();
    // Every transaction of the jobs may be repeated safely.
    if (!done && done.error().code == etl::Errc::OutcomeUnknown) done.error().error_class = ErrorClass::Transient;
    return done;
  }
  Result<void> lock_schema() override { return without_rows(run(lock_text, {})); }
  Result<bool> has_table(std::string_view table) override {
    // to_regclass() is not safe here: it may answer from a cache that is older than the lock of the schema.
    const auto found = run("SELECT 1 FROM pg_catalog.pg_class WHERE relname=?1 AND pg_catalog.pg_table_is_visible(oid)",
                           std::vector<Value>{std::string(table)});
    if (!found) return failure(found.error());
    return found->size() > 0;
  }
  bool takes_unicode() const override {
    const char* const encoding = PQparameterStatus(connection_.handle(), "server_encoding");
    return encoding == nullptr || encoding == std::string_view("UTF8") || encoding == std::string_view("SQL_ASCII");
  }
  void clean() override {
    // What a transaction of another worker may still see stays behind. Those transactions are short.
    constexpr int most = 3, few = 100;
    for (int times = 1; connected(); ++times) {
      if (!connection_.execute("VACUUM (SKIP_LOCKED) etl_job_units")) return;
      const auto dead =
          connection_.query("SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid='etl_job_units'::regclass");
      if (!dead || dead->size() == 0 || dead->integer(0, 0) < few || times == most) return;
      static_cast<void>(connection_.query("SELECT pg_sleep(0.1)").has_value());
    }
  }
  Result<void> hint() override { return without_rows(run("SELECT pg_notify('etl_jobs', '')", {})); }
  bool wait(std::chrono::milliseconds most, const std::stop_token& stop, Hints hints) override {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + most;
    const bool heeds = hints == Hints::Heed;
    if (connected() && listening_ != heeds && connection_.execute(heeds ? "LISTEN etl_jobs" : "UNLISTEN etl_jobs"))
      listening_ = heeds;
    while (!stop.stop_requested()) {
      if (told() && heeds) return true;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) return false;
      const bool alive = connection_.alive();
      pollfd socket{.fd = alive ? PQsocket(connection_.handle()) : -1, .events = POLLIN, .revents = 0};
      static_cast<void>(::poll(&socket, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 50))));
    }
    return false;
  }

 private:
  static Result<void> without_rows(const Result<Table>& done) {
    if (!done) return failure(done.error());
    return {};
  }
  struct Within {
    explicit Within(bool& flag) : on(flag) { on = true; }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;
    ~Within() { on = false; }
    bool& on;
  };
  Result<void> connected() {
    // A connection that is lost within a transaction is not reopened: the transaction fails as a whole.
    if (within_ || connection_.alive()) return {};
    listening_ = false;
    return connection_.reconnect();
  }
  /// Whether a hint has arrived.
  bool told() {
    if (!connection_.alive() || PQconsumeInput(connection_.handle()) == 0) return false;
    bool any = false;
    while (PGnotify* const one = PQnotifies(connection_.handle())) {
      any = true;
      PQfreemem(one);
    }
    return any;
  }
  Result<postgres::Rows> prepared(const std::string& sql, std::span<const postgres::Parameter> parameters) {
    auto statement = connection_.prepare(sql);
    if (!statement) return failure(std::move(statement.error()));
    return statement->run_with(parameters);
  }

  postgres::Connection connection_;
  std::string url_;
  StoreOptions options_;
  bool listening_ = false;
  bool within_ = false;  // a transaction is open
};

}  // namespace

Result<std::unique_ptr<Sql>> open_postgres(const std::string& url, const StoreOptions& options) {
  auto connection = postgres::Connection::open(url, {.connect_timeout = options.connect_timeout,
                                                     .statement_timeout = options.statement_timeout,
                                                     .lock_timeout = options.statement_timeout,
                                                     .idle_in_transaction_timeout = options.statement_timeout,
                                                     .application_name = "etlpipe jobs"});
  if (!connection) return failure(std::move(connection.error()));
  return std::make_unique<PostgresSql>(std::move(*connection), url, options);
}

}  // namespace etl::inline v0::jobs::detail
