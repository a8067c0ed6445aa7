"""Choose what of another repository's log is to be taken over: all that is new, or what made some things."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Self

from lin.errors import CorruptLogError
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import SignedEvent, parse
from lin.lineage.events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Imported,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    TableIdentified,
    Tombstone,
)
from lin.lineage.graph import PROVENANCE, Direction, EdgeKind, Graph, NodeId
from lin.lineage.log import Log

AT_ONCE = 1_000
"""Events that are checked and taken over together."""


def new_events(log: Log, graph: Graph, at: Checkpoint, start: int) -> Iterator[list[SignedEvent]]:
    """Yield a log's events from a position on, some at a time.

    Each is one that the index of that log holds at that position; the index is built from exactly what the log's
    checkpoint signs, so nothing slips in between two readings.

    Args:
        log: The log.
        graph: Its index.
        at: Its checkpoint.
        start: The first position.

    Raises:
        CorruptLogError: A leaf is not what the index was built from.
    """
    several: list[tuple[int, SignedEvent]] = []
    for leaf in log.read(start, at=at):
        signed = parse(leaf.data)
        if isinstance(signed.event.statement, Imported):
            continue  # it speaks of the log that it is in
        several.append((leaf.position, signed))
        if len(several) == AT_ONCE:
            yield _checked(log, graph, several)
            several = []
    if several:
        yield _checked(log, graph, several)


def _checked(log: Log, graph: Graph, several: list[tuple[int, SignedEvent]]) -> list[SignedEvent]:
    known = graph.events([signed.id.value for _, signed in several])
    for position, signed in several:
        if known.get(signed.id.value) != position:
            raise CorruptLogError(
                f"event {position} of {log.place.url} is not what it was when its log was checked",
                hint="Try again; if it stays so, run `lin verify` there.",
            )
    return [signed for _, signed in several]


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a graph, closed upstream: nothing in it refers to what is outside.

    Attributes:
        nodes: Artifacts, runs, evaluations and moves of aliases.
        content: Digests of what the artifacts hold.
    """

    nodes: frozenset[NodeId]
    content: frozenset[bytes]

    @classmethod
    def of(cls, graph: Graph, start: Collection[NodeId]) -> Self:
        """Return some things, their evaluations, all that these stand on, and the aliases that stand on no more."""
        judged = graph.edges(list(start), Direction.DOWN, {EdgeKind.EVALUATED})
        evaluations = {edge.target for edge in judged}
        beside = graph.edges(list(evaluations), Direction.UP, {EdgeKind.EVALUATED_ON, EdgeKind.EVALUATED_BY})
        roots = {*start, *(edge.source for edge in beside)}
        nodes = roots | {node.id for node in graph.closure(list(roots), Direction.UP, PROVENANCE)}
        content = {edge.source for edge in graph.edges(list(nodes), Direction.UP, {EdgeKind.HAS_CONTENT})}
        return cls(frozenset(nodes | evaluations | _whole_aliases(graph, nodes)), frozenset(content))

    def holds(self, signed: SignedEvent) -> bool:
        """Tell whether an event says something of this part, and of nothing else."""
        match signed.event.statement:
            case ArtifactRecorded() | RunStarted() | EvaluationRecorded() | AliasMoved():
                return signed.id.value in self.nodes
            case RunUsed(run=run) | RunFinished(run=run):
                return run.value in self.nodes
            case KeepingChanged(artifact=artifact):
                return artifact.value in self.nodes
            case Tombstone(digest=digest) | TableIdentified(content=digest):
                return digest.value in self.content
            case KeyChanged():
                return True  # who may sign concerns everything
            case _:
                return False


def _whole_aliases(graph: Graph, artifacts: Collection[NodeId]) -> set[NodeId]:
    """Return the moves of those aliases that never stood on anything else: half a history would be another one."""
    moves = {edge.target for edge in graph.edges(list(artifacts), Direction.DOWN, {EdgeKind.ALIASED})}
    for way in Direction:
        moves |= {node.id for node in graph.closure(list(moves), way, {EdgeKind.REPLACED})}
    stood = graph.edges(list(moves), Direction.UP, {EdgeKind.ALIASED})
    nodes = graph.get(list(moves))
    split = {nodes[edge.target].name for edge in stood if edge.source not in artifacts}
    return {move for move, node in nodes.items() if node.name not in split}
