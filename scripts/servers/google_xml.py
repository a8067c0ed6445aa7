#!/usr/bin/env python3
"""Run fake-gcs-server, and speak Google's XML interface in front of it: `google_xml.py PORT PROGRAM DATA`.

Google Cloud Storage has two interfaces, JSON and XML. fake-gcs-server keeps objects and generations, and knows the JSON
one; of the XML one it lacks listing, conditional writes and uploads in parts, which native clients use. This translates
those, and passes on everything else as it is.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape

_parts: dict[str, dict[int, bytes]] = {}
_lock = threading.Lock()


class Gateway(BaseHTTPRequestHandler):
    """Answer one client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    behind = 0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def handle_any(self) -> None:
        """Translate or pass on one request."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        bucket, _, name = parts.path.lstrip("/").partition("/")
        name = unquote(name)
        if bucket in {"storage", "upload", "download", "batch", "_internal", "b", "resumable"}:
            self._pass_on(self.path, body)
        elif not name:
            self._list(bucket, query)
        elif self.command == "PUT" and "partNumber" in query:
            with _lock:
                _parts[query["uploadId"][0]][int(query["partNumber"][0])] = body
            self._answer(200, b"", {"ETag": f'"{query["partNumber"][0]}"'})
        elif self.command == "PUT":
            self._put(bucket, name, body)
        elif self.command == "POST" and "uploads" in query:
            upload = os.urandom(8).hex()
            with _lock:
                _parts[upload] = {}
            self._xml(
                200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        elif self.command == "POST" and "uploadId" in query:
            self._complete(bucket, name, query["uploadId"][0], body)
        elif self.command == "DELETE" and "uploadId" in query:
            with _lock:
                _parts.pop(query["uploadId"][0], None)
            self._answer(204, b"", {})
        else:
            self._object(bucket, name)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815 - the names that are called

    def _list(self, bucket: str, query: dict[str, list[str]]) -> None:
        wanted = {"prefix": query.get("prefix", [""])[0], "maxResults": query.get("max-keys", ["1000"])[0]}
        for theirs, ours in (("continuation-token", "pageToken"), ("delimiter", "delimiter")):
            if theirs in query:
                wanted[ours] = query[theirs][0]
        status, _, data = self._ask("GET", f"/storage/v1/b/{bucket}/o?{urlencode(wanted)}")
        if status != http.client.OK:
            self._failed(status, bucket)
            return
        found = json.loads(data)
        contents = "".join(
            f"<Contents><Key>{escape(item['name'])}</Key><Size>{item['size']}</Size>"
            f"<LastModified>{item['updated']}</LastModified><ETag>{escape(item['etag'])}</ETag></Contents>"
            for item in found.get("items", [])
        )
        token = found.get("nextPageToken")
        more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
        self._xml(
            200,
            f"<ListBucketResult><IsTruncated>{str(bool(token)).lower()}</IsTruncated>{more}{contents}</ListBucketResult>",
        )

    def _put(self, bucket: str, name: str, body: bytes) -> None:
        wanted = {"name": name}
        if (generation := self.headers.get("x-goog-if-generation-match")) is not None:
            wanted["ifGenerationMatch"] = generation
        status, data = self._upload(bucket, wanted, body)
        if status != http.client.OK:
            self._failed(status, bucket)
            return
        found = json.loads(data)
        self._answer(200, b"", {"ETag": f'"{found["etag"]}"', "x-goog-generation": str(found["generation"])})

    def _complete(self, bucket: str, name: str, upload: str, body: bytes) -> None:
        numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
        with _lock:
            parts = _parts.pop(upload)
        status, answer = self._upload(bucket, {"name": name}, b"".join(parts[number] for number in sorted(numbers)))
        if status != http.client.OK:
            self._failed(status, bucket)
            return
        tag = escape(json.loads(answer)["etag"])
        self._xml(200, f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>")

    def _upload(self, bucket: str, wanted: dict[str, str], body: bytes) -> tuple[int, bytes]:
        where = f"/upload/storage/v1/b/{bucket}/o?{urlencode({**wanted, 'uploadType': 'media'})}"
        status, _, data = self._ask("POST", where, body, {"Content-Type": "application/octet-stream"})
        return status, data

    def _object(self, bucket: str, name: str) -> None:
        where = f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        status, _, data = self._ask("GET", where)
        if status != http.client.OK:
            self._failed(status, bucket)
            return
        found = json.loads(data)
        tag = f'"{found["etag"].strip(chr(34))}"'
        if self.command == "DELETE":
            self._ask("DELETE", where)
            self._answer(204, b"", {})
            return
        if (match := self.headers.get("If-Match")) is not None and match.strip('"') != tag.strip('"'):
            self._failed(412, bucket)
            return
        headers = {
            "ETag": tag,
            "x-goog-generation": str(found["generation"]),
            "Last-Modified": _http_date(found["updated"]),
        }
        if self.command == "HEAD":
            self._answer(200, b"", {**headers, "Content-Length": str(found["size"])})
            return
        given = {"Range": self.headers["Range"]} if "Range" in self.headers else {}
        status, theirs, data = self._ask("GET", f"{where}?alt=media", b"", given)
        if "Content-Range" in theirs:
            headers["Content-Range"] = theirs["Content-Range"]
        if status >= http.client.BAD_REQUEST:
            self._failed(status, bucket)
        else:
            self._answer(status, data, headers)

    def _failed(self, status: int, bucket: str) -> None:
        code = {404: "NoSuchKey", 412: "PreconditionFailed", 416: "InvalidRange"}.get(status, "InternalError")
        if status == http.client.NOT_FOUND and self._ask("GET", f"/storage/v1/b/{bucket}")[0] != http.client.OK:
            code = "NoSuchBucket"
        self._xml(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.behind)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers.items()), answer.read()
        finally:
            connection.close()

    def _pass_on(self, path: str, body: bytes) -> None:
        given = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        status, headers, data = self._ask(self.command, path, body, given)
        dropped = {"transfer-encoding", "content-length", "connection"}
        self._answer(status, data, {name: value for name, value in headers.items() if name.lower() not in dropped})

    def _xml(self, status: int, text: str) -> None:
        self._answer(
            status, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), {"Content-Type": "application/xml"}
        )

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _http_date(text: str) -> str:
    return email.utils.format_datetime(dt.datetime.fromisoformat(text).replace(microsecond=0))


def main() -> None:
    """Run both until told to end."""
    port, path, data = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    with socket.create_server(("127.0.0.1", 0)) as free:
        Gateway.behind = free.getsockname()[1]
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(Gateway.behind), "-log-level", "warn"]
    options += ["-backend", "filesystem", "-filesystem-root", data]
    with subprocess.Popen([path, *options], stdin=subprocess.DEVNULL) as child:

        def end(*_: object) -> None:
            child.terminate()
            os._exit(0)

        signal.signal(signal.SIGTERM, end)
        gateway = ThreadingHTTPServer(("127.0.0.1", port), Gateway)
        gateway.daemon_threads = True
        with contextlib.suppress(KeyboardInterrupt):
            gateway.serve_forever()
        child.terminate()


if __name__ == "__main__":
    main()
