#!/usr/bin/env python3
"""Records what real servers of Druid answer, for the tests that run without one.

    record.py PROGRAM [VERSION[:SCENARIO,...]...]

Starts each version by scripts/druid_for_tests.sh (by default 27.0.0, 33.0.0 and 37.0.0), runs the scenarios of recordings.py with PROGRAM
(an etl-druid) through a proxy, and writes tests/druid/recorded/VERSION/*.json without ports, folders and times.
client.json has single answers for the tests of the client. A scenario that does not end as it must is an error, and its
recording is not written. Needs Java 17 and Maven, and takes two minutes for each version.
"""
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from harness import Case, text_of  # noqa: E402
from http_servers import Answers, HttpServer  # noqa: E402
from recordings import RECORDED, SCENARIOS, Names, arguments_of, check_step, key_of, many, write_files  # noqa: E402

SCRIPT = ROOT / "scripts" / "druid_for_tests.sh"


def exchange(url, method, path, body=None, content_type="application/json"):
    """Status, content type and text of an answer."""
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=120)
    connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
    got = connection.getresponse()
    text = got.read().decode("utf-8")
    connection.close()
    return got.status, got.getheader("Content-Type") or "", text


def scrubbed(text, folder=None):
    """Without what differs from machine to machine and from day to day."""
    if folder:
        text = text.replace(str(folder), "{folder}")
    text = text.replace(str(ROOT), "/druid")
    text = re.sub(r'"(host|port|tlsPort|duration|timeOfExceptionMillis|processedBytes|segmentAvailabilityWaitTimeMs)":("[^"]*"|-?\d+)',
                  lambda m: f'"{m[1]}":' + ('"127.0.0.1"' if m[1] == "host" else "-1" if m[1] in ("tlsPort", "duration") else "1"), text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8081", text)
    text = re.sub(r'"(createdTime|queueInsertionTime)":"[^"]*"', r'"\1":"2024-06-01T12:00:00.000Z"', text)
    # Of a stack, the first places are enough.
    text = re.sub(r"((?:(?:\\n|\r?\n)(?:\\t|\t)at [^\\\n\"<]+){2})(?:(?:\\n|\r?\n)(?:\\t|\t)(?:at |\.\.\.)[^\\\n\"<]+)+", r"\1", text)
    return re.sub(r'"queryId":"[^"]*"', '"queryId":"q"', text)


class Proxy(HttpServer):
    def __init__(self, url):
        self.druid, self.taken, self.lock = url, [], threading.Lock()
        super().__init__(ProxyAnswers)


class ProxyAnswers(Answers):
    def do_GET(self):
        body = self.body() if self.command == "POST" else None
        status, kind, text = exchange(self.server.druid, self.command, self.path, body)
        with self.server.lock:
            self.server.taken.append((key_of(self.command, self.path, body), status, kind, text))
        self.answer(status, text.encode(), Content_Type=kind)

    do_POST = do_GET


def short(taken, names, folder):
    """The exchanges of a step; equal answers that follow one another are one."""
    made, last = [], {}
    for key, status, kind, text in taken:
        one = {"request": names.number(key), "status": status, "type": kind, "body": names.number(scrubbed(text, folder))}
        if last.get(one["request"]) != one:
            made.append(one)
        last[one["request"]] = one
    return made


class Recorder:
    def __init__(self, program, url, version):
        self.program, self.url, self.folder = program, url, RECORDED / version
        self.sql = exchange(url, "POST", "/druid/v2/sql", '{"query":"SELECT 1"}')[0] == 200
        self.folder.mkdir(parents=True, exist_ok=True)

    def running(self, source):
        """The id of a task that runs."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = json.loads(exchange(self.url, "GET", f"/druid/indexer/v1/tasks?state=running&datasource={source}")[2])
            for task in found:
                if task.get("runnerStatusCode") == "RUNNING":
                    return task["id"]
            time.sleep(0.02)
        raise TimeoutError(f"no task of {source} runs")

    def locked(self, source):
        """Whether a task has locked times of a datasource, by the requests of old and new versions."""
        return any(source in exchange(self.url, "POST", "/druid/indexer/v1/lockedIntervals" + path, json.dumps(body))[2]
                   for path, body in (("", {source: 0}), ("/v2", [{"datasource": source, "priority": 0}])))

    def run(self, step, c, name, proxy):
        command = [self.program, *arguments_of(step, c.folder, name), "--druid"]
        beside = None
        if step.meanwhile == "lock":
            other = arguments_of(step, c.folder, name)
            other[1] = str(c.folder / "many.csv")
            beside = subprocess.Popen([self.program, *other, "--druid", self.url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.running(name)
            while beside.poll() is None and not self.locked(name):
                time.sleep(0.02)
        with subprocess.Popen([*command, proxy.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            if step.meanwhile == "cancel":
                exchange(self.url, "POST", f"/druid/indexer/v1/task/{self.running(name)}/shutdown", "")
            said = text_of(process.communicate(timeout=300)[0])
        if beside:
            beside.wait(300)
        check_step(c, step, process.returncode, said)

    def scenario(self, name, scenario):
        proxy = Proxy(self.url)
        try:
            with tempfile.TemporaryDirectory() as folder:
                c = Case(self.program, pathlib.Path(folder), name)
                write_files(scenario, c.folder, scenario.count)
                steps, names = [], Names()
                for step in scenario.steps:
                    proxy.taken = []
                    self.run(step, c, name, proxy)
                    steps.append(short(proxy.taken, names, folder))
        finally:
            proxy.close()
        if c.problems:
            print(f"FAIL {name}: {c.problems}")
            return False
        (self.folder / f"{name}.json").write_text(json.dumps(steps, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"ok   {name}")
        return True

    def client(self):
        """Single answers."""
        made = {}

        def ask(name, method, path, body=None, kind="application/json"):
            status, kind, text = exchange(self.url, method, path, body, kind)
            made[name] = {"status": status, "type": kind, "body": scrubbed(text)}
            return status

        def task(what):
            return f"/druid/indexer/v1/task/{what}"

        def spec(name, source, **more):
            return json.dumps({"type": "index_parallel", "id": name, "spec": {
                "dataSchema": {"dataSource": "client", "timestampSpec": {"column": "t"},
                               "dimensionsSpec": {"dimensions": ["p", {"type": "long", "name": "n"}]},
                               "granularitySpec": {"segmentGranularity": "DAY", "rollup": False}},
                "ioConfig": {"type": "index_parallel", "inputSource": source, "inputFormat": {"type": "json"}},
                "tuningConfig": {"type": "index_parallel", "maxParseExceptions": 10, "maxSavedParseExceptions": 10}}, **more})

        def ended(name):
            while json.loads(exchange(self.url, "GET", task(f"{name}/status"))[2])["status"]["statusCode"] == "RUNNING":
                time.sleep(0.2)

        def ingest(name, source):
            ask(f"{name}_submit", "POST", "/druid/indexer/v1/task", spec(name, source))
            ended(name)
            ask(f"{name}_status", "GET", task(f"{name}/status"))
            ask(f"{name}_report", "GET", task(f"{name}/reports"))

        ask("version", "GET", "/status")
        made["version"]["body"] = json.dumps({"version": json.loads(made["version"]["body"])["version"], "modules": []})
        ingest("good", {"type": "inline", "data": '{"t":"2024-01-01","p":"a","n":1}\n{"t":"2024-01-02","p":"b","n":"x"}\n{"t":"bad","p":"c"}\n'})
        ask("repeated", "POST", "/druid/indexer/v1/task", spec("good", {"type": "inline", "data": "{}"}))
        ingest("missing_folder", {"type": "local", "baseDir": "/nonexistent", "filter": "*"})
        ask("not_json", "POST", "/druid/indexer/v1/task", "{bad")
        ask("empty_body", "POST", "/druid/indexer/v1/task", "")
        ask("unknown_type", "POST", "/druid/indexer/v1/task", '{"type":"none"}')
        ask("no_data_source", "POST", "/druid/indexer/v1/task", spec("x", {"type": "inline", "data": "{}"}).replace('"dataSource": "client", ', ""))
        for what in ("status", "reports"):
            ask(f"unknown_{what}", "GET", task(f"unknown/{what}"))
        ask("unknown_shutdown", "POST", task("unknown/shutdown"), "")
        ask("noop_submit", "POST", "/druid/indexer/v1/task", json.dumps({"type": "noop", "id": "noop", "runTime": 60000}))
        end = time.monotonic() + 30
        while json.loads(exchange(self.url, "GET", task("noop/status"))[2])["status"]["runnerStatusCode"] != "RUNNING" and time.monotonic() < end:
            time.sleep(0.05)
        ask("noop_status", "GET", task("noop/status"))
        ask("noop_report", "GET", task("noop/reports"))
        ask("noop_shutdown", "POST", task("noop/shutdown"), "")
        ask("bulk", "POST", "/druid/indexer/v1/taskStatus", '["good","noop","unknown"]')
        ended("noop")
        ask("noop_status_after", "GET", task("noop/status"))
        ask("noop_report_after", "GET", task("noop/reports"))
        ask("noop_shutdown_again", "POST", task("noop/shutdown"), "")
        status = "/druid/coordinator/v1/datasources/{}/loadstatus?forceMetadataRefresh=true&interval=2000%2F2100"
        ask("load_status", "GET", status.format("client"))
        ask("load_status_unknown", "GET", status.format("none"))
        ask("datasources", "GET", "/druid/coordinator/v1/metadata/datasources")
        sql = {"resultFormat": "array", "header": True, "sqlTypesHeader": True}
        for name, text in (("sql", "SELECT 1 n, 'a' x"), ("sql_unknown_table", 'SELECT * FROM "none"'), ("sql_syntax", "SELECT nonsense(")):
            ask(name, "POST", "/druid/v2/sql", json.dumps({"query": text, **sql}))
        (self.folder / "client.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print("ok   client")


def record(program, what):
    version, _, names = what.partition(":")
    only = names.split(",") if names else ["client", *SCENARIOS]
    cluster = ROOT / "build" / f"druid-{version}"
    subprocess.run([SCRIPT, "start", cluster], check=True, env={**os.environ, "DRUID_VERSION": version})
    try:
        recorder = Recorder(program, (cluster / "url").read_text().strip(), version)
        if "client" in only:
            recorder.client()
        return all([recorder.scenario(name, one) for name, one in SCENARIOS.items()
                    if name in only and (recorder.sql or not one.needs_sql)])
    finally:
        subprocess.run([SCRIPT, "stop", cluster], check=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(0 if all([record(os.path.abspath(sys.argv[1]), version) for version in sys.argv[2:] or ["27.0.0", "33.0.0", "37.0.0"]]) else 1)
