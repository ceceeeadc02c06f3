#!/usr/bin/env python3
"""One program that must not compile, for the right reason.

    run_case.py COMPILER FLAGS_FILE --prepare   precompiles the library's headers, which every case includes
    run_case.py COMPILER FLAGS_FILE CASE.cpp    checks a case

FLAGS_FILE: include directories, a line "--", definitions, one per line (written by CMake).
"""
import os
import pathlib
import re
import subprocess
import sys


def flags(path):
    folders, definitions = pathlib.Path(path).read_text().split("--\n")
    # The compiler's own folders stay out: naming them again would change their order.
    own = {"/usr/include", "/usr/local/include"}
    return [f"-I{d}" for d in folders.split("\n") if d and d not in own] + [
        f"-D{d}" for d in definitions.split("\n") if d]


def main():
    compiler, flags_file, case = sys.argv[1:]
    clang = "clang" in pathlib.Path(compiler).name
    headers = pathlib.Path(flags_file).with_name("headers.hpp")
    common = [compiler, "-std=c++20", "-fno-diagnostics-color", *flags(flags_file)]
    if case == "--prepare":
        headers.write_text("#include <etl/etl.hpp>\n")
        compiled = headers.with_name(headers.name + (".pch" if clang else ".gch"))
        return subprocess.run([*common, "-x", "c++-header", headers, "-o", compiled]).returncode
    found = re.search(r"^// expect: (.+)$", "".join(open(case, encoding="utf-8").readlines()[:10]), re.M)
    if not found:
        return f"{case}: no '// expect: <text>' in its first 10 lines"
    expected = found.group(1).strip()
    command = [*common, "-fsyntax-only", "-include", headers]
    if not clang:
        command.append("-fmax-errors=20")
    environment = {**os.environ, "LC_ALL": "C"}

    def compile_it(*more):
        return subprocess.run([*command, *more, case], capture_output=True, text=True, env=environment)

    fixed = compile_it("-DETLPIPE_FIX")
    if fixed.returncode != 0:
        return f"{case} does not compile with ETLPIPE_FIX:\n{fixed.stderr}"
    wrong = compile_it()
    if wrong.returncode == 0:
        return f"{case} compiles, but must not"
    first = next((line for line in wrong.stderr.splitlines() if "error:" in line), "")
    if expected not in first:
        return f"{case} fails for another reason\nexpected: {expected}\nfirst:    {first}\n{wrong.stderr}"
    print(first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
