#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include <etl/postgres/connection.hpp>

#include "support/catch.hpp"
#include "support/postgres_proxy.hpp"
#include "unit/postgres/support.hpp"

extern "C" int PQsocket(const pg_conn* handle);  // libpq's own header is not on the path of tests

using namespace std::chrono_literals;
using etl::ErrorClass;
using etl::postgres::Connection;
using etl::postgres::sqlstate;
using etl::postgres::Transaction;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::pid;
using test::value;

namespace {

/// The server's URL with another part in place of one.
std::string url_with(std::string_view part, std::string_view other) {
  std::string url = test::postgres_url();
  return url.replace(url.rfind(part), part.size(), other);
}

}  // namespace

// 'x' would be sent as 120.
static_assert(!std::is_constructible_v<etl::postgres::Parameter, char>);
static_assert(std::is_constructible_v<etl::postgres::Parameter, std::int8_t>);

TEST_CASE("postgres connection: both sides notice that the other is gone, unless the URL says when") {
  auto connection = test::open(test::postgres_url());
  CHECK(test::value(connection, "SHOW tcp_keepalives_idle") == "30");
  auto own = test::open(test::postgres_url() + "?options=-ctcp_keepalives_idle%3D77&keepalives_idle=66");
  CHECK(test::value(own, "SHOW tcp_keepalives_idle") == "77");
  CHECK(test::value(own, "SHOW tcp_keepalives_count") == "3");

  // Keepalives say nothing while sent bytes are not confirmed: then the system would try for a quarter of an hour.
  const auto patience = [](const Connection& of) {
    unsigned ms = 0;
    socklen_t size = sizeof ms;
    CHECK(::getsockopt(PQsocket(of.handle()), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &size) == 0);
    return ms;
  };
  CHECK(patience(connection) == 60'000);
  CHECK(test::value(connection, "SHOW tcp_user_timeout") == "60000");
  CHECK(patience(test::open(test::postgres_url() + "?tcp_user_timeout=5000")) == 5000);
}

// --- connecting
// -------------------------------------------------------------------------------------------------------

TEST_CASE("postgres connection: wrong password, unknown user, missing database: fatal, with the remedy, no password") {
  const auto refused = [](const std::string& url) {
    etl::Error e = error_of(Connection::open(url));
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK_FALSE(has(e.message(), "secret"));
    CHECK_FALSE(has(e.message(), "hunter2"));
    return e;
  };
  const etl::Error wrong = refused(url_with("secret", "hunter2"));
  CHECK(wrong.code == sqlstate("28P01"));
  CHECK(wrong.code.message() == "SQLSTATE 28P01");
  CHECK(lacks(wrong.message(), {"127.0.0.1:", "/postgres: connect: ",
                                "FATAL: password authentication failed for user "
                                "\"postgres\": check user and password"}) == "");
  CHECK_FALSE(has(wrong.message(), "LOCATION"));
  CHECK(refused(url_with("postgres:secret", "nobody:hunter2")).code == sqlstate("28P01"));
  const etl::Error none = refused(url_with("postgres:secret", "postgres"));
  CHECK(none.code == sqlstate("28P01"));
  CHECK(lacks(none.message(), {"no password supplied", "PGPASSWORD"}) == "");
  for (const char* const mode : {"?sslmode=verify-full", "?sslmode=maybe"}) {
    const etl::Error ssl = refused(test::postgres_url() + mode);
    CHECK(lacks(ssl.message(), {"connect: ", "sslmode", "in the URL"}) == "");
  }
  const etl::Error missing = refused(url_with("/postgres", "/missing"));
  CHECK(missing.code == sqlstate("3D000"));
  CHECK(lacks(missing.message(), {"database \"missing\" does not exist", "createdb"}) == "");
}

TEST_CASE("postgres connection: a server that is not there, or does not answer, is a transient error") {
  const etl::Error nobody = error_of(Connection::open("postgresql://u:hunter2@127.0.0.1:1/db"));
  CHECK(nobody.error_class == ErrorClass::Transient);
  CHECK(nobody.code == sqlstate("08001"));
  CHECK(nobody.code == std::errc::not_connected);
  CHECK(lacks(nobody.message(), {"127.0.0.1:1/db: connect: ", "refused: is the server running"}) ==
        "");  // once: libpq asks, too
  CHECK_FALSE(has(nobody.message(), "hunter2"));
}

TEST_CASE("postgres connection: a URL that cannot be read is an error that does not show it") {
  for (const std::string url :
       {"postgresql://u:hun@ter2@host/db", "postgresql://u:hun/ter2@host/db", "postgresql://u:hunter2@[::1/db",
        "password=hun ter2 host=h", "postgresql://u:hun:ter2@host:x/db", "hunter2",
        "postgresql://u:hunter2@host/db?sslmod=require", "password='hunter2", "postgresql://u:hun%zzter2@h/"}) {
    const etl::Error e = error_of(Connection::open(url));
    INFO(url << " -> " << e.message());
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(e.code == etl::Errc::InvalidOptions);
    for (const char* part : {"hun", "ter2"}) CHECK_FALSE(has(e.message(), part));
    CHECK(has(e.message(), "postgresql://user:password@host:port/database"));
  }
}

TEST_CASE("postgres connection: options reach the session, and the URL goes before them") {
  auto db = test::open(test::postgres_url(), {.statement_timeout = 1234ms,
                                              .lock_timeout = 77ms,
                                              .idle_in_transaction_timeout = 4321ms,
                                              .application_name = "me"});
  CHECK(value(db, "SHOW idle_in_transaction_session_timeout") == "4321ms");
  CHECK(value(db, "SHOW statement_timeout") == "1234ms");
  CHECK(value(db, "SHOW lock_timeout") == "77ms");
  CHECK(value(db, "SHOW application_name") == "me");
  CHECK(value(db, "SHOW client_encoding") == "UTF8");
  auto other = test::open(test::postgres_url() + "?application_name=you&client_encoding=LATIN1");
  CHECK(value(other, "SHOW application_name") == "you");
  CHECK(value(other, "SHOW client_encoding") == "UTF8");
  CHECK(has(db.name(), "127.0.0.1:"));
  CHECK_FALSE(has(db.name(), "secret"));
}

TEST_CASE("postgres connection: of several hosts the first that answers is taken") {
  auto db = test::open(url_with("127.0.0.1:", "127.0.0.1:1,127.0.0.1:"));
  CHECK(value(db, "SELECT 1") == "1");
}

// --- statements
// ---------------------------------------------------------------------------------------------------------

TEST_CASE("postgres connection: parameters and results") {
  auto db = test::open(test::postgres_url());
  const auto rows = ok(db.query("SELECT $1::int + 1, $2::text, $3::bool, $4::float8, $5::text, $6::bigint", 41, "it's",
                                true, 0.1, std::optional<std::string>(), std::optional<std::int64_t>(-7)));
  REQUIRE(rows.size() == 1);
  CHECK(rows.columns() == 6);
  CHECK(rows.integer(0, 0) == 42);
  CHECK(rows.text(0, 1) == "it's");
  CHECK(rows.text(0, 2) == "t");
  CHECK(rows.text(0, 3) == "0.1");
  CHECK(rows.is_null(0, 4));
  CHECK(rows.integer(0, 5) == -7);
  CHECK(rows.column_name(1) == "text");
  using namespace std::string_literals;
  const etl::Error nul = error_of(db.query("SELECT $1, $2", "fine", "a\0b"s));
  CHECK(nul.error_class == ErrorClass::Rejected);
  CHECK(lacks(nul.message(), {"parameter $2", "NUL"}) == "");
  ok(db.execute("CREATE TEMP TABLE t(a int); INSERT INTO t SELECT generate_series(1, 5)"));
  CHECK(ok(db.query("UPDATE t SET a = a + 1 WHERE a > $1", 2)).affected() == 3);
  ok(db.ping());
}

TEST_CASE("postgres statement: is prepared once for a text, and again after a reconnect") {
  auto db = test::open(test::postgres_url());
  auto doubled = ok(db.prepare("SELECT $1::int * 2"));
  auto again = ok(db.prepare("SELECT $1::int * 2"));
  CHECK(ok(doubled.run(4)).integer(0, 0) == 8);
  CHECK(ok(again.run(5)).integer(0, 0) == 10);
  CHECK(value(db, "SELECT count(*) FROM pg_prepared_statements") == "1");
  ok(db.reconnect());
  CHECK(value(db, "SELECT count(*) FROM pg_prepared_statements") == "0");
  CHECK(ok(doubled.run(6)).integer(0, 0) == 12);
  CHECK(lacks(error_of(db.prepare("SELECT nonsense FROM")).message(), {"SELECT nonsense FROM: syntax error"}) == "");
}

TEST_CASE("postgres errors: class, SQLSTATE, what was done, the server's words and the remedy") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE t(a int PRIMARY KEY, b int CHECK(b > 0))"));
  struct Case {
    std::string sql, state;
    ErrorClass error_class;
    std::string words;
  };
  for (const Case& c :
       {Case{"SELECT * FROM missing", "42P01", ErrorClass::Fatal, "create it"},
        Case{"SELECT c FROM t", "42703", ErrorClass::Fatal, "column \"c\" does not exist"},
        Case{"INSERT INTO t VALUES(1, -1)", "23514", ErrorClass::Rejected, "check constraint"},
        Case{"INSERT INTO t VALUES(NULL)", "23502", ErrorClass::Rejected, "null value"},
        Case{"INSERT INTO t VALUES(1), (1)", "23505", ErrorClass::Rejected, "Key (a)=(1) already"},
        Case{"SELECT 'x'::int", "22P02", ErrorClass::Rejected, "invalid input"},
        Case{"SELECT 1/0", "22012", ErrorClass::Rejected, "division by zero"},
        Case{"DO $$BEGIN RAISE deadlock_detected; END$$", "40P01", ErrorClass::Transient, "run again"},
        Case{"DO $$BEGIN RAISE disk_full; END$$", "53100", ErrorClass::Fatal, "disk is full"},
        Case{"DO $$BEGIN RAISE 'bad row'; END$$", "P0001", ErrorClass::Rejected, "bad row"},
        Case{"DO $$BEGIN RAISE too_many_connections; END$$", "53300", ErrorClass::Transient, "max_connections"}}) {
    const etl::Error e = error_of(db.execute(c.sql));
    INFO(e.message());
    CHECK(e.code == sqlstate(c.state));
    CHECK(e.error_class == c.error_class);
    CHECK(lacks(e.message(), {db.name() + ": " + c.sql.substr(0, 10), c.words}) == "");
  }
  CHECK(sqlstate("53100") == std::errc::no_space_on_device);
  CHECK(sqlstate("55P03") == std::errc::device_or_resource_busy);
  CHECK(sqlstate("57014") == std::errc::timed_out);
  CHECK(sqlstate("40001") != sqlstate("40P01"));
  CHECK(std::string(sqlstate("40001").category().name()) == "postgres");
}

