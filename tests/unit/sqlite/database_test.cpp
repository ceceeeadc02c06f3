#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <latch>
#include <limits>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <etl/sqlite/database.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace database_test {

using namespace std::chrono_literals;
using etl::ErrorClass;
using etl::sqlite::Database;
using etl::sqlite::DatabaseOptions;
using etl::sqlite::Statement;
using etl::sqlite::Transaction;
using etl::sqlite::ValueType;
using test::count;
using test::error_of;
using test::lacks;
using test::ok;
using test::open;
using test::value;

namespace {

/// Runs in a process that may not write what others own. Its exit code; 0 when `body` returned true.
template <class Body>
int unprivileged(Body body) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    ::_exit(body() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

// --- open
// -------------------------------------------------------------------------------------------------------------

TEST_CASE("sqlite database: opens with a write-ahead log, synchronous NORMAL and foreign keys") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  CHECK(value(db, "PRAGMA journal_mode") == "wal");
  CHECK(value(db, "PRAGMA synchronous") == "1");
  CHECK(value(db, "PRAGMA foreign_keys") == "1");
  CHECK(value(db, "PRAGMA busy_timeout") == "5000");
  CHECK(db.name() == (folder / "a.db").string());
}

TEST_CASE("sqlite database: many that make the same one at the same time all open it") {
  const test::Folder folder;
  for (int round = 0; round < 20; ++round) {
    constexpr std::ptrdiff_t count = 4;
    std::latch together(count);
    std::vector<std::string> errors(count);
    {
      std::vector<std::jthread> threads;
      for (std::string& error : errors)
        threads.emplace_back([&] {
          together.arrive_and_wait();
          const auto database = Database::open(folder / (std::to_string(round) + ".db"));
          if (!database) error = database.error().message();
        });
    }
    CHECK(errors == std::vector<std::string>(count));
  }
}

TEST_CASE("sqlite database: its options") {
  const test::Folder folder;
  Database db =
      open(folder / "a.db",
           {.wal = false, .synchronous = etl::sqlite::Synchronous::Full, .busy_timeout = 7ms, .foreign_keys = false});
  CHECK(value(db, "PRAGMA journal_mode") == "delete");
  CHECK(value(db, "PRAGMA synchronous") == "2");
  CHECK(value(db, "PRAGMA foreign_keys") == "0");
  CHECK(value(db, "PRAGMA busy_timeout") == "7");
  Database off =
      open(folder / "a.db", {.wal = false, .synchronous = etl::sqlite::Synchronous::Off, .busy_timeout = -1ms});
  CHECK(value(off, "PRAGMA synchronous") == "0");
  CHECK(value(off, "PRAGMA busy_timeout") == "0");
}

TEST_CASE("sqlite database: in memory") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)"));
  CHECK(count(db, "t") == 2);
  CHECK_FALSE(std::filesystem::exists(":memory:"));
}

TEST_CASE("sqlite database: what cannot be opened is an error that says why") {
  const test::Folder folder;
  const auto why = [&](const std::filesystem::path& path, const DatabaseOptions& options = {}) {
    const etl::Error e = error_of(Database::open(path, options));
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(e.code.category() == etl::sqlite::error_category());
    CHECK(e.code.value() != 0);
    return e.message();
  };
  CHECK(lacks(why(folder / "none/a.db"), {"none/a.db: open: there is no folder " + (folder / "none").string()}) == "");
  CHECK(lacks(why(folder.path()), {folder.path().string() + ": open: it is a folder"}) == "");
  CHECK(lacks(why(folder / "a.db", {.create = false}), {"a.db: open: there is no such file"}) == "");
  CHECK(lacks(why(folder / "a.db", {.read_only = true}), {"a.db: open: there is no such file"}) == "");
  CHECK(lacks(why(""), {"the path of the database is empty"}) == "");
  CHECK_FALSE(std::filesystem::exists(folder / "a.db"));
}

