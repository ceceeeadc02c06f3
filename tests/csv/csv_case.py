"""What the cases of etl-csv share: tables of generated rows, loads, and the databases that loads go into."""
import contextlib
import json
import sqlite3
import subprocess

from harness import SOAK, Case, cases_of, text_of
from stores import PostgresServer, psql

KILLS = 100 if SOAK else 10
HEADER = "id,sku,price,day,note\n"


def line(i):
    return f'{i},sku-{i % 97},{i / 4},2024-{i % 12 + 1:02}-{i % 28 + 1:02},"a ""note"",\n{i}"\n'


def row(i):
    return (i, f"sku-{i % 97}", i / 4, f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}", f'a "note",\n{i}')


class CsvCase(Case):
    """Loads go into table `t`, of the SQLite database `c.database` unless `into` names another."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.database = self.folder / "t.db"

    def files(self, count, rows, bad=(), folder="data"):
        """FILE_i.csv with `rows` rows each, numbered throughout; those of `bad` cannot be read as numbers."""
        (self.folder / folder / "deep").mkdir(parents=True, exist_ok=True)
        for i in range(count):
            path = self.folder / folder / ("deep" if i % 2 else ".") / f"f{i:03}.csv"
            with path.open("w", newline="") as out:
                out.write(HEADER)
                for n in range(i * rows, (i + 1) * rows):
                    out.write("x" + line(n) if n in bad else line(n))
        return str(self.folder / folder / "**" / "*.csv")

    def arguments(self, *arguments, into=None, table="t"):
        """The arguments of a load."""
        return ["load", *arguments, "--store", into or f"sqlite:{self.database}", "--table", table]

    def run(self, *arguments, wanted=None, **options):
        """Runs any subcommand: its exit code, and what it wrote on standard output and standard error."""
        done = self.program.run(*arguments, **options)
        if wanted is not None:
            self.code(" ".join(map(str, arguments)), done, wanted)
        return done.returncode, text_of(done.stdout), text_of(done.stderr)

    def load(self, *arguments, into=None, wanted=0, stdin=None):
        """Runs a load to its end: its summary, and what it said on standard error."""
        _, out, error = self.run(*self.arguments(*arguments, into=into), "--json", wanted=wanted, input=stdin)
        return (json.loads(out) if out else {}), error

    def rows(self, sql="SELECT id, sku, price, day, note FROM t ORDER BY id"):
        with contextlib.closing(sqlite3.connect(self.database)) as db:
            return db.execute(sql).fetchall()

    def sql(self, statements):
        with contextlib.closing(sqlite3.connect(self.database)) as db:
            db.executescript(statements)

    psql = staticmethod(psql)

    @contextlib.contextmanager
    def server(self):
        """The URL of a PostgreSQL server, and a function that halts or resumes it."""
        with PostgresServer() as server:
            yield server.url, server.do

    @staticmethod
    @contextlib.contextmanager
    def lock_of(url, number):
        """Another session holds this advisory lock."""
        holder = subprocess.Popen(["psql", "-XAtq", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holder.stdin.write(f"SELECT pg_advisory_lock({number});\n\\echo held\n")
        holder.stdin.flush()
        while holder.stdout.readline().strip() != "held":
            pass
        try:
            yield
        finally:
            holder.communicate()

    def both(self):
        """SQLite, and a server's URL."""
        with self.server() as (url, _):
            yield None
            yield url

    def select(self, query, into):
        """What a query gives in one of `both`, a line per row."""
        return psql(into, query) if into else "\n".join("|".join("" if v is None else str(v) for v in row) for row in self.rows(query))


case = cases_of(CsvCase)
