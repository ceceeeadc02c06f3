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
import pathlib
import sys
import tempfile
import threading
import urllib.parse
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True
from load_test import HEADER, Case, line, row  # noqa: E402


class Bucket:
    """Objects of one bucket on a server, which gives at most `most` bytes of an object's body in one answer."""

    def __init__(self):
        self.objects, self.most, self.requests, self.on_get = {}, None, [], lambda key: None

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
                if self.command != "HEAD":
                    self.wfile.write(body[:cut])
                self.close_connection = cut is not None and cut < len(body)

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

            def listing(self, query):
                keys = sorted(k for k in bucket.objects if k.startswith(query.get("prefix", "")))
                found = "".join(f"<Contents><Key>{escape(k)}</Key><Size>{len(bucket.objects[k])}</Size></Contents>" for k in keys)
                self.answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
        c.equal("paths", "s3://bucket/2024/00/ü 0+x.csv.gz", summary["files"][0]["path"])
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

        def change(key):
            if len([r for r in bucket.requests if r[0] == "GET" and r[2] and r[2].endswith("000-")]) == 2:
                bucket.objects[key] = gzip.compress(text(1, 20001), 1)

        bucket.on_get = change
        _, error = c.load("s3://bucket/a.csv.gz", "--create", wanted=1)
        c.has(error, "412 Precondition Failed")


def refused(c):
    """What cannot be read is told by its URL, before anything is begun."""
    with Bucket().serve() as bucket:
        bucket.objects["book.xlsx"] = b"PK"
        _, error = c.load("s3://bucket/none.csv", "--create", wanted=2)
        c.has(error, "/bucket/none.csv", "404 Not Found")
        _, error = c.load("s3://bucket/2025/*.csv", "--create", wanted=2)
        c.has(error, "'s3://bucket/2025/*.csv' matches no object")
        _, error = c.load("s3://bucket/book.xlsx", "--create", wanted=2)
        c.has(error, "s3://bucket/book.xlsx: a workbook is read as a local file only: copy it first")
        del os.environ["AWS_SECRET_ACCESS_KEY"]
        _, error = c.load("s3://bucket/a.csv", "--create", wanted=2)
        c.has(error, "one of access key and secret key is not set")


CASES = {case.__name__: case for case in (packed_objects, plain_object, changed_meanwhile, refused)}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    failed = 0
    for name in sys.argv[2:] or CASES:
        with tempfile.TemporaryDirectory(prefix="etlpipe-csv-") as folder:
            case = Case(os.path.abspath(sys.argv[1]), None, pathlib.Path(folder))
            try:
                CASES[name](case)
            except Exception as error:  # noqa: BLE001: what a case did not foresee is a problem of it
                case.problems.append(f"{type(error).__name__}: {error}")
            print(f"{name}: {case.checks} checks, {len(case.problems)} problems")
            for problem in case.problems:
                print(f"  {problem}")
            failed += bool(case.problems)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
