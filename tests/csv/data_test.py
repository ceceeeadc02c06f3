"""Grades etl-csv on files that three other parsers have read."""
import csv

from harness import DATA, Case, cases_of, text_of

NAMES = {"comma": ",", "semicolon": ";", "tab": "tab", "pipe": "|", "colon": ":"}
AGREED, REJECTED = "all three agree", "all three reject"


class GraderCase(Case):
    def digest(self, path, arguments):
        """(exit code, what `etl-csv digest` printed as a dictionary, its errors)."""
        done = self.program.run("digest", *arguments, path, timeout=60)
        return done.returncode, dict(line.split(" ", 1) for line in text_of(done.stdout).splitlines()), text_of(done.stderr)


case = cases_of(GraderCase)


def expected(verdict):
    with open(DATA / "csv/expected_csv.csv", newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["verdict"] == verdict]


def dialect(row):
    quote = ["--quote", row["quote"]] if row["quote"] else ["--no-quote"]
    return ["--delimiter", NAMES.get(row["delimiter"], row["delimiter"]), *quote]


@case
def agreed(c):
    """Rows, cells and digest of every file on which the parsers agree."""
    rows = expected(AGREED)
    c.holds("at least 100 files are graded", len(rows) >= 100, len(rows))
    for row in rows:
        code, found, errors = c.digest(DATA / row["file"], dialect(row))
        c.equal(f"{row['file']} {errors}", (0, {"rows": row["rows"], "cells": row["cells"], "md5": row["md5_of_cells"]}), (code, found))


@case
def rejected(c):
    """Every file that all parsers reject: exit code 1, and file, line and column."""
    rows = expected(REJECTED)
    c.holds("files are graded", rows)
    for row in rows:
        code, _, errors = c.digest(DATA / row["file"], dialect(row))
        place = errors.partition(str(DATA / row["file"]) + ":")[2].split(":")[:2]
        c.equal(f"{row['file']}: exit code", 1, code)
        c.holds(f"{row['file']}: an error with its place", len(place) == 2 and all(part.isdigit() for part in place), errors)


@case
def fuzz(c):
    """No crash and no hang on inputs that crashed another reader, and on every other file."""
    paths = [path for path in sorted((DATA / "csv").rglob("*")) if path.is_file()]
    c.holds("files are graded", paths)
    for path in paths:
        code, _, errors = c.digest(path, ["--delimiter", ","])
        c.holds(f"{path}: exit code 0, 1 or 2", code in (0, 1, 2), code)
        c.holds(f"{path}: an error names the file", code == 0 or str(path) in errors, errors)
