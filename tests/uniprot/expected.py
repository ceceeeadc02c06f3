"""The expected values: what Biopython, Swissknife and others read from the same files."""
import collections
import csv
import functools
import gzip
import json
import pathlib
import re


def plain(path):
    """The bytes of a file, decompressed if they are gzip."""
    data = pathlib.Path(path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def entry_texts(data):
    """The entries of a flat file, each without its // line."""
    return [part.decode("latin-1") for part in re.split(rb"^//[^\n]*\n?", data, flags=re.M) if part.strip()]


def old_locations(text):
    """Per feature the two columns of an old feature table, None for the layout of 2019_11 and later.

    Taken from the file, since expected_detail.jsonl.gz has lost the second column where a feature has an /FTId.
    """
    heads = [line for line in text.splitlines() if re.match(r"FT   \S", line)]
    return [None if line[13:21].isspace() else (line[14:20].strip(), line[21:27].strip()) for line in heads]


def comments(text):
    """Topic and text of each comment, joined as Biopython joins them; the copyright block is none."""
    found = []
    for line in text.splitlines():
        if line.startswith("CC   -!-"):
            found.append(line[9:].strip())
        elif line.startswith("CC       ") and found:
            found[-1] += " " + line[9:].strip()
    return [tuple(comment.partition(":")[::2]) for comment in found]


class Data:
    """The data folder."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.entries = self.table("uniprot/expected_entries.csv")
        self.by_file = collections.defaultdict(list)
        for row in self.entries:
            self.by_file[row["file"]].append(row)
        with gzip.open(self.root / "uniprot/expected_detail.jsonl.gz", "rt", encoding="utf-8") as lines:
            self.details = {(detail["file"], detail["entry_index"]): detail for detail in map(json.loads, lines)}

    def path(self, name):
        """A file of the folder."""
        return self.root / name

    def table(self, name):
        """The rows of a CSV file, compressed or not."""
        return list(csv.DictReader(plain(self.root / name).decode("utf-8").splitlines(keepends=True)))

    @functools.lru_cache(maxsize=4)
    def texts(self, name):
        """The text of each entry of a file."""
        return entry_texts(plain(self.root / name))

    def flat_files(self):
        """The names of all flat files; each must have expected values."""
        found = sorted(str(p.relative_to(self.root)) for p in self.root.glob("uniprot/flat/*/*") if p.is_file())
        if set(found) != set(self.by_file):
            raise SystemExit(f"expected_entries.csv and flat/ differ: {set(found) ^ set(self.by_file)}")
        return found
