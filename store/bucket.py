"""Keep a repository's files in a bucket: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

A bucket shows an object only when it is whole, takes a conditional write that exactly one of several writers wins, and
what it has acknowledged is durable. Nothing else is relied upon: no rename, no lock, no listing that is up to date.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from threading import Lock
from typing import Any, BinaryIO, Protocol, cast

from lin.errors import BackendError, ConflictError, NotFoundError

from ._bucket_settings import Patience, settings_for
from .place import FileInfo, check_name, check_range
from .sending import RemoteBatch, RemoteUpload, sending, uploading
from .spool import Spool

READ_SIZE = 8 * 1024 * 1024
"""Bytes of one request when a file is read from front to back."""
_TRY_FIRST = 64 * 1024
"""Bytes that are sent without asking first whether the file is there: asking would take as long."""


class _Client(Protocol):
    """What `BucketClient` and `HelpedClient` can."""

    def read(self, name: str) -> bytes: ...
    def read_range(self, name: str, start: int, length: int, version: str = "") -> bytes: ...
    def begin(self, name: str, length: int) -> tuple[bytes, int, str]: ...
    def look(self, name: str) -> tuple[int, str] | None: ...
    def list(self, prefix: str) -> Iterator[FileInfo]: ...
    def write(self, name: str, data: bytes) -> None: ...
    def write_file(self, name: str, path: str) -> None: ...
    def create(self, name: str, data: bytes) -> None: ...
    def delete(self, name: str) -> None: ...


class BucketPlace:
    """Implement `Place` on a bucket."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """Find out how it is reached; reach nothing yet.

        Args:
            url: Such as `s3://bucket/folder`, `gs://bucket/folder`, `az://container/folder`.
            patience: How long to wait for an answer, and how often to try again.

        Raises:
            InvalidInputError: It names no bucket, or holds credentials.
        """
        self._settings = settings_for(url, patience)
        self.url = url.rstrip("/")
        self._client: _Client | None = None
        self._lock = Lock()
        self._pid = os.getpid()

    @property
    def near(self) -> bool:
        """False: each read is a request."""
        return False

    @property
    def workers(self) -> int:
        """As many as one machine's connections to a bucket carry."""
        return 16

    def __repr__(self) -> str:
        return f"BucketPlace({self.url!r})"

    # ------------------------------------------------------------------------ reading

    def read(self, name: str) -> bytes:
        """Return the whole of a small file."""
        return self._connected().read(check_name(name))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading, in requests of `READ_SIZE`; one that is replaced meanwhile is a `BackendError`."""
        begun, size, version = self._connected().begin(check_name(name), READ_SIZE)
        if len(begun) >= size:
            return io.BytesIO(begun)
        return cast("BinaryIO", io.BufferedReader(_Reader(self, name, begun, size, version), READ_SIZE))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return some of a file's bytes."""
        check_range(start, length)
        if not length:  # a server takes an empty range for no range at all
            if self.size(name) is None:
                raise self._absent("read", name)
            return b""
        return self._connected().read_range(check_name(name), start, length)

    def read_version(self, name: str, start: int, length: int, version: str) -> bytes:
        """Return some of a file's bytes, if it is the version that was opened."""
        if length <= 0:
            return b""
        try:
            return self._connected().read_range(name, start, length, version)
        except ConflictError as error:
            raise BackendError(f"{self.url}/{name} was replaced while it was read", hint="Read it again.") from error

    def size(self, name: str) -> int | None:
        """Return a file's size, or None where there is none."""
        found = self._connected().look(check_name(name))
        return None if found is None else found[0]

    def confirm(self, name: str) -> int | None:
        """Return a file's size: what a bucket shows is durable."""
        return self.size(name)

    def list(self, prefix: str = "") -> Iterator[FileInfo]:
        """Yield the files below a folder."""
        start = check_name(prefix.rstrip("/")) if prefix else ""
        client = self._connected()
        for info in client.list(start):
            if info.name.startswith("tmp/"):
                continue
            # The client hides the slash at the end of what consoles make for a folder: an empty object.
            if info.size or client.look(info.name) is not None:
                yield info

    # ------------------------------------------------------------------------ writing

    def create(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet, by the bucket's conditional write."""
        self._connected().create(check_name(name), data)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether or not it is there."""
        check_name(name)
        if len(data) <= READ_SIZE:
            self._connected().write(name, data)
            return
        with self.upload() as upload:
            upload.write(data)
            upload.commit(name, replace=True)

    def delete(self, name: str) -> None:
        """Remove a file; removing one that is not there is no error."""
        self._connected().delete(check_name(name))

    def upload(self) -> AbstractContextManager[RemoteUpload]:
        """Start a file whose name is not known yet."""
        return uploading(self)

    def batch(self) -> AbstractContextManager[RemoteBatch]:
        """Write several files at once."""
        return sending(self)

    def send(self, name: str, spool: Spool, *, replace: bool) -> None:
        """Write what was spooled, whole; with `replace` False, only where it is not there."""
        small = spool.in_memory()
        client = self._connected()
        if not replace:
            if small is not None and len(small) <= _TRY_FIRST:
                with suppress(ConflictError):
                    client.create(name, small)
                return
            if client.look(name) is not None:
                return
        if small is not None:
            client.write(name, small)
        else:
            client.write_file(name, spool.path())

    # ------------------------------------------------------------------------

    def _connected(self) -> _Client:
        if self._pid != os.getpid():
            # A lock that another thread held at the fork would never be free again.
            self._lock, self._client, self._pid = Lock(), None, os.getpid()
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    def _connect(self) -> _Client:
        from ._bucket_client import BucketClient, is_usable  # noqa: PLC0415 - start-up

        if not is_usable():
            from ._bucket_helper import HelpedClient  # noqa: PLC0415 - only after a fork

            return HelpedClient(self._settings, self.url)
        return BucketClient(self._settings, self.url)

    def _absent(self, action: str, name: str) -> NotFoundError:
        return NotFoundError(
            f"cannot {action} {self.url}/{name}: it is not there",
            hint="Check the address: the file is not there.",
        )


class _Reader(io.RawIOBase):
    """Read one version of a file."""

    def __init__(self, place: BucketPlace, name: str, begun: bytes, size: int, version: str) -> None:
        self._place = place
        self._name = name
        self._begun = begun
        self._size = size
        self._version = version
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        # The one inherited asks for a few kilobytes at a time.
        pieces = []
        while data := self._some(READ_SIZE):
            pieces.append(data)
        return b"".join(pieces)

    def _some(self, most: int) -> bytes:
        """Return the next bytes: what came with the answer that opened the file, or those of one more request."""
        if self._at < len(self._begun):
            data = self._begun[self._at : self._at + most]
        else:
            wanted = min(most, self._size - self._at)
            data = self._place.read_version(self._name, self._at, wanted, self._version)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        start = {0: 0, 1: self._at, 2: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative position {start + offset}")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at
