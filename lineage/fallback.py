"""Answer from a server, and from the embedded graph while the server is away.

Both hold the same events, so the answers are the same; what is lost is only what the server is there for. Whoever
asks is told: once for each outage, and, to tell those who ask something of their own, for each answer (`standing_in`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from lin.errors import (
    BackendError,
    LinError,
    PermissionDeniedError,
    UnsupportedFormatError,
)

from .graph import Graph

AWAY = (BackendError, PermissionDeniedError, UnsupportedFormatError)
"""Errors that say that a server cannot answer now, and nothing about the question."""
PATIENCE = 10.0
"""Seconds for which a server that was away is not asked again: an outage costs one time-out, not one a question."""

_READING = frozenset(
    name for name in vars(Graph) if not name.startswith("_") and name not in {"apply", "clear", "close", "position"}
)


_HEARD: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@contextmanager
def standing_in() -> Iterator[list[str]]:
    """Lend a list that grows by a sentence for each server in whose place the embedded graph answers within the block.

    It hears of what is asked in this thread and in tasks that are started in it, and of nobody else's.
    """
    heard: list[str] = []
    before = _HEARD.set(heard)
    try:
        yield heard
    finally:
        _HEARD.reset(before)


class Outage:
    """Remember whether a server is away, and tell of it once; shared by all who ask it.

    Args:
        location: The server, for people.
        tell: Called with a sentence when an outage begins.
    """

    def __init__(self, location: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._location = location
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._told = False
        self._said = ""

    @property
    def lasting(self) -> bool:
        """Whether the server was away a moment ago, so that asking it again would only cost time."""
        return self._clock() < self._until

    def begin(self, error: LinError) -> None:
        """Note that the server could not answer."""
        with self._lock:
            self._until = self._clock() + PATIENCE
            told, self._told = self._told, True
            said = self._said = f"{self._location} cannot answer, the embedded graph does: {error.message}"
        if not told:
            self._tell(said)

    def stand_in(self) -> None:
        """Note that the embedded graph answers in the server's place."""
        heard = _HEARD.get()
        if heard is not None and self._said not in heard:
            heard.append(self._said)

    def end(self) -> None:
        """Note that the server answers again."""
        with self._lock:
            self._until, self._told = 0.0, False


class FallbackGraph:
    """A graph for reading: the server's answers, or the embedded graph's if the server fails in the middle.

    Each question is answered by one of them as a whole. It has every method of `Graph` that reads.
    """

    def __init__(self, server: Graph | None, embedded: Graph, outage: Outage) -> None:
        self._server = server
        self._embedded = embedded
        self._outage = outage

    @classmethod
    def over(cls, server: Graph | None, embedded: Graph, outage: Outage) -> Graph:
        """Return such a graph, without what only writers need. Without a server, the embedded graph answers all."""
        return cast("Graph", cls(server, embedded, outage))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _READING:
            raise AttributeError(name)

        def ask(*arguments: Any, **options: Any) -> Any:
            if self._server is not None and not self._outage.lasting:
                try:
                    answer = getattr(self._server, name)(*arguments, **options)
                except AWAY as error:
                    self._outage.begin(error)
                else:
                    self._outage.end()
                    return answer
            self._outage.stand_in()
            return getattr(self._embedded, name)(*arguments, **options)

        return ask
