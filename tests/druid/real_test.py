#!/usr/bin/env python3
"""Tests etl-druid on a real Druid that scripts/druid_for_tests.sh has started.

    real_test.py PROGRAM [CASE...]   all cases without CASE
    real_test.py --list              names of the cases

ETLPIPE_DRUID is the folder of the cluster, which was started with DRUID_S3 for the case `s3`. ETLPIPE_DRUID_AUTH is
that of a cluster with authentication.
"""
import gzip
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent.parent / "scripts" / "druid_for_tests.sh"
HEADER = "sold_at,product,quantity,price,shop"
SALES = [("2024-01-01T10:00:00Z", "apple", 3, 1.5, "north"), ("2024-01-02T10:00:00Z", 'a, "b"', 4, 2.0, "south"),
         ("2024-01-02T11:00:00Z", "pear", 5, 0.25, "north"), ("2024-01-02T11:00:00Z", "Äpfel 東", 6, 4.0, "south")]


def quoted(value):
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"') else text


def csv_of(rows):
    return "\n".join([HEADER, *(",".join(quoted(cell) for cell in row) for row in rows)]) + "\n"


def json_of(rows):
    return "".join(json.dumps(dict(zip(HEADER.split(","), row)), ensure_ascii=False) + "\n" for row in rows)


def write_workbook(path, rows):
    """The smallest workbook: one sheet, texts in the cells."""
    def cell(value):
        if isinstance(value, str):
            text = value.replace("&", "&amp;").replace("<", "&lt;")
            return f'<c t="inlineStr"><is><t>{text}</t></is></c>'
        return f"<c><v>{value}</v></c>"
    lines = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in [HEADER.split(","), *rows])
    kinds = "http://schemas.openxmlformats.org/"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{kinds}package/2006/content-types"><Default Extension="xml" '
                      'ContentType="application/xml"/><Default Extension="rels" ContentType="application/vnd.'
                      'openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType='
                      '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>')
        book.writestr("_rels/.rels", f'<Relationships xmlns="{kinds}package/2006/relationships"><Relationship Id="r1" '
                      f'Type="{kinds}officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>'
                      '</Relationships>')
        book.writestr("xl/workbook.xml", f'<workbook xmlns="{kinds}spreadsheetml/2006/main" xmlns:r="{kinds}'
                      'officeDocument/2006/relationships"><sheets><sheet name="Sales" sheetId="1" r:id="r1"/></sheets>'
                      '</workbook>')
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{kinds}package/2006/relationships">'
                      f'<Relationship Id="r1" Type="{kinds}officeDocument/2006/relationships/worksheet" '
                      'Target="worksheets/sheet1.xml"/></Relationships>')
        book.writestr("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{kinds}spreadsheetml/2006/main"><sheetData>'
                      f"{lines}</sheetData></worksheet>")


def many(count):
    """Rows that take a task some seconds."""
    return [(f"2024-02-{1 + i % 28:02}T{i % 24:02}:{i % 60:02}:00Z", f"p{i % 977}", i, i / 4, f"s{i % 31}")
            for i in range(count)]


def sums(rows):
    return {"n": len(rows), "q": sum(row[2] for row in rows), "p": float(sum(row[3] for row in rows))}


