"""Help, usage errors, generate, and the ways to name an input."""
import contextlib
import gzip
import json
import os
import re
import subprocess
import threading

from command_line import agrees
from harness import message
from uniprot_case import accessions, case, count, loaded, rows, split


@case
def command_line(c):
    with_jobs = ["worker", "jobs", "status", "cancel", "resume", "retry-quarantined"]
    help_text = c.program.run("--help").stdout.decode()
    agrees(c, ["ingest", "inspect", "count", "generate", *(with_jobs if "retry-quarantined" in help_text else [])])


@case
def help_texts(c):
    """--help of the program and of each command names what there is, on standard output."""
    words = {(): ["ingest", "inspect", "count", "generate"],
             ("inspect",): ["--format", "fasta", "ndjson", "--pretty", "--range"], ("count",): ["FILE"],
             ("ingest",): ["--store", "--workers", "--batch-size", "--strict", "--max-rejects", "--taxon", "--reviewed",
                           "--tables", "--quiet", "--json", "--timeout"],
             ("generate",): ["--entries", "--out", "--seed"]}
    for command, wanted in words.items():
        done = c.program.run(*command, "--help")
        c.code(f"{command} --help", done, 0)
        missing = [word for word in wanted if word.encode() not in done.stdout]
        c.equal(f"{command} --help lacks", [], missing)


@case
def usage(c):
    """What is not understood ends with 2, a message, and nothing done."""
    good, _ = c.generate(3)
    db = c.db()
    wrong = [(), ("frobnicate",), ("ingest",), ("ingest", good), ("ingest", "--db", db), ("ingest", good, "--db"),
             ("ingest", good, "--db", db, "--frobnicate"), ("inspect", good, "--format", "yaml"), ("inspect",),
             ("ingest", good, "--db", db, "--workers", "-1"), ("ingest", good, "--db", db, "--workers", "two"),
             ("ingest", good, "--db", db, "--batch-size", "0"), ("ingest", good, "--db", db, "--max-rejects", "many"),
             ("ingest", good, "--db", db, "--max-rejects", "101%"), ("ingest", good, "--db", db, "--taxon", "man"),
             ("ingest", good, "--db", db, "--tables", "some"), ("ingest", good, "--db", db, "--timeout", "soon"),
             ("generate", "--entries", "few", "--out", c.folder / "x"), ("generate", "--entries", "3"),
             ("generate", "--entries", "-3", "--out", c.folder / "x")]
    for arguments in wrong:
        what = " ".join(str(a).rsplit("/", 1)[-1] for a in arguments) or "no arguments"
        try:
            done = c.program.run(*arguments, timeout=30)
        except subprocess.TimeoutExpired:
            c.holds(f"{what}: ends", False)
            continue
        c.code(what, done, 2)
        c.holds(f"{what}: has a message", done.stderr.strip())
    c.holds("no database was made", not db.exists())


@case
def missing_file(c):
    """A missing file is named before anything is loaded; so is a missing folder for the database."""
    good, _ = c.generate(3)
    db = c.db()
    done = c.load(good, c.folder / "gone.dat", db=db, wanted=2)
    c.says("missing file", done, r"gone\.dat")
    c.equal("nothing was loaded", 0, count(db))
    done = c.program.run("inspect", c.folder / "gone.dat", "--format", "ndjson")
    c.code("inspect a missing file", done, 2)
    c.says("inspect a missing file", done, r"gone\.dat")
    done = c.ingest(good, db=c.folder / "nowhere" / "x.sqlite")
    c.code("database in a missing folder", done, 1, 2)
    c.says("database in a missing folder", done, "nowhere")
    done = c.ingest(good, db=c.folder)
    c.code("a folder as database", done, 1, 2)
    done = c.ingest(c.folder, db=db)
    c.code("a folder as input", done, 1, 2)
    c.holds("a folder as input: has a message", done.stderr.strip())


