"""The sequencer: put events into the log, in one order for all.

Local repositories are written under a file lock (`locked.py`), buckets without one (`optimistic.py`). On top
of both, threads of one process share commits: while one commit is on its way, the requests of other threads
gather for the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from lin.store.local import LocalPlace

from .admitting import Admission, OpenAdmission, Request
from .envelope import SignedEvent
from .locked import LockedCommits
from .log import Log
from .note import Signer
from .optimistic import OptimisticCommits

__all__ = ["Admission", "OpenAdmission", "Sequencer"]


class _Commits(Protocol):
    def commit(self, requests: Sequence[Request]) -> None: ...


class Sequencer:
    """Append requests to a log.

    Safe to use from several threads, and beside other processes and machines.

    Args:
        log: The log.
        key: Return its private key; called for each commit, so that a repository can be read without one.
        open_admission: Return what decides about requests; called once in each commit, under the lock.
        committed: Called after each commit, still under the lock: the moment to let an index follow.
        folder: Where the lock and the waiting requests lie: by default a local place's folder for transient
            files. A place that is not local needs none.
    """

    def __init__(
        self,
        log: Log,
        key: Callable[[], Signer],
        open_admission: OpenAdmission,
        *,
        committed: Callable[[], None] = lambda: None,
        folder: Path | None = None,
    ) -> None:
        if folder is None and isinstance(log.place, LocalPlace):
            folder = Path(log.place.transient)
        self._commits: _Commits = (
            OptimisticCommits(log, key, open_admission, committed)
            if folder is None
            else LockedCommits(log, key, open_admission, committed, folder)
        )
        self._mutex = threading.Lock()
        self._leading = threading.Lock()
        self._pending: list[Request] = []

    def submit(self, request: Sequence[SignedEvent]) -> None:
        """Put events into the log, all or none; when this returns, they are durable.

        Events that the log holds already are left out, so after any failure it is safe to submit again.

        Raises:
            LinError: The request was refused; nothing of it is in the log.
            ReadOnlyError: This user does not hold the log's key.
            BackendError: The place failed; the events are all in the log, or none.
        """
        mine = Request(request)
        if not mine.events:
            return
        with self._mutex:
            self._pending.append(mine)
        try:
            with self._leading:
                if not mine.settled:
                    self._lead(mine)
        finally:
            with self._mutex:
                if mine in self._pending:
                    self._pending.remove(mine)
        mine.result()

    def _lead(self, mine: Request) -> None:
        with self._mutex:
            requests, self._pending = self._pending, []
        if mine not in requests:  # whoever led it before failed, or was interrupted: now it tries for itself
            requests.append(mine)
        self._commits.commit(requests)
