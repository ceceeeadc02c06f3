"""Headers, dialects, encodings and packed files."""
import bz2
import gzip
import io
import json
import lzma
import shutil
import subprocess
import tarfile

from csv_case import case


@case
def headers(c):
    """Excel's first line, columns without a name, names that differ in case, and long names."""
    (c.folder / "sep.csv").write_bytes(b"sep=;\r\nid;name\r\n1;x,y\r\n2;z\r\n")
    c.load("sep.csv", "--create")
    c.equal("sep=", [(1, "x,y"), (2, "z")], c.rows("SELECT id, name FROM t"))
    c.equal("sniff of it", 0, c.run("sniff", "sep.csv")[0])
    (c.folder / "frame.csv").write_text(",a,b\n0,x,1\n1,y,2\n")
    (c.folder / "up.csv").write_text("ID,Name\n3,up\n")
    (c.folder / "both.csv").write_text("id,ID\n4,5\n")
    c.load("up.csv")
    c.equal("capitals", [("up",)], c.rows("SELECT name FROM t WHERE id = 3"))
    _, error = c.load("both.csv", wanted=1)
    c.has(error, "both.csv: column 'id' occurs twice, as number 1 and 2")
    c.database = c.folder / "frame.db"
    _, error = c.load("frame.csv", "--create", wanted=2)
    c.has(error, "frame.csv: column 1 has no name in the header; --name-columns gives it the name column_1")
    c.load("frame.csv", "--create", "--name-columns")
    c.equal("with a made name", [(0, "x", 1), (1, "y", 2)], c.rows("SELECT column_1, a, b FROM t"))
    code, out, _ = c.run("sniff", "frame.csv")
    c.has(out, "1 header row", "column_1: integer", "  b: integer")
    (c.folder / "blank.csv").write_text("a, ,column_2\n1,2,3\n")
    c.database = c.folder / "blank.db"
    _, error = c.load("blank.csv", "--create", wanted=2)
    c.has(error, "blank.csv: column 2 has no name in the header; --name-columns gives it the name column_2_; ")
    c.load("blank.csv", "--create", "--name-columns")
    c.equal("a made name that another column has", [(1, 2, 3)], c.rows("SELECT a, column_2_, column_2 FROM t"))
    c.has(c.run("sniff", "blank.csv")[1], "  column_2_: integer\n  column_2: integer\n")
    long = "n" * 70
    (c.folder / "long.csv").write_text(f"{long},b\n1,2\n")
    with c.server() as (url, _):
        _, error = c.load("long.csv", "--create", into=url, wanted=2)
        c.has(error, "has 70 bytes, and PostgreSQL truncates names at 63")
        c.psql(url, f'SET client_min_messages=error; CREATE TABLE t ({long} int, "B" int)')
        c.load("long.csv", into=url)
        c.equal("a name that was cut off", "1|2", c.psql(url, "SELECT * FROM t"))
        c.psql(url, 'DROP TABLE t; CREATE TABLE t (name text, "Name" text, id int)')
        c.load("up.csv", into=url)
        c.equal("the name itself first", "|up|3", c.psql(url, "SELECT * FROM t"))


@case
def strange_names(c):
    """Control characters of names do not reach the terminal; a name with NUL is refused before the database sees it."""
    (c.folder / "a.csv").write_bytes(b"id,\x1b[31mred\n1,2\n")
    code, _, error = c.run(*c.arguments("a.csv", "--create"))
    c.equal("exit code", 0, code)
    c.lacks(error, "\x1b")
    (c.folder / "b.csv").write_bytes(b"id,a\0b\n1,2\n")
    c.database = c.folder / "b.db"
    _, error = c.load("b.csv", "--create", wanted=2)
    c.has(error, "b.csv: the name of column 'a", "' has the character NUL, which no database holds: a mapping can give the column another name")


