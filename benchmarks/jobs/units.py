#!/usr/bin/env python3
"""What coordination costs on PostgreSQL, beside awa (https://pypi.org/project/awa-pg/), with units that do nothing.

    units.py BENCH_JOBS [--cases noop,latency,soak,recovery,size] [--workers 1,4,16] [--python PYTHON] [--out FILE] ...

  noop      units that exist are landed
  latency   units appear 5 ms apart, and workers wait for them
  soak      the same for five minutes (--soak 60000 units)
  recovery  workers are killed while they have a unit: seconds until others have it, with the defaults and with --lease
  size      claims in tables of several sizes in turn, on both stores; without awa

BENCH_JOBS is the program bench-jobs. PYTHON is an interpreter that has the package awa-pg; without it the peer is left out.
Both run in turn on a server of their own, with synchronous_commit, fsync and full_page_writes on. Each sample has the load
of the machine at its end.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from runner import machine as run_machine  # noqa: E402

CASES = ("noop", "latency", "soak", "recovery", "size")
FIGURES = (("noop", "units_per_second"), ("noop", "wal_bytes_per_unit"), ("noop", "commits_per_unit"),
           ("latency", "wal_bytes_per_unit"), ("latency", "commits_per_unit"), ("soak", "commits_per_unit"), ("soak", "dead_tuples"))


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.script("start")
        self.url = (folder / "url").read_text().strip()
        for setting in ("synchronous_commit = on", "fsync = on", "full_page_writes = on", "max_connections = 200"):
            self.sql(f"ALTER SYSTEM SET {setting}")
        self.script("halt")
        self.script("resume")
        self.databases = 0

    def script(self, command):
        subprocess.run([ROOT / "scripts" / "postgres_for_tests.sh", command, self.folder], check=True,
                       stdout=subprocess.DEVNULL)

    def cpu_seconds(self):
        """CPU time of all processes of the server, also of those that have ended."""
        master = (pathlib.Path((self.folder / "data").read_text().strip()) / "cluster/postmaster.pid").read_text().split()[0]
        ticks = 0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has ended
            if master in (stat.parent.name, fields[1]):
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def sql(self, text, database="postgres"):
        return subprocess.run(["psql", "-XAtq", self.url_of(database), "-c", text], check=True, capture_output=True,
                              text=True).stdout.strip()

    def url_of(self, database):
        return self.url.rsplit("/", 1)[0] + "/" + database

    def with_database(self, use):
        """What `use(name)` returns for the name of a new database."""
        self.databases += 1
        name = f"b{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            return use(name)
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def measured(self, command, database):
        """The program's line, with WAL, commits and dead tuples of the time that it took."""
        def totals():
            time.sleep(1.2)  # sessions report their statistics once a second
            return [float(self.sql(f"SELECT {what}", database)) for what in (
                "pg_current_wal_lsn() - '0/0'", f"xact_commit FROM pg_stat_database WHERE datname='{database}'",
                "coalesce(sum(n_dead_tup),0) FROM pg_stat_all_tables WHERE schemaname NOT LIKE 'pg_%'")]
        before = totals()
        result = line_of([*command, "--store", self.url_of(database)])
        after = totals()
        result["wal_bytes_per_unit"] = (after[0] - before[0]) / result["units"]
        result["commits_per_unit"] = (after[1] - before[1]) / result["units"]
        result["dead_tuples"] = after[2]
        return result


