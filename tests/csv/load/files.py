"""Which files a load takes, and what becomes of each of them."""
import csv
import gzip
import json

from csv_case import HEADER, case, line, row


@case
def folder_into_sqlite(c):
    """Every good row once, every bad one with its place; a second load finds that all is there."""
    pattern = c.files(6, 200, bad={450, 900})
    summary, error = c.load(pattern, "--create", "--key", "id", "--rejects", "rejects.csv", "--batch-size", 20,
                            wanted=3)
    c.equal("rows", [row(i) for i in range(1200) if i not in {450, 900}], c.rows())
    c.equal("files", (6, 6, 0), (summary["files"], summary["loaded_files"], summary["failed_files"]))
    c.equal("counts", {"read": 1200, "loaded": 1198, "rejected": 2}, {k: summary["rows"][k] for k in ("read", "loaded", "rejected")})
    c.has(error, "f002.csv:102: row 51: column 1 'id': 'x450'", "f004.csv:202: row 101: column 1 'id': 'x900'")
    with (c.folder / "rejects.csv").open(newline="") as file:
        rejects = list(csv.DictReader(file))
    c.equal("rejects", ["x" + line(i).rstrip("\n") for i in (450, 900)], [r["row"] for r in rejects])
    c.has(rejects[1]["reason"], "f004.csv:202")
    c.equal("where", [("0", "50"), ("0", "100")], [(r["partition"], r["record"]) for r in rejects])
    # A time-out may have cut a batch short.
    c.holds("in which batch", all(int(r["record"]) // 20 <= int(r["batch"]) <= int(r["record"]) for r in rejects), rejects)
    again, _ = c.load(pattern)
    c.equal("loaded before", (6, 0), (again["loaded_before"], again["rows"]["read"]))
    c.equal("rows after a second load", 1198, len(c.rows()))


@case
def into_postgres(c):
    """Types of the table, constraints, upserts, checks; the password is never shown."""
    with c.server() as (url, _):
        pattern = c.files(4, 500, bad={700})
        c.psql(url, "CREATE TABLE t (id integer PRIMARY KEY, sku text NOT NULL CHECK (sku <> 'sku-13'), price numeric, "
                    "day date, note varchar(200), extra text DEFAULT 'd')")
        summary, error = c.load(pattern, into=url, wanted=3)
        bad = {i for i in range(2000) if i % 97 == 13} | {700}
        c.equal("rejected", len(bad), summary["rows"]["rejected"])
        c.equal("rows", str(2000 - len(bad)), c.psql(url, "SELECT count(*) FROM t"))
        c.equal("values", "42|sku-42|10.5|2024-07-15|a \"note\",\n42|d", c.psql(url, "SELECT * FROM t WHERE id = 42"))
        c.equal("letters", str(len(bad)), c.psql(url, "SELECT count(*) FROM etl_dead_letters"))
        c.has(c.psql(url, "SELECT errors FROM etl_dead_letters WHERE payload LIKE 'x700%'"), "f001.csv", "'x700'")
        again, _ = c.load(pattern, into=url)
        c.equal("loaded before", 4, again["loaded_before"])
        c.psql(url, "ALTER TABLE t DROP CONSTRAINT t_sku_check")
        c.load(pattern, "--restart", "--on-conflict", "update", into=url, wanted=3)
        c.equal("upserted", "1999", c.psql(url, "SELECT count(*) FROM t"))
        summary, _ = c.load(pattern, "--check", "SELECT id FROM t WHERE id = 5", into=url, wanted=1)
        c.has(summary["failure"], "SELECT id FROM t WHERE id = 5")
        c.psql(url, "DROP TABLE t; CREATE TYPE mood AS ENUM ('glad'); CREATE TABLE t (id integer GENERATED ALWAYS AS "
                    "IDENTITY PRIMARY KEY, sku text, price numeric(6, 2), day date, note text)")
        _, error = c.load(pattern, "--restart", "--on-conflict", "update", into=url, wanted=3)
        c.equal("identity column", "1999", c.psql(url, "SELECT count(*) FROM t"))
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, sku mood, price numeric, day date, note text)")
        _, error = c.load(c.folder / "data" / "f000.csv", "--restart", into=url, wanted=3)
        c.has(error, "f000.csv:2: ", "sku-0")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, sku text, price numeric, day date, note text)")
        password = url.split(":")[2].split("@")[0]
        _, error = c.load(pattern, into=url.replace(password, "wrong-password"), wanted=2)
        c.has(error, "password authentication failed")
        c.holds("no password in errors", "wrong-password" not in error and password not in error, error)
        c.psql(url, "DROP TABLE t")
        _, error = c.load(pattern, into=url, wanted=2)
        c.has(error, "there is no table t")


