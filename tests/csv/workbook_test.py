"""Tests etl-csv on workbooks, and on files that are neither text nor workbooks."""
import json
import zipfile

from csv_case import case
from workbooks import SALES, workbook


@case
def loaded(c):
    """A sheet becomes a table with types; a second load finds that it is there; a changed choice is noticed."""
    book = workbook(c.folder / "book.bin", {"Notes": [["x"]], "Sales": SALES})  # recognised by content
    _, error = c.load(book, "--create", wanted=2)
    c.has(error, "book.bin: the workbook has 2 sheets: name the sheet to read (--sheet): 'Notes', 'Sales'")
    summary, _ = c.load(book, "--sheet", "sales", "--create")
    c.equal("rows", [(1, 'a, "b"', "2024-01-31", 1.5), (2, "line\nbreak", "2024-02-01", None), (3, "c", "2024-02-02", 0.1)],
            c.rows("SELECT id, name, day, price FROM t ORDER BY id"))
    c.equal("types", [("id", "INTEGER"), ("name", "TEXT"), ("price", "REAL")],
            [r for r in c.rows("SELECT name, upper(type) FROM pragma_table_info('t')") if r[0] != "day"])
    c.equal("read", 3, summary["rows"]["read"])
    again, _ = c.load(book, "--sheet", "Sales")
    c.equal("loaded before", (1, 0), (again["loaded_before"], again["rows"]["read"]))
    _, error = c.load(book, "--sheet", "Sales", "--range", "A1:D2", wanted=1)
    c.has(error, "how the file is read", "has changed since it was loaded")
    c.equal("rows after all", [(3,)], c.rows("SELECT count(*) FROM t"))


@case
def places(c):
    """Rejected rows are named by their cells, whatever line breaks come before."""
    book = workbook(c.folder / "b.xlsx", {"S": [["a title"], ["id", "note"], [1, "x\ny\nz"], ["#DIV/0!", "w"], ["q", "r"]]})
    c.load(book, "--skip-lines", 1, "--create", "--type", "id=integer", wanted=3)
    _, error = c.load(book, "--skip-lines", 1, "--restart", "--type", "id=integer", wanted=3)
    c.has(error, "b.xlsx[S]:A4: column 1 'id': '#DIV/0!' is not", "b.xlsx[S]:A5: column 1 'id': 'q' is not")
    c.load(book, "--range", "A2:B4", "--restart", "--error-cells", "null", "--type", "id=integer")
    _, error = c.load(book, "--range", "A2:", "--restart", "--error-cells", "refuse", wanted=1)
    c.has(error, "sheet 'S', cell A4: it holds the error #DIV/0!", "(--error-cells)")


@case
def printed(c):
    """cat and sniff take workbooks too."""
    book = workbook(c.folder / "b.xlsx", {"Sales": SALES, "One": [["v;w"], ["a;b"], ["c;d"]]})
    _, text, _ = c.run("cat", book, "--sheet", "Sales", wanted=0)
    c.equal("cat", 'id,name,day,price\n1,"a, ""b""",2024-01-31,1.5\n2,"line\nbreak",2024-02-01,\n3,c,2024-02-02,0.1\n', text)
    _, text, _ = c.run("sniff", book, wanted=0)
    c.has(text, "b.xlsx[Sales]: a sheet, 1 header row; 3 rows, 0 bad\n  id: integer\n  name: text\n  day: date\n"
          "  price: double, may be empty\n", "b.xlsx[One]: a sheet, 1 header row; 2 rows, 0 bad\n  v;w: text\n")
    _, text, _ = c.run("sniff", book, "--json", wanted=0)
    found = [json.loads(line) for line in text.splitlines()]
    c.equal("sniff --json", [("Sales", 3, 4), ("One", 2, 1)], [(f["sheet"], f["rows"], len(f["columns"])) for f in found])
    _, _, error = c.run("cat", book, "--sheet", "None", wanted=2)
    c.has(error, "there is no sheet 'None'; there are 'Sales', 'One'")


@case
def merged(c):
    """Two sheets go to one table, each once."""
    book = workbook(c.folder / "b.xlsx", {"A": [["id"], [1], [2]], "B": [["id"], [3]]})
    c.load(book, "--sheet", "A", "--create")
    c.load(book, "--sheet", "B")
    c.load(book, "--sheet", "b")
    c.equal("rows", [(1,), (2,), (3,)], c.rows("SELECT id FROM t ORDER BY id"))


@case
def foreign(c):
    """What is neither text nor a workbook is named, and what to do about it."""
    with zipfile.ZipFile(c.folder / "a.csv", "w") as out:
        out.writestr("a.csv", "1,2\n")
    files = {"b.csv": (b"PAR1\x15\x04\x15", "the file is a Parquet file"), "c.csv": (b"Obj\x01\x04\x14", "the file is an Avro file"),
             "d.csv": (b"ORC\x0a\x03\x00", "the file is an ORC file"),
             "h.csv": (b"%PDF-1.4\n%\xe2", "the file is a PDF document")}
    for name, (content, _) in files.items():
        (c.folder / name).write_bytes(content + bytes(100))
    for name, wanted in [("a.csv", "it is a zip archive without a workbook")] + [(n, w) for n, (_, w) in files.items()]:
        for command in (["cat", name], ["sniff", name]):
            _, _, error = c.run(*command, wanted=2)
            c.has(error, f"{name}: ", wanted)
        _, error = c.load(name, "--create", wanted=2)
        c.has(error, wanted)
        c.holds("no talk of quotes", "without quotes" not in error, error)
    cut = workbook(c.folder / "w.xlsx", {"S": SALES})
    cut.write_bytes(cut.read_bytes()[:500])
    _, error = c.load(cut, "--create", wanted=2)
    c.has(error, "w.xlsx: the file is a zip archive without its end, cut off or damaged")
