"""Where results go: full and closed outputs, databases that cannot be written, the report as JSON."""
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess

from harness import SECONDS, Program
from program.bad_input import mixed
from uniprot_case import accessions, case, count, loaded, rows

NOBODY = 65534


@case
def full_device(c):
    """inspect onto a full device is an error that says so."""
    path, _ = c.generate(200)
    for form in ("ndjson", "json", "fasta", "dat"):
        with open("/dev/full", "wb") as full:
            done = c.program.run("inspect", path, "--format", form, stdout=full)
        c.code(form, done, 1)
        c.says(form, done, "space|full|write|output")


@case
def closed_output(c):
    """A reader that goes away, as `head -1` does, is no crash, and ends the program."""
    path, _ = c.generate(3000)
    for form in ("ndjson", "fasta", "dat"):
        child = c.program.start("inspect", path, "--format", form, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        c.holds(f"{form}: a first line", child.stdout.readline())
        child.stdout.close()
        said = child.stderr.read().decode("utf-8", "replace")
        child.stderr.close()
        code = child.wait(SECONDS)
        c.holds(f"{form}: ends by itself", code in (0, 1, 4, 141, -signal.SIGPIPE), f"{code}: {said}")
        c.holds(f"{form}: no abort", "terminate" not in said and "abort" not in said.lower(), said)


def readable_copy(c):
    """The program where another user can run it."""
    c.folder.chmod(0o755)
    copy = c.folder / "program"
    shutil.copy(c.program.path, copy)
    copy.chmod(0o755)
    return Program(copy, c.folder)


@case
def read_only(c):
    """A database that may not be written: an error, and it stays as it was."""
    path, _ = c.generate(20)
    other, _ = c.generate(20, "other.dat", "--seed", "9")
    db = c.db()
    c.load(path, db=db)
    before = db.read_bytes()
    program, user = (readable_copy(c), {"user": NOBODY}) if os.geteuid() == 0 else (c.program, {})
    db.chmod(0o444)
    other.chmod(0o644)
    c.folder.chmod(0o555)
    try:
        done = program.run("ingest", other, "--db", db, **user)
    finally:
        c.folder.chmod(0o755)
    c.code("read-only database", done, 1, 2)
    c.says("read-only database", done, "read-?only|permission|writ|open")
    c.equal("the database is unchanged", before, db.read_bytes())


@case
def not_a_database(c):
    """A file that is no database is refused and left alone."""
    path, _ = c.generate(5)
    text = c.file("x.txt", b"precious text\n" * 100)
    done = c.ingest(path, db=text)
    c.code("a text as database", done, 1, 2)
    c.says("a text as database", done, r"x\.txt|database")
    c.equal("the text is unchanged", b"precious text\n" * 100, text.read_bytes())


@case
def locked(c):
    """A database that another connection has locked: an error that says so, and afterwards all loads."""
    path, data = c.generate(20)
    db = c.db()
    c.load(path, db=db)
    other, more = c.generate(20, "other.dat", "--seed", "9")
    connection = sqlite3.connect(db, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        done = c.ingest(other, db=db)
        c.code("locked database", done, 1)
        c.says("locked database", done, "lock|busy")
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    c.load(other, db=db)
    c.equal("accessions", sorted({*accessions(data), *accessions(more)}), loaded(db))


@case
def database_that_cannot_grow(c):
    """No room for the database: an error, and what is there is sound and whole."""
    path, data = c.generate(3000)
    limit = 256 << 10
    db = c.db()
    # SIGXFSZ stays ignored, as Python has it, so that the write fails as on a full disk.
    done = c.ingest(path, db=db, restore_signals=False,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    c.code("no room", done, 1)
    c.says("no room", done, "full|disk|space|write|I/O|large")
    c.holds("not all was loaded", count(db) < len(accessions(data)), count(db))
    if db.exists() and db.stat().st_size:
        c.equal("integrity", "ok", rows(db, "PRAGMA integrity_check")[0]["integrity_check"])
        c.holds("only whole entries", set(loaded(db)) <= set(accessions(data)))
    c.load(path, db=db)
    c.equal("with room again", sorted(accessions(data)), loaded(db))


def ledgers(value):
    """Every object in a report that has a ledger of items."""
    if isinstance(value, dict):
        if "extracted" in value:
            yield value
        for part in value.values():
            yield from ledgers(part)
    elif isinstance(value, list):
        for part in value:
            yield from ledgers(part)


@case
def report(c):
    """--json is one JSON object whose ledgers balance and agree with the database."""
    path, good, bad = mixed(c, 50, 3)
    for options, filtered in ((), 0), (("--taxon", "4242"), len(good)), (("--workers", "4", "--batch-size", "5"), 0):
        db = c.db()
        # A broken entry is a reject whatever is selected: what it is of cannot be told for sure.
        done = c.load(path, "--json", *options, db=db, wanted=3)
        found = list(ledgers(json.loads(done.stdout)))
        c.holds(f"{options}: has ledgers", found)
        for items in found:
            parts = ("loaded", "filtered", "rejected", "skipped", "abandoned")
            c.equal(f"{options}: items balance", items["extracted"], sum(items.get(part, 0) for part in parts))
        items = found[0] if found else {}
        wanted = {"extracted": 53, "filtered": filtered, "loaded": 0 if filtered else len(good),
                  "rejected": len(bad)}
        c.equal(f"{options}: items", wanted, {key: items.get(key) for key in wanted})
        c.equal(f"{options}: rows", wanted["loaded"], count(db))
        c.equal(f"{options}: rejects", wanted["rejected"], count(db, "rejects"))
    for what, arguments, code in (("missing file", (c.folder / "gone",), 2),
                                  ("clean", (c.generate(5, "clean.dat")[0],), 0)):
        done = c.load(*arguments, "--json", db=c.db("other"), wanted=code)
        if done.stdout.strip():
            c.holds(f"{what}: one object", isinstance(json.loads(done.stdout), dict))


@case
def quiet(c):
    """--quiet says nothing on success, and still says errors."""
    path, _ = c.generate(10)
    done = c.load(path, "--quiet", db=c.db())
    c.equal("output", (b"", b""), (done.stdout, done.stderr))
    done = c.load(c.folder / "gone.dat", "--quiet", db=c.db(), wanted=2)
    c.says("missing file", done, "gone")