@case
def first_lines(c):
    """Excel's first line in quotes and in capitals; blanks in the header; names that SQLite cannot tell apart."""
    for i, text in enumerate(['"sep=;"\r\nid;v\r\n1;x,y\r\n', "SEP=|\nid|v\n1|x,y\n", "Sep=\t\nid\tv\n1\tx,y\n"]):
        c.database = c.folder / f"sep{i}.db"
        (c.folder / "a.csv").write_text(text)
        c.load("a.csv", "--create")
        c.equal(repr(text), [(1, "x,y")], c.rows("SELECT id, v FROM t"))
    c.database = c.folder / "said.db"
    (c.folder / "a.csv").write_text("sep=;\nid,v\n1,x;y\n")
    (c.folder / "map.json").write_text('{"files": [{"pattern": "*", "delimiter": ",", "columns": [{"source": "id", "type": "integer"}, '
                                       '{"source": "v", "type": "text"}]}]}')
    c.load("a.csv", "--create", "--delimiter", "comma")
    c.load("a.csv", "--restart", "--mapping", "map.json")
    c.equal("what is said counts more than the first line", [(1, "x;y")] * 2, c.rows("SELECT id, v FROM t"))
    c.equal("cat", "id,v\n1,x;y\n", c.run("cat", "--header", "--delimiter", "comma", "a.csv")[1])
    c.has(c.run("sniff", "--delimiter", "comma", "a.csv")[1], "delimiter ,", "1 rows", "  id: integer")
    for i, text in enumerate(["sep\n1\n", '"sep=;",v\n1,2\n', "sep=;v\n1\n", '"sep=;\n"\n1\n']):
        c.database = c.folder / f"none{i}.db"
        (c.folder / "a.csv").write_text(text)
        c.load("a.csv", "--create", "--delimiter", "comma")
        c.equal(repr(text), 1, c.rows("SELECT count(*) FROM t")[0][0])
    c.database = c.folder / "t.db"
    c.sql("CREATE TABLE t(id int, v text)")
    (c.folder / "a.csv").write_text("id, v\n1, a\n")
    _, error = c.load("a.csv", wanted=1)
    c.has(error, "the table t has no column ' v'; it has id, v. --trim drops the blanks around names and cells")
    c.load("a.csv", "--trim")
    c.equal("trimmed", [(1, "a")], c.rows("SELECT * FROM t"))
    (c.folder / "b.csv").write_text('id,v\n2, "a,b"\n3,c "d"\n')
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "b.csv:2:4: row 1: a quote after blanks at the beginning of a cell; drop the blanks around cells (--trim, or",
          "b.csv:3:5: row 2: a quote within a cell that does not begin with a quote; quote the whole cell")
    c.database = c.folder / "case.db"
    (c.folder / "c.csv").write_text("id,v,V\n1,a,b\n")
    _, error = c.load("c.csv", "--create", wanted=2)
    c.has(error, "the columns 'v' and 'V' differ only in case, so they are the same for SQLite: give one of them another name with a mapping")
    (c.folder / "d.csv").write_text("id,v,v\n1,a,b\n")
    _, error = c.load("d.csv", "--create", wanted=2)
    c.has(error, "column 'v' occurs twice, as number 2 and 3: a mapping")


@case
def dialects(c):
    """Semicolons are found out; decimal commas, markers of NULL, Latin-1, ragged rows, gzip, standard input."""
    (c.folder / "a.csv").write_bytes("id;name;price\n1;K\xf6ln;1,5\n2;NA;2,25\n3;x\n".encode("latin-1"))
    c.load("a.csv", "--create", "--latin1", "--delimiter", "semicolon", "--decimal-comma", "--null", "NA", "--ragged",
           "pad", "--null", "")
    c.equal("rows", [(1, "Köln", 1.5), (2, None, 2.25), (3, "x", None)], c.rows("SELECT id, name, price FROM t"))
    with gzip.open(c.folder / "b.csv.gz", "wt") as out:
        out.write("id\tname\n" + "".join(f"{i}\tn{i}\n" for i in range(10, 20)))
    c.load("b.csv.gz")
    c.equal("tabs, gzip", 13, len(c.rows("SELECT id FROM t")))
    c.load("-", stdin=b"name,id\nlast,99\n")
    c.equal("standard input", [("last",)], c.rows("SELECT name FROM t WHERE id = 99"))
    (c.folder / "c.csv").write_text("export of today\n#x\nid, name\n30, 'it\\'s'\n#31,no\n32,'" + "x" * 50 + "'\n")
    summary, error = c.load("c.csv", "--skip-lines", 1, "--comment", "#", "--trim", "--quote", "'", "--escape", "\\",
                            "--max-field", 40, wanted=3)
    c.equal("all of it", [("it's",)], c.rows("SELECT name FROM t WHERE id BETWEEN 30 AND 40"))
    c.has(error, "c.csv:6:4: row 2: a cell of more than 40 bytes")


