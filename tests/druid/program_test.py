"""Tests etl-druid from outside, against a small server that answers as Druid does and reads what was staged."""
import gzip
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
from signal import SIGTERM

from command_line import agrees
from druid_case import DruidCase
from harness import cases_of, text_of
from http_servers import Answers, HttpServer, object_store
from workbooks import workbook

SALES = """sold_at,product,quantity,price,shop
2024-01-01T10:00:00Z,apple,3,1.5,n
2024-01-02T10:00:00Z,"a, b",4,2,n
2024-01-02T11:00:00Z,,5,0.5,n
"""
ROWS = [{"sold_at": "2024-01-01T10:00:00Z", "product": "apple", "quantity": "3", "price": "1.5", "shop": "n"},
        {"sold_at": "2024-01-02T10:00:00Z", "product": "a, b", "quantity": "4", "price": "2", "shop": "n"},
        {"sold_at": "2024-01-02T11:00:00Z", "quantity": "5", "price": "0.5", "shop": "n"}]


class Druid(HttpServer):
    """Tasks end at the first look, unless `running` is set."""

    def __init__(self):
        self.tasks, self.rows, self.asked = {}, {}, []
        self.running, self.lost_rows, self.refused = False, 0, False
        self.unknown = 0  # questions after a task until the broker knows the datasource
        self.columns, self.bad_lines, self.told_lines, self.bucket = [], [], None, None
        self.seen = threading.Event()
        self.told, self.report = threading.Event(), threading.Event()  # whether a report is asked for, and may be given
        self.report.set()
        self.inputs, self.submitted = {}, threading.Event()
        self.sql_error, self.looks = None, []
        self.locked, self.errors = 0, {}  # tasks that fail because of locks; messages of failed tasks
        super().__init__(DruidAnswers)

    def read(self, source):
        """The rows of an input."""
        if source["type"] == "s3":
            (uri,) = source["uris"]
            packed = self.bucket.objects[uri.removeprefix("s3:/")]
        else:
            packed = (pathlib.Path(source["baseDir"]) / source["filter"]).read_bytes()
        return [json.loads(line) for line in gzip.decompress(packed).decode().splitlines()]

    def end(self, task):
        """Ends a running task, which reads its rows only now. As a real one, it succeeds even if they are missing."""
        try:
            self.rows[task] = self.read(self.inputs[task])
        except (OSError, KeyError):
            self.rows[task] = []
        self.tasks[task] = "SUCCESS"


class DruidAnswers(Answers):
    def do_POST(self):
        druid, body = self.server, self.body()
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
            if druid.sql_error:
                return self.answer(400, druid.sql_error)
            return self.answer(200, b'{"n":1}\n{"n":2}\n\n')
        if self.server.refused:
            return self.answer(400, {"error": "no such extension"})
        task = json.loads(body)
        if task["id"] in druid.tasks:
            return self.answer(400, {"errorCode": "entryAlreadyExists", "errorMessage": "exists"})
        druid.inputs[task["id"]] = task["spec"]["ioConfig"]["inputSource"]
        druid.rows[task["id"]] = druid.read(druid.inputs[task["id"]])
        druid.tasks[task["id"]] = "RUNNING" if druid.running else "SUCCESS"
        if druid.locked:
            druid.locked -= 1
            druid.tasks[task["id"]] = "FAILED"
            druid.errors[task["id"]] = "org.apache.druid.java.util.common.ISE: Failed to get locks for intervals[[2024/2025]]"
        druid.submitted.set()
        return self.answer(200, {"task": task["id"]})

    def do_GET(self):
        druid, parts = self.server, self.path.split("/")
        druid.looks.append(self.path)
        if "loadstatus" in self.path:
            return self.answer(200, {"sales": 100.0})
        task = parts[-2]
        if task not in druid.tasks:
            return self.answer(404, b"Cannot find any task with id")
        if parts[-1] == "reports":
            druid.told.set()
            druid.report.wait(60)
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
            "errorMsg": druid.errors.get(task, "Shutdown request from user") if druid.tasks[task] == "FAILED" else None}})


class ProgramCase(DruidCase):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.druid = Druid()
        self.table = self.file("sales.csv", SALES)

    def close(self):
        self.druid.close()

    def command(self, *arguments):
        """Arguments of a command that talks to the server."""
        return [*arguments, "--druid", self.druid.url]

    def load(self, *arguments):
        """The arguments of a load of the table, by default with --mode replace."""
        return self.command(*super().load(self.table, *(arguments or ["--mode", "replace"]), source="sales"))


case = cases_of(ProgramCase)


@case
def command_line(c):
    agrees(c, ["load", "validate", "status", "cancel", "query"])


@case
def load(c):
    """Rows arrive as they are, and nothing stays behind."""
    said = c.run(c.load(), 0)
    c.has(said, "complete: 3 rows into 'sales'")
    for stage in ("types", "datasource", "validate and stage", "submit", "task", "report", "segments", "total"):
        c.has(said, f"{stage} 0.")
    (rows,) = c.druid.rows.values()
    c.equal("rows", ROWS, rows)
    c.equal("staged files", [], c.staged())


