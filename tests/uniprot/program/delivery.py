"""What an ingest leaves for the next one: kills, full disks, locks, changed files, dry runs, dead letters."""
import contextlib
import json
import random
import resource
import signal
import sqlite3
import subprocess
import time

from harness import SECONDS, SOAK
from program.output import ledgers
from uniprot_case import case, count, rows

KILLS = 200 if SOAK else 20
TABLES = ("proteins", "rejects", "accessions", "features", "publications")


def release(c, entries=6000):
    """A file with a bad entry every 500, and how many there are."""
    path, data = c.generate(entries)
    parts = data.split(b"\n//\n")
    for i in range(100, entries, 500):
        parts[i] = parts[i].replace(b"\nSQ   SEQUENCE", b"\nSX   SEQUENCE", 1)
    path.write_bytes(b"\n//\n".join(parts))
    return path, len(range(100, entries, 500))


def contents(db):
    """All rows and the dead letters, but for what belongs to a run: its name and times."""
    found = {table: [tuple(value for name, value in r.items() if name != "loaded_at")
                     for r in rows(db, f"SELECT * FROM {table} ORDER BY 1, 2")] for table in TABLES}
    found["letters"] = [tuple(r.values()) for r in rows(
        db, "SELECT id, pipeline, partition, seq, stage, attempts, errors, payload FROM etl_dead_letters ORDER BY id")]
    return found


def same(c, what, wanted, got):
    """Two contents are the same, row for row."""
    for table, expected in wanted.items():
        c.equal(f"{what}: rows of {table}", len(expected), len(got[table]))
        different = [(a, b) for a, b in zip(expected, got[table]) if a != b]
        c.holds(f"{what}: {table} as in an undisturbed ingest", not different, str(different[:1]))


def undisturbed(c, path, bad):
    db = c.db("undisturbed")
    c.load(path, "--tables", "full", "--workers", 2, "--batch-size", 100, db=db, wanted=3)
    c.equal("bad entries", bad, count(db, "rejects"))
    return contents(db)


