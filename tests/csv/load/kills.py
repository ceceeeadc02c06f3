"""Loads that are killed, stopped or cut off, and what the next load makes of them."""
import json
import os
import pathlib
import random
import signal
import subprocess
import time

from csv_case import HEADER, KILLS, case, line
from harness import wait_for
from streams import stream_file, stream_map


def killed_loads(c, command, usual, begin_anew, check, between=lambda: None):
    """SIGKILL at seeded moments, KILLS times in all; what every load has left that came to its end is checked."""
    done = resumed = seed = 0
    while done < KILLS:
        seed += 1
        moments = random.Random(seed)
        begin_anew()
        kills = 0
        while True:
            process = c.program.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                _, error = process.communicate(timeout=moments.uniform(0, usual))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                between()
        c.holds(f"seed {seed}, {kills} kills: ends well, {process.returncode}", process.returncode in (0, 3), error)
        check(f"seed {seed}, {kills} kills")
        done += kills
        resumed += kills > 0
    c.holds("loads were killed and ended", resumed > 0)


@case
def killed_into_sqlite(c):
    """Killed again and again, a load ends with every good row once, and every bad one: also with a mapping."""
    (c.folder / "data").mkdir()
    bad = {10000: "x10000,true,2024-01-01,2024-01-01 10:00,1,n", 20000: "20000,true,no day,2024-01-01 10:00,1,n"}
    for i in range(8):
        lines = (bad.get(n) or f'{n},{["true", "false"][n % 2]},2024-{n % 12 + 1:02}-{n % 28 + 1:02},'
                 f'2024-01-01 {n % 24:02}:30,{n}.12345678901234567890,"a ""note"",\n{n}"'
                 for n in range(i * 9000, (i + 1) * 9000))
        (c.folder / "data" / f"f{i}.csv").write_text("id,paid,day,at,price,note\n" + "\n".join(lines) + "\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*.csv", "columns": [
        {"source": "id", "type": "integer", "key": True}, {"source": "paid", "type": "boolean"},
        {"source": "day", "type": "date"}, {"source": "at", "type": "timestamp"},
        {"source": "price", "type": "numeric"}, {"source": "note"}]}]}))

    def reset():
        for file in c.folder.glob("killed*.db*"):
            file.unlink()

    everything = "SELECT id, paid, day, at, price, note, typeof(paid) FROM t ORDER BY id"
    letters = "SELECT pipeline, seq, errors, payload FROM etl_dead_letters ORDER BY 1, 2"
    for told in (["--key", "id"], ["--mapping", "map.json"]):
        reset()
        began = time.monotonic()
        c.database = c.folder / f"undisturbed{told[0]}.db"
        c.load("data/*.csv", "--create", *told, wanted=3)
        usual = time.monotonic() - began
        rows, rejected = c.rows(everything), c.rows(letters)
        c.equal(f"{told}: rows", True, [n for n in range(72000) if n not in bad] == [r[0] for r in rows])
        c.equal(f"{told}: a row", (1, 0, "2024-02-02", "2024-01-01T01:30:00", "1.12345678901234567890", 'a "note",\n1',
                                   "integer"), rows[1])
        c.equal(f"{told}: rejects", list(bad.values()), [r[3].decode() for r in rejected])
        c.database = c.folder / "killed.db"

        def check(when):
            c.equal(f"{told}, {when}: rows as of an undisturbed load", True, rows == c.rows(everything))
            c.equal(f"{told}, {when}: rejects as of an undisturbed load", rejected, c.rows(letters))

        killed_loads(c, [*c.arguments("data/*.csv", "--create", "--batch-size", 200, "--quiet"), *told], usual, reset,
                     check)


