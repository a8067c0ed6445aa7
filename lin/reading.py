"""Turn graph nodes into records, several at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from lin.lineage.events import EventId
from lin.lineage.graph import (
    ARTIFACT_KINDS,
    USED,
    Cursor,
    Direction,
    Edge,
    EdgeKind,
    Graph,
    Node,
    NodeId,
    NodeKind,
)
from lin.lineage.questions import present_moves
from lin.lineage.words import ArtifactKind, Evidence, RunStatus, Shape
from lin.store.digest import Digest

from .edges import notes_of
from .records import Alias, Artifact, Content, Evaluation, Experiment, Page, Run, Used

Found = Artifact | Run | Experiment | Evaluation | Content
"""What a ref can mean."""


def artifact(node: Node) -> Artifact:
    """Read an artifact's node."""
    facet = node.facets["artifact"]
    return Artifact(
        id=EventId(node.id),
        kind=ArtifactKind(facet["kind"]),
        name=facet["name"],
        version=facet["version"],
        digest=Digest.parse(facet["digest"]),
        shape=Shape(facet["shape"]),
        size=facet["size"],
        files=facet["files"],
        created=facet["at"],
        actor=facet["actor"],
        run=_event(facet.get("run")),
        path=facet.get("path"),
        evidence=Evidence(facet["evidence"]) if "evidence" in facet else None,
        experiment=facet.get("experiment"),
        attributes=facet.get("attributes", {}),
        detail=_digest(facet.get("detail")),
    )


def run(node: Node) -> Run:
    """Read a run's node."""
    started = node.facets["started"]
    finished: Mapping[str, Any] = node.facets.get("finished", {})
    return Run(
        id=EventId(node.id),
        name=started["name"],
        experiment=started["experiment"],
        status=RunStatus(finished.get("status", RunStatus.RUNNING)),
        parameters=started.get("parameters", {}),
        metrics=finished.get("metrics", {}),
        started=started["at"],
        actor=started["actor"],
        commit=started.get("commit"),
        finished=finished.get("at"),
        exit_status=finished.get("exit_status"),
        detail=_digest(started.get("detail")),
        outcome=_digest(finished.get("detail")),
    )


def is_known(node: Node) -> bool:
    """Tell whether the event that describes a node has come, and not only edges or later events that name it."""
    if node.kind.is_artifact:
        return "artifact" in node.facets
    if node.kind == NodeKind.RUN:
        return "started" in node.facets
    if node.kind == NodeKind.EVALUATION:
        return "evaluation" in node.facets
    return node.kind != NodeKind.UNSEEN


def records(graph: Graph, nodes: Iterable[Node]) -> dict[NodeId, Found]:
    """Read artifacts, runs, experiments, evaluations and contents, looking up what they name in as few steps."""
    answer: dict[NodeId, Found] = {}
    contents: list[Node] = []
    measured: list[Node] = []
    for node in nodes:
        if not is_known(node):
            continue
        if node.kind.is_artifact:
            answer[node.id] = artifact(node)
        elif node.kind == NodeKind.RUN:
            answer[node.id] = run(node)
        elif node.kind == NodeKind.EXPERIMENT:
            answer[node.id] = Experiment(node.id, node.name or "", node.created)
        elif node.kind == NodeKind.CONTENT:
            contents.append(node)
        elif node.kind == NodeKind.EVALUATION:
            measured.append(node)
    answer.update((item.id.value, item) for item in evaluations(graph, measured))
    holders = artifacts_with(graph, [node.id for node in contents])
    for node in contents:
        erased = node.facets.get("erased")
        reason = str(erased["reason"]) if erased else None
        answer[node.id] = Content(Digest(node.id), tuple(holders[node.id]), reason)
    return answer


def evaluations(graph: Graph, nodes: Sequence[Node]) -> list[Evaluation]:
    """Read evaluations, in the order given, leaving out those whose model or dataset is not known here."""
    facets = [(node, node.facets["evaluation"]) for node in nodes if is_known(node)]
    ends = {bytes.fromhex(facet[end]) for _, facet in facets for end in ("model", "dataset")}
    known = {key: artifact(node) for key, node in graph.get(ends).items() if node.kind.is_artifact and is_known(node)}
    answer = []
    for node, facet in facets:
        model, dataset = known.get(bytes.fromhex(facet["model"])), known.get(bytes.fromhex(facet["dataset"]))
        if model and dataset:
            answer.append(
                Evaluation(
                    id=EventId(node.id),
                    model=model,
                    dataset=dataset,
                    run=EventId.parse(facet["run"]),
                    metrics=facet.get("metrics", {}),
                    created=facet["at"],
                    actor=facet["actor"],
                )
            )
    return answer


