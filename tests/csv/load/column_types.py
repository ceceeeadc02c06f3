"""Types of columns, and values that the table must hold as they were given."""
import csv
import json

import round_trip as generated
from csv_case import case
from harness import seeds


@case
def types_by_option(c):
    """--type says what a column holds; a type that was inferred holds for later files too, and for later loads."""
    (c.folder / "a.csv").write_text("id,zip,amount\n1,94107,1.5\n")
    (c.folder / "b.csv").write_text("id,zip,amount\n2,01220,2.5\n3,94108,12345678901234567.89\n4,1,2\n")
    (c.folder / "c.csv").write_text("id,zip,amount\n" + "5,1,1\n" * 60 + "6,n/a,3\n")
    with c.server() as (url, _):
        for into in (None, url):
            everything = (lambda: c.rows("SELECT * FROM t ORDER BY id")) if into is None else (lambda: c.psql(url, "SELECT * FROM t ORDER BY id"))
            c.load("a.csv", "--create", into=into)
            summary, error = c.load("b.csv", into=into, wanted=3)
            c.equal("rejected", 2, summary["rows"]["rejected"])
            c.has(error, "b.csv:2: row 1: column 2 'zip': '01220' is not a signed 64-bit integer that reads back as it is "
                         "given; the type of the column was inferred: make the table with --type zip=text",
                  "b.csv:3: row 2: column 3 'amount': '12345678901234567.89' is not a number that reads back as it is "
                  "given; the type of the column was inferred: make the table with --type amount=numeric")
            _, error = c.load("b.csv", "--restart", "--type", "zip=text", into=into, wanted=1)
            c.has(error, "'zip' is text by --type and ")
            _, error = c.load("b.csv", "--restart", "--type", "zap=text", into=into, wanted=1)
            c.has(error, "b.csv: there is no column 'zap' for --type, or for \"types\" of a mapping; there are id, zip, amount")
            if into:
                c.psql(url, "DROP TABLE t")
            else:
                c.database = c.folder / "second.db"
            c.load("a.csv", "b.csv", "--create", "--type", "zip=text", "--type", "amount=numeric", into=into)
            if into:
                c.equal("PostgreSQL", "1|94107|1.5\n2|01220|2.5\n3|94108|12345678901234567.89\n4|1|2", everything())
            else:
                c.equal("SQLite", [(1, "94107", "1.5"), (2, "01220", "2.5"), (3, "94108", "12345678901234567.89"),
                                   (4, "1", "2")], everything())
    c.database = c.folder / "third.db"
    _, error = c.load("a.csv", "b.csv", "--create")
    c.has(error, "table t of a.csv: id integer, zip text, amount numeric")
    c.database = c.folder / "fourth.db"
    _, error = c.load("a.csv", "c.csv", "--create", wanted=3)
    c.has(error, "table t of a.csv: id integer, zip integer, amount double", "column 2 'zip': 'n/a' is not")
    (c.folder / "a.ndjson").write_text('{"id": 1, "zip": 7}\n')
    c.database = c.folder / "fifth.db"
    c.load("a.ndjson", "--create", "--type", "zip=text")
    c.equal("JSON", [(1, "7")], c.rows("SELECT * FROM t"))
    code, _, error = c.run(*c.arguments("a.csv", "--type", "zip=string"))
    c.equal("a type that is none", 2, code)
    c.has(error, "'zip=string' is not NAME=TYPE, such as zip=text; the types are boolean, integer, double, numeric, text")


@case
def types_in_a_mapping(c):
    """"types" of a mapping says what columns hold, of CSV and JSON; --type goes before it."""
    (c.folder / "a.csv").write_text("zip,price\n94107,1.50\n")
    (c.folder / "a.json").write_text('{"zip": "01220", "price": 2.5}\n')
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "types": {"zip": "text", "price": "numeric"}}]}))
    c.load("a.csv", "a.json", "--create", "--mapping", "map.json")
    c.equal("rows", [("01220", "text"), ("94107", "text")], c.rows("SELECT zip, typeof(zip) FROM t ORDER BY zip"))
    c.database = c.folder / "other.db"
    c.load("a.csv", "--create", "--mapping", "map.json", "--type", "zip=integer")
    c.equal("by the option", [(94107,)], c.rows("SELECT zip FROM t"))
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "types": {"zip": "code"}, "columns": []}]}))
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=2)
    c.has(error, 'files[0].types: is for files without "columns"')
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "types": {"zip": "code"}}]}))
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=2)
    c.has(error, "files[0].types.zip: must be one of boolean, integer")


