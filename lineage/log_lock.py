"""The lock that the writers of a local log share: a file, locked by whoever writes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lin.store.faults import os_errors

LOCK_FILE = "log.lock"


class LogLock:
    """A lock that is not taken yet; it belongs to an open file, so the system frees it when a process dies."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def acquired(self) -> bool:
        """Take the lock if nobody has it."""
        with os_errors("lock", self._path):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def wait(self) -> None:
        """Take the lock once it is free."""
        with os_errors("lock", self._path):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)


@contextmanager
def log_lock(folder: Path) -> Iterator[LogLock]:
    """Open the lock in a repository's folder for transient files; it is free again when the block ends."""
    path = folder / LOCK_FILE
    with os_errors("lock", path):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield LogLock(descriptor, path)
    finally:
        # Closing alone would not do: a child forked meanwhile shares the lock.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
