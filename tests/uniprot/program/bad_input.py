"""Broken entries, broken files and files of another kind."""
import gzip
import os
import random
import re
import subprocess

from harness import message
from uniprot_case import accessions, case, count, loaded, rows, split

# Bytes; what is read is larger. A sanitizer needs memory of its own.
RSS_LIMIT = (1200 if os.environ.get("ETLPIPE_SANITIZE") else 400) << 20


def without_sq(entry):
    """An entry that lacks its SQ line."""
    return re.sub(rb"(?m)^SQ .*\n", b"", entry)


def mixed(c, good, bad, name="mixed.dat"):
    """A file with `bad` broken entries spread over `good` good ones: path, bytes, good accessions, bad ones."""
    _, data = c.generate(good + bad)
    entries = split(data)
    step = max(1, (good + bad) // (bad + 1))
    at = {(i + 1) * step for i in range(bad)}
    path = c.file(name, b"".join(without_sq(e) if i in at else e for i, e in enumerate(entries)))
    names = accessions(data)
    return path, [n for i, n in enumerate(names) if i not in at], [n for i, n in enumerate(names) if i in at]


@case
def rejects(c):
    """Each broken entry has one row in `rejects`: file, line, accession, reason. The good ones are loaded."""
    path, good, bad = mixed(c, 40, 3)
    db = c.db()
    done = c.load(path, db=db, wanted=3)
    c.equal("loaded", sorted(good), loaded(db))
    found = rows(db, "SELECT * FROM rejects ORDER BY line")
    c.equal("accessions of the rejects", bad, [row["accession"] for row in found])
    c.equal("files of the rejects", [str(path)] * 3, [row["file"] for row in found])
    spans, line = {}, 1
    for entry in split(path.read_bytes()):
        lines = entry.count(b"\n")
        spans[accessions(entry)[0]] = range(line, line + lines)
        line += lines
    for row in found:
        c.holds(f"line of {row['accession']} in {spans[row['accession']]}",
               row["line"] in spans[row["accession"]], row["line"])
        c.holds(f"reason of {row['accession']} names SQ", "SQ" in row["reason"], row["reason"])
    c.holds("the end says how many", re.search(rb"\b3\b", done.stderr + done.stdout), message(done))


@case
def rejects_again(c):
    """Loading a file with rejects again, or the repaired file, leaves no double or stale rows of it."""
    path, good, bad = mixed(c, 10, 2)
    db = c.db()
    c.load(path, db=db, wanted=3)
    c.load(path, db=db, wanted=3)
    c.equal("loaded", len(good), count(db))
    c.equal("rejects after the second time", len(bad), count(db, "rejects"))


@case
def rejects_over_an_input(c):
    """--rejects does not overwrite an input or the database, and says so before the ingest."""
    path, good, bad = mixed(c, 10, 2)
    before = path.read_bytes()
    db = c.db()
    c.says("an input", c.load(path, "--rejects", path, db=db, wanted=2), "is one of the files to load")
    c.says("the database", c.load(path, "--rejects", db, db=db, wanted=2), "is the database of --store")
    c.says("no folder", c.load(path, "--rejects", c.folder / "no" / "such.dat", db=db, wanted=2), "cannot be written")
    c.equal("the input is whole", before, path.read_bytes())
    c.load(path, "--rejects", c.folder / "rejects.dat", db=db, wanted=3)
    c.equal("rejects", bad, accessions((c.folder / "rejects.dat").read_bytes()))


@case
def strict(c):
    """--strict ends at the first broken entry with 1 and says where."""
    path, good, bad = mixed(c, 3000, 1)
    db = c.db()
    done = c.load(path, "--strict", "--batch-size", "10", db=db, wanted=1)
    c.says("--strict", done, rf"mixed\.dat|{bad[0]}")
    c.says("--strict", done, "allowed by --max-rejects or --strict")
    c.lacks(message(done), "errors.")
    c.holds("it stopped", count(db) < len(good), count(db))
    c.holds("only good entries", set(loaded(db)) <= set(good))
    clean, _ = c.generate(20, "clean.dat")
    c.load(clean, "--strict", db=c.db("clean"))


@case
def budget(c):
    """--max-rejects: as many are accepted, one more is a failure; per cent of what was read."""
    path, good, bad = mixed(c, 98, 2)
    for value, code in (("0", 1), ("1", 1), ("2", 3), ("3", 3), ("1%", 1), ("2%", 3), ("100%", 3)):
        db = c.db()
        done = c.load(path, "--max-rejects", value, db=db, wanted=code)
        if code == 3:
            c.equal(f"{value}: loaded", sorted(good), loaded(db))
            c.equal(f"{value}: rejects", len(bad), count(db, "rejects"))
        else:
            c.holds(f"{value}: has a message", done.stderr.strip())


@case
def line_ends(c):
    """LF, CR LF and CR give the same rows; a byte order mark is skipped."""
    path, data = c.generate(20)
    c.load(path, db=c.db("lf"))
    wanted = rows(c.folder / "lf.sqlite", "SELECT accession, entry_json FROM proteins ORDER BY 1")
    for name, content in (("crlf", data.replace(b"\n", b"\r\n")), ("cr", data.replace(b"\n", b"\r")),
                          ("bom", b"\xef\xbb\xbf" + data),
                          ("no_last_newline", data[:-1]), ("blank_lines", data.replace(b"//\n", b"//\n\n")),
                          ("mixed_ends", split(data)[0] + b"".join(split(data)[1:]).replace(b"\n", b"\r\n"))):
        db = c.db(name)
        c.load(c.file(f"{name}.dat", content), db=db)
        c.equal(name, wanted, rows(db, "SELECT accession, entry_json FROM proteins ORDER BY 1"))
        done = c.program.run("inspect", c.folder / f"{name}.dat", "--format", "ndjson")
        c.equal(f"{name}: inspect", len(wanted), len(done.stdout.splitlines()))


@case
def odd_bytes(c):
    """A NUL byte or broken UTF-8 is a reject that says so, or kept whole; the neighbours are loaded."""
    _, data = c.generate(3)
    first, second, third = split(data)
    names = accessions(data)
    for what, byte, words in (("NUL", b"\0", "NUL"), ("broken UTF-8", b"\xff\xfe", "UTF-8")):
        db = c.db()
        done = c.ingest(c.file("odd.dat", first + second.replace(b"DE   ", b"DE   " + byte, 1) + third), db=db)
        c.code(what, done, 0, 3)
        c.holds(f"{what}: the neighbours are loaded", {names[0], names[2]} <= set(loaded(db)), loaded(db))
        reasons = [row["reason"] for row in rows(db, "SELECT reason FROM rejects")]
        c.equal(f"{what}: loaded or rejected", 3, count(db) + len(reasons))
        c.holds(f"{what}: the reason names it", all(words in reason for reason in reasons), reasons)
        broken = rows(db, "SELECT accession FROM proteins WHERE json_valid(entry_json) = 0")
        c.equal(f"{what}: broken JSON", [], broken)


@case
def fuzzed(c):
    """Bytes changed, dropped or doubled at random: no crash, and every entry is loaded or rejected."""
    _, data = c.generate(20)
    chance = random.Random(4)
    for round_ in range(60):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 5, 50))):
            at = chance.randrange(len(broken))
            kind = chance.randrange(3)
            broken[at:at + kind] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
        path = c.file("fuzzed.dat", bytes(broken))
        db = c.db()
        done = c.ingest(path, db=db)
        c.code(f"round {round_}", done, 0, 3)
        c.holds(f"round {round_}: entries", count(db) + count(db, "rejects") >= 15, (count(db), count(db, "rejects")))


