"""Jobs, from outside: units, workers, status, quarantine. `tests/jobs/chaos_test.py` kills and freezes the workers."""
import json
import re
import signal

from harness import SECONDS, wait_for
from program.database import CHILDREN, dump
from stores import POSTGRES, Postgres, Sqlite
from terminal import Terminal
from uniprot_case import case, split


def stores(c):
    """A new store of each kind; PostgreSQL where the tests have a server."""
    yield Sqlite(c.db("store"))
    if POSTGRES:
        with Postgres() as store:
            yield store


def run(c, *arguments, wanted=0):
    done = c.program.run(*arguments)
    c.code(" ".join(map(str, arguments[:2])), done, wanted)
    return done


@case
def job_loads_what_ingest_loads(c):
    """Plain and gzip, cut into units, with all tables."""
    for name in ("good.dat", "good.dat.gz"):
        path, _ = c.generate(600, name)
        alone = c.db("alone")
        c.load(path, "--tables", "full", db=alone)
        tables = ("proteins", *CHILDREN)
        wanted = dump(alone, *tables)
        for store in stores(c):
            done = run(c, "ingest", path, "--store", store.url, "--job", "one", "--tables", "full", "--unit-mb", "0.1")
            c.holds("several units", store.number("SELECT count(*) FROM etl_job_units") > 10)
            c.holds("says that it has completed", b"'one' is completed" in done.stdout, done.stdout)
            if store.url.startswith("sqlite:"):
                c.holds("the same rows", wanted == dump(store.path, *tables))
            else:
                c.equal("rows", {t: len(rows) for t, rows in wanted.items()},
                        {t: store.number(f"SELECT count(*) FROM {t}") for t in tables})
            status = run(c, "status", "one", "--store", store.url).stdout.decode()
            c.holds("status", "100.0 %" in status and "600 settled" in status, status)
            for command in (["status", "one"], ["jobs"]):
                told = json.loads(run(c, *command, "--store", store.url, "--json").stdout)
                c.holds("as JSON", (told["version"], told["state"], told["records"]) == ("one", "completed", 600), told)
            listed = run(c, "jobs", "--store", store.url).stdout.decode()
            c.holds("jobs", "completed" in listed and "one" in listed, listed)


@case
def job_skips_unchanged_entries(c):
    """The next release stores the entries that have changed."""
    path, data = c.generate(50)
    entries = split(data)
    entries[7] = entries[7].replace(b"entry version ", b"entry version 9", 1)
    entries.append(c.generate(51, "more.dat")[1].split(b"\n//\n")[50] + b"\n//\n")
    later = c.file("later.dat", b"".join(entries))
    for store in stores(c):
        run(c, "ingest", path, "--store", store.url, "--job", "first")
        before = dict(store.rows("SELECT accession, source FROM proteins"))
        run(c, "ingest", later, "--store", store.url, "--job", "second")
        after = dict(store.rows("SELECT accession, source FROM proteins"))
        c.equal("stored", 2, sum(before.get(accession) != source for accession, source in after.items()))
        c.equal("all", 51, len(after))


@case
def job_fills_further_tables(c):
    """Also for entries that are in `proteins` already; and whoever changes an entry keeps its further rows right."""
    path, data = c.generate(50)
    entries = split(data)
    entries[7] = entries[7].replace(b"entry version ", b"entry version 9", 1).replace(b"\nKW   ", b"\nKW   New; ", 1)
    later = c.file("later.dat", b"".join(entries))
    for store in stores(c):
        at = ("--store", store.url)
        alone = c.db("alone")
        c.load(later, "--tables", "full", db=alone)
        run(c, "ingest", path, *at)
        run(c, "ingest", path, *at, "--job", "first", "--tables", "full")
        c.equal("entries that have further rows", 50, store.number("SELECT count(DISTINCT accession) FROM accessions"))
        run(c, "ingest", later, *at, "--job", "second")
        for table, rows in dump(alone, *CHILDREN).items():
            c.equal(table, len(rows), store.number(f"SELECT count(*) FROM {table}"))
        run(c, "ingest", path, *at)
        if store.url.startswith("sqlite:"):
            c.load(path, "--tables", "full", db=(first := c.db("first")))
            c.holds("the rows of the first release", dump(store.path, *CHILDREN) == dump(first, *CHILDREN))


