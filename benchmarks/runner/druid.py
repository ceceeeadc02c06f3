"""What etl-druid does with 100 MB of CSV before a task is submitted, beside the typed reader alone."""

import os
import subprocess
import sys

from .cases import Case, find
from .tables import Target, ns, table

executable = "bench-druid"
default_rounds = 5

FILE = "mixed_100.csv"
TASKS = {"structs": "typed reader alone", "types": "types of all columns", "validate": "validate",
         "stage": "validate and stage, compressed"}


def prepare(program, folder):
    """Makes the input in `folder`, unless it is there, and goes there."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    if not os.path.exists(FILE):
        print(f"making the input {FILE}", file=sys.stderr)
        subprocess.run([program, "--generate", "mixed", "--file", "part.csv", "--bytes", "100000000"], check=True)
        os.rename("part.csv", FILE)


def cases(records=None):
    return [Case({"task": task, "file": FILE}) for task in TASKS]


def report(cases_, markdown=False):
    rows, reader = [], find(cases_, task="structs")
    for task, label in TASKS.items():
        case = find(cases_, task=task)
        if case and case.median() and reader and reader.median():
            rows.append([label, ns(case.median()), f"{1000 / case.median() * 1000:.0f}", f"{case.median() / reader.median():.2f}",
                         f"{case.median('peak_mb'):.0f}"])
    return [("100 MB, 10 columns, quoted descriptions",
             table(["", "ns per 1000 bytes", "MB/s", "x typed reader", "peak memory, MB"], rows, markdown))] if rows else []


def targets(cases_):
    reader, validate = find(cases_, task="structs"), find(cases_, task="validate")
    speed = reader.median() / validate.median() if reader and validate and reader.median() and validate.median() else None
    return [Target("validation, as part of the speed of the typed reader", speed, 0.5, at_least=True)]
