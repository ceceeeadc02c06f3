"""Tests the harness: what must fail does."""
import contextlib
import io
import types

from harness import Case, Program, case, cases_of, run_case, text_of


def result_of(c, function):
    """Whether a case with this body passes, and what its run prints."""
    known = {"one": (function, Case)}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        passed = run_case(c.program.path, "one", known)
    return passed, out.getvalue()


@case
def failed_checks(c):
    """Each kind of check can fail, and the others are made all the same."""
    done = types.SimpleNamespace(returncode=3, stderr=b"out of paper")
    bodies = {"equal": lambda one: one.equal("sum", 4, 5), "holds": lambda one: one.holds("sum", False, "odd"),
              "has": lambda one: one.has("text", "te", "tea"), "lacks": lambda one: one.lacks("text", "te"),
              "code": lambda one: one.code("run", done, 0, 4), "says": lambda one: one.says("run", done, "ink"),
              "found": lambda one: one.found("table", ["row 1"])}
    for name, body in bodies.items():
        passed, out = result_of(c, lambda one, body=body: (body(one), one.equal("next", 1, 2)))
        c.equal(name, False, passed)
        c.has(out, "FAIL one", "2 problems", "next")
    _, out = result_of(c, bodies["code"])
    c.has(out, "wanted 0 or 4", "got    3: out of paper")


@case
def good_checks(c):
    done = types.SimpleNamespace(returncode=3, stderr=b"out of paper")

    def body(one):
        one.equal("sum", 4, 4)
        one.holds("sum", 4)
        one.has("text", "te", "ext")
        one.lacks("text", "tea")
        one.code("run", done, 0, 3)
        one.says("run", done, "PAPER")
        one.found("table", [])

    passed, out = result_of(c, body)
    c.equal("passed", True, passed)
    c.has(out, "ok   one (8 checks")


@case
def broken_cases(c):
    """A case that breaks off or checks nothing has failed."""
    passed, out = result_of(c, lambda one: None)
    c.equal("nothing was checked", False, passed)
    c.has(out, "nothing was checked")

    def breaks(one):
        one.equal("sum", 4, 4)
        raise KeyError("lost")

    passed, out = result_of(c, breaks)
    c.equal("breaks off", False, passed)
    c.has(out, "broke off at harness_test.py:", "KeyError: 'lost'")


@case
def names(c):
    """Two cases of one name are an error, lest one hide the other."""
    add = cases_of(Case, {})
    add(broken_cases)
    try:
        add(types.FunctionType(good_checks.__code__, {}, "broken_cases"))
        c.holds("two cases of one name are refused", False)
    except ValueError as error:
        c.has(str(error), "two cases have the name broken_cases")


@case
def folders(c):
    """A case has a folder of its own, in which the program runs, and which is removed afterwards."""
    seen = []

    def body(one):
        seen.append(one.folder)
        one.equal("empty", [], list(one.folder.iterdir()))
        one.file("deep/a.txt", "x")
        one.equal("where the program runs", str(one.folder.resolve()), text_of(Program("/bin/pwd", one.folder).run().stdout).strip())

    for _ in range(2):
        passed, out = result_of(c, body)
        c.holds("checks of the case", passed, out)
    c.equal("different folders", 2, len(set(seen)))
    c.equal("folders that are left", [], [folder for folder in seen if folder.exists()])
