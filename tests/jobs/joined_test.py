#!/usr/bin/env python3
"""A job is started by one process and joined by three, two of which are killed; each entry is stored once.

    joined_test.py PROGRAM GUIDE sqlite|postgres

The commands are those of the guide: docs/guide/jobs.md, with the file, the store and a short lease in place of its own.
"""
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from stores import Postgres, Sqlite  # noqa: E402

ENTRIES = 5000
LIMIT = 240  # s


def documented(guide, heading):
    """The commands that start a job and that join it, from a section of the guide."""
    section = guide.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.split("  #")[0].split() for line in section.splitlines() if line.startswith("etl-uniprot ")]
    return (next(line for line in lines if line[1] == "ingest"), next(line for line in lines if line[1] == "worker"))


def main():
    program, guide = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).read_text()
    with tempfile.TemporaryDirectory(prefix="etlpipe-joined-") as name:
        folder = pathlib.Path(name)
        with (Sqlite(folder / "jobs.db") if sys.argv[3] == "sqlite" else Postgres()) as store:
            join(program, guide, folder, store)


def join(program, guide, folder, store):
    release, empty = folder / "release.dat.gz", folder / "empty.dat"
    for path, entries in ((empty, 0), (release, ENTRIES)):
        subprocess.run([program, "generate", "--entries", str(entries), "--out", path], check=True)
    subprocess.run([program, "ingest", empty, "--store", store.url, "--quiet"], check=True)
    store.count_landings()

    def command(words):
        own = [store.url if word.startswith(("sqlite:", "postgresql:")) else
               release if re.search(r"\.dat(\.gz)?$", word) else word for word in words if word != "--stay"]
        # Small units and batches: more chances to be killed in the middle of one.
        more = ["--unit-mb", "0.5", "--batch-size", "20"] if words[1] == "ingest" else []
        return [program, *own[1:], "--lease", "2", *more]

    first, other = documented(guide, "One machine" if store.url.startswith("sqlite:") else "Several machines")
    started = [subprocess.Popen(command(first))]
    end = time.monotonic() + LIMIT

    def wait_until(what, holds):
        while not holds():
            assert time.monotonic() < end, f"{what}: not within {LIMIT} s"
            time.sleep(0.02)

    try:
        wait_until("there are units", lambda: store.has_jobs() and store.number("SELECT count(*) FROM etl_job_units"))
        started += [subprocess.Popen(command(other)) for _ in range(3)]
        # Two of the three, each while it has a unit.
        for victim in started[1:3]:
            has_unit = f"SELECT count(*) FROM etl_job_units WHERE state='running' AND worker LIKE '%:{victim.pid}:%'"
            wait_until(f"process {victim.pid} has a unit", lambda: store.number(has_unit) or victim.poll() is not None)
            assert victim.poll() is None, "the job ended before its worker was killed: give it more entries"
            victim.kill()
            assert victim.wait() == -signal.SIGKILL
        for process in (started[0], started[3]):
            assert process.wait(timeout=LIMIT) == 0, process.args
    finally:
        for process in started:
            process.kill()
    state, = store.rows("SELECT state FROM etl_jobs")[0]
    landed = store.rows("SELECT count(*), count(DISTINCT accession) FROM landings")[0]
    stored = store.number("SELECT count(*) FROM proteins")
    reclaimed = store.number("SELECT sum(attempts) FROM etl_job_units")
    print(f"the job is {state}; landings {landed[0]}, entries {landed[1]}, stored {stored}; {reclaimed} units reclaimed")
    assert state == "completed"
    assert [*landed, stored] == [str(ENTRIES), str(ENTRIES), ENTRIES]
    assert reclaimed >= 1, "no unit was taken from a killed worker"
    subprocess.run([program, "status", first[first.index("--job") + 1], "--store", store.url], check=True)


if __name__ == "__main__":
    main()
