"""Admission by the graph: what may enter the log, given what it holds.

The log never forgets, so what is wrong is refused before it is in: events whose signature does not hold, that
claim what is taken, or that refer to what nobody has said. Nothing here is trusted when the log is read; the
graph is built from any log, and `lin verify` judges it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lin.errors import ConflictError, CorruptLogError, InvalidInputError, NotFoundError, PermissionDeniedError

from .apply import alias_name, contribution
from .checkpoint import Checkpoint
from .envelope import SignedEvent, verify
from .events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    EventId,
    Imported,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunUsed,
    Statement,
    TableIdentified,
)
from .graph import Graph, Node, NodeId, NodeKind
from .keys import actor_id
from .note import VerifierKey
from .questions import present_moves
from .union import merge, version_of
from .words import Keeping


def alias_heads(graph: Graph, name: str, alias: str) -> Sequence[Node]:
    """Return the moves at which an alias stands: those that no other move of it replaces.

    Usually one; several after concurrent moves were merged; none where there never was such an alias. A head
    that points nowhere takes the alias away.
    """
    moves = graph.find(kinds=[NodeKind.ALIAS], name=alias_name(name, alias))
    # Names may hold an `@`, so that two aliases are written alike.
    return present_moves(graph, [move.id for move in moves if _is_of(move, name, alias)])


class GraphAdmission:
    """Admit events into the log that `graph` has caught up with: for one commit, while nothing else is admitted.

    The events are such as `envelope.parse` or `envelope.sign` returns: their form and ranges are right.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._pending = _Pending()

    def admit(self, request: Sequence[SignedEvent]) -> Sequence[SignedEvent]:
        """Return those events of a request that the log does not hold yet; see `Admission.admit`.

        Events that another log held, followed by one that says so, may claim what is taken here: versions, keys
        that were added, and moves of aliases that stand elsewhere. All else is asked of them as well.

        Raises:
            ConflictError: A version or alias has moved since the submitter looked.
            NotFoundError: An event refers to what the log does not know.
            PermissionDeniedError: An event is not signed by a key that may.
            InvalidInputError: An event contradicts what the log holds.
        """
        known = self._graph.events([signed.id.value for signed in request])
        trial = _Pending()
        fresh: list[SignedEvent] = []
        taken_over = bool(request) and isinstance(request[-1].event.statement, Imported)
        view = _View(self._graph, (self._pending, trial), _references(request), taken_over=taken_over)
        for signed in request:
            if signed.id.value in known or view.holds(signed.id.value):
                continue
            _check_signature(view, signed)
            if isinstance(signed.event.statement, Imported):
                _check_import(signed.event.statement, len(fresh), last=signed is request[-1])
            else:
                _check_statement(view, signed)
            trial.add(signed, view)
            fresh.append(signed)
        self._pending.update(trial)
        return fresh


@dataclass(slots=True)
class _Pending:
    """What admitted events add to the graph, as far as later ones are judged by it."""

    events: set[bytes] = field(default_factory=set)
    nodes: dict[NodeId, Node] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    heads: dict[tuple[str, str], frozenset[NodeId]] = field(default_factory=dict)

    def add(self, signed: SignedEvent, view: _View) -> None:
        self.events.add(signed.id.value)
        for node in contribution(signed.event, signed.id, 0).nodes:
            self._add_node(node)
        if isinstance(signed.event.statement, AliasMoved):
            move = signed.event.statement
            standing = view.heads(move.name, move.alias) - {before.value for before in move.previous}
            self.heads[move.name, move.alias] = standing | {signed.id.value}

    def update(self, other: _Pending) -> None:
        self.events |= other.events
        for node in other.nodes.values():
            self._add_node(node)
        self.heads |= other.heads

    def _add_node(self, node: Node) -> None:
        self.nodes[node.id] = merge(self.nodes.get(node.id, node), node)
        if node.name is not None and (version := version_of(node)) is not None:
            self.versions[node.name] = max(version, self.versions.get(node.name, 0))