@case
def quiet(c):
    """--quiet: nothing on success, and still what fails and what is rejected; a summary as JSON only if it is asked for."""
    c.equal("a load", "", c.run(c.load("--mode", "replace", "--quiet")))
    summary = json.loads(c.run(c.load("--mode", "replace", "--quiet", "--json")))
    c.equal("outcome", "complete", summary["outcome"])
    c.druid.bad_lines, c.druid.told_lines = [2], 1
    said = c.run(c.load("--mode", "replace", "--quiet", "--max-rejects", "1", "--rejects", c.folder / "letters.ndjson"), 3)
    c.holds("the rejected row alone", re.fullmatch("bad row: .*\n", said), said)
    c.druid.bad_lines, c.druid.lost_rows = [], 1
    c.has(c.run(c.load("--mode", "replace", "--quiet"), 1), "3 rows were sent, and the task read 2")


@case
def broker(c):
    """A load waits until the broker knows a new datasource, unless told otherwise."""
    def asked():
        return [path for path, _ in c.druid.asked].count("/druid/v2/sql")

    c.druid.unknown = 3
    said = c.run(c.load(), 0)
    c.has(said, "complete: 3 rows")
    c.equal("questions of SQL", 4, asked())
    c.run(c.load("--mode", "append", "--no-wait"), 0)
    c.equal("questions of SQL", 5, asked())


@case
def repeated(c):
    """A replace is repeated under the next id; an append finds its task."""
    c.run(c.load(), 0)
    c.run(c.load(), 0)
    c.equal("number of tasks", 2, len(c.druid.tasks))
    c.run(c.load("--mode", "append"), 0)
    c.has(c.run(c.load("--mode", "append"), 0), "from an earlier start")
    c.equal("number of tasks", 3, len(c.druid.tasks))
    c.run(c.load("--mode", "append", "--run", "second"), 0)
    c.equal("number of tasks", 4, len(c.druid.tasks))
    other = c.file("a.csv", SALES)
    _, _, *options = c.load("--mode", "append", "--run", "two files")
    for files in ((other, c.table), (c.table, other)):  # in Druid the order of files has no meaning
        c.run(["load", *files, *options])
    c.equal("number of tasks", 5, len(c.druid.tasks))


@case
def print_spec(c):
    """Types and the column of the time are found; nothing is sent."""
    spec = json.loads(c.run(c.load("--mode", "append", "--print-spec"), 0))["spec"]
    schema = spec["dataSchema"]
    c.equal("column of the time", "sold_at", schema["timestampSpec"]["column"])
    types = {one["name"]: one["type"] for one in schema["dimensionsSpec"]["dimensions"]}
    c.equal("types", {"product": "string", "quantity": "long", "price": "double", "shop": "string"}, types)
    c.equal("appendToExisting", True, spec["ioConfig"]["appendToExisting"])
    c.equal("requests", [], c.druid.asked)
    c.equal("staged files", [], c.staged())
    spec = json.loads(c.run(c.load("--mode", "append", "--print-spec", "--type", "quantity=double", "--rollup",
                                         "--metrics", "doubleSum:total:price", "--granularity", "month"), 0))["spec"]
    schema = spec["dataSchema"]
    c.holds("the type of the option", {"name": "quantity", "type": "double"}.items() <= schema["dimensionsSpec"]["dimensions"][1].items(), schema)
    c.equal("field of the metric", "price", schema["metricsSpec"][0]["fieldName"])
    c.equal("rollup", True, schema["granularitySpec"]["rollup"])
    c.equal("granularity", "MONTH", schema["granularitySpec"]["segmentGranularity"])


@case
def epoch_times(c):
    """Numbers are times in the unit that their values show; what is not clear is refused, and nothing is sent."""
    def write(value):
        c.table.write_text(f"timestamp,product,shop,quantity,price\n{value},a,x,1,1.5\n", encoding="utf-8")

    def format_of(*arguments):
        spec = json.loads(c.run(c.load("--mode", "append", "--print-spec", "--time", "timestamp", *arguments), 0))["spec"]
        return spec["dataSchema"]["timestampSpec"]["format"]

    for value, wanted in (("1704103200", "posix"), ("1704103200000", "millis"), ("1704103200000000", "micro"),
                          ("1704103200000000000", "nano"), ("2024-01-01", "auto")):
        write(value)
        c.equal(f"format of {value}", wanted, format_of())
        c.equal(f"format of {value} if one is given", "iso", format_of("--time-format", "iso"))
        c.table.write_text(json.dumps({"timestamp": int(value) if value.isdigit() else value, "a": 1, "b": 2}) + "\n", encoding="utf-8")
        c.equal(f"format of {value} in JSON", wanted, format_of())
    for value in ("2024", "20240101", "202401011200", "1704103200.5", "-5", "1704103200,a,x,1,1.5\n1704103200000"):
        write(value)
        c.has(c.run(c.load("--mode", "append", "--time", "timestamp"), 2), "--time-format")
    for text in ("1704103200", "2024"):
        c.table.write_text("".join(json.dumps({"timestamp": time, "a": 1, "b": 2, "c": "x", "d": "y"}) + "\n"
                                   for time in ("2024-01-01", text)), encoding="utf-8")
        c.has(c.run(c.load("--mode", "append", "--time", "timestamp"), 1), f"row 2: Druid would read the time '{text}' as milliseconds")
    c.equal("tasks", {}, c.druid.tasks)


