"""JSON: objects, arrays and readings."""
import csv
import gzip
import json

from csv_case import case, row
from streams import stream_file, stream_map


@case
def json_files(c):
    """An object a line, an array of them, gzip, standard input, and CSV beside them; what looks like JSON is told so."""
    c.files(1, 5)
    (c.folder / "data" / "a.ndjson").write_text('\n {"note": "x", "id": 7, "price": 1.5, "sku": "\\u00e4"}\r\n{"id": 8}\n')
    (c.folder / "data" / "b.json").write_text('[\n{"id": 9,\n "day": "2024-02-29"}, {"id": "10", "price": null}\n]')
    with gzip.open(c.folder / "data" / "c.jsonl.gz", "wt") as out:
        out.write("".join(json.dumps({"sku": "z", "id": i}) + "\n" for i in range(20, 40)))
    wanted = [row(i) for i in range(5)] + [(7, "ä", 1.5, None, "x"), (8, *[None] * 4), (9, None, None, "2024-02-29", None),
                                           (10, *[None] * 4)] + [(i, "z", None, None, None) for i in range(20, 40)]
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id integer PRIMARY KEY, sku text, price double precision, day date, note text)")
        for into in (None, url):
            c.load("data/f000.csv", "--create", "--key", "id", into=into)
            summary, error = c.load("data/*.*", "--delimiter", ",", into=into)
            c.equal(f"rows {error}", (24, 3, 1), (summary["rows"]["loaded"], summary["loaded_files"], summary["loaded_before"]))
            c.load("-", "--format", "json", into=into, stdin=b'[{"id": 50, "sku": "s"}]')
            c.load("-", "--format", "json", into=into, stdin=b'{"sku": "s", "id": 51}\n{"id": 52, "sku": null}')
        c.equal("as SQLite", "32|50|51|52", c.psql(url, "SELECT count(*), max(id) - 2, max(id) - 1, max(id) FROM t"))
    c.equal("rows", wanted, c.rows()[:29])
    c.equal("standard input", [(50, "s"), (51, "s"), (52, None)], c.rows("SELECT id, sku FROM t WHERE id >= 50"))
    again, _ = c.load("data/*.*")
    c.equal("loaded before", 4, again["loaded_before"])

    (c.folder / "a.csv").write_text('{"id": 60, "sku": "x"}\n')
    _, error = c.load("a.csv", wanted=1)
    c.has(error, "a.csv:1:2: header", "it looks like JSON: load it with --format json, or with \"format\": \"json\" in a mapping")
    c.load("a.csv", "--format", "json")
    (c.folder / "b.json").write_text("id,sku\n61,x\n")
    _, error = c.load("b.json", wanted=1)
    c.has(error, "b.json:1:1: not JSON", "with --format csv the file is read as CSV")
    c.load("b.json", "--format", "csv")
    c.equal("by --format", [(60, "x"), (61, "x")], c.rows("SELECT id, sku FROM t WHERE id >= 60"))
    code, _, error = c.run(*c.arguments("a.csv", "--format", "json", "--latin1"))
    c.equal("options of CSV", 2, code)
    c.has(error, "--latin1: is for CSV, not for --format json")
    c.database = c.folder / "new.db"
    (c.folder / "d.csv").write_text("{id},[name]\n1,a\n")
    c.load("d.csv", "--create")
    c.equal("what is CSV is loaded", [(1, "a")], c.rows('SELECT * FROM t'))


@case
def json_objects(c):
    """Objects over several lines, and several in a line, are loaded as those of an array are."""
    (c.folder / "a.json").write_text('{\n  "id": 1,\n  "n": "x\\ny"\n}\n{\n  "id": 2,\n  "n": "}{"\n}\n')
    (c.folder / "b.json").write_text('{"id": 3, "n": "a"}{"id": 4, "n": {"x": [1]}}\n{"id": 5}')
    (c.folder / "c.json").write_text("\n".join(json.dumps({"id": i, "n": "n" * 50}, indent=1) for i in range(6, 9000)))
    c.load("a.json", "b.json", "c.json", "--create")
    c.equal("rows", [(1, "x\ny"), (2, "}{"), (3, "a"), (4, '{"x":[1]}'), (5, None)], c.rows("SELECT id, n FROM t WHERE id < 6 ORDER BY id"))
    c.equal("all", 8999, c.rows("SELECT count(*) FROM t")[0][0])
    (c.folder / "bad.json").write_text('{\n"id": 1,\n"n": 2}\n{\n"id": x}\n{\n"id": 3\n}\n')
    _, error = c.load("bad.json", wanted=3)
    c.has(error, "bad.json element 2:")
    (c.folder / "cut.ndjson").write_text('{"id": 1, "n":\n{"id": 2}\n{"id": 3}\n')
    _, error = c.load("cut.ndjson", wanted=3)
    c.has(error, "cut.ndjson:1:")
    c.equal("lines stay lines", 1, c.rows("SELECT count(*) FROM t WHERE id = 3 AND n IS NULL")[0][0] - 1)
    (c.folder / "twice.ndjson").write_text('{"id": 10000, "n": "a", "n": "b"}\n')
    _, error = c.load("twice.ndjson", wanted=3)
    c.has(error, "twice.ndjson:1:1: 'n' occurs twice")
    (c.folder / "open.json").write_text('{\n"id": 1,\n')
    _, error = c.load("open.json", wanted=1)
    c.has(error, "open.json", "an object is not closed; is the file complete?")


