"""Keep a repository's files behind any fsspec URL that has no client of its own here, such as memory.

A bucket shows an object only when it is whole, so an upload waits in a local temporary file until its name
is known. Drivers are imported when a place is made: they take up to half a second.
"""

from __future__ import annotations

import inspect
import io
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from lin.errors import (
    BackendError,
    ConflictError,
    InvalidInputError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
)

from .faults import translate
from .place import FileInfo, check_name, check_range
from .sending import RemoteBatch, RemoteUpload, sending, uploading
from .spool import Spool

READ_SIZE = 8 * 1024 * 1024
"""Bytes of one request when a file is read from front to back."""
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
"""Protocols that show a new object only when it is whole; elsewhere a file is moved into place."""
_DRIVERS = {
    "hf": "huggingface_hub",
    "oss": "ossfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
}
_TAKEN = frozenset({"PreconditionFailed", "412"})
_BUSY = frozenset({"ConditionalRequestConflict", "409", "OperationAborted"})
_DENIED_NAMES = frozenset({"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"})
_PAST = frozenset({"InvalidRange", "416"})
_SECRET = re.compile(r"[^/\s@:]*:[^/\s@]*@")
_MEMORY = Lock()
"""fsspec's memory has no lock of its own."""


class FsspecPlace:
    """Implement `Place` on an fsspec file system.

    A listing or a size is always asked for anew: another machine may have written since.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        """Find the driver; reach nothing yet.

        Args:
            url: Such as `s3://bucket/folder` or `memory://name`.
            options: For the driver, such as `endpoint_url`; what a driver reads from the environment
                (`AWS_ENDPOINT_URL`, …) need not be given.

        Raises:
            InvalidInputError: The protocol is unknown, or its driver is not installed.
        """
        self._given = url
        self._options = dict(options or {})
        self._protocol = url.partition("://")[0]
        self.url = without_credentials(url)
        if self._protocol in {"s3", "s3a", "gs", "gcs"} and "@" in urlsplit(f"x{url[url.index(':') :]}").netloc:
            raise InvalidInputError(
                f"the URL of {self.url} holds credentials",
                hint="Give them in the environment or the driver's own configuration, such as AWS_ACCESS_KEY_ID.",
            )
        self._lock: AbstractContextManager[Any] = _MEMORY if self._protocol == "memory" else nullcontext()
        self._connect()

    @property
    def near(self) -> bool:
        """False: each read is a request."""
        return False

    @property
    def workers(self) -> int:
        """As many as one machine's connections to a bucket carry; memory needs no more than one."""
        return 1 if self._protocol == "memory" else 16

    def __repr__(self) -> str:
        return f"FsspecPlace({self.url!r})"

    # ------------------------------------------------------------------------ reading

    def read(self, name: str) -> bytes:
        """Return the whole of a small file."""
        path = self._at(name)
        with self._faults("read", name), self._lock:
            return cast("bytes", self._fs.cat_file(path))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading, in requests of `READ_SIZE`."""
        path = self._at(name)
        if self._protocol == "memory":  # there, all readers would share one position
            return io.BytesIO(self.read(name))
        with self._faults("open", name):
            raw = self._fs.open(path, "rb", block_size=READ_SIZE, cache_type="readahead")
        return cast("BinaryIO", _Reader(raw, self, name))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return some of a file's bytes."""
        check_range(start, length)
        path = self._at(name)
        if not length:  # a server takes an empty range for no range at all
            if self.size(name) is None:
                raise NotFoundError(f"cannot read {self.url}/{name}: there is no such file")
            return b""
        with self._faults("read", name), self._lock:
            try:
                return cast("bytes", self._fs.cat_file(path, start=start, end=start + length))
            except Exception as error:
                if not _past_the_end(error):
                    raise
                return b""

    def size(self, name: str) -> int | None:
        """Return a file's size, or None where there is none."""
        path = self._at(name)
        with self._faults("look at", name), self._lock:
            try:
                info = self._fs.info(path)
            except FileNotFoundError:
                return None
        return int(info["size"]) if info["type"] == "file" else None

    def confirm(self, name: str) -> int | None:
        """Return a file's size: what a bucket shows is durable."""
        return self.size(name)

    def list(self, prefix: str = "") -> Iterator[FileInfo]:
        """Yield the files below a folder."""
        start = self._at(prefix.rstrip("/")) if prefix else self._base
        with self._faults("list", prefix or "/"), self._lock:
            try:
                found = self._fs.find(start, detail=True)
            except FileNotFoundError:
                return
        for path, info in found.items():
            name = path.lstrip("/").removeprefix(self._base.lstrip("/")).lstrip("/")
            beside = prefix and not name.startswith(prefix.rstrip("/") + "/")
            if (
                info["type"] == "file"
                and name
                and not name.endswith("/")
                and not name.startswith("tmp/")
                and not beside
            ):
                yield FileInfo(name, int(info["size"]), _modified(info))

    # ------------------------------------------------------------------------ writing

    def create(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet, by the bucket's own conditional write."""
        path = self._at(name)
        if not _creates_exclusively(self._fs):
            raise InvalidInputError(
                f"{self.url}: the {self._protocol} driver cannot create a file exclusively",
                hint="Use a local folder or a bucket: without this, two writers could overwrite each other.",
            )
        for attempt in range(5):
            with self._faults("write", name), self._lock:
                try:
                    self._fs.pipe_file(path, data, mode="create")
                except Exception as error:
                    codes = _codes(error)
                    if isinstance(error, FileExistsError) or codes & _TAKEN:
                        raise ConflictError(
                            f"{self.url}/{name} is there already",
                            hint="Another writer was faster: read it, then decide.",
                        ) from error
                    if not codes & _BUSY or attempt == 4:  # noqa: PLR2004 - the last of the five
                        raise
                else:
                    return
            time.sleep(0.05 * 2**attempt)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether or not it is there."""
        with self.upload() as upload:
            upload.write(data)
            upload.commit(name, replace=True)

    def delete(self, name: str) -> None:
        """Remove a file; removing one that is not there is no error."""
        path = self._at(name)
        with self._faults("delete", name), self._lock:
            try:
                self._fs.rm_file(path)
            except (FileNotFoundError, KeyError):
                return

    def upload(self) -> AbstractContextManager[RemoteUpload]:
        """Start a file whose name is not known yet."""
        return uploading(self)

    def batch(self) -> AbstractContextManager[RemoteBatch]:
        """Write several files at once."""
        return sending(self)

    def send(self, name: str, spool: Spool, *, replace: bool) -> None:
        """Write what was spooled, whole; with `replace` False, only where there is no such file."""
        if replace or self.size(name) is None:
            self._put(name, spool)

    def _put(self, name: str, spool: Spool) -> None:
        path = self._at(name)
        with self._faults("write", name), self._lock:
            if self._protocol in _WHOLE:
                self._send(path, spool)
            else:
                part = f"{self._base}/tmp/part-{os.urandom(8).hex()}"  # noqa: S108 - below the repository
                self._fs.makedirs(os.path.dirname(part), exist_ok=True)  # noqa: PTH120 - not a path of this machine
                self._fs.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH120
                self._send(part, spool)
                self._fs.mv(part, path)

    # ------------------------------------------------------------------------

    def _send(self, path: str, spool: Spool) -> None:
        small = spool.in_memory()
        if small is not None or self._protocol == "memory":
            self._fs.pipe_file(path, spool.rewind().read() if small is None else small)
        else:
            self._fs.put_file(spool.path(), path)

    @property
    def _fs(self) -> Any:
        if self._pid != os.getpid():  # a driver's threads and connections do not survive a fork
            self._connect()
        return self._driver

    def _connect(self) -> None:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # noqa: PLC0415 - start-up: 120 ms

        settings = {"use_listings_cache": False, "skip_instance_cache": True, **self._options}
        try:
            self._driver, base = url_to_fs(self._given, **settings)
        except ImportError as error:
            package = _DRIVERS.get(self._protocol)
            way = f"Install it: pip install '{package}'" if package else f"Install the driver: {error}"
            raise InvalidInputError(f"the driver for {self._protocol}:// is not installed", hint=way) from error
        except ValueError as error:
            raise InvalidInputError(
                f"cannot use {self.url} as a repository: {error}",
                hint="Give a folder, or a URL such as s3://bucket/name.",
            ) from error
        self._base = str(base).rstrip("/")
        self._pid = os.getpid()
        if self._protocol != "memory" and not self._base:
            raise InvalidInputError(f"{self.url} names no bucket", hint="Give one: s3://bucket/name.")

    def _at(self, name: str) -> str:
        return f"{self._base}/{check_name(name)}"

    def _faults(self, action: str, name: str) -> _Faults:
        return _Faults(action, f"{self.url}/{name}")


class _Reader(io.RawIOBase):
    """Read a driver's file with lin's errors."""

    def __init__(self, raw: Any, place: FsspecPlace, name: str) -> None:
        self._raw = raw
        self._subject = f"{place.url}/{name}"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _Faults("read", self._subject):
            return int(self._raw.readinto(buffer))

    def seek(self, offset: int, whence: int = 0) -> int:
        with _Faults("read", self._subject):
            return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        return int(self._raw.tell())

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Faults:
    """Translate whatever a driver raises."""

    __slots__ = ("_action", "_subject")

    def __init__(self, action: str, subject: str) -> None:
        self._action = action
        self._subject = subject

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, LinError):
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> LinError:
        reason = _SECRET.sub("", str(error)) or type(error).__name__  # drivers repeat the address they were given
        message = f"cannot {self._action} {self._subject}: {reason}"
        if type(error).__name__ in _DENIED_NAMES:
            return PermissionDeniedError(message, hint="Give the driver credentials, as its own tools take them.")
        if isinstance(error, FileNotFoundError):
            return NotFoundError(message, hint="Check the address: the bucket or the file is not there.")
        if isinstance(error, OSError):
            found = translate(error, self._action, self._subject)
            return type(found)(message, hint=found.hint)
        if isinstance(error, NotImplementedError):
            return ReadOnlyError(message, hint="This protocol cannot be written to.")
        return BackendError(message, hint="Check the connection and try again.")


def without_credentials(url: str) -> str:
    """Return a URL without the user, password, query and fragment that it may carry."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    parts = urlsplit(f"x://{rest}")
    user, _, host = parts.netloc.rpartition("@")
    if scheme in {"abfs", "abfss"} and user and ":" not in user:
        host = parts.netloc  # there, it is the container
    return f"{scheme}://{host}{parts.path.rstrip('/')}"


def _creates_exclusively(driver: Any) -> bool:
    """Tell whether a driver has a conditional write of its own; fsspec's default looks first and then writes."""
    from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]  # noqa: PLC0415 - start-up

    own = getattr(type(driver), "_pipe_file", None) or type(driver).pipe_file
    return own is not AbstractFileSystem.pipe_file and "mode" in inspect.signature(own).parameters


def _past_the_end(error: Exception) -> bool:
    """Tell whether a server refused a range because the file ends before it."""
    return bool(_codes(error) & _PAST) or any(code in str(error) for code in _PAST)


def _modified(info: Mapping[str, Any]) -> float | None:
    """Return when a driver says that a file was written."""
    for name in ("LastModified", "last_modified", "updated", "mtime", "created"):
        found = info.get(name)
        if isinstance(found, str):
            with suppress(ValueError):
                found = datetime.fromisoformat(found)
        if isinstance(found, datetime):
            return found.timestamp()
        if isinstance(found, int | float):
            return float(found)
    return None


def _codes(error: BaseException | None) -> set[str]:
    """Return the error codes that a server's answer carries, in whichever exception of the chain it is."""
    codes = set()
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            codes.add(str(response.get("Error", {}).get("Code", "")))
        error = error.__cause__ or error.__context__
    return codes
