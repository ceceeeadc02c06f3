"""Tests etl-druid with the recorded answers of real servers of Druid, of several versions. record.py records them."""
import json

from druid_case import DruidCase
from harness import cases_of, text_of
from recordings import RECORDED, SCENARIOS, Replay, arguments_of, check_step, write_files


class ReplayCase(DruidCase):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.druid = Replay()
        self.druid.folder = self.folder

    def close(self):
        self.druid.close()

    def replay(self, path):
        name = path.stem
        scenario, recorded = SCENARIOS[name], json.loads(path.read_text(encoding="utf-8"))
        write_files(scenario, self.folder, 10)
        self.equal("steps", len(scenario.steps), len(recorded))
        for step, exchanges in zip(scenario.steps, recorded):
            self.druid.step(exchanges)
            done = self.program.run(*arguments_of(step, self.folder, name), "--druid", self.druid.url)
            check_step(self, step, done.returncode, text_of(done.stdout) + text_of(done.stderr))
        self.equal("requests", [], self.druid.wrong)


case = cases_of(ReplayCase)


def add(path):
    def replayed(c):
        c.replay(path)
    replayed.__name__ = f"v{path.parent.name.split('.')[0]}_{path.stem}"
    case(replayed)


for one in sorted(RECORDED.glob("*/*.json")):
    if one.stem != "client":  # for the tests of the client in C++
        add(one)
