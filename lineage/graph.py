"""The graph protocol: what every engine answers, in terms of lineage and not of a query language.

The graph is an index: it holds nothing that the log does not, can be deleted, and is rebuilt from the log.
It grows by set union. Nodes merge facet by facet and edges by the union of their notes, so any order and
any grouping of the same events gives the same graph.

Edges point the way data flows: from a dataset to the run that used it, from the run to the model it
generated. *Upstream* follows edges backwards (what made this?), *downstream* follows them (what stands
on this?). No method may assume that the graph has no cycles: imported claims can hold some.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Any, Protocol

from .words import ArtifactKind, Role

Value = str | int | float | bool
"""What a parameter or metric may be; an event's `Scalar`."""

NodeId = bytes
"""32 bytes: an event id, a content digest, or `named_id` of what has only a name."""


def named_id(kind: str, name: str) -> NodeId:
    """Return the id of what has only a name, such as an experiment: SHA-256 of `lin KIND`, a zero byte and the name."""
    return sha256(b"lin " + kind.encode() + b"\0" + name.encode()).digest()


def ascii_lower(text: str) -> str:
    """Return the text with A to Z in lower case, and nothing else changed: how `Graph.find` compares."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


class NodeKind(IntEnum):
    """What a node stands for; the numbers are stored, so they never change."""

    UNSEEN = 0
    """Named by an edge, but the event that describes it has not come (yet)."""
    DATASET = 1
    MODEL = 2
    CODE = 3
    ENVIRONMENT = 4
    REPORT = 5
    FILE = 6
    RUN = 10
    EXPERIMENT = 11
    EVALUATION = 12
    CONTENT = 13
    ALIAS = 14
    """One move of an alias; the moves that no other replaces are where the alias stands."""
    ACTOR = 15
    TABLE = 16
    """Rows, in whatever file and order they are."""
    KEEPING = 17
    """A decision on whether an artifact's content is kept; those that no other takes back stand."""

    @classmethod
    def of(cls, kind: ArtifactKind) -> NodeKind:
        """Return the node kind for an artifact kind."""
        return cls[kind.name]

    @property
    def is_artifact(self) -> bool:
        """Whether nodes of this kind are artifacts."""
        return NodeKind.DATASET <= self <= NodeKind.FILE

    @property
    def word(self) -> str:
        """The word people use, such as `model`."""
        return self.name.lower()


ARTIFACT_KINDS = frozenset(kind for kind in NodeKind if kind.is_artifact)


class EdgeKind(IntEnum):
    """What an edge says; the numbers are stored, so they never change."""

    USED_INPUT = 10
    USED_TRAIN = 11
    USED_TEST = 12
    USED_VALIDATION = 13
    USED_CODE = 14
    USED_ENVIRONMENT = 15
    USED_CONFIG = 16
    USED_BASE_MODEL = 17
    """artifact → run, one kind for each role."""
    GENERATED = 30
    """run → artifact."""
    HAS_CONTENT = 40
    """content → artifact: the artifact is an occurrence of these bytes."""
    SAME_TABLE = 41
    """table → content: these bytes hold these rows."""
    IN_EXPERIMENT = 50
    """run or artifact → experiment."""
    EVALUATED = 60
    """model → evaluation."""
    EVALUATED_ON = 61
    """dataset → evaluation."""
    EVALUATED_BY = 62
    """run → evaluation."""
    ALIASED = 70
    """artifact → move of an alias that points at it."""
    REPLACED = 71
    """older move → newer move of the same alias; decision on keeping → the one that takes it back."""
    DECIDED = 72
    """artifact → decision on keeping it."""

    @classmethod
    def used(cls, role: Role) -> EdgeKind:
        """Return the edge kind for a use in this role."""
        return cls[f"USED_{role.name}"]

    @property
    def role(self) -> Role | None:
        """The role of a `used` edge; None for any other."""
        return Role[self.name.removeprefix("USED_")] if self.name.startswith("USED_") else None

    @property
    def word(self) -> str:
        """The word people use, such as `used` or `has content`."""
        return "used" if self.role else self.name.lower().replace("_", " ")


USED = frozenset(kind for kind in EdgeKind if kind.role)
PROVENANCE = USED | {EdgeKind.GENERATED}
"""The only edges that say how something was made."""


class Direction(StrEnum):
    """Which way to follow edges."""

    UP = "up"
    DOWN = "down"


