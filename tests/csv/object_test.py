#!/usr/bin/env python3
"""Tests etl-csv on s3:// and file: URLs, against a small server that cuts connections.

    object_test.py PROGRAM [CASE...]   all cases without CASE
    object_test.py --list              names of the cases
"""
import contextlib
import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True
from load_test import HEADER, line, row, run_cases  # noqa: E402
from workbook_test import SALES, run, workbook  # noqa: E402


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A program that was killed breaks its connections."""


class Bucket:
    """Objects of one bucket on a server, which gives at most `most` bytes of an object's body in one answer."""

    def __init__(self):
        self.objects, self.most, self.requests, self.on_get = {}, None, [], lambda key: None
        self.pause_after, self.go_on = None, threading.Event()  # bytes of a body
        self.uploads = 0  # that are begun

    @contextlib.contextmanager
    def serve(self):
        bucket = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", cut=None, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.close_connection = cut is not None and cut < len(body)
                body = body[:cut]
                with contextlib.suppress(ConnectionError):  # of a program that was killed
                    if self.command != "HEAD":
                        self.wfile.write(body[:bucket.pause_after])
                    if self.command != "HEAD" and len(body) > (bucket.pause_after or len(body)):
                        bucket.go_on.wait(30)
                        self.wfile.write(body[bucket.pause_after:])

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                key = urllib.parse.unquote(url.path.removeprefix("/bucket/"))
                bucket.requests.append((self.command, key, self.headers.get("Range"), self.headers.get("Authorization")))
                if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256"):
                    return self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                if not key:
                    return self.listing(dict(urllib.parse.parse_qsl(url.query)))
                bucket.on_get(key)
                if key not in bucket.objects:
                    return self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>None</Message></Error>")
                body = bucket.objects[key]
                etag = f'"{hashlib.md5(body).hexdigest()}"'
                if self.headers.get("If-Match", etag) != etag:
                    return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                if self.headers.get("Range") is None:
                    return self.answer(200, body, bucket.most, ETag=etag)
                first, last = self.headers["Range"].removeprefix("bytes=").split("-")
                first, end = int(first), min(len(body), int(last or len(body)) + 1)
                if first >= len(body):
                    return self.answer(416, b"<Error><Code>InvalidRange</Code></Error>")
                return self.answer(206, body[first:end], bucket.most, ETag=etag,
                                   Content_Range=f"bytes {first}-{end - 1}/{len(body)}")

            do_HEAD = do_GET

            def do_PUT(self):
                key = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path.removeprefix("/bucket/"))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if key.startswith("locked/"):
                    return self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                bucket.objects[key] = body
                self.answer(200, ETag='"e"')

            def do_POST(self):  # only begins uploads
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if "/locked/" in self.path:
                    return self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                bucket.uploads += 1
                self.answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")

            def do_DELETE(self):
                bucket.uploads -= "uploadId=u" in self.path
                self.answer(204)

            def listing(self, query):
                keys = sorted(k for k in bucket.objects if k.startswith(query.get("prefix", "")))
                found = "".join(f"<Contents><Key>{escape(k)}</Key><Size>{len(bucket.objects[k])}</Size></Contents>" for k in keys)
                self.answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_ACCESS_KEY_ID="AKID",
                          AWS_SECRET_ACCESS_KEY="geheim", AWS_REGION="us-east-1", NO_PROXY="*")
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def text(first, end):
    return (HEADER + "".join(line(n) for n in range(first, end))).encode()


def packed_objects(c):
    """All packed objects that a pattern matches, each body cut many times; a second load finds that they are there."""
    with Bucket().serve() as bucket:
        for i in range(4):
            name = f"2024/{i:02}/ü {i}+x.csv" + (".gz" if i < 3 else "")
            bucket.objects[name] = gzip.compress(text(i * 5000, (i + 1) * 5000), 1) if i < 3 else text(15000, 15010)
        bucket.objects["2023/old.csv.gz"] = b"never read"
        bucket.most = 10_000
        pattern = "s3://bucket/2024/**/*.csv.gz"
        summary, error = c.load(pattern, "--create", "--key", "id")
        c.equal("rows", [row(i) for i in range(15000)], c.rows())
        c.equal("paths", "s3://bucket/2024/00/ü 0+x.csv.gz", summary["results"][0]["path"])
        c.holds("bodies were cut", any(r[2] not in (None, "bytes=0-9") for r in bucket.requests), bucket.requests)
        c.holds("no secret is shown", "geheim" not in error, error)
        again, _ = c.load(pattern, "--key", "id")
        c.equal("loaded before", (3, 0), (again["loaded_before"], again["rows"]["read"]))
        bucket.objects["2024/00/ü 0+x.csv.gz"] = gzip.compress(text(0, 5001), 1)
        _, error = c.load(pattern, "--key", "id", wanted=1)
        c.has(error, "has changed since it was loaded")


def plain_object(c):
    """One that is not packed, and a file by its URL beside it."""
    with Bucket().serve() as bucket:
        bucket.objects["a.csv"] = text(0, 3000)
        bucket.most = 20_000
        (c.folder / "b c.csv").write_bytes(text(3000, 3010))
        c.load("s3://bucket/a.csv", f"file://{c.folder}/b%20c.csv", "--create")
        c.equal("rows", [row(i) for i in range(3010)], c.rows())


