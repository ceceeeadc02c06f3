"""Tests etl-dlq from outside, on databases and a file with the same letters; without ETLPIPE_POSTGRES PostgreSQL is left out."""
import contextlib
import json
import re
import sqlite3

from command_line import agrees
from harness import Case, cases_of
from stores import POSTGRES, Postgres, psql

MICROSECOND = 1_700_000_000_123_456
TIME = "2023-11-14T22:13:20.123456Z"
BINARY = b"\x00\xff\n"
# (id, pipeline, run, partition, seq, batch, position, stage, attempts, errors, payload, partition_id), in the order of a list
LETTERS = [
    ("a1", "orders", "run-1", 0, 3, 0, None, "transform", 1, ["bad\tprice\x1b[31m", "no number"], b"x;y\n\xc3\xa9", "day 1.csv"),
    ("a2", "orders", "run-1", 0, 20, 2, "byte 12", "load", 3, [], BINARY, "day 1.csv"),
    ("a3", "orders", "run-2", 1, 1, 0, None, "load", 1, ["CHECK failed"], None, "day\t2.csv"),
    ("b1", "proteins", "run-9", 0, 0, 0, None, "transform", 1, ["line 1\nline 2"], b"", ""),
]
# Format 4 of the tables, which reading leaves as it is in SQLite, and brings to format 5 in PostgreSQL.
SCHEMA = """
CREATE TABLE etl_store(format INTEGER NOT NULL);
INSERT INTO etl_store VALUES(4);
CREATE TABLE etl_dead_letters(
  id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, run TEXT NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL,
  batch INTEGER NOT NULL, position TEXT, stage TEXT NOT NULL, attempts INTEGER NOT NULL, errors TEXT, time INTEGER NOT NULL, payload BLOB,
  partition_id TEXT NOT NULL);
"""
SCHEMA_OF_POSTGRES = """
CREATE TABLE etl_store(format bigint NOT NULL);
INSERT INTO etl_store VALUES(4);
CREATE TABLE etl_dead_letters(
  id text PRIMARY KEY, pipeline text NOT NULL, run text NOT NULL, partition bigint NOT NULL, seq bigint NOT NULL,
  batch bigint NOT NULL, position text, stage text NOT NULL, attempts bigint NOT NULL, errors text[] NOT NULL, time timestamptz NOT NULL,
  payload bytea, partition_id text NOT NULL);
"""


