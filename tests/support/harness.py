"""Cases that test a program from outside: a folder, runs of the program, and what is wrong so far.

A suite is a Python file, or a folder of such files. Each of its functions that has the decorator `@case` is a case.
run_cases.py lists and runs them.
"""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("ETLPIPE_TEST_DATA") or ROOT.parent / "shared" / "data")  # no part of this tree
SOAK = bool(os.environ.get("ETLPIPE_SOAK"))
SECONDS = 300  # for one run of the program; a run that hangs must not hang the test
SHOWN = 20  # problems of a case that are printed
CASES = {}  # name: (function, class of its argument)

# A shell starts background jobs with SIGINT ignored, and the program leaves an ignored signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Settings of whoever runs the tests.
for setting in ("DATABASE_URL", "DRUID_URL", "ETLPIPE_LOG", "ETLPIPE_WORKERS", "ETLPIPE_BATCH_SIZE", "ETLPIPE_TIMEOUT_MS",
                "ETLPIPE_MAX_MEMORY_MB"):
    os.environ.pop(setting, None)


def seeds(first, usual, soak):
    """The seeds of a random test: `usual` many from `first` on, `soak` many in a soak. ETLPIPE_SEEDS=FIRST:END replaces them."""
    told = os.environ.get("ETLPIPE_SEEDS")
    return range(*map(int, told.split(":"))) if told else range(first, first + (soak if SOAK else usual))


def short(value, limit=2000):
    """A value on one line, cut in the middle."""
    shown = value if isinstance(value, str) else repr(value)
    return shown if len(shown) <= limit else f"{shown[:limit // 2]} ... {shown[-limit // 2:]}"


def text_of(output):
    """Bytes that a program printed, as text."""
    return (output or b"").decode("utf-8", "replace")


def message(done):
    """What a finished run said on standard error, on one line."""
    return short(" | ".join(text_of(done.stderr).split("\n")).strip(" |"))


class Program:
    """The program under test. It runs in `folder`, with `environment` added to the environment of the tests."""

    def __init__(self, path, folder, **environment):
        self.path, self.folder = str(pathlib.Path(path).resolve()), folder
        self.environment = {"no_proxy": "127.0.0.1", **environment}

    def command(self, *arguments):
        return [self.path, *map(str, arguments)]

    def options(self, environment, options):
        return {"cwd": self.folder, "env": {**os.environ, **self.environment, **(environment or {})}, **options}

    def run(self, *arguments, environment=None, **options):
        """Runs the program to its end; output as bytes. There is no standard input unless one is given."""
        how = {"stdin": subprocess.DEVNULL} if options.get("input") is None else {}
        how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": SECONDS}
        return subprocess.run(self.command(*arguments), check=False, **self.options(environment, how | options))

    def start(self, *arguments, environment=None, **options):
        """Starts the program; returns the running process."""
        return subprocess.Popen(self.command(*arguments), **self.options(environment, options))

    def run_with(self, redirection, *arguments, **options):
        """Runs the program by a shell with a redirection, such as `2>&-`."""
        return subprocess.run(["sh", "-c", f'exec "$@" {redirection}', "sh", *self.command(*arguments)], check=False, timeout=SECONDS,
                              **self.options(None, {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options))


class Case:
    """What a case works with. Suites derive from it; `close` releases what they started."""

    def __init__(self, program, folder, name):
        self.program, self.folder, self.name = Program(program, folder), folder, name
        self.problems, self.checks, self.note = [], 0, ""

    def close(self):
        pass

    def equal(self, what, wanted, got):
        """Two values are the same."""
        self.checks += 1
        if wanted != got:
            self.problems.append((what, wanted, got))

    def holds(self, what, true, got=""):
        """Something holds; `got` is shown if it does not."""
        self.checks += 1
        if not true:
            self.problems.append((what, "yes", got if got != "" else "no"))

    def has(self, text, *parts):
        """A text contains each of `parts`."""
        for part in parts:
            self.holds(f"'{part}' is in the text", part in text, text)

    def lacks(self, text, *parts):
        """A text contains none of `parts`."""
        for part in parts:
            self.holds(f"'{part}' is not in the text", part not in text, text)

    def code(self, what, done, *wanted):
        """A run ended with one of these exit codes."""
        self.checks += 1
        if done.returncode not in wanted:
            self.problems.append((f"{what}: exit code", " or ".join(map(str, wanted)), f"{done.returncode}: {message(done)}"))

    def says(self, what, done, pattern):
        """What a run said on standard error matches a pattern."""
        self.holds(f"{what}: says /{pattern}/", re.search(pattern, text_of(done.stderr), re.I), message(done) or "(nothing)")

    def found(self, what, problems, note=""):
        """A comparison found these problems: texts, or (place, wanted, got). `note` says what was compared."""
        self.checks += 1
        if note:
            print(f"     {what}: {note}")
        self.problems += [f"{what}: {one}" if isinstance(one, str) else (f"{what}: {one[0]}", *one[1:]) for one in problems]

    def file(self, name, data):
        """A new file with these bytes, or this text."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


def wait_for(what, holds, seconds=SECONDS):
    """Waits until something holds; returns what it is."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: did not happen within {seconds} s")
        time.sleep(0.02)
    return found


def cases_of(kind, known=CASES):
    """The decorator of a suite whose cases take a `kind`. A name that occurs twice is an error, lest a case hide another."""
    def case(function):
        if function.__name__ in known:
            raise ValueError(f"two cases have the name {function.__name__}: "
                             f"{known[function.__name__][0].__module__} and {function.__module__}")
        known[function.__name__] = (function, kind)
        return function

    return case


case = cases_of(Case)


def run_case(program, name, known=CASES):
    """Runs a case and prints its result; whether it passed. A case that breaks off, or checks nothing, has failed."""
    function, kind = known[name]
    began, one = time.monotonic(), None
    with tempfile.TemporaryDirectory(prefix="etlpipe-case-") as folder:
        problems = []
        try:
            one = kind(program, pathlib.Path(folder), name)
            try:
                function(one)
            finally:
                one.close()
        except Exception as error:  # noqa: BLE001: what a case did not foresee is a problem of the case
            at = traceback.extract_tb(error.__traceback__)[-1]
            cause = getattr(error, "stderr", None)
            problems.append(f"broke off at {pathlib.Path(at.filename).name}:{at.lineno}: {type(error).__name__}: {error}"
                            f"{': ' + text_of(cause) if isinstance(cause, bytes) else ''}")
        if one:
            problems = one.problems + problems
            if not one.checks and not problems:
                problems.append("nothing was checked")
    passed = f"{one.checks if one else 0} checks, {time.monotonic() - began:.1f} s{'; ' + one.note if one and one.note else ''}"
    print(f"{'FAIL' if problems else 'ok  '} {name} ({passed}){f': {len(problems)} problems' if problems else ''}", flush=True)
    for problem in problems[:SHOWN]:
        print(f"     {problem}" if isinstance(problem, str) else
              "     {}\n       wanted {}\n       got    {}".format(*[short(part) for part in problem]), flush=True)
    if len(problems) > SHOWN:
        print(f"     ... and {len(problems) - SHOWN} more", flush=True)
    return not problems

