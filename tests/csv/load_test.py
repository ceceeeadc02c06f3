#!/usr/bin/env python3
"""Tests etl-csv load from outside, into SQLite and into a PostgreSQL server of the case's own.

    load_test.py PROGRAM SERVER_SCRIPT [CASE...]   all cases without CASE
    load_test.py --list                            names of the cases
"""
import contextlib
import csv
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import round_trip as generated  # noqa: E402
import terminal_cases  # noqa: E402
import strange_cases  # noqa: E402
import told_cases  # noqa: E402

# A shell starts background jobs with SIGINT ignored, and the program leaves an ignored signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Of generated tables; ETLPIPE_SEEDS=FIRST:END chooses others.
SEEDS = range(*map(int, os.environ.get("ETLPIPE_SEEDS", "0:10000" if os.environ.get("ETLPIPE_SOAK") else "0:40").split(":")))
KILLS = 100 if os.environ.get("ETLPIPE_SOAK") else 10
HEADER = "id,sku,price,day,note\n"


def line(i):
    return f'{i},sku-{i % 97},{i / 4},2024-{i % 12 + 1:02}-{i % 28 + 1:02},"a ""note"",\n{i}"\n'


def row(i):
    return (i, f"sku-{i % 97}", i / 4, f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}", f'a "note",\n{i}')


class Case:
    """A folder, the program, and what is wrong so far."""

    def __init__(self, program, script, folder):
        self.program, self.script, self.folder, self.problems, self.checks = program, script, folder, [], 0
        self.database = folder / "t.db"

    def equal(self, what, wanted, got):
        self.checks += 1
        if wanted != got:
            self.problems.append(f"{what}: wanted {wanted!r}, got {str(got)[:2000]!r}")

    def holds(self, what, true, more=""):
        self.equal(f"{what} {str(more)[:2000]}", True, bool(true))

    def has(self, text, *parts):
        for part in parts:
            self.holds(f"'{part}' is in", part in text, text)

    def files(self, count, rows, bad=(), folder="data"):
        """FILE_i.csv with `rows` rows each, numbered throughout; those of `bad` cannot be read as numbers."""
        (self.folder / folder / "deep").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            path = self.folder / folder / ("deep" if i % 2 else ".") / f"f{i:03}.csv"
            with path.open("w", newline="") as out:
                out.write(HEADER)
                for n in range(i * rows, (i + 1) * rows):
                    out.write("x" + line(n) if n in bad else line(n))
        return str(self.folder / folder / "**" / "*.csv")

    def command(self, *arguments, into=None):
        into = into or f"sqlite:{self.database}"
        return [self.program, "load", *map(str, arguments), "--store", into, "--table", "t"]

    def load(self, *arguments, into=None, wanted=0, stdin=None):
        """Runs to the end; its summary and what it said on stderr."""
        done = subprocess.run([*self.command(*arguments, into=into), "--json"], cwd=self.folder, input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        error = done.stderr.decode(errors="replace")
        self.equal(f"exit code of {arguments}: {error[:500]}", wanted, done.returncode)
        return (json.loads(done.stdout) if done.stdout else {}), error

    def rows(self, sql="SELECT id, sku, price, day, note FROM t ORDER BY id"):
        with contextlib.closing(sqlite3.connect(self.database)) as db:
            return db.execute(sql).fetchall()

    @contextlib.contextmanager
    def server(self):
        """The URL of a server, and a function that halts or resumes it."""
        where = pathlib.Path(tempfile.mkdtemp(prefix="etlpipe-csv-", dir="/tmp")) / "server"

        def do(what):
            subprocess.run([self.script, what, where], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        do("start")
        try:
            yield (where / "url").read_text().strip(), do
        finally:
            subprocess.run([self.script, "stop", where], check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            with contextlib.suppress(OSError):
                where.parent.rmdir()

    @staticmethod
    def psql(url, sql):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", sql], check=True,
                              stdout=subprocess.PIPE)
        return done.stdout.decode().strip()


def folder_into_sqlite(c):
    """Every good row once, every bad one with its place; a second load finds that all is there."""
    pattern = c.files(6, 200, bad={450, 900})
    summary, error = c.load(pattern, "--create", "--key", "id", "--rejects", "rejects.csv", "--batch-size", 20,
                            wanted=3)
    c.equal("rows", [row(i) for i in range(1200) if i not in {450, 900}], c.rows())
    c.equal("files", (6, 6, 0), (summary["files"], summary["loaded_files"], summary["failed_files"]))
    c.equal("counts", {"read": 1200, "loaded": 1198, "rejected": 2}, {k: summary["rows"][k] for k in ("read", "loaded", "rejected")})
    c.has(error, "f002.csv:102: row 51: column 1 'id': 'x450'", "f004.csv:202: row 101: column 1 'id': 'x900'")
    with (c.folder / "rejects.csv").open(newline="") as file:
        rejects = list(csv.DictReader(file))
    c.equal("rejects", ["x" + line(i).rstrip("\n") for i in (450, 900)], [r["row"] for r in rejects])
    c.has(rejects[1]["reason"], "f004.csv:202")
    c.equal("where", [("0", "50"), ("0", "100")], [(r["partition"], r["record"]) for r in rejects])
    # A time-out may have cut a batch short.
    c.holds("in which batch", all(int(r["record"]) // 20 <= int(r["batch"]) <= int(r["record"]) for r in rejects), rejects)
    again, _ = c.load(pattern)
    c.equal("loaded before", (6, 0), (again["loaded_before"], again["rows"]["read"]))
    c.equal("rows after a second load", 1198, len(c.rows()))


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


def dropped_tables(c):
    """A table that was dropped and made again is another one: nothing has been loaded into it."""
    (c.folder / "a.csv").write_text("id,zip\n1,94107\n2,94108\n")
    (c.folder / "b.csv").write_text("id,zip\n3,94109\n")
    copy = c.folder / "copy.db"
    with c.server() as (url, _):
        def do(into, sql):
            if into:
                return c.psql(into, sql)
            with contextlib.closing(sqlite3.connect(c.database)) as db:
                db.executescript(sql)

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


def mended_settings(c):
    """A file whose rows were all rejected is loaded when the mapping is mended; where some were loaded it is told."""
    (c.folder / "a.csv").write_text("id,d\n1,01/02/2024\n2,03/04/2024\n")
    (c.folder / "b.csv").write_text("id,d\n3,05/06/2024\n4,2024-01-02\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "columns": [
        {"source": "id", "type": "integer"}, {"source": "d", "type": "date", "format": "%d/%m/%Y"}]}]}))
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE t (id INTEGER, d DATE)")
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


def types_by_option(c):
    """--type says what a column holds; a type that was inferred holds for later files too, and for later loads."""
    (c.folder / "a.csv").write_text("id,zip,amount\n1,94107,1.5\n")
    (c.folder / "b.csv").write_text("id,zip,amount\n2,01220,2.5\n3,94108,12345678901234567.89\n4,1,2\n")
    (c.folder / "c.csv").write_text("id,zip,amount\n" + "5,1,1\n" * 60 + "6,n/a,3\n")
    with c.server() as (url, _):
        for into in (None, url):
            everything = (lambda: c.rows("SELECT * FROM t ORDER BY id")) if into is None else (lambda: c.psql(url, "SELECT * FROM t ORDER BY id"))
            c.load("a.csv", "--create", into=into)
            summary, error = c.load("b.csv", into=into, wanted=3)
            c.equal("rejected", 2, summary["rows"]["rejected"])
            c.has(error, "b.csv:2: row 1: column 2 'zip': '01220' is not a signed 64-bit integer that reads back as it is "
                         "given; the type of the column was inferred: make the table with --type zip=text",
                  "b.csv:3: row 2: column 3 'amount': '12345678901234567.89' is not a number that reads back as it is "
                  "given; the type of the column was inferred: make the table with --type amount=numeric")
            _, error = c.load("b.csv", "--restart", "--type", "zip=text", into=into, wanted=1)
            c.has(error, "'zip' is text by --type and ")
            _, error = c.load("b.csv", "--restart", "--type", "zap=text", into=into, wanted=1)
            c.has(error, "b.csv: there is no column 'zap' for --type, or for \"types\" of a mapping; there are id, zip, amount")
            if into:
                c.psql(url, "DROP TABLE t")
            else:
                c.database = c.folder / "second.db"
            c.load("a.csv", "b.csv", "--create", "--type", "zip=text", "--type", "amount=numeric", into=into)
            if into:
                c.equal("PostgreSQL", "1|94107|1.5\n2|01220|2.5\n3|94108|12345678901234567.89\n4|1|2", everything())
            else:
                c.equal("SQLite", [(1, "94107", "1.5"), (2, "01220", "2.5"), (3, "94108", "12345678901234567.89"),
                                   (4, "1", "2")], everything())
    c.database = c.folder / "third.db"
    _, error = c.load("a.csv", "b.csv", "--create")
    c.has(error, "table t of a.csv: id integer, zip text, amount numeric")
    c.database = c.folder / "fourth.db"
    _, error = c.load("a.csv", "c.csv", "--create", wanted=3)
    c.has(error, "table t of a.csv: id integer, zip integer, amount double", "column 2 'zip': 'n/a' is not")
    (c.folder / "a.ndjson").write_text('{"id": 1, "zip": 7}\n')
    c.database = c.folder / "fifth.db"
    c.load("a.ndjson", "--create", "--type", "zip=text")
    c.equal("JSON", [(1, "7")], c.rows("SELECT * FROM t"))
    code, _, error = run(c, *c.command("a.csv", "--type", "zip=string")[1:])
    c.equal("a type that is none", 2, code)
    c.has(error, "'zip=string' is not NAME=TYPE, such as zip=text; the types are boolean, integer, double, numeric, text")