class Measure(IntEnum):
    """What a value says; the numbers are stored, so they never change."""

    METRIC = 1
    """Of a run when it finished (`finished.metrics`), or of an evaluation (`evaluation.metrics`)."""
    PARAMETER = 2
    """Of a run when it started (`started.parameters`)."""

    @property
    def word(self) -> str:
        """The word people use."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Within:
    """A condition on a value.

    Numbers compare with numbers, by value (1 equals 1.0). A boolean is no number, and neither is a text that stands
    for what JSON has no number for (`NaN`, `Infinity`; see `plain_number`): both are found by `equals` alone, a text
    by exactly this text. Without any condition every value is within.

    Attributes:
        low: Numbers from here on.
        high: Numbers up to here.
        low_open: Not `low` itself.
        high_open: Not `high` itself.
        equals: Only this value; then there are no bounds.
    """

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    equals: Value | None = None


ANYTHING = Within()


@dataclass(frozen=True, slots=True)
class Node:
    """A node, or what one event contributes to it.

    Attributes:
        id: 32 bytes.
        kind: `UNSEEN` where only an edge names it.
        name: For artifacts, experiments, runs and aliases (`churn@prod`).
        created: Microseconds since 1970 of the event that made it; 0 where that has not come.
        facets: What events say of it. Each facet is a JSON object with at least `at` and `event` (hex);
            of two versions of one facet the one with the greater (`at`, `event`) stays.
    """

    id: NodeId
    kind: NodeKind
    name: str | None = None
    created: int = 0
    facets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A directed edge, unique by (`source`, `kind`, `target`).

    Attributes:
        source: The upstream end.
        kind: What it says.
        target: The downstream end.
        notes: Canonical JSON texts, sorted, without repeats: paths and evidence; merged by union.
    """

    source: NodeId
    kind: EdgeKind
    target: NodeId
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """What a number of events contribute, to be applied as one.

    Attributes:
        nodes: The same id may occur several times.
        edges: Their ends need not be among `nodes`, nor in the graph: engines add them as `UNSEEN`.
        events: (event id, position in the log) of every event in the batch.
    """

    nodes: Sequence[Node] = ()
    edges: Sequence[Edge] = ()
    events: Sequence[tuple[bytes, int]] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How much of the log a graph holds, and proof of it.

    Attributes:
        size: Events applied, from the first on.
        frontier: The roots of the full subtrees of those `size` leaves (RFC 6962), from the largest, 32
            bytes each: enough to compute the root and to go on from.
    """

    size: int = 0
    frontier: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended, in the order (`created`, `id`)."""

    created: int
    id: NodeId


