"""What a load finds of earlier loads: files, tables and rejected rows."""
import contextlib
import json
import shutil
import sqlite3
import subprocess

from csv_case import case
from harness import wait_for


@case
def changed_files(c):
    """A file that has changed since is not loaded twice, unless it goes by the key."""
    pattern = c.files(2, 100)
    c.load(pattern, "--create", "--key", "id")
    changed = c.folder / "data" / "f000.csv"
    changed.write_text(changed.read_text().replace("sku-5,", "other,"))
    summary, error = c.load(pattern, wanted=1)
    c.has(error, "f000.csv", "has changed since it was loaded", "--restart")
    c.equal("states", ["loaded before", "failed"], sorted((r["state"] for r in summary["results"]), reverse=True))
    c.load(pattern, "--on-conflict", "update")
    c.equal("updated", 200, len(c.rows()))
    c.equal("new values", 1, c.rows("SELECT count(*) FROM t WHERE sku = 'other'")[0][0])
    summary, _ = c.load(pattern, "--restart", wanted=3)
    c.equal("every row is there already", 200, summary["rows"]["rejected"])


@case
def last_row_of_a_key(c):
    """Rows of one key keep their order, within a file and from file to file: the last one stays, or the first one."""
    (c.folder / "a.csv").write_text("id,v\n" + "".join(f"{i},old\n" for i in range(20_000)) + "".join(f"{i},new\n" for i in range(19_800, 20_000)))
    (c.folder / "b.csv").write_text("id,v\n" + "".join(f"{i},later\n" for i in range(19_900, 20_000)))
    with c.server() as (url, _):
        for into in (url, None):
            for how in ("update", "replace", "ignore"):
                c.load("a.csv", "b.csv", "--create", "--key", "id", "--restart", "--on-conflict", how, "--batch-size", "300", "--workers", "4",
                       "--connections", "4", into=into)
                select = "SELECT v, count(*) FROM t GROUP BY v ORDER BY v"
                found = c.psql(url, select) if into else "\n".join(f"{v}|{n}" for v, n in c.rows(select))
                c.equal(f"{how} in {'PostgreSQL' if into else 'SQLite'}", "old|20000" if how == "ignore" else "later|100\nnew|100\nold|19800", found)
                c.psql(url, "DROP TABLE t") if into else c.sql("DROP TABLE t")


@case
def order_of_files(c):
    """Where a later row replaces an earlier one, files come in the order of the arguments, and none overtakes a file that failed."""
    (c.folder / "z.csv").write_text("id,v\n1,first\n2,first\n")
    (c.folder / "a.csv").write_text("id,v\n1,second\n")
    for how, wanted in (("update", "second"), ("replace", "second"), ("ignore", "first")):
        c.load("z.csv", "a.csv", "--create", "--key", "id", "--restart", "--on-conflict", how)
        c.equal(how, [(1, wanted), (2, "first")], c.rows("SELECT id, v FROM t ORDER BY id"))
        c.sql("DROP TABLE t")

    (c.folder / "empty.csv").write_text("id,v\n")
    for arguments, wanted in ((("-", "a.csv"), "second"), (("a.csv", "-"), "first"), (("a.csv", "-", "./a.csv", "empty.csv"), "first"),
                              (("empty.csv", "-", "a.csv", "-"), "second")):
        c.load(*arguments, "--create", "--key", "id", "--restart", "--on-conflict", "update", stdin=b"id,v\n1,first\n")
        c.equal(f"{arguments}", [(1, wanted)], c.rows("SELECT id, v FROM t"))
        c.sql("DROP TABLE t")

    (c.folder / "1.csv").write_text("id,v\n1,january\nx,january\n")
    for month, name in ((2, "february"), (3, "march")):
        (c.folder / f"{month}.csv").write_text(f"id,v\n1,{name}\n")
    c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    summary, error = c.load("[1-3].csv", "--on-conflict", "update", "--strict", wanted=1)
    c.equal("states", ["failed", "not begun", "not begun"], [file["state"] for file in summary["results"]])
    c.has(error, "not begun: 2.csv, 3.csv; with --on-conflict the order of the files counts")
    _, out, _ = c.run(*c.arguments("[1-3].csv", "--on-conflict", "update", "--strict"), wanted=1)
    c.has(out, "3 files in", ": 1 failed, 2 not begun", "not begun: 2.csv, 3.csv; with --on-conflict the order of the files counts")
    (c.folder / "1.csv").write_text("id,v\n1,january\n")
    c.load("[1-3].csv", "--on-conflict", "update", "--strict")
    c.equal("the last file counts", [("march",)], c.rows("SELECT v FROM t"))
    # Where no row replaces another one, the other files are loaded.
    (c.folder / "1.csv").write_text("id,v\nx,january\n")
    (c.folder / "2.csv").write_text("id,v\n2,february\n")
    summary, _ = c.load("[12].csv", "--restart", "--strict", wanted=1)
    c.equal("states", ["failed", "loaded"], [file["state"] for file in summary["results"]])


