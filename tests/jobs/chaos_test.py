#!/usr/bin/env python3
"""Four processes of etl-uniprot share a job, and are killed, frozen past their lease and continued, and cut off.

    chaos_test.py PROGRAM sqlite|postgres [--rounds N] [--seed N] [--log FILE]

At the end every entry was landed once, which a trigger on the table counts, no unit is stuck, and nobody intervened.
PostgreSQL: a server of its own, which is restarted too. There one of the processes may stay frozen until the job has
ended, and the clocks of the processes are days apart and run at different speeds (libfaketime, if it is installed).
"""
import argparse
import contextlib
import glob
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from stores import Postgres, Sqlite  # noqa: E402

ENTRIES = 3000
LEASE = 1.0
LIMIT = 240  # s, for one round
STARTED = []


class Server:
    """A PostgreSQL server of its own."""

    def __init__(self, folder):
        self.folder = folder

    def command(self, name):
        subprocess.run([ROOT / "scripts" / "postgres_for_tests.sh", name, self.folder], check=True,
                       stdout=subprocess.DEVNULL)

    def __enter__(self):
        self.command("start")
        self.url = (self.folder / "url").read_text().strip()
        return self

    def __exit__(self, *error):
        self.command("stop")

    def restart(self, chance):
        """Sessions end, and nobody can connect for a while."""
        self.command("halt")
        time.sleep(chance.uniform(0, 1.5))
        self.command("resume")


def clock_of(chance):
    """The environment of a process whose clock is days away, and its name for the log; nothing without libfaketime."""
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not library:
        return {}, ""
    name = f"{chance.choice('+-')}{chance.randint(1, 100)}d x{chance.choice(['0.5', '1', '1.5', '3'])}"
    # Only the time of the day: files keep their times, and the program's own waits stay as long as they are.
    return {"LD_PRELOAD": library[0], "FAKETIME": name, "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1"}, name


