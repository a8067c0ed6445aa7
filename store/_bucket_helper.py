"""Let a forked process reach a bucket: by a process of its own, since the native client does not survive a fork.

Forked are the workers of `multiprocessing` and of PyTorch's data loaders, on Linux. Requests and answers go through
the process's standard input and output; it ends when they are closed, so also when its owner is killed.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from threading import Lock
from typing import Any, BinaryIO, cast

from lin.errors import BackendError

from ._bucket_client import BucketClient
from ._bucket_settings import Settings, dumps, loads
from .place import FileInfo

_LENGTH = struct.Struct("<Q")


class HelpedClient:
    """Do what `BucketClient` does, one request at a time, in another process."""

    def __init__(self, settings: Settings, url: str) -> None:
        self._lock = Lock()
        self._url = url
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._ask(dumps(settings), url)

    def read(self, name: str) -> bytes:
        """Return the whole of a file."""
        return cast("bytes", self._ask("read", name))

    def read_range(self, name: str, start: int, length: int, version: str = "") -> bytes:
        """Return some of a file's bytes."""
        return cast("bytes", self._ask("read_range", name, start, length, version))

    def begin(self, name: str, length: int) -> tuple[bytes, int, str]:
        """Return a file's first bytes, its size and its tag."""
        return cast("tuple[bytes, int, str]", self._ask("begin", name, length))

    def look(self, name: str) -> tuple[int, str] | None:
        """Return a file's size and tag."""
        return cast("tuple[int, str] | None", self._ask("look", name))

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """Yield the files below a folder."""
        yield from self._ask("list", prefix)

    def write(self, name: str, data: bytes) -> None:
        """Write a file."""
        self._ask("write", name, data)

    def write_file(self, name: str, path: str) -> None:
        """Write a large file: copied to one that the other process can open."""
        with tempfile.NamedTemporaryFile() as copy:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - may be /dev/fd/…
                while data := file.read(8 * 1024 * 1024):
                    copy.write(data)
            copy.flush()
            self._ask("write_file", name, copy.name)

    def create(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet."""
        self._ask("create", name, data)

    def delete(self, name: str) -> None:
        """Remove a file."""
        self._ask("delete", name)

    def _ask(self, *request: Any) -> Any:
        assert self._process.stdin is not None  # noqa: S101 - as it was started
        assert self._process.stdout is not None  # noqa: S101
        with self._lock:
            try:
                _send(self._process.stdin, request)
                answer = _receive(self._process.stdout)
            except (OSError, EOFError) as error:
                raise BackendError(
                    f"the process that reaches {self._url} for this one has ended", hint="Try again."
                ) from error
        if isinstance(answer, BaseException):
            raise answer
        return answer


def serve() -> None:
    """Answer what `HelpedClient` asks, until nobody can ask any more."""
    import signal  # noqa: PLC0415 - only in the other process

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its owner decides
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    client: BucketClient | None = None
    while True:
        try:
            method, *arguments = _receive(source)
        except (EOFError, OSError):
            return
        answer: Any = None
        try:
            if client is None:
                client = BucketClient(loads(method), *arguments)
            else:
                answer = getattr(client, method)(*arguments)
                if method == "list":
                    answer = list(answer)
        except Exception as error:  # noqa: BLE001 - all of them are the owner's
            error.__cause__ = error.__context__ = None
            answer = error
        _send(target, answer)


def _send(target: Any, value: Any) -> None:
    data = pickle.dumps(value)
    target.write(_LENGTH.pack(len(data)) + data)
    target.flush()


def _receive(source: BinaryIO | Any) -> Any:
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301 - from the process that was started for it