@case
def corrected_file(c):
    """A file that failed after a part of it was loaded is corrected and loaded again, if its rows overwrite those of that part."""
    for how in ("update", "replace", "ignore"):
        lines = [f"{i},a\n" for i in range(500)]
        (c.folder / "a.csv").write_text("".join(["id,v\n", *lines, "x,a\n"]))
        (c.folder / "b.csv").write_text("id,v\n2,b\n")
        c.sql("DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        arguments = ("a.csv", "b.csv", "--on-conflict", how, "--strict", "--batch-size", "1")
        c.load(*arguments, "--restart", wanted=1)
        c.holds("a part is loaded", 0 < c.rows("SELECT count(*) FROM t WHERE v = 'a'")[0][0] <= 500)
        (c.folder / "a.csv").write_text("id,v\n1,new\n2,new\n600,new\n")
        if how == "ignore":  # it would keep the rows of the former file
            _, error = c.load(*arguments, wanted=1)
            c.has(error, "--restart loads the file from the beginning")
            c.lacks(error, "twice")
        else:
            c.load(*arguments)
            c.equal(how, [(1, "new"), (2, "b"), (600, "new")], c.rows("SELECT id, v FROM t WHERE id IN (1, 2) OR id >= 500 ORDER BY id"))


@case
def rejects_of_an_interrupted_load(c):
    """The exit code of a resumed load also counts the rows that the interrupted load has rejected."""
    (c.folder / "a.csv").write_text("id,v\nx,bad\n" + "".join(f"{i},good\n" for i in range(200_000)))
    c.sql("CREATE TABLE t (id INTEGER, v TEXT)")
    arguments = c.arguments("a.csv", "--batch-size", "500")
    with c.program.start(*arguments) as load:
        wait_for("rows", lambda: c.rows("SELECT count(*) FROM t")[0][0])
        # Another worker may have committed them before the batch with the bad row.
        wait_for("the rejected row", lambda: c.rows("SELECT count(*) FROM etl_dead_letters")[0][0])
        load.kill()
        load.wait()
    if c.rows("SELECT count(*) FROM t")[0][0] < 200_000:
        summary, _ = c.load("a.csv", "--batch-size", "500", wanted=3)
        c.equal("rejected before", 1, summary["rows"]["rejected_by_earlier_loads"])
        c.equal("rows", 200_000, c.rows("SELECT count(*) FROM t")[0][0])


@case
def all_rows_rejected(c):
    """A file of which every row was rejected is loaded again, also if the letters are purged before."""
    (c.folder / "a.csv").write_text("id\n1\n2\n")
    c.sql("PRAGMA foreign_keys=1; CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER REFERENCES parents)")
    c.load("a.csv", wanted=3)
    c.equal("letters", 2, c.rows("SELECT count(*) FROM etl_dead_letters")[0][0])
    c.sql("INSERT INTO parents VALUES (1), (2); DELETE FROM etl_dead_letters")
    summary, _ = c.load("a.csv")
    c.equal("loaded", 2, summary["rows"]["loaded"])


@case
def nan_in_sqlite(c):
    """SQLite would store NaN as NULL: such a row is rejected, unless a person has said what NaN means."""
    (c.folder / "a.csv").write_text("id,x\n1,nan\n2,1.5\n3,inf\n")
    for options, code, wanted in (((), 3, [(2, 1.5), (3, float("inf"))]), (("--null", "nan"), 0, [(1, None), (2, 1.5), (3, float("inf"))]),
                                  (("--type", "x=double"), 0, [(1, None), (2, 1.5), (3, float("inf"))])):
        c.sql("DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER, x REAL)")
        _, error = c.load("a.csv", "--restart", *options, wanted=code)
        c.equal(f"{options}", wanted, c.rows("SELECT id, x FROM t ORDER BY id"))
        if code:
            c.has(error, "a.csv:2: ", "store 'nan' as NULL", "--null")


@case
def rows_that_refer(c):
    """In PostgreSQL, rows cannot be replaced to which another table refers by a key that would delete its rows, too."""
    (c.folder / "a.csv").write_text("id,v\n1,new\n")
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE orders (t int REFERENCES t ON DELETE CASCADE); "
                    "INSERT INTO t VALUES (1, 'old'); INSERT INTO orders VALUES (1)")
        _, error = c.load("a.csv", "--on-conflict", "replace", into=url, wanted=1)
        c.has(error, "would then delete or change the rows of orders that refer to it")
        c.load("a.csv", "--on-conflict", "update", into=url)
        c.equal("rows", "new|1", c.psql(url, "SELECT v, (SELECT count(*) FROM orders) FROM t"))


