"""What `etl-csv load` shows on a terminal."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from terminal import Terminal  # noqa: E402

LONG = "a-file-with-a-rather-long-name-as-exports-of-other-programs-have-them-2024-11-29.csv"


def under_way(c, name, columns, environment=None):
    """A load of a pipe, which goes on until its writer closes it; and that writer, after the first rows."""
    path = c.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    terminal = Terminal(c.command(path), columns, cwd=c.folder,
                        env={**os.environ, "TERM": "xterm", **(environment or {})})
    return terminal, open(path, "w")


def a_table(c):
    subprocess.run(["sqlite3", str(c.database), "CREATE TABLE t(a INTEGER, b TEXT)"], check=True)


def line_fits_the_terminal(c):
    """The line fits, also after the window has got narrower; the name of the file under way gives up its middle."""
    a_table(c)
    terminal, pipe = under_way(c, f"{'folder-' * 12}/{LONG}", 70)
    with pipe:
        pipe.write("a,b\n" + "1,x\n" * 20000)
        pipe.flush()
        terminal.wait_for(lambda lines: any("rows/s" in line for line in lines))
        c.holds("lines of at most 69 characters", all(len(line) < 70 for line in terminal.drawn()), terminal.drawn())
        last = terminal.drawn()[-1]
        c.holds("the file under way is named by its beginning and its end", "a-file" in last and "29.csv" in last, last)
        terminal.resize(40)
        begin = len(terminal.text)
        terminal.wait_for(lambda lines: len(lines) > 3, begin)
        c.holds("lines of at most 39 characters", all(len(line) < 40 for line in terminal.drawn(begin)[1:]), terminal.drawn(begin))
    c.equal("exit code", 0, terminal.close())


def files_under_way(c):
    """Two files at once are both named, relative to the folder that they have in common, until they end."""
    a_table(c)
    paths = [c.folder / "data" / name for name in ("jan/a.csv", "feb/a.csv")]
    for path in paths:
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
    terminal = Terminal(c.command(*paths), 120, cwd=c.folder)
    with open(paths[0], "w") as first:
        with open(paths[1], "w") as second:
            for pipe in (first, second):
                pipe.write("a,b\n" + "1,x\n" * 20000)
                pipe.flush()
            terminal.wait_for(lambda lines: any("jan/a.csv" in line and "feb/a.csv" in line for line in lines))
        begin = len(terminal.text)
        terminal.wait_for(lambda lines: "1/2 files" in (lines or [""])[-1], begin)
        last = terminal.drawn(begin)[-1]
        c.holds("only the first is under way", "jan/a.csv" in last and "feb/a.csv" not in last, last)
    c.equal("exit code", 0, terminal.close())


def no_color(c):
    """NO_COLOR: the line is redrawn without escape sequences."""
    a_table(c)
    terminal, pipe = under_way(c, "a.csv", 60, {"NO_COLOR": "1"})
    with pipe:
        pipe.write("a,b\n" + "1,x\n" * 20000)
        pipe.flush()
        terminal.wait_for(lambda lines: any("rows/s" in line for line in lines))
        pipe.write("bad,row\n")
    c.equal("exit code", 3, terminal.close())
    c.holds("no escape sequence", "\x1b" not in terminal.text, repr(terminal.text))
    c.has(terminal.text, "rejected")


def closed_stderr(c):
    """Standard error is closed: the load is as it would be, and no file gets what would have been written there."""
    (c.folder / "a.csv").write_text("a,b\n1,x\nbad,y\n")
    a_table(c)
    command = c.command("a.csv", "--rejects", "rejects.csv", "--json")
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], cwd=c.folder, stdout=subprocess.PIPE, timeout=300)
    c.equal("exit code", 3, done.returncode)
    c.holds("the summary is whole", done.stdout.startswith(b"{") and done.stdout.endswith(b"}\n"), done.stdout)
    c.equal("rows", [(1, "x")], c.rows("SELECT a, b FROM t"))
    lines = (c.folder / "rejects.csv").read_text().splitlines()
    c.equal("lines of the file of rejects", 2, len(lines))
    failed = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *c.command("none.csv")], cwd=c.folder,
                            stdout=subprocess.PIPE, timeout=300)
    c.equal("exit code of a load of nothing", 2, failed.returncode)


CASES = [line_fits_the_terminal, files_under_way, no_color, closed_stderr]
