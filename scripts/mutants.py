#!/usr/bin/env python3
"""Shows that the tests notice when a promise of the delivery contract is broken.

    mutants.py [--build DIR] [--jobs N] [--only N[,N...]] [--again] [--despite]   runs them, writes tests/mutants.md
    mutants.py --list                                                            prints them
    mutants.py --check                                                           is all in step? (a test)

A mutant (scripts/mutants_table.py) is one small change of the library. A copy of the tree is built once with all of
them, each behind a switch that the environment variable ETLPIPE_MUTANT turns on. With no mutant all tests pass. Then
each mutant is run against the tests that should notice it, and after these against all tests of its programs, until one
fails: it fails, crashes, or takes longer than its limit. Mutants that remove a lock run under ThreadSanitizer (Clang),
in a second, smaller build.

What is known of a mutant is kept in DIR/results.json and used again, unless --again is given. Exits 1 when a mutant
survives.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import xml.sax.saxutils

from mutants_table import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/mutants.md"
SWITCH = """#pragma once
#include <cstdlib>
/// Whether this mutant is the one at work.
inline bool etlpipe_mutant(int number) noexcept {
  static const int at_work = std::getenv("ETLPIPE_MUTANT") == nullptr ? 0 : std::atoi(std::getenv("ETLPIPE_MUTANT"));
  return at_work == number;
}
"""
SOURCES = {"contract_tests": "tests/contract", "unit_tests": "tests/unit", "io_tests": "tests/unit/io",
           "sqlite_tests": "tests/unit/sqlite", "postgres_tests": "tests/unit/postgres", "http_tests": "tests/unit/http",
           "exhaustion_tests": "tests/exhaustion"}
# Its child processes do not end well with Catch2's XML, so that it runs by itself, after the other tests of its program.
MODEL = ("contract_tests", ("model",))
COMPONENTS = {"io", "sqlite", "postgres", "http", "csv", "uniprot"}


# --- the table and the sources ----------------------------------------------------------------------------------------

def parts_of(mutant):
    """The text before the change, what is changed, and the text after it."""
    before, rest = mutant.text.split("⟦")
    changed, after = rest.split("⟧")
    return before, changed, after


def pattern_of(text):
    return r"\s*".join(re.escape(token) for token in re.findall(r"\w+|[^\w\s]", text))


def span_of(mutant, source):
    """Where the changed part stands. Throws ValueError unless its text is there exactly once."""
    before, changed, after = map(pattern_of, parts_of(mutant))
    found = list(re.finditer(rf"{before}\s*(?P<changed>{changed})\s*{after}", source))
    if len(found) != 1:
        raise ValueError(f"mutant {mutant.number}: {mutant.file} has its text {len(found)} times, not once: "
                         f"{mutant.text}")
    return found[0].span("changed")


def switched(mutants, original):
    """What stands in place of the changed part, which these mutants have in common."""
    chain = original
    for mutant in reversed(mutants):
        on = f"::etlpipe_mutant({mutant.number})"
        if "MUTANT" in mutant.instead:
            if len(mutants) > 1:
                raise ValueError(f"mutant {mutant.number} has a replacement of its own, and shares its text")
            return mutant.instead.replace("MUTANT", on)
        if original.rstrip().endswith(";"):
            chain = f"{{ if ({on}) {{ {mutant.instead} }} else {{ {chain} }} }}"
        else:
            chain = f"({on} ? ({mutant.instead}) : ({chain}))"
    return chain


def rewritten(file, mutants, source):
    """The source with a switch for each mutant."""
    places = {}
    for mutant in mutants:
        places.setdefault(span_of(mutant, source), []).append(mutant)
    end, out = 0, []
    for (first, last), here in sorted(places.items(), key=lambda place: place[0]):
        if first < end:
            raise ValueError(f"mutant {here[0].number}: its change overlaps with another one's in {file}")
        out += [source[end:first], switched(here, source[first:last])]
        end = last
    return "".join(out) + source[end:]


def by_file(mutants):
    files = {}
    for mutant in mutants:
        files.setdefault(mutant.file, []).append(mutant)
    return files


def problems():
    """What is wrong with the table, or with tests/mutants.md."""
    numbers = [m.number for m in MUTANTS]
    for number in sorted({n for n in numbers if numbers.count(n) > 1}):
        yield f"mutant {number} is there twice"
    for file, mutants in by_file(MUTANTS).items():
        path = ROOT / file
        if not path.exists():
            yield f"mutant {mutants[0].number}: there is no {file}"
            continue
        source = path.read_text(encoding="utf-8")
        good = True
        for mutant in mutants:
            try:
                span_of(mutant, source)
            except ValueError as error:
                good = False
                yield str(error)
        if good:
            try:
                rewritten(file, mutants, source)
            except ValueError as error:
                yield str(error)
    if not TABLE.exists():
        yield f"there is no {TABLE.relative_to(ROOT)}"
        return
    rows = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", line)]
    wanted = {row_of(m, ""): m for m in MUTANTS}
    there = {row.rsplit(" | ", 1)[0]: row for row in rows}
    for start, mutant in wanted.items():
        if start.rsplit(" | ", 1)[0] not in there:
            yield f"mutant {mutant.number}: tests/mutants.md does not have it as it is now: run scripts/mutants.py"
    if len(rows) != len(MUTANTS):
        yield f"tests/mutants.md has {len(rows)} mutants, and the table {len(MUTANTS)}: run scripts/mutants.py"


# --- building ---------------------------------------------------------------------------------------------------------

def copy_tree(to, keep_tests=None):
    """The files of the tree, with switches in place of what the mutants change. Files that stay the same keep their
    times, so that little is compiled again."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                            capture_output=True).stdout.decode().split("\0")
    mutants = by_file(MUTANTS)
    wanted = set()
    for name in filter(None, listed):
        source = ROOT / name
        if not source.is_file():
            continue
        if keep_tests and name.startswith("tests/contract/") and pathlib.Path(name).name not in keep_tests:
            continue
        data = source.read_bytes()
        if name in mutants:
            data = rewritten(name, mutants[name], data.decode()).encode()
        wanted.add(to / name)
        write_if_changed(to / name, data, source.stat().st_mode)
    write_if_changed(to / "mutant_switch.hpp", SWITCH.encode(), 0o644)
    wanted.add(to / "mutant_switch.hpp")
    for path in to.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()


