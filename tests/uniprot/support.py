"""What the tests of etl-uniprot share: running the program, reading its database, reporting cases."""
import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile

SHOWN = 20  # mismatches that are printed in full
SECONDS = 240  # for one run of the program; a run that hangs must not hang the test

# A shell starts background jobs with SIGINT ignored, and the program leaves an ignored signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Report:
    """One line per case, its mismatches below it, totals at the end."""

    def __init__(self):
        self.passed = self.failed = self.shown = 0

    def case(self, name, problems, note=""):
        """Counts a case as failed if there are problems: (place, expected, got) or a text each."""
        problems = list(problems)
        self.failed += bool(problems)
        self.passed += not problems
        print(f"{'FAIL' if problems else 'ok  '} {name}{f' ({note})' if note else ''}"
              f"{f': {len(problems)} mismatches' if problems else ''}")
        for problem in problems:
            self.shown += 1
            if self.shown <= SHOWN:
                print(f"     {problem}" if isinstance(problem, str) else
                      "     {}\n       expected {}\n       got      {}".format(*[short(p) for p in problem]))
        if problems and self.shown > SHOWN:
            print(f"     ... only the first {SHOWN} of this run are shown")

    def close(self):
        """Prints the totals and returns the exit code."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def short(value, limit=300):
    """A value on one line, cut in the middle."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= limit else f"{shown[:limit // 2]} ... {shown[-limit // 2:]}"


class Program:
    """The program under test; `last` is its last run."""

    def __init__(self, path):
        self.path = str(pathlib.Path(path).resolve())
        self.last = None

    def run(self, *arguments, **options):
        """Runs it to the end, output as bytes; no standard input unless given."""
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("timeout", SECONDS)
        self.last = subprocess.run([self.path, *map(str, arguments)], **options)
        return self.last

    def start(self, *arguments, **options):
        """Starts it and returns the running process."""
        return subprocess.Popen([self.path, *map(str, arguments)], **options)

    def ingest(self, *arguments, db, **options):
        """`ingest` into a database."""
        return self.run("ingest", *arguments, "--db", db, **options)

    def entries(self, *files, **options):
        """The objects that `inspect` prints for files, or raises AssertionError with what it said."""
        done = self.run("inspect", *files, "--format", "ndjson", **options)
        if done.returncode != 0:
            raise AssertionError(f"inspect {files[0]}: exit {done.returncode}: {message(done)}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def message(done):
    """What a finished run said on standard error, on one line."""
    return short(" | ".join(done.stderr.decode("utf-8", "replace").split("\n")).strip(" |"))


def rows(db, sql, *values):
    """The rows of a query, as dicts; the database is opened for reading only."""
    with contextlib.closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, values)]


def count(db, table="proteins"):
    """The number of rows of a table; 0 if the run never got to create it."""
    if not os.path.exists(db) or not rows(db, "SELECT 1 FROM sqlite_master WHERE name = ?", table):
        return 0
    return rows(db, f"SELECT count(*) AS n FROM {table}")[0]["n"]


@contextlib.contextmanager
def scratch():
    """A new folder, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="etl-uniprot-") as folder:
        yield pathlib.Path(folder)


class Checks:
    """What the cases of program_test.py work with: the program, a folder of their own, and what they found."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.problems, self.made = [], 0

    def run(self, case):
        """Runs a case; one that breaks off, or checks nothing, has failed."""
        try:
            case(self)
        except (AssertionError, OSError, ValueError, KeyError, sqlite3.Error, subprocess.SubprocessError) as error:
            self.problems.append(f"broke off: {type(error).__name__}: {error}")
        if not self.made:
            self.problems.append("nothing was checked")

    def equal(self, what, wanted, got):
        """Two values are the same."""
        self.made += 1
        if wanted != got:
            self.problems.append((what, wanted, got))

    def true(self, what, holds, got=""):
        """Something holds; `got` is shown if not."""
        self.made += 1
        if not holds:
            self.problems.append((what, "yes", got if got != "" else "no"))

    def code(self, what, done, *wanted):
        """A run ended with one of these exit codes."""
        self.made += 1
        if done.returncode not in wanted:
            wanted = " or ".join(map(str, wanted))
            self.problems.append((f"{what}: exit code", wanted, f"{done.returncode}: {message(done)}"))

    def says(self, what, done, pattern):
        """Standard error matches a pattern."""
        said = done.stderr.decode("utf-8", "replace")
        self.true(f"{what}: says /{pattern}/", re.search(pattern, said, re.I), message(done) or "(nothing)")

    def file(self, name, data):
        """A new file with these bytes."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def generate(self, entries, name="good.dat", *options):
        """A file made by the program, and its bytes."""
        path = self.folder / name
        done = self.program.run("generate", "--entries", entries, "--out", path, *options)
        if done.returncode != 0:
            raise AssertionError(f"generate: exit {done.returncode}: {message(done)}")
        return path, path.read_bytes()

    def db(self, name="x"):
        """The path of a database that is not there yet."""
        path = self.folder / f"{name}.sqlite"
        for old in self.folder.glob(f"{path.name}*"):
            old.unlink()
        return path

    def load(self, *arguments, db, wanted=0, **options):
        """Ingests and expects an exit code."""
        done = self.program.ingest(*arguments, db=db, **options)
        self.code(f"ingest {' '.join(pathlib.Path(str(a)).name for a in arguments)}", done, wanted)
        return done


def split(data):
    """The entries of a file, each with its // line."""
    return [part for part in re.split(rb"(?<=\n//\n)", data) if part]


def accessions(data):
    """The primary accession of each entry of a file."""
    return [re.search(rb"^AC   (\w+)", part, re.M)[1].decode() for part in split(data)]


def loaded(db):
    """The accessions in a database, sorted."""
    return [row["accession"] for row in rows(db, "SELECT accession FROM proteins ORDER BY 1")] if count(db) else []


def by_name(cases):
    """The cases by the names of their functions; a name that is there twice is an error, lest one case hide another."""
    named = {}
    for case in cases:
        if named.setdefault(case.__name__, case) is not case:
            raise ValueError(f"two cases are named {case.__name__}: "
                             f"{named[case.__name__].__module__} and {case.__module__}")
    return named


def select(cases, names):
    """The named cases, all without names; an unknown name is an error, lest a misspelt case pass."""
    unknown = [name for name in names if name not in cases]
    if unknown:
        sys.exit(f"unknown case {unknown[0]}; there are: {' '.join(cases)}")
    return {name: case for name, case in cases.items() if not names or name in names}