@case
def part_of_a_key(c):
    """A file without a part of the primary key says nothing about rows that differ in this part: it replaces none of them."""
    (c.folder / "a.csv").write_text("a,v\n1,new\n")
    with c.server() as (url, _):
        for into in (url, None):
            make = "CREATE TABLE t (a int, b int DEFAULT 0, v text, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1,0,'x'), (1,1,'y')"
            c.psql(url, make) if into else c.sql(make)
            for how, reason in (("update", "ON CONFLICT"), ("replace", "needs all columns of the table's primary key" if into else "ON CONFLICT")):
                _, error = c.load("a.csv", "--on-conflict", how, into=into, wanted=1)
                c.has(error, reason)
            select = "SELECT a, b, v FROM t ORDER BY b"
            c.equal("rows", "1|0|x\n1|1|y", c.psql(url, select) if into else "\n".join(f"{a}|{b}|{v}" for a, b, v in c.rows(select)))
            # A part that has a unique index of its own is a key.
            index = "DELETE FROM t WHERE b = 1; CREATE UNIQUE INDEX one ON t (a)"
            c.psql(url, index) if into else c.sql(index)
            for how in ("update", "replace"):
                c.load("a.csv", "--on-conflict", how, "--restart", into=into)
                c.equal(how, "1|0|new", c.psql(url, select) if into else "\n".join(f"{a}|{b}|{v}" for a, b, v in c.rows(select)))


@case
def headers_of_several_lines(c):
    """A column whose type was found by --create takes only values that read back, also if its name has a line break."""
    (c.folder / "one.csv").write_text('"Kunden\nNr","a\\nb",Nr\n1,1,x\n2,2,y\n')
    (c.folder / "two.csv").write_text('"Kunden\nNr","a\\nb",Nr\n007,7,z\n7,007,z\n8,8,007\n')
    with c.server() as (url, _):
        for into in (url, None):
            c.load("one.csv", "--create", into=into)
            summary, error = c.load("two.csv", into=into, wanted=3)
            c.equal("rejected", 2, summary["rows"]["rejected"])
            c.has(error, "'007' is not a signed 64-bit integer that reads back as it is given")