class Case:
    def __init__(self, program, folder, name):
        self.program, self.folder = program, folder
        self.cluster = pathlib.Path(os.environ["ETLPIPE_DRUID_AUTH" if name.startswith("auth") else "ETLPIPE_DRUID"])
        self.url = (self.cluster / "url").read_text().strip()
        self.name = f"t_{name}_{os.getpid()}"  # a cluster may be used again
        self.environment = {**os.environ, "DRUID_URL": self.url, "no_proxy": "127.0.0.1"}

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, path, *arguments, source=None, stage=None):
        return [self.program, "load", str(path), "--datasource", source or self.name, "--stage",
                stage or str(self.folder / "stage"), *arguments]

    def start(self, command):
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment)

    def run(self, command, expected=0, **environment):
        done = subprocess.run(command, capture_output=True, timeout=200, check=False, encoding="utf-8",
                              env={**self.environment, **environment})
        said = done.stdout + done.stderr
        assert done.returncode == expected, f"exit code {done.returncode}, not {expected}: {said}"
        return said

    def query(self, sql):
        return [json.loads(line) for line in self.run([self.program, "query", sql]).splitlines()]

    def first(self, sql):
        return self.query(sql)[0]

    def sums(self, source=None):
        """A load waits until the broker knows the datasource, so the query is understood."""
        return self.first(f'SELECT COUNT(*) n, SUM("quantity") q, SUM("price") p FROM "{source or self.name}"')

    def expect(self, wanted, source=None):
        """Brokers lag behind the coordinator, which says what is loaded, by about a second."""
        end = time.monotonic() + 15
        while (found := self.sums(source)) != wanted and time.monotonic() < end:
            time.sleep(0.2)
        assert found == wanted, f"{found}, not {wanted}"

    def wait_for_task(self, process):
        """The id of the datasource's running task, or nothing when the program has ended before."""
        while process.poll() is None:
            got = subprocess.run(["curl", "-sf", "--noproxy", "*", self.url + "/druid/indexer/v1/tasks?state=running&"
                                  f"datasource={self.name}"], capture_output=True, check=False).stdout
            tasks = json.loads(got or "[]")
            if tasks:
                return tasks[0]["id"]
            time.sleep(0.05)
        return None

    def left(self):
        return [path for path in (self.folder / "stage").rglob("*") if path.is_file()]


def case_modes(case):
    """Each format in both modes; the sums are those of the file, and nothing stays behind."""
    book = case.folder / "sales.xlsx"
    write_workbook(book, SALES)
    packed = case.folder / "sales.json.gz"
    packed.write_bytes(gzip.compress(json_of(SALES).encode()))
    once, twice, thrice = sums(SALES), sums(SALES * 2), sums(SALES * 3)
    for kind, path in (("csv", case.file("sales.csv", csv_of(SALES))), ("json", packed), ("xlsx", book)):
        source = f"{case.name}_{kind}"
        said = case.run(case.load(path, "--mode", "replace", source=source))
        assert "complete: 4 rows" in said, said
        for stage in ("types", "validate and stage", "submit", "task", "report", "segments", "clean up", "total"):
            assert f"{stage} " in said, said
        case.expect(once, source)
        case.run(case.load(path, "--mode", "replace", source=source))
        case.expect(once, source)
        case.run(case.load(path, "--mode", "append", source=source))
        case.expect(twice, source)
        assert "from an earlier start" in case.run(case.load(path, "--mode", "append", source=source))
        case.expect(twice, source)
        case.run(case.load(path, "--mode", "append", "--run", "again", source=source))
        case.expect(thrice, source)
        rows = case.query(f'SELECT DISTINCT "product" FROM "{source}"')
        assert {row["product"] for row in rows} == {row[1] for row in SALES}, rows
    assert not case.left(), case.left()


def case_wikiticker(case):
    """20,000 rows of the tutorial, where the shared data is."""
    data = pathlib.Path(os.environ.get("ETLPIPE_TEST_DATA", HERE.parents[2] / "shared" / "data")) / "druid"
    if not data.is_dir():
        return print("the shared data is not there")
    expected = dict(line.split(",", 1) for line in (data / "expected_wikiticker.csv").read_text().splitlines())
    case.run(case.load(data / "data" / "wikiticker_first20000.ndjson.gz", "--mode", "replace", "--max-null-share", "1"))
    wanted = {"n": int(expected["rows"]), "a": int(expected["sum_added"]), "d": int(expected["sum_deleted"]),
              "e": int(expected["sum_delta"])}
    sql = f'SELECT COUNT(*) n, SUM("added") a, SUM("deleted") d, SUM("delta") e FROM "{case.name}"'
    end = time.monotonic() + 15
    while (found := case.first(sql)) != wanted and time.monotonic() < end:
        time.sleep(0.2)
    assert found == wanted, found
    times = case.query(f'SELECT MIN(__time) a, MAX(__time) b FROM "{case.name}"')[0]
    assert times == {"a": expected["min_time"], "b": expected["max_time"]}, times