def round_trip(c):
    """Generated tables into both databases: a value reads back as it was given, or its row is rejected."""
    with c.server() as (url, _):
        for seed in SEEDS:
            table = generated.Table(seed)
            columns = [f"c{i}" for i in range(table.columns)]
            files = []
            for i, rows in enumerate(table.files):
                files.append(c.folder / f"{seed}-{i}.{table.name}")
                files[-1].write_text(table.text(rows))
            c.database = c.folder / f"{seed}.db"
            for into in (None, url):
                rejected, texts = [], ", ".join(f"CAST({name} AS TEXT)" for name in ["name", *columns])
                for i, file in enumerate(files):
                    code, _, error = run(c, *c.command(file, "--create", *table.options, "--log", "warn", "--batch-size", 1000,
                                                       "--rejects", "r.csv", into=into)[1:])
                    if code not in ((0,) if i == 0 else (0, 3)):
                        c.problems.append(f"seed {seed}, {file.name}: exit code {code}: {error}")
                    with (c.folder / "r.csv").open(newline="") as out:
                        reasons = [r["reason"] for r in csv.DictReader(out)]
                    rejected += reasons
                    strange = [r for r in reasons if "make the table with --type " not in r]
                    if strange:
                        c.problems.append(f"seed {seed}, {file.name}: {strange}")
                if into:
                    found = json.loads(c.psql(url, f"SELECT coalesce(json_agg(json_build_array({texts})), '[]') FROM t") )
                    c.psql(url, "DROP TABLE t")
                else:
                    found = c.rows(f"SELECT {texts} FROM t")
                given = {row[0]: row for rows in table.files for row in rows}
                wrong = [w for row in found if (w := table.wrong(given[row[0]], row))]
                if wrong:
                    c.problems.append(f"seed {seed} into {'PostgreSQL' if into else 'SQLite'}: {wrong}")
                c.equal(f"seed {seed}: every row is there or rejected", len(given), len(found) + len(rejected))
            for file in c.folder.glob(f"{seed}*"):
                file.unlink()
            if len(c.problems) > 10:
                break


def one_bad_row(c):
    """What the database refuses of one row costs this row, whatever class its error has; it is told with its place."""
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    (c.folder / "a.csv").write_text(f"id,t\n1,ok\n2,{long}\n3,ok\n")
    (c.folder / "v.csv").write_text("id,first,last,n\n1,ab,cd,1\n2,ab,toolong,2\n3,ab,cd,123456789.00\n4,ab,cd,4\n")
    (c.folder / "p.csv").write_text("id,parent\n1,\n2,1\n3,99\n4,5\n5,1\n")
    (c.folder / "j.csv").write_text('id,j\n1,"[1]"\n2,nonsense\n3,"{}"\n')
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id int, t text); CREATE INDEX ON t(t)")
        _, error = c.load("a.csv", into=url, wanted=3)
        c.equal("54000", "1,3", c.psql(url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM t"))
        c.has(error, "a.csv:3: ", "index row")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id int, first varchar(5), last varchar(5), n numeric(10,2))")
        _, error = c.load("v.csv", into=url, wanted=3)
        c.has(error, "v.csv:3: ", "value too long", "(column 'last': 'toolong')", "v.csv:4: ", "(column 'n': '123456789.00')")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        _, error = c.load("p.csv", into=url, wanted=3)
        c.has(error, "p.csv:4: ", "t_parent_fkey")
        c.psql(url, """DROP TABLE t; CREATE TABLE t (id int, j text);
            CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.j = 'nonsense' THEN
              RAISE 'no' USING ERRCODE = 'ZZ123'; END IF; RETURN NEW; END$$;
            CREATE TRIGGER own BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION own()""")
        c.load("j.csv", into=url, wanted=3)
        c.equal("a state of the user's own", "1,3", c.psql(url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM t"))
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    _, error = c.load("p.csv", wanted=3)
    c.holds("rows without the bad one", {(1, None), (2, 1), (5, 1)} <= set(c.rows("SELECT * FROM t")))
    c.has(error, "p.csv:4: ", "FOREIGN KEY constraint failed")
    (c.folder / "forward.csv").write_text("id,parent\n10,11\n11,10\n")
    c.load("forward.csv")
    c.equal("a row that refers to a later one", 2, c.rows("SELECT count(*) FROM t WHERE id IN (10, 11)")[0][0])
    c.database = c.folder / "json.db"
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE t (id INTEGER, j TEXT CHECK (json_type(j) IN ('array', 'object')))")
    _, error = c.load("j.csv", wanted=3)
    c.equal("an error of an expression", [(1,), (3,)], c.rows("SELECT id FROM t"))
    c.has(error, "j.csv:3: ", "malformed JSON")


def rows_not_kept(c):
    """Rows that a trigger, a rule or --on-conflict drops are told apart from those that are there."""
    (c.folder / "a.csv").write_text("id,t\n" + "".join(f"{i},{'no' if i % 4 == 0 else 'yes'}\n" for i in range(100)))
    (c.folder / "b.csv").write_text("id,t\n" + "".join(f"{i},yes\n" for i in range(50, 150)))

    def holds(what, wanted, *arguments, into=None):
        summary, _ = c.load(*arguments, "--batch-size", 7, into=into)
        c.equal(what, wanted, (summary["rows"]["read"], summary["rows"]["loaded"], summary["rows"]["dropped"],
                               summary["results"][0]["dropped"]))

    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, t TEXT); CREATE TRIGGER g BEFORE INSERT ON t WHEN NEW.t = 'no' "
                         "BEGIN SELECT RAISE(IGNORE); END")
    holds("RAISE(IGNORE)", (100, 75, 25, 25), "a.csv")
    holds("ignored duplicates", (100, 62, 38, 38), "b.csv", "--on-conflict", "ignore")
    code, out, _ = run(c, *c.command("b.csv", "--on-conflict", "ignore", "--restart")[1:])
    c.has(out, "100 rows: 0 loaded, 0 rejected, 100 not kept by the database (a trigger, a rule, or --on-conflict)")
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.executescript("DROP TABLE t; CREATE TABLE u (id INTEGER, t TEXT); CREATE VIEW t AS SELECT * FROM u; "
                         "CREATE TRIGGER i INSTEAD OF INSERT ON t BEGIN INSERT INTO u VALUES (NEW.id, NEW.t); END")
    holds("a view", (100, 100, 0, 0), "a.csv")
    c.equal("through a view", 100, c.rows("SELECT count(*) FROM u")[0][0])
    with c.server() as (url, _):
        c.psql(url, """CREATE TABLE t (id int PRIMARY KEY, t text);
            CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.t = 'no' THEN RETURN NULL; END IF;
              RETURN NEW; END$$; CREATE TRIGGER own BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION own()""")
        holds("a trigger", (100, 75, 25, 25), "a.csv", into=url)
        holds("ignored duplicates", (100, 62, 38, 38), "b.csv", "--on-conflict", "ignore", into=url)


def resumed_summary(c):
    """A load that goes on where one was stopped tells all rows of the file."""
    pattern = c.files(1, 120000)
    process = subprocess.Popen(c.command(pattern, "--create", "--batch-size", 50), cwd=c.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    while not c.database.exists() or not c.rows("SELECT count(*) FROM sqlite_master WHERE name = 't'")[0][0]:
        time.sleep(0.01)
    while c.rows("SELECT count(*) FROM t")[0][0] < 30000:  # so that it goes on at a later place of the file
        time.sleep(0.01)
    process.kill()
    process.communicate()
    before = c.rows("SELECT count(*) FROM t")[0][0]
    summary, _ = c.load(pattern)
    c.equal("counts", (120000, 120000 - before, before),
            tuple(summary["rows"][name] for name in ("read", "loaded", "loaded_by_earlier_run")))


def headers(c):
    """Excel's first line, columns without a name, names that differ in case, and long names."""
    (c.folder / "sep.csv").write_bytes(b"sep=;\r\nid;name\r\n1;x,y\r\n2;z\r\n")
    c.load("sep.csv", "--create")
    c.equal("sep=", [(1, "x,y"), (2, "z")], c.rows("SELECT id, name FROM t"))
    c.equal("sniff of it", 0, run(c, "sniff", "sep.csv")[0])
    (c.folder / "frame.csv").write_text(",a,b\n0,x,1\n1,y,2\n")
    (c.folder / "up.csv").write_text("ID,Name\n3,up\n")
    (c.folder / "both.csv").write_text("id,ID\n4,5\n")
    c.load("up.csv")
    c.equal("capitals", [("up",)], c.rows("SELECT name FROM t WHERE id = 3"))
    _, error = c.load("both.csv", wanted=1)
    c.has(error, "both.csv: column 'id' is there twice, as number 1 and 2")
    c.database = c.folder / "frame.db"
    _, error = c.load("frame.csv", "--create", wanted=2)
    c.has(error, "frame.csv: column 1 has no name in the header: --name-columns calls it column_1")
    c.load("frame.csv", "--create", "--name-columns")
    c.equal("with a made name", [(0, "x", 1), (1, "y", 2)], c.rows("SELECT column_1, a, b FROM t"))
    code, out, _ = run(c, "sniff", "frame.csv")
    c.has(out, "1 header row", "column_1: integer", "  b: integer")
    long = "n" * 70
    (c.folder / "long.csv").write_text(f"{long},b\n1,2\n")
    with c.server() as (url, _):
        _, error = c.load("long.csv", "--create", into=url, wanted=2)
        c.has(error, "has 70 bytes, and PostgreSQL cuts names off at 63")
        c.psql(url, f'SET client_min_messages=error; CREATE TABLE t ({long} int, "B" int)')
        c.load("long.csv", into=url)
        c.equal("a name that was cut off", "1|2", c.psql(url, "SELECT * FROM t"))
        c.psql(url, 'DROP TABLE t; CREATE TABLE t (name text, "Name" text, id int)')
        c.load("up.csv", into=url)
        c.equal("the name itself first", "|up|3", c.psql(url, "SELECT * FROM t"))


def encodings(c):
    """UTF-16 by its mark or its NULs, other encodings by name, and what --latin1 is called for: Windows-1252."""
    text = "id,name\n1,Köln\n2,€ 5 “x”\n" + "".join(f"{i},naïve\n" for i in range(3, 9000))
    (c.folder / "a.csv").write_bytes(text.encode("utf-16"))
    (c.folder / "b.csv").write_bytes(text.encode("utf-16-be"))
    (c.folder / "c.csv").write_bytes(text.encode("cp1252"))
    (c.folder / "d.csv").write_bytes("id,name\n1,Łódź\n".encode("cp1250"))
    (c.folder / "e.json").write_bytes('{"id": 1, "name": "Köln"}\n'.encode("utf-16"))
    wanted = [(1, "Köln"), (2, "€ 5 “x”"), (3, "naïve")]
    for file, *how in (["a.csv"], ["b.csv"], ["b.csv", "--encoding", "UTF-16BE"], ["c.csv", "--latin1"], ["c.csv", "--encoding", "CP1252"]):
        c.database = c.folder / f"{file}{len(how)}.db"
        c.load(file, "--create", *how)
        c.equal(f"{file} {how}", wanted, c.rows("SELECT * FROM t ORDER BY id LIMIT 3"))
        c.equal(f"{file} {how}", 8999, c.rows("SELECT count(*) FROM t")[0][0])
    c.load("d.csv", "--encoding", "CP1250")
    c.equal("CP1250", [("Łódź",)], c.rows("SELECT name FROM t WHERE rowid > 8999"))
    c.load("e.json")
    (c.folder / "map.json").write_text('{"files": [{"pattern": "*", "encoding": "CP1250"}]}')
    c.load("d.csv", "--mapping", "map.json", "--restart")
    code, _, error = run(c, *c.command("a.csv", "--encoding", "KLINGON")[1:])
    c.equal("an encoding that is none", 2, code)
    c.has(error, "there is no encoding 'KLINGON'")
    (c.folder / "map.json").write_text('{"files": [{"pattern": "*", "encoding": "KLINGON"}]}')
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=2)
    c.has(error, "files[0].encoding", "there is no encoding 'KLINGON'")
    (c.folder / "bad.csv").write_bytes(b"id,name\n1,\x81\xff\n")
    _, error = c.load("bad.csv", "--encoding", "SHIFT_JIS", wanted=1)
    c.has(error, "bad.csv: byte 10: not SHIFT_JIS")
    for name, magic in (("zip", b"PK\3\4"),):
        (c.folder / "packed.csv").write_bytes(magic + b"\x12\x34" * 100)
        _, error = c.load("packed.csv", wanted=1)
        c.has(error, "packed.csv: the file is ", name)


def json_objects(c):
    """Objects over several lines, and several in a line, are loaded as those of an array are."""
    (c.folder / "a.json").write_text('{\n  "id": 1,\n  "n": "x\\ny"\n}\n{\n  "id": 2,\n  "n": "}{"\n}\n')
    (c.folder / "b.json").write_text('{"id": 3, "n": "a"}{"id": 4, "n": {"x": [1]}}\n{"id": 5}')
    (c.folder / "c.json").write_text("\n".join(json.dumps({"id": i, "n": "n" * 50}, indent=1) for i in range(6, 9000)))
    c.load("a.json", "b.json", "c.json", "--create")
    c.equal("rows", [(1, "x\ny"), (2, "}{"), (3, "a"), (4, '{"x":[1]}'), (5, None)], c.rows("SELECT id, n FROM t WHERE id < 6 ORDER BY id"))
    c.equal("all", 8999, c.rows("SELECT count(*) FROM t")[0][0])
    (c.folder / "bad.json").write_text('{\n"id": 1,\n"n": 2}\n{\n"id": x}\n{\n"id": 3\n}\n')
    _, error = c.load("bad.json", wanted=3)
    c.has(error, "bad.json element 2:")
    (c.folder / "cut.ndjson").write_text('{"id": 1, "n":\n{"id": 2}\n{"id": 3}\n')
    _, error = c.load("cut.ndjson", wanted=3)
    c.has(error, "cut.ndjson:1:")
    c.equal("lines stay lines", 1, c.rows("SELECT count(*) FROM t WHERE id = 3 AND n IS NULL")[0][0] - 1)
    (c.folder / "twice.ndjson").write_text('{"id": 10000, "n": "a", "n": "b"}\n')
    _, error = c.load("twice.ndjson", wanted=3)
    c.has(error, "twice.ndjson:1:1: 'n' occurs twice")
    (c.folder / "open.json").write_text('{\n"id": 1,\n')
    _, error = c.load("open.json", wanted=1)
    c.has(error, "open.json", "an object is not closed; is the file complete?")


def every_type(c):
    """A column of any type can be filled, in PostgreSQL by a cast of the text, and in SQLite whatever its type is called."""
    cells = {"time": "10:30:00", "timetz": "10:30:00+02", "interval": "1 day", "integer[]": "{1,2}", "text[]": '{a,"b c"}',
             "inet": "::1/128", "cidr": "10.0.0.0/8", "macaddr": "08:00:2b:01:02:03", "bytea": "\\x0102", "int4range": "[1,5)",
             "mood": "glad", "small": "5", "moods": "glad", "money": "$1.50", "point": "(1,2)", "xml": "<a/>", "bit(3)": "101",
             "tsvector": "'a' 'b'", "varchar(5)": "abc", "char(3)": "ab ", "name": "n", "oid": "7", "pg_lsn": "0/1",
             "regclass": "pg_class", "numeric(5,2)": "1.50", "pair": "(1,x)", "citext_like": "Abc", "hstore_like": "x",
             "timestamptz[]": '{"2024-01-01 00:00:00+00"}', "jsonpath": '$."a"', "real": "1.5", "uuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}
    with (c.folder / "a.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["id", *[f"c{i}" for i in range(len(cells))]], [1, *cells.values()], [2, *[""] * len(cells)]])
    with c.server() as (url, _):
        c.psql(url, "CREATE TYPE mood AS ENUM ('glad'); CREATE DOMAIN small AS integer CHECK (VALUE < 10); CREATE DOMAIN moods AS mood; "
                    "CREATE TYPE pair AS (a int, b text); CREATE DOMAIN citext_like AS text; CREATE DOMAIN hstore_like AS varchar(3); "
                    f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'c{i} {type}' for i, type in enumerate(cells))})")
        c.load("a.csv", into=url)
        found = json.loads(c.psql(url, f"SELECT json_build_array({', '.join(f'c{i}::text' for i in range(len(cells)))}) FROM t WHERE id = 1"))
        c.equal("values", [], [(k, v, got) for (k, v), got in zip(cells.items(), found) if v != got and k != "char(3)"])
        c.equal("NULL", "t", c.psql(url, f"SELECT bool_and(x IS NULL) FROM (SELECT unnest(ARRAY[{', '.join(f'c{i}::text' for i in range(len(cells)))}]) x FROM t WHERE id = 2) s"))
        c.load("a.csv", "--restart", "--on-conflict", "update", into=url)
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id int, ip inet, at time)")
        (c.folder / "b.csv").write_text("id,ip,at\n" + "".join(f"{i},10.0.0.{i},10:{i % 60:02}\n" for i in range(50)) + "50,no,10:00\n51,::1,25:00\n52,::1,\n")
        _, error = c.load("b.csv", into=url, wanted=3)
        c.equal("others", "51", c.psql(url, "SELECT count(*) FROM t"))
        c.has(error, 'b.csv:52: ', 'inet: "no"', 'b.csv:53: ', '25:00')
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE t (id INTEGER, j JSON, t TIME, u UUID, s STRING, w WHATEVER, b BLOB, d DECIMAL(10,2))")
    (c.folder / "s.csv").write_text('id,j,t,u,s,w,b,d\n1,"{""a"":1}",10:30,abc,word,5,raw,1.50\n2,[],10:31,x,1.5,-7,007,12345678901234567\n'
                                    "3,[],,x,007,1,1,1\n4,[],,x,1.50,1,1,1\n5,[],,x, 7,1,1,1\n6,[],,x,1e5,1,1,1\n7,[],,x,s,1,1,12345678901234567.89\n")
    _, error = c.load("s.csv", wanted=3)
    c.equal("SQLite", [(1, '{"a":1}', "10:30", "abc", "word", "5", "raw", "1.5"), (2, "[]", "10:31", "x", "1.5", "-7", "007", "12345678901234567")],
            c.rows("SELECT id, " + ", ".join(f"CAST({x} AS TEXT)" for x in "jtuswbd") + " FROM t"))
    c.has(error, "s.csv:4: ", "column \"s\": '007': SQLite would change this text to another number: declare the column TEXT",
          "s.csv:5: ", "s.csv:6: ", "s.csv:7: ", "s.csv:8: ", "a NUMERIC column keeps 15 digits of a number")


