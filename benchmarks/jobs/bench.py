#!/usr/bin/env python3
"""An ingest as a job, with 1, 2 and 4 processes of one thread, beside the same ingest without a job.

    bench.py ETL_UNIPROT BENCH_JOBS [--cases ingest,parse,split] [--stores sqlite,postgresql] [--entries N] [--rounds N] [--out FILE]

  ingest  a made-up release, plain and compressed, into both stores. The time of a job includes cutting the file into units.
  parse   units that one and two processes parse and drop: the stage that processes share
  split   cutting into units, beside reading or inflating the same file

Each round runs everything side by side; the medians of the rounds are compared. CPU time, of all processes together and of
the server, says more than wall time while others use the machine; so does the best of many short rounds. PostgreSQL is a server of its own with synchronous_commit,
fsync and full_page_writes on.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from runner import machine as run_machine  # noqa: E402
from units import Server, line_of  # noqa: E402

CASES = ("ingest", "parse", "split")


def run(command, others, server_cpu):
    """Seconds until the command ends, and CPU seconds of it and of the others, which are then told to end."""
    before, server_before = os.times(), server_cpu()
    begin = time.monotonic()
    started = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in others]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    for one in started:
        one.terminate()
        one.wait()
    after = os.times()
    own = after.children_user + after.children_system - before.children_user - before.children_system
    time.sleep(1)  # until the server has counted the time of the sessions that have ended
    server = server_cpu() - server_before
    return {"seconds": round(seconds, 3), "cpu_seconds": round(own + server, 2), "of_server": round(server, 2)}


def ingest(program, file, url, workers, server_cpu):
    command = [program, "ingest", file, "--store", url, "--workers", "1", "--quiet"]
    others = [[program, "worker", "--store", url, "--workers", "1", "--quiet", "--stay"]] * max(0, workers - 1)
    return run([*command, "--job", "bench"] if workers else command, others, server_cpu)


def parse(bench, file, url, workers):
    """Seconds of the slowest process, CPU seconds of all, and those of the busiest: a quiet machine would take that long."""
    subprocess.run([bench, "--case", "cut", "--store", url, "--file", file], check=True)
    started = [subprocess.Popen([bench, "--case", "parse", "--store", url], stdout=subprocess.PIPE, text=True)
               for _ in range(workers)]
    lines = [json.loads(one.communicate()[0]) for one in started]
    cpu = [line["cpu_seconds"] for line in lines]
    return {"seconds": max(line["seconds"] for line in lines), "cpu_seconds": round(sum(cpu), 3), "busiest_cpu_seconds": max(cpu),
            "units": [line["units"] for line in lines], "entries": sum(line["entries"] for line in lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="etl-uniprot")
    parser.add_argument("bench", type=pathlib.Path, help="bench-jobs")
    parser.add_argument("--cases", default="ingest,parse")
    parser.add_argument("--stores", default="sqlite,postgresql")
    parser.add_argument("--workers", default="1,2,4", help="numbers of processes")
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    cases, stores = options.cases.split(","), options.stores.split(",")
    if set(cases) - set(CASES):
        parser.error(f"--cases: choose from {','.join(CASES)}")
    program, bench = str(options.program.resolve()), str(options.bench.resolve())
    machine = run_machine.describe(bench)
    settings = {"command": "bench.py " + " ".join(
        f"--{name} {value}" for name, value in vars(options).items() if name not in ("program", "bench", "out"))}
    samples = {}

    def keep(case, sample, **key):
        sample["load"] = round(os.getloadavg()[0], 2)
        print(json.dumps({"case": case} | key | sample), flush=True)
        samples.setdefault(json.dumps({"case": case} | key), []).append(sample)
        if options.out:  # after each sample, because a run takes long
            runs = [json.loads(of) | {"samples": all_of} for of, all_of in samples.items()]
            options.out.write_text(json.dumps({"workload": "jobs", "machine": machine, "settings": settings, "bytes": size,
                                               "runs": runs}, indent=1) + "\n")

    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etlpipe-bench-")))
        server = None
        if "postgresql" in stores and "ingest" in cases:
            server = Server(folder / "server")
            stack.callback(server.script, "stop")
        files = {form: str(folder / f"release.{form}") for form in ("dat", "dat.gz")}
        for file in files.values():
            subprocess.run([program, "generate", "--entries", str(options.entries), "--out", file], check=True,
                           stdout=subprocess.DEVNULL)
        size = os.path.getsize(files["dat"])
        cpu_of = {"sqlite": lambda: 0.0, "postgresql": server.cpu_seconds if server else None}

        def on(store, use):
            """What `use(url)` returns for a new database."""
            if store == "postgresql":
                return server.with_database(lambda name: use(server.url_of(name)))
            with tempfile.TemporaryDirectory(dir=folder) as place:
                return use(f"sqlite:{place}/bench.db")

        for _ in range(options.rounds):
            for form, file in files.items():
                if "ingest" in cases:
                    for store in stores:
                        for workers in (0, *map(int, options.workers.split(","))):
                            keep("ingest", on(store, lambda url: ingest(program, file, url, workers, cpu_of[store])), form=form, store=store,
                                 processes=workers)
                if "parse" in cases:
                    for workers in (1, 2):
                        keep("parse", on("sqlite", lambda url: parse(bench, file, url, workers)), form=form, processes=workers)
        if "split" in cases:
            for form, file in files.items():
                keep("split", line_of([bench, "--case", "split", "--file", file, "--rounds", "15"]), form=form)

    def median(key, of, middle=statistics.median):
        return middle(sample[of] for sample in samples[key])

    for key in samples:
        one = json.loads(key)
        if one["case"] == "split":
            print(f"split {one['form']}: {median(key, 'ratio'):.2f} of the speed of reading")
            continue
        base = json.dumps(one | {"processes": 0 if one["case"] == "ingest" else 1})
        wall, cpu = median(key, "seconds"), median(key, "cpu_seconds")
        what = " ".join(str(value) for name, value in one.items() if name != "processes")
        how = f"{one['processes']} processes" if one["processes"] else "without a job"
        print(f"{what + ', ' + how:<42} {wall:7.2f} s  {options.entries / wall:8.0f} entries/s  {size / 1e6 / wall:6.0f} MB/s  "
              f"{median(base, 'seconds') / wall:5.2f} x (best {median(base, 'seconds', min) / median(key, 'seconds', min):5.2f} x);  "
              f"CPU {cpu:6.2f} s  {median(base, 'cpu_seconds') / cpu:5.2f} x"
              + (f" (busiest {median(base, 'cpu_seconds') / median(key, 'busiest_cpu_seconds'):.2f} x)" if one["case"] == "parse" else ""))


if __name__ == "__main__":
    sys.exit(main())