def case_bad_row(case):
    """A row that cannot be parsed fails the load, or goes to the dead letters with its text."""
    bad = ("2024-99-99T00:00:00Z", "bad", 7, 1.0, "north")
    path = case.file("bad.csv", csv_of([SALES[0], bad, *SALES[1:]]))
    said = case.run(case.load(path, "--mode", "replace", "--time", "sold_at"), 1)
    assert "Max parse exceptions[0] exceeded" in said and "2024-99-99" in said, said
    letters = case.folder / "letters.ndjson"
    accept = ["--mode", "replace", "--time", "sold_at", "--max-bad-rows", "2", "--rejects", str(letters)]
    said = case.run(case.load(path, *accept), 3)
    assert "complete with rejects" in said and "1 unparseable" in said, said
    case.expect(sums(SALES))
    (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
    payload = json.loads(letter["payload"])
    assert payload == {"sold_at": bad[0], "product": "bad", "quantity": "7", "price": "1.0", "shop": "north"}, letter
    assert "2024-99-99" in letter["errors"][0], letter
    case.run(case.load(path, *accept), 3)
    ids = {json.loads(line)["id"] for line in letters.read_text().splitlines()}
    assert len(ids) == 1, ids  # the row of a repeated load is the same letter
    none = case.file("none.csv", csv_of([bad, bad]))
    said = case.run(case.load(none, *accept), 1)
    assert "no row was kept" in said, said
    case.expect(sums(SALES))


def case_types(case):
    """A datasource that has other types is not mixed with rows that do not fit."""
    path = case.file("sales.csv", csv_of(SALES))
    case.run(case.load(path, "--mode", "replace", "--type", "quantity=string"))
    said = case.run(case.load(path, "--mode", "append"), 1)
    assert "column 'quantity' is VARCHAR, and the new rows have BIGINT" in said, said
    case.run(case.load(path, "--mode", "append", "--type", "quantity=string"))
    assert "is VARCHAR" in case.run(case.load(path, "--mode", "append", "--allow-type-changes"))
    mixed = case.file("mixed.csv", csv_of(many(200) + [("2024-03-01T00:00:00Z", "p", "many", 1.0, "s")]))
    said = case.run(case.load(mixed, "--mode", "replace", source=f"{case.name}_mixed"), 2)
    assert "column 'quantity' holds numbers" in said and "row 201: 'many'" in said, said


def case_shutdown(case):
    """A task that somebody shuts down, and one whose program gets a signal."""
    path = case.file("many.csv", csv_of(many(400_000)))
    with case.start(case.load(path, "--mode", "replace")) as process:
        task = case.wait_for_task(process)
        assert task, process.communicate()
        case.run([case.program, "cancel", task])
        said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 4 and "somebody shut the task down" in said, said
    with case.start(case.load(path, "--mode", "replace")) as process:
        assert case.wait_for_task(process)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 4 and "shut down" in said, said
    assert not case.left(), case.left()
    assert "FAILED" in case.run([case.program, "status", task], 1)


def case_locks(case):
    """Two replaces of one interval at once: both end well, one after the other."""
    first = case.file("first.csv", csv_of(many(40_000)))
    second = case.file("second.csv", csv_of(many(39_999)))
    with case.start(case.load(first, "--mode", "replace")) as one, case.start(
            case.load(second, "--mode", "replace")) as two:
        said = [process.communicate(timeout=200)[0].decode() for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    counts = {sums(many(40_000))["n"], sums(many(39_999))["n"]}
    assert case.sums()["n"] in counts, case.sums()


def case_overlord(case):
    """The overlord is killed in mid-task and started again: the load ends well."""
    rows = many(400_000)
    path = case.file("many.csv", csv_of(rows))
    with case.start(case.load(path, "--mode", "replace")) as process:
        assert case.wait_for_task(process)
        environment = {**os.environ, "no_proxy": "127.0.0.1"}
        subprocess.run([SCRIPT, "restart-overlord", case.cluster], check=True, env=environment, timeout=200)
        said = process.communicate(timeout=200)[0].decode()
    assert process.returncode == 0, said
    case.expect(sums(rows))


def case_kills(case):
    """Killed at 20 random moments and started again: replace has exactly the rows, append never fewer."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    moments = random.Random(seed)
    rows = many(60_000)
    path = case.file("many.csv", csv_of(rows))
    for mode in ("replace", "append"):
        source = f"{case.name}_{mode}"
        command = case.load(path, "--mode", mode, source=source)
        for _ in range(10):
            process = case.start(command)
            try:
                process.communicate(timeout=moments.uniform(0.0, 2.5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        case.run(command)
        case.expect(sums(rows), source)
        assert not case.left(), case.left()


class Bucket:
    """A new bucket on the server whose settings the cluster has."""

    def __init__(self, settings, name):
        known = dict(line.split("=", 1) for line in settings.read_text().splitlines())
        self.url, self.name = f"{known['S3_ENDPOINT']}/{name}", name
        self.keys = (known["S3_ACCESS_KEY"], known["S3_SECRET_KEY"])
        self.environment = {"AWS_ACCESS_KEY_ID": self.keys[0], "AWS_SECRET_ACCESS_KEY": self.keys[1],
                            "AWS_ENDPOINT_URL": known["S3_ENDPOINT"], "AWS_REGION": "us-east-1"}
        self.ask("-X", "PUT", self.url)

    def ask(self, *arguments):
        return subprocess.run(["curl", "-sSf", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", ":".join(self.keys),
                               "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *arguments],
                              capture_output=True, check=True, timeout=60, encoding="utf-8").stdout

    def put(self, key, path):
        self.ask("-T", str(path), f"{self.url}/{key}")

    def left(self):
        return re.findall("<Key>(stage/.*?)</Key>", self.ask(self.url))


def case_s3(case):
    """Files of a bucket, staged in a bucket: both modes, a kill, and nothing stays behind."""
    settings = case.cluster / "s3"
    assert settings.exists(), f"{settings} is missing: start the cluster with DRUID_S3 (scripts/druid_for_tests.sh)"
    bucket = Bucket(settings, case.name.replace("_", "-"))
    case.environment.update(bucket.environment)
    rows = many(60_000)
    bucket.put("in/sales.csv", case.file("sales.csv", csv_of(SALES)))
    bucket.put("in/many.csv", case.file("many.csv", csv_of(rows)))

    def load(name, mode):
        return case.load(f"s3://{bucket.name}/in/{name}", "--mode", mode, stage=f"s3://{bucket.name}/stage")

    said = case.run(load("sales.csv", "replace"))
    assert f"are staged in s3://{bucket.name}/stage/" in said and "complete: 4 rows" in said, said
    case.expect(sums(SALES))
    case.run(load("sales.csv", "append"))
    case.expect(sums(SALES * 2))
    with case.start(load("many.csv", "append")) as process:
        assert case.wait_for_task(process), process.communicate()
        assert bucket.left(), "the rows are not in the bucket"
        process.kill()
        process.communicate()
    said = case.run(load("many.csv", "append"))
    assert "from an earlier start" in said, said
    case.expect(sums(SALES * 2 + rows))
    assert not bucket.left(), bucket.left()


def case_auth(case):
    """With authentication: the right password loads, a wrong one says so, and is told nowhere."""
    path = case.file("sales.csv", csv_of(SALES))
    command = case.load(path, "--mode", "replace", "--user", "admin")
    for password in ("wrong-one", ""):
        said = case.run(command, 1, DRUID_PASSWORD=password)
        assert "401" in said and "wrong-one" not in said and "<html" not in said, said
    assert "401" in case.run(case.load(path, "--mode", "replace"), 1)
    said = case.run(command, 0, DRUID_PASSWORD="secret")
    assert "complete: 4 rows" in said, said
    assert not case.left(), case.left()


CASES = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    for name in sys.argv[2:] or CASES:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            CASES[name](Case(sys.argv[1], pathlib.Path(folder), name))
        print(f"{name}: passed after {time.monotonic() - begin:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
