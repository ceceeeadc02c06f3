#!/usr/bin/env python3
"""An ingest as a job, with 1, 2 and 4 processes of one thread, beside the same ingest without a job.

    bench.py PROGRAM [--url postgresql://...] [--entries N] [--rounds N] [--workers 1,2,4] [--out FILE]

Each round runs everything side by side; the medians of the rounds are compared. The job's time includes cutting the file
into units. CPU time, of all processes together but without the server's, says more than wall time while others use the
machine.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time


def run(command, others):
    """Seconds until the command ends, and CPU seconds of it and of the others, which are then told to end."""
    before = os.times()
    begin = time.monotonic()
    started = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in others]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    for one in started:
        one.terminate()
        one.wait()
    after = os.times()
    return (seconds, after.children_user + after.children_system - before.children_user - before.children_system)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--url", help="of a PostgreSQL database that may be filled; without it only SQLite is measured")
    parser.add_argument("--workers", default="1,2,4", help="numbers of processes")
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    program = str(options.program.resolve())
    results = {}
    with tempfile.TemporaryDirectory(prefix="etlpipe-bench-") as name:
        folder = pathlib.Path(name)
        for form in ("dat", "dat.gz"):
            file = str(folder / f"release.{form}")
            subprocess.run([program, "generate", "--entries", str(options.entries), "--out", file], check=True)
            size = sum(path.stat().st_size for path in folder.glob("release.dat"))
            for number in range(options.rounds):
                for store in ("sqlite", "postgresql") if options.url else ("sqlite",):
                    for workers in (0, *map(int, options.workers.split(","))):
                        if store == "sqlite":
                            url = f"sqlite:{folder}/{form}-{number}-{workers}.db"
                        else:
                            schema = f"bench_{os.getpid()}"
                            subprocess.run(["psql", "-Xq", options.url, "-c", f"CREATE SCHEMA {schema}"], check=True)
                            url = f"{options.url}?options=-csearch_path%3D{schema}"
                        ingest = [program, "ingest", file, "--store", url, "--workers", "1", "--quiet"]
                        worker = [program, "worker", "--store", url, "--workers", "1", "--quiet", "--stay"]
                        if workers > 0:
                            ingest += ["--job", "bench"]
                        taken = run(ingest, [worker] * max(0, workers - 1))
                        key = f"{form} {store} {'without a job' if workers == 0 else f'{workers} processes'}"
                        results.setdefault(key, []).append(taken)
                        if store == "postgresql":
                            subprocess.run(["psql", "-Xq", options.url, "-c", f"DROP SCHEMA {schema} CASCADE"],
                                           check=True, stderr=subprocess.DEVNULL)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    summary = {"entries": options.entries, "bytes": size, "cpu": cpu, "cpus": os.cpu_count(),
               "system": platform.platform(), "load": os.getloadavg(), "runs": {}}
    def median(key, of):
        return statistics.median(taken[of] for taken in results[key])

    for key, taken in results.items():
        base = " ".join(key.split()[:2]) + " without a job"
        wall, cpu_time = median(key, 0), median(key, 1)
        summary["runs"][key] = {"seconds": [t[0] for t in taken], "cpu_seconds": [t[1] for t in taken],
                                "entries_per_second": options.entries / wall, "mb_per_second": size / 1e6 / wall,
                                "speed_to_without_a_job": median(base, 0) / wall,
                                "cpu_to_without_a_job": cpu_time / median(base, 1)}
        print(f"{key:<36} {wall:7.2f} s  {options.entries / wall:9.0f} entries/s  {median(base, 0) / wall:5.2f} x; "
              f"CPU {cpu_time:6.2f} s  {cpu_time / median(base, 1):5.2f} x")
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
