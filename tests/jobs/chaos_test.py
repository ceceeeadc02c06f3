#!/usr/bin/env python3
"""Four processes of etl-uniprot share a job, and are killed, frozen past their lease and continued, and cut off.

    chaos_test.py PROGRAM sqlite|postgres [--rounds N] [--seed N] [--log FILE]

At the end every entry was landed once, which a trigger on the table counts, no unit is stuck, and nobody intervened.
PostgreSQL: the server of the tests (ETLPIPE_POSTGRES), in a schema of its own.
"""
import argparse
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ENTRIES = 3000
LEASE = 1.0
LIMIT = 240  # s, for one round
STARTED = []


class Sqlite:
    def __init__(self, folder):
        self.path = folder / "jobs.db"
        self.url = f"sqlite:{self.path}"

    def run(self, sql):
        with sqlite3.connect(self.path, timeout=60) as database:
            return [list(map(str, row)) for row in database.execute(sql).fetchall()]

    def count_landings(self):
        self.run("CREATE TABLE landings(accession TEXT)")
        for event in ("INSERT", "UPDATE"):
            self.run(f"CREATE TRIGGER count_{event} AFTER {event} ON proteins BEGIN "
                     "INSERT INTO landings VALUES(new.accession); END")

    def cut(self, chance):
        """A lock that is held for a while, as a connection that is cut would be."""
        database = sqlite3.connect(self.path, timeout=0.5, isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            time.sleep(chance.uniform(0.05, 0.5))
            database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            pass  # a frozen process has the lock, and only we will continue it
        finally:
            database.close()

    def end(self):
        pass


class Postgres:
    def __init__(self, folder):
        self.server = (pathlib.Path(os.environ["ETLPIPE_POSTGRES"]) / "url").read_text().strip()
        self.schema = f"chaos_{os.getpid()}_{random.randrange(1 << 30)}"
        self.url = self.server
        self.run(f"CREATE SCHEMA {self.schema}")
        self.url = f"{self.server}?options=-csearch_path%3D{self.schema}"

    def run(self, sql):
        done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", self.url, "-c", sql],
                              check=True, capture_output=True, text=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def count_landings(self):
        self.run("CREATE TABLE landings(accession TEXT); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN INSERT INTO landings VALUES(new.accession); RETURN new; END$$; CREATE TRIGGER note AFTER INSERT "
                 "OR UPDATE ON proteins FOR EACH ROW EXECUTE FUNCTION note()")

    def cut(self, chance):
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'etlpipe%' AND "
                 f"query LIKE '%etl_%' AND random() < {chance.uniform(0.2, 0.9)}")

    def end(self):
        self.run(f"DROP SCHEMA {self.schema} CASCADE")


def chaos(program, store, folder, seed, log):
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

    def start(command):
        STARTED.append(subprocess.Popen(command, stdout=output, stderr=output))
        return STARTED[-1]

    # The first one makes the job. A process that has died is started again with its own command, as a service would do.
    commands = [ingest] + 3 * [[program, "worker", *common]]
    running = [start(ingest)]
    while not has_units(store):
        time.sleep(0.05)
    running += [start(command) for command in commands[1:]]
    frozen = {}  # process: when to continue it
    counts = {"kill": 0, "freeze": 0, "cut": 0}
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
                running[place] = start(commands[place])
        if done < actions:
            process = chance.choice(running)
            action = chance.choice(["kill", "kill", "freeze", "freeze", "cut"])
            done += 1
            counts[action] += 1
            if action == "cut":
                store.cut(chance)
            elif process.poll() is None and process not in frozen:
                if action == "kill":
                    process.kill()
                    process.wait()
                else:
                    process.send_signal(signal.SIGSTOP)
                    frozen[process] = time.monotonic() + chance.uniform(1.2, 3) * LEASE
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
    line = (f"seed {seed}: ok, {time.monotonic() - begin:.1f} s, {counts['kill']} kills, {counts['freeze']} freezes, "
            f"{counts['cut']} cuts; {attempts[0]} units reclaimed or failed, highest epoch {attempts[1]}; {figures}")
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
    for seed in range(options.seed, options.seed + options.rounds):
        with tempfile.TemporaryDirectory(prefix="etlpipe-chaos-") as name:
            folder = pathlib.Path(name)
            store = (Sqlite if options.store == "sqlite" else Postgres)(folder)
            try:
                chaos(options.program.resolve(), store, folder, seed, log)
            except BaseException:
                for process in STARTED:
                    process.kill()
                if (folder / "output").exists():
                    sys.stderr.write("".join((folder / "output").read_text().splitlines(True)[-40:]))
                raise
            finally:
                store.end()


if __name__ == "__main__":
    main()