@case
def killed_at_any_moment(c):
    """SIGKILL, again and again, until the ingest ends: the database equals that of an undisturbed one."""
    path, bad = release(c)
    begin = time.monotonic()
    wanted = undisturbed(c, path, bad)
    usual = time.monotonic() - begin
    done = resumed = seed = 0
    while done < KILLS:
        seed += 1
        chance = random.Random(seed)
        db = c.db("killed")
        while True:
            child = c.program.start("ingest", path, "--db", db, "--tables", "full", "--workers", 2, "--batch-size",
                                    100, "--json", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                out, _ = child.communicate(timeout=chance.uniform(0, usual))
                break
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.communicate()
                done += 1
        c.holds(f"seed {seed}: ends well", child.returncode in (0, 3), child.returncode)
        resumed += b'"resumed":true' in out
        same(c, f"seed {seed}", wanted, contents(db))
    c.holds("some ingests went on where they were", resumed > 0)


@case
def full_disk(c):
    """A file that may not grow fails the ingest; with room again it goes on, and nothing is missing."""
    path, bad = release(c, 3000)
    wanted = undisturbed(c, path, bad)
    db = c.db("full")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
    done = c.ingest(path, "--tables", "full", "--batch-size", 100, db=db, preexec_fn=limit)
    c.code("no room", done, 1)
    before = count(db)
    c.holds("a part is there", 0 < before < 3000 - bad, before)
    done = c.ingest(path, "--tables", "full", "--batch-size", 100, "--json", db=db)
    c.code("with room", done, 0, 3)
    found = json.loads(done.stdout)
    c.equal("the whole file is counted", (before, 3000 - bad),
            (found["loaded_by_earlier_run"], before + next(ledgers(found))["loaded"]))
    c.holds("goes on", b'"resumed":true' in done.stdout)
    same(c, "full disk", wanted, contents(db))


def begun_ingest(c, path, db, *options):
    """An ingest that has stored its first entries."""
    child = c.program.start("ingest", path, "--db", db, "--batch-size", 20, "--quiet", *options,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while child.poll() is None:
        with contextlib.suppress(sqlite3.Error, AssertionError):
            if count(db) > 0:
                break
    return child


@case
def locked_by_another(c):
    """A database that another process keeps locked: the ingest waits and tries, gives up, and goes on later."""
    path, bad = release(c, 3000)
    wanted = undisturbed(c, path, bad)
    db = c.db("locked")
    child = begun_ingest(c, path, db, "--tables", "full")
    with contextlib.closing(sqlite3.connect(db, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1)  # not for a race: so long it has to wait
        other.execute("ROLLBACK")
    c.holds("waits for the lock and ends well", child.wait(timeout=SECONDS) == 3, child.stderr.read().decode())
    same(c, "locked", wanted, contents(db))


@case
def begins_anew(c):
    """A finished ingest is not resumed but updates; --restart makes one of an unfinished one."""
    path, bad = release(c, 1000)
    db = c.db()
    first = c.load(path, "--json", db=db, wanted=3)
    again = c.load(path, "--json", db=db, wanted=3)
    for what, done in (("first", first), ("again", again)):
        c.holds(f"{what}: not resumed", b'"resumed":false' in done.stdout)
        c.holds(f"{what}: all of it", b'"extracted":1000' in done.stdout)
    c.equal("entries", 1000 - bad, count(db))
    c.equal("rejects", bad, count(db, "rejects"))
    c.equal("dead letters", bad, count(db, "etl_dead_letters"))

    c.load(path, "--max-rejects", 1, "--batch-size", 10, db=db, wanted=1)
    done = c.load(path, "--batch-size", 10, "--json", db=db, wanted=3)
    c.holds("an unfinished one is resumed", b'"resumed":true' in done.stdout)
    c.load(path, "--max-rejects", 1, "--batch-size", 10, db=db, wanted=1)
    done = c.load(path, "--restart", "--json", db=db, wanted=3)
    c.holds("but not with --restart", b'"resumed":false' in done.stdout and b'"extracted":1000' in done.stdout)


@case
def changed_file(c):
    """An unfinished ingest of a file that has changed is refused, with the remedy; nothing is written."""
    path, _ = release(c, 1000)
    db = c.db()
    c.load(path, "--max-rejects", 1, "--batch-size", 10, db=db, wanted=1)
    before = contents_of_proteins(db)
    with open(path, "ab") as file:
        file.write(b"\n")
    done = c.load(path, "--batch-size", 10, db=db, wanted=1)
    c.says("changed file", done, "has changed")
    c.says("changed file", done, "--restart")
    c.equal("nothing is written", before, contents_of_proteins(db))
    c.load(path, "--restart", db=db, wanted=3)
    c.load(path, "--max-rejects", 1, "--batch-size", 10, db=db, wanted=1)
    done = c.load(path, "--reviewed", db=db, wanted=1)
    c.says("another selection", done, "has changed")


@case
def changed_meanwhile(c):
    """A file that another program writes to while it is read is not taken for ingested."""
    path, _ = c.generate(3000)
    db = c.db()
    child = begun_ingest(c, path, db)
    with contextlib.closing(sqlite3.connect(db, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # no batch is stored, so the source waits for room
        c.holds("it has not ended", count(db) < 2000, count(db))
        path.write_bytes(path.read_bytes())
        other.execute("ROLLBACK")
    error = child.communicate(timeout=SECONDS)[1].decode()
    c.equal("exit code", 1, child.returncode)
    c.holds("says so", "has changed while it was read" in error and "--restart" in error, error)
    c.load(path, db=db, wanted=1)
    c.load(path, "--restart", db=db)
    c.equal("entries", 3000, count(db))


def contents_of_proteins(db):
    return rows(db, "SELECT * FROM proteins ORDER BY 1")


@case
def dry_run(c):
    """Everything is checked, nothing is written, and no checkpoint is touched."""
    path, bad = release(c, 1000)
    db = c.db()
    done = c.load(path, "--dry-run", "--json", db=db, wanted=3)
    c.holds("rejects are counted", f'"rejected":{bad}'.encode() in done.stdout, done.stdout)
    c.holds("there is no database", not db.exists())
    c.load(path, "--max-rejects", 1, "--batch-size", 10, db=db, wanted=1)
    before = db.read_bytes()
    c.load(path, "--dry-run", db=db, wanted=3)
    c.holds("an unfinished one is untouched", db.read_bytes() == before)


@case
def dead_letters(c):
    """Rejected entries as they were, in a file: mended, they can be loaded."""
    path, bad = release(c, 1000)
    db, letters = c.db(), c.folder / "letters.dat"
    c.load(path, "--rejects", letters, db=db, wanted=3)
    text = letters.read_bytes()
    c.equal("entries in the file", bad, text.count(b"\n//\n"))
    c.holds("as they were", all(part in path.read_bytes() for part in text.split(b"\n//\n")))
    mended = c.file("mended.dat", text.replace(b"\nSX   SEQUENCE", b"\nSQ   SEQUENCE"))
    c.load(mended, db=db)
    c.equal("all entries", 1000, count(db))
    done = c.load(path, "--rejects", c.folder / "none" / "letters.dat", db=db, wanted=2)
    c.says("a file that cannot be made", done, "letters.dat")