def write_if_changed(path, data, mode):
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def build(folder, programs, jobs, races, keep_tests=None):
    copy_tree(folder / "tree", keep_tests)
    flags = f"-O0 -g0 -w -include {folder / 'tree/mutant_switch.hpp'}"
    command = ["cmake", "-S", folder / "tree", "-B", folder / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
               f"-DCMAKE_CXX_FLAGS={flags}", "-DCMAKE_CXX_FLAGS_DEBUG=", "-DETLPIPE_WERROR=OFF",
               "-DETLPIPE_BUILD_EXAMPLES=OFF", "-DETLPIPE_TEST_CHECKS=OFF",
               f"-DCMAKE_CXX_COMPILER={'clang++-19' if races else 'g++'}"]
    if races:
        command.append("-DETLPIPE_SANITIZE=thread")
    environment = dict(os.environ, CCACHE_BASEDIR="")  # tests read files beside their sources: those have full paths
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    subprocess.run(["cmake", "--build", folder / "build", "-j", str(jobs), "--target", *programs], check=True,
                   env=environment)


# --- running ----------------------------------------------------------------------------------------------------------

class Runner:
    def __init__(self, folder, races):
        self.folder, self.races = folder, races
        self.took = {}  # by program and file of tests, in seconds
        self.postgres = None
        self.left_out = {}  # by program, tests that fail with no mutant

    def start_postgres(self):
        self.postgres = self.folder / "postgres"
        subprocess.run([ROOT / "scripts/postgres_for_tests.sh", "start", self.postgres], check=True)

    def stop_postgres(self):
        if self.postgres:
            subprocess.run([ROOT / "scripts/postgres_for_tests.sh", "stop", self.postgres], check=False)

    def environment(self, mutant):
        environment = dict(os.environ, ETLPIPE_MUTANT=str(mutant))
        if self.postgres:
            environment["ETLPIPE_POSTGRES"] = str(self.postgres)
        return environment

    def run(self, program, tests, mutant, limit):
        """None when the tests pass, else the name of the one that does not, and how."""
        out = self.folder / f"out-{mutant}-{program}.xml"
        command = [self.folder / "build/tests" / program, "-#", "--order", "decl", "--rng-seed", "1", "-d", "yes"]
        if mutant:
            command.append("--abort")
        if (program, tests) != MODEL:
            command += ["-r", "xml", "-o", out]
        without = "".join(f' ~"{name}"' for name in self.left_out.get(program, ()))
        command.append(",".join(f"[#{test}_test]{without}" for test in tests) or "~[#model_test]" + without)
        process = subprocess.Popen(command, cwd=self.folder / "build/tests", env=self.environment(mutant),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        how = ""
        try:
            errors = process.communicate(timeout=limit)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            errors = process.communicate()[1].decode(errors="replace")
            how = " (does not end)"
        text = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
        out.unlink(missing_ok=True)
        if mutant == 0:
            self.note(program, text)
        if process.returncode == 0:
            return None
        if not how and "ThreadSanitizer" in errors:
            how = " (ThreadSanitizer)"
        elif not how and process.returncode < 0:
            how = " (crashes)"
        cases = re.split(r"<TestCase ", text)[1:]
        if (program, tests) == MODEL:
            return f"{program}: the model test{how}"
        return f"{program}: {name_of(cases[-1]) if cases else '?'}{how}"

    def note(self, program, text):
        """How long the tests of each file take, and which fail with no mutant."""
        for case in re.split(r"<TestCase ", text)[1:]:
            stem = pathlib.Path(re.search(r'filename="([^"]*)"', case).group(1)).stem.removesuffix("_test")
            took = re.findall(r'durationInSeconds="([^"]*)"', case)
            self.took[program, stem] = self.took.get((program, stem), 0) + float(took[-1] if took else 0)
            if '<OverallResult success="true"' not in case:
                self.left_out.setdefault(program, []).append(name_of(case))

    def limit(self, program, tests):
        """Four times as long as the tests usually take, and a while to start."""
        return 20 + 4 * sum(took for (of, stem), took in self.took.items() if of == program and
                            (not tests or stem in tests))

    def baseline(self, programs):
        """Whether all tests pass with no mutant. Those that do not are left out from now on."""
        good = True
        for program, tests in stages_of(programs, self.races):
            begin = time.monotonic()
            failed = self.run(program, tests, 0, 1800)
            took = time.monotonic() - begin
            if (program, tests) == MODEL:
                self.took[program, "model"] = took
            failing = self.left_out.get(program, []) if failed else []
            print(f"{program}: {'; '.join(failing) or failed or 'all pass'}, {took:.0f} s", flush=True)
            good = good and failed is None
        return good

    def killer(self, mutant):
        """The test that notices the mutant, or None."""
        stages = []
        for program in mutant.programs:
            tests = tests_of(program, mutant.first)
            if tests:
                stages.append((program, tests))
        stages += stages_of(mutant.programs, self.races)
        for program, tests in stages:
            failed = self.run(program, tests, mutant.number, self.limit(program, tests))
            if failed:
                return failed
        return None


def name_of(case):
    """The name of a test in Catch2's XML."""
    return xml.sax.saxutils.unescape(re.match(r'name="([^"]*)"', case).group(1), {"&quot;": '"', "&apos;": "'"})


def stages_of(programs, races):
    """All tests."""
    stages = [(program, ()) for program in programs]
    return stages + [MODEL] if MODEL[0] in programs and not races else stages


def tests_of(program, stems):
    folder = ROOT / SOURCES[program]
    there = {path.stem.removesuffix("_test") for path in folder.rglob("*_test.cpp")
             if program != "unit_tests" or path.relative_to(folder).parts[0] not in COMPONENTS}
    return tuple(stem for stem in stems if stem in there)


# --- the result -------------------------------------------------------------------------------------------------------

def code(text):
    text = re.sub(r"\s+", " ", text).strip()
    return "`" + text.replace("|", "\\|") + "`"


def row_of(mutant, result):
    changed = parts_of(mutant)[1]
    instead = mutant.instead
    if instead == ";":
        change = f"{code(changed)} is left out"
    elif "MUTANT" in instead:
        change = f"{code(changed)} is left out"
    else:
        change = f"{code(changed)} becomes {code(instead)}"
    where = mutant.file.removeprefix("include/etl/")
    return f"| {mutant.number} | {mutant.promise} | {where} | {mutant.wrong} | {change} | {result.replace('|', chr(92) + '|')}"


def write_table(results):
    killed = sum(1 for m in MUTANTS if results[m.number])
    equivalent = sum(1 for m in MUTANTS if m.equivalent)
    lines = [
        "# Mutants", "",
        "<!-- Written by scripts/mutants.py. -->", "",
        "Each row is one small change of the library that breaks a promise of the contract, and the test that notices it. "
        "`scripts/mutants.py` makes the changes, runs the tests and writes this page; `scripts/mutants_table.py` is its "
        "list. A test that does not end within four times its usual time counts as failed.", "",
        f"{len(MUTANTS)} mutants: {killed} killed, {equivalent} equivalent, "
        f"{len(MUTANTS) - killed - equivalent} survive.", "",
        "| No. | Promise | File | What goes wrong | Change | Killed by |",
        "|---|---|---|---|---|---|",
    ]
    for mutant in MUTANTS:
        result = f"equivalent: {mutant.equivalent}" if mutant.equivalent else results[mutant.number] or "**survives**"
        lines.append(row_of(mutant, result) + " |")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def key_of(mutant):
    return hashlib.sha256(repr((mutant.number, mutant.file, mutant.text, mutant.instead)).encode()).hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/mutants", help="where to build and run")
    parser.add_argument("--jobs", type=int, default=1, help="compilers, and mutants, at the same time")
    parser.add_argument("--only", help="numbers of mutants, with commas")
    parser.add_argument("--again", action="store_true", help="forget what is known of the mutants")
    parser.add_argument("--despite", action="store_true", help="leave out tests that fail with no mutant")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        for mutant in MUTANTS:
            print(f"{mutant.number:4} {mutant.promise:4} {mutant.file}: {mutant.wrong}")
        return 0
    if arguments.check:
        found = list(problems())
        print("\n".join(found) or f"{len(MUTANTS)} mutants")
        return 1 if found else 0

    folder = arguments.build.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    known = json.loads(kept.read_text()) if kept.exists() and not arguments.again else {}
    only = {int(number) for number in arguments.only.split(",")} if arguments.only else None
    if only and only - {m.number for m in MUTANTS}:
        parser.error(f"no such mutants: {sorted(only - {m.number for m in MUTANTS})}")
    wanted = [m for m in MUTANTS if not m.equivalent and
              (m.number in only if only else known.get(key_of(m)) is None)]
    for races in (False, True):
        mutants = [m for m in wanted if m.races == races]
        if not mutants:
            continue
        programs = sorted({program for m in mutants for program in m.programs})
        keep = {f"{test}_test.cpp" for m in MUTANTS if m.races for test in m.first} if races else None
        home = folder / ("races" if races else "plain")
        build(home, programs, arguments.jobs, races, keep)
        runner = Runner(home, races)
        try:
            if "postgres_tests" in programs:
                runner.start_postgres()
            if not runner.baseline(programs) and not arguments.despite:
                print("tests fail with no mutant: mend them, or go on --despite them")
                return 1
            with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
                running = {pool.submit(runner.killer, m): m for m in mutants}
                for done in concurrent.futures.as_completed(running):
                    mutant = running[done]
                    known[key_of(mutant)] = done.result()
                    print(f"{mutant.number:4} {done.result() or 'SURVIVES: ' + mutant.wrong}", flush=True)
                    kept.write_text(json.dumps(known, indent=1))
        finally:
            runner.stop_postgres()
    missing = [m.number for m in MUTANTS if not m.equivalent and key_of(m) not in known]
    if missing:
        print(f"tests/mutants.md is not written: nothing is known of {missing}")
        return 0
    results = {m.number: known.get(key_of(m)) for m in MUTANTS}
    write_table(results)
    return 1 if any(not results[m.number] and not m.equivalent for m in MUTANTS) else 0


if __name__ == "__main__":
    sys.exit(main())
