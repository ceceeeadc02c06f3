"""UniProtKB flat files, read, inflated and loaded: inputs, cases, tables and targets."""

import glob
import gzip
import json
import os
import subprocess
import sys

from .cases import Case, find
from .tables import Target, ns, ratio, table

executable = "bench-swissprot"
default_rounds = 7

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = os.path.join(HERE, "..", "..", "..", "shared", "data", "uniprot", "flat")
RIVAL = os.path.join(HERE, "..", "swissprot", "rivals", "biopython_parse.py")
MEGABYTES = 256  # of the text; the rival gets the first 8 of them

TEXT = {"lines": "memchr line scan, entries counted", "entry_view": "EntryView, residues walked",
        "views": "parse, views", "own": "parse, owning"}
COMPRESSED = {"inflate": "inflate alone", "inflate_views": "ChunkReader and parse, views",
              "inflate_own": "ChunkReader and parse, owning"}
LOADING = {"transform": "parse, MD5 and JSON alone", "insert": "insert alone", "ingest": "ingest"}


class Rival(Case):
    """Biopython, on an excerpt; its time counts per 1000 bytes like the others'."""

    def _measure(self, executable, timeout):
        done = subprocess.run(["/usr/bin/python3", RIVAL, self.args["file"]], capture_output=True, text=True,
                              timeout=timeout, check=False)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            self.failures.append(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
            return None
        return {"ns": found["seconds"] * 1e12 / os.path.getsize(self.args["file"]), "entries": found["entries"]}


def real_text():
    """All real entries there are, once; nothing when they are not there."""
    text = b""
    for path in sorted(glob.glob(os.path.join(REAL, "*", "*"))):
        with open(path, "rb") as file:
            found = file.read()
        found = gzip.decompress(found) if found[:2] == b"\x1f\x8b" else found
        text += found if found.endswith(b"\n") else found + b"\n"
    return text.replace(b"\r\n", b"\n")


def prepare(program, folder):
    """Makes the inputs in `folder`, unless they are there, and goes there."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    if not os.path.exists("made_up.dat"):
        print("making the inputs", file=sys.stderr)
        subprocess.run([program, "--impl", "generate", "--file", "made_up.dat", "--entries", "40000"], check=True)
    if not os.path.exists("entries.dat.gz"):
        text = real_text()
        if not text:
            with open("made_up.dat", "rb") as file:
                text = file.read()
        text *= max(1, (MEGABYTES << 20) // len(text))
        with open("entries.dat", "wb") as file:
            file.write(text)
        with open("excerpt.dat", "wb") as file:
            file.write(text[:text.index(b"\n//\n", 8 << 20) + 4])
        with gzip.open("part.gz", "wb", compresslevel=6) as file:
            file.write(text)
        os.rename("part.gz", "entries.dat.gz")


def has_rival():
    try:
        return subprocess.run(["/usr/bin/python3", "-c", "import Bio"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def cases(records=None):
    found = [Case({"impl": impl, "file": "entries.dat"}, True) for impl in TEXT]
    found += [Case({"impl": impl, "file": "entries.dat.gz"}) for impl in COMPRESSED]
    found += [Case({"impl": impl, "file": "made_up.dat", "workers": 2}) for impl in LOADING]
    if has_rival():
        found.append(Rival({"impl": "biopython", "file": "excerpt.dat"}))
    return found


def report(cases_, markdown=False):
    parts = []
    for title, labels, limit in (("Text in memory, one thread", {**TEXT, "biopython": "Biopython's SwissProt"}, "lines"),
                                 ("A .dat.gz, 2 CPUs", COMPRESSED, "inflate"), ("Into SQLite, 2 CPUs", LOADING, "ingest")):
        base = find(cases_, impl=limit)
        rows = []
        for impl, label in labels.items():
            case = find(cases_, impl=impl)
            if case:
                times = ratio(case, base)
                rows.append([label, ns(case.median()), f"{1000 / case.median() * 1000:.0f}", "-" if times is None else f"{times:.2f}"])
        if rows:
            parts.append((title, table(["", "ns per 1000 bytes", "MB/s", f"x {labels[limit]}"], rows, markdown)))
    return parts


def targets(cases_):
    def of(impl):
        return find(cases_, impl=impl)
    slower = max((c for c in (of("transform"), of("insert")) if c), key=lambda c: c.median(), default=None)
    return [
        Target("owning parse, as part of the speed of the line scan", ratio(of("lines"), of("own")), 0.25, at_least=True),
        Target("  the same, aim", ratio(of("lines"), of("own")), 0.37, at_least=True),
        Target("owning parse, times Biopython's speed", ratio(of("biopython"), of("own")), 15, at_least=True),
        Target("EntryView, times the speed of the owning parse", ratio(of("own"), of("entry_view")), 2, at_least=True),
        Target("inflate and parse, against inflating alone", ratio(of("inflate_own"), of("inflate")), 1.15),
        Target("ingest, against the slower of parsing and inserting alone", ratio(of("ingest"), slower), 1.25),
    ]