def told_in_plain_words(c):
    """No name of C++ in what a program says, and the option that helps."""
    (c.folder / "a.csv").write_text("id,n\n1,2\n")
    (c.folder / "b.csv").write_text("id,n\n1,2,\n")
    c.load("a.csv", "--create")
    for how in ("update", "replace"):
        _, error = c.load("a.csv", "--on-conflict", how, wanted=2)
        c.has(error, f"--on-conflict {how} goes by the key of a row, and the table t has no primary key", "--key")
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "3 cells instead of 2", "(--ragged pad or truncate, or \"ragged\" in a mapping)")
    (c.folder / "merge.sql").write_text("INSERT INTO nowhere VALUES (1);\n")
    with c.server() as (url, _):
        c.load("a.csv", "--create", into=url)
        said = [c.load("a.csv", "--on-conflict", "update", into=url, wanted=2)[1],
                c.load("a.csv", "--merge", "merge.sql", "--restart", into=url, wanted=1)[0]["failure"]]
        for text in said:
            c.holds("no C++", "::" not in text, text)


def bad_files(c):
    """One file's failure leaves the others alone, and is listed."""
    pattern = c.files(4, 50)
    (c.folder / "data" / "broken.csv.gz").write_bytes(gzip.compress((HEADER + line(900)).encode())[:-9])
    (c.folder / "data" / "other.csv").write_text("id,colour\n1,red\n")
    (c.folder / "data" / "quotes.csv").write_text(HEADER + line(901) + '902,"never closed,1,,\n' + line(903))
    summary, error = c.load(pattern, c.folder / "data" / "broken.csv.gz", "--create", "--key", "id", wanted=1)
    c.has(error, "broken.csv.gz", "other.csv: the table t has no column 'colour'; it has id, sku, price, day, note",
          "quotes.csv:")
    c.equal("failed files", 2, summary["failed_files"])
    good = [r[0] for r in c.rows()]
    c.equal("good rows", list(range(200)), good[:200])
    c.holds("the row before the broken quote", 901 in good, good[200:])


def patterns(c):
    """What matches nothing is named, and never taken for a path."""
    c.files(1, 5)
    summary, error = c.load(c.folder / "data" / "*.csv", c.folder / "none-[0-9].csv", "nor-this.csv", wanted=2)
    c.has(error, "none-[0-9].csv", "nor-this.csv")
    c.equal("nothing is loaded", 0, summary["rows"]["read"])
    c.holds("no database is made", not c.database.exists())
    _, error = c.load(c.folder / "data" / "*.csv", wanted=2)
    c.has(error, "there is no table t", "--create")