@case
def patterns(c):
    """What matches nothing is named, and never taken for a path."""
    c.files(1, 5)
    summary, error = c.load(c.folder / "data" / "*.csv", c.folder / "none-[0-9].csv", "nor-this.csv", wanted=2)
    c.has(error, "none-[0-9].csv", "nor-this.csv")
    c.equal("nothing is loaded", 0, summary["rows"]["read"])
    c.holds("no database is made", not c.database.exists())
    _, error = c.load(c.folder / "data" / "*.csv", wanted=2)
    c.has(error, "there is no table t", "--create")


@case
def bad_files(c):
    """One file's failure leaves the others alone, and is listed."""
    pattern = c.files(4, 50)
    (c.folder / "data" / "broken.csv.gz").write_bytes(gzip.compress((HEADER + line(900)).encode())[:-9])
    (c.folder / "data" / "other.csv").write_text("id,colour\n1,red\n")
    (c.folder / "data" / "quotes.csv").write_text(HEADER + line(901) + '902,"never closed,1,,\n' + line(903))
    summary, error = c.load(pattern, c.folder / "data" / "broken.csv.gz", "--create", "--key", "id", wanted=1)
    c.has(error, "broken.csv.gz", "other.csv: the table t has no column 'colour'; it has id, sku, price, day, note",
          "quotes.csv:")
    c.equal("failed files", 2, summary["failed_files"])
    good = [r[0] for r in c.rows()]
    c.equal("good rows", list(range(200)), good[:200])
    c.holds("the row before the broken quote", 901 in good, good[200:])


@case
def unreadable_paths(c):
    """What a pattern matches and cannot be read fails alone; a pattern that matches nothing stops all."""
    c.files(2, 50)
    (c.folder / "data" / "gone.csv").symlink_to("nowhere.csv")
    summary, error = c.load("data/*.csv", "data/deep/*.csv", "--create", wanted=1)
    c.equal("files", (3, 2, 1), (summary["files"], summary["loaded_files"], summary["failed_files"]))
    c.equal("the link", [("data/gone.csv", "failed")],
            [(r["path"], r["state"]) for r in summary["results"] if r["error"]])
    c.has(error, "data/gone.csv", "No such file or directory")
    c.equal("rows", 100, len(c.rows()))
    _, error = c.load("data/gone.csv", "data/*.tsv", wanted=2)
    c.has(error, "data/gone.csv", "'data/*.tsv' matches no file")
    _, error = c.load("data/gone*.csv", wanted=2)
    c.has(error, "cannot read 'data/gone.csv'")


