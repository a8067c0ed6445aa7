"""What tests of logs share: keys that never change, an admission without an index, and a place that breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from lin.errors import ConflictError
from lin.store.place import Batch, FileInfo, Place, Upload

from .envelope import SignedEvent, parse, sign
from .events import Event, EventId, KeyChanged, RunStarted
from .keys import ActorKey, LogKey
from .log import Log

ORIGIN = "lin/00112233445566778899aabbccddeeff"
LOG_KEY = LogKey.from_seed(ORIGIN, b"the seed of a log's key, 32 byte")
ACTOR_KEY = ActorKey.from_seed(b"the seed of actor's key, 32 byte")
AT = "2026-03-01T12:00:00.000000Z"


def introduction(key: ActorKey = ACTOR_KEY) -> SignedEvent:
    """Return the event by which an actor introduces its key."""
    return sign(Event(AT, key.id, KeyChanged("add", key.public.hex())), key)


def run_started(name: str, key: ActorKey = ACTOR_KEY, *, experiment: str = "e") -> SignedEvent:
    """Return an event that needs no other one; different names make different events."""
    return sign(Event(AT, key.id, RunStarted(experiment, name, "00")), key)


class ScanningAdmission:
    """Admit what the log does not hold, by reading it; refuse runs of the experiment `refused`.

    Args:
        log: The log.
        known: The ids of the log's first events, which earlier admissions read; extended here.
    """

    def __init__(self, log: Log, known: dict[EventId, None] | None = None) -> None:
        self._known: dict[EventId, None] = {} if known is None else known
        for leaf in log.read(len(self._known)):
            self._known[parse(leaf.data).id] = None
        self._admitted: set[EventId] = set()

    def admit(self, request: Sequence[SignedEvent]) -> Sequence[SignedEvent]:
        """Return the events that are new."""
        for signed in request:
            statement = signed.event.statement
            if isinstance(statement, RunStarted) and statement.experiment == "refused":
                raise ConflictError(f"run {statement.name!r} is refused", hint="Name another experiment.")
        fresh = [signed for signed in request if signed.id not in self._known and signed.id not in self._admitted]
        self._admitted |= {signed.id for signed in fresh}
        return list({signed.id: signed for signed in fresh}.values())


def ids(log: Log) -> list[EventId]:
    """Return the ids of all events in a log, in order."""
    return [parse(leaf.data).id for leaf in log.read()]


class CrashError(BaseException):
    """Stand for the end of a process: nothing is meant to catch it."""


class BreakingPlace:
    """Pass everything on to another place, and break at one of its writes.

    Args:
        inner: The place that really holds the files.
        broken_at: The number of the write that fails, from 0; None to only count.
        error: What to raise then.
        after: Whether that write still takes place.
    """

    def __init__(
        self,
        inner: Place,
        broken_at: int | None = None,
        *,
        error: Callable[[], BaseException] = CrashError,
        after: bool = False,
    ) -> None:
        self.inner = inner
        self.writes = 0
        self._broken_at = broken_at
        self._error = error
        self._after = after

    @property
    def url(self) -> str:
        """The inner place's."""
        return self.inner.url

    @property
    def near(self) -> bool:
        """The inner place's."""
        return self.inner.near

    @property
    def workers(self) -> int:
        """The inner place's."""
        return self.inner.workers

    def _write(self, write: Callable[[], None]) -> None:
        breaks = self.writes == self._broken_at
        self.writes += 1
        if breaks and not self._after:
            raise self._error()
        write()
        if breaks:
            raise self._error()

    def read(self, name: str) -> bytes:
        """Read."""
        return self.inner.read(name)

    def open(self, name: str) -> BinaryIO:
        """Open."""
        return self.inner.open(name)

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Read some of it."""
        return self.inner.read_range(name, start, length)

    def size(self, name: str) -> int | None:
        """Look."""
        return self.inner.size(name)

    def confirm(self, name: str) -> int | None:
        """Look, and make sure."""
        return self.inner.confirm(name)

    def list(self, prefix: str = "") -> Iterator[FileInfo]:
        """List."""
        return self.inner.list(prefix)

    def create(self, name: str, data: bytes) -> None:
        """Create, or break."""
        self._write(lambda: self.inner.create(name, data))

    def replace(self, name: str, data: bytes) -> None:
        """Replace, or break."""
        self._write(lambda: self.inner.replace(name, data))

    def delete(self, name: str) -> None:
        """Delete, or break."""
        self._write(lambda: self.inner.delete(name))

    def upload(self) -> AbstractContextManager[Upload]:
        """Upload; never breaks."""
        return self.inner.upload()

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Write each file at once, so that a break keeps some of them."""
        yield _BreakingBatch(self)


class _BreakingBatch:
    def __init__(self, place: BreakingPlace) -> None:
        self.upload = place.upload
        self.replace = place.replace
        self.confirm = place.confirm
