"""UniProtKB flat files, read, inflated and loaded: inputs, cases, tables and targets."""

import glob
import gzip
import os
import re
import subprocess
import sys

from .cases import Case, Rival, find
from .tables import Target, ns, ratio, table

executable = "bench-swissprot"
default_rounds = 7

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = glob.glob(os.path.join(HERE, "..", "..", "..", "shared", "data", "uniprot", "flat", "*", "*"))
PYTHON = "/usr/bin/python3"
RIVAL = [PYTHON, os.path.join(HERE, "..", "swissprot", "rivals", "biopython_parse.py")]
MEGABYTES = 256  # of the text
EXCERPT = 16  # MB for the rival

TEXT = {"lines": "memchr line scan, entries counted", "entry_view": "EntryView, residues walked",
        "views": "parse, views", "own": "parse, owning"}
EXCERPTS = {"own": "parse, owning", "biopython": "Biopython's SwissProt"}
COMPRESSED = {"inflate": "inflate alone", "inflate_views": "ChunkReader and parse, views",
              "inflate_own": "ChunkReader and parse, owning"}
LOADING = {"transform": "parse, MD5 and JSON alone", "insert": "insert alone", "ingest": "ingest"}


def real_text():
    """All real entries there are, once; nothing when they are not there."""
    text = b""
    for path in sorted(REAL):
        with open(path, "rb") as file:
            found = file.read()
        found = gzip.decompress(found) if found[:2] == b"\x1f\x8b" else found
        text += found if found.endswith(b"\n") else found + b"\n"
    return text.replace(b"\r\n", b"\n")


def text_file():
    """Its name says what it holds, also in the results."""
    return "real.dat" if REAL else "release.dat"


def prepare(program, folder):
    """Makes the inputs in `folder`, unless they are there, and goes there."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    if not os.path.exists("release.dat"):
        print("making the inputs", file=sys.stderr)
        subprocess.run([program, "--impl", "generate", "--file", "release.dat", "--entries", "40000"], check=True)
    if not has_rival():
        print("note: Biopython is not installed (python3-biopython), and left out", file=sys.stderr)
    name = text_file()
    if os.path.exists(name + ".gz"):
        return
    text = real_text()
    if text:
        text *= (MEGABYTES << 20) // len(text)
        _write(name, text)
    else:
        with open(name, "rb") as file:
            text = file.read()
    _write("excerpt.dat", excerpt(text))
    with gzip.open("part.gz", "wb", compresslevel=6) as file:
        file.write(text)
    os.rename("part.gz", name + ".gz")


def excerpt(text):
    """The first entries that Biopython reads: not those whose GN lines are of the old form, before 2004."""
    found = b""
    for entry in re.finditer(rb"^ID   .*?^//\n", text, re.M | re.S):
        if len(found) >= EXCERPT << 20:
            break
        if not re.search(rb"^GN   [^=\n]*$", entry[0], re.M):
            found += entry[0]
    return found


def _write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def has_rival():
    try:
        return subprocess.run([PYTHON, "-c", "import Bio"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def cases(records=None):
    found = [Case({"impl": impl, "file": text_file()}, True) for impl in TEXT]
    found += [Case({"impl": impl, "file": text_file() + ".gz"}) for impl in COMPRESSED]
    found += [Case({"impl": impl, "file": "release.dat", "workers": 2, "batch": 500}) for impl in LOADING]
    if has_rival():
        found += [Case({"impl": "own", "file": "excerpt.dat"}, True), Rival(RIVAL, {"impl": "biopython", "file": "excerpt.dat"})]
    return found


def _measured_text(cases_):
    return "real.dat" if any(case.args["file"] == "real.dat" for case in cases_) else "release.dat"


def report(cases_, markdown=False):
    parts = []
    text = _measured_text(cases_)
    kind = "real entries" if text == "real.dat" else "a made-up release"
    for title, labels, limit, file in ((f"Text in memory, one thread, {kind}", TEXT, "lines", text),
                                       ("An excerpt, one thread", EXCERPTS, "own", "excerpt.dat"),
                                       (f"A .dat.gz, 2 CPUs, {kind}", COMPRESSED, "inflate", text + ".gz"),
                                       ("A made-up release into SQLite, 2 CPUs", LOADING, "ingest", "release.dat")):
        base = find(cases_, impl=limit, file=file)
        rows = []
        for impl, label in labels.items():
            case = find(cases_, impl=impl, file=file)
            if case:
                times = ratio(case, base)
                rows.append([label, ns(case.median()), f"{1e6 / case.median():.0f}", "-" if times is None else f"{times:.2f}",
                             ns(case.median("cpu_ns")), f"{ns(min(case.values('ns')))}-{ns(max(case.values('ns')))}"])
        if rows:
            head = ["", "ns per 1000 bytes", "MB/s", f"x {labels[limit]}", "CPU ns", "min-max"]
            parts.append((title, table(head, rows, markdown)))
    return parts


def targets(cases_):
    text = _measured_text(cases_)
    lines, view, own = (find(cases_, impl=impl, file=text) for impl in ("lines", "entry_view", "own"))
    rival, own_excerpt = (find(cases_, impl=impl, file="excerpt.dat") for impl in ("biopython", "own"))
    inflate, with_views, with_own = (find(cases_, impl=impl, file=text + ".gz") for impl in COMPRESSED)
    transform, insert, ingest = (find(cases_, impl=impl) for impl in LOADING)
    slower = max(transform, insert, key=lambda c: c.median()) if transform and insert else None
    return [
        Target("owning parse, as part of the speed of the line scan", ratio(lines, own), 0.25, at_least=True),
        Target("  the same, aim", ratio(lines, own), 0.37, at_least=True),
        Target("owning parse, times Biopython's speed", ratio(rival, own_excerpt), 15, at_least=True),
        Target("EntryView, times the speed of the owning parse", ratio(own, view), 2, at_least=True),
        Target("inflate and parse (views), against inflating alone", ratio(with_views, inflate), 1.15),
        Target("inflate and parse (owning), against inflating alone", ratio(with_own, inflate), 1.15),
        Target("ingest, against the slower of parsing and inserting alone", ratio(ingest, slower), 1.25),
    ]
