"""Tests etl-csv on s3:// and file: URLs, against a small server that cuts connections."""
import gzip
import os
import time

from csv_case import HEADER, case, line, row
from http_servers import object_store
from workbooks import SALES, workbook


def text(first, end):
    return (HEADER + "".join(line(n) for n in range(first, end))).encode()


@case
def packed_objects(c):
    """All packed objects that a pattern matches, each body cut many times; a second load finds that they are there."""
    with object_store() as store:
        for i in range(4):
            name = f"2024/{i:02}/ü {i}+x.csv" + (".gz" if i < 3 else "")
            store.objects[f"/bucket/{name}"] = gzip.compress(text(i * 5000, (i + 1) * 5000), 1) if i < 3 else text(15000, 15010)
        store.objects["/bucket/2023/old.csv.gz"] = b"never read"
        store.most = 10_000
        pattern = "s3://bucket/2024/**/*.csv.gz"
        summary, error = c.load(pattern, "--create", "--key", "id")
        c.equal("rows", [row(i) for i in range(15000)], c.rows())
        c.equal("paths", "s3://bucket/2024/00/ü 0+x.csv.gz", summary["results"][0]["path"])
        c.holds("bodies were cut", any(r[2] not in (None, "bytes=0-9") for r in store.requests), store.requests)
        c.holds("no secret is shown", "geheim" not in error, error)
        again, _ = c.load(pattern, "--key", "id")
        c.equal("loaded before", (3, 0), (again["loaded_before"], again["rows"]["read"]))
        store.objects["/bucket/2024/00/ü 0+x.csv.gz"] = gzip.compress(text(0, 5001), 1)
        _, error = c.load(pattern, "--key", "id", wanted=1)
        c.has(error, "has changed since it was loaded")


@case
def plain_object(c):
    """One that is not packed, and a file by its URL beside it."""
    with object_store() as store:
        store.objects["/bucket/a.csv"] = text(0, 3000)
        store.most = 20_000
        (c.folder / "b c.csv").write_bytes(text(3000, 3010))
        c.load("s3://bucket/a.csv", f"file://{c.folder}/b%20c.csv", "--create")
        c.equal("rows", [row(i) for i in range(3010)], c.rows())


@case
def changed_meanwhile(c):
    """An object that becomes another while it is read is a failure: rows of both would be mixed."""
    with object_store() as store:
        store.objects["/bucket/a.csv.gz"] = gzip.compress(text(0, 20000), 1)
        store.most = 30_000
        versions = [gzip.compress(text(i, 20000 + i), 1) for i in range(2)]

        def change(path):  # whenever a read goes on after its first piece
            if (store.requests[-1][2] or "bytes=0").startswith("bytes=0"):
                return
            store.objects[path] = versions[store.objects[path] == versions[0]]

        store.on_get = change
        _, error = c.load("s3://bucket/a.csv.gz", "--create", wanted=1)
        c.has(error, "412 Precondition Failed")


@case
def refused(c):
    """What cannot be read is told by its URL, before anything is begun."""
    with object_store() as store:
        store.objects["/bucket/book.xlsx"] = b"PK\x03\x04" + bytes(100)
        _, error = c.load("s3://bucket/none.csv", "--create", wanted=2)
        c.has(error, "/bucket/none.csv", "404 Not Found")
        _, error = c.load("s3://bucket/2025/*.csv", "--create", wanted=2)
        c.has(error, "'s3://bucket/2025/*.csv' matches no object")
        _, error = c.load("s3://bucket/book.xlsx", "--create", wanted=2)
        c.has(error, "s3://bucket/book.xlsx: the file is a zip archive without its end, cut off or damaged")
        del os.environ["AWS_SECRET_ACCESS_KEY"]
        _, error = c.load("s3://bucket/a.csv", "--create", wanted=2)
        c.has(error, "one of access key and secret key is not set")


