"""What the command lines of all programs have in common."""
import re

from harness import text_of

# Options that several programs have, with the beginning of their description.
SAME = {"--workers": "Threads that ", "--quiet": "No progress and no summary, only errors and rejected records",
        "--json": "Print ", "--store": "Database: sqlite:PATH", "--timeout": "Seconds after which an incomplete batch is loaded",
        "--dry-run": "Read and check everything, but ", "--rejects": "", "--max-rejects": "", "--batch-size": "",
        "--on-conflict": "", "--restart": "Load all files from the beginning", "--strict": "", "--version": "Print the version"}
# Other words for these.
OTHERS = {"--threads", "--jobs", "--parallel", "--silent", "--verbose", "--db", "--database", "--output-json", "--into", "--dead-letters",
          "--max-bad-rows", "--validate-only", "--on-duplicate"}
COLUMN = 30  # where descriptions begin
VALUES = r"(TEXT|FILE|N|NUMBER|\{.*\})"


def options_of(help_text):
    """(names, value, description) of each option of a help."""
    text = help_text.split("Options:\n", 1)[1].split("\n\n")[0]
    for part in re.split(r"\n(?=  -)", "\n" + text):
        if part.strip():
            part = part.lstrip("\n")
            first = part.split("\n")[0]
            split = COLUMN if len(first) > COLUMN and first[COLUMN - 1] == " " else len(first)
            head, rest = part[:split].strip(), part[split:]
            names, _, value = head.partition(" ")
            yield names.split(","), value.replace("(required)", "").replace("...", "").strip(), " ".join(rest.split())


def agrees(c, commands):
    """The program has these commands; its help, version, words and errors of usage are like those of the other programs."""
    program = c.program.path.rsplit("/", 1)[-1]

    def run(*arguments, wanted=0):
        done = c.program.run(*arguments)
        c.code(" ".join(arguments), done, wanted)
        return text_of(done.stdout), text_of(done.stderr)

    version, _ = run("--version")
    c.holds("--version", re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", version), version)
    help_text, error = run("--help")
    c.equal("--help on standard error", "", error)
    c.has(help_text, f"First example:\n  {program} ", "Exit codes:\n  0  done\n  1  failed: ", "\n  2  wrong usage", "\n  4  stopped by a signal")
    listed = re.findall(r"^  ([a-z-]+)  ", help_text.split("Commands:\n")[1].split("\n\n")[0], re.M)
    c.equal("commands", commands, listed)
    for command in commands:
        text, _ = run(command, "--help")
        c.has(text, f"Usage: {program} {command} ", "Exit codes:\n  0  done\n")
        c.equal(f"{command} --help: wide lines", [], [line for line in text.splitlines() if len(line) > 80])
        for names, value, description in options_of(text):
            what = f"{command} {names[0]}"
            c.holds(f"{what}: the kind of its value", re.fullmatch(VALUES, value) or not value, value)
            c.holds(f"{what}: described", len(description) > 5, description)
            c.holds(f"{what}: not another word", names[0] not in OTHERS)
            if names[0] in SAME:
                c.holds(f"{what}: the same description", description.startswith(SAME[names[0]]), description)
        _, error = run(command, "--frobnicate", wanted=2)
        c.has(error, f"{program}: ", f"{program} {command} --help shows the options\n")
    _, error = run("frobnicate", wanted=2)
    c.has(error, f"{program}: there is no command 'frobnicate'; the commands are {', '.join(commands)}\n")
    _, error = run(wanted=2)
    c.has(error, f"{program} --help shows the options\n")
