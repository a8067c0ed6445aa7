"""Tell how far a put or get has come."""

from __future__ import annotations

import time
from threading import Lock
from typing import Protocol

INTERVAL = 0.05
"""Seconds between two reports: a terminal shows no more, and a report costs more than a small file."""


class Progress(Protocol):
    """Be told how far it is; called from any thread, but one call at a time."""

    def __call__(self, bytes_done: int, bytes_total: int | None, files_done: int, files_total: int | None, /) -> None:
        """Show it. What this raises stops the work, which then leaves nothing half-written."""


class Tally:
    """Add up what several threads did, and report it now and then."""

    def __init__(self, progress: Progress | None, *, bytes_total: int | None, files_total: int | None) -> None:
        self._progress = progress
        self._bytes_total = bytes_total
        self._files_total = files_total
        self._bytes = 0
        self._files = 0
        self._next = 0.0
        self._lock = Lock()

    def add(self, size: int) -> None:
        """Count bytes."""
        self.count(size, 0)

    def count(self, size: int, files: int) -> None:
        """Count bytes and files."""
        if self._progress is None:
            return
        with self._lock:
            self._bytes += size
            self._files += files
            if time.monotonic() >= self._next:
                self._report(self._progress)

    def finish(self) -> None:
        """Report the end."""
        if self._progress is not None:
            with self._lock:
                self._report(self._progress)

    def _report(self, progress: Progress) -> None:
        progress(self._bytes, self._bytes_total, self._files, self._files_total)
        self._next = time.monotonic() + INTERVAL
