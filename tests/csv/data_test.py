#!/usr/bin/env python3
"""Grades etl-csv on files that three other parsers have read.

    data_test.py PROGRAM DATA [CASE...]   DATA is the data folder; all cases without CASE
    data_test.py --self-test              shows that each case can fail
    data_test.py --list                   names of the cases
"""
import csv
import pathlib
import subprocess
import sys

NAMES = {"comma": ",", "semicolon": ";", "tab": "tab", "pipe": "|", "colon": ":"}
AGREED, REJECTED = "all three agree", "all three reject"


def expected(data):
    with open(data / "csv/expected_csv.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digest(program, path, arguments=()):
    """(exit code, what it printed as a dictionary, its errors)."""
    done = subprocess.run([program, "digest", *arguments, str(path)], capture_output=True, timeout=60, check=False)
    out = done.stdout.decode("utf-8", "replace")
    return done.returncode, dict(line.split(" ", 1) for line in out.splitlines()), done.stderr.decode("utf-8", "replace")


def dialect(row):
    quote = ["--quote", row["quote"]] if row["quote"] else ["--no-quote"]
    return ["--delimiter", NAMES.get(row["delimiter"], row["delimiter"]), *quote]


def case_agreed(run, data):
    """Rows, cells and digest of every file on which the parsers agree."""
    count = 0
    for row in expected(data):
        if row["verdict"] != AGREED:
            continue
        count += 1
        code, found, errors = run(data / row["file"], dialect(row))
        wanted = {"rows": row["rows"], "cells": row["cells"], "md5": row["md5_of_cells"]}
        if code != 0 or found != wanted:
            yield f"{row['file']}: expected {wanted}, got exit code {code}, {found} {errors.strip()}"
    if count < 100:
        yield f"only {count} files are to be graded"


def case_rejected(run, data):
    """Every file that all parsers reject: exit code 1, and file, line and column."""
    count = 0
    for row in expected(data):
        if row["verdict"] != REJECTED:
            continue
        count += 1
        code, _, errors = run(data / row["file"], dialect(row))
        place = errors.partition(str(data / row["file"]) + ":")[2].split(":")[:2]
        if code != 1 or not all(part.isdigit() for part in place) or len(place) != 2:
            yield f"{row['file']}: expected an error with its place, got exit code {code}: {errors.strip()}"
    if count == 0:
        yield "no file is to be graded"


def case_fuzz(run, data):
    """No crash and no hang on inputs that crashed another reader, and on every other file."""
    count = 0
    for path in sorted((data / "csv").rglob("*")):
        if path.is_file():
            count += 1
            code, _, errors = run(path, ["--delimiter", ","])
            if code not in (0, 1, 2) or (code != 0 and str(path) not in errors):
                yield f"{path}: exit code {code}: {errors.strip()}"
    if count == 0:
        yield "there are no files"


CASES = {name.removeprefix("case_"): case for name, case in list(globals().items()) if name.startswith("case_")}


def self_test(data):
    """Each case must complain of a program that does nothing right."""
    wrong = {
        "agreed": lambda path, arguments: (0, {"rows": "1", "cells": "1", "md5": "0"}, ""),
        "rejected": lambda path, arguments: (0, {}, ""),
        "fuzz": lambda path, arguments: (-11, {}, ""),
    }
    silent = [name for name, case in CASES.items() if not list(case(wrong[name], data))]
    for name in silent:
        print(f"the case '{name}' cannot fail")
    return 1 if silent else 0


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if sys.argv[1] == "--self-test":
        return self_test(pathlib.Path(sys.argv[2]))
    program, data, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:] or list(CASES)
    problems = 0
    for name in names:
        for problem in CASES[name](lambda path, arguments: digest(program, path, arguments), data):
            print(f"{name}: {problem}")
            problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