TEST_CASE("sqlite database: a file that is not a database is met at open") {
  const test::Folder folder;
  test::write_file(folder / "garbage.db", std::string(5000, 'x'));
  for (const bool read_only : {false, true})
    for (const bool wal : {false, true}) {
      const etl::Error e = error_of(Database::open(folder / "garbage.db", {.read_only = read_only, .wal = wal}));
      CHECK(e.error_class == ErrorClass::Fatal);
      CHECK((e.code.value() & 0xff) == 26);  // SQLITE_NOTADB
      CHECK(lacks(e.message(), {"garbage.db: open: ", "the file is not an SQLite database, or it is encrypted"}) == "");
    }
}

TEST_CASE("sqlite database: opened read-only, it is read and not written") {
  const test::Folder folder;
  { ok(open(folder / "a.db").execute("CREATE TABLE t(a); INSERT INTO t VALUES(1)")); }
  Database db = open(folder / "a.db", {.read_only = true});
  CHECK(count(db, "t") == 1);
  for (const etl::Error& e : {error_of(db.execute("INSERT INTO t VALUES(2)")), error_of(db.begin())}) {
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(e.code == std::errc::read_only_file_system);
    CHECK(lacks(e.message(), {"a.db: ", "attempt to write a readonly database",
                              "it was opened with DatabaseOptions::read_only"}) == "");
  }
}

TEST_CASE("sqlite database: a file that may not be written is refused at open, unless it is to be read only") {
  const test::Folder folder;
  { ok(open(folder / "a.db", {.wal = false}).execute("CREATE TABLE t(a); INSERT INTO t VALUES(1)")); }
  ::chmod((folder / "a.db").c_str(), 0444);
  ::chmod(folder.path().c_str(), 0755);
  CHECK(unprivileged([&] {
          const auto db = Database::open(folder / "a.db");
          return !db && db.error().code == std::errc::read_only_file_system &&
                 db.error().error_class == ErrorClass::Fatal &&
                 lacks(db.error().message(), {"a.db: open: the file cannot be written", "read_only"}).empty();
        }) == 0);
  CHECK(unprivileged([&] {
          auto db = Database::open(folder / "a.db", {.read_only = true});
          return db && db->execute("SELECT * FROM t").has_value();
        }) == 0);
}

TEST_CASE("sqlite database: a damaged page") {
  const test::Folder folder;
  {
    Database db = open(folder / "a.db", {.wal = false});
    ok(db.execute(
        "CREATE TABLE t(a, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
        "INSERT INTO t SELECT i, hex(randomblob(40)) FROM n"));
  }
  {
    std::fstream file(folder / "a.db", std::ios::in | std::ios::out | std::ios::binary);
    const std::string garbage(4096, '\xa5');
    for (const int page : {1, 5, 9}) {
      file.seekp(page * 4096);
      file.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
    }
  }
  Database db = open(folder / "a.db");
  const etl::Error e = error_of(db.execute("SELECT sum(length(b)) FROM t"));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK((e.code.value() & 0xff) == 11);  // SQLITE_CORRUPT
  CHECK(lacks(e.message(), {"a.db: SELECT sum(length(b)) FROM t: database disk image is malformed",
                            "the file is damaged", ".recover"}) == "");
}

// --- statements
// -------------------------------------------------------------------------------------------------------

TEST_CASE("sqlite database: an error of a statement shows it, shortened") {
  Database db = open(":memory:");
  CHECK(error_of(db.execute("CREATE TABEL t(a)")).message() ==
        ":memory:: CREATE TABEL t(a): near \"TABEL\": syntax error");
  const std::string message =
      error_of(db.prepare("SELECT \xc3\xa4 AS " + std::string(1000, 'x') + " FROM nowhere")).message();
  CHECK(lacks(message, {"SELECT \xc3\xa4 AS xxx", "xxx...: no such table: nowhere"}) == "");
  CHECK(message.size() < 300);
}

