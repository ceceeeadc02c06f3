"""What is in the database after one run, several runs, and runs with other options."""
import contextlib
import json
import re
import sqlite3
import subprocess

from harness import SECONDS
from http_servers import object_store
from uniprot_case import accessions, case, count, loaded, rows, split

CHILDREN = ("accessions", "genes", "features", "cross_references", "keywords", "comments", "publications")
COLUMNS = ("accession", "entry_name", "reviewed", "data_class", "organism", "taxonomy_id", "sequence", "length",
           "mol_weight", "crc64", "sequence_md5", "created", "sequence_update", "annotation_update", "source", "loaded_at", "entry_json", "content_md5")


def dump(db, *tables):
    """All rows of the tables, sorted, without where and when they were loaded."""
    return {table: sorted(repr({name: value for name, value in row.items() if name not in ("source", "loaded_at")})
                          for row in rows(db, f"SELECT * FROM {table}")) for table in tables or ("proteins",)}


@case
def schema(c):
    """The documented columns; types that SQL can compare; accession is unique."""
    path, data = c.generate(10)
    db = c.db()
    c.load(path, db=db)
    columns = [row["name"] for row in rows(db, "PRAGMA table_info(proteins)")]
    c.equal("columns that lack", [], [name for name in COLUMNS if name not in columns])
    c.equal("columns of rejects", [], [name for name in ("file", "line", "accession", "reason")
                                       if name not in [row["name"] for row in rows(db, "PRAGMA table_info(rejects)")]])
    types = rows(db, "SELECT DISTINCT typeof(accession) a, typeof(length) l, typeof(mol_weight) m, typeof(reviewed) r,"
                     " typeof(sequence) s, typeof(taxonomy_id) t FROM proteins")
    c.equal("types", [{"a": "text", "l": "integer", "m": "integer",
            "r": "integer", "s": "text", "t": "integer"}], types)
    bad = rows(db, "SELECT accession FROM proteins WHERE length <> length(sequence) OR json_valid(entry_json) = 0"
                   " OR json_extract(entry_json, '$.accession') <> accession OR created NOT LIKE '____-__-__'"
                   " OR reviewed NOT IN (0, 1) OR sequence_md5 <> lower(sequence_md5) OR crc64 <> upper(crc64)")
    c.equal("rows that contradict themselves", [], bad)
    c.equal("accessions", sorted(accessions(data)), loaded(db))
    c.equal("integrity", "ok", rows(db, "PRAGMA integrity_check")[0]["integrity_check"])
    c.equal("where entries come from", [{"source": str(path)}], rows(db, "SELECT DISTINCT source FROM proteins"))
    c.equal("times of loading that are none", [], rows(
        db, "SELECT loaded_at FROM proteins WHERE loaded_at NOT LIKE '____-__-__T__:__:__Z' OR"
            " abs(julianday(loaded_at) - julianday('now')) > 0.1"))
    writable = sqlite3.connect(db)
    try:
        writable.execute("INSERT INTO proteins SELECT * FROM proteins LIMIT 1")
        c.holds("a second row of an accession is refused", False)
    except sqlite3.IntegrityError:
        c.holds("a second row of an accession is refused", True)
    finally:
        writable.rollback()
        writable.close()


@case
def objects_and_urls(c):
    """An object and a file are loaded by their URLs."""
    path, data = c.generate(10)
    with object_store() as store:
        store.objects["/bucket/some/good.dat"] = data
        for url, source in (("s3://bucket/some/good.dat", "s3://bucket/some/good.dat"), (f"file://{path}", str(path))):
            db = c.db()
            c.load(url, db=db)
            c.equal("accessions", sorted(accessions(data)), loaded(db))
            c.equal("source", [{"source": source}], rows(db, "SELECT DISTINCT source FROM proteins"))


@case
def older_table(c):
    """A table that an earlier version made gets the columns that it lacks."""
    path, data = c.generate(10)
    db = c.db()
    c.load(path, db=db)
    with contextlib.closing(sqlite3.connect(db)) as old, old:
        old.execute("ALTER TABLE proteins DROP COLUMN source")
        old.execute("ALTER TABLE proteins DROP COLUMN loaded_at")
    c.load(path, db=db)
    c.equal("rows with a source", [{"n": len(accessions(data))}],
            rows(db, "SELECT count(*) n FROM proteins WHERE source IS NOT NULL AND loaded_at IS NOT NULL"))


