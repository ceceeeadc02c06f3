"""Signals during an ingest. The input is a pipe that the test feeds, so nothing depends on timing."""
import array
import fcntl
import json
import os
import signal
import subprocess
import termios

from program.output import ledgers
from uniprot_case import accessions, case, count, loaded, rows

FED = 8 << 20  # bytes; all but what a pipe holds (64 KiB) was read by the program once they are written


def stopped(c, number, *options):
    """Feeds standard input, sends a signal, and leaves the input open: the program must end all the same."""
    _, data = c.generate(2000)
    fed = (data * (FED // len(data) + 1))[:FED]
    db = c.db()
    read, write = os.pipe()
    child = c.program.start("ingest", "-", "--db", db, "--json", *options, stdin=read, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as feed:
        for at in range(0, FED, 1 << 16):
            feed.write(fed[at:at + (1 << 16)])
        child.send_signal(number)
        try:
            output = child.communicate(timeout=60)
            c.holds(f"{number.name}: ends while its input is open", True)
        except subprocess.TimeoutExpired:
            c.holds(f"{number.name}: ends while its input is open", False)
            child.kill()
            output = child.communicate()
    done = subprocess.CompletedProcess(child.args, child.returncode, *output)
    c.code(number.name, done, 4)
    return fed, db, done


@case
def interrupted(c):
    """SIGINT and SIGTERM: exit code 4; what was read is in the database, without a gap, and nothing half.

    One entry may be given up: the one whose push the stop refused (contract G2).
    """
    for number, options in (signal.SIGINT, ()), (signal.SIGTERM, ("--workers", "4", "--batch-size", "64")):
        fed, db, done = stopped(c, number, *options)
        names = accessions(fed[:fed.rindex(b"\n//\n") + 4])
        found = next(ledgers(json.loads(done.stdout)), {})
        read, refused = found.get("loaded", 0), found.get("abandoned", 0)
        c.holds(f"{number.name}: entries were read", read > 0, found)
        c.equal(f"{number.name}: read", found.get("extracted"), read + refused)
        c.holds(f"{number.name}: at most one given up", refused <= 1, found)
        c.equal(f"{number.name}: all that was read is there", sorted(set(names[:read])), loaded(db))


@case
def resumed(c):
    """After an interrupted run, the same file loads as if nothing had happened."""
    fed, db, _ = stopped(c, signal.SIGINT)
    whole = c.file("whole.dat", fed[:fed.rindex(b"\n//\n") + 4])
    c.load(whole, db=db)
    c.equal("accessions", sorted(set(accessions(whole.read_bytes()))), loaded(db))
    c.load(whole, db=c.db("fresh"))
    c.equal("rows", count(c.folder / "fresh.sqlite"), count(db))


@case
def killed(c):
    """SIGKILL in the midst of it leaves a sound database of whole batches; the next run loads all."""
    _, data = c.generate(2000)
    db = c.db()
    read, write = os.pipe()
    child = c.program.start("ingest", "-", "--db", db, "--quiet", "--batch-size", "20", stdin=read)
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as feed:
        # All is fed but not ended, so that the program is still at work or waits.
        for at in range(0, len(data) - 1, 1 << 16):
            feed.write(data[at:min(at + (1 << 16), len(data) - 1)])
        child.kill()
        child.wait()
    if count(db):
        c.equal("integrity", "ok", rows(db, "PRAGMA integrity_check")[0]["integrity_check"])
    c.holds("only what was fed", set(loaded(db)) <= set(accessions(data)))
    c.load(c.file("whole.dat", data), db=db)
    c.equal("accessions", sorted(accessions(data)), loaded(db))


@case
def waiting(c):
    """SIGINT while nothing has come yet ends it too."""
    read, write = os.pipe()
    child = c.program.start("ingest", "-", "--db", c.db(), stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(read)
    # One entry and a bit: once the pipe is empty again, the program is past its start and waits for the rest.
    os.write(write, c.generate(1)[1] + b"ID   ")
    while queued(write):
        os.sched_yield()
    child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=60)
        c.equal("exit code", 4, child.returncode)
        # Read ahead it is; whether it was taken from there before the signal came is a race.
        c.holds("no more than the whole entry is there", count(c.folder / "x.sqlite") <= 1)
    except subprocess.TimeoutExpired:
        c.holds("ends while its input is open", False)
        child.kill()
        child.communicate()
    os.close(write)


def queued(descriptor):
    """The bytes in a pipe that nobody has read yet."""
    size = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, size)
    return size[0]
