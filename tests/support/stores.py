"""Databases of jobs, for tests of programs from outside."""
import os
import pathlib
import random
import sqlite3
import subprocess
import time


class Sqlite:
    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:{path}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def run(self, sql):
        """The rows as texts."""
        database = sqlite3.connect(self.path, timeout=60)
        try:
            with database:
                return [list(map(str, row)) for row in database.execute(sql).fetchall()]
        finally:
            database.close()

    rows = run

    def number(self, sql):
        return int(self.run(sql)[0][0])

    def has_jobs(self):
        """Whether the tables of jobs exist."""
        return self.path.exists() and bool(self.run("SELECT 1 FROM sqlite_master WHERE name='etl_job_units'"))

    def count_landings(self):
        """From now on the table 'landings' has a row for each entry that is written, every time."""
        self.run("CREATE TABLE landings(accession TEXT)")
        for event in ("INSERT", "UPDATE"):
            self.run(f"CREATE TRIGGER count_{event} AFTER {event} ON proteins BEGIN "
                     "INSERT INTO landings VALUES(new.accession); END")

    def cut(self, chance):
        """A lock that is held for a while, as a connection that is cut would be."""
        database = sqlite3.connect(self.path, timeout=0.5, isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            time.sleep(chance.uniform(0.05, 0.5))
            database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            pass  # a frozen process has the lock, and only we will continue it
        finally:
            database.close()


class Postgres:
    """A schema of its own on the server of the tests, dropped at the end."""

    def __init__(self, server=None):
        self.server = server or (pathlib.Path(os.environ["ETLPIPE_POSTGRES"]) / "url").read_text().strip()
        self.schema = f"program_{os.getpid()}_{random.randrange(1 << 30)}"
        self.url = self.server
        self.run(f"CREATE SCHEMA {self.schema}")
        self.url = f"{self.server}?options=-csearch_path%3D{self.schema}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.run(f"DROP SCHEMA {self.schema} CASCADE")

    def run(self, sql):
        """The rows as texts."""
        done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", self.url, "-c", sql],
                              check=True, capture_output=True, text=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    rows = run

    def number(self, sql):
        return int(self.run(sql)[0][0])

    def has_jobs(self):
        """Whether the tables of jobs exist."""
        return bool(self.run("SELECT 1 FROM pg_tables WHERE tablename='etl_job_units' AND "
                             f"schemaname='{self.schema}'"))

    def count_landings(self):
        """From now on the table 'landings' has a row for each entry that is written, every time."""
        self.run("CREATE TABLE landings(accession TEXT); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN INSERT INTO landings VALUES(new.accession); RETURN new; END$$; CREATE TRIGGER note AFTER INSERT "
                 "OR UPDATE ON proteins FOR EACH ROW EXECUTE FUNCTION note()")

    def cut(self, chance):
        """Ends some of the sessions of this schema's programs."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'etlpipe%' AND "
                 f"query LIKE '%etl_%' AND random() < {chance.uniform(0.2, 0.9)}")
