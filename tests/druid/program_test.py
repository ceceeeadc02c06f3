#!/usr/bin/env python3
"""Tests etl-druid from outside, against a small server that answers as Druid does and reads what was staged.

    program_test.py PROGRAM [CASE...]   all cases without CASE
    program_test.py --list              names of the cases
"""
import gzip
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

SALES = """sold_at,product,quantity,price,shop
2024-01-01T10:00:00Z,apple,3,1.5,n
2024-01-02T10:00:00Z,"a, b",4,2,n
2024-01-02T11:00:00Z,,5,0.5,n
"""
ROWS = [{"sold_at": "2024-01-01T10:00:00Z", "product": "apple", "quantity": "3", "price": "1.5", "shop": "n"},
        {"sold_at": "2024-01-02T10:00:00Z", "product": "a, b", "quantity": "4", "price": "2", "shop": "n"},
        {"sold_at": "2024-01-02T11:00:00Z", "quantity": "5", "price": "0.5", "shop": "n"}]


class Druid(http.server.ThreadingHTTPServer):
    """Tasks end at the first look, unless `running` is set."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.tasks, self.rows, self.asked = {}, {}, []
        self.running, self.lost_rows, self.refused = False, 0, False
        self.unknown = 0  # questions after a task until the broker knows the datasource
        self.columns, self.bad_lines, self.told_lines, self.bucket = [], [], None, None
        self.seen = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A program that was stopped breaks its connections."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        druid, body = self.server, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        druid.asked.append((self.path, self.headers.get("Authorization")))
        if self.path.endswith("/shutdown"):
            druid.tasks[self.path.split("/")[-2]] = "FAILED"
            return self.answer(200, {"task": self.path.split("/")[-2]})
        if self.path == "/druid/v2/sql":
            if b"INFORMATION_SCHEMA" in body:
                druid.unknown -= bool(druid.tasks and druid.unknown)
                known = [] if not druid.tasks or druid.unknown else [["__time", "TIMESTAMP"]]
                return self.answer(200, [["COLUMN_NAME", "DATA_TYPE"], ["VARCHAR", "VARCHAR"],
                                         *(druid.columns or known)])
            return self.answer(200, b'{"n":1}\n{"n":2}\n\n')
        if self.server.refused:
            return self.answer(400, {"error": "no such extension"})
        task = json.loads(body)
        if task["id"] in druid.tasks:
            return self.answer(400, {"errorCode": "entryAlreadyExists", "errorMessage": "exists"})
        source = task["spec"]["ioConfig"]["inputSource"]
        if source["type"] == "s3":
            (uri,) = source["uris"]
            text = gzip.decompress(druid.bucket.objects[uri.removeprefix("s3:/")]).decode()
        else:
            text = gzip.decompress((pathlib.Path(source["baseDir"]) / source["filter"]).read_bytes()).decode()
        druid.rows[task["id"]] = [json.loads(line) for line in text.splitlines()]
        druid.tasks[task["id"]] = "RUNNING" if druid.running else "SUCCESS"
        return self.answer(200, {"task": task["id"]})

    def do_GET(self):
        druid, parts = self.server, self.path.split("/")
        if "loadstatus" in self.path:
            return self.answer(200, {"sales": 100.0})
        task = parts[-2]
        if task not in druid.tasks:
            return self.answer(404, b"Cannot find any task with id")
        if parts[-1] == "reports":
            bad = druid.bad_lines
            stats = {"buildSegments": {"processed": len(druid.rows[task]) - druid.lost_rows - len(bad),
                                       "unparseable": len(bad)}}
            events = {"buildSegments": [
                {"input": "{sold_at=x}", "errorType": "unparseable",
                 "details": [f"Timestamp[x] is unparseable! (Path: file:/s/rows.json.gz, Record: {n}, Line: {n})"]}
                for n in bad[:druid.told_lines]]}
            return self.answer(200, {"ingestionStatsAndErrors": {"taskId": task, "payload": {
                "ingestionState": "COMPLETED", "unparseableEvents": events, "rowStats": stats,
                "segmentsPublished": 1}}})
        druid.seen.set()
        return self.answer(200, {"task": task, "status": {
            "id": task, "statusCode": druid.tasks[task], "dataSource": "sales",
            "errorMsg": "Shutdown request from user" if druid.tasks[task] == "FAILED" else None}})


class Bucket(http.server.ThreadingHTTPServer):
    """Keeps what is put, by its path, and checks no signature."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Objects)
        self.objects, self.keys = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Objects(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", send=True, part=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        if send:
            self.wfile.write(body)

    def do_PUT(self):
        self.server.objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.path)
        self.answer(200)

    def do_GET(self, send=True):
        found = self.server.objects.get(self.path)
        if found is None:
            return self.answer(404, b"", send)
        asked = self.headers.get("Range")
        if not asked:
            return self.answer(200, found, send)
        first, last = asked.removeprefix("bytes=").split("-")
        part = found[int(first):int(last or len(found)) + 1]
        return self.answer(206, part, send, f"bytes {first}-{int(first) + len(part) - 1}/{len(found)}")

    def do_HEAD(self):
        self.do_GET(False)

    def do_DELETE(self):
        self.server.objects.pop(self.path, None)
        self.answer(204)