@case
def nested(c):
    """Objects within JSON are stored as JSON, not as the text that Java makes of them."""
    rows = [{"at": "2024-01-01", "n": 1, "x": 2, "user": None, "tags": ["a"], "list": [], "late": 1},
            {"at": "2024-01-01", "n": 1, "x": 2, "user": {"id": 1}, "tags": ["b", "c"], "list": [{"a": 1}], "late": [[1]]}]
    c.table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def types(*arguments):
        spec = json.loads(c.run(c.load("--mode", "append", "--print-spec", *arguments), 0))["spec"]
        return {one["name"]: one["type"] for one in spec["dataSchema"]["dimensionsSpec"]["dimensions"]}

    c.equal("types", {"n": "long", "x": "long", "user": "json", "tags": "string", "list": "json", "late": "json"}, types())
    c.equal("a type that is given", "string", types("--type", "user=string")["user"])


@case
def own_places(c):
    """Loads of the same rows do not share their staged rows, and a repeated load finds its own."""
    def load(*arguments):
        c.run(c.load(*arguments, "--keep-staged"), 0)
        return len(c.staged())

    c.equal("staged files", [1, 2, 3, 4, 4, 4], [
        load("--mode", "append"), load("--mode", "append", "--run", "second"), load("--mode", "replace"),
        load("--mode", "replace", "--granularity", "MONTH"), load("--mode", "append"), load("--mode", "replace")])


@case
def same_at_once(c):
    """Of two processes that load the same rows, one finds the task of the other, or has a task of its own."""
    c.druid.running = True
    with c.start(c.load()) as one:
        c.holds("the task is seen", c.druid.seen.wait(60))
        c.druid.seen.clear()
        with c.start(c.load()) as two:
            c.holds("the other process watches the task", c.druid.seen.wait(60) and len(c.druid.tasks) == 1, c.druid.tasks)
            (task,) = c.druid.tasks
            c.druid.end(task)
            said = [text_of(process.communicate(timeout=60)[0]) for process in (one, two)]
    c.equal(f"exit codes: {said}", (0, 0), (one.returncode, two.returncode))
    c.has("".join(said), "from an earlier start")
    c.equal("rows", [ROWS], list(c.druid.rows.values()))
    c.equal("staged files", [], c.staged())


@case
def same_overtaken(c):
    """A process that removes its rows does not remove those that a later task of the same rows still reads."""
    for stage in (c.folder / "stage", "s3://bucket/stage"):
        with object_store() as store:
            c.druid.bucket, c.druid.running, c.druid.tasks = store, False, {}
            c.druid.report.clear()
            c.druid.told.clear()
            command = c.command("load", c.table, "--datasource", "sales", "--mode", "replace", "--stage", stage)
            with c.start(command) as one:
                c.holds("the first task has ended", c.druid.told.wait(60))
                c.druid.running = True
                c.druid.submitted.clear()
                with c.start(command) as two:
                    c.holds("the second task is submitted", c.druid.submitted.wait(60))
                    c.druid.report.set()
                    said = text_of(one.communicate(timeout=60)[0])
                    c.equal(f"exit code of the first: {said}", 0, one.returncode)
                    c.druid.end(list(c.druid.tasks)[-1])
                    said = text_of(two.communicate(timeout=60)[0])
            c.equal(f"exit code of the second: {said}", 0, two.returncode)
            c.equal("tasks", 2, len(c.druid.tasks))
            c.equal("rows", ROWS, list(c.druid.rows.values())[-1])
            c.equal("staged files", ([], {}), (c.staged(), store.objects))


@case
def stopped_early(c):
    """A signal while the types are found is a stop, not a wrong file."""
    with object_store() as store:
        reading = threading.Event()
        store.on_get = lambda path: reading.set()
        store.objects["/bucket/sales.csv"], store.pause_after = SALES.encode() * 1000, 10
        for command in (["load", "s3://bucket/sales.csv", "--datasource", "sales", "--mode", "replace", "--stage", c.folder / "stage"],
                        ["validate", "s3://bucket/sales.csv"]):
            reading.clear()
            store.go_on.clear()
            with c.start(c.command(*command) if command[0] == "load" else command) as process:
                c.holds("the file is read", reading.wait(60))
                process.send_signal(SIGTERM)
                store.go_on.set()
                said = text_of(process.communicate(timeout=60)[0])
            c.equal(f"exit code: {said}", 4, process.returncode)


@case
def pipes(c):
    """A file is read several times, so a pipe is refused as standard input is."""
    pipe = c.folder / "pipe.csv"
    os.mkfifo(pipe)
    for command in (c.command("load", pipe, "--datasource", "sales", "--mode", "replace"),
                    c.command("load", pipe, "--datasource", "sales", "--dry-run"), ["validate", pipe]):
        c.has(c.run(command, 2), f"'{pipe}' is a pipe or a device")


@case
def encodings(c):
    """What is not UTF-8 is refused with a remedy, and is converted if its encoding is named."""
    c.table.write_bytes(SALES.replace("apple", "\u00c4pfel").encode("latin-1"))
    said = c.run(c.load("--mode", "replace"), 1)
    c.has(said, "row 1")
    c.has(said, "--encoding")
    c.has(c.run(["validate", c.table], 1), "--encoding")
    c.equal("tasks", {}, c.druid.tasks)
    for how in (["--encoding", "CP1252"], ["--encoding", "ISO-8859-1"]):
        c.run(["validate", c.table, *how], 0)
        c.run(c.load("--mode", "replace", *how), 0)
        c.equal("product", "\u00c4pfel", list(c.druid.rows.values())[-1][0]["product"])
    c.has(c.run(["validate", c.table, "--encoding", "none-such"], 2), "none-such")


