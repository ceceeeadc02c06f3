"""Tests etl-druid on a real Druid that scripts/druid_for_tests.sh has started.

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
import time

from druid_case import DruidCase
from harness import DATA, ROOT, cases_of
from workbooks import workbook

SCRIPT = ROOT / "scripts" / "druid_for_tests.sh"
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


def many(count):
    """Rows that take a task some seconds."""
    return [(f"2024-02-{1 + i % 28:02}T{i % 24:02}:{i % 60:02}:00Z", f"p{i % 977}", i, i / 4, f"s{i % 31}")
            for i in range(count)]


def sums(rows):
    return {"n": len(rows), "q": sum(row[2] for row in rows), "p": float(sum(row[3] for row in rows))}


class RealCase(DruidCase):
    def __init__(self, program, folder, name):
        super().__init__(program, folder, f"t_{name}_{os.getpid()}")  # a cluster may be used again
        self.cluster = pathlib.Path(os.environ["ETLPIPE_DRUID_AUTH" if name.startswith("auth") else "ETLPIPE_DRUID"])
        self.url = (self.cluster / "url").read_text().strip()
        self.program.environment["DRUID_URL"] = self.url

    def query(self, sql):
        return [json.loads(line) for line in self.run(["query", sql]).splitlines()]

    def first(self, sql):
        return self.query(sql)[0]

    def sums(self, source=None):
        """A load waits until the broker knows the datasource, so the query is understood."""
        return self.first(f'SELECT COUNT(*) n, SUM("quantity") q, SUM("price") p FROM "{source or self.name}"')

    def expect(self, wanted, source=None, find=None):
        """Brokers lag behind the coordinator, which says what is loaded, by about a second."""
        find, end = find or (lambda: self.sums(source)), time.monotonic() + 15
        while (found := find()) != wanted and time.monotonic() < end:
            time.sleep(0.2)
        self.equal("sums", wanted, found)

    def wait_for_task(self, process):
        """The id of the datasource's running task."""
        while process.poll() is None:
            got = subprocess.run(["curl", "-sf", "--noproxy", "*", self.url + "/druid/indexer/v1/tasks?state=running&"
                                  f"datasource={self.name}"], capture_output=True, check=False).stdout
            tasks = json.loads(got or "[]")
            if tasks:
                return tasks[0]["id"]
            time.sleep(0.05)
        raise AssertionError(f"the program ended before its task ran: {process.communicate()}")


case = cases_of(RealCase)


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


@case
def modes(c):
    """Each format in both modes; the sums are those of the file, and nothing stays behind."""
    book = c.folder / "sales.xlsx"
    workbook(book, {"Sales": [HEADER.split(","), *SALES]})
    packed = c.folder / "sales.json.gz"
    packed.write_bytes(gzip.compress(json_of(SALES).encode()))
    once, twice, thrice = sums(SALES), sums(SALES * 2), sums(SALES * 3)
    for kind, path in (("csv", c.file("sales.csv", csv_of(SALES))), ("json", packed), ("xlsx", book)):
        source = f"{c.name}_{kind}"
        said = c.run(c.load(path, "--mode", "replace", source=source))
        c.has(said, "complete: 4 rows")
        for stage in ("types", "validate and stage", "submit", "task", "report", "segments", "clean up", "total"):
            c.has(said, f"{stage} ")
        c.expect(once, source)
        c.run(c.load(path, "--mode", "replace", source=source))
        c.expect(once, source)
        c.run(c.load(path, "--mode", "append", source=source))
        c.expect(twice, source)
        c.has(c.run(c.load(path, "--mode", "append", source=source)), "from an earlier start")
        c.expect(twice, source)
        c.run(c.load(path, "--mode", "append", "--run", "again", source=source))
        c.expect(thrice, source)
        rows = c.query(f'SELECT DISTINCT "product" FROM "{source}"')
        c.equal("products", {row[1] for row in SALES}, {row["product"] for row in rows})
    c.equal("staged files", [], c.staged())


@case
def wikiticker(c):
    """20,000 rows of the tutorial, where the shared data is."""
    data = DATA / "druid"
    if not data.is_dir():
        c.holds("without the shared data nothing is compared", True)
        return
    expected = dict(line.split(",", 1) for line in (data / "expected_wikiticker.csv").read_text().splitlines())
    c.run(c.load(data / "data" / "wikiticker_first20000.ndjson.gz", "--mode", "replace", "--max-null-share", "1"))
    wanted = {"n": int(expected["rows"]), "a": int(expected["sum_added"]), "d": int(expected["sum_deleted"]),
              "e": int(expected["sum_delta"])}
    sql = f'SELECT COUNT(*) n, SUM("added") a, SUM("deleted") d, SUM("delta") e FROM "{c.name}"'
    c.expect(wanted, find=lambda: c.first(sql))
    times = c.query(f'SELECT MIN(__time) a, MAX(__time) b FROM "{c.name}"')[0]
    c.equal("times", {"a": expected["min_time"], "b": expected["max_time"]}, times)