@case
def standard_input(c):
    """- is standard input, plain or gzip, and gives what the file gives."""
    path, data = c.generate(40)
    for name, stream in ("plain", data), ("gzip", gzip.compress(data)):
        c.load("-", db=c.db(name), input=stream)
        c.equal(f"accessions from {name} standard input", sorted(accessions(data)), loaded(c.folder / f"{name}.sqlite"))
    from_file = c.program.run("inspect", path, "--format", "ndjson").stdout
    c.equal("inspect -", from_file, c.program.run("inspect", "-", "--format", "ndjson", input=data).stdout)


def feed(path, data):
    """Writes to a pipe from a thread; a reader that goes away shows in what it has loaded."""
    def write():
        with contextlib.suppress(BrokenPipeError), open(path, "wb") as file:
            file.write(data)

    threading.Thread(target=write, daemon=True).start()


@case
def named_pipe(c):
    """A FIFO is opened once and read to its end; so is the pipe of a shell's <(...)."""
    _, data = c.generate(300)
    fifo = c.folder / "fifo"
    os.mkfifo(fifo)
    read, write = os.pipe()
    for name, path, end in ("FIFO", fifo, fifo), ("<(...)", f"/dev/fd/{read}", write):
        db = c.db()
        feed(end, data)
        try:
            c.load(path, db=db, pass_fds=(read,), timeout=60)
            c.equal(f"{name}: accessions", sorted(accessions(data)), loaded(db))
        except subprocess.TimeoutExpired:
            c.holds(f"{name}: ends", False)
    os.close(read)


@case
def gzip_by_content(c):
    """gzip is known by its first bytes, not by its name; several members are one stream."""
    _, data = c.generate(30)
    files = {"packed.dat": gzip.compress(data), "plain.gz": data, "noname": gzip.compress(data, 1),
             "members.gz": b"".join(gzip.compress(entry) for entry in split(data)),
             "cut.gz": gzip.compress(data[:777]) + gzip.compress(data[777:])}
    for name, content in files.items():
        db = c.db(name)
        c.load(c.file(name, content), db=db)
        c.equal(f"accessions of {name}", sorted(accessions(data)), loaded(db))


@case
def odd_names(c):
    """Files whose names have blanks, quotes, letters beyond ASCII or a leading hyphen."""
    _, data = c.generate(2)
    for name in ("a b.dat", "it's \"x\".dat", "ü€.dat", "%s%d{}.dat", "--strict.dat"):
        db, path = c.db("odd"), c.file(name, data + b"ID   BAD\n//\n")
        c.load(path, db=db, wanted=3)
        c.equal(f"accessions of {name}", sorted(accessions(data)), loaded(db))
        c.equal(f"rejects.file of {name}", [str(path)], [row["file"] for row in rows(db, "SELECT file FROM rejects")])


@case
def same_name_in_two_folders(c):
    """A file is known by its whole path: progress and rejects of another file of the same name stay."""
    _, data = c.generate(3)
    db = c.db()
    for folder, content in (("x", data + b"ID   BAD\n//\n"), ("y", data)):
        (c.folder / folder).mkdir()
        (c.folder / folder / "new.dat").write_bytes(content)
    for folder, wanted in (("x", 3), ("y", 0)):
        c.code(folder, c.program.run("ingest", "new.dat", "--store", f"sqlite:{db}", cwd=c.folder / folder), wanted)
        c.equal("rejects", [str(c.folder / "x" / "new.dat")], [row["file"] for row in rows(db, "SELECT file FROM rejects")])
    (c.folder / "x" / "new.dat").write_bytes(data)
    c.code("by its path", c.program.run("ingest", c.folder / "x" / "new.dat", "--store", f"sqlite:{db}"), 0)
    c.equal("rejects", [], rows(db, "SELECT file FROM rejects"))