def dialects(c):
    """Semicolons are found out; decimal commas, markers of NULL, Latin-1, ragged rows, gzip, standard input."""
    (c.folder / "a.csv").write_bytes("id;name;price\n1;K\xf6ln;1,5\n2;NA;2,25\n3;x\n".encode("latin-1"))
    c.load("a.csv", "--create", "--latin1", "--delimiter", "semicolon", "--decimal-comma", "--null", "NA", "--ragged",
           "pad", "--null", "")
    c.equal("rows", [(1, "Köln", 1.5), (2, None, 2.25), (3, "x", None)], c.rows("SELECT id, name, price FROM t"))
    with gzip.open(c.folder / "b.csv.gz", "wt") as out:
        out.write("id\tname\n" + "".join(f"{i}\tn{i}\n" for i in range(10, 20)))
    c.load("b.csv.gz")
    c.equal("tabs, gzip", 13, len(c.rows("SELECT id FROM t")))
    c.load("-", stdin=b"name,id\nlast,99\n")
    c.equal("standard input", [("last",)], c.rows("SELECT name FROM t WHERE id = 99"))
    (c.folder / "c.csv").write_text("export of today\n#x\nid, name\n30, 'it\\'s'\n#31,no\n32,'" + "x" * 50 + "'\n")
    summary, error = c.load("c.csv", "--skip-lines", 1, "--comment", "#", "--trim", "--quote", "'", "--escape", "\\",
                            "--max-field", 40, wanted=3)
    c.equal("all of it", [("it's",)], c.rows("SELECT name FROM t WHERE id BETWEEN 30 AND 40"))
    c.has(error, "c.csv:6:4: row 2: a cell of more than 40 bytes")


def said(c):
    """--log and ETLPIPE_LOG: errors, rejected rows, progress and the summary, each file and batch."""
    for name, text in (("a", "id\n1\nx\n3\n"), ("b", "id,more\n1,2\n"), ("first", "id\n0\n")):
        (c.folder / f"{name}.csv").write_text(text)
    c.load("first.csv", "--create")
    error, rejected, summary, debug = "b.csv: the table t has no column 'more'", "rejected a.csv:3: ", "2 files in ", "a.csv: begins"
    batch = "a.csv:2: batch 0 of 2 rows"

    def holds(what, seen, *options, **environment):
        done = subprocess.run([c.program, "load", "a.csv", "b.csv", "--store", f"sqlite:{c.folder / 't.db'}", "--table", "t",
                               "--restart", *options], cwd=c.folder, env={**os.environ, **environment}, check=False,
                              capture_output=True, text=True)
        found = [text for text in (error, rejected, summary, debug, batch) if text in done.stdout + done.stderr]
        c.equal(what, (1, seen), (done.returncode, found))

    holds("error", [error], "--log", "error")
    holds("warn", [error, rejected], "--log", "WARN")
    holds("info", [error, rejected, summary])
    holds("debug", [error, rejected, summary, debug, batch], ETLPIPE_LOG="debug")
    holds("quiet", [error, rejected], "--quiet", ETLPIPE_LOG="debug")
    holds("quieter", [error], "--quiet", "--log", "error")


def mapping(c):
    """A mapping file says for each pattern what goes where, also when the table is there already."""
    (c.folder / "in").mkdir()
    (c.folder / "in" / "old.csv").write_text(
        "# export\nDatum;Zeit;Nr;Preis;Bezahlt;Tag\n29.02.2024;13:30;7;1,50;yes;1.3.2024\n01.03.2024;08:00;8;-;-;-\n")
    new = "no,cost,at,paid,day\n"
    (c.folder / "in" / "new.csv").write_text(f"{new}9,12345678901234567890.10,1709214600000,f,2024-03-02\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [
        {"pattern": "old*.csv", "delimiter": ";", "comment": "#", "decimal_comma": True, "null_markers": ["-"],
         "timestamp": {"date": "Datum", "time": "Zeit", "target": "at", "type": "timestamp", "format": "%d.%m.%Y"},
         "columns": [{"source": "Nr", "target": "id", "type": "integer", "key": True},
                     {"source": "Preis", "target": "price", "type": "numeric"},
                     {"source": "Bezahlt", "target": "paid", "type": "boolean"},
                     {"source": "Tag", "target": "day", "type": "date", "format": "%d.%m.%Y"}]},
        {"pattern": "new*.csv",
         "columns": [{"source": "no", "target": "id", "type": "integer", "key": True},
                     {"source": "cost", "target": "price", "type": "numeric"},
                     {"source": "at", "type": "timestamp", "format": "unix_ms"},
                     {"source": "paid", "type": "boolean"}, {"source": "day", "type": "date"}]}]}))
    c.load("in/*.csv", "--mapping", "map.json", "--create")
    everything = "SELECT id, price, at, paid, day FROM t ORDER BY id"
    rows = [(7, "1.50", "2024-02-29T13:30:00", 1, "2024-03-01"), (8, None, "2024-03-01T08:00:00", None, None),
            (9, "12345678901234567890.10", "2024-02-29T13:50:00", 0, "2024-03-02")]
    c.equal("rows", rows, c.rows(everything))
    again, _ = c.load("in/*.csv", "--mapping", "map.json", "--restart", "--on-conflict", "update")
    c.equal("a second load has all rows", (3, rows), (again["rows"]["loaded"], c.rows(everything)))
    (c.folder / "in" / "new2.csv").write_text(f"{new}10,2.5,1709214600000,true,2024-03-03\n11,1,0,yes,3.3.2024\n")
    summary, error = c.load("in/*.csv", "--mapping", "map.json", wanted=3)
    c.equal("a later file", [*rows, (10, "2.5", "2024-02-29T13:50:00", 1, "2024-03-03")], c.rows(everything))
    c.has(error, "new2.csv:3: row 2: column 5 'day': '3.3.2024'")
    (c.folder / "map.json").write_text('{"files": [{"patern": "x", "columns": [{"target": "a", "type": "int"}]}]}')
    _, error = c.load("in/*.csv", "--mapping", "map.json", wanted=2)
    c.has(error, "map.json", "patern", "pattern", "files[0].columns[0].type")


def dry_run(c):
    """Reads and checks everything, and writes nothing."""
    pattern = c.files(2, 50, bad={10})
    summary, error = c.load(pattern, "--create", "--dry-run", wanted=3)
    c.equal("counts", (100, 1), (summary["rows"]["read"], summary["rows"]["rejected"]))
    c.has(error, "'x10'")
    c.holds("no database is made", not c.database.exists())


def after_the_load(c):
    """Checks and merge scripts; what fails makes the load fail, and is all or nothing."""
    pattern = c.files(2, 50)
    (c.folder / "merge.sql").write_text("CREATE TABLE total AS SELECT count(*) AS n FROM t;\nINSERT INTO total VALUES (0);\n")
    (c.folder / "broken.sql").write_text("INSERT INTO total VALUES (1);\nINSERT INTO nowhere VALUES (1);\n")
    c.load(pattern, "--create", "--check", "SELECT count(*) = 100 FROM t", "--check", "SELECT * FROM t WHERE id < 0",
           "--merge", "merge.sql")
    c.equal("merged", [(100,), (0,)], c.rows("SELECT n FROM total"))
    summary, _ = c.load(pattern, "--check", "SELECT id, sku FROM t WHERE id = 7", wanted=1)
    c.has(summary["failure"], "SELECT id, sku FROM t WHERE id = 7", "sku=sku-7")
    summary, _ = c.load(pattern, "--merge", "broken.sql", wanted=1)
    c.has(summary["failure"], "broken.sql", "nowhere")
    c.equal("all or nothing", [(100,), (0,)], c.rows("SELECT n FROM total"))


def budget(c):
    """--strict and --max-rejects fail the file, not the others."""
    pattern = c.files(3, 100, bad={50, 51, 52})
    summary, _ = c.load(pattern, "--create", "--key", "id", "--strict", wanted=1)
    c.equal("strict", (2, 1), (summary["loaded_files"], summary["failed_files"]))
    summary, _ = c.load(pattern, "--max-rejects", "2", wanted=1)
    c.equal("too many", 1, summary["failed_files"])
    summary, _ = c.load(pattern, "--max-rejects", "5%", wanted=3)
    c.equal("allowed", (297, 0), (len(c.rows()), summary["failed_files"]))


def at_once(c):
    """Of two loads of the same files at the same time each file is loaded by one, and the other waits for it."""
    pattern = c.files(4, 4000)
    command = c.command(pattern, "--create", "--batch-size", 100, "--quiet")
    both = [subprocess.Popen(command, cwd=c.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1].decode() for process in both]
    c.equal(f"exit codes {errors}", [0, 0], [process.returncode for process in both])
    c.equal(f"every row once {errors}", [(i,) for i in range(16000)], c.rows("SELECT id FROM t ORDER BY id"))


def asked_for(c):
    """What an option says is not found out, what would destroy something is refused."""
    (c.folder / "a.csv").write_text("name\na;b\nc;d\n")
    c.load("a.csv", "--create", "--delimiter", ",")
    (c.folder / "inches.csv").write_text('size;more\n5";1\n6";2\n')
    c.load("inches.csv", "--create", "--no-quote", into=f"sqlite:{c.folder / 'inches.db'}")
    done = subprocess.run(c.command("a.csv", "--log", "loud"), cwd=c.folder, check=False, capture_output=True, text=True)
    c.equal("a choice", (2, True), (done.returncode, "'loud' is none of debug,error,info,warn" in done.stderr))
    c.equal("one column", [("a;b",), ("c;d",)], c.rows("SELECT name FROM t"))
    _, error = c.load("a.csv", "--rejects", "a.csv", wanted=2)
    c.has(error, "is one of the files to load")
    c.equal("the file is whole", "name\na;b\nc;d\n", (c.folder / "a.csv").read_text())
    _, error = c.load("a.csv", "--rejects", "no/such/folder.csv", wanted=2)
    c.has(error, "no/such/folder.csv cannot be written")
    summary, _ = c.load("a.csv", "--check", "DELETE FROM t", wanted=1)
    c.equal("nothing is deleted", 2, len(c.rows("SELECT name FROM t")))
    summary, _ = c.load("a.csv", "--check", "SELECT 1 FROM t", wanted=1)
    c.has(summary["failure"], "SELECT 1 FROM t")
    (c.folder / "time.csv").write_text("name\n10:00\n")
    (c.folder / "twice.csv").write_text("name,name\n1,2\n")
    (c.folder / "latin.csv").write_bytes(b"K\xf6ln\n1\n")
    (c.folder / "empty.csv").write_text("")
    summary, error = c.load("time.csv", "twice.csv", "latin.csv", wanted=1)
    c.has(error, "twice.csv: column 'name' is there twice, as number 1 and 2", "latin.csv")
    c.equal("a time of day is one cell", [("10:00",)], c.rows("SELECT name FROM t WHERE name LIKE '%:%'"))
    c.database = c.folder / "empty.db"
    c.load("empty.csv", "a.csv", "--create")
    c.equal("an empty first file", 2, len(c.rows("SELECT name FROM t")))