def changed_meanwhile(c):
    """An object that becomes another while it is read is a failure: rows of both would be mixed."""
    with Bucket().serve() as bucket:
        bucket.objects["a.csv.gz"] = gzip.compress(text(0, 20000), 1)
        bucket.most = 30_000
        versions = [gzip.compress(text(i, 20000 + i), 1) for i in range(2)]

        def change(key):  # whenever a read goes on after its first piece
            if (bucket.requests[-1][2] or "bytes=0").startswith("bytes=0"):
                return
            bucket.objects[key] = versions[bucket.objects[key] == versions[0]]

        bucket.on_get = change
        _, error = c.load("s3://bucket/a.csv.gz", "--create", wanted=1)
        c.has(error, "412 Precondition Failed")


def refused(c):
    """What cannot be read is told by its URL, before anything is begun."""
    with Bucket().serve() as bucket:
        bucket.objects["book.xlsx"] = b"PK\x03\x04" + bytes(100)
        _, error = c.load("s3://bucket/none.csv", "--create", wanted=2)
        c.has(error, "/bucket/none.csv", "404 Not Found")
        _, error = c.load("s3://bucket/2025/*.csv", "--create", wanted=2)
        c.has(error, "'s3://bucket/2025/*.csv' matches no object")
        _, error = c.load("s3://bucket/book.xlsx", "--create", wanted=2)
        c.has(error, "s3://bucket/book.xlsx: the file is a zip archive without its end, cut off or damaged")
        del os.environ["AWS_SECRET_ACCESS_KEY"]
        _, error = c.load("s3://bucket/a.csv", "--create", wanted=2)
        c.has(error, "one of access key and secret key is not set")


def workbooks(c):
    """Sheets of a workbook, whose body is cut many times: all of them are read from one copy of it."""
    with Bucket().serve() as bucket:
        book = workbook(c.folder / "b.xlsx", {"Notes": [["x"], [1]], "Sales": SALES})
        bucket.objects["in/book.XLSX"] = book.read_bytes()
        bucket.most = 500
        url = "s3://bucket/in/book.XLSX"

        found, _ = run(c, "sniff", url)
        c.has(found, f"{url}[Notes]: a sheet", f"{url}[Sales]: a sheet, 1 header row; 3 rows, 0 bad")
        c.load(url, "--sheet", "Sales", "--create")
        c.equal("rows", [(1, 'a, "b"'), (2, "line\nbreak"), (3, "c")], c.rows("SELECT id, name FROM t ORDER BY id"))
        again, _ = c.load(url, "--sheet", "Sales")
        c.equal("loaded before", 1, again["loaded_before"])
        _, error = c.load(url, "--sheet", "None", wanted=1)
        c.has(error, f"{url}: there is no sheet 'None'")
        bucket.objects["in/book.XLSX"] = workbook(book, {"Sales": SALES[:2]}).read_bytes()
        _, error = c.load(url, wanted=1)
        c.has(error, "has changed since it was loaded")


def rejects(c):
    """Rejected rows go to an object; one that cannot be put is told before anything is loaded."""
    with Bucket().serve() as bucket:
        bucket.objects["first.csv"], bucket.objects["a.csv"] = text(0, 9), text(9, 100) + ("x" + line(100)).encode()
        c.load("s3://bucket/first.csv", "--create")
        c.load("s3://bucket/a.csv", "--rejects", "s3://bucket/bad/a.csv", wanted=3)
        c.has(bucket.objects["bad/a.csv"].decode(), "source_file,", "s3://bucket/a.csv,", "x" + line(100).split(",")[0])
        c.equal("uploads that are left", 0, bucket.uploads)
        c.database = c.folder / "other.db"
        _, error = c.load("s3://bucket/a.csv", "--create", "--rejects", "s3://bucket/locked/a.csv", wanted=2)
        c.has(error, "403 Forbidden")
        c.holds("nothing is loaded", not c.database.exists() or not c.rows("SELECT 1 FROM sqlite_master WHERE name = 't'"))


def killed(c):
    """A load that was killed asks for the rest of an object that is not packed, from the last chunk that was loaded."""
    with Bucket().serve() as bucket:
        body = bucket.objects["a.csv"] = text(0, 100_000)  # more than is looked at before the load
        bucket.pause_after = len(body) * 3 // 4
        command = c.command("s3://bucket/a.csv", "--create", "--batch-size", 1000, "--quiet")
        with subprocess.Popen(command, cwd=c.folder) as process:
            end = time.monotonic() + 30
            while not (c.database.exists() and c.rows("SELECT 1 FROM sqlite_master WHERE name = 't'") and
                       c.rows("SELECT count(*) > 50000 FROM t")[0][0]) and time.monotonic() < end:
                time.sleep(0.02)
            process.kill()
        loaded = c.rows("SELECT count(*) FROM t")[0][0]
        c.holds("rows were loaded before the kill, and not all", 50_000 < loaded < 100_000, loaded)
        bucket.requests.clear()
        bucket.go_on.set()
        c.load("s3://bucket/a.csv", "--batch-size", 1000)
        c.equal("number of rows", 100_000, c.rows("SELECT count(*) FROM t")[0][0])
        c.equal("first row that differs", None,
                next((pair for pair in zip(map(row, range(100_000)), c.rows()) if pair[0] != pair[1]), None))
        begins = [int(r[2].removeprefix("bytes=").split("-")[0]) for r in bucket.requests if r[2]]
        c.holds("the rest was asked for", max(begins, default=0) > len(body) // 5, (loaded, len(body), [r[:3] for r in bucket.requests]))


CASES = {case.__name__: case for case in (packed_objects, plain_object, changed_meanwhile, refused, workbooks, rejects,
                                          killed)}


if __name__ == "__main__":
    sys.exit(run_cases(CASES, __doc__, programs=1))