@case
def job_keeps_the_last_of_two_entries(c):
    """Of two entries with one accession in a batch, also where the first is the one in the table."""
    path, data = c.generate(1)
    other = data.replace(b"entry version ", b"entry version 9", 1)
    both = c.file("both.dat", data + other)
    digest = "SELECT content_md5 FROM proteins"
    alone = Sqlite(c.db("alone"))
    run(c, "ingest", c.file("other.dat", other), "--store", alone.url)
    for store in stores(c):
        run(c, "ingest", path, "--store", store.url, "--job", "first")
        run(c, "ingest", both, "--store", store.url, "--job", "second")
        c.equal("the later entry", alone.rows(digest), store.rows(digest))


@case
def job_quarantines_a_poisoned_unit(c):
    """The error names unit, file and record; the job ends; after the fix retry-quarantined completes it."""
    path, data = c.generate(300)
    entries = split(data)
    entries[200] = entries[200].replace(b"\nSQ   ", b"\nSX   ", 1)
    bad = c.file("bad.dat", b"".join(entries))
    for store in stores(c):
        at = ("--store", store.url)
        done = run(c, "ingest", bad, *at, "--job", "one", "--unit-mb", "0.1", "--max-rejects", "0", wanted=3)
        status = run(c, "status", "one", *at).stdout.decode()
        for part in ("completed_with_quarantine", "unit ", "after you have corrected the cause: etl-uniprot retry-quarantined"):
            c.holds(f"status has '{part}'", part in status, status)
        line = 1 + b"".join(entries[:200]).count(b"\n")
        named = re.search(r"bad\.dat:(\d+)", status)
        c.holds("the line is one of the entry", named and 0 <= int(named[1]) - line <= entries[200].count(b"\n"), status)
        told = json.loads(run(c, "status", "one", *at, "--json").stdout)["quarantined_units"]
        c.holds("the same as JSON", len(told) == 1 and "bad.dat" in told[0]["error"], told)
        c.says("the run", done, "quarantined")
        loaded = store.number("SELECT count(*) FROM proteins")
        c.holds("the others are loaded", 250 < loaded < 299, loaded)
        # The version is not taken for ingested, and a worker without the fix does not change that.
        run(c, "ingest", bad, *at, "--job", "one", "--unit-mb", "0.1", "--max-rejects", "0", wanted=3)
        run(c, "retry-quarantined", "one", *at)
        run(c, "worker", *at, "--max-rejects", "0", wanted=3)
        c.equal("without the fix", "completed_with_quarantine", store.rows("SELECT state FROM etl_jobs")[0][0])
        # The fix: the bad entry is one that may be rejected.
        done = run(c, "retry-quarantined", "one", *at)
        c.holds("retry-quarantined", b"1 units of job 1 are pending again" in done.stdout, done.stdout)
        done = run(c, "worker", *at, "--max-rejects", "1", "--quiet", "--json", wanted=3)
        c.equal("members of the summary", ["done", "handed_back", "failed", "quarantined", "lost", "records", "rejected"],
                list(json.loads(done.stdout)))
        c.equal("loaded", 299, store.number("SELECT count(*) FROM proteins"))
        c.equal("rejects", 1, store.number("SELECT count(*) FROM rejects"))
        c.equal("the job", "completed", store.rows("SELECT state FROM etl_jobs")[0][0])
        run(c, "retry-quarantined", "one", *at)
        c.equal("a job without quarantine stays", "completed", store.rows("SELECT state FROM etl_jobs")[0][0])
        run(c, "worker", *at)