class Case:
    def __init__(self, program, folder):
        self.program, self.folder, self.druid = program, folder, Druid()
        self.file = folder / "sales.csv"
        self.file.write_text(SALES, encoding="utf-8")

    def command(self, *arguments):
        return [self.program, *arguments, "--druid", self.druid.url]

    def load(self, *arguments):
        return self.command("load", str(self.file), "--datasource", "sales", "--stage", str(self.folder / "stage"),
                            *(arguments or ["--mode", "replace"]))

    def run(self, command, expected, **environment):
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, encoding="utf-8",
                              env={**os.environ, "no_proxy": "127.0.0.1", **environment})
        assert done.returncode == expected, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def staged(self):
        return [path for path in (self.folder / "stage").rglob("*") if path.is_file()]


def case_load(case):
    """Rows arrive as they are, and nothing stays behind."""
    said = case.run(case.load(), 0)
    assert "complete: 3 rows into 'sales'" in said, said
    for stage in ("types", "datasource", "validate and stage", "submit", "task", "report", "segments", "total"):
        assert f"{stage} 0." in said, said
    (rows,) = case.druid.rows.values()
    assert rows == ROWS, rows
    assert not case.staged(), case.staged()


def case_broker(case):
    """A load waits until the broker knows a new datasource, unless told otherwise."""
    def asked():
        return [path for path, _ in case.druid.asked].count("/druid/v2/sql")

    case.druid.unknown = 3
    said = case.run(case.load(), 0)
    assert "complete: 3 rows" in said and asked() == 4, (asked(), said)
    case.run(case.load("--mode", "append", "--no-wait"), 0)
    assert asked() == 5, asked()


def case_repeated(case):
    """A replace is repeated under the next id; an append finds its task."""
    case.run(case.load(), 0)
    case.run(case.load(), 0)
    assert len(case.druid.tasks) == 2, case.druid.tasks
    case.run(case.load("--mode", "append"), 0)
    assert "from an earlier start" in case.run(case.load("--mode", "append"), 0)
    assert len(case.druid.tasks) == 3, case.druid.tasks
    case.run(case.load("--mode", "append", "--run", "second"), 0)
    assert len(case.druid.tasks) == 4, case.druid.tasks


def case_print_spec(case):
    """Types and the column of the time are found; nothing is sent."""
    spec = json.loads(case.run(case.load("--mode", "append", "--print-spec"), 0))["spec"]
    schema = spec["dataSchema"]
    assert schema["timestampSpec"]["column"] == "sold_at", schema
    types = {one["name"]: one["type"] for one in schema["dimensionsSpec"]["dimensions"]}
    assert types == {"product": "string", "quantity": "long", "price": "double", "shop": "string"}, types
    assert spec["ioConfig"]["appendToExisting"] is True
    assert not case.druid.asked and not case.staged()
    spec = json.loads(case.run(case.load("--mode", "append", "--print-spec", "--type", "quantity=double", "--rollup",
                                         "--metrics", "doubleSum:total:price", "--granularity", "month"), 0))["spec"]
    schema = spec["dataSchema"]
    assert {"name": "quantity", "type": "double"}.items() <= schema["dimensionsSpec"]["dimensions"][1].items(), schema
    assert schema["metricsSpec"][0]["fieldName"] == "price" and schema["granularitySpec"]["rollup"] is True, schema
    assert schema["granularitySpec"]["segmentGranularity"] == "MONTH", schema


