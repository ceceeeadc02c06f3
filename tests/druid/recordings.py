"""Exchanges of etl-druid with real servers of Druid: what is recorded, and a server that replays it.

The files are tests/druid/recorded/VERSION/NAME.json. To record them again, see record.py.
"""
import dataclasses
import gzip
import json
import pathlib
import re
import threading

from http_servers import Answers, HttpServer

RECORDED = pathlib.Path(__file__).parent / "recorded"
HEADER = "sold_at,product,quantity,price,shop\n"
SALES = HEADER + """2024-01-01T10:00:00Z,apple,3,1.5,north
2024-01-02T10:00:00Z,"a, ""b""\",4,2.0,south
2024-01-02T11:00:00Z,pear,5,0.25,north
2024-01-02T11:00:00Z,Äpfel 東,6,4.0,south
"""
BAD = "2024-99-99T00:00:00Z,bad,7,1.0,north\n"


def many(count):
    """Rows that take a task some seconds, at the times of the others."""
    return HEADER + "".join(f"2024-01-{1 + i % 2:02}T{i % 24:02}:{i % 60:02}:00Z,p{i % 977},{i},{i / 4},s{i % 31}\n" for i in range(count))


@dataclasses.dataclass
class Step:
    """A start of the program. {folder} and {source} in its arguments are the folder of the case and the datasource."""
    arguments: list
    code: int = 0
    has: tuple = ()
    lacks: tuple = ()
    letters: tuple = ()  # products of the dead letters that the step writes
    meanwhile: str = ""  # what the recording does beside it: "cancel" the task, or "lock" the times of the rows


@dataclasses.dataclass
class Scenario:
    files: dict
    steps: list
    needs_sql: bool = False
    count: int = 0  # rows of many.csv when this is recorded


def load(name, *arguments):
    return ["load", "{folder}/" + name, "--datasource", "{source}", "--stage", "{folder}/stage", *arguments]


REJECTS = ("--max-rejects", "2", "--rejects", "{folder}/letters.ndjson")
SCENARIOS = {
    "replace": Scenario({"sales.csv": SALES}, [
        Step(load("sales.csv", "--mode", "replace"), has=("complete: 4 rows into 'replace'",), lacks=("earlier start",)),
        Step(load("sales.csv", "--mode", "replace"), has=("complete: 4 rows", "_1\n")),
        Step(load("sales.csv", "--mode", "replace", "--intervals", "2024-01-01/2024-01-02"), 3,
             ("complete with rejects", "1 processed, 0 kept with an error, 3 thrown away, 0 unparseable"))]),
    "append": Scenario({"sales.csv": SALES}, [
        Step(load("sales.csv", "--mode", "append"), has=("complete: 4 rows",)),
        Step(load("sales.csv", "--mode", "append"), has=("nothing was loaded now", "complete: 0 rows into 'append' now, and 4 before")),
        Step(load("sales.csv", "--mode", "append", "--run", "second"), has=("complete: 4 rows",), lacks=("nothing was loaded",))]),
    "bad_row": Scenario({"bad.csv": SALES + BAD}, [
        Step(load("bad.csv", "--mode", "replace", "--time", "sold_at"), 1, ("failed: ", "Max parse exceptions[0] exceeded", "2024-99-99"), ("\tat ",)),
        Step(load("bad.csv", "--mode", "replace", "--time", "sold_at", *REJECTS), 3,
             ("complete with rejects", "4 processed, 0 kept with an error, 0 thrown away, 1 unparseable"), letters=("bad",))]),
    "all_bad": Scenario({"bad.csv": HEADER + BAD + BAD}, [
        Step(load("bad.csv", "--mode", "replace", "--time", "sold_at", *REJECTS), 1, ("incomplete", "no row was kept", "2024-99-99"))]),
    "no_number": Scenario({"sales.csv": SALES.replace(",5,", ",many,")}, [
        Step(load("sales.csv", "--mode", "replace", "--type", "quantity=long", *REJECTS), 3,
             ("complete with rejects", "3 processed, 1 kept with an error, 0 thrown away, 0 unparseable"))]),
    "cancelled": Scenario({}, [
        Step(load("many.csv", "--mode", "replace"), 4, ("shut down", "somebody shut the task down"), meanwhile="cancel")], count=400_000),
    "locked": Scenario({"sales.csv": SALES}, [
        Step(load("sales.csv", "--mode", "replace"), has=("another task has locked the times of the rows", "complete: 4 rows"),
             meanwhile="lock")], count=100_000),
    "types": Scenario({"sales.csv": SALES}, [
        Step(load("sales.csv", "--mode", "replace", "--type", "quantity=string"), has=("complete: 4 rows",)),
        Step(load("sales.csv", "--mode", "append"), 1, ("column 'quantity' is VARCHAR, and the new rows have BIGINT",))], needs_sql=True),
    "query": Scenario({"sales.csv": SALES}, [
        Step(load("sales.csv", "--mode", "replace"), has=("complete: 4 rows",)),
        Step(["query", 'SELECT SUM("quantity") q, SUM("price") p FROM "{source}"'], has=('{"q":18,"p":7.75}\n',)),
        Step(["query", 'SELECT * FROM "none"'], 1, ("'none' not found",), ("{",)),
        Step(["query", "SELECT nonsense("], 1, ("400 Bad Request: ",), ("{", "\tat "))], needs_sql=True),
    "tasks": Scenario({}, [
        Step(["status", "nope"], 1, ("nope",), ("<", "\tat ")),
        Step(["cancel", "nope"], 1, ("nope",), ("<",))]),
}

