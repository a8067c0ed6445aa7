"""The graph as it was: built from a beginning of the log, or from the events up to a moment.

Such a graph is an index of its own, in the cache folder, under a name that says what it holds. It is followed and
proven like the present one (`lin.lineage.index`), so it costs a reading of the log once, and what was added to
the log since where a moment is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lin.errors import InvalidInputError, ReadOnlyError

from ._sqlite_schema import SCHEMA_VERSION
from .graph import Graph, Position
from .index import Progress, catch_up, open_index
from .ledger import Draft, Ledger
from .log import Log
from .moment import Moment
from .sqlite import SqliteGraph

T = TypeVar("T")

KEPT = 8
"""Graphs of the past that stay in a cache folder; the ones that were not asked for longest go first."""

_FOLDER = "as-of"


def open_past(log: Log, cache: Path, moment: Moment, progress: Progress | None = None) -> SqliteGraph:
    """Return the graph of the events that a moment includes; it does not follow the log any further.

    Args:
        log: The log.
        cache: The repository's folder for what can be deleted.
        moment: Which events.
        progress: Told of the events read so far.

    Raises:
        InvalidInputError: The log is shorter.
        CorruptLogError: As `catch_up`.
    """
    if moment.size is not None:
        size = log.checkpoint().size
        if not 0 <= moment.size <= size:
            raise InvalidInputError(
                f"the log holds {size} events, so there is no moment after {moment.size}",
                hint="Give a number of events, which `lin log` counts, or a date.",
            )
    path = file_of(cache, moment)
    graph = open_index(path)
    try:
        catch_up(log, graph, progress, stop=moment.size, include=moment.includes)
        with suppress(OSError):
            path.touch()
            _forget(path.parent)
    except BaseException:
        graph.close()
        raise
    return graph


def file_of(cache: Path, moment: Moment) -> Path:
    """Return the index's file for a moment in a repository's cache folder."""
    name = str(moment.size) if moment.size is not None else str(moment.at).replace(":", "").replace(".", "-")
    return cache / _FOLDER / f"{name}-v{SCHEMA_VERSION}.sqlite3"


class PastLedger(Ledger):
    """A ledger as it was: its graph is that of a moment, and nothing can be written.

    The log is the present one; what speaks of the log, such as a checkpoint, speaks of the present.
    """

    def __init__(self, log: Log, cache: Path, moment: Moment, progress: Progress | None = None) -> None:
        self.log = log
        self.moment = moment
        self._past = open_past(log, cache, moment, progress)
        self.index = file_of(cache, moment)

    def graph(self) -> Graph:
        """Return the graph of the moment."""
        return self._past

    def answering(self) -> Graph:
        """Return the graph of the moment: a server holds the present one only."""
        return self._past

    def position(self) -> Position:
        """Return how much of the log was looked at for it."""
        return self._past.position()

    def rebuild(self, progress: Progress | None = None) -> int:
        """Refuse: whoever wants it anew deletes its file."""
        del progress
        raise _read_only()

    def record(self, build: Callable[[Draft, Graph], T]) -> T:
        """Refuse: the past does not change."""
        del build
        raise _read_only()

    def close(self) -> None:
        """Release the graph."""
        self._past.close()


def _read_only() -> ReadOnlyError:
    return ReadOnlyError("the past cannot be written to", hint="Ask the repository itself, without a moment.")


def _forget(folder: Path) -> None:
    files = sorted(folder.glob("*.sqlite3"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[KEPT:]:
        for part in folder.glob(f"{file.stem}.*"):  # and what the engine keeps beside it
            part.unlink(missing_ok=True)