@case
def inspect_formats(c):
    """ndjson, json, fasta and dat of the same file agree; several files come in the order of the arguments."""
    path, data = c.generate(25)
    forms = ("ndjson", "json", "fasta", "dat")
    output = {form: c.program.run("inspect", path, "--format", form).stdout for form in forms}
    objects = [json.loads(line) for line in output["ndjson"].splitlines()]
    c.equal("dat is the file", data, output["dat"])
    c.equal("accessions", accessions(data), [one["accession"] for one in objects])
    c.equal("json is one array", objects, json.loads(output["json"]))
    found = re.findall(r"^>\w+\|(\w+)\|(\w+)[^\n]*\n([A-Z\n]+)", output["fasta"].decode(), re.M)
    c.equal("fasta", [(one["accession"], one["entry_name"], one["sequence"]) for one in objects],
            [(accession, name, sequence.replace("\n", "")) for accession, name, sequence in found])
    other, more = c.generate(5, "other.dat", "--seed", "77")
    for form in forms:
        parallel = c.program.run("inspect", path, "--format", form, "--workers", "8").stdout
        c.equal(f"{form} by 8 workers", output[form], parallel)
    c.equal("two files", data + more, c.program.run("inspect", path, other, "--format", "dat").stdout)


@case
def environment(c):
    """What no option says is taken from the environment; a bad variable is an error of usage that names it."""
    path, data = c.generate(30)

    def batches(*options, **variables):
        done = c.ingest(path, "--restart", "--json", *options, db=c.db(), env={**os.environ, **variables})
        c.code(f"{options} {variables}", done, 0)
        return sum(json.loads(done.stdout)["flushes"].values())

    c.holds("a batch of all", batches() < 3)
    c.holds("batches of 10", batches(ETLPIPE_BATCH_SIZE="10") >= 3)
    c.holds("the option goes before", batches("--batch-size", "1000", ETLPIPE_BATCH_SIZE="10") < 3)
    db = c.db("named")
    done = c.program.run("ingest", path, env={**os.environ, "DATABASE_URL": f"sqlite:{db}"})
    c.code("the database of DATABASE_URL", done, 0)
    c.equal("loaded", sorted(accessions(data)), loaded(db))
    db = c.db("former")
    c.code("the former name of --store", c.program.run("ingest", path, "--db", db, env={**os.environ, "DATABASE_URL": "mysql://x"}), 0)
    c.equal("loaded", 30, count(db))
    batches(ETLPIPE_MAX_MEMORY_MB="1", ETLPIPE_WORKERS="1", ETLPIPE_TIMEOUT_MS="500")
    for command in ("ingest", path, "--db", c.db()), ("inspect", path):
        done = c.program.run(*command, env={**os.environ, "ETLPIPE_WORKERS": "many"})
        c.code(command[0], done, 2)
        c.says(command[0], done, "ETLPIPE_WORKERS")
        c.holds(f"{command[0]} --help says so", b"ETLPIPE_WORKERS" in c.program.run(command[0], "--help").stdout)


@case
def pretty(c):
    """--pretty is the same JSON, with a member a line."""
    path, data = c.generate(3)
    plain = json.loads(c.program.run("inspect", path, "--format", "json").stdout)
    done = c.program.run("inspect", path, "--format", "json", "--pretty")
    c.equal("the same", plain, json.loads(done.stdout))
    c.holds("a member a line", b'{\n  "accession": "' + accessions(data)[0].encode() + b'",\n  "accessions": [\n    "' in done.stdout,
           done.stdout[:200])
    c.code("of ndjson", c.program.run("inspect", path, "--pretty"), 2)


