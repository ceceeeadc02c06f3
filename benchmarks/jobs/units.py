#!/usr/bin/env python3
"""What coordination costs on PostgreSQL, beside awa (https://pypi.org/project/awa-pg/), with units that do nothing.

    units.py BENCH_JOBS [--units N] [--rounds N] [--workers 1,4,16] [--soak N] [--python PYTHON] [--size N,N,...] [--out FILE]

BENCH_JOBS is the program bench-jobs. PYTHON is an interpreter that has the package awa-pg; without it the peer is left out.
Both run in turn on a server of their own, with synchronous_commit, fsync and full_page_writes on.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.script("start")
        self.url = (folder / "url").read_text().strip()
        for setting in ("synchronous_commit = on", "fsync = on", "full_page_writes = on", "max_connections = 200"):
            self.sql(f"ALTER SYSTEM SET {setting}")
        self.script("halt")
        self.script("resume")

    def script(self, command):
        subprocess.run([ROOT / "scripts" / "postgres_for_tests.sh", command, self.folder], check=True,
                       stdout=subprocess.DEVNULL)

    def sql(self, text, database="postgres"):
        url = self.url.rsplit("/", 1)[0] + "/" + database
        return subprocess.run(["psql", "-XAtq", url, "-c", text], check=True, capture_output=True,
                              text=True).stdout.strip()

    def measured(self, command, database):
        """The program's line, with WAL, commits and dead tuples of the time that it took."""
        def totals():
            time.sleep(1.2)  # sessions report their statistics once a second
            return [float(self.sql(f"SELECT {what}", database)) for what in (
                "pg_current_wal_lsn() - '0/0'", f"xact_commit FROM pg_stat_database WHERE datname='{database}'",
                "coalesce(sum(n_dead_tup),0) FROM pg_stat_all_tables WHERE schemaname NOT LIKE 'pg_%'")]
        before = totals()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{command}: {done.stderr}")
        after = totals()
        result = json.loads(done.stdout.splitlines()[-1])
        result["wal_bytes_per_unit"] = (after[0] - before[0]) / result["units"]
        result["commits_per_unit"] = (after[1] - before[1]) / result["units"]
        result["dead_tuples"] = after[2]
        return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--units", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="1,4,16")
    parser.add_argument("--soak", type=int, default=0, help="units, 5 ms apart, of a soak: 60000 take five minutes")
    parser.add_argument("--python", type=pathlib.Path)
    parser.add_argument("--size", default="10000,100000,1000000")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    program = str(options.program.resolve())
    samples = []
    with tempfile.TemporaryDirectory(prefix="etlpipe-bench-server-") as name:
        server = Server(pathlib.Path(name) / "server")
        try:
            for number in range(options.rounds):
                for workers in map(int, options.workers.split(",")):
                    for case in ("noop", "latency", "soak")[: 3 if options.soak else 2]:
                        kind = "latency" if case == "soak" else case
                        rivals = [("etl", [program, "--case", kind, "--most", "1"]),
                                  ("etl, batches of 16", [program, "--case", kind, "--most", "16"])]
                        if case != "noop":
                            rivals.pop()
                        if options.python:
                            rivals.append(("awa", [str(options.python), str(ROOT / "benchmarks/jobs/awa_rival.py"),
                                                   "--case", kind]))
                        for who, command in rivals:
                            database = f"b{len(samples)}"
                            server.sql(f"CREATE DATABASE {database}")
                            units = {"noop": options.units, "latency": min(1000, options.units), "soak": options.soak}[case]
                            result = server.measured(
                                [*command, "--store", server.url.rsplit("/", 1)[0] + "/" + database, "--workers",
                                 str(workers), "--units", str(units)], database)
                            samples.append({"who": who, "round": number, "load": os.getloadavg()[0]} | result | {"case": case})
                            print(json.dumps(samples[-1]), flush=True)
                            server.sql(f"DROP DATABASE {database} WITH (FORCE)")
            for units in filter(None, options.size.split(",")):
                database = f"b{len(samples)}"
                server.sql(f"CREATE DATABASE {database}")
                done = subprocess.run([program, "--case", "size", "--store",
                                       server.url.rsplit("/", 1)[0] + "/" + database, "--units", units], check=True,
                                      capture_output=True, text=True)
                samples.append({"who": "etl", "load": os.getloadavg()[0]} | json.loads(done.stdout))
                print(json.dumps(samples[-1]), flush=True)
                server.sql(f"DROP DATABASE {database} WITH (FORCE)")
        finally:
            server.script("stop")
    for case, key in (("noop", "units_per_second"), ("noop", "wal_bytes_per_unit"), ("noop", "commits_per_unit")):
        for workers in map(int, options.workers.split(",")):
            text = []
            for who in dict.fromkeys(s["who"] for s in samples):
                values = [s[key] for s in samples if s["who"] == who and s["case"] == case and s["workers"] == workers]
                if values:
                    text.append(f"{who} {statistics.median(values):.2f}")
            print(f"{key}, {workers} workers: {'; '.join(text)}")
    if options.out:
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
        options.out.write_text(json.dumps({"cpu": cpu, "cpus": os.cpu_count(), "system": platform.platform(),
                                           "load": os.getloadavg(), "samples": samples}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