@case
def encodings_of_json(c):
    """JSON in other encodings: found by a mark, or named; what is not of the encoding is told by row."""
    row = {"at": "2024-01-01", "a": 1, "b": 2, "c": "\u00c4pfel", "d": "x"}
    lines = (json.dumps(row, ensure_ascii=False) + "\n") * 2
    array = json.dumps([row, row], ensure_ascii=False)
    for text in (lines, array):
        for encoding, how in (("utf-16", []), ("utf-16", ["--encoding", "UTF-16"]), ("utf-16-le", ["--encoding", "UTF-16LE"]),
                              ("utf-16-be", ["--encoding", "UTF-16BE"]), ("cp1252", ["--encoding", "CP1252"])):
            c.table.write_bytes(text.encode(encoding))
            c.has(c.run(["validate", c.table, *how], 0), "json, 2 rows")
            c.run(c.load("--mode", "replace", *how), 0)
            c.equal(f"rows of {encoding}", [row, row], list(c.druid.rows.values())[-1])
    c.table.write_bytes(lines.encode("cp1252"))
    found = json.loads(c.run(["validate", "--json", c.table], 1))
    c.equal("rows and bad rows", (2, 2), (found["row_count"], found["bad_rows"]))
    c.equal("row of the first violation", 1, [one["row"] for one in found["violations"] if one["check"] == "row"][0])
    c.has(c.run(["validate", c.table], 1), "name the correct encoding with --encoding")


@case
def binary(c):
    """Bytes that are no text are no table, whatever the name of the file says; files with unusual delimiters are."""
    c.table.write_bytes(bytes(byte * 7 % 256 for byte in range(5000)))
    for command in (["validate", c.table], c.load("--dry-run")):
        said = c.run(command, 1)
        c.has(said, "sales.csv: unknown, 0 rows", "format: ", "the file is binary data of an unknown format")
        c.lacks(said, "columns: ")
    c.has(c.run(c.load(), 2), "the file is binary data of an unknown format")
    c.table.write_text(SALES.replace(",", "\x01").replace('"a\x01 b"', "a\x02b\x03c\x04d"), encoding="utf-8")
    c.run(c.load("--mode", "replace", "--delimiter", "\x01"), 0)
    c.equal("rows", 3, len(list(c.druid.rows.values())[-1]))


@case
def useless_options(c):
    """Options that would have no effect, or fail only within Druid, are told at the start."""
    for option, what in ((["--drop-existing"], "--drop-existing empties intervals"),
                         (["--type", "sold_at=string"], "'sold_at' is the time of the rows"),
                         (["--metrics", "longSum:n:shop"], "column 'shop' holds texts"),
                         (["--rejects", c.folder / "none" / "bad.ndjson"], "does not exist; create it first")):
        c.has(c.run(c.load("--mode", "append", *option), 2), what)
    elsewhere = c.command("load", c.table, "--datasource", "sales", "--mode", "append", "--stage", "ftp://x/y")
    c.has(c.run(elsewhere, 2), "places of the kind 'ftp://' are not supported")
    for place, what in (("s3://A_BUCKET!/x", "'A_BUCKET!' is no name of a bucket"), ("s3://bucket/x", "there are no credentials")):
        said = c.run(c.command("load", c.table, "--datasource", "sales", "--mode", "append", "--stage", place), 2, HOME=str(c.folder))
        c.has(said, "--stage: ", what)
    c.equal("requests", [], c.druid.asked)
    c.run(c.load("--mode", "append", "--print-spec", "--metrics", "stringLast:last:shop", "--metrics", "longSum:n:quantity"), 0)
    for command in ("status", "cancel"):
        c.has(c.run(c.command(command, ""), 2), "the id is empty")


@case
def dry_run(c):
    """A check refuses what a load would refuse."""
    c.run(c.load("--dry-run"), 0)
    c.has(c.run(c.load("--dry-run", "--time", "none"), 1), "'none' is not a column of the file")
    c.has(c.run(["validate", c.table, "--time", "none"], 1), "'none' is not a column of the file")
    c.run(["validate", c.table, "--time", "product"], 0)
    c.has(c.run(c.load("--dry-run", "--mode", "append", "--type", "none=long"), 2), "'none' is not a column of the input")
    c.table.write_text(SALES + "".join(f"2024-01-01T10:00:00Z,p,{n},1,n\n" for n in (*range(9), "many")), encoding="utf-8")
    c.has(c.run(c.load("--dry-run"), 2), "column 'quantity' holds numbers")
    c.equal("requests", [], c.druid.asked)


@case
def concurrent_locks(c):
    """A load may ask for locks that let other tasks write at the same time."""
    for arguments, wanted in (([], None), (["--concurrent-locks"], {"useConcurrentLocks": True})):
        spec = json.loads(c.run(c.load("--mode", "append", "--print-spec", *arguments), 0))
        c.equal(f"context with {arguments}", wanted, spec.get("context"))


@case
def appended_before(c):
    """A repeated append says, also with --quiet, that it loaded nothing."""
    c.run(c.load("--mode", "append"), 0)
    (task,) = c.druid.tasks
    for arguments in ([], ["--quiet"]):
        c.has(c.run(c.load("--mode", "append", *arguments), 0), f"nothing was loaded now: task {task} from an earlier start")
    c.has(c.run(c.load("--mode", "append"), 0), "complete: 0 rows into 'sales' now, and 3 before")
    summary = json.loads(c.run(c.load("--mode", "append", "--json"), 0).split("\n")[0])
    c.equal("loaded_before", True, summary["loaded_before"])
    summary = json.loads(c.run(c.load("--mode", "append", "--json", "--quiet", "--run", "second"), 0))
    c.equal("loaded_before of a new run", False, summary["loaded_before"])