@case
def job_is_cancelled_and_resumed(c):
    """Workers hand their units back; nothing is given out until it is resumed; no entry is loaded twice."""
    path, _ = c.generate(3000)
    for store in stores(c):
        at = ("--store", store.url)
        run(c, "ingest", c.file("empty.dat", b""), *at)  # makes the tables
        store.count_landings()
        working = c.program.start("ingest", path, *at, "--job", "one", "--unit-mb", "0.25", "--batch-size", "10",
                                  "--lease", "1", "--workers", "1", "--quiet")
        try:
            wait_for("a unit is done", lambda: store.has_jobs() and store.number(
                "SELECT count(*) FROM etl_job_units WHERE state='done'") > 0)
            done = run(c, "cancel", "one", *at)
            c.holds("cancel", b"'etl-uniprot resume' resumes it" in done.stdout, done.stdout)
            code = working.wait(timeout=SECONDS)
        finally:
            working.kill()
        state = store.rows("SELECT state FROM etl_jobs")[0][0]
        if state == "cancelled":  # it was not faster
            c.equal("exit code of the ingest", 4, code)
            c.equal("running units", 0, store.number("SELECT count(*) FROM etl_job_units WHERE state='running'"))
            c.equal("attempts", 0, store.number("SELECT sum(attempts) FROM etl_job_units"))
            landed = store.number("SELECT count(*) FROM landings")
            c.holds("a part is loaded", 0 < landed < 3000, landed)
            done = run(c, "worker", *at)
            c.holds("a worker finds nothing", done.stdout.startswith(b"0 units done"), done.stdout)
            status = run(c, "status", "one", *at).stdout.decode()
            c.holds("status", "'one' is cancelled" in status, status)
            run(c, "resume", "one", *at)
        else:
            c.equal("the job", "cancelled", state)
        run(c, "worker", *at)
        c.equal("the job", "completed", store.rows("SELECT state FROM etl_jobs")[0][0])
        c.equal("entries, loads", [["3000", "3000"]],
                store.rows("SELECT count(DISTINCT accession), count(*) FROM landings"))


@case
def job_worker_drains_on_a_signal(c):
    """SIGTERM: the unit goes back with its progress, and the next worker ends the job."""
    path, _ = c.generate(3000)
    for store in stores(c):
        at = ("--store", store.url)
        run(c, "ingest", c.file("empty.dat", b""), *at)
        store.count_landings()
        working = c.program.start("ingest", path, *at, "--job", "one", "--unit-mb", "0.25", "--batch-size", "10",
                                  "--workers", "1", "--quiet")
        try:
            wait_for("something is loaded", lambda: store.number("SELECT count(*) FROM landings") > 0)
            working.send_signal(signal.SIGTERM)
            c.equal("exit code", 4, working.wait(timeout=SECONDS))
        finally:
            working.kill()
        c.equal("running units", 0, store.number("SELECT count(*) FROM etl_job_units WHERE state='running'"))
        c.equal("attempts", 0, store.number("SELECT sum(attempts) FROM etl_job_units"))
        # The same command as before: had it been stopped while it cut the file, it would go on with that.
        run(c, "ingest", path, *at, "--job", "one", "--unit-mb", "0.25", "--batch-size", "10")
        c.equal("entries, loads", [["3000", "3000"]],
                store.rows("SELECT count(DISTINCT accession), count(*) FROM landings"))