def killed_loads(c, command, usual, begin_anew, check, between=lambda: None):
    """SIGKILL at seeded moments, KILLS times in all; what every load has left that came to its end is checked."""
    done = resumed = seed = 0
    while done < KILLS:
        seed += 1
        moments = random.Random(seed)
        begin_anew()
        kills = 0
        while True:
            process = subprocess.Popen(command, cwd=c.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                _, error = process.communicate(timeout=moments.uniform(0, usual))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                between()
        c.holds(f"seed {seed}, {kills} kills: ends well, {process.returncode}", process.returncode in (0, 3), error)
        check(f"seed {seed}, {kills} kills")
        done += kills
        resumed += kills > 0
    c.holds("loads were killed and ended", resumed > 0)


def killed_into_sqlite(c):
    """Killed again and again, a load ends with every good row once, and every bad one: also with a mapping."""
    (c.folder / "data").mkdir()
    bad = {10000: "x10000,true,2024-01-01,2024-01-01 10:00,1,n", 20000: "20000,true,no day,2024-01-01 10:00,1,n"}
    for i in range(8):
        lines = (bad.get(n) or f'{n},{["true", "false"][n % 2]},2024-{n % 12 + 1:02}-{n % 28 + 1:02},'
                 f'2024-01-01 {n % 24:02}:30,{n}.12345678901234567890,"a ""note"",\n{n}"'
                 for n in range(i * 9000, (i + 1) * 9000))
        (c.folder / "data" / f"f{i}.csv").write_text("id,paid,day,at,price,note\n" + "\n".join(lines) + "\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*.csv", "columns": [
        {"source": "id", "type": "integer", "key": True}, {"source": "paid", "type": "boolean"},
        {"source": "day", "type": "date"}, {"source": "at", "type": "timestamp"},
        {"source": "price", "type": "numeric"}, {"source": "note"}]}]}))

    def reset():
        for file in c.folder.glob("killed*.db*"):
            file.unlink()

    everything = "SELECT id, paid, day, at, price, note, typeof(paid) FROM t ORDER BY id"
    letters = "SELECT pipeline, seq, errors, payload FROM etl_dead_letters ORDER BY 1, 2"
    for told in (["--key", "id"], ["--mapping", "map.json"]):
        reset()
        began = time.monotonic()
        c.database = c.folder / f"undisturbed{told[0]}.db"
        c.load("data/*.csv", "--create", *told, wanted=3)
        usual = time.monotonic() - began
        rows, rejected = c.rows(everything), c.rows(letters)
        c.equal(f"{told}: rows", True, [n for n in range(72000) if n not in bad] == [r[0] for r in rows])
        c.equal(f"{told}: a row", (1, 0, "2024-02-02", "2024-01-01T01:30:00", "1.12345678901234567890", 'a "note",\n1',
                                   "integer"), rows[1])
        c.equal(f"{told}: rejects", list(bad.values()), [r[3].decode() for r in rejected])
        c.database = c.folder / "killed.db"

        def check(when):
            c.equal(f"{told}, {when}: rows as of an undisturbed load", True, rows == c.rows(everything))
            c.equal(f"{told}, {when}: rejects as of an undisturbed load", rejected, c.rows(letters))

        killed_loads(c, [*c.command("data/*.csv", "--create", "--batch-size", 200, "--quiet"), *told], usual, reset,
                     check)


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


def interrupted(c):
    """The first SIGINT drains: what was read is loaded, exit code 4, and the next load goes on."""
    pattern = c.files(4, 60000)
    process = subprocess.Popen(c.command(pattern, "--create", "--json", "--batch-size", 50), cwd=c.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not c.database.exists() or not c.rows("SELECT count(*) FROM sqlite_master WHERE name = 't'")[0][0]:
        time.sleep(0.01)  # until it is at work
    while not c.rows("SELECT count(*) FROM t")[0][0]:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    summary = json.loads(out)
    c.equal(f"exit code {error.decode()[:300]}", 4, process.returncode)
    c.has(error.decode(), "stopped by a signal; not finished: ", "the same command goes on where they are")
    c.equal("what was loaded is there", summary["rows"]["loaded"], c.rows("SELECT count(*) FROM t")[0][0])
    c.load(pattern)
    c.equal("every row once", [(i,) for i in range(240000)], c.rows("SELECT id FROM t ORDER BY id"))


def into_postgres(c):
    """Types of the table, constraints, upserts, checks; the password is never shown."""
    with c.server() as (url, _):
        pattern = c.files(4, 500, bad={700})
        c.psql(url, "CREATE TABLE t (id integer PRIMARY KEY, sku text NOT NULL CHECK (sku <> 'sku-13'), price numeric, "
                    "day date, note varchar(200), extra text DEFAULT 'd')")
        summary, error = c.load(pattern, into=url, wanted=3)
        bad = {i for i in range(2000) if i % 97 == 13} | {700}
        c.equal("rejected", len(bad), summary["rows"]["rejected"])
        c.equal("rows", str(2000 - len(bad)), c.psql(url, "SELECT count(*) FROM t"))
        c.equal("values", "42|sku-42|10.5|2024-07-15|a \"note\",\n42|d", c.psql(url, "SELECT * FROM t WHERE id = 42"))
        c.equal("letters", str(len(bad)), c.psql(url, "SELECT count(*) FROM etl_dead_letters"))
        c.has(c.psql(url, "SELECT errors FROM etl_dead_letters WHERE payload LIKE 'x700%'"), "f001.csv", "'x700'")
        again, _ = c.load(pattern, into=url)
        c.equal("loaded before", 4, again["loaded_before"])
        c.psql(url, "ALTER TABLE t DROP CONSTRAINT t_sku_check")
        c.load(pattern, "--restart", "--on-conflict", "update", into=url, wanted=3)
        c.equal("upserted", "1999", c.psql(url, "SELECT count(*) FROM t"))
        summary, _ = c.load(pattern, "--check", "SELECT id FROM t WHERE id = 5", into=url, wanted=1)
        c.has(summary["failure"], "SELECT id FROM t WHERE id = 5")
        c.psql(url, "DROP TABLE t; CREATE TYPE mood AS ENUM ('glad'); CREATE TABLE t (id integer GENERATED ALWAYS AS "
                    "IDENTITY PRIMARY KEY, sku text, price numeric(6, 2), day date, note text)")
        _, error = c.load(pattern, "--restart", "--on-conflict", "update", into=url, wanted=3)
        c.equal("identity column", "1999", c.psql(url, "SELECT count(*) FROM t"))
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, sku mood, price numeric, day date, note text)")
        _, error = c.load(c.folder / "data" / "f000.csv", "--restart", into=url, wanted=3)
        c.has(error, "f000.csv:2: ", "sku-0")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, sku text, price numeric, day date, note text)")
        password = url.split(":")[2].split("@")[0]
        _, error = c.load(pattern, into=url.replace(password, "wrong-password"), wanted=2)
        c.has(error, "password authentication failed")
        c.holds("no password in errors", "wrong-password" not in error and password not in error, error)
        c.psql(url, "DROP TABLE t")
        _, error = c.load(pattern, into=url, wanted=2)
        c.has(error, "there is no table t")


def killed_into_postgres(c):
    """Killed again and again, and the server restarted in between: every good row once."""
    with c.server() as (url, do):
        pattern = c.files(8, 4000, bad={100, 9000})
        began = time.monotonic()
        c.load(pattern, "--create", "--key", "id", into=url, wanted=3)
        usual = time.monotonic() - began
        everything = "SELECT md5(string_agg(t::text, ';' ORDER BY id)) || count(*) FROM t"
        wanted = c.psql(url, everything)

        def reset():
            c.psql(url, "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public")

        def check(when):
            c.equal(f"{when}: rows as of an undisturbed load", wanted, c.psql(url, everything))
            c.equal(f"{when}: rejects", "2", c.psql(url, "SELECT count(*) FROM etl_dead_letters"))

        restarts = random.Random(0)

        def between():
            if restarts.random() < 0.1:
                do("halt")
                do("resume")

        command = c.command(pattern, "--create", "--key", "id", "--batch-size", 300, "--quiet", into=url)
        killed_loads(c, command, usual, reset, check, between)


def server_restarted(c):
    """A load survives a restart of the server in its middle."""
    with c.server() as (url, do):
        pattern = c.files(4, 60000)
        process = subprocess.Popen(c.command(pattern, "--create", "--json", "--batch-size", 200, "--connections", 2,
                                             into=url), cwd=c.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and (
                c.psql(url, "SELECT to_regclass('t') IS NOT NULL") != "t" or
                c.psql(url, "SELECT count(*) > 0 FROM t") != "t"):
            time.sleep(0.01)
        do("halt")
        do("resume")
        out, error = process.communicate(timeout=280)
        c.equal(f"exit code {out[:1500]} {error.decode()[:1000]}", 0, process.returncode)
        c.equal("every row once", "240000|240000|239999", c.psql(url, "SELECT count(*), count(DISTINCT id), max(id) FROM t"))


def types_of_sqlite(c):
    """A table that was made has the same types for a later file; one that others made takes what a mapping says."""
    cells = "true,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00Z,123456789012345678.123456789,1.50"
    stored = (1, "2024-02-29", "2024-02-29T10:00:00", "2024-02-29T10:00:00Z", "123456789012345678.123456789", 1.5)
    header = "b,d,ts,tz,n,x\n"
    (c.folder / "a.csv").write_text(header + cells + "\n")
    (c.folder / "b.csv").write_text(header + cells + "\n" + cells.replace("02-29,", "02-30,") + "\n")
    c.load("a.csv", "--create")
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "b.csv:3: row 2: column 2 'd': '2024-02-30'")
    c.equal("rows", [stored] * 2, c.rows("SELECT * FROM t"))
    c.equal("classes", [("integer", "text", "text", "text", "text", "real")],
            c.rows("SELECT DISTINCT typeof(b), typeof(d), typeof(ts), typeof(tz), typeof(n), typeof(x) FROM t"))

    c.database = c.folder / "others.db"
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE t (b INTEGER, d TEXT, ts DATETIME, tz DATETIME, n VARCHAR(40), x REAL, raw BLOB)")
    kinds = {"b": "boolean", "d": "date", "ts": "timestamp", "tz": "timestamptz", "n": "numeric", "x": "double"}
    told = {"files": [{"pattern": "*.csv", "columns": [{"source": k, "type": v} for k, v in kinds.items()]}]}
    (c.folder / "map.json").write_text(json.dumps(told))
    c.load("a.csv", "--mapping", "map.json")
    c.equal("rows of a table that others made", [(*stored, None)], c.rows("SELECT * FROM t"))
    told["files"][0]["columns"][5]["nullable"] = False
    (c.folder / "map.json").write_text(json.dumps(told))
    (c.folder / "null.csv").write_text(header + ",,,,,\n")
    _, error = c.load("null.csv", "--mapping", "map.json", wanted=3)
    c.has(error, "null.csv:2: row 1: column 6 'x'", "must have a value")
    (c.folder / "map.json").write_text(json.dumps(told).replace('"double"', '"date"').replace('"boolean"', '"date"'))
    _, error = c.load("b.csv", "--mapping", "map.json", wanted=1)
    c.has(error, "'b' is date in the mapping and INTEGER in the table; 'x' is date in the mapping and REAL in")
    (c.folder / "raw.csv").write_text("raw\n01\n")
    c.load("raw.csv")
    c.equal("a column of bytes keeps the text", [("01",)], c.rows("SELECT raw FROM t WHERE raw IS NOT NULL"))