class Truncation(StrEnum):
    """Why a subgraph is not all that there is."""

    DEPTH = "depth"
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class Subgraph:
    """Part of the graph around some nodes.

    Attributes:
        nodes: Each once, nearest first, then by id.
        edges: Each once, between `nodes` only.
        distance: Hops from the nearest start, for every node.
        total: How many nodes there are within the depth; at least `len(nodes)`.
        truncated: `NODES` if `total` exceeds the limit, else `DEPTH` if more lies beyond the depth, else None.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    distance: Mapping[NodeId, int]
    total: int
    truncated: Truncation | None = None


class Graph(Protocol):
    """An engine.

    Methods are safe to call from several threads; readers of other processes are never blocked by a writer and
    never see half a batch. Methods that take ids ignore repeats; ids that are not in the graph have
    no neighbours and are not an error. Every answer takes time and memory bounded by what it
    returns and visits, never by the number of paths.

    Raises:
        BackendError: The engine's server or file failed; a retry may succeed.
    """

    def position(self) -> Position:
        """Return how much of the log this graph holds."""

    def apply(self, batch: Batch, *, expected: int, position: Position) -> None:
        """Add a batch and move to `position`, atomically; what was added outlives this process.

        A power cut may take it back, with the position, from an engine on this machine: the log is durable, and has it.
        Idempotent in its nodes and edges: applying the same ones again changes nothing.

        Raises:
            ConflictError: The graph's position is not of size `expected`: someone else was faster. Nothing changed.
        """

    def clear(self) -> None:
        """Remove everything, whatever state it is in, and go back to position 0."""

    def close(self) -> None:
        """Release files and connections; closing twice is no error."""

    def events(self, ids: Collection[bytes]) -> Mapping[bytes, int]:
        """Return the log position of each of these events that the graph holds."""

    def get(self, ids: Collection[NodeId]) -> Mapping[NodeId, Node]:
        """Return the nodes that are there, by id; `UNSEEN` ones included."""

    def find(
        self,
        *,
        kinds: Collection[NodeKind] = (),
        name: str | None = None,
        text: str | None = None,
        prefix: str | None = None,
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the nodes that meet every condition given, in the order (`created`, `id`).

        Args:
            kinds: Any of these; all but `UNSEEN` when empty.
            name: Exactly this name.
            text: The name holds this text, A to Z in either case (`ascii_lower`).
            prefix: The id starts with these hex digits (of any number, also odd; of either case). Nothing
                matches what is not hexadecimal.
            newest_first: Reverse the order.
            after: Only what comes after this cursor in the order asked for.
            limit: At most so many.
        """

    def count(self, *, kinds: Collection[NodeKind] = ()) -> int:
        """Count nodes of these kinds; all but `UNSEEN` when empty."""

    def max_version(self, name: str) -> int:
        """Return the highest version among the artifacts of this name; 0 where there is none."""

    def edges(self, ids: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]) -> Sequence[Edge]:
        """Return the edges of these kinds into (`UP`) or out of (`DOWN`) these nodes.

        They come in the order (source, kind, target), each once.
        """

    def measured(
        self,
        name: str,
        within: Within = ANYTHING,
        *,
        what: Measure = Measure.METRIC,
        kinds: Collection[NodeKind] = (),
        newest_first: bool = False,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the runs and evaluations with a metric or parameter within bounds, in the order (`created`, `id`).

        Which values a node has is a function of the node alone: `lin.lineage.measures.values_of`. A node that an
        event changes loses the values it no longer has.

        Args:
            name: The value's name, exactly.
            within: What it must be.
            what: Whether a metric or a parameter is meant.
            kinds: Any of these; all when empty.
            newest_first: Reverse the order.
            after: Only what comes after this cursor in the order asked for.
            limit: At most so many.
        """

    def measured_size(
        self, name: str, within: Within = ANYTHING, *, what: Measure = Measure.METRIC, at_most: int | None = None
    ) -> int:
        """Count what `measured` would return without a limit, of all kinds; `at_most` where there are more.

        Takes time bounded by `at_most`.
        """

    def closure(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        depth: int | None = None,
        since: int | None = None,
        until: int | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return everything that can be reached, in the order (`created`, `id`).

        Args:
            start: Where to begin. A start is part of the answer only if a path of at least one edge leads to
                it (a cycle).
            direction: Which way.
            kinds: Along these edges only.
            nodes: Return only these kinds (others are still passed through); all when empty.
            depth: Only what a path of at most so many edges leads to; nothing for 0.
            since: Return only what was created then (in microseconds since 1970) or later; others are still passed
                through. `UNSEEN` nodes were created at 0.
            until: Return only what was created then or earlier; others are still passed through.
            after: Only what comes after this cursor.
            limit: At most so many.
        """

    def closure_size(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        nodes: Collection[NodeKind] = (),
        depth: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """Count what `closure` would return without a limit."""

    def closure_kinds(
        self, start: Collection[NodeId], direction: Direction, kinds: Collection[EdgeKind]
    ) -> Mapping[NodeKind, int]:
        """Count what `closure` would return without a limit, by kind of node; a kind that is not there is absent."""

    def leaks(
        self,
        learning: Collection[EdgeKind],
        *,
        models: Collection[NodeId] | None = None,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> Sequence[Node]:
        """Return the evaluations on content that their model was made from, in the order (`created`, `id`).

        Such is an evaluation of a model (`EVALUATED`) on a dataset (`EVALUATED_ON`) if a content of the dataset
        (`HAS_CONTENT`) is also a content of an artifact that a path of at least one of the edges `learning` leads to,
        upstream from the model. `lin.lineage.leaking.leaks` is how any engine may answer.

        Args:
            learning: The edges through which content reaches a model.
            models: Only evaluations of these; of all models when None.
            after: Only what comes after this cursor.
            limit: At most so many.
        """

    def subgraph(
        self,
        start: Collection[NodeId],
        direction: Direction,
        kinds: Collection[EdgeKind],
        *,
        depth: int | None = None,
        max_nodes: int | None = None,
    ) -> Subgraph:
        """Return what can be reached within `depth` hops with the edges between, breadth first.

        When `max_nodes` cuts, what is nearest stays, and of equally near ones those with the lowest ids. The
        starts that the graph holds are part of the answer at distance 0.
        """

    def path(self, source: NodeId, target: NodeId, kinds: Collection[EdgeKind]) -> Sequence[Edge] | None:
        """Return one shortest way downstream from `source` to `target`; None where there is none, () for itself."""
