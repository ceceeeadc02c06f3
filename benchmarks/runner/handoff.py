"""Hand-over of records: cases, table and targets."""

from .cases import Case, find
from .tables import Target, ns, ratio, table

executable = "bench-handoff"
default_rounds = 7

RIVALS = ["bare", "bare-fill", "bare-idle-threads", "spsc-ring", "mutex-queue", "concurrentqueue-record", "concurrentqueue-batch",
          "asio-post-batch", "tbb-record", "tbb-batch", "tbb-batch-recycled"]
ETL = ["etl-adaptive-push", "etl-adaptive-fill", "etl-handover-push", "etl-handover-fill", "etl-never-push",
       "etl-fused-push", "etl-fused-fill"]
ETL_TRANSFORM = ["bare-three-passes", "etl-adaptive-push-transform", "etl-handover-push-transform", "etl-fused-push-transform"]
ETL_CONVERT = ["etl-adaptive-fill-swap", "etl-handover-fill-swap", "etl-adaptive-fill-value", "etl-handover-fill-value"]
BATCHED = ["bare", "mutex-queue", "tbb-batch", "etl-adaptive-push", "etl-handover-push"]
CPU_BOUND = ["mutex-queue", "tbb-batch", "etl-adaptive-push", "etl-handover-push"]
BATCH_SIZES = [1, 10, 100, 1000, 10000]
ETL_RUST_NS = {True: 674.0, False: 872.0}  # its best measured settings, on the machine of the first measurement

# Workloads, and how their records are made, that are measured in all three modes.
KINDS = [("pod", "push"), ("pod", "fill"), ("pod", "push-transform"), ("str", "push"), ("str", "fill"), ("str", "push-transform"),
         ("convert", "push"), ("convert", "fill")]

TITLES = {"pod": "64-byte records", "str": "Records with a 40-byte heap string",
          "convert": "E to a different T, both with strings", "cpu": "CPU-bound transform"}


