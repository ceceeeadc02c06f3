"""What a load prints: summary, log, exit codes and its line on a terminal."""
import contextlib
import json
import os
import re
import signal
import subprocess

from command_line import agrees
from csv_case import case
from terminal import Terminal


@case
def command_line(c):
    agrees(c, ["load", "cat", "sniff", "digest"])


@case
def said(c):
    """--log and ETLPIPE_LOG: errors, rejected rows, progress and the summary, each file and batch."""
    for name, text in (("a", "id\n1\nx\n3\n"), ("b", "id,more\n1,2\n"), ("first", "id\n0\n")):
        (c.folder / f"{name}.csv").write_text(text)
    c.load("first.csv", "--create")
    error, rejected, summary, debug = "b.csv: the table t has no column 'more'", "rejected a.csv:3: ", "2 files in ", "a.csv: begins"
    batch, stages = "a.csv:2: batch 0 of 2 rows", "on all threads: read "

    def holds(what, seen, *options, **environment):
        code, out, said = c.run(*c.arguments("a.csv", "b.csv", "--restart", *options), environment=environment)
        c.equal(what, (1, seen), (code, [text for text in (error, rejected, summary, debug, batch, stages) if text in out + said]))

    holds("error", [error], "--log", "error")
    holds("warn", [error, rejected], "--log", "WARN")
    holds("info", [error, rejected, summary])
    holds("debug", [error, rejected, summary, debug, batch, stages], ETLPIPE_LOG="debug")
    holds("quiet", [error, rejected], "--quiet", ETLPIPE_LOG="debug")
    holds("quieter", [error], "--quiet", "--log", "error")


@case
def summary_of_files(c):
    """Which element of a mapping applied, and how many bytes were read."""
    a, b = c.folder / "a.csv", c.folder / "b.tsv"
    a.write_text("a,b\n" + "1,x\n" * 100)
    b.write_text("a\tb\n" + "1\tx\n" * 50)
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*.tsv", "delimiter": "\t"}, {"pattern": "*.csv"}]}))
    summary, error = c.load(a, b, "--mapping", "map.json", "--create", "--log", "debug")
    c.equal("elements", {str(a): 1, str(b): 0}, {file["path"]: file["mapping_index"] for file in summary["results"]})
    c.equal("bytes", {str(a): a.stat().st_size, str(b): b.stat().st_size}, {f["path"]: f["bytes"] for f in summary["results"]})
    c.equal("bytes of all", a.stat().st_size + b.stat().st_size, summary["bytes"])
    c.has(error, 'a.csv: read by element 1 of "files" in map.json')
    _, out, _ = c.run(*c.arguments(a, "--restart"))
    c.has(out, f"; {a.stat().st_size} bytes read")
    summary, _ = c.load(a)
    c.equal("without a mapping", [None], [file["mapping_index"] for file in summary["results"]])


@case
def codes(c):
    """A failed check and a failed merge have codes of their own."""
    (c.folder / "a.csv").write_text("a\n1\n")
    (c.folder / "merge.sql").write_text("INSERT INTO nowhere SELECT * FROM t;\n")
    with c.server() as (url, _):
        for into in (None, url):
            summary, _ = c.load("a.csv", "--create", "--check", "SELECT 'wrong' AS what", into=into, wanted=1)
            c.equal("check", "check failed", summary["failure_code"])
            summary, error = c.load("a.csv", "--merge", "merge.sql", into=into, wanted=1)
            c.equal("merge", "script failed", summary["failure_code"])
            c.has(summary["failure"], "merge.sql has failed and was rolled back: ", "nowhere")
            c.holds("no C++", "::" not in summary["failure"].replace("://", ""), summary["failure"])
            summary, _ = c.load("a.csv", into=into)
            c.equal("none", None, summary["failure_code"])


@case
def environment(c):
    """What no option says is taken from the environment; a bad variable is an error of usage."""
    (c.folder / "a.csv").write_text("a\n" + "1\n" * 30)

    def run(*arguments, wanted=0, **variables):
        _, _, error = c.run(*c.arguments("a.csv", "--create", "--restart", "--log", "debug"), *arguments, wanted=wanted,
                            env={"PATH": "/usr/bin:/bin", **variables})
        return error

    c.has(run(ETLPIPE_BATCH_SIZE="10"), "of 10 rows")
    c.has(run("--batch-size", "15", ETLPIPE_BATCH_SIZE="10"), "of 15 rows")
    run(ETLPIPE_MAX_MEMORY_MB="1")
    run("--timeout", "0.5", ETLPIPE_TIMEOUT_MS="1")
    c.has(run("--timeout", "0", wanted=2), "--timeout")
    c.has(run(ETLPIPE_WORKERS="many", wanted=2), "ETLPIPE_WORKERS", "many")
    c.has(c.run("load", "--help")[1], "ETLPIPE_WORKERS", "ETLPIPE_BATCH_SIZE", "ETLPIPE_TIMEOUT_MS", "ETLPIPE_MAX_MEMORY_MB")


