"""Four processes of etl-uniprot share a job, and are killed, frozen past their lease and continued, and cut off.

At the end every entry was landed once, which a trigger on the table counts, no unit is stuck, and nobody intervened.
PostgreSQL: a server of its own, which is restarted too. There one of the processes may stay frozen until the job has
ended, and the clocks of the processes are days apart and run at different speeds (libfaketime, if it is installed).
ETLPIPE_SEEDS=FIRST:END gives the rounds, one for each seed.
"""
import glob
import random
import signal
import sqlite3
import sys
import time

from harness import Case, cases_of, seeds, wait_for
from stores import Postgres, PostgresServer, Sqlite

ENTRIES = 3000
LEASE = 1.0
LIMIT = 240  # s, for one round


class ChaosCase(Case):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.started = []

    def close(self):
        for process in self.started:
            process.kill()
            process.wait()

    def rounds(self, store_of, server=None):
        """Each seed is a round, with a folder and a store of its own."""
        for seed in seeds(1, 1, 100):
            folder = self.folder / str(seed)
            folder.mkdir()
            try:
                with store_of(folder) as store:
                    chaos(self, store, server, folder, seed)
            finally:
                self.close()
                if self.problems or sys.exc_info()[0]:
                    sys.stderr.write("".join((folder / "output").read_text().splitlines(True)[-40:]))
            self.started.clear()
            if self.problems:
                break


case = cases_of(ChaosCase)


def clock_of(chance):
    """The environment of a process whose clock is days away, and its name for the log; nothing without libfaketime."""
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not library:
        return {}, ""
    name = f"{chance.choice('+-')}{chance.randint(1, 100)}d x{chance.choice(['0.5', '1', '1.5', '3'])}"
    # Only the time of the day: files keep their times, and the program's own waits stay as long as they are.
    return {"LD_PRELOAD": library[0], "FAKETIME": name, "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1"}, name


def chaos(c, store, server, folder, seed):
    chance = random.Random(seed)
    release, empty = folder / f"r{seed}.dat", folder / "empty.dat"
    if chance.random() < 0.5:
        release = release.with_suffix(".dat.gz")
    for path, entries in ((empty, 0), (release, ENTRIES)):
        c.code("generate", c.program.run("generate", "--entries", entries, "--seed", seed, "--out", path), 0)
    c.code("ingest", c.program.run("ingest", empty, "--store", store.url, "--quiet"), 0)
    store.count_landings()

    output = open(folder / "output", "a")
    common = ["--store", store.url, "--lease", str(LEASE), "--workers", "2"]
    unit_mb = chance.choice(["0.25", "0.01"])  # small units are claimed and ended several at once
    ingest = ["ingest", release, "--job", "chaos", "--unit-mb", unit_mb, "--batch-size", "20", "--max-attempts",
              "100000", *common]
    commands = [ingest] + 3 * [["worker", *common]]
    clocks = [clock_of(chance) if server else ({}, "") for _ in commands]

    def start(place):
        c.started.append(c.program.start(*commands[place], stdout=output, stderr=output, environment=clocks[place][0]))
        return c.started[-1]

    # The first one makes the job. A process that has died is started again with its own command, as a service would do.
    running = [start(0)]
    wait_for("there are units", lambda: has_units(store), LIMIT)
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
            raise AssertionError(f"seed {seed}: the job did not end: {store.rows(units)}")
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
                server.halt()  # sessions end, and nobody can connect for a while
                time.sleep(chance.uniform(0, 1.5))
                server.resume()
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

    c.equal(f"seed {seed}: state of the job", "completed", state_of(store))
    c.equal(f"seed {seed}: units that are stuck", [], store.rows(units))
    landed = store.rows("SELECT count(*), count(DISTINCT accession) FROM landings")[0]
    stored = store.rows("SELECT count(*) FROM proteins")[0][0]
    settled = store.rows("SELECT sum(records) FROM etl_job_units")[0][0]
    figures = f"landings {landed[0]}, entries {landed[1]}, stored {stored}, settled {settled}"
    c.equal(f"seed {seed}: {figures}", [str(ENTRIES)] * 4, [*landed, stored, settled])
    attempts = store.rows("SELECT sum(attempts), max(epoch) FROM etl_job_units")[0]
    more = f", {counts['restart']} restarts{', one frozen for good' if for_good else ''}" if server else ""
    clock = f"; clocks {', '.join(name for _, name in clocks)}" if clocks[0][1] else ""
    number = store.number("SELECT count(*) FROM etl_job_units")
    line = (f"seed {seed}: {number} units, {time.monotonic() - begin:.1f} s, {counts['kill']} kills, {counts['freeze']} freezes, "
            f"{counts['cut']} cuts{more}; {attempts[0]} units reclaimed or failed, highest epoch {attempts[1]}; "
            f"{figures}{clock}")
    print(line, flush=True)


units = "SELECT number, state, worker, error FROM etl_job_units WHERE state<>'done' LIMIT 5"


def has_units(store):
    try:
        return bool(store.rows("SELECT 1 FROM etl_job_units LIMIT 1"))
    except (sqlite3.OperationalError, AssertionError):
        return False  # the tables are not there yet


def state_of(store):
    return store.rows("SELECT state FROM etl_jobs")[0][0]


@case
def sqlite(c):
    c.rounds(lambda folder: Sqlite(folder / "jobs.db"))


@case
def postgres(c):
    """On a server of their own, which is restarted."""
    with PostgresServer() as server:
        c.rounds(lambda folder: Postgres(server.url), server)
