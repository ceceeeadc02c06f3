#!/usr/bin/env python3
"""Tests etl-uniprot from outside, on files that it generates and that are then broken on purpose.

    program_test.py PROGRAM [CASE...]   all cases without CASE
    program_test.py --list              names of the cases
"""
import sys

sys.dont_write_bytecode = True

import support  # noqa: E402
from program_cases import bad_input, commands, database, delivery, jobs, output, signals, terminal  # noqa: E402

CASES = support.by_name(case for module in (commands, database, bad_input, output, signals, delivery, terminal, jobs)
                        for case in module.CASES)


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program, report = support.Program(sys.argv[1]), support.Report()
    for name, case in support.select(CASES, sys.argv[2:]).items():
        with support.scratch() as folder:
            checks = support.Checks(program, folder)
            checks.run(case)
            report.case(name, checks.problems, f"{checks.made} checks")
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