@case
def columns_of_all_files(c):
    """With --widen a new table gets the columns of all files, of JSON and of CSV; without it the error names the option."""
    (c.folder / "a.ndjson").write_text('{"id": 1}\n')
    (c.folder / "b.ndjson").write_text('{"id": 2, "n": 5, "when": "2024-02-29"}\n')
    (c.folder / "c.ndjson").write_text('{"ID": 3, "n": 2.5, "when": null}\n')
    (c.folder / "a.csv").write_text("id\n1\n")
    (c.folder / "b.csv").write_text("id,n,when\n2,5,2024-02-29\n")
    (c.folder / "c.csv").write_text("ID,n\n3,2.5\n")
    with c.server() as (url, _):
        for kind in ("ndjson", "csv"):
            files = [f"{name}.{kind}" for name in "abc"]
            for into in (None, url):
                _, error = c.load(*files, "--create", into=into, wanted=1)
                c.has(error, f"b.{kind}: the table t has no column 'n', 'when'; it has id. --create --widen makes the missing table "
                             "with the columns of all files. ")
                c.psql(url, "DROP TABLE t") if into else c.database.unlink()
                summary, error = c.load(*files, "--create", "--widen", "--key", "id", "--type", "when=text", into=into)
                c.has(error, "table t of 3 files: id integer key, n double, when text")
                c.equal("rows", "1||\n2|5|2024-02-29\n3|2.5|" if into else "1||\n2|5.0|2024-02-29\n3|2.5|",
                        c.select('SELECT id, n, "when" FROM t ORDER BY id', into))
                again, _ = c.load(*files, "--create", "--widen", "--key", "id", "--type", "when=text", into=into)
                c.equal("loaded before", 3, again["loaded_before"])
                c.psql(url, "DROP TABLE t") if into else c.database.unlink()
                _, error = c.load(*files, "--create", "--widen", "--type", "none=text", into=into, wanted=2)
                c.has(error, "there is no column 'none' for --type, or for \"types\" of a mapping; there are id, n, when")
                if not into:
                    c.holds("nothing was made", not c.database.exists())


@case
def columns_of_headers(c):
    """With --widen a file that has only a header gives its columns too; rows of other files give their types."""
    (c.folder / "a.csv").write_text("id,only\n")
    (c.folder / "b.csv").write_text("id,n\n1,2.5\n")
    (c.folder / "c.csv").write_text("id,last\n")
    _, error = c.load("a.csv", "b.csv", "c.csv", "--create", "--widen")
    c.has(error, "id integer, only text, n double, last text")
    c.equal("rows", [(1, None, 2.5, None)], c.rows("SELECT * FROM t"))
    c.database = c.folder / "key.db"
    (c.folder / "d.csv").write_text("n\n7\n")
    _, error = c.load("b.csv", "d.csv", "--create", "--key", "id", wanted=1)
    c.has(error, "d.csv: the file has no column 'id', which the table requires")
    c.equal("no key is made up", [(1, 2.5)], c.rows("SELECT * FROM t"))


