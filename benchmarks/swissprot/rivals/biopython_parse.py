#!/usr/bin/env python3
"""The rival Biopython: parses a Swiss-Prot file with Bio.SwissProt and prints what it took as JSON.

    biopython_parse.py FILE    (.gz is decompressed on the fly)
"""
import gzip
import json
import sys
import time


def opened(path):
    """The file as text, decompressed if it begins like gzip."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return gzip.open(path, "rt", encoding="ascii", errors="replace")
    return open(path, encoding="ascii", errors="replace")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    import Bio
    from Bio import SwissProt
    entries = residues = 0
    begin = time.perf_counter()
    with opened(sys.argv[1]) as file:
        for record in SwissProt.parse(file):
            entries += 1
            residues += len(record.sequence)
    print(json.dumps({"rival": "biopython", "version": Bio.__version__, "seconds": time.perf_counter() - begin,
                      "entries": entries, "residues": residues}))


if __name__ == "__main__":
    main()