@case
def before_the_first_file(c):
    """Wrong usage, and what cannot be opened, is exit code 2, with a reason and without a summary."""
    c.files(1, 5)
    for into, *parts in (["o.db", "'o.db'", "sqlite:PATH", "postgresql://"], ["SQLITE:o.db", "sqlite:PATH"],
                         ["mysql://u:secret@h/d", "mysql://...", "sqlite:PATH", "postgresql://"],
                         ["mysql://u:secret@h/d?x=1", "sqlite:PATH"], ["u:secret@h/d", "sqlite:PATH"],
                         ["sqlite:no/such/folder/o.db", "no/such/folder"],
                         ["host=127.0.0.1 port=1 dbname=x", "127.0.0.1", "port 1"]):
        code, out, error = c.run(*c.arguments("data/f000.csv", "--create", into=into))
        c.equal(f"exit code and summary of --store {into}", (2, ""), (code, out))
        c.has(error, *parts)
        c.holds("no password", "secret" not in error, error)
    (c.folder / "map.json").write_text("{")
    for more, part in ((["none.csv"], "'none.csv' matches no file"), (["data/f000.csv"], "there is no table t"),
                       (["data/f000.csv", "--mapping", "map.json"], "map.json"),
                       (["data/f000.csv", "--mapping", "none.json"], "none.json")):
        code, out, error = c.run(*c.arguments(*more))
        c.equal(f"exit code and summary of {more}", (2, ""), (code, out))
        c.has(error, part)
    code, _, error = c.run("sniff", "none.csv")
    c.equal("sniff", 2, code)
    c.has(error, "none.csv")
    code, _, error = c.run("laod", "x.csv")
    c.equal("unknown subcommand", 2, code)
    c.has(error, "'laod'", "load, cat, sniff, digest")
    (c.folder / "empty.csv").write_text("")
    c.equal("sniff of an empty file", (0, "empty.csv: empty\n", ""), c.run("sniff", "empty.csv"))
    (c.folder / "rows.csv").write_text("id,a\n1,x\n")
    c.equal("cat of it", (0, "id,a\n1,x\n1,x\n", ""), c.run("cat", "--header", "empty.csv", "rows.csv", "empty.csv", "rows.csv"))


@case
def first_file_without_rows(c):
    """A table is made of the first file that has rows, not of a header alone."""
    (c.folder / "a.csv").write_text("id,day\n")
    (c.folder / "b.csv").write_text("id,day\n\n")
    (c.folder / "c.csv").write_text("id,day\n1,2024-02-29\n")
    _, error = c.load("a.csv", "b.csv", "c.csv", "--create")
    c.has(error, "table t of c.csv: id integer, day date")
    c.equal("types", [(1, "integer")], c.rows("SELECT id, typeof(id) FROM t"))
    c.database = c.folder / "empty.db"
    _, error = c.load("a.csv", "b.csv", "--create")
    c.has(error, "table t of a.csv: id text, day text")


@case
def asked_for(c):
    """What an option says is not found out, what would destroy something is refused."""
    (c.folder / "a.csv").write_text("name\na;b\nc;d\n")
    c.load("a.csv", "--create", "--delimiter", ",")
    (c.folder / "inches.csv").write_text('size;more\n5";1\n6";2\n')
    c.load("inches.csv", "--create", "--no-quote", into=f"sqlite:{c.folder / 'inches.db'}")
    _, _, error = c.run(*c.arguments("a.csv", "--log", "loud"), wanted=2)
    c.has(error, "'loud' is none of debug,error,info,warn")
    c.equal("one column", [("a;b",), ("c;d",)], c.rows("SELECT name FROM t"))
    _, error = c.load("a.csv", "--rejects", "a.csv", wanted=2)
    c.has(error, "is one of the files to load")
    c.equal("the file is whole", "name\na;b\nc;d\n", (c.folder / "a.csv").read_text())
    for name in (c.database, f"{c.database}-wal"):
        _, error = c.load("a.csv", "--rejects", name, wanted=2)
        c.has(error, "is the database of --store")
    _, error = c.load("a.csv", "--rejects", "no/such/folder.csv", wanted=2)
    c.has(error, "no/such/folder.csv cannot be written")
    summary, _ = c.load("a.csv", "--check", "DELETE FROM t", wanted=1)
    c.equal("nothing is deleted", 2, len(c.rows("SELECT name FROM t")))
    summary, _ = c.load("a.csv", "--check", "SELECT 1 FROM t", wanted=1)
    c.has(summary["failure"], "SELECT 1 FROM t")
    (c.folder / "time.csv").write_text("name\n10:00\n")
    (c.folder / "twice.csv").write_text("name,name\n1,2\n")
    (c.folder / "latin.csv").write_bytes(b"K\xf6ln\n1\n")
    (c.folder / "empty.csv").write_text("")
    summary, error = c.load("time.csv", "twice.csv", "latin.csv", wanted=1)
    c.has(error, "twice.csv: column 'name' occurs twice, as number 1 and 2", "latin.csv")
    c.equal("a time of day is one cell", [("10:00",)], c.rows("SELECT name FROM t WHERE name LIKE '%:%'"))
    c.database = c.folder / "empty.db"
    c.load("empty.csv", "a.csv", "--create")
    c.equal("an empty first file", 2, len(c.rows("SELECT name FROM t")))