TEST_CASE("postgres errors: a password in an SQL text is not shown") {
  auto db = test::open(test::postgres_url());
  const etl::Error e = error_of(db.execute("ALTER USER nobody_here PassWord 'hunter2'"));
  CHECK_FALSE(has(e.message(), "hunter2"));
  CHECK(has(e.message(), "ALTER USER nobody_here PassWord ..."));
}

TEST_CASE("postgres connection: statement and lock time-outs are transient and say which option it was") {
  const test::Schema schema;
  auto holder = schema.open();
  ok(holder.execute("CREATE TABLE t(a int)"));
  auto held = ok(holder.begin());
  ok(held.execute("LOCK TABLE t"));
  auto db = schema.open({.lock_timeout = 1ms});
  const etl::Error locked = error_of(db.execute("INSERT INTO t VALUES(1)"));
  CHECK(locked.error_class == ErrorClass::Transient);
  CHECK(locked.code == std::errc::device_or_resource_busy);
  CHECK(has(locked.message(), "lock_timeout"));
  auto hasty = schema.open({.statement_timeout = 1ms});
  const etl::Error late = error_of(hasty.execute("INSERT INTO t VALUES(1)"));
  CHECK(late.error_class == ErrorClass::Transient);
  CHECK(late.code == std::errc::timed_out);
  CHECK(has(late.message(), "statement_timeout"));
}

