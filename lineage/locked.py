"""Commit under a file lock: for repositories in a local folder.

Whoever holds the lock commits its own requests and all that wait, with one set of syncs: group commit between
threads and processes. The lock belongs to an open file, so the system frees it when a process dies, and the
next one goes on from whatever the log then holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lin.errors import LinError
from lin.store.local import LocalPlace

from .admitting import OpenAdmission, Request, select
from .journal import boot
from .journaled import JournaledLog
from .log import Log
from .log_lock import log_lock
from .note import Signer
from .waiting import WaitingRoom

QUEUE_FOLDER = "queue"

_AT_ONCE = 1000
"""Requests of others in one commit, so that nobody's answer waits for a never-ending queue."""


class LockedCommits:
    """Commit requests to a log whose writers share a lock file."""

    def __init__(
        self,
        log: Log,
        key: Callable[[], Signer],
        open_admission: OpenAdmission,
        committed: Callable[[], None],
        folder: Path,
    ) -> None:
        self._log = log
        self._key = key
        self._open_admission = open_admission
        self._committed = committed
        self._folder = folder
        place = log.place
        # Where the system does not say when it was started, each file of the log is synced.
        self._journaled = JournaledLog(log, place) if isinstance(place, LocalPlace) and boot() else None
        self._room = WaitingRoom(folder / QUEUE_FOLDER)

    def commit(self, requests: Sequence[Request]) -> None:
        """Settle every request, now or by another process that holds the lock.

        Raises:
            LinError: The log could not be written to; requests that are not settled are not known to be in it.
        """
        key = self._key()
        with log_lock(self._folder) as lock:
            if lock.acquired():
                self._lead(requests, key)
                return
            tickets = [(self._room.ticket(), request) for request in requests]
            try:
                for ticket, request in tickets:
                    self._room.leave(ticket, request)
                lock.wait()
                for ticket, request in tickets:
                    self._room.collect(ticket, request)
            finally:
                for ticket, _ in tickets:
                    with suppress(LinError):
                        self._room.withdraw(ticket)
            unsettled = [request for request in requests if not request.settled]
            if unsettled:
                self._lead(unsettled, key)

    def _lead(self, own: Sequence[Request], key: Signer) -> None:
        if self._journaled is not None:
            self._journaled.complete()
        waiting = list(islice(self._room.waiting(), _AT_ONCE))
        requests = [*(request for _, request in waiting), *own]  # in the order of arrival
        admitted, leaves = select(requests, self._open_admission)
        if leaves:
            (self._journaled or self._log).extend(leaves, key)
        for request in admitted:
            request.settle()
        for ticket, request in waiting:
            # An answer that can't be written is no loss: its owner asks again, and the same event is one event.
            with suppress(LinError):
                self._room.answer(ticket, request.error)
        if leaves:
            # The events are durable; what follows them may follow later.
            with suppress(LinError):
                self._committed()
