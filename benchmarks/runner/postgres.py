"""Rows into PostgreSQL: the sink and hand-written loops of libpq, in turns in one process, against a server of its own."""

import os
import subprocess

from .cases import Case, find
from .tables import Target, ns, table

executable = "bench-postgres"
default_rounds = 5
shares_machine = True  # with the server, which is another process

BATCHES = [1000, 5000, 50_000]
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "postgres_for_tests.sh")


def prepare(_program, folder):
    """Starts the server; it ends with this process."""
    server = os.path.join(folder, "postgres")
    subprocess.run([SCRIPT, "start", server], check=True)
    os.environ["ETLPIPE_POSTGRES"] = server


def cases(records=None):
    return [Case({"batch": batch, "rows": records or 500_000}) for batch in BATCHES]


def report(cases_, markdown=False):
    rows = []
    for batch in BATCHES:
        case = find(cases_, batch=batch)
        if case:
            rows.append([f"{batch} rows per transaction"] +
                        [ns(case.median(key)) for key in ("ns", "raw_ns", "text_ns", "insert_ns", "cpu_ns", "raw_cpu_ns")] +
                        [f"{case.median('times_raw'):.2f}"])
    head = ["", "sink, ns per row", "binary COPY by hand", "text COPY", "INSERT of 1000 rows", "sink, CPU", "by hand, CPU",
            "speed of the loop by hand"]
    return [("8 columns, no index, fsync off, server on the same machine", table(head, rows, markdown))]


def targets(cases_):
    def value(key, batch):
        case = find(cases_, batch=batch)
        return case.median(key) if case else None

    return [Target("sink, as part of the speed of binary COPY by hand", value("times_raw", 5000), 0.9, at_least=True),
            Target("CPU time of the client per row", value("cpu_ns", 5000), 150, unit="ns"),
            # A transaction waits about a millisecond for idle CPUs to wake, whoever copies: few of them, to see the rest.
            Target("sink against text COPY by hand, large batches", value("times_text", 50_000), 2, at_least=True),
            Target("sink against INSERT with 1000 rows, large batches", value("times_insert", 50_000), 10, at_least=True)]
