"""Many threads push single items into one bucket: cases, table and target."""

from .cases import Case, find
from .tables import Target, ns, table

executable = "bench-intake"
default_rounds = 7

THREADS = [1, 2, 4, 8, 16]
IMPLS = ["handle", "shared", "mutex"]
LABELS = {"handle": "own handle per thread", "shared": "shared intake (push)", "mutex": "one mutex per push"}


def cases(records=None):
    return [Case({"impl": impl, "threads": threads, "batch": 1000, "workers": 2, "items": records or 4_000_000}, pinned)
            for impl in IMPLS for threads in THREADS for pinned in (True, False)]


def report(cases_, markdown=False):
    parts = []
    for pinned in (True, False):
        rows = []
        for impl in IMPLS:
            found = [find(cases_, impl=impl, threads=t, pinned=pinned) for t in THREADS]
            if any(found):
                rows.append([LABELS[impl]] + [ns(c and c.median()) for c in found])
        if rows:
            head = ["ns per 64-byte item"] + [f"{t} thread{'s' if t > 1 else ''}" for t in THREADS]
            parts.append(("Pushing into one bucket, " + ("1 CPU" if pinned else "2 CPUs"), table(head, rows, markdown)))
    return parts


def targets(cases_):
    found = []
    for pinned in (True, False):
        shared = find(cases_, impl="shared", threads=1, pinned=pinned)
        found.append(Target(f"shared intake, one thread, {'1 CPU' if pinned else '2 CPUs'}",
                            shared.median() if shared else None, 25, unit="ns"))
        for threads in THREADS[1:]:
            shared, mutex = (find(cases_, impl=i, threads=threads, pinned=pinned) for i in ("shared", "mutex"))
            value = mutex.median() / shared.median() if shared and mutex else None
            found.append(Target(f"shared intake no slower than a mutex, {threads} threads, {'1 CPU' if pinned else '2 CPUs'}",
                                value, 1.0, at_least=True))
    return found
