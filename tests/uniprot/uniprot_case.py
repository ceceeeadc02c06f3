"""What the cases of etl-uniprot share: files that the program makes, ingests, and what they left."""
import contextlib
import json
import os
import pathlib
import re
import sqlite3

from harness import Case, cases_of, message


class UniprotCase(Case):
    def ingest(self, *arguments, db, **options):
        """Ingests into a database."""
        return self.program.run("ingest", *arguments, "--store", f"sqlite:{db}", **options)

    def load(self, *arguments, db, wanted=0, **options):
        """Ingests and expects an exit code."""
        done = self.ingest(*arguments, db=db, **options)
        self.code(f"ingest {' '.join(pathlib.Path(str(a)).name for a in arguments)}", done, wanted)
        return done

    def entries(self, *files, **options):
        """The objects that `inspect` prints for files, or raises AssertionError with what it said."""
        done = self.program.run("inspect", *files, "--format", "ndjson", **options)
        if done.returncode != 0:
            raise AssertionError(f"inspect {files[0]}: exit {done.returncode}: {message(done)}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def generate(self, entries, name="good.dat", *options):
        """A file made by the program, and its bytes."""
        path = self.folder / name
        done = self.program.run("generate", "--entries", entries, "--out", path, *options)
        if done.returncode != 0:
            raise AssertionError(f"generate: exit {done.returncode}: {message(done)}")
        return path, path.read_bytes()

    def db(self, name="x"):
        """The path of a database that does not exist."""
        path = self.folder / f"{name}.sqlite"
        for old in self.folder.glob(f"{path.name}*"):
            old.unlink()
        return path


def rows(db, sql, *values):
    """The rows of a query, as dicts; the database is opened for reading only."""
    with contextlib.closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, values)]


def count(db, table="proteins"):
    """The number of rows of a table; 0 if the run never got to create it."""
    if not os.path.exists(db) or not rows(db, "SELECT 1 FROM sqlite_master WHERE name = ?", table):
        return 0
    return rows(db, f"SELECT count(*) AS n FROM {table}")[0]["n"]


def split(data):
    """The entries of a file, each with its // line."""
    return [part for part in re.split(rb"(?<=\n//\n)", data) if part]


def accessions(data):
    """The primary accession of each entry of a file."""
    return [re.search(rb"^AC   (\w+)", part, re.M)[1].decode() for part in split(data)]


def loaded(db):
    """The accessions in a database, sorted."""
    return [row["accession"] for row in rows(db, "SELECT accession FROM proteins ORDER BY 1")] if count(db) else []


case = cases_of(UniprotCase)
