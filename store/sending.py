"""Send files to a place that shows a file only when it is whole: each waits here until its name is known."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import Protocol

from .place import Upload, check_name
from .spool import Spool

IN_FLIGHT = 64 * 1024 * 1024
"""Bytes that a batch holds at most while they are being sent."""


class Sender(Protocol):
    """What takes a whole file."""

    @property
    def workers(self) -> int:
        """How many calls at once pay off."""

    def send(self, name: str, spool: Spool, *, replace: bool) -> None:
        """Write what was spooled, whole; with `replace` False, only where there is no such file."""

    def confirm(self, name: str) -> int | None:
        """Return a file's size."""


class RemoteUpload:
    """Implement `Upload`: the bytes are spooled, and sent at the commit."""

    def __init__(self, sender: Sender, spool: Spool) -> None:
        self._sender = sender
        self._spool = spool

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._spool.write(data)

    def commit(self, name: str, *, replace: bool = False) -> None:
        """Send the file."""
        self._sender.send(check_name(name), self._spool, replace=replace)


class RemoteBatch:
    """Implement `Batch`: several files are under way at once, in bounded memory; the end waits for all of them.

    Files of one name are sent one after the other, in the order of their commits.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[str, Future[None]] = {}
        self._changed = Condition()
        self._held = 0
        self._failed: BaseException | None = None

    @contextmanager
    def upload(self) -> Iterator[Upload]:
        """Start a file; its commit hands it to a thread."""
        spool = Spool()
        upload = _BatchUpload(self, spool)
        try:
            yield upload
        finally:
            if not upload.is_sent:
                spool.file.close()

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, at the latest at the end of the batch."""
        with self.upload() as upload:
            upload.write(data)
            upload.commit(name, replace=True)

    def confirm(self, name: str) -> int | None:
        """Return a file's size, also of one that is under way."""
        with self._changed:
            waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.result()
        return self._sender.confirm(name)

    def finish(self) -> None:
        """Wait for everything; raises the first failure."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self._raise()

    def drop(self) -> None:
        """Wait for what is under way, and send no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, name: str, spool: Spool, *, replace: bool) -> None:
        """Queue a file; waits while too many bytes are under way."""
        size = spool.size
        with self._changed:
            self._changed.wait_for(lambda: self._failed or not self._held or self._held + size <= IN_FLIGHT)
            self._raise()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._sender.workers, thread_name_prefix="lin-send")
            self._held += size
            self._waiting[name] = self._pool.submit(self._send, name, spool, replace, self._waiting.get(name))

    def _send(self, name: str, spool: Spool, replace: bool, earlier: Future[None] | None) -> None:
        # The earlier one was queued first, so it is running or done: waiting for it cannot block the pool.
        try:
            with spool:
                if earlier is not None:
                    earlier.result()
                if self._failed is None:
                    self._sender.send(name, spool, replace=replace)
        except BaseException as error:
            with self._changed:
                self._failed = self._failed or error
            raise
        finally:
            with self._changed:
                self._held -= spool.size
                self._changed.notify_all()

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed


class _BatchUpload:
    def __init__(self, batch: RemoteBatch, spool: Spool) -> None:
        self._batch = batch
        self._spool = spool
        self.is_sent = False

    def write(self, data: bytes | memoryview) -> None:
        self._spool.write(data)

    def commit(self, name: str, *, replace: bool = False) -> None:
        self._batch.take(check_name(name), self._spool, replace=replace)
        self.is_sent = True


@contextmanager
def sending(sender: Sender) -> Iterator[RemoteBatch]:
    """Run a batch: everything is visible at its end, or it raises."""
    batch = RemoteBatch(sender)
    try:
        yield batch
    except BaseException:
        batch.drop()
        raise
    batch.finish()


@contextmanager
def uploading(sender: Sender) -> Iterator[RemoteUpload]:
    """Run one upload."""
    with Spool() as spool:
        yield RemoteUpload(sender, spool)
