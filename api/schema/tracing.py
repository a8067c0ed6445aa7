"""Traces as flat lists: each node and each link once, ids only in links.

Flat, because a tree repeats what is shared and cannot hold a cycle; and because types that have nothing
but plain fields are the only ones of which ten thousand can be sent in milliseconds.
"""

from __future__ import annotations

import strawberry

from lin import records
from lin.errors import InvalidInputError
from lin.lineage import graph
from lin.lineage.graph import Truncation
from lin.lineage.words import Evidence, Role, RunStatus
from lin.repository import Repository

from .fields import resolved
from .words import ByteCount, Digest, Direction, Relation, ThingKind, Time

DEPTH = 10
NODES = 1_000
MOST_NODES = 10_000


@strawberry.type(description="An artifact or a run of a trace.")
class TraceNode:
    """An artifact or a run of a trace."""

    id: strawberry.ID = strawberry.field(description="Ask `node` with it for everything else.")
    kind: ThingKind = strawberry.field(description="The artifact's kind, or RUN.")
    name: str = strawberry.field(description="The artifact's or run's name.")
    ref: str = strawberry.field(description="`name@v3` for an artifact, the first 12 digits of its id for a run.")
    distance: int = strawberry.field(description="How many links away from the root it is.")
    created_at: Time = strawberry.field(description="When it was recorded, or began.")
    version: int | None = strawberry.field(description="The artifact's version; null for a run.")
    digest: Digest | None = strawberry.field(description="The artifact's digest; null for a run.")
    size: ByteCount | None = strawberry.field(description="The artifact's bytes; null for a run.")
    status: RunStatus | None = strawberry.field(description="How far the run came; null for an artifact.")
    commit: str | None = strawberry.field(description="The git commit that the run had checked out.")

    @classmethod
    def of(cls, record: records.Artifact | records.Run, distance: int) -> TraceNode:
        """Present a node."""
        if isinstance(record, records.Run):
            return cls(
                id=strawberry.ID(str(record.id)),
                kind=ThingKind.RUN,
                name=record.name,
                ref=record.label,
                distance=distance,
                created_at=Time(record.started),
                version=None,
                digest=None,
                size=None,
                status=record.status,
                commit=record.commit,
            )
        return cls(
            id=strawberry.ID(str(record.id)),
            kind=_KINDS[record.kind],
            name=record.name,
            ref=record.label,
            distance=distance,
            created_at=Time(record.created),
            version=record.version,
            digest=Digest(str(record.digest)),
            size=ByteCount(record.size),
            status=None,
            commit=None,
        )


@strawberry.type(description="A link of a trace, in the direction data flows.")
class TraceEdge:
    """A link of a trace, in the direction data flows."""

    source: strawberry.ID = strawberry.field(
        description="The upstream end: an artifact that was used, or the run that generated."
    )
    target: strawberry.ID = strawberry.field(
        description="The downstream end: the run that used, or the artifact that was generated."
    )
    relation: Relation = strawberry.field(description="What the link says.")
    role: Role | None = strawberry.field(description="What for, where the relation is USED.")
    paths: list[str] = strawberry.field(description="Where the run read or wrote it, relative to the run's folder.")
    evidence: list[Evidence] = strawberry.field(description="How lin knows.")

    @classmethod
    def of(cls, record: records.TraceEdge) -> TraceEdge:
        """Present a link."""
        return cls(
            source=strawberry.ID(str(record.source)),
            target=strawberry.ID(str(record.target)),
            relation=_RELATIONS[record.relation],
            role=record.role,
            paths=list(record.paths),
            evidence=list(record.evidence),
        )


@strawberry.type(description="How something came to be, or what stands on it.")
class Trace:
    """How something came to be, or what stands on it."""

    roots: list[strawberry.ID] = strawberry.field(
        description="Where it begins: one artifact or run, or every artifact that holds the digest asked for."
    )
    nodes: list[TraceNode] = strawberry.field(
        description="Artifacts and runs, each once, nearest first: a cut keeps what is near."
    )
    edges: list[TraceEdge] = strawberry.field(description="Links, each once, between `nodes` only.")
    total_nodes: int = strawberry.field(description="How many nodes there are within the depth.")
    truncated: bool = strawberry.field(description="Whether anything was left out.")
    reason: Truncation | None = strawberry.field(description="Why something was left out; null where nothing was.")
    unseen: list[strawberry.ID] = strawberry.field(
        description="Ids that links name but whose events are not in this repository."
    )

    @resolved("The first of `roots`; null where what was asked for holds nothing that can be traced.")
    def root(self) -> strawberry.ID | None:
        """Return the first root."""
        return next(iter(self.roots), None)


def trace(repository: Repository, ref: str, direction: Direction, depth: int | None, max_nodes: int) -> Trace:
    """Ask for a trace, for both directions by asking twice.

    Raises:
        InvalidInputError: A limit is out of range.
    """
    if depth is not None and depth < 0:
        raise InvalidInputError(f"depth: {depth} is negative", hint="Leave it out, or give null for no limit.")
    if not 1 <= max_nodes <= MOST_NODES:
        raise InvalidInputError(
            f"maxNodes: {max_nodes} is not between 1 and {MOST_NODES:,}",
            hint="Start a second trace at the farthest nodes of the first one.",
        )
    ways = [graph.Direction(way) for way in ("up", "down") if direction.value in (way, "both")]
    parts = [repository.trace(ref, direction=way, depth=depth, max_nodes=max_nodes) for way in ways]
    return _presented(parts[0] if len(parts) == 1 else joined(*parts, max_nodes=max_nodes))


def joined(up: records.Trace, down: records.Trace, *, max_nodes: int) -> records.Trace:
    """Make one trace of two around the same roots: each node once, at its lesser distance, nearest first."""
    distance = dict(up.distance)
    for id_, far in down.distance.items():
        distance[id_] = min(far, distance.get(id_, far))
    every = {node.id: node for part in (up, down) for node in part.nodes}
    nodes = sorted(every.values(), key=lambda node: (distance[node.id], node.id))
    shown = nodes[:max_nodes]
    kept = {node.id for node in shown}
    edges = {(edge.source, edge.target, edge.relation, edge.role): edge for part in (up, down) for edge in part.edges}
    reasons = {Truncation(part.truncated) for part in (up, down) if part.truncated}
    if len(shown) < len(nodes):
        reasons.add(Truncation.NODES)
    return records.Trace(
        roots=up.roots,
        direction=Direction.BOTH.value,
        nodes=tuple(shown),
        edges=tuple(edge for edge in edges.values() if edge.source in kept and edge.target in kept),
        distance=distance,
        # What both hold is counted once; beyond a cut, no more is known than that the roots are in both.
        total=up.total + down.total - (len(up.nodes) + len(down.nodes) - len(nodes)),
        truncated=max(reasons, default=None),  # NODES, if it is among them: it leaves out what is near
        unseen=tuple(sorted({*up.unseen, *down.unseen})),
    )


def _presented(found: records.Trace) -> Trace:
    distance = found.distance
    return Trace(
        roots=[strawberry.ID(str(root)) for root in found.roots],
        nodes=[TraceNode.of(node, distance[node.id]) for node in found.nodes],
        edges=[TraceEdge.of(edge) for edge in found.edges],
        total_nodes=found.total,
        truncated=found.truncated is not None,
        reason=Truncation(found.truncated) if found.truncated else None,
        unseen=[strawberry.ID(str(id_)) for id_ in found.unseen],
    )


_KINDS = {kind.value: kind for kind in ThingKind}
_RELATIONS = {relation.value: relation for relation in Relation}