@case
def too_large(c):
    """A file that is too large is not read: what is wrong within it is not known."""
    c.table.write_text("a,b\n1\n", encoding="utf-8")
    for command in (["validate", c.table], c.load("--mode", "append"), c.load("--dry-run")):
        said = c.run([*command, "--max-bytes", "3"], 1)
        c.has(said, "size: ")
        c.has(said, "the file has 6 bytes; at most 3 are allowed (--max-bytes)")
        c.lacks(said, "row: ")


@case
def rounded(c):
    """Numbers that Druid would round are told."""
    def said(value, *arguments):
        c.table.write_text(f"at,a,b,c,n\n2024-01-01,1,2,x,{value}\n2024-01-01,1,2,x,9007199254740993\n", encoding="utf-8")
        return c.run(c.load("--mode", "append", "--print-spec", *arguments), 0)

    for value in ("9223372036854775808", "1e400", "1.5"):
        c.has(said(value), "column 'n': Druid rounds some of its numbers")
        c.has(said(value, "--quiet"), "column 'n': Druid rounds")
        for how in (["--type", "n=string"], ["--type", "n=double"]):
            c.lacks(said(value, *how), "column 'n'")
    c.lacks(said("9223372036854775807"), "column 'n'")

    # Also if only several files together have such numbers, and whatever the columns of some of them lack.
    def together(*all):
        files = [c.folder / f"{i}.csv" for i in range(len(all))]
        for file, value in zip(files, all):
            file.write_text(f"at,a,n\n2024-01-01,1,{value}\n2024-01-02,1,{value}\n", encoding="utf-8")
        return c.run(c.command("load", *map(str, files), "--datasource", "sales", "--stage", c.folder / "stage", "--mode", "append", "--print-spec", "--max-null-share", "1"), 0)

    for all in (("1", "9223372036854775808"), ("9223372036854775808", "1"), ("9007199254740993", "1.5"), ("1.5", "9007199254740993"),
                ("", "1e400"), ("1e400", "", "1")):
        c.has(together(*all), "column 'n': Druid rounds some of its numbers")
    for all in (("1", "1.5"), ("9007199254740991", "1.5"), ("1", "9007199254740993"), ("1.5", "")):
        c.lacks(together(*all), "column 'n'")
    c.has(together("", "1.5").replace(" ", ""), '"type":"double","name":"n"')


@case
def sheets(c):
    """A part of a sheet is loaded, and errors name the options of the program."""
    c.table = c.folder / "sales.xlsx"
    rows = [line.split(",") for line in SALES.replace('"a, b"', "a b").splitlines()]
    workbook(c.table, {"Sales": [["Report"], [None, *rows[0]], *[[None, *row] for row in rows[1:]]]})
    c.run(c.load("--mode", "replace", "--range", "B2:F"), 0)
    c.equal("products", ["apple", "a b", ""], [row["product"] for row in list(c.druid.rows.values())[-1]])
    workbook(c.table, {"Sales": [["Report"], *rows]})
    c.run(c.load("--mode", "replace", "--skip-lines", "1"), 0)
    c.equal("shops", ["n", "n", "n"], [row["shop"] for row in list(c.druid.rows.values())[-1]])
    c.table = c.file("sales.csv", "Report\n" + SALES)
    c.run(c.load("--mode", "replace", "--skip-lines", "1"), 0)
    c.equal("rows", ROWS, list(c.druid.rows.values())[-1])


@case
def sheet_errors(c):
    """Errors of a sheet's header say how the program is told, and what the file is."""
    c.table = c.folder / "sales.xlsx"
    rows = [line.split(",") for line in SALES.replace('"a, b"', "a b").splitlines()]
    workbook(c.table, {"A": rows, "B": rows})
    c.has(c.run(["validate", c.table], 1), "sales.xlsx: workbook, 0 rows", "(--sheet): 'A', 'B'")
    workbook(c.table, {"A": [["x" * 70_000_000]]})
    said = c.run(["validate", c.table], 1)
    c.has(said, "sales.xlsx: workbook, 0 rows", "as in a zip bomb")
    c.lacks(said, "Limits::")
    c.table = c.file("sales.csv", SALES + "a,b\n")
    said = c.run(["validate", c.table], 1)
    c.has(said, "row 4: 2 cells instead of 5; correct the row")
    c.lacks(said, "ragged")


@case
def large_numbers(c):
    """Numbers of a sheet beyond 2^53 arrive as they are saved."""
    c.table = c.folder / "sales.xlsx"
    numbers = [9007199254740993, -9007199254740993, 9223372036854775807]
    workbook(c.table, {"Sales": [["at", "n", "a", "b", "c"], *[["2024-01-01", n, 1, 2, "x"] for n in numbers]]})
    said = c.run(c.load("--mode", "replace"), 0)
    c.lacks(said, "rounds")
    c.equal("numbers", [str(n) for n in numbers], [row["n"] for row in list(c.druid.rows.values())[-1]])
    workbook(c.table, {"Sales": [["at", "n", "a", "b", "c"], ["2024-01-01", 2**63, 1, 2, "x"]]})
    for how in ([], ["--quiet"]):
        c.has(c.run(c.load("--mode", "replace", *how), 0), "column 'n': Druid rounds some of its numbers")
    c.run(c.load("--mode", "replace", "--type", "n=string"), 0)
    c.equal("text", str(2**63), list(c.druid.rows.values())[-1][0]["n"])