@case
def killed_into_postgres(c):
    """Killed again and again, and the server restarted in between: every good row once."""
    with c.server() as (url, do):
        pattern = c.files(8, 4000, bad={100, 9000})
        began = time.monotonic()
        c.load(pattern, "--create", "--key", "id", into=url, wanted=3)
        usual = time.monotonic() - began
        everything = "SELECT md5(string_agg(t::text, ';' ORDER BY id)) || count(*) FROM t"
        wanted = c.psql(url, everything)

        def reset():
            c.psql(url, "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public")

        def check(when):
            c.equal(f"{when}: rows as of an undisturbed load", wanted, c.psql(url, everything))
            c.equal(f"{when}: rejects", "2", c.psql(url, "SELECT count(*) FROM etl_dead_letters"))

        restarts = random.Random(0)

        def between():
            if restarts.random() < 0.1:
                do("halt")
                do("resume")

        command = c.arguments(pattern, "--create", "--key", "id", "--batch-size", 300, "--quiet", into=url)
        killed_loads(c, command, usual, reset, check, between)


@case
def killed_in_its_last_commit(c):
    """A load that is killed while the server still commits its end is not loaded again by a load that is started at once."""
    (c.folder / "first.csv").write_text("id,v\n0,first\n")
    (c.folder / "a.csv").write_text("id,v\n" + "".join(f"{i},a\n" for i in range(1, 1001)))
    with c.server() as (url, _):
        c.load("first.csv", "--create", into=url)
        c.psql(url, "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END'")
        c.psql(url, "CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE ON etl_checkpoints DEFERRABLE INITIALLY DEFERRED "
                    "FOR EACH ROW WHEN (new.finished) EXECUTE FUNCTION wait()")
        with c.lock_of(url, 7):
            def waits(sessions):
                count = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE NOT granted AND datname = current_database()"
                wait_for("sessions that wait", lambda: c.psql(url, count) == str(sessions))

            with c.program.start(*c.arguments("a.csv", into=url)) as killed:
                waits(1)
                killed.kill()
            again = c.program.start(*c.arguments("a.csv", into=url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            waits(2)
        _, error = again.communicate()
        c.equal(f"exit code: {error}", 0, again.returncode)
        c.equal("rows", "1001 1001", c.psql(url, "SELECT count(*), count(DISTINCT id) FROM t", " "))


@case
def killed_json(c):
    """Killed again and again, loads of JSON end with every object and every reading once."""
    data = stream_file(5, 30_000, {(0, 100), (2, 29_000)})
    for element in data[1:3]:  # the id behind
        element["uuid"] = element.pop("uuid")
    (c.folder / "a.json").write_text(json.dumps(data))
    (c.folder / "b.ndjson").write_text("".join(json.dumps({"uuid": f"s{i % 4}", "Readings": [[i * 60_000, i]]}) + "\n"
                                               for i in range(30_000)))
    stream_map(c)
    (c.folder / "map.json").write_text((c.folder / "map.json").read_text().replace("*.json*", "*json"))
    (c.folder / "rows").mkdir()
    for i in range(4):
        lines = [json.dumps({"id": n, "note": f"ä\n{n}" if n % 3 else None, "day": f"2024-{n % 12 + 1:02}-01"})
                 for n in range(i * 20_000, (i + 1) * 20_000)]
        lines[500] = '{"id": }'
        (c.folder / "rows" / (f"f{i}.json" if i % 2 else f"f{i}.ndjson")).write_text(
            "[" + ",\n".join(lines[:500] + lines[501:]) + "]" if i % 2 else "\n".join(lines))

    def reset():
        for file in c.folder.glob("killed*.db*"):
            file.unlink()

    letters = "SELECT pipeline, seq, errors, payload FROM etl_dead_letters ORDER BY 1, 2"
    for files, count, bad, told in ((["a.json", "b.ndjson"], 112_498, 2, ["--mapping", "map.json"]),
                                    (["rows/*"], 79_996, 2, ["--key", "id"])):
        reset()
        began = time.monotonic()
        c.database = c.folder / f"undisturbed{told[0]}.db"
        c.load(*files, "--create", *told, wanted=3)
        usual = time.monotonic() - began
        everything = "SELECT * FROM t ORDER BY 1, 2, 3, 4" if "--mapping" in told else "SELECT * FROM t ORDER BY 1"
        rows, rejected = c.rows(everything), c.rows(letters)
        c.equal(f"{files}: counts", (count, bad), (len(rows), len(rejected)))
        c.database = c.folder / "killed.db"

        def check(when):
            c.equal(f"{files}, {when}: rows as of an undisturbed load", True, rows == c.rows(everything))
            c.equal(f"{files}, {when}: rejects as of an undisturbed load", rejected, c.rows(letters))

        killed_loads(c, [*c.arguments(*files, "--create", "--batch-size", 200, "--quiet"), *told], usual, reset, check)


@case
def resumed_summary(c):
    """A load that goes on where one was stopped tells all rows of the file."""
    pattern = c.files(1, 120000)
    process = c.program.start(*c.arguments(pattern, "--create", "--batch-size", 50), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    while not c.database.exists() or not c.rows("SELECT count(*) FROM sqlite_master WHERE name = 't'")[0][0]:
        time.sleep(0.01)
    while c.rows("SELECT count(*) FROM t")[0][0] < 30000:  # so that it goes on at a later place of the file
        time.sleep(0.01)
    process.kill()
    process.communicate()
    before = c.rows("SELECT count(*) FROM t")[0][0]
    summary, _ = c.load(pattern)
    c.equal("counts", (120000, 120000 - before, before),
            tuple(summary["rows"][name] for name in ("read", "loaded", "loaded_by_earlier_run")))


@case
def interrupted(c):
    """The first SIGINT drains: what was read is loaded, exit code 4, and the next load goes on."""
    pattern = c.files(4, 60000)
    process = c.program.start(*c.arguments(pattern, "--create", "--json", "--batch-size", 50), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not c.database.exists() or not c.rows("SELECT count(*) FROM sqlite_master WHERE name = 't'")[0][0]:
        time.sleep(0.01)  # until it is at work
    while not c.rows("SELECT count(*) FROM t")[0][0]:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    summary = json.loads(out)
    c.equal(f"exit code {error.decode()[:300]}", 4, process.returncode)
    c.has(error.decode(), "stopped by a signal; not finished: ", "the same command resumes them")
    c.equal("what was loaded is there", summary["rows"]["loaded"], c.rows("SELECT count(*) FROM t")[0][0])
    c.equal("nothing that was read is lost", (summary["rows"]["read"], 0), (summary["rows"]["loaded"], summary["rows"]["abandoned"]))
    c.load(pattern)
    c.equal("every row once", [(i,) for i in range(240000)], c.rows("SELECT id FROM t ORDER BY id"))


@case
def interrupted_pipe(c):
    """SIGINT while a pipe has no more rows: a stop and not a failure, and nobody is told that a pipe can be resumed."""
    c.sql("CREATE TABLE t (id INTEGER)")
    process = c.program.start(*c.arguments("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"id\n1\n2\n")
    process.stdin.flush()
    wait_for("the load", lambda: c.rows("SELECT count(*) FROM sqlite_master WHERE name = 'etl_store'")[0][0])
    process.send_signal(signal.SIGINT)
    c.equal("exit code", 4, process.wait(120))
    out = process.stdout.read().decode()
    c.has(out, "stopped by a signal; not finished: standard input; ", "standard input and pipes cannot be resumed")
    c.lacks(out, "resumes them", "Operation canceled")
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def has_open(open_files, path):
    try:
        return any(os.path.realpath(one) == str(path) for one in open_files.iterdir())
    except FileNotFoundError:  # one was closed meanwhile
        return False


@case
def interrupted_before_a_writer(c):
    """SIGINT while a named pipe has no writer yet, or standard input gives nothing, ends every command."""
    c.sql("CREATE TABLE t (id INTEGER)")
    fifo = c.folder / "fifo"
    os.mkfifo(fifo)
    for command in (c.arguments(fifo), c.arguments(fifo, "--format", "json"), ["cat", fifo], ["digest", fifo], ["sniff", fifo],
                    ["sniff", "--format", "json", fifo], c.arguments("-"), ["cat", "-"]):
        process = c.program.start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        open_files = pathlib.Path(f"/proc/{process.pid}/fd")
        if fifo in command:
            wait_for("the pipe to be opened", lambda: has_open(open_files, fifo), 20)
        else:
            wait_for("the thread of signals", lambda: len(list((open_files.parent / "task").iterdir())) > 1, 20)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60) if fifo in command else (b"", b"")
        c.equal(f"{command}: exit code {(out + error).decode()[:300]}", 4, process.wait(60))
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
    writer = subprocess.Popen(["sh", "-c", f"gzip -c > {fifo}"], stdin=subprocess.PIPE)
    process = c.program.start(*c.arguments(fifo), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer.communicate(b"id\n1\n2\n", timeout=60)
    _, error = process.communicate(timeout=60)
    c.equal(f"{error.decode()[:300]}", [(1,), (2,)], c.rows("SELECT id FROM t"))


@case
def interrupted_reading(c):
    """SIGINT while --widen reads: no table is made of what was seen so far, and the next load sees everything."""
    (c.folder / "a.csv").write_text("id,zip\n" + "".join(f"{i},94107\n" for i in range(1_000_000)) + "x,01220\n")
    (c.folder / "b.csv").write_text("id,zip\n1,2\n")
    command = c.arguments("a.csv", "b.csv", "--create", "--widen")
    process = c.program.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = b""
    while b"to the end" not in said:
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    c.equal(f"exit code {error.decode()[:300]}", 4, process.returncode)
    c.has(out.decode(), "stopped by a signal; not finished: a.csv, b.csv; the same command resumes them", "2 not run")
    c.holds("no table", not c.database.exists(), error.decode())
    process = c.program.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # at work: never narrower types
    process.communicate(timeout=120)
    c.equal("the types", [("text", "text")], c.rows("SELECT DISTINCT typeof(id), typeof(zip) FROM t"))


@case
def server_restarted(c):
    """A load survives a restart of the server in its middle."""
    with c.server() as (url, do):
        pattern = c.files(4, 60000)
        process = c.program.start(*c.arguments(pattern, "--create", "--json", "--batch-size", 200, "--connections", 2, into=url),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and (
                c.psql(url, "SELECT to_regclass('t') IS NOT NULL") != "t" or
                c.psql(url, "SELECT count(*) > 0 FROM t") != "t"):
            time.sleep(0.01)
        do("halt")
        do("resume")
        out, error = process.communicate(timeout=280)
        c.equal(f"exit code {out[:1500]} {error.decode()[:1000]}", 0, process.returncode)
        c.equal("every row once", "240000|240000|239999", c.psql(url, "SELECT count(*), count(DISTINCT id), max(id) FROM t"))


@case
def server_away(c):
    """A server that goes away is waited for, by files at work and by one that begins meanwhile, and that is said."""
    def wait_for(process, text):
        said = []
        while line := process.stderr.readline().decode():
            said.append(line)
            if text in line:
                return
        c.holds(f"'{text}' is said", False, said)

    with c.server() as (url, do):
        c.psql(url, "CREATE TABLE t (id bigint PRIMARY KEY, sku text, price numeric, day date, note text)")
        for name, first in (("begins", False), ("works", True)):
            os.mkfifo(c.folder / name)
            process = c.program.start(*c.arguments(name, "--json", "--log", "warn", "--batch-size", 100, into=url),
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with open(c.folder / name, "w") as fifo:
                if first:
                    fifo.write(HEADER + "".join(map(line, range(1000, 20000))))  # more than one chunk
                    fifo.flush()
                    while process.poll() is None and c.psql(url, "SELECT count(*) >= 1100 FROM t") != "t":
                        time.sleep(0.01)
                do("halt")
                rows = range(20000, 20500) if first else range(1000)
                fifo.write(("" if first else HEADER) + "".join(map(line, rows)))
            wait_for(process, "the server is away: ")
            do("resume")
            _, error = process.communicate(timeout=120)
            c.equal(f"exit code {error.decode()[:1000]}", 0, process.returncode)
            c.equal("back", ["etl-csv: the server is back"], error.decode().splitlines())
        c.equal("every row once", "20500|20500", c.psql(url, "SELECT count(*), count(DISTINCT id) FROM t"))