def line_of(command):
    """The line of JSON that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def recovery(server, rival, workers, lease, victims, seed):
    """Seconds from the death of each victim, which has a unit, until another worker has that unit."""
    chance = random.Random(seed)
    limits = [] if lease is None else ["--lease", str(lease)]

    def run(database):
        store = ["--store", server.url_of(database)]
        subprocess.run([*rival, "--case", "make", "--units", str(victims), *store], check=True)
        holding = [subprocess.Popen([*rival, "--case", "hold", *limits, *store], stdout=subprocess.PIPE, text=True)
                   for _ in range(victims)]
        for one in holding:
            if one.stdout.readline() != "begun\n":
                raise SystemExit(f"{rival[0]}: a worker did not begin its unit")
        heirs = subprocess.Popen([*rival, "--case", "heirs", "--workers", str(workers), "--units", str(victims), *limits, *store],
                                 stdout=subprocess.PIPE, text=True)
        time.sleep(3)  # they wait by now
        killed = []
        for one in holding:
            time.sleep(chance.uniform(0, 1))  # at any moment between two heartbeats
            one.kill()
            killed.append(time.time())
            one.wait()
        # Which heir has which unit does not matter: they died in about this order, and the mean is exact.
        claimed = sorted(json.loads(heirs.communicate()[0].splitlines()[-1])["claimed"])
        return [round(there - then, 2) for then, there in zip(killed, claimed)]

    return server.with_database(run)


def median_of(samples, who, case, workers, key):
    values = [s[key] for s in samples if s["who"] == who and s["case"] == case and s.get("workers") == workers and key in s]
    return statistics.median(values) if values else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--cases", default="noop,latency", help="default: noop,latency")
    parser.add_argument("--units", type=int, default=20_000, help="of a noop")
    parser.add_argument("--rounds", type=int, default=3, help="of noop, latency and recovery with --lease")
    parser.add_argument("--workers", default="1,4,16")
    parser.add_argument("--soak", type=int, default=60_000, help="units, 5 ms apart")
    parser.add_argument("--lease", type=int, default=3000, help="ms")
    parser.add_argument("--victims", type=int, default=5, help="workers that are killed in one measurement of recovery")
    parser.add_argument("--sizes", default="10000,100000,1000000,10000000")
    parser.add_argument("--claims", type=int, default=1000, help="in each table of a size")
    parser.add_argument("--python", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    cases = options.cases.split(",")
    if set(cases) - set(CASES):
        parser.error(f"--cases: choose from {','.join(CASES)}")
    program = str(options.program.resolve())
    machine = run_machine.describe(program)
    rivals = {"etl": [program]}
    if options.python:
        rivals["awa"] = [str(options.python), str(ROOT / "benchmarks/jobs/awa_rival.py")]
    samples = []

    def keep(**sample):
        samples.append(sample | {"load": round(os.getloadavg()[0], 2)})
        print(json.dumps(samples[-1]), flush=True)
        if options.out:  # after each sample, because a run takes long
            options.out.write_text(json.dumps({"workload": "jobs", "machine": machine, "settings": settings, "samples": samples},
                                              indent=1) + "\n")

    settings = {"command": "units.py " + " ".join(
        f"--{name} {value}" for name, value in vars(options).items() if name not in ("program", "python", "out"))}
    if options.python:
        settings["awa-pg"] = subprocess.run([options.python, "-c", "from importlib.metadata import version; print(version('awa-pg'))"],
                                            check=True, capture_output=True, text=True).stdout.strip()
    everyone = [(workers, who, rival) for workers in map(int, options.workers.split(",")) for who, rival in rivals.items()]
    with tempfile.TemporaryDirectory(prefix="etlpipe-bench-server-") as name:
        server = Server(pathlib.Path(name) / "server")
        try:
            for case in cases:
                units = {"noop": options.units, "latency": 1000, "soak": options.soak}.get(case)
                for number in range(options.rounds if units and case != "soak" else 1 if units else 0):
                    for workers, who, rival in everyone:
                        kind = "latency" if case == "soak" else case
                        result = server.with_database(lambda database: server.measured(
                            [*rival, "--case", kind, "--workers", str(workers), "--units", str(units)], database))
                        keep(**({"who": who, "round": number} | result | {"case": case}))
                if case == "recovery":
                    for lease in (options.lease, None):
                        for number in range(options.rounds if lease else 1):
                            for workers, who, rival in everyone:
                                seconds = recovery(server, rival, workers, lease, options.victims, number)
                                keep(who=who, round=number, case=case, workers=workers, lease_ms=lease, seconds=seconds)
                if case == "size":
                    more = ["--case", "size", "--sizes", options.sizes, "--claims", str(options.claims)]
                    keep(**({"who": "etl"} | server.with_database(
                        lambda database: line_of([program, *more, "--store", server.url_of(database)]))))
                    keep(**({"who": "etl"} | line_of([program, *more, "--store", f"sqlite:{name}/size.db"])))
        finally:
            server.script("stop")
    for case, key in FIGURES:
        for workers in map(int, options.workers.split(",")):
            found = [(who, median_of(samples, who, case, workers, key)) for who in rivals]
            if found[0][1] is not None:
                print(f"{case}: {key}, {workers} workers: " + "; ".join(f"{who} {value:.2f}" for who, value in found if value is not None))
    for one in [s for s in samples if s["case"] == "recovery"]:
        print(f"recovery, {one['workers']} workers, lease {one['lease_ms'] or 'as by default'}: {one['who']} "
              f"{statistics.median(one['seconds']):.1f} s, at most {max(one['seconds']):.1f} s")


if __name__ == "__main__":
    sys.exit(main())