@case
def changed_meanwhile(c):
    """A file that another program writes to while it is read is not taken for loaded."""
    path = c.folder / "a.csv"
    path.write_text("id,v\n" + "".join(f"{i},old\n" for i in range(200_000)))
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t(id bigint, v text)")
        c.psql(url, "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END'")
        c.psql(url, "CREATE TRIGGER wait AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION wait()")
        with c.lock_of(url, 7):  # so no batch is loaded and the source waits for room
            load = c.program.start(*c.arguments("a.csv", into=url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            wait_for("a load that waits", lambda: c.psql(url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND objid = 7") != "0")
            path.write_text(path.read_text().replace("old", "new"))
        out, _ = load.communicate()
        c.equal("exit code", 1, load.returncode)
        c.has(out, "a.csv has changed while it was read", "rows of both versions may be in the table", "--restart")
        c.has(c.load("a.csv", into=url, wanted=1)[1], "has changed")
        c.psql(url, "DROP TRIGGER wait ON t; DELETE FROM t")
        c.load("a.csv", "--restart", into=url)
        c.equal("rows", "200000 200000", c.psql(url, "SELECT count(*), sum((v = 'new')::int) FROM t", " "))


@case
def dropped_tables(c):
    """A table that was dropped and made again is another one: nothing has been loaded into it."""
    (c.folder / "a.csv").write_text("id,zip\n1,94107\n2,94108\n")
    (c.folder / "b.csv").write_text("id,zip\n3,94109\n")
    copy = c.folder / "copy.db"
    with c.server() as (url, _):
        def do(into, sql):
            if into:
                return c.psql(into, sql)
            c.sql(sql)

        for into in (None, url):
            rows = (lambda: c.rows("SELECT count(*) FROM t")[0][0]) if into is None else (lambda: int(c.psql(url, "SELECT count(*) FROM t")))
            c.load("a.csv", "b.csv", "--create", into=into)
            c.equal("loaded before", 2, c.load("a.csv", "b.csv", into=into)[0]["loaded_before"])
            do(into, "DROP TABLE t")
            c.load("a.csv", "--create", into=into)
            c.equal("loaded again", 2, rows())
            c.equal("and only once", 1, c.load("a.csv", into=into)[0]["loaded_before"])
            c.load("b.csv", into=into)
            c.equal("also the other file", 3, rows())
            do(into, "DROP TABLE t; CREATE TABLE t (id bigint, zip text, more text)")
            c.load("a.csv", into=into)
            c.equal("into one that others made", 2, rows())
            do(into, "DELETE FROM t; ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t; CREATE INDEX i ON t(zip); ALTER TABLE t DROP COLUMN more")
            c.equal("the same table", 1, c.load("a.csv", into=into)[0]["loaded_before"])
            do(into, "ALTER TABLE t RENAME TO u")
            for _ in range(2):
                _, out, _ = c.run(*c.arguments("a.csv", into=into, table="u"), "--json", wanted=0)
                c.equal("renamed", 1, json.loads(out)["loaded_before"])
            do(into, "ALTER TABLE u RENAME TO t")
            c.equal("and back", 1, c.load("a.csv", into=into)[0]["loaded_before"])
            do(into, "ALTER TABLE t RENAME TO u; CREATE TABLE t (id bigint, zip text)")
            c.load("a.csv", into=into)
            c.equal("another table of the former name", 2, rows())
            do(into, "DROP TABLE u; DELETE FROM t")
        # A copy that was restored has what was loaded before.
        c.psql(url, "INSERT INTO t VALUES (1, '94107')")
        c.psql(url, "CREATE DATABASE copy")
        dump = subprocess.run(["pg_dump", url], check=True, stdout=subprocess.PIPE).stdout
        restored = url.rsplit("/", 1)[0] + "/copy"
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", restored], input=dump, check=True, stdout=subprocess.DEVNULL)
        c.equal("restored", 1, c.load("a.csv", into=restored)[0]["loaded_before"])
    with contextlib.closing(sqlite3.connect(c.database)) as db, contextlib.closing(sqlite3.connect(copy)) as to:
        to.executescript("\n".join(db.iterdump()))
    c.database = copy
    c.equal("restored", 1, c.load("a.csv")[0]["loaded_before"])


@case
def mended_settings(c):
    """A file whose rows were all rejected is loaded when the mapping is mended; where some were loaded it is told."""
    (c.folder / "a.csv").write_text("id,d\n1,01/02/2024\n2,03/04/2024\n")
    (c.folder / "b.csv").write_text("id,d\n3,05/06/2024\n4,2024-01-02\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "columns": [
        {"source": "id", "type": "integer"}, {"source": "d", "type": "date", "format": "%d/%m/%Y"}]}]}))
    c.sql("CREATE TABLE t (id INTEGER, d DATE)")
    c.load("a.csv", wanted=3)
    c.load("b.csv", wanted=3)
    summary, error = c.load("a.csv", "b.csv", "--mapping", "map.json", wanted=1)
    c.equal("rows", [(1, "2024-02-01"), (2, "2024-04-03"), (4, "2024-01-02")], c.rows("SELECT * FROM t ORDER BY id"))
    c.has(error, "b.csv: how the file is read (mapping, types or options) has changed since it was loaded, when 1 rows "
                 "were rejected: 1 rows would be loaded twice. --restart loads it anyway")
    c.equal("letters", 1, c.rows("SELECT count(*) FROM etl_dead_letters")[0][0])
    c.equal("then it is loaded", 1, c.load("a.csv", "--mapping", "map.json")[0]["loaded_before"])
    for more in (["--null", "x"], ["--decimal-comma"], ["--type", "d=date", "--empty-is-text"]):
        _, error = c.load("b.csv", *more, wanted=1)
        c.has(error, "b.csv: how the file is read (mapping, types or options) has changed")
    (c.folder / "c.csv").write_text("id,d\nx,2024-01-01\n5,2024-01-02\n")
    c.load("c.csv", "--strict", wanted=1)
    (c.folder / "n.json").write_text(json.dumps({"files": [{"pattern": "*", "null_markers": ["x"]}]}))
    c.load("c.csv", "--mapping", "n.json")
    c.equal("one that had failed before its first row", [(None,), (5,)], c.rows("SELECT id FROM t WHERE d IN ('2024-01-01', '2024-01-02') AND rowid > 3"))