def types_of_postgres(c):
    """A mapping's narrower types go to columns that hold more; what cannot be filled is said in plain words."""
    (c.folder / "a.csv").write_text("n,d,k\n9007199254740993,2024-02-29,5\n1.5,2024-02-29,6\n2,2024-02-29 10:00,7\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "columns": [
        {"source": "n", "type": "integer"}, {"source": "d", "type": "date"}, {"source": "k", "type": "integer"}]}]}))
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE t (n NUMERIC_TEXT, d TIMESTAMP, k INTEGER)")
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=3)
    c.equal("into SQLite", [("9007199254740993", "2024-02-29T00:00:00", 5)], c.rows("SELECT * FROM t"))
    c.has(error, "'1.5' is not a signed 64-bit integer", "'2024-02-29 10:00'")
    with c.server() as (url, _):
        c.psql(url, "CREATE DOMAIN small AS integer CHECK (VALUE < 10)")
        c.psql(url, "CREATE TABLE t (n numeric, d timestamp, k small, ip inet, span interval, list integer[])")
        _, error = c.load("a.csv", "--mapping", "map.json", into=url, wanted=3)
        c.equal("into PostgreSQL", "9007199254740993|2024-02-29 00:00:00|5|||", c.psql(url, "SELECT * FROM t"))
        (c.folder / "b.csv").write_text("k,ip,span,list\n1,::1,1 day,{1}\n")
        c.load("b.csv", "--dry-run", into=url)
        c.load("b.csv", into=url)
        c.equal("by a cast", "1|::1|1 day|{1}", c.psql(url, "SELECT k, ip, span, list FROM t WHERE k = 1"))
        (c.folder / "map.json").write_text((c.folder / "map.json").read_text().replace('"d", "type": "date"',
                                                                                       '"d", "type": "boolean"'))
        _, error = c.load("a.csv", "--mapping", "map.json", "--restart", into=url, wanted=1)
        c.has(error, "'d' is boolean in the mapping and timestamp without time zone in the table")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id bigint, j jsonb)")
        values = ['"5"', '"hello"', '{"a": [1]}', "2.50", "null"]
        (c.folder / "a.ndjson").write_text("".join(f'{{"id": {i}, "j": {value}}}\n' for i, value in enumerate(values)))
        c.load("a.ndjson", into=url)
        c.equal("JSON", '"5";"hello";{"a": [1]};2.50;-', c.psql(url, "SELECT string_agg(coalesce(j::text, '-'), ';' ORDER BY id) FROM t"))


def not_utf8(c):
    """Bytes that are no UTF-8 are rejected with their place, unless --latin1 says what they are."""
    (c.folder / "a.csv").write_bytes("id,name\n1,Köln\n".encode() + b"2,K\xf6ln\n3,x\n")
    columns = [{"source": "id", "type": "integer"}, {"source": "name"}]
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*.csv", "columns": columns}]}))
    with c.server() as (url, _):
        for into in (None, url):
            for more in ([], ["--mapping", "map.json", "--restart"]):
                _, error = c.load("a.csv", "--create", *more, "--rejects", "rejects.csv", into=into, wanted=3)
                c.has(error, "a.csv:3:4: row 2: invalid UTF-8; convert the file, or read it as Latin-1 (--latin1")
                c.holds("the row is kept", b"2,K\xf6ln" in (c.folder / "rejects.csv").read_bytes())
                c.holds("and its number", b"a.csv,0,0,1," in (c.folder / "rejects.csv").read_bytes())
    c.equal("rows", [(1, "Köln"), (3, "x")] * 2, c.rows("SELECT * FROM t"))
    (c.folder / "b.csv").write_bytes(b"id,name\n2,K\xf6ln\n")
    c.load("b.csv", "--latin1")
    c.equal("Latin-1", [("Köln",)], c.rows("SELECT name FROM t WHERE id = 2"))
    (c.folder / "c.csv").write_bytes(b"id,Stra\xdfe\n1,x\n")
    c.database = c.folder / "header.db"
    c.load("c.csv", "--create", "--latin1")
    c.equal("a header of Latin-1", [("x",)], c.rows('SELECT "Straße" FROM t'))
    _, error = c.load("c.csv", "--restart", wanted=1)
    c.has(error, "c.csv: the header is not UTF-8; convert the file, or read it as Latin-1 (--latin1")


def first_file_without_rows(c):
    """A table is made of the first file that has rows, not of a header alone."""
    (c.folder / "a.csv").write_text("id,day\n")
    (c.folder / "b.csv").write_text("id,day\n\n")
    (c.folder / "c.csv").write_text("id,day\n1,2024-02-29\n")
    _, error = c.load("a.csv", "b.csv", "c.csv", "--create")
    c.has(error, "table t of c.csv: id integer, day date")
    c.equal("types", [(1, "integer")], c.rows("SELECT id, typeof(id) FROM t"))
    c.database = c.folder / "empty.db"
    _, error = c.load("a.csv", "b.csv", "--create")
    c.has(error, "table t of a.csv: id text, day text")


def run(c, *arguments, out=subprocess.PIPE, **how):
    """Any subcommand: exit code, stdout and stderr."""
    done = subprocess.run([c.program, *map(str, arguments)], cwd=c.folder, stdout=out, stderr=subprocess.PIPE,
                          timeout=300, **how)
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