@case
def lost_output(c):
    """What was printed and did not arrive is a failure, except into a pipe that nobody reads any more."""
    pattern = c.files(1, 20000)
    for more in (["--create", "--json"], ["--restart"]):
        with open("/dev/full", "w") as full:
            code, _, error = c.run(*c.arguments(pattern, *more), stdout=full)
        c.equal(f"exit code of {more}", 1, code)
        c.has(error, "No space left on device")
    process = c.program.start("cat", "data/f000.csv", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    c.equal("a closed pipe", (b"", -signal.SIGPIPE), (process.stderr.read(), process.wait(60)))


@case
def small_words(c):
    """One row is "1 row", widened columns are told once, and a folder that is missing is named."""
    (c.folder / "a.csv").write_text("id,v\n1,x\n")
    _, out, _ = c.run(*c.arguments("a.csv", "--create"), wanted=0)
    c.has(out, "\n1 row: 1 loaded, 0 rejected; ")
    c.database = c.folder / "wide.db"
    (c.folder / "b.csv").write_text("id\n" + "1\n" * 600_000 + "x\n")
    _, out, error = c.run(*c.arguments("b.csv", "--create", "--widen"), wanted=0)
    c.equal("widened", (1, 0), (out.count("widened: "), error.count("widened: ")))
    c.database = c.folder / "none" / "t.db"
    _, _, error = c.run(*c.arguments("a.csv"), wanted=2)
    c.has(error, f"the folder {c.folder / 'none'} does not exist: create it, or check the path")


def shown_on_terminal(c, stop=False):
    """The exit code of a load of one file, and what it showed on a terminal. `stop`: it gets a SIGINT while it shows a rate."""
    c.files(1, 400_000)
    ours, terminal = os.openpty()
    process = c.program.start(*c.arguments("data/f000.csv", "--create"), stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: it has ended
        while more := os.read(ours, 4096):
            shown += more
            if stop and b"rows/s" in shown:
                process.send_signal(signal.SIGINT)
                stop = False
    os.close(ours)
    return process.wait(60), shown.decode()


@case
def progress(c):
    """On a terminal a single file goes from 0 to 100% by its bytes."""
    code, shown = shown_on_terminal(c)
    c.equal("exit code", 0, code)
    lines = [part.split("\x1b")[0] for part in shown.split("\r")[1:]]
    shares = [int(found[1]) for line in lines if (found := re.match(r"(\d+)% \(\d/1 files\)", line))]
    c.equal("shares grow", sorted(shares), shares)
    c.holds("some are within the file", any(0 < share < 99 for share in shares), lines)
    c.holds("the last line", re.fullmatch(r"100% \(1/1 files\), [1-9][\d,]* rows/s\s*", lines[-2]), lines[-2:])


@case
def progress_of_a_stop(c):
    """A file that was stopped does not count as done in the last line of progress."""
    code, shown = shown_on_terminal(c, stop=True)
    c.equal("exit code", 4, code)
    c.lacks(shown, "100%", "(1/1 files)")


LONG = "a-file-with-a-rather-long-name-as-exports-of-other-programs-have-them-2024-11-29.csv"


def under_way(c, name, columns, environment=None):
    """A load of a pipe, which goes on until its writer closes it; and that writer, after the first rows."""
    path = c.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    terminal = Terminal(c.program, c.arguments(path), columns, environment={"TERM": "xterm", **(environment or {})})
    return terminal, open(path, "w")


def a_table(c):
    c.sql("CREATE TABLE t(a INTEGER, b TEXT)")


@case
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


@case
def files_under_way(c):
    """Two files at once are both named, relative to the folder that they have in common, until they end."""
    a_table(c)
    paths = [c.folder / "data" / name for name in ("jan/a.csv", "feb/a.csv")]
    for path in paths:
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
    terminal = Terminal(c.program, c.arguments(*paths), 120)
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


@case
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


@case
def closed_stderr(c):
    """Standard error is closed: the load is as it would be, and no file gets what would have been written there."""
    (c.folder / "a.csv").write_text("a,b\n1,x\nbad,y\n")
    a_table(c)
    done = c.program.run_with("2>&-", *c.arguments("a.csv", "--rejects", "rejects.csv", "--json"))
    c.equal("exit code", 3, done.returncode)
    c.holds("the summary is whole", done.stdout.startswith(b"{") and done.stdout.endswith(b"}\n"), done.stdout)
    c.equal("rows", [(1, "x")], c.rows("SELECT a, b FROM t"))
    lines = (c.folder / "rejects.csv").read_text().splitlines()
    c.equal("lines of the file of rejects", 2, len(lines))
    failed = c.program.run_with("2>&-", *c.arguments("none.csv"))
    c.equal("exit code of a load of nothing", 2, failed.returncode)
