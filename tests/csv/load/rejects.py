"""Rows that are rejected or not kept, and what is said about them."""
import random
import re

from csv_case import case


@case
def one_bad_row(c):
    """What the database refuses of one row costs this row, whatever class its error has; it is told with its place."""
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    (c.folder / "a.csv").write_text(f"id,t\n1,ok\n2,{long}\n3,ok\n")
    (c.folder / "v.csv").write_text("id,first,last,n\n1,ab,cd,1\n2,ab,toolong,2\n3,ab,cd,123456789.00\n4,ab,cd,4\n")
    (c.folder / "p.csv").write_text("id,parent\n1,\n2,1\n3,99\n4,5\n5,1\n")
    (c.folder / "j.csv").write_text('id,j\n1,"[1]"\n2,nonsense\n3,"{}"\n')
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id int, t text); CREATE INDEX ON t(t)")
        _, error = c.load("a.csv", into=url, wanted=3)
        c.equal("54000", "1,3", c.psql(url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM t"))
        c.has(error, "a.csv:3: ", "index row")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id int, first varchar(5), last varchar(5), n numeric(10,2))")
        _, error = c.load("v.csv", into=url, wanted=3)
        c.has(error, "v.csv:3: ", "value too long", "(column 'last': 'toolong')", "v.csv:4: ", "(column 'n': '123456789.00')")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        _, error = c.load("p.csv", into=url, wanted=3)
        c.has(error, "p.csv:4: ", "t_parent_fkey")
        c.psql(url, """DROP TABLE t; CREATE TABLE t (id int, j text);
            CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.j = 'nonsense' THEN
              RAISE 'no' USING ERRCODE = 'ZZ123'; END IF; RETURN NEW; END$$;
            CREATE TRIGGER own BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION own()""")
        c.load("j.csv", into=url, wanted=3)
        c.equal("a state of the user's own", "1,3", c.psql(url, "SELECT string_agg(id::text, ',' ORDER BY id) FROM t"))
    c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    _, error = c.load("p.csv", wanted=3)
    c.holds("rows without the bad one", {(1, None), (2, 1), (5, 1)} <= set(c.rows("SELECT * FROM t")))
    c.has(error, "p.csv:4: ", "FOREIGN KEY constraint failed")
    (c.folder / "forward.csv").write_text("id,parent\n10,11\n11,10\n")
    c.load("forward.csv")
    c.equal("a row that refers to a later one", 2, c.rows("SELECT count(*) FROM t WHERE id IN (10, 11)")[0][0])
    c.database = c.folder / "json.db"
    c.sql("CREATE TABLE t (id INTEGER, j TEXT CHECK (json_type(j) IN ('array', 'object')))")
    _, error = c.load("j.csv", wanted=3)
    c.equal("an error of an expression", [(1,), (3,)], c.rows("SELECT id FROM t"))
    c.has(error, "j.csv:3: ", "malformed JSON")


@case
def rows_that_roll_back(c):
    """A row for which a trigger rolls back the whole transaction costs this row, in whatever batch it is."""
    c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE log (id INTEGER);"
          "CREATE TRIGGER t AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.id);"
          "SELECT RAISE(ROLLBACK, 'never 7') WHERE new.n = 7; END")
    (c.folder / "a.csv").write_text("id,n\n" + "".join(f"{i},{i % 100}\n" for i in range(20_000)))
    summary, error = c.load("a.csv", wanted=3)
    c.equal("rows", (19_800, 200), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
    c.equal("those of the table", [(19_800, 0)], c.rows("SELECT count(*), sum(n = 7) FROM t"))
    c.equal("what the trigger wrote", [(19_800, 19_800)], c.rows("SELECT count(*), count(DISTINCT id) FROM log"))
    c.equal("letters", [(200,)], c.rows("SELECT count(*) FROM etl_dead_letters"))
    # Batches end in any order, so any of these rows may be told first.
    c.holds("each has its line", re.search(r"rejected a\.csv:\d*9: .* id=\d*7: never 7", error) is not None)


@case
def rows_not_kept(c):
    """Rows that a trigger, a rule or --on-conflict drops are told apart from those that are there."""
    (c.folder / "a.csv").write_text("id,t\n" + "".join(f"{i},{'no' if i % 4 == 0 else 'yes'}\n" for i in range(100)))
    (c.folder / "b.csv").write_text("id,t\n" + "".join(f"{i},yes\n" for i in range(50, 150)))

    def holds(what, wanted, *arguments, into=None):
        summary, _ = c.load(*arguments, "--batch-size", 7, into=into)
        c.equal(what, wanted, (summary["rows"]["read"], summary["rows"]["loaded"], summary["rows"]["dropped"],
                               summary["results"][0]["dropped"]))

    c.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, t TEXT); CREATE TRIGGER g BEFORE INSERT ON t WHEN NEW.t = 'no' "
                         "BEGIN SELECT RAISE(IGNORE); END")
    holds("RAISE(IGNORE)", (100, 75, 25, 25), "a.csv")
    holds("ignored duplicates", (100, 62, 38, 38), "b.csv", "--on-conflict", "ignore")
    code, out, _ = c.run(*c.arguments("b.csv", "--on-conflict", "ignore", "--restart"))
    c.has(out, "100 rows: 0 loaded, 0 rejected, 100 not kept by the database (a trigger, a rule, or --on-conflict)")
    c.sql("DROP TABLE t; CREATE TABLE u (id INTEGER, t TEXT); CREATE VIEW t AS SELECT * FROM u; "
                         "CREATE TRIGGER i INSTEAD OF INSERT ON t BEGIN INSERT INTO u VALUES (NEW.id, NEW.t); END")
    holds("a view", (100, 100, 0, 0), "a.csv")
    c.equal("through a view", 100, c.rows("SELECT count(*) FROM u")[0][0])
    with c.server() as (url, _):
        c.psql(url, """CREATE TABLE t (id int PRIMARY KEY, t text);
            CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.t = 'no' THEN RETURN NULL; END IF;
              RETURN NEW; END$$; CREATE TRIGGER own BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION own()""")
        holds("a trigger", (100, 75, 25, 25), "a.csv", into=url)
        holds("ignored duplicates", (100, 62, 38, 38), "b.csv", "--on-conflict", "ignore", into=url)


