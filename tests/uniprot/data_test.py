#!/usr/bin/env python3
"""Grades etl-uniprot on real entries, against values that other programs computed.

    data_test.py PROGRAM DATA [CASE...]   DATA is the data folder; all cases without CASE
    data_test.py --self-test              shows that each comparison can fail
    data_test.py --list                   names of the cases
"""
import collections
import csv
import functools
import gzip
import json
import sqlite3
import sys

sys.dont_write_bytecode = True

import asserts  # noqa: E402
import compare  # noqa: E402
import expected  # noqa: E402
import support  # noqa: E402
import verdicts  # noqa: E402


class Grader:
    """The program, the data and the report."""

    def __init__(self, program, data):
        self.program = support.Program(program)
        self.data = expected.Data(data)
        self.report = support.Report()
        self.objects = functools.lru_cache(maxsize=None)(self.read)

    def read(self, name):
        """The program's objects for one file of the data folder."""
        return self.program.entries(self.data.path(name))

    def whole_file(self, name):
        """(the program's objects, problems): nothing is compared unless the number of entries is right."""
        try:
            found = self.objects(name)
        except (AssertionError, json.JSONDecodeError) as error:
            return [], [f"{name}: {error}"]
        rows = self.data.by_file[name]
        return found, [] if len(found) == len(rows) else [(f"{name} entries", len(rows), len(found))]

    def by_entry(self, compare_one):
        """One case per flat file: compare_one(row, object) gives (field, expected, got)."""
        for name in self.data.flat_files():
            found, problems = self.whole_file(name)
            for row, got in zip(self.data.by_file[name], found):
                place = f"{name}#{row['entry_index']} {row['accession']}"
                try:
                    problems += [(f"{place} {field}", wanted, have) for field, wanted, have in compare_one(row, got)]
                except (KeyError, TypeError, AttributeError, IndexError) as error:
                    problems.append(f"{place} not in the documented form: {error!r}")
            self.report.case(name, problems, f"{len(found)} entries")


def entries(grader):
    """Every column of expected_entries.csv."""
    grader.by_entry(compare.entry)


def detail(grader):
    """Everything in expected_detail.jsonl.gz."""
    counts = collections.Counter()

    def one(row, got):
        index = int(row["entry_index"])
        wanted = grader.data.details[row["file"], index]
        return compare.detail(wanted, grader.data.texts(row["file"])[index], got, counts)

    grader.by_entry(one)
    for text, number in counts.items():
        print(f"note {number} {text}")


def assertions(grader):
    """The assertions of Biopython and BioPerl."""
    problems, used, unused = asserts.grade(grader.data, grader.objects)
    grader.report.case("assertions", problems, f"{used} used, {sum(unused.values())} without a counterpart")
    for path, number in unused.items():
        print(f"note {number} x {path}")


def formats(grader):
    """The other formats of inspect, for every flat file."""
    headers = verdicts.fasta_headers(grader.data)
    for name in grader.data.flat_files():
        whole, path = [], grader.data.path(name)
        found = {form: grader.program.run("inspect", path, "--format", form) for form in ("dat", "fasta", "json")}
        for form, done in found.items():
            if done.returncode:
                whole.append((f"{name} {form} exit code", 0, f"{done.returncode}: {support.message(done)}"))
        if found["dat"].stdout != expected.plain(path):
            difference = verdicts.first_difference(expected.plain(path), found["dat"].stdout)
            whole.append((f"{name} dat", "the bytes of the file", difference))
        wanted = [grader.data.details[name, i] for i in range(len(grader.data.by_file[name]))]
        whole += verdicts.fasta(name, wanted, found["fasta"].stdout.decode(), headers)
        whole += verdicts.as_json(name, found["json"].stdout, grader.objects(name))
        grader.report.case(name, whole)


def malformed(grader):
    """Damaged files and files of another kind, by ingest."""
    grader.report.case("every damaged file has a verdict", verdicts.uncovered(grader.data))
    for name, judge in verdicts.MALFORMED.items():
        with support.scratch() as folder:
            grader.report.case(name, judge(verdicts.ingest(grader, grader.data.path(name), folder)))
    with support.scratch() as folder:
        grader.report.case("cut inside a sequence", verdicts.truncated(grader, folder))
    grader.report.case("CRLF gives the values of LF", verdicts.same_as_original(grader))


def gzip_cases(grader):
    """The gzip corner cases."""
    for row in grader.data.table("gzip/expected_gzip.csv"):
        with support.scratch() as folder:
            grader.report.case(row["file"], verdicts.gzip_file(grader, row, folder), row["verdict"])


def pnnl(grader):
    """What PNNL's own parser wrote for one of the files."""
    name = "uniprot/flat/pnnl/uniprot_sprot_human_excerpt.dat.gz"
    by_name = {got["entry_name"]: got for got in grader.objects(name)}
    table = grader.data.path("uniprot/oracle_pnnl/uniprot_sprot_human_excerpt_output.tsv.gz")
    with gzip.open(table, "rt", encoding="utf-8", newline="") as lines:
        table_rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        grader.report.case("table", *verdicts.pnnl_table(table_rows, by_name))
    fasta = expected.plain(table.with_name("uniprot_sprot_human_excerpt_output.fasta.gz")).decode()
    grader.report.case("fasta", *verdicts.pnnl_fasta(fasta, by_name))


def database(grader):
    """All flat files by one ingest: the rows of `proteins` agree with the expected values."""
    with support.scratch() as folder:
        grader.report.case("ingest of all flat files", *verdicts.database(grader, folder))


CASES = {"entries": entries, "detail": detail, "asserts": assertions, "formats": formats, "malformed": malformed,
         "gzip": gzip_cases, "pnnl": pnnl, "database": database}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if sys.argv[1:] == ["--self-test"]:
        import self_test
        return self_test.main()
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    grader = Grader(*sys.argv[1:3])
    for name, case in support.select(CASES, sys.argv[3:]).items():
        try:
            case(grader)
        except (AssertionError, LookupError, TypeError, ValueError, OSError, sqlite3.Error) as error:
            grader.report.case(name, [f"broke off: {type(error).__name__}: {error}"])
    return grader.report.close()


if __name__ == "__main__":
    sys.exit(main())