@case
def dry_run(c):
    """Reads and checks everything, and writes nothing."""
    pattern = c.files(2, 50, bad={10})
    summary, error = c.load(pattern, "--create", "--dry-run", wanted=3)
    c.equal("counts", (100, 1), (summary["rows"]["read"], summary["rows"]["rejected"]))
    c.has(error, "'x10'")
    c.holds("no database is made", not c.database.exists())


@case
def mapping(c):
    """A mapping file says for each pattern what goes where, also when the table is there already."""
    (c.folder / "in").mkdir()
    (c.folder / "in" / "old.csv").write_text(
        "# export\nDatum;Zeit;Nr;Preis;Bezahlt;Tag\n29.02.2024;13:30;7;1,50;yes;1.3.2024\n01.03.2024;08:00;8;-;-;-\n")
    new = "no,cost,at,paid,day\n"
    (c.folder / "in" / "new.csv").write_text(f"{new}9,12345678901234567890.10,1709214600000,f,2024-03-02\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [
        {"pattern": "old*.csv", "delimiter": ";", "comment": "#", "decimal_comma": True, "null_markers": ["-"],
         "timestamp": {"date": "Datum", "time": "Zeit", "target": "at", "type": "timestamp", "format": "%d.%m.%Y"},
         "columns": [{"source": "Nr", "target": "id", "type": "integer", "key": True},
                     {"source": "Preis", "target": "price", "type": "numeric"},
                     {"source": "Bezahlt", "target": "paid", "type": "boolean"},
                     {"source": "Tag", "target": "day", "type": "date", "format": "%d.%m.%Y"}]},
        {"pattern": "new*.csv",
         "columns": [{"source": "no", "target": "id", "type": "integer", "key": True},
                     {"source": "cost", "target": "price", "type": "numeric"},
                     {"source": "at", "type": "timestamp", "format": "unix_ms"},
                     {"source": "paid", "type": "boolean"}, {"source": "day", "type": "date"}]}]}))
    c.load("in/*.csv", "--mapping", "map.json", "--create")
    everything = "SELECT id, price, at, paid, day FROM t ORDER BY id"
    rows = [(7, "1.50", "2024-02-29T13:30:00", 1, "2024-03-01"), (8, None, "2024-03-01T08:00:00", None, None),
            (9, "12345678901234567890.10", "2024-02-29T13:50:00", 0, "2024-03-02")]
    c.equal("rows", rows, c.rows(everything))
    again, _ = c.load("in/*.csv", "--mapping", "map.json", "--restart", "--on-conflict", "update")
    c.equal("a second load has all rows", (3, rows), (again["rows"]["loaded"], c.rows(everything)))
    (c.folder / "in" / "new2.csv").write_text(f"{new}10,2.5,1709214600000,true,2024-03-03\n11,1,0,yes,3.3.2024\n")
    summary, error = c.load("in/*.csv", "--mapping", "map.json", wanted=3)
    c.equal("a later file", [*rows, (10, "2.5", "2024-02-29T13:50:00", 1, "2024-03-03")], c.rows(everything))
    c.has(error, "new2.csv:3: row 2: column 5 'day': '3.3.2024'")
    (c.folder / "map.json").write_text('{"files": [{"patern": "x", "columns": [{"target": "a", "type": "int"}]}]}')
    _, error = c.load("in/*.csv", "--mapping", "map.json", wanted=2)
    c.has(error, "map.json", "patern", "pattern", "files[0].columns[0].type")
