"""Databases for tests of programs from outside."""
import contextlib
import os
import pathlib
import random
import sqlite3
import subprocess
import tempfile
import time

from harness import ROOT, text_of

POSTGRES = os.environ.get("ETLPIPE_POSTGRES")  # the folder of a server that the tests share


def psql(url, sql, separator="|"):
    """What statements print, one line per row."""
    done = subprocess.run(["psql", "-XAtq", "-F", separator, "-v", "ON_ERROR_STOP=1", url, "-c", sql], check=False,
                          capture_output=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"psql: {text_of(done.stderr)}")
    return text_of(done.stdout).strip()


class PostgresServer:
    """A PostgreSQL server of the test's own."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="etlpipe-server-", dir="/tmp")) / "server"
        try:
            self.do("start")
        except BaseException:
            self.__exit__()
            raise
        self.url = (self.folder / "url").read_text(encoding="utf-8").strip()
        return self

    def __exit__(self, *error):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.do("stop")
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()

    def do(self, what):
        subprocess.run([ROOT / "scripts" / "postgres_for_tests.sh", what, self.folder], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def halt(self):
        self.do("halt")

    def resume(self):
        self.do("resume")


class Sqlite:
    """A database in a file."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:{path}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def rows(self, sql):
        """The rows as texts."""
        database = sqlite3.connect(self.path, timeout=60)
        try:
            with database:
                return [list(map(str, row)) for row in database.execute(sql).fetchall()]
        finally:
            database.close()

    def number(self, sql):
        return int(self.rows(sql)[0][0])

    def has_jobs(self):
        """Whether the tables of jobs exist."""
        return self.path.exists() and bool(self.rows("SELECT 1 FROM sqlite_master WHERE name='etl_job_units'"))

    def count_landings(self):
        """From now on the table 'landings' has a row for each entry that is written, every time."""
        self.rows("CREATE TABLE landings(accession TEXT)")
        for event in ("INSERT", "UPDATE"):
            self.rows(f"CREATE TRIGGER count_{event} AFTER {event} ON proteins BEGIN "
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
    """A new schema on a server, by default the one that the tests share. The schema is dropped at the end."""

    def __init__(self, server=None):
        self.server = server or (pathlib.Path(POSTGRES) / "url").read_text(encoding="utf-8").strip()
        self.schema = f"program_{os.getpid()}_{random.SystemRandom().randrange(1 << 30)}"
        psql(self.server, f"CREATE SCHEMA {self.schema}")
        self.url = f"{self.server}?options=-csearch_path%3D{self.schema}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        psql(self.server, f"SET client_min_messages = error; DROP SCHEMA {self.schema} CASCADE")

    def rows(self, sql):
        """The rows as texts."""
        return [line.split("\t") for line in psql(self.url, sql, "\t").splitlines()]

    def number(self, sql):
        return int(self.rows(sql)[0][0])

    def has_jobs(self):
        """Whether the tables of jobs exist."""
        return bool(self.rows("SELECT 1 FROM pg_tables WHERE tablename='etl_job_units' AND "
                             f"schemaname='{self.schema}'"))

    def count_landings(self):
        """From now on the table 'landings' has a row for each entry that is written, every time."""
        self.rows("CREATE TABLE landings(accession TEXT); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN INSERT INTO landings VALUES(new.accession); RETURN new; END$$; CREATE TRIGGER note AFTER INSERT "
                 "OR UPDATE ON proteins FOR EACH ROW EXECUTE FUNCTION note()")

    def cut(self, chance):
        """Ends some of the sessions of this schema's programs."""
        self.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'etlpipe%' AND "
                 f"query LIKE '%etl_%' AND random() < {chance.uniform(0.2, 0.9)}")
