"""Jobs, from outside: units, workers, status, quarantine. `tests/jobs/chaos_test.py` kills and freezes the workers."""
from support import count, loaded, rows, split

from program_cases.database import CHILDREN, dump


def run(c, *arguments, wanted=0):
    done = c.program.run(*arguments)
    c.code(" ".join(map(str, arguments[:2])), done, wanted)
    return done


def job_loads_what_ingest_loads(c):
    """Plain and gzip, cut into units, with all tables."""
    for name in ("good.dat", "good.dat.gz"):
        path, _ = c.generate(600, name)
        alone, shared = c.db("alone"), c.db("shared")
        c.load(path, "--tables", "full", db=alone)
        done = run(c, "ingest", path, "--store", f"sqlite:{shared}", "--job", "one", "--tables", "full", "--unit-mb", "0.1")
        c.true("several units", rows(shared, "SELECT count(*) n FROM etl_job_units")[0]["n"] > 10)
        c.true("says that it has completed", b"'one' is completed" in done.stdout, done.stdout)
        tables = ("proteins", *CHILDREN)
        c.true("the same rows", dump(alone, *tables) == dump(shared, *tables))
        status = run(c, "status", "one", "--store", f"sqlite:{shared}").stdout.decode()
        c.true("status", "100.0 %" in status and "600 settled" in status, status)
        listed = run(c, "jobs", "--store", f"sqlite:{shared}").stdout.decode()
        c.true("jobs", "completed" in listed and "one" in listed, listed)


def job_skips_unchanged_entries(c):
    """The next release stores the entries that have changed."""
    path, data = c.generate(50)
    db = c.db()
    run(c, "ingest", path, "--store", f"sqlite:{db}", "--job", "first")
    before = {row["accession"]: row["source"] for row in rows(db, "SELECT accession, source FROM proteins")}
    entries = split(data)
    entries[7] = entries[7].replace(b"entry version ", b"entry version 9", 1)
    entries.append(c.generate(51, "more.dat")[1].split(b"\n//\n")[50] + b"\n//\n")
    later = c.file("later.dat", b"".join(entries))
    run(c, "ingest", later, "--store", f"sqlite:{db}", "--job", "second")
    changed = [row["accession"] for row in rows(db, "SELECT accession, source FROM proteins")
               if before.get(row["accession"]) != row["source"]]
    c.equal("stored", 2, len(changed))
    c.equal("all", 51, count(db))


def job_quarantines_a_poisoned_unit(c):
    """The error names unit, file and record; the job ends; after the fix it completes."""
    path, data = c.generate(300)
    entries = split(data)
    entries[200] = entries[200].replace(b"\nSQ   ", b"\nSX   ", 1)
    bad = c.file("bad.dat", b"".join(entries))
    db = c.db()
    store = f"sqlite:{db}"
    done = run(c, "ingest", bad, "--store", store, "--job", "one", "--unit-mb", "0.1", "--max-rejects", "0", wanted=3)
    status = run(c, "status", "one", "--store", store).stdout.decode()
    for part in ("completed_with_quarantine", "unit ", "bad.dat:", "after the fix"):
        c.true(f"status has '{part}'", part in status, status)
    c.says("the run", done, "quarantined")
    c.true("the others are loaded", 250 < len(loaded(db)) < 299, len(loaded(db)))
    run(c, "retry-quarantined", "one", "--store", store)
    run(c, "worker", "--store", store, "--max-rejects", "1", wanted=3)
    c.equal("loaded", 299, len(loaded(db)))
    c.equal("rejects", 1, count(db, "rejects"))
    c.equal("the job", "completed", rows(db, "SELECT state FROM etl_jobs")[0]["state"])


def job_commands_say_what_is_wrong(c):
    """Jobs that have ended or are unknown, other databases, other settings."""
    path, _ = c.generate(100)
    db = c.db()
    store = f"sqlite:{db}"
    run(c, "ingest", path, "--store", store, "--job", "done")
    done = run(c, "cancel", "done", "--store", store, wanted=1)
    c.says("a job that has ended", done, "cannot cancel job 1, which is completed")
    done = run(c, "status", "none", "--store", store, wanted=1)
    c.says("an unknown job", done, "no job has the number or the name 'none'")
    done = run(c, "worker", "--store", "mysql://x", wanted=2)
    c.says("another database", done, "sqlite:PATH or postgresql://")
    done = run(c, "ingest", path, "--store", store, "--job", "done", "--tables", "full", wanted=1)
    c.says("another job of this name", done, "has other settings")


CASES = (job_loads_what_ingest_loads, job_skips_unchanged_entries, job_quarantines_a_poisoned_unit,
         job_commands_say_what_is_wrong)
