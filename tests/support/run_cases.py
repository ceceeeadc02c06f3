#!/usr/bin/env python3
"""Lists and runs the cases of a suite, which test a program from outside.

    run_cases.py SUITE --list              names of the cases
    run_cases.py SUITE PROGRAM [CASE...]   all cases without CASE

SUITE is a file such as tests/dlq/program_test.py, or a folder of files such as tests/csv/load. ETLPIPE_SOAK=1 makes the
random cases long, ETLPIPE_SEEDS=FIRST:END chooses their seeds. ETLPIPE_POSTGRES names the folder of a server whose URL is in its
file `url`, ETLPIPE_TEST_DATA the folder of data that is no part of this tree.
"""
import importlib
import pathlib
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402


def load(suite):
    """Imports the files of a suite, whose decorators register the cases. Returns the names of the suite's own cases."""
    sys.path.insert(0, str(suite.parent))
    files = sorted(path.stem for path in suite.glob("*.py")) if suite.is_dir() else []
    modules = [f"{suite.name}.{name}" for name in files] or [suite.stem]
    for module in modules:
        importlib.import_module(module)
    return [name for name, (function, _) in harness.CASES.items() if function.__module__ in modules]


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    cases = load(pathlib.Path(arguments[0]).resolve())
    if arguments[1] == "--list":
        print("\n".join(cases))
        return 0
    names = arguments[2:] or cases
    for name in names:
        if name not in cases:  # a misspelt case must not pass
            sys.exit(f"there is no case '{name}'; there are: {' '.join(cases)}")
    failed = sum(not harness.run_case(arguments[1], name) for name in names)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