@case
def json_members(c):
    """A table is made of the members that there are; one that it has no column for is never dropped."""
    (c.folder / "a.ndjson").write_text(
        '{"id": 1, "paid": true, "day": "2024-02-29", "price": 1}\n'
        '{"id": 2, "at": "2024-02-29T10:00:00Z", "big": 123456789012345678901, "price": 1.25, "day": null}\n'
        '{"tags": ["a", {"b": 1}], "id": 3, "mixed": 1, "none": null}\n{"mixed": "x"}\n')
    _, error = c.load("a.ndjson", "--create")
    c.has(error, "table t of a.ndjson: id integer, paid boolean, day date, price double, at timestamptz, big numeric, "
                 "tags text, mixed text, none text")
    c.equal("rows", [(1, 1, "2024-02-29", 1.0, *[None] * 5),
                     (2, None, None, 1.25, "2024-02-29T10:00:00Z", "123456789012345678901", *[None] * 3),
                     (3, *[None] * 5, '["a",{"b":1}]', "1", None), (*[None] * 7, "x", None)], c.rows("SELECT * FROM t"))
    (c.folder / "b.json").write_text('[{"id": 4}, {"colour": "red", "id": 5, "x": 1}]')
    _, error = c.load("b.json", wanted=1)
    c.has(error, "b.json: the table t has no column 'colour', 'x'; it has id, paid, ")
    c.lacks(error, "--widen")
    many = 40_000
    lines = [json.dumps({"id": i, "mixed": "m" * 20}) for i in range(many)]
    lines[5] = '{"id": "five"}'
    lines[7] = '{"id": 7,}'
    lines[many - 2] = '  {"id": 1, "colour": "red"}'
    (c.folder / "late.ndjson").write_text("\n".join(lines))
    _, error = c.load("late.ndjson", "--rejects", "rejects.csv", wanted=3)
    with (c.folder / "rejects.csv").open(newline="") as file:
        rejects = [(r["reason"], r["row"]) for r in csv.DictReader(file)]
    c.equal("rejects", [("late.ndjson:6: row 6: member 'id': 'five' is not a signed 64-bit integer; the type of the column was inferred: "
                         "make the table with --type id=text, or with --widen", '{"id": "five"}'),
                        ("late.ndjson:8:10: not JSON: syntax error: '}'", '{"id": 7,}'),
                        (f"late.ndjson:{many - 1}:1: the member 'colour' is not one of id, mixed: "
                         "'  {\"id\": 1, \"colour\": \"red\"}'; a mapping can name the members, and --widen with --create finds those of all of "
                         "the file", '{"id": 1, "colour": "red"}')], rejects)
    c.equal("the others", many - 3, c.rows("SELECT count(*) FROM t WHERE mixed LIKE 'mm%'")[0][0] - 0)
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "format": "json", "columns": [
        {"source": "id", "type": "integer"}, {"source": "when", "target": "day", "type": "date", "format": "%d.%m.%Y"}]}]}))
    (c.folder / "told.txt").write_text('{"id": 77, "when": "1.3.2024", "colour": "red"}\n')
    c.load("told.txt", "--mapping", "map.json")
    c.equal("a mapping says what is taken", [("2024-03-01",)], c.rows("SELECT day FROM t WHERE id = 77 AND mixed IS NULL"))
    (c.folder / "empty.json").write_text(" []\n")
    (c.folder / "bare.ndjson").write_text("{}\n{}\n")
    _, error = c.load("empty.json", "bare.ndjson", wanted=1)
    c.has(error, "bare.ndjson: the first megabyte has no member")
    c.holds("an empty file is none", "empty.json" not in error, error)
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id integer PRIMARY KEY, colour text)")
        summary, error = c.load("b.json", into=url, wanted=1)
        c.has(error, "the table t has no column 'x'")
        (c.folder / "c.json").write_text('[{"id": 4}, {"colour": "red", "id": 4}]')
        _, error = c.load("c.json", into=url, wanted=3)
        c.has(error, "c.json element 2: ", "t_pkey")
        c.load("c.json", "--restart", "--dry-run", into=url)


