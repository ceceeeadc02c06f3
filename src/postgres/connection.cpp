#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "state.hpp"

namespace etl::inline v0::postgres {
namespace {

using Clock = std::chrono::steady_clock;

/// Wakes a thread that polls. Without a file descriptor it wakes nobody, and the thread waits for its own deadline.
class Alarm {
 public:
  Alarm() noexcept : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  void ring() const noexcept { static_cast<void>(::eventfd_write(fd_, 1)); }

 private:
  const int fd_;
};

/// Waits for the socket of a connection. Returns false if the deadline has passed. May return earlier if the alarm
/// with the file descriptor `alarm` rings.
bool wait_for(PGconn* handle, short events, Clock::time_point deadline, int alarm = -1) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    std::array sockets{pollfd{.fd = PQsocket(handle), .events = events, .revents = 0},
                       pollfd{.fd = alarm, .events = POLLIN, .revents = 0}};
    const int found = ::poll(sockets.data(), sockets.size(), static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

/// The error of a URL. It must not show the URL, because a password with an unescaped '@' or '/' may be in any part of
/// it.
Error bad_url(std::string why) {
  const std::size_t first = why.find('"');
  if (first != std::string::npos) why.replace(first, why.rfind('"') - first + 1, "(...)");
  while (!why.empty() && (why.back() == '\n' || why.back() == ' ')) why.pop_back();
  return {.code = Errc::InvalidOptions,
          .context = fmt::format("PostgreSQL URL: {}: write postgresql://user:password@host:port/database, with "
                                 "%40 for '@', %2F for '/' and %3A for ':' within a part, or host=... dbname=...",
                                 why)};
}

struct Url {
  bool several_hosts = false;
  std::chrono::milliseconds connect_timeout{0};  // zero if the URL does not set it
};

Result<Url> read_url(const std::string& text) {
  char* why = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parts(PQconninfoParse(text.c_str(), &why),
                                                                             PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> freed(why, PQfreemem);
  if (!parts) return failure(bad_url(why == nullptr ? "out of memory" : why));
  Url url;
  for (const PQconninfoOption* part = parts.get(); part->keyword != nullptr; ++part) {
    const std::string_view keyword = part->keyword;
    const std::string_view value = part->val == nullptr ? "" : part->val;
    if ((keyword == "host" || keyword == "port" || keyword == "dbname" || keyword == "hostaddr") &&
        value.find('@') != std::string_view::npos)
      return failure(bad_url("there is more than one '@'"));
    if (keyword == "port" && value.find_first_not_of("0123456789,") != std::string_view::npos)
      return failure(bad_url("the port is not a number"));
    if (keyword == "host" || keyword == "hostaddr")
      url.several_hosts = url.several_hosts || value.find(',') != std::string_view::npos;
    if (int seconds = 0; keyword == "connect_timeout" &&
                         std::from_chars(value.data(), value.data() + value.size(), seconds).ec == std::errc{})
      url.connect_timeout = std::chrono::seconds(seconds);
  }
  return url;
}

/// Connects without libpq's own blocking loop, which offers no way to get the SQLSTATE of a refusal.
Result<void> finish_connecting(Connection::State& state, std::chrono::milliseconds timeout,
                               const std::stop_token& stop) {
  const Alarm alarm;
  const std::stop_callback ring(stop, [&alarm] { alarm.ring(); });
  const Clock::time_point deadline = Clock::now() + timeout;
  PQsetErrorVerbosity(state.handle, PQERRORS_VERBOSE);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
    if (PQstatus(state.handle) == CONNECTION_BAD) break;
    const bool ready = wait_for(state.handle, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, alarm.fd());
    if (stop.stop_requested())
      return failure(
          own_error("57014", ErrorClass::Transient, fmt::format("{}: stopped while connecting", state.name)));
    if (!ready) return failure(connect_error(state.name, fmt::format("no answer within {} ms", timeout.count())));
    next = PQconnectPoll(state.handle);
  }
  PQsetErrorVerbosity(state.handle, PQERRORS_DEFAULT);
  return {};
}

}  // namespace

Result<void> connect(Connection::State& state, const std::stop_token& stop) {
  state.close();
  state.prepared.clear();
  state.stages.clear();
  ++state.generation;
  const Result<Url> url = read_url(state.url);
  if (!url) return failure(url.error());
  const auto timeout = url->connect_timeout.count() > 0 ? url->connect_timeout : state.options.connect_timeout;
  const std::string seconds = std::to_string(std::chrono::ceil<std::chrono::seconds>(timeout).count());
  // Settings in the URL take precedence over the keywords before it. The system's defaults are two hours for an idle
  // connection, and a quarter of an hour for unconfirmed bytes.
  const std::array keywords = {"keepalives_idle",
                               "keepalives_interval",
                               "keepalives_count",
                               "tcp_user_timeout",
                               "dbname",
                               "client_encoding",
                               "fallback_application_name",
                               "connect_timeout",
                               static_cast<const char*>(nullptr)};
  const std::array values = {"30",
                             "10",
                             "3",
                             "60000",
                             state.url.c_str(),
                             "UTF8",
                             state.options.application_name.c_str(),
                             seconds.c_str(),
                             static_cast<const char*>(nullptr)};
  state.handle = url->several_hosts ? PQconnectdbParams(keywords.data(), values.data(), 1)
                                    : PQconnectStartParams(keywords.data(), values.data(), 1);
  if (state.handle == nullptr) return failure(connect_error("PostgreSQL", "out of memory"));
  const auto named = [&] {
    const auto text = [](const char* t) { return t == nullptr || *t == '\0' ? "?" : t; };
    state.name =
        fmt::format("{}:{}/{}", text(PQhost(state.handle)), text(PQport(state.handle)), text(PQdb(state.handle)));
  };
  named();
  // Without this libpq writes notices to stderr.
  PQsetNoticeReceiver(state.handle, [](void*, const PGresult*) {}, nullptr);
  if (!url->several_hosts)
    if (Result<void> done = finish_connecting(state, timeout, stop); !done) return done;
  named();
  if (state.lost()) return failure(connect_error(state.name, PQerrorMessage(state.handle)));
  state.canceller = PQgetCancel(state.handle);
  // The same limits for the server, which holds locks for a client that is gone; unless they are set there.
  std::string settings =
      "SELECT set_config(s.name,w.value,false) FROM pg_settings s JOIN (VALUES('tcp_keepalives_idle','30'),"
      "('tcp_keepalives_interval','10'),('tcp_keepalives_count','3'),('tcp_user_timeout','60000')) w(name,value) ON "
      "s.name=w.name WHERE "
      "s.source='default';";
  const auto limit = [&](const char* what, std::chrono::milliseconds time) {
    if (time.count() > 0) settings += fmt::format("SET {}={};", what, time.count());
  };
  limit("statement_timeout", state.options.statement_timeout);
  limit("lock_timeout", state.options.lock_timeout);
  limit("idle_in_transaction_session_timeout", state.options.idle_in_transaction_timeout);
  const Rows set(PQexec(state.handle, settings.c_str()));
  const ExecStatusType done = PQresultStatus(set.handle());
  if (done != PGRES_COMMAND_OK && done != PGRES_TUPLES_OK) return failure(error_of(state, set.handle(), "connect"));
  return {};
}

Result<Rows> run(Connection& connection, const std::string& sql, std::string_view doing, WhenLost lost) {
  Connection::State& state = connection.state();
  Rows rows(PQexec(state.handle, sql.c_str()));
  switch (PQresultStatus(rows.handle())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY: return rows;
    default: return failure(error_of(state, rows.handle(), doing, lost));
  }
}

// --- results ---------------------------------------------------------------------------------------------------------

void Rows::Clear::operator()(pg_result* result) const noexcept { PQclear(result); }
int Rows::size() const noexcept { return PQntuples(handle()); }
int Rows::columns() const noexcept { return PQnfields(handle()); }
std::string_view Rows::column_name(int column) const noexcept {
  const char* const name = PQfname(handle(), column);
  return name == nullptr ? std::string_view() : name;
}
bool Rows::is_null(int row, int column) const noexcept { return PQgetisnull(handle(), row, column) == 1; }
std::string_view Rows::text(int row, int column) const noexcept {
  const char* const value = PQgetvalue(handle(), row, column);
  if (value == nullptr) return {};
  return {value, static_cast<std::size_t>(PQgetlength(handle(), row, column))};
}
std::int64_t Rows::integer(int row, int column) const noexcept {
  const std::string_view value = text(row, column);
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}
std::int64_t Rows::affected() const noexcept {
  const std::string_view value = PQcmdTuples(result_.get());
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

// --- connections -----------------------------------------------------------------------------------------------------

Result<Connection> Connection::open(std::string_view url, const ConnectionOptions& options,
                                    const std::stop_token& stop) {
  Connection connection(std::make_shared<State>(url, options));
  if (Result<void> connected = connect(connection.state(), stop); !connected)
    return failure(std::move(connected.error()));
  return connection;
}

Result<void> Connection::reconnect() { return connect(*state_); }

Result<void> Connection::execute(std::string_view sql) {
  Result<Rows> done = run(*this, std::string(sql), shown_sql(sql));
  if (!done) return failure(std::move(done.error()));
  return {};
}

namespace {

/// The parameters as texts that end with NUL, which libpq needs.
Result<std::vector<const char*>> values_of(const Connection& connection, std::string_view sql,
                                           std::span<const Parameter> parameters) {
  std::vector<const char*> values;
  for (const Parameter& p : parameters) {
    const std::optional<std::string>& text = p.text();
    values.push_back(text ? text->c_str() : nullptr);
    if (text && text->find('\0') != std::string::npos)
      return failure(own_error("22021", ErrorClass::Rejected,
                               fmt::format("{}: {}: parameter ${}: PostgreSQL's texts cannot hold the character NUL",
                                           connection.name(), shown_sql(sql), values.size())));
  }
  return values;
}

Result<Rows> checked(Connection::State& state, PGresult* result, std::string_view sql) {
  Rows rows(result);
  const ExecStatusType status = PQresultStatus(rows.handle());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return rows;
  return failure(error_of(state, rows.handle(), shown_sql(sql)));
}

}  // namespace

Result<Rows> Connection::query_with(std::string_view sql, std::span<const Parameter> parameters) {
  const auto values = values_of(*this, sql, parameters);
  if (!values) return failure(values.error());
  return checked(*state_,
                 PQexecParams(handle(), std::string(sql).c_str(), static_cast<int>(values->size()), nullptr,
                              values->data(), nullptr, nullptr, 0),
                 sql);
}

namespace {

/// Prepares the statement if necessary. Returns its name on the server.
Result<std::string> prepared(Connection::State& state, const std::string& sql) {
  if (const auto found = state.prepared.find(sql); found != state.prepared.end()) return found->second;
  std::string name = fmt::format("etl_{}", ++state.names);
  const Result<Rows> made = checked(state, PQprepare(state.handle, name.c_str(), sql.c_str(), 0, nullptr), sql);
  if (!made) return failure(made.error());
  state.prepared.emplace(sql, name);
  return name;
}

}  // namespace

Result<Statement> Connection::prepare(std::string_view sql) {
  Statement statement(*this, std::string(sql));
  if (const Result<std::string> name = prepared(*state_, statement.sql_); !name) return failure(name.error());
  return statement;
}

Result<Rows> Statement::run_with(std::span<const Parameter> parameters) {
  const auto values = values_of(connection_, sql_, parameters);
  if (!values) return failure(values.error());
  Connection::State& state = connection_.state();
  const Result<std::string> name = prepared(state, sql_);
  if (!name) return failure(name.error());
  return checked(state,
                 PQexecPrepared(state.handle, name->c_str(), static_cast<int>(values->size()), values->data(), nullptr,
                                nullptr, 0),
                 sql_);
}

std::uint64_t Connection::dropped() const noexcept { return state_->dropped; }

bool Connection::alive() noexcept {
  if (state_->handle == nullptr) return false;
  // An idle server sends only notices, or the reason for ending the connection, followed by the end.
  while (!state_->lost() && wait_for(handle(), POLLIN, Clock::now()))
    if (PQconsumeInput(handle()) == 0 || PQisBusy(handle()) == 1) break;
  return !state_->lost();
}

Result<void> Connection::ping() {
  Result<Rows> answered = run(*this, "", "ping");
  if (!answered) return failure(std::move(answered.error()));
  return {};
}

bool Connection::in_transaction() const noexcept {
  const PGTransactionStatusType status = PQtransactionStatus(handle());
  return status != PQTRANS_IDLE && status != PQTRANS_UNKNOWN;  // unknown: the connection is lost
}
void Connection::cancel() const noexcept {
  std::array<char, 256> ignored{};
  if (state_->canceller != nullptr) PQcancel(state_->canceller, ignored.data(), static_cast<int>(ignored.size()));
}
namespace detail {
void CancelOnStop::ask() noexcept {
  try {
    asking_ = std::jthread([this](const std::stop_token& done) {
      std::mutex mutex;
      std::condition_variable_any ended;
      std::unique_lock lock(mutex);
      // Asks the server every 100 ms, because the statement may begin only after the first request.
      do connection_->cancel();
      while (!ended.wait_for(lock, done, std::chrono::milliseconds(100), [&] { return done.stop_requested(); }));
    });
  } catch (const std::system_error&) {
    connection_->cancel();
  }
}
}  // namespace detail
const std::string& Connection::name() const noexcept { return state_->name; }
pg_conn* Connection::handle() const noexcept { return state_->handle; }

// --- transactions ----------------------------------------------------------------------------------------------------

Result<Transaction> Connection::begin() { return begin_with({}); }

Result<Transaction> Connection::begin_with(std::string_view more) {
  if (PQtransactionStatus(handle()) == PQTRANS_INTRANS || PQtransactionStatus(handle()) == PQTRANS_INERROR)
    return failure(own_error("25001", ErrorClass::Fatal,
                             fmt::format("{}: begin: this connection has a transaction already (to insert rows within "
                                         "it, use Transaction::copy or an Inserter)",
                                         name())));
  Result<Rows> begun = run(*this, fmt::format("BEGIN;{}", more), "begin");
  Transaction transaction(Connection(state_), state_->generation);  // rolls back on an error
  if (!begun) return failure(std::move(begun.error()));
  ++state_->transactions;
  return transaction;
}

bool Transaction::active() const noexcept {
  return open_ && generation_ == connection_.state().generation && !connection_.state().lost() &&
         connection_.in_transaction();
}

Result<void> Transaction::savepoint() {
  Result<void> marked = execute(marked_ ? "RELEASE SAVEPOINT etl_mark; SAVEPOINT etl_mark" : "SAVEPOINT etl_mark");
  marked_ = marked_ || marked.has_value();
  return marked;
}
Result<void> Transaction::rollback_to_savepoint() { return execute("ROLLBACK TO SAVEPOINT etl_mark"); }

Error commit_error(Error error) {
  const bool leaves_doubt =
      std::ranges::any_of(std::array{"08000", "08001", "08003", "08004", "08006", "08007", "08P01", "40003"},
                          [&](std::string_view state) { return error.code == sqlstate(state); });
  if (leaves_doubt) error.code = Errc::OutcomeUnknown, error.error_class = ErrorClass::Fatal;
  return error;
}

Result<void> Transaction::commit() {
  if (!active()) {
    const bool is_lost = connection_.state().lost() || generation_ != connection_.state().generation;
    open_ = false;
    return failure(own_error("25P01", is_lost ? ErrorClass::Transient : ErrorClass::Fatal,
                             fmt::format("{}: commit: the transaction was rolled back before, by its owner or because "
                                         "the connection was lost",
                                         connection_.name())));
  }
  Result<Rows> done = run(connection_, "COMMIT", "commit", WhenLost::OutcomeUnknown);
  open_ = false;
  if (!done) return failure(commit_error(std::move(done.error())));
  // The server answers ROLLBACK to COMMIT if an earlier statement has failed.
  if (std::string_view(PQcmdStatus(done->handle())) == "ROLLBACK")
    return failure(own_error("25P02", ErrorClass::Fatal,
                             fmt::format("{}: commit: an earlier statement of this transaction failed: it was rolled "
                                         "back",
                                         connection_.name())));
  return {};
}

void Transaction::rollback() noexcept {
  if (active()) PQclear(PQexec(connection_.handle(), "ROLLBACK"));
  open_ = false;
}

}  // namespace etl::inline v0::postgres
