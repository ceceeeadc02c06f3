"""HTTP servers that stand in for real ones, for tests of programs from outside."""
import contextlib
import hashlib
import http.server
import json
import os
import threading
import urllib.parse
from xml.sax.saxutils import escape


class HttpServer(http.server.ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1 until `close`. `answers` is the class that answers requests."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), answers)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def handle_error(self, *_):
        """A program that was stopped breaks its connections."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers one connection; `self.server` is the HttpServer."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", cut=None, **headers):
        """Sends bytes, or a value as JSON; `cut` closes the connection after so many bytes."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.close_connection = cut is not None and cut < len(body)
        if self.command != "HEAD":
            with contextlib.suppress(ConnectionError):  # the program was killed
                self.send(body[:cut])

    def send(self, body):
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


class ObjectStore(HttpServer):
    """Objects of S3 buckets by '/bucket/key'. An answer has at most `most` bytes of an object. Keys under locked/ cannot be written."""

    def __init__(self):
        self.objects, self.most, self.requests, self.on_get = {}, None, [], lambda path: None
        self.pause_after, self.go_on = None, threading.Event()  # bytes of a body
        self.uploads = 0  # that were begun and not ended
        self.left = {}  # uploads that others have begun: (key, time of the start) by bucket
        self.put = []  # what was put, in order
        self.copied = []  # what was copied, as (from, to)
        self.whole = []  # objects that were read from their begin to their end
        super().__init__(ObjectAnswers)

    def environment(self):
        """The variables that lead a program here."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "geheim",
                "AWS_REGION": "us-east-1", "NO_PROXY": "*"}


class ObjectAnswers(Answers):
    def refused(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    @property
    def object_path(self):
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)

    def send(self, body):
        store = self.server
        self.wfile.write(body[:store.pause_after])
        if len(body) > (store.pause_after or len(body)):
            store.go_on.wait(30)
            self.wfile.write(body[store.pause_after:])
        if not self.headers.get("Range"):
            store.whole.append(self.object_path)

    def do_GET(self):
        store, path, part = self.server, self.object_path, self.headers.get("Range")
        store.requests.append((self.command, path, part, self.headers.get("Authorization")))
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256"):
            return self.refused(403, "AccessDenied")
        bucket, _, key = path[1:].partition("/")
        if not key:
            return self.listing(bucket, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)))
        store.on_get(path)
        if path not in store.objects:
            return self.refused(404, "NoSuchKey")
        body = store.objects[path]
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if self.headers.get("If-Match", etag) != etag:
            return self.refused(412, "PreconditionFailed")
        if part is None:
            return self.answer(200, body, store.most, ETag=etag)
        first, last = part.removeprefix("bytes=").split("-")
        first, end = int(first), min(len(body), int(last or len(body)) + 1)
        if first >= len(body):
            return self.refused(416, "InvalidRange")
        return self.answer(206, body[first:end], store.most, ETag=etag, Content_Range=f"bytes {first}-{end - 1}/{len(body)}")

    do_HEAD = do_GET

    def listing(self, bucket, query):
        if "uploads" in query:
            found = "".join(f"<Upload><Key>{escape(key)}</Key><UploadId>{number}</UploadId><Initiated>{began}</Initiated></Upload>"
                            for number, (key, began) in enumerate(self.server.left.get(bucket, [])) if key.startswith(query.get("prefix", "")))
            return self.answer(200, f"<ListMultipartUploadsResult>{found}</ListMultipartUploadsResult>".encode())
        beginning = f"/{bucket}/{query.get('prefix', '')}"
        found = "".join(f"<Contents><Key>{escape(path.removeprefix(f'/{bucket}/'))}</Key><Size>{len(body)}</Size></Contents>"
                        for path, body in sorted(self.server.objects.items()) if path.startswith(beginning))
        self.answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())

    def do_PUT(self):
        body = self.body()
        if "/locked/" in self.path:
            return self.refused(403, "AccessDenied")
        if source := urllib.parse.unquote(self.headers.get("x-amz-copy-source", "")):
            if source not in self.server.objects:
                return self.refused(404, "NoSuchKey")
            self.server.objects[self.object_path] = self.server.objects[source]
            self.server.copied.append((source, self.object_path))
            return self.answer(200, b'<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>')
        self.server.objects[self.object_path] = body
        self.server.put.append(self.object_path)
        return self.answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_POST(self):  # only begins uploads
        self.body()
        if "/locked/" in self.path:
            return self.refused(403, "AccessDenied")
        self.server.uploads += 1
        return self.answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")

    def do_DELETE(self):
        self.server.uploads -= "uploadId=u" in self.path
        bucket, _, key = self.object_path[1:].partition("/")
        if "uploadId=" in self.path:
            self.server.left[bucket] = [one for one in self.server.left.get(bucket, []) if one[0] != key]
        else:
            self.server.objects.pop(self.object_path, None)
        self.answer(204)


@contextlib.contextmanager
def object_store():
    """An ObjectStore, to which the environment of this process leads."""
    store = ObjectStore()
    before = dict(os.environ)
    os.environ.update(store.environment())
    try:
        yield store
    finally:
        os.environ.clear()
        os.environ.update(before)
        store.go_on.set()
        store.close()