@case
def budget(c):
    """--strict and --max-rejects fail the file, not the others."""
    pattern = c.files(3, 100, bad={50, 51, 52})
    summary, _ = c.load(pattern, "--create", "--key", "id", "--strict", wanted=1)
    c.equal("strict", (2, 1), (summary["loaded_files"], summary["failed_files"]))
    summary, _ = c.load(pattern, "--max-rejects", "2", wanted=1)
    c.equal("too many", 1, summary["failed_files"])
    summary, _ = c.load(pattern, "--max-rejects", "5%", wanted=3)
    c.equal("allowed", (297, 0), (len(c.rows()), summary["failed_files"]))


@case
def cures(c):
    """A rejected value comes with the option that cures it."""
    c.sql("CREATE TABLE t(id integer primary key, n double, d date)")
    (c.folder / "a.csv").write_text('id,n,d\n1,NA,\n2,"1,5",\n3,,31.12.2024\n4,x,\n5,1,\n5,2,\n')
    _, error = c.load("a.csv", wanted=3)
    c.has(error, """column 2 'n': 'NA' is not a number; if it stands for NULL: --null 'NA', or "nulls" in a mapping; the row""",
          """column 2 'n': '1,5' is not a number; if it has a decimal comma: --decimal-comma, or""",
          "column 3 'd': '31.12.2024' is not a date in the format of ISO 8601; a mapping can name another format",
          "column 2 'n': 'x' is not a number; the row begins",
          "UNIQUE constraint failed: t.id; --on-conflict ignore, replace or update accepts rows whose key is already in the table")
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t(id int primary key, ip inet)")
        (c.folder / "b.csv").write_text('id,ip\n1,""\n2,10.0.0.1\n2,10.0.0.1\n')
        _, error = c.load("b.csv", into=url, wanted=3)
        c.has(error, 'invalid input syntax for type inet: "" (column \'ip\': \'\'); with --null \'\' an empty cell is NULL, also within quotes',
              "(Key (id)=(2) already exists.); --on-conflict ignore, replace or update accepts")
        c.load("b.csv", "--null", "", "--restart", "--on-conflict", "ignore", into=url)
        c.equal("with it", "1", c.psql(url, "SELECT count(*) FROM t WHERE ip IS NULL"))