@case
def left_uploads(c):
    """Uploads that killed processes have left in the bucket are aborted when they are a day old."""
    with object_store() as store:
        c.druid.bucket = store
        store.left = {"bucket": [("uploads/sales-1/rows.json.gz", "2020-01-01T00:00:00.000Z"), ("uploads/other-1/rows.json.gz", "2020-01-01T00:00:00.000Z"),
                                 ("uploads/sales-2/rows.json.gz", "2999-01-01T00:00:00.000Z")]}
        c.run(c.command("load", c.table, "--datasource", "sales", "--mode", "replace", "--stage", "s3://bucket/uploads"), 0)
        c.equal("uploads", ["uploads/other-1/rows.json.gz", "uploads/sales-2/rows.json.gz"], [key for key, _ in store.left["bucket"]])


@case
def wrong(c):
    """What cannot be is told before anything is sent."""
    said = c.run(c.load("--mode", "replace", "--time", "__time"), 2)
    c.has(said, "'__time' is not a column of the input")
    c.has(c.run(c.load("--mode", "append", "--rollup"), 2), "granularity.rollup")
    c.has(c.run(c.load("--granularity", "DAY"), 2), "--mode")
    c.run(c.load("--mode", "sideways"), 2)
    for name, problem in (("n" * 300, "has 300 bytes, and Druid keeps names of at most 160"), ("  ", "'  ' begins or ends with a blank")):
        c.has(c.run(c.command("load", c.table, "--datasource", name, "--mode", "replace", "--stage", c.folder / "stage"), 2), problem)
    c.equal("requests", [], c.druid.asked)
    c.equal("staged files", [], c.staged())


@case
def formats(c):
    """JSON gives the same rows; its columns are those of all of its objects."""
    c.table = c.folder / "sales.json"
    c.table.write_text("[\n" + ",\n".join(json.dumps(row, indent=1) for row in ROWS) + "]", encoding="utf-8")
    c.run(c.load(), 0)
    (rows,) = c.druid.rows.values()
    c.equal("rows", ROWS, rows)
    c.table.write_text("".join(json.dumps({**row, "quantity": 1, "price": 2.5, **more}) + "\n" for row, more in
                                 zip(ROWS, ({}, {}, {"late": 1.5}))), encoding="utf-8")
    spec = json.loads(c.run(c.load("--mode", "append", "--print-spec"), 0))["spec"]
    types = {one["name"]: one["type"] for one in spec["dataSchema"]["dimensionsSpec"]["dimensions"]}
    c.equal("types", {"product": "string", "quantity": "long", "price": "double", "shop": "string",
                     "late": "double"}, types)
    # Texts only: the first row is the header all the same.
    c.table.write_text("at,a,b\n2024-01-01,x,y\n", encoding="utf-8")
    c.run(c.load("--mode", "replace", "--min-columns", "3", "--min-numeric-columns", "0"), 0)
    c.equal("rows of the last task", [{"at": "2024-01-01", "a": "x", "b": "y"}], list(c.druid.rows.values())[-1])


@case
def validate(c):
    """All that is wrong is told at once, and nothing is sent."""
    c.table.write_text("a,b\n1,x\n2,\n3\n", encoding="utf-8")
    for command in (c.load("--dry-run"), c.load("--validate-only", "--mode", "append"),
                    ["validate", c.table]):
        said = c.run(command, 1)
        for check in ("columns", "time_column", "numeric_columns", "row"):
            c.has(said, f"\n  {check}: ")
    c.equal("tasks", {}, c.druid.tasks)
    c.equal("staged files", [], c.staged())
    found = json.loads(c.run(["validate", "--json", c.table], 1))
    c.equal("row_count", 3, found["row_count"])
    c.equal("row of the last violation", 3, found["violations"][-1]["row"])
    limits = ["--min-columns", "2", "--min-time-columns", "0", "--min-numeric-columns", "1"]
    c.table.write_text("a,b\n1,x\n2,\n", encoding="utf-8")
    c.has(c.run(["validate", c.table, *limits], 0), "; valid")
    c.has(c.run(["validate", c.table, "--max-bytes", "3", *limits], 1), "size: ")
    picture = c.folder / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    c.has(c.run(["validate", picture], 1), "not valid")
    c.run(["validate", c.folder / "none.csv"], 2)


@case
def empty(c):
    """A file without rows and header is told as that."""
    c.table = c.folder / "empty.json"
    for text in ("", "\n\n"):
        c.table.write_text(text, encoding="utf-8")
        for command, code in ((["validate", c.table], 1), (c.load("--mode", "append"), 2)):
            said = c.run(command, code)
            c.has(said, "empty.json: the file is empty")
            c.lacks(said, "too few columns", "dimensions")
    c.table.write_text("[]", encoding="utf-8")
    c.has(c.run(c.load("--mode", "append"), 2), "empty.json: no row is a JSON object")


