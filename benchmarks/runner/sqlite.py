"""Rows into SQLite: the sink and a hand-written loop, in turns in one process."""

from .cases import Case, find
from .tables import Target, ns, table

executable = "bench-sqlite"
default_rounds = 5

BATCHES = [100, 1000, 10_000]


def cases(records=None):
    return [Case({"batch": batch, "rows": records or 200_000}) for batch in BATCHES]


def report(cases_, markdown=False):
    rows = []
    for batch in BATCHES:
        case = find(cases_, batch=batch)
        if case:
            rows.append([f"{batch} rows per transaction", ns(case.median()), ns(case.median("raw_ns")),
                         f"{case.median('times_raw'):.2f}"])
    return [("8 columns, write-ahead log, synchronous NORMAL", table(["", "sink, ns per row", "raw loop", "speed of the raw loop"], rows, markdown))]


def targets(cases_):
    case = find(cases_, batch=1000)
    return [Target("sink, as part of the speed of the raw loop", case.median("times_raw") if case else None, 0.9, at_least=True)]
