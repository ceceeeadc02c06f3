#!/usr/bin/env python3
"""Draws the charts of the committed results and puts their tables into benchmarks/README.md.

  benchmarks/plot.py                 all workloads with a results/<workload>.json
  benchmarks/plot.py --results DIR   draw the files of another folder, leave the README alone
  benchmarks/plot.py --check         change nothing; exit code 1 when a chart or table is out of date
"""

import argparse
import importlib
import os
import sys
import tempfile

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)

from runner import cases as run_cases  # noqa: E402
from runner import machine, plots, tables  # noqa: E402

readme = os.path.join(here, "README.md")


def markdown(name, data, cases):
    workload = importlib.import_module("runner." + name)
    parts = [f"Measured on: {machine.one_line(data['machine'])}; median of {data['settings']['rounds']} rounds."]
    targets = [t for t in workload.targets(cases) if t.value is not None]
    if targets:
        met = sum(t.verdict() == "pass" for t in targets)
        parts += [f"{met} of {len(targets)} targets met:", tables.targets_table(targets, markdown=True)]
    for title, text in workload.report(cases, markdown=True):
        parts += [f"#### {title}", text]
    return "\n\n".join(parts)


def between_markers(text, name, content):
    """Replaces what stands between the two comments of a workload."""
    begin, end = f"<!-- {name}: written by plot.py -->\n", f"<!-- end of {name} -->"
    if begin not in text:
        return text
    head, rest = text.split(begin, 1)
    return head + begin + "\n" + content + "\n\n" + end + rest.split(end, 1)[1]


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, say what is out of date")
    parser.add_argument("--results", help="folder of the results (default benchmarks/results)")
    options = parser.parse_args()
    results = options.results or os.path.join(here, "results")
    changed = {}
    text = read(readme)
    with tempfile.TemporaryDirectory() as scratch:
        for name, charts in plots.PLOTS.items():
            path = os.path.join(results, name + ".json")
            if not os.path.exists(path):
                continue
            data, cases = run_cases.load(path)
            for file, draw in charts:
                draw(data, cases, os.path.join(scratch, file))
                changed[os.path.join(results, file)] = read(os.path.join(scratch, file))
            text = between_markers(text, name, markdown(name, data, cases))
    if not options.results:
        changed[readme] = text
    changed = {path: content for path, content in changed.items() if read(path) != content}
    for path, content in changed.items():
        print(("out of date: " if options.check else "wrote ") + os.path.relpath(path))
        if not options.check:
            with open(path, "w", encoding="utf-8") as out:
                out.write(content)
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