HASH = re.compile(r"(etl_\w+?_)([0-9a-f]{20})(?=_\d)")


class Names:
    """The hashes in the ids of tasks depend on the folder of a case: a recording numbers them in the order of their first use."""

    def __init__(self):
        self.hashes = []

    def number(self, text):
        def place(match):
            if match[2] not in self.hashes:
                self.hashes.append(match[2])
            return f"{match[1]}<{self.hashes.index(match[2])}>"
        return HASH.sub(place, text)

    def name(self, text):
        return re.sub(r"(?<=_)<(\d+)>(?=_\d)", lambda match: self.hashes[int(match[1])], text)


def key_of(method, path, body):
    """What distinguishes requests whose answers differ; a query is known by its text."""
    query = json.loads(body)["query"] if path == "/druid/v2/sql" else ""
    return f"{method} {path}{' ' + query if query else ''}"


class Replay(HttpServer):
    """Gives the recorded answers of a step: each request the next one of its kind, and the last one from then on."""

    def __init__(self):
        self.names, self.answers, self.folder, self.wrong, self.lock = Names(), {}, None, [], threading.Lock()
        super().__init__(ReplayAnswers)

    def step(self, exchanges):
        with self.lock:
            self.answers = {}
            for one in exchanges:
                self.answers.setdefault(one["request"], []).append(one)

    def next(self, method, path, body):
        with self.lock:
            key = self.names.number(key_of(method, path, body))
            known = self.answers.get(key)
            if not known:
                self.wrong.append(f"not recorded: {key}")
                return {"status": 400, "type": "text/plain", "body": "not recorded"}
            if path == "/druid/indexer/v1/task":
                source = json.loads(body)["spec"]["ioConfig"]["inputSource"]
                rows = pathlib.Path(source["baseDir"]) / source["filter"]
                if not rows.is_file() or not gzip.decompress(rows.read_bytes()):
                    self.wrong.append(f"a task was submitted whose rows are missing: {rows}")
            return known.pop(0) if len(known) > 1 else known[0]


class ReplayAnswers(Answers):
    def do_GET(self):
        server = self.server
        one = server.next(self.command, self.path, self.body())
        text = server.names.name(one["body"]).replace("{folder}", str(server.folder))
        self.answer(one["status"], text.encode(), Content_Type=one["type"])

    do_POST = do_GET


def write_files(scenario, folder, count):
    for name, text in scenario.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if scenario.count:
        (folder / "many.csv").write_text(many(count), encoding="utf-8")


def arguments_of(step, folder, source):
    return [one.format(folder=folder, source=source) if "{" in one else one for one in step.arguments]


def check_step(c, step, code, said):
    """What a step must say, in a recording as in a replay."""
    c.equal(f"exit code: {said}", step.code, code)
    c.has(said, *step.has)
    c.lacks(said, *step.lacks)
    c.equal("staged files", [], [path for path in (c.folder / "stage").rglob("*") if path.is_file()])
    letters = c.folder / "letters.ndjson"
    if step.letters:
        payloads = [json.loads(json.loads(line)["payload"]) for line in letters.read_text().splitlines()]
        c.equal("products of the dead letters", list(step.letters), [one["product"] for one in payloads])
