"""The one interface between lin and wherever a repository's files lie.

A place holds files under relative, '/'-separated names: a local folder, a bucket, memory. The store and
the log are written against this protocol alone; what a place cannot do, it says here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from lin.errors import UnsafePathError

MAX_NAME = 1024
"""UTF-8 bytes of a name: the shortest limit among the object stores (S3's)."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Describe one file of a place.

    Attributes:
        name: Relative to the place, '/'-separated.
        size: In bytes.
        modified: When it was written, in seconds since 1970 by the place's own clock; None where it does not say.
            Only the difference to another file of the same place means anything: this machine's clock may be wrong.
    """

    name: str
    size: int
    modified: float | None = None


def check_name(name: str) -> str:
    """Return a file's name as it is, if every place can hold it and it cannot leave the place.

    Raises:
        UnsafePathError: It is empty, absolute or too long, has an empty, '.' or '..' part, a backslash or
            a control character, or is not Unicode text.
    """
    parts = name.split("/")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        length = MAX_NAME + 1
    if (
        length > MAX_NAME
        or any(part in {"", ".", ".."} for part in parts)
        or "\\" in name
        or any(letter < " " or letter == "\x7f" for letter in name)
    ):
        raise UnsafePathError(
            f"not a name for a file of a repository: {name!r}",
            hint="A name is relative, its parts are joined by '/', and none of them is empty, '.' or '..'.",
        )
    return name


def check_range(start: int, length: int) -> None:
    """Raise `ValueError` for a range that no file has."""
    if start < 0 or length < 0:
        raise ValueError(f"no range of a file: {length} bytes from {start} on")


class Upload(Protocol):
    """A file on its way into a place: written in pieces, visible only after `commit`."""

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Raises:
            StorageFullError: No room is left; nothing becomes visible.
            BackendError: The place failed; nothing becomes visible.
        """

    def commit(self, name: str, *, replace: bool = False) -> None:
        """Make the file visible under `name`, whole and durable, or not at all.

        If `name` is there already, it is kept and this upload is dropped: names that are made from
        content can only stand for equal bytes. With `replace` it is replaced, which repairs a file whose
        bytes were damaged.
        """


class Batch(Protocol):
    """Several files on their way into a place together; safe to use from several threads."""

    def upload(self) -> AbstractContextManager[Upload]:
        """Start a file as `Place.upload` does; its `commit` may return before the file is visible."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a file as `Place.replace` does; it may become visible only at the end of the batch."""

    def confirm(self, name: str) -> int | None:
        """Return a visible file's size as `Place.confirm` does; it may be durable only at the end of the batch."""


class Place(Protocol):
    """Where a repository's files lie.

    Every method is safe to call from several threads and processes at once. Files become visible whole
    or not at all, and are durable (they survive a power cut as far as the place can promise it) when the
    call returns. Errors are those of `lin.errors`: `NotFoundError`, `PermissionDeniedError`,
    `StorageFullError`, `ReadOnlyError`, `UnsafePathError` for a name that `check_name` refuses, and
    `BackendError` for what may be retried.
    """

    @property
    def url(self) -> str:
        """What a person would type to name this place; never holds credentials."""

    @property
    def near(self) -> bool:
        """Whether reading a file twice through one `open` costs little and gives the same file.

        Where it is False, a reader keeps a copy of what it verified instead of reading again.
        """

    @property
    def workers(self) -> int:
        """How many calls at once pay off here."""

    def read(self, name: str) -> bytes:
        """Return the whole of a small file.

        Raises:
            NotFoundError: There is no such file.
        """

    def open(self, name: str) -> BinaryIO:
        """Open a file for sequential and random reading; the caller closes it.

        If the file is replaced meanwhile, reading goes on with the old bytes or raises `BackendError`.

        Raises:
            NotFoundError: There is no such file.
        """

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return `length` bytes from the offset `start` on, in one request; fewer only where the file ends before.

        Nothing is verified: bytes come as they lie there.

        Raises:
            NotFoundError: There is no such file.
            ValueError: `start` or `length` is negative.
        """

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, or None where there is no such file."""

    def confirm(self, name: str) -> int | None:
        """Return a file's size as `size` does, and make sure that a file that is there is durable.

        Another process may have made it visible a moment ago and not yet durable: whoever acknowledges a
        file that it did not write itself asks here first.
        """

    def list(self, prefix: str = "") -> Iterator[FileInfo]:
        """Yield every file below the folder `prefix` (all when empty), in no particular order.

        Files that are still being written are not listed, nor is anything below `tmp/`. A file made
        during the listing may be missing.
        """

    def create(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet: of several callers at once exactly one succeeds.

        Raises:
            ConflictError: The file is there already; it is left as it is.
        """

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether or not it is there: readers see the old bytes or the new ones, never a mix."""

    def delete(self, name: str) -> None:
        """Remove a file; removing one that is not there is no error."""

    def upload(self) -> AbstractContextManager[Upload]:
        """Start a file whose name is not known yet; leaving the block without `commit` drops it.

        When `commit` returns, the file is visible and durable.
        """

    def batch(self) -> AbstractContextManager[Batch]:
        """Write several files that become durable together, with fewer syncs than one by one.

        When the block ends without an error, every committed file is visible and durable. If the block
        raises, any subset of them may have been kept, each of them whole.
        """