@case
def kept_as_text(c):
    """What does not follow the format is kept as text, told once by kind, and gone when the entry was mended."""
    path, data = c.generate(5)
    first = data.index(b"\nFT   ", data.index(b"\n//\n"))
    broken = data[:first] + b"\nFT   CHAIN\nGN   Nam=a;" + data[first:]
    bad = c.file("odd.dat", broken)
    db = c.db()
    done = c.load(bad, "--json", db=db)
    report = json.loads(done.stdout)
    c.equal("counted by kind", {"FT": 1, "GN": 1}, report["kept_as_text"])
    c.equal("loaded", sorted(accessions(data)), loaded(db))
    line = broken[:broken.index(b"FT   CHAIN\n")].count(b"\n") + 1
    c.equal("warnings", [
        {"accession": accessions(data)[1], "file": str(bad), "line": line, "kind": "FT", "text": "FT   CHAIN"},
        {"accession": accessions(data)[1], "file": str(bad), "line": line + 1, "kind": "GN", "text": "GN   Nam=a;"}],
        rows(db, "SELECT accession, file, line, kind, text FROM warnings ORDER BY line"))
    done = c.load(bad, "--restart", db=db)
    c.holds("told", b"2 parts of entries do not follow the format and were kept as text (FT 1, GN 1); the table 'warnings'"
           in done.stdout, done.stdout)
    c.load(path, db=db)
    c.equal("after the mended file", [], rows(db, "SELECT * FROM warnings"))


@case
def twice(c):
    """Loading a file again changes nothing, neither in `proteins` nor in the tables of `full`."""
    path, _ = c.generate(60)
    db = c.db()
    c.load(path, "--tables", "full", db=db)
    before = dump(db, "proteins", *CHILDREN)
    c.load(path, "--tables", "full", db=db)
    c.equal("after the second time", before, dump(db, "proteins", *CHILDREN))
    c.load(path, path, db=db)
    c.equal("twice in one run", before["proteins"], dump(db)["proteins"])


@case
def update(c):
    """A newer entry of the same accession replaces the older, with all that belongs to it."""
    path, data = c.generate(5)
    entries = split(data)
    changed = re.sub(rb"(?m)^OS .*\n(OS .*\n)*", b"OS   Nemo nescitus.\n", entries[2])
    changed = re.sub(rb"(?m)^KW .*\n", b"", changed)
    db = c.db()
    c.load(path, "--tables", "full", db=db)
    before = {row["accession"]: row["organism"] for row in rows(db, "SELECT * FROM proteins")}
    c.load(c.file("newer.dat", changed), "--tables", "full", db=db)
    name = accessions(changed)[0]
    c.equal("organisms", {**before, name: "Nemo nescitus"},
            {row["accession"]: row["organism"] for row in rows(db, "SELECT * FROM proteins")})
    left = rows(db, "SELECT * FROM keywords WHERE accession = ?", name)
    c.equal("keywords of the changed entry", [], left)


@case
def same_database(c):
    """Workers and batch size change nothing in the result."""
    path, _ = c.generate(150)
    c.load(path, "--tables", "full", "--workers", "1", db=c.db("one"))
    wanted = dump(c.folder / "one.sqlite", "proteins", *CHILDREN)
    c.holds("the tables of full have rows", all(wanted.values()), [name for name, found in wanted.items() if not found])
    for options in (("--workers", "4"), ("--batch-size", "1"), ("--workers", "4", "--batch-size", "7"),
                    ("--batch-size", "100000"), ("--workers", "2", "--timeout", "1")):
        c.load(path, "--tables", "full", *options, db=c.db("other"))
        c.equal(" ".join(options), wanted, dump(c.folder / "other.sqlite", "proteins", *CHILDREN))


