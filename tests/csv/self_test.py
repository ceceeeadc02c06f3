"""Shows that each case of data_test.py can fail."""
import data_test
from harness import CASES, case

WRONG = {data_test.agreed: (0, {"rows": "1", "cells": "1", "md5": "0"}, ""), data_test.rejected: (0, {}, ""),
         data_test.fuzz: (-11, {}, "")}


@case
def self_test(c):
    """Each case complains of a program that does nothing right."""
    for name, (function, kind) in CASES.items():
        if function in WRONG:
            one = kind(c.program.path, c.folder, name)
            one.digest = lambda path, arguments, found=WRONG[function]: found
            function(one)
            c.holds(f"the case '{name}' can fail", one.problems)
    c.equal("cases that were tried", 3, c.checks)
