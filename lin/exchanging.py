"""Take over from one repository what another one lacks: bytes first, then the events that name them.

Nothing is ever lost on the way: whenever it stops, what is there is whole, and doing it again goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock

from lin.errors import BlobNotFoundError, InvalidInputError
from lin.lineage.admission import alias_heads
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import SignedEvent
from lin.lineage.events import AliasMoved, ArtifactRecorded, named_content
from lin.lineage.graph import ARTIFACT_KINDS, Graph, NodeId
from lin.lineage.words import Shape
from lin.store.blobs import BlobWriter
from lin.store.digest import Digest
from lin.store.folder import read_tree
from lin.store.transfer import transfer
from lin.store.tree import Mode

from . import trust
from .progress import Progress, silent
from .records import Exchange
from .session import Session
from .taking import Part, new_events

_WORKERS = 8
"""Blobs on their way at once: a bucket answers late, and many at a time."""


def meet(here: Session, there: Session) -> None:
    """Refuse a repository that is this one, or whose history is not the one that was seen before.

    Raises:
        InvalidInputError: It has this repository's id.
        CorruptLogError: It was rewritten since.
    """
    if here.id == there.id:
        raise InvalidInputError(
            f"{there.url} is this repository, or a mirror of it: they share one log",
            hint="`lin mirror` brings a mirror up to date, and `lin repair --from` takes bytes from it.",
        )
    trust.remember(here.place, there.journal, trust.check(here.place, there.journal))


@dataclass(slots=True)
class Taking:
    """One way from a repository to another.

    Attributes:
        source: Where from.
        target: Where to.
        content: Whether bytes come along; without them, only what is known of them.
        dry: Only count.
        progress: Told of bytes and blobs.
    """

    source: Session
    target: Session
    content: bool = True
    dry: bool = False
    progress: Progress = silent
    _done: Exchange = field(default_factory=Exchange)
    _looked_at: set[Digest] = field(default_factory=set)
    _moved: set[tuple[str, str]] = field(default_factory=set)
    _named: set[str] = field(default_factory=set)

    def all(self) -> Exchange:
        """Take over everything that is new since the last time."""
        journal, place = self.source.journal, self.target.place
        at = journal.checkpoint()
        before = trust.last_seen(place, journal, "pulled")
        start = min(before.size, at.size) if before is not None and self.content else 0
        for events in new_events(journal, self.source.embedded, at, start):
            self._take(events, at)
        if not self.dry and self.content and not self._done.missing:
            trust.remember(place, journal, at, "pulled")
        return self._result()

    def part(self, start: Collection[NodeId]) -> Exchange:
        """Take over some things and what made them."""
        journal = self.source.journal
        at = journal.checkpoint()
        graph = self.source.embedded
        part = Part.of(graph, start)
        for events in new_events(journal, graph, at, 0):
            self._take([signed for signed in events if part.holds(signed)], at)
        return self._result()

    def _take(self, events: Sequence[SignedEvent], at: Checkpoint) -> None:
        if self.content:
            self._bring(self._lacking(named for signed in events for named in named_content(signed.event.statement)))
        if self.dry:
            known = self.target.embedded.events([signed.id.value for signed in events])
            self._done = replace(self._done, events=self._done.events + len(events) - len(known))
            return
        fresh = self.target.take_over(events, self.source.journal, at)
        self._done = replace(self._done, events=self._done.events + len(fresh))
        for signed in fresh:
            match signed.event.statement:
                case AliasMoved(name=name, alias=alias):
                    self._moved.add((name, alias))
                case ArtifactRecorded(name=name):
                    self._named.add(name)
                case _:
                    pass

    def _result(self) -> Exchange:
        graph = self.target.embedded
        aliases = tuple(
            f"{name}@{alias}" for name, alias in sorted(self._moved) if len(alias_heads(graph, name, alias)) > 1
        )
        return replace(self._done, conflicts=aliases, ambiguous=tuple(_taken_twice(graph, self._named)))

    # ------------------------------------------------------------------------ bytes

    def bytes_of(self, named: Iterable[tuple[Digest, Shape]]) -> Exchange:
        """Take over content only: events that name it are there."""
        self._bring(self._lacking(named))
        return self._done

    def _lacking(self, named: Iterable[tuple[Digest, Shape]]) -> list[tuple[Digest, int]]:
        """Return the blobs that the target lacks, what a tree names before the tree itself."""
        lacking: list[tuple[Digest, int]] = []
        # Asking for an index lets it catch up with its log, which is a request on a bucket: once, not for each blob.
        graphs = self.source.embedded, self.target.embedded
        for digest, shape in named:
            self._look(digest, shape, lacking, graphs)
        return lacking

    def _look(
        self, digest: Digest, shape: Shape, lacking: list[tuple[Digest, int]], graphs: tuple[Graph, Graph]
    ) -> None:
        if digest in self._looked_at:
            return
        self._looked_at.add(digest)
        source, target = self.source.store, self.target.store
        if _is_erased(graphs[1], digest):
            return  # on purpose: it does not come back
        there = target.has(digest)
        try:
            if shape == Shape.TREE:
                # Also below a tree that is there: what it names may have been erased, or lost.
                for entry in read_tree(target if there else source, digest):
                    self._look(entry.digest, Shape.TREE if entry.mode == Mode.FOLDER else Shape.BLOB, lacking, graphs)
            if not there:
                lacking.append((digest, source.size(digest)))
        except BlobNotFoundError:
            if _is_erased(graphs[0], digest):
                return
            self._done = replace(self._done, missing=(*self._done.missing, digest))

    def _bring(self, lacking: Sequence[tuple[Digest, int]]) -> None:
        blobs, total = len(lacking), sum(size for _, size in lacking)
        done = self._done = replace(self._done, blobs=self._done.blobs + blobs, bytes=self._done.bytes + total)
        if self.dry or not lacking:
            return
        brought = Counter[str]()
        lost: dict[Digest, int] = {}

        def one(writer: BlobWriter, digest: Digest, size: int) -> None:
            try:
                moved = transfer(self.source.store, self.target.store, writer, digest)
            except BlobNotFoundError:
                with counting:
                    lost[digest] = size
                return
            with counting:
                brought["blobs"] += 1
                brought["bytes"] += size
                brought["moved"] += moved
            self.progress(brought["bytes"], total, brought["blobs"], blobs)

        counting = Lock()
        with self.target.store.writer() as writer, ThreadPoolExecutor(_WORKERS) as workers:
            for each in [workers.submit(one, writer, *each) for each in lacking]:
                each.result()
        self._done = replace(
            done,
            blobs=done.blobs - len(lost),
            bytes=done.bytes - sum(lost.values()),
            moved=done.moved + brought["moved"],
            missing=(*done.missing, *lost),
        )


def _is_erased(graph: Graph, digest: Digest) -> bool:
    node = graph.get([digest.value]).get(digest.value)
    return node is not None and "erased" in node.facets


def _taken_twice(graph: Graph, names: Collection[str]) -> Iterator[str]:
    """Yield `name@v3` where two artifacts have the same name and version."""
    for name in sorted(names):
        versions = Counter(node.facets["artifact"]["version"] for node in graph.find(kinds=ARTIFACT_KINDS, name=name))
        yield from (f"{name}@v{version}" for version, count in sorted(versions.items()) if count > 1)