@case
def bad_row(c):
    """A row that cannot be parsed fails the load, or goes to the dead letters with its text."""
    bad = ("2024-99-99T00:00:00Z", "bad", 7, 1.0, "north")
    path = c.file("bad.csv", csv_of([SALES[0], bad, *SALES[1:]]))
    said = c.run(c.load(path, "--mode", "replace", "--time", "sold_at"), 1)
    c.has(said, "Max parse exceptions[0] exceeded")
    c.has(said, "2024-99-99")
    letters = c.folder / "letters.ndjson"
    accept = ["--mode", "replace", "--time", "sold_at", "--max-rejects", "2", "--rejects", str(letters)]
    said = c.run(c.load(path, *accept), 3)
    c.has(said, "complete with rejects")
    c.has(said, "1 unparseable")
    c.expect(sums(SALES))
    (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
    payload = json.loads(letter["payload"])
    c.equal("payload", {"sold_at": bad[0], "product": "bad", "quantity": "7", "price": "1.0", "shop": "north"}, payload)
    c.has(letter["errors"][0], "2024-99-99")
    c.run(c.load(path, *accept), 3)
    ids = {json.loads(line)["id"] for line in letters.read_text().splitlines()}
    c.equal("len(ids)", 1, len(ids))  # the row of a repeated load is the same letter
    none = c.file("none.csv", csv_of([bad, bad]))
    said = c.run(c.load(none, *accept), 1)
    c.has(said, "no row was kept")
    c.expect(sums(SALES))


@case
def types(c):
    """A datasource that has other types is not mixed with rows that do not fit."""
    path = c.file("sales.csv", csv_of(SALES))
    c.run(c.load(path, "--mode", "replace", "--type", "quantity=string"))
    said = c.run(c.load(path, "--mode", "append"), 1)
    c.has(said, "column 'quantity' is VARCHAR, and the new rows have BIGINT")
    c.run(c.load(path, "--mode", "append", "--type", "quantity=string"))
    c.has(c.run(c.load(path, "--mode", "append", "--allow-type-changes")), "is VARCHAR")
    mixed = c.file("mixed.csv", csv_of(many(200) + [("2024-03-01T00:00:00Z", "p", "many", 1.0, "s")]))
    said = c.run(c.load(mixed, "--mode", "replace", source=f"{c.name}_mixed"), 2)
    c.has(said, "column 'quantity' holds numbers")
    c.has(said, "row 201: 'many'")


@case
def units(c):
    """Numbers are times in the unit that their values show, and objects are stored as JSON."""
    for digits in (0, 3, 6, 9):
        source = f"{c.name}_{digits}"
        rows = [{"t": int(f"{second}{'0' * digits}"), "n": 1, "x": 1.5, "user": {"id": second}, "tags": ["a", "b"]}
                for second in (1704103200, 1704189600)]
        path = c.file("units.json", "".join(json.dumps(row) + "\n" for row in rows))
        c.run(c.load(path, "--mode", "replace", "--time", "t", source=source))
        wanted = [{"t": f"2024-01-0{day}T10:00:00.000Z", "id": row["user"]["id"], "tag": '["a","b"]'} for day, row in zip((1, 2), rows)]
        sql = f'''SELECT __time t, JSON_VALUE("user", '$.id' RETURNING BIGINT) id, "tags" tag FROM "{source}" ORDER BY 1'''
        c.expect(wanted, find=lambda sql=sql: c.query(sql))
    path = c.file("units.csv", HEADER + "\n1704103200,apple,3,1.5,north\n")
    c.run(c.load(path, "--mode", "replace", "--time", "sold_at"))
    c.equal("time", "2024-01-01T10:00:00.000Z", c.first(f'SELECT __time t FROM "{c.name}"')["t"])


@case
def concurrent(c):
    """Loads with concurrent locks, and appends of the same rows at once: each has rows of its own."""
    path = c.file("many.csv", csv_of(many(20_000)))
    with c.start(c.load(path, "--mode", "append", "--concurrent-locks")) as one, c.start(
            c.load(path, "--mode", "append", "--concurrent-locks", "--run", "second")) as two:
        said = [process.communicate(timeout=200)[0].decode() for process in (one, two)]
    c.equal(f"exit codes: {said}", (0, 0), (one.returncode, two.returncode))
    c.expect(sums(many(20_000) * 2))
    c.equal("staged files", [], c.staged())


@case
def shutdown(c):
    """A task that somebody shuts down, and one whose program gets a signal."""
    path = c.file("many.csv", csv_of(many(400_000)))
    with c.start(c.load(path, "--mode", "replace")) as process:
        task = c.wait_for_task(process)
        c.run(["cancel", task])
        said = process.communicate(timeout=120)[0].decode()
    c.equal(f"exit code: {said}", 4, process.returncode)
    c.has(said, "somebody shut the task down")
    with c.start(c.load(path, "--mode", "replace")) as process:
        c.wait_for_task(process)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[0].decode()
    c.equal(f"exit code: {said}", 4, process.returncode)
    c.has(said, "shut down")
    c.equal("staged files", [], c.staged())
    c.has(c.run(["status", task], 1), "FAILED")


@case
def locks(c):
    """Two replaces of one interval at once: both end well, one after the other."""
    first = c.file("first.csv", csv_of(many(40_000)))
    second = c.file("second.csv", csv_of(many(39_999)))
    with c.start(c.load(first, "--mode", "replace")) as one, c.start(
            c.load(second, "--mode", "replace")) as two:
        said = [process.communicate(timeout=200)[0].decode() for process in (one, two)]
    c.equal(f"exit codes: {said}", (0, 0), (one.returncode, two.returncode))
    counts = {sums(many(40_000))["n"], sums(many(39_999))["n"]}
    c.holds("the rows of one of them", c.sums()["n"] in counts, c.sums())


@case
def same(c):
    """Several processes that load the same rows at once: all end well, and the rows are there once."""
    rows = many(40_000)
    path = c.file("many.csv", csv_of(rows))
    for mode in ("replace", "append"):
        source = f"{c.name}_{mode}"
        processes = [c.start(c.load(path, "--mode", mode, source=source)) for _ in range(3)]
        said = [process.communicate(timeout=200)[0].decode() for process in processes]
        c.equal(f"exit codes: {said}", [0, 0, 0], [process.returncode for process in processes])
        c.expect(sums(rows), source)
        c.equal("staged files", [], c.staged())


@case
def overlord(c):
    """The overlord is killed in mid-task and started again: the load ends well."""
    rows = many(400_000)
    path = c.file("many.csv", csv_of(rows))
    with c.start(c.load(path, "--mode", "replace")) as process:
        c.wait_for_task(process)
        subprocess.run([SCRIPT, "restart-overlord", c.cluster], check=True, env={**os.environ, "no_proxy": "127.0.0.1"}, timeout=200)
        said = process.communicate(timeout=200)[0].decode()
    c.equal(f"exit code: {said}", 0, process.returncode)
    c.expect(sums(rows))


@case
def kills(c):
    """Killed at 20 random moments and started again: replace has exactly the rows, append never fewer."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    moments = random.Random(seed)
    rows = many(60_000)
    path = c.file("many.csv", csv_of(rows))
    for mode in ("replace", "append"):
        source = f"{c.name}_{mode}"
        command = c.load(path, "--mode", mode, source=source)
        for _ in range(10):
            process = c.start(command)
            try:
                process.communicate(timeout=moments.uniform(0.0, 2.5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        c.run(command)
        c.expect(sums(rows), source)
        c.equal("staged files", [], c.staged())


@case
def s3(c):
    """Files of a bucket, staged in a bucket: both modes, a kill, and nothing stays behind."""
    settings = c.cluster / "s3"
    assert settings.exists(), f"{settings} is missing: start the cluster with DRUID_S3 (scripts/druid_for_tests.sh)"
    bucket = Bucket(settings, c.name.replace("_", "-"))
    c.program.environment.update(bucket.environment)
    rows = many(60_000)
    bucket.put("in/sales.csv", c.file("sales.csv", csv_of(SALES)))
    bucket.put("in/many.csv", c.file("many.csv", csv_of(rows)))

    def load(name, mode):
        return c.load(f"s3://{bucket.name}/in/{name}", "--mode", mode, stage=f"s3://{bucket.name}/stage")

    said = c.run(load("sales.csv", "replace"))
    c.has(said, f"are staged in s3://{bucket.name}/stage/")
    c.has(said, "complete: 4 rows")
    c.expect(sums(SALES))
    c.run(load("sales.csv", "append"))
    c.expect(sums(SALES * 2))
    with c.start(load("many.csv", "append")) as process:
        c.wait_for_task(process)
        c.holds("the rows are in the bucket", bucket.left())
        process.kill()
        process.communicate()
    said = c.run(load("many.csv", "append"))
    c.has(said, "from an earlier start")
    c.expect(sums(SALES * 2 + rows))
    c.equal("staged objects", [], bucket.left())


@case
def auth(c):
    """With authentication: the right password loads, a wrong one says so, and is told nowhere."""
    path = c.file("sales.csv", csv_of(SALES))
    command = c.load(path, "--mode", "replace", "--user", "admin")
    for password in ("wrong-one", ""):
        said = c.run(command, 1, DRUID_PASSWORD=password)
        c.has(said, "401")
        c.lacks(said, "wrong-one")
        c.lacks(said, "<html")
    c.has(c.run(c.load(path, "--mode", "replace"), 1), "401")
    said = c.run(command, 0, DRUID_PASSWORD="secret")
    c.has(said, "complete: 4 rows")
    c.equal("staged files", [], c.staged())
