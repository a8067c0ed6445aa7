"""Draw a trace as a tree of lines: pure functions from records to text.

A graph is not a tree: what was drawn once is referred to after that, so a drawing is as long as its trace
and a cycle ends where it closes. A way that is deeper than a terminal is wide goes on in a block of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lin.lineage.events import EventId
from lin.lineage.words import Role
from lin.records import Artifact, Run, Trace, TraceEdge

from . import saying
from .text import number, plain

LEVELS = 20
"""Levels of a block; each takes three columns."""

Paint = Callable[[str, str], str]
"""Put a text into a style."""

_ORDER = (
    Role.TRAIN,
    Role.BASE_MODEL,
    Role.VALIDATION,
    Role.TEST,
    Role.INPUT,
    Role.CONFIG,
    Role.CODE,
    Role.ENVIRONMENT,
)


@dataclass(frozen=True, slots=True)
class Link:
    """All edges between two nodes, as one.

    Attributes:
        to: The node that the link leads to.
        roles: What for; none where a run generated.
        paths: Where the run read or wrote it.
    """

    to: EventId
    roles: tuple[Role, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Visit:
    node: EventId
    words: str = ""
    where: str = ""
    before: str = ""
    connector: str = ""
    below: str = ""
    level: int = 0


def tree(trace: Trace, paint: Paint = lambda text, _: text) -> Iterator[str]:
    """Yield the lines of a tree: the roots, and under each thing what made it (up) or what stands on it (down)."""
    nodes = {node.id: node for node in trace.nodes}
    links = _links(trace)
    drawn: set[EventId] = set()
    blocks: deque[tuple[EventId, bool]] = deque((root, False) for root in trace.roots)
    while blocks:
        start, continued = blocks.popleft()
        if start in drawn and not continued:
            continue
        stack = [_Visit(start, paint("continued: ", "dim") if continued else "")]
        while stack:
            visit = stack.pop()
            again = visit.node in drawn and not (continued and visit.level == 0)
            drawn.add(visit.node)
            under = () if again else links.get(visit.node, ())
            later = bool(under) and visit.level >= LEVELS
            note = "  ↑ above" if again else "  … continued below" if later else ""
            line = describe(visit.node, nodes)
            line = paint(line, "dim") if again else _coloured(line, nodes.get(visit.node), paint)
            yield f"{paint(visit.before + visit.connector, 'dim')}{visit.words}{line}{paint(visit.where + note, 'dim')}"
            if later:
                blocks.append((visit.node, True))
            else:
                stack.extend(reversed(_visits(visit, under, nodes, trace.direction, paint)))
    yield from remarks(trace)


def remarks(trace: Trace) -> Iterator[str]:
    """Say what a trace leaves out."""
    if trace.truncated == "nodes":
        yield f"… cut: {len(trace.nodes)} of {trace.total} nodes are shown, the nearest first"
    elif trace.truncated:
        deepest = max(trace.distance.values(), default=0)
        yield f"… cut at depth {deepest}: more lies beyond; a greater --depth shows it"
    if trace.unseen:
        yield f"… {number(len(trace.unseen), 'thing')} named here, but recorded in another repository"


def describe(node: EventId, nodes: Mapping[EventId, Artifact | Run]) -> str:
    """Say in one line what a node is, also where only its id is known."""
    found = nodes.get(node)
    return saying.record(found) if found else f"unknown {node.short}"


def _links(trace: Trace) -> Mapping[EventId, tuple[Link, ...]]:
    """Group the edges by the node they are drawn under."""
    up = trace.direction == "up"
    grouped: dict[EventId, dict[EventId, list[TraceEdge]]] = {}
    for edge in trace.edges:
        above, under = (edge.target, edge.source) if up else (edge.source, edge.target)
        grouped.setdefault(above, {}).setdefault(under, []).append(edge)
    made = {node.id: node.started if isinstance(node, Run) else node.created for node in trace.nodes}
    return {
        above: tuple(sorted((_merged(to, edges) for to, edges in under.items()), key=lambda link: _rank(link, made)))
        for above, under in grouped.items()
    }


def _merged(to: EventId, edges: list[TraceEdge]) -> Link:
    roles = sorted({edge.role for edge in edges if edge.role}, key=_ORDER.index)
    return Link(to, tuple(roles), tuple(sorted({path for edge in edges for path in edge.paths})))


def _rank(link: Link, made: Mapping[EventId, str]) -> tuple[int, str, EventId]:
    return (_ORDER.index(link.roles[0]) if link.roles else -1, made.get(link.to, ""), link.to)


def _visits(
    visit: _Visit, under: tuple[Link, ...], nodes: Mapping[EventId, Artifact | Run], direction: str, paint: Paint
) -> list[_Visit]:
    visits = []
    for index, link in enumerate(under):
        last = index == len(under) - 1
        found = nodes.get(link.to)
        visits.append(
            _Visit(
                node=link.to,
                words=paint(_words(link, found, direction), "dim"),
                where=_where(link, found),
                before=visit.below,
                connector="└─ " if last else "├─ ",
                below=visit.below + ("   " if last else "│  "),
                level=visit.level + 1,
            )
        )
    return visits


def _words(link: Link, found: Artifact | Run | None, direction: str) -> str:
    """Say what links a node to the one it is drawn under; nothing where that is plain from what it is."""
    if not link.roles:
        return "generated by " if direction == "up" else "generated "
    roles = ", ".join(link.roles)
    if isinstance(found, Artifact) and roles == found.kind:
        return ""  # code used as code
    return f"{roles}: " if direction == "up" else f"used as {roles} by "


def _where(link: Link, found: Artifact | Run | None) -> str:
    """Return the paths that a run read or wrote, but not one that only repeats the artifact's name."""
    name = found.name if isinstance(found, Artifact) else None
    where = ", ".join(plain(path) for path in link.paths if path != name)
    return f"  [{where}]" if where else ""


def _coloured(line: str, found: Artifact | Run | None, paint: Paint) -> str:
    if found is None:
        return paint(line, "yellow")
    kind, rest = line.split(" ", 1)
    name, gap, facts = rest.partition("  ")
    if isinstance(found, Run):
        first, gap_in, others = facts.partition("  ")
        facts = paint(first, saying.STATUS_STYLES[found.status]) + gap_in + paint(others, "dim")
    else:
        facts = paint(facts, "dim")
    return f"{kind} {paint(name, 'bold')}{gap}{facts}"