@case
def round_trip(c):
    """Generated tables into both databases: a value reads back as it was given, or its row is rejected."""
    with c.server() as (url, _):
        for seed in seeds(0, 40, 10_000):
            table = generated.Table(seed)
            columns = [f"c{i}" for i in range(table.columns)]
            files = []
            for i, rows in enumerate(table.files):
                files.append(c.folder / f"{seed}-{i}.{table.name}")
                files[-1].write_text(table.text(rows))
            c.database = c.folder / f"{seed}.db"
            for into in (None, url):
                rejected, texts = [], ", ".join(f"CAST({name} AS TEXT)" for name in ["name", *columns])
                for i, file in enumerate(files):
                    code, _, error = c.run(*c.arguments(file, "--create", *table.options, "--log", "warn", "--batch-size", 1000,
                                                       "--rejects", "r.csv", into=into))
                    if code not in ((0,) if i == 0 else (0, 3)):
                        c.problems.append(f"seed {seed}, {file.name}: exit code {code}: {error}")
                    with (c.folder / "r.csv").open(newline="") as out:
                        reasons = [r["reason"] for r in csv.DictReader(out)]
                    rejected += reasons
                    strange = [r for r in reasons if "make the table with --type " not in r]
                    if strange:
                        c.problems.append(f"seed {seed}, {file.name}: {strange}")
                if into:
                    found = json.loads(c.psql(url, f"SELECT coalesce(json_agg(json_build_array({texts})), '[]') FROM t") )
                    c.psql(url, "DROP TABLE t")
                else:
                    found = c.rows(f"SELECT {texts} FROM t")
                given = {row[0]: row for rows in table.files for row in rows}
                wrong = [w for row in found if (w := table.wrong(given[row[0]], row))]
                if wrong:
                    c.problems.append(f"seed {seed} into {'PostgreSQL' if into else 'SQLite'}: {wrong}")
                c.equal(f"seed {seed}: every row is there or rejected", len(given), len(found) + len(rejected))
            for file in c.folder.glob(f"{seed}*"):
                file.unlink()
            if len(c.problems) > 10:
                break


@case
def every_type(c):
    """A column of any type can be filled, in PostgreSQL by a cast of the text, and in SQLite whatever its type is called."""
    cells = {"time": "10:30:00", "timetz": "10:30:00+02", "interval": "1 day", "integer[]": "{1,2}", "text[]": '{a,"b c"}',
             "inet": "::1/128", "cidr": "10.0.0.0/8", "macaddr": "08:00:2b:01:02:03", "bytea": "\\x0102", "int4range": "[1,5)",
             "mood": "glad", "small": "5", "moods": "glad", "money": "$1.50", "point": "(1,2)", "xml": "<a/>", "bit(3)": "101",
             "tsvector": "'a' 'b'", "varchar(5)": "abc", "char(3)": "ab ", "name": "n", "oid": "7", "pg_lsn": "0/1",
             "regclass": "pg_class", "numeric(5,2)": "1.50", "pair": "(1,x)", "citext_like": "Abc", "hstore_like": "x",
             "timestamptz[]": '{"2024-01-01 00:00:00+00"}', "jsonpath": '$."a"', "real": "1.5", "uuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}
    with (c.folder / "a.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["id", *[f"c{i}" for i in range(len(cells))]], [1, *cells.values()], [2, *[""] * len(cells)]])
    with c.server() as (url, _):
        c.psql(url, "CREATE TYPE mood AS ENUM ('glad'); CREATE DOMAIN small AS integer CHECK (VALUE < 10); CREATE DOMAIN moods AS mood; "
                    "CREATE TYPE pair AS (a int, b text); CREATE DOMAIN citext_like AS text; CREATE DOMAIN hstore_like AS varchar(3); "
                    f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'c{i} {type}' for i, type in enumerate(cells))})")
        c.load("a.csv", into=url)
        found = json.loads(c.psql(url, f"SELECT json_build_array({', '.join(f'c{i}::text' for i in range(len(cells)))}) FROM t WHERE id = 1"))
        c.equal("values", [], [(k, v, got) for (k, v), got in zip(cells.items(), found) if v != got and k != "char(3)"])
        c.equal("NULL", "t", c.psql(url, f"SELECT bool_and(x IS NULL) FROM (SELECT unnest(ARRAY[{', '.join(f'c{i}::text' for i in range(len(cells)))}]) x FROM t WHERE id = 2) s"))
        c.load("a.csv", "--restart", "--on-conflict", "update", into=url)
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id int, ip inet, at time)")
        (c.folder / "b.csv").write_text("id,ip,at\n" + "".join(f"{i},10.0.0.{i},10:{i % 60:02}\n" for i in range(50)) + "50,no,10:00\n51,::1,25:00\n52,::1,\n")
        _, error = c.load("b.csv", into=url, wanted=3)
        c.equal("others", "51", c.psql(url, "SELECT count(*) FROM t"))
        c.has(error, 'b.csv:52: ', 'inet: "no"', 'b.csv:53: ', '25:00')
    c.sql("CREATE TABLE t (id INTEGER, j JSON, t TIME, u UUID, s STRING, w WHATEVER, b BLOB, d DECIMAL(10,2))")
    (c.folder / "s.csv").write_text('id,j,t,u,s,w,b,d\n1,"{""a"":1}",10:30,abc,word,5,raw,1.50\n2,[],10:31,x,1.5,-7,007,12345678901234567\n'
                                    "3,[],,x,007,1,1,1\n4,[],,x,1.50,1,1,1\n5,[],,x, 7,1,1,1\n6,[],,x,1e5,1,1,1\n7,[],,x,s,1,1,12345678901234567.89\n")
    _, error = c.load("s.csv", wanted=3)
    c.equal("SQLite", [(1, '{"a":1}', "10:30", "abc", "word", "5", "raw", "1.5"), (2, "[]", "10:31", "x", "1.5", "-7", "007", "12345678901234567")],
            c.rows("SELECT id, " + ", ".join(f"CAST({x} AS TEXT)" for x in "jtuswbd") + " FROM t"))
    c.has(error, "s.csv:4: ", "column \"s\": '007': SQLite would change this text to another number: declare the column TEXT",
          "s.csv:5: ", "s.csv:6: ", "s.csv:7: ", "s.csv:8: ", "a NUMERIC column keeps 15 digits of a number")


