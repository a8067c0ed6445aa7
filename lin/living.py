"""Which content is alive: what the log names, except what people threw away or erased.

An artifact in the trash lets go of its content, unless it is held, an alias stands on it, or a run that has not
ended uses it, and not before it has lain there for a while. Lineage is not concerned: every event stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lin.errors import BlobNotFoundError
from lin.lineage.envelope import parse
from lin.lineage.events import ArtifactRecorded, TableIdentified, Tombstone, named_content
from lin.lineage.graph import USED, Direction, EdgeKind, Graph, Node, NodeId, NodeKind
from lin.lineage.keeping import decisions, held
from lin.lineage.log import Log
from lin.lineage.questions import present_moves
from lin.lineage.words import Shape
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import read_tree
from lin.store.tree import Mode


@dataclass(frozen=True, slots=True)
class Living:
    """What has to be kept, and why what was thrown away is kept all the same.

    Attributes:
        content: Blobs and trees that events name and that stay, without what is in the trees.
        dead: Those that events name and that may go.
        erased: Those that were erased on purpose.
        kept: How many artifacts in the trash keep their content, by the reason.
    """

    content: Mapping[Digest, Shape]
    dead: Mapping[Digest, Shape]
    erased: frozenset[Digest]
    kept: Mapping[str, int]


def living(log: Log, graph: Graph, *, before: int, without: Digest | None = None) -> Living:
    """Find out what is alive.

    Args:
        log: The log.
        graph: Its index.
        before: What was thrown away later than this (microseconds since 1970) stays for now.
        without: Content that is about to be erased: neither it nor what was found out about it stays for its own sake.
    """
    leaving, kept = _leaving(graph, before)
    content: dict[Digest, Shape] = {}
    gone: dict[Digest, Shape] = {}
    derived: list[TableIdentified] = []
    erased: set[Digest] = set()
    for leaf in log.read():
        signed = parse(leaf.data)
        statement = signed.event.statement
        if isinstance(statement, Tombstone):
            erased.add(statement.digest)
        elif isinstance(statement, TableIdentified):
            derived.append(statement)
        else:
            lets_go = isinstance(statement, ArtifactRecorded) and signed.id.value in leaving
            for digest, shape in named_content(statement):
                _add(gone if lets_go or digest == without else content, digest, shape)
    for table in derived:  # what was found out about content goes with it
        for digest, shape in named_content(table):
            _add(content if table.content in content and table.content not in erased else gone, digest, shape)
    alive = {digest: shape for digest, shape in content.items() if digest not in erased}
    dead = {digest: shape for digest, shape in gone.items() if digest not in alive and digest not in erased}
    return Living(alive, dead, frozenset(erased), kept)


def blobs_of(store: BlobStore, content: Iterable[tuple[Digest, Shape]], erased: frozenset[Digest]) -> Iterator[Digest]:
    """Yield content and all that is in its trees, each once; what is not there is passed over.

    Raises:
        CorruptContentError: A tree is damaged, so that what it needs is not known.
    """
    seen: set[Digest] = set()
    waiting = list(content)
    while waiting:
        digest, shape = waiting.pop()
        if digest in seen or digest in erased:
            continue
        seen.add(digest)
        yield digest
        if shape == Shape.TREE:
            try:
                entries = read_tree(store, digest)
            except BlobNotFoundError:
                continue
            waiting += [(entry.digest, Shape.TREE if entry.mode == Mode.FOLDER else Shape.BLOB) for entry in entries]


def _leaving(graph: Graph, before: int) -> tuple[set[NodeId], Mapping[str, int]]:
    kept = Counter[str]()
    leaving = set()
    standing = decisions(graph)
    aliased = {
        edge.source for edge in graph.edges([m.id for m in _moves(graph, standing)], Direction.UP, {EdgeKind.ALIASED})
    }
    running = _running(graph, standing)
    for artifact, made in standing.items():
        if all(node.facets["keeping"]["action"] == "hold" for node in made):
            continue
        if held(made):
            kept["held"] += 1
        elif artifact in aliased:
            kept["an alias stands on it"] += 1
        elif artifact in running:
            kept["a run uses it"] += 1
        elif max(node.created for node in made) > before:
            kept["thrown away lately"] += 1
        else:
            leaving.add(artifact)
    return leaving, kept


def _moves(graph: Graph, artifacts: Iterable[NodeId]) -> Iterable[Node]:
    moves = {edge.target for edge in graph.edges(list(artifacts), Direction.DOWN, {EdgeKind.ALIASED})}
    return present_moves(graph, list(moves))


def _running(graph: Graph, artifacts: Iterable[NodeId]) -> set[NodeId]:
    """Return those artifacts that a run uses which has not ended."""
    edges = graph.edges(list(artifacts), Direction.DOWN, USED)
    runs = graph.get({edge.target for edge in edges})
    open_runs = {key for key, node in runs.items() if node.kind is NodeKind.RUN and "finished" not in node.facets}
    return {edge.source for edge in edges if edge.target in open_runs}


def _add(content: dict[Digest, Shape], digest: Digest, shape: Shape) -> None:
    if content.get(digest) is not Shape.TREE:
        content[digest] = shape
