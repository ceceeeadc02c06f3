"""Runs cases, each measurement in a process of its own, and keeps every sample."""

import json
import os
import random
import resource
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

    def run(self, executable, timeout, retries=0):
        """Measures once; again while other processes took part of the machine, keeping the least disturbed sample."""
        best = None
        for attempt in range(retries + 1):
            noise = Noise()
            sample = self._measure(executable, timeout)
            if sample is None:
                return
            sample["noise"] = noise.share()
            if best is None or sample["noise"] < best["noise"]:
                best = sample
            if best["noise"] <= 0.05:
                break
            time.sleep(0.05 * (attempt + 1))
        self.samples.append(best)

    def _command(self, executable):
        return [executable] + [word for k, v in self.args.items() for word in (f"--{k}", str(v))]

    def _measure(self, executable, timeout):
        command = self._command(executable)
        if self.pinned:
            command = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] + command
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            self.failures.append(f"no result within {timeout} s")
            return None
        try:
            sample = json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            self.failures.append(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
            return None
        if not sample.pop("ok", True):
            self.failures.append("wrong checksum")
            return None
        return {k: v for k, v in sample.items() if k not in self.args}


class Rival(Case):
    """A program by others that reads a file, on one CPU; its time counts per 1000 bytes like ours."""

    def __init__(self, program, args):
        super().__init__(args, pinned=True)
        self.program = program

    def _command(self, executable):
        return [*self.program, self.args["file"]]

    def _measure(self, executable, timeout):
        sample = super()._measure(executable, timeout)
        if sample:
            sample["ns"] = sample.pop("seconds") * 1e12 / os.path.getsize(self.args["file"])
        return sample


class Noise:
    """The share of the machine that other processes used since this was made."""

    def __init__(self):
        self.start, self.busy, self.own = time.monotonic(), self._busy(), self._own()

    @staticmethod
    def _busy():
        with open("/proc/stat", encoding="ascii") as stat:
            times = [int(word) for word in stat.readline().split()[1:9]]
        return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")  # all but idle and iowait

    @staticmethod
    def _own():
        total = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            used = resource.getrusage(who)
            total += used.ru_utime + used.ru_stime
        return total

    def share(self):
        others = (self._busy() - self.busy) - (self._own() - self.own)
        elapsed = max(1e-3, time.monotonic() - self.start)
        return round(max(0.0, others) / elapsed / (os.cpu_count() or 1), 3)


def measure(cases, executable, rounds, timeout=120, seed=None, retries=0):
    """Every round runs all cases in a new random order, so that slow changes of the machine hit all alike."""
    shuffle = random.Random(seed)
    start = time.monotonic()
    total = rounds * len(cases)
    done = 0
    disturbed = 0
    for _ in range(rounds):
        order = list(cases)
        shuffle.shuffle(order)
        for case in order:
            if len(case.failures) < 2:  # one that keeps failing must not cost a timeout per round
                # On a machine that never gets quiet, repeating only makes it longer.
                case.run(executable, timeout, retries if disturbed <= total // 20 else 0)
                disturbed += bool(case.samples) and case.samples[-1]["noise"] > 0.05
            done += 1
            _progress(done, total, time.monotonic() - start)
    noisy = sum(sample["noise"] > 0.05 for case in cases for sample in case.samples)
    if noisy:
        print(f"warning: other processes took more than 5 % of the machine in {noisy} of {total} measurements", file=sys.stderr)
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