@case
def duplicates(c):
    """Of two entries with one accession the later one stays, in one file or in two, whatever the workers do."""
    _, data = c.generate(200)
    later = re.sub(rb"(?m)^OS .*\n(OS .*\n)*", b"OS   Nemo posterior.\n", data)
    first, second = c.file("first.dat", data), c.file("second.dat", later)
    both = c.file("both.dat", b"".join(one + two for one, two in zip(split(data), split(later))))
    for files in (first, second), (both,):
        for workers, size in (1, 500), (8, 3), (8, 1):
            db = c.db()
            c.load(*files, "--workers", workers, "--batch-size", size, db=db)
            stale = rows(db, "SELECT count(*) n FROM proteins WHERE organism <> 'Nemo posterior'")[0]["n"]
            c.equal(f"{len(files)} files, {workers} workers, batches of {size}: stale entries", 0, stale)


@case
def together(c):
    """Of two programs that load into one database at the same time, each loads all or says that it is locked."""
    one, data = c.generate(1500, "one.dat", "--seed", "1")
    two, more = c.generate(1500, "two.dat", "--seed", "2")
    db = c.db()
    c.load(one, "--taxon", "1", db=db)  # makes the tables
    running = [c.program.start("ingest", path, "--db", db, "--batch-size", "50", stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT) for path in (one, two)]
    for child, whole in zip(running, (data, more)):
        said = child.communicate(timeout=SECONDS)[0].decode("utf-8", "replace")
        if child.returncode == 0:
            c.equal("not there", set(), set(accessions(whole)) - set(loaded(db)))
        else:
            c.holds("exit code 1, and says that it is locked", child.returncode == 1 and "locked" in said, said)
    c.equal("integrity", "ok", rows(db, "PRAGMA integrity_check")[0]["integrity_check"])
    c.load(one, two, db=db)
    c.equal("accessions", sorted({*accessions(data), *accessions(more)}), loaded(db))


@case
def filters(c):
    """--taxon and --reviewed keep what they say; what they drop is no reject."""
    _, data = c.generate(60)
    entries = split(data)
    for i in range(0, 60, 3):
        entries[i] = re.sub(rb"NCBI_TaxID=\d+", b"NCBI_TaxID=4242", entries[i])
    for i in range(0, 60, 4):
        entries[i] = re.sub(rb"(?m)^(ID   \S+\s+)(Reviewed|Unreviewed);", rb"\1Unreviewed;", entries[i])
    path = c.file("mixed.dat", b"".join(entries))
    taxon = {accessions(e)[0] for e in entries if b"NCBI_TaxID=4242" in e}
    reviewed = {accessions(e)[0] for e in entries if re.match(rb"ID   \S+\s+Reviewed;", e)}
    c.holds("both kinds are there", taxon and reviewed and len(reviewed) < 60 and len(taxon) < 60)
    for options, wanted in ((("--taxon", "4242"), taxon), (("--reviewed",), reviewed),
                            (("--taxon", "4242", "--reviewed"), taxon & reviewed), (("--taxon", "4243"), set())):
        db = c.db()
        c.load(path, *options, db=db)
        c.equal(" ".join(options), sorted(wanted), loaded(db))
        c.equal(f"{' '.join(options)}: rejects", 0, count(db, "rejects"))


@case
def two_good_one_broken(c):
    """A file that is broken in itself does not keep the others from being loaded."""
    _, first = c.generate(30, "a.dat", "--seed", "1")
    _, last = c.generate(30, "c.dat", "--seed", "2")
    wanted = sorted({*accessions(first), *accessions(last)})
    for name, broken in (("random", bytes(range(256)) * 50), ("gzip", b"\x1f\x8b\x08" + bytes(range(200)))):
        db = c.db(name)
        done = c.ingest(c.folder / "a.dat", c.file("b.dat", broken), c.folder / "c.dat", db=db)
        c.code(f"with a broken file ({name})", done, 1, 3)
        c.holds(f"{name}: the broken file is named", b"b.dat" in done.stderr
               or any("b.dat" in row["file"] for row in rows(db, "SELECT file FROM rejects")), done.stderr.decode())
        c.equal(f"{name}: accessions", wanted, loaded(db))
