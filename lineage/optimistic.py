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
from .log import Log, Plan
from .note import Signer

_TRIES = 100
"""Commits of others that one request gives way to."""
_LATE_SECONDS = 1.0
"""A commit that takes longer looks whether others have gone on in the meantime."""
_TIDY = 32
"""Partial tiles are tidied up when the log has grown by about so many leaves: to look for them takes requests."""
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
            # Where nobody else wrote, what was seen before is the present state; else making the commit file fails.
            at = self.complete() if attempt else self._log.last_seen()
            unsettled = [request for request in requests if not request.settled]
            with self._log.standing_at(at):
                admitted, leaves = select(unsettled, self._open_admission)
                planned = self._log.plan(leaves, at=at) if leaves else None
            new = self._write(planned, leaves, key, at) if planned else at
            if new is None:
                time.sleep(min(1.0, _PAUSE_SECONDS * (attempt + 1)) * os.urandom(1)[0] / 255)
                continue
            for request in admitted:
                request.settle()
            if leaves:
                # The events are durable; what follows them may follow later.
                with suppress(LinError), self._log.standing_at(new):
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

    def _write(self, planned: Plan, leaves: Sequence[bytes], key: Signer, at: Checkpoint) -> Checkpoint | None:
        """Commit leaves after `at` and return the checkpoint that they lead to; None if another writer was faster."""
        new = self._log.sign(planned, key)
        began = time.monotonic()
        try:
            self._log.place.create(commit_name(at.size), encode_commit(new, leaves))
        except ConflictError:
            return None
        self._log.write(planned)
        # A writer that is late must not take the log back. Should it do so all the same, it finds the next commit
        # right after, and completes it: so one that is not late need not look before.
        if time.monotonic() - began < _LATE_SECONDS or self._log.checkpoint().size < new.size:
            self._log.publish(new, before=at, every=_TIDY)
        if self._log.place.size(commit_name(new.size)) is not None:
            self.complete()
        return new

    def _publish(self, new: Checkpoint, before: Checkpoint) -> None:
        if self._log.checkpoint().size < new.size:
            self._log.publish(new, before=before, every=_TIDY)
