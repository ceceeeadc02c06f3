"""CSV files read on one and on two threads, and loaded into SQLite: inputs, cases, tables and targets."""

import importlib.util
import os
import subprocess
import sys

from .cases import Case, Rival, find
from .tables import Target, ns, ratio, table

executable = "bench-csv"
default_rounds = 5

HERE = os.path.dirname(os.path.abspath(__file__))
RIVALS = os.path.join(HERE, "..", "csv", "rivals")
PYTHON = [sys.executable, os.path.join(RIVALS, "python_csv.py")]
DUCKDB = [sys.executable, os.path.join(RIVALS, "duckdb_csv.py")]
MEGABYTES = 336
KINDS = {"num": "8 columns of numbers", "mixed": "10 columns, quoted descriptions"}
TASKS = {"read": "read alone", "structural": "bare structural pass, AVX2", "structural_512": "bare structural pass, AVX-512",
         "index": "our structural index alone", "rows": "rows and fields",
         "getline": "getline and split", "index_sum": "sums by hand over our index", "sum": "sums over rows"}
STRUCTS = {"structs": "all columns into structs"}
DUCKDB_TASKS = {"count": "DuckDB, rows counted", "sum": "DuckDB, sums", "table": "DuckDB, a table of all columns"}
LOADED = {"mixed_100.csv": 100, "mixed.csv": MEGABYTES, "mixed_1000.csv": 1000}  # MB


def prepare(program, folder):
    """Makes the inputs in `folder`, unless they are there, and goes there."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    if not has_duckdb():
        print("note: DuckDB is not installed (pip install duckdb), and left out", file=sys.stderr)
    for file, megabytes in {"num.csv": MEGABYTES, **LOADED}.items():
        if not os.path.exists(file):
            print(f"making the input {file}", file=sys.stderr)
            kind = "num" if file == "num.csv" else "mixed"
            subprocess.run([program, "--generate", kind, "--file", "part.csv", "--bytes", f"{megabytes}000000"], check=True)
            os.rename("part.csv", file)


def has_duckdb():
    return importlib.util.find_spec("duckdb") is not None


def has_avx512():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return "avx512_vbmi2" in file.read()
    except OSError:
        return False


def cases(records=None):
    found = []
    for kind in KINDS:
        file = {"file": f"{kind}.csv", "kind": kind}
        tasks = [*TASKS, *STRUCTS] if kind == "mixed" else TASKS
        found += [Case({"task": task, **file, "threads": 1}, True) for task in tasks if task != "structural_512" or has_avx512()]
        found += [Case({"task": task, **file, "threads": 2}) for task in ("rows", "sum")]
        found.append(Rival(PYTHON, {"task": "python", **file}))
        if has_duckdb():
            found += [Rival([*DUCKDB, task], {"task": f"duckdb_{task}", **file}) for task in DUCKDB_TASKS]
    return found + [Case({"task": "load", "file": file, "kind": "mixed"}) for file in LOADED]


def report(cases_, markdown=False):
    parts = []
    for kind, what in KINDS.items():
        base = find(cases_, task="structural", kind=kind)
        rows = []
        labels = [(task, 1, label) for task, label in {**TASKS, **STRUCTS}.items()]
        labels += [("rows", 2, "rows and fields, 2 threads"), ("sum", 2, "sums over rows, 2 threads"), ("python", None, "Python's csv")]
        labels += [(f"duckdb_{task}", None, label) for task, label in DUCKDB_TASKS.items()]
        for task, threads, label in labels:
            case = find(cases_, task=task, kind=kind, **({"threads": threads} if threads else {}))
            if case:
                times = ratio(base, case)
                rows.append([label, ns(case.median()), f"{1e6 / case.median():.0f}", "-" if times is None else f"{times:.2f}"])
        if rows:
            parts.append((what, table(["", "ns per 1000 bytes", "MB/s", "speed of the bare pass"], rows, markdown)))
    rows = []
    for file, megabytes in LOADED.items():
        case = find(cases_, task="load", file=file)
        if case:
            rows.append([f"{megabytes} MB", f"{case.median('peak_mb'):.0f}", ns(case.median()), f"{1e6 / case.median():.0f}"])
    if rows:
        parts.append(("mixed: etl-csv load into SQLite, 2 CPUs", table(["", "peak memory, MB", "ns per 1000 bytes", "MB/s"], rows, markdown)))
    return parts


def targets(cases_):
    found = []
    for kind in KINDS:
        case = lambda task, threads=1, kind=kind: find(cases_, task=task, kind=kind, threads=threads)  # noqa: E731
        duckdb = lambda task, kind=kind: find(cases_, task=f"duckdb_{task}", kind=kind)  # noqa: E731
        found += [
            Target(f"{kind}: rows and fields, as part of the speed of the bare pass", ratio(case("structural"), case("rows")), 0.45,
                   at_least=True),
            Target(f"{kind}: rows and fields, as part of the speed of our index", ratio(case("index"), case("rows")), 0.45, at_least=True),
            Target(f"{kind}: sums, as part of the speed of a loop over our index", ratio(case("index_sum"), case("sum")), 0.9, at_least=True),
            Target(f"{kind}: sums on two threads, times one", ratio(case("sum"), case("sum", 2)), 1.5, at_least=True),
            Target(f"{kind}: rows and fields, times DuckDB's count", ratio(duckdb("count"), case("rows")), 3, at_least=True),
            Target(f"{kind}: sums, times DuckDB's", ratio(duckdb("sum"), case("sum")), 3, at_least=True),
        ]
    small, large = (find(cases_, task="load", file=file) for file in ("mixed_100.csv", "mixed_1000.csv"))
    read, structs, made = (find(cases_, task=task, kind="mixed") for task in ("read", "structs", "duckdb_table"))
    return found + [
        Target("mixed: all columns into structs, as part of the speed of reading", ratio(read, structs), 0.1, at_least=True),
        Target("mixed: all columns into structs, times DuckDB's table", ratio(made, structs), 3, at_least=True),
        Target("mixed: peak memory of a load of 1 GB, against 100 MB", ratio(large, small, "peak_mb"), 1.5),
    ]