TEST_CASE("postgres connection: cancel, from another thread, ends what is waited for") {
  const test::Schema schema;
  auto holder = schema.open(), db = schema.open();
  ok(holder.execute("CREATE TABLE t(a int)"));
  auto held = ok(holder.begin());
  ok(held.execute("LOCK TABLE t"));
  const std::string waiting = pid(db);
  std::thread other([&] {
    // Only a statement that has begun can be cancelled.
    auto watch = test::open(test::postgres_url());
    while (value(watch, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " + waiting) == "0") {}
    db.cancel();
  });
  const auto done = db.execute("INSERT INTO t VALUES(1)");
  other.join();
  CHECK(error_of(done).code == sqlstate("57014"));
}

// --- transactions
// -------------------------------------------------------------------------------------------------------

TEST_CASE("postgres transaction: commits, or rolls back when it goes") {
  const test::Schema schema;
  auto db = schema.open(), reader = schema.open();
  ok(db.execute("CREATE TABLE t(a int)"));
  {
    auto lost = ok(db.begin());
    ok(lost.execute("INSERT INTO t VALUES(1)"));
    CHECK(lost.active());
    CHECK(has(error_of(db.begin()).message(), "has a transaction already"));
  }
  CHECK_FALSE(db.in_transaction());
  auto kept = ok(db.begin());
  ok(kept.query("INSERT INTO t VALUES($1)", 2));
  CHECK(test::count(reader, "t") == 0);
  ok(kept.commit());
  CHECK_FALSE(kept.active());
  CHECK(value(reader, "SELECT string_agg(a::text, ',') FROM t") == "2");
  CHECK(has(error_of(kept.commit()).message(), "was rolled back before"));
}

TEST_CASE("postgres transaction: a failed one does not commit, and says so") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE t(a int)"));
  auto tx = ok(db.begin());
  ok(tx.execute("INSERT INTO t VALUES(1)"));
  CHECK_FALSE(tx.execute("SELECT 1/0").has_value());
  CHECK(error_of(tx.execute("SELECT 1")).code == sqlstate("25P02"));
  CHECK(has(error_of(tx.commit()).message(), "it was rolled back"));
  CHECK(test::count(db, "t") == 0);
}

TEST_CASE("postgres transaction: savepoints undo errors too") {
  const test::Schema schema;
  auto db = schema.open();
  ok(db.execute("CREATE TABLE t(a int)"));
  auto tx = ok(db.begin());
  ok(tx.execute("INSERT INTO t VALUES(1)"));
  ok(tx.savepoint());
  ok(tx.execute("INSERT INTO t VALUES(2)"));
  CHECK_FALSE(tx.execute("SELECT 1/0").has_value());
  ok(tx.rollback_to_savepoint());
  ok(tx.execute("INSERT INTO t VALUES(3)"));
  ok(tx.savepoint());
  ok(tx.execute("INSERT INTO t VALUES(4)"));
  ok(tx.rollback_to_savepoint());
  ok(tx.commit());
  CHECK(value(db, "SELECT string_agg(a::text, ',' ORDER BY a) FROM t") == "1,3");
}

// --- lost connections
// ---------------------------------------------------------------------------------------------------

TEST_CASE("postgres connection: one that the server has ended is noticed, and can be made again") {
  auto killer = test::open(test::postgres_url());
  auto db = test::open(test::postgres_url());
  CHECK(db.alive());
  test::terminate(killer, pid(db));
  CHECK_FALSE(db.alive());
  ok(db.reconnect());
  CHECK(value(db, "SELECT 1") == "1");

  test::terminate(killer, pid(db));
  const etl::Error e = error_of(db.query("SELECT 1"));  // without asking first
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK(e.code == std::errc::not_connected);
}

TEST_CASE("postgres connection: a lost connection has no transaction, whatever it had before") {
  auto killer = test::open(test::postgres_url());
  for (const bool begun : {false, true}) {
    auto db = test::open(test::postgres_url());
    if (begun) ok(db.execute("BEGIN"));
    CHECK(db.in_transaction() == begun);
    test::terminate(killer, pid(db));
    CHECK_FALSE(db.query("SELECT 1").has_value());
    CHECK_FALSE(db.in_transaction());
    ok(db.reconnect());
    CHECK_FALSE(db.in_transaction());
  }
}

TEST_CASE("postgres transaction: its connection lost before the commit is transient, and nothing is stored") {
  const test::Schema schema;
  auto killer = schema.open(), db = schema.open();
  ok(db.execute("CREATE TABLE t(a int)"));
  auto tx = ok(db.begin());
  ok(tx.execute("INSERT INTO t VALUES(1)"));
  test::terminate(killer, pid(db));
  const etl::Error e = error_of(tx.execute("INSERT INTO t VALUES(2)"));
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK_FALSE(tx.active());
  ok(db.reconnect());
  auto other = ok(db.begin());
  CHECK_FALSE(tx.active());  // of the session before
  const etl::Error late = error_of(tx.commit());
  CHECK(late.error_class == ErrorClass::Transient);
  CHECK(has(late.message(), "the connection was lost"));
  CHECK(other.active());
  CHECK(test::count(db, "t") == 0);
}

TEST_CASE("postgres transaction: its connection lost during the commit leaves the outcome unknown") {
  const test::Schema schema;
  auto reader = schema.open();
  ok(reader.execute("CREATE TABLE t(a int)"));
  for (const auto side : {test::Proxy::Cut::Before, test::Proxy::Cut::After}) {
    test::Proxy proxy(schema.url());
    auto db = test::open(proxy.url());
    auto tx = ok(db.begin());
    ok(tx.execute("INSERT INTO t VALUES(1)"));
    proxy.cut_at("COMMIT", side);
    const etl::Error e = error_of(tx.commit());
    INFO(e.message());
    CHECK(e.code == etl::Errc::OutcomeUnknown);
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(has(e.message(), "whether the commit succeeded is unknown"));
    CHECK_FALSE(tx.active());
    proxy.join();
    CHECK(test::count(reader, "t") == (side == test::Proxy::Cut::After ? 1 : 0));
  }
}