@case
def types_of_sqlite(c):
    """A table that was made has the same types for a later file; one that others made takes what a mapping says."""
    cells = "true,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00Z,123456789012345678.123456789,1.50"
    stored = (1, "2024-02-29", "2024-02-29T10:00:00", "2024-02-29T10:00:00Z", "123456789012345678.123456789", 1.5)
    header = "b,d,ts,tz,n,x\n"
    (c.folder / "a.csv").write_text(header + cells + "\n")
    (c.folder / "b.csv").write_text(header + cells + "\n" + cells.replace("02-29,", "02-30,") + "\n")
    c.load("a.csv", "--create")
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "b.csv:3: row 2: column 2 'd': '2024-02-30'")
    c.equal("rows", [stored] * 2, c.rows("SELECT * FROM t"))
    c.equal("classes", [("integer", "text", "text", "text", "text", "real")],
            c.rows("SELECT DISTINCT typeof(b), typeof(d), typeof(ts), typeof(tz), typeof(n), typeof(x) FROM t"))

    c.database = c.folder / "others.db"
    c.sql("CREATE TABLE t (b INTEGER, d TEXT, ts DATETIME, tz DATETIME, n VARCHAR(40), x REAL, raw BLOB)")
    kinds = {"b": "boolean", "d": "date", "ts": "timestamp", "tz": "timestamptz", "n": "numeric", "x": "double"}
    told = {"files": [{"pattern": "*.csv", "columns": [{"source": k, "type": v} for k, v in kinds.items()]}]}
    (c.folder / "map.json").write_text(json.dumps(told))
    c.load("a.csv", "--mapping", "map.json")
    c.equal("rows of a table that others made", [(*stored, None)], c.rows("SELECT * FROM t"))
    told["files"][0]["columns"][5]["nullable"] = False
    (c.folder / "map.json").write_text(json.dumps(told))
    (c.folder / "null.csv").write_text(header + ",,,,,\n")
    _, error = c.load("null.csv", "--mapping", "map.json", wanted=3)
    c.has(error, "null.csv:2: row 1: column 6 'x'", "must have a value")
    (c.folder / "map.json").write_text(json.dumps(told).replace('"double"', '"date"').replace('"boolean"', '"date"'))
    _, error = c.load("b.csv", "--mapping", "map.json", wanted=1)
    c.has(error, "'b' is date in the mapping and INTEGER in the table; 'x' is date in the mapping and REAL in")
    (c.folder / "raw.csv").write_text("raw\n01\n")
    c.load("raw.csv")
    c.equal("a column of bytes keeps the text", [("01",)], c.rows("SELECT raw FROM t WHERE raw IS NOT NULL"))