@case
def sniffed(c):
    """What the user says of a file reaches the kinds that `sniff` shows."""
    (c.folder / "a.csv").write_text("id;v;w\n1;NA;1,5\n2;5;2,5\n3;\"-\";3\n")
    def sniff(*how):
        return c.run("sniff", "a.csv", *how)[1]
    c.has(sniff(), "v: text", "w: text")
    c.has(sniff("--null", "NA", "--null", "-", "--decimal-comma"), "  v: integer, may be empty", "  w: double")
    c.equal("as JSON", {"file": "a.csv", "delimiter": ";", "quote": '"', "encoding": "UTF-8", "header_rows": 1, "rows": 3, "bad_rows": 0,
                        "whole": True, "columns": [{"name": "id", "type": "integer", "nullable": False},
                                                   {"name": "v", "type": "text", "nullable": False},
                                                   {"name": "w", "type": "text", "nullable": False}]}, json.loads(sniff("--json")))


@case
def sniffed_as_loaded(c):
    """`sniff` takes the options of `load` that say how a file is read."""
    def sniff(*how):
        return c.run("sniff", "a.csv", *how, wanted=0)[1]
    (c.folder / "a.csv").write_text("a;b\n 1 ;2;\n 3 ;4;\n5\n")
    c.has(sniff(), "1 bad", "column_3: text, may be empty")
    c.has(sniff("--ragged", "truncate", "--trim"), "3 rows, 0 bad", "  a: integer\n  b: integer\n")
    c.has(sniff("--ragged", "pad"), "3 rows, 2 bad")
    c.lacks(sniff("--ragged", "pad"), "column_3")
    c.has(sniff("--header-rows", "0", "--ragged", "truncate"), "0 header rows", "4 rows", "  column_1: text\n  column_2: text")
    (c.folder / "a.csv").write_text("# made today, by us, x\n1|2\n3|4\n")
    c.has(sniff("--skip-lines", "1", "--header-rows", "0"), "delimiter |", "2 rows", "  column_1: integer\n  column_2: integer")
    c.has(sniff("--comment", "#", "--header-rows", "1"), "delimiter |", "1 rows", "  1: integer\n  2: integer")
    (c.folder / "a.csv").write_bytes("id,'a'\n1,'ł,x'\n2,'y'\n".encode("cp1250"))
    c.has(sniff("--encoding", "CP1250", "--no-quote", "--ragged", "truncate"), "quote none", "CP1250", "2 rows, 0 bad")
    c.has(sniff("--encoding", "CP1250"), "quote ', ", "2 rows, 0 bad", "  a: text")
    c.has(sniff("--latin1", "--json"), '"encoding":"Latin-1"')
    (c.folder / "a.csv").write_bytes("id,v\n1,x\n".encode("utf-16"))
    c.has(sniff(), "delimiter ,", ", UTF-16LE; 1 rows", "  id: integer")
    (c.folder / "a.csv").write_text('{"v": 1}\n')
    c.has(sniff("--format", "json"), "JSON; 1 object", "  v: integer")
    c.has(c.run("sniff", "a.csv", "--format", "json", "--trim", wanted=2)[2], "--trim: is for CSV, not for --format json")