@case
def at_once(c):
    """Of two loads of the same files at the same time each file is loaded by one, and the other waits for it."""
    pattern = c.files(4, 4000)
    command = c.arguments(pattern, "--create", "--batch-size", 100, "--quiet")
    both = [c.program.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1].decode() for process in both]
    c.equal(f"exit codes {errors}", [0, 0], [process.returncode for process in both])
    c.equal(f"every row once {errors}", [(i,) for i in range(16000)], c.rows("SELECT id FROM t ORDER BY id"))


@case
def left_behind(c):
    """A program was killed while it wrote: its journal is rolled back, also where nothing but columns is asked for."""
    with contextlib.closing(sqlite3.connect(c.folder / "live.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)")
        db.execute("PRAGMA cache_size=1")  # so that rows go to the file before the commit
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?, ?)", ((i, "x" * 500) for i in range(2000)))
        for end in ("", "-journal"):
            shutil.copy(c.folder / f"live.db{end}", f"{c.database}{end}")
    (c.folder / "a.csv").write_text("id,note\n1,a\n")
    c.load("a.csv")
    c.equal("rows", [(1, "a")], c.rows("SELECT * FROM t"))


@case
def rejected_before(c):
    """What earlier loads of these files have rejected is told again."""
    pattern = c.files(3, 50, bad={3, 120})
    c.load(pattern, "--create", wanted=3)
    summary, _ = c.load(pattern)
    c.equal("rejected", (0, 2), (summary["rows"]["rejected"], summary["rows"]["rejected_by_earlier_loads"]))
    c.equal("by file", [0, 1, 1], sorted(r["rejected_by_earlier_loads"] for r in summary["results"]))
    code, out, _ = c.run(*c.arguments(pattern))
    c.equal("exit code", 0, code)
    c.has(out, "2 rejected by earlier loads: --rejects FILE lists them")
    summary, _ = c.load(pattern, "--restart", wanted=3)
    c.equal("of a restart", (2, 0), (summary["rows"]["rejected"], summary["rows"]["rejected_by_earlier_loads"]))