def cases(records=None):
    records = records or 5_000_000
    found = []

    def add(workload, impl, batch=1000, workers=2, pins=(True, False), count=records):
        for pinned in pins:
            found.append(Case({"workload": workload, "impl": impl, "batch": batch, "workers": workers,
                               "records": max(1, count)}, pinned))

    for workload in ("pod", "str", "convert"):
        for impl in RIVALS + ETL + (ETL_CONVERT if workload == "convert" else ETL_TRANSFORM):
            add(workload, impl)
    for impl in BATCHED:
        for batch in BATCH_SIZES:
            if batch != 1000:  # a hand-over per record takes microseconds: fewer of them
                add("pod", impl, batch, count=records // {1: 25, 10: 5}.get(batch, 1))
    add("cpu", "bare", pins=(False,), count=records // 20)
    for impl in CPU_BOUND:
        for workers in (1, 2):
            add("cpu", impl, workers=workers, pins=(False,), count=records // 20)
    return found


def report(cases_, markdown=False):
    """Tables of all that was measured."""
    parts = []
    for workload in ("pod", "str", "convert"):
        rows = [_row(cases_, workload, impl) for impl in RIVALS + ETL + ETL_TRANSFORM + ETL_CONVERT]
        rows = [row for row in rows if row]
        if rows:
            head = ["ns per record, batch 1000, 2 workers", "1 CPU", "x bare", "2 CPUs", "x bare", "CPU ns", "min-max"]
            parts.append((TITLES[workload], table(head, rows, markdown)))
    for pinned in (True, False):
        rows = []
        for impl in BATCHED:
            found = [find(cases_, workload="pod", impl=impl, batch=b, workers=2, pinned=pinned) for b in BATCH_SIZES]
            if any(found):
                rows.append([impl] + [ns(c and c.median()) for c in found])
        if rows:
            head = ["ns per 64-byte record, 2 workers"] + [f"batch {b}" for b in BATCH_SIZES]
            parts.append(("Batch sizes, " + ("1 CPU" if pinned else "2 CPUs"), table(head, rows, markdown)))
    rows = []
    for impl in ["bare"] + CPU_BOUND:
        one, two = (find(cases_, workload="cpu", impl=impl, workers=w) for w in (1, 2))
        if one or two:
            gain = ratio(one, two)
            rows.append([impl, ns(one and one.median()), ns(two and two.median()), f"{gain:.2f}x" if gain else "-"])
    if rows:
        head = ["ns per record, about 1 us of arithmetic each, 2 CPUs", "1 worker", "2 workers", "gain"]
        parts.append((TITLES["cpu"], table(head, rows, markdown)))
    return parts


def _row(cases_, workload, impl):
    pinned, free = (find(cases_, workload=workload, impl=impl, batch=1000, pinned=p) for p in (True, False))
    if not pinned and not free:
        return None
    def times(case, pin):
        r = ratio(case, find(cases_, workload=workload, impl="bare", batch=1000, pinned=pin))
        return f"{r:.2f}" if r else "-"
    spread = f"{ns(min(free.values('ns')))}-{ns(max(free.values('ns')))}" if free else "-"
    return [impl, ns(pinned and pinned.median()), times(pinned, True), ns(free and free.median()), times(free, False),
            ns(free and free.median("cpu_ns")), spread]


def _adaptive_over_best(cases_, workload, kind, pinned):
    adaptive, handover, fused = (find(cases_, workload=workload, impl=f"etl-{mode}-{kind}", batch=1000, workers=2, pinned=pinned)
                                 for mode in ("adaptive", "handover", "fused"))
    return max(filter(None, (ratio(adaptive, fused), ratio(adaptive, handover))), default=None)


def targets(cases_):
    """The core's share of the speed to reach (all against the bare loop of a single-threaded process)."""
    def case(workload, impl, pinned, batch=1000, workers=2):
        return find(cases_, workload=workload, impl=impl, pinned=pinned, batch=batch, workers=workers)

    def over_bare(workload, impl, pinned):
        base = "bare-three-passes" if impl.endswith("-transform") else "bare"  # what does the same work
        return ratio(case(workload, impl, pinned), case(workload, base, pinned))

    where = {True: "1 CPU", False: "2 CPUs"}
    found = []

    def against_bare(text, workload, impls, limit, pins=(True, False)):
        for impl in impls:
            for pinned in pins:
                found.append(Target(f"{text}: {impl}, {where[pinned]}", over_bare(workload, impl, pinned), limit))

    against_bare("64-byte records, adaptive", "pod", ["etl-adaptive-push", "etl-adaptive-fill"], 1.3)
    against_bare("64-byte records, handed over", "pod", ["etl-handover-push", "etl-handover-fill"], 1.5, (True,))
    against_bare("64-byte records, handed over", "pod", ["etl-handover-push", "etl-handover-fill"], 1.6, (False,))
    against_bare("64-byte records, fused", "pod", ["etl-fused-push", "etl-fused-fill"], 1.15)
    against_bare("64-byte records, adaptive, own transform pass", "pod", ["etl-adaptive-push-transform"], 1.3)
    for pinned in (True, False):
        value = max(filter(None, (_adaptive_over_best(cases_, *kind, pinned) for kind in KINDS)), default=None)
        found.append(Target(f"adaptive over the better of fused and handed over, at worst, {where[pinned]}", value, 1.1))
    for pinned in (True, False):
        value = ratio(case("pod", "tbb-batch", pinned), case("pod", "etl-adaptive-push", pinned))
        found.append(Target(f"faster than oneTBB by batch, {where[pinned]}", value, 1.0, at_least=True))
    for pinned, limit in ((True, 15), (False, 40)):
        value = ratio(case("pod", "tbb-record", pinned), case("pod", "etl-adaptive-push", pinned))
        found.append(Target(f"faster than oneTBB by record, {where[pinned]}", value, limit, at_least=True))
    for pinned in (True, False):
        measured = case("pod", "etl-adaptive-push", pinned)
        value = ETL_RUST_NS[pinned] / measured.median() if measured else None
        text = f"faster than etl-rust's {ETL_RUST_NS[pinned]:.0f} ns (measured earlier), {where[pinned]}"
        found.append(Target(text, value, 100, at_least=True))
    against_bare("with a string, push", "str", ["etl-adaptive-push"], 1.1)
    against_bare("with a string, push", "str", ["etl-handover-push"], 1.1, (True,))
    against_bare("with a string, fill", "str", ["etl-adaptive-fill"], 0.5)
    against_bare("with a string, fill", "str", ["etl-handover-fill"], 0.5, (True,))
    against_bare("with a string, fused", "str", ["etl-fused-push", "etl-fused-fill"], 1.15)
    against_bare("E to T with strings", "convert", ["etl-adaptive-push", "etl-adaptive-fill"], 2.0)
    against_bare("E to T with strings", "convert", ["etl-handover-push", "etl-handover-fill"], 2.0, (True,))
    against_bare("E to T with strings, fused", "convert", ["etl-fused-push"], 1.15)
    for impl in ("etl-adaptive-push", "etl-handover-push"):
        one, two = (find(cases_, workload="cpu", impl=impl, workers=w) for w in (1, 2))
        found.append(Target(f"CPU-bound, two workers over one: {impl}", ratio(one, two), 1.85, at_least=True))
    for pinned in (True, False):
        measured = case("pod", "etl-adaptive-push", pinned, batch=1)
        value = measured.median() if measured else None
        found.append(Target(f"batch size 1, {where[pinned]}", value, 350, unit="ns"))
    return found
