"""Write files of a local place: one by one, or many with two syncs in all."""

# Paths are text here: making a Path costs more than the call it is for, in loops over many files.
# ruff: noqa: PTH105, PTH108, PTH118, PTH120, PTH123

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING

from .durable import is_recent, make_folder, start_writing, sync_file, sync_folder, sync_many
from .faults import os_errors

if TYPE_CHECKING:
    from .local import LocalPlace

PART = "part-"
"""How the names of temporary files begin."""
_BEGIN = 8 << 20
"""Bytes after which the disk is set to work, while more are being made."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class LocalUpload:
    """Implement `Upload` with a file under `tmp/`."""

    def __init__(self, place: LocalPlace) -> None:
        self._place = place
        self.path = os.path.join(place.transient, f"{PART}{os.getpid()}-{os.urandom(8).hex()}")
        self._size = self._begun = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os_errors("write to", place.base):
            try:
                self._descriptor = os.open(self.path, flags, 0o666)
            except FileNotFoundError:
                for folder in make_folder(place.transient):
                    sync_folder(folder)
                self._descriptor = os.open(self.path, flags, 0o666)

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        rest = memoryview(data).cast("B")
        self._size += len(rest)
        with os_errors("write to", self._place.url):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        if self._size - self._begun >= _BEGIN:
            start_writing(self._descriptor, self._begun, self._size - self._begun)
            self._begun = self._size

    def finish(self, *, sync: bool = True) -> None:
        """Close the file, durable unless `sync` is False."""
        with os_errors("write to", self._place.url):
            if sync:
                sync_file(self._descriptor)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def commit(self, name: str, *, replace: bool = False) -> None:
        """Make the file visible and durable."""
        path = self._place.locate(name)
        if not replace and self._place.confirm(name) is not None:
            return
        self.finish()
        with os_errors("write", path):
            self._place.prepare(path)
            os.replace(self.path, path)
            self.path = ""
            sync_folder(os.path.dirname(path))

    def drop(self) -> None:
        """Give up what was not committed."""
        # What fails here leaves a file under `tmp/` at worst, and must not hide why it is given up.
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
        if self.path:
            with suppress(OSError):
                os.unlink(self.path)
            self.path = ""


class LocalBatch:
    """Implement `Batch`: files wait under `tmp/`, are synced together, then moved, then the folders synced."""

    def __init__(self, place: LocalPlace) -> None:
        self._place = place
        self._lock = Lock()
        self._waiting: dict[str, str] = {}
        self._folders: set[str] = set()

    @contextmanager
    def upload(self) -> Iterator[BatchUpload]:
        """Start a file; its commit puts it into the queue."""
        upload = BatchUpload(self._place, self)
        try:
            yield upload
        finally:
            upload.drop()

    def replace(self, name: str, data: bytes) -> None:
        """Write a file at the end of the batch."""
        with self.upload() as upload:
            upload.write(data)
            upload.commit(name, replace=True)

    def confirm(self, name: str) -> int | None:
        """Return a visible file's size; its folder is synced with the others."""
        status = self._place.status(name)
        if status is None:
            return None
        if is_recent(status):
            with self._lock:
                self._folders.add(os.path.dirname(self._place.locate(name)))
        return status.st_size

    def finish(self) -> None:
        """Make everything visible and durable."""
        root = self._place.url
        with self._lock, os_errors("write to", root):
            sync_many(root, files=self._waiting.values())
            made: set[str] = set()
            for target in list(self._waiting):
                folder = os.path.dirname(target)
                if folder not in made:
                    made.add(folder)
                    self._folders.update(make_folder(folder))
                os.replace(self._waiting[target], target)
                del self._waiting[target]
                self._folders.add(folder)
            sync_many(root, folders=self._folders)
            self._folders.clear()

    def drop(self) -> None:
        """Give up what was not made visible."""
        for path in self._waiting.values():
            with suppress(OSError):
                os.unlink(path)
        self._waiting.clear()

    def take(self, upload: BatchUpload, name: str, *, replace: bool) -> None:
        """Queue a finished file."""
        target = self._place.locate(name)
        if not replace and self.confirm(name) is not None:
            return
        with self._lock:
            earlier = self._waiting.get(target)
            if earlier is not None and not replace:
                return
            # Moved to the end: files become visible in the order of their last commit.
            self._waiting.pop(target, None)
            self._waiting[target] = upload.path
            upload.path = ""
        if earlier is not None:
            with suppress(OSError):
                os.unlink(earlier)


class BatchUpload(LocalUpload):
    """Implement `Upload` within a batch."""

    def __init__(self, place: LocalPlace, batch: LocalBatch) -> None:
        super().__init__(place)
        self._batch = batch

    def commit(self, name: str, *, replace: bool = False) -> None:
        """Queue the file; the batch makes it durable and visible."""
        self.finish(sync=False)
        self._batch.take(self, name, replace=replace)


def link_new(source: str, target: str, lock_folder: str) -> None:
    """Give a finished file its name; raises `FileExistsError` if the name is taken, in one step with the look."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: exclusion by a lock that every lin takes here.
        with open(os.path.join(lock_folder, "create.lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
            os.replace(source, target)
