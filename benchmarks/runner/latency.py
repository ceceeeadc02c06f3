"""Waiting times in a bucket: cases and tables."""

from .cases import Case, find
from .tables import table

executable = "bench-latency"
default_rounds = 3

RATES = [10, 100, 1000, 10000]
TIMEOUTS_MS = [1, 5, 20, 100]
SETTINGS = [("batch 1", 1, 1_000_000), ("batch 1000, timeout 5 ms", 1000, 5000)]
INTAKES = {"handle": "own handle", "shared": "shared intake"}


def cases(records=None):
    """`records` stands for milliseconds per measurement here."""
    ms = records or 2000
    found = []
    for intake in INTAKES:
        for rate in RATES:
            for _, batch, timeout in SETTINGS:
                found.append(Case({"mode": "rate", "intake": intake, "rate": rate, "batch": batch, "timeout-us": timeout, "ms": ms}))
        for timeout in TIMEOUTS_MS:
            found.append(Case({"mode": "timeout", "intake": intake, "timeout-us": timeout * 1000,
                               "flushes": max(5, min(200, ms // timeout))}))
    return found


def us(value):
    if value is None:
        return "-"
    return f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.0f} us"


def summary(case):
    """Median of the medians and of the p99s, largest maximum of all rounds."""
    if not case:
        return ["-", "-", "-"]
    return [us(case.median("median_us")), us(case.median("p99_us")), us(max(case.values("max_us")))]


def report(cases_, markdown=False):
    parts = []
    for label, batch, timeout in SETTINGS:
        rows = []
        for intake, name in INTAKES.items():
            for rate in RATES:
                case = find(cases_, mode="rate", intake=intake, rate=rate, batch=batch)
                if case:
                    rows.append([f"{name}, {rate} items/s"] + summary(case) + [f"{case.median('cpu_percent'):.1f} %"])
        if rows:
            parts.append((f"From push to load, {label}", table(["", "median", "p99", "max", "CPU"], rows, markdown)))
    rows = []
    for intake, name in INTAKES.items():
        for timeout in TIMEOUTS_MS:
            case = find(cases_, mode="timeout", intake=intake, **{"timeout-us": timeout * 1000})
            if case:
                rows.append([f"{name}, timeout {timeout} ms"] + summary(case))
    if rows:
        parts.append(("Timeout flush: how late", table(["", "median", "p99", "max"], rows, markdown)))
    return parts


def targets(_):
    return []