@case
def long_line(c):
    """A line of 200,000 characters is read whole."""
    _, data = c.generate(2)
    word = b"x" * 200_000
    first, second = split(data)
    for name, code, line in (("de", b"DE", b"DE   AltName: Full=" + word + b";\n"),
                             ("cc", b"CC", b"CC   -!- FUNCTION: " + word + b".\n")):
        lines = first.splitlines(keepends=True)
        at = max(i for i, text in enumerate(lines) if text.startswith(b"DE"))
        if code == b"CC":
            at = max(i for i, text in enumerate(lines) if text[:2] in (b"CC", b"RL"))
        lines.insert(at + 1, line)
        db = c.db(name)
        c.load(c.file(f"{name}.dat", b"".join(lines) + second), db=db)
        c.equal(f"{name}: accessions", sorted(accessions(data)), loaded(db))
        stored = rows(db, "SELECT entry_json FROM proteins WHERE accession = ?", accessions(first)[0])
        c.holds(f"{name}: the whole line is there", stored and word.decode() in stored[0]["entry_json"])


def peak(c, *arguments, stdin=subprocess.DEVNULL):
    """Runs the program: (exit code, standard error, peak resident memory in bytes)."""
    with open(c.folder / "said", "w+b") as said:
        child = c.program.start(*arguments, stdin=stdin, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return child.returncode, said.read().decode("utf-8", "replace"), usage.ru_maxrss * 1024


def bounded(c, what, *arguments, **options):
    """A run on something endless ends with a clear error, in bounded memory."""
    code, said, memory = peak(c, *arguments, **options)
    c.holds(f"{what}: exit code 1 or 3", code in (1, 3), f"{code}: {said[-300:]}")
    c.holds(f"{what}: peak memory below {RSS_LIMIT >> 20} MiB", memory < RSS_LIMIT, f"{memory >> 20} MiB")
    c.holds(f"{what}: has a message of bounded length", 0 < len(said) < 100_000, f"{len(said)} bytes")


@case
def zeros(c):
    """600 MB of zero bytes: as a file, on standard input and packed."""
    path = c.folder / "zeros.dat"
    with open(path, "wb") as file:
        file.truncate(600 << 20)
    bounded(c, "file", "ingest", path, "--db", c.db())
    c.equal("file: loaded", 0, count(c.folder / "x.sqlite"))
    bounded(c, "inspect", "inspect", path, "--format", "ndjson")
    with open(path, "rb") as stream:
        bounded(c, "standard input", "ingest", "-", "--db", c.db(), stdin=stream)
    with gzip.open(c.folder / "zeros.gz", "wb", 1) as file:
        for _ in range(600):
            file.write(bytes(1 << 20))
    bounded(c, "gzip", "ingest", c.folder / "zeros.gz", "--db", c.db())


@case
def endless_entry(c):
    """600 MB of CC lines and no //: the entry is refused, the memory bounded."""
    with gzip.open(c.folder / "endless.gz", "wb", 1) as file:
        file.write(b"ID   X_HUMAN                 Reviewed;          10 AA.\nAC   P12345;\n")
        block = b"CC   -!- FUNCTION: Does not end.\n" * 32768
        for _ in range((600 << 20) // len(block)):
            file.write(block)
    bounded(c, "endless entry", "ingest", c.folder / "endless.gz", "--db", c.db())
    c.equal("loaded", 0, count(c.folder / "x.sqlite"))


@case
def empty(c):
    """Nothing in, nothing loaded, no crash: a file, standard input, gzip of nothing, blank lines."""
    for name, data in (("empty", b""), ("packed", gzip.compress(b"")), ("blank", b"\n\n\n")):
        db = c.db(name)
        done = c.ingest(c.file(name, data), db=db)
        c.code(name, done, 0, 1, 3)
        c.equal(f"{name}: loaded", 0, count(db))
        c.holds(f"{name}: says that there is nothing", done.stderr.strip())
    c.code("standard input", c.ingest("-", db=c.db(), input=b""), 0, 1)


@case
def other_kinds(c):
    """Files that are not Swiss-Prot: nothing is loaded, and that is an error with a message."""
    noise = random.Random(1).randbytes(100_000)
    kinds = {"noise.bin": noise, "table.csv": b"accession,length\nP12345,10\n" * 1000, "x.json": b'[{"a": 1}]\n',
             "x.fasta": b">sp|P12345|X_HUMAN X\nMKV\n" * 100, "long.txt": b"word " * 100_000, "slashes": b"//\n" * 1000,
             "x.xml": b"<?xml version='1.0'?>\n<uniprot>\n</uniprot>\n"}
    for name, data in kinds.items():
        db = c.db(name)
        done = c.ingest(c.file(name, data), db=db)
        c.code(name, done, 1, 3)
        c.equal(f"{name}: loaded", 0, count(db))
        c.holds(f"{name}: has a message of bounded length", 0 < len(done.stderr) < 20_000, f"{len(done.stderr)} bytes")


@case
def truncated_entry(c):
    """A file cut anywhere in its last entry: the last is a reject unless it is whole or absent."""
    _, data = c.generate(4)
    entries = split(data)
    names, start = accessions(data), len(data) - len(entries[-1])
    for cut in [start,
    start + 1,
    *range(start + 7,
    len(data),
    max(1,
    len(entries[-1]) // 23)),
    len(data) - 4,
    len(data) - 3,
    len(data) - 2,
     len(data) - 1]:
        db = c.db()
        done = c.ingest(c.file("cut.dat", data[:cut]), db=db)
        whole = cut >= len(data) - 1
        c.code(f"cut at {cut - start} of {len(entries[-1])}", done, 0 if cut == start or whole else 3)
        c.equal(f"cut at {cut - start}: loaded", sorted(names if whole else names[:-1]), loaded(db))
        c.equal(f"cut at {cut - start}: rejects", 0 if cut == start or whole else 1, count(db, "rejects"))


@case
def truncated_gzip(c):
    """A gzip file cut anywhere, or with one bit changed, is an error that says so; no entry of it is wrong."""
    _, data = c.generate(300)
    packed = gzip.compress(data)
    wanted = {row["accession"]: row["entry_json"] for row in rows_of(c, data)}
    for what, content in (("half", packed[:len(packed) // 2]), ("header", packed[:5]), ("trailer", packed[:-4]),
                          ("last byte", packed[:-1]), ("crc", packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]),
                          ("size", packed[:-1] + bytes([packed[-1] ^ 1])), ("garbage", packed + b"garbage after it")):
        db = c.db()
        done = c.ingest(c.file("cut.gz", content), db=db)
        c.code(what, done, *((0, 1, 3) if what == "garbage" else (1, 3)))
        reasons = [row["reason"] for row in rows(db, "SELECT reason FROM rejects")] if count(db, "rejects") else []
        said = " | ".join([message(done), *reasons])
        if what != "garbage":
            words = "gzip|truncat|corrupt|crc|damaged|end of (file|stream|input)"
            c.holds(f"{what}: says so", re.search(words, said, re.I), said)
        found = {row["accession"]: row["entry_json"] for row in rows(db, "SELECT * FROM proteins")} if count(db) else {}
        c.equal(f"{what}: wrong entries", [], [name for name, entry in found.items() if wanted.get(name) != entry])


def rows_of(c, data):
    """The rows that the plain file gives."""
    db = c.db("plain")
    c.load(c.file("plain.dat", data), db=db)
    return rows(db, "SELECT accession, entry_json FROM proteins")
