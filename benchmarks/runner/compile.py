"""What a file with a pipeline costs the compiler, at -O2: cases, table and targets."""

from .cases import Case, find
from .tables import Target, ratio, table

executable = "bench-compile"
default_rounds = 5

CASES = [("hello", "compiled"), ("hello", "header-only"), ("hello-tbb", "none"), ("include", "compiled"),
         ("include", "header-only"), ("include-tbb", "none"), ("one", "compiled"), ("six", "compiled")]
LABELS = {"hello": "examples/01_hello.cpp", "hello-tbb": "the same on tbb::parallel_pipeline",
          "include": "#include <etl/etl.hpp>", "include-tbb": "#include <tbb/tbb.h>", "one": "one small pipeline",
          "six": "six of them"}


def cases(records=None):
    return [Case({"file": file, "core": core}, pinned=True) for file, core in CASES]


def report(cases_, markdown=False):
    rows = []
    for file, core in CASES:
        found = find(cases_, file=file, core=core)
        if found:
            rows.append([LABELS[file] + ("" if core == "none" else f", {core}"), f"{found.median('seconds'):.2f}",
                         f"{found.median('bytes') / 1000:.0f}"])
    return [("Processor time of the compiler, -O2, and its object file", table(["file", "s", "kB"], rows, markdown))]


def targets(cases_):
    def case(file, core):
        return find(cases_, file=file, core=core)
    tbb, one, six = case("hello-tbb", "none"), case("one", "compiled"), case("six", "compiled")
    hello = case("hello", "compiled")
    further = (six.median("seconds") - one.median("seconds")) / 5 if one and six else None
    return [
        Target("hello over oneTBB, compiled core", ratio(hello, tbb, "seconds"), 3),
        Target("hello over oneTBB, header-only", ratio(case("hello", "header-only"), tbb, "seconds"), 6),
        Target("etl.hpp over tbb.h", ratio(case("include", "compiled"), case("include-tbb", "none"), "seconds"), 1),
        Target("each further pipeline", further, 0.6, unit="s"),
        Target("object file of hello", hello.median("bytes") / 1000 if hello else None, 200, unit="kB"),
    ]