@case
def types_of_postgres(c):
    """A mapping's narrower types go to columns that hold more; what cannot be filled is said in plain words."""
    (c.folder / "a.csv").write_text("n,d,k\n9007199254740993,2024-02-29,5\n1.5,2024-02-29,6\n2,2024-02-29 10:00,7\n")
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "columns": [
        {"source": "n", "type": "integer"}, {"source": "d", "type": "date"}, {"source": "k", "type": "integer"}]}]}))
    c.sql("CREATE TABLE t (n NUMERIC_TEXT, d TIMESTAMP, k INTEGER)")
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=3)
    c.equal("into SQLite", [("9007199254740993", "2024-02-29T00:00:00", 5)], c.rows("SELECT * FROM t"))
    c.has(error, "'1.5' is not a signed 64-bit integer", "'2024-02-29 10:00'")
    with c.server() as (url, _):
        c.psql(url, "CREATE DOMAIN small AS integer CHECK (VALUE < 10)")
        c.psql(url, "CREATE TABLE t (n numeric, d timestamp, k small, ip inet, span interval, list integer[])")
        _, error = c.load("a.csv", "--mapping", "map.json", into=url, wanted=3)
        c.equal("into PostgreSQL", "9007199254740993|2024-02-29 00:00:00|5|||", c.psql(url, "SELECT * FROM t"))
        (c.folder / "b.csv").write_text("k,ip,span,list\n1,::1,1 day,{1}\n")
        c.load("b.csv", "--dry-run", into=url)
        c.load("b.csv", into=url)
        c.equal("by a cast", "1|::1|1 day|{1}", c.psql(url, "SELECT k, ip, span, list FROM t WHERE k = 1"))
        (c.folder / "map.json").write_text((c.folder / "map.json").read_text().replace('"d", "type": "date"',
                                                                                       '"d", "type": "boolean"'))
        _, error = c.load("a.csv", "--mapping", "map.json", "--restart", into=url, wanted=1)
        c.has(error, "'d' is boolean in the mapping and timestamp without time zone in the table")
        c.psql(url, "DROP TABLE t; CREATE TABLE t (id bigint, j jsonb)")
        values = ['"5"', '"hello"', '{"a": [1]}', "2.50", "null"]
        (c.folder / "a.ndjson").write_text("".join(f'{{"id": {i}, "j": {value}}}\n' for i, value in enumerate(values)))
        c.load("a.ndjson", into=url)
        c.equal("JSON", '"5";"hello";{"a": [1]};2.50;-', c.psql(url, "SELECT string_agg(coalesce(j::text, '-'), ';' ORDER BY id) FROM t"))


@case
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
    c.sql("CREATE TABLE t(id int, a ANY) STRICT")
    (c.folder / "b.csv").write_text("id,a\n1,007\n2,1e2\n3,x\n")
    c.load("b.csv")
    c.equal("ANY", [("007",), ("1e2",), ("x",)], c.rows("SELECT a FROM t ORDER BY id"))
    c.database = c.folder / "loose.db"
    c.sql("CREATE TABLE t(id int, a ANY)")
    _, error = c.load("b.csv", wanted=3)
    c.has(error, "'007': SQLite would change this text to another number")


@case
def rounding(c):
    """PostgreSQL would round a number or a time to what its column holds: the row is rejected, unless the type is said."""
    (c.folder / "a.csv").write_text("id,n,h,t,z\n1,1.20,1200,2024-01-01T00:00:00.5,2024-01-01T00:00:00.25Z\n2,1.239,100,,\n3,12.5e-2,100,,\n"
                                    "4,1,1250,,\n5,1,100,2024-01-01T00:00:00.55,\n6,1,100,,2024-01-01T00:00:00.256Z\n7,0.000,0,,\n8,12000e-3,,,\n")
    with c.server() as (url, _):
        c.psql(url, "CREATE DOMAIN money2 AS numeric(10,2);"
                    "CREATE TABLE t(id int, n money2, h numeric(6,-2), t timestamp(1), z timestamptz(2))")
        _, error = c.load("a.csv", into=url, wanted=3)
        c.has(error, "a.csv:3: column 'n': the table would round '1.239' to 2 decimals; give the column more decimals, or allow rounding with --type n=numeric; the row begins at byte", "a.csv:4: column 'n': ", "a.csv:5: column 'h': ", "to -2 decimals",
              "a.csv:6: column 't': the table would round '2024-01-01T00:00:00.55' to 1 decimals", "a.csv:7: column 'z': ")
        c.equal("what is exact", "1|7|8", c.psql(url, "SELECT string_agg(id::text, '|' ORDER BY id) FROM t"))
        c.equal("as it was", "1.20|1200|00:00:00.5", c.psql(url, "SELECT n, h, t::time FROM t WHERE id = 1"))
        c.load("a.csv", "--restart", "--type", "n=numeric", "--type", "h=numeric", "--type", "t=timestamp", "--type", "z=timestamptz", into=url)
        c.equal("rounded", "1.24", c.psql(url, "SELECT n FROM t WHERE id = 2"))