@case
def bytes_of_rejects(c):
    """A rejected row is told with the byte at which it begins, whoever rejects it."""
    head, good = "id,a\n", "1,x\n"
    (c.folder / "a.csv").write_text(head + good + "bad,y\n" + "1,double\n" + "3,x,y\n")
    c.sql("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)")
    _, error = c.load("a.csv", "--rejects", "rejects.csv", wanted=3)
    lines = (c.folder / "a.csv").read_bytes()
    for row in (b"bad,", b"1,double", b"3,x"):
        c.has(error, f"the row begins at byte {lines.index(row)}")
    c.has((c.folder / "rejects.csv").read_text(), f"the row begins at byte {lines.index(b'bad,')}")
    # Also if the text is converted: the byte of the file, whatever its encoding, and however far it is from the begin.
    c.sql("DELETE FROM t")
    rows = [f"{i},żółć{'😀' if i % 7 == 0 else ''}\n" for i in range(100, 40_000)]
    for at in (1, 20_000, 39_800):
        rows[at] = "bad" + rows[at]
        rows[at + 1] = "100,double\n"
    for encoding, options in (("utf-16", []), ("utf-16-be", ["--encoding", "UTF-16BE"]), ("utf-32", []), ("utf-8-sig", []),
                              ("gb18030", ["--encoding", "GB18030"]), ("cp1250", ["--encoding", "CP1250"]),
                              ("iso2022_jp", ["--encoding", "ISO-2022-JP"])):
        text = head + "".join(rows)
        if encoding == "cp1250":
            text = text.replace("😀", "")
        elif encoding == "iso2022_jp":
            text = text.replace("😀", "").replace("żółć", "日本")
        data = text.encode(encoding)
        (c.folder / "a.csv").write_bytes(data)
        _, error = c.load("a.csv", *options, "--restart", wanted=3)
        c.sql("DELETE FROM t")
        if encoding == "iso2022_jp":
            c.has(error, "of the text in UTF-8")
            continue
        codec = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
        for row in ("bad101,", "100,double", "bad20100,", "bad39900,"):
            c.has(error, f"the row begins at byte {data.index(row.encode(codec))}\n")


@case
def columns_at_once(c):
    """A file's surplus columns and the columns that the table must have are named in one message."""
    (c.folder / "a.csv").write_text("id,more,other\n1,2,3\n")
    (c.folder / "b.csv").write_text("id\n1\n")
    (c.folder / "c.csv").write_text("id,need,must\n1,2,3\n")
    sql = "CREATE TABLE t(id INTEGER PRIMARY KEY, need INTEGER NOT NULL, must TEXT NOT NULL, has TEXT NOT NULL DEFAULT 'x', free TEXT)"
    with c.server() as (url, _):
        c.sql(sql)
        c.psql(url, sql)
        for into in (None, url):
            _, error = c.load("a.csv", into=into, wanted=1)
            c.has(error, "the table t has no column 'more', 'other'; it has id, need, must, has, free",
                  "the file has no column 'need', 'must', which the table requires (NOT NULL without a default)")
            _, error = c.load("b.csv", into=into, wanted=1)
            c.has(error, "the file has no column 'need', 'must', which the table requires")
            c.load("c.csv", into=into)


@case
def named_options(c):
    """What a file has failed by is named as on the command line."""
    (c.folder / "a.csv").write_text("id\n" + "x\n" * 2000)
    c.sql("CREATE TABLE t(id int)")
    for how in (["--strict"], ["--max-rejects", 3], ["--max-rejects", "5%"]):
        _, error = c.load("a.csv", *how, wanted=1)
        c.has(error, "reject budget exceeded (", "allowed by --max-rejects or --strict)")
        c.holds("no name of C++", "errors." not in error, error)


@case
def told_in_plain_words(c):
    """No name of C++ in what a program says, and the option that helps."""
    (c.folder / "a.csv").write_text("id,n\n1,2\n")
    (c.folder / "b.csv").write_text("id,n\n1,2,\n")
    c.load("a.csv", "--create")
    for how in ("update", "replace"):
        _, error = c.load("a.csv", "--on-conflict", how, wanted=2)
        c.has(error, f"--on-conflict {how} needs a primary key, but the table t has no primary key", "--key")
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "3 cells instead of 2", "(--ragged pad or truncate, or \"ragged\" in a mapping)")
    (c.folder / "merge.sql").write_text("INSERT INTO nowhere VALUES (1);\n")
    with c.server() as (url, _):
        c.load("a.csv", "--create", into=url)
        said = [c.load("a.csv", "--on-conflict", "update", into=url, wanted=2)[1],
                c.load("a.csv", "--merge", "merge.sql", "--restart", into=url, wanted=1)[0]["failure"]]
        for text in said:
            c.holds("no C++", "::" not in text, text)