@case
def lost_values(c):
    """What Druid would drop or refuse later is told before: a member that occurs twice, and names that it cannot store."""
    c.table.write_text('{"at":"2024-01-01","a":1,"a":2,"b":3,"c":"x","d":4}\n', encoding="utf-8")
    c.has(c.run(c.load("--mode", "append"), 1), "row: ", "'a'")
    c.table.write_text('at,"a,b",c,d,e\n2024-01-01,1,2,3,x\n', encoding="utf-8")
    c.has(c.run(c.load("--mode", "append"), 2), "'a,b' contains a comma or a line end, and Druid cannot store such a column")
    c.table.write_text(SALES, encoding="utf-8")
    c.has(c.run(c.load("--mode", "append", "--metrics", "longSum:a,b:quantity"), 2), "'a,b' contains a comma")
    c.equal("tasks", {}, c.druid.tasks)


@case
def validate_once(c):
    """A table is read once, because types are not needed."""
    with object_store() as store:
        store.objects["/bucket/sales.csv"] = (SALES + SALES.split("\n", 1)[1] * 400_000).encode()
        c.has(c.run(["validate", "s3://bucket/sales.csv"], 0), "1200003 rows")
        c.equal("whole reads", ["/bucket/sales.csv"], store.whole)


@case
def types(c):
    """A value that is not of its column's type is told, wherever it stands; so are types that the datasource has."""
    many = "".join(f"2024-01-01T10:00:00Z,p,{n},1.5,n\n" for n in range(60_000))
    c.table.write_text(SALES.splitlines()[0] + "\n" + many + "2024-01-01,p,many,1,n\n", encoding="utf-8")
    said = c.run(c.load(), 2)
    c.has(said, "column 'quantity' holds numbers")
    c.has(said, "row 60001: 'many'")
    c.equal("tasks", {}, c.druid.tasks)
    c.table.write_text(SALES, encoding="utf-8")
    c.druid.columns = [["__time", "TIMESTAMP"], ["product", "VARCHAR"], ["quantity", "VARCHAR"], ["price", "BIGINT"],
                          ["old", "DOUBLE"]]
    said = c.run(c.load(), 1)
    for what in ("'quantity' is VARCHAR, and the new rows have BIGINT", "'price' is BIGINT, and the new rows have DOUBLE",
                 "'shop' is new", "'old' is not in the input"):
        c.has(said, what)
    c.equal("tasks", {}, c.druid.tasks)
    c.equal("staged files", [], c.staged())
    c.run(c.load("--mode", "append", "--allow-type-changes"), 0)