@case
def widened(c):
    """--widen: a column gets a type for all its values, however late they come, and the summary says which."""
    rows = "".join(f"{i},94107,{i}\n" for i in range(1, 120_001))  # more than a megabyte
    (c.folder / "a.csv").write_text("id,zip,n\n" + rows + "120001,01220,1\n")
    (c.folder / "b.csv").write_text("id,zip,n\n" + rows + "5,7,0.5\n")
    for into in c.both():
        summary, error = c.load("a.csv", "b.csv", "--create", "--widen", into=into)
        c.equal("all rows are loaded", (240_002, 0), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
        c.equal("the code", "01220", c.select("SELECT zip FROM t WHERE id = 120001", into))
        c.equal("the fraction", "0.5", c.select("SELECT n FROM t WHERE id = 5 AND n < 1", into))
        c.equal("what was widened", [{"column": "zip", "from": "integer", "to": "text", "file": "a.csv"},
                                     {"column": "n", "from": "integer", "to": "double", "file": "b.csv"}], summary["widened"])
        c.has(error, "reading 2 files to the end", "widened: column 'zip' is text instead of integer, for a.csv",
              "table t of 2 files: id integer, zip text, n double")
    c.database = c.folder / "narrow.db"
    _, error = c.load("a.csv", "--create", wanted=3)
    c.has(error, "make the table with --type zip=text, or with --widen")
    c.run(*c.arguments("a.csv", "--widen"), wanted=2)


@case
def capitals_of_headers(c):
    """A later file whose header differs in capitals counts for the types, as it counts for the columns."""
    (c.folder / "a.csv").write_text("id,zip\n1,94107\n")
    (c.folder / "b.csv").write_text("ID,ZIP\n2,01220\n")
    c.load("a.csv", "b.csv", "--create")
    c.equal("rows", [(1, "94107"), (2, "01220")], c.rows("SELECT id, zip FROM t ORDER BY id"))


@case
def first_and_last_year(c):
    """A time that is outside the years 1 to 9999 in UTC stays a text."""
    times = ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"]
    (c.folder / "a.csv").write_text("id,a,b,c\n" + f"1,{times[0]},{times[1]},9999-12-31T23:59:59Z\n")
    for into in c.both():
        _, error = c.load("a.csv", "--create", into=into)
        c.has(error, "a text, b text, c timestamptz")
        c.equal("texts", "|".join(times), c.select("SELECT a, b FROM t", into))


@case
def widened_json(c):
    """--widen: members that first come late have columns, too."""
    (c.folder / "a.json").write_text("".join(f'{{"id": {i}, "text": "{"x" * 60}"}}\n' for i in range(20_000)) +
                                     '{"id": "A1", "late": 5}\n')
    summary, _ = c.load("a.json", "--create", "--widen")
    c.equal("all rows are loaded", (20_001, 0), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
    c.equal("the last one", [("A1", None, 5)], c.rows("SELECT id, text, late FROM t WHERE late IS NOT NULL"))


@case
def generated_columns(c):
    """A file with a column that the table computes is refused, and the message names the column and the remedy."""
    (c.folder / "a.csv").write_text("id,twice,name\n1,2,a\n")
    (c.folder / "a.ndjson").write_text('{"id":1,"twice":2,"name":"a"}\n')
    (c.folder / "places.csv").write_text("1,a\n")
    (c.folder / "m.json").write_text(json.dumps({"files": [{"pattern": "*", "columns": [{"source": "id"}, {"source": "name"}]}]}))
    for into in c.both():
        make = "CREATE TABLE t (id int, twice int GENERATED ALWAYS AS (id * 2) STORED NOT NULL, name text)"
        c.psql(into, make) if into else c.sql(make)
        for file in ("a.csv", "a.ndjson"):
            _, error = c.load(file, into=into, wanted=1)
            c.has(error, f"{file}: the table t computes the column 'twice' itself (GENERATED ALWAYS AS): give a mapping whose")
            c.lacks(error, "has no column")
        c.load("a.csv", "--mapping", "m.json", into=into)
        c.load("places.csv", "--header-rows", "0", into=into)
        c.equal("rows", "1|2|a\n1|2|a", c.select("SELECT id, twice, name FROM t", into))