def case_wrong(case):
    """What cannot be is told before anything is sent."""
    said = case.run(case.load("--mode", "replace", "--time", "__time"), 2)
    assert "'__time' is not a column of the input" in said, said
    assert "granularity.rollup" in case.run(case.load("--mode", "append", "--rollup"), 2)
    assert "--mode" in case.run(case.load("--granularity", "DAY"), 2)
    case.run(case.load("--mode", "sideways"), 2)
    assert not case.druid.asked


def case_formats(case):
    """JSON gives the same rows; its columns are those of all of its objects."""
    case.file = case.folder / "sales.json"
    case.file.write_text("[\n" + ",\n".join(json.dumps(row, indent=1) for row in ROWS) + "]", encoding="utf-8")
    case.run(case.load(), 0)
    (rows,) = case.druid.rows.values()
    assert rows == ROWS, rows
    case.file.write_text("".join(json.dumps({**row, "quantity": 1, "price": 2.5, **more}) + "\n" for row, more in
                                 zip(ROWS, ({}, {}, {"late": 1.5}))), encoding="utf-8")
    spec = json.loads(case.run(case.load("--mode", "append", "--print-spec"), 0))["spec"]
    types = {one["name"]: one["type"] for one in spec["dataSchema"]["dimensionsSpec"]["dimensions"]}
    assert types == {"product": "string", "quantity": "long", "price": "double", "shop": "string",
                     "late": "double"}, types
    # Texts only: the first row is the header all the same.
    case.file.write_text("at,a,b\n2024-01-01,x,y\n", encoding="utf-8")
    case.run(case.load("--mode", "replace", "--min-columns", "3", "--min-numeric-columns", "0"), 0)
    assert list(case.druid.rows.values())[-1] == [{"at": "2024-01-01", "a": "x", "b": "y"}]


def case_validate(case):
    """All that is wrong is told at once, and nothing is sent."""
    case.file.write_text("a,b\n1,x\n2,\n3\n", encoding="utf-8")
    for command in (case.load("--validate-only"), case.load("--validate-only", "--mode", "append"),
                    [case.program, "validate", str(case.file)]):
        said = case.run(command, 1)
        for check in ("columns", "time_column", "numeric_columns", "row"):
            assert f"\n  {check}: " in said, said
    assert not case.druid.tasks and not case.staged(), case.staged()
    found = json.loads(case.run([case.program, "validate", "--json", str(case.file)], 1))
    assert found["row_count"] == 3 and found["violations"][-1]["row"] == 3, found
    limits = ["--min-columns", "2", "--min-time-columns", "0", "--min-numeric-columns", "1"]
    case.file.write_text("a,b\n1,x\n2,\n", encoding="utf-8")
    assert "; valid" in case.run([case.program, "validate", str(case.file), *limits], 0)
    assert "columns" in case.run([case.program, "validate", str(case.file), "--max-bytes", "3", *limits], 1)
    picture = case.folder / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert "not valid" in case.run([case.program, "validate", str(picture)], 1)
    case.run([case.program, "validate", str(case.folder / "none.csv")], 2)


def case_types(case):
    """A value that is not of its column's type is told, wherever it stands; so are types that the datasource has."""
    many = "".join(f"2024-01-01T10:00:00Z,p,{n},1.5,n\n" for n in range(60_000))
    case.file.write_text(SALES.splitlines()[0] + "\n" + many + "2024-01-01,p,many,1,n\n", encoding="utf-8")
    said = case.run(case.load(), 2)
    assert "column 'quantity' holds numbers" in said and "row 60001: 'many'" in said, said
    assert not case.druid.tasks
    case.file.write_text(SALES, encoding="utf-8")
    case.druid.columns = [["__time", "TIMESTAMP"], ["product", "VARCHAR"], ["quantity", "VARCHAR"], ["price", "BIGINT"],
                          ["old", "DOUBLE"]]
    said = case.run(case.load(), 1)
    for what in ("'quantity' is VARCHAR, and the new rows have BIGINT", "'price' is BIGINT, and the new rows have DOUBLE",
                 "'shop' is new", "'old' is not in the input"):
        assert what in said, said
    assert not case.druid.tasks and not case.staged()
    case.run(case.load("--mode", "append", "--allow-type-changes"), 0)


