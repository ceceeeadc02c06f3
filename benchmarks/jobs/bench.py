#!/usr/bin/env python3
"""An ingest as a job, with 1, 2 and 4 processes of one thread, beside the same ingest without a job.

    bench.py PROGRAM --url postgresql://... [--entries N] [--rounds N] [--out FILE]

Each round runs everything side by side; the medians of the rounds are compared. The job's time includes cutting the file
into units.
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


def run(commands):
    begin = time.monotonic()
    first = subprocess.Popen(commands[0], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    others = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands[1:]]
    assert first.wait() == 0, commands[0]
    for one in others:
        one.wait()
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--url", required=True, help="of a PostgreSQL database that may be filled")
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
                for store in ("sqlite", "postgresql"):
                    for workers in (0, 1, 2, 4):
                        if store == "sqlite":
                            url = f"sqlite:{folder}/{form}-{number}-{workers}.db"
                        else:
                            schema = f"bench_{os.getpid()}"
                            subprocess.run(["psql", "-Xq", options.url, "-c", f"CREATE SCHEMA {schema}"], check=True)
                            url = f"{options.url}?options=-csearch_path%3D{schema}"
                        ingest = [program, "ingest", file, "--store", url, "--workers", "1", "--quiet"]
                        worker = [program, "worker", "--store", url, "--workers", "1", "--quiet", "--stay"]
                        if workers == 0:
                            seconds = run([ingest])
                        else:
                            others = [subprocess.Popen(worker, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                                      for _ in range(workers - 1)]
                            seconds = run([[*ingest, "--job", "bench"]])
                            for one in others:
                                one.terminate()
                                one.wait()
                        key = f"{form} {store} {'without a job' if workers == 0 else f'{workers} processes'}"
                        results.setdefault(key, []).append(seconds)
                        if store == "postgresql":
                            subprocess.run(["psql", "-Xq", options.url, "-c", f"DROP SCHEMA {schema} CASCADE"],
                                           check=True, stderr=subprocess.DEVNULL)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    summary = {"entries": options.entries, "bytes": size, "cpu": cpu, "cpus": os.cpu_count(),
               "system": platform.platform(), "load": os.getloadavg(), "runs": {}}
    for key, seconds in results.items():
        median = statistics.median(seconds)
        base = statistics.median(results[" ".join(key.split()[:2]) + " without a job"])
        summary["runs"][key] = {"seconds": seconds, "entries_per_second": options.entries / median,
                                "mb_per_second": size / 1e6 / median, "speed_to_without_a_job": base / median}
        print(f"{key:<36} {median:7.2f} s  {options.entries / median:9.0f} entries/s  {base / median:5.2f} x")
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
