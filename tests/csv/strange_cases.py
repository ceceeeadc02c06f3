"""Files, tables and settings that people have met, and what `etl-csv load` makes of them."""
import io
import subprocess
import tarfile


def sql(c, text):
    subprocess.run(["sqlite3", str(c.database), text], check=True)


def both(c):
    """SQLite, and a server's URL."""
    with c.server() as (url, _):
        yield None
        yield url


def select(c, query, into):
    return c.psql(into, query) if into else "\n".join("|".join("" if v is None else str(v) for v in row) for row in c.rows(query))


def widened(c):
    """--widen: a column gets a type for all its values, however late they come, and the summary says which."""
    rows = "".join(f"{i},94107,{i}\n" for i in range(1, 120_001))  # more than a megabyte
    (c.folder / "a.csv").write_text("id,zip,n\n" + rows + "120001,01220,1\n")
    (c.folder / "b.csv").write_text("id,zip,n\n" + rows + "5,7,0.5\n")
    for into in both(c):
        summary, error = c.load("a.csv", "b.csv", "--create", "--widen", into=into)
        c.equal("all rows are loaded", (240_002, 0), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
        c.equal("the code", "01220", select(c, "SELECT zip FROM t WHERE id = 120001", into))
        c.equal("the fraction", "0.5", select(c, "SELECT n FROM t WHERE id = 5 AND n < 1", into))
        c.equal("what was widened", [{"column": "zip", "from": "integer", "to": "text", "file": "a.csv"},
                                     {"column": "n", "from": "integer", "to": "double", "file": "b.csv"}], summary["widened"])
        c.has(error, "reading 2 files to the end", "widened: column 'zip' is text instead of integer, for a.csv",
              "table t of a.csv: id integer, zip text, n double")
    c.database = c.folder / "narrow.db"
    _, error = c.load("a.csv", "--create", wanted=3)
    c.has(error, "make the table with --type zip=text, or with --widen")
    code = subprocess.run(c.command("a.csv", "--widen"), cwd=c.folder, capture_output=True).returncode
    c.equal("--widen without --create", 2, code)


def widened_json(c):
    """--widen: members that first come late have columns, too."""
    (c.folder / "a.json").write_text("".join(f'{{"id": {i}, "text": "{"x" * 60}"}}\n' for i in range(20_000)) +
                                     '{"id": "A1", "late": 5}\n')
    summary, _ = c.load("a.json", "--create", "--widen")
    c.equal("all rows are loaded", (20_001, 0), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
    c.equal("the last one", [("A1", None, 5)], c.rows("SELECT id, text, late FROM t WHERE late IS NOT NULL"))


def all_rejected(c):
    """A file of which every row was rejected is not loaded; when the table is mended, it is."""
    (c.folder / "a.csv").write_text("id,v\n1,a\n2,a\n")
    (c.folder / "b.csv").write_text("id,v\n1,a\n2,b\n")
    for into in both(c):
        run_sql = (lambda text: c.psql(into, text)) if into else (lambda text: sql(c, text))
        run_sql("CREATE TABLE t(id int, v text CHECK(v <> 'a'))")
        c.load("a.csv", "b.csv", into=into, wanted=3)
        summary, _ = c.load("a.csv", "b.csv", into=into, wanted=3)
        c.equal("tried again", 2, summary["rows"]["rejected"])
        c.equal("its letters are those of the last try", 3, int(select(c, "SELECT count(*) FROM etl_dead_letters", into)))
        run_sql("ALTER TABLE t RENAME TO old; CREATE TABLE t(id int, v text); DROP TABLE old")
        c.load("a.csv", into=into)
        c.equal("loaded", "2", select(c, "SELECT count(*) FROM t", into))
        c.equal("no letter is left", 1, int(select(c, "SELECT count(*) FROM etl_dead_letters", into)))
        _, _ = c.load("b.csv", into=into)
        done = subprocess.run(c.command("b.csv", into=into), cwd=c.folder, capture_output=True, text=True)
        c.equal("loaded before", 0, done.returncode)


def emptied(c):
    """Files that were loaded before into a table that is empty now: a staging table, or one to be filled again."""
    (c.folder / "a.csv").write_text("id\n1\n")
    for into in both(c):
        c.load("a.csv", "--create", into=into)
        c.psql(into, "TRUNCATE t") if into else sql(c, "DELETE FROM t")
        _, error = c.load("a.csv", into=into)
        c.has(error, "the table t is empty, though files were loaded into it before: --restart loads them again")
        _, error = c.load("a.csv", "--restart", into=into)
        c.holds("nothing of it when rows came", "is empty" not in error, error)


def one_table(c):
    """Progress is that of the table, in whatever way it is written."""
    (c.folder / "a.csv").write_text("id\n1\n")
    with c.server() as (url, _):
        c.load("a.csv", "--create", into=url)
        for name in ("public.t", "t"):
            command = [part if part != "t" else name for part in c.command("a.csv", into=url)]
            c.equal(name, 0, subprocess.run(command, cwd=c.folder, capture_output=True).returncode)
        c.equal("once in PostgreSQL", "1", c.psql(url, "SELECT count(*) FROM t"))
        command = [part if part != "t" else "public.u" for part in c.command("a.csv", "--create", into=url)]
        for made in (command, [part if part != "public.u" else "u" for part in command]):
            c.equal(made[-1], 0, subprocess.run(made, cwd=c.folder, capture_output=True).returncode)
        c.equal("made with its schema", "1", c.psql(url, "SELECT count(*) FROM u"))
        c.psql(url, "CREATE SCHEMA s; CREATE TABLE s.t(id int)")
        command = [part if part != "t" else "s.t" for part in c.command("a.csv", into=url)]
        c.equal("another table", 0, subprocess.run(command, cwd=c.folder, capture_output=True).returncode)
        c.equal("of another schema", "1", c.psql(url, "SELECT count(*) FROM s.t"))
    c.load("a.csv", "--create")
    command = [part if part != "t" else "T" for part in c.command("a.csv")]
    c.equal("T", 0, subprocess.run(command, cwd=c.folder, capture_output=True).returncode)
    c.equal("once in SQLite", [(1,)], c.rows("SELECT count(*) FROM t"))


def first_lines(c):
    """Excel's first line in quotes and in capitals; blanks in the header; names that SQLite cannot tell apart."""
    for i, text in enumerate(['"sep=;"\r\nid;v\r\n1;x,y\r\n', "SEP=|\nid|v\n1|x,y\n", "Sep=\t\nid\tv\n1\tx,y\n"]):
        c.database = c.folder / f"sep{i}.db"
        (c.folder / "a.csv").write_text(text)
        c.load("a.csv", "--create")
        c.equal(repr(text), [(1, "x,y")], c.rows("SELECT id, v FROM t"))
    for i, text in enumerate(["sep\n1\n", '"sep=;",v\n1,2\n', "sep=;v\n1\n", '"sep=;\n"\n1\n']):
        c.database = c.folder / f"none{i}.db"
        (c.folder / "a.csv").write_text(text)
        c.load("a.csv", "--create", "--delimiter", "comma")
        c.equal(repr(text), 1, c.rows("SELECT count(*) FROM t")[0][0])
    c.database = c.folder / "t.db"
    sql(c, "CREATE TABLE t(id int, v text)")
    (c.folder / "a.csv").write_text("id, v\n1, a\n")
    _, error = c.load("a.csv", wanted=1)
    c.has(error, "the table t has no column ' v'; it has id, v. --trim drops the blanks around names and cells")
    c.load("a.csv", "--trim")
    c.equal("trimmed", [(1, "a")], c.rows("SELECT * FROM t"))
    (c.folder / "b.csv").write_text('id,v\n2, "a,b"\n3,c "d"\n')
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "b.csv:2:4: row 1: a quote after blanks at the beginning of a cell; drop the blanks around cells (--trim, or",
          "b.csv:3:5: row 2: a quote within a cell that does not begin with one; quote the whole cell")
    c.database = c.folder / "case.db"
    (c.folder / "c.csv").write_text("id,v,V\n1,a,b\n")
    _, error = c.load("c.csv", "--create", wanted=2)
    c.has(error, "the columns 'v' and 'V' differ in case only, and are the same to SQLite: give one another name by a mapping")
    (c.folder / "d.csv").write_text("id,v,v\n1,a,b\n")
    _, error = c.load("d.csv", "--create", wanted=2)
    c.has(error, "column 'v' is there twice, as number 2 and 3: a mapping")


def other_bytes(c):
    """UTF-32 by its mark; a tar archive is named, also within gzip."""
    for i, name in enumerate(["utf-32", "utf-32-le", "utf-32-be"]):
        c.database = c.folder / f"{i}.db"
        mark = b"" if name == "utf-32" else "\ufeff".encode(name)
        (c.folder / "a.csv").write_bytes(mark + "id,v\n1,Köln €\n".encode(name))
        c.load("a.csv", "--create")
        c.equal(name, [(1, "Köln €")], c.rows("SELECT id, v FROM t"))
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        data = b"id,v\n1,a\n"
        with tarfile.open(c.folder / name, mode) as tar:
            member = tarfile.TarInfo("a.csv")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        c.database = c.folder / "none.db"
        _, error = c.load(name, "--create", wanted=2)
        c.has(error, f"{name}: the file is a tar archive: unpack it first (tar -xf)")
    (c.folder / "b.csv").write_bytes("id,v\n1,日本\n".encode("shift-jis"))
    c.database = c.folder / "b.db"
    _, error = c.load("b.csv", "--create", wanted=3)
    c.has(error, "--latin1", "--encoding NAME reads another one")


def sniffed(c):
    """What the user says of a file reaches the kinds that `sniff` shows."""
    (c.folder / "a.csv").write_text("id;v;w\n1;NA;1,5\n2;5;2,5\n3;\"-\";3\n")
    def sniff(*how):
        return subprocess.run([c.program, "sniff", "a.csv", *how], cwd=c.folder, capture_output=True, text=True).stdout
    c.has(sniff(), "v: text", "w: text")
    c.has(sniff("--null", "NA", "--null", "-", "--decimal-comma"), "  v: integer, may be empty", "  w: double")


def cures(c):
    """A rejected value comes with the option that cures it."""
    sql(c, "CREATE TABLE t(id integer primary key, n double, d date)")
    (c.folder / "a.csv").write_text('id,n,d\n1,NA,\n2,"1,5",\n3,,31.12.2024\n4,x,\n5,1,\n5,2,\n')
    _, error = c.load("a.csv", wanted=3)
    c.has(error, """column 2 'n': 'NA' is not a number; if it stands for NULL: --null 'NA', or "nulls" in a mapping; the row""",
          """column 2 'n': '1,5' is not a number; if it has a decimal comma: --decimal-comma, or""",
          "column 3 'd': '31.12.2024' is not a date as ISO 8601 writes it; a mapping says how dates and times are written",
          "column 2 'n': 'x' is not a number; the row begins",
          "UNIQUE constraint failed: t.id; --on-conflict ignore, replace or update says what becomes of such a row")
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t(id int primary key, ip inet)")
        (c.folder / "b.csv").write_text('id,ip\n1,""\n2,10.0.0.1\n2,10.0.0.1\n')
        _, error = c.load("b.csv", into=url, wanted=3)
        c.has(error, 'invalid input syntax for type inet: ""; with --null \'\' an empty cell is NULL, also within quotes',
              "(Key (id)=(2) already exists.); --on-conflict ignore, replace or update says")
        c.load("b.csv", "--null", "", "--restart", "--on-conflict", "ignore", into=url)
        c.equal("with it", "1", c.psql(url, "SELECT count(*) FROM t WHERE ip IS NULL"))


def any_type(c):
    """Arrays of JSON in arrays of PostgreSQL; ANY of a STRICT table of SQLite keeps texts as they are."""
    (c.folder / "a.json").write_text(
        '{"id": 1, "n": [1.10, null, 12345678901234567890.5], "t": ["a", "b \\"c\\" \\\\ d", "NULL", null, "x\\ny", ""]}\n'
        '{"id": 2, "n": "{7}", "t": [], "b": [true, false], "j": [{"a": [1, "}"]}, null]}\n'
        '{"id": 3, "m": [[1, 2], [3, 4]]}\n{"id": 4, "n": ["x"]}\n')
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t(id int, n numeric[], t text[], b boolean[], j json[], m int[])")
        _, error = c.load("a.json", into=url, wanted=3)
        c.has(error, 'a.json:4: ', 'invalid input syntax for type numeric: "x"')
        c.equal("numbers", "{1.10,NULL,12345678901234567890.5}", c.psql(url, "SELECT n FROM t WHERE id = 1"))
        c.equal("texts", "a|b \"c\" \\ d|NULL|t|x\ny|", c.psql(url, "SELECT t[1], t[2], t[3], t[4] IS NULL, t[5], t[6] FROM t WHERE id = 1"))
        c.equal("others", '{7}|{}|{t,f}|}|t', c.psql(url, "SELECT n, t, b, j[1]->'a'->>1, j[2] IS NULL FROM t WHERE id = 2"))
        c.equal("nested", "{{1,2},{3,4}}", c.psql(url, "SELECT m FROM t WHERE id = 3"))
    sql(c, "CREATE TABLE t(id int, a ANY) STRICT")
    (c.folder / "b.csv").write_text("id,a\n1,007\n2,1e2\n3,x\n")
    c.load("b.csv")
    c.equal("ANY", [("007",), ("1e2",), ("x",)], c.rows("SELECT a FROM t ORDER BY id"))
    c.database = c.folder / "loose.db"
    sql(c, "CREATE TABLE t(id int, a ANY)")
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "'007': SQLite would change this text to another number")