class _View:
    """The graph as it will be after what is pending.

    Attributes:
        taken_over: Whether what is judged was admitted by another log before.
    """

    def __init__(
        self, graph: Graph, pending: Sequence[_Pending], ids: Iterable[NodeId], *, taken_over: bool = False
    ) -> None:
        self.taken_over = taken_over
        self._graph = graph
        self._pending = pending
        self._nodes = graph.get(list(ids))

    def holds(self, event: bytes) -> bool:
        return any(event in pending.events for pending in self._pending)

    def node(self, wanted: NodeId) -> Node:
        """Return a node; one that nothing is known of is `UNSEEN`."""
        node = self._nodes.get(wanted, Node(wanted, NodeKind.UNSEEN))
        for pending in self._pending:
            node = merge(node, pending.nodes.get(wanted, node))
        return node

    def max_version(self, name: str) -> int:
        return max(self._graph.max_version(name), *(pending.versions.get(name, 0) for pending in self._pending))

    def heads(self, name: str, alias: str) -> frozenset[NodeId]:
        for pending in reversed(self._pending):
            if (name, alias) in pending.heads:
                return pending.heads[name, alias]
        return frozenset(node.id for node in alias_heads(self._graph, name, alias))


def _references(request: Iterable[SignedEvent]) -> Iterator[NodeId]:
    """Yield the ids of all that a request could refer to, to be read from the graph at once."""
    for signed in request:
        yield bytes.fromhex(signed.event.actor)
        match signed.event.statement:
            case ArtifactRecorded(run=EventId(run)) | RunFinished(run=EventId(run)):
                yield run
            case RunUsed(run=run, uses=uses):
                yield from (run.value, *(use.artifact.value for use in uses))
            case EvaluationRecorded(model=model, dataset=dataset, run=run):
                yield from (model.value, dataset.value, run.value)
            case AliasMoved(artifact=EventId(artifact)):
                yield artifact
            case KeyChanged(key=key):
                yield _actor_of(key)
            case TableIdentified(content=content):
                yield content.value
            case KeepingChanged(artifact=artifact, previous=previous):
                yield from (artifact.value, *(decision.value for decision in previous))
            case _:
                pass


# ---------------------------------------------------------------------------- signatures


def _check_signature(view: _View, signed: SignedEvent) -> None:
    event = signed.event
    facets = view.node(bytes.fromhex(event.actor)).facets
    if "revoked" in facets:
        raise PermissionDeniedError(f"the key of actor {event.actor[:12]} was revoked")
    key = facets.get("added", {}).get("key")
    if key is None:
        statement = event.statement
        if not isinstance(statement, KeyChanged):
            raise PermissionDeniedError(
                f"actor {event.actor[:12]} has no key in this repository", hint="Its first event adds its key."
            )
        key = statement.key
    try:
        verify(signed, bytes.fromhex(key))
    except CorruptLogError as error:
        raise PermissionDeniedError(error.message) from error


def _check_key(view: _View, statement: KeyChanged, actor: str) -> None:
    concerned = _actor_of(statement.key)
    facets = view.node(concerned).facets
    if statement.action == "add":
        if statement.replaces is not None and statement.replaces != actor:
            raise PermissionDeniedError(f"only actor {statement.replaces[:12]} itself can hand over its key")
        if "revoked" in facets:
            raise PermissionDeniedError(f"the key of actor {concerned.hex()[:12]} was revoked")
        if "added" in facets and not view.taken_over:
            # Two first uses of a key may race: reading again, the second finds that it need not be added.
            raise ConflictError(f"the key of actor {concerned.hex()[:12]} was added already", hint="Read again.")
    else:
        if "added" not in facets:
            raise NotFoundError(f"no key to revoke: actor {concerned.hex()[:12]} is unknown")
        takes_over = view.node(bytes.fromhex(actor)).facets.get("added", {}).get("replaces")
        if concerned.hex() not in (actor, takes_over) and facets["added"]["actor"] != actor:
            raise PermissionDeniedError(
                f"actor {actor[:12]} can't revoke the key of actor {concerned.hex()[:12]}",
                hint="Its holder can, who added it, or who took it over.",
            )


def _actor_of(key: str) -> NodeId:
    return bytes.fromhex(actor_id(bytes.fromhex(key)))


# ---------------------------------------------------------------------------- statements