@case
def ranges(c):
    """--range gives entries of each file by number; count tells how many there are, without a parse."""
    path, data = c.generate(25)
    all_of_them = split(data)
    for text, wanted in (("1:3", all_of_them[:3]), ("24:", all_of_them[23:]), (":2", all_of_them[:2]), ("7:7", all_of_them[6:7]),
                         ("26:", []), ("20:99", all_of_them[19:])):
        done = c.program.run("inspect", path, "--format", "dat", "--range", text)
        c.code(text, done, 0)
        c.equal(text, b"".join(wanted), done.stdout)
    twice = c.program.run("inspect", path, path, "--format", "dat", "--range", "2:3")
    c.equal("of each file", b"".join(all_of_them[1:3] * 2), twice.stdout)
    for text in ("0:3", "3", "3:2", "a:b", "-1:2"):
        c.code(text, c.program.run("inspect", path, f"--range={text}"), 2)
    odd = c.file("odd.dat", data.replace(b"SQ   ", b"QS   "))
    done = c.program.run("count", path, odd, c.file("none.dat", b""))
    c.code("count", done, 0)
    c.equal("counts", f"25 {path}\n25 {odd}\n0 {c.folder}/none.dat\n50 in all\n".encode(), done.stdout)
    done = c.program.run("count", path, "--json")
    c.equal("count --json", {"file": str(path), "entries": 25}, json.loads(done.stdout))
    c.code("count of what is not there", c.program.run("count", c.folder / "missing"), 2)


@case
def inspect_rejects(c):
    """A broken entry between good ones: the others are printed, it is named on standard error."""
    _, data = c.generate(3)
    first, second, third = split(data)
    broken = c.file("broken.dat", first + re.sub(rb"(?m)^SQ .*\n", b"", second) + third)
    done = c.program.run("inspect", broken, "--format", "ndjson")
    c.code("inspect", done, 3)
    c.says("inspect", done, r"broken\.dat")
    wanted = accessions(first + third)
    c.equal("ndjson", wanted, [json.loads(line)["accession"] for line in done.stdout.splitlines()])
    whole = c.program.run("inspect", broken, "--format", "json").stdout
    c.equal("json", wanted, [one["accession"] for one in json.loads(whole)])
    nothing = c.program.run("inspect", c.file("empty.dat", b""), "--format", "json").stdout
    c.equal("json of nothing", [], json.loads(nothing))


@case
def generate(c):
    """A seed decides the bytes; the output is good, and packed if its name ends in .gz."""
    path, data = c.generate(200)
    c.equal("entries", 200, len(split(data)))
    c.equal("accessions differ", 200, len(set(accessions(data))))
    c.equal("same seed", c.generate(50, "a", "--seed", "5")[1], c.generate(50, "b", "--seed", "5")[1])
    c.holds("another seed", c.generate(50, "a", "--seed", "5")[1] != c.generate(50, "b", "--seed", "6")[1])
    packed = c.generate(50, "x.gz", "--seed", "5")[1]
    c.equal("x.gz is gzip", b"\x1f\x8b", packed[:2])
    c.equal("x.gz unpacked", c.generate(50, "a", "--seed", "5")[1], gzip.decompress(packed))
    done = c.program.run("inspect", path, "--format", "ndjson")
    c.code("inspect", done, 0)
    c.equal("objects", 200, len(done.stdout.splitlines()))
    done = c.program.run("generate", "--entries", "1", "--out", c.folder / "no" / "x")
    c.code("out into a missing folder", done, 1, 2)
    done = c.program.run("generate", "--entries", "20000", "--out", "/dev/full")
    c.code("out to a full device", done, 1)
    c.says("out to a full device", done, "space|full|write")


@case
def checksums(c):
    """CRC64 and MD5 of what is generated are right: one residue changed, and the entry is rejected."""
    _, data = c.generate(1)
    found = re.search(rb"(?m)^     ([A-Z])", data)
    other = b"A" if found[1] != b"A" else b"G"
    changed = c.file("changed.dat", data[:found.start(1)] + other + data[found.end(1):])
    done = c.load(changed, db=c.db(), wanted=3)
    c.equal("loaded", 0, count(c.folder / "x.sqlite"))
    reasons = [row["reason"] for row in rows(c.folder / "x.sqlite", "SELECT reason FROM rejects")]
    c.holds("the reason names the CRC", len(reasons) == 1 and "CRC" in reasons[0], reasons or message(done))