@case
def workbooks(c):
    """Sheets of a workbook, whose body is cut many times: all of them are read from one copy of it."""
    with object_store() as store:
        book = workbook(c.folder / "b.xlsx", {"Notes": [["x"], [1]], "Sales": SALES})
        store.objects["/bucket/in/book.XLSX"] = book.read_bytes()
        store.most = 500
        url = "s3://bucket/in/book.XLSX"

        _, found, _ = c.run("sniff", url, wanted=0)
        c.has(found, f"{url}[Notes]: a sheet", f"{url}[Sales]: a sheet, 1 header row; 3 rows, 0 bad")
        c.load(url, "--sheet", "Sales", "--create")
        c.equal("rows", [(1, 'a, "b"'), (2, "line\nbreak"), (3, "c")], c.rows("SELECT id, name FROM t ORDER BY id"))
        again, _ = c.load(url, "--sheet", "Sales")
        c.equal("loaded before", 1, again["loaded_before"])
        _, error = c.load(url, "--sheet", "None", wanted=1)
        c.has(error, f"{url}: there is no sheet 'None'")
        store.objects["/bucket/in/book.XLSX"] = workbook(book, {"Sales": SALES[:2]}).read_bytes()
        _, error = c.load(url, wanted=1)
        c.has(error, "has changed since it was loaded")


@case
def rejects(c):
    """Rejected rows go to an object; one that cannot be put is told before anything is loaded."""
    with object_store() as store:
        store.objects["/bucket/first.csv"], store.objects["/bucket/a.csv"] = text(0, 9), text(9, 100) + ("x" + line(100)).encode()
        c.load("s3://bucket/first.csv", "--create")
        c.load("s3://bucket/a.csv", "--rejects", "s3://bucket/bad/a.csv", wanted=3)
        c.has(store.objects["/bucket/bad/a.csv"].decode(), "source_file,", "s3://bucket/a.csv,", "x" + line(100).split(",")[0])
        c.equal("uploads that are left", 0, store.uploads)
        c.database = c.folder / "other.db"
        _, error = c.load("s3://bucket/a.csv", "--create", "--rejects", "s3://bucket/locked/a.csv", wanted=2)
        c.has(error, "403 Forbidden")
        c.holds("nothing is loaded", not c.database.exists() or not c.rows("SELECT 1 FROM sqlite_master WHERE name = 't'"))


@case
def killed(c):
    """A load that was killed asks for the rest of an object that is not packed, from the last chunk that was loaded."""
    with object_store() as store:
        body = store.objects["/bucket/a.csv"] = text(0, 100_000)  # more than is looked at before the load
        store.pause_after = len(body) * 3 // 4
        command = c.arguments("s3://bucket/a.csv", "--create", "--batch-size", 1000, "--quiet")
        with c.program.start(*command) as process:
            end = time.monotonic() + 30
            while not (c.database.exists() and c.rows("SELECT 1 FROM sqlite_master WHERE name = 't'") and
                       c.rows("SELECT count(*) > 50000 FROM t")[0][0]) and time.monotonic() < end:
                time.sleep(0.02)
            process.kill()
        loaded = c.rows("SELECT count(*) FROM t")[0][0]
        c.holds("rows were loaded before the kill, and not all", 50_000 < loaded < 100_000, loaded)
        store.requests.clear()
        store.go_on.set()
        c.load("s3://bucket/a.csv", "--batch-size", 1000)
        c.equal("number of rows", 100_000, c.rows("SELECT count(*) FROM t")[0][0])
        c.equal("first row that differs", None,
                next((pair for pair in zip(map(row, range(100_000)), c.rows()) if pair[0] != pair[1]), None))
        begins = [int(r[2].removeprefix("bytes=").split("-")[0]) for r in store.requests if r[2]]
        c.holds("the rest was asked for", max(begins, default=0) > len(body) // 5, (loaded, len(body), [r[:3] for r in store.requests]))