TEST_CASE("sqlite database: prepare takes exactly one statement") {
  Database db = open(":memory:");
  CHECK(db.prepare("SELECT 1"));
  CHECK(db.prepare("SELECT 1;"));
  CHECK(db.prepare(" SELECT 1 ; -- and no more\n "));
  for (const char* sql : {"", "  ", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; nonsense"})
    CHECK(lacks(error_of(db.prepare(sql)).message(), {"prepare takes exactly one statement"}) == "");
  // The text need not end with a NUL.
  const std::string_view part = std::string_view("SELECT 12345").substr(0, 9);
  CHECK(value(db, part) == "12");
}

TEST_CASE("sqlite statement: values go in and come out") {
  Database db = open(":memory:");
  Statement s = ok(db.prepare("SELECT ?, ?, ?, ?, ?, ? AS six"));
  s.bind(0, nullptr);
  s.bind(1, std::numeric_limits<std::int64_t>::min());
  s.bind(2, -0.5);
  s.bind(3, std::string_view("a\0b", 3));
  const auto blob = test::bytes(std::string_view("\0\xff", 2));
  s.bind(4, blob);
  s.bind(5, 6);
  REQUIRE(ok(s.step()));
  CHECK(s.columns() == 6);
  CHECK(s.column_name(5) == "six");
  CHECK(s.type(0) == ValueType::Null);
  CHECK(s.is_null(0));
  CHECK(s.type(1) == ValueType::Integer);
  CHECK(s.integer(1) == std::numeric_limits<std::int64_t>::min());
  CHECK(s.type(2) == ValueType::Real);
  CHECK(s.real(2) == -0.5);
  CHECK(s.type(3) == ValueType::Text);
  CHECK(s.text(3) == std::string_view("a\0b", 3));
  CHECK(s.type(4) == ValueType::Blob);
  CHECK(std::vector<std::byte>(s.blob(4).begin(), s.blob(4).end()) == blob);
  CHECK(s.integer(5) == 6);
  CHECK_FALSE(ok(s.step()));
}

TEST_CASE("sqlite statement: empty texts and blobs are not NULL, also those without an address") {
  Database db = open(":memory:");
  Statement s = ok(db.prepare("SELECT ?, ?, ?"));
  s.bind(0, std::string_view());
  s.bind(1, std::span<const std::byte>());
  s.bind_copy(2, std::string_view());
  REQUIRE(ok(s.step()));
  CHECK(s.type(0) == ValueType::Text);
  CHECK(s.type(1) == ValueType::Blob);
  CHECK(s.type(2) == ValueType::Text);
  CHECK(s.text(0).empty());
  CHECK(s.blob(1).empty());
}

TEST_CASE("sqlite statement: bind_copy needs its text no longer") {
  Database db = open(":memory:");
  Statement s = ok(db.prepare("SELECT ?"));
  {
    std::string text(100, 'a');
    s.bind_copy(0, text);
    text.assign(100, 'b');
  }
  REQUIRE(ok(s.step()));
  CHECK(s.text(0) == std::string(100, 'a'));
}

TEST_CASE("sqlite statement: a value that was refused is told by run and step, once") {
  Database db = open(":memory:");
  Statement s = ok(db.prepare("SELECT ?"));
  s.bind(1, 5);
  CHECK(lacks(error_of(s.run()).message(), {":memory:: SELECT ?: ", "index out of range"}) == "");
  CHECK(s.run());
  s.bind(1, 5);
  CHECK_FALSE(s.step());
  s.bind(1, 5);
  s.reset();
  CHECK(s.run());

  ok(db.execute("CREATE TABLE t(a)"));
  Statement insert = ok(db.prepare("INSERT INTO t VALUES(?)"));
  insert.bind(0, std::string_view("its length is looked at first", 1'000'000'001));
  const etl::Error e = error_of(insert.run());
  CHECK(e.error_class == ErrorClass::Rejected);
  CHECK(lacks(e.message(), {"string or blob too big", "the limit is 1000000000 bytes"}) == "");
}

TEST_CASE("sqlite statement: run resets, and may be repeated, changes counts") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(a)"));
  Statement insert = ok(db.prepare("INSERT INTO t VALUES(?)"));
  for (int i = 0; i < 3; ++i) {
    insert.bind(0, i);
    ok(insert.run());
    CHECK(db.changes() == 1);
  }
  CHECK(value(db, "SELECT sum(a) FROM t") == "3");
  ok(db.execute("UPDATE t SET a = 7"));
  CHECK(db.changes() == 3);
  ok(ok(db.prepare("SELECT * FROM t")).run());  // all rows are passed over
}

TEST_CASE("sqlite database: may be moved while its statements and transactions live, and they keep it open") {
  const test::Folder folder;
  std::optional<Database> first = open(folder / "a.db");
  ok(first->execute("CREATE TABLE t(a UNIQUE)"));
  Statement insert = ok(first->prepare("INSERT INTO t VALUES(1)"));
  std::optional<Transaction> transaction = ok(first->begin());
  Database second = std::move(*first);
  first.reset();
  ok(insert.run());
  CHECK(lacks(error_of(insert.run()).message(), {"a.db: INSERT INTO t VALUES(1): UNIQUE constraint failed: t.a"}) ==
        "");
  ok(transaction->commit());
  CHECK(count(second, "t") == 1);
  { const Database gone = std::move(second); }
  CHECK(error_of(insert.run()).error_class == ErrorClass::Rejected);  // still there
}

// --- transactions
// -----------------------------------------------------------------------------------------------------

TEST_CASE("sqlite transaction: commits, or rolls back when it goes") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(a)"));
  {
    Transaction t = ok(db.begin());
    ok(db.execute("INSERT INTO t VALUES(1)"));
    CHECK(t.active());
    ok(t.commit());
    CHECK_FALSE(t.active());
  }
  CHECK(count(db, "t") == 1);
  {
    const Transaction t = ok(db.begin());
    ok(db.execute("INSERT INTO t VALUES(2)"));
  }
  CHECK(count(db, "t") == 1);
  {
    Transaction t = ok(db.begin());
    ok(db.execute("INSERT INTO t VALUES(2)"));
    t.rollback();
    CHECK_FALSE(t.active());
    CHECK(lacks(error_of(t.commit()).message(), {":memory:: commit: the transaction was rolled back before"}) == "");
  }
  CHECK(count(db, "t") == 1);
}

TEST_CASE("sqlite transaction: one that was moved from does nothing") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(a)"));
  std::optional<Transaction> first = ok(db.begin());
  Transaction second = std::move(*first);
  first.reset();
  CHECK(second.active());
  ok(db.execute("INSERT INTO t VALUES(1)"));
  ok(second.commit());
  CHECK(count(db, "t") == 1);
}

TEST_CASE("sqlite transaction: only one at a time") {
  Database db = open(":memory:");
  Transaction t = ok(db.begin());
  CHECK(lacks(error_of(db.begin()).message(), {"begin: this connection has a transaction already", "Inserter"}) == "");
  CHECK(t.active());
}

TEST_CASE("sqlite transaction: a commit that fails rolls back") {
  Database db = open(":memory:");
  ok(
      db.execute("CREATE TABLE a(id INTEGER PRIMARY KEY); "
                 "CREATE TABLE b(a REFERENCES a(id) DEFERRABLE INITIALLY DEFERRED)"));
  Transaction t = ok(db.begin());
  ok(db.execute("INSERT INTO b VALUES(5)"));
  const etl::Error e = error_of(t.commit());
  CHECK(e.error_class == ErrorClass::Rejected);
  CHECK(lacks(e.message(), {"commit: FOREIGN KEY constraint failed"}) == "");
  CHECK_FALSE(t.active());
  CHECK(count(db, "b") == 0);
  CHECK(db.begin());
}

TEST_CASE("sqlite transaction: a lock held elsewhere is met at begin, as a transient error") {
  const test::Folder folder;
  Database holder = open(folder / "a.db");
  ok(holder.execute("CREATE TABLE t(a)"));
  Database other = open(folder / "a.db", {.busy_timeout = 20ms});
  std::optional<Transaction> lock = ok(holder.begin());
  for (const etl::Error& e : {error_of(other.begin()), error_of(other.execute("INSERT INTO t VALUES(1)"))}) {
    CHECK(e.error_class == ErrorClass::Transient);
    CHECK(e.code == std::errc::device_or_resource_busy);
    CHECK(lacks(e.message(), {"a.db: ", "database is locked", "held the lock for more than 20 ms", "busy_timeout"}) ==
          "");
  }
  CHECK(count(other, "t") == 0);  // readers are not blocked
  lock.reset();
  CHECK(other.begin());
}

TEST_CASE("sqlite transaction: after a full disk nothing of it is left, and the error says so") {
  const test::Folder folder;
  Database db = open(folder / "a.db");
  ok(db.execute("CREATE TABLE t(a); INSERT INTO t VALUES(0); PRAGMA max_page_count=20"));
  Statement insert = ok(db.prepare("INSERT INTO t VALUES(randomblob(1000))"));
  {
    Transaction t = ok(db.begin());
    etl::Result<void> inserted;
    for (int i = 0; i < 1000 && inserted; ++i) inserted = insert.run();
    const etl::Error e = error_of(inserted);
    CHECK(e.error_class == ErrorClass::Fatal);
    CHECK(e.code == std::errc::no_space_on_device);
    CHECK(lacks(e.message(), {"a.db: INSERT INTO t", "database or disk is full",
                              "the disk is full, or the limit of PRAGMA "
                              "max_page_count is reached; the transaction is not stored"}) == "");
    CHECK_FALSE(t.active());  // SQLite rolled back by itself
    CHECK(lacks(error_of(t.commit()).message(), {"rolled back before"}) == "");
  }
  CHECK(count(db, "t") == 1);
  CHECK(db.begin());
}

TEST_CASE("sqlite database: closing with an open transaction rolls it back") {
  const test::Folder folder;
  {
    Database db = open(folder / "a.db");
    ok(db.execute("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1)"));
  }
  Database db = open(folder / "a.db");
  CHECK(count(db, "t") == 0);
  CHECK(db.begin());
}

TEST_CASE("sqlite errors: codes have names, and compare with the system's") {
  const std::error_category& category = etl::sqlite::error_category();
  CHECK(std::string(category.name()) == "sqlite");
  CHECK(category.message(5) == "database is locked");
  CHECK(std::error_code(261, category) == std::errc::device_or_resource_busy);  // SQLITE_BUSY_RECOVERY
  CHECK(std::error_code(7, category) == std::errc::not_enough_memory);
  CHECK(std::error_code(266, category) == std::errc::io_error);  // SQLITE_IOERR_READ
  CHECK_FALSE(std::error_code(11, category) == std::errc::io_error);
}

TEST_CASE("sqlite errors: their classes") {
  Database db = open(":memory:");
  const auto class_of = [&](int code) { return db.error(code, "test").error_class; };
  // BUSY, BUSY_SNAPSHOT, LOCKED, PROTOCOL, IOERR_LOCK, IOERR_RDLOCK
  for (const int code : {5, 517, 6, 15, 3850, 2314}) CHECK(class_of(code) == ErrorClass::Transient);
  // CONSTRAINT, CONSTRAINT_UNIQUE, MISMATCH, TOOBIG
  for (const int code : {19, 2067, 20, 18}) CHECK(class_of(code) == ErrorClass::Rejected);
  // ERROR, PERM, NOMEM, READONLY, IOERR_READ, CORRUPT, FULL, CANTOPEN, MISUSE, RANGE, NOTADB
  for (const int code : {1, 3, 7, 8, 266, 11, 13, 14, 21, 25, 26}) CHECK(class_of(code) == ErrorClass::Fatal);
}

TEST_CASE("sqlite: a script within a transaction cannot end it") {
  Database db = open(":memory:");
  ok(db.execute("CREATE TABLE t(a)"));
  for (const std::string end : {"COMMIT", "END", "ROLLBACK", "BEGIN"}) {
    auto transaction = ok(db.begin());
    const etl::Error e = error_of(db.execute_within("INSERT INTO t VALUES(1); " + end + "; INSERT INTO t VALUES(2)"));
    CHECK(lacks(e.message(), {"leave out BEGIN, COMMIT, END and ROLLBACK"}) == "");
    CHECK(transaction.active());
  }
  auto transaction = ok(db.begin());
  CHECK(lacks(error_of(db.execute_within(std::string("SELECT 1;\0SELECT 2", 18))).message(), {"has a NUL"}) == "");
  ok(db.execute_within(
      "SAVEPOINT s; INSERT INTO t VALUES(1); ROLLBACK TO s; INSERT INTO t VALUES(2); SELECT CASE 1 WHEN 1 "
      "THEN 1 END"));
  ok(transaction.commit());
  CHECK(value(db, "SELECT group_concat(a) FROM t") == "2");
}

}  // namespace database_test
