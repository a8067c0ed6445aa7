"""Keep a repository's files in a folder of this machine.

A file is written under `tmp/`, synced, moved to its name in one step, and its folder synced. A process
that dies on the way leaves at most a file under `tmp/`, which no reader ever looks at.
"""

# Paths are text here: making a Path costs more than the call it is for, in loops over many files.
# ruff: noqa: PTH108, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lin.errors import ConflictError

from .durable import is_recent, make_folder, sync_folder
from .faults import os_errors
from .local_writes import PART, LocalBatch, LocalUpload, link_new
from .place import FileInfo, check_name, check_range

TRANSIENT = "tmp"
"""The folder for what is not part of the repository; it must lie on the same file system."""


class LocalPlace:
    """Implement `Place` on a local folder, which the first write makes."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()
        self.base = str(self.root)
        self.transient = os.path.join(self.base, TRANSIENT)

    @property
    def url(self) -> str:
        """The folder's absolute path."""
        return self.base

    @property
    def near(self) -> bool:
        """True: a descriptor keeps showing the same file."""
        return True

    @property
    def workers(self) -> int:
        """One: for small files Python's own work is the limit, and digesting a large one uses every processor."""
        return 1

    def __repr__(self) -> str:
        return f"LocalPlace({self.base!r})"

    def path(self, name: str) -> Path:
        """Return where a file lies, whether or not it is there; raises `UnsafePathError`."""
        return Path(self.locate(name))

    # ------------------------------------------------------------------------ reading

    def read(self, name: str) -> bytes:
        """Return the whole of a small file."""
        with self.open(name) as file, os_errors("read", file.name):
            return file.read()

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading, unbuffered: the store reads in large pieces."""
        path = self.locate(name)
        with os_errors("open", path):
            return open(path, "rb", buffering=0)

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Return some of a file's bytes."""
        check_range(start, length)
        path = self.locate(name)
        with os_errors("read", path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, length, start)
                while len(data) < length:  # a call returns at most 2 GiB
                    more = os.pread(descriptor, length - len(data), start + len(data))
                    if not more:
                        break
                    data += more
            finally:
                os.close(descriptor)
        return data

    def size(self, name: str) -> int | None:
        """Return a file's size, or None where there is none."""
        status = self.status(name)
        return None if status is None else status.st_size

    def confirm(self, name: str) -> int | None:
        """Return a file's size, and sync its folder if it is so new that its maker may not have done so yet."""
        status = self.status(name)
        if status is None:
            return None
        if is_recent(status):
            path = self.locate(name)
            with os_errors("sync", path):
                sync_folder(os.path.dirname(path))
        return status.st_size

    def list(self, prefix: str = "") -> Iterator[FileInfo]:
        """Yield the files below a folder, without those that are being written."""
        start = self.locate(prefix.rstrip("/")) if prefix else self.base
        folders = [start]
        while folders:
            folder = folders.pop()
            if folder == self.transient:
                continue
            with os_errors("list", folder):
                try:
                    entries = tuple(os.scandir(folder))
                except (FileNotFoundError, NotADirectoryError):
                    continue
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                elif (found := self._info(entry)) is not None:
                    yield found

    # ------------------------------------------------------------------------ writing

    def create(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet: linking the finished file fails if the name is taken."""
        path = self.locate(name)
        with self.upload() as upload:
            upload.write(data)
            upload.finish()
            with os_errors("write", path):
                self.prepare(path)
                try:
                    link_new(upload.path, path, self.transient)
                except FileExistsError as error:
                    raise ConflictError(
                        f"{path} is there already", hint="Another writer was faster: read it, then decide."
                    ) from error
                sync_folder(os.path.dirname(path))

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether or not it is there."""
        with self.upload() as upload:
            upload.write(data)
            upload.commit(name, replace=True)

    def delete(self, name: str) -> None:
        """Remove a file; removing one that is not there is no error."""
        path = self.locate(name)
        with os_errors("delete", path):
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                return
            sync_folder(os.path.dirname(path))

    @contextmanager
    def upload(self) -> Iterator[LocalUpload]:
        """Start a file whose name is not known yet."""
        upload = LocalUpload(self)
        try:
            yield upload
        finally:
            upload.drop()

    @contextmanager
    def batch(self) -> Iterator[LocalBatch]:
        """Write several files that become durable together: two syncs in all, whatever their number."""
        batch = LocalBatch(self)
        try:
            yield batch
            batch.finish()
        finally:
            batch.drop()

    # ------------------------------------------------------------------------ after a crash

    def leftovers(self, older_than_seconds: float = 3600.0) -> tuple[FileInfo, ...]:
        """Return the temporary files that no living writer is likely to own.

        Args:
            older_than_seconds: Only those that were last written to this long ago.
        """
        found = []
        with os_errors("list", self.transient), suppress(FileNotFoundError):
            for entry in os.scandir(self.transient):
                if entry.name.startswith(PART):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if time.time() - status.st_mtime >= older_than_seconds:
                            found.append(FileInfo(f"{TRANSIENT}/{entry.name}", status.st_size))
        return tuple(found)

    def sweep(self, older_than_seconds: float = 3600.0) -> int:
        """Remove `leftovers` and return the bytes they took."""
        found = self.leftovers(older_than_seconds)
        for info in found:
            with os_errors("delete", info.name), suppress(FileNotFoundError):
                os.unlink(os.path.join(self.base, info.name))
        return sum(info.size for info in found)

    # ------------------------------------------------------------------------

    def locate(self, name: str) -> str:
        """Return `path` as text."""
        return os.path.join(self.base, check_name(name))

    def status(self, name: str) -> os.stat_result | None:
        """Return what the system says of a file; None where there is none."""
        path = self.locate(name)
        with os_errors("look at", path):
            try:
                status = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return status if stat.S_ISREG(status.st_mode) else None

    def _info(self, entry: os.DirEntry[str]) -> FileInfo | None:
        try:
            name = os.path.relpath(entry.path, self.base)
            status = entry.stat()
            return FileInfo(name.replace(os.sep, "/"), status.st_size, status.st_mtime)
        except FileNotFoundError:
            return None

    def prepare(self, path: str) -> None:
        """Make the folder that a file goes into, durably."""
        for folder in make_folder(os.path.dirname(path)):
            sync_folder(folder)
