"""A job is started by one process and joined by three, two of which are killed; each entry is stored once.

The commands are those of the guide: docs/guide/jobs.md, with the file, the store and a short lease in place of its own.
"""
import re
import signal

from harness import ROOT, Case, cases_of, wait_for
from stores import Postgres, Sqlite

ENTRIES = 5000
LIMIT = 240  # s


class JoinedCase(Case):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.started = []

    def start(self, arguments):
        self.started.append(self.program.start(*arguments))
        return self.started[-1]

    def close(self):
        for process in self.started:
            process.kill()
            process.wait()


case = cases_of(JoinedCase)


def documented(heading):
    """The commands that start a job and that join it, from a section of the guide."""
    guide = (ROOT / "docs" / "guide" / "jobs.md").read_text(encoding="utf-8")
    section = guide.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.split("  #")[0].split() for line in section.splitlines() if line.startswith("etl-uniprot ")]
    return (next(line for line in lines if line[1] == "ingest"), next(line for line in lines if line[1] == "worker"))


def join(c, store):
    release, empty = c.folder / "release.dat.gz", c.folder / "empty.dat"
    for path, entries in ((empty, 0), (release, ENTRIES)):
        c.code("generate", c.program.run("generate", "--entries", entries, "--out", path), 0)
    c.code("ingest", c.program.run("ingest", empty, "--store", store.url, "--quiet"), 0)
    store.count_landings()

    def arguments(words):
        own = [store.url if word.startswith(("sqlite:", "postgresql:")) else
               release if re.search(r"\.dat(\.gz)?$", word) else word for word in words[1:] if word != "--stay"]
        # Small units and batches: more chances to be killed in the middle of one.
        more = ["--unit-mb", "0.5", "--batch-size", "20"] if words[1] == "ingest" else []
        return [*own, "--lease", "2", *more]

    first, other = documented("One machine" if store.url.startswith("sqlite:") else "Several machines")
    maker = c.start(arguments(first))
    wait_for("there are units", lambda: store.has_jobs() and store.number("SELECT count(*) FROM etl_job_units"), LIMIT)
    joined = [c.start(arguments(other)) for _ in range(3)]
    # Two of the three, each while it has a unit.
    for victim in joined[:2]:
        has_unit = f"SELECT count(*) FROM etl_job_units WHERE state='running' AND worker LIKE '%:{victim.pid}:%'"
        wait_for(f"process {victim.pid} has a unit", lambda: store.number(has_unit) or victim.poll() is not None, LIMIT)
        assert victim.poll() is None, "the job ended before its worker was killed: give it more entries"
        victim.kill()
        c.equal("exit code of a killed worker", -signal.SIGKILL, victim.wait())
    c.equal("exit codes", [0, 0], [process.wait(timeout=LIMIT) for process in (maker, joined[2])])
    landed = store.rows("SELECT count(*), count(DISTINCT accession) FROM landings")[0]
    stored = store.number("SELECT count(*) FROM proteins")
    reclaimed = store.number("SELECT sum(attempts) FROM etl_job_units")
    c.note = f"landings {landed[0]}, entries {landed[1]}, stored {stored}; {reclaimed} units reclaimed"
    c.equal("state of the job", [["completed"]], store.rows("SELECT state FROM etl_jobs"))
    c.equal("landings, entries, stored", [str(ENTRIES), str(ENTRIES), ENTRIES], [*landed, stored])
    c.holds("units were taken from killed workers", reclaimed >= 1, reclaimed)
    c.code("status", c.program.run("status", first[first.index("--job") + 1], "--store", store.url), 0)


@case
def sqlite(c):
    join(c, Sqlite(c.folder / "jobs.db"))


@case
def postgres(c):
    with Postgres() as store:
        join(c, store)
