"""Runs cases, each measurement in a process of its own, and keeps every sample."""

import json
import os
import random
import statistics
import subprocess
import sys
import time


class Case:
    """Arguments of one measurement, where it runs, and the samples it gave."""

    def __init__(self, args, pinned=False, samples=None):
        self.args = args
        self.pinned = pinned
        self.samples = samples or []
        self.failures = []

    def matches(self, **wanted):
        return all(getattr(self, "pinned") == v if k == "pinned" else self.args.get(k) == v for k, v in wanted.items())

    def name(self):
        words = [f"{k}={v}" for k, v in self.args.items() if k not in ("records", "items")]
        return " ".join(words + ["pinned" if self.pinned else "unpinned"])

    def values(self, key):
        return [sample[key] for sample in self.samples if key in sample]

    def median(self, key="ns"):
        values = self.values(key)
        return statistics.median(values) if values else None

    def run(self, executable, timeout):
        command = [executable] + [word for k, v in self.args.items() for word in (f"--{k}", str(v))]
        if self.pinned:
            command = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] + command
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            self.failures.append(f"no result within {timeout} s")
            return
        try:
            sample = json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            self.failures.append(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
            return
        if not sample.pop("ok", True):
            self.failures.append("wrong checksum")
            return
        self.samples.append({k: v for k, v in sample.items() if k not in self.args})


def measure(cases, executable, rounds, timeout=120, seed=None):
    """Every round runs all cases in a new random order, so that slow changes of the machine hit all alike."""
    shuffle = random.Random(seed)
    start = time.monotonic()
    total = rounds * len(cases)
    done = 0
    for _ in range(rounds):
        order = list(cases)
        shuffle.shuffle(order)
        for case in order:
            if len(case.failures) < 2:  # one that keeps failing must not cost a timeout per round
                case.run(executable, timeout)
            done += 1
            _progress(done, total, time.monotonic() - start)
    failed = [case for case in cases if case.failures]
    for case in failed:
        print(f"FAILED {case.name()}: {case.failures[0]} ({len(case.failures)} times)")
    return not failed


def _progress(done, total, seconds):
    if not sys.stderr.isatty() and done % 200 and done != total:
        return
    left = seconds / done * (total - done)
    end = "\n" if done == total or not sys.stderr.isatty() else ""
    print(f"\r{done}/{total} measurements, {seconds:.0f} s, about {left:.0f} s left ", end=end, file=sys.stderr, flush=True)


def find(cases, **wanted):
    """The only case that matches, or None."""
    found = [case for case in cases if case.matches(**wanted)]
    return found[0] if len(found) == 1 and found[0].samples else None


def save(path, workload, machine, settings, cases):
    """Raw samples as JSON, one case per line, so that a diff can be read."""
    head = {"workload": workload, "machine": machine, "settings": settings}
    lines = [json.dumps({"args": c.args, "pinned": c.pinned, "samples": c.samples}) for c in cases if c.samples]
    text = json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
    json.loads(text)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def load(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    cases = [Case(c["args"], c["pinned"], c["samples"]) for c in data["cases"]]
    return data, cases