@case
def job_is_watched(c):
    """`status --watch` on a terminal: state, bar, units, the worker with its unit and heartbeat, until the job ends."""
    path, _ = c.generate(3000)
    running = "SELECT count(*) FROM etl_job_units WHERE state='running' AND number>0"
    for store in stores(c):
        working = c.program.start("ingest", path, "--store", store.url, "--job", "one", "--unit-mb", "0.25",
                                  "--batch-size", "10", "--workers", "1", "--quiet")
        try:
            wait_for("there are units", store.has_jobs)
            while True:  # is frozen within a unit
                wait_for("a unit is running", lambda: store.number(running) > 0)
                working.send_signal(signal.SIGSTOP)
                if store.number(running) > 0:
                    break
                working.send_signal(signal.SIGCONT)
            terminal = Terminal(c.program, ["status", "one", "--store", store.url, "--watch"], 110, output=True)
            for part in ("job 1 'one' is ", r"\[#*-+\] [0-9.]+ %", r"units    \d+ pending, [1-9]\d* running, \d+ done, 0 quaran",
                         "records/s, .* MB/s", rf":{working.pid}:.*unit \d+, \d+ records, last heartbeat .* s ago"):
                terminal.wait_for(lambda lines, part=part: any(re.search(part, line) for line in lines))
                c.holds(part, True)
            working.send_signal(signal.SIGCONT)
            terminal.wait_for(lambda lines: any("'one' is completed" in line for line in lines))
            c.equal("exit code", 0, terminal.close())
            c.equal("exit code of the ingest", 0, working.wait(timeout=SECONDS))
        finally:
            working.kill()


@case
def job_survives_a_statement_that_hangs(c):
    """PostgreSQL: a trigger that sleeps for an hour, once."""
    path, _ = c.generate(50)
    for store in stores(c):
        if store.url.startswith("sqlite:"):
            c.holds("SQLite's statements wait for locks only", True)
            continue
        run(c, "ingest", c.file("empty.dat", b""), "--store", store.url)
        store.rows("CREATE SEQUENCE calls; CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF "
                  "nextval('calls') = 1 THEN PERFORM pg_sleep(3600); END IF; RETURN new; END$$; CREATE TRIGGER hang "
                  "BEFORE INSERT ON proteins FOR EACH ROW EXECUTE FUNCTION hang()")
        run(c, "ingest", path, "--store", store.url, "--job", "one", "--statement-timeout", "0.5")
        c.equal("entries", 50, store.number("SELECT count(*) FROM proteins"))
        c.holds("it hung", store.number("SELECT last_value FROM calls") > 50)


@case
def job_says_that_a_file_cannot_be_cut(c):
    """A truncated gzip file: the units before the damage may be landed by then, and the job is not complete."""
    _, data = c.generate(2000, "good.dat.gz")
    bad = c.file("bad.dat.gz", data[:len(data) * 9 // 10])
    for store in stores(c):
        done = run(c, "ingest", bad, "--store", store.url, "--job", "one", "--unit-mb", "0.5", wanted=1)
        c.says("the run", done, r"bad\.dat\.gz.*truncated")
        c.equal("the job", "preparing", store.rows("SELECT state FROM etl_jobs")[0][0])
        c.equal("running units", 0, store.number("SELECT count(*) FROM etl_job_units WHERE state='running'"))


@case
def job_commands_say_what_is_wrong(c):
    """Jobs that have ended or are unknown, other databases, other settings."""
    path, _ = c.generate(100)
    for store in stores(c):
        at = ("--store", store.url)
        run(c, "ingest", path, *at, "--job", "done")
        done = run(c, "cancel", "done", *at, wanted=1)
        c.says("a job that has ended", done, "cannot cancel job 1, which is completed")
        done = run(c, "resume", "done", *at, wanted=1)
        c.says("a job that has ended", done, "cannot resume job 1, which is completed")
        for command in ("status", "cancel", "resume", "retry-quarantined"):
            done = run(c, command, "none", *at, wanted=1)
            c.says("an unknown job", done, "no job has the number or the name 'none'")
        done = run(c, "ingest", path, *at, "--job", "done", "--tables", "full", wanted=1)
        c.says("another job of this name", done, "has other settings")
    done = run(c, "worker", "--store", "mysql://x", wanted=2)
    c.says("another database", done, "sqlite:PATH or postgresql://")
