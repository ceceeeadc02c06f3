#!/usr/bin/env python3
"""Compiles each public header alone, as CMake's verification of header sets does, in less than half the time.

    compile_alone.py COMPILER LIST...

LIST is a file per component: its first line has the compiler's flags, each further line has one header. What most
headers include from the standard library is precompiled. A header gets that only if it includes all of it as well,
itself or through another header of the library, so nothing is there that the header forgot.
"""
import collections
import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# One precompiled header each, of what at least this share of all headers includes; the largest first.
SHARES = (0.65, 0.85)


@functools.cache
def included(header, folder):
    """The foreign headers that `header` includes, also through headers below `folder`, but not those within an #if."""
    foreign = set()
    depth = 0
    for line in (folder / header).read_text().splitlines():
        if re.match(r"\s*#\s*if", line):
            depth += 1
        elif re.match(r"\s*#\s*endif", line):
            depth -= 1
        elif depth == 0 and (include := re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)):
            name = include[1]
            foreign |= included(name, folder) if (folder / name).exists() else {name}
    return frozenset(foreign)


def folder_of(header):
    """The folder from which `header` is included as <etl/...>."""
    return next(parent.parent for parent in header.parents if parent.name == "etl")


def precompile(compiler, flags, names, path):
    path.write_text("".join(f"#include <{name}>\n" for name in sorted(names)))
    subprocess.run([compiler, *flags, "-x", "c++-header", str(path), "-o", f"{path}.gch"], check=True)
    return names, path


def compile_one(compiler, flags, header, precompiled):
    """What the compiler says about a header that does not compile; otherwise an empty text."""
    folder = folder_of(header)
    has = included(str(header.relative_to(folder)), folder)
    ready = next((["-include", str(path)] for names, path in precompiled if names <= has), [])
    done = subprocess.run([compiler, *flags, *ready, "-fsyntax-only", "-x", "c++", "-"],
                          input=f"#include <{header.relative_to(folder)}>\n", text=True, capture_output=True)
    return f"{header} does not compile alone:\n{done.stderr}" if done.returncode else ""


def main():
    compiler = sys.argv[1]
    headers = []  # (flags, header)
    for name in sys.argv[2:]:
        flags, *paths = pathlib.Path(name).read_text().splitlines()
        headers += [(tuple(shlex.split(flags)), pathlib.Path(path)) for path in paths]
    uses = [included(str(header.relative_to(folder_of(header))), folder_of(header)) for _, header in headers]
    counts = collections.Counter(name for use in uses for name in use)
    sets = [{name for name, count in counts.items() if count >= share * len(uses)} for share in SHARES]
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        paths = [pathlib.Path(scratch) / f"most_{share}.hpp" for share in SHARES]
        flags = headers[0][0]
        precompiled = list(pool.map(lambda names, path: precompile(compiler, flags, names, path), sets, paths))
        failures = list(filter(None, pool.map(lambda entry: compile_one(compiler, *entry, precompiled), headers)))
    print("\n".join(failures) or f"{len(headers)} headers compile alone")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
