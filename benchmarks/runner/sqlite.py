"""Rows into SQLite: the sink and a hand-written loop, and what checkpoints cost; each in turns in one process."""

from .cases import Case, find
from .tables import Target, ns, table

executable = "bench-sqlite"
default_rounds = 5

BATCHES = [100, 1000, 10_000]
DELIVERY = {"transaction": "rows and progress in one transaction", "checkpoint_file": "checkpoints in a file",
            "checkpoint_store": "checkpoints in the database"}
DELIVERY_BATCHES = [1000, 5000]


def cases(records=None):
    found = [Case({"batch": batch, "rows": records or 200_000}) for batch in BATCHES]
    return found + [Case({"task": "delivery", "batch": batch, "rows": records or 1_000_000}) for batch in DELIVERY_BATCHES]


def report(cases_, markdown=False):
    rows = []
    for batch in BATCHES:
        case = find(cases_, task=None, batch=batch)
        if case:
            rows.append([f"{batch} rows per transaction", ns(case.median()), ns(case.median("raw_ns")),
                         f"{case.median('times_raw'):.2f}"])
    parts = [("8 columns, write-ahead log, synchronous NORMAL",
              table(["", "sink, ns per row", "raw loop", "speed of the raw loop"], rows, markdown))] if rows else []
    for batch in DELIVERY_BATCHES:
        case = find(cases_, task="delivery", batch=batch)
        if case:
            rows = [["no checkpoints", ns(case.median()), "1.00", ns(case.median("cpu_ns"))]]
            rows += [[label, ns(case.median(side + "_ns")), f"{case.median('times_' + side):.2f}", ns(case.median(side + "_cpu_ns"))]
                     for side, label in DELIVERY.items()]
            parts.append((f"The same rows by etl::run, {batch} per transaction",
                          table(["", "ns per row", "speed, x no checkpoints", "CPU ns"], rows, markdown)))
    return parts


def targets(cases_):
    case = find(cases_, task=None, batch=1000)
    found = [Target("sink, as part of the speed of the raw loop", case.median("times_raw") if case else None, 0.9, at_least=True)]
    for batch in DELIVERY_BATCHES:
        case = find(cases_, task="delivery", batch=batch)
        found += [Target(f"{label}, {batch} rows each, as part of the speed without", case.median("times_" + side) if case else None,
                         0.95, at_least=True) for side, label in DELIVERY.items()]
    return found
