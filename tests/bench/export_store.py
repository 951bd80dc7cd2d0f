# SPDX-License-Identifier: Apache-2.0
"""A stand-in of an object store that is far away: each request is answered after a while, and a connection takes no more than a window
of bytes in that time. Signatures are not looked at: tests/integration/store has a store that does.
"""

import contextlib
import hashlib
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCESS_KEY, SECRET = "bench", "bench-secret"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self):
        """As fast as the window lets it."""
        left, begin, parts, got = int(self.headers.get("Content-Length") or 0), time.monotonic(), [], 0
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        store = self.server.store
        while left:
            piece = self.rfile.read(min(left, store.window))
            parts.append(piece)
            left -= len(piece)
            got += len(piece)
            if left:
                time.sleep(max(0, begin + store.latency_s * got / store.window - time.monotonic()))
        return b"".join(parts)

    def _serve(self):
        store = self.server.store
        with store.turn():
            url = urllib.parse.urlsplit(self.path)
            body = self._body()
            time.sleep(store.latency_s)
            getattr(store, "do_" + self.command)(self, urllib.parse.unquote(url.path), dict(
                urllib.parse.parse_qsl(url.query, keep_blank_values=True)), body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class SlowStore:
    """at_once: how many requests are served at the same time; 0: all."""

    def __init__(self, folder, latency_s, window, at_once):
        self.folder, self.latency_s, self.window = folder, latency_s, window
        self.gate = threading.Semaphore(at_once) if at_once else contextlib.nullcontext()
        self.lock, self.names, self.uploads = threading.Lock(), {}, {}
        self.requests = self.bytes = self.now = self.most = 0
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.store = self

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def section(self, folder):
        for name, text in (("access", ACCESS_KEY), ("secret", SECRET)):
            (folder / name).write_text(text + "\n")
            (folder / name).chmod(0o600)
        return (f"s3+http://127.0.0.1:{self.server.server_port}/bucket",
                f"region = here\naccess-key-file = {folder}/access\nsecret-key-file = {folder}/secret\n")

    @contextlib.contextmanager
    def turn(self):
        with self.gate:
            with self.lock:
                self.requests += 1
                self.now += 1
                self.most = max(self.most, self.now)
            try:
                yield
            finally:
                with self.lock:
                    self.now -= 1

    def _keep(self, body):
        with self.lock:
            self.bytes += len(body)
            path = self.folder / f"{self.requests}-{len(self.names)}-{self.bytes}"
        path.write_bytes(body)
        return path

    # ---- requests --------------------------------------------------------------------------

    def do_PUT(self, h, path, query, body):
        etag, file = hashlib.md5(body).hexdigest(), self._keep(body)
        with self.lock:
            if "uploadId" in query:
                self.uploads[query["uploadId"]][int(query["partNumber"])] = (etag, file)
            else:
                self.names[path] = [(etag, file)]
        h._answer(200, ETag=f'"{etag}"')

    def do_POST(self, h, path, query, body):
        if "uploads" in query:
            upload = f"u{time.monotonic_ns()}"
            self.uploads[upload] = {}
            return h._answer(200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode())
        parts = [p for _, p in sorted(self.uploads.pop(query["uploadId"]).items())]
        etag = hashlib.md5(b"".join(bytes.fromhex(e) for e, _ in parts)).hexdigest() + f"-{len(parts)}"
        self.names[path] = parts
        return h._answer(200, f'<CompleteMultipartUploadResult><ETag>"{etag}"</ETag></CompleteMultipartUploadResult>'.encode())

    def _content(self, path):
        with self.lock:
            parts = self.names.get(path)
        return None if parts is None else b"".join(p.read_bytes() for _, p in parts)

    def do_HEAD(self, h, path, _query, _body):
        content = self._content(path)
        h._answer(404 if content is None else 200, length=len(content or b""), Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    def do_DELETE(self, h, path, _query, _body):
        self.names.pop(path, None)
        h._answer(204)

    def do_GET(self, h, path, query, _body):
        if "list-type" in query or "uploads" in query:
            return self._list(h, path, query)
        content = self._content(path)
        if content is None:
            return h._answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        ask = h.headers.get("Range")
        if not ask:
            return h._answer(200, content)
        first, last = ask.removeprefix("bytes=").split("-")
        piece = content[int(first):int(last) + 1]
        return h._answer(206, piece, Content_Range=f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}")

    def _list(self, h, path, query):
        if "uploads" in query:
            return h._answer(200, b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")
        bucket, after = path.rstrip("/") + "/", query.get("start-after", "")
        with self.lock:
            sizes = sorted((n.removeprefix(bucket), sum(p.stat().st_size for _, p in parts)) for n, parts in self.names.items())
        prefix, rows, keys = query.get("prefix", ""), {}, int(query.get("max-keys", 1000))
        for n, size in sizes:
            if not n.startswith(prefix) or n <= after:
                continue
            deep = "delimiter" in query and "/" in n[len(prefix):]
            group = prefix + n[len(prefix):].split("/")[0] + "/"
            if deep and group <= after:    # begun there, and told already
                continue
            rows.setdefault(group if deep else n, f"<CommonPrefixes><Prefix>{group}</Prefix></CommonPrefixes>" if deep else
                            f"<Contents><Key>{n}</Key><Size>{size}</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>")
            if len(rows) > keys:
                break
        more = "true" if len(rows) > keys else "false"
        text = "".join(list(rows.values())[:keys])
        return h._answer(200, f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{text}</ListBucketResult>".encode())