def _check_statement(view: _View, signed: SignedEvent) -> None:  # noqa: C901, PLR0912 - one branch a statement
    statement: Statement = signed.event.statement
    match statement:
        case ArtifactRecorded():
            _check_artifact(view, statement)
        case RunUsed(run=run, uses=uses):
            _a_run(view, run)
            for use in uses:
                _an_artifact(view, use.artifact)
        case RunFinished(run=run):
            if "finished" in _a_run(view, run).facets and not view.taken_over:
                raise InvalidInputError(f"the run {run.short} has finished already")
        case EvaluationRecorded(model=model, dataset=dataset, run=run):
            node = _an_artifact(view, model)
            if node.kind is not NodeKind.MODEL:
                raise InvalidInputError(f"{node.name} ({model.short}) is a {node.kind.word}, not a model to evaluate")
            _an_artifact(view, dataset)
            _a_run(view, run)
        case AliasMoved():
            _check_alias(view, statement)
        case KeyChanged():
            _check_key(view, statement, signed.event.actor)
        case TableIdentified(content=content):
            # Whoever reads the bytes can judge the rest; what others have said of them does not matter here.
            if view.node(content.value).kind is NodeKind.UNSEEN:
                raise NotFoundError(f"no artifact has the content {content.short}")
        case KeepingChanged():
            _check_keeping(view, statement)
        case _:
            pass  # a run may start, and any bytes may be erased, whatever the graph holds


def _check_import(statement: Imported, before: int, *, last: bool) -> None:
    if not last:
        raise InvalidInputError("an import event comes last: it speaks of what stands before it")
    if statement.events != before:
        raise ConflictError(
            f"{before} events would be taken over from {statement.origin}, not {statement.events}",
            hint="Others took over some of them in the meantime: look again.",
        )
    try:
        verifier = VerifierKey.parse(statement.key)
        Checkpoint.parse(statement.checkpoint.encode(), verifier)
    except CorruptLogError as error:
        raise InvalidInputError(f"not a checkpoint of {statement.origin}: {error.message}") from error
    if verifier.name != statement.origin:
        raise InvalidInputError(f"the key {statement.key} is not that of {statement.origin}")


def _check_artifact(view: _View, statement: ArtifactRecorded) -> None:
    if statement.run is not None:
        _a_run(view, statement.run)
    following = view.max_version(statement.name) + 1
    if statement.version != following and not view.taken_over:
        raise ConflictError(
            f"the next version of {statement.name} is {following}, not {statement.version}",
            hint="Another one was recorded in the meantime: read again.",
        )


def _check_alias(view: _View, statement: AliasMoved) -> None:
    name = alias_name(statement.name, statement.alias)
    heads = view.heads(statement.name, statement.alias)
    previous = {move.value for move in statement.previous}
    if not view.taken_over and (len(statement.previous) != len(heads) or previous != heads):
        raise ConflictError(f"{name} was moved in the meantime", hint="Read where it stands, then decide.")
    if statement.artifact is None:
        if not heads and not view.taken_over:
            raise NotFoundError(f"there is no alias {name} to take away")
        return
    node = _an_artifact(view, statement.artifact)
    if node.name != statement.name:
        raise InvalidInputError(f"{name} can stand for versions of {statement.name} only, not of {node.name}")


def _a_run(view: _View, wanted: EventId) -> Node:
    node = view.node(wanted.value)
    if node.kind is NodeKind.UNSEEN:
        raise NotFoundError(f"no run {wanted.short} in this repository")
    if node.kind is not NodeKind.RUN:
        raise InvalidInputError(f"{wanted.short} is a {node.kind.word}, not a run")
    return node


def _check_keeping(view: _View, statement: KeepingChanged) -> None:
    _an_artifact(view, statement.artifact)
    for previous in statement.previous:
        facet = view.node(previous.value).facets.get("keeping")
        if facet is None:
            raise NotFoundError(f"no decision {previous.short} in this repository")
        taken_back = Keeping.TRASH if statement.action is Keeping.RESTORE else Keeping.HOLD
        if (facet["artifact"], facet["action"]) != (str(statement.artifact), taken_back.value):
            raise InvalidInputError(f"{previous.short} is no {taken_back} of the artifact {statement.artifact.short}")


def _an_artifact(view: _View, wanted: EventId) -> Node:
    node = view.node(wanted.value)
    if node.kind is NodeKind.UNSEEN:
        raise NotFoundError(f"no artifact {wanted.short} in this repository")
    if not node.kind.is_artifact:
        raise InvalidInputError(f"{wanted.short} is a {node.kind.word}, not an artifact")
    return node


def _is_of(node: Node, name: str, alias: str) -> bool:
    facet = node.facets.get("alias", {})
    return (facet.get("name"), facet.get("alias")) == (name, alias)