@case
def sniffed_json(c):
    """A file that a load would read as JSON is sniffed as JSON."""
    (c.folder / "a.ndjson").write_text('{"id": 1, "v": null}\n{"id": 2, "v": "x"}\n[]\n')
    code, out, _ = c.run("sniff", "a.ndjson")
    c.equal("text", (0, "a.ndjson: JSON; 2 objects, 1 bad\n  id: integer\n  v: text, may be empty\n"), (code, out))
    shown = json.loads(c.run("sniff", "--json", "a.ndjson")[1])
    c.equal("as JSON", ("json", 2, ["id", "v"]), (shown["format"], shown["rows"], [column["name"] for column in shown["columns"]]))
    (c.folder / "b.csv").write_text('id,v\n1,""\n2,5\n')
    c.has(c.run("sniff", "b.csv")[1], "v: integer, may be empty")
    c.has(c.run("sniff", "--empty-is-text", "b.csv")[1], "v: text")


@case
def encodings(c):
    """UTF-16 by its mark or its NULs, other encodings by name, and what --latin1 is called for: Windows-1252."""
    text = "id,name\n1,Köln\n2,€ 5 “x”\n" + "".join(f"{i},naïve\n" for i in range(3, 9000))
    (c.folder / "a.csv").write_bytes(text.encode("utf-16"))
    (c.folder / "b.csv").write_bytes(text.encode("utf-16-be"))
    (c.folder / "c.csv").write_bytes(text.encode("cp1252"))
    (c.folder / "d.csv").write_bytes("id,name\n1,Łódź\n".encode("cp1250"))
    (c.folder / "e.json").write_bytes('{"id": 1, "name": "Köln"}\n'.encode("utf-16"))
    wanted = [(1, "Köln"), (2, "€ 5 “x”"), (3, "naïve")]
    for file, *how in (["a.csv"], ["b.csv"], ["b.csv", "--encoding", "UTF-16BE"], ["c.csv", "--latin1"], ["c.csv", "--encoding", "CP1252"]):
        c.database = c.folder / f"{file}{len(how)}.db"
        c.load(file, "--create", *how)
        c.equal(f"{file} {how}", wanted, c.rows("SELECT * FROM t ORDER BY id LIMIT 3"))
        c.equal(f"{file} {how}", 8999, c.rows("SELECT count(*) FROM t")[0][0])
    c.load("d.csv", "--encoding", "CP1250")
    c.equal("CP1250", [("Łódź",)], c.rows("SELECT name FROM t WHERE rowid > 8999"))
    c.load("e.json")
    (c.folder / "map.json").write_text('{"files": [{"pattern": "*", "encoding": "CP1250"}]}')
    c.load("d.csv", "--mapping", "map.json", "--restart")
    code, _, error = c.run(*c.arguments("a.csv", "--encoding", "KLINGON"))
    c.equal("an encoding that is none", 2, code)
    c.has(error, "there is no encoding 'KLINGON'")
    (c.folder / "map.json").write_text('{"files": [{"pattern": "*", "encoding": "KLINGON"}]}')
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=2)
    c.has(error, "files[0].encoding", "there is no encoding 'KLINGON'")
    for name, rows in (("SHIFT_JIS", b"1,x\n2,\x81\xff\n3,y\n4,\x81"), ("UTF-8", b"1,x\n2,\xe4\n3,y\n4,\xe4")):
        c.database = c.folder / f"bad.{name}.db"
        (c.folder / "bad.csv").write_bytes(b"id,name\n" + rows)
        _, error = c.load("bad.csv", "--create", "--encoding", name, wanted=3)
        c.equal(f"{name}: the other rows", [(1, "x"), (3, "y")], c.rows("SELECT * FROM t"))
        c.has(error, f"bad.csv:3:3: row 2: invalid {name}; ", "bad.csv:5:3: ")
    for name, magic in (("zip", b"PK\3\4"),):
        (c.folder / "packed.csv").write_bytes(magic + b"\x12\x34" * 100)
        _, error = c.load("packed.csv", wanted=1)
        c.has(error, "packed.csv: the file is ", name)