@case
def all_rejected(c):
    """A file of which every row was rejected is not loaded; when the table is mended, it is."""
    (c.folder / "a.csv").write_text("id,v\n1,a\n2,a\n")
    (c.folder / "b.csv").write_text("id,v\n1,a\n2,b\n")
    for into in c.both():
        run_sql = (lambda text: c.psql(into, text)) if into else c.sql
        run_sql("CREATE TABLE t(id int, v text CHECK(v <> 'a'))")
        c.load("a.csv", "b.csv", into=into, wanted=3)
        summary, _ = c.load("a.csv", "b.csv", into=into, wanted=3)
        c.equal("tried again", 2, summary["rows"]["rejected"])
        c.equal("its letters are those of the last try", 3, int(c.select("SELECT count(*) FROM etl_dead_letters", into)))
        run_sql("ALTER TABLE t RENAME TO old; CREATE TABLE t(id int, v text); DROP TABLE old")
        c.load("a.csv", into=into)
        c.equal("loaded", "2", c.select("SELECT count(*) FROM t", into))
        c.equal("no letter is left", 1, int(c.select("SELECT count(*) FROM etl_dead_letters", into)))
        _, _ = c.load("b.csv", into=into)
        c.run(*c.arguments("b.csv", into=into), wanted=0)


@case
def emptied(c):
    """Files that were loaded before into a table that is empty now: a staging table, or one to be filled again."""
    (c.folder / "a.csv").write_text("id\n1\n")
    for into in c.both():
        c.load("a.csv", "--create", into=into)
        c.psql(into, "TRUNCATE t") if into else c.sql("DELETE FROM t")
        _, error = c.load("a.csv", into=into)
        c.has(error, "the table t is empty, though files were loaded into it before: --restart loads them again")
        _, error = c.load("a.csv", "--restart", into=into)
        c.holds("nothing of it when rows came", "is empty" not in error, error)


@case
def one_table(c):
    """Progress is that of the table, in whatever way it is written."""
    (c.folder / "a.csv").write_text("id\n1\n")
    with c.server() as (url, _):
        c.load("a.csv", "--create", into=url)
        for name in ("public.t", "t"):
            c.run(*c.arguments("a.csv", into=url, table=name), wanted=0)
        c.equal("once in PostgreSQL", "1", c.psql(url, "SELECT count(*) FROM t"))
        for name in ("public.u", "u"):
            c.run(*c.arguments("a.csv", "--create", into=url, table=name), wanted=0)
        c.equal("made with its schema", "1", c.psql(url, "SELECT count(*) FROM u"))
        c.psql(url, "CREATE SCHEMA s; CREATE TABLE s.t(id int)")
        c.run(*c.arguments("a.csv", into=url, table="s.t"), wanted=0)
        c.equal("of another schema", "1", c.psql(url, "SELECT count(*) FROM s.t"))
    c.load("a.csv", "--create")
    c.run(*c.arguments("a.csv", table="T"), wanted=0)
    c.equal("once in SQLite", [(1,)], c.rows("SELECT count(*) FROM t"))
