"""What each statement contributes to the graph: a pure function from an event to nodes and edges.

A contribution depends on its event alone, never on what the graph holds. What an event says of something
that another event makes is kept in a facet of its own and claims neither kind nor time: so an artifact that
a forged `run.finished` names stays an artifact, and a run is `UNSEEN` until its start has come.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from .events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    Imported,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    Statement,
    TableIdentified,
    Tombstone,
)
from .graph import Batch, Edge, EdgeKind, Node, NodeId, NodeKind, named_id
from .table_id import TableId
from .union import canonical, combine

__all__ = ["TABLE_FACET", "alias_name", "combine", "contribution", "experiment_id", "named_id", "table_node"]

TABLE_FACET = "table:"
"""What the names of those facets of content begin with that say which table it holds, one for each answer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def experiment_id(name: str) -> NodeId:
    """Return the id of the experiment of this name."""
    return named_id("experiment", name)


def table_node(table: TableId) -> NodeId:
    """Return the id of a table's node, which nothing else can have: a `set` alone could be an artifact's id."""
    return named_id("table", str(table))


def alias_name(name: str, alias: str) -> str:
    """Return the name of an alias's nodes: `churn@prod`."""
    return f"{name}@{alias}"


def moment(at: str) -> int:
    """Return an event's time in microseconds since 1970."""
    return (datetime.fromisoformat(at) - _EPOCH) // _TICK


def contribution(event: Event, event_id: EventId, position: int) -> Batch:
    """Return what an event adds to the graph.

    Args:
        event: As read from the log: its numbers are those that its canonical JSON reads back as.
        event_id: Its id.
        position: Its index in the log.
    """
    facet = {**event.body(), "actor": event.actor, "at": event.at, "event": str(event_id)}
    created = moment(event.at)
    nodes: list[Node] = []
    edges: list[Edge] = []
    for item in _say(event.statement, event_id.value, created, facet):
        (nodes if isinstance(item, Node) else edges).append(item)  # type: ignore[arg-type]
    return Batch(nodes, edges, ((event_id.value, position),))


def _say(  # noqa: C901, PLR0912 - one branch a statement, and none of them nests
    statement: Statement, this: NodeId, created: int, facet: dict[str, Any]
) -> Iterator[Node | Edge]:
    match statement:
        case ArtifactRecorded():
            yield from _artifact(statement, this, created, facet)
        case RunStarted():
            yield Node(this, NodeKind.RUN, statement.name, created, {"started": facet})
            yield from experiment(statement.experiment, this, created)
        case RunUsed(run=run, uses=uses):
            for use in uses:
                yield Edge(use.artifact.value, EdgeKind.used(use.role), run.value, notes(use.path, use.evidence))
        case RunFinished(run=run):
            yield Node(run.value, NodeKind.UNSEEN, facets={"finished": facet})
        case EvaluationRecorded(model=model, dataset=dataset, run=run):
            yield Node(this, NodeKind.EVALUATION, None, created, {"evaluation": facet})
            yield Edge(model.value, EdgeKind.EVALUATED, this)
            yield Edge(dataset.value, EdgeKind.EVALUATED_ON, this)
            yield Edge(run.value, EdgeKind.EVALUATED_BY, this)
        case AliasMoved(name=name, alias=alias, artifact=artifact, previous=previous):
            yield Node(this, NodeKind.ALIAS, alias_name(name, alias), created, {"alias": facet})
            if artifact is not None:
                yield Edge(artifact.value, EdgeKind.ALIASED, this)
            for older in previous:
                yield Edge(older.value, EdgeKind.REPLACED, this)
        case Tombstone(digest=digest):
            yield Node(digest.value, NodeKind.CONTENT, facets={"erased": facet})
        case KeyChanged():
            yield from _key(statement, created, facet)
        case TableIdentified():
            yield from _table(statement, created, facet)
        case KeepingChanged(artifact=artifact, action=action, previous=previous):
            yield Node(this, NodeKind.KEEPING, action.value, created, {"keeping": facet})
            yield Edge(artifact.value, EdgeKind.DECIDED, this)
            for older in previous:
                yield Edge(older.value, EdgeKind.REPLACED, this)
        case Imported():
            pass  # it is about the log; what was taken over speaks for itself


def _artifact(statement: ArtifactRecorded, this: NodeId, created: int, facet: dict[str, Any]) -> Iterator[Node | Edge]:
    yield Node(this, NodeKind.of(statement.kind), statement.name, created, {"artifact": facet})
    yield Node(statement.digest.value, NodeKind.CONTENT, None, created)
    yield Edge(statement.digest.value, EdgeKind.HAS_CONTENT, this)
    if statement.run is not None:
        yield Edge(statement.run.value, EdgeKind.GENERATED, this, notes(statement.path, statement.evidence))
    if statement.experiment is not None:
        yield from experiment(statement.experiment, this, created)


def experiment(name: str, member: NodeId, created: int) -> Iterator[Node | Edge]:
    """Say that a run or artifact belongs to an experiment."""
    this = experiment_id(name)
    yield Node(this, NodeKind.EXPERIMENT, name, created)
    yield Edge(member, EdgeKind.IN_EXPERIMENT, this)


def _key(statement: KeyChanged, created: int, facet: dict[str, Any]) -> Iterator[Node]:
    actor = sha256(bytes.fromhex(statement.key)).digest()
    if statement.action == "add":
        yield Node(actor, NodeKind.ACTOR, None, created, {"added": facet})
    else:
        yield Node(actor, NodeKind.ACTOR, facets={"revoked": facet})


def _table(statement: TableIdentified, created: int, facet: dict[str, Any]) -> Iterator[Node | Edge]:
    table, content = table_node(statement.set), statement.content.value
    of_rows = ("set", "rows", "columns", "schema", "sketch", "keys", "actor", "at", "event")
    yield Node(
        table, NodeKind.TABLE, None, created, {"table": {name: facet[name] for name in of_rows if name in facet}}
    )
    # Those who read alike and find the same say one thing. Whatever differs stays side by side.
    said = canonical({name: facet.get(name) for name in ("part", "reader", "options", "set", "seq")})
    yield Node(content, NodeKind.CONTENT, facets={TABLE_FACET + sha256(said.encode()).hexdigest()[:32]: facet})
    yield Edge(table, EdgeKind.SAME_TABLE, content)


@lru_cache(maxsize=8_192)
def notes(path: str | None, evidence: str | None) -> tuple[str, ...]:
    """Return what an edge keeps of a use or an output."""
    note = {name: str(value) for name, value in (("path", path), ("evidence", evidence)) if value is not None}
    return (canonical(note),) if note else ()
