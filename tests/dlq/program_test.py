#!/usr/bin/env python3
"""Tests etl-dlq from outside, on databases and a file with the same letters. The environment variable ETLPIPE_POSTGRES
names the folder of a server, whose URL is in its file `url`; without it PostgreSQL is left out.

    program_test.py PROGRAM [CASE...]   all cases without CASE
    program_test.py --list              names of the cases
"""
import contextlib
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile

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
# Format 3: what was written by it must stay readable.
SCHEMA = """
CREATE TABLE etl_store(format INTEGER NOT NULL);
INSERT INTO etl_store VALUES(3);
CREATE TABLE etl_dead_letters(
  id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, run TEXT NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL,
  batch INTEGER NOT NULL, position TEXT, stage TEXT NOT NULL, attempts INTEGER NOT NULL, errors TEXT, time INTEGER NOT NULL, payload BLOB,
  partition_id TEXT NOT NULL);
"""
SCHEMA_OF_POSTGRES = """
CREATE TABLE etl_store(format bigint NOT NULL);
INSERT INTO etl_store VALUES(3);
CREATE TABLE etl_dead_letters(
  id text PRIMARY KEY, pipeline text NOT NULL, run text NOT NULL, partition bigint NOT NULL, seq bigint NOT NULL,
  batch bigint NOT NULL, position text, stage text NOT NULL, attempts bigint NOT NULL, errors text[] NOT NULL, time timestamptz NOT NULL,
  payload bytea, partition_id text NOT NULL);
"""


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(got, expected, what):
    check(got == expected, f"{what}: expected {expected!r}, got {got!r}")