@case
def readings(c):
    """Readings of the streams that a map names become rows, others are counted; CSV is loaded beside them."""
    stream_map(c)
    data = stream_file(5, 100, {(1, 7)})
    (c.folder / "a.json").write_text(json.dumps(data[:2]))
    with gzip.open(c.folder / "b.json.gz", "wt") as out:
        out.write("\n".join(json.dumps(element) for element in data[2:]))
    (c.folder / "c.csv").write_text("at,stream,celsius\n2024-02-29 10:00,x,1.5\n")
    (c.folder / "d.json").write_text('[{"Readings": [[1, 2], [3, null]], "uuid": "s0"}, {"uuid": "y", "Readings": []}]')
    (c.folder / "e.json").write_text('{"uuid": "y", "Readings": [[1, 2]]}')
    everything = "SELECT stream, count(*), count(celsius), count(humidity), sum(celsius), sum(humidity) FROM t GROUP BY 1 ORDER BY 1"
    wanted = [("s0", 102, 101, 0, 49502.0, None), ("s1", 99, 0, 99, None, 49529), ("s2", 100, 100, 0, 49700.0, None),
              ("x", 1, 1, 0, 1.5, None)]
    with c.server() as (url, _):
        for into in (None, url):
            summary, error = c.load("?.json*", "?.csv", "--mapping", "map.json", "--create", "--rejects", "rejects.csv",
                                    into=into, wanted=3)
            c.equal("rows", (303, 302, 1), tuple(summary["rows"][k] for k in ("read", "loaded", "rejected")))
            c.has(error, "rejected a.json element 2, reading 8: not a pair of a time and a value: \"bad\"",
                  "left out: 201 readings of 3 streams that the mapping does not name: 's3', 's4', 'y'",
                  "e.json: the mapping names none of its streams; it has 1 stream")
            c.equal("told once", 1, error.count("left out: "))
            c.equal("by file", [{"readings": 0, "streams": 0, "ids": []}, {"readings": 200, "streams": 2, "ids": ["s3", "s4"]},
                                None, {"readings": 0, "streams": 1, "ids": ["y"]}, {"readings": 1, "streams": 1, "ids": ["y"]}],
                    [r["left_out"] for r in sorted(summary["results"], key=lambda r: r["path"])])
            with (c.folder / "rejects.csv").open(newline="") as file:
                c.equal("the reading", ['{"uuid":"s1","Readings":["bad"]}'], [r["row"] for r in csv.DictReader(file)])
        c.equal("in PostgreSQL", "\n".join(f"{a}|{b}|{n}|{m}|{s if s is None else f'{s:g}'}|{t}" for a, b, n, m, s, t in wanted)
                .replace("None", ""), c.psql(url, everything))
        c.equal("times", "1970-01-01 01:39:00+00", c.psql(url, "SET timezone = 'UTC'; SELECT max(at) FROM t WHERE stream = 's2'"))
    c.equal("in SQLite", wanted, c.rows(everything))
    c.equal("a row", [("1970-01-01T00:05:00Z", "s1", None, 51)], c.rows("SELECT at, stream, celsius, humidity FROM t WHERE humidity = 51"))
    _, out, _ = c.run(*c.arguments("e.json", "--mapping", "map.json", "--restart"))
    c.has(out, "left out: 1 reading of 1 stream that the mapping does not name: 'y'")

    # What is wrong: with the file, with a value, with the mapping.
    (c.folder / "f.json").write_text(json.dumps(stream_file(1, 100_000))[:-3] + ", [60000")
    (c.folder / "g.json").write_text('{"uuid": "s1", "Readings": [[0, 1.5], ["x", 1], [0, 2]]}\n')
    (c.folder / "h.json").write_text('{"id": "s1", "values": [[0, 1.5]]}\n')
    c.database = c.folder / "wrong.db"
    _, error = c.load("[f-h].json", "--mapping", "map.json", "--create", "--batch-size", 100, wanted=1)
    c.has(error, "f.json:1: byte ", "not JSON: incomplete JSON",
          "g.json element 1, reading 1: column 'humidity': '1.5' is not a signed 64-bit integer",
          "g.json element 1, reading 2: column 'time': 'x' is not a point in time in the format unix_ms",
          "h.json element 1: it has no 'Readings'")
    c.holds("what was committed before stays", c.rows("SELECT count(*) FROM t WHERE stream = 's0'")[0][0] > 50_000)
    stream_map(c, streams={"s0": {"target": "celsius"}, "s1": {"target": "celsius", "type": "text"}}, id=7)
    _, error = c.load("a.json", "--mapping", "map.json", wanted=2)
    c.has(error, "files[0].stream_map.id: must be a text", "files[0].stream_map.streams.s1.type: is text, and 'celsius' is double")
    stream_map(c, id_target="sensor")
    _, error = c.load("a.json", "--mapping", "map.json", wanted=1)
    c.has(error, "a.json: the table t has no column 'sensor'; it has at, stream, celsius, humidity")
    c.sql("CREATE UNIQUE INDEX one ON t (at, stream)")
    stream_map(c)
    (c.folder / "i.json").write_text('{"uuid": "s1", "Readings": [[0, 1], [999, 1]]}\n')
    _, error = c.load("i.json", "--mapping", "map.json", wanted=3)
    c.has(error, "i.json element 1, reading 1: ", "UNIQUE constraint failed")
