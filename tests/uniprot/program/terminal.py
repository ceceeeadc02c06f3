"""What an ingest shows on a terminal. The input is a pipe that the test holds open, so nothing depends on timing."""
import os

from terminal import Terminal
from uniprot_case import case


@case
def line_fits(c):
    """The line of progress fits the terminal, also after it was made narrower."""
    _, data = c.generate(200)
    folder = c.folder / ("folder-" * 12)
    folder.mkdir()
    path = folder / "uniprot_sprot_of_a_release_with_a_long_name.dat"
    os.mkfifo(path)
    terminal = Terminal(c.program, ["ingest", path, "--db", c.db()], 110)
    with open(path, "wb", buffering=0) as pipe:
        pipe.write(data)
        terminal.wait_for(lambda lines: any("items/s" in line for line in lines))
        c.holds("lines of at most 109 characters", all(len(line) < 110 for line in terminal.drawn()), terminal.drawn())
        c.holds("the name keeps its end", "name.dat" in terminal.drawn()[-1], terminal.drawn()[-1])
        terminal.resize(50)
        begin = len(terminal.text)
        terminal.wait_for(lambda lines: len(lines) > 3, begin)
        c.holds("lines of at most 49 characters", all(len(line) < 50 for line in terminal.drawn(begin)[1:]),
               terminal.drawn(begin))
    c.equal("exit code", 0, terminal.close())


@case
def closed_stderr(c):
    """Without a standard error an ingest does what it would, and bad entries are told nowhere but in the database."""
    _, data = c.generate(20)
    path = c.file("bad.dat", data.replace(b"AC   ", b"XX   ", 1))
    for name, close in ("closed", "2>&-"), ("full", "2>/dev/full"):
        db = c.db(name)
        done = c.program.run_with(close, "ingest", path, "--db", db)
        c.code(f"standard error is {name}", done, 3)
