"""The journal of a local log: a file that makes commits durable with one sync each.

`docs/formats/log.md` specifies it. It begins with the checkpoint up to which the files of the log are durable, and
goes on with a commit file (`commits.py`) for each commit since. The rest is zeros that were written before, so that
a commit changes no file's length: all there is to sync are its own bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from lin.errors import CorruptLogError
from lin.store.faults import os_errors
from lin.store.local import LocalPlace

from .tiles import decode_bundle, encode_bundle

NAME = "log/journal"

SMALLEST, LARGEST = 1 << 16, 1 << 20
"""Bytes of a journal: a new one begins small, and each time it is full the next one is twice as large."""

_MAGIC = b"lin jnl0"
_LENGTH = 4
_HEAD = _LENGTH + 32
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot() -> str:
    """Return what names the time since this system was started; empty where the system does not say."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal says.

    Attributes:
        boot: While which start of the system it was written.
        base: The note of the checkpoint up to which the log's files are durable.
        commits: The bodies of the commits since, as commit files hold them.
        end: Where the next one begins.
        size: Of the file.
        file: The file's number, which tells it from another of its name.
    """

    boot: str
    base: bytes
    commits: tuple[bytes, ...]
    end: int
    size: int
    file: int


class Journal:
    """The journal of one log; only whoever holds the log's lock writes to it."""

    def __init__(self, place: LocalPlace) -> None:
        self._place = place
        self._path = place.locate(NAME)

    def read(self) -> Contents | None:
        """Read it; None where there is none. A commit that was torn was not acknowledged, and is none.

        Raises:
            CorruptLogError: Its beginning, which is never changed in place, is damaged.
        """
        with os_errors("read", self._path):
            try:
                with open(self._path, "rb", buffering=0) as file:  # noqa: PTH123 - as in `store.local`
                    data, number = file.read(), os.fstat(file.fileno()).st_ino
            except FileNotFoundError:
                return None
        bodies = list(_bodies(data)) if data.startswith(_MAGIC) else []
        try:
            started, base = decode_bundle(bodies[0][0])
        except (IndexError, ValueError, CorruptLogError) as error:
            raise CorruptLogError(
                f"{self._path} is no journal, or a damaged one",
                hint="If `lin verify` finds nothing else wrong, it can be deleted.",
            ) from error
        commits = tuple(body for body, _ in bodies[1:])
        return Contents(started.decode(errors="replace"), base, commits, bodies[-1][1], len(data), number)

    def is_foreign(self) -> bool:
        """Tell whether it holds commits from before this system was started, at little cost."""
        with os_errors("read", self._path):
            try:
                with open(self._path, "rb", buffering=0) as file:  # noqa: PTH123 - as in `store.local`
                    data = file.read(SMALLEST // 16)
            except FileNotFoundError:
                return False
        first = next(_bodies(data.removeprefix(_MAGIC), 0), None)
        if first is None or not boot():
            return True
        body, end = first
        started = decode_bundle(body)[0].decode(errors="replace")
        return started != boot() and any(data[len(_MAGIC) + end :][:_LENGTH])

    def is_torn(self) -> bool:
        """Tell whether what follows the last whole commit is the beginning of another.

        Raises:
            CorruptLogError: As `read`.
        """
        seen = self.read()
        if seen is None:
            return False
        with os_errors("read", self._path), open(self._path, "rb", buffering=0) as file:  # noqa: PTH123 - see above
            return any(os.pread(file.fileno(), _LENGTH, seen.end))

    def unchanged(self, seen: Contents) -> bool:
        """Tell whether it is as it was when `seen` was read or written."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            same = os.fstat(descriptor).st_ino == seen.file
            return same and not any(os.pread(descriptor, _LENGTH, seen.end))
        finally:
            os.close(descriptor)

    def append(self, seen: Contents, body: bytes) -> Contents | None:
        """Add a commit, durably; None where there is no room for it."""
        record = _record(body)
        end = seen.end + len(record)
        if end + _LENGTH > seen.size:
            return None
        with os_errors("write", self._path):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                # With an end behind it: something longer may have been torn here.
                data, at = record + bytes(_LENGTH), seen.end
                while data:  # a full disk takes a part of it first
                    written = os.pwrite(descriptor, data, at)
                    data, at = data[written:], at + written
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        return Contents(seen.boot, seen.base, (*seen.commits, body), end, seen.size, seen.file)

    def begin(self, base: bytes, *, size: int = SMALLEST) -> Contents:
        """Put an empty journal in the place of this one, durably: the log's files are durable up to `base`."""
        data = _MAGIC + _record(encode_bundle([boot().encode(), base]))
        with self._place.upload() as upload:
            upload.write(data + bytes(size - len(data)))
            upload.commit(NAME, replace=True)
        with os_errors("look at", self._path):
            number = os.stat(self._path).st_ino  # noqa: PTH116 - as in `store.local`
        return Contents(boot(), base, (), len(data), size, number)


def _record(body: bytes) -> bytes:
    return len(body).to_bytes(_LENGTH, "big") + sha256(body).digest() + body


def _bodies(data: bytes, start: int = len(_MAGIC)) -> Iterator[tuple[bytes, int]]:
    """Yield the body of each record, and where it ends, up to the first that is not whole."""
    while True:
        length = int.from_bytes(data[start : start + _LENGTH], "big")
        body = data[start + _HEAD : start + _HEAD + length]
        if not length or len(body) < length or sha256(body).digest() != data[start + _LENGTH : start + _HEAD]:
            return
        start += _HEAD + length
        yield body, start