@case
def dead_letters(c):
    """A row that Druid cannot parse is kept with its text before the staged rows go."""
    letters = c.folder / "letters.ndjson"
    c.has(c.run(c.load("--mode", "append", "--max-rejects", "1"), 2), "--rejects")
    accept = ["--mode", "replace", "--max-rejects", "2", "--rejects", str(letters)]
    c.druid.bad_lines = [2]
    summary = json.loads(c.run(c.load(*accept, "--json"), 3).split("\n")[0])
    c.equal("outcome", "complete with rejects", summary["outcome"])
    c.equal("dead_letters", 1, summary["dead_letters"])
    c.equal("rows", {"processed": 2, "processed_with_error": 0, "thrown_away": 0, "unparseable": 1}, summary["rows"])
    (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
    c.equal("payload", ROWS[1], json.loads(letter["payload"]))
    c.equal("staged files", [], c.staged())
    c.druid.bad_lines, c.druid.told_lines = [1, 2], 1
    said = c.run(c.load(*accept), 1)
    c.has(said, "Druid did not report the texts of 1 rows")
    c.holds("the rows stay staged", c.staged(), said)


@case
def s3(c):
    """Rows that are staged in a bucket, and files that are read from one."""
    letters = c.folder / "letters.ndjson"
    with object_store() as store:
        c.druid.bucket, c.druid.bad_lines = store, [3]
        command = c.command("load", c.table, "--datasource", "sales", "--mode", "append", "--max-rejects", "1", "--rejects", letters)
        c.lacks(c.run(command, 3, S3_BUCKET_NAME="bucket"), "geheim")
        c.equal("rows of the tasks", [ROWS], list(c.druid.rows.values()))
        (path,) = store.put
        c.holds("the name of the object", path.startswith("/bucket/uploads/sales-") and path.endswith("/rows.json.gz"), path)
        c.equal("payload", ROWS[2], json.loads(json.loads(letters.read_text())["payload"]))
        c.equal("objects that are left", {}, store.objects)
        store.objects["/other/sales.csv"] = SALES.encode()
        c.druid.bad_lines = []
        c.run(c.command("load", "s3://other/sales.csv", "--datasource", "sales", "--mode", "replace", "--stage", "s3://other/a/b/"))
        c.equal("rows of the last task", ROWS, list(c.druid.rows.values())[-1])
        c.holds("the name of the object", store.put[-1].startswith("/other/a/b/sales-"), store.put)
        c.equal("objects that are left", ["/other/sales.csv"], list(store.objects))


@case
def left_parts(c):
    """What a killed process has left is removed; what a running one writes is not."""
    stage = c.folder / "stage"
    stage.mkdir()
    name = f".sales-{os.uname().nodename}-"
    with subprocess.Popen(["true"]) as dead:
        pass
    gone, kept = stage / f"{name}{dead.pid}.part.json.gz", stage / f"{name}{os.getpid()}.part.json.gz"
    for part in (gone, kept):
        part.touch()
    c.run(c.load(), 0)
    c.equal("staged files", [kept], c.staged())


@case
def refused(c):
    """What Druid says is told, and the staged rows go."""
    c.druid.refused = True
    c.has(c.run(c.load(), 1), "no such extension")
    c.equal("staged files", [], c.staged())


@case
def lost_rows(c):
    """A task that read fewer rows than were sent has failed."""
    c.druid.lost_rows = 1
    said = c.run(c.load(), 1)
    c.has(said, "3 rows were sent, and the task read 2")


@case
def signal(c):
    """A signal shuts the task down, and the staged rows go."""
    c.druid.running = True
    with c.start(c.load()) as process:
        c.holds("the task is seen", c.druid.seen.wait(60))
        process.send_signal(SIGTERM)
        said = text_of(process.communicate(timeout=60)[0])
    c.equal(f"exit code: {said}", 4, process.returncode)
    c.holds("the task is shut down", any(path.endswith("/shutdown") for path, _ in c.druid.asked))
    c.equal("staged files", [], c.staged())


@case
def signal_to_another(c):
    """A signal leaves the task of another process to that one, unless an option says otherwise."""
    def adopt(*arguments):
        """Adopts the task of a process that waits for it, and gets a signal. What both said."""
        c.druid.running, c.druid.tasks, c.druid.asked = True, {}, []
        c.druid.seen.clear()
        with c.start(c.load()) as one:
            c.holds("the task is seen", c.druid.seen.wait(60))
            with c.start(c.load("--mode", "replace", *arguments)) as two:
                said = ""
                while "the task runs" not in said and (line := text_of(two.stdout.readline())):
                    said += line
                two.send_signal(SIGTERM)
                said += text_of(two.communicate(timeout=60)[0])
            c.equal(f"exit code of the second: {said}", 4, two.returncode)
            (task,) = c.druid.tasks
            if c.druid.tasks[task] == "RUNNING":
                c.druid.end(task)
            return task, said, one.wait(timeout=60)

    task, said, code = adopt()
    c.has(said, "left running", "because another process, or an earlier start, has submitted it", f"'etl-druid cancel {task}' shuts the task down")
    c.equal("exit code of the first", 0, code)
    c.equal("shutdowns", [], [path for path, _ in c.druid.asked if path.endswith("/shutdown")])
    c.equal("rows", ROWS, c.druid.rows[task])
    c.equal("staged files", [], c.staged())
    task, said, code = adopt("--stop-adopted")
    c.has(said, "shut down: ")
    c.equal("the task", "FAILED", c.druid.tasks[task])
    c.equal("exit code of the first", 4, code)


@case
def locked_in_a_bucket(c):
    """Rows in a bucket are sent once, however often a task finds its intervals locked."""
    with object_store() as store:
        c.druid.bucket, c.druid.locked = store, 2
        said = c.run(c.command("load", c.table, "--datasource", "sales", "--mode", "replace", "--stage", "s3://bucket/a b"))
        c.equal("tries", 2, said.count("another task has locked the times of the rows"))
        c.equal("objects that were sent", 1, len(store.put))
        c.equal("objects that were copied", [(store.put[0], store.put[0].replace("-0/", "-1/")),
                                             (store.put[0].replace("-0/", "-1/"), store.put[0].replace("-0/", "-2/"))], store.copied)
        c.equal("rows", ROWS, list(c.druid.rows.values())[-1])
        c.equal("objects that are left", {}, store.objects)


@case
def stopped_questions(c):
    """A signal ends every command at once while the server does not answer, and its exit code says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for command in (["status", "x"], ["status", "x", "--watch"], ["cancel", "x"], ["query", "SELECT 1"], ["load", c.table,
                        "--datasource", "sales", "--mode", "replace", "--stage", c.folder / "stage"]):
            with c.start([*command, "--druid", url]) as process:
                connection, _ = silent.accept()
                with connection:
                    connection.recv(1)
                    process.send_signal(SIGTERM)
                    said = text_of(process.communicate(timeout=60)[0])
            c.equal(f"exit code of {command[0]}: {said}", 4, process.returncode)


@case
def tasks(c):
    """status, cancel and query, with credentials from the environment."""
    c.druid.tasks["one"] = "RUNNING"
    c.equal("status", "one RUNNING\n", c.run(c.command("status", "one"), 0))
    c.has(c.run(c.command("cancel", "one"), 0), "shutdown requested")
    c.equal("status as JSON", {"task": "one", "state": "FAILED", "reason": "Shutdown request from user"},
            json.loads(c.run(c.command("status", "one", "--json"), 1)))
    c.equal("status of a failed task", "one FAILED: Shutdown request from user\n", c.run(c.command("status", "one"), 1))
    for how in ([], ["--watch"]):
        c.has(c.run(c.command("status", "two", *how), 1), "404 Not Found")
    c.equal("questions", 2, c.druid.looks.count("/druid/indexer/v1/task/two/status"))
    c.equal("query", '{"n":1}\n{"n":2}\n', c.run(c.command("query", "SELECT 1", "--user", "me"), 0, DRUID_PASSWORD="pass"))
    c.equal("last request", ("/druid/v2/sql", "Basic bWU6cGFzcw=="), c.druid.asked[-1])
    c.druid.sql_error = {"error": "druidException", "errorMessage": "no \"x\" (line [1]), acceptable: [" + "\"WORD\", " * 300 + "]"}
    said = c.run(c.command("query", "SELECT x"), 1)
    c.has(said, ': 400 Bad Request: no "x" (line [1]), acceptable: ["WORD", ')
    c.lacks(said, "{")