def lost_output(c):
    """What was printed and did not arrive is a failure, except into a pipe that nobody reads any more."""
    pattern = c.files(1, 20000)
    for more in (["--create", "--json"], ["--restart"]):
        with open("/dev/full", "w") as full:
            code, _, error = run(c, *c.command(pattern, *more)[1:], out=full)
        c.equal(f"exit code of {more}", 1, code)
        c.has(error, "No space left on device")
    process = subprocess.Popen([c.program, "cat", c.folder / "data" / "f000.csv"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    c.equal("a closed pipe", (b"", -signal.SIGPIPE), (process.stderr.read(), process.wait(60)))


def unreadable_paths(c):
    """What a pattern matches and cannot be read fails alone; a pattern that matches nothing stops all."""
    c.files(2, 50)
    (c.folder / "data" / "gone.csv").symlink_to("nowhere.csv")
    summary, error = c.load("data/*.csv", "data/deep/*.csv", "--create", wanted=1)
    c.equal("files", (3, 2, 1), (summary["files"], summary["loaded_files"], summary["failed_files"]))
    c.equal("the link", [("data/gone.csv", "failed")],
            [(r["path"], r["state"]) for r in summary["results"] if r["error"]])
    c.has(error, "data/gone.csv", "No such file or directory")
    c.equal("rows", 100, len(c.rows()))
    _, error = c.load("data/gone.csv", "data/*.tsv", wanted=2)
    c.has(error, "data/gone.csv", "'data/*.tsv' matches no file")
    _, error = c.load("data/gone*.csv", wanted=2)
    c.has(error, "cannot read 'data/gone.csv'")


def before_the_first_file(c):
    """Wrong usage, and what cannot be opened, is exit code 2, with a reason and without a summary."""
    c.files(1, 5)
    for into, *parts in (["o.db", "'o.db'", "sqlite:PATH", "postgresql://"], ["SQLITE:o.db", "sqlite:PATH"],
                         ["mysql://u:secret@h/d", "mysql://...", "sqlite:PATH", "postgresql://"],
                         ["mysql://u:secret@h/d?x=1", "sqlite:PATH"], ["u:secret@h/d", "sqlite:PATH"],
                         ["sqlite:no/such/folder/o.db", "no/such/folder"],
                         ["host=127.0.0.1 port=1 dbname=x", "127.0.0.1", "port 1"]):
        code, out, error = run(c, *c.command("data/f000.csv", "--create", into=into)[1:])
        c.equal(f"exit code and summary of --store {into}", (2, ""), (code, out))
        c.has(error, *parts)
        c.holds("no password", "secret" not in error, error)
    (c.folder / "map.json").write_text("{")
    for more, part in ((["none.csv"], "'none.csv' matches no file"), (["data/f000.csv"], "there is no table t"),
                       (["data/f000.csv", "--mapping", "map.json"], "map.json"),
                       (["data/f000.csv", "--mapping", "none.json"], "none.json")):
        code, out, error = run(c, *c.command(*more)[1:])
        c.equal(f"exit code and summary of {more}", (2, ""), (code, out))
        c.has(error, part)
    code, _, error = run(c, "sniff", "none.csv")
    c.equal("sniff", 2, code)
    c.has(error, "none.csv")
    code, _, error = run(c, "laod", "x.csv")
    c.equal("unknown subcommand", 2, code)
    c.has(error, "'laod'", "load, cat, sniff, digest")
    (c.folder / "empty.csv").write_text("")
    c.equal("sniff of an empty file", (0, "empty.csv: empty\n", ""), run(c, "sniff", "empty.csv"))


def progress(c):
    """On a terminal a single file goes from 0 to 100% by its bytes."""
    c.files(1, 400_000)
    ours, terminal = os.openpty()
    process = subprocess.Popen(c.command("data/f000.csv", "--create"), cwd=c.folder, stdout=subprocess.DEVNULL,
                               stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: it has ended
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    c.equal("exit code", 0, process.wait(60))
    lines = [part.split("\x1b")[0] for part in shown.decode().split("\r")[1:]]
    shares = [int(found[1]) for line in lines if (found := re.match(r"(\d+)% \(\d/1 files\)", line))]
    c.equal("shares grow", sorted(shares), shares)
    c.holds("some are within the file", any(0 < share < 99 for share in shares), lines)
    c.holds("the last line", re.fullmatch(r"100% \(1/1 files\), [1-9][\d,]* rows/s\s*", lines[-2]), lines[-2:])


def merged_once(c):
    """A script runs again only when rows came since, or when it did not come to its end."""
    c.files(2, 50)
    (c.folder / "merge.sql").write_text("INSERT INTO total SELECT count(*) FROM t;\n")
    summary, _ = c.load("data/f000.csv", "--create", "--merge", "merge.sql", wanted=1)
    c.has(summary["failure"], "total")
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE TABLE total (n)")
    summary, _ = c.load("data/f000.csv", "--merge", "merge.sql")
    c.equal("what has failed runs again", ([(50,)], []), (c.rows("SELECT n FROM total"), summary["skipped_merges"]))
    summary, _ = c.load("data/f000.csv", "--merge", "merge.sql")
    c.equal("without new rows it does not", ([(50,)], ["merge.sql"]),
            (c.rows("SELECT n FROM total"), summary["skipped_merges"]))
    _, out, _ = run(c, *c.command("data/f000.csv", "--merge", "merge.sql")[1:])
    c.has(out, "merge.sql was not run again: no rows came since it ran")
    c.load("data/deep/*.csv")
    c.load("data/**/*.csv", "--merge", "merge.sql")
    c.equal("rows came by a load without it", [(50,), (100,)], c.rows("SELECT n FROM total"))
    (c.folder / "merge.sql").write_text("INSERT INTO total VALUES (0);\n")
    c.load("data/**/*.csv", "--merge", "merge.sql")
    c.equal("another script", [(50,), (100,), (0,)], c.rows("SELECT n FROM total"))


def rejected_before(c):
    """What earlier loads of these files have rejected is told again."""
    pattern = c.files(3, 50, bad={3, 120})
    c.load(pattern, "--create", wanted=3)
    summary, _ = c.load(pattern)
    c.equal("rejected", (0, 2), (summary["rows"]["rejected"], summary["rows"]["rejected_by_earlier_loads"]))
    c.equal("by file", [0, 1, 1], sorted(r["rejected_by_earlier_loads"] for r in summary["results"]))
    code, out, _ = run(c, *c.command(pattern)[1:])
    c.equal("exit code", 0, code)
    c.has(out, "2 rejected by earlier loads: --rejects FILE lists them")
    summary, _ = c.load(pattern, "--restart", wanted=3)
    c.equal("of a restart", (2, 0), (summary["rows"]["rejected"], summary["rows"]["rejected_by_earlier_loads"]))


def json_files(c):
    """An object a line, an array of them, gzip, standard input, and CSV beside them; what looks like JSON is told so."""
    c.files(1, 5)
    (c.folder / "data" / "a.ndjson").write_text('\n {"note": "x", "id": 7, "price": 1.5, "sku": "\\u00e4"}\r\n{"id": 8}\n')
    (c.folder / "data" / "b.json").write_text('[\n{"id": 9,\n "day": "2024-02-29"}, {"id": "10", "price": null}\n]')
    with gzip.open(c.folder / "data" / "c.jsonl.gz", "wt") as out:
        out.write("".join(json.dumps({"sku": "z", "id": i}) + "\n" for i in range(20, 40)))
    wanted = [row(i) for i in range(5)] + [(7, "ä", 1.5, None, "x"), (8, *[None] * 4), (9, None, None, "2024-02-29", None),
                                           (10, *[None] * 4)] + [(i, "z", None, None, None) for i in range(20, 40)]
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id integer PRIMARY KEY, sku text, price double precision, day date, note text)")
        for into in (None, url):
            c.load("data/f000.csv", "--create", "--key", "id", into=into)
            summary, error = c.load("data/*.*", "--delimiter", ",", into=into)
            c.equal(f"rows {error}", (24, 3, 1), (summary["rows"]["loaded"], summary["loaded_files"], summary["loaded_before"]))
            c.load("-", "--format", "json", into=into, stdin=b'[{"id": 50, "sku": "s"}]')
            c.load("-", "--format", "json", into=into, stdin=b'{"sku": "s", "id": 51}\n{"id": 52, "sku": null}')
        c.equal("as SQLite", "32|50|51|52", c.psql(url, "SELECT count(*), max(id) - 2, max(id) - 1, max(id) FROM t"))
    c.equal("rows", wanted, c.rows()[:29])
    c.equal("standard input", [(50, "s"), (51, "s"), (52, None)], c.rows("SELECT id, sku FROM t WHERE id >= 50"))
    again, _ = c.load("data/*.*")
    c.equal("loaded before", 4, again["loaded_before"])

    (c.folder / "a.csv").write_text('{"id": 60, "sku": "x"}\n')
    _, error = c.load("a.csv", wanted=1)
    c.has(error, "a.csv:1:2: header", "it looks like JSON: load it with --format json, or with \"format\": \"json\" in a mapping")
    c.load("a.csv", "--format", "json")
    (c.folder / "b.json").write_text("id,sku\n61,x\n")
    _, error = c.load("b.json", wanted=1)
    c.has(error, "b.json:1:1: not JSON", "with --format csv the file is read as CSV")
    c.load("b.json", "--format", "csv")
    c.equal("by --format", [(60, "x"), (61, "x")], c.rows("SELECT id, sku FROM t WHERE id >= 60"))
    code, _, error = run(c, *c.command("a.csv", "--format", "json", "--latin1")[1:])
    c.equal("options of CSV", 2, code)
    c.has(error, "--latin1: is for CSV, not for --format json")
    c.database = c.folder / "new.db"
    (c.folder / "d.csv").write_text("{id},[name]\n1,a\n")
    c.load("d.csv", "--create")
    c.equal("what is CSV is loaded", [(1, "a")], c.rows('SELECT * FROM t'))


def json_members(c):
    """A table is made of the members that there are; one that it has no column for is never dropped."""
    (c.folder / "a.ndjson").write_text(
        '{"id": 1, "paid": true, "day": "2024-02-29", "price": 1}\n'
        '{"id": 2, "at": "2024-02-29T10:00:00Z", "big": 123456789012345678901, "price": 1.25, "day": null}\n'
        '{"tags": ["a", {"b": 1}], "id": 3, "mixed": 1, "none": null}\n{"mixed": "x"}\n')
    _, error = c.load("a.ndjson", "--create")
    c.has(error, "table t of a.ndjson: id integer, paid boolean, day date, price double, at timestamptz, big numeric, "
                 "tags text, mixed text, none text")
    c.equal("rows", [(1, 1, "2024-02-29", 1.0, *[None] * 5),
                     (2, None, None, 1.25, "2024-02-29T10:00:00Z", "123456789012345678901", *[None] * 3),
                     (3, *[None] * 5, '["a",{"b":1}]', "1", None), (*[None] * 7, "x", None)], c.rows("SELECT * FROM t"))
    (c.folder / "b.json").write_text('[{"id": 4}, {"colour": "red", "id": 5, "x": 1}]')
    _, error = c.load("b.json", wanted=1)
    c.has(error, "b.json: the table t has no column 'colour', 'x'; it has id, paid, ")
    many = 40_000
    lines = [json.dumps({"id": i, "mixed": "m" * 20}) for i in range(many)]
    lines[5] = '{"id": "five"}'
    lines[7] = '{"id": 7,}'
    lines[many - 2] = '  {"id": 1, "colour": "red"}'
    (c.folder / "late.ndjson").write_text("\n".join(lines))
    _, error = c.load("late.ndjson", "--rejects", "rejects.csv", wanted=3)
    with (c.folder / "rejects.csv").open(newline="") as file:
        rejects = [(r["reason"], r["row"]) for r in csv.DictReader(file)]
    c.equal("rejects", [("late.ndjson:6: row 6: member 'id': 'five' is not a signed 64-bit integer; the type of the column was inferred: "
                         "make the table with --type id=text, or with --widen", '{"id": "five"}'),
                        ("late.ndjson:8:10: not JSON: syntax error: '}'", '{"id": 7,}'),
                        (f"late.ndjson:{many - 1}:1: the member 'colour' is not one of id, mixed: "
                         "'  {\"id\": 1, \"colour\": \"red\"}'", '{"id": 1, "colour": "red"}')], rejects)
    c.equal("the others", many - 3, c.rows("SELECT count(*) FROM t WHERE mixed LIKE 'mm%'")[0][0] - 0)
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "format": "json", "columns": [
        {"source": "id", "type": "integer"}, {"source": "when", "target": "day", "type": "date", "format": "%d.%m.%Y"}]}]}))
    (c.folder / "told.txt").write_text('{"id": 77, "when": "1.3.2024", "colour": "red"}\n')
    c.load("told.txt", "--mapping", "map.json")
    c.equal("a mapping says what is taken", [("2024-03-01",)], c.rows("SELECT day FROM t WHERE id = 77 AND mixed IS NULL"))
    (c.folder / "empty.json").write_text(" []\n")
    (c.folder / "bare.ndjson").write_text("{}\n{}\n")
    _, error = c.load("empty.json", "bare.ndjson", wanted=1)
    c.has(error, "bare.ndjson: there is no member in its first megabyte")
    c.holds("an empty file is none", "empty.json" not in error, error)
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id integer PRIMARY KEY, colour text)")
        summary, error = c.load("b.json", into=url, wanted=1)
        c.has(error, "the table t has no column 'x'")
        (c.folder / "c.json").write_text('[{"id": 4}, {"colour": "red", "id": 4}]')
        _, error = c.load("c.json", into=url, wanted=3)
        c.has(error, "c.json element 2: ", "t_pkey")
        c.load("c.json", "--restart", "--dry-run", into=url)


def stream_file(streams, readings, wrong=()):
    """Streams s0, s1, ... one after the other, reading n of stream s at minute n with value n * 10 + s."""
    return [{"uuid": f"s{s}", "Readings": [("bad" if (s, n) in wrong else [n * 60_000, n * 10 + s]) for n in range(readings)]}
            for s in range(streams)]


STREAMS = {"s0": {"target": "celsius"}, "s1": {"target": "humidity", "type": "integer"}, "s2": {"target": "celsius"}}


def stream_map(c, **more):
    (c.folder / "map.json").write_text(json.dumps({"files": [
        {"pattern": "*.json*", "timestamp": {"target": "at", "format": "unix_ms"},
         "stream_map": {"id_target": "stream", "streams": STREAMS, **more}},
        {"pattern": "*.csv", "timestamp": {"column": "at"},
         "columns": [{"source": "stream"}, {"source": "celsius", "type": "double"}]}]}))


