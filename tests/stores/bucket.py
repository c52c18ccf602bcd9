"""A bucket that speaks S3, over real HTTP: it checks signatures and hashes, and fails when told to."""

from __future__ import annotations

import hashlib
import re
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from app.stores.s3_signing import S3Keys, signed

KEYS = S3Keys("bucket-user", "canary-bucket-secret", "eu-west-1")
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/.*,SignedHeaders=([^,]+),Signature=([0-9a-f]{64})")


class Bucket:
    """objects: path → bytes. faults: words for the next requests: `500`, `cut` (half of a body), `hang-up`, `silent`.

    log: method, path and status of each request.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.log: list[tuple[str, str, int]] = []
        self.released = threading.Event()
        handler = type("Handler", (_Handler,), {"bucket": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"s3://files/of/users?endpoint={self.endpoint}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    bucket: ClassVar[Bucket]
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused(hashlib.sha256(body).hexdigest()):
            return
        self.bucket.objects[self.path] = body
        self._answer(200)

    def do_GET(self) -> None:
        if self._refused(hashlib.sha256(b"").hexdigest()):
            return
        found = self.bucket.objects.get(self.path)
        if found is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            self._answer(206, found[int(match[1]) : int(match[2]) + 1])
        else:
            self._answer(200, found)

    def do_DELETE(self) -> None:
        if not self._refused(hashlib.sha256(b"").hexdigest()):
            self.bucket.objects.pop(self.path, None)
            self._answer(204)

    def _refused(self, sha256: str) -> bool:
        fault = self.bucket.faults.pop(0) if self.bucket.faults else ""
        self._cut = fault == "cut"
        if fault == "500":
            self._answer(500, b"<Error><Code>InternalError</Code></Error>")
        elif fault == "hang-up":
            self.close_connection = True
        elif fault == "silent":
            self.bucket.released.wait(60)
        elif not self._is_signed(sha256):
            self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        else:
            return False
        return True

    def _is_signed(self, sha256: str) -> bool:
        said = _AUTHORIZATION.fullmatch(self.headers.get("Authorization", ""))
        if said is None or self.headers["x-amz-content-sha256"] != sha256:
            return False
        names = set(said[2].split(";")) - {"host", "x-amz-date", "x-amz-content-sha256"}
        at = datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        headers = {name: self.headers[name] for name in names}
        url = f"http://{self.headers['Host']}{self.path}"
        return signed(self.command, url, headers, sha256, KEYS, at)["Authorization"] == self.headers["Authorization"]

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.bucket.log.append((self.command, self.path, status))
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self._cut and status < 300:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
