#!/usr/bin/env python3
"""Runs the benchmarks and says whether the targets are met.

Each measurement is a process of its own; rounds are shuffled; medians count. Examples:

  benchmarks/run.py handoff                        all of it, about 8 minutes, writes results/handoff.json
  benchmarks/run.py handoff --rounds 3 --only pod  a quick look, writes nothing
  benchmarks/run.py intake latency                 two workloads one after the other
  benchmarks/run.py handoff --report               tables and targets of the committed file, nothing is run
"""

import argparse
import importlib
import os
import re
import sys

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

from runner import cases as run_cases  # noqa: E402
from runner import machine as run_machine  # noqa: E402
from runner import tables  # noqa: E402

WORKLOADS = ("compile", "handoff", "intake", "latency", "swissprot", "sqlite", "postgres", "csv", "druid")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="+", choices=WORKLOADS)
    parser.add_argument("--build", default=os.path.join(here, "..", "build", "bench"), help="build folder (default build/bench)")
    parser.add_argument("--rounds", type=int, help="measurements per case")
    parser.add_argument("--records", type=int, help="records per measurement")
    parser.add_argument("--only", metavar="REGEX", help="only the cases whose name matches; nothing is written without --out")
    parser.add_argument("--pin", choices=("both", "pinned", "unpinned"), default="both",
                        help="pinned to one CPU, on all of them, or both (default)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for one measurement (default 120)")
    parser.add_argument("--retries", type=int, default=3,
                        help="measure again, at most so often, when other processes took over 5 %% of the machine (default 3)")
    parser.add_argument("--seed", type=int, help="for the order of cases")
    parser.add_argument("--out", help="file for the raw samples (default results/<workload>.json)")
    parser.add_argument("--report", action="store_true", help="measure nothing, read the results file")
    parser.add_argument("--list", action="store_true", help="names of the cases, for --only")
    options = parser.parse_args()
    if options.out and len(options.workload) > 1:
        parser.error("--out needs a single workload")
    if options.rounds is not None and options.rounds < 1 or options.records is not None and options.records < 1:
        parser.error("--rounds and --records must be positive")
    return options


def selected(workload, options):
    found = workload.cases(options.records)
    if options.pin != "both":
        found = [case for case in found if case.pinned == (options.pin == "pinned")]
    if options.only:
        found = [case for case in found if re.search(options.only, case.name())]
    if not found:
        sys.exit(f"no case matches --only {options.only!r}; --list shows the names")
    return found


def measure(name, workload, options):
    executable = os.path.abspath(os.path.join(options.build, "benchmarks", workload.executable))
    if not os.path.exists(executable):
        sys.exit(f"{workload.executable} is not built: cmake --preset bench && cmake --build --preset bench")
    options.out = options.out and os.path.abspath(options.out)
    if hasattr(workload, "prepare"):
        workload.prepare(executable, os.path.join(os.path.abspath(options.build), "inputs"))
    cases = selected(workload, options)
    machine = run_machine.describe(executable)
    rounds = options.rounds or workload.default_rounds
    if machine["load_average"] > 0.5:
        print(f"warning: load average {machine['load_average']}: something else is running", file=sys.stderr)
    retries = 0 if getattr(workload, "shares_machine", False) else options.retries
    good = run_cases.measure(cases, executable, rounds, options.timeout, options.seed, retries)
    out = options.out or (None if options.only or options.pin != "both" else results_file(name))
    if out:
        run_cases.save(out, name, machine, {"rounds": rounds}, cases)
    return machine, cases, good


def results_file(name):
    return os.path.join(here, "results", name + ".json")


def show(machine, workload, cases):
    print(f"\n{run_machine.one_line(machine)}\n")
    for title, text in workload.report(cases):
        print(f"{title}\n{text}\n")
    targets = [t for t in workload.targets(cases) if t.value is not None]
    if targets:
        print(tables.targets_table(targets))
        failed = sum(t.verdict() == "FAIL" for t in targets)
        print(f"\n{len(targets) - failed} of {len(targets)} targets met")


def main():
    options = parse()
    good = True
    for name in options.workload:
        workload = importlib.import_module("runner." + name)
        if options.list:
            print("\n".join(case.name() for case in workload.cases(options.records)))
            continue
        if options.report:
            data, cases = run_cases.load(options.out or results_file(name))
            machine = data["machine"]
        else:
            machine, cases, measured = measure(name, workload, options)
            good = good and measured
        show(machine, workload, cases)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: nothing written")
    except BrokenPipeError:
        sys.exit(0)