def chaos(program, store, server, folder, seed, log):
    chance = random.Random(seed)
    release, empty = folder / f"r{seed}.dat", folder / "empty.dat"
    if chance.random() < 0.5:
        release = release.with_suffix(".dat.gz")
    for path, entries in ((empty, 0), (release, ENTRIES)):
        subprocess.run([program, "generate", "--entries", str(entries), "--seed", str(seed), "--out", path], check=True)
    subprocess.run([program, "ingest", empty, "--store", store.url, "--quiet"], check=True, stderr=subprocess.DEVNULL)
    store.count_landings()

    output = open(folder / "output", "a")
    common = ["--store", store.url, "--lease", str(LEASE), "--workers", "2"]
    ingest = [program, "ingest", release, "--job", "chaos", "--unit-mb", "0.25", "--batch-size", "20", "--max-attempts",
              "100000", *common]
    commands = [ingest] + 3 * [[program, "worker", *common]]
    clocks = [clock_of(chance) if server else ({}, "") for _ in commands]

    def start(place):
        STARTED.append(subprocess.Popen(commands[place], stdout=output, stderr=output,
                                        env=os.environ | clocks[place][0]))
        return STARTED[-1]

    # The first one makes the job. A process that has died is started again with its own command, as a service would do.
    running = [start(0)]
    while not has_units(store):
        time.sleep(0.05)
    running += [start(place) for place in range(1, len(commands))]
    frozen = {}  # process: when to continue it
    for_good = None
    counts = {"kill": 0, "freeze": 0, "cut": 0, "restart": 0}
    begin = time.monotonic()
    actions = chance.randint(8, 14)
    done = 0
    while True:
        now = time.monotonic()
        if now - begin > LIMIT:
            raise AssertionError(f"seed {seed}: the job did not end: {store.run(units)}")
        for process, until in list(frozen.items()):
            if now >= until:
                process.send_signal(signal.SIGCONT)
                del frozen[process]
        ended = state_of(store) not in ("preparing", "running")
        if ended:
            break
        for place, process in enumerate(running):
            if process.poll() is not None:
                running[place] = start(place)
        if done < actions:
            process = chance.choice(running)
            action = chance.choice(["kill", "kill", "freeze", "freeze", "cut", *(["restart"] if server else [])])
            done += 1
            counts[action] += 1
            if action == "cut":
                store.cut(chance)
            elif action == "restart":
                server.restart(chance)
            elif process.poll() is None and process not in frozen:
                if action == "kill":
                    process.kill()
                    process.wait()
                else:
                    process.send_signal(signal.SIGSTOP)
                    frozen[process] = time.monotonic() + chance.uniform(1.2, 3) * LEASE
                    # SQLite cannot take its lock from a frozen process, a server can. The one that makes the job is
                    # needed until it has made it.
                    if server and for_good is None and process is not running[0] and chance.random() < 0.5:
                        for_good = process
                        frozen[process] = float("inf")
        time.sleep(chance.uniform(0.02, 0.25))
    for process in frozen:
        process.send_signal(signal.SIGCONT)
    for process in running:
        process.wait(timeout=60)
    output.close()

    assert state_of(store) == "completed", f"seed {seed}: the job is {state_of(store)}: {store.run(units)}"
    assert not store.run("SELECT id FROM etl_job_units WHERE state<>'done'"), f"seed {seed}: a unit is stuck"
    landed = store.run("SELECT count(*), count(DISTINCT accession) FROM landings")[0]
    stored = store.run("SELECT count(*) FROM proteins")[0][0]
    settled = store.run("SELECT sum(records) FROM etl_job_units")[0][0]
    figures = f"landings {landed[0]}, entries {landed[1]}, stored {stored}, settled {settled}"
    assert [*landed, stored, settled] == [str(ENTRIES)] * 4, f"seed {seed}: {figures}"
    attempts = store.run("SELECT sum(attempts), max(epoch) FROM etl_job_units")[0]
    more = f", {counts['restart']} restarts{', one frozen for good' if for_good else ''}" if server else ""
    clock = f"; clocks {', '.join(name for _, name in clocks)}" if clocks[0][1] else ""
    line = (f"seed {seed}: ok, {time.monotonic() - begin:.1f} s, {counts['kill']} kills, {counts['freeze']} freezes, "
            f"{counts['cut']} cuts{more}; {attempts[0]} units reclaimed or failed, highest epoch {attempts[1]}; "
            f"{figures}{clock}")
    print(line, flush=True)
    if log:
        log.write(line + "\n")
        log.flush()


units = "SELECT number, state, worker, error FROM etl_job_units WHERE state<>'done' LIMIT 5"


def has_units(store):
    try:
        return bool(store.run("SELECT 1 FROM etl_job_units LIMIT 1"))
    except (sqlite3.OperationalError, subprocess.CalledProcessError):
        return False  # the tables are not there yet


def state_of(store):
    return store.run("SELECT state FROM etl_jobs")[0][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("store", choices=["sqlite", "postgres"])
    parser.add_argument("--rounds", type=int, default=100 if os.environ.get("ETLPIPE_SOAK") else 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=pathlib.Path)
    options = parser.parse_args()
    log = open(options.log, "a") if options.log else None
    with tempfile.TemporaryDirectory(prefix="etlpipe-chaos-server-") as place, contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(pathlib.Path(place) / "server")) if options.store == "postgres" else None
        for seed in range(options.seed, options.seed + options.rounds):
            STARTED.clear()
            with tempfile.TemporaryDirectory(prefix="etlpipe-chaos-") as name:
                folder = pathlib.Path(name)
                try:
                    with (Postgres(server.url) if server else Sqlite(folder / "jobs.db")) as store:
                        chaos(options.program.resolve(), store, server, folder, seed, log)
                except BaseException:
                    if (folder / "output").exists():
                        sys.stderr.write("".join((folder / "output").read_text().splitlines(True)[-40:]))
                    raise
                finally:
                    for process in STARTED:
                        process.kill()


if __name__ == "__main__":
    main()
