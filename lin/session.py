"""An open repository: its store, its log and its index, which every use case stands on.

Bytes go to the store first, then an event to the log, then the index follows: what the graph names exists, and
what is acknowledged is in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import SignedEvent
from lin.lineage.graph import Graph
from lin.lineage.ledger import Draft, Ledger
from lin.lineage.log import Log
from lin.store.blobs import BlobStore
from lin.store.place import Place
from lin.store.statcache import StatCache

from . import config, refs
from ._opening import Opened
from .reading import Found
from .records import Artifact

T = TypeVar("T")


class Session:
    """The parts of an open repository, and what refs mean in it."""

    def __init__(self, opened: Opened) -> None:
        self._place: Place = opened.place
        self._description = opened.description
        self._ledger: Ledger = opened.ledger
        self.notices = opened.notices
        self._cache = opened.cache
        self.store = BlobStore(opened.place, opened.cache, before_writing=self._upgrade)
        self._seen: StatCache | None = None

    def close(self) -> None:
        """Release files and connections."""
        if self._seen is not None:
            self._seen.close()
        self.store.close()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it lies; holds no credentials."""
        return self._place.url

    @property
    def cache(self) -> Path:
        """This machine's folder for what can be deleted."""
        return self._cache

    @property
    def id(self) -> str:
        """32 hex digits, made with the repository."""
        return self._description.id

    @property
    def format(self) -> int:
        """The format version in `lin.json`."""
        return self._description.format

    def _upgrade(self) -> None:
        """Give a repository of format 0 the newest one, of which its blobs are part: an older lin then refuses it."""
        if self._description.format < config.FORMAT:
            upgraded = replace(self._description, format=config.FORMAT)
            self._place.replace(config.DESCRIPTION, upgraded.dumps())
            self._description = upgraded

    @property
    def graph(self) -> Graph:
        """The index, after it has caught up with the log."""
        return self._ledger.answering()

    def record(self, build: Callable[[Draft, Graph], T]) -> T:
        """Write statements to the log; see `Ledger.record`."""
        return self._ledger.record(build)

    @property
    def embedded(self) -> Graph:
        """The embedded index, after it has caught up with the log: built from exactly what the checkpoint signs."""
        return self._ledger.graph()

    @property
    def journal(self) -> Log:
        """The log."""
        return self._ledger.log

    @property
    def place(self) -> Place:
        """Where its files lie."""
        return self._place

    def take_over(self, events: Sequence[SignedEvent], source: Log, at: Checkpoint) -> Sequence[SignedEvent]:
        """Write events that another log holds; see `Ledger.take_over`."""
        return self._ledger.take_over(events, source, at)

    @property
    def seen(self) -> StatCache:
        """What files on this machine held when they were last read."""
        if self._seen is None:
            self._seen = StatCache(self._cache / "files.sqlite")
        return self._seen

    @property
    def own_folders(self) -> Sequence[Path]:
        """Where lin itself keeps keys, indexes and this repository's files on this machine."""
        files = () if config.is_url(self.url) else (Path(self.url),)
        return (config.config_folder(), config.cache_folder(), *files)

    def resolve(self, ref: str) -> Found:
        """Find what a ref means: `name`, `name@v3`, `name@alias`, `name@{2026-03-01}`, an id or digest, or a prefix.

        Raises:
            NotFoundError: Nothing.
            AmbiguousRefError: Several things; lists them.
            InvalidInputError: It is not of a ref's form.
        """
        return refs.resolve(self.graph, ref)

    def artifact(self, ref: str) -> Artifact:
        """Find the one artifact that a ref means; a digest that several artifacts hold is ambiguous."""
        return refs.resolve_artifact(self.graph, ref)