def artifacts_with(graph: Graph, contents: Collection[NodeId]) -> Mapping[NodeId, Sequence[Artifact]]:
    """Return the artifacts that hold each of these contents, oldest first."""
    return _artifacts_at(graph, contents, {EdgeKind.HAS_CONTENT})


def generated(graph: Graph, runs: Collection[NodeId]) -> Mapping[NodeId, Sequence[Artifact]]:
    """Return what each of these runs generated, oldest first."""
    return _artifacts_at(graph, runs, {EdgeKind.GENERATED})


def used(graph: Graph, runs: Collection[NodeId]) -> Mapping[NodeId, Sequence[Used]]:
    """Return what each of these runs used, one entry for each path, by role and name."""
    edges = graph.edges(runs, Direction.UP, USED)
    nodes = graph.get({edge.source for edge in edges})
    answer: dict[NodeId, list[Used]] = defaultdict(list)
    for edge in edges:
        node = nodes.get(edge.source)
        role = edge.kind.role
        if node is None or role is None or not is_known(node):
            continue
        for note in notes_of(edge):
            answer[edge.target].append(Used(artifact(node), role, note.evidence, note.path))
    for uses in answer.values():
        uses.sort(key=lambda use: (list(type(use.role)).index(use.role), use.artifact.name, use.path or ""))
    return answer


def aliases(graph: Graph, moves: Iterable[Node]) -> list[Alias]:
    """Read where aliases stand from their moves that no other move replaces, by name."""
    standing: dict[str, list[Node]] = defaultdict(list)
    for node in present_moves(graph, [move.id for move in moves]):
        standing[node.name or ""].append(node)
    targets = {
        bytes.fromhex(node.facets["alias"]["artifact"])
        for nodes in standing.values()
        for node in nodes
        if "artifact" in node.facets["alias"]
    }
    known = {key: artifact(node) for key, node in graph.get(targets).items() if is_known(node)}
    answer = []
    for nodes in standing.values():
        facets = [node.facets["alias"] for node in nodes]
        ids = dict.fromkeys(bytes.fromhex(facet["artifact"]) for facet in facets if "artifact" in facet)
        answer.append(
            Alias(
                name=facets[0]["name"],
                alias=facets[0]["alias"],
                artifacts=tuple(known[key] for key in ids if key in known),
                moves=tuple(EventId(node.id) for node in nodes),
                moved=max(facet["at"] for facet in facets),
            )
        )
    return sorted(answer, key=lambda alias: (alias.name, alias.alias))


def page(nodes: Sequence[Node], items: Sequence[Any], limit: int | None, total: int | None = None) -> Page:
    """Cut a list that was asked for with one item more than `limit` into a page."""
    return Page(tuple(items[:limit]), after(nodes, limit), total)


def after(nodes: Sequence[Node], limit: int | None) -> Cursor | None:
    """Return where the next page starts of a list that was asked for with one item more than `limit`."""
    if limit is None or len(nodes) <= limit:
        return None
    last = nodes[limit - 1]
    return Cursor(last.created, last.id)


def _artifacts_at(
    graph: Graph, sources: Collection[NodeId], kinds: Collection[EdgeKind]
) -> Mapping[NodeId, Sequence[Artifact]]:
    edges: Sequence[Edge] = graph.edges(sources, Direction.DOWN, kinds)
    nodes = graph.get({edge.target for edge in edges})
    answer: dict[NodeId, list[Artifact]] = {source: [] for source in sources}
    for edge in edges:
        node = nodes.get(edge.target)
        if node is not None and node.kind in ARTIFACT_KINDS and is_known(node):
            answer[edge.source].append(artifact(node))
    for found in answer.values():
        found.sort(key=lambda item: (item.created, item.id))
    return answer


def _event(text: str | None) -> EventId | None:
    return EventId.parse(text) if text else None


def _digest(text: str | None) -> Digest | None:
    return Digest.parse(text) if text else None
