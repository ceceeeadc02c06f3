"""What `etl-csv load` tells of a load beside its rows."""
import bz2
import json
import lzma
import shutil
import subprocess


def summary_of_files(c):
    """Which element of a mapping applied, and how many bytes were read."""
    a, b = c.folder / "a.csv", c.folder / "b.tsv"
    a.write_text("a,b\n" + "1,x\n" * 100)
    b.write_text("a\tb\n" + "1\tx\n" * 50)
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*.tsv", "delimiter": "\t"}, {"pattern": "*.csv"}]}))
    summary, error = c.load(a, b, "--mapping", "map.json", "--create", "--log", "debug")
    c.equal("elements", {str(a): 1, str(b): 0}, {file["path"]: file["mapping_index"] for file in summary["results"]})
    c.equal("bytes", {str(a): a.stat().st_size, str(b): b.stat().st_size}, {f["path"]: f["bytes"] for f in summary["results"]})
    c.equal("bytes of all", a.stat().st_size + b.stat().st_size, summary["bytes"])
    c.has(error, 'a.csv: read by element 1 of "files" in map.json')
    done = subprocess.run(c.command(a, "--restart"), cwd=c.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    c.has(done.stdout.decode(), f"; {a.stat().st_size} bytes read")
    summary, _ = c.load(a)
    c.equal("without a mapping", [None], [file["mapping_index"] for file in summary["results"]])


def codes(c):
    """A failed check and a failed merge have codes of their own."""
    (c.folder / "a.csv").write_text("a\n1\n")
    (c.folder / "merge.sql").write_text("INSERT INTO nowhere SELECT * FROM t;\n")
    with c.server() as (url, _):
        for into in (None, url):
            summary, _ = c.load("a.csv", "--create", "--check", "SELECT 'wrong' AS what", into=into, wanted=1)
            c.equal("check", "check failed", summary["failure_code"])
            summary, error = c.load("a.csv", "--merge", "merge.sql", into=into, wanted=1)
            c.equal("merge", "script failed", summary["failure_code"])
            c.has(summary["failure"], "merge.sql has failed, and nothing of it is done: ", "nowhere")
            c.holds("no C++", "::" not in summary["failure"].replace("://", ""), summary["failure"])
            summary, _ = c.load("a.csv", into=into)
            c.equal("none", None, summary["failure_code"])


def columns_at_once(c):
    """A file's surplus columns and the columns that the table must have are named in one message."""
    (c.folder / "a.csv").write_text("id,more,other\n1,2,3\n")
    (c.folder / "b.csv").write_text("id\n1\n")
    (c.folder / "c.csv").write_text("id,need,must\n1,2,3\n")
    sql = "CREATE TABLE t(id INTEGER PRIMARY KEY, need INTEGER NOT NULL, must TEXT NOT NULL, has TEXT NOT NULL DEFAULT 'x', free TEXT)"
    with c.server() as (url, _):
        subprocess.run(["sqlite3", str(c.database), sql], check=True)
        c.psql(url, sql)
        for into in (None, url):
            _, error = c.load("a.csv", into=into, wanted=1)
            c.has(error, "the table t has no column 'more', 'other'; it has id, need, must, has, free",
                  "the file has no column 'need', 'must', which the table must have: it takes no NULL and has no default")
            _, error = c.load("b.csv", into=into, wanted=1)
            c.has(error, "the file has no column 'need', 'must', which the table must have")
            c.load("c.csv", into=into)


def bytes_of_rejects(c):
    """A rejected row is told with the byte at which it begins, whoever rejects it."""
    head, good = "id,a\n", "1,x\n"
    (c.folder / "a.csv").write_text(head + good + "bad,y\n" + "1,double\n" + "3,x,y\n")
    subprocess.run(["sqlite3", str(c.database), "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)"], check=True)
    _, error = c.load("a.csv", "--rejects", "rejects.csv", wanted=3)
    lines = (c.folder / "a.csv").read_bytes()
    for row in (b"bad,", b"1,double", b"3,x"):
        c.has(error, f"the row begins at byte {lines.index(row)}")
    c.has((c.folder / "rejects.csv").read_text(), f"the row begins at byte {lines.index(b'bad,')}")


def environment(c):
    """What no option says is taken from the environment; a bad variable is an error of usage."""
    (c.folder / "a.csv").write_text("a\n" + "1\n" * 30)

    def run(*arguments, **variables):
        return subprocess.run([*c.command("a.csv", "--create", "--restart", "--log", "debug"), *arguments], cwd=c.folder,
                              env={"PATH": "/usr/bin:/bin", **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    c.has(run(ETLPIPE_BATCH_SIZE="10").stderr.decode(), "of 10 rows")
    c.has(run("--batch-size", "15", ETLPIPE_BATCH_SIZE="10").stderr.decode(), "of 15 rows")
    c.equal("with a limit of memory", 0, run(ETLPIPE_MAX_MEMORY_MB="1").returncode)
    done = run(ETLPIPE_WORKERS="many")
    c.equal("exit code", 2, done.returncode)
    c.has(done.stderr.decode(), "ETLPIPE_WORKERS", "many")
    done = subprocess.run([c.program, "load", "--help"], stdout=subprocess.PIPE)
    c.has(done.stdout.decode(), "ETLPIPE_WORKERS", "ETLPIPE_BATCH_SIZE", "ETLPIPE_TIMEOUT_MS", "ETLPIPE_MAX_MEMORY_MB")


def compressed(c):
    """bzip2, xz and zstd by content, also where a load goes on; cut off they are errors."""
    text = ("a,b\n" + "".join(f"{i},x{i}\n" for i in range(20000))).encode()
    files = {"a.csv.bz2": bz2.compress(text), "b.csv.xz": lzma.compress(text)}
    if shutil.which("zstd"):
        files["c.zst"] = subprocess.run(["zstd", "-q"], input=text, stdout=subprocess.PIPE, check=True).stdout
    for name, packed in files.items():
        c.database = c.folder / f"{name}.db"
        (c.folder / name).write_bytes(packed)
        c.load(name, "--create", "--batch-size", 1000)
        c.equal(name, (20000, 19999), c.rows("SELECT count(*), max(a) FROM t")[0])
        (c.folder / f"cut.{name}").write_bytes(packed[:-9])
        _, error = c.load(f"cut.{name}", wanted=1)
        c.has(error, f"cut.{name}")
    (c.folder / "d.json.xz").write_bytes(lzma.compress(b'{"a": 1, "b": "x"}\n'))
    c.load("d.json.xz")


def types_in_a_mapping(c):
    """"types" of a mapping says what columns hold, of CSV and JSON; --type goes before it."""
    (c.folder / "a.csv").write_text("zip,price\n94107,1.50\n")
    (c.folder / "a.json").write_text('{"zip": "01220", "price": 2.5}\n')
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "types": {"zip": "text", "price": "numeric"}}]}))
    c.load("a.csv", "a.json", "--create", "--mapping", "map.json")
    c.equal("rows", [("01220", "text"), ("94107", "text")], c.rows("SELECT zip, typeof(zip) FROM t ORDER BY zip"))
    c.database = c.folder / "other.db"
    c.load("a.csv", "--create", "--mapping", "map.json", "--type", "zip=integer")
    c.equal("by the option", [(94107,)], c.rows("SELECT zip FROM t"))
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "types": {"zip": "code"}, "columns": []}]}))
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=2)
    c.has(error, 'files[0].types: is for files without "columns"')
    (c.folder / "map.json").write_text(json.dumps({"files": [{"pattern": "*", "types": {"zip": "code"}}]}))
    _, error = c.load("a.csv", "--mapping", "map.json", wanted=2)
    c.has(error, "files[0].types.zip: must be one of boolean, integer")


CASES = [types_in_a_mapping, summary_of_files, codes, columns_at_once, bytes_of_rejects, environment, compressed]