def named_options(c):
    """What a file has failed by is named as on the command line."""
    (c.folder / "a.csv").write_text("id\n" + "x\n" * 2000)
    sql(c, "CREATE TABLE t(id int)")
    for how in (["--strict"], ["--max-rejects", 3], ["--max-rejects", "5%"]):
        _, error = c.load("a.csv", *how, wanted=1)
        c.has(error, "reject budget exceeded (", "allowed by --max-rejects or --strict)")
        c.holds("no name of C++", "errors." not in error, error)


def rounding(c):
    """PostgreSQL would round a number or a time to what its column holds: the row is rejected, unless the type is said."""
    (c.folder / "a.csv").write_text("id,n,h,t,z\n1,1.20,1200,2024-01-01T00:00:00.5,2024-01-01T00:00:00.25Z\n2,1.239,100,,\n3,12.5e-2,100,,\n"
                                    "4,1,1250,,\n5,1,100,2024-01-01T00:00:00.55,\n6,1,100,,2024-01-01T00:00:00.256Z\n7,0.000,0,,\n8,12000e-3,,,\n")
    with c.server() as (url, _):
        c.psql(url, "CREATE DOMAIN money2 AS numeric(10,2);"
                    "CREATE TABLE t(id int, n money2, h numeric(6,-2), t timestamp(1), z timestamptz(2))")
        _, error = c.load("a.csv", into=url, wanted=3)
        c.has(error, "a.csv:3: column 'n': the table would round '1.239' to 2 decimals: give the column more, or let it round with "
                     "--type n=numeric; the row begins at byte", "a.csv:4: column 'n': ", "a.csv:5: column 'h': ", "to -2 decimals",
              "a.csv:6: column 't': the table would round '2024-01-01T00:00:00.55' to 1 decimals", "a.csv:7: column 'z': ")
        c.equal("what is exact", "1|7|8", c.psql(url, "SELECT string_agg(id::text, '|' ORDER BY id) FROM t"))
        c.equal("as it was", "1.20|1200|00:00:00.5", c.psql(url, "SELECT n, h, t::time FROM t WHERE id = 1"))
        c.load("a.csv", "--restart", "--type", "n=numeric", "--type", "h=numeric", "--type", "t=timestamp", "--type", "z=timestamptz", into=url)
        c.equal("rounded", "1.24", c.psql(url, "SELECT n FROM t WHERE id = 2"))


CASES = [rounding, any_type, named_options, widened, widened_json, all_rejected, emptied, one_table, first_lines, other_bytes, sniffed, cures]