def readings(c):
    """Readings of the streams that a map names become rows, others are counted; CSV is loaded beside them."""
    stream_map(c)
    data = stream_file(5, 100, {(1, 7)})
    (c.folder / "a.json").write_text(json.dumps(data[:2]))
    with gzip.open(c.folder / "b.json.gz", "wt") as out:
        out.write("\n".join(json.dumps(element) for element in data[2:]))
    (c.folder / "c.csv").write_text("at,stream,celsius\n2024-02-29 10:00,x,1.5\n")
    (c.folder / "d.json").write_text('[{"Readings": [[1, 2], [3, null]], "uuid": "s0"}, {"uuid": "y", "Readings": []}]')
    (c.folder / "e.json").write_text('{"uuid": "y", "Readings": [[1, 2]]}')
    everything = "SELECT stream, count(*), count(celsius), count(humidity), sum(celsius), sum(humidity) FROM t GROUP BY 1 ORDER BY 1"
    wanted = [("s0", 102, 101, 0, 49502.0, None), ("s1", 99, 0, 99, None, 49529), ("s2", 100, 100, 0, 49700.0, None),
              ("x", 1, 1, 0, 1.5, None)]
    with c.server() as (url, _):
        for into in (None, url):
            summary, error = c.load("?.json*", "?.csv", "--mapping", "map.json", "--create", "--rejects", "rejects.csv",
                                    into=into, wanted=3)
            c.equal("rows", (303, 302, 1), tuple(summary["rows"][k] for k in ("read", "loaded", "rejected")))
            c.has(error, "rejected a.json element 2, reading 8: not a pair of a time and a value: \"bad\"",
                  "left out: 201 readings of 3 streams that the mapping does not name: 's3', 's4', 'y'",
                  "e.json: the mapping names none of its streams; it has 1 stream")
            c.equal("told once", 1, error.count("left out: "))
            c.equal("by file", [{"readings": 0, "streams": 0, "ids": []}, {"readings": 200, "streams": 2, "ids": ["s3", "s4"]},
                                None, {"readings": 0, "streams": 1, "ids": ["y"]}, {"readings": 1, "streams": 1, "ids": ["y"]}],
                    [r["left_out"] for r in sorted(summary["results"], key=lambda r: r["path"])])
            with (c.folder / "rejects.csv").open(newline="") as file:
                c.equal("the reading", ['{"uuid":"s1","Readings":["bad"]}'], [r["row"] for r in csv.DictReader(file)])
        c.equal("in PostgreSQL", "\n".join(f"{a}|{b}|{n}|{m}|{s if s is None else f'{s:g}'}|{t}" for a, b, n, m, s, t in wanted)
                .replace("None", ""), c.psql(url, everything))
        c.equal("times", "1970-01-01 01:39:00+00", c.psql(url, "SET timezone = 'UTC'; SELECT max(at) FROM t WHERE stream = 's2'"))
    c.equal("in SQLite", wanted, c.rows(everything))
    c.equal("a row", [("1970-01-01T00:05:00Z", "s1", None, 51)], c.rows("SELECT at, stream, celsius, humidity FROM t WHERE humidity = 51"))
    _, out, _ = run(c, *c.command("e.json", "--mapping", "map.json", "--restart")[1:])
    c.has(out, "left out: 1 reading of 1 stream that the mapping does not name: 'y'")

    # What is wrong: with the file, with a value, with the mapping.
    (c.folder / "f.json").write_text(json.dumps(stream_file(1, 100_000))[:-3] + ", [60000")
    (c.folder / "g.json").write_text('{"uuid": "s1", "Readings": [[0, 1.5], ["x", 1], [0, 2]]}\n')
    (c.folder / "h.json").write_text('{"id": "s1", "values": [[0, 1.5]]}\n')
    c.database = c.folder / "wrong.db"
    _, error = c.load("[f-h].json", "--mapping", "map.json", "--create", "--batch-size", 100, wanted=1)
    c.has(error, "f.json:1: byte ", "not JSON: incomplete JSON",
          "g.json element 1, reading 1: column 'humidity': '1.5' is not a signed 64-bit integer",
          "g.json element 1, reading 2: column 'time': 'x' is not a point in time written unix_ms",
          "h.json element 1: it has no 'Readings'")
    c.holds("what was committed before stays", c.rows("SELECT count(*) FROM t WHERE stream = 's0'")[0][0] > 50_000)
    stream_map(c, streams={"s0": {"target": "celsius"}, "s1": {"target": "celsius", "type": "text"}}, id=7)
    _, error = c.load("a.json", "--mapping", "map.json", wanted=2)
    c.has(error, "files[0].stream_map.id: must be a text", "files[0].stream_map.streams.s1.type: is text, and 'celsius' is double")
    stream_map(c, id_target="sensor")
    _, error = c.load("a.json", "--mapping", "map.json", wanted=1)
    c.has(error, "a.json: the table t has no column 'sensor'; it has at, stream, celsius, humidity")
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("CREATE UNIQUE INDEX one ON t (at, stream)")
    stream_map(c)
    (c.folder / "i.json").write_text('{"uuid": "s1", "Readings": [[0, 1], [999, 1]]}\n')
    _, error = c.load("i.json", "--mapping", "map.json", wanted=3)
    c.has(error, "i.json element 1, reading 1: ", "UNIQUE constraint failed")


def killed_json(c):
    """Killed again and again, loads of JSON end with every object and every reading once."""
    data = stream_file(5, 30_000, {(0, 100), (2, 29_000)})
    for element in data[1:3]:  # the id behind
        element["uuid"] = element.pop("uuid")
    (c.folder / "a.json").write_text(json.dumps(data))
    (c.folder / "b.ndjson").write_text("".join(json.dumps({"uuid": f"s{i % 4}", "Readings": [[i * 60_000, i]]}) + "\n"
                                               for i in range(30_000)))
    stream_map(c)
    (c.folder / "map.json").write_text((c.folder / "map.json").read_text().replace("*.json*", "*json"))
    (c.folder / "rows").mkdir()
    for i in range(4):
        lines = [json.dumps({"id": n, "note": f"ä\n{n}" if n % 3 else None, "day": f"2024-{n % 12 + 1:02}-01"})
                 for n in range(i * 20_000, (i + 1) * 20_000)]
        lines[500] = '{"id": }'
        (c.folder / "rows" / (f"f{i}.json" if i % 2 else f"f{i}.ndjson")).write_text(
            "[" + ",\n".join(lines[:500] + lines[501:]) + "]" if i % 2 else "\n".join(lines))

    def reset():
        for file in c.folder.glob("killed*.db*"):
            file.unlink()

    letters = "SELECT pipeline, seq, errors, payload FROM etl_dead_letters ORDER BY 1, 2"
    for files, count, bad, told in ((["a.json", "b.ndjson"], 112_498, 2, ["--mapping", "map.json"]),
                                    (["rows/*"], 79_996, 2, ["--key", "id"])):
        reset()
        began = time.monotonic()
        c.database = c.folder / f"undisturbed{told[0]}.db"
        c.load(*files, "--create", *told, wanted=3)
        usual = time.monotonic() - began
        everything = "SELECT * FROM t ORDER BY 1, 2, 3, 4" if "--mapping" in told else "SELECT * FROM t ORDER BY 1"
        rows, rejected = c.rows(everything), c.rows(letters)
        c.equal(f"{files}: counts", (count, bad), (len(rows), len(rejected)))
        c.database = c.folder / "killed.db"

        def check(when):
            c.equal(f"{files}, {when}: rows as of an undisturbed load", True, rows == c.rows(everything))
            c.equal(f"{files}, {when}: rejects as of an undisturbed load", rejected, c.rows(letters))

        killed_loads(c, [*c.command(*files, "--create", "--batch-size", 200, "--quiet"), *told], usual, reset, check)


def server_away(c):
    """A server that goes away is waited for, by files at work and by one that begins meanwhile, and that is said."""
    def wait_for(process, text):
        said = []
        while line := process.stderr.readline().decode():
            said.append(line)
            if text in line:
                return
        c.holds(f"'{text}' is said", False, said)

    with c.server() as (url, do):
        c.psql(url, "CREATE TABLE t (id bigint PRIMARY KEY, sku text, price numeric, day date, note text)")
        for name, first in (("begins", False), ("works", True)):
            os.mkfifo(c.folder / name)
            process = subprocess.Popen(c.command(name, "--json", "--log", "warn", "--batch-size", 100, into=url), cwd=c.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with open(c.folder / name, "w") as fifo:
                if first:
                    fifo.write(HEADER + "".join(map(line, range(1000, 20000))))  # more than one chunk
                    fifo.flush()
                    while process.poll() is None and c.psql(url, "SELECT count(*) >= 1100 FROM t") != "t":
                        time.sleep(0.01)
                do("halt")
                rows = range(20000, 20500) if first else range(1000)
                fifo.write(("" if first else HEADER) + "".join(map(line, rows)))
            wait_for(process, "the server is away: ")
            do("resume")
            _, error = process.communicate(timeout=120)
            c.equal(f"exit code {error.decode()[:1000]}", 0, process.returncode)
            c.equal("back", ["etl-csv: the server is back"], error.decode().splitlines())
        c.equal("every row once", "20500|20500", c.psql(url, "SELECT count(*), count(DISTINCT id) FROM t"))


CASES = {case.__name__: case for case in (
    folder_into_sqlite, changed_files, dropped_tables, mended_settings, types_by_option, round_trip, one_bad_row, rows_not_kept,
    resumed_summary, headers, encodings, json_objects, every_type, told_in_plain_words, bad_files, patterns, dialects, said, mapping, dry_run, after_the_load, budget, at_once,
    asked_for, types_of_sqlite, types_of_postgres, not_utf8, first_file_without_rows,
    killed_into_sqlite, left_behind, interrupted, into_postgres, killed_into_postgres, server_restarted, lost_output,
    unreadable_paths, before_the_first_file, progress, merged_once, rejected_before, json_files, json_members, readings,
    killed_json, server_away, *terminal_cases.CASES, *told_cases.CASES, *strange_cases.CASES)}


def run_cases(cases, doc, programs):
    """What these scripts do with their command line: `programs` arguments, and names of cases."""
    if sys.argv[1:] == ["--list"]:
        print("\n".join(cases))
        return 0
    if len(sys.argv) <= programs:
        sys.exit(doc)
    program, script = [*map(os.path.abspath, sys.argv[1:programs + 1]), None][:2]
    failed = 0
    for name in sys.argv[programs + 1:] or cases:
        with tempfile.TemporaryDirectory(prefix="etlpipe-csv-") as folder:
            case = Case(program, script, pathlib.Path(folder))
            try:
                cases[name](case)
            except Exception as error:  # noqa: BLE001: what a case did not foresee is a problem of it
                case.problems.append(f"{type(error).__name__}: {error}")
            print(f"{name}: {case.checks} checks, {len(case.problems)} problems")
            for problem in case.problems:
                print(f"  {problem}")
            failed += bool(case.problems)
    return failed > 0


if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__, programs=2))