class Stores:
    """All kinds of store, in a folder and a schema of their own."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.database, self.file = folder / "letters.db", folder / "letters.ndjson"
        with contextlib.closing(sqlite3.connect(self.database)) as db:
            db.executescript(SCHEMA)
            for one in reversed(LETTERS):
                errors = "\n".join(e.replace("\\", "\\\\").replace("\n", "\\n") for e in one[9]) if one[9] else None
                db.execute("INSERT INTO etl_dead_letters VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                           (*one[:9], errors, MICROSECOND, *one[10:]))
            db.commit()
        self.url = self.make_schema("letters") if "ETLPIPE_POSTGRES" in os.environ else None
        if self.url:
            literal = lambda text: "NULL" if text is None else "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"  # noqa: E731
            values = []
            for one in reversed(LETTERS):
                errors = ",".join(literal(e.replace("\\", "\\\\").replace("\n", "\\n")) for e in one[9])
                texts = [v if isinstance(v, int) else literal(v) for v in one[:9]]
                payload = "NULL" if one[10] is None else f"'\\x{one[10].hex()}'"
                values.append(f"({','.join(map(str, texts))},ARRAY[{errors}]::text[],'{TIME}',{payload},{literal(one[11])})")
            self.psql(self.url, SCHEMA_OF_POSTGRES + "INSERT INTO etl_dead_letters VALUES" + ",".join(values))
        with open(self.file, "w", encoding="utf-8") as lines:
            for one in reversed(LETTERS):
                lines.write(json.dumps(self.line(one)) + "\n")

    @staticmethod
    def psql(url, sql):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", sql], check=False, timeout=60,
                              capture_output=True, text=True)
        check(done.returncode == 0, f"psql: {done.stderr}")
        return done.stdout.strip()

    def make_schema(self, name):
        """The URL of a schema, which is new."""
        url = (pathlib.Path(os.environ["ETLPIPE_POSTGRES"]) / "url").read_text(encoding="utf-8").strip()
        schema = f"dlq_{name}_{os.getpid()}"
        self.psql(url, f"SET client_min_messages=error; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"

    @staticmethod
    def line(one):
        line = dict(zip(("id", "pipeline", "run", "partition", "seq", "batch", "position", "stage", "attempts", "errors"), one))
        if one[10] == BINARY:
            line["payload_base64"] = "AP8K"
        elif one[10] is not None:
            line["payload"] = one[10].decode()
        if one[11]:
            line["partition_id"] = one[11]
        return {"v": 2, **line, "time": TIME}

    def names(self):
        return [f"sqlite:{self.database}", str(self.file), *([self.url] if self.url else [])]

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, timeout=60, check=False)
        done.what = f"etl-dlq {' '.join(map(str, arguments))}"
        done.err = done.stderr.decode()
        return done

    def good(self, *arguments):
        done = self.run(*arguments)
        check(done.returncode == 0 and not done.err, f"{done.what}: exit {done.returncode}: {done.err}")
        return done.stdout

    def bad(self, code, parts, *arguments):
        """The program refuses, and says all `parts`."""
        done = self.run(*arguments)
        equal(done.returncode, code, f"{done.what}: exit code ({done.err})")
        for part in parts:
            check(part in done.err, f"{done.what}: '{part}' is not in: {done.err}")
        return done

    def ids(self, store, *arguments):
        return [json.loads(line)["id"] for line in self.good("list", store, "--json", *arguments).splitlines()]


def list_as_json(s):
    """All stores give the same lines, and these are a store again."""
    outputs = []
    for store in s.names():
        outputs.append(s.good("list", store, "--json"))
        lines = [json.loads(line) for line in outputs[-1].splitlines()]
        expected = [{k: v for k, v in s.line(one).items() if v is not None} for one in LETTERS]
        equal(lines, expected, f"list {store} --json")
        equal(s.ids(store, "--pipeline", "orders"), ["a1", "a2", "a3"], "letters of orders")
        equal(s.ids(store, "--pipeline", "none"), [], "letters of none")
    for output in outputs[1:]:
        equal(output, outputs[0], "the stores' lines")
    copy = s.folder / "copy.ndjson"
    copy.write_bytes(outputs[0])
    equal(s.good("list", copy, "--json"), outputs[0], "the lines as a store")


def list_as_table(s):
    for store in s.names():
        lines = s.good("list", store).decode().splitlines()
        equal(len(lines), 1 + len(LETTERS), "lines")
        check(lines[0].split() == ["ID", "PIPELINE", "PART", "SEQ", "STAGE", "TRIES", "TIME", "ERROR"], lines[0])
        equal(lines[1].split(maxsplit=7),
              ["a1", "orders", "0", "3", "transform", "1", "2023-11-14T22:13:20Z", "bad price [31m"], "line of a1")
        check(all("\x1b" not in line for line in lines), "a letter may steer the terminal")


def show(s):
    for store in s.names():
        text = s.good("show", store, "a1").decode()
        for part in ("id         a1\n", "pipeline   orders\n", "run        run-1\n", "partition  0: day 1.csv\n", "seq        3\n", "batch      0\n",
                     "position   -\n",
                     "stage      transform\n", "attempts   1\n", "time       2023-11-14T22:13:20Z\n",
                     "error      bad price [31m\ncaused by  no number\n", "payload    6 bytes"):
            check(part in text, f"'{part}' is not in {text}")
        text = s.good("show", store, "a2").decode()
        check("batch      2\nposition   byte 12\n" in text and "error" not in text, text)
        text = s.good("show", store, "a3").decode()
        check("no `serialize` and no `describe`" in text and "partition  1: day 2.csv\n" in text, text)
        check("partition  0\n" in s.good("show", store, "b1").decode(), "b1")
        s.bad(1, ["no letter with the id none", "etl-dlq list"], "show", store, "none")


def payload(s):
    for store in s.names():
        for one in LETTERS:
            if one[10] is not None:
                equal(s.good("payload", store, one[0]), one[10], f"payload of {one[0]}")
        equal(s.bad(1, ["a3", "no payload", "`describe`"], "payload", store, "a3").stdout, b"", "output")
        s.bad(1, ["no letter"], "payload", store, "a")


def purge_ids(s):
    for store in s.names():
        equal(s.good("purge", store, "a1", "b1", "a1"), b"2 purged\n", "purge")
        equal(s.ids(store), ["a2", "a3"], "letters left")
        done = s.bad(1, ["1 of these ids had no letter"], "purge", store, "a2", "a1")
        equal(done.stdout, b"1 purged\n", "purge")
        equal(s.ids(store), ["a3"], "letters left")


def purge_many(s):
    for store in s.names():
        equal(s.good("purge", store, "--pipeline", "orders"), b"3 purged\n", "purge")
        equal(s.ids(store), ["b1"], "letters left")
        equal(s.good("purge", store, "--pipeline", "orders"), b"0 purged\n", "purge")
        equal(s.good("purge", store, "--all"), b"1 purged\n", "purge")
        equal(s.ids(store), [], "letters left")
        for arguments in ([], ["--all", "a1"], ["--all", "--pipeline", "p"], ["--pipeline", "p", "a1"]):
            s.bad(2, ["--all"] if "p" not in arguments else ["--pipeline"], "purge", store, *arguments)


def stats(s):
    for store in s.names():
        lines = [line.split() for line in s.good("stats", store).decode().splitlines()]
        time = "2023-11-14T22:13:20Z"
        equal(lines[1:], [["orders", "load", "2", "3", time, time], ["orders", "transform", "1", "6", time, time],
                          ["proteins", "transform", "1", "0", time, time], ["4", "letters"]], "stats")


def wrong_usage(s):
    for arguments in ([], ["list"], ["lost", s.file], ["show", s.file], ["list", s.file, "--jsn"]):
        s.bad(2, [], *arguments)
    for command in ("list", "stats", "purge"):
        more = ["--all"] if command == "purge" else []
        s.bad(2, ["none.ndjson", "no such file"], command, s.folder / "none.ndjson", *more)
        s.bad(2, ["none.db", "no such file"], command, f"sqlite:{s.folder / 'none.db'}", *more)
        s.bad(2, [f"sqlite:{s.database}", ".ndjson"], command, s.database, *more)
    equal(sorted(p.name for p in s.folder.iterdir()), ["letters.db", "letters.ndjson"], "files")
    check(b"Exit codes" in s.good("--help") and b"sqlite:PATH" in s.good("list", "--help"), "help")
    check(s.good("--version").startswith(b"etl-dlq "), "version")


def not_a_store(s):
    """What is no store is refused, and does not become one."""
    other = s.folder / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine(a)")
        db.commit()
    for command in (["list"], ["purge", "--all"]):
        s.bad(2, ["other.db", "etl_store"], command[0], f"sqlite:{other}", *command[1:])
    with contextlib.closing(sqlite3.connect(other)) as db:
        equal(db.execute("SELECT name FROM sqlite_master").fetchall(), [("mine",)], "tables")
    with contextlib.closing(sqlite3.connect(s.database)) as db:
        db.execute("UPDATE etl_store SET format=7")
        db.commit()
    s.bad(2, ["format 7", "version of etlpipe"], "list", f"sqlite:{s.database}")
    if s.url:
        empty = s.make_schema("empty")
        for command in (["list"], ["purge", "--all"]):
            s.bad(2, ["etl_store", "search_path"], command[0], empty, *command[1:])
        equal(s.psql(empty, "SELECT to_regclass('etl_store')"), "", "tables")
        s.psql(s.url, "UPDATE etl_store SET format=7")
        s.bad(2, ["format 7", "version of etlpipe"], "list", s.url)
        s.bad(2, ["password", "PGPASSWORD"], "list", re.sub("//[^@]*@", "//nobody@", s.url))
    (s.folder / "text.db").write_text("no database at all, but a text of some length" * 50)
    s.bad(2, ["text.db", "not a database"], "list", f"sqlite:{s.folder / 'text.db'}")


def damaged_file(s):
    with open(s.file, "a", encoding="utf-8") as lines:
        lines.write('{"v":1,"id":"torn')  # by a writer that died
    equal(len(s.ids(s.file)), len(LETTERS), "letters beside a torn one")
    with open(s.file, "a", encoding="utf-8") as lines:
        lines.write("\n")
    for command in (["list"], ["stats"], ["show", "a1"], ["payload", "a1"], ["purge", "a1"], ["purge", "--all"]):
        s.bad(1, ["letters.ndjson, line 5, byte ", "correct or remove"], command[0], s.file, *command[1:])


def output_full(s):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([s.program, "list", s.file], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    equal(done.returncode, 1, "exit code with a full disk")
    check(b"standard output" in done.stderr, done.stderr)


CASES = {case.__name__: case for case in (list_as_json, list_as_table, show, payload, purge_ids, purge_many, stats,
                                          wrong_usage, not_a_store, damaged_file, output_full)}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    names = sys.argv[2:] or list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"unknown case {unknown[0]}; there are: {' '.join(CASES)}")
    failed = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix="etl-dlq-") as folder:
            try:
                CASES[name](Stores(str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(folder)))
                print(f"ok   {name}")
            except Failed as problem:
                failed += 1
                print(f"FAIL {name}: {problem}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