def case_dead_letters(case):
    """A row that Druid cannot parse is kept with its text before the staged rows go."""
    letters = case.folder / "letters.ndjson"
    assert "--rejects" in case.run(case.load("--mode", "append", "--max-bad-rows", "1"), 2)
    accept = ["--mode", "replace", "--max-bad-rows", "2", "--rejects", str(letters)]
    case.druid.bad_lines = [2]
    summary = json.loads(case.run(case.load(*accept, "--json"), 3).split("\n")[0])
    assert summary["outcome"] == "complete with rejects" and summary["dead_letters"] == 1, summary
    assert summary["rows"] == {"processed": 2, "processed_with_error": 0, "thrown_away": 0, "unparseable": 1}, summary
    (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
    assert json.loads(letter["payload"]) == ROWS[1], letter
    assert not case.staged(), case.staged()
    case.druid.bad_lines, case.druid.told_lines = [1, 2], 1
    said = case.run(case.load(*accept), 1)
    assert "Druid does not tell the texts of 1 rows" in said and case.staged(), said


def case_s3(case):
    """Rows that are staged in a bucket, and files that are read from one."""
    bucket = case.druid.bucket = Bucket()
    said = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket.server_port}", "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "not-told", "AWS_REGION": "us-east-1"}
    letters = case.folder / "letters.ndjson"
    case.druid.bad_lines = [3]
    command = case.command("load", str(case.file), "--datasource", "sales", "--mode", "append", "--max-bad-rows", "1",
                           "--rejects", str(letters))
    assert "not-told" not in case.run(command, 3, S3_BUCKET_NAME="bucket", **said)
    assert list(case.druid.rows.values()) == [ROWS], case.druid.rows
    (key,) = bucket.keys
    assert key.startswith("/bucket/uploads/sales-") and key.endswith("/rows.json.gz"), key
    assert json.loads(json.loads(letters.read_text())["payload"]) == ROWS[2]
    assert not bucket.objects, bucket.objects
    bucket.objects["/other/sales.csv"] = SALES.encode()
    case.druid.bad_lines = []
    case.run(case.command("load", "s3://other/sales.csv", "--datasource", "sales", "--mode", "replace", "--stage",
                          "s3://other/a/b/"), 0, **said)
    assert list(case.druid.rows.values())[-1] == ROWS
    assert bucket.keys[-1].startswith("/other/a/b/sales-") and list(bucket.objects) == ["/other/sales.csv"], bucket.keys


def case_left_parts(case):
    """What a killed process has left is removed; what a running one writes is not."""
    stage = case.folder / "stage"
    stage.mkdir()
    name = f".sales-{os.uname().nodename}-"
    with subprocess.Popen(["true"]) as dead:
        pass
    gone, kept = stage / f"{name}{dead.pid}.part.json.gz", stage / f"{name}{os.getpid()}.part.json.gz"
    for part in (gone, kept):
        part.touch()
    case.run(case.load(), 0)
    assert case.staged() == [kept], case.staged()


def case_refused(case):
    """What Druid says is told, and the staged rows go."""
    case.druid.refused = True
    assert "no such extension" in case.run(case.load(), 1)
    assert not case.staged(), case.staged()


def case_lost_rows(case):
    """A task that read fewer rows than were sent has failed."""
    case.druid.lost_rows = 1
    said = case.run(case.load(), 1)
    assert "3 rows were sent, and the task read 2" in said, said


def case_signal(case):
    """A signal shuts the task down, and the staged rows go."""
    case.druid.running = True
    with subprocess.Popen(case.load(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "no_proxy": "127.0.0.1"}) as process:
        assert case.druid.seen.wait(60)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 4, said
    assert any(path.endswith("/shutdown") for path, _ in case.druid.asked)
    assert not case.staged(), case.staged()


def case_tasks(case):
    """status, cancel and query, with credentials from the environment."""
    case.druid.tasks["one"] = "RUNNING"
    assert case.run(case.command("status", "one"), 0) == "one RUNNING\n"
    assert "shutdown requested" in case.run(case.command("cancel", "one"), 0)
    assert case.run(case.command("status", "one"), 1) == "one FAILED: Shutdown request from user\n"
    case.run(case.command("status", "two"), 1)
    assert case.run(case.command("query", "SELECT 1", "--user", "me"), 0, DRUID_PASSWORD="pass") == '{"n":1}\n{"n":2}\n'
    assert case.druid.asked[-1] == ("/druid/v2/sql", "Basic bWU6cGFzcw==")


CASES = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    for name in sys.argv[2:] or CASES:
        with tempfile.TemporaryDirectory() as folder:
            CASES[name](Case(sys.argv[1], pathlib.Path(folder)))
        print(f"{name}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