@case
def not_utf8(c):
    """Bytes that are no UTF-8 are rejected with their place, unless --latin1 says what they are."""
    (c.folder / "a.csv").write_bytes("id,name\n1,Köln\n".encode() + b"2,K\xf6ln\n3,x\n")
    columns = [{"source": "id", "type": "integer"}, {"source": "name"}]
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*.csv", "columns": columns}]}))
    with c.server() as (url, _):
        for into in (None, url):
            for more in ([], ["--mapping", "map.json", "--restart"]):
                _, error = c.load("a.csv", "--create", *more, "--rejects", "rejects.csv", into=into, wanted=3)
                c.has(error, "a.csv:3:4: row 2: invalid UTF-8; convert the file, or read it as Latin-1 (--latin1")
                c.holds("the row is kept", b"2,K\xf6ln" in (c.folder / "rejects.csv").read_bytes())
                c.holds("and its number", b"a.csv,0,0,1," in (c.folder / "rejects.csv").read_bytes())
    c.equal("rows", [(1, "Köln"), (3, "x")] * 2, c.rows("SELECT * FROM t"))
    (c.folder / "b.csv").write_bytes(b"id,name\n2,K\xf6ln\n")
    c.load("b.csv", "--latin1")
    c.equal("Latin-1", [("Köln",)], c.rows("SELECT name FROM t WHERE id = 2"))
    (c.folder / "c.csv").write_bytes(b"id,Stra\xdfe\n1,x\n")
    c.database = c.folder / "header.db"
    c.load("c.csv", "--create", "--latin1")
    c.equal("a header of Latin-1", [("x",)], c.rows('SELECT "Straße" FROM t'))
    _, error = c.load("c.csv", "--restart", wanted=1)
    c.has(error, "c.csv: the header is not UTF-8; convert the file, or read it as Latin-1 (--latin1")


@case
def marks_of_encodings(c):
    """A byte order mark says what a file is, whatever encoding the user names."""
    text = "id,z\n1,ä\n"
    for i, (file, how) in enumerate((("utf-8-sig", ["--latin1"]), ("utf-8-sig", ["--encoding", "CP1250"]), ("utf-16", ["--encoding", "UTF-16BE"]),
                                     ("utf-16", ["--encoding", "CP1250"]), ("utf-8-sig", ["--encoding", "utf8"]))):
        c.database = c.folder / f"{i}.db"
        (c.folder / "a.csv").write_bytes(text.encode(file))
        c.load("a.csv", "--create", *how)
        c.equal(f"{file} {how}", [(1, "ä")], c.rows("SELECT id, z FROM t"))
    (c.folder / "a.csv").write_bytes(text.encode("utf-16"))
    c.database = c.folder / "none.db"
    _, error = c.load("a.csv", "--create", "--latin1", wanted=2)
    c.has(error, "a.csv: the file begins with the byte order mark of UTF-16, so it is not Latin-1")
    (c.folder / "a.csv").write_bytes("id,z\n1,ä\n".encode("utf-8-sig") + b"2,\xe4\n")
    _, error = c.load("a.csv", "--create", "--latin1", wanted=3)
    c.has(error, "a.csv:3:3: row 2: invalid UTF-8")


@case
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


@case
def compressed(c):
    """bzip2, xz and zstd by content, also where a load goes on; cut off they are errors."""
    text = ("a,b\n" + "".join(f"{i},x{i}\n" for i in range(20000))).encode()
    files = {"a.csv.bz2": bz2.compress(text), "b.csv.xz": lzma.compress(text)}
    if shutil.which("zstd"):
        files["c.zst"] = subprocess.run(["zstd", "-q"], input=text, stdout=subprocess.PIPE, check=True).stdout
    for name, packed in files.items():
        c.database = c.folder / f"{name}.db"
        (c.folder / name).write_bytes(packed)
        c.load(name, "--create", "--batch-size", 1000)
        c.equal(name, (20000, 19999), c.rows("SELECT count(*), max(a) FROM t")[0])
        (c.folder / f"cut.{name}").write_bytes(packed[:-9])
        _, error = c.load(f"cut.{name}", wanted=1)
        c.has(error, f"cut.{name}")
    (c.folder / "d.json.xz").write_bytes(lzma.compress(b'{"a": 1, "b": "x"}\n'))
    c.load("d.json.xz")
