#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <filesystem>

#include <etl/postgres/script.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

namespace script_test {

using namespace std::string_literals;
using etl::ErrorClass;
using etl::postgres::check_integrity;
using etl::postgres::run_script;
using etl::postgres::run_script_file;
using etl::postgres::sqlstate;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::value;

namespace {

struct Fixture {
  Fixture() { ok(db.execute("CREATE TABLE t(id int PRIMARY KEY, name text CHECK(name <> ''))")); }
  test::Schema schema{};
  etl::postgres::Connection db = schema.open();
  etl::Result<void> check(std::vector<std::string> statements) { return check_integrity(db, statements); }
  /// Where a script fails: the place that its error names.
  std::string place(const std::string& sql) {
    const etl::Error error = error_of(run_script(db, sql, "s"));
    CHECK(error.code == etl::Errc::ScriptFailed);
    REQUIRE(error.cause);
    const std::string text = error.cause->message();
    const std::string head = db.name() + ": ";
    INFO(text);
    CHECK(text.starts_with(head));
    CHECK_FALSE(db.in_transaction());
    return text.substr(head.size(), text.find(": ", head.size()) - head.size());
  }
};

}  // namespace

TEST_CASE("postgres checks: no row, or a single true, is what must come, all others are shown") {
  Fixture f;
  ok(f.db.execute("INSERT INTO t SELECT i, CASE WHEN i > 1 THEN 'n' || i END FROM generate_series(1, 5) i"));
  ok(f.check({}));
  ok(f.check({"SELECT * FROM t WHERE id > 5", "SELECT count(*) = 5 FROM t;\n", "VALUES (true) -- five"}));
  const etl::Error e = error_of(
      f.check({"SELECT id, name FROM t WHERE id < 3 ORDER BY id", "SELECT count(*) > 5 FROM t", "SELECT true",
               "SELECT NULL::boolean AS empty", "SELECT id FROM t ORDER BY 1", "SELECT 't'", "SELECT true FROM t"}));
  CHECK(e.error_class == ErrorClass::Fatal);
  CHECK(e.code == etl::Errc::CheckFailed);
  CHECK(e.message() ==
        f.db.name() +
            ": the check of the data fails: SELECT id, name FROM t WHERE id < 3 ORDER BY id gives (id=1, name=NULL), "
            "(id=2, name=n2); SELECT count(*) > 5 FROM t gives (f); SELECT NULL::boolean AS empty gives "
            "(empty=NULL); SELECT id FROM t ORDER BY 1 gives (id=1), (id=2), (id=3), ...; SELECT 't' gives "
            "(t); SELECT true FROM t gives (t), (t), (t), ...");
  CHECK_FALSE(f.db.in_transaction());
}

TEST_CASE("postgres checks: they do not write, and an error names its statement") {
  Fixture f;
  for (const std::string sql : {"DELETE FROM t", "SELECT nothing FROM t", "SELECT 1/0", "", "SELECT 1; DROP TABLE t"}) {
    const etl::Error e = error_of(f.check({"SELECT true", sql}));
    CHECK(has(e.message(), sql));
    CHECK(e.code != etl::Errc::CheckFailed);
  }
  ok(f.db.execute("CREATE FUNCTION writes() RETURNS boolean LANGUAGE sql AS 'INSERT INTO t VALUES(9); SELECT true'"));
  CHECK(error_of(f.check({"SELECT writes()"})).code == sqlstate("25006"));
  CHECK(value(f.db, "SELECT count(*) FROM t") == "0");
}

TEST_CASE("postgres script: all or nothing, and an error names its line") {
  Fixture f;
  ok(run_script(f.db, ""));
  ok(run_script(f.db, "-- only a comment; nothing else"));
  ok(run_script(f.db, "INSERT INTO t VALUES(1, 'a');\n;\nSELECT 5;\nUPDATE t SET name = 'b; c' WHERE id = 1"));
  CHECK(value(f.db, "SELECT name FROM t") == "b; c");

  CHECK(f.place("INSERT INTO t VALUES(2, 'b');\n\nINSERT INTO t\nVALUES(1, 'twice');\nSELECT 1") == "s:3");
  CHECK(f.place("SELECT '\xc3\xa4\xc3\xa4';\nSELECT 1,\n  nothing FROM t") == "s:3");
  CHECK(f.place("SELECT 1;\nSELEC 2;") == "s:2");
  // What holds semicolons, and no statements.
  CHECK(f.place("/* ; /* ; */ ; */ -- ;\nSELECT ';', ';''', E'\\';', \";\", $$ ; $$, $a$ ; $$ $a$\nFROM (SELECT 1 AS "
                "\";\") q;\nSELECT 1/0") == "s:4");
  CHECK(f.place("DO $x$ BEGIN\n PERFORM 1;\nEND $x$;\n -- c\n  /* c */ SELECT 1/0, 'a$b$c'") == "s:5");
  CHECK(f.place("SELECT 1 AS a$b;\n;;;SELECT '1$2$3';\nSELECT 1/0") == "s:3");
  CHECK(f.place("SELECT 1;\nCOPY t FROM STDIN;\nSELECT 1") == "s:2");
  CHECK(f.place("SELECT 1;\nSELECT 1;\nCOPY t TO STDOUT;\nSELECT 1/0") == "s:3");
  CHECK(value(f.db, "SELECT count(*) FROM t") == "1");
  const etl::Error twice = error_of(run_script(f.db, "INSERT INTO t VALUES(1, 'twice')"));
  CHECK(twice.code == etl::Errc::ScriptFailed);
  REQUIRE(twice.cause);
  CHECK(twice.cause->code == sqlstate("23505"));
}

TEST_CASE("postgres script: its transaction is not its own to end") {
  Fixture f;
  for (const std::string end : {"COMMIT", "begin", "Rollback", "start\n transaction", "ABORT;", "commit work",
                                "PREPARE TRANSACTION 'x'", "END;\nINSERT INTO t VALUES(2, 'b')"}) {
    const std::string sql = "INSERT INTO t VALUES(1, 'a');\n" + end;
    const etl::Error e = error_of(run_script(f.db, sql, "merge.sql"));
    INFO(e.message());
    CHECK(lacks(e.message(), {"merge.sql:2: ", "leave out BEGIN, COMMIT, END and ROLLBACK"}) == "");
    CHECK(value(f.db, "SELECT count(*) FROM t") == "0");
  }
  ok(run_script(f.db, "SAVEPOINT a;\nINSERT INTO t VALUES(1, 'a');\nROLLBACK TO a;\nINSERT INTO t VALUES(2, 'b')"));
  CHECK(value(f.db, "SELECT id FROM t") == "2");
  // The END of a function's body is not that of the transaction.
  const std::string body =
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql\nBEGIN  ATOMIC\n SELECT 1; SELECT CASE WHEN true THEN 3 "
      "END;\nEND;\n";
  ok(run_script(f.db, body + "UPDATE t SET id = f()"));
  CHECK(value(f.db, "SELECT id FROM t") == "3");
  CHECK(has(error_of(run_script(f.db, "DROP FUNCTION f();\n" + body + "END", "s")).message(), "s:6: "));
  const std::string empty = "CREATE FUNCTION g() RETURNS void LANGUAGE sql BEGIN ATOMIC END;\n";
  CHECK(has(error_of(run_script(f.db, empty + "COMMIT", "s")).message(),
            "s:2: COMMIT: the script already runs in one transaction"));
  CHECK(f.place("DROP FUNCTION f();\n" + body + "SELECT 1/0") == "s:6");
  const std::string comment = "CREATE TABLE u(a text DEFAULT 'BEGIN ATOMIC'); -- no BEGIN ATOMIC\n";
  CHECK(has(error_of(run_script(f.db, comment + "COMMIT", "s")).message(),
            "s:2: COMMIT: the script already runs in one transaction"));
  CHECK(value(f.db, "SELECT f()") == "3");
}

TEST_CASE("postgres script: a NUL, after which the server would see nothing, is an error") {
  Fixture f;
  const etl::Error e =
      error_of(run_script(f.db, "INSERT INTO t VALUES(1, 'a');\n\0INSERT INTO t VALUES(2, 'b')"s, "s"));
  CHECK(has(e.message(), "s:2: the script has a NUL"));
  CHECK(value(f.db, "SELECT count(*) FROM t") == "0");
}

TEST_CASE("postgres script: from a file, which must be there") {
  Fixture f;
  const auto path = std::filesystem::temp_directory_path() / ("etlpipe-merge-" + std::to_string(::getpid()) + ".sql");
  std::ofstream(path) << "INSERT INTO t VALUES(1, 'a');\nINSERT INTO t VALUES(2, '')";
  CHECK(has(error_of(run_script_file(f.db, path)).message(), path.string() + ":2: "));
  std::ofstream(path) << "INSERT INTO t VALUES(1, 'a');";
  ok(run_script_file(f.db, path));
  std::filesystem::remove(path);
  CHECK(value(f.db, "SELECT count(*) FROM t") == "1");
  const etl::Error e = error_of(run_script_file(f.db, path));
  CHECK(e.code == std::errc::no_such_file_or_directory);
  CHECK(has(e.message(), path.string()));
}

}  // namespace script_test