class DlqCase(Case):
    """All kinds of store with the same letters."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.schemas = contextlib.ExitStack()
        self.database, self.ndjson = self.folder / "letters.db", self.folder / "letters.ndjson"
        with contextlib.closing(sqlite3.connect(self.database)) as db:
            db.executescript(SCHEMA)
            for one in reversed(LETTERS):
                errors = "\n".join(e.replace("\\", "\\\\").replace("\n", "\\n") for e in one[9]) if one[9] else None
                db.execute("INSERT INTO etl_dead_letters VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                           (*one[:9], errors, MICROSECOND, *one[10:]))
            db.commit()
        self.url = self.schema() if POSTGRES else None
        if self.url:
            psql(self.url, SCHEMA_OF_POSTGRES + "INSERT INTO etl_dead_letters VALUES" +
                 ",".join(self.values(one) for one in reversed(LETTERS)))
        with open(self.ndjson, "w", encoding="utf-8") as lines:
            for one in reversed(LETTERS):
                lines.write(json.dumps(self.line(one)) + "\n")

    def close(self):
        self.schemas.close()

    def schema(self):
        """The URL of a new schema."""
        return self.schemas.enter_context(Postgres()).url

    @staticmethod
    def values(one):
        """A letter as a row of SQL."""
        def literal(text):
            return "NULL" if text is None else "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

        errors = ",".join(literal(e.replace("\\", "\\\\").replace("\n", "\\n")) for e in one[9])
        texts = [v if isinstance(v, int) else literal(v) for v in one[:9]]
        payload = "NULL" if one[10] is None else f"'\\x{one[10].hex()}'"
        return f"({','.join(map(str, texts))},ARRAY[{errors}]::text[],'{TIME}',{payload},{literal(one[11])})"

    @staticmethod
    def line(one):
        line = dict(zip(("id", "pipeline", "run", "partition", "seq", "batch", "position", "stage", "attempts", "errors"), one))
        if one[10] == BINARY:
            line["payload_base64"] = "AP8K"
        elif one[10] is not None:
            line["payload"] = one[10].decode()
        if one[11]:
            line["partition_id"] = one[11]
        return {"v": 3, **line, "time": TIME}

    def names(self):
        return [f"sqlite:{self.database}", str(self.ndjson), *([self.url] if self.url else [])]

    def good(self, *arguments):
        """What the program prints, without a word on standard error."""
        done = self.program.run(*arguments)
        self.code(" ".join(map(str, arguments)), done, 0)
        self.equal(f"{' '.join(map(str, arguments))}: standard error", b"", done.stderr)
        return done.stdout

    def bad(self, code, parts, *arguments):
        """The program refuses, and says all `parts`."""
        done = self.program.run(*arguments)
        self.code(" ".join(map(str, arguments)), done, code)
        self.has(done.stderr.decode(), *parts)
        return done

    def ids(self, store, *arguments):
        return [json.loads(line)["id"] for line in self.good("list", store, "--json", *arguments).splitlines()]


case = cases_of(DlqCase)


@case
def command_line(c):
    agrees(c, ["list", "show", "payload", "purge", "stats"])


@case
def list_as_json(c):
    """All stores give the same lines, and these are a store again."""
    outputs = []
    for store in c.names():
        outputs.append(c.good("list", store, "--json"))
        lines = [json.loads(line) for line in outputs[-1].splitlines()]
        expected = [{k: v for k, v in c.line(one).items() if v is not None} for one in LETTERS]
        c.equal(f"list {store} --json", expected, lines)
        c.equal("letters of orders", ["a1", "a2", "a3"], c.ids(store, "--pipeline", "orders"))
        c.equal("letters of none", [], c.ids(store, "--pipeline", "none"))
    for output in outputs[1:]:
        c.equal("the stores' lines", outputs[0], output)
    copy = c.folder / "copy.ndjson"
    copy.write_bytes(outputs[0])
    c.equal("the lines as a store", outputs[0], c.good("list", copy, "--json"))


@case
def list_as_table(c):
    for store in c.names():
        lines = c.good("list", store).decode().splitlines()
        c.equal("lines", 1 + len(LETTERS), len(lines))
        c.equal("header", ["ID", "PIPELINE", "PART", "SEQ", "STAGE", "TRIES", "TIME", "ERROR"], lines[0].split())
        c.equal("line of a1", ["a1", "orders", "0", "3", "transform", "1", "2023-11-14T22:13:20Z", "bad price [31m"], lines[1].split(maxsplit=7))
        c.lacks("".join(lines), "\x1b")  # a letter must not steer the terminal


@case
def show(c):
    for store in c.names():
        text = c.good("show", store, "a1").decode()
        c.has(text, "id         a1\n", "pipeline   orders\n", "run        run-1\n", "partition  0: day 1.csv\n", "seq        3\n", "batch      0\n",
               "position   -\n",
               "stage      transform\n", "attempts   1\n", "time       2023-11-14T22:13:20Z\n",
               "error      bad price [31m\ncaused by  no number\n", "payload    6 bytes")
        text = c.good("show", store, "a2").decode()
        c.has(text, "batch      2\nposition   byte 12\n")
        c.lacks(text, "error")
        text = c.good("show", store, "a3").decode()
        c.has(text, "no `serialize` and no `describe`", "partition  1: day 2.csv\n")
        c.has(c.good("show", store, "b1").decode(), "partition  0\n")
        c.equal("show --json", {k: v for k, v in c.line(LETTERS[1]).items() if v is not None},
                json.loads(c.good("show", store, "a2", "--json")))
        c.bad(1, ["no letter with the id none", "etl-dlq list"], "show", store, "none")


@case
def payload(c):
    for store in c.names():
        for one in LETTERS:
            if one[10] is not None:
                c.equal(f"payload of {one[0]}", one[10], c.good("payload", store, one[0]))
        c.equal("output", b"", c.bad(1, ["a3", "no payload", "`describe`"], "payload", store, "a3").stdout)
        c.bad(1, ["no letter"], "payload", store, "a")


@case
def purge_ids(c):
    for store in c.names():
        c.equal("purge", b"2 purged\n", c.good("purge", store, "a1", "b1", "a1"))
        c.equal("letters left", ["a2", "a3"], c.ids(store))
        done = c.bad(1, ["there is no letter for 1 of these ids"], "purge", store, "a2", "a1")
        c.equal("purge", b"1 purged\n", done.stdout)
        c.equal("letters left", ["a3"], c.ids(store))


@case
def purge_many(c):
    for store in c.names():
        c.equal("purge", b"3 purged\n", c.good("purge", store, "--pipeline", "orders"))
        c.equal("letters left", ["b1"], c.ids(store))
        c.equal("purge", b"0 purged\n", c.good("purge", store, "--pipeline", "orders"))
        c.equal("purge", b"1 purged\n", c.good("purge", store, "--all"))
        c.equal("letters left", [], c.ids(store))
        for arguments in ([], ["--all", "a1"], ["--all", "--pipeline", "p"], ["--pipeline", "p", "a1"]):
            c.bad(2, ["--all"] if "p" not in arguments else ["--pipeline"], "purge", store, *arguments)


@case
def stats(c):
    for store in c.names():
        lines = [line.split() for line in c.good("stats", store).decode().splitlines()]
        time = "2023-11-14T22:13:20Z"
        c.equal("stats", [["orders", "load", "2", "3", time, time], ["orders", "transform", "1", "6", time, time],
                          ["proteins", "transform", "1", "0", time, time], ["4", "letters"]], lines[1:])
        found = [json.loads(line) for line in c.good("stats", store, "--json").splitlines()]
        c.equal("stats --json", {"pipeline": "orders", "stage": "load", "letters": 2, "payload_bytes": 3, "oldest": time, "newest": time},
                found[0])
        c.equal("lines of stats --json", 3, len(found))


@case
def wrong_usage(c):
    for arguments in ([], ["list"], ["lost", c.ndjson], ["show", c.ndjson], ["list", c.ndjson, "--jsn"]):
        c.bad(2, [], *arguments)
    for command in ("list", "stats", "purge"):
        more = ["--all"] if command == "purge" else []
        c.bad(2, ["none.ndjson", "no such file"], command, c.folder / "none.ndjson", *more)
        c.bad(2, ["none.db", "no such file"], command, f"sqlite:{c.folder / 'none.db'}", *more)
        c.bad(2, [f"sqlite:{c.database}", ".ndjson"], command, c.database, *more)
    c.equal("files", ["letters.db", "letters.ndjson"], sorted(p.name for p in c.folder.iterdir()))
    c.has(c.good("--help"), b"Exit codes")
    c.has(c.good("list", "--help"), b"sqlite:PATH")
    c.holds("version", c.good("--version").startswith(b"etl-dlq "))


@case
def not_a_store(c):
    """What is no store is refused, and does not become one."""
    other = c.folder / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine(a)")
        db.commit()
    for command in (["list"], ["purge", "--all"]):
        c.bad(2, ["other.db", "etl_store"], command[0], f"sqlite:{other}", *command[1:])
    with contextlib.closing(sqlite3.connect(other)) as db:
        c.equal("tables", [("mine",)], db.execute("SELECT name FROM sqlite_master").fetchall())
    with contextlib.closing(sqlite3.connect(c.database)) as db:
        db.execute("UPDATE etl_store SET format=7")
        db.commit()
    c.bad(2, ["format 7", "version of etlpipe"], "list", f"sqlite:{c.database}")
    if c.url:
        empty = c.schema()
        for command in (["list"], ["purge", "--all"]):
            c.bad(2, ["etl_store", "search_path"], command[0], empty, *command[1:])
        c.equal("tables", "", psql(empty, "SELECT to_regclass('etl_store')"))
        psql(c.url, "UPDATE etl_store SET format=7")
        c.bad(2, ["format 7", "version of etlpipe"], "list", c.url)
        c.bad(2, ["password", "PGPASSWORD"], "list", re.sub("//[^@]*@", "//nobody@", c.url))
    (c.folder / "text.db").write_text("no database at all, but a text of some length" * 50)
    c.bad(2, ["text.db", "not a database"], "list", f"sqlite:{c.folder / 'text.db'}")


@case
def damaged_file(c):
    with open(c.ndjson, "a", encoding="utf-8") as lines:
        lines.write('{"v":1,"id":"torn')  # by a writer that died
    c.equal("letters beside a torn one", len(LETTERS), len(c.ids(c.ndjson)))
    with open(c.ndjson, "a", encoding="utf-8") as lines:
        lines.write("\n")
    for command in (["list"], ["stats"], ["show", "a1"], ["payload", "a1"], ["purge", "a1"], ["purge", "--all"]):
        c.bad(1, ["letters.ndjson, line 5, byte ", "correct or remove"], command[0], c.ndjson, *command[1:])


@case
def output_full(c):
    with open("/dev/full", "wb") as full:
        done = c.program.run("list", c.ndjson, stdout=full)
    c.code("with a full disk", done, 1)
    c.has(done.stderr, b"standard output")
