"""Extend a local log with one sync: the journal first, then the log's own files, which the system writes when it likes.

As long as the system runs, its file cache holds what was written, and a process that is killed takes nothing of it
along; the next writer completes what it had begun. Only after the system itself has ended are the files in doubt.
Then the first to open the log writes them again, from the journal. When the journal is full the files are synced, and
another is begun.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lin.errors import CorruptLogError, LinError
from lin.store.durable import make_folder, sync_many
from lin.store.faults import os_errors
from lin.store.local import LocalPlace

from .checkpoint import Checkpoint
from .commits import encode_commit
from .journal import LARGEST, SMALLEST, Contents, Journal, boot
from .log import CHECKPOINT, FOLDER, Log
from .log_lock import log_lock
from .note import Signer
from .tiles import decode_bundle, edge_of, tiles_of


class JournaledLog:
    """Write to a local log; for whoever holds its lock."""

    def __init__(self, log: Log, place: LocalPlace) -> None:
        self._log = log
        self._place = place
        self._journal = Journal(place)
        self._lazy = Log(_UnsyncedPlace(place.root), log.verifier)
        self._seen: Contents | None = None

    def complete(self) -> Checkpoint:
        """Finish what writers before began, and return the present checkpoint.

        Raises:
            CorruptLogError: The journal is damaged, or does not fit to the log.
        """
        self._log.opened = True
        if self._seen is not None and self._journal.unchanged(self._seen):
            return self._log.checkpoint()
        self._seen = None
        seen = self._journal.read()
        if seen is None:
            return self._log.checkpoint()
        if seen.boot != boot():
            return self._recover(seen)
        try:
            at = self._log.checkpoint()
            last = self._last(seen)
            if last.size > at.size:
                at = self._redo(seen, at)
            elif last.size < at.size:
                # Someone wrote by another way: what comes next can't follow from this journal.
                self._settle(seen, at)
                seen = self._journal.begin(at.note)
        except CorruptLogError:
            return self._recover(seen)
        self._seen = seen
        return at

    def extend(self, leaves: Sequence[bytes], key: Signer) -> Checkpoint:
        """Append leaves; see `Log.extend`."""
        at = self.complete()
        if not leaves:
            return at
        planned = self._log.plan(leaves, at=at)
        new = self._log.sign(planned, key)
        body = encode_commit(new, leaves)
        # Until all is done, the journal is read again: should something fail here, it may be ahead of the files.
        seen, self._seen = self._seen, None
        if len(body) > LARGEST // 4:
            self._settle(seen, at)
            self._log.write(planned)
            self._log.publish(new, before=at)
            self._seen = self._journal.begin(new.note)
            return new
        written = None if seen is None else self._journal.append(seen, body)
        if written is None:
            self._settle(seen, at)
            written = self._journal.append(self._begin(seen, at, len(body)), body)
        assert written is not None  # noqa: S101 - it was begun with room for it
        # From here on it is durable.
        self._lazy.write(planned)
        self._lazy.publish(new, before=at, kept=self._base(written))
        self._seen = written
        return new

    def _begin(self, seen: Contents | None, at: Checkpoint, needed: int) -> Contents:
        """Begin a journal that has room for a commit: twice as large as the last one."""
        size = SMALLEST if seen is None else min(2 * seen.size, LARGEST)
        while size < 2 * needed + SMALLEST // 2:
            size *= 2
        return self._journal.begin(at.note, size=size)

    def _settle(self, seen: Contents | None, at: Checkpoint) -> None:
        """Make the files of the log durable, as far as they may not be."""
        if seen is None or not seen.commits:
            return
        base = self._base(seen)
        root = self._place.locate(FOLDER)
        files = [self._place.locate(f"{FOLDER}/{tile.name}") for tile in tiles_of(at.size, since=base.size)]
        folders = dict.fromkeys(parent for file in files for parent in _parents(file, root))
        with os_errors("sync", root):
            sync_many(root, files=[*files, self._place.locate(CHECKPOINT)], folders=[*folders, root])
        needed = {tile.name for tile in edge_of(at.size)}
        for tile in edge_of(base.size):
            if tile.name not in needed:
                with suppress(LinError):
                    self._lazy.place.delete(f"{FOLDER}/{tile.name}")

    def _redo(self, seen: Contents, at: Checkpoint) -> Checkpoint:
        """Write what the journal holds beyond a checkpoint."""
        base, last = self._base(seen), self._last(seen)
        leaves = _leaves(seen)[at.size - base.size :] if at.size >= base.size else []
        planned = self._log.plan(leaves, at=at)
        if (planned.size, planned.root) != (last.size, last.root):
            raise CorruptLogError("the journal does not lead to the checkpoint that it holds")
        self._lazy.write(planned)
        self._lazy.publish(last, before=at, kept=base)
        return last

    def _recover(self, seen: Contents) -> Checkpoint:
        """Write what the journal holds once more, durably, whatever became of it."""
        base, last = self._base(seen), self._last(seen)
        leaves = _leaves(seen)
        if leaves:
            planned = self._log.plan(leaves, at=base)
            if (planned.size, planned.root) != (last.size, last.root):
                raise CorruptLogError(
                    "the journal does not lead to the checkpoint that it holds",
                    hint=f"Restore {FOLDER}/ from a copy.",
                )
            self._log.write(planned)
        try:
            at = self._log.checkpoint()
        except CorruptLogError:
            at = None
        if at is None or at.size < last.size:
            self._log.publish(last, before=base, kept=base)
            at = last
        self._seen = self._journal.begin(at.note)
        return at

    def _base(self, seen: Contents) -> Checkpoint:
        return self._log.verified(seen.base)

    def _last(self, seen: Contents) -> Checkpoint:
        if not seen.commits:
            return self._base(seen)
        return self._log.verified(decode_bundle(seen.commits[-1])[0])


def recover(log: Log, place: LocalPlace) -> None:
    """Bring the files of a log in order if the system ended while they were in doubt.

    Whoever may not write reads them as they are.
    """
    with suppress(LinError):
        if Journal(place).is_foreign():
            with log_lock(Path(place.transient)) as lock:
                lock.wait()
                JournaledLog(log, place).complete()


def _leaves(seen: Contents) -> list[bytes]:
    return [leaf for body in seen.commits for leaf in decode_bundle(body)[1:]]


def _parents(file: str, root: str) -> Iterator[str]:
    """Yield the folders of a file, up to below `root`."""
    folder = os.path.dirname(file)  # noqa: PTH120 - as in `store.local`
    while folder != root:
        yield folder
        folder = os.path.dirname(folder)  # noqa: PTH120


class _UnsyncedPlace(LocalPlace):
    """A local place whose files become visible at once, and durable whenever the system writes them."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a file."""
        path = self.locate(name)
        with self.upload() as upload:
            upload.write(data)
            upload.finish(sync=False)
            with os_errors("write", path):
                make_folder(os.path.dirname(path))  # noqa: PTH120 - as in `store.local`
                os.replace(upload.path, path)  # noqa: PTH105
                upload.path = ""

    def delete(self, name: str) -> None:
        """Remove a file."""
        path = self.locate(name)
        with os_errors("delete", path), suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)  # noqa: PTH108

    @contextmanager
    def batch(self) -> Iterator[_UnsyncedPlace]:  # type: ignore[override]
        """Write several files, one by one."""
        yield self
