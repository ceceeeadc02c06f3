"""Grades etl-uniprot on real entries, against values that other programs computed."""
import collections
import csv
import functools
import json
import shutil
from gzip import open as open_gzip

import compare
import expected
import verdicts
from asserts import grade
from harness import DATA, cases_of, message
from uniprot_case import UniprotCase


class GraderCase(UniprotCase):
    """The program and the data."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.data = expected.Data(DATA)
        self.objects = functools.lru_cache(maxsize=None)(lambda name: self.entries(self.data.path(name)))

    def scratch(self):
        """An empty folder, the same each time."""
        folder = self.folder / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def whole_file(self, name):
        """(the program's objects, problems): nothing is compared unless the number of entries is right."""
        try:
            found = self.objects(name)
        except (AssertionError, json.JSONDecodeError) as error:
            return [], [f"{name}: {error}"]
        rows = self.data.by_file[name]
        return found, [] if len(found) == len(rows) else [(f"{name} entries", len(rows), len(found))]

    def by_entry(self, compare_one):
        """Compares each entry of each flat file: compare_one(row, object) gives (field, expected, got)."""
        for name in self.data.flat_files():
            found, problems = self.whole_file(name)
            for row, got in zip(self.data.by_file[name], found):
                place = f"#{row['entry_index']} {row['accession']}"
                try:
                    problems += [(f"{place} {field}", wanted, have) for field, wanted, have in compare_one(row, got)]
                except (KeyError, TypeError, AttributeError, IndexError) as error:
                    problems.append(f"{place} not in the documented form: {error!r}")
            self.found(name, problems, f"{len(found)} entries")


case = cases_of(GraderCase)


@case
def entries(c):
    """Every column of expected_entries.csv."""
    c.by_entry(compare.entry)


@case
def detail(c):
    """Everything in expected_detail.jsonl.gz."""
    counts = collections.Counter()

    def one(row, got):
        index = int(row["entry_index"])
        wanted = c.data.details[row["file"], index]
        return compare.detail(wanted, c.data.texts(row["file"])[index], got, counts)

    c.by_entry(one)
    for text, number in counts.items():
        print(f"note {number} {text}")


@case
def asserts(c):
    """The assertions of Biopython and BioPerl."""
    problems, used, unused = grade(c.data, c.objects)
    c.found("assertions", problems, f"{used} used, {sum(unused.values())} without a counterpart")
    for path, number in unused.items():
        print(f"note {number} x {path}")


@case
def formats(c):
    """The other formats of inspect, for every flat file."""
    headers = verdicts.fasta_headers(c.data)
    for name in c.data.flat_files():
        whole, path = [], c.data.path(name)
        found = {form: c.program.run("inspect", path, "--format", form) for form in ("dat", "fasta", "json")}
        for form, done in found.items():
            if done.returncode:
                whole.append((f"{name} {form} exit code", 0, f"{done.returncode}: {message(done)}"))
        if found["dat"].stdout != expected.plain(path):
            difference = verdicts.first_difference(expected.plain(path), found["dat"].stdout)
            whole.append((f"{name} dat", "the bytes of the file", difference))
        wanted = [c.data.details[name, i] for i in range(len(c.data.by_file[name]))]
        whole += verdicts.fasta(name, wanted, found["fasta"].stdout.decode(), headers)
        whole += verdicts.as_json(name, found["json"].stdout, c.objects(name))
        c.found(name, whole)


@case
def malformed(c):
    """Damaged files and files of another kind, by ingest."""
    c.found("every damaged file has a verdict", verdicts.uncovered(c.data))
    for name, judge in verdicts.MALFORMED.items():
        c.found(name, judge(verdicts.ingest(c, c.data.path(name), c.scratch())))
    c.found("cut inside a sequence", verdicts.truncated(c, c.scratch()))
    c.found("CRLF gives the values of LF", verdicts.same_as_original(c))


@case
def gzip(c):
    """The gzip corner cases."""
    for row in c.data.table("gzip/expected_gzip.csv"):
        c.found(row["file"], verdicts.gzip_file(c, row, c.scratch()), row["verdict"])


@case
def pnnl(c):
    """What PNNL's own parser wrote for one of the files."""
    name = "uniprot/flat/pnnl/uniprot_sprot_human_excerpt.dat.gz"
    by_name = {got["entry_name"]: got for got in c.objects(name)}
    table = c.data.path("uniprot/oracle_pnnl/uniprot_sprot_human_excerpt_output.tsv.gz")
    with open_gzip(table, "rt", encoding="utf-8", newline="") as lines:
        table_rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        c.found("table", *verdicts.pnnl_table(table_rows, by_name))
    fasta = expected.plain(table.with_name("uniprot_sprot_human_excerpt_output.fasta.gz")).decode()
    c.found("fasta", *verdicts.pnnl_fasta(fasta, by_name))


@case
def database(c):
    """All flat files by one ingest: the rows of `proteins` agree with the expected values."""
    c.found("ingest of all flat files", *verdicts.database(c, c.scratch()))
