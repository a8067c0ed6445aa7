"""Commit without a lock: for buckets, whose writers share nothing but the bucket.

The right to go on from a size is taken by making the file `log/commit/<size>`, which only one writer can. It
holds the signed checkpoint that this commit leads to, and its leaves. So whoever finds one beyond the
checkpoint, because its maker was slow or died, completes it first: the tiles follow from it, byte for byte.
Commit files are never deleted: a writer that is very late must still find the place taken.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from lin.errors import ConflictError, CorruptLogError, LinError, NotFoundError

from .admitting import OpenAdmission, Request, select
from .checkpoint import Checkpoint
from .commits import commit_name, decode_commit, encode_commit
from .log import Log
from .note import Signer

_TRIES = 100
"""Commits of others that one request gives way to."""
_PAUSE_SECONDS = 0.02
"""The longest wait after the first lost race; later ones wait up to a second."""


class OptimisticCommits:
    """Commit requests to a log whose writers share no lock."""

    def __init__(
        self,
        log: Log,
        key: Callable[[], Signer],
        open_admission: OpenAdmission,
        committed: Callable[[], None],
    ) -> None:
        self._log = log
        self._key = key
        self._open_admission = open_admission
        self._committed = committed

    def commit(self, requests: Sequence[Request]) -> None:
        """Settle every request.

        Raises:
            ConflictError: Others were faster every time.
            LinError: The log could not be written to; requests that are not settled are not known to be in it.
        """
        key = self._key()
        for attempt in range(_TRIES):
            at = self.complete()
            unsettled = [request for request in requests if not request.settled]
            admitted, leaves = select(unsettled, self._open_admission)
            if leaves and not self._write(leaves, key, at):
                time.sleep(min(1.0, _PAUSE_SECONDS * (attempt + 1)) * os.urandom(1)[0] / 255)
                continue
            for request in admitted:
                request.settle()
            if leaves:
                # The events are durable; what follows them may follow later.
                with suppress(LinError):
                    self._committed()
            return
        raise ConflictError(f"other writers were faster {_TRIES} times in a row", hint="Try again later.")

    def complete(self) -> Checkpoint:
        """Bring the checkpoint up to the last commit, and return it."""
        while True:
            at = self._log.checkpoint()
            try:
                data = self._log.place.read(commit_name(at.size))
            except NotFoundError:
                return at
            new, leaves = decode_commit(data, at.size, self._log.verifier)
            planned = self._log.plan(leaves, at=at)
            if (planned.size, planned.root) != (new.size, new.root):
                raise CorruptLogError(f"{commit_name(at.size)} does not lead to the checkpoint it holds")
            self._log.write(planned)
            self._publish(new, at)

    def _write(self, leaves: Sequence[bytes], key: Signer, at: Checkpoint) -> bool:
        """Commit leaves after `at`; False if another writer went on from there."""
        planned = self._log.plan(leaves, at=at)
        new = self._log.sign(planned, key)
        try:
            self._log.place.create(commit_name(at.size), encode_commit(new, leaves))
        except ConflictError:
            return False
        self._log.write(planned)
        self._publish(new, at)
        self.complete()
        return True

    def _publish(self, new: Checkpoint, before: Checkpoint) -> None:
        # A writer that is late must not take the log back. Should it do so all the same, between these two
        # calls, then it finds the next commit right after, and completes it.
        if self._log.checkpoint().size < new.size:
            self._log.publish(new, before=before)
