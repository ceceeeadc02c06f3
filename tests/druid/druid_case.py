"""What the cases of etl-druid share."""
import subprocess

from harness import Case, text_of


class DruidCase(Case):
    def load(self, path, *arguments, source=None, stage=None):
        """The arguments of a load."""
        return ["load", path, "--datasource", source or self.name, "--stage", stage or self.folder / "stage", *arguments]

    def run(self, arguments, wanted=0, **environment):
        """Runs the program and expects an exit code; returns all that it said."""
        done = self.program.run(*arguments, environment=environment)
        self.code(" ".join(map(str, arguments)), done, wanted)
        return text_of(done.stdout) + text_of(done.stderr)

    def start(self, arguments):
        return self.program.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def staged(self):
        """The files that are staged."""
        return [path for path in (self.folder / "stage").rglob("*") if path.is_file()]
