"""Types of PostgreSQL that texts are cast to: one value that a type refuses or would change costs one row."""
import json
import os
import subprocess

from csv_case import case


@case
def refused_casts(c):
    """A text that a type refuses rejects its own row, whatever the SQLSTATE, and the message names column and value."""
    bad = {"json": "{x", "jsonb": '{"a": 1', "tsquery": "a b", "tsvector": "'a", "jsonpath": "$.", "regclass": "no_such_table", "regtype": "no_such_type",
           "regproc": "no_such_function", "int4range": "[5,1]", "bytea": "\\xZZ", "int[]": "{x}"}
    good = {"json": "{}", "jsonb": "{}", "tsquery": "a", "tsvector": "a", "jsonpath": "$.a", "regclass": "pg_class", "regtype": "int4", "regproc": "pg_sleep",
            "int4range": "[1,5)", "bytea": "\\x01", "int[]": "{1}"}
    with c.server() as (url, _):
        for type, value in bad.items():
            c.psql(url, f"CREATE TABLE t (id int PRIMARY KEY, other inet, v {type})")
            cell = value.replace('"', '""')
            (c.folder / "a.csv").write_text("id,other,v\n" + "".join(
                f'{i},10.0.0.1,"{cell if i == 500 else good[type]}"\n' for i in range(1, 1001)))
            for how in ([], ["--restart", "--on-conflict", "update"]):
                summary, error = c.load("a.csv", *how, into=url, wanted=3)
                c.equal(f"{type} {how}", (999, 1), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
                c.has(error, "a.csv:501: ", f"(column 'v': '{value}')")
                c.lacks(error, "create it, or name its schema")
            c.equal(f"{type}: rows", "999", c.psql(url, "SELECT count(*) FROM t"))
            c.psql(url, "DROP TABLE t")
        # An error that no value is to blame for fails the file, and no row is rejected for it.
        c.psql(url, "CREATE TABLE t (id int, v tsquery); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$BEGIN INSERT INTO no_such_table VALUES (1); RETURN new; END$$;"
                    "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()")
        (c.folder / "b.csv").write_text("id,v\n" + "".join(f"{i},a\n" for i in range(1000)))
        summary, error = c.load("b.csv", into=url, wanted=1)
        c.equal("a trigger that is wrong", (0, 0), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
        c.has(error, "no_such_table")


def fill_columns(c, url, table):
    """Loads into a column of each type: of each, the values that the type holds, and those that it would change."""
    for type, (kept, changed) in table.items():
        c.psql(url, f"CREATE TABLE t (id int, v {type})")
        rows = [*kept, *changed]
        (c.folder / "a.csv").write_text("id,v\n" + "".join('{},"{}"\n'.format(i, v.replace('"', '""')) for i, v in enumerate(rows)))
        summary, error = c.load("a.csv", into=url, wanted=3)
        c.equal(f"{type}: loaded", "|".join(str(i) for i in range(len(kept))), c.psql(url, "SELECT string_agg(id::text, '|' ORDER BY id) FROM t"))
        c.equal(f"{type}: rejected", len(changed), summary["rows"]["rejected"])
        c.has(error, "a.csv:", "column 'v': the table would ", "with --type v=text")
        c.load("a.csv", "--restart", "--type", "v=text", into=url)
        c.psql(url, "DROP TABLE t")


@case
def rounded_texts(c):
    """Times, intervals, arrays and money keep the digits that they are given, or the row is rejected."""
    table = {  # type: (values that the type holds, values that it would change)
        "time(0)": (["10:30:00", "10:30:00.0"], ["10:30:00.7"]),
        "timetz(0)": (["10:30:00+05"], ["10:30:00.7+05"]),
        "time": (["10:30:00.123456"], ["10:30:00.1234567"]),
        "interval": (["1.5 hours", "1 day 00:00:00.25", "0.123456 s"], ["00:00:00.1234567", "0.1234567 seconds"]),
        "interval(1)": (["0.25 hours", "1.5 s", "100 ms"], ["1.25 s", "0.00001 hours", "10 ms", "1.25"]),
        "interval[]": (['{"1.5 hours","0.123456 s"}'], ['{"1 s","1.0000001 years"}']),
        "interval ": (["1.5 years", "0.1 decades", "0.3 months", "1.1 days", "P1Y2.5M", "PT1.5M", "1-2", "1.5 ms", "7"],
                      ["1.05 years", "1.0000001 years", "0.3333333333333 hours", "1.2345678 ms", "P1.1Y", "0.1234567"]),
        "interval year": (["2 years", "1 century", "P3Y", "0 days"], ["1 year 2 months", "1.5 years", "2", "3 days"]),
        "interval year to month": (["1-2", "14 months", "1 year"], ["1.5 months", "1 month 1 day"]),
        "interval hour": (["1 day 5 hours"], ["90 minutes", "1:30", "1.5 hours"]),
        "interval hour to minute": (["10:30", "90 minutes"], ["10:30:05", "30 s"]),
        "part": (["(1,2.34,x)", "(,,)", "(1,2.34,3.14159)"], ["(1,2.345,x)"]),
        "part[]": (['{"(1,2.34,x)"}'], ['{"(1,2.345,x)"}']),
        "tsrange": (['[2024-01-01 10:00:00.5,2024-01-02)'], ['[2024-01-01 10:00:00.1234567,2024-01-02)']),
        "timestamp(2)[]": (['{"2024-01-01 10:00:00.12","2024-01-01 10:00:00.5"}'], ['{"2024-01-01 10:00:00.125"}']),
        "numeric(5,2)[]": (["{1.5,2.25}", "{}", "{NULL,1.500}"], ["{1.5,2.255}"]),
        "money": (["$1.50", "1,234.5", "($5)", "12,34,567.00", "-1"], ["1.555", "1,5", "12,34"]),
        '"char"': (["a"], ["abc"]),
        "jsonb": (['{"a":1,"b":{"a":2},"c":[{"a":"{"},{"a":3}]}', '"a"', "[]", '{"a\\"":1,"a":2}'],
                  ['{"a":1,"a":2}', '[{"x":{"a":1,"b":2,"\\u0061":3}}]']),
        "varchar(3)": (["abc", "żó ", "", "   "], ["abc ", "żół  ", "    "]),
    }
    with c.server() as (url, _):
        c.psql(url, "CREATE TYPE part AS (a int, b numeric(5,2), c text)")
        fill_columns(c, url, table)


@case
def misread_texts(c):
    """A text that a type would take for another value without an error costs its row: signs, zones, second 60, hour 24, blanks."""
    with c.server() as (url, _):
        fill_columns(c, url, {
            "money[]": (['{$1.50,"1,234.50",NULL}', "{}"], ["{1.555}", '{"1,5"}']),
            "oid": (["0", "4294967295"], ["-1"]),
            "xid": (["0", "4294967295"], ["-1", "010", "abc", "1.5", "4294967296"]),
            "xid8": (["18446744073709551615"], ["-1", "18446744073709551616"]),
            "oid[]": (["{1,2}", "{NULL}", "{}"], ["{1,-1}"]),
            "oidvector": (["1 2"], ["1 -2"]),
            "tid": (["(0,1)"], ["(-1,1)"]),
            "time ": (["23:59:59", "24:00:00", "08:00 PM", "T103000", "103000"],
                      ["23:59:60", "235960", "10:30:00+05", "10:30 CET", "10:30Z", "2024-01-01 10:30", "now"]),
            "timetz": (["10:30+05", "10:30-05:30", "10:30 PM CET", "10:30Z", "allballs"], ["23:59:60+00", "2024-01-01 10:30+02", "10:30", "10:30 PM"]),
            "timetz[]": (["{10:30+05,11:00Z}"], ["{10:30+05,11:00}"]),
            "time[]": (["{10:30,11:30:15.5}"], ['{"10:30+02"}', "{23:59:60}"]),
            "timestamp[]": (['{"2024-01-01 10:00:00","2024-01-02T23:59:59"}', "{-infinity}", '{"Jan 5 2024 10:30 PM"}'],
                            ['{"2024-01-01 24:00:00"}', '{"2024-01-01 23:59:60"}', '{"2024-01-01 10:00+02"}', "{2024-01-01T10:00Z}", "{today}"]),
            "timestamptz[]": (['{"2024-01-01 10:00:00+02"}', "{2024-01-01T10:00Z}", "{infinity,epoch}"],
                              ['{"2024-01-01 10:00:00"}', "{2024-01-01}", '{"Jan 5 2024 10:30"}', '{"2024-01-01 24:00:00+00"}', '{"2024-01-01 23:59:60Z"}']),
            "tsrange ": (["[2024-01-01 10:00,2024-01-02)"], ["[2024-01-01 10:00,2024-01-02 24:00)", "[2024-01-01 10:00+02,)"]),
            "tstzrange": (["[2024-01-01 10:00+02,2024-01-02 00:00-05)"], ["[2024-01-01 10:00+02,2024-01-02 24:00-05)"]),
            "date[]": (["{2024-01-01,infinity}", "{5-Jan-2024,20240101,2024/1/5}"], ["{2024-01-01 10:00}", "{tomorrow}", "{01/02/2024}", "{1-2-2024}"]),
            "daterange": (["[2024-01-01,2024-01-03)"], ["[2024-01-01 10:00,2024-01-03)"]),
            "varchar(3)[]": (['{abc,"żó ",NULL,""}', "{{a,b},{c,d}}", "[0:1]={a,b}", "{a , b }", '{"a\\"b"}'],
                             ['{"abc "}', '{{a,b},{c,"żół  "}}', '{"    "}', "{abc\\ }"]),
        })


@case
def types_within_types(c):
    """The limits of a type also hold within arrays, composite types, ranges, and domains over these."""
    with c.server() as (url, _):
        c.psql(url, "CREATE DOMAIN code AS varchar(3); CREATE DOMAIN codes AS code[]; CREATE TYPE inner_part AS (c char(2), at timestamptz(0), name name);"
                    "CREATE TYPE outer_part AS (a varchar(3), m money, i inner_part[], d codes, j jsonb, f real);"
                    "CREATE TYPE floats AS RANGE (subtype = float8); CREATE TYPE times AS RANGE (subtype = time)")
        fill_columns(c, url, {
            "codes": (['{abc,"żó "}'], ['{"abc "}']),
            "outer_part": (["(abc,,,,,)", '(" a","$1,234.50",,,,)', '("a ",,"{""(ab,2024-01-01 10:00:00Z,n)""}","{abc}","{""a"":1}",0.5)'],
                           ["(abc ,,,,,)", '("abc ",,,,,)', '(,1.555,,,,)', '(,,"{""(ab ,,)""}",,,)', '(,,"{""(ab,2024-01-01 10:00:00.5Z,)""}",,,)',
                            '(,,"{""(ab,2024-01-01 10:00:00,)""}",,,)', f'(,,"{{""(,,{"n" * 64})""}}",,,)', '(,,,"{""abc ""}",,)',
                            '(,,,,"{""a"":1,""a"":2}",)', "(,,,,,0.123456789)"]),
            "char(3)": (["abc", "ab ", "a", ""], ["abc ", "ab  "]),
            "name[]": (["{" + "n" * 63 + "}"], ["{" + "n" * 64 + "}"]),
            '"char"[]': (["{a,b}"], ["{a,bc}"]),
            "jsonb[]": (['{"{\\"a\\":1}"}'], ['{"{\\"a\\":1,\\"a\\":2}"}']),
            "floats": (["[0.1,0.2)", "(,1e300)", "empty"], ["[0.1,0.2000000000000000001)"]),
            "times": (["[10:00,11:00)"], ["[10:00,23:59:60)", "[10:00+02,11:00)"]),
        })


@case
def digits_of_floats(c):
    """A number whose digits a double or float does not keep costs its row; those that either type prints are kept."""
    with c.server() as (url, _):
        seventeen = ["0.1", "0.10000000000000001", "0.30000000000000004", "1e3", "1E+300", "-0.0", "123456789012345", "5e-324", "100000000000000000000",
                     "0.1000000000000000055511151231257827", "NaN", "-Infinity"]
        beyond = ["0.1234567890123456789", "9007199254740993", "9.99999999999999999999", "1.23456789e-320", "-0.3333333333333333333333"]
        fill_columns(c, url, {
            "float8[]": (["{" + ",".join(seventeen) + "}", "{NULL}", "{{1.5,2},{3,4}}"], ["{1," + n + "}" for n in beyond]),
            "real[]": (["{0.1,3.1415927}"], ["{3.14159265}", "{16777217}"]),
            "point": (["(0.1,-2)", "1e3,5"], ["(0.1234567890123456789,0)"]),
            "box": (["(1,1),(0,0.5)"], ["(1,1),(0,0.1234567890123456789)"]),
            "box[]": (["{(1,1),(0,0);(2,2),(1,1)}"], ["{(1,1),(0,0);(2,2),(1,1.00000000000000000001)}"]),
            "path": (["[(0,0),(1,1)]"], ["[(0,0),(1,0.1234567890123456789)]"]),
            "polygon": (["((0,0),(1,1))"], ["((0,0),(1,0.1234567890123456789))"]),
            "circle": (["<(0,0),1.5>"], ["<(0,0),0.1234567890123456789>"]),
            "line": (["{1,2.5,3}"], ["{1,2.5,0.1234567890123456789}", "[(0,0),(3,1)]", "(0,0),(3,1)"]),
        })
        single = (["0.1", "3.1415927", "16777216", "1e38", "0.100000001"], ["3.14159265", "16777217", "1e-46", "0.1234567890123456789"])
        for type, (kept, changed) in {"double precision": (seventeen, beyond), "real": single}.items():
            c.psql(url, f"CREATE TABLE t (id int, v {type})")
            (c.folder / "a.csv").write_text("id,v\n" + "".join(f"{i},{v}\n" for i, v in enumerate(kept + changed)))
            _, error = c.load("a.csv", into=url, wanted=3)
            c.equal(f"{type}: loaded", "|".join(map(str, range(len(kept)))), c.psql(url, "SELECT string_agg(id::text, '|' ORDER BY id) FROM t"))
            c.equal(f"{type}: the option is named", len(changed), error.count("--type v=double"))
            c.load("a.csv", "--restart", "--type", "v=double", into=url)
            c.psql(url, "DROP TABLE t")
        # SQLite has the same rule.
        c.sql("CREATE TABLE t (id int, v REAL)")
        (c.folder / "a.csv").write_text("id,v\n" + "".join(f"{i},{v}\n" for i, v in enumerate(seventeen[:10] + beyond)))
        (c.folder / "b.ndjson").write_text("".join(f'{{"id": {100 + i}, "v": {v}}}\n' for i, v in enumerate(seventeen[:10] + beyond)))
        _, error = c.load("a.csv", "b.ndjson", wanted=3)
        c.equal("SQLite", [(i,) for i in (*range(10), *range(100, 110))], c.rows("SELECT id FROM t ORDER BY id"))
        c.has(error, "'0.1234567890123456789' is not a number of which a double keeps all digits", "--type v=double allows rounding")
        c.load("a.csv", "b.ndjson", "--restart", "--type", "v=double")


@case
def hstore_and_words(c):
    """hstore would drop a pair whose key occurs twice, and tsvector would change a large position."""
    with c.server() as (url, _):
        if c.psql(url, "SELECT count(*) FROM pg_available_extensions WHERE name IN ('hstore', 'cube')") == "2":
            c.psql(url, "CREATE EXTENSION hstore; CREATE EXTENSION cube")
            fill_columns(c, url, {
                "hstore": (["a=>1,b=>NULL", '"a b"=>"x, a=>y", b=>"=>"', ""], ["a=>1, a=>2", '"a"=>"x, y",b=>1,a=>2', '"a,"=>1,b=>2,"a,"=>"3"']),
                "cube": (["(0.1,2),(3,4)"], ["(0.1234567890123456789)"]),
            })
        fill_columns(c, url, {"tsvector": (["fat cat fat", "'a b':1,16383A"], ["a:1,16384", "a:99999999999"])})


@case
def amounts_of_other_languages(c):
    """A server of another language reads amounts of money differently: none becomes another amount without an error."""
    amounts = {"de_DE": (["1,5", "1.234,56", "7", "1.234"], ["1.5", "1.50", "1,555"]), "ja_JP": (["2", "1,000", "7.0"], ["1.5", "2,5"])}
    places = c.folder / "locales"
    places.mkdir()
    for name in amounts:
        made = subprocess.run(["localedef", "-i", name, "-f", "UTF-8", places / f"{name}.UTF-8"], check=False, capture_output=True)
        if made.returncode > 1:  # 1 is a warning
            raise AssertionError(f"the sources of locales are missing: install the package locales: {made.stderr.decode()}")
    for path in (c.folder, *places.rglob("*"), places):  # the server runs as another user
        path.chmod(0o755)
    os.environ["LOCPATH"] = str(places)
    try:
        server = c.server()
        url, _ = server.__enter__()
    finally:
        del os.environ["LOCPATH"]
    try:
        for name, (kept, changed) in amounts.items():
            c.psql(url, f"DROP TABLE IF EXISTS t; CREATE TABLE t (id int, v money); ALTER ROLE postgres SET lc_monetary = '{name}.UTF-8'")
            (c.folder / "a.csv").write_text("id,v\n" + "".join(f'{i},"{v}"\n' for i, v in enumerate([*kept, *changed])))
            summary, error = c.load("a.csv", "--restart", into=url, wanted=3)
            c.equal(f"{name}: loaded", "|".join(str(i) for i in range(len(kept))), c.psql(url, "SELECT string_agg(id::text, '|' ORDER BY id) FROM t"))
            c.equal(f"{name}: rejected", len(changed), summary["rows"]["rejected"])
            c.has(error, "column 'v': the table would take another amount for '1.5'", "with --type v=text")
    finally:
        server.__exit__(None, None, None)


@case
def limits_of_columns(c):
    """A value that its column refuses, though a cast to its type would take it, is an error that names the column."""
    bad = {"bit(3)": ("101", "1011"), "bit varying(3)": ("101", "1011"), "bit(3)[]": ("{101}", "{1011}"),
           "numeric(3,1)[]": ("{1.5}", "{1234}"), "varchar(3)[]": ("{abc}", "{abcd}")}
    with c.server() as (url, _):
        for type, (good, value) in bad.items():
            c.psql(url, f"CREATE TABLE t (id int PRIMARY KEY, other inet, v {type})")
            (c.folder / "a.csv").write_text("id,other,v\n" + "".join(f'{i},10.0.0.1,"{value if i == 7 else good}"\n' for i in range(1, 21)))
            for how in ([], ["--restart", "--on-conflict", "update"]):
                summary, error = c.load("a.csv", *how, into=url, wanted=3)
                c.equal(f"{type} {how}", (19, 1), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
                c.has(error, "a.csv:8: ", f"(column 'v': '{value}')")
            c.psql(url, "DROP TABLE t")


@case
def keys_that_are_cast(c):
    """Keys of a type that texts are cast to are compared as values of that type, in each mode of --on-conflict."""
    keys = {"inet": ("10.0.0.1", "10.0.0.1/32"), "interval": ("1 day", "24:00:00"), "int4range": ("[1,2]", "[1,3)"), "macaddr": ("08:00:2b:01:02:03", "08-00-2b-01-02-03")}
    wanted = {"ignore": "first", "update": "third", "replace": "third"}
    with c.server() as (url, _):
        for type, (key, same) in keys.items():
            (c.folder / "a.csv").write_text(f'k,v\n"{key}",first\n"{same}",second\n')
            (c.folder / "b.csv").write_text(f'k,v\n"{same}",third\n')
            for how, kept in wanted.items():
                c.psql(url, f"CREATE TABLE t (k {type} PRIMARY KEY, v text)")
                for file in ("a.csv", "b.csv"):
                    c.load(file, "--on-conflict", how, into=url)
                c.equal(f"{type} {how}", kept, c.psql(url, "SELECT v FROM t"))
                c.psql(url, "DROP TABLE t")


@case
def texts_that_look_like_arrays(c):
    """JSON arrays become arrays of PostgreSQL. A text that only begins like one is what the server takes it for."""
    texts = ["[{", '["abc', '["', '["\\q"]', "[n", "[", "[1,2", "[0:1]={a,b}", '["x", null]', "{a,NULL}"]
    lines = [json.dumps({"id": i, "tags": text}) for i, text in enumerate(texts)]
    lines += [json.dumps({"id": 20, "tags": ["a", 'b\\"c', None, "NULL", "", {"d": [1, "]"]}]}), json.dumps({"id": 21, "tags": []})]
    (c.folder / "a.ndjson").write_text("\n".join(lines) + "\n")
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE t (id int, tags text[])")
        summary, error = c.load("a.ndjson", into=url, wanted=3)
        c.equal("rejected", 7, summary["rows"]["rejected"])
        c.has(error, "malformed array literal", "a.ndjson:1: ")
        c.equal("arrays", [[7, ["a", "b"]], [8, ["x", None]], [9, ["a", None]],
                           [20, ["a", 'b\\"c', None, "NULL", "", '{"d":[1,"]"]}']], [21, []]],
                json.loads(c.psql(url, "SELECT json_agg(json_build_array(id, tags) ORDER BY id) FROM t")))
        documents = [[], ["1", "true", "null", None, 1.10, [2, ",\"]"], {"a": "}"}], ["x"], [[]]]
        (c.folder / "b.ndjson").write_text("".join(json.dumps({"id": i, "d": d}) + "\n" for i, d in enumerate(documents)))
        for type in ("jsonb", "json"):
            c.psql(url, f"CREATE TABLE {type}s (id int, d {type}[])")
            c.run(*c.arguments("b.ndjson", into=url, table=f"{type}s"), wanted=0)
            c.equal(f"{type}[]", documents, json.loads(c.psql(url, f"SELECT json_agg(to_json(d) ORDER BY id) FROM {type}s")))
        c.equal("numbers of elements", "0 7 1 1", c.psql(url, "SELECT string_agg(cardinality(d)::text, ' ' ORDER BY id) FROM jsonbs"))


@case
def views_and_policies(c):
    """Views and tables with row-level security, which COPY refuses, are filled; a row that a policy refuses costs one row."""
    (c.folder / "a.csv").write_text("id,t\n1,a\n2,b\n3,c\n")
    with c.server() as (url, _):
        c.psql(url, "CREATE TABLE base (id int, t text); CREATE VIEW v AS SELECT * FROM base WHERE id <> 2 WITH CHECK OPTION;"
                    "CREATE TABLE t (id int, t text); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
                    "CREATE POLICY p ON t USING (true) WITH CHECK (id <> 2);"
                    "CREATE ROLE clerk LOGIN PASSWORD 'x'; GRANT ALL ON SCHEMA public TO clerk;"
                    "CREATE MATERIALIZED VIEW m AS SELECT 1 AS id, 'a' AS t")
        c.run(*c.arguments("a.csv", into=url, table="v"), wanted=3)
        c.equal("a view", "1|a\n3|c", c.psql(url, "SELECT * FROM base ORDER BY id"))
        c.psql(url, "GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
        as_clerk = url.replace("postgres:secret", "clerk:x")
        _, error = c.load("a.csv", into=as_clerk, wanted=3)
        c.equal("a table with a policy", "1|a\n3|c", c.psql(url, "SELECT * FROM t ORDER BY id"))
        c.has(error, "a.csv:3: ", "row-level security policy", "say which rows this user may write")
        c.psql(url, "REVOKE ALL ON t FROM clerk")
        summary, error = c.load("a.csv", "--restart", into=as_clerk, wanted=1)
        c.has(error, "permission denied for table t: GRANT what is missing to this user")
        c.equal("no row is blamed", 0, summary["rows"]["rejected"])
        _, _, error = c.run(*c.arguments("a.csv", "--quiet", into=url, table="m"), wanted=1)
        c.has(error, "materialized view", "name a table, or a view that takes rows")


@case
def long_names_of_tables(c):
    """PostgreSQL would cut off a long name, so that two tables are one: such a name is refused."""
    (c.folder / "a.csv").write_text("id\n1\n")
    with c.server() as (url, _):
        for table in ("m" * 66, "public." + "m" * 66, "m" * 66 + ".t"):
            _, _, error = c.run(*c.arguments("a.csv", "--create", into=url, table=table), wanted=2)
            c.has(error, "has 66 bytes, and PostgreSQL truncates names at 63")
        c.run(*c.arguments("a.csv", "--create", into=url, table="public." + "m" * 63), wanted=0)


@case
def latin1_database(c):
    """In a database that is not UTF-8, a character that it lacks costs one row; progress and rejects keep all characters."""
    (c.folder / "ä€.csv").write_text("id,z\n1,ä\n2,€\n3,x\n4,5,€\n")
    with c.server() as (url, _):
        c.psql(url, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        into = url.removesuffix("postgres") + "latin"
        summary, error = c.load("ä€.csv", "--create", "--rejects", "r.csv", into=into, wanted=3)
        c.equal("rows", (2, 2), (summary["rows"]["loaded"], summary["rows"]["rejected"]))
        c.equal("those of the table", "1|ä\n3|x", c.psql(into, "SET client_encoding = 'UTF8'; SELECT * FROM t ORDER BY id"))
        c.has(error, "ä€.csv:3: ", "0xe2 0x82 0xac", "ä€.csv:5:")
        c.has((c.folder / "r.csv").read_text(), "ä€.csv", "2,€", '"4,5,€"')
        summary, _ = c.load("ä€.csv", into=into)
        c.equal("loaded before", 1, summary["loaded_before"])
